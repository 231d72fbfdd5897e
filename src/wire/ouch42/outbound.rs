//! Messages to the participant.
//!
//! It lays fields over bytes; which event is which message, `convert` says.
#![expect(
    missing_debug_implementations,
    reason = "the messages have it; a helper that zerocopy derives has not"
)]

use zerocopy::byteorder::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{OuchError, Token};
use crate::types::{FirmCode, Symbol};

/// Bytes of the longest message.
pub const OUT_MAX: usize = size_of::<Replaced>();

/// A message of fixed layout, with its type byte.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident = $kind:literal, $bytes:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
            Unaligned,
        )]
        #[repr(C)]
        pub struct $name {
            /// The type byte.
            pub kind: u8,
            /// Nanoseconds since midnight.
            pub timestamp: U64,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// The type byte.
            pub const KIND: u8 = $kind;
        }

        const _: () = assert!(size_of::<$name>() == $bytes);
    };
}

message! {
    /// System Event.
    SystemEvent = b'S', 10 {
        /// `S` start of the day, `E` its end.
        code: u8,
    }
}

message! {
    /// Order Accepted.
    Accepted = b'A', 66 {
        /// The order.
        token: Token,
        /// A [`Side`](crate::types::Side).
        side: u8,
        /// Shares.
        quantity: U32,
        /// The instrument.
        symbol: Symbol,
        /// The limit, as entered.
        price: U32,
        /// Seconds to live.
        time_in_force: U32,
        /// The firm, as entered.
        firm: FirmCode,
        /// As entered.
        display: u8,
        /// The exchange's number, the same in the feed.
        order_ref: U64,
        /// As entered.
        capacity: u8,
        /// As entered.
        intermarket_sweep: u8,
        /// As entered.
        min_quantity: U32,
        /// As entered.
        cross_type: u8,
        /// `L` live, `D` dead.
        order_state: u8,
        /// A space.
        bbo_weight: u8,
    }
}

message! {
    /// Order Replaced.
    Replaced = b'U', 80 {
        /// The order that is there now.
        token: Token,
        /// A [`Side`](crate::types::Side).
        side: u8,
        /// Shares open.
        quantity: U32,
        /// The instrument.
        symbol: Symbol,
        /// The limit, as entered.
        price: U32,
        /// Seconds to live.
        time_in_force: U32,
        /// The firm: blank.
        firm: FirmCode,
        /// As entered.
        display: u8,
        /// The exchange's number, the same in the feed.
        order_ref: U64,
        /// As entered.
        capacity: u8,
        /// As entered.
        intermarket_sweep: u8,
        /// As entered.
        min_quantity: U32,
        /// As entered.
        cross_type: u8,
        /// `L` live, `D` dead.
        order_state: u8,
        /// The order that was there before.
        previous: Token,
        /// A space.
        bbo_weight: u8,
    }
}

message! {
    /// Order Canceled.
    Canceled = b'C', 28 {
        /// The order.
        token: Token,
        /// Shares just removed.
        quantity: U32,
        /// A [`CancelReason`](crate::types::CancelReason).
        reason: u8,
    }
}

message! {
    /// AIQ Canceled: shares went because they would have met their owner's.
    AiqCanceled = b'D', 37 {
        /// The order.
        token: Token,
        /// Shares just removed.
        quantity: U32,
        /// `Q`.
        reason: u8,
        /// Shares that did not trade.
        prevented: U32,
        /// The price at which they would have.
        price: U32,
        /// A [`Liquidity`](crate::types::Liquidity).
        liquidity: u8,
    }
}

message! {
    /// Order Executed.
    Executed = b'E', 40 {
        /// The order.
        token: Token,
        /// Shares of the fill.
        quantity: U32,
        /// Its price.
        price: U32,
        /// A [`Liquidity`](crate::types::Liquidity).
        liquidity: u8,
        /// Ties the two sides.
        match_number: U64,
    }
}

message! {
    /// Broken Trade.
    BrokenTrade = b'B', 32 {
        /// The order.
        token: Token,
        /// The fill.
        match_number: U64,
        /// A [`BustReason`](crate::types::BustReason).
        reason: u8,
    }
}

message! {
    /// Trade Correction.
    TradeCorrection = b'F', 41 {
        /// The order.
        token: Token,
        /// Shares of the fill.
        quantity: U32,
        /// The price that it has from here on.
        price: U32,
        /// The fill's.
        liquidity: u8,
        /// The fill.
        match_number: U64,
        /// A [`BustReason`](crate::types::BustReason).
        reason: u8,
    }
}

message! {
    /// Rejected Order.
    Rejected = b'J', 24 {
        /// The order that is none.
        token: Token,
        /// A letter.
        reason: u8,
    }
}

message! {
    /// Cancel Reject.
    CancelRejected = b'I', 23 {
        /// The order.
        token: Token,
    }
}

message! {
    /// Order Modified.
    Modified = b'M', 28 {
        /// The order.
        token: Token,
        /// A [`Side`](crate::types::Side).
        side: u8,
        /// Shares left.
        quantity: U32,
    }
}

/// A message to the participant, laid over its bytes.
#[derive(Clone, Copy, Debug)]
pub enum Outbound<'a> {
    /// System Event.
    SystemEvent(&'a SystemEvent),
    /// Order Accepted.
    Accepted(&'a Accepted),
    /// Order Replaced.
    Replaced(&'a Replaced),
    /// Order Canceled.
    Canceled(&'a Canceled),
    /// AIQ Canceled.
    AiqCanceled(&'a AiqCanceled),
    /// Order Executed.
    Executed(&'a Executed),
    /// Broken Trade.
    BrokenTrade(&'a BrokenTrade),
    /// Trade Correction.
    TradeCorrection(&'a TradeCorrection),
    /// Rejected Order.
    Rejected(&'a Rejected),
    /// Cancel Reject.
    CancelRejected(&'a CancelRejected),
    /// Order Modified.
    Modified(&'a Modified),
}

impl<'a> Outbound<'a> {
    /// Parses one whole message.
    ///
    /// # Errors
    /// [`OuchError`].
    pub fn parse(message: &'a [u8]) -> Result<Self, OuchError> {
        fn all<T: FromBytes + KnownLayout + Immutable + Unaligned>(
            message: &[u8],
        ) -> Result<&T, OuchError> {
            let wrong = OuchError::Length { kind: message[0], length: message.len() };
            T::ref_from_bytes(message).map_err(|_| wrong)
        }
        let &[kind, ..] = message else { return Err(OuchError::Empty) };
        Ok(match kind {
            SystemEvent::KIND => Self::SystemEvent(all(message)?),
            Accepted::KIND => Self::Accepted(all(message)?),
            Replaced::KIND => Self::Replaced(all(message)?),
            Canceled::KIND => Self::Canceled(all(message)?),
            AiqCanceled::KIND => Self::AiqCanceled(all(message)?),
            Executed::KIND => Self::Executed(all(message)?),
            BrokenTrade::KIND => Self::BrokenTrade(all(message)?),
            TradeCorrection::KIND => Self::TradeCorrection(all(message)?),
            Rejected::KIND => Self::Rejected(all(message)?),
            CancelRejected::KIND => Self::CancelRejected(all(message)?),
            Modified::KIND => Self::Modified(all(message)?),
            unknown => return Err(OuchError::UnknownType(unknown)),
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::SystemEvent(m) => m.as_bytes(),
            Self::Accepted(m) => m.as_bytes(),
            Self::Replaced(m) => m.as_bytes(),
            Self::Canceled(m) => m.as_bytes(),
            Self::AiqCanceled(m) => m.as_bytes(),
            Self::Executed(m) => m.as_bytes(),
            Self::BrokenTrade(m) => m.as_bytes(),
            Self::TradeCorrection(m) => m.as_bytes(),
            Self::Rejected(m) => m.as_bytes(),
            Self::CancelRejected(m) => m.as_bytes(),
            Self::Modified(m) => m.as_bytes(),
        }
    }
}
