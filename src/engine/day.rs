//! The trading day: begins with every definition said again, ends with every order canceled.
//!
//! No order, no session of a broker and no sequence number of a stream outlives it.

use super::administration::Asker;
use super::definitions::system_message;
use super::events::{Outlet, Route};
use super::{Day, Engine};
use crate::types::command::{DayEnd, DayStart};
use crate::types::event::{DayEnded, DayStarted, EventHeader};
use crate::types::{
    Date, DownReason, Nanos, Phase, PortId, PortKind, Refusal, SessionId, SystemCode,
};

impl Engine {
    /// Opens the day.
    pub(super) fn start_day(
        &mut self,
        start: &DayStart,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if self.day.is_some() {
            return Err(Refusal::Day);
        }
        let &DayStart { date, midnight, session, .. } = start;
        let name = generation(session, date).map(|generation| (date, generation));
        // Numbers begin anew with each day, so its name must never have been another's: what a client
        // has of one session it would take for messages of the other.
        let name = name.filter(|name| *name > self.last_day).ok_or(Refusal::Invalid)?;
        let begun = self.now.0.checked_sub(midnight.0).ok_or(Refusal::Invalid)?;
        if Date::from_number(date).is_none() || begun >= DAY_LENGTH_MAX.0 {
            return Err(Refusal::Invalid);
        }
        self.last_day = name;
        self.day = Some(Day { date, midnight, session });
        self.manager.start_day();
        self.manager.busts.start_day(self.events.next_sequence());
        self.events.start_day();
        self.start_phases(midnight);
        let started = DayStarted {
            header: EventHeader::new::<DayStarted>(),
            request: asker.request,
            midnight,
            date,
            session,
            reserved: [0; 58],
        };
        self.events.emit(Route::port(asker.port).and_feed(true), &started, out);
        self.say_everything(out);
        self.say_system(SystemCode::StartOfSystem, out);
        let instruments = self.manager.instruments.rows();
        let trades = instruments.iter().any(|row| row.trading.phase == Phase::Continuous);
        if trades || self.phases.calendar.is_empty() {
            self.say_start_of_market(out);
        }
        Ok(())
    }

    /// Closes the day.
    pub(super) fn end_day(
        &mut self,
        _: &DayEnd,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if self.day.is_none() {
            return Err(Refusal::Day);
        }
        self.end_phases(out);
        self.say_system(SystemCode::EndOfSystem, out);
        self.events.emit(Route::FEED, &system_message(SystemCode::EndOfMessages), out);
        for number in 1..=self.manager.ports.len() {
            let port = self.manager.ports.get(number).expect("numbers are dense");
            if port.is_of_the_day() {
                self.deadlines.grace.disarm(number);
                self.end_session(PortId(number), DownReason::EndOfSession, out);
            }
        }
        self.day = None;
        let ended = DayEnded {
            header: EventHeader::new::<DayEnded>(),
            request: asker.request,
            reserved: [0; 16],
        };
        self.events.emit(Route::port(asker.port), &ended, out);
        Ok(())
    }

    /// To every order entry port, to every firm and to the feed, once each: a firm's stream is no sum of
    /// its ports'.
    fn say_system(&mut self, code: SystemCode, out: &mut dyn Outlet) {
        let message = system_message(code);
        let brokers =
            self.manager.ports.rows().iter().filter(|port| port.kind == PortKind::OrderEntry);
        for port in brokers {
            self.events.emit(Route::port(port.id), &message, out);
        }
        for firm in self.manager.firms.rows() {
            self.events.emit(Route::firm(firm.id), &message, out);
        }
        self.events.emit(Route::FEED, &message, out);
    }
}

/// How far behind its midnight a day may begin. The wire's timestamps count from there.
pub const DAY_LENGTH_MAX: Nanos = Nanos::from_secs(48 * 3_600);

/// The generation of a session id that is made of `date`: YYMMDD and four digits.
fn generation(session: SessionId, date: u32) -> Option<u32> {
    let (day, generation) = session.0.split_at(6);
    let day = number(day)?;
    (day == date % 1_000_000).then(|| number(generation))?
}

/// The number that these digits write.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}
