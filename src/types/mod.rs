//! The vocabulary of the exchange: units, identifiers, and the records of its two logs.
//!
//! Nothing here reads a clock, a file or a socket. Every record is little-endian, `repr(C)`, without
//! padding, and a whole number of 64-byte [`Line`]s.

mod book_dump;
pub mod command;
mod date;
mod enums;
pub mod event;
mod frame;
mod ids;
mod money;
mod record;
mod secret;
mod snapshot;
mod standing;
mod text;
mod time;
mod trade;

pub use book_dump::*;
pub use date::*;
pub use enums::*;
pub use frame::*;
pub use ids::*;
pub use money::*;
pub use record::*;
pub use secret::*;
pub use snapshot::*;
pub use standing::*;
pub use text::*;
pub use time::*;
pub use trade::*;
