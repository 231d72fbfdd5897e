//! What an operator asks of a node of a cluster, whoever leads: a file beside the control file, which the
//! node takes. A follower has no port where one could log in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Call an election, now: the leader is gone, and the nodes were told to leave that to operators.
    Promote,
    /// Hand leadership to another node that has everything.
    Transfer,
}

const NAME: &str = "request";
/// A node looks every few milliseconds.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

impl Request {
    const ALL: [Self; 2] = [Self::Promote, Self::Transfer];

    const fn name(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Transfer => "transfer",
        }
    }

    /// Asks the node whose control file lies in `directory`, and waits until it has heard.
    ///
    /// # Errors
    /// The operating system's, or that no node hears.
    pub fn ask(self, directory: &Path) -> io::Result<()> {
        let (path, unfinished) = (directory.join(NAME), directory.join("request.new"));
        fs::write(&unfinished, self.name())?;
        fs::rename(&unfinished, &path)?;
        let given_up = Instant::now() + TAKEN_WITHIN;
        while path.exists() {
            if Instant::now() > given_up {
                let _ = fs::remove_file(&path);
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "no node of a cluster runs there",
                ));
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }
}

/// From the file, or the node itself, to the replica.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Requests(Arc<AtomicU8>);

impl Requests {
    /// Asks, in place of what was asked and not yet heard.
    pub(in crate::node) fn put(&self, request: Request) {
        self.0.store(1 + request as u8, Ordering::Release);
    }

    /// Takes what was asked in the file, if anything was.
    pub(in crate::node) fn look(&self, directory: &Path) {
        let path: PathBuf = directory.join(NAME);
        let Ok(text) = fs::read_to_string(&path) else { return };
        if let Some(request) = Request::ALL.into_iter().find(|request| request.name() == text) {
            self.put(request);
        }
        let _ = fs::remove_file(&path);
    }

    /// What was asked since the last time.
    pub(super) fn take(&self) -> Option<Request> {
        if self.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let asked = self.0.swap(0, Ordering::Acquire);
        Request::ALL.into_iter().find(|request| 1 + *request as u8 == asked)
    }
}
