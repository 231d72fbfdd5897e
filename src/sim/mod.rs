//! The simulator: the real consensus nodes of a cluster in one thread, from one seed, over a clock, a
//! network and disks that it makes up and breaks; and the real engine on what they commit.
//!
//! Every choice is drawn from the seed, so a run that found something is repeated by its number.
//!
//! A node that starts again begins with its newest image. A development build simulated 371 seconds of clusters
//! in a second on two quiet cores of a VM: the 300 seeds of 60 seconds that `make test` runs in 48 s. Of 595
//! kills of leaders (`rialto sim --kills --seeds 20 --seconds 30`) another served after 117 ms in the middle,
//! 177 ms at p99, 187 ms at most. The seeds 1 to 10,000, 60 seconds each, were run once: no violation, all converged.

mod brokers;
mod chance;
mod checks;
mod disk;
mod faults;
mod images;
mod machine;
mod network;
mod operator;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::chance::Chance;
use self::world::World;
use crate::consensus::PayloadMode;
use crate::event_store::Durability;
use crate::types::Nanos;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What every choice is drawn from.
    pub seed: u64,
    /// How long faults happen, in simulated seconds. A calm follows, in which all must come together.
    pub seconds: u64,
    /// Voters.
    pub voters: u32,
    /// Nodes that only learn.
    pub learners: u32,
    /// How payloads travel.
    pub payload: PayloadMode,
    /// When an entry is persisted.
    pub durability: Durability,
    /// Whether voters are removed and come back. Otherwise nodes lose what was not on disk, or find it
    /// damaged; both at once may leave too few who know.
    pub removes_voters: bool,
    /// If nothing goes wrong but this.
    pub only: Option<Trouble>,
    /// Whether all lose their power at once, and what was in memory with it, so that an operator must give up
    /// the quorum.
    pub blackout: bool,
    /// Whether an operator replaces a host by another.
    pub replaces: bool,
    /// A protection that is taken away, so that the checks can show that they see.
    pub(crate) sabotage: Option<Sabotage>,
}

/// What goes wrong where nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The leader is killed, about once a second.
    Kills,
    /// One follower or another is slow, or stands still.
    Lags,
}

/// Protections that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Entries go into the log before their payload is there.
    #[cfg(test)]
    NeverHoldBack,
    /// A vote is forgotten with the next message.
    #[cfg(test)]
    ForgetVotes,
    /// Who lost data comes back as who it was.
    KeepIdentity,
    /// Clients are told before the commit.
    AcknowledgeEarly,
    /// A client repeats what was not yet acknowledged.
    RepeatOrders,
    /// No lost payload is fetched.
    NoRepair,
    /// The engine of one node misses a frame's first command.
    SkipCommand,
    /// The same, and nothing else goes wrong: the nodes themselves must find out.
    Astray(u32),
    /// Staging takes all it gets.
    UnboundedStaging,
    /// Images are of what the engine came to some time before.
    StaleImages,
    /// No image is given.
    NoImages,
    /// The quorum is given up before those are there who may have longer logs.
    Haste,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was not true and must be, in words.
    pub violations: Vec<String>,
    /// Whether all nodes had come together at the end.
    pub converged: bool,
    /// The nodes at the end, where they had not.
    pub nodes: Vec<String>,
    /// Frames committed.
    pub committed: u64,
    /// Orders acknowledged.
    pub acknowledged: u64,
    /// Terms that had a leader.
    pub terms: u64,
    /// Uncommitted ends that were cut off a log.
    pub cuts: u64,
    /// Requests for lost payloads.
    pub fetches: u64,
    /// New incarnations of nodes that had lost data.
    pub incarnations: u64,
    /// Images that nodes took from others, and began with.
    pub images: u64,
    /// Orders that were acknowledged, and given up with a quorum that was lost.
    pub given_up: u64,
    /// Quorums that were founded anew.
    pub refounded: u64,
    /// Hosts that were replaced by others.
    pub replaced: u64,
    /// Hosts that halted because most came to another state.
    pub halted: Vec<u32>,
    /// Where leaders were killed and nothing else: how long until another served, for each.
    pub gaps: Vec<Nanos>,
    /// The longest time from one commit to the next.
    pub stall: Nanos,
    /// A hash of all that happened, in its order.
    pub trace: u64,
}

impl Plan {
    /// The plan of `seed`: which cluster it is about is drawn too.
    #[must_use]
    pub fn new(seed: u64, seconds: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x7061_6C6E);
        Self {
            seed,
            seconds,
            voters: if chance.permille(300) { 5 } else { 3 },
            learners: u32::from(chance.permille(300)),
            payload: if chance.permille(250) {
                PayloadMode::Unicast
            } else {
                PayloadMode::Multicast
            },
            durability: if chance.permille(400) { Durability::Disk } else { Durability::Memory },
            removes_voters: chance.permille(300),
            only: None,
            blackout: false,
            replaces: false,
            sabotage: None,
        }
        .with_operators(&mut chance)
    }

    /// With what operators have to do.
    fn with_operators(self, chance: &mut Chance) -> Self {
        let blackout = self.durability == Durability::Memory && chance.permille(250);
        let replaces = !self.removes_voters && chance.permille(300);
        Self { blackout, replaces, ..self }
    }

    /// A plan in which the leader is killed, again and again, and nothing else goes wrong.
    #[must_use]
    pub fn kills(seed: u64, seconds: u64) -> Self {
        let plan = Self::new(seed, seconds);
        Self { only: Some(Trouble::Kills), blackout: false, replaces: false, ..plan }
    }

    /// A plan in which one follower or another is slow or stands still, and nothing else goes wrong.
    #[must_use]
    pub fn lags(seed: u64, seconds: u64) -> Self {
        Self { only: Some(Trouble::Lags), ..Self::kills(seed, seconds) }
    }
}

/// Simulates `plan`. A panic of a node is a violation.
#[must_use]
pub fn run(plan: &Plan) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(|| World::new(plan.clone()).run()));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let what = format!("panicked: {}", text.unwrap_or("without a word"));
        Outcome { violations: vec![what], ..Outcome::default() }
    })
}

#[cfg(test)]
mod tests;
