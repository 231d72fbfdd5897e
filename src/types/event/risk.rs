//! Events about what participants may do.

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
