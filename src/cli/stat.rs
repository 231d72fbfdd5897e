//! `rialto stat`: what a node counted, once or again and again. Reads a file of the node and asks the
//! node nothing.

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{CliError, quiet_end, units};
use crate::counters::{CounterReader, sums};
use crate::types::Nanos;

/// Arguments of `rialto stat`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto stat /dev/shm/rialto\n  \
    rialto stat /dev/shm/rialto --watch 1 | grep messages_in\n  \
    rialto stat /dev/shm/rialto --json | jq .counters\n\n\
    The values of a stage are at most 100 ms old, those of a network port a second. A node that \
    stopped leaves its last ones. What the shards of order entry count is shown by shard, and summed.")]
pub struct Args {
    /// The node's logs directory, as its configuration has it.
    directory: PathBuf,
    /// Print them each so many seconds, with how much they rose a second, until interrupted.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
}

/// Prints the counters.
///
/// # Errors
/// When there are none, or that of writing to standard output; a reader that went away is none.
pub fn run(args: &Args) -> Result<(), CliError> {
    quiet_end(print(args, &mut io::stdout().lock()))
}

fn print(args: &Args, out: &mut impl Write) -> Result<(), CliError> {
    let mut before: Option<Reading> = None;
    loop {
        // Opened each time: a node that starts again has a new file.
        let reading = Reading::take(&CounterReader::open(&args.directory)?);
        let rates = before.as_ref().map(|before| reading.rates_since(before));
        if args.json {
            writeln!(out, "{}", reading.json(rates.as_deref()))?;
        } else {
            reading.text(rates.as_deref(), out)?;
        }
        out.flush()?;
        let Some(seconds) = args.watch else { return Ok(()) };
        before = Some(reading);
        thread::sleep(Duration::from_secs(seconds));
    }
}

/// All counters at one moment, and of stages in shards their sums.
struct Reading {
    node: u64,
    process: u64,
    started: Nanos,
    running: bool,
    counters: Vec<(String, u64)>,
    taken: Instant,
}

impl Reading {
    fn take(reader: &CounterReader) -> Self {
        let mut counters: Vec<_> = reader.counters().collect();
        counters.extend(sums(&counters));
        Self {
            node: reader.node(),
            process: reader.process(),
            started: reader.started(),
            running: reader.is_running(),
            counters,
            taken: Instant::now(),
        }
    }

    /// How much each counter rose a second; `None` for a gauge that fell, and behind a restart.
    fn rates_since(&self, before: &Self) -> Vec<Option<u64>> {
        let nanos = self.taken.duration_since(before.taken).as_nanos().max(1);
        let same = before.process == self.process && before.started == self.started;
        let rate = |(place, (_, value)): (usize, &(String, u64))| {
            let (_, earlier) = before.counters.get(place).filter(|_| same)?;
            let rose = u128::from(value.checked_sub(*earlier)?);
            u64::try_from(rose * 1_000_000_000 / nanos).ok()
        };
        self.counters.iter().enumerate().map(rate).collect()
    }

    fn text(&self, rates: Option<&[Option<u64>]>, out: &mut impl Write) -> io::Result<()> {
        let Self { node, process, started, .. } = self;
        let state = if self.running { "running" } else { "stopped" };
        let started = units::show_moment(*started);
        writeln!(out, "node {node}, process {process}, {state}, started {started}")?;
        for (place, (name, value)) in self.counters.iter().enumerate() {
            match rates.map(|rates| rates[place]) {
                None => writeln!(out, "{name:<40} {value:>20}")?,
                Some(Some(rate)) => writeln!(out, "{name:<40} {value:>20} {rate:>14}/s")?,
                Some(None) => writeln!(out, "{name:<40} {value:>20} {:>14}", "-")?,
            }
        }
        Ok(())
    }

    fn json(&self, rates: Option<&[Option<u64>]>) -> Value {
        let names = || self.counters.iter().map(|(name, _)| name.clone());
        let values = self.counters.iter().map(|&(_, value)| Value::from(value));
        let mut object = json!({
            "node": self.node,
            "process": self.process,
            "running": self.running,
            "started_ns": self.started.0,
            "counters": names().zip(values).collect::<Map<_, _>>(),
        });
        if let Some(rates) = rates {
            let rates = rates.iter().map(|&rate| Value::from(rate));
            object["per_second"] = names().zip(rates).collect::<Map<_, _>>().into();
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(started: u64, values: [u64; 2], taken: Instant) -> Reading {
        let counters = ["a.count", "a.fill"].map(str::to_owned).into_iter().zip(values).collect();
        Reading { node: 1, process: 2, started: Nanos(started), running: true, counters, taken }
    }

    #[test]
    fn rates_are_per_second_and_never_of_what_fell_or_began_anew() {
        let begin = Instant::now();
        let before = reading(5, [100, 7], begin);
        let after = reading(5, [1_100, 6], begin + Duration::from_secs(2));
        assert_eq!(after.rates_since(&before), [Some(500), None]);
        let restarted = reading(6, [1_100, 8], begin + Duration::from_secs(2));
        assert_eq!(restarted.rates_since(&before), [None, None]);
    }

    #[test]
    fn a_reading_is_shown_as_text_and_as_json() {
        let reading = reading(0, [100, 7], Instant::now());
        let mut text = Vec::new();
        reading.text(Some(&[Some(3), None]), &mut text).unwrap();
        let expected = format!(
            "node 1, process 2, running, started 1970-01-01 00:00:00.000000000\n\
             {:<40} {:>20} {:>14}/s\n{:<40} {:>20} {:>14}\n",
            "a.count", 100, 3, "a.fill", 7, "-"
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert_eq!(
            reading.json(Some(&[Some(3), None])).to_string(),
            "{\"counters\":{\"a.count\":100,\"a.fill\":7},\"node\":1,\
             \"per_second\":{\"a.count\":3,\"a.fill\":null},\
             \"process\":2,\"running\":true,\"started_ns\":0}"
        );
    }
}
