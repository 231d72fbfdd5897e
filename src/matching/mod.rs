//! Matching: the books of all instruments, price first and time second.
//!
//! Knows orders, prices and quantities; never accounts, participants or money.

mod book;
mod depth;
mod ladder;
mod slab;

pub use book::{BookSide, Books, Fill, Incoming, LevelView, OrderView};
