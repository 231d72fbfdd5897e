//! Commands that bound what participants may do, and say what it costs. They change the market while it
//! trades: what they say holds from the next order on.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::CommandHeader;
use crate::types::{AccountId, CurrencyCode, FirmCode, PortName, Symbol};

/// Sets a limit, or lifts it. Of the limits that apply to an order the tightest holds.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct RiskLimit {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The limit, 0 = none; its unit is its key's. An amount is in the currency's cash units.
    pub value: u64,
    /// The instrument, if the scope has one; else blank.
    pub symbol: Symbol,
    /// The account, if the scope has one; else none.
    pub account: AccountId,
    /// The firm, if the scope has one; else blank.
    pub firm: FirmCode,
    /// The currency of an amount whose scope has no instrument; else blank.
    pub currency: CurrencyCode,
    /// The port, if the scope has one; else blank.
    pub port: PortName,
    /// A [`RiskScope`](crate::types::RiskScope): whom it is for.
    pub scope: u8,
    /// A [`RiskKey`](crate::types::RiskKey): what it limits.
    pub key: u8,
    /// Zero.
    pub reserved: [u8; 60],
}

/// Sets what a trade costs each side, in millionths of its value: hundredths of a basis point. A firm's
/// fees come before a symbol's, and those before the venue's.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Fee {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The instrument, if the scope has one; else blank.
    pub symbol: Symbol,
    /// The account that all fees go to, if the scope is the venue; else none.
    pub account: AccountId,
    /// The firm, if the scope has one; else blank.
    pub firm: FirmCode,
    /// What an order pays that rested; negative: what it is paid.
    pub maker_rate: i32,
    /// What an order pays that came, never negative.
    pub taker_rate: i32,
    /// A [`RiskScope`](crate::types::RiskScope): the venue, a firm or a symbol.
    pub scope: u8,
    /// Zero.
    pub reserved: [u8; 7],
}
