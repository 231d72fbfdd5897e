//! `rialto bench engine`: what a command costs in our books and in the whole engine, beside a baseline
//! and an oracle that are given the same commands and must trade the same.
//!
//! Time is that of the thread on its core, so that others on the machine disturb less; each figure is
//! the median of rounds in which the engines take turns.

mod bulk;
mod crowded;
mod limits;
mod measure;
mod naive;
mod ours;
mod report;
mod rules;
mod slab;
mod whole;
mod workload;

pub use measure::{Run, run_once};
pub use naive::NaiveBooks;
pub use ours::OurBooks;
pub use slab::SlabBooks;
pub use whole::{Appender, Crowd, Frames, Log, apply};
pub use workload::{TICK, Workload};

use super::BenchError;
use crate::matching::BookSide;

/// Arguments of `rialto bench engine`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto bench engine\n  \
    rialto bench engine --json --rounds 9\n  \
    rialto bench engine --limits\n\n\
    First the memory of 10 million resting orders; then (a) 100 books and 2.7 million commands, (b) one \
    book and 2 million, (c) a million orders each at a price of its own, half of them canceled, the \
    others swept; and what one command does to a firm with 100,000 open orders. The whole engine runs \
    (a) and (b) with 1,000 firms, under every risk limit there is, fees and self-match prevention, none \
    of which changes a trade. Build with --release.")]
pub struct Args {
    /// Print the result as a JSON object.
    #[arg(long)]
    json: bool,
    /// Also what each risk limit, and fees, cost by themselves, beside no rule at all.
    #[arg(long)]
    limits: bool,
    /// Rounds in which the engines take turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// One of so many commands only.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    shorten: u32,
}

/// What happens to a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What is asked for.
    pub kind: Kind,
    /// The side of the order, also of one that is canceled.
    pub side: BookSide,
    /// The instrument, from 1.
    pub instrument: u16,
    /// The new order's number: dense, from 1, never used again.
    pub number: u32,
    /// The number of the order to cancel or to replace.
    pub target: u32,
    /// The new order's limit.
    pub price: u64,
    /// The new order's shares.
    pub quantity: u32,
    /// What was executed of the order it replaces, and of the ones before.
    pub executed: u32,
}

/// What is asked of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Trade what crosses, rest the others.
    Enter,
    /// Take an order out. Nothing happens to one that does not rest.
    Cancel,
    /// Both, in this order; the new one has its own place in time.
    Replace,
}

/// A fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The number of the order in the book.
    pub resting: u32,
    /// The number of the order that came.
    pub incoming: u32,
    /// The resting order's price.
    pub price: u64,
    /// Shares.
    pub quantity: u32,
}

/// Books of one make or another.
pub trait Matcher {
    /// Executes an operation and tells its fills in their order.
    fn apply(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade));

    /// Looks at operations that come after the next one, to have at hand what they need. Nothing may
    /// depend on it.
    fn look_ahead(&mut self, _coming: &[Operation]) {}
}

/// Every fill, in a number that depends on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeHash(pub u64);

impl TradeHash {
    /// Adds a fill.
    pub const fn add(&mut self, trade: &Trade) {
        let &Trade { resting, incoming, price, quantity } = trade;
        let who = (resting as u64) << 32 | incoming as u64;
        let what = price << 24 ^ quantity as u64;
        let mixed = (self.0.rotate_left(7) ^ who).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = (mixed.rotate_left(31) ^ what).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
}

/// Runs the bench; the figures go to standard output.
pub(super) fn run(args: &Args) -> Result<(), BenchError> {
    measure::measure(args)?.print(args.json);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FrameList;
    use crate::types::Line;
    use crate::types::event::EventHeader;

    fn hash(matcher: &mut impl Matcher, workload: &Workload) -> (TradeHash, u64) {
        let Run { hash, trades, .. } = run_once(matcher, workload);
        (hash, trades)
    }

    #[test]
    fn ours_the_baseline_and_the_oracle_trade_the_same() {
        let (sparse, _) = Workload::sparse_book(5_000);
        for workload in [Workload::mixed(1, 20, 500, 30_000), Workload::one_book(30_000), sparse] {
            let &Workload { instruments, numbers, resting_max, .. } = &workload;
            let ours = hash(&mut OurBooks::new(instruments, resting_max, numbers), &workload);
            let slab = hash(&mut SlabBooks::new(instruments, numbers), &workload);
            let naive = hash(&mut NaiveBooks::default(), &workload);
            assert!(ours.1 > 500, "{} trades", ours.1);
            assert_eq!((ours, slab), (naive, naive));
        }
    }

    #[test]
    fn the_whole_engine_trades_as_the_oracle_does() {
        let crowd = Crowd { firms: 5, ports: 10, accounts: 50 };
        for workload in [Workload::mixed(1, 4, 100, 5_000), Workload::one_book(5_000)] {
            let (expected, trades) = hash(&mut NaiveBooks::default(), &workload);
            assert!(trades > 100, "{trades} trades");
            for batch in [64, 1] {
                assert_eq!(measure::engine_hash(&Log::new(&workload, crowd, batch)), expected);
            }
        }
    }

    /// Every event of a log, without what depends on where frames are cut.
    fn events(log: &Log, guesses_wildly: bool) -> Vec<Vec<Line>> {
        let mut events = FrameList::default();
        let mut engine = log.engine(&mut events);
        engine.guesses_wildly = guesses_wildly;
        apply(&mut engine, &log.timed, &mut events);
        let uncut = |record: &[Line]| {
            let mut record = record.to_vec();
            let header = EventHeader::view_mut(&mut record).unwrap();
            (header.cause, header.port_distance, header.firm_distance) = (0, 0, 0);
            record
        };
        events.records().map(|(_, record)| uncut(record)).collect()
    }

    #[test]
    fn what_is_found_by_looking_ahead_or_guessed_wrong_changes_no_byte_of_an_event() {
        let crowd = Crowd { firms: 5, ports: 10, accounts: 50 };
        let workload = Workload::mixed(1, 4, 100, 5_000);
        let in_frames = Log::new(&workload, crowd, 64);
        let expected = events(&in_frames, false);
        assert!(expected.len() > 5_000, "{} events", expected.len());
        assert!(events(&in_frames, true) == expected, "wrong guesses changed an event");
        let alone = Log::new(&workload, crowd, 1);
        assert!(events(&alone, false) == expected, "not to look ahead changed an event");
    }

    #[test]
    fn the_order_of_two_trades_shows_in_their_hash() {
        let first = Trade { resting: 1, incoming: 3, price: 100, quantity: 5 };
        let second = Trade { resting: 2, ..first };
        let hash = |trades: [Trade; 2]| {
            let mut hash = TradeHash::default();
            for trade in &trades {
                hash.add(trade);
            }
            hash
        };
        assert_ne!(hash([first, second]), hash([second, first]));
    }
}
