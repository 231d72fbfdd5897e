//! TotalView-ITCH 5.0: the market as everyone may see it, order by order.
//!
//! It writes S R H A E C X D U P Q B I and reads them; the other types are known by length, to step over.

mod broken;
mod cross;
mod emit;

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use self::broken::BrokenTrade;
pub use self::cross::{CrossTrade, Imbalance, OrderExecutedWithPrice};
pub use self::emit::emit;
use crate::types::{InstrumentId, Symbol};

/// The most bytes of any message that this codec writes.
pub const OUT_MAX: usize = size_of::<Imbalance>();

/// A message, laid over its bytes.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// `S`: the day goes on.
    SystemEvent(&'a SystemEvent),
    /// `R`: an instrument, and the locate that stands for it today.
    StockDirectory(&'a StockDirectory),
    /// `H`: an instrument's trading state.
    TradingAction(&'a TradingAction),
    /// `A`: an order rests.
    AddOrder(&'a AddOrder),
    /// `E`: a resting order traded at its price.
    OrderExecuted(&'a OrderExecuted),
    /// `C`: a resting order traded at another price, in an auction.
    OrderExecutedWithPrice(&'a OrderExecutedWithPrice),
    /// `Q`: an auction took place.
    CrossTrade(&'a CrossTrade),
    /// `I`: what an auction would come to.
    Imbalance(&'a Imbalance),
    /// `X`: a resting order became smaller.
    OrderCancel(&'a OrderCancel),
    /// `D`: a resting order is gone.
    OrderDelete(&'a OrderDelete),
    /// `U`: a resting order is gone, and another rests in its stead, behind all of its price.
    OrderReplace(&'a OrderReplace),
    /// `P`: a hidden order traded, or a trade has another price.
    Trade(&'a Trade),
    /// `B`: an execution is not to be counted any more.
    BrokenTrade(&'a BrokenTrade),
    /// A sound message of a type of the specification that this exchange never sends.
    Other(u8),
}

/// What every message begins with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// The type.
    pub kind: u8,
    /// The instrument of the day, 0 = all.
    pub locate: U16,
    /// The exchange's own number.
    pub tracking: U16,
    /// Nanoseconds since midnight: the low 48 bits.
    pub timestamp: [u8; 6],
}

/// System Event.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct SystemEvent {
    /// Common fields.
    pub header: Header,
    /// A [`SystemCode`](crate::types::SystemCode).
    pub code: u8,
}

/// Stock Directory.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct StockDirectory {
    /// Common fields; the locate there stands for this instrument.
    pub header: Header,
    /// Its symbol.
    pub symbol: Symbol,
    /// The market tier.
    pub market_category: u8,
    /// Space: not told.
    pub financial_status: u8,
    /// Shares in a lot.
    pub round_lot_size: U32,
    /// `Y`: orders are whole lots.
    pub round_lots_only: u8,
    /// `C` common stock, and so on.
    pub issue_classification: u8,
    /// `Z`: not told.
    pub issue_subtype: [u8; 2],
    /// `P` live, `T` test.
    pub authenticity: u8,
    /// Space: not told.
    pub short_sale_threshold: u8,
    /// Space: not told.
    pub ipo_flag: u8,
    /// Space: not told.
    pub luld_tier: u8,
    /// Space: not told.
    pub etp_flag: u8,
    /// 0: not told.
    pub etp_leverage: U32,
    /// `N`.
    pub inverse: u8,
}

/// Stock Trading Action.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct TradingAction {
    /// Common fields.
    pub header: Header,
    /// The instrument.
    pub symbol: Symbol,
    /// A [`TradingState`](crate::types::TradingState).
    pub state: u8,
    /// Space.
    pub reserved: u8,
    /// Why, padded with spaces.
    pub reason: [u8; 4],
}

/// Add Order, without attribution.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct AddOrder {
    /// Common fields.
    pub header: Header,
    /// The order.
    pub order_ref: U64,
    /// `B` or `S`.
    pub side: u8,
    /// Shares that rest.
    pub shares: U32,
    /// The instrument.
    pub symbol: Symbol,
    /// Its price.
    pub price: U32,
}

/// Order Executed, at the order's own price.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OrderExecuted {
    /// Common fields.
    pub header: Header,
    /// The resting order.
    pub order_ref: U64,
    /// Shares of the fill.
    pub shares: U32,
    /// Ties it to both sides' execution reports.
    pub match_number: U64,
}

/// Order Cancel: part of an order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OrderCancel {
    /// Common fields.
    pub header: Header,
    /// The order.
    pub order_ref: U64,
    /// Shares taken out.
    pub shares: U32,
}

/// Order Delete: all that is left of an order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OrderDelete {
    /// Common fields.
    pub header: Header,
    /// The order.
    pub order_ref: U64,
}

/// Order Replace. Side and instrument are the original's.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct OrderReplace {
    /// Common fields.
    pub header: Header,
    /// The order that is gone.
    pub original: U64,
    /// The order that rests.
    pub order_ref: U64,
    /// Shares that rest.
    pub shares: U32,
    /// Its price.
    pub price: U32,
}

/// Trade: a fill of an order that the feed does not show, or one at its corrected price.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Trade {
    /// Common fields.
    pub header: Header,
    /// 0: not told.
    pub order_ref: U64,
    /// `B`, whichever side the hidden order was on.
    pub side: u8,
    /// Shares of the fill.
    pub shares: U32,
    /// The instrument.
    pub symbol: Symbol,
    /// The price of the fill.
    pub price: U32,
    /// Ties it to both sides' execution reports.
    pub match_number: U64,
}

const _: () = assert!(size_of::<Header>() == 11);
const _: () = assert!(size_of::<SystemEvent>() == 12);
const _: () = assert!(size_of::<StockDirectory>() == 39);
const _: () = assert!(size_of::<TradingAction>() == 25);
const _: () = assert!(size_of::<AddOrder>() == 36);
const _: () = assert!(size_of::<OrderExecuted>() == 31);
const _: () = assert!(size_of::<OrderCancel>() == 23);
const _: () = assert!(size_of::<OrderDelete>() == 19);
const _: () = assert!(size_of::<OrderReplace>() == 35);
const _: () = assert!(size_of::<Trade>() == 44);

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItchError {
    /// No bytes at all.
    #[error("empty message")]
    Empty,
    /// No message has this type.
    #[error("unknown message type {0:#04x}")]
    UnknownType(u8),
    /// Not the length of this type.
    #[error("message of type {kind:#04x} cannot have {length} bytes")]
    Length {
        /// The type.
        kind: u8,
        /// The whole message's bytes.
        length: usize,
    },
}

/// The length of every message of this type, `None` for a type that the specification does not have.
#[must_use]
pub const fn message_length(kind: u8) -> Option<usize> {
    Some(match kind {
        b'S' | b'W' => 12,
        b'D' | b'B' => 19,
        b'Y' | b'N' => 20,
        b'h' => 21,
        b'X' => 23,
        b'H' => 25,
        b'L' => 26,
        b'K' => 28,
        b'E' => 31,
        b'V' | b'J' | b'U' => 35,
        b'A' | b'C' => 36,
        b'R' => 39,
        b'F' | b'Q' => 40,
        b'P' => 44,
        b'O' => 48,
        b'I' => 50,
        _ => return None,
    })
}

impl<'a> Message<'a> {
    /// Parses one whole message.
    ///
    /// # Errors
    /// [`ItchError`].
    pub fn parse(message: &'a [u8]) -> Result<Self, ItchError> {
        let &[kind, ..] = message else { return Err(ItchError::Empty) };
        let length = message_length(kind).ok_or(ItchError::UnknownType(kind))?;
        if message.len() != length {
            return Err(ItchError::Length { kind, length: message.len() });
        }
        Ok(match kind {
            b'S' => Self::SystemEvent(view(message)?),
            b'R' => Self::StockDirectory(view(message)?),
            b'H' => Self::TradingAction(view(message)?),
            b'A' => Self::AddOrder(view(message)?),
            b'E' => Self::OrderExecuted(view(message)?),
            b'C' => Self::OrderExecutedWithPrice(view(message)?),
            b'Q' => Self::CrossTrade(view(message)?),
            b'I' => Self::Imbalance(view(message)?),
            b'X' => Self::OrderCancel(view(message)?),
            b'D' => Self::OrderDelete(view(message)?),
            b'U' => Self::OrderReplace(view(message)?),
            b'P' => Self::Trade(view(message)?),
            b'B' => Self::BrokenTrade(view(message)?),
            other => Self::Other(other),
        })
    }
}

fn view<T: FromBytes + KnownLayout + Immutable + Unaligned>(bytes: &[u8]) -> Result<&T, ItchError> {
    let wrong = ItchError::Length { kind: bytes[0], length: bytes.len() };
    T::ref_from_bytes(bytes).map_err(|_| wrong)
}

impl Header {
    /// The header of a message about the instrument, if any, at `timestamp` nanoseconds since midnight.
    #[must_use]
    pub fn new(kind: u8, instrument: InstrumentId, timestamp: u64) -> Self {
        let [_, _, timestamp @ ..] = timestamp.to_be_bytes();
        Self { kind, locate: instrument.0.into(), tracking: 0.into(), timestamp }
    }

    /// Nanoseconds since midnight.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.timestamp);
        u64::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::tests::hex;

    const DELETE: &str = "440ab100001f1acf4c4eb70000000001665d6a";

    #[test]
    fn the_captured_delete_is_read_and_written_byte_for_byte() {
        let bytes = hex(DELETE);
        let Ok(Message::OrderDelete(delete)) = Message::parse(&bytes) else { panic!() };
        assert_eq!((delete.header.locate.get(), delete.order_ref.get()), (0x0AB1, 0x0166_5D6A));
        let header = Header::new(b'D', InstrumentId(0x0AB1), delete.header.timestamp());
        let again = OrderDelete { header, order_ref: 0x0166_5D6A.into() };
        assert_eq!(again.as_bytes(), bytes);
    }

    #[test]
    fn types_never_sent_are_stepped_over_by_their_length() {
        for kind in *b"YLVWKJhFNO" {
            let mut message = vec![0; message_length(kind).unwrap()];
            message[0] = kind;
            assert!(matches!(Message::parse(&message), Ok(Message::Other(k)) if k == kind));
            message.push(0);
            let length = message.len();
            let wrong = ItchError::Length { kind, length };
            assert_eq!(Message::parse(&message).unwrap_err(), wrong);
        }
        assert_eq!(Message::parse(b"?").unwrap_err(), ItchError::UnknownType(b'?'));
        assert_eq!(Message::parse(b"").unwrap_err(), ItchError::Empty);
    }

    proptest! {
        #[test]
        fn a_timestamp_survives_if_it_fits_48_bits(timestamp in 0_u64..1 << 48) {
            let header = Header::new(b'S', InstrumentId(1), timestamp);
            prop_assert_eq!(header.timestamp(), timestamp);
        }

        #[test]
        fn what_is_laid_over_bytes_is_those_bytes(bytes: [u8; 50]) {
            for kind in *b"SRHAEXDUPCQBI" {
                let mut message = bytes[..message_length(kind).unwrap()].to_vec();
                message[0] = kind;
                let again = match Message::parse(&message).unwrap() {
                    Message::SystemEvent(m) => m.as_bytes(),
                    Message::StockDirectory(m) => m.as_bytes(),
                    Message::TradingAction(m) => m.as_bytes(),
                    Message::AddOrder(m) => m.as_bytes(),
                    Message::OrderExecuted(m) => m.as_bytes(),
                    Message::OrderExecutedWithPrice(m) => m.as_bytes(),
                    Message::CrossTrade(m) => m.as_bytes(),
                    Message::Imbalance(m) => m.as_bytes(),
                    Message::OrderCancel(m) => m.as_bytes(),
                    Message::OrderDelete(m) => m.as_bytes(),
                    Message::OrderReplace(m) => m.as_bytes(),
                    Message::Trade(m) => m.as_bytes(),
                    Message::BrokenTrade(m) => m.as_bytes(),
                    Message::Other(_) => panic!("a type that is sent"),
                };
                prop_assert_eq!(again, message.as_slice());
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let delete = hex(DELETE);
        crate::wire::tests::each_damaged(
            &[&delete, &[b'A'; 36], &[b'U'; 35], &[b'R'; 39]],
            |bytes| {
                let _ = Message::parse(bytes);
            },
        );
    }
}
