//! Matching: the books of all instruments, price first and time second.
//!
//! Knows orders, prices and quantities; never accounts, participants or money.

mod auction;
mod book;
mod collecting;
mod ladder;
mod slab;

pub use auction::{Auction, Clearing};
pub use book::{BookSide, Books, Fill, Incoming, LevelView, OrderView, Section};
