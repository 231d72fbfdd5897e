//! Messages to the participant: System Event, Accepted, Replaced, Executed, Canceled, AIQ Canceled,
//! Rejected, Cancel Reject.
//!
//! It lays fields over bytes; which event becomes which message is [`convert`](super::emit)'s.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::TradeCorrection;
use super::{APPENDAGE_LENGTH_BYTES, Appendage, OPTIONS_BYTES_MAX, Options, OuchError};
use super::{AccountAnswer, BrokenTrade, EntryAnswer, MassCanceled, Modified, Restated};
use super::{join, split};
use crate::types::{ClOrdId, Symbol};

/// The most bytes of any message that this codec writes: a Replaced with every option.
pub const OUT_MAX: usize = size_of::<Replaced>() + APPENDAGE_LENGTH_BYTES + OPTIONS_BYTES_MAX;

/// A message to the participant, laid over its bytes, with the elements of its appendage.
#[derive(Clone, Copy, Debug)]
pub enum Outbound<'a> {
    /// System Event.
    SystemEvent(&'a SystemEvent),
    /// Order Accepted.
    Accepted(&'a Accepted, &'a [u8]),
    /// Order Replaced.
    Replaced(&'a Replaced, &'a [u8]),
    /// Order Executed.
    Executed(&'a Executed, &'a [u8]),
    /// Order Canceled.
    Canceled(&'a Canceled, &'a [u8]),
    /// Broken Trade.
    BrokenTrade(&'a BrokenTrade, &'a [u8]),
    /// Trade Correction.
    TradeCorrection(&'a TradeCorrection, &'a [u8]),
    /// AIQ Canceled.
    AiqCanceled(&'a AiqCanceled, &'a [u8]),
    /// Order Rejected.
    Rejected(&'a Rejected, &'a [u8]),
    /// Cancel Reject.
    CancelRejected(&'a CancelRejected, &'a [u8]),
    /// Order Restated.
    Restated(&'a Restated, &'a [u8]),
    /// Order Modified.
    Modified(&'a Modified, &'a [u8]),
    /// Mass Cancel Response.
    MassCanceled(&'a MassCanceled, &'a [u8]),
    /// Disable or Enable Order Entry Response.
    EntryAnswer(&'a EntryAnswer, &'a [u8]),
    /// Account Query Response.
    AccountAnswer(&'a AccountAnswer, &'a [u8]),
    /// A type of the specification that this exchange never sends.
    NotBuilt(u8),
}

/// System Event.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SystemEvent {
    /// `S`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// `S` start of the day, `E` its end.
    pub code: u8,
}

/// Order Accepted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Accepted {
    /// `A`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// Shares.
    pub quantity: U32,
    /// The instrument.
    pub symbol: Symbol,
    /// The price it was accepted with.
    pub price: U64,
    /// A [`TimeInForce`](crate::types::TimeInForce).
    pub time_in_force: u8,
    /// As entered.
    pub display: u8,
    /// The exchange's number for the order, the same in the feed.
    pub order_ref: U64,
    /// As entered.
    pub capacity: u8,
    /// As entered.
    pub intermarket_sweep: u8,
    /// As entered.
    pub cross_type: u8,
    /// An [`OrderState`](crate::types::OrderState).
    pub order_state: u8,
    /// As entered.
    pub cl_ord_id: ClOrdId,
}

/// Order Replaced.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Replaced {
    /// `U`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order that is gone.
    pub orig_user_ref_num: U32,
    /// The participant's number for the new order.
    pub user_ref_num: U32,
    /// A [`Side`](crate::types::Side).
    pub side: u8,
    /// Shares that are still to trade.
    pub quantity: U32,
    /// The instrument.
    pub symbol: Symbol,
    /// The price of the new order.
    pub price: U64,
    /// A [`TimeInForce`](crate::types::TimeInForce).
    pub time_in_force: u8,
    /// As entered.
    pub display: u8,
    /// The exchange's number for the new order, the same in the feed.
    pub order_ref: U64,
    /// The original's.
    pub capacity: u8,
    /// As entered.
    pub intermarket_sweep: u8,
    /// The original's.
    pub cross_type: u8,
    /// An [`OrderState`](crate::types::OrderState).
    pub order_state: u8,
    /// As entered.
    pub cl_ord_id: ClOrdId,
}

/// Order Executed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Executed {
    /// `E`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// Shares of this fill.
    pub quantity: U32,
    /// The price of this fill.
    pub price: U64,
    /// A [`Liquidity`](crate::types::Liquidity).
    pub liquidity: u8,
    /// Ties both sides, and the feed.
    pub match_number: U64,
}

/// Order Canceled.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Canceled {
    /// `C`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// Shares just removed.
    pub quantity: U32,
    /// A [`CancelReason`](crate::types::CancelReason).
    pub reason: u8,
}

/// AIQ Canceled: shares that would have met an order of the same owner. The edition of 2023 ends before
/// the strategy.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct AiqCanceled {
    /// `D`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// Shares just removed.
    pub quantity: U32,
    /// `Q`.
    pub reason: u8,
    /// Shares that would have traded.
    pub prevented: U32,
    /// The price at which they would have.
    pub price: U64,
    /// A [`Liquidity`](crate::types::Liquidity).
    pub liquidity: u8,
    /// A [`SelfMatchStrategy`](crate::types::SelfMatchStrategy).
    pub strategy: u8,
}

/// Order Rejected.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Rejected {
    /// `J`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// A [`RejectReason`](crate::types::RejectReason).
    pub reason: U16,
    /// As entered.
    pub cl_ord_id: ClOrdId,
}

/// Cancel Reject: the order is final and stays as it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct CancelRejected {
    /// `I`.
    pub kind: u8,
    /// Nanoseconds since midnight.
    pub timestamp: U64,
    /// The participant's number for the order.
    pub user_ref_num: U32,
}

const _: () = assert!(size_of::<SystemEvent>() == 10);
const _: () = assert!(size_of::<Accepted>() == 62);
const _: () = assert!(size_of::<Replaced>() == 66);
const _: () = assert!(size_of::<Executed>() == 34);
const _: () = assert!(size_of::<Canceled>() == 18);
const _: () = assert!(size_of::<AiqCanceled>() == 32);
const _: () = assert!(size_of::<Rejected>() == 29);
const _: () = assert!(size_of::<CancelRejected>() == 13);

impl<'a> Outbound<'a> {
    /// Parses one whole message.
    ///
    /// # Errors
    /// [`OuchError`]; a malformed appendage of the right length is not one.
    pub fn parse(message: &'a [u8]) -> Result<Self, OuchError> {
        let &[kind, ..] = message else { return Err(OuchError::Empty) };
        Ok(match kind {
            SystemEvent::KIND => Self::SystemEvent(view(message, Appendage::Never)?.0),
            Accepted::KIND => {
                let (fields, elements) = view(message, Appendage::Always)?;
                Self::Accepted(fields, elements)
            }
            Replaced::KIND => {
                let (fields, elements) = view(message, Appendage::Always)?;
                Self::Replaced(fields, elements)
            }
            Executed::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::Executed(fields, elements)
            }
            Canceled::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::Canceled(fields, elements)
            }
            AiqCanceled::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::AiqCanceled(fields, elements)
            }
            Rejected::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::Rejected(fields, elements)
            }
            Restated::KIND => {
                let (fields, elements) = view(message, Appendage::Always)?;
                Self::Restated(fields, elements)
            }
            Modified::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::Modified(fields, elements)
            }
            MassCanceled::KIND => {
                let (fields, elements) = view(message, Appendage::Always)?;
                Self::MassCanceled(fields, elements)
            }
            EntryAnswer::DISABLED | EntryAnswer::ENABLED => {
                let (fields, elements) = view(message, Appendage::Always)?;
                Self::EntryAnswer(fields, elements)
            }
            AccountAnswer::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::AccountAnswer(fields, elements)
            }
            CancelRejected::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::CancelRejected(fields, elements)
            }
            BrokenTrade::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::BrokenTrade(fields, elements)
            }
            TradeCorrection::KIND => {
                let (fields, elements) = view(message, Appendage::Optional)?;
                Self::TradeCorrection(fields, elements)
            }
            b'P' | b'T' => Self::NotBuilt(kind),
            unknown => return Err(OuchError::UnknownType(unknown)),
        })
    }
}

fn view<T>(message: &[u8], appendage: Appendage) -> Result<(&T, &[u8]), OuchError>
where
    T: FromBytes + KnownLayout + Immutable + Unaligned,
{
    let (fields, elements) = split(message, size_of::<T>(), appendage)?;
    let wrong = OuchError::Length { kind: message[0], length: message.len() };
    Ok((T::ref_from_bytes(fields).map_err(|_| wrong)?, elements))
}

impl SystemEvent {
    /// The type byte.
    pub const KIND: u8 = b'S';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), &Options::default(), Appendage::Never, out)
    }
}

impl Accepted {
    /// The type byte.
    pub const KIND: u8 = b'A';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl Replaced {
    /// The type byte.
    pub const KIND: u8 = b'U';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl Executed {
    /// The type byte.
    pub const KIND: u8 = b'E';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl Canceled {
    /// The type byte.
    pub const KIND: u8 = b'C';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

impl AiqCanceled {
    /// The type byte.
    pub const KIND: u8 = b'D';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

impl Rejected {
    /// The type byte.
    pub const KIND: u8 = b'J';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

impl CancelRejected {
    /// The type byte.
    pub const KIND: u8 = b'I';

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; OUT_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Optional, out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::options::tests::any_options;
    use super::*;
    use crate::wire::soup;
    use crate::wire::tests::hex;

    const ACCEPTED: &str = "004a53410000289b4d64af8700753a8d42000000284144424520202020000000000048\
                            e7483559000000000f56b4f5414e4e4c37363832373032303120202020200009050\
                            24d4c524f021230";
    const CANCELED: &str = "001353430000289b4d68131700753a8d0000002855";

    /// The message in a captured packet.
    fn sequenced(packet: &[u8]) -> &[u8] {
        let Ok(Some((soup::Packet::SequencedData(message), size))) = soup::parse(packet, 65_535)
        else {
            panic!("not a sequenced packet")
        };
        assert_eq!(size, packet.len());
        message
    }

    #[test]
    fn the_captured_accepted_is_read_and_written_byte_for_byte() {
        let packet = hex(ACCEPTED);
        let message = sequenced(&packet);
        let Ok(Outbound::Accepted(accepted, elements)) = Outbound::parse(message) else { panic!() };
        let options = Options::parse(elements).unwrap();

        let expected = Accepted {
            kind: b'A',
            timestamp: 0x289B_4D64_AF87.into(),
            user_ref_num: 0x0075_3A8D.into(),
            side: b'B',
            quantity: 40.into(),
            symbol: Symbol::new("ADBE").unwrap(),
            price: 4_777_800.into(),
            time_in_force: b'5',
            display: b'Y',
            order_ref: 0x0F56_B4F5.into(),
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            order_state: b'L',
            cl_ord_id: ClOrdId::new("768270201").unwrap(),
        };
        assert_eq!(*accepted, expected);
        assert_eq!(options, Options { firm: *b"MLRO", bbo_weight: b'0', ..Options::default() });

        let mut out = [0; OUT_MAX];
        let size = expected.emit(&options, &mut out);
        let mut again = [0; 200];
        let size = soup::Packet::SequencedData(&out[..size]).emit(&mut again).unwrap();
        assert_eq!(again[..size], packet);
    }

    #[test]
    fn the_captured_canceled_is_read_and_written_byte_for_byte() {
        let packet = hex(CANCELED);
        let message = sequenced(&packet);
        let Ok(Outbound::Canceled(canceled, [])) = Outbound::parse(message) else { panic!() };
        assert_eq!(canceled.user_ref_num.get(), 0x0075_3A8D);
        assert_eq!((canceled.quantity.get(), canceled.reason), (40, b'U'));

        let mut out = [0; OUT_MAX];
        let size = canceled.emit(&Options::default(), &mut out);
        assert_eq!(&out[..size], message);
    }

    #[test]
    fn a_replaced_is_read_and_written_byte_for_byte() {
        let message = b"U\0\0\x28\x9B\x4D\x64\xAF\x87\0\0\0\x71\0\0\0\x72S\0\0\0\xC8CVLT    \
                        \0\0\0\0\0\x09\x9D\xB80Y\0\0\0\0\x0F\x56\xB4\xF5ANNLH8FUB8IV      \0\0";
        let Ok(Outbound::Replaced(replaced, [])) = Outbound::parse(message) else { panic!() };
        let expected = Replaced {
            kind: b'U',
            timestamp: 0x289B_4D64_AF87.into(),
            orig_user_ref_num: 0x71.into(),
            user_ref_num: 0x72.into(),
            side: b'S',
            quantity: 200.into(),
            symbol: Symbol::new("CVLT").unwrap(),
            price: 630_200.into(),
            time_in_force: b'0',
            display: b'Y',
            order_ref: 0x0F56_B4F5.into(),
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            order_state: b'L',
            cl_ord_id: ClOrdId::new("H8FUB8IV").unwrap(),
        };
        assert_eq!(*replaced, expected);

        let mut out = [0; OUT_MAX];
        let size = expected.emit(&Options::default(), &mut out);
        assert_eq!(&out[..size], message);
    }

    #[test]
    fn types_never_sent_are_told_from_unknown_ones() {
        assert!(matches!(Outbound::parse(b"T"), Ok(Outbound::NotBuilt(b'T'))));
        assert_eq!(Outbound::parse(b"Y").unwrap_err(), OuchError::UnknownType(b'Y'));
        assert_eq!(Outbound::parse(b"").unwrap_err(), OuchError::Empty);
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_back(bytes: [u8; 66], options in any_options()) {
            let mut out = [0; OUT_MAX];

            let sent = SystemEvent { kind: b'S', ..*SystemEvent::ref_from_bytes(&bytes[..10]).unwrap() };
            let size = sent.emit(&mut out);
            let Ok(Outbound::SystemEvent(read)) = Outbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!(*read, sent);

            let sent = Accepted { kind: b'A', ..*Accepted::ref_from_bytes(&bytes[..62]).unwrap() };
            let size = sent.emit(&options, &mut out);
            let Ok(Outbound::Accepted(read, tail)) = Outbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*read, Options::parse(tail)), (sent, Ok(options)));

            let sent = Replaced { kind: b'U', ..*Replaced::ref_from_bytes(&bytes).unwrap() };
            let size = sent.emit(&options, &mut out);
            let Ok(Outbound::Replaced(read, tail)) = Outbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*read, Options::parse(tail)), (sent, Ok(options)));

            let sent = Executed { kind: b'E', ..*Executed::ref_from_bytes(&bytes[..34]).unwrap() };
            let size = sent.emit(&options, &mut out);
            let Ok(Outbound::Executed(read, tail)) = Outbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*read, Options::parse(tail)), (sent, Ok(options)));

            let sent = Canceled { kind: b'C', ..*Canceled::ref_from_bytes(&bytes[..18]).unwrap() };
            let size = sent.emit(&options, &mut out);
            let Ok(Outbound::Canceled(read, tail)) = Outbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*read, Options::parse(tail)), (sent, Ok(options)));

            let sent = AiqCanceled { kind: b'D', ..*AiqCanceled::ref_from_bytes(&bytes[..32]).unwrap() };
            let size = sent.emit(&options, &mut out);
            let Ok(Outbound::AiqCanceled(read, tail)) = Outbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*read, Options::parse(tail)), (sent, Ok(options)));

            let sent = Rejected { kind: b'J', ..*Rejected::ref_from_bytes(&bytes[..29]).unwrap() };
            let size = sent.emit(&options, &mut out);
            let Ok(Outbound::Rejected(read, tail)) = Outbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*read, Options::parse(tail)), (sent, Ok(options)));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let (accepted, canceled) = (hex(ACCEPTED), hex(CANCELED));
        let replaced = [&b"U"[..], &[b' '; 65], b"\0\x03\x02\x1C\x02"].concat();
        let (accepted, canceled) = (sequenced(&accepted), sequenced(&canceled));
        let examples = [accepted, canceled, &replaced, &[b'E'; 36], &[b'D'; 32], &[b'J'; 29]];
        crate::wire::tests::each_damaged(&examples, |bytes| {
            let _ = Outbound::parse(bytes);
        });
    }
}
