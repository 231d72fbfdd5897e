//! The messages of auctions: what each would come to, its print, and what it took out of the books.

use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;
use crate::types::Symbol;

/// Order Executed With Price, at another price than the order's own.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OrderExecutedWithPrice {
    /// Common fields.
    pub header: Header,
    /// The resting order.
    pub order_ref: U64,
    /// Shares of the fill.
    pub shares: U32,
    /// Ties it to both sides' execution reports.
    pub match_number: U64,
    /// `N`: the shares are part of a Cross Trade.
    pub printable: u8,
    /// The price of the fill.
    pub price: U32,
}

/// Cross Trade: all fills of an auction.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CrossTrade {
    /// Common fields.
    pub header: Header,
    /// Shares that traded, 0 = none.
    pub shares: U64,
    /// The instrument.
    pub symbol: Symbol,
    /// The price of every fill.
    pub price: U32,
    /// The auction's own number.
    pub match_number: U64,
    /// A [`Cross`](crate::types::Cross).
    pub cross: u8,
}

/// Net Order Imbalance Indicator.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Imbalance {
    /// Common fields.
    pub header: Header,
    /// Shares that would trade at the near price.
    pub paired: U64,
    /// Shares that would be left over.
    pub imbalance: U64,
    /// Of whom: `B` buyers, `S` sellers, `N` nobody; `O` nothing would trade.
    pub direction: u8,
    /// The instrument.
    pub symbol: Symbol,
    /// The price of the orders for this auction alone, 0 = none.
    pub far: U32,
    /// The price of all orders, 0 = none.
    pub near: U32,
    /// The last price, 0 = none.
    pub reference: U32,
    /// A [`Cross`](crate::types::Cross).
    pub cross: u8,
    /// How far the near price is from the reference: `L` below 1 %, `1` to `9` below 10 %, `A` below
    /// 20 %, `B` below 30 %, else `C`; space: there is none.
    pub variation: u8,
}

const _: () = assert!(size_of::<OrderExecutedWithPrice>() == 36);
const _: () = assert!(size_of::<CrossTrade>() == 40);
const _: () = assert!(size_of::<Imbalance>() == 50);
