//! Identifiers. Those of the engine are dense and start at 1; zero always means absent.
#![expect(
    missing_debug_implementations,
    reason = "the types have it; a helper that zerocopy derives has not"
)]

use std::fmt;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The absent identifier.
            pub const NONE: Self = Self(0);

            /// Whether this is the absent identifier.
            #[must_use]
            pub const fn is_none(self) -> bool {
                self.0 == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A firm, in the order of definition.
    FirmId(u16)
}
id! {
    /// A port: a broker's or an operator's login, in the order of definition.
    PortId(u32)
}
id! {
    /// An account: the number the exchange gave the wallet when it was opened (not dense).
    AccountId(u32)
}
id! {
    /// An instrument, in the order of definition. It is also the day's ITCH stock locate.
    InstrumentId(u16)
}
id! {
    /// A currency, in the order of definition.
    CurrencyId(u16)
}
id! {
    /// The participant's own order number: strictly increasing per port, channel and day.
    UserRefNum(u32)
}
id! {
    /// The exchange's order number: the sequence of the event that created the order.
    OrderRef(u64)
}
id! {
    /// Ties the two sides of a fill and the feed: the sequence of the fill's first event.
    MatchNumber(u64)
}
id! {
    /// The session epoch of a port: the sequence of the [`PortUp`](super::command::PortUp) command that
    /// began it. Commands of an older epoch are ignored.
    Epoch(u64)
}
id! {
    /// A gateway's own number for a connection: lets it recognise the answer to its `PortUp`.
    Connection(u64)
}
id! {
    /// A resting order's place in memory: dense, reused, the same in the book and in the order manager,
    /// never in a log.
    OrderHandle(u32)
}
