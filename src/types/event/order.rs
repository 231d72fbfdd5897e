//! What becomes of orders: accepted, replaced, resting, executed, canceled, rejected.
//!
//! Layouts only; which message each is on a wire is the codecs' business.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::EventHeader;
use crate::types::{
    AccountId, ClOrdId, CurrencyId, MatchNumber, OrderRef, Price, Quantity, Symbol, UserRefNum,
};

/// An order was accepted; its sequence is the order's reference. With a feed number it rests as it
/// is: it is the feed's Add.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Accepted {
    /// Common fields.
    pub header: EventHeader,
    /// The price it was accepted with.
    pub price: Price,
    /// As entered.
    pub discretion_price: Price,
    /// The instrument's symbol.
    pub symbol: Symbol,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// Shares.
    pub quantity: Quantity,
    /// Those that the feed shows, if it rests as it is.
    pub shown: Quantity,
    /// As entered.
    pub min_quantity: Quantity,
    /// As entered.
    pub max_floor: Quantity,
    /// As entered.
    pub expire_time_s: u32,
    /// The account that answers for it.
    pub account: AccountId,
    /// As entered.
    pub peg_offset: i32,
    /// As entered.
    pub discretion_peg_offset: i32,
    /// As entered.
    pub random_reserves: u32,
    /// The firm it named, zeroes = none.
    pub firm: [u8; 4],
    /// As entered.
    pub route: [u8; 4],
    /// As entered.
    pub locate_broker: [u8; 4],
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Sub-account.
    pub group_id: u16,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// A [`TimeInForce`](crate::types::TimeInForce).
    pub time_in_force: u8,
    /// OUCH display.
    pub display: u8,
    /// OUCH capacity.
    pub capacity: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// OUCH cross type.
    pub cross_type: u8,
    /// An [`OrderState`](crate::types::OrderState).
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
    /// As entered.
    pub discretion_price_type: u8,
    /// As entered.
    pub trade_now: u8,
    /// Zero.
    pub reserved: [u8; 43],
}

/// What is left of an order that traded first rests now and is shown. Only the feed says so.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Rested {
    /// Common fields.
    pub header: EventHeader,
    /// The order.
    pub order: OrderRef,
    /// Its price.
    pub price: Price,
    /// Shares that are shown.
    pub quantity: Quantity,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// One side of a fill. A fill is two of these, the resting order's first; the first one's sequence is
/// the match number, and it carries the feed's number: an execution of what was shown, or a trade of
/// what was hidden. In an auction the buyer's is first, and each carries a feed's number if shares that
/// the feed shows are part of it.
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
    /// Fee of this side, in the currency's units; negative: a rebate. It goes to the fee account.
    pub fee: i64,
    /// The reference that the resting order was shown under, in an auction this side's; none if it was
    /// hidden.
    pub shown_as: OrderRef,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// Shares of the fill.
    pub quantity: Quantity,
    /// Those of them that the feed showed.
    pub shown: Quantity,
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
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// A [`Liquidity`](crate::types::Liquidity).
    pub liquidity: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

/// Shares of an order will not trade any more.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Canceled {
    /// Common fields; a feed number says that the shares rested and were shown under the order's own
    /// reference. Of other shown ones [`Reduced`] speaks.
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
    /// A [`CancelReason`](crate::types::CancelReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// Shares that were shown are gone, and what the participant is told is not the same: they were part of
/// a reserve order. Only the feed says so.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Reduced {
    /// Common fields.
    pub header: EventHeader,
    /// The reference that they were shown under.
    pub shown_as: OrderRef,
    /// Shares that are shown no more.
    pub quantity: Quantity,
    /// Shares left of what is shown.
    pub leaves: Quantity,
    /// Zero.
    pub reserved: [u8; 8],
}

/// The shown part of a reserve order has traded, and the next is shown: the feed's Add, under this
/// event's sequence.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Restated {
    /// Common fields.
    pub header: EventHeader,
    /// The order.
    pub order: OrderRef,
    /// Its price.
    pub price: Price,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// Shares that are shown.
    pub quantity: Quantity,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// A [`RestateReason`](crate::types::RestateReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 61],
}

/// Shares of an order will not trade any more, because they would have met an order of the same owner.
/// Each of the two that lose shares has its own.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct SelfMatchCanceled {
    /// Common fields; a feed number says that the shares rested.
    pub header: EventHeader,
    /// The order.
    pub order: OrderRef,
    /// The order it would have met.
    pub contra: OrderRef,
    /// The price at which they would have traded.
    pub price: Price,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// Shares just removed.
    pub decrement: Quantity,
    /// Shares left.
    pub leaves: Quantity,
    /// Shares that would have traded.
    pub prevented: Quantity,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Liquidity`](crate::types::Liquidity): whether it rested.
    pub liquidity: u8,
    /// A [`SelfMatchStrategy`](crate::types::SelfMatchStrategy), the incoming order's.
    pub strategy: u8,
    /// Zero.
    pub reserved: [u8; 45],
}

/// An order was refused; its user reference number is consumed.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Rejected {
    /// Common fields.
    pub header: EventHeader,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// A [`RejectReason`](crate::types::RejectReason).
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
/// It is one message of the feed whatever becomes of the new order, unless neither is shown. If that
/// rests as it is, the feed replaces the one by the other. If it is hidden, trades at once, or is
/// immediate and cannot, the feed deletes the original here; the fills follow, and then [`Rested`] for
/// what rests of it. If the original was hidden, the feed adds the new one.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Replaced {
    /// Common fields.
    pub header: EventHeader,
    /// The order that is gone.
    pub original: OrderRef,
    /// The reference that it was shown under, none if it was hidden.
    pub original_shown_as: OrderRef,
    /// The price of the new order.
    pub price: Price,
    /// As entered.
    pub discretion_price: Price,
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
    /// Shares that the feed shows of the new order, if it rests as it is.
    pub shown: Quantity,
    /// As entered.
    pub min_quantity: Quantity,
    /// As entered.
    pub max_floor: Quantity,
    /// As entered.
    pub expire_time_s: u32,
    /// As entered.
    pub peg_offset: i32,
    /// As entered.
    pub discretion_peg_offset: i32,
    /// As entered.
    pub random_reserves: u32,
    /// As entered.
    pub locate_broker: [u8; 4],
    /// The account that answers for it, the original's.
    pub account: AccountId,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Sub-account, the original's.
    pub group_id: u16,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side), the original's.
    pub side: u8,
    /// A [`TimeInForce`](crate::types::TimeInForce).
    pub time_in_force: u8,
    /// OUCH display.
    pub display: u8,
    /// OUCH capacity, the original's.
    pub capacity: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// OUCH cross type, the original's.
    pub cross_type: u8,
    /// An [`OrderState`](crate::types::OrderState).
    pub order_state: u8,
    /// As entered.
    pub post_only: u8,
    /// As entered.
    pub handling: u8,
    /// As entered.
    pub price_type: u8,
    /// As entered.
    pub shares_located: u8,
    /// As entered.
    pub discretion_price_type: u8,
    /// As entered.
    pub trade_now: u8,
    /// Whether the new order rests as it is: 0 no, 1 yes.
    pub rests: u8,
    /// Zero.
    pub reserved: [u8; 29],
}
