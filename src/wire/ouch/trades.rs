//! Messages to the participant about trades that were made before: Broken Trade, Trade Correction.
//!
//! It lays fields over bytes, and says which event is which message.

use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::convert::Stamp;
use super::{Appendage, OUT_MAX, Options, join};
use crate::types::ClOrdId;
use crate::types::event;

/// Broken Trade: a fill is undone.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct BrokenTrade {
    /// `B`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// The fill.
    pub match_number: U64,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
    /// The order's, as entered.
    pub cl_ord_id: ClOrdId,
}

/// Trade Correction: a fill has another price.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TradeCorrection {
    /// `F`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// Shares of the fill.
    pub quantity: U32,
    /// The price that it has from here on.
    pub price: U64,
    /// A [`Liquidity`](crate::types::Liquidity), the fill's.
    pub liquidity: u8,
    /// The fill.
    pub match_number: U64,
    /// A [`BustReason`](crate::types::BustReason).
    pub reason: u8,
    /// The order's, as entered.
    pub cl_ord_id: ClOrdId,
}

const _: () = assert!(size_of::<BrokenTrade>() == 36);
const _: () = assert!(size_of::<TradeCorrection>() == 49);

impl BrokenTrade {
    /// The type byte.
    pub const KIND: u8 = b'B';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

impl TradeCorrection {
    /// The type byte.
    pub const KIND: u8 = b'F';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

pub(super) fn broken(event: &event::FillBusted, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = BrokenTrade {
        kind: BrokenTrade::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        match_number: event.match_number.0.into(),
        reason: event.reason,
        cl_ord_id: event.cl_ord_id,
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

pub(super) fn corrected(
    event: &event::FillCorrected,
    stamp: &Stamp,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let message = TradeCorrection {
        kind: TradeCorrection::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        quantity: event.quantity.0.into(),
        price: event.price.0.into(),
        liquidity: event.liquidity,
        match_number: event.match_number.0.into(),
        reason: event.reason,
        cl_ord_id: event.cl_ord_id,
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::super::{Outbound, emit};
    use super::*;
    use crate::types::event::{Event, EventHeader};
    use crate::types::{Line, MatchNumber, Price, Quantity, Record, UserRefNum};

    fn header<E: Record>() -> EventHeader {
        EventHeader { port_sequence: 9, ..EventHeader::new::<E>() }
    }

    fn message_of(lines: &[Line]) -> Vec<u8> {
        let mut out = [0; OUT_MAX];
        let stamp = Stamp { sequence: 80, timestamp: 0x0102_0304, copy_of: None };
        let size = emit(&Event::parse(lines).unwrap(), &stamp, &mut out).unwrap();
        Outbound::parse(&out[..size]).unwrap();
        out[..size].to_vec()
    }

    #[test]
    fn a_busted_fill_names_its_match_number_and_its_order() {
        let mut event = event::FillBusted {
            header: header::<event::FillBusted>(),
            match_number: MatchNumber(0x66),
            user_ref_num: UserRefNum(7),
            reason: b'E',
            cl_ord_id: ClOrdId::new("id7").unwrap(),
            ..event::FillBusted::new_zeroed()
        };
        let expected = b"B\0\0\0\0\x01\x02\x03\x04\0\0\0\x07\0\0\0\0\0\0\0\x66Eid7           ";
        assert_eq!(message_of(event.lines()), expected);
        event.user_ref_idx = 3;
        let on_a_channel = [expected.as_slice(), b"\0\x03\x02\x1C\x03"].concat();
        assert_eq!(message_of(event.lines()), on_a_channel);
    }

    #[test]
    fn a_corrected_fill_has_its_new_price_under_its_old_number() {
        let event = event::FillCorrected {
            header: header::<event::FillCorrected>(),
            match_number: MatchNumber(0x66),
            old_price: Price(105_000),
            price: Price(104_000),
            quantity: Quantity(40),
            user_ref_num: UserRefNum(7),
            liquidity: b'A',
            reason: b'S',
            cl_ord_id: ClOrdId::new("id7").unwrap(),
            ..event::FillCorrected::new_zeroed()
        };
        let expected = b"F\0\0\0\0\x01\x02\x03\x04\0\0\0\x07\0\0\0\x28\0\0\0\0\0\x01\x96\x40A\
                         \0\0\0\0\0\0\0\x66Sid7           ";
        assert_eq!(message_of(event.lines()), expected);
    }
}
