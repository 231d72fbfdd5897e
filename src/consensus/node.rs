//! A node of the cluster: messages, time and proposals in; messages and committed frames out. It is
//! driven by one thread, waits for nothing, and what it is told of time is all it knows of it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use raft::eraftpb::{Message, MessageType};
use raft::{Config, RawNode, StateRole};

use super::catch_up::CatchUp;
use super::codec::{Body, Codec, Fetch, MESSAGE_ENTRIES_MAX, Packet, lines_of};
use super::failure::NodeFailure;
use super::hold_back::HoldBack;
use super::leading::UNCOMMITTED_FRAMES_MAX;
use super::log::{Control, ControlState, FrameLog};
use super::repair::{FETCH_BYTES_MAX, Repair};
use super::samples::Samples;
use super::staging::Staging;
use super::storage::{LogStorage, applied};
use super::{Change, Images, Members, Moment, NodeId, Place, Sample, Settings, Stand, Transport};
use crate::types::{FRAME_HEADER_BYTES, FrameHeader, Line, Nanos};

/// The most messages that the leader has under way to one follower.
const INFLIGHT_MESSAGES_MAX: usize = 64;

/// A node: Raft over a frame log.
pub struct Node<L: FrameLog, C> {
    pub(super) settings: Settings,
    pub(super) raft: RawNode<LogStorage<L>>,
    pub(super) control: C,
    pub(super) saved: ControlState,
    pub(super) codec: Codec,
    pub(super) staging: Staging,
    pub(super) held: HoldBack,
    repair: Repair,
    pub(super) catch_up: CatchUp,
    pub(super) samples: Samples,
    /// What it came to last.
    pub(super) sampled: Option<Sample>,
    /// A sample of which most came to something else: it leads no more, if others let it go.
    pub(super) astray: Option<(Sample, u64)>,
    /// Ticks since that was known.
    pub(super) left_ticks: usize,
    /// Payloads proposed and not yet framed, by the index that they will have.
    pub(super) proposed: VecDeque<(u64, u16, Vec<Line>)>,
    /// Readies whose entries may not be durable yet.
    pub(super) unpersisted: VecDeque<Unpersisted>,
    /// Everything up to it is committed, and persisted here.
    pub(super) committed: u64,
    /// The highest incarnation of each host that was heard of.
    incarnations: BTreeMap<u32, u32>,
    /// Nodes that asked to become members.
    pub(super) joining: BTreeMap<u32, NodeId>,
    /// Hosts that an operator wants let in.
    pub(super) expected: BTreeMap<u32, Place>,
    /// Hosts that were let in, and whose place nobody has asked for yet.
    pub(super) newcomers: Vec<(u32, SocketAddrV4)>,
    /// Where the others said they stand.
    pub(super) stands: BTreeMap<u32, (NodeId, Stand)>,
    /// When each node was heard last.
    pub(super) heard_of: BTreeMap<NodeId, Nanos>,
    pub(super) next_tick: Nanos,
    /// When a leader was last heard.
    pub(super) heard: Nanos,
    /// Leaders said that everything up to it is committed.
    told: u64,
    /// Elections seen to begin here: part of what the election timeout is drawn from.
    pub(super) elections: u64,
    pub(super) counters: NodeCounters,
    /// Where a message is encoded.
    pub(super) buffer: Vec<u8>,
    #[cfg(test)]
    pub(crate) never_holds_back: bool,
    #[cfg(test)]
    pub(crate) forgets_votes: bool,
}

/// Messages that wait until what they say is durable.
#[derive(Debug)]
pub(super) struct Unpersisted {
    pub(super) number: u64,
    /// Durable when the log is, up to this index.
    pub(super) index: u64,
    pub(super) messages: Vec<Message>,
}

/// What a node did and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounters {
    /// Messages not authentic, malformed or of another cluster.
    pub unreadable: u64,
    /// Messages of a host's earlier life, or for one.
    pub stale_incarnation: u64,
    /// Frames whose payload's checksum was wrong.
    pub damaged_payloads: u64,
    /// Requests for frames.
    pub fetches: u64,
    /// Frames sent on request.
    pub frames_served: u64,
    /// Cuts of an uncommitted end of the log.
    pub cuts: u64,
    /// Parts of images that were asked for.
    pub parts_asked: u64,
    /// Parts of images sent on request.
    pub parts_served: u64,
}

impl<L: FrameLog, C: Control> Node<L, C> {
    /// A node with what it left behind. All of `log` is taken as persisted: where commits must be
    /// durable, it was made so before. `images` are for who lacks frames that the others let go of.
    ///
    /// # Errors
    /// Settings that raft refuses.
    pub fn new(
        settings: Settings,
        log: L,
        images: Box<dyn Images>,
        control: C,
        now: Moment,
    ) -> Result<Self, NodeFailure> {
        let timing = settings.timing;
        let saved = control.state().clone();
        let committed = applied(&log, &saved);
        let config = Config {
            id: settings.id.raft(),
            election_tick: timing.election_ticks,
            heartbeat_tick: timing.heartbeat_ticks,
            applied: committed,
            max_size_per_msg: (MESSAGE_ENTRIES_MAX * FRAME_HEADER_BYTES) as u64,
            max_inflight_msgs: INFLIGHT_MESSAGES_MAX,
            check_quorum: true,
            pre_vote: true,
            ..Config::default()
        };
        let storage = LogStorage::new(log, images, &saved, committed);
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let mut node = Self {
            codec: Codec::new(settings.cluster, &settings.key),
            staging: Staging::new(settings.staging_bytes_max),
            held: HoldBack::default(),
            repair: Repair::new(timing.patience),
            catch_up: CatchUp::new(timing.patience),
            samples: Samples::default(),
            sampled: None,
            astray: None,
            left_ticks: 0,
            raft: RawNode::new(&config, storage, &logger)?,
            settings,
            control,
            saved,
            proposed: VecDeque::new(),
            unpersisted: VecDeque::new(),
            committed,
            incarnations: BTreeMap::new(),
            joining: BTreeMap::new(),
            expected: BTreeMap::new(),
            newcomers: Vec::new(),
            stands: BTreeMap::new(),
            heard_of: BTreeMap::new(),
            next_tick: now.monotonic.after(timing.tick),
            heard: now.monotonic,
            told: 0,
            elections: 0,
            counters: NodeCounters::default(),
            buffer: Vec::new(),
            #[cfg(test)]
            never_holds_back: false,
            #[cfg(test)]
            forgets_votes: false,
        };
        node.note_members();
        node.check_observes()?;
        node.draw_election_timeout();
        Ok(node)
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`NodeFailure`]: the node must not go on.
    pub fn receive(
        &mut self,
        now: Moment,
        message: &[u8],
        transport: &mut impl Transport,
    ) -> Result<(), NodeFailure> {
        #[cfg(test)]
        if self.forgets_votes {
            self.raft.raft.vote = 0;
        }
        let Ok(Packet { from, to, body }) = self.codec.clone().decode(message) else {
            self.counters.unreadable += 1;
            return Ok(());
        };
        let highest = self.incarnations.entry(from.host).or_default();
        if from.host == self.settings.id.host {
            return Ok(());
        }
        if from.incarnation < *highest || to.is_some_and(|to| to != self.settings.id) {
            self.counters.stale_incarnation += 1;
            return self.check_founding(to);
        }
        if *highest < from.incarnation {
            self.heard_of.retain(|node, _| node.host != from.host);
        }
        *highest = from.incarnation;
        self.heard_of.insert(from, now.monotonic);
        match body {
            Body::Raft(message) => self.step(message, now)?,
            Body::Frame { header, payload } => self.stage(header, payload),
            Body::Fetch(fetch) => self.serve(from, fetch, transport),
            Body::Join => {
                self.joining.insert(from.host, from);
            }
            Body::Survey => {
                let stand = self.stand(now.monotonic);
                self.send(Some(from), Body::Stand(stand), transport);
            }
            Body::Stand(stand) => {
                self.stands.insert(from.host, (from, stand));
            }
            Body::Sample(sample) => self.samples.note(from, sample),
            body => self.exchange(now, from, &body, transport)?,
        }
        self.drive(now, transport)
    }

    /// Two clusters of one number and key would take each other's entries for their own. As long as a
    /// founder is alone, nobody can know another life of its host; but of who founded anew others do.
    fn check_founding(&self, to: Option<NodeId>) -> Result<(), NodeFailure> {
        let own = self.settings.id;
        let NodeId { host, .. } = own;
        let Some(life) = to.filter(|to| to.host == host && *to != own) else { return Ok(()) };
        let is_alone = self.saved.members.all().eq([own]);
        let founded = self.log().payload(self.saved.members_index).and_then(Change::read);
        let is_first = self.saved.members_index == 0 || founded == Some(vec![Change::Voter(own)]);
        if is_alone && is_first { Err(NodeFailure::Founded { host, life }) } else { Ok(()) }
    }

    /// Does what is due: ticks, disk, repair, and as a leader the care for the members.
    ///
    /// # Errors
    /// [`NodeFailure`]: the node must not go on.
    pub fn do_work(
        &mut self,
        now: Moment,
        transport: &mut impl Transport,
    ) -> Result<(), NodeFailure> {
        let tick = self.settings.timing.tick;
        let late = now.monotonic.since(self.next_tick).0 / tick.0;
        if now.monotonic >= self.next_tick {
            // After a stall a leader counts all of it, so that it notices at once that nobody answers;
            // anyone else gives the messages that wait a chance to be read.
            let counted = if self.raft.raft.state == StateRole::Leader { late } else { 0 };
            for _ in 0..=counted.min(self.settings.timing.election_ticks as u64) {
                self.hold_election_off();
                self.raft.tick();
                self.drive(now, transport)?;
            }
            self.next_tick = self.next_tick.after(Nanos(tick.0 * (late + 1)));
            self.care_for_members(transport);
            self.images().rest(now.monotonic);
            self.say_what_it_came_to(transport);
            self.say_where_it_stands(now, transport);
            self.leave_if_astray()?;
        }
        self.drive(now, transport)?;
        self.fetch(now, transport);
        self.catch_up(now, transport);
        Ok(())
    }

    /// Of a node that waits for its operator's word the silence counts, for others may have to know that
    /// they hear no leader, but never becomes long enough for an election.
    fn hold_election_off(&mut self) {
        let timing = &self.settings.timing;
        // Whoever is alone takes nothing from anybody.
        let waits = !self.settings.campaigns && self.saved.members.voters != [self.settings.id];
        let raft = &mut self.raft.raft;
        if waits && raft.state == StateRole::Follower {
            raft.election_elapsed = raft.election_elapsed.min(timing.election_ticks);
            raft.set_randomized_election_timeout(2 * timing.election_ticks - 1);
        }
    }

    /// When there will be something to do, if no message comes and no disk is waited for.
    #[must_use]
    pub fn due(&self) -> Nanos {
        let dues = [self.repair.due(), self.catch_up.due()].into_iter().flatten();
        dues.fold(self.next_tick, Nanos::min)
    }

    /// Whether it leads, and everything that earlier leaders committed is committed here: only then
    /// does it take proposals.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.raft.raft.state == StateRole::Leader
            && self.raft.raft.lead_transferee.is_none()
            && self.astray.is_none()
            && self.log().header(self.committed).is_some_and(|h| u64::from(h.term) == self.term())
    }

    /// Whether [`Node::propose`] takes a frame now.
    #[must_use]
    pub fn may_propose(&self) -> bool {
        self.is_serving()
            && self.raft.raft.raft_log.last_index() < self.committed + UNCOMMITTED_FRAMES_MAX
    }

    /// Whether it leads, or believes so.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.raft.raft.state == StateRole::Leader
    }

    /// Whom it takes for the leader.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        let leader = self.raft.raft.leader_id;
        (leader != 0).then(|| NodeId::from_raft(leader))
    }

    /// Its term.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.raft.raft.term
    }

    /// Who it is.
    #[must_use]
    pub const fn id(&self) -> NodeId {
        self.settings.id
    }

    /// The index of the last frame that is committed, and persisted here.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.committed
    }

    /// The highest index of which it was said, or is known here, that it is committed.
    #[must_use]
    pub fn told_committed(&self) -> u64 {
        self.told.max(self.committed)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &L {
        &self.raft.raft.raft_log.store.log
    }

    /// Its log, for whoever moves the disk on.
    pub fn log_mut(&mut self) -> &mut L {
        &mut self.raft.mut_store().log
    }

    /// What it can give to who is behind, and takes when it is.
    pub(super) fn images(&mut self) -> &mut dyn Images {
        &mut *self.raft.mut_store().images
    }

    /// The members as of the last committed change.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.saved.members
    }

    /// The index of the frame that changed them last.
    #[must_use]
    pub const fn members_index(&self) -> u64 {
        self.saved.members_index
    }

    /// Bytes of payloads whose place is not yet decided.
    #[must_use]
    pub const fn staged_bytes(&self) -> usize {
        self.staging.bytes()
    }

    /// What it did and refused.
    #[must_use]
    pub const fn counters(&self) -> &NodeCounters {
        &self.counters
    }

    /// What it leaves to the next start: log and control state.
    #[must_use]
    pub fn into_parts(self) -> (L, C) {
        (self.raft.raft.r.raft_log.store.log, self.control)
    }

    fn step(&mut self, mut message: Message, now: Moment) -> Result<(), NodeFailure> {
        let last = self.log().chain().index;
        let is_leaders = matches!(
            message.get_msg_type(),
            MessageType::MsgAppend | MessageType::MsgHeartbeat | MessageType::MsgSnapshot
        );
        if is_leaders && message.term >= self.term() {
            self.heard = now.monotonic;
            self.told = self.told.max(message.commit);
        }
        match message.get_msg_type() {
            MessageType::MsgAppend if message.term >= self.term() => {
                self.append(message);
                return Ok(());
            }
            // Raft answers with its own, higher term.
            MessageType::MsgAppend => message.clear_entries(),
            MessageType::MsgSnapshot => {
                self.is_told_where_the_log_begins(message);
                return Ok(());
            }
            // It says what this node acknowledged; raft would panic.
            MessageType::MsgHeartbeat if message.commit > last && message.term >= self.term() => {
                return Err(NodeFailure::LostTail { commit: message.commit, last });
            }
            _ => {}
        }
        self.step_raft(message);
        Ok(())
    }

    /// Errors of raft say that a message came from, or for, somebody who is no member. It is ignored,
    /// as if it had been lost.
    pub(super) fn step_raft(&mut self, message: Message) {
        drop(self.raft.step(message));
    }

    fn append(&mut self, message: Message) {
        let log = &self.raft.raft.raft_log.store.log;
        match self.held.offer(message, |index, term| has(log, index, term)) {
            None => self.release(true),
            Some(rejected) => self.step_raft(rejected),
        }
    }

    /// Steps what can go into the log; if that is nothing, only if `even_empty`.
    fn release(&mut self, even_empty: bool) {
        let log = &self.raft.raft.raft_log.store.log;
        let present = |header: &FrameHeader| {
            #[cfg(test)]
            if self.never_holds_back {
                return true;
            }
            self.staging.holds(header)
        };
        let Some(message) = self.held.release(|index, term| has(log, index, term), present) else {
            return;
        };
        if even_empty || !message.get_entries().is_empty() {
            self.step_raft(message);
        }
    }

    fn stage(&mut self, header: FrameHeader, payload: &[u8]) {
        let chain = *self.log().chain();
        // Of an earlier term only what was asked for is of use: what is repaired may be of any.
        let is_of_use = u64::from(header.term) + 1 >= self.term() || self.held.wants(&header);
        let is_known = header.index <= self.committed
            || has(self.log(), header.index, header.term.into())
            || self.staging.holds(&header);
        if is_known || !is_of_use {
            return;
        }
        let Some(lines) = lines_of(payload).filter(|lines| header.check_payload(lines).is_ok())
        else {
            self.counters.damaged_payloads += 1;
            return;
        };
        self.staging.insert(header, lines, chain.end);
        let awaited = self.held.held().next().is_some_and(|first| *first == header);
        if awaited {
            self.release(false);
        }
    }

    /// Sends the frames that were asked for: committed ones, and as the leader all. Within bounds,
    /// whatever was asked.
    fn serve(&mut self, from: NodeId, fetch: Fetch, transport: &mut impl Transport) {
        let last = if self.is_leader() { self.log().chain().index } else { self.committed };
        let mut bytes = 0;
        for bit in (0..u64::from(u64::BITS)).filter(|bit| fetch.wanted >> bit & 1 == 1) {
            let Some(index) = fetch.index.checked_add(bit).filter(|index| *index <= last) else {
                return;
            };
            let Some(header) = self.log().header(index) else { return };
            bytes += FRAME_HEADER_BYTES + header.payload_bytes as usize;
            if bytes > FETCH_BYTES_MAX && bit != 0 {
                return;
            }
            self.send_frame(Some(from), &header, transport);
            self.counters.frames_served += 1;
        }
    }

    fn fetch(&mut self, now: Moment, transport: &mut impl Transport) {
        let Self { held, staging, repair, .. } = self;
        let held_back = held.held().map(|header| (header, !staging.holds(header)));
        let Some(request) = repair.poll(now.monotonic, held_back, staging.bytes_max()) else {
            return;
        };
        let Some(leader) = held.leader().map(NodeId::from_raft) else { return };
        self.counters.fetches += 1;
        let others: Vec<_> =
            self.saved.members.all().filter(|id| *id != self.settings.id).collect();
        let whom = match request.whom.checked_sub(1) {
            Some(other) if !others.is_empty() => others[other as usize % others.len()],
            _ => leader,
        };
        self.send(Some(whom), Body::Fetch(request.fetch), transport);
    }

    /// Who only observes must not be counted on.
    pub(super) fn check_observes(&self) -> Result<(), NodeFailure> {
        let Settings { id, observes, .. } = self.settings;
        let Members { voters, outgoing, .. } = &self.saved.members;
        let has_vote = voters.contains(&id) || outgoing.contains(&id);
        if observes && has_vote { Err(NodeFailure::HasVote { host: id.host }) } else { Ok(()) }
    }

    /// Whatever was heard of a member, its incarnation is at least the member's.
    pub(super) fn note_members(&mut self) {
        for member in self.saved.members.all() {
            let highest = self.incarnations.entry(member.host).or_default();
            *highest = (*highest).max(member.incarnation);
        }
    }
}

/// Whether `log` has an entry of this index and term.
pub(super) fn has<L: FrameLog>(log: &L, index: u64, term: u64) -> bool {
    log.base() == (index, u32::try_from(term).unwrap_or(u32::MAX))
        || log.header(index).is_some_and(|header| u64::from(header.term) == term)
}

impl<L: FrameLog, C> std::fmt::Debug for Node<L, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.settings.id)
            .field("role", &self.raft.raft.state)
            .field("term", &self.raft.raft.term)
            .field("committed", &self.committed)
            .field("held", &self.held.held().map(|header| header.index).next())
            .field("staged", &self.staging.bytes())
            .field("repair", &self.repair)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
