//! The other side of the wire: blocking kernel-socket clients for commands, tests and demo brokers.
//!
//! Not part of the exchange: no stage imports it, and it knows only what a participant may know.

mod book_builder;
mod error;
mod feed;
mod session;
mod soup_client;
mod ufo_client;

pub use book_builder::BookBuilder;
pub use error::ClientError;
pub use feed::{FeedCounters, FeedItem, FeedOrder, FeedSocket};
pub use session::{Incoming, Protocol, SessionClient};
pub use soup_client::{Credentials, SoupClient};
pub use ufo_client::UfoClient;
