//! The figures of the store bench, as JSON or for people.
#![expect(clippy::float_arithmetic, reason = "a ratio, to the hundredth")]

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Timed;
use super::disk::Batch;
use super::restart::Restarts;
use super::shadow::Beside;
use crate::cli::bench::host::{Host, Jitter};
use crate::cli::bench::quantiles::{median, middle, percentiles};

/// Everything.
pub(super) struct Report {
    host: Host,
    rounds: u32,
    pub(super) batch64: Timed,
    pub(super) batch1: Timed,
    pub(super) replay: Timed,
    /// Of the events that the replay gives.
    pub(super) event_bytes: u64,
    /// Nanoseconds, sorted.
    pub(super) reader: Vec<u64>,
    pub(super) restarts: Restarts,
    pub(super) beside: Beside,
    pub(super) disk: Vec<Batch>,
    pub(super) disk_directory: PathBuf,
}

impl Report {
    pub(super) fn new(host: Host, rounds: u32) -> Self {
        let nothing = Timed::default;
        Self {
            host,
            rounds,
            batch64: nothing(),
            batch1: nothing(),
            replay: nothing(),
            event_bytes: 0,
            reader: Vec::new(),
            restarts: Restarts::default(),
            beside: Beside::default(),
            disk: Vec::new(),
            disk_directory: PathBuf::new(),
        }
    }

    /// On standard output.
    pub(super) fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json());
        } else {
            print!("{}", self.table());
        }
    }

    fn json(&self) -> Value {
        let Self { host, rounds, batch64, batch1, replay, reader, disk, disk_directory, .. } = self;
        let Self { restarts, beside, .. } = self;
        let [p50, p99, p999] = percentiles(reader);
        let Day { command_gb, event_gb, replay_s, command_mb_per_s, event_mb_per_s } = self.day();
        let batches = disk.iter().map(|batch| (batch.commands.to_string(), batch.json()));
        json!({
            "append_batch64_per_s": batch64.per_second(),
            "append_batch64_mib_per_s": batch64.mib_per_second(),
            "append_batch1_per_s": batch1.per_second(),
            "append_batch1_mib_per_s": batch1.mib_per_second(),
            "reader_p50_ns": p50,
            "reader_p99_ns": p99,
            "reader_p999_ns": p999,
            "replay_per_s": replay.per_second(),
            "replay_commands": replay.commands,
            "replay_bytes": replay.bytes,
            "day_command_gb": command_gb,
            "day_event_gb": event_gb,
            "day_replay_s": replay_s,
            "day_command_mb_per_s": command_mb_per_s,
            "day_event_mb_per_s": event_mb_per_s,
            "restart_ms": restarts.whole_ms(),
            "restart_logs_ms": millis(&restarts.logs_ns),
            "restart_engine_ms": millis(&restarts.engine_ns),
            "restart_since_ms": millis(&restarts.since_ns),
            "restart_orders": restarts.resting,
            "snapshot_bytes": restarts.snapshot_bytes,
            "snapshot_ms": restarts.taken_ns / 1_000_000,
            "snapshot_p99_ratio": ratio(&beside.own_core, &beside.alone),
            "snapshot_p99_ratio_same_core": ratio(&beside.engines_core, &beside.alone),
            "snapshot_p99_ns": {
                "without": middle(&beside.alone),
                "own_core": middle(&beside.own_core),
                "same_core": middle(&beside.engines_core),
            },
            "snapshots_taken": { "own_core": beside.snapshots[0], "same_core": beside.snapshots[1] },
            "disk_mode": batches.collect::<Map<_, _>>(),
            "fdatasync_p50_us": disk.first().map(|one| median(&one.raw) / 1_000),
            "disk": disk_directory.to_string_lossy(),
            "rounds": rounds,
            "host": host,
        })
    }

    fn table(&self) -> String {
        let Self { host, rounds, batch64, batch1, replay, reader, disk, disk_directory, .. } = self;
        let Self { restarts, beside, .. } = self;
        let mut lines = vec![host.line()];
        lines.extend(host.jitter.iter().map(Jitter::line));
        lines.push(format!("{rounds} rounds; time of the thread on its core\n"));
        for (name, timed) in
            [("append, 64 a frame", batch64), ("append, 1 a frame", batch1), ("replay", replay)]
        {
            let (per_second, mib) = (timed.per_second(), timed.mib_per_second());
            lines.push(format!("{name:22} {per_second:>10} commands/s {mib:>6} MiB/s"));
        }
        let Day { command_gb, event_gb, replay_s, command_mb_per_s, event_mb_per_s } = self.day();
        lines.push(format!(
            "a day of a billion such commands: {command_gb} GB of them, {event_gb} GB of events; replayed \
             so fast in {replay_s} s, if the disk reads {command_mb_per_s} MB/s, and to compare the events \
             {event_mb_per_s} MB/s more"
        ));
        let [p50, p99, p999] = percentiles(reader);
        lines.push(format!(
            "seen by another process: {p50} / {p99} / {p999} ns (p50, p99, p99.9)\n"
        ));
        lines.push(format!(
            "restart with {} orders: {} ms; both logs {}, snapshot of {} bytes {}, commands since {}",
            restarts.resting,
            restarts.whole_ms(),
            millis(&restarts.logs_ns),
            restarts.snapshot_bytes,
            millis(&restarts.engine_ns),
            millis(&restarts.since_ns),
        ));
        let [alone, own, same] =
            [&beside.alone, &beside.own_core, &beside.engines_core].map(|times| middle(times));
        lines.push(format!(
            "a command in the engine, p99: {alone} ns; while snapshots are taken on another core {own} \
             ns ({} taken), on the same {same} ns ({})\n",
            beside.snapshots[0], beside.snapshots[1],
        ));
        lines.push(format!(
            "{:>28} {:>12} {:>17} {:>22}",
            format!("on {}", disk_directory.display()),
            "commands/s",
            "sync p50 / p99 us",
            "fdatasync p50 / p99 us"
        ));
        for Batch { commands, bytes, per_s, log, raw } in disk {
            let each = format!("{commands} commands, {bytes} bytes");
            let pair = |times: &[u64]| {
                let [p50, p99, _] = percentiles(times).map(|time| time / 1_000);
                format!("{p50} / {p99}")
            };
            lines.push(format!("{each:>28} {per_s:>12} {:>17} {:>22}", pair(log), pair(raw)));
        }
        lines.join("\n") + "\n"
    }
}

/// A day of a billion commands like those that were replayed, and what the disk must give.
struct Day {
    command_gb: u64,
    event_gb: u64,
    replay_s: u64,
    command_mb_per_s: u64,
    event_mb_per_s: u64,
}

impl Report {
    fn day(&self) -> Day {
        let &Self { ref replay, event_bytes, .. } = self;
        let rate = replay.per_second().max(1);
        // Bytes of one are the gigabytes of a billion.
        let each = |bytes: u64| bytes.div_ceil(replay.commands.max(1));
        let [command_gb, event_gb] = [replay.bytes, event_bytes].map(each);
        let read = |bytes: u64| bytes * rate / 1_000_000;
        Day {
            command_gb,
            event_gb,
            replay_s: 1_000_000_000 / rate,
            command_mb_per_s: read(command_gb),
            event_mb_per_s: read(event_gb),
        }
    }
}

impl Restarts {
    /// The median round, from closed logs to the last command.
    fn whole_ms(&self) -> u64 {
        let parts = self.logs_ns.iter().zip(&self.engine_ns).zip(&self.since_ns);
        let whole: Vec<_> = parts.map(|((logs, engine), since)| logs + engine + since).collect();
        millis(&whole)
    }
}

impl Timed {
    /// The median round's.
    fn per_second(&self) -> u64 {
        per_second(self.commands, self.median())
    }

    fn mib_per_second(&self) -> u64 {
        per_second(self.bytes, self.median()) >> 20
    }

    fn median(&self) -> u64 {
        middle(&self.rounds_ns)
    }
}

impl Batch {
    fn json(&self) -> Value {
        let [[p50, p99, _], [raw_p50, raw_p99, _]] =
            [&self.log, &self.raw].map(|times| percentiles(times).map(|time| time / 1_000));
        json!({
            "commands_per_s": self.per_s,
            "bytes": self.bytes,
            "sync_p50_us": p50,
            "sync_p99_us": p99,
            "fdatasync_p50_us": raw_p50,
            "fdatasync_p99_us": raw_p99,
        })
    }
}

fn per_second(count: u64, nanos: u64) -> u64 {
    let per_second = u128::from(count) * 1_000_000_000 / u128::from(nanos.max(1));
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

fn millis(times: &[u64]) -> u64 {
    middle(times) / 1_000_000
}

/// Of two medians, to the hundredth.
fn ratio(times: &[u64], to: &[u64]) -> f64 {
    let hundredths = 100 * middle(times) / middle(to).max(1);
    f64::from(u32::try_from(hundredths).unwrap_or(u32::MAX)) / 100.0
}
