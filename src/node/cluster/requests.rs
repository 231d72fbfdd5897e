//! What an operator asks of a node of a cluster, whoever leads: a file beside the control file, which the
//! node takes, and another with its answer. A follower has no port where one could log in.

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

use serde::{Deserialize, Serialize};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Call an election, now: the leader is gone, and the nodes were told to leave that to operators.
    Promote,
    /// Hand leadership to another node that has everything.
    Transfer,
    /// Let a host in that is none of the cluster's.
    Add {
        /// Its number.
        host: u32,
        /// Where it takes the others' messages.
        address: SocketAddrV4,
        /// Whether it is to vote.
        votes: bool,
    },
    /// Remove a host for good.
    Remove {
        /// Its number.
        host: u32,
    },
    /// Switch every node to a version of the logic.
    Activate {
        /// The version.
        version: u32,
    },
    /// Go on without a quorum that is lost.
    RecoverQuorum {
        /// Hosts that will not come back with what they had.
        lost: BTreeSet<u32>,
    },
}

/// What came of it, in words: what is done now, or why nothing is.
pub(super) type Answer = Result<String, String>;

const NAME: &str = "request";
/// A node looks every few milliseconds, and may listen to others for a while.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A request in its file.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    /// What the answer's file ends in.
    token: String,
    request: Request,
}

impl Request {
    /// Asks the node whose control file lies in `directory`, and waits for its answer.
    ///
    /// # Errors
    /// The operating system's, that no node hears, or what the node says against it.
    pub fn ask(self, directory: &Path) -> io::Result<String> {
        let token = process::id().to_string();
        let (path, answer) = (directory.join(NAME), directory.join(answer_name(&token)));
        let unfinished = directory.join("request.new");
        let asked = Asked { token, request: self };
        fs::write(&unfinished, serde_json::to_vec(&asked)?)?;
        let _ = fs::remove_file(&answer);
        fs::rename(&unfinished, &path)?;
        let begun = Instant::now();
        loop {
            if let Ok(text) = fs::read(&answer) {
                let _ = fs::remove_file(&answer);
                return serde_json::from_slice::<Answer>(&text)?.map_err(io::Error::other);
            }
            let timed_out = |why| Err(io::Error::new(io::ErrorKind::TimedOut, why));
            if path.exists() && begun.elapsed() > TAKEN_WITHIN {
                let _ = fs::remove_file(&path);
                return timed_out("no node of a cluster runs there");
            }
            if begun.elapsed() > ANSWERED_WITHIN {
                return timed_out("the node has not answered");
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }
}

fn answer_name(token: &str) -> String {
    format!("answer.{token}")
}

/// Between the files, or the node itself, and the replica.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Requests(Arc<Desk>);

#[derive(Debug, Default)]
struct Desk {
    /// Whether something is asked: all that a duty cycle looks at.
    is_asked: AtomicBool,
    papers: Mutex<Papers>,
}

#[derive(Debug, Default)]
struct Papers {
    request: Option<Request>,
    /// Who waits for an answer.
    token: Option<String>,
    answer: Option<Answer>,
}

impl Requests {
    /// Asks, in place of what was asked and not yet heard. Nobody waits for the answer.
    pub(in crate::node) fn put(&self, request: Request) {
        let mut papers = self.lock();
        (papers.request, papers.token, papers.answer) = (Some(request), None, None);
        self.0.is_asked.store(true, Ordering::Release);
    }

    /// Takes what was asked in the file, if anything was, and puts down what was answered.
    pub(in crate::node) fn look(&self, directory: &Path) {
        let mut papers = self.lock();
        if let Some(answer) = papers.answer.take()
            && let Some(token) = papers.token.take()
            && let Ok(text) = serde_json::to_vec(&answer)
        {
            let unfinished = directory.join("answer.new");
            let written = fs::write(&unfinished, text);
            drop(
                written.and_then(|()| fs::rename(unfinished, directory.join(answer_name(&token)))),
            );
        }
        let path = directory.join(NAME);
        let Ok(text) = fs::read(&path) else { return };
        let _ = fs::remove_file(&path);
        if let Ok(Asked { token, request }) = serde_json::from_slice(&text) {
            (papers.request, papers.token, papers.answer) = (Some(request), Some(token), None);
            self.0.is_asked.store(true, Ordering::Release);
        }
    }

    /// What was asked since the last time.
    pub(super) fn take(&self) -> Option<Request> {
        if !self.0.is_asked.swap(false, Ordering::Acquire) {
            return None;
        }
        self.lock().request.take()
    }

    /// Answers what was taken.
    pub(super) fn answer(&self, answer: Answer) {
        self.lock().answer = Some(answer);
    }

    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.0.papers.lock().expect("a panic ends the process")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once_and_who_asked_hears_the_answer() {
        let directory = std::env::temp_dir().join(format!("rialto-requests-{}", process::id()));
        fs::create_dir_all(&directory).unwrap();
        let requests = Requests::default();
        let place = directory.clone();
        let asked = thread::spawn(move || Request::Remove { host: 3 }.ask(&place));
        let mut answered = false;
        while !asked.is_finished() {
            requests.look(&directory);
            if let Some(request) = requests.take() {
                assert_eq!(request, Request::Remove { host: 3 });
                assert!(!answered && requests.take().is_none());
                requests.answer(Err("host 3 is no member".to_owned()));
                answered = true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let error = asked.join().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "host 3 is no member");
        fs::remove_dir_all(&directory).unwrap();
    }
}
