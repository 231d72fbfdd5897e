//! The stage that stands in the sequencer's place in a cluster: it keeps the node in step with the others,
//! and while it leads has what waits ordered by consensus. Nothing is applied before it is committed.

use std::collections::BTreeSet;
use std::fmt;

use tracing::{info, warn};
use zerocopy::FromZeros as _;

use super::requests::Answer;
use super::{ConsensusNode, Link, Request, Requests, Role};
use crate::agent::{Agent, AgentError, WorkResult};
use crate::consensus::{FrameLog as _, Moment, Place, Refused, Sample};
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::ring::Consumer;
use crate::sequencer::{FRAMES_PER_CYCLE_MAX, Intake, TICK_INTERVAL};
use crate::types::command::{ActivateVersion, CommandHeader, StateHash, TermStart};
use crate::types::{Line, Nanos, Record as _};

/// How often the others are asked where they stand, and how long, before a quorum is given up: several election
/// timeouts of any cluster that is not very patient.
const SURVEY_INTERVAL: Nanos = Nanos::from_millis(100);
const SURVEY_TIME: Nanos = Nanos::from_secs(2);

/// Messages taken in a duty cycle.
const MESSAGES_PER_CYCLE_MAX: usize = 64;

/// What a replica is made of.
pub(in crate::node) struct ReplicaParts {
    /// Consensus over the command log.
    pub(in crate::node) node: ConsensusNode,
    /// The way to the other nodes.
    pub(in crate::node) link: Box<dyn Link>,
    /// Where the stages learn whether they lead.
    pub(in crate::node) role: Role,
    /// What operators ask.
    pub(in crate::node) requests: Requests,
    /// What an empty log begins with; empty where another node knows that.
    pub(in crate::node) market: Vec<Line>,
    /// What the term begins with behind that, once: the day again, where what was told of it may be lost.
    pub(in crate::node) again: Vec<Line>,
    /// So many must vote before this node leads the exchange: the founder is alone at first.
    pub(in crate::node) quorum: usize,
    /// A stage that stood still for so long no longer leads.
    pub(in crate::node) stall_max: Nanos,
    /// How long every port may take to find a new leader, at least.
    pub(in crate::node) grace_ms: u32,
}

/// The stage.
pub(in crate::node) struct Replica {
    parts: ReplicaParts,
    intake: Intake,
    /// What the engine came to, now and then.
    samples: Consumer,
    /// An operator wants a quorum given up.
    recovery: Option<Recovery>,
    /// The term it leads; 0 = it follows.
    term: u32,
    message: Vec<u8>,
    counters: ReplicaCounters,
    published: CounterBlock,
}

/// A quorum that is to be given up.
#[derive(Debug)]
struct Recovery {
    lost: BTreeSet<u32>,
    begun: Nanos,
    asked: Nanos,
}

counter_set! {
    /// Where a node of a cluster stands.
    pub(in crate::node) struct ReplicaCounters {
        /// Its host.
        host,
        /// Which life of it.
        incarnation,
        /// The term it is in.
        term,
        /// The term it leads; 0 = it follows.
        leads,
        /// The host of the leader it knows; 0 = none.
        leader,
        /// Whether it votes, by what it knows.
        votes,
        /// Nodes that vote, by what it knows.
        voters,
        /// Nodes that only learn.
        learners,
        /// The index of the last frame in its log.
        last_index,
        /// The same of the last that is committed.
        committed_index,
        /// The same of the last of which a leader said that it is.
        told_index,
        /// The same of the last that is durable here; of all in memory.
        durable_index,
        /// Frames that it proposed.
        proposed,
        /// Ticks among them.
        ticks,
        /// Messages received.
        messages,
        /// Messages not authentic, malformed or of another cluster.
        unreadable,
        /// Messages of a host's earlier life, or for one.
        stale_incarnation,
        /// Requests for lost frames.
        fetches,
        /// Frames sent on request.
        frames_served,
        /// Cuts of an uncommitted end of its log.
        cuts,
        /// Bytes of payloads whose place in the log is not yet decided.
        staged_bytes,
        /// Segments that were not ready in time, so that an append had to wait.
        segments_late,
    }
}

impl Replica {
    /// Orders what `inputs` bring while it leads. `samples` brings what the engine came to. Publishes what it
    /// counts in `published`.
    pub(in crate::node) fn new(
        parts: ReplicaParts,
        inputs: Vec<Consumer>,
        samples: Consumer,
        published: CounterBlock,
    ) -> Self {
        Self {
            parts,
            intake: Intake::new(inputs),
            samples,
            recovery: None,
            term: 0,
            message: Vec::new(),
            counters: ReplicaCounters::default(),
            published,
        }
    }

    /// Takes what the others sent.
    fn listen(&mut self, now: Moment) -> WorkResult {
        let Self { parts: ReplicaParts { node, link, .. }, message, .. } = self;
        for taken in 0..MESSAGES_PER_CYCLE_MAX {
            if !link.receive(message) {
                return Ok(taken);
            }
            self.counters.messages += 1;
            node.receive(now, message, link)?;
        }
        Ok(MESSAGES_PER_CYCLE_MAX)
    }

    /// Says what the engine came to, and while it leads has it in the log once most came to the same.
    fn compare(&mut self) {
        let node = &mut self.parts.node;
        while let Some(record) = self.samples.peek() {
            if let Some(&StateHash { at_sequence: at, hash, .. }) = StateHash::view(record) {
                node.has_come_to(Sample { at, hash });
            }
            self.samples.pop();
        }
        if self.term != 0
            && let Some(Sample { at: at_sequence, hash }) = node.agreed()
        {
            let header = CommandHeader::internal::<StateHash>(Nanos::ZERO);
            let agreed = StateHash { header, at_sequence, hash, reserved: [0; 24] };
            self.intake.put_next(agreed.lines());
        }
    }

    /// Does what an operator asked.
    fn obey(&mut self, now: Moment) -> Result<(), AgentError> {
        if let Some(request) = self.parts.requests.take() {
            info!(?request, "asked by an operator");
            if let Some(answer) = self.carry_out(request, now)? {
                self.parts.requests.answer(answer);
            }
        }
        self.recover_quorum(now)
    }

    /// Carries out a request; there is no answer yet if it takes its time.
    fn carry_out(&mut self, request: Request, now: Moment) -> Result<Option<Answer>, AgentError> {
        let ReplicaParts { node, link, .. } = &mut self.parts;
        let refused = |refused: Refused| refused.to_string();
        Ok(Some(match request {
            Request::Promote => {
                let called = node.campaign(now, link)?.map_err(refused);
                called.map(|()| "calls an election".to_owned())
            }
            Request::Transfer => match node.hand_over() {
                Some(to) => Ok(format!("hands over to node {to}")),
                None => Err("this node does not lead, or nobody else votes".to_owned()),
            },
            Request::Add { host, address, votes } => {
                let reached = link.reach(host, address).map_err(|error| error.to_string());
                let expected = reached
                    .and_then(|()| node.expect(host, Place { address, votes }).map_err(refused));
                expected.map(|()| format!("host {host} is let in when its node is started"))
            }
            Request::Remove { host } => {
                let dismissed = node.dismiss(now, host, link)?.map_err(refused);
                dismissed.map(|()| format!("host {host} is removed: stop its node"))
            }
            Request::Activate { version } => {
                node.may_activate(now, version).map_err(refused).map(|()| {
                    let header = CommandHeader::internal::<ActivateVersion>(now.wall);
                    let activate =
                        ActivateVersion { header, version, ..ActivateVersion::new_zeroed() };
                    self.intake.put_next(activate.lines());
                    format!("every node goes on by version {version}")
                })
            }
            Request::RecoverQuorum { lost } => {
                self.recovery = Some(Recovery { lost, begun: now.monotonic, asked: Nanos::ZERO });
                return Ok(None);
            }
        }))
    }

    /// Listens for a while to who is there, and then goes on without the quorum if that is all that can be
    /// done.
    fn recover_quorum(&mut self, now: Moment) -> Result<(), AgentError> {
        let Self { parts: ReplicaParts { node, link, requests, .. }, recovery, .. } = self;
        let Some(Recovery { lost, begun, asked }) = recovery else { return Ok(()) };
        if now.monotonic.since(*asked) >= SURVEY_INTERVAL {
            *asked = now.monotonic;
            node.survey(link);
        }
        if now.monotonic.since(*begun) < SURVEY_TIME {
            return Ok(());
        }
        let done = node.give_up_quorum(now, lost);
        *recovery = None;
        match done {
            Ok(refused) => requests.answer(Err(refused.to_string())),
            Err(done) => {
                requests.answer(Ok(done.to_string()));
                return Err(done.into());
            }
        }
        Ok(())
    }

    /// Leaves a term that a stage has given up.
    fn resign(&mut self, now: Moment) -> Result<(), AgentError> {
        let ReplicaParts { node, link, role, .. } = &mut self.parts;
        if self.term != 0 && role.is_given_up(self.term) && node.is_leader() {
            node.resign(now, link)?;
        }
        Ok(())
    }

    /// Tells the stages, and begins a term that is this node's.
    fn follow_or_lead(&mut self, now: Nanos) {
        let ReplicaParts { node, role, quorum, .. } = &self.parts;
        let term = u32::try_from(node.term()).expect("terms count elections");
        if self.term != 0 && (self.term != term || !node.is_leader()) {
            warn!(was = self.term, term, leader = ?node.leader(), "leads no more");
            self.term = 0;
            role.set(0);
        }
        let may_lead = node.is_serving() && node.members().voters.len() >= *quorum;
        if self.term == 0 && may_lead {
            info!(term, id = %node.id(), "leads");
            self.term = term;
            // Before the start of the term can be in any log.
            role.set(term);
            self.intake.discard();
            let beginning = self.beginning(term, now);
            self.intake.put_first(beginning);
        }
        if self.term == 0 {
            // Nobody is promised anything, but by who was cut off with the term.
            self.intake.discard();
        }
    }

    /// What a term begins with: its start and, in an empty log, the market.
    fn beginning(&mut self, term: u32, now: Nanos) -> Vec<Line> {
        let again = std::mem::take(&mut self.parts.again);
        let ReplicaParts { node, market, grace_ms, .. } = &self.parts;
        let start = TermStart {
            header: CommandHeader::internal::<TermStart>(now),
            term,
            node: node.id().host,
            term_grace_ms: *grace_ms,
            ..TermStart::new_zeroed()
        };
        let is_empty = node.log().chain().next_sequence == 1;
        if is_empty && market.is_empty() {
            warn!("leads a cluster without a market: start one of its nodes with --market FILE");
        }
        let market: &[Line] = if is_empty { market } else { &[] };
        [start.lines(), market, &again].concat()
    }

    /// Proposes what is waiting.
    fn propose(&mut self, now: Moment) -> WorkResult {
        let mut work = 0;
        for _ in 0..FRAMES_PER_CYCLE_MAX {
            if !self.parts.node.may_propose() {
                return Ok(work);
            }
            let count = self.intake.gather();
            if count == 0 {
                break;
            }
            self.propose_batch(count, now)?;
            work += count;
        }
        let idle_since = self.parts.node.log().chain().time;
        if work == 0 && now.wall.since(idle_since) >= TICK_INTERVAL {
            self.intake.gather_tick(now.wall);
            self.propose_batch(1, now)?;
            self.counters.ticks += 1;
        }
        Ok(work)
    }

    fn propose_batch(&mut self, count: usize, now: Moment) -> Result<(), AgentError> {
        let ReplicaParts { node, link, .. } = &mut self.parts;
        let count = u16::try_from(count).expect("at most FRAME_COMMANDS_MAX");
        let batch = self.intake.batch().to_vec();
        // Asked before the batch was gathered, and nothing happened since.
        node.propose(now, count, batch, link)?.expect("it may propose");
        self.counters.proposed += 1;
        Ok(())
    }

    fn publish(&mut self, now: Nanos) {
        if !self.published.is_due(now) {
            return;
        }
        let node = &self.parts.node;
        let (members, counted) = (node.members(), node.counters());
        self.counters = ReplicaCounters {
            host: node.id().host.into(),
            incarnation: node.id().incarnation.into(),
            term: node.term(),
            leads: self.term.into(),
            leader: node.leader().map_or(0, |leader| leader.host.into()),
            votes: members.voters.contains(&node.id()).into(),
            voters: members.voters.len() as u64,
            learners: members.learners.len() as u64,
            last_index: node.log().chain().index,
            committed_index: node.committed(),
            told_index: node.told_committed(),
            durable_index: node.log().synced(),
            unreadable: counted.unreadable,
            stale_incarnation: counted.stale_incarnation,
            fetches: counted.fetches,
            frames_served: counted.frames_served,
            cuts: counted.cuts,
            staged_bytes: node.staged_bytes() as u64,
            segments_late: node.log().writer().segments_late(),
            ..self.counters
        };
        self.counters.publish(&mut self.published);
    }
}

impl Agent for Replica {
    fn name(&self) -> &'static str {
        "replica"
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        // The clock of an agent never steps, and follows the time of day.
        let moment = Moment { monotonic: now, wall: now };
        let mut work = self.parts.link.do_work()?;
        work += self.listen(moment)?;
        let ReplicaParts { node, link, .. } = &mut self.parts;
        node.do_work(moment, link)?;
        for (host, address) in node.newcomers() {
            if let Err(error) = link.reach(host, address) {
                warn!(%error, host, "a new host cannot be reached");
            }
        }
        self.obey(moment)?;
        self.resign(moment)?;
        self.follow_or_lead(now);
        self.compare();
        if self.term != 0 {
            work += self.propose(moment)?;
        }
        // What was said in this cycle leaves in it.
        work += self.parts.link.do_work()?;
        self.publish(now);
        Ok(work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.publish(Nanos::MAX);
        info!(counters = ?self.counters, "replica closed");
        Ok(self.parts.node.log_mut().sync_all()?)
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica")
            .field("node", &self.parts.node)
            .field("leads", &self.term)
            .finish_non_exhaustive()
    }
}
