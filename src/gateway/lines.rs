//! How many lines a second the node's log may hold about participants: whoever can connect, and each who can log
//! in, could fill the operator's disk otherwise. What is left out is counted all the same.

use tracing::warn;

use super::connection::{Connection, LoginState};
use crate::net::RateLimit;
use crate::types::Nanos;

/// The bounds of each kind of lines, apart: none leaves out what is of another.
#[derive(Debug)]
pub(super) struct Lines {
    /// About those who have not logged in.
    pub(super) strangers: Bounded,
    /// About those who have: a day's begin has one for each of ten thousand.
    pub(super) sessions: Bounded,
    /// Alarms that are the operator's affair.
    pub(super) alarms: Bounded,
}

/// Lines of one kind.
#[derive(Debug)]
pub(super) struct Bounded {
    limit: RateLimit,
    left_out: u64,
}

impl Lines {
    /// Of strangers some 30 MB a day at the very most.
    pub(super) const fn new() -> Self {
        Self {
            strangers: Bounded::new(1, 100),
            sessions: Bounded::new(10, 20_000),
            alarms: Bounded::new(1, 100),
        }
    }

    /// Those that a line about `connection` is one of.
    pub(super) const fn about(&mut self, connection: &Connection) -> &mut Bounded {
        let is_up = matches!(connection.login, LoginState::Up { .. });
        if is_up { &mut self.sessions } else { &mut self.strangers }
    }
}

impl Bounded {
    const fn new(per_second: u64, burst: u64) -> Self {
        Self { limit: RateLimit::new(per_second, burst), left_out: 0 }
    }

    /// Whether another may be written. One behind those that were not says first how many they are.
    pub(super) fn has_room(&mut self, now: Nanos) -> bool {
        let has_room = self.limit.take(now);
        if !has_room {
            self.left_out += 1;
        } else if self.left_out > 0 {
            // Not in the line's arguments: they are not looked at where it is not written.
            let left_out = std::mem::take(&mut self.left_out);
            warn!(left_out, "lines like the next were too many");
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::info;

    use super::*;

    /// What is written to the log while `code` runs.
    fn log_of(code: impl FnOnce()) -> String {
        let (log, writer) = std::io::pipe().unwrap();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(writer)).finish();
        tracing::subscriber::with_default(subscriber, code);
        std::io::read_to_string(log).unwrap()
    }

    #[test]
    fn a_flood_of_strangers_is_a_hundred_lines_and_one_a_second_and_how_many_more_is_said() {
        let mut lines = Lines::new();
        let say = |lines: &mut Lines, count, now| {
            for _ in 0..count {
                if lines.strangers.has_room(now) {
                    info!("refused");
                }
            }
        };
        let log = log_of(|| say(&mut lines, 5_000, Nanos::from_secs(9)));
        assert_eq!(log.lines().count(), 100, "{log}");
        assert!(lines.sessions.has_room(Nanos::from_secs(9)), "others are written about");
        let log = log_of(|| say(&mut lines, 5_000, Nanos::from_secs(10)));
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(log.contains("lines like the next were too many left_out=4900"), "{log}");
    }
}
