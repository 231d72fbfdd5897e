//! Three nodes in one thread: what a batch costs the leader, and all of them together.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use super::member::{Member, member, moment};
use super::{Batches, PaceError, with_logs};
use crate::consensus::{Moment, Transport};
use crate::sys::cpu_time::thread_cpu_time;
use crate::types::Nanos;

const HOSTS: u32 = 3;
/// A round of batches.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// How many there were.
    pub batches: u32,
    /// What the leader alone takes for one, by the clock: the median.
    pub leader: Duration,
    /// What the thread took of its core for all of them, on all nodes.
    pub whole: Nanos,
}

/// Has three nodes agree on so many batches, several under way at a time.
///
/// # Errors
/// [`PaceError`].
pub fn in_process(
    directory: &Path,
    batches: &Batches,
    count: u32,
    in_flight: u32,
) -> Result<Round, PaceError> {
    with_logs(directory.to_owned(), || {
        Cluster::begin(directory)?.agree(batches, count / in_flight, in_flight)
    })
}

struct Cluster {
    since: Instant,
    leader: Member,
    followers: Vec<Member>,
    /// What the leader sent, and what it is sent.
    sent: Queue,
    received: Queue,
}

impl Cluster {
    fn begin(directory: &Path) -> Result<Self, PaceError> {
        let since = Instant::now();
        let mut members: Vec<_> = (1..=HOSTS)
            .map(|host| member(directory, host, HOSTS, moment(since)))
            .collect::<Result<_, _>>()?;
        let followers = members.split_off(1);
        let leader = members.pop().expect("the first");
        let [sent, received] = [Queue::default(), Queue::default()];
        let mut cluster = Self { since, leader, followers, sent, received };
        cluster.leader.campaign(moment(since), &mut cluster.sent)?.expect("it votes");
        while !cluster.leader.is_serving() {
            cluster.exchange(moment(since), &mut Duration::default())?;
        }
        Ok(cluster)
    }

    /// Brings everybody what the others said.
    fn exchange(&mut self, now: Moment, leader: &mut Duration) -> Result<(), PaceError> {
        for follower in &mut self.followers {
            for message in self.sent.messages(follower.id().host) {
                follower.receive(now, message, &mut self.received)?;
            }
            follower.do_work(now, &mut self.received)?;
        }
        self.sent.clear();
        let begin = Instant::now();
        for message in self.received.messages(self.leader.id().host) {
            self.leader.receive(now, message, &mut self.sent)?;
        }
        self.leader.do_work(now, &mut self.sent)?;
        *leader += begin.elapsed();
        self.received.clear();
        Ok(())
    }

    fn agree(mut self, of: &Batches, rounds: u32, in_flight: u32) -> Result<Round, PaceError> {
        let mut payloads = of.cycle(rounds * in_flight);
        let mut times = Vec::new();
        let begin = thread_cpu_time();
        for _ in 0..rounds {
            let now = moment(self.since);
            let mut leader = Duration::ZERO;
            let mut last = 0;
            for payload in payloads.by_ref().take(in_flight as usize) {
                let begin = Instant::now();
                let payload = payload.clone();
                let proposed = self.leader.propose(now, of.commands, payload, &mut self.sent)?;
                leader += begin.elapsed();
                last = proposed?.0;
            }
            while self.leader.committed() < last {
                self.exchange(now, &mut leader)?;
            }
            times.push(leader / in_flight);
        }
        let whole = thread_cpu_time().since(begin);
        times.sort_unstable();
        let leader = times.get(times.len() / 2).copied().unwrap_or_default();
        Ok(Round { batches: rounds * in_flight, leader, whole })
    }
}

/// Messages one behind the other, each with the host that it is for, or for all.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    messages: Vec<(Option<u32>, Range<usize>)>,
}

impl Queue {
    fn messages(&self, host: u32) -> impl Iterator<Item = &[u8]> {
        let of = self.messages.iter().filter(move |(to, _)| to.is_none_or(|to| to == host));
        of.map(|(_, message)| &self.bytes[message.clone()])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.messages.clear();
    }

    fn push(&mut self, to: Option<u32>, message: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(message);
        self.messages.push((to, begin..self.bytes.len()));
    }
}

impl Transport for Queue {
    fn send(&mut self, host: u32, message: &[u8]) {
        self.push(Some(host), message);
    }

    fn publish(&mut self, message: &[u8]) {
        self.push(None, message);
    }
}
