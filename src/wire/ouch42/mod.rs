//! OUCH 4.2: order entry as older clients speak it. Orders have tokens where OUCH 5.0 has numbers, prices
//! of four bytes, times to live instead of times in force, and no options.
//!
//! Fixed fields laid over bytes, both ways, and what each message is in the terms of 5.0. Which number a
//! token stands for, its caller says.
#![doc = include_str!("ouch42.md")]

mod convert;
mod inbound;
mod outbound;

pub use convert::{Stamp, emit};
pub use inbound::{Cancel, Enter, Inbound, Modify, Replace, TradeNow};
pub use outbound::{
    Accepted, AiqCanceled, BrokenTrade, CancelRejected, Canceled, Executed, Modified, OUT_MAX,
    Outbound, Rejected, Replaced, SystemEvent, TradeCorrection,
};

pub use super::ouch::OuchError;

/// What the participant calls an order: up to 14 letters and digits, used once a day.
pub type Token = crate::types::ClOrdId;

/// Seconds to live that have a meaning of their own.
mod time {
    /// As long as the market is open.
    pub(super) const MARKET_HOURS: u32 = 99_998;
    /// As long as the system takes orders: here the same.
    pub(super) const SYSTEM_HOURS: u32 = 99_999;
}
