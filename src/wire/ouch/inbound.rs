//! Messages from the participant: which there are, and the layouts of Enter, Replace and Cancel Order.
//!
//! It checks lengths and types only.

use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{APPENDAGE_LENGTH_BYTES, Appendage, MalformedAppendage, OPTIONS_BYTES_MAX};
use super::{AccountQuery, EntrySwitch, MassCancel, Modify, Options, OuchError, join, split};
use crate::types::{ClOrdId, Price, Quantity, Side, Symbol, TimeInForce, UserRefNum};

/// The most bytes of an Enter Order that this codec writes.
pub const ENTER_BYTES_MAX: usize = 45 + APPENDAGE_LENGTH_BYTES + OPTIONS_BYTES_MAX;
/// The most bytes of a Replace Order that this codec writes.
pub const REPLACE_BYTES_MAX: usize = 38 + APPENDAGE_LENGTH_BYTES + OPTIONS_BYTES_MAX;
/// The most bytes of a Cancel Order that this codec writes.
pub const CANCEL_BYTES_MAX: usize = 9 + APPENDAGE_LENGTH_BYTES + OPTIONS_BYTES_MAX;

/// A message from the participant, laid over its bytes, with the elements of its appendage.
#[derive(Clone, Copy, Debug)]
pub enum Inbound<'a> {
    /// Enter Order.
    Enter(&'a Enter, &'a [u8]),
    /// Replace Order.
    Replace(&'a Replace, &'a [u8]),
    /// Cancel Order.
    Cancel(&'a Cancel, &'a [u8]),
    /// Modify Order.
    Modify(&'a Modify, &'a [u8]),
    /// Mass Cancel Request.
    MassCancel(&'a MassCancel, &'a [u8]),
    /// Disable Order Entry.
    DisableEntry(&'a EntrySwitch, &'a [u8]),
    /// Enable Order Entry.
    EnableEntry(&'a EntrySwitch, &'a [u8]),
    /// Account Query.
    AccountQuery(&'a [u8]),
}

/// Enter Order, without its appendage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Enter {
    /// `O`.
    pub kind: u8,
    /// The participant's number for it.
    pub user_ref_num: U32,
    /// A [`Side`].
    pub side: u8,
    /// Shares.
    pub quantity: U32,
    /// The instrument.
    pub symbol: Symbol,
    /// The limit, or the market sentinel.
    pub price: U64,
    /// A [`TimeInForce`].
    pub time_in_force: u8,
    /// `Y` visible.
    pub display: u8,
    /// `A` agency, `P` principal, `R` riskless, `O` other.
    pub capacity: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// `N` continuous.
    pub cross_type: u8,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
}

/// Replace Order, without its appendage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Replace {
    /// `U`.
    pub kind: u8,
    /// The participant's number for the order that is replaced.
    pub orig_user_ref_num: U32,
    /// The participant's number for the order that takes its place.
    pub user_ref_num: U32,
    /// Shares in all, those executed of the original and of what it replaced included.
    pub quantity: U32,
    /// The limit.
    pub price: U64,
    /// A [`TimeInForce`].
    pub time_in_force: u8,
    /// `Y` visible.
    pub display: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// The participant's text.
    pub cl_ord_id: ClOrdId,
}

/// Cancel Order, without its appendage.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Cancel {
    /// `X`.
    pub kind: u8,
    /// The participant's number for the order.
    pub user_ref_num: U32,
    /// The intended total size, executed shares included; 0 cancels all that is left.
    pub quantity: U32,
}

const _: () = assert!(size_of::<Enter>() == 45);
const _: () = assert!(size_of::<Replace>() == 38);
const _: () = assert!(size_of::<Cancel>() == 9);

impl<'a> Inbound<'a> {
    /// Parses one whole message.
    ///
    /// # Errors
    /// [`OuchError`]. An appendage of the right length that is malformed behind its channel is not
    /// one: the exchange can still answer.
    pub fn parse(message: &'a [u8]) -> Result<Self, OuchError> {
        let &[kind, ..] = message else { return Err(OuchError::Empty) };
        let (fixed, appendage) = match kind {
            Enter::KIND => (size_of::<Enter>(), Appendage::Always),
            Replace::KIND => (size_of::<Replace>(), Appendage::Always),
            Cancel::KIND => (size_of::<Cancel>(), Appendage::Optional),
            Modify::KIND => (size_of::<Modify>(), Appendage::Optional),
            MassCancel::KIND => (size_of::<MassCancel>(), Appendage::Always),
            EntrySwitch::DISABLE | EntrySwitch::ENABLE => {
                (size_of::<EntrySwitch>(), Appendage::Always)
            }
            AccountQuery::KIND => (size_of::<AccountQuery>(), Appendage::Optional),
            unknown => return Err(OuchError::UnknownType(unknown)),
        };
        let (fields, elements) = split(message, fixed, appendage)?;
        // Read again when the message becomes a command: most appendages are empty.
        if let Err(MalformedAppendage { user_ref_idx: None }) = Options::parse(elements) {
            return Err(OuchError::Appendage(kind));
        }
        let wrong = OuchError::Length { kind, length: message.len() };
        Ok(match kind {
            Enter::KIND => Self::Enter(Enter::ref_from_bytes(fields).map_err(|_| wrong)?, elements),
            Replace::KIND => {
                Self::Replace(Replace::ref_from_bytes(fields).map_err(|_| wrong)?, elements)
            }
            Cancel::KIND => {
                Self::Cancel(Cancel::ref_from_bytes(fields).map_err(|_| wrong)?, elements)
            }
            Modify::KIND => {
                Self::Modify(Modify::ref_from_bytes(fields).map_err(|_| wrong)?, elements)
            }
            MassCancel::KIND => {
                Self::MassCancel(MassCancel::ref_from_bytes(fields).map_err(|_| wrong)?, elements)
            }
            EntrySwitch::DISABLE => Self::DisableEntry(
                EntrySwitch::ref_from_bytes(fields).map_err(|_| wrong)?,
                elements,
            ),
            EntrySwitch::ENABLE => {
                Self::EnableEntry(EntrySwitch::ref_from_bytes(fields).map_err(|_| wrong)?, elements)
            }
            _ => Self::AccountQuery(elements),
        })
    }
}

impl Enter {
    /// The type byte.
    pub const KIND: u8 = b'O';

    /// An order that is visible, agency and continuous, with blank text.
    #[must_use]
    pub fn new(
        user_ref_num: UserRefNum,
        side: Side,
        quantity: Quantity,
        symbol: Symbol,
        price: Price,
        time_in_force: TimeInForce,
    ) -> Self {
        Self {
            kind: Self::KIND,
            user_ref_num: user_ref_num.0.into(),
            side: side.byte(),
            quantity: quantity.0.into(),
            symbol,
            price: price.0.into(),
            time_in_force: time_in_force.byte(),
            display: b'Y',
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: ClOrdId::BLANK,
        }
    }

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; ENTER_BYTES_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl Replace {
    /// The type byte.
    pub const KIND: u8 = b'U';

    /// A visible order of `quantity` shares in all, for the day and with blank text, in place of
    /// `original`.
    #[must_use]
    pub fn new(
        original: UserRefNum,
        user_ref_num: UserRefNum,
        quantity: Quantity,
        price: Price,
    ) -> Self {
        Self {
            kind: Self::KIND,
            orig_user_ref_num: original.0.into(),
            user_ref_num: user_ref_num.0.into(),
            quantity: quantity.0.into(),
            price: price.0.into(),
            time_in_force: TimeInForce::Day.byte(),
            display: b'Y',
            intermarket_sweep: b'N',
            cl_ord_id: ClOrdId::BLANK,
        }
    }

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; REPLACE_BYTES_MAX]) -> usize {
        join(self.as_bytes(), options, Appendage::Always, out)
    }
}

impl Cancel {
    /// The type byte.
    pub const KIND: u8 = b'X';

    /// A cancel of all that is left of an order beyond `quantity` shares in all.
    #[must_use]
    pub fn new(user_ref_num: UserRefNum, quantity: Quantity) -> Self {
        Self { kind: Self::KIND, user_ref_num: user_ref_num.0.into(), quantity: quantity.0.into() }
    }

    /// Writes the message to the front of `out` and returns its size.
    pub fn emit(&self, options: &Options, out: &mut [u8; CANCEL_BYTES_MAX]) -> usize {
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

    const ENTER: &str = "0036554f0000007154000000e143564c54202020200000000000099db83059414e4e483846\
                         5542384956202020202020000605024c494d45";
    const CANCEL: &str = "000a555800752e7100000000";

    /// The message in a captured packet.
    fn unsequenced(packet: &[u8]) -> &[u8] {
        let Ok(Some((soup::Packet::UnsequencedData(message), size))) = soup::parse(packet, 65_535)
        else {
            panic!("not an unsequenced packet")
        };
        assert_eq!(size, packet.len());
        message
    }

    #[test]
    fn the_captured_enter_order_is_read_and_written_byte_for_byte() {
        let packet = hex(ENTER);
        let message = unsequenced(&packet);
        let Ok(Inbound::Enter(enter, elements)) = Inbound::parse(message) else { panic!() };
        let options = Options::parse(elements).unwrap();

        let mut expected = Enter::new(
            UserRefNum(0x71),
            Side::SellShort,
            Quantity(225),
            Symbol::new("CVLT").unwrap(),
            Price(630_200),
            TimeInForce::Day,
        );
        expected.cl_ord_id = ClOrdId::new("H8FUB8IV").unwrap();
        assert_eq!(*enter, expected);
        assert_eq!(options, Options { firm: *b"LIME", ..Options::default() });

        let mut out = [0; ENTER_BYTES_MAX];
        let size = expected.emit(&options, &mut out);
        let mut again = [0; 200];
        let size = soup::Packet::UnsequencedData(&out[..size]).emit(&mut again).unwrap();
        assert_eq!(again[..size], packet);
    }

    #[test]
    fn the_captured_cancel_order_is_read_and_written_byte_for_byte() {
        let packet = hex(CANCEL);
        let message = unsequenced(&packet);
        let Ok(Inbound::Cancel(cancel, [])) = Inbound::parse(message) else { panic!() };
        assert_eq!(*cancel, Cancel::new(UserRefNum(0x0075_2E71), Quantity::ZERO));

        let mut out = [0; CANCEL_BYTES_MAX];
        let size = cancel.emit(&Options::default(), &mut out);
        assert_eq!(&out[..size], message);
    }

    #[test]
    fn a_replace_order_is_read_and_written_byte_for_byte() {
        let message = b"U\0\0\0\x71\0\0\0\x72\0\0\0\xC8\0\0\0\0\0\x09\x9D\xB83YNH8FUB8IV      \
                        \0\x03\x02\x1BE";
        let Ok(Inbound::Replace(replace, elements)) = Inbound::parse(message) else { panic!() };
        let mut expected =
            Replace::new(UserRefNum(0x71), UserRefNum(0x72), Quantity(200), Price(630_200));
        expected.time_in_force = TimeInForce::ImmediateOrCancel.byte();
        expected.cl_ord_id = ClOrdId::new("H8FUB8IV").unwrap();
        assert_eq!(*replace, expected);
        let options = Options::parse(elements).unwrap();
        assert_eq!(options, Options { side: b'E', ..Options::default() });

        let mut out = [0; REPLACE_BYTES_MAX];
        let size = replace.emit(&options, &mut out);
        assert_eq!(&out[..size], message);
    }

    #[test]
    fn a_cancel_may_end_with_an_empty_appendage() {
        let mut message = [0; 11];
        message[..9].copy_from_slice(Cancel::new(UserRefNum(7), Quantity(5)).as_bytes());
        assert!(matches!(Inbound::parse(&message), Ok(Inbound::Cancel(_, []))));
    }

    #[test]
    fn a_message_of_another_length_is_refused() {
        let packet = hex(ENTER);
        let message = unsequenced(&packet);
        for length in 1..message.len() {
            let wrong = OuchError::Length { kind: b'O', length };
            assert_eq!(Inbound::parse(&message[..length]).unwrap_err(), wrong);
        }
        for length in [1, 38, 39, 41] {
            let wrong = OuchError::Length { kind: b'U', length };
            assert_eq!(
                Inbound::parse(&[&b"U"[..], &[0; 40]].concat()[..length]).unwrap_err(),
                wrong
            );
        }
        for length in [1, 8, 10, 12] {
            let wrong = OuchError::Length { kind: b'X', length };
            assert_eq!(Inbound::parse(&b"X00000000000"[..length]).unwrap_err(), wrong);
        }
        assert_eq!(Inbound::parse(b"").unwrap_err(), OuchError::Empty);
    }

    #[test]
    fn an_appendage_that_hides_the_channel_is_refused_like_a_wrong_length() {
        let appended = |fixed: &[u8], elements: &[u8]| {
            let length = u16::try_from(elements.len()).unwrap().to_be_bytes();
            [fixed, &length, elements].concat()
        };
        let packet = hex(ENTER);
        let enter =
            Enter { kind: b'O', ..*Enter::ref_from_prefix(unsequenced(&packet)).unwrap().0 };
        let cancel = Cancel::new(UserRefNum(7), Quantity(5));
        let replace = Replace::new(UserRefNum(7), UserRefNum(8), Quantity(5), Price(1));
        let (o, u, x) = (enter.as_bytes(), replace.as_bytes(), cancel.as_bytes());
        for (kind, fixed) in [(b'O', o), (b'U', u), (b'X', x)] {
            let hidden = appended(fixed, b"\x05\x02\x02\x1C\x03");
            assert_eq!(Inbound::parse(&hidden).unwrap_err(), OuchError::Appendage(kind));
            let known = appended(fixed, b"\x02\x1C\x03\x05\x02");
            assert!(Inbound::parse(&known).is_ok());
        }
    }

    #[test]
    fn each_request_has_its_length_and_other_types_are_unknown() {
        for (kind, length) in
            [(b'M', 10), (b'M', 12), (b'C', 19), (b'D', 11), (b'E', 11), (b'Q', 1)]
        {
            let mut message = vec![0; length];
            message[0] = kind;
            assert!(Inbound::parse(&message).is_ok());
            message.push(0);
            assert!(matches!(Inbound::parse(&message), Err(OuchError::Length { .. })));
        }
        assert_eq!(Inbound::parse(b"Y").unwrap_err(), OuchError::UnknownType(b'Y'));
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed_back(fields: [u8; 45], options in any_options()) {
            let enter = Enter { kind: b'O', ..*Enter::ref_from_bytes(&fields).unwrap() };
            let mut out = [0; ENTER_BYTES_MAX];
            let size = enter.emit(&options, &mut out);
            let Ok(Inbound::Enter(parsed, elements)) = Inbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*parsed, Options::parse(elements)), (enter, Ok(options)));

            let replace = Replace { kind: b'U', ..*Replace::ref_from_bytes(&fields[..38]).unwrap() };
            let mut out = [0; REPLACE_BYTES_MAX];
            let size = replace.emit(&options, &mut out);
            let Ok(Inbound::Replace(parsed, elements)) = Inbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*parsed, Options::parse(elements)), (replace, Ok(options)));

            let cancel = Cancel { kind: b'X', ..*Cancel::ref_from_bytes(&fields[..9]).unwrap() };
            let mut out = [0; CANCEL_BYTES_MAX];
            let size = cancel.emit(&options, &mut out);
            let Ok(Inbound::Cancel(parsed, elements)) = Inbound::parse(&out[..size]) else { panic!() };
            prop_assert_eq!((*parsed, Options::parse(elements)), (cancel, Ok(options)));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let (enter, cancel) = (hex(ENTER), hex(CANCEL));
        let replace = [&b"U"[..], &[b' '; 37], b"\0\x03\x02\x1BE"].concat();
        let examples = [unsequenced(&enter), unsequenced(&cancel), &replace, b"Q", &[b'M'; 12]];
        crate::wire::tests::each_damaged(&examples, |bytes| {
            let _ = Inbound::parse(bytes);
        });
    }
}
