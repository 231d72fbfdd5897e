//! What a participant asks about orders that rest, and about its right to enter more.
//!
//! Layouts only.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::CommandHeader;
use crate::types::{FirmCode, Quantity, Symbol, UserRefNum};

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

/// Refuses a firm's new orders from now on.
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

/// Takes a firm's new orders again.
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
