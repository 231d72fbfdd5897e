//! Events about what participants may do, and what it costs.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::EventHeader;
use crate::types::{AccountId, CurrencyCode, FirmCode, PortName, Symbol};

/// A limit holds from here on, or is lifted; see [`RiskLimit`](crate::types::command::RiskLimit).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct RiskLimitSet {
    /// Common fields; the instrument there is the scope's, if it has one.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// The limit, 0 = none.
    pub value: u64,
    /// The instrument, or blank.
    pub symbol: Symbol,
    /// The account, or none.
    pub account: AccountId,
    /// The firm, or blank.
    pub firm: FirmCode,
    /// The currency of an amount whose scope has no instrument, or blank.
    pub currency: CurrencyCode,
    /// The port, or blank.
    pub port: PortName,
    /// A [`RiskScope`](crate::types::RiskScope).
    pub scope: u8,
    /// A [`RiskKey`](crate::types::RiskKey).
    pub key: u8,
    /// Zero.
    pub reserved: [u8; 44],
}

/// A trade costs this from here on; see [`Fee`](crate::types::command::Fee).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct FeeSet {
    /// Common fields; the instrument there is the scope's, if it has one.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// The instrument, or blank.
    pub symbol: Symbol,
    /// The account that all fees go to, if the scope is the venue.
    pub account: AccountId,
    /// The firm, or blank.
    pub firm: FirmCode,
    /// Of an order that rested, in millionths.
    pub maker_rate: i32,
    /// Of an order that came, in millionths.
    pub taker_rate: i32,
    /// A [`RiskScope`](crate::types::RiskScope).
    pub scope: u8,
    /// Zero.
    pub reserved: [u8; 55],
}
