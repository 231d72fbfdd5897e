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
        Self { what: what.into(), on_terminal, started, next, steps: 0, drawn: false }
    }

    /// It has come to `done`, and ends at `all` or a little before.
    pub fn at(&mut self, done: Position, all: Position) {
        self.steps = self.steps.wrapping_add(1);
        if !self.steps.is_multiple_of(STEPS_PER_LOOK) {
            return;
        }
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + interval(self.on_terminal);
        let said = text(&self.what, done, all, now - self.started);
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

/// As in `checking commands: 1024 of 4096 MiB, 512 MiB/s, 6 s left`.
fn text(what: &str, done: Position, all: Position, passed: Duration) -> String {
    let left = u128::from(all.0.saturating_sub(done.0));
    let [done, all] = [done, all.max(done)].map(|at| at.0 >> 20);
    let nanos = passed.as_nanos().max(1);
    let per_second = u128::from(done) * 1_000_000_000 / nanos;
    let seconds = left * nanos / (u128::from(done.max(1)) << 20) / 1_000_000_000;
    format!("{what}: {done} of {all} MiB, {per_second} MiB/s, {seconds} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_said_with_its_rate_and_what_is_left_at_that_rate() {
        let said = |done: u64, all: u64, seconds| {
            text(
                "checking",
                Position(done << 20),
                Position(all << 20),
                Duration::from_secs(seconds),
            )
        };
        assert_eq!(said(1_024, 4_096, 2), "checking: 1024 of 4096 MiB, 512 MiB/s, 6 s left");
        assert_eq!(said(4_096, 4_096, 8), "checking: 4096 of 4096 MiB, 512 MiB/s, 0 s left");
        // It may end later than it seemed, and nothing may have happened yet.
        assert_eq!(said(5, 4, 1), "checking: 5 of 5 MiB, 5 MiB/s, 0 s left");
        assert_eq!(said(0, 4, 1), "checking: 0 of 4 MiB, 0 MiB/s, 4 s left");
        let at_once = text("checking", Position(0), Position(0), Duration::ZERO);
        assert_eq!(at_once, "checking: 0 of 0 MiB, 0 MiB/s, 0 s left");
    }
}
