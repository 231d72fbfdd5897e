//! Messages from the participant, and the commands that they are.
//!
//! It checks lengths and types; the form of an order is judged as that of 5.0.

use zerocopy::byteorder::big_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{OuchError, Token, time};
use crate::types::command;
use crate::types::{
    Epoch, FirmCode, Nanos, PortId, Price, Quantity, Side, Symbol, TimeInForce, UserRefNum,
};
use crate::wire::ouch;

/// A message from the participant, laid over its bytes.
#[derive(Clone, Copy, Debug)]
pub enum Inbound<'a> {
    /// Enter Order.
    Enter(&'a Enter),
    /// Replace Order.
    Replace(&'a Replace),
    /// Cancel Order.
    Cancel(&'a Cancel),
    /// Modify Order.
    Modify(&'a Modify),
    /// Trade Now.
    TradeNow(&'a TradeNow),
}

/// Enter Order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Enter {
    /// `O`.
    pub kind: u8,
    /// What it is called.
    pub token: Token,
    /// A [`Side`].
    pub side: u8,
    /// Shares.
    pub quantity: U32,
    /// The instrument.
    pub symbol: Symbol,
    /// The limit, or the market sentinel.
    pub price: U32,
    /// Seconds to live.
    pub time_in_force: U32,
    /// The firm, or blank.
    pub firm: FirmCode,
    /// `Y` visible.
    pub display: u8,
    /// `A` agency, `P` principal, `R` riskless, `O` other.
    pub capacity: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// The least that it must trade at once, 0 = nothing.
    pub min_quantity: U32,
    /// `N` continuous.
    pub cross_type: u8,
    /// `R` retail, `N` not, or blank.
    pub customer_type: u8,
}

/// Replace Order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Replace {
    /// `U`.
    pub kind: u8,
    /// The order that is replaced.
    pub existing: Token,
    /// What the order that takes its place is called.
    pub token: Token,
    /// Shares in all, executed ones included.
    pub quantity: U32,
    /// The limit.
    pub price: U32,
    /// Seconds to live.
    pub time_in_force: U32,
    /// `Y` visible.
    pub display: u8,
    /// `Y` or `N`.
    pub intermarket_sweep: u8,
    /// The least that it must trade at once, 0 = nothing.
    pub min_quantity: U32,
}

/// Cancel Order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Cancel {
    /// `X`.
    pub kind: u8,
    /// The order.
    pub token: Token,
    /// The intended total size, executed shares included; 0 cancels all that is left.
    pub quantity: U32,
}

/// Modify Order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Modify {
    /// `M`.
    pub kind: u8,
    /// The order.
    pub token: Token,
    /// A [`Side`].
    pub side: u8,
    /// Shares in all, executed ones included.
    pub quantity: U32,
}

/// Trade Now.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TradeNow {
    /// `N`.
    pub kind: u8,
    /// The order.
    pub token: Token,
}

const _: () = assert!(size_of::<Enter>() == 49);
const _: () = assert!(size_of::<Replace>() == 47);
const _: () = assert!(size_of::<Cancel>() == 19);
const _: () = assert!(size_of::<Modify>() == 20);
const _: () = assert!(size_of::<TradeNow>() == 15);

impl<'a> Inbound<'a> {
    /// Parses one whole message.
    ///
    /// # Errors
    /// [`OuchError`].
    pub fn parse(message: &'a [u8]) -> Result<Self, OuchError> {
        let &[kind, ..] = message else { return Err(OuchError::Empty) };
        let wrong = OuchError::Length { kind, length: message.len() };
        Ok(match kind {
            Enter::KIND => Self::Enter(Enter::ref_from_bytes(message).map_err(|_| wrong)?),
            Replace::KIND => Self::Replace(Replace::ref_from_bytes(message).map_err(|_| wrong)?),
            Cancel::KIND => Self::Cancel(Cancel::ref_from_bytes(message).map_err(|_| wrong)?),
            Modify::KIND => Self::Modify(Modify::ref_from_bytes(message).map_err(|_| wrong)?),
            TradeNow::KIND => Self::TradeNow(TradeNow::ref_from_bytes(message).map_err(|_| wrong)?),
            unknown => return Err(OuchError::UnknownType(unknown)),
        })
    }
}

impl Enter {
    /// The type byte.
    pub const KIND: u8 = b'O';

    /// An order for the day that is visible, agency and continuous, of no firm.
    #[must_use]
    pub fn new(token: Token, side: Side, quantity: Quantity, symbol: Symbol, price: u32) -> Self {
        Self {
            kind: Self::KIND,
            token,
            side: side.byte(),
            quantity: quantity.0.into(),
            symbol,
            price: price.into(),
            time_in_force: time::MARKET_HOURS.into(),
            firm: FirmCode::BLANK,
            display: b'Y',
            capacity: b'A',
            intermarket_sweep: b'N',
            min_quantity: 0.into(),
            cross_type: b'N',
            customer_type: b' ',
        }
    }

    /// The command of this message, for the order with this number.
    #[must_use]
    pub fn to_command(
        &self,
        number: UserRefNum,
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::NewOrder {
        let terms = Terms::of(self.time_in_force, self.display, self.min_quantity);
        let order = ouch::Enter {
            kind: ouch::Enter::KIND,
            user_ref_num: number.0.into(),
            side: self.side,
            quantity: self.quantity,
            symbol: self.symbol,
            price: u64::from(self.price.get()).into(),
            time_in_force: terms.time_in_force,
            display: terms.display,
            capacity: self.capacity,
            intermarket_sweep: self.intermarket_sweep,
            cross_type: self.cross_type,
            cl_ord_id: self.token,
        };
        let options = ouch::Options {
            firm: if self.firm == FirmCode::BLANK { [0; FirmCode::SIZE] } else { self.firm.0 },
            customer_type: if self.customer_type == b' ' { 0 } else { self.customer_type },
            ..terms.options
        };
        order.with_options(Ok(options), port, epoch, receive_time)
    }
}

impl Replace {
    /// The type byte.
    pub const KIND: u8 = b'U';

    /// A visible order for the day in place of `existing`.
    #[must_use]
    pub fn new(existing: Token, token: Token, quantity: Quantity, price: u32) -> Self {
        Self {
            kind: Self::KIND,
            existing,
            token,
            quantity: quantity.0.into(),
            price: price.into(),
            time_in_force: time::MARKET_HOURS.into(),
            display: b'Y',
            intermarket_sweep: b'N',
            min_quantity: 0.into(),
        }
    }

    /// The command of this message, for orders with these numbers.
    #[must_use]
    pub fn to_command(
        &self,
        existing: UserRefNum,
        number: UserRefNum,
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::Replace {
        let terms = Terms::of(self.time_in_force, self.display, self.min_quantity);
        let replace = ouch::Replace {
            time_in_force: terms.time_in_force,
            display: terms.display,
            intermarket_sweep: self.intermarket_sweep,
            cl_ord_id: self.token,
            ..ouch::Replace::new(
                existing,
                number,
                Quantity(self.quantity.get()),
                Price(self.price.get().into()),
            )
        };
        replace.with_options(Ok(terms.options), port, epoch, receive_time)
    }
}

impl Cancel {
    /// The type byte.
    pub const KIND: u8 = b'X';

    /// A cancel of all that is left of an order beyond `quantity` shares in all.
    #[must_use]
    pub fn new(token: Token, quantity: Quantity) -> Self {
        Self { kind: Self::KIND, token, quantity: quantity.0.into() }
    }

    /// The command of this message, for the order with this number.
    #[must_use]
    pub fn to_command(
        &self,
        number: UserRefNum,
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::Cancel {
        let cancel = ouch::Cancel::new(number, Quantity(self.quantity.get()));
        cancel.to_command(&[], port, epoch, receive_time)
    }
}

impl Modify {
    /// The type byte.
    pub const KIND: u8 = b'M';

    /// A Modify to `quantity` shares in all.
    #[must_use]
    pub fn new(token: Token, side: Side, quantity: Quantity) -> Self {
        Self { kind: Self::KIND, token, side: side.byte(), quantity: quantity.0.into() }
    }

    /// The command of this message, for the order with this number.
    #[must_use]
    pub fn to_command(
        &self,
        number: UserRefNum,
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::Modify {
        let modify = ouch::Modify {
            kind: ouch::Modify::KIND,
            user_ref_num: number.0.into(),
            side: self.side,
            quantity: self.quantity,
        };
        modify.to_command(&[], port, epoch, receive_time)
    }
}

impl TradeNow {
    /// The type byte.
    pub const KIND: u8 = b'N';
}

/// What 5.0 says of an order elsewhere, or in options.
struct Terms {
    time_in_force: u8,
    display: u8,
    options: ouch::Options,
}

impl Terms {
    fn of(time_in_force: U32, display: u8, min_quantity: U32) -> Self {
        let (time_in_force, expire_time_s) = match time_in_force.get() {
            0 => (TimeInForce::ImmediateOrCancel, 0),
            time::MARKET_HOURS | time::SYSTEM_HOURS => (TimeInForce::Day, 0),
            seconds => (TimeInForce::GoodTillTime, seconds),
        };
        let (display, post_only) = match display {
            b'P' => (b'Y', b'P'),
            b'L' => (b'A', b'P'),
            other => (other, 0),
        };
        let min_quantity = min_quantity.get();
        let options =
            ouch::Options { min_quantity, post_only, expire_time_s, ..ouch::Options::default() };
        Self { time_in_force: time_in_force.byte(), display, options }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::RejectReason;

    const PORT: (PortId, Epoch, Nanos) = (PortId(3), Epoch(9), Nanos(5));

    fn token(text: &str) -> Token {
        Token::new(text).unwrap()
    }

    const ENTER: &[u8] = b"OTOK0000000001 B\0\0\0\x64ACME    \0\x09\x9D\xB8\0\x01\x86\x9E\
                           LIMEYAN\0\0\0\0N ";
    const REPLACE: &[u8] = b"UTOK0000000001 TOK0000000002 \0\0\0\xC8\0\x09\x9D\xB8\0\0\0\x3CPN\
                             \0\0\0\0";

    #[test]
    fn an_enter_order_is_read_and_written_byte_for_byte() {
        let Ok(Inbound::Enter(enter)) = Inbound::parse(ENTER) else { panic!() };
        let acme = Symbol::new("ACME").unwrap();
        let expected = Enter {
            firm: FirmCode::new("LIME").unwrap(),
            ..Enter::new(token("TOK0000000001"), Side::Buy, Quantity(100), acme, 630_200)
        };
        assert_eq!(*enter, expected);
        assert_eq!(expected.as_bytes(), ENTER);

        let (port, epoch, now) = PORT;
        let command = enter.to_command(UserRefNum(7), port, epoch, now);
        assert_eq!(command.header.form_error, 0);
        assert_eq!((command.user_ref_num, command.cl_ord_id), (UserRefNum(7), enter.token));
        assert_eq!((command.side, command.quantity), (b'B', Quantity(100)));
        assert_eq!((command.price, command.symbol), (Price(630_200), acme));
        assert_eq!((command.time_in_force, command.expire_time_s), (b'0', 0));
        assert_eq!((command.firm, command.customer_type, command.post_only), (*b"LIME", 0, 0));
    }

    #[test]
    fn a_replace_order_is_read_and_written_byte_for_byte() {
        let Ok(Inbound::Replace(replace)) = Inbound::parse(REPLACE) else { panic!() };
        let (old, new) = (token("TOK0000000001"), token("TOK0000000002"));
        let expected = Replace {
            time_in_force: 60.into(),
            display: b'P',
            ..Replace::new(old, new, Quantity(200), 630_200)
        };
        assert_eq!(*replace, expected);
        assert_eq!(expected.as_bytes(), REPLACE);

        let (port, epoch, now) = PORT;
        let command = replace.to_command(UserRefNum(7), UserRefNum(8), port, epoch, now);
        let numbers = (command.orig_user_ref_num, command.user_ref_num);
        assert_eq!(numbers, (UserRefNum(7), UserRefNum(8)));
        assert_eq!((command.quantity, command.price), (Quantity(200), Price(630_200)));
        assert_eq!((command.time_in_force, command.expire_time_s), (b'6', 60));
        assert_eq!((command.display, command.post_only), (b'Y', b'P'));
        assert_eq!((command.cl_ord_id, command.header.form_error), (new, 0));
    }

    #[test]
    fn requests_about_an_order_are_read_and_written_byte_for_byte() {
        let (port, epoch, now) = PORT;
        let order = token("TOK0000000001");
        let bytes = b"XTOK0000000001 \0\0\0\x32";
        let Ok(Inbound::Cancel(cancel)) = Inbound::parse(bytes) else { panic!() };
        assert_eq!(Cancel::new(order, Quantity(50)).as_bytes(), bytes);
        let command = cancel.to_command(UserRefNum(7), port, epoch, now);
        assert_eq!((command.user_ref_num, command.quantity), (UserRefNum(7), Quantity(50)));

        let bytes = b"MTOK0000000001 T\0\0\0\x32";
        let Ok(Inbound::Modify(modify)) = Inbound::parse(bytes) else { panic!() };
        assert_eq!(Modify::new(order, Side::SellShort, Quantity(50)).as_bytes(), bytes);
        let command = modify.to_command(UserRefNum(7), port, epoch, now);
        assert_eq!((command.user_ref_num, command.quantity), (UserRefNum(7), Quantity(50)));
        assert_eq!(command.side, b'T');

        let bytes = b"NTOK0000000001 ";
        assert!(matches!(Inbound::parse(bytes), Ok(Inbound::TradeNow(m)) if m.token == order));
    }

    #[test]
    fn what_has_no_form_here_has_the_error_of_its_form() {
        let (port, epoch, now) = PORT;
        let error = |change: fn(&mut Enter)| {
            let Ok(Inbound::Enter(enter)) = Inbound::parse(ENTER) else { panic!() };
            let mut enter = *enter;
            change(&mut enter);
            enter.to_command(UserRefNum(1), port, epoch, now).header.form_error
        };
        assert_eq!(error(|_| ()), 0);
        assert_eq!(error(|e| e.time_in_force = 99_999.into()), 0);
        assert_eq!(error(|e| e.time_in_force = 86_399.into()), 0);
        assert_eq!(error(|e| e.display = b'L'), 0);
        assert_eq!(error(|e| e.time_in_force = 99_996.into()), RejectReason::Other.code());
        assert_eq!(error(|e| e.display = b'M'), RejectReason::InvalidDisplay.code());
        assert_eq!(error(|e| e.side = b'X'), RejectReason::InvalidSide.code());
    }

    #[test]
    fn a_minimum_quantity_goes_along() {
        let (port, epoch, now) = PORT;
        let Ok(Inbound::Enter(enter)) = Inbound::parse(ENTER) else { panic!() };
        let kill = Enter { min_quantity: 100.into(), time_in_force: 0.into(), ..*enter };
        let command = kill.to_command(UserRefNum(1), port, epoch, now);
        assert_eq!((command.min_quantity, command.time_in_force), (Quantity(100), b'3'));
        assert_eq!(command.header.form_error, 0);
    }

    #[test]
    fn another_length_or_type_is_refused() {
        for message in [ENTER, REPLACE, b"XTOK0000000001 \0\0\0\x32", b"NTOK0000000001 "] {
            for length in 1..message.len() {
                let error = OuchError::Length { kind: message[0], length };
                assert_eq!(Inbound::parse(&message[..length]).unwrap_err(), error);
            }
            assert!(Inbound::parse(&[message, b"\0"].concat()).is_err());
        }
        assert_eq!(Inbound::parse(b"Q").unwrap_err(), OuchError::UnknownType(b'Q'));
        assert_eq!(Inbound::parse(b"").unwrap_err(), OuchError::Empty);
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let (port, epoch, now) = PORT;
        crate::wire::tests::each_damaged(&[ENTER, REPLACE], |bytes| match Inbound::parse(bytes) {
            Ok(Inbound::Enter(m)) => {
                let _ = m.to_command(UserRefNum(1), port, epoch, now);
            }
            Ok(Inbound::Replace(m)) => {
                let _ = m.to_command(UserRefNum(1), UserRefNum(2), port, epoch, now);
            }
            _ => {}
        });
    }
}
