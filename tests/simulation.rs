//! Three hundred clusters, each for a simulated minute of faults and from a seed of its own: none breaks
//! its word, and all come together again. `RIALTO_SEED=n` begins with another seed.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]
#![allow(clippy::print_stdout, reason = "the rate")]

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use rialto::sim::{Plan, run};

const SEEDS: u64 = 300;
const SECONDS: u64 = 60;

#[test]
fn three_hundred_clusters_keep_their_word_for_a_minute_and_come_together() {
    let first = std::env::var("RIALTO_SEED").map_or(1, |text| text.parse().unwrap());
    let next = AtomicU64::new(first);
    let start = Instant::now();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let failed = thread::scope(|scope| {
        let workers = (0..threads).map(|_| scope.spawn(|| failures(&next, first + SEEDS)));
        let workers: Vec<_> = workers.collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    let rate = u128::from(SEEDS * SECONDS) * 1000 / start.elapsed().as_millis();
    println!("{rate} simulated seconds a second on {threads} threads");
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// Takes seeds up to `end` until there are none, and says what came of those that went wrong.
fn failures(next: &AtomicU64, end: u64) -> Vec<String> {
    let mut failed = Vec::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return failed;
        }
        let outcome = run(&Plan::new(seed, SECONDS));
        assert!(outcome.acknowledged > 0, "seed {seed} did nothing");
        if !outcome.violations.is_empty() || !outcome.converged {
            let replay = format!("rialto sim --first {seed} --seeds 1 --seconds {SECONDS}");
            failed.push(format!("{replay}: {:?} {:#?}", outcome.violations, outcome.nodes));
        }
    }
}
