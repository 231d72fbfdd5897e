//! `rialto market day-start` and `day-end`. The operator's own stream ends and begins with the day.

use zerocopy::FromZeros as _;

use super::operator::{Answer, Operator, answer};
use crate::agent::real_time;
use crate::cli::CliError;
use crate::types::command::{CommandHeader, DayEnd, DayStart};
use crate::types::{Date, Line, Nanos, Record, SessionId};

pub(super) fn end(operator: &Operator) -> Result<(), CliError> {
    let mut session = operator.login(SessionId::BLANK, 0)?;
    let request = operator.request();
    let header = CommandHeader::internal::<DayEnd>(Nanos::ZERO);
    session.send(Line::bytes(DayEnd { header, request, reserved: [0; 32] }.lines()))?;
    match answer(&mut session, request)? {
        Answer::Done => println!("day of session {} ended", session.session()),
        Answer::SessionOver => return Err(CliError::DayRolled),
    }
    Ok(())
}

pub(super) fn start(operator: &Operator, date: Option<Date>) -> Result<(), CliError> {
    let date = date.unwrap_or_else(|| Date::of(real_time()));
    let mut session = operator.login(SessionId::BLANK, 0)?;
    let generation = date.generation_after(session.session());
    let generation = generation.ok_or(CliError::NoMoreSessions(date))?;
    let request = operator.request();
    let day = DayStart {
        header: CommandHeader::internal::<DayStart>(Nanos::ZERO),
        request,
        midnight: date.midnight(),
        date: date.number(),
        session: date.session(generation),
        ..DayStart::new_zeroed()
    };
    session.send(Line::bytes(day.lines()))?;
    match answer(&mut session, request)? {
        Answer::Done => {}
        // The operator's own stream begins again with the day; the answer is in the new one.
        Answer::SessionOver => {
            session = operator.login(day.session, 1)?;
            if answer(&mut session, request)? == Answer::SessionOver {
                return Err(CliError::DayRolled);
            }
        }
    }
    println!("day {date} started, session {}", session.session());
    Ok(())
}
