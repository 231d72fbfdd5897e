//! Other matching engines on the workloads of `rialto bench engine`: the same operations, the same hash
//! of the fills, the same clock, in turns with our books. Each is used as its own examples use it. Where
//! a peer's fills are not those of ours and of the oracle, its line says so.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- [rounds]`

mod matchcore_books;
mod orderbook_rs_book;

use matchcore_books::MatchcoreBooks;
use orderbook_rs_book::OrderBookRs;
use rialto::cli::bench::engine::{OurBooks, Run, SlabBooks, Workload, run_once};

/// orderbook-rs is given a tenth of (b): its times are microseconds.
const SHORT: usize = 200_000;

fn main() {
    let rounds = std::env::args().nth(1).map_or(3, |rounds| rounds.parse().expect("a number"));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.trim());
    let a = Workload::many_books(2_700_000);
    let b = Workload::one_book(2_000_000);
    for (name, workload) in [("a", &a), ("b", &b)] {
        let &Workload { instruments, resting_max, numbers, .. } = workload;
        let mut times: [Timed; 3] = Default::default();
        for _ in 0..rounds {
            let runs = [
                run_once(&mut OurBooks::new(instruments, resting_max, numbers), workload),
                run_once(&mut SlabBooks::new(instruments, numbers), workload),
                run_once(&mut MatchcoreBooks::new(instruments, numbers), workload),
            ];
            note(&mut times, runs);
        }
        print(name, ["ours", "slab", "matchcore"], &mut times, workload);
    }
    let short = Workload::one_book(SHORT);
    let &Workload { instruments, resting_max, numbers, .. } = &short;
    let mut times: [Timed; 2] = Default::default();
    for _ in 0..rounds {
        let ours = run_once(&mut OurBooks::new(instruments, resting_max, numbers), &short);
        note(&mut times, [ours, run_once(&mut OrderBookRs::new(), &short)]);
    }
    print("b, a tenth", ["ours", "orderbook-rs"], &mut times, &short);
}

/// The times of an engine, and whether its fills were always those of the first.
#[derive(Default)]
struct Timed {
    times: Vec<u64>,
    differs: bool,
}

fn note<const N: usize>(engines: &mut [Timed; N], runs: [Run; N]) {
    for (engine, run) in engines.iter_mut().zip(&runs) {
        engine.differs |= run.hash != runs[0].hash;
        engine.times.push(run.time.0);
    }
}

fn print<const N: usize>(
    name: &str,
    names: [&str; N],
    engines: &mut [Timed; N],
    workload: &Workload,
) {
    for (engine, Timed { times, differs }) in names.iter().zip(engines) {
        times.sort_unstable();
        let each = times[times.len() / 2] * 10 / workload.timed().len() as u64;
        let note = if *differs { "  other fills than the oracle's" } else { "" };
        println!("{name:10} {engine:12} {:>6}.{} ns{note}", each / 10, each % 10);
    }
}
