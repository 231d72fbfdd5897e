//! What a participant is told of requests about orders that rest, and about its right to enter more.
//!
//! Layouts only; which message each is on a wire is the codecs' business.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::EventHeader;
use crate::types::{FirmCode, OrderRef, Quantity, Symbol, UserRefNum};

/// An order became smaller, or another kind of sale, and kept its place.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct Modified {
    /// Common fields.
    pub header: EventHeader,
    /// The order.
    pub order: OrderRef,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// Shares left.
    pub quantity: Quantity,
    /// Channel.
    pub user_ref_idx: u8,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// A mass cancel was taken; the orders it cancels follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct MassCanceled {
    /// Common fields.
    pub header: EventHeader,
    /// The participant's number for the request.
    pub user_ref_num: UserRefNum,
    /// The firm.
    pub firm: FirmCode,
    /// As asked.
    pub symbol: Symbol,
    /// As asked.
    pub group_id: u16,
    /// Channel.
    pub user_ref_idx: u8,
    /// As asked.
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 4],
}

/// A firm may enter orders from now on, or may not.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct EntrySwitched {
    /// Common fields.
    pub header: EventHeader,
    /// The participant's number for the request.
    pub user_ref_num: UserRefNum,
    /// The firm.
    pub firm: FirmCode,
    /// Channel.
    pub user_ref_idx: u8,
    /// Whether it may: 0 no, 1 yes.
    pub enabled: u8,
    /// Zero.
    pub reserved: [u8; 14],
}

/// The answer to an account query.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct AccountAnswered {
    /// Common fields.
    pub header: EventHeader,
    /// The lowest number that may be used next, 0 = none is left.
    pub next_user_ref_num: UserRefNum,
    /// Channel.
    pub user_ref_idx: u8,
    /// Zero.
    pub reserved: [u8; 19],
}
