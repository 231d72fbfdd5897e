//! Matching: the books of all instruments, price first and time second.
//!
//! Knows orders, prices and quantities; never accounts, participants or money.
//!
//! What was tried, as the ratio of our CPU time to that of a `BTreeMap` and a slab in the same run of
//! `rialto bench engine` (medians of interleaved rounds; a virtual EPYC with two cores that others kept
//! busy, so a tenth is noise). (a) is 100 books, (b) one, (c) a million prices: fill, cancel, sweep.
//!
//! | change, each on top of the one before | (a) | (b) | (c) |
//! |---|---|---|---|
//! | levels in a threaded AVL tree | 0.76-1.2 | 0.8-1.0 | 4.7, 2.4-3.5, 1.3-2.0 |
//! | a B+ tree of two-line nodes; a table of the last 1,024 ticks before it | 0.9 | 0.6-0.67 | 1.4, 0.8, 1.0-1.2 |
//! | no threads between levels: the tree has their order | 0.77-0.92 | 0.54-0.65 | 0.65, 0.8, 1.15 |
//! | huge pages, orders and neighbours brought near ahead | 0.6 | 0.8 | 0.7, 0.45, 1.05 |
//!
//! Not kept: to bring near what entries need too (no gain); to write neighbours without a branch (the
//! branches are guessed well enough to run ahead of memory: slower by a tenth on (a) and (b)). The
//! look-ahead costs some 10 ns where everything is in the cache, (b), and gains twice that where it is
//! not, (a), which is how an exchange is.

mod auction;
mod book;
mod collecting;
mod ladder;
mod slab;
mod tree;

pub use auction::{Auction, Clearing};
pub use book::{BookSide, Books, Fill, Incoming, LevelView, OrderView, Section};
