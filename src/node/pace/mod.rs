//! How fast a cluster agrees: nodes of consensus over logs in memory, without the exchange around them. For
//! benches; the nodes and their logs are those that are in use.

mod in_process;
mod member;
mod over_udp;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use self::in_process::{Round, in_process};
pub use self::over_udp::{Setting, rate, round_trips, under_way};
use crate::consensus::udp::UdpError;
use crate::consensus::{NodeFailure, NotProposed};
use crate::event_store::StoreError;
use crate::types::{Line, Nanos};

/// How long a lost payload is waited for before it is asked for.
pub const REPAIR_DELAY: Nanos = member::timing().patience.delay;

/// Patience with a commit, and with an echo.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is agreed on: payloads of frames of so many commands, one after the other and from the first again.
#[derive(Clone, Debug)]
pub struct Batches {
    /// Commands in each.
    pub commands: u16,
    /// What is in them.
    pub payloads: Vec<Vec<Line>>,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum PaceError {
    /// A log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A node.
    #[error(transparent)]
    Node(#[from] NodeFailure),
    /// A leader that leads no more, or has no room.
    #[error(transparent)]
    NotProposed(#[from] NotProposed),
    /// A node's socket.
    #[error(transparent)]
    Transport(#[from] UdpError),
    /// A socket for echoes.
    #[error("UDP socket on loopback: {0}")]
    Socket(#[source] io::Error),
    /// The logs cannot be removed.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Nothing came of it.
    #[error("no {0} within {seconds} s", seconds = PATIENCE.as_secs())]
    Silence(&'static str),
}

impl Batches {
    fn cycle(&self, batches: u32) -> impl Iterator<Item = &Vec<Line>> {
        self.payloads.iter().cycle().take(batches as usize)
    }
}

/// Has `work` done with a directory for logs, which is removed.
fn with_logs<R>(
    directory: PathBuf,
    work: impl FnOnce() -> Result<R, PaceError>,
) -> Result<R, PaceError> {
    let result = work();
    match std::fs::remove_dir_all(&directory) {
        Err(source) if result.is_ok() => Err(PaceError::File { path: directory, source }),
        _ => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches() -> Batches {
        let mut record = Line::ZERO;
        (record.0[0], record.0[1]) = (1, 1);
        Batches { commands: 4, payloads: vec![vec![record; 4]; 3] }
    }

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rialto-pace-{name}-{}", std::process::id()))
    }

    #[test]
    fn every_batch_is_agreed_on_however_many_are_under_way() {
        for in_flight in [1, 16] {
            let round = in_process(&directory("queue"), &batches(), 160, in_flight).unwrap();
            assert_eq!(round.batches, 160);
            assert!(round.whole > Nanos::ZERO && !round.leader.is_zero());
        }
    }

    #[test]
    fn over_udp_every_batch_is_agreed_on_even_where_messages_are_lost() {
        for setting in [Setting::Alone, Setting::Three, Setting::Lossy] {
            let times = under_way(&directory("udp"), setting, &batches(), 50).unwrap();
            assert_eq!(times.len(), 50, "{setting:?}");
            assert!(rate(&directory("udp"), setting, &batches(), 50).unwrap() > 0);
        }
        assert_eq!(round_trips(20).unwrap().len(), 20);
    }
}
