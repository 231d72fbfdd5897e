//! What Raft wants done, in the order in which it must be: hard state, frames into the log, and only
//! when these are persisted the messages that speak of them. Commits come last.
//!
//! Only raft's asynchronous calls are used: then a commit shows in the next Ready and nowhere else.

use raft::StateRole;
use raft::eraftpb::{ConfChangeV2, ConfState, Entry, EntryType, HardState, Message, MessageType};
use zerocopy::IntoBytes;

use super::codec::{Body, MESSAGE_ENTRIES_MAX, Packet, entry_of, header_of, lines_of};
use super::failure::NodeFailure;
use super::log::{Control, FrameLog};
use super::node::{Node, Unpersisted};
use super::{Change, Members, Moment, NodeId, PayloadMode, Settings, Transport};
use crate::event_store::Durability;
use crate::types::{Cause, FrameHeader, FrameKind, Line, Nanos};

/// The most Readies handled at once. What remains waits for the next duty cycle.
const READIES_MAX: usize = 64;

impl<L: FrameLog, C: Control> Node<L, C> {
    /// Handles what Raft has ready, until it has nothing more or it was enough for one duty cycle.
    pub(super) fn drive(
        &mut self,
        now: Moment,
        transport: &mut impl Transport,
    ) -> Result<(), NodeFailure> {
        for _ in 0..READIES_MAX {
            self.persisted(transport);
            if !self.raft.has_ready() {
                break;
            }
            let mut ready = self.raft.ready();
            if let Some(hard) = ready.hs() {
                self.save_hard_state(hard)?;
            }
            let entries = ready.take_entries();
            for entry in &entries {
                self.store(entry, now, transport)?;
            }
            // Only a leader has these: what they say of its own log is not yet durable, and need not be.
            for message in ready.take_messages() {
                self.send_raft(message, transport);
            }
            let behind = self.unpersisted.back().map_or(0, |earlier| earlier.index);
            self.unpersisted.push_back(Unpersisted {
                number: ready.number(),
                index: entries.last().map_or(behind, |entry| entry.index),
                messages: ready.take_persisted_messages(),
            });
            let committed = ready.take_committed_entries();
            self.raft.advance_append_async(ready);
            self.deliver(&committed)?;
        }
        if self.settings.durability == Durability::Disk
            && self.log().synced() < self.log().chain().index
        {
            self.log_mut().sync()?;
        }
        self.held.enter_term(self.term());
        self.draw_election_timeout();
        Ok(())
    }

    /// Raft draws election timeouts from the thread's random numbers; ours are a function of the seed,
    /// put in their place before anything looks at them.
    pub(super) fn draw_election_timeout(&mut self) {
        let ticks = self.settings.timing.election_ticks;
        let drawn = [self.settings.id.raft(), self.term(), self.elections];
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(drawn.as_bytes(), self.settings.seed);
        let spread = usize::try_from(hash % ticks as u64).expect("less than a usize");
        self.raft.raft.set_randomized_election_timeout(ticks + spread);
    }

    /// Sends what waited for the disk, as far as the disk is.
    fn persisted(&mut self, transport: &mut impl Transport) {
        let durable = match self.settings.durability {
            Durability::Memory => self.log().chain().index,
            Durability::Disk => self.log().synced(),
        };
        while self.unpersisted.front().is_some_and(|ready| ready.index <= durable) {
            let ready = self.unpersisted.pop_front().expect("seen above");
            self.raft.on_persist_ready(ready.number);
            for message in ready.messages {
                // What an earlier term's self had to say may be true no longer, and is not awaited.
                if message.term >= self.term() {
                    self.send_raft(message, transport);
                }
            }
        }
    }

    fn save_hard_state(&mut self, hard: &HardState) -> Result<(), NodeFailure> {
        if (hard.term, hard.vote) != (self.saved.term, self.saved.vote) {
            (self.saved.term, self.saved.vote) = (hard.term, hard.vote);
            self.control.save(&self.saved)?;
        }
        Ok(())
    }

    /// Puts an entry's frame into the log: a received one with its staged payload, an own one as it is
    /// framed now.
    fn store(
        &mut self,
        entry: &Entry,
        now: Moment,
        transport: &mut impl Transport,
    ) -> Result<(), NodeFailure> {
        if entry.index <= self.log().chain().index {
            let keep = entry.index - 1;
            assert!(keep >= self.committed, "frame {} is committed and would be cut", entry.index);
            self.log_mut().cut(keep)?;
            self.counters.cuts += 1;
            for ready in &mut self.unpersisted {
                ready.index = ready.index.min(keep);
            }
        }
        let is_own = self.raft.raft.state == StateRole::Leader && entry.term == self.term();
        let (header, payload) = if is_own {
            self.frame(entry, now)
        } else {
            let header = header_of(entry);
            let payload = self.staged(&header);
            (header, payload)
        };
        self.log_mut().append(&header, &payload)?;
        if is_own && self.settings.payload == PayloadMode::Multicast && header.payload_bytes > 0 {
            self.send_frame(None, &header, transport);
        }
        Ok(())
    }

    fn staged(&mut self, header: &FrameHeader) -> Vec<Line> {
        let staged = self.staging.take(header);
        #[cfg(test)]
        if self.never_holds_back {
            let lines = header.payload_bytes as usize / size_of::<Line>();
            return staged.unwrap_or_else(|| vec![Line::ZERO; lines]);
        }
        staged.expect("held back until it was staged")
    }

    /// Makes the frame of an entry that this node proposed, or that Raft did as the leader's own.
    fn frame(&mut self, entry: &Entry, now: Moment) -> (FrameHeader, Vec<Line>) {
        let mut chain = *self.log().chain();
        let (kind, count, payload) = match self.proposed.pop_front_if(|p| p.0 == entry.index) {
            Some((_, count, payload)) => (FrameKind::Normal, count, payload),
            None if entry.get_entry_type() == EntryType::EntryConfChangeV2 => {
                let lines = lines_of(&entry.context).expect("made of lines by `propose_changes`");
                (FrameKind::ConfChange, 0, lines)
            }
            None => (FrameKind::Noop, 0, Vec::new()),
        };
        let time = now.wall.max(chain.time.after(Nanos(1)));
        let term = u32::try_from(entry.term).expect("terms count elections");
        let cause = Cause { index: entry.index, term, time };
        let header = chain.seal(kind, cause, count, &payload);
        (header, payload)
    }

    /// Frames became committed: the log says so to its readers, and changes of membership take effect.
    fn deliver(&mut self, entries: &[Entry]) -> Result<(), NodeFailure> {
        let Some(last) = entries.last() else { return Ok(()) };
        for entry in entries {
            let is_change = entry.get_entry_type() == EntryType::EntryConfChangeV2;
            if is_change && entry.index > self.saved.members_index {
                self.change_members(entry.index)?;
            }
        }
        self.committed = last.index;
        self.raft.advance_apply_to(last.index);
        let decided = self.log().header(last.index).expect("committed, and so in the log");
        self.staging.pass(decided.start.plus(decided.frame_bytes()));
        self.log_mut().commit(last.index);
        Ok(())
    }

    /// The membership is saved at once: a node that forgot it might elect a leader with those who were
    /// members before.
    fn change_members(&mut self, index: u64) -> Result<(), NodeFailure> {
        let changes = self.log().payload(index).and_then(Change::read);
        let changes = changes.ok_or(NodeFailure::UnknownChange { index })?;
        // A life that begins anew knows the members of a later time than its log is of, and comes by
        // changes once more: the last one that names a node decides what it is.
        let state = match (&changes[..], self.saved.members.is_joint()) {
            (&[Change::Found(node)], _) => self.found(node)?,
            ([], false) => self.saved.members.to_raft(),
            ([_, ..], true) => {
                self.raft.apply_conf_change(&ConfChangeV2::default())?;
                self.raft.apply_conf_change(&Change::to_raft(&changes))?
            }
            _ => self.raft.apply_conf_change(&Change::to_raft(&changes))?,
        };
        self.saved.members = Members::from_raft(&state);
        self.saved.members_index = index;
        self.control.save(&self.saved)?;
        self.note_members();
        self.check_observes()?;
        for change in &changes {
            self.note_host(change);
        }
        Ok(())
    }

    /// Makes `node` the only member, in as many steps as Raft needs.
    fn found(&mut self, node: NodeId) -> Result<ConfState, NodeFailure> {
        let leave = ConfChangeV2::default();
        if self.saved.members.is_joint() {
            self.saved.members = Members::from_raft(&self.raft.apply_conf_change(&leave)?);
        }
        let others = self.saved.members.all().filter(|member| *member != node);
        let changes: Vec<_> =
            [Change::Voter(node)].into_iter().chain(others.map(Change::Remove)).collect();
        let state = self.raft.apply_conf_change(&Change::to_raft(&changes))?;
        if state.voters_outgoing.is_empty() {
            return Ok(state);
        }
        Ok(self.raft.apply_conf_change(&leave)?)
    }

    /// Hosts come and go for good.
    fn note_host(&mut self, change: &Change) {
        let Settings { voters, learners, id, .. } = &mut self.settings;
        match *change {
            Change::Dismiss(node) => {
                voters.retain(|host| *host != node.host);
                learners.retain(|host| *host != node.host);
            }
            Change::Newcomer(node, place) => {
                let hosts = if place.votes { voters } else { learners };
                if !hosts.contains(&node.host) {
                    hosts.push(node.host);
                }
                self.expected.remove(&node.host);
                if node.host != id.host {
                    self.newcomers.push((node.host, place.address));
                }
            }
            Change::Voter(_) | Change::Remove(_) | Change::Learner(_) | Change::Found(_) => {}
        }
    }

    fn send_raft(&mut self, mut message: Message, transport: &mut impl Transport) {
        let to = NodeId::from_raft(message.to);
        match message.get_msg_type() {
            MessageType::MsgRequestPreVote | MessageType::MsgRequestVote => self.elections += 1,
            MessageType::MsgAppend => {
                let mut entries = message.take_entries().into_vec();
                entries.truncate(MESSAGE_ENTRIES_MAX);
                for entry in &mut entries {
                    // What was proposed has its frame by now. Raft keeps sending the bare proposal of
                    // a Ready that is being handled.
                    let header = self.log().header(entry.index).expect("frames precede messages");
                    assert_eq!(u64::from(header.term), entry.term, "entry {}", entry.index);
                    *entry = entry_of(&header);
                    if self.settings.payload == PayloadMode::Unicast && header.payload_bytes > 0 {
                        self.send_frame(Some(to), &header, transport);
                    }
                }
                message.set_entries(entries.into());
            }
            MessageType::MsgSnapshot => return self.tell_where_the_log_begins(message, transport),
            // Nothing is asked of another leader.
            MessageType::MsgPropose | MessageType::MsgReadIndex => return,
            _ => {}
        }
        self.send(Some(to), Body::Raft(message), transport);
    }

    pub(super) fn send_frame(
        &mut self,
        to: Option<NodeId>,
        header: &FrameHeader,
        transport: &mut impl Transport,
    ) {
        let Self { raft, codec, buffer, settings, .. } = self;
        let payload = raft.store().log.payload(header.index).expect("its header is there");
        let body = Body::Frame { header: *header, payload: Line::bytes(payload) };
        codec.encode(&Packet { from: settings.id, to, body }, buffer);
        match to {
            Some(to) => transport.send(to.host, buffer),
            None => transport.publish(buffer),
        }
    }

    /// Sends to a host, whichever life of it is there.
    pub(super) fn send_to_host(
        &mut self,
        host: u32,
        body: Body<'_>,
        transport: &mut impl Transport,
    ) {
        let packet = Packet { from: self.settings.id, to: None, body };
        self.codec.encode(&packet, &mut self.buffer);
        transport.send(host, &self.buffer);
    }

    pub(super) fn send(
        &mut self,
        to: Option<NodeId>,
        body: Body<'_>,
        transport: &mut impl Transport,
    ) {
        let packet = Packet { from: self.settings.id, to, body };
        self.codec.encode(&packet, &mut self.buffer);
        match to {
            Some(to) => transport.send(to.host, &self.buffer),
            None => transport.publish(&self.buffer),
        }
    }
}
