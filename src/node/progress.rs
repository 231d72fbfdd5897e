//! How far something long is: on a terminal one line that is drawn again, elsewhere one each 5 s.
//!
//! Looks at the clock now and then only, so that it may be told of every small step.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

use tracing::info;

use crate::types::Position;

/// What is going on, for whoever waits for it.
#[derive(Debug)]
pub struct Progress {
    what: String,
    on_terminal: bool,
    started: Instant,
    /// Where in the log it began, once it has.
    from: Option<Position>,
    next: Instant,
    steps: u32,
    drawn: bool,
}

const DRAW_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// A look at the clock costs as much as a small frame.
const STEPS_PER_LOOK: u32 = 256;

impl Progress {
    /// Of `what`, which begins now. Nothing is said of what is soon over.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        let on_terminal = stderr().is_terminal();
        let started = Instant::now();
        let next = started + interval(on_terminal);
        Self { what: what.into(), on_terminal, started, from: None, next, steps: 0, drawn: false }
    }

    /// It has come to `done`, and ends at `all` or a little before.
    pub fn at(&mut self, done: Position, all: Position) {
        self.step(done, all, None);
    }

    /// The same, and so many records are behind it.
    pub fn at_record(&mut self, done: Position, all: Position, records: u64) {
        self.step(done, all, Some(records));
    }

    fn step(&mut self, done: Position, all: Position, records: Option<u64>) {
        let from = *self.from.get_or_insert(done);
        self.steps = self.steps.wrapping_add(1);
        if !self.steps.is_multiple_of(STEPS_PER_LOOK) {
            return;
        }
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + interval(self.on_terminal);
        let said = text(&self.what, [from, done, all], records, now - self.started);
        if self.on_terminal {
            self.drawn = true;
            // To the end of the line, for what was drawn before may be longer.
            let _ = write!(stderr(), "\r{said}\x1b[K");
        } else {
            info!("{said}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn {
            let _ = writeln!(stderr());
        }
    }
}

const fn interval(on_terminal: bool) -> Duration {
    if on_terminal { DRAW_INTERVAL } else { LINE_INTERVAL }
}

/// As in `checking commands: 1024 of 4096 MiB (25 %), 512 MiB/s, 6 s left`. What lay before the place
/// where it began took no time.
fn text(
    what: &str,
    [from, done, all]: [Position; 3],
    records: Option<u64>,
    passed: Duration,
) -> String {
    let all = all.max(done).0;
    let (went, left) = (done.0.saturating_sub(from.0), u128::from(all - done.0));
    let mib_per_second = per_second(went >> 20, passed);
    let seconds = left * passed.as_nanos() / u128::from(went.max(1)) / 1_000_000_000;
    let percent = u128::from(done.0) * 100 / u128::from(all.max(1));
    let records = records.map_or_else(String::new, |records| {
        format!(", {records} records, {}/s", per_second(records, passed))
    });
    format!(
        "{what}: {} of {} MiB ({percent} %){records}, {mib_per_second} MiB/s, {seconds} s left",
        done.0 >> 20,
        all >> 20
    )
}

/// How many that is in a second.
#[must_use]
pub fn per_second(count: u64, elapsed: Duration) -> u64 {
    let per_second = u128::from(count) * 1_000_000_000 / elapsed.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(from: u64, done: u64, all: u64, records: Option<u64>, seconds: u64) -> String {
        let places = [from, done, all].map(|mib| Position(mib << 20));
        text("checking", places, records, Duration::from_secs(seconds))
    }

    #[test]
    fn progress_is_said_with_its_rate_and_what_is_left_at_that_rate() {
        let at_first = "checking: 1024 of 4096 MiB (25 %), 512 MiB/s, 6 s left";
        assert_eq!(said(0, 1_024, 4_096, None, 2), at_first);
        let counted = "checking: 100 of 400 MiB (25 %), 5000 records, 2500/s, 50 MiB/s, 6 s left";
        assert_eq!(said(0, 100, 400, Some(5_000), 2), counted);
        let at_last = "checking: 4096 of 4096 MiB (100 %), 512 MiB/s, 0 s left";
        assert_eq!(said(0, 4_096, 4_096, None, 8), at_last);
    }

    #[test]
    fn what_lies_before_its_beginning_is_no_work_done() {
        let late = "checking: 3100 of 4096 MiB (75 %), 50 MiB/s, 19 s left";
        assert_eq!(said(3_000, 3_100, 4_096, None, 2), late);
    }

    #[test]
    fn it_may_end_later_than_it_seemed_and_nothing_may_have_happened_yet() {
        assert_eq!(said(0, 5, 4, None, 1), "checking: 5 of 5 MiB (100 %), 5 MiB/s, 0 s left");
        let nothing = "checking: 0 of 0 MiB (0 %), 0 records, 0/s, 0 MiB/s, 0 s left";
        assert_eq!(said(0, 0, 0, Some(0), 0), nothing);
        assert_eq!(per_second(5, Duration::ZERO), 5_000_000_000);
    }
}
