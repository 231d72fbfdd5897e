//! Commands: the records of the command log, the exchange's only truth.
//!
//! Everything that decides an outcome is here. A command's sequence is its place in the log (the
//! frame's first sequence plus its place in the frame) and its log time is the frame's, so neither is
//! a field. Fields that are absent are zero; character fields keep the wire's bytes, checked or not:
//! what the gateway found wrong with them is `form_error`.
//!
//! Kind numbers are never reused.

mod order;
mod phase;
mod requests;
mod risk;
mod session;
mod trade;

use std::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::order::NewOrder;
pub use self::phase::{Calendar, Halt, PriceBand, Resume, SetPhase};
pub use self::requests::{
    AccountQuery, Cancel, DisableEntry, EnableEntry, MassCancel, Modify, Replace,
};
pub use self::risk::{Fee, RiskLimit};
pub use self::session::{PortDown, PortUp};
pub use self::trade::{BustTrade, TradeCorrection};
use super::record::records;
use super::{
    AccountId, CurrencyCode, Epoch, FirmCode, LINE_BYTES, Line, Nanos, PortId, PortName, Price,
    Record, RecordError, SessionId, Symbol, split_record,
};

records! {
    /// The kinds of command.
    CommandKind
    /// A command, borrowed from the lines it lies in.
    Command
    1 TermStart [1]
    2 DayStart [2]
    3 DayEnd [1]
    4 Tick [1]
    5 ActivateVersion [1]
    6 StateHash [1]
    7 VenueLimits [2]
    10 CurrencyDefine [1]
    11 FirmDefine [1]
    12 PortDefine [2]
    13 AccountOpen [1]
    14 AccountUpdate [1]
    15 Transfer [1]
    16 InstrumentDefine [2]
    17 Fee [1]
    18 RiskLimit [2]
    19 Calendar [2]
    24 PriceBand [1]
    32 PortUp [1]
    33 PortDown [1]
    40 NewOrder [2]
    41 Cancel [1]
    42 Replace [2]
    43 Modify [1]
    44 MassCancel [1]
    45 DisableEntry [1]
    46 EnableEntry [1]
    47 AccountQuery [1]
    50 Halt [1]
    51 Resume [1]
    52 SetPhase [1]
    53 BustTrade [3]
    54 TradeCorrection [3]
}

/// What every command begins with.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct CommandHeader {
    /// A [`CommandKind`].
    pub kind: u8,
    /// Size in lines.
    pub lines: u8,
    /// An OUCH reject reason that the gateway found in the message's form, 0 = none.
    pub form_error: u16,
    /// The port it came from; none for the node itself (term, tick, the market file).
    pub port: PortId,
    /// The session of that port.
    pub epoch: Epoch,
    /// When the gateway took it from the wire. Decides nothing; shows where time went.
    pub receive_time: Nanos,
}

impl CommandHeader {
    /// The header of a `T` from `port`'s session.
    #[must_use]
    pub const fn new<T: Record>(port: PortId, epoch: Epoch, receive_time: Nanos) -> Self {
        Self { kind: T::KIND, lines: T::LINES, form_error: 0, port, epoch, receive_time }
    }

    /// The header of a `T` that the node itself proposes.
    #[must_use]
    pub const fn internal<T: Record>(receive_time: Nanos) -> Self {
        Self::new::<T>(PortId::NONE, Epoch::NONE, receive_time)
    }

    /// The header at the start of any command.
    #[must_use]
    pub fn view(lines: &[Line]) -> Option<&Self> {
        Self::ref_from_prefix(Line::bytes(lines)).ok().map(|(header, _)| header)
    }

    /// The same, to stamp.
    #[must_use]
    pub fn view_mut(lines: &mut [Line]) -> Option<&mut Self> {
        Self::mut_from_prefix(Line::bytes_mut(lines)).ok().map(|(header, _)| header)
    }
}

/// What every administrative command begins with.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct AdminHeader {
    /// Common fields.
    pub common: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
}

impl AdminHeader {
    /// The header at the start of any administrative command.
    #[must_use]
    pub fn view(lines: &[Line]) -> Option<&Self> {
        Self::ref_from_prefix(Line::bytes(lines)).ok().map(|(header, _)| header)
    }

    /// The same, to stamp.
    #[must_use]
    pub fn view_mut(lines: &mut [Line]) -> Option<&mut Self> {
        Self::mut_from_prefix(Line::bytes_mut(lines)).ok().map(|(header, _)| header)
    }
}

const _: () = {
    let request = offset_of!(AdminHeader, request);
    assert!(offset_of!(DayStart, request) == request);
    assert!(offset_of!(DayEnd, request) == request);
    assert!(offset_of!(CurrencyDefine, request) == request);
    assert!(offset_of!(FirmDefine, request) == request);
    assert!(offset_of!(PortDefine, request) == request);
    assert!(offset_of!(AccountOpen, request) == request);
    assert!(offset_of!(AccountUpdate, request) == request);
    assert!(offset_of!(Transfer, request) == request);
    assert!(offset_of!(InstrumentDefine, request) == request);
    assert!(offset_of!(Fee, request) == request);
    assert!(offset_of!(RiskLimit, request) == request);
    assert!(offset_of!(Calendar, request) == request);
    assert!(offset_of!(PriceBand, request) == request);
    assert!(offset_of!(Halt, request) == request);
    assert!(offset_of!(Resume, request) == request);
    assert!(offset_of!(SetPhase, request) == request);
    assert!(offset_of!(BustTrade, request) == request);
    assert!(offset_of!(TradeCorrection, request) == request);
};

/// The first command after every start or election. Ports that were up enter their grace period, and
/// one that had begun begins anew.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TermStart {
    /// Common fields.
    pub header: CommandHeader,
    /// The term that begins.
    pub term: u32,
    /// The node that leads it.
    pub node: u32,
    /// The least that a port's lost session may stay away from now on, in milliseconds: time to find
    /// the new leader.
    pub term_grace_ms: u32,
    /// Zero.
    pub reserved: [u8; 28],
}

/// Begins a trading day: resets sequences and user reference numbers, and re-emits every definition.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct DayStart {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Local midnight of the day: the zero of the wire's timestamps.
    pub midnight: Nanos,
    /// The day as the decimal number YYYYMMDD.
    pub date: u32,
    /// The session id of every stream of the day.
    pub session: SessionId,
    /// Zero.
    pub reserved: [u8; 74],
}

/// Ends the trading day: cancels what is left of every order and closes the day's sessions.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct DayEnd {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Zero.
    pub reserved: [u8; 32],
}

/// Moves log time while nothing else does, so that timers fire.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Tick {
    /// Common fields.
    pub header: CommandHeader,
    /// Zero.
    pub reserved: [u8; 40],
}

/// What the state came to on the node that led: every node compares it with its own, and one that has
/// come to another stops. Asked for by the node itself, behind the frame that the hash is of.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct StateHash {
    /// Common fields.
    pub header: CommandHeader,
    /// The last command that is in the state.
    pub at_sequence: u64,
    /// Its hash then.
    pub hash: u64,
    /// Zero.
    pub reserved: [u8; 24],
}

/// Switches every node to a version of the logic, at this command. Asked for by the node that leads, when all
/// members know the version.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct ActivateVersion {
    /// Common fields.
    pub header: CommandHeader,
    /// The version.
    pub version: u32,
    /// Zero.
    pub reserved: [u8; 36],
}

/// How much of everything the venue is made for. What does not fit is refused, and a refusal is an
/// outcome, so the limits are the log's first command behind the start of its first term, and no
/// node's own affair.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct VenueLimits {
    /// Common fields.
    pub header: CommandHeader,
    /// Bytes in a segment of the event log.
    pub event_segment_bytes: u64,
    /// Resting orders in all books: what the firms may have open, together.
    pub orders: u32,
    /// Balances: pairs of an account and a currency or instrument. A day has as many transfers at most.
    pub balances: u32,
    /// Ports.
    pub ports: u32,
    /// Accounts.
    pub accounts: u32,
    /// Currencies.
    pub currencies: u16,
    /// Firms.
    pub firms: u16,
    /// Instruments.
    pub instruments: u16,
    /// Zero.
    pub reserved: [u8; 74],
}

impl VenueLimits {
    /// Whether both set the same limits, whoever asked for them.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        const HEADER_BYTES: usize = size_of::<CommandHeader>();
        self.as_bytes()[HEADER_BYTES..] == other.as_bytes()[HEADER_BYTES..]
    }
}

/// Defines a currency.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct CurrencyDefine {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Its code.
    pub code: CurrencyCode,
    /// Decimals of cash amounts, at least those of any price in this currency.
    pub cash_decimals: u8,
    /// Zero.
    pub reserved: [u8; 27],
}

/// Defines a firm.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct FirmDefine {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Its code.
    pub code: FirmCode,
    /// What keeps its orders from meeting: a [`SelfMatchKey`](super::SelfMatchKey).
    pub self_match_key: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Open orders the firm may have, 0 = the default: 100,000, or an eighth of the venue's if less. All
    /// firms' together are at most the venue's.
    pub open_orders_max: u32,
    /// Zero.
    pub reserved2: [u8; 20],
}

/// Defines a port: a login with its rules.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PortDefine {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// HMAC-SHA256(cluster key, name + upper-cased secret). The secret itself is nowhere.
    pub verifier: [u8; 32],
    /// Its login name, upper case.
    pub name: PortName,
    /// The firm it belongs to.
    pub firm: FirmCode,
    /// A [`PortKind`](super::PortKind).
    pub kind: u8,
    /// A [`DisconnectPolicy`](super::DisconnectPolicy).
    pub disconnect: u8,
    /// How long a lost session may stay away before the policy acts, in milliseconds.
    pub grace_ms: u32,
    /// The account of orders that name none.
    pub default_account: AccountId,
    /// Orders and replaces that the engine takes from it in a second of log time, those it then rejects
    /// included, 0 = no limit. Retransmissions are not counted, and cancels are never held up.
    pub message_rate_max: u32,
    /// Whether an order's group id names its account: 0 no, 1 yes.
    pub account_by_group: u8,
    /// An [`OuchVersion`](super::OuchVersion); 5.0 unless it is for order entry.
    pub ouch_version: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Open orders it may have, 0 = only the firm's limit.
    pub open_orders_max: u32,
    /// Zero.
    pub reserved2: [u8; 32],
}

/// Opens an account.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct AccountOpen {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Its number.
    pub account: AccountId,
    /// The firm it belongs to.
    pub firm: FirmCode,
    /// An [`AccountStatus`](super::AccountStatus).
    pub status: u8,
    /// Whether it may sell what it does not hold: 0 no, 1 yes.
    pub short_allowed: u8,
    /// The sub-account's group id, 0 = none.
    pub group_id: u16,
    /// Zero.
    pub reserved: [u8; 20],
}

/// Changes an account's status.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct AccountUpdate {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Its number.
    pub account: AccountId,
    /// An [`AccountStatus`](super::AccountStatus).
    pub status: u8,
    /// Whether it may sell what it does not hold: 0 no, 1 yes.
    pub short_allowed: u8,
    /// Zero.
    pub reserved: [u8; 26],
}

/// Deposits (positive) or withdraws (negative) cash or shares.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Transfer {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// The outside world's number for it, unique: the same reference is carried out once in two days,
    /// this and the last.
    pub reference: u64,
    /// The amount: 10^-`cash_decimals` of the currency, or whole shares.
    pub amount: i64,
    /// The currency code, padded with spaces, or the symbol.
    pub asset: Symbol,
    /// The account.
    pub account: AccountId,
    /// An [`AssetKind`](super::AssetKind).
    pub asset_kind: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Defines an instrument.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct InstrumentDefine {
    /// Common fields.
    pub header: CommandHeader,
    /// The administrative port's request number.
    pub request: u64,
    /// Its trading symbol.
    pub symbol: Symbol,
    /// What people call it, padded with spaces.
    pub display_symbol: [u8; 16],
    /// The currency it settles in.
    pub currency: CurrencyCode,
    /// Shares in a lot; quantities are whole lots.
    pub lot_size: u32,
    /// The price step, in price units.
    pub tick_size: u64,
    /// Where prices are measured from before the first trade.
    pub reference_price: Price,
    /// Decimals of a price.
    pub price_decimals: u8,
    /// ITCH market category.
    pub market_category: u8,
    /// What it is: `C` common stock, as ITCH's issue classification.
    pub product: u8,
    /// Whether it may be sold short: 0 no, 1 yes.
    pub short_allowed: u8,
    /// Zero.
    pub reserved: [u8; 44],
}

#[cfg(test)]
mod tests;
