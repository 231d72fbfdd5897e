//! What brokers ask for: new orders.
//!
//! Layouts only; what becomes of each is the engine's business.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::CommandHeader;
use crate::types::{AccountId, ClOrdId, Price, Quantity, Symbol, UserRefNum};

/// Enters an order.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct NewOrder {
    /// Common fields.
    pub header: CommandHeader,
    /// The limit, or [`Price::MARKET`].
    pub price: Price,
    /// Discretion (option 9), 0 = none.
    pub discretion_price: Price,
    /// The instrument.
    pub symbol: Symbol,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// Shares.
    pub quantity: Quantity,
    /// The least that a first fill must bring, 0 = none.
    pub min_quantity: Quantity,
    /// The displayed part of a reserve order, 0 = all.
    pub max_floor: Quantity,
    /// Seconds to live of a good-till-time order.
    pub expire_time_s: u32,
    /// The account it names (private option 0x80), 0 = the port's rule decides.
    pub account: AccountId,
    /// The channel of the port whose numbers it uses.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// A [`TimeInForce`](crate::types::TimeInForce).
    pub time_in_force: u8,
    /// OUCH display.
    pub display: u8,
    /// OUCH capacity.
    pub capacity: u8,
    /// OUCH intermarket sweep: `Y` or `N`.
    pub intermarket_sweep: u8,
    /// OUCH cross type.
    pub cross_type: u8,
    /// OUCH price type (option 6).
    pub price_type: u8,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// Sub-account (option 24).
    pub group_id: u16,
    /// The firm it names (option 2), zeroes = none.
    pub firm: [u8; 4],
    /// The broker of a located short sale (option 26), zeroes = none.
    pub locate_broker: [u8; 4],
    /// Where to route (option 14), zeroes = none.
    pub route: [u8; 4],
    /// Signed peg offset (option 7).
    pub peg_offset: i32,
    /// Random part of the reserve (option 13).
    pub random_reserves: u32,
    /// Signed discretion peg offset (option 11).
    pub discretion_peg_offset: i32,
    /// OUCH discretion price type (option 10).
    pub discretion_price_type: u8,
    /// OUCH customer type (option 4).
    pub customer_type: u8,
    /// `P` post-only (option 12).
    pub post_only: u8,
    /// OUCH handling instruction (option 17).
    pub handling: u8,
    /// Shares located (option 25).
    pub shares_located: u8,
    /// Self-match strategy (option 29).
    pub self_match: u8,
    /// BBO weight indicator (option 18).
    pub bbo_weight: u8,
    /// Trade now (option 16).
    pub trade_now: u8,
}
