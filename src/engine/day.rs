//! The trading day: begins with every definition said again, ends with every order canceled.
//!
//! No order, no session of a broker and no sequence number of a stream outlives it.

use super::administration::Asker;
use super::definitions::system_message;
use super::events::{Outlet, Route};
use super::{Day, Engine};
use crate::matching::BookSide;
use crate::types::command::{DayEnd, DayStart};
use crate::types::event::{DayEnded, DayStarted, EventHeader};
use crate::types::{
    CancelReason, DownReason, InstrumentId, PortId, PortKind, Refusal, SessionId, SystemCode,
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
        // Numbers begin anew, so a client that comes back must see that it is another session.
        let is_new = session != self.session;
        if !is_date(date) || !is_session(session) || !is_new || midnight > self.now {
            return Err(Refusal::Invalid);
        }
        self.session = session;
        self.day = Some(Day { date, midnight, session });
        for port in self.manager.ports.rows_mut() {
            port.start_day();
        }
        self.events.start_day();
        let started = DayStarted {
            header: EventHeader::new::<DayStarted>(),
            request: asker.request,
            midnight,
            date,
            session,
            reserved: [0; 58],
        };
        self.events.emit(Route::admin(asker.port).and_feed(true), &started, out);
        self.say_everything(out);
        self.say_system(SystemCode::StartOfSystem, out);
        self.events.emit(Route::FEED, &system_message(SystemCode::StartOfMarket), out);
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
        for number in 1..=self.manager.instruments.len() {
            let instrument = InstrumentId(u16::try_from(number).expect("ids are u16"));
            for side in [BookSide::Bids, BookSide::Asks] {
                while let Some(first) = self.books.first(instrument, side) {
                    self.cancel_rest(first, CancelReason::Closed, out);
                }
            }
        }
        self.events.emit(Route::FEED, &system_message(SystemCode::EndOfMarket), out);
        self.say_system(SystemCode::EndOfSystem, out);
        self.events.emit(Route::FEED, &system_message(SystemCode::EndOfMessages), out);
        for number in 1..=self.manager.ports.len() {
            let port = self.manager.ports.get(number).expect("numbers are dense");
            if port.is_of_the_day() {
                self.grace.disarm(number);
                self.end_session(PortId(number), DownReason::EndOfSession, out);
            }
        }
        self.day = None;
        let ended = DayEnded {
            header: EventHeader::new::<DayEnded>(),
            request: asker.request,
            reserved: [0; 16],
        };
        self.events.emit(Route::admin(asker.port), &ended, out);
        Ok(())
    }

    /// To every order entry port and to the feed.
    fn say_system(&mut self, code: SystemCode, out: &mut dyn Outlet) {
        let message = system_message(code);
        let brokers =
            self.manager.ports.rows().iter().filter(|port| port.kind == PortKind::OrderEntry);
        for port in brokers {
            self.events.emit(Route::order_entry(port.id, port.firm), &message, out);
        }
        self.events.emit(Route::FEED, &message, out);
    }
}

/// Whether a number reads as YYYYMMDD.
fn is_date(date: u32) -> bool {
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// Whether the session id can stand in a login: ten digits, as YYMMDD and a generation.
fn is_session(session: SessionId) -> bool {
    session.0.iter().all(u8::is_ascii_digit)
}
