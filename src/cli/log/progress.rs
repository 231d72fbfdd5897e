//! How far a long run has come, on standard error: one line that changes where that is a terminal, a line
//! every five seconds where not. Silent about what takes no time.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Says how far a run has come.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    terminal: bool,
    start: Instant,
    next: Instant,
    interval: Duration,
    steps: u64,
    shown: bool,
}

/// A look at the clock for each frame would cost as much as reading a small one.
const STEPS_PER_LOOK: u64 = 1_024;
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(5);

impl Progress {
    /// A run that begins now and goes over so many `what`.
    pub(super) fn new(what: &'static str) -> Self {
        let terminal = stderr().is_terminal();
        let interval = if terminal { TERMINAL_INTERVAL } else { LINE_INTERVAL };
        let start = Instant::now();
        Self { what, terminal, start, next: start + interval, interval, steps: 0, shown: false }
    }

    /// A step further: `position` bytes of `all`, and `count` of what it goes over.
    pub(super) fn step(&mut self, position: u64, all: u64, count: u64) {
        self.steps += 1;
        if self.steps.is_multiple_of(STEPS_PER_LOOK) && Instant::now() >= self.next {
            self.next = Instant::now() + self.interval;
            let line = line(self.what, self.start.elapsed(), position, all, count);
            if self.terminal {
                eprint!("\r\x1b[K{line}");
            } else {
                eprintln!("{line}");
            }
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    /// What comes next on a terminal begins a line of its own.
    fn drop(&mut self) {
        if self.terminal && self.shown {
            eprintln!();
        }
    }
}

fn line(what: &str, elapsed: Duration, position: u64, all: u64, count: u64) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = per_second(count, elapsed);
    let left = u128::from(all.saturating_sub(position)) * u128::from(millis);
    let left = left / u128::from(position.max(1)) / 1_000;
    let percent = u128::from(position.min(all)) * 100 / u128::from(all.max(1));
    let (done, all) = (position >> 20, all >> 20);
    format!("{done} of {all} MiB ({percent} %), {count} {what}, {per_second}/s, {left} s left")
}

/// How many that is in a second.
pub(super) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let per_second = u128::from(count) * 1_000_000_000 / elapsed.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let elapsed = Duration::from_secs(2);
        let shown = line("records", elapsed, 100 << 20, 400 << 20, 1_000_000);
        assert_eq!(shown, "100 of 400 MiB (25 %), 1000000 records, 500000/s, 6 s left");
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let shown = line("frames", Duration::ZERO, 0, 0, 0);
        assert_eq!(shown, "0 of 0 MiB (0 %), 0 frames, 0/s, 0 s left");
        assert_eq!(per_second(5, Duration::ZERO), 5_000_000_000);
    }
}
