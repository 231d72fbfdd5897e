//! The market of `market.txt` as the oracle knows it.

use crate::types::Nanos;

/// An instrument.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Listing {
    pub(in super::super) symbol: &'static str,
    pub(in super::super) decimals: u8,
    pub(in super::super) scale: i64,
    pub(in super::super) tick: u64,
    pub(in super::super) lot: u32,
    pub(in super::super) short: bool,
}

/// The last has phases, but nobody trades it.
pub(in super::super) const LISTINGS: [Listing; 4] = [
    Listing { symbol: "ACME", decimals: 4, scale: 1, tick: 100, lot: 1, short: false },
    Listing { symbol: "BOLT", decimals: 2, scale: 100, tick: 5, lot: 100, short: false },
    Listing { symbol: "CHIP", decimals: 4, scale: 1, tick: 1, lot: 1, short: true },
    Listing { symbol: "DOTS", decimals: 0, scale: 1, tick: 50, lot: 10, short: false },
];

/// How many listings are traded.
pub(in super::super) const TRADED: usize = 3;

/// A port.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Login {
    pub(in super::super) name: &'static str,
    pub(super) firm: &'static str,
    pub(super) account: u32,
    pub(super) open_max: usize,
    pub(super) firm_open_max: usize,
    pub(super) rate: usize,
    pub(super) grace: Option<Nanos>,
}

pub(in super::super) const LOGINS: [Login; 3] = [
    Login {
        name: "A1",
        firm: "ALFA",
        account: 1,
        open_max: usize::MAX,
        firm_open_max: 2_500,
        rate: usize::MAX,
        grace: Some(Nanos::from_secs(10)),
    },
    Login {
        name: "A2",
        firm: "ALFA",
        account: 1,
        open_max: 2,
        firm_open_max: 2_500,
        rate: 3,
        grace: None,
    },
    Login {
        name: "B1",
        firm: "BETA",
        account: 2,
        open_max: usize::MAX,
        firm_open_max: 3,
        rate: usize::MAX,
        grace: Some(Nanos::from_secs(5)),
    },
];

/// The account that gets the fees.
pub(in super::super) const FEES: u32 = 4;

/// What trades cost, in millionths.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Rates {
    pub(in super::super) maker: i64,
    pub(in super::super) taker: i64,
}

/// The fee of all that was traded, without what is less than a unit.
pub(super) fn due(traded: i64, rate: i64) -> i64 {
    i64::try_from(i128::from(traded) * i128::from(rate) / 1_000_000).unwrap()
}

pub(super) fn worth(price: u64, quantity: u32, listing: usize) -> i64 {
    i64::try_from(price).unwrap() * i64::from(quantity) * LISTINGS[listing].scale
}
