//! Matching: the books of all instruments, price first and time second.
//!
//! Knows orders, prices and quantities; never accounts, participants or money.
//!
//! What was tried, as the ratio of our CPU time to that of a `BTreeMap` and a slab in the same run of
//! `rialto bench engine` (medians of 3 to 5 interleaved rounds, built without LTO; a virtual EPYC with
//! two cores that others kept busy: ratios of one build differ by a fifth from run to run). (a) is 100
//! books, (b) one, (c) a million prices: fill, cancel, sweep.
//!
//! | change, each on top of the one before | (a) | (b) | (c) |
//! |---|---|---|---|
//! | levels in a threaded AVL tree | 0.76-1.2 | 0.8-1.0 | 4.7, 2.4-3.5, 1.3-2.0 |
//! | a B+ tree of two-line nodes; a table of the last 1,024 ticks before it | 0.9 | 0.6-0.67 | 1.4, 0.8, 1.0-1.2 |
//! | no threads between levels: the tree has their order | 0.77-0.92 | 0.54-0.65 | 0.65, 0.8, 1.15 |
//! | huge pages, orders and neighbours brought near ahead | 0.6 | 0.75 | 0.75, 0.35-0.65, 1.0-1.3 |
//! | the levels behind the best brought near as it is taken | | | sweep 0.36-0.83 |
//!
//! Not kept: to bring near what entries need too (no gain that stands out of the noise); to write
//! neighbours without a branch (slower, but tried together with another look-ahead, so not shown alone).
//! Look-ahead and huge pages gain where orders do not fit the cache, (a) and cancels of (c); on (b) the
//! books may be slower with them than without. That is not settled.

mod auction;
mod book;

mod collecting;
mod depth;
mod ladder;
mod restoring;
mod slab;
mod tree;
mod views;

pub use auction::{Auction, Clearing};
pub use book::{BookSide, Books, Fill, Incoming, Section};
pub use depth::Wanted;
pub use views::{LevelView, OrderView};
