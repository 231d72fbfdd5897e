//! `rialto sim`: simulates clusters, as many at a time as there are cores, and says which of them went wrong.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{CliError, quiet_end};
use crate::sim::{Outcome, Plan, run as simulate};
use crate::types::Nanos;

/// Arguments of `rialto sim`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto sim --seeds 100 --seconds 60\n  \
    rialto sim --first 4711 --seeds 1 --seconds 60 --json\n\n\
    Each seed is a cluster of its own: its size, how payloads travel, when a commit counts, and every \
    fault are drawn from it. The same seed with the same seconds is the same run.")]
pub struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Simulated seconds of faults for each; a calm follows.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only kill leaders, and say how long it takes until another serves.
    #[arg(long)]
    kills: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// What a range of seeds came to.
#[derive(Debug, Default)]
struct Sum {
    violations: u64,
    unconverged: u64,
    committed: u64,
    acknowledged: u64,
    terms: u64,
    cuts: u64,
    fetches: u64,
    incarnations: u64,
    images: u64,
    given_up: u64,
    refounded: u64,
    replaced: u64,
    gaps: Vec<Nanos>,
    failed: Option<(u64, Outcome)>,
}

/// Simulates, prints, and fails if a seed did.
///
/// # Errors
/// [`CliError::Simulation`] names the first seed that went wrong.
pub fn run(args: &Args) -> Result<(), CliError> {
    let start = Instant::now();
    let mut sum = simulate_all(args);
    let wall_ms = start.elapsed().as_millis();
    let simulated = args.seeds * args.seconds;
    let kills = if args.kills { " --kills" } else { "" };
    let seconds = args.seconds;
    let replay = |seed| format!("rialto sim --first {seed} --seeds 1 --seconds {seconds}{kills}");
    sum.gaps.sort_unstable();
    let gap = |percent: usize| sum.gaps.get(sum.gaps.len().saturating_sub(1) * percent / 100);
    let gap_us = |percent| gap(percent).map(|gap| gap.0 / 1000);
    let first = sum.failed.as_ref().map(|(seed, outcome)| {
        json!({
            "seed": seed,
            "violations": outcome.violations,
            "converged": outcome.converged,
            "nodes": outcome.nodes,
            "replay": replay(*seed),
        })
    });
    let mut out = io::stdout().lock();
    let result = json!({
        "seeds": args.seeds,
        "simulated_s": simulated,
        "wall_s": u64::try_from(wall_ms.div_ceil(1000)).unwrap_or(u64::MAX),
        "threads": threads(),
        "simulated_s_per_wall_s": u128::from(simulated) * 1000 / wall_ms.max(1),
        "violations": sum.violations,
        "unconverged": sum.unconverged,
        "committed_frames": sum.committed,
        "acknowledged_orders": sum.acknowledged,
        "terms": sum.terms,
        "cuts": sum.cuts,
        "fetches": sum.fetches,
        "incarnations": sum.incarnations,
        "images": sum.images,
        "given_up_orders": sum.given_up,
        "refounded": sum.refounded,
        "replaced": sum.replaced,
        "gap_us": args.kills.then(|| {
            json!({ "kills": sum.gaps.len(), "p50": gap_us(50), "p99": gap_us(99), "max": gap_us(100) })
        }),
        "first_failed": first,
    });
    let text = if args.json { result.to_string() } else { format!("{result:#}") };
    quiet_end(writeln!(out, "{text}").map_err(Into::into))?;
    match sum.failed {
        Some((seed, _)) => Err(CliError::Simulation { seed, replay: replay(seed) }),
        None => Ok(()),
    }
}

/// Says on standard error how far it is, now and then.
fn simulate_all(args: &Args) -> Sum {
    let plan = if args.kills { Plan::kills } else { Plan::new };
    let next = AtomicU64::new(args.first);
    let end = args.first.saturating_add(args.seeds);
    let (done, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads() {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end
                        || done.send((seed, simulate(&plan(seed, args.seconds)))).is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut sum = Sum::default();
        let mut said = Instant::now();
        for (count, (seed, outcome)) in (1..).zip(outcomes) {
            sum.add(seed, outcome);
            if said.elapsed() > PROGRESS_INTERVAL {
                said = Instant::now();
                let Args { seeds, .. } = args;
                eprintln!(
                    "sim: {count} of {seeds} seeds, {} went wrong",
                    sum.violations + sum.unconverged
                );
            }
        }
        sum
    })
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        let is_clean = outcome.violations.is_empty();
        self.violations += u64::from(!is_clean);
        self.unconverged += u64::from(is_clean && !outcome.converged);
        self.committed += outcome.committed;
        self.acknowledged += outcome.acknowledged;
        self.terms += outcome.terms;
        self.cuts += outcome.cuts;
        self.fetches += outcome.fetches;
        self.incarnations += outcome.incarnations;
        self.images += outcome.images;
        self.given_up += outcome.given_up;
        self.refounded += outcome.refounded;
        self.replaced += outcome.replaced;
        self.gaps.extend(&outcome.gaps);
        let is_first = self.failed.as_ref().is_none_or(|(first, _)| seed < *first);
        if is_first && !(is_clean && outcome.converged) {
            self.failed = Some((seed, outcome));
        }
    }
}
