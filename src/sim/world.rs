//! The cluster: its hosts, what is under way between them, and the loop that lets one thing happen after
//! the other.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::chance::Chance;
use super::checks::Checks;
use super::disk::{SimControl, SimLog};
use super::faults::Fault;
use super::images::{Image, SimImages};
use super::machine::{Machine, MachineState};
use super::network::{Network, Outbox};
use super::operator::Operator;
use super::{Outcome, Plan, Sabotage};
use crate::consensus::{
    ControlState, FrameLog, Members, Moment, Node, NodeFailure, NodeId, Settings, Timing,
};
use crate::event_store::Durability;
use crate::types::{ClusterKey, Nanos};

/// How long after the last fault all nodes must have come together.
const CALM: Nanos = Nanos::from_secs(5);
/// How much staging a simulated node has: little, so that it is full at times.
const STAGING_BYTES: usize = 8 << 10;
/// The wall clock at the start.
const START: Nanos = Nanos::from_secs(1_772_461_800);
/// Frames from one image of a node to the next.
const IMAGE_FRAMES: (u64, u64) = (20, 200);
/// The most events without an end of the run: ten times what was seen.
const EVENTS_PER_SECOND_MAX: u64 = 200_000;

pub(super) type SimNode = Node<SimLog, SimControl>;

/// A host, and the node on it while it is up.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: NodeId,
    pub(super) node: Option<SimNode>,
    /// While the node is down.
    pub(super) disk: Option<(SimLog, SimControl)>,
    images: SimImages,
    pub(super) machine: Machine,
    /// What is said to be in the next image, where that is a lie.
    stale: Option<MachineState>,
    /// The frame behind which the next image is taken.
    next_image: u64,
    /// It does nothing before.
    pub(super) paused_until: Nanos,
    /// What its wall clock is ahead of the start.
    pub(super) ahead: Nanos,
    /// It lost what it may have acknowledged.
    pub(super) has_lost: bool,
    /// Frames proposed: index, term, and orders in them.
    pub(super) proposed: VecDeque<(u64, u64, Vec<u64>)>,
    /// The term it has announced, or is about to.
    pub(super) announced: u64,
    wake: Nanos,
    /// Counts lives, so that what was meant for an earlier one is known.
    pub(super) life: u32,
    cuts: u64,
    fetches: u64,
    /// It came to another state than most, and does no more.
    pub(super) has_halted: bool,
    /// It is not yet, or no more, one of the cluster's.
    pub(super) is_away: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Event {
    Deliver { host: u32, message: Rc<[u8]> },
    Wake { host: u32 },
    Synced { host: u32, life: u32 },
    Orders,
    Strike,
    Heal(Fault),
    Start { host: u32 },
    Operate,
}

/// A cluster and its surroundings.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) chance: Chance,
    pub(super) hosts: Vec<Host>,
    pub(super) network: Network,
    pub(super) now: Nanos,
    pub(super) checks: Checks,
    events: BTreeMap<(Nanos, u64), Event>,
    scheduled: u64,
    pub(super) next_order: u64,
    pub(super) calm: bool,
    /// When the leader was killed, until another serves.
    pub(super) killed_at: Option<Nanos>,
    gaps: Vec<Nanos>,
    /// When a frame was committed last, wherever that was first, and the longest time between two of them.
    committed_at: Option<Nanos>,
    stall: Nanos,
    /// A hash of all that happened.
    trace: u64,
    incarnations: u64,
    images: u64,
    pub(super) operator: Operator,
}

impl World {
    pub(super) fn new(plan: Plan) -> Self {
        let mut chance = Chance::new(plan.seed);
        let network = if plan.only.is_some() {
            Network::default()
        } else {
            Network::draw(&mut chance, plan.sabotage == Some(Sabotage::NoRepair))
        };
        let mut world = Self {
            hosts: Vec::new(),
            network,
            now: Nanos::ZERO,
            checks: Checks::default(),
            events: BTreeMap::new(),
            scheduled: 0,
            next_order: 1,
            calm: false,
            killed_at: None,
            gaps: Vec::new(),
            committed_at: None,
            stall: Nanos::ZERO,
            trace: 0,
            incarnations: 0,
            images: 0,
            operator: Operator::new(&plan),
            chance,
            plan,
        };
        let voters: Vec<_> = (1..=world.plan.voters).collect();
        let learners: Vec<_> = (1..=world.plan.learners).map(|l| world.plan.voters + l).collect();
        for host in voters.iter().chain(&learners) {
            let members = Members::first(&voters, &learners);
            let control = ControlState { term: 0, vote: 0, members, members_index: 0 };
            world.hosts.push(Host::new(*host, (SimLog::new(), SimControl(control))));
            world.start(*host);
        }
        if world.plan.replaces {
            // It is not started before it is expected.
            let spare = world.plan.voters + world.plan.learners + 1;
            let control = ControlState {
                term: 0,
                vote: 0,
                members: Members::first(&voters, &learners),
                members_index: 0,
            };
            world.hosts.push(Host::new(spare, (SimLog::new(), SimControl(control))));
            world.hosts[spare as usize - 1].is_away = true;
        }
        if world.plan.replaces || world.plan.blackout {
            world.schedule(Nanos::from_millis(700), Event::Operate);
        }
        world.schedule(Nanos::from_millis(1), Event::Orders);
        world.schedule(Nanos::from_millis(500), Event::Strike);
        world
    }

    /// Lets everything happen, and judges.
    pub(super) fn run(mut self) -> Outcome {
        let end = Nanos::from_secs(self.plan.seconds);
        self.run_until(end);
        self.heal_all();
        self.run_until(end.after(CALM));
        let converged = self.has_converged();
        self.checks.orders_are_in_the_log_once();
        let hosts = self.hosts.iter();
        let describe = |host: &Host| {
            let members = host.node.as_ref().map(Node::members);
            let end = host.node.as_ref().map(|node| node.log().chain().index);
            format!("{} {:?} log to {end:?} {members:?}", host.id, host.node)
        };
        let nodes = if converged { Vec::new() } else { hosts.clone().map(describe).collect() };
        Outcome {
            converged,
            nodes,
            committed: self.checks.committed(),
            acknowledged: self.checks.acknowledged(),
            terms: self.checks.terms(),
            cuts: hosts.clone().map(|host| host.cuts).sum(),
            fetches: hosts.map(|host| host.fetches).sum(),
            incarnations: self.incarnations,
            images: self.images,
            given_up: self.checks.given_up(),
            refounded: self.operator.refounded,
            replaced: self.operator.replaced,
            halted: self.hosts.iter().filter(|h| h.has_halted).map(|h| h.id.host).collect(),
            gaps: self.gaps,
            stall: self.stall,
            trace: self.trace,
            violations: self.checks.violations,
        }
    }

    fn run_until(&mut self, end: Nanos) {
        let budget = (end.second() + 1) * EVENTS_PER_SECOND_MAX;
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 < end) {
            let ((time, number), event) = entry.remove_entry();
            self.now = time;
            if !self.checks.violations.is_empty() || number > budget {
                break; // The first is the one to look at.
            }
            self.happen(event);
        }
        if self.scheduled > budget {
            self.checks.violation(format!("{} events: something never rests", self.scheduled));
        }
        self.now = end;
    }

    pub(super) fn schedule(&mut self, after: Nanos, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now.after(after), self.scheduled), event);
    }

    fn happen(&mut self, event: Event) {
        self.trace = xxh3_64_with_seed(&self.now.0.to_le_bytes(), self.trace);
        match event {
            Event::Deliver { host, message } => {
                self.trace = xxh3_64_with_seed(&message, self.trace);
                if self.is_awake(host, || Event::Deliver { host, message: Rc::clone(&message) }) {
                    self.act(host, |node, now, out| node.receive(now, &message, out));
                }
            }
            Event::Wake { host } => {
                if self.host(host).wake == self.now && self.is_awake(host, || Event::Wake { host })
                {
                    self.act(host, SimNode::do_work);
                }
            }
            Event::Synced { host, life } => {
                if self.host(host).life == life && self.host(host).node.is_some() {
                    self.act(host, |node, now, out| {
                        node.log_mut().sync_done();
                        node.do_work(now, out)
                    });
                }
            }
            Event::Orders => self.enter_orders(),
            Event::Strike => self.strike(),
            Event::Heal(fault) => self.heal(fault),
            Event::Start { host } => self.start(host),
            Event::Operate => self.operate(),
        }
    }

    /// Whether the host can do something now; a paused one does it when it goes on.
    fn is_awake(&mut self, host: u32, again: impl FnOnce() -> Event) -> bool {
        let until = self.host(host).paused_until;
        if until > self.now {
            self.schedule(until.since(self.now), again());
            self.host_mut(host).wake = until;
        }
        until <= self.now
    }

    pub(super) fn host(&self, host: u32) -> &Host {
        &self.hosts[host as usize - 1]
    }

    pub(super) fn host_mut(&mut self, host: u32) -> &mut Host {
        &mut self.hosts[host as usize - 1]
    }

    /// Lets a node do something, sends what it sends, and looks at what became of it.
    pub(super) fn act(
        &mut self,
        host: u32,
        what: impl FnOnce(&mut SimNode, Moment, &mut Outbox) -> Result<(), NodeFailure>,
    ) {
        let now = Moment {
            monotonic: self.now,
            wall: START.after(self.now).after(self.host(host).ahead),
        };
        let mut out = Outbox::default();
        let Some(node) = self.host_mut(host).node.as_mut() else { return };
        let result = what(node, now, &mut out);
        self.dispatch(host, out);
        let committed = self.checks.committed();
        self.observe(host);
        if self.checks.committed() > committed {
            let before = self.committed_at.replace(self.now).unwrap_or(self.now);
            self.stall = self.stall.max(self.now.since(before));
        }
        match result {
            Ok(()) if self.host(host).machine.is_astray => self.halt(host),
            Ok(()) => self.schedule_wake(host),
            Err(NodeFailure::Store(_)) => {
                self.stop(host);
                let until = self.chance.millis(100, 1000);
                self.schedule(until, Event::Start { host });
            }
            Err(NodeFailure::Moved { .. }) => {
                self.stop(host);
                self.move_in(host);
                self.schedule(Nanos::from_millis(5), Event::Start { host });
            }
            Err(NodeFailure::Astray { .. }) => self.halt(host),
            Err(NodeFailure::Refounded { index, .. }) => {
                self.stop(host);
                self.has_refounded(host, index);
                self.schedule(Nanos::from_millis(5), Event::Start { host });
            }
            Err(failure) => {
                let id = self.host(host).id;
                self.checks.violation(format!("node {id} stopped: {failure}"));
            }
        }
    }

    fn dispatch(&mut self, from: u32, out: Outbox) {
        for (to, message) in out.0 {
            let message: Rc<[u8]> = message.into();
            let everyone = 1..=u32::try_from(self.hosts.len()).expect("few");
            let hosts = to.map_or(everyone, |to| to..=to);
            for host in hosts.filter(|host| *host != from) {
                let way = (from, host);
                let delays = self.network.delays(way, to.is_none(), &message, &mut self.chance);
                for delay in delays {
                    let message = Rc::clone(&message);
                    self.schedule(delay, Event::Deliver { host, message });
                }
            }
        }
    }

    fn observe(&mut self, host: u32) {
        let staging_max = STAGING_BYTES;
        let Self { hosts, checks, plan, .. } = self;
        let Host {
            id,
            node,
            machine,
            proposed,
            life,
            cuts,
            fetches,
            images,
            stale,
            next_image,
            ..
        } = &mut hosts[host as usize - 1];
        let Some(node) = node else { return };
        (*cuts, *fetches) = (node.counters().cuts, node.counters().fetches);
        if node.is_leader() {
            checks.leads(node.term(), *id);
        }
        if node.staged_bytes() > staging_max {
            checks.violation(format!("node {id} has staged {} bytes", node.staged_bytes()));
        }
        if let Some(index) = node.log().breach {
            checks.violation(format!("node {id} has frame {index} without its payload"));
            return;
        }
        while machine.applied < node.committed() {
            let index = machine.applied + 1;
            let header = node.log().header(index).expect("committed");
            let payload = node.log().payload(index).expect("committed");
            checks.commits(*id, &header, payload);
            if !checks.violations.is_empty() {
                return;
            }
            let is_astray = plan.sabotage == Some(Sabotage::Astray(host));
            let skips = (plan.sabotage == Some(Sabotage::SkipCommand) && host == 1) || is_astray;
            let events = machine.apply(&header, payload, skips);
            if !is_astray {
                checks.derives(*id, index, events);
            }
        }
        if let Some(sample) = machine.sample() {
            node.has_come_to(sample);
        }
        let takes_images = !matches!(plan.sabotage, Some(Sabotage::Astray(_)));
        if takes_images && machine.applied >= *next_image && machine.applied > 0 {
            *next_image = machine.applied + self.chance.between(IMAGE_FRAMES.0, IMAGE_FRAMES.1);
            checks.images(*id, machine.applied, machine.events(), machine.state_hash());
            let chain = node.log().chain_at(machine.applied).expect("just applied");
            let mut state = machine.state();
            if plan.sabotage == Some(Sabotage::StaleImages) {
                state = stale.replace(state.clone()).unwrap_or(state);
            }
            let (members, members_index) = (node.members().clone(), node.members_index());
            let gone = images.keep(Image { chain, state, members, members_index });
            if gone > 0 {
                node.log_mut().retire(gone);
            }
        }
        while let Some((index, term, _)) = proposed.front()
            && *index <= node.committed()
        {
            let is_ours = node.log().header(*index).is_some_and(|h| u64::from(h.term) == *term);
            let (_, _, orders) = proposed.pop_front().expect("seen above");
            if is_ours {
                checks.acknowledge(&orders);
            }
        }
        if node.is_serving()
            && let Some(killed_at) = self.killed_at.take()
        {
            self.gaps.push(self.now.since(killed_at));
        }
        if std::mem::take(&mut node.log_mut().wants_sync) {
            let event = Event::Synced { host, life: *life };
            let slow = self.chance.permille(20);
            let after = if slow { self.chance.millis(5, 50) } else { self.chance.millis(0, 2) };
            self.schedule(after, event);
        }
    }

    fn schedule_wake(&mut self, host: u32) {
        let now = self.now;
        let Some(node) = &self.host(host).node else { return };
        let due = node.due().max(now.after(Nanos(1)));
        if due < self.host(host).wake || self.host(host).wake <= now {
            self.host_mut(host).wake = due;
            self.schedule(due.since(now), Event::Wake { host });
        }
    }

    /// Starts a node from what its disk has.
    pub(super) fn start(&mut self, host: u32) {
        let (seed, plan) = (self.plan.seed, self.plan.clone());
        let voters = self.operator.voters.clone();
        let now = Moment { monotonic: self.now, wall: START.after(self.now) };
        let target = self.host_mut(host);
        if target.has_halted || target.is_away {
            return;
        }
        let Some((mut log, mut control)) = target.disk.take() else { return };
        let image = target.images.newest(|end| log.chain_at(end.index) == Some(*end));
        // What is in an image was committed.
        if let Some(image) = &image {
            log.commit(image.chain.index.max(log.committed()));
        }
        if std::mem::take(&mut target.has_lost) && plan.sabotage != Some(Sabotage::KeepIdentity) {
            // It knows nothing of who is a member, and was never asked for a vote.
            target.id = target.id.next();
            let learners: Vec<_> = (1..=plan.learners).map(|l| plan.voters + l).collect();
            let first: Vec<_> = (1..=plan.voters).collect();
            let members = Members::first(&first, &learners);
            // Changes of before the log's beginning it does not see again.
            control.0.vote = 0;
            let known = control.0.members_index.min(log.chain().index);
            control.0.members_index = known;
            if log.base().0 == 0 {
                control.0 = ControlState { members, members_index: 0, ..control.0 };
            }
        }
        if plan.durability == Durability::Disk {
            log.sync_now();
        }
        log.is_full = false;
        let unbounded = plan.sabotage == Some(Sabotage::UnboundedStaging);
        let settings = Settings {
            cluster: 7,
            key: ClusterKey::new([7; ClusterKey::BYTES]),
            id: target.id,
            voters,
            supports: 1,
            learners: (1..=plan.learners).map(|l| plan.voters + l).collect(),
            payload: plan.payload,
            durability: plan.durability,
            campaigns: true,
            observes: false,
            timing: Timing::default(),
            staging_bytes_max: if unbounded { usize::MAX } else { STAGING_BYTES },
            seed,
        };
        let gives = plan.sabotage != Some(Sabotage::NoImages);
        let images = if gives { target.images.clone() } else { SimImages::default() };
        let node = Node::new(settings, log, Box::new(images), control, now);
        #[cfg_attr(not(test), expect(unused_mut, reason = "only sabotage changes it"))]
        let mut node = node.expect("settings that raft takes");
        #[cfg(test)]
        {
            node.never_holds_back = plan.sabotage == Some(Sabotage::NeverHoldBack);
            node.forgets_votes = plan.sabotage == Some(Sabotage::ForgetVotes);
        }
        target.node = Some(node);
        target.life += 1;
        target.machine =
            image.as_ref().map_or_else(Machine::new, |image| Machine::from_state(&image.state));
        target.next_image = target.machine.applied + IMAGE_FRAMES.0;
        target.proposed.clear();
        (target.announced, target.wake, target.paused_until) = (0, Nanos::ZERO, Nanos::ZERO);
        if let Some(image) = image {
            let Host { id, machine, .. } = target;
            let (id, events, state) = (*id, machine.events(), machine.state_hash());
            self.checks.images(id, image.chain.index, events, state);
        }
        self.schedule_wake(host);
    }

    /// A node that took an image has its log begin behind it.
    fn move_in(&mut self, host: u32) {
        let target = self.host_mut(host);
        let Some(Image { chain, members, members_index, .. }) = target.images.installed() else {
            return;
        };
        let Some((log, control)) = &mut target.disk else { return };
        *log = SimLog::behind(chain);
        if members_index > control.0.members_index {
            control.0 = ControlState { members, members_index, ..control.0.clone() };
        }
        self.images += 1;
    }

    /// Kills a node; its page cache stays.
    pub(super) fn stop(&mut self, host: u32) {
        let host = self.host_mut(host);
        if let Some(node) = host.node.take() {
            host.disk = Some(node.into_parts());
        }
    }

    /// A node came to another state than most: it is stopped, and nobody starts it.
    fn halt(&mut self, host: u32) {
        self.stop(host);
        self.host_mut(host).has_halted = true;
    }

    /// A node lost what it may have acknowledged.
    pub(super) fn lose_identity(&mut self, host: u32) {
        if !std::mem::replace(&mut self.host_mut(host).has_lost, true) {
            self.incarnations += 1;
        }
    }

    /// All nodes are up, members as they should be, and have committed and applied the same.
    fn has_converged(&mut self) -> bool {
        let all = self.checks.committed();
        let voters = self.plan.voters;
        let is_part = |host: &&Host| !host.has_halted && !host.is_away;
        let same = self.hosts.iter().filter(is_part).all(|host| {
            let Some(node) = &host.node else { return false };
            // The last order is on its way.
            node.committed() + 8 >= all
                && node.members().all().any(|member| member == host.id)
                && node.members().voters.len() == voters as usize
        });
        let running = || self.hosts.iter().filter(is_part);
        let longest = running().map(|host| host.machine.applied).max();
        let hashes = running().filter(|host| Some(host.machine.applied) == longest);
        let hashes: Vec<_> = hashes.map(|host| host.machine.state_hash()).collect();
        if hashes.windows(2).any(|pair| pair[0] != pair[1]) {
            self.checks.violation("equal logs, and engines in unequal states".to_owned());
        }
        same
    }
}

impl Host {
    fn new(host: u32, disk: (SimLog, SimControl)) -> Self {
        Self {
            id: NodeId::first(host),
            node: None,
            disk: Some(disk),
            images: SimImages::default(),
            machine: Machine::new(),
            stale: None,
            next_image: 0,
            paused_until: Nanos::ZERO,
            ahead: Nanos::ZERO,
            has_lost: false,
            proposed: VecDeque::new(),
            announced: 0,
            wake: Nanos::ZERO,
            life: 0,
            cuts: 0,
            fetches: 0,
            has_halted: false,
            is_away: false,
        }
    }
}
