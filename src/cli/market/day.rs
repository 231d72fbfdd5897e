//! `rialto market day-start` and `day-end`. The operator's own stream ends and begins with the day.

use zerocopy::FromZeros as _;

use super::operator::{Answer, Operator, answer};
use crate::cli::{CliError, now};
use crate::types::command::{CommandHeader, DayEnd, DayStart};
use crate::types::{Date, Line, Nanos, Record, SessionId};

pub(super) fn end(operator: &Operator) -> Result<(), CliError> {
    let mut session = operator.login(SessionId::BLANK, 0)?;
    let request = operator.request();
    let header = CommandHeader::internal::<DayEnd>(Nanos::ZERO);
    session.send(Line::bytes(DayEnd { header, request, reserved: [0; 32] }.lines()))?;
    answer(&mut session, request)?;
    println!("day of session {} ended", session.session());
    Ok(())
}

pub(super) fn start(operator: &Operator, date: Option<Date>) -> Result<(), CliError> {
    let date = date.unwrap_or_else(|| Date::of(now()));
    let mut session = operator.login(SessionId::BLANK, 0)?;
    let request = operator.request();
    let day = DayStart {
        header: CommandHeader::internal::<DayStart>(Nanos::ZERO),
        request,
        midnight: date.midnight(),
        date: date.number(),
        session: date.session(generation(date, session.session())),
        ..DayStart::new_zeroed()
    };
    session.send(Line::bytes(day.lines()))?;
    match answer(&mut session, request)? {
        Answer::Done => {}
        // The operator's own stream begins again with the day; the answer is in the new one.
        Answer::SessionOver => {
            session = operator.login(day.session, 1)?;
            answer(&mut session, request)?;
        }
    }
    println!("day {date} started, session {}", session.session());
    Ok(())
}

/// A date's next session: the one after `last`, if that was of the same date.
fn generation(date: Date, last: SessionId) -> u16 {
    let (day, generation) = last.0.split_at(6);
    let same = date.session(1).0.starts_with(day);
    let last = str::from_utf8(generation).ok().and_then(|text| text.parse::<u16>().ok());
    last.filter(|_| same).map_or(1, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_session_of_a_date_has_the_next_generation() {
        let date: Date = "2026-11-22".parse().unwrap();
        assert_eq!(generation(date, date.session(1)), 2);
        assert_eq!(generation(date, date.session(41)), 42);
        assert_eq!(generation(date, "2026-11-21".parse::<Date>().unwrap().session(7)), 1);
        assert_eq!(generation(date, SessionId::BLANK), 1);
    }
}
