//! The naive exchange's phases: who moves an instrument from one to another, and what becomes of the orders.

use std::ops::RangeInclusive;

use super::{LISTINGS, Naive};
use crate::types::Nanos;

/// How far an instrument's day has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trading {
    /// In the notation: preopen, opening, continuous, volatility, halted, reopening, closing, closed.
    pub(super) phase: &'static str,
    /// What an order without a price pays at most: twice the day's first. 0 = there is none yet.
    pub(super) collar: u64,
    /// How far from the last price it trades, in basis points, 0 = as far as it likes.
    band: u64,
    /// How long an auction lasts that ends by itself, if nobody says.
    usual_length: Nanos,
    /// When the auction is indicated next.
    pub(super) indicates: Option<Nanos>,
    /// When the auction ends by itself.
    pub(super) ends: Option<Nanos>,
}

const MINUTE: Nanos = Nanos::from_secs(60);

impl Default for Trading {
    fn default() -> Self {
        let (phase, usual_length) = ("continuous", MINUTE);
        Self { phase, collar: 0, band: 0, usual_length, indicates: None, ends: None }
    }
}

/// How far the venue's day has come.
#[derive(Clone, Debug)]
pub(super) struct Day {
    /// What the calendar says of the rest of the day.
    pub(super) ahead: Vec<(Nanos, &'static str)>,
    /// The phase it has come to, none without a calendar.
    scheduled: Option<&'static str>,
    /// Whether trading has begun, and whether it is over.
    begun: bool,
    over: bool,
}

impl Default for Day {
    fn default() -> Self {
        Self { ahead: Vec::new(), scheduled: None, begun: true, over: false }
    }
}

impl Naive {
    /// Begins a day of these times, without logins.
    pub(in super::super) fn begin_day(&mut self, calendar: &[(Nanos, &'static str)]) {
        let (passed, ahead): (Vec<_>, Vec<_>) =
            calendar.iter().copied().partition(|&(at, _)| at <= self.now);
        let phase = passed.last().map_or("preopen", |&(_, phase)| phase);
        let begun = phase == "continuous";
        self.day = Day { ahead, scheduled: Some(phase), begun, over: false };
        for trading in &mut self.trading {
            trading.phase = phase;
            trading.indicates = collects(phase).then(|| self.now.after(Nanos::SECOND));
        }
        self.down.fill(true);
    }

    /// Goes on to the calendar's next time.
    pub(super) fn follow_calendar(&mut self) -> Vec<String> {
        let (_, phase) = self.day.ahead.remove(0);
        self.day.scheduled = Some(phase);
        let mut said = Vec::new();
        for listing in 0..LISTINGS.len() {
            let from = self.trading[listing].phase;
            let follows = match phase {
                "opening" => from == "preopen",
                "continuous" => from == "preopen" || from == "opening",
                "closing" => !matches!(from, "halted" | "closed" | "closing"),
                _ => !matches!(from, "halted" | "closed"),
            };
            if follows {
                said.extend(self.enter_phase(listing, phase, "", None));
            }
        }
        said
    }

    /// An operator says which phase; no listing means all.
    pub(in super::super) fn set_phase(
        &mut self,
        listing: Option<usize>,
        phase: &'static str,
        seconds: u64,
    ) -> Vec<String> {
        self.move_each(listing, ("SetPhase", "", seconds), |from| {
            if from == phase { None } else { Some(phase) }
        })
    }

    pub(in super::super) fn halt(&mut self, listing: Option<usize>) -> Vec<String> {
        self.move_each(listing, ("Halt", " T1", 0), |from| {
            if matches!(from, "halted" | "closed") { None } else { Some("halted") }
        })
    }

    pub(in super::super) fn resume(&mut self, listing: Option<usize>, seconds: u64) -> Vec<String> {
        let scheduled = self.day.scheduled.filter(|&phase| phase != "continuous");
        self.move_each(listing, ("Resume", "", seconds), |from| {
            if from == "halted" { Some(scheduled.unwrap_or("reopening")) } else { None }
        })
    }

    pub(in super::super) fn set_band(
        &mut self,
        listing: usize,
        bps: u64,
        seconds: u64,
    ) -> Vec<String> {
        let length = if seconds == 0 { MINUTE } else { Nanos::from_secs(seconds) };
        self.trading[listing].band = bps;
        self.trading[listing].usual_length = length;
        let symbol = LISTINGS[listing].symbol;
        vec![format!("band of {symbol} is {bps} bps, {} ms", length.0 / 1_000_000)]
    }

    /// The prices at which a listing trades, none if it trades at any.
    pub(super) fn band(&self, listing: usize) -> Option<RangeInclusive<u64>> {
        let (last, bps) = (self.last_price[listing], self.trading[listing].band);
        let width = last * bps / 10_000;
        (last > 0 && bps > 0).then(|| last - width..=last + width)
    }

    /// Leaves a phase for another.
    pub(super) fn enter_phase(
        &mut self,
        listing: usize,
        phase: &'static str,
        why: &str,
        length: Option<Nanos>,
    ) -> Vec<String> {
        let from = self.trading[listing].phase;
        let mut said = Vec::new();
        if phase == "continuous" && !self.day.begun {
            self.day.begun = true;
            said.push("system StartOfMarket *".to_owned());
        }
        match (from, phase) {
            ("closed", "continuous") => {}
            (_, "continuous") | ("closing", "closed") => said.extend(self.hold_auction(listing)),
            (_, "closing") => said.extend(self.take_all(listing, "OH", "Cross")),
            _ => {}
        }
        if phase == "closed" {
            for crosses in ["N", "OH", "C"] {
                said.extend(self.take_all(listing, crosses, "Closed"));
            }
        }
        let trading = &mut self.trading[listing];
        trading.phase = phase;
        trading.indicates = collects(phase).then(|| self.now.after(Nanos::SECOND));
        let ends = matches!(phase, "volatility" | "reopening");
        trading.ends = ends.then(|| self.now.after(length.unwrap_or(trading.usual_length)));
        said.push(format!("{} {}{why} *", LISTINGS[listing].symbol, shown(phase)));
        let is_over = |phase| matches!(phase, "halted" | "closed");
        let all_over = self.trading.iter().all(|trading| is_over(trading.phase));
        if phase == "closed" && all_over && self.day.begun && !self.day.over {
            self.day.over = true;
            said.push("system EndOfMarket *".to_owned());
        }
        said
    }

    /// Moves one listing, or all, where there is somewhere to go.
    fn move_each(
        &mut self,
        listing: Option<usize>,
        (command, why, seconds): (&str, &str, u64),
        to: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<String> {
        let length = Some(seconds).filter(|&seconds| seconds > 0).map(Nanos::from_secs);
        let mut said = Vec::new();
        for at in 0..LISTINGS.len() {
            if listing.is_none_or(|listing| listing == at)
                && let Some(phase) = to(self.trading[at].phase)
            {
                said.extend(self.enter_phase(at, phase, why, length));
            }
        }
        if said.is_empty() { vec![format!("refused {command}, Phase")] } else { said }
    }
}

/// Whether orders are collected for an auction.
fn collects(phase: &str) -> bool {
    !matches!(phase, "continuous" | "halted" | "closed")
}

fn shown(phase: &str) -> &'static str {
    match phase {
        "preopen" => "PreOpen",
        "opening" => "OpeningAuction",
        "continuous" => "Trading",
        "volatility" => "VolatilityAuction",
        "halted" => "Halted",
        "reopening" => "ReopeningAuction",
        "closing" => "ClosingAuction",
        _ => "Closed",
    }
}
