//! Other matching engines on the workloads of `rialto bench engine`: the same operations, the same hash
//! of the fills, the same clock, in turns with our books. Each is used as its own examples use it.
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
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            let runs = [
                run_once(&mut OurBooks::new(instruments, resting_max, numbers), workload),
                run_once(&mut SlabBooks::new(instruments, numbers), workload),
                run_once(&mut MatchcoreBooks::new(instruments, numbers), workload),
            ];
            note(&mut times, runs);
        }
        print(name, ["ours", "slab", "matchcore"], &times, workload);
    }
    let short = Workload::one_book(SHORT);
    let &Workload { instruments, resting_max, numbers, .. } = &short;
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        let ours = run_once(&mut OurBooks::new(instruments, resting_max, numbers), &short);
        note(&mut times, [ours, run_once(&mut OrderBookRs::new(), &short)]);
    }
    print("b, a tenth", ["ours", "orderbook-rs"], &times, &short);
}

fn note<const N: usize>(times: &mut [Vec<u64>; N], runs: [Run; N]) {
    for (times, run) in times.iter_mut().zip(&runs) {
        assert_eq!(run.hash, runs[0].hash, "the engines do not trade the same");
        times.push(run.time.0);
    }
}

fn print<const N: usize>(
    name: &str,
    engines: [&str; N],
    times: &[Vec<u64>; N],
    workload: &Workload,
) {
    for (engine, times) in engines.iter().zip(times) {
        let mut times = times.clone();
        times.sort_unstable();
        let each = times[times.len() / 2] * 10 / workload.timed().len() as u64;
        println!("{name:10} {engine:12} {:>6}.{} ns", each / 10, each % 10);
    }
}
