//! The message of a print that is not to be counted any more.

use zerocopy::byteorder::big_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Header;

/// Broken Trade. It changes no book; a broken print never comes back.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct BrokenTrade {
    /// Common fields.
    pub header: Header,
    /// That of the Order Executed, Order Executed With Price or Trade.
    pub match_number: U64,
}

const _: () = assert!(size_of::<BrokenTrade>() == 19);
