//! What becomes of the phases of the day: states, auctions, and the rules that move them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::EventHeader;
use crate::types::{Nanos, Price, Symbol, UserRefNum};

/// The phase of the header's instrument, and the trading state that the feed shows.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TradingAction {
    /// Common fields.
    pub header: EventHeader,
    /// Its symbol.
    pub symbol: Symbol,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// ITCH reason.
    pub reason: [u8; 4],
    /// A [`TradingState`](crate::types::TradingState).
    pub state: u8,
    /// A [`Phase`](crate::types::Phase).
    pub phase: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// A group's schedule, in force from the next day on; see
/// [`Calendar`](crate::types::command::Calendar).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct CalendarSet {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// Orders for the opening become final.
    pub opening_auction: Nanos,
    /// The opening auction, and trading.
    pub open: Nanos,
    /// Orders are collected for the close.
    pub closing_auction: Nanos,
    /// The end of trading.
    pub close: Nanos,
    /// The ITCH market category of the instruments, 0 = all others.
    pub group: u8,
    /// Zero.
    pub reserved: [u8; 47],
}

/// How far from the last price the header's instrument may trade before it pauses.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PriceBandSet {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// How long an auction after a pause or a halt lasts, in milliseconds.
    pub auction_ms: u32,
    /// Basis points above and below the last price, 0 = any distance.
    pub band_bps: u16,
    /// Zero.
    pub reserved: [u8; 10],
}

/// An auction of the header's instrument took place: all its fills together. Its sequence is the match
/// number that the feed gives it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct CrossTraded {
    /// Common fields.
    pub header: EventHeader,
    /// Shares that traded, 0 = none.
    pub shares: u64,
    /// The price of every fill, 0 = nothing traded.
    pub price: Price,
    /// A [`Cross`](crate::types::Cross).
    pub cross: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// What the auction of the header's instrument would come to now.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Indication {
    /// Common fields.
    pub header: EventHeader,
    /// The instrument's symbol.
    pub symbol: Symbol,
    /// Shares that would trade.
    pub paired: u64,
    /// Shares that would be left over at the near price.
    pub imbalance: u64,
    /// The price if only the orders for this auction took part, 0 = none.
    pub far: Price,
    /// The price with all orders, 0 = none.
    pub near: Price,
    /// The last price.
    pub reference: Price,
    /// `B` buyers or `S` sellers are left over, `N` nobody, `O` nothing would trade.
    pub direction: u8,
    /// A [`Cross`](crate::types::Cross).
    pub cross: u8,
    /// How far the near price is from the last, as ITCH writes it.
    pub variation: u8,
    /// Zero.
    pub reserved: [u8; 37],
}

/// A cancel came too late: the order is final.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct CancelRejected {
    /// Common fields.
    pub header: EventHeader,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// Channel.
    pub user_ref_idx: u8,
    /// Zero.
    pub reserved: [u8; 19],
}
