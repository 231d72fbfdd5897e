//! Taking the times: engines in turns, round by round, each from empty books.

use std::hint::black_box;
use std::time::Instant;

use super::report::{Figures, Report, Sparse};
use super::whole::{Appender, Crowd, Log, apply};
use super::{Args, BenchError, Kind, Matcher, NaiveBooks, Operation, OurBooks, SlabBooks, Trade};
use super::{TradeHash, Workload, bulk, crowded, limits};
use crate::cli::bench::host::Host;
use crate::sys::cpu_time::thread_cpu_time;
use crate::types::{FRAME_COMMANDS_MAX, Line, Nanos};

/// Operations of (a) and of (b), and orders of (c).
const MANY_BOOKS: usize = 2_700_000;
const ONE_BOOK: usize = 2_000_000;
const SPARSE_ORDERS: u32 = 1_000_000;
/// Resting orders whose memory is measured.
const CROWDED_ORDERS: u32 = 10_000_000;

/// What came of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The time of this thread for the timed operations.
    pub time: Nanos,
    /// Every fill.
    pub hash: TradeHash,
    /// How many.
    pub trades: u64,
}

/// Executes a workload and times what comes behind the prefilling.
pub fn run_once(matcher: &mut impl Matcher, workload: &Workload) -> Run {
    let mut run = Run { time: Nanos::ZERO, hash: TradeHash::default(), trades: 0 };
    let (prefill, timed) = workload.operations.split_at(workload.prefilled);
    execute(matcher, prefill, &mut run);
    let start = thread_cpu_time();
    execute(matcher, timed, &mut run);
    run.time = thread_cpu_time().since(start);
    run
}

fn execute(matcher: &mut impl Matcher, operations: &[Operation], run: &mut Run) {
    for (at, operation) in operations.iter().enumerate() {
        matcher.look_ahead(&operations[at + 1..]);
        matcher.apply(operation, &mut |trade: Trade| {
            run.hash.add(&trade);
            run.trades += 1;
        });
    }
}

/// Runs everything and says how it went on standard error.
pub(super) fn measure(args: &Args) -> Result<Report, BenchError> {
    let mut report = Report::new(Host::look(&[])?, args.rounds);
    // The first, as long as no memory is left over from others.
    eprintln!("bench: memory");
    let orders = CROWDED_ORDERS / args.shorten;
    report.crowded = (orders, crowded::bytes_of(orders)?);
    let shorten = args.shorten as usize;
    let a = Workload::many_books(MANY_BOOKS / shorten);
    let b = Workload::one_book(ONE_BOOK / shorten);
    for (name, workload) in [("a", &a), ("b", &b)] {
        eprintln!("bench: {name}");
        let mut figures = mixed(name, workload, args.rounds)?;
        if args.limits {
            figures.limits = limits::costs(workload, args.rounds);
        }
        report.mixed.push((name, figures));
    }
    eprintln!("bench: c");
    report.sparse = sparse(SPARSE_ORDERS / args.shorten, args.rounds)?;
    report.null_ns = null(args.rounds);
    eprintln!("bench: bulk");
    report.bulk = bulk::bulk(bulk::ORDERS / args.shorten, args.rounds);
    Ok(report)
}

fn mixed(name: &'static str, workload: &Workload, rounds: u32) -> Result<Figures, BenchError> {
    let &Workload { instruments, resting_max, numbers, .. } = workload;
    let ours = || OurBooks::new(instruments, resting_max, numbers);
    let mut figures = Figures::new(workload.timed().len());
    let log = Log::new(workload, Crowd::FULL, FRAME_COMMANDS_MAX);
    let from_events = engine_hash(&log);
    for _ in 0..rounds {
        let matching = run_once(&mut ours(), workload);
        let slab = run_once(&mut SlabBooks::new(instruments, numbers), workload);
        let naive = run_once(&mut NaiveBooks::default(), workload);
        if [slab.hash, naive.hash, from_events] != [matching.hash; 3] {
            return Err(BenchError::Trades { workload: name });
        }
        figures.hash = matching.hash;
        figures.trades = matching.trades;
        figures.matching.push(matching.time);
        figures.slab.push(slab.time);
        figures.naive.push(naive.time);
        figures.engine.push(engine_time(&log));
    }
    drop(log);
    figures.latencies = latencies(&mut ours(), workload);
    figures.engine_latencies = engine_latencies(&Log::new(workload, Crowd::FULL, 1));
    Ok(figures)
}

/// The fills that an engine tells of.
pub(super) fn engine_hash(log: &Log) -> TradeHash {
    let mut reader = log.fill_reader();
    let mut engine = log.engine(&mut reader);
    apply(&mut engine, &log.timed, &mut reader);
    let mut hash = TradeHash::default();
    reader.fills.iter().for_each(|fill| hash.add(fill));
    hash
}

pub(super) fn engine_time(log: &Log) -> Nanos {
    let mut appender = Appender::new();
    let mut engine = log.engine(&mut appender);
    let start = thread_cpu_time();
    apply(&mut engine, &log.timed, &mut appender);
    thread_cpu_time().since(start)
}

/// Each command's own time, sorted, in a frame of its own.
fn engine_latencies(log: &Log) -> Vec<u64> {
    let mut appender = Appender::new();
    let mut engine = log.engine(&mut appender);
    let look = look();
    let mut times = Vec::with_capacity(log.timed.len());
    for (header, payload) in &log.timed {
        let start = Instant::now();
        engine.apply(header, payload, &mut appender).expect("it took them before");
        times.push(nanos(start.elapsed()).saturating_sub(look));
    }
    times.sort_unstable();
    times
}

/// The least time from a look at the clock to the next.
fn look() -> u64 {
    (0..1_000).map(|_| nanos(Instant::now().elapsed())).min().unwrap_or(0)
}

/// Each operation's own time, sorted. A look at the clock, some 20 ns, is in each and taken from it.
fn latencies(matcher: &mut impl Matcher, workload: &Workload) -> Vec<u64> {
    let look = look();
    let (before, counted) = workload.operations.split_at(workload.prefilled);
    for operation in before {
        matcher.apply(operation, &mut |_| {});
    }
    let mut times = Vec::with_capacity(counted.len());
    for (at, operation) in counted.iter().enumerate() {
        let start = Instant::now();
        matcher.look_ahead(&counted[at + 1..]);
        matcher.apply(operation, &mut |trade| {
            black_box(trade);
        });
        times.push(nanos(start.elapsed()).saturating_sub(look));
    }
    times.sort_unstable();
    times
}

fn nanos(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn sparse(orders: u32, rounds: u32) -> Result<Sparse, BenchError> {
    let (workload, ends) = Workload::sparse_book(orders);
    let mut sparse = Sparse::new(ends, orders);
    for _ in 0..rounds {
        let matching = phases(&mut OurBooks::new(1, orders, workload.numbers), &workload, ends);
        let slab = phases(&mut SlabBooks::new(1, workload.numbers), &workload, ends);
        let naive = phases(&mut NaiveBooks::default(), &workload, ends);
        if [slab.1, naive.1] != [matching.1; 2] {
            return Err(BenchError::Trades { workload: "c" });
        }
        sparse.hash = matching.1;
        sparse.add([matching.0, slab.0, naive.0]);
    }
    Ok(sparse)
}

fn phases(
    matcher: &mut impl Matcher,
    workload: &Workload,
    ends: [usize; 3],
) -> ([Nanos; 3], TradeHash) {
    let mut run = Run { time: Nanos::ZERO, hash: TradeHash::default(), trades: 0 };
    let mut from = 0;
    let times = ends.map(|end| {
        let start = thread_cpu_time();
        execute(matcher, &workload.operations[from..end], &mut run);
        from = end;
        thread_cpu_time().since(start)
    });
    (times, run.hash)
}

/// What every engine pays: a command of two lines read, an event of two lines written, each in its own
/// place of a large memory. In thousandths of a nanosecond.
fn null(rounds: u32) -> u64 {
    const COMMANDS: usize = 1 << 20;
    let commands = vec![[Line([1; 64]); 2]; COMMANDS];
    let mut events = vec![[Line([0; 64]); 2]; COMMANDS];
    let mut times = Vec::new();
    for _ in 0..=rounds {
        let start = thread_cpu_time();
        for (event, command) in events.iter_mut().zip(&commands) {
            let mut record = *black_box(command);
            record[0].0[0] = Kind::Cancel as u8;
            *event = record;
        }
        black_box(&events);
        times.push(thread_cpu_time().since(start).0 * 1_000 / COMMANDS as u64);
    }
    // The first round makes the pages.
    let counted = &mut times[1..];
    counted.sort_unstable();
    counted[counted.len() / 2]
}
