//! Messages to the participant about what already rests: Order Restated.
//!
//! It lays fields over bytes, and says which event is which message.

use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Appendage, OUT_MAX, Options, join};
use crate::types::event;

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

const _: () = assert!(size_of::<Restated>() == 14);

impl Restated {
    /// The type byte.
    pub const KIND: u8 = b'R';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

pub(super) fn restated(
    event: &event::Restated,
    sequence: u64,
    timestamp: u64,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let message = Restated {
        kind: Restated::KIND,
        timestamp: timestamp.into(),
        user_ref_num: event.user_ref_num.0.into(),
        reason: event.reason,
    };
    let options = Options {
        secondary_ref: sequence,
        display_quantity: event.quantity.0,
        user_ref_idx: event.user_ref_idx,
        ..Options::default()
    };
    message.emit(&options, out)
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
        let size = emit(&Event::parse(lines).unwrap(), 77, 1_234, &mut out).unwrap();
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
}
