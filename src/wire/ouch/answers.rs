//! Messages to the participant about what already rests, and about its right to enter more: Order
//! Restated, Modified, Mass Cancel Response, Disable and Enable Entry Response, Account Query Response.
//!
//! It lays fields over bytes, and says which event is which message.

use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::convert::Stamp;
use super::{Appendage, OUT_MAX, Options, join};
use crate::types::event;
use crate::types::{FirmCode, Symbol};

/// Order Restated: what is shown of an order changed without the participant's doing. Its options say
/// how much is shown now, and under which reference.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Restated {
    /// `R`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// A [`RestateReason`](crate::types::RestateReason).
    pub reason: u8,
}

/// Order Modified.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Modified {
    /// `M`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// Shares left.
    pub quantity: U32,
}

/// Mass Cancel Response.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct MassCanceled {
    /// `X`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the request.
    pub user_ref_num: U32,
    /// The firm.
    pub firm: FirmCode,
    /// The instrument, blank = all.
    pub symbol: Symbol,
}

/// Disable or Enable Order Entry Response.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct EntryAnswer {
    /// `G` disabled, `K` enabled.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the request.
    pub user_ref_num: U32,
    /// The firm.
    pub firm: FirmCode,
}

/// Account Query Response.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct AccountAnswer {
    /// `Q`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The lowest number that may be used next, 0 = none is left.
    pub next_user_ref_num: U32,
}

const _: () = assert!(size_of::<Restated>() == 14);
const _: () = assert!(size_of::<Modified>() == 18);
const _: () = assert!(size_of::<MassCanceled>() == 25);
const _: () = assert!(size_of::<EntryAnswer>() == 17);
const _: () = assert!(size_of::<AccountAnswer>() == 13);

impl Restated {
    /// The type byte.
    pub const KIND: u8 = b'R';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl Modified {
    /// The type byte.
    pub const KIND: u8 = b'M';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

impl MassCanceled {
    /// The type byte.
    pub const KIND: u8 = b'X';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl EntryAnswer {
    /// The type byte of a Disable's.
    pub const DISABLED: u8 = b'G';
    /// The type byte of an Enable's.
    pub const ENABLED: u8 = b'K';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl AccountAnswer {
    /// The type byte.
    pub const KIND: u8 = b'Q';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

pub(super) fn restated(event: &event::Restated, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Restated {
        kind: Restated::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        reason: event.reason,
    };
    let options = Options {
        secondary_ref: stamp.sequence,
        display_quantity: event.quantity.0,
        ..stamp.options(event.user_ref_idx)
    };
    message.emit(&options, out)
}

pub(super) fn modified(event: &event::Modified, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Modified {
        kind: Modified::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        side: event.side,
        quantity: event.quantity.0.into(),
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

pub(super) fn mass_canceled(
    event: &event::MassCanceled,
    stamp: &Stamp,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let message = MassCanceled {
        kind: MassCanceled::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        firm: event.firm,
        symbol: event.symbol,
    };
    let &event::MassCanceled { group_id, side, user_ref_idx, .. } = event;
    message.emit(&Options { group_id, side, ..stamp.options(user_ref_idx) }, out)
}

pub(super) fn entry_switched(
    event: &event::EntrySwitched,
    stamp: &Stamp,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let enabled = event.enabled == 1;
    let message = EntryAnswer {
        kind: if enabled { EntryAnswer::ENABLED } else { EntryAnswer::DISABLED },
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        firm: event.firm,
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

pub(super) fn account_answered(
    event: &event::AccountAnswered,
    stamp: &Stamp,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let message = AccountAnswer {
        kind: AccountAnswer::KIND,
        timestamp: stamp.timestamp(),
        next_user_ref_num: event.next_user_ref_num.0.into(),
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

#[cfg(test)]
mod tests {
    use super::super::{Outbound, emit};
    use super::*;
    use crate::types::event::{Event, EventHeader};
    use crate::types::{Line, OrderRef, Quantity, Record, UserRefNum};
    use zerocopy::FromZeros as _;

    /// The message of the event in `lines`, whose sequence is 77, at 1,234 ns.
    fn message_of(lines: &[Line]) -> Vec<u8> {
        let mut out = [0; OUT_MAX];
        let stamp = Stamp { sequence: 77, timestamp: 1_234, copy_of: None };
        let size = emit(&Event::parse(lines).unwrap(), &stamp, &mut out).unwrap();
        assert!(Outbound::parse(&out[..size]).is_ok());
        out[..size].to_vec()
    }

    fn header<T: Record>() -> EventHeader {
        EventHeader { port_sequence: 1, ..EventHeader::new::<T>() }
    }

    #[test]
    fn a_refreshed_reserve_is_restated_with_what_it_shows_and_as_what() {
        let event = event::Restated {
            header: header::<event::Restated>(),
            order: OrderRef(70),
            user_ref_num: UserRefNum(7),
            quantity: Quantity(40),
            reason: b'R',
            ..event::Restated::new_zeroed()
        };
        let expected = b"R\0\0\0\0\0\0\x04\xD2\0\0\0\x07R\0\x10\x09\x01\0\0\0\0\0\0\0\x4D\
                         \x05\x16\0\0\0\x28";
        assert_eq!(message_of(event.lines()), expected);
    }

    #[test]
    fn requests_are_answered_in_their_own_words() {
        let event = event::Modified {
            header: header::<event::Modified>(),
            order: OrderRef(70),
            user_ref_num: UserRefNum(7),
            quantity: Quantity(40),
            side: b'T',
            user_ref_idx: 3,
            ..event::Modified::new_zeroed()
        };
        let expected = b"M\0\0\0\0\0\0\x04\xD2\0\0\0\x07T\0\0\0\x28\0\x03\x02\x1C\x03";
        assert_eq!(message_of(event.lines()), expected);

        let event = event::MassCanceled {
            header: header::<event::MassCanceled>(),
            user_ref_num: UserRefNum(7),
            firm: FirmCode::new("ALFA").unwrap(),
            symbol: Symbol::new("ACME").unwrap(),
            group_id: 5,
            side: b'B',
            ..event::MassCanceled::new_zeroed()
        };
        let expected = b"X\0\0\0\0\0\0\x04\xD2\0\0\0\x07ALFAACME    \0\x07\
                         \x03\x18\0\x05\x02\x1BB";
        assert_eq!(message_of(event.lines()), expected);

        let mut event = event::EntrySwitched {
            header: header::<event::EntrySwitched>(),
            user_ref_num: UserRefNum(7),
            firm: FirmCode::new("ALFA").unwrap(),
            ..event::EntrySwitched::new_zeroed()
        };
        let expected = b"G\0\0\0\0\0\0\x04\xD2\0\0\0\x07ALFA\0\0";
        assert_eq!(message_of(event.lines()), expected);
        event.enabled = 1;
        assert_eq!(message_of(event.lines())[0], b'K');

        let event = event::AccountAnswered {
            header: header::<event::AccountAnswered>(),
            next_user_ref_num: UserRefNum(8),
            ..event::AccountAnswered::new_zeroed()
        };
        let expected = b"Q\0\0\0\0\0\0\x04\xD2\0\0\0\x08";
        assert_eq!(message_of(event.lines()), expected);
    }
}
