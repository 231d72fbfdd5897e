//! What an operator does to a trade that should not have been, or not at that price. Layouts only.
//!
//! Both carry the trade's full terms, taken from the event log by whoever proposes them: see
//! [`TradeSearch`](crate::types::event::TradeSearch).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::CommandHeader;
use crate::types::{Price, TradeTerms};

/// Undoes a trade of the day: what it settled goes back.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct BustTrade {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The trade as it stands.
    pub terms: TradeTerms,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 23],
}

/// Gives a trade of the day another price: what it settled goes back, and it settles again.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TradeCorrection {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The trade as it stands.
    pub terms: TradeTerms,
    /// The price it should have had.
    pub price: Price,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 15],
}
