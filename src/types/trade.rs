//! The full terms of a trade: what an operator's command says of it, so that nobody who carries it out
//! has to remember trades.
//!
//! A fixed layout, part of commands and events.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    AccountId, ClOrdId, Liquidity, MatchNumber, OrderRef, PortId, Price, Quantity, Symbol,
    UserRefNum,
};

/// A trade as it stands: as it was made, or as it was corrected last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TradeTerms {
    /// Its number, for both sides and for good.
    pub match_number: MatchNumber,
    /// The number of its print: the match number, or once it was corrected the sequence of the last
    /// [`TradeCorrected`](super::event::TradeCorrected). A number of a print that is over is never used
    /// again.
    pub print_number: MatchNumber,
    /// The price of a share.
    pub price: Price,
    /// The instrument.
    pub symbol: Symbol,
    /// Shares.
    pub quantity: Quantity,
    /// The trading day, YYYYMMDD.
    pub date: u32,
    /// Who bought.
    pub buyer: TradeSide,
    /// Who sold.
    pub seller: TradeSide,
}

/// One side of a trade, as its [`Executed`](super::event::Executed) told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct TradeSide {
    /// The order.
    pub order: OrderRef,
    /// The fee charged, in the currency's units; negative: a rebate.
    pub fee: i64,
    /// The port of the order.
    pub port: PortId,
    /// The account that settled.
    pub account: AccountId,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](super::Side).
    pub side: u8,
    /// A [`Liquidity`].
    pub liquidity: u8,
    /// Whether the feed told the trade's print with this side: 0 no, 1 yes.
    pub in_feed: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

const _: () = assert!(size_of::<TradeSide>() == 48);
const _: () = assert!(size_of::<TradeTerms>() == 136);

impl TradeTerms {
    /// Whether the feed told a print of it.
    #[must_use]
    pub const fn in_feed(&self) -> bool {
        self.buyer.in_feed | self.seller.in_feed != 0
    }

    /// Whether it was made in an auction.
    #[must_use]
    pub fn in_auction(&self) -> bool {
        Liquidity::from_byte(self.buyer.liquidity).is_some_and(|mark| mark.cross().is_some())
    }
}
