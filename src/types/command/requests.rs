//! What a participant asks about orders that rest, and about its right to enter more.
//!
//! Layouts only.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::CommandHeader;
use crate::types::{ClOrdId, FirmCode, Price, Quantity, Symbol, UserRefNum};

/// Cancels an order, or reduces it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Cancel {
    /// Common fields.
    pub header: CommandHeader,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// The intended total size, executed shares included; 0 cancels all that is left.
    pub quantity: Quantity,
    /// The channel of the port whose numbers it uses.
    pub user_ref_idx: u8,
    /// Zero.
    pub reserved: [u8; 31],
}

/// Replaces an order by another with other terms and a new place in time. Instrument, side, account,
/// group, capacity and cross type are the original's.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Replace {
    /// Common fields.
    pub header: CommandHeader,
    /// The limit.
    pub price: Price,
    /// Discretion (option 9), 0 = none.
    pub discretion_price: Price,
    /// The participant's number for the order that is replaced.
    pub orig_user_ref_num: UserRefNum,
    /// The participant's number for the order that takes its place.
    pub user_ref_num: UserRefNum,
    /// Shares in all: what the original and those it replaced have executed is part of them.
    pub quantity: Quantity,
    /// The least that a first fill must bring, 0 = none.
    pub min_quantity: Quantity,
    /// The displayed part of a reserve order, 0 = all.
    pub max_floor: Quantity,
    /// Random part of the reserve (option 13).
    pub random_reserves: u32,
    /// Seconds to live of a good-till-time order.
    pub expire_time_s: u32,
    /// Signed peg offset (option 7).
    pub peg_offset: i32,
    /// Signed discretion peg offset (option 11).
    pub discretion_peg_offset: i32,
    /// The broker of a located short sale (option 26), zeroes = none.
    pub locate_broker: [u8; 4],
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
    /// The channel of the port whose numbers it uses, both of them.
    pub user_ref_idx: u8,
    /// The [`Side`](crate::types::Side) it names (option 27), 0 = the original's.
    pub side: u8,
    /// A [`TimeInForce`](crate::types::TimeInForce).
    pub time_in_force: u8,
    /// OUCH display.
    pub display: u8,
    /// OUCH intermarket sweep: `Y` or `N`.
    pub intermarket_sweep: u8,
    /// OUCH price type (option 6).
    pub price_type: u8,
    /// OUCH discretion price type (option 10).
    pub discretion_price_type: u8,
    /// `P` post-only (option 12).
    pub post_only: u8,
    /// Trade now (option 16).
    pub trade_now: u8,
    /// OUCH handling instruction (option 17).
    pub handling: u8,
    /// Shares located (option 25).
    pub shares_located: u8,
    /// Zero.
    pub reserved: [u8; 23],
}

/// Changes a resting order without loss of its place: fewer shares, or another kind of sale.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Modify {
    /// Common fields.
    pub header: CommandHeader,
    /// The participant's number for the order.
    pub user_ref_num: UserRefNum,
    /// The intended total size, executed shares included. One above the order's changes nothing of it.
    pub quantity: Quantity,
    /// The broker of a located short sale (option 26), zeroes = none.
    pub locate_broker: [u8; 4],
    /// The channel of the port whose numbers it uses.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// Shares located (option 25).
    pub shares_located: u8,
    /// Zero.
    pub reserved: [u8; 25],
}

/// Cancels the orders of a firm that have all that it names.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct MassCancel {
    /// Common fields.
    pub header: CommandHeader,
    /// The participant's number for the request.
    pub user_ref_num: UserRefNum,
    /// The firm, blank = the port's.
    pub firm: FirmCode,
    /// The instrument, blank = all.
    pub symbol: Symbol,
    /// Sub-account (option 24), 0 = all.
    pub group_id: u16,
    /// The channel of the port whose numbers it uses; one but the first means only its orders.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side) (option 27), 0 = all.
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 20],
}

/// Refuses a firm's new orders from now on; everybody's, if it is of no port.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct DisableEntry {
    /// Common fields.
    pub header: CommandHeader,
    /// The participant's number for the request.
    pub user_ref_num: UserRefNum,
    /// The firm, blank = the port's.
    pub firm: FirmCode,
    /// The channel of the port whose numbers it uses.
    pub user_ref_idx: u8,
    /// Zero.
    pub reserved: [u8; 31],
}

/// Takes a firm's new orders again; everybody's but those of who asked for the contrary, if it is of no
/// port.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct EnableEntry {
    /// Common fields.
    pub header: CommandHeader,
    /// The participant's number for the request.
    pub user_ref_num: UserRefNum,
    /// The firm, blank = the port's.
    pub firm: FirmCode,
    /// The channel of the port whose numbers it uses.
    pub user_ref_idx: u8,
    /// Zero.
    pub reserved: [u8; 31],
}

/// Asks for the next user reference number. The answer has its place among all others, so whoever reads
/// it knows what became of everything before.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct AccountQuery {
    /// Common fields.
    pub header: CommandHeader,
    /// The channel that it asks for.
    pub user_ref_idx: u8,
    /// Zero.
    pub reserved: [u8; 39],
}
