//! The commands that move instruments through the phases of the day: the calendar, and what an operator
//! does instead of it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::CommandHeader;
use crate::types::{Nanos, Symbol};

/// The schedule of a group of instruments, from the next day on. Times count from the day's local
/// midnight and rise; 0 = not at all, all 0 = no schedule.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Calendar {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Orders for the opening become final.
    pub opening_auction: Nanos,
    /// The opening auction, and trading. Until then orders are collected.
    pub open: Nanos,
    /// Orders are collected for the close.
    pub closing_auction: Nanos,
    /// The closing auction, if there is one, and the end of trading.
    pub close: Nanos,
    /// The ITCH market category of the instruments, 0 = of all whose category has no schedule.
    pub group: u8,
    /// Zero.
    pub reserved: [u8; 63],
}

/// How far from the last price an instrument may trade before it pauses.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PriceBand {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The instrument.
    pub symbol: Symbol,
    /// How long an auction after a pause or a halt lasts, in milliseconds; 0 = a minute.
    pub auction_ms: u32,
    /// Basis points above and below the last price, 0 = any distance.
    pub band_bps: u16,
    /// Zero.
    pub reserved: [u8; 18],
}

/// Halts trading.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Halt {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The instrument, blank = all.
    pub symbol: Symbol,
    /// ITCH reason, padded with spaces.
    pub reason: [u8; 4],
    /// Zero.
    pub reserved: [u8; 20],
}

/// Ends a halt, by an auction.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Resume {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The instrument, blank = all that are halted.
    pub symbol: Symbol,
    /// ITCH reason, padded with spaces.
    pub reason: [u8; 4],
    /// How long the auction lasts, in milliseconds; 0 = as long as after a pause.
    pub auction_ms: u32,
    /// Zero.
    pub reserved: [u8; 16],
}

/// Puts instruments into a phase, whatever the calendar says.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct SetPhase {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The instrument, blank = all.
    pub symbol: Symbol,
    /// ITCH reason, padded with spaces.
    pub reason: [u8; 4],
    /// How long the auction of a phase that ends by itself lasts, in milliseconds; 0 = as long as after a
    /// pause.
    pub auction_ms: u32,
    /// A [`Phase`](crate::types::Phase).
    pub phase: u8,
    /// Zero.
    pub reserved: [u8; 15],
}
