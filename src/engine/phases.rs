//! The phases of the day: what moves an instrument from one to the next, and what comes of it.
//!
//! | mover | moves |
//! |---|---|
//! | the start of the day | to the phase that the calendar has come to, else to continuous trading; not what is halted |
//! | the calendar | from pre-open to the opening auction, from either to continuous trading, from any phase to the closing auction, from any to closed; neither what is halted nor what is closed |
//! | a price band | from continuous trading to the volatility auction |
//! | the end of an auction's time | from a volatility or reopening auction to continuous trading |
//! | an operator | from any phase to any other; a resumption leads to the reopening auction while the calendar has the instrument trade, else to the phase the calendar has come to |
//!
//! Trading begins, and ends behind a closing auction, with the auction of what was collected. Whoever
//! leaves a phase otherwise leaves what was collected as it is: it takes part in the next auction. Closed
//! instruments have no orders. Timers fire in the order of (deadline, id): those of the calendar's groups
//! before those of instruments; one that is due is late by as much as commands were apart.

use serde::{Deserialize, Serialize};

use super::administration::Asker;
use super::calendar::{Calendar, GROUPS_MAX, Schedule};
use super::definitions::{system_message, trading_action};
use super::events::{Outlet, Route};
use super::timers::TimerQueue;
use super::{Engine, header_of};
use crate::matching::{Auction, BookSide, Section};
use crate::order_manager::{AUCTION_MS_DEFAULT, Trading};
use crate::types::command::{self, Halt, PriceBand, Resume, SetPhase};
use crate::types::event::{CalendarSet, EventHeader, PriceBandSet};
use crate::types::{
    CancelReason, Cross, InstrumentId, Nanos, Phase, Price, Refusal, Symbol, SystemCode,
};

/// What the phases of all instruments need.
#[derive(Debug)]
pub(super) struct Phases {
    pub(super) calendar: Calendar,
    /// By slot of the calendar, then two for each instrument: its indication, and the end of its auction.
    pub(super) timers: TimerQueue,
    /// Reused by every auction.
    pub(super) auction: Auction,
    /// What the feed was told of the day's trading.
    pub(super) hours: Hours,
}

/// How far the day's trading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hours {
    Ahead,
    Open,
    Over,
}

/// Timers below are the calendar's.
const FIRST_OF_INSTRUMENTS: u32 = 16;
const _: () = assert!(FIRST_OF_INSTRUMENTS as usize == GROUPS_MAX);

/// The time between two indications of an auction.
pub(super) const INDICATION_INTERVAL: Nanos = Nanos::SECOND;

/// The longest auction: an hour.
pub(super) const AUCTION_MS_MAX: u32 = 3_600_000;

/// The widest price band: as much again.
pub(super) const BAND_BPS_MAX: u16 = 10_000;

/// ITCH's reason of a pause by a price band.
const PAUSED: [u8; 4] = *b"LUDP";
const NO_REASON: [u8; 4] = [b' '; 4];

impl Phases {
    /// For a venue of so many instruments and resting orders.
    pub(super) fn new(instruments: u16, orders: u32) -> Self {
        let instruments = u32::from(instruments) + 1;
        Self {
            calendar: Calendar::default(),
            timers: TimerQueue::new(indication(InstrumentId(0)) + 2 * instruments),
            auction: Auction::with_room(orders),
            hours: Hours::Ahead,
        }
    }
}

/// What becomes of an instrument, and who is told that it is their doing.
#[derive(Clone, Copy)]
struct Move {
    phase: Phase,
    reason: [u8; 4],
    /// How long the auction of a phase that ends by itself lasts, 0 = as long as usual.
    auction_ms: u32,
    asker: Asker,
}

impl Move {
    const fn to(phase: Phase, reason: [u8; 4]) -> Self {
        Self { phase, reason, auction_ms: 0, asker: Asker::NOBODY }
    }
}

impl Engine {
    /// Halts one instrument, or all that can be.
    pub(super) fn halt(
        &mut self,
        halt: &Halt,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let to = Move { asker, ..Move::to(Phase::Halted, reason(halt.reason)?) };
        self.move_each(halt.symbol, |_, phase| may_halt(phase).then_some(to), out)
    }

    /// Ends the halt of one instrument, or of all.
    pub(super) fn resume(
        &mut self,
        resume: &Resume,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if resume.auction_ms > AUCTION_MS_MAX {
            return Err(Refusal::Invalid);
        }
        let by_auction = Move {
            auction_ms: resume.auction_ms,
            asker,
            ..Move::to(Phase::ReopeningAuction, reason(resume.reason)?)
        };
        let resumed = |engine: &Self, id, phase| {
            let scheduled =
                engine.scheduled(id).filter(|&scheduled| scheduled != Phase::Continuous);
            let phase_then = scheduled.unwrap_or(Phase::ReopeningAuction);
            (phase == Phase::Halted).then_some(Move { phase: phase_then, ..by_auction })
        };
        self.move_each_by(resume.symbol, resumed, out)
    }

    /// Puts one instrument, or all that are not there, into a phase.
    pub(super) fn override_phase(
        &mut self,
        set: &SetPhase,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let phase = Phase::from_byte(set.phase).ok_or(Refusal::Invalid)?;
        if set.auction_ms > AUCTION_MS_MAX {
            return Err(Refusal::Invalid);
        }
        let reason = reason(set.reason)?;
        let to = Move { auction_ms: set.auction_ms, asker, ..Move::to(phase, reason) };
        self.move_each(set.symbol, |_, from| (from != phase).then_some(to), out)
    }

    /// Sets how far from the last price an instrument may trade before it pauses.
    pub(super) fn set_price_band(
        &mut self,
        band: &PriceBand,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if band.band_bps > BAND_BPS_MAX || band.auction_ms > AUCTION_MS_MAX {
            return Err(Refusal::Invalid);
        }
        let id = self.manager.instrument(band.symbol).ok_or(Refusal::Unknown)?;
        let trading = self.trading_mut(id);
        trading.band_bps = band.band_bps;
        trading.auction_ms =
            if band.auction_ms == 0 { AUCTION_MS_DEFAULT } else { band.auction_ms };
        let event = price_band_set(id, self.trading_of(id), asker.request);
        self.events.emit(Route::port(asker.port), &event, out);
        Ok(())
    }

    /// Sets a group's schedule from the next day on.
    pub(super) fn set_calendar(
        &mut self,
        calendar: &command::Calendar,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let schedule = self.phases.calendar.set(calendar)?;
        self.events.emit(Route::port(asker.port), &calendar_set(&schedule, asker.request), out);
        Ok(())
    }

    /// Fires the timers of the calendar and of auctions that are due.
    pub(super) fn fire_phase_timer(&mut self, timer: u32, out: &mut dyn Outlet) {
        let Some((id, ends)) = owner(timer) else {
            self.follow_calendar(timer as usize, out);
            return;
        };
        if ends {
            self.move_to(id, Move::to(Phase::Continuous, NO_REASON), out);
        } else {
            self.indicate(id, out);
            self.phases.timers.arm(timer, self.now.after(INDICATION_INTERVAL));
        }
    }

    /// Begins the day's phases, before the definitions are said.
    pub(super) fn start_phases(&mut self, midnight: Nanos) {
        let now = self.now.since(midnight);
        self.phases.calendar.start_day(now);
        self.phases.hours = Hours::Ahead;
        for number in 1..=self.manager.instruments.len() {
            self.start_instrument(InstrumentId(u16::try_from(number).expect("ids are u16")));
        }
        for slot in 0..GROUPS_MAX {
            self.arm_calendar(slot, midnight);
        }
    }

    /// Puts an instrument into the phase that its schedule has come to.
    pub(super) fn start_instrument(&mut self, id: InstrumentId) {
        let phase = self.scheduled(id).unwrap_or(Phase::Continuous);
        let row = self.manager.instruments.get_mut(id.0.into()).expect("numbers are dense");
        row.trading.start_day(phase, row.tick_size);
        if row.trading.phase.cross().is_some() {
            self.phases.timers.arm(indication(id), self.now.after(INDICATION_INTERVAL));
        }
    }

    /// Ends the day's phases: whatever rests is canceled, and no timer is left.
    pub(super) fn end_phases(&mut self, out: &mut dyn Outlet) {
        for number in 1..=self.manager.instruments.len() {
            let id = InstrumentId(u16::try_from(number).expect("ids are u16"));
            self.cancel_all(id, CancelReason::Closed, out);
            self.phases.timers.disarm(indication(id));
            self.phases.timers.disarm(indication(id) + 1);
        }
        for slot in 0..GROUPS_MAX {
            self.phases.timers.disarm(u32::try_from(slot).expect("a few"));
        }
        self.say_end_of_market(out);
    }

    /// Says that trading begins, once a day.
    pub(super) fn say_start_of_market(&mut self, out: &mut dyn Outlet) {
        if self.phases.hours == Hours::Ahead {
            self.phases.hours = Hours::Open;
            self.events.emit(Route::FEED, &system_message(SystemCode::StartOfMarket), out);
        }
    }

    /// Says that trading is over, once a day that had any.
    fn say_end_of_market(&mut self, out: &mut dyn Outlet) {
        if self.phases.hours == Hours::Open {
            self.phases.hours = Hours::Over;
            self.events.emit(Route::FEED, &system_message(SystemCode::EndOfMarket), out);
        }
    }

    /// Pauses trading: the next fill would be too far from the last price.
    pub(super) fn pause(&mut self, id: InstrumentId, out: &mut dyn Outlet) {
        self.move_to(id, Move::to(Phase::VolatilityAuction, PAUSED), out);
    }

    /// The phase that the calendar has an instrument in, `None` without a calendar.
    fn scheduled(&self, id: InstrumentId) -> Option<Phase> {
        let row = self.manager.instruments.get(id.0.into()).expect("it exists");
        let slot = self.phases.calendar.slot(row.market_category)?;
        Some(self.phases.calendar.phase(slot))
    }

    fn arm_calendar(&mut self, slot: usize, midnight: Nanos) {
        if let Some(time) = self.phases.calendar.next(slot) {
            let id = u32::try_from(slot).expect("a few");
            self.phases.timers.arm(id, midnight.after(time));
        }
    }

    /// Moves the instruments of a group on.
    fn follow_calendar(&mut self, slot: usize, out: &mut dyn Outlet) {
        let Some(phase) = self.phases.calendar.advance(slot) else { return };
        for number in 1..=self.manager.instruments.len() {
            let row = self.manager.instruments.get(number).expect("numbers are dense");
            let (id, from) = (row.id, row.trading.phase);
            if self.phases.calendar.slot(row.market_category) == Some(slot) && follows(from, phase)
            {
                self.move_to(id, Move::to(phase, NO_REASON), out);
            }
        }
        let midnight = self.day.as_ref().expect("the calendar moves a day").midnight;
        self.arm_calendar(slot, midnight);
    }

    fn move_each(
        &mut self,
        symbol: Symbol,
        to: impl Fn(InstrumentId, Phase) -> Option<Move>,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        self.move_each_by(symbol, |_, id, phase| to(id, phase), out)
    }

    /// Moves the instrument of a symbol, or all for a blank one, where there is somewhere to go.
    fn move_each_by(
        &mut self,
        symbol: Symbol,
        to: impl Fn(&Self, InstrumentId, Phase) -> Option<Move>,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        if self.day.is_none() {
            return Err(Refusal::Day);
        }
        let (first, last) = if symbol == Symbol::BLANK || symbol.0 == [0; 8] {
            (1, self.manager.instruments.len())
        } else {
            let id = self.manager.instrument(symbol).ok_or(Refusal::Unknown)?;
            (id.0.into(), id.0.into())
        };
        let mut moved = false;
        for number in first..=last {
            let id = InstrumentId(u16::try_from(number).expect("ids are u16"));
            if let Some(to) = to(self, id, self.trading_of(id).phase) {
                self.move_to(id, to, out);
                moved = true;
            }
        }
        if moved { Ok(()) } else { Err(Refusal::Phase) }
    }

    /// Leaves a phase and enters another.
    fn move_to(&mut self, id: InstrumentId, to: Move, out: &mut dyn Outlet) {
        let from = self.trading_of(id).phase;
        self.phases.timers.disarm(indication(id));
        self.phases.timers.disarm(indication(id) + 1);
        match (from, to.phase) {
            (Phase::Closed, Phase::Continuous) => self.say_start_of_market(out),
            (_, Phase::Continuous) => {
                self.say_start_of_market(out);
                self.uncross(id, from.cross().unwrap_or(Cross::Halt), out);
            }
            (Phase::ClosingAuction, Phase::Closed) => self.uncross(id, Cross::Closing, out),
            // There is no opening any more.
            (_, Phase::ClosingAuction) => {
                self.cancel_section(id, Section::Opening, CancelReason::Cross, out);
            }
            _ => {}
        }
        if to.phase == Phase::Closed {
            self.cancel_all(id, CancelReason::Closed, out);
        }
        let trading = self.trading_mut(id);
        trading.phase = to.phase;
        let usual = trading.auction_ms;
        let row = self.manager.instruments.get(id.0.into()).expect("it exists");
        let event = trading_action(row, to.reason, to.asker.request);
        self.events.emit(Route::port(to.asker.port).and_feed(true), &event, out);
        if to.phase.cross().is_some() {
            self.phases.timers.arm(indication(id), self.now.after(INDICATION_INTERVAL));
        }
        if matches!(to.phase, Phase::VolatilityAuction | Phase::ReopeningAuction) {
            let length = if to.auction_ms == 0 { usual } else { to.auction_ms };
            let end = self.now.after(Nanos::from_millis(length.into()));
            self.phases.timers.arm(indication(id) + 1, end);
        }
        let is_over = |phase| matches!(phase, Phase::Closed | Phase::Halted);
        let rows = self.manager.instruments.rows();
        if to.phase == Phase::Closed && rows.iter().all(|row| is_over(row.trading.phase)) {
            self.say_end_of_market(out);
        }
    }

    /// Cancels everything that rests in an instrument's books.
    fn cancel_all(&mut self, id: InstrumentId, reason: CancelReason, out: &mut dyn Outlet) {
        for section in [Section::Continuous, Section::Opening, Section::Closing] {
            self.cancel_section(id, section, reason, out);
        }
    }

    /// Cancels what rests in one section, in the order in which it would trade.
    pub(super) fn cancel_section(
        &mut self,
        id: InstrumentId,
        section: Section,
        reason: CancelReason,
        out: &mut dyn Outlet,
    ) {
        for side in [BookSide::Bids, BookSide::Asks] {
            while let Some(first) = self.books.first_in(id, section, side) {
                self.cancel_rest(first, reason, out);
            }
        }
    }

    /// Notes the price of a trade.
    pub(super) fn trade_at(&mut self, id: InstrumentId, price: Price) {
        let row = self.manager.instruments.get_mut(id.0.into()).expect("it exists");
        row.trading.trade_at(price, row.tick_size);
    }

    pub(super) fn trading_of(&self, id: InstrumentId) -> &Trading {
        &self.manager.instruments.get(id.0.into()).expect("it exists").trading
    }

    pub(super) fn trading_mut(&mut self, id: InstrumentId) -> &mut Trading {
        &mut self.manager.instruments.get_mut(id.0.into()).expect("it exists").trading
    }
}

/// Whether the calendar moves an instrument from one phase to another.
const fn follows(from: Phase, to: Phase) -> bool {
    match to {
        Phase::OpeningAuction => matches!(from, Phase::PreOpen),
        Phase::Continuous => matches!(from, Phase::PreOpen | Phase::OpeningAuction),
        Phase::ClosingAuction => {
            !matches!(from, Phase::Halted | Phase::Closed | Phase::ClosingAuction)
        }
        _ => !matches!(from, Phase::Halted | Phase::Closed),
    }
}

/// A reason as the feed shows it: of printable characters, and blank if there is none.
fn reason(given: [u8; 4]) -> Result<[u8; 4], Refusal> {
    if given == [0; 4] {
        return Ok(NO_REASON);
    }
    let printable = given.iter().all(|byte| (b' '..=b'~').contains(byte));
    if printable { Ok(given) } else { Err(Refusal::Invalid) }
}

const fn may_halt(phase: Phase) -> bool {
    !matches!(phase, Phase::Halted | Phase::Closed)
}

/// The timer of an instrument's next indication; the next one is that of its auction's end.
const fn indication(id: InstrumentId) -> u32 {
    FIRST_OF_INSTRUMENTS + 2 * id.0 as u32
}

/// The instrument of a timer, and whether it ends its auction; `None` for the calendar's.
pub(super) fn owner(timer: u32) -> Option<(InstrumentId, bool)> {
    let number = timer.checked_sub(indication(InstrumentId(0)))?;
    Some((InstrumentId(u16::try_from(number / 2).expect("ids are u16")), number % 2 == 1))
}

pub(super) fn price_band_set(id: InstrumentId, trading: &Trading, request: u64) -> PriceBandSet {
    PriceBandSet {
        header: header_of::<PriceBandSet>(id),
        request,
        auction_ms: trading.auction_ms,
        band_bps: trading.band_bps,
        reserved: [0; 10],
    }
}

pub(super) fn calendar_set(schedule: &Schedule, request: u64) -> CalendarSet {
    let &Schedule { group, opening_auction, open, closing_auction, close } = schedule;
    CalendarSet {
        header: EventHeader::new::<CalendarSet>(),
        request,
        opening_auction,
        open,
        closing_auction,
        close,
        group,
        reserved: [0; 47],
    }
}
