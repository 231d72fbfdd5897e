//! Events: the records of the event log, what the engine derives from the commands.
//!
//! The engine stamps every outbound sequence number here, so that readers never count: a port's
//! (SoupBinTCP, UFO), a firm's (drop copy) and the feed's (MoldUDP64). One event is at most one
//! message of each stream. An event's own sequence is its place in the log and its time the frame's.
//!
//! Kind numbers are never reused.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::record::records;
use super::{
    AccountId, ClOrdId, Connection, CurrencyCode, CurrencyId, Epoch, FirmCode, FirmId,
    InstrumentId, LINE_BYTES, Line, MatchNumber, Nanos, OrderRef, PortId, PortName, Price,
    Quantity, Record, RecordError, SessionId, Symbol, UserRefNum, split_record,
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
    10 CurrencyDefined [1]
    11 FirmDefined [1]
    12 PortDefined [2]
    13 AccountDefined [1]
    14 BalanceChanged [2]
    15 InstrumentDefined [2]
    16 TradingAction [1]
    32 PortWentUp [1]
    33 PortWentDown [1]
    40 Accepted [2]
    41 Rested [1]
    42 Executed [2]
    43 Canceled [1]
    44 Rejected [1]
    45 Replaced [2]
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
    /// Zero.
    pub reserved: [u8; 16],
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

/// The day is over: no stream of its session grows any more.
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

/// A system event, for one port or for the feed.
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
    /// Messages a second the engine takes from it, 0 = no limit.
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
    /// Zero.
    pub reserved: [u8; 13],
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

/// The trading state of the header's instrument.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TradingAction {
    /// Common fields.
    pub header: EventHeader,
    /// Its symbol.
    pub symbol: Symbol,
    /// ITCH reason.
    pub reason: [u8; 4],
    /// A [`TradingState`](super::TradingState).
    pub state: u8,
    /// Zero.
    pub reserved: [u8; 11],
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

/// An order was accepted; its sequence is the order's reference. With a feed number it rests as it
/// is: it is the feed's Add.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Accepted {
    /// Common fields.
    pub header: EventHeader,
    /// The price it was accepted with.
    pub price: Price,
    /// The instrument's symbol.
    pub symbol: Symbol,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// Shares.
    pub quantity: Quantity,
    /// As entered.
    pub min_quantity: Quantity,
    /// As entered.
    pub max_floor: Quantity,
    /// As entered.
    pub expire_time_s: u32,
    /// The account that answers for it.
    pub account: AccountId,
    /// The firm it named, zeroes = none.
    pub firm: [u8; 4],
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Sub-account.
    pub group_id: u16,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](super::Side).
    pub side: u8,
    /// A [`TimeInForce`](super::TimeInForce).
    pub time_in_force: u8,
    /// OUCH display.
    pub display: u8,
    /// OUCH capacity.
    pub capacity: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// OUCH cross type.
    pub cross_type: u8,
    /// An [`OrderState`](super::OrderState).
    pub order_state: u8,
    /// As entered.
    pub customer_type: u8,
    /// As entered.
    pub post_only: u8,
    /// As entered.
    pub handling: u8,
    /// As entered.
    pub price_type: u8,
    /// As entered.
    pub shares_located: u8,
    /// As entered.
    pub self_match: u8,
    /// As entered.
    pub bbo_weight: u8,
    /// Zero.
    pub reserved: [u8; 13],
}

/// What is left of an order that traded first rests now. Only the feed shows it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Rested {
    /// Common fields.
    pub header: EventHeader,
    /// The order.
    pub order: OrderRef,
    /// Its price.
    pub price: Price,
    /// Shares that rest.
    pub quantity: Quantity,
    /// A [`Side`](super::Side).
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// One side of a fill. A fill is two of these, the resting order's first; the first one's sequence is
/// the match number, and it carries the feed's number.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Executed {
    /// Common fields.
    pub header: EventHeader,
    /// The order.
    pub order: OrderRef,
    /// The other side's order.
    pub contra: OrderRef,
    /// Ties the two sides.
    pub match_number: MatchNumber,
    /// The price of the fill.
    pub price: Price,
    /// Cash value of the fill, in the currency's units.
    pub notional: i64,
    /// Fee of this side, in the currency's units.
    pub fee: i64,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// Shares of the fill.
    pub quantity: Quantity,
    /// Shares left of the order.
    pub leaves: Quantity,
    /// The account that settles.
    pub account: AccountId,
    /// Sub-account.
    pub group_id: u16,
    /// The currency of the cash.
    pub currency: CurrencyId,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](super::Side).
    pub side: u8,
    /// A [`Liquidity`](super::Liquidity).
    pub liquidity: u8,
    /// Zero.
    pub reserved: [u8; 17],
}

/// Shares of an order will not trade any more.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Canceled {
    /// Common fields; a feed number says that the shares rested.
    pub header: EventHeader,
    /// The order.
    pub order: OrderRef,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// Shares just removed.
    pub decrement: Quantity,
    /// Shares left.
    pub leaves: Quantity,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`CancelReason`](super::CancelReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// An order was refused; its user reference number is consumed.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Rejected {
    /// Common fields.
    pub header: EventHeader,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// A [`RejectReason`](super::RejectReason).
    pub reason: u16,
    /// Channel.
    pub user_ref_idx: u8,
    /// Zero.
    pub reserved: u8,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Zero.
    pub reserved2: [u8; 2],
}

/// An order took the place of another; its sequence is the new order's reference. Everything after it
/// is said under the new number.
///
/// It is one message of the feed whatever becomes of the new order. If that rests as it is, the feed
/// replaces the one by the other. If it trades at once, or is immediate and cannot, the feed deletes
/// the original here; the fills follow, and then [`Rested`] for what rests of it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Replaced {
    /// Common fields.
    pub header: EventHeader,
    /// The order that is gone.
    pub original: OrderRef,
    /// The price of the new order.
    pub price: Price,
    /// The instrument's symbol.
    pub symbol: Symbol,
    /// The participant's number for the order that is gone.
    pub orig_user_ref_num: UserRefNum,
    /// The participant's number for the new order.
    pub user_ref_num: UserRefNum,
    /// Shares that the new order begins with: none of them is executed.
    pub quantity: Quantity,
    /// Shares that were executed of all the orders it replaces, one after another.
    pub executed: Quantity,
    /// As entered.
    pub min_quantity: Quantity,
    /// As entered.
    pub max_floor: Quantity,
    /// As entered.
    pub expire_time_s: u32,
    /// The account that answers for it, the original's.
    pub account: AccountId,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Sub-account, the original's.
    pub group_id: u16,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](super::Side), the original's.
    pub side: u8,
    /// A [`TimeInForce`](super::TimeInForce).
    pub time_in_force: u8,
    /// OUCH display.
    pub display: u8,
    /// OUCH capacity, the original's.
    pub capacity: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// OUCH cross type, the original's.
    pub cross_type: u8,
    /// An [`OrderState`](super::OrderState).
    pub order_state: u8,
    /// As entered.
    pub post_only: u8,
    /// As entered.
    pub handling: u8,
    /// As entered.
    pub price_type: u8,
    /// As entered.
    pub shares_located: u8,
    /// Whether the new order rests as it is: 0 no, 1 yes.
    pub rests: u8,
    /// Zero.
    pub reserved: [u8; 3],
}
