//! `rialto sim`: simulates clusters, one seed after the other, and says which of them went wrong.

use std::io::{self, Write};
use std::time::Instant;

use serde_json::json;

use super::{CliError, quiet_end};
use crate::sim::{Outcome, Plan, run as simulate};

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
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

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
    failed: Option<(u64, Outcome)>,
}

/// Simulates, prints, and fails if a seed did.
///
/// # Errors
/// [`CliError::Simulation`] names the first seed that went wrong.
pub fn run(args: &Args) -> Result<(), CliError> {
    let start = Instant::now();
    let mut sum = Sum::default();
    for seed in args.first..args.first.saturating_add(args.seeds) {
        sum.add(seed, simulate(&Plan::new(seed, args.seconds)));
    }
    let wall_ms = start.elapsed().as_millis();
    let simulated = args.seeds * args.seconds;
    let replay = |seed| format!("rialto sim --first {seed} --seeds 1 --seconds {}", args.seconds);
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
        "wall_ms": u64::try_from(wall_ms).unwrap_or(u64::MAX),
        "simulated_s_per_wall_s": u128::from(simulated) * 1000 / wall_ms.max(1),
        "violations": sum.violations,
        "unconverged": sum.unconverged,
        "committed_frames": sum.committed,
        "acknowledged_orders": sum.acknowledged,
        "terms": sum.terms,
        "cuts": sum.cuts,
        "fetches": sum.fetches,
        "incarnations": sum.incarnations,
        "first_failed": first,
    });
    let text = if args.json { result.to_string() } else { format!("{result:#}") };
    quiet_end(writeln!(out, "{text}").map_err(Into::into))?;
    match sum.failed {
        Some((seed, _)) => Err(CliError::Simulation { seed, replay: replay(seed) }),
        None => Ok(()),
    }
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
        if self.failed.is_none() && !(is_clean && outcome.converged) {
            self.failed = Some((seed, outcome));
        }
    }
}
