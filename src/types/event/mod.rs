//! Events: the records of the event log, what the engine derives from the commands.
//!
//! The engine stamps every outbound sequence number here, so that readers never count: a port's
//! (SoupBinTCP, UFO), a firm's (drop copy) and the feed's (MoldUDP64). One event is at most one
//! message of each stream. An event's own sequence is its place in the log and its time the frame's.
//!
//! Kind numbers are never reused.

mod order;
mod phase;
mod request;
mod risk;
mod trade;
mod trade_search;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::order::{
    Accepted, Canceled, Executed, Reduced, Rejected, Replaced, Restated, Rested, SelfMatchCanceled,
};
pub use self::phase::{
    CalendarSet, CancelRejected, CrossTraded, Indication, PriceBandSet, TradingAction,
};
pub use self::request::{AccountAnswered, EntrySwitched, MassCanceled, Modified};
pub use self::risk::{FeeSet, RiskLimitSet};
pub use self::trade::{
    FillBusted, FillCorrected, Reprinted, TradeBusted, TradeCorrected, below_zero,
};
pub use self::trade_search::{TradeError, TradeSearch};
use super::record::records;
use super::{
    AccountId, Connection, CurrencyCode, CurrencyId, Epoch, FirmCode, FirmId, InstrumentId,
    LINE_BYTES, Line, Nanos, PortId, PortName, Price, Record, RecordError, SessionId, Symbol,
    split_record,
};

records! {
    /// The kinds of event.
    EventKind
    /// An event, borrowed from the lines it lies in.
    Event
    1 TermStarted [1]
    2 DayStarted [2]
    3 DayEnded [1]
    4 TimePassed [1]
    5 SystemMessage [1]
    6 Refused [1]
    7 VenueLimitsSet [2]
    8 StateConfirmed [1]
    10 CurrencyDefined [1]
    11 FirmDefined [1]
    12 PortDefined [2]
    13 AccountDefined [1]
    14 BalanceChanged [2]
    15 InstrumentDefined [2]
    16 TradingAction [1]
    17 FeeSet [2]
    18 RiskLimitSet [2]
    19 CalendarSet [2]
    24 PriceBandSet [1]
    32 PortWentUp [1]
    33 PortWentDown [1]
    34 EntrySwitched [1]
    35 AccountAnswered [1]
    36 Modified [1]
    40 Accepted [3]
    41 Rested [1]
    42 Executed [2]
    43 Canceled [1]
    44 Rejected [1]
    45 Replaced [3]
    46 Reduced [1]
    47 Restated [2]
    48 SelfMatchCanceled [2]
    49 MassCanceled [1]
    50 CrossTraded [1]
    51 Indication [2]
    53 TradeBusted [3]
    54 TradeCorrected [3]
    55 CancelRejected [1]
    56 FillBusted [2]
    57 FillCorrected [3]
    58 Reprinted [1]
}

/// What every event begins with: where it stands in the streams it belongs to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C)]
pub struct EventHeader {
    /// An [`EventKind`].
    pub kind: u8,
    /// Size in lines.
    pub lines: u8,
    /// [`EventHeader::LAST`] or 0.
    pub flags: u8,
    /// Zero.
    pub reserved: u8,
    /// The firm whose drop copy has it.
    pub firm: FirmId,
    /// The instrument it is about; the feed's stock locate.
    pub instrument: InstrumentId,
    /// The port it is for.
    pub port: PortId,
    /// Its number in that port's stream, 0 = it is no message of the stream.
    pub port_sequence: u32,
    /// Lines back to the stream's previous event (positions / 64), 0 = first, or too far.
    pub port_distance: u32,
    /// Its number in the firm's stream, 0 = not in it.
    pub firm_sequence: u32,
    /// Lines back to the stream's previous event, 0 = first, or too far.
    pub firm_distance: u32,
    /// Which command of the causing frame caused it, from 0.
    pub cause: u16,
    /// Zero.
    pub reserved2: u16,
    /// Its number in the feed, 0 = the feed does not show it.
    pub feed_sequence: u64,
}

impl EventHeader {
    /// Set on the last event of a command.
    pub const LAST: u8 = 1;

    /// The header of a `T` that is in no stream yet; the engine stamps the rest.
    #[must_use]
    pub fn new<T: Record>() -> Self {
        Self { kind: T::KIND, lines: T::LINES, ..Self::default() }
    }

    /// The header at the start of any event.
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

/// A term began. Once its events are in the log, the leader is ready.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TermStarted {
    /// Common fields.
    pub header: EventHeader,
    /// The term.
    pub term: u32,
    /// The node that leads it.
    pub node: u32,
    /// The least that a port's lost session may stay away from now on, in milliseconds.
    pub term_grace_ms: u32,
    /// Zero.
    pub reserved: [u8; 12],
}

/// A day began; the definitions follow. First message of the day's feed.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct DayStarted {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// Local midnight of the day: the zero of the wire's timestamps.
    pub midnight: Nanos,
    /// YYYYMMDD.
    pub date: u32,
    /// The day's session id.
    pub session: SessionId,
    /// Zero.
    pub reserved: [u8; 58],
}

/// The day is over: no broker's, no firm's and no feed's stream of its session grows any more. An
/// operator's does until the next day begins.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct DayEnded {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// Zero.
    pub reserved: [u8; 16],
}

/// Log time entered another second. Views close their candles on it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TimePassed {
    /// Common fields.
    pub header: EventHeader,
    /// The second since the UNIX epoch that has begun.
    pub second: u64,
    /// Zero.
    pub reserved: [u8; 16],
}

/// A system event, for one port, for one firm or for the feed.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct SystemMessage {
    /// Common fields.
    pub header: EventHeader,
    /// A [`SystemCode`](super::SystemCode).
    pub code: u8,
    /// Zero.
    pub reserved: [u8; 23],
}

/// An operator's command was not carried out.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Refused {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers.
    pub request: u64,
    /// The command's kind.
    pub command: u8,
    /// A [`Refusal`](super::Refusal).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 14],
}

/// The state behind a command had this hash, on the node that led then and wherever this is written.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct StateConfirmed {
    /// Common fields.
    pub header: EventHeader,
    /// The last command that is in the state.
    pub at_sequence: u64,
    /// Its hash then.
    pub hash: u64,
    /// Zero.
    pub reserved: [u8; 8],
}

/// How much of everything the venue is made for; see
/// [`VenueLimits`](super::command::VenueLimits).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct VenueLimitsSet {
    /// Common fields.
    pub header: EventHeader,
    /// Bytes in a segment of the event log.
    pub event_segment_bytes: u64,
    /// Resting orders in all books.
    pub orders: u32,
    /// Balances: pairs of an account and a currency or instrument.
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
    pub reserved: [u8; 58],
}

/// A currency exists.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct CurrencyDefined {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// Its code.
    pub code: CurrencyCode,
    /// Its number.
    pub currency: CurrencyId,
    /// Decimals of cash amounts.
    pub cash_decimals: u8,
    /// Zero.
    pub reserved: [u8; 9],
}

/// A firm exists.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct FirmDefined {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// Its code.
    pub code: FirmCode,
    /// Open orders it may have.
    pub open_orders_max: u32,
    /// Its number.
    pub firm: FirmId,
    /// Its self-match rule.
    pub self_match_key: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

/// A port exists. Gateways learn their logins from it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PortDefined {
    /// Common fields; the port there is the one that asked for the definition.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// What a login must prove; see [`PortDefine`](super::command::PortDefine).
    pub verifier: [u8; 32],
    /// Its number.
    pub port: PortId,
    /// The account of orders that name none.
    pub default_account: AccountId,
    /// Milliseconds a lost session may stay away.
    pub grace_ms: u32,
    /// Orders and replaces that the engine takes from it in a second of log time, 0 = no limit.
    pub message_rate_max: u32,
    /// Open orders it may have, 0 = only the firm's limit.
    pub open_orders_max: u32,
    /// The firm it belongs to.
    pub firm: FirmCode,
    /// Its login name.
    pub name: PortName,
    /// The firm's number.
    pub firm_id: FirmId,
    /// A [`PortKind`](super::PortKind).
    pub kind: u8,
    /// A [`DisconnectPolicy`](super::DisconnectPolicy).
    pub disconnect: u8,
    /// Whether an order's group id names its account.
    pub account_by_group: u8,
    /// An [`OuchVersion`](super::OuchVersion).
    pub ouch_version: u8,
    /// Zero.
    pub reserved: [u8; 12],
}

/// An account exists, or its status changed.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct AccountDefined {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// Its number.
    pub account: AccountId,
    /// The firm it belongs to.
    pub firm: FirmCode,
    /// The firm's number.
    pub firm_id: FirmId,
    /// Its group id, 0 = none.
    pub group_id: u16,
    /// An [`AccountStatus`](super::AccountStatus).
    pub status: u8,
    /// Whether it may sell what it does not hold.
    pub short_allowed: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// A balance after a transfer, or at the start of a day. Fills change balances too, by the amounts
/// that [`Executed`] states.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct BalanceChanged {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// The transfer's external reference, 0 = none.
    pub reference: u64,
    /// The change, 0 at the start of a day.
    pub change: i64,
    /// The balance, what is held included.
    pub balance: i64,
    /// What open orders hold of it.
    pub held: i64,
    /// The account.
    pub account: AccountId,
    /// The currency, if cash.
    pub currency: CurrencyId,
    /// An [`AssetKind`](super::AssetKind); shares are those of the header's instrument.
    pub asset_kind: u8,
    /// Zero.
    pub reserved: [u8; 41],
}

/// An instrument exists. The feed's stock directory.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct InstrumentDefined {
    /// Common fields; the instrument there is this one.
    pub header: EventHeader,
    /// The request it answers, 0 = none.
    pub request: u64,
    /// Its trading symbol.
    pub symbol: Symbol,
    /// What people call it.
    pub display_symbol: [u8; 16],
    /// The price step, in price units.
    pub tick_size: u64,
    /// Where prices are measured from before the first trade.
    pub reference_price: Price,
    /// The code of the currency it settles in.
    pub currency: CurrencyCode,
    /// Shares in a lot.
    pub lot_size: u32,
    /// The currency's number.
    pub currency_id: CurrencyId,
    /// Decimals of a price.
    pub price_decimals: u8,
    /// ITCH market category.
    pub market_category: u8,
    /// ITCH issue classification.
    pub product: u8,
    /// Whether it may be sold short.
    pub short_allowed: u8,
    /// Zero.
    pub reserved: [u8; 26],
}

/// A port's session began. Not a message of its stream; the gateway answers the login on it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PortWentUp {
    /// Common fields; the port there is the one whose session began.
    pub header: EventHeader,
    /// Its epoch.
    pub epoch: Epoch,
    /// The gateway's number for the connection.
    pub connection: Connection,
    /// The number the stream's next message will have.
    pub next_sequence: u32,
    /// Zero.
    pub reserved: [u8; 4],
}

/// A port's session is over.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PortWentDown {
    /// Common fields; the port there is the one whose session ended.
    pub header: EventHeader,
    /// Its epoch.
    pub epoch: Epoch,
    /// A [`DownReason`](super::DownReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 15],
}
