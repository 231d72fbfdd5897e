//! What becomes of trades that were made: busted, or corrected. Layouts only.
//!
//! The whole of it is one event, for the operator who asked and for the feed; each side has another, in
//! its own streams.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::EventHeader;
use crate::types::{
    AccountId, ClOrdId, CurrencyId, MatchNumber, OrderRef, Price, Quantity, TradeTerms, UserRefNum,
};

/// Bits that say which balances are below zero behind a bust or a correction.
pub mod below_zero {
    /// The buyer's cash.
    pub const BUYER_CASH: u8 = 1;
    /// The buyer's shares.
    pub const BUYER_SHARES: u8 = 2;
    /// The seller's cash.
    pub const SELLER_CASH: u8 = 4;
    /// The seller's shares.
    pub const SELLER_SHARES: u8 = 8;
}

/// A trade is undone. On the feed its print is broken.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TradeBusted {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers.
    pub request: u64,
    /// The trade as it stood.
    pub terms: TradeTerms,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
    /// Bits of [`below_zero`].
    pub below_zero: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// A trade has another price. On the feed its print is broken, and this event's sequence is the number of
/// the next.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct TradeCorrected {
    /// Common fields.
    pub header: EventHeader,
    /// The request it answers.
    pub request: u64,
    /// The trade as it stands from here on, but that its print is the one that is broken.
    pub terms: TradeTerms,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
    /// Bits of [`below_zero`].
    pub below_zero: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// A side of a trade that is undone: it gets back what it gave.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct FillBusted {
    /// Common fields.
    pub header: EventHeader,
    /// The trade.
    pub match_number: MatchNumber,
    /// The order.
    pub order: OrderRef,
    /// The price of the fill.
    pub price: Price,
    /// Cash value of the fill, that goes back.
    pub notional: i64,
    /// Its fee, that goes back.
    pub fee: i64,
    /// The account's cash behind it.
    pub cash: i64,
    /// The account's shares behind it.
    pub shares: i64,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// Shares of the fill, that go back.
    pub quantity: Quantity,
    /// The account.
    pub account: AccountId,
    /// The currency of the cash.
    pub currency: CurrencyId,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// A [`Liquidity`](crate::types::Liquidity).
    pub liquidity: u8,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
}

/// A side of a trade that has another price: it pays or gets the difference.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct FillCorrected {
    /// Common fields.
    pub header: EventHeader,
    /// The trade.
    pub match_number: MatchNumber,
    /// The order.
    pub order: OrderRef,
    /// The price of the fill until here.
    pub old_price: Price,
    /// Cash value of the fill until here.
    pub old_notional: i64,
    /// Its fee until here.
    pub old_fee: i64,
    /// The price of the fill.
    pub price: Price,
    /// Cash value of the fill.
    pub notional: i64,
    /// Its fee.
    pub fee: i64,
    /// The account's cash behind it.
    pub cash: i64,
    /// The account's shares, that do not change.
    pub shares: i64,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// Shares of the fill.
    pub quantity: Quantity,
    /// The account.
    pub account: AccountId,
    /// The currency of the cash.
    pub currency: CurrencyId,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// A [`Liquidity`](crate::types::Liquidity).
    pub liquidity: u8,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 40],
}

/// The print of a trade at its corrected price. Only the feed says so.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Reprinted {
    /// Common fields.
    pub header: EventHeader,
    /// The number of the print.
    pub print_number: MatchNumber,
    /// The price of the trade.
    pub price: Price,
    /// Shares.
    pub quantity: Quantity,
    /// Zero.
    pub reserved: [u8; 4],
}
