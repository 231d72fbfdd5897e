//! Images between nodes: asked for, given and taken. A node that has taken one ends, and begins with it when
//! it is started again: only its disk and its members are then another's.

use raft::SnapshotStatus;
use raft::eraftpb::Message;

use super::catch_up::{Ask, Came, Need, WINDOW_PARTS};
use super::codec::Body;
use super::failure::NodeFailure;
use super::log::{Control, FrameLog};
use super::node::{Node, has};
use super::repair::FETCH_BYTES_MAX;
use super::storage::snapshot_at;
use super::{IMAGE_PART_BYTES_MAX, Moment, NodeId, Offer, Transport};
use crate::types::Nanos;

const _: () = assert!(WINDOW_PARTS * (IMAGE_PART_BYTES_MAX as u64) <= FETCH_BYTES_MAX as u64);

impl<L: FrameLog, C: Control> Node<L, C> {
    /// The leader's log begins behind the frame that `message` names. Who has that frame says so; who has
    /// not must have an image.
    pub(super) fn is_told_where_the_log_begins(&mut self, mut message: Message) {
        let (index, term) = (message.index, message.log_term);
        let leader = NodeId::from_raft(message.from).host;
        if message.term < self.term() {
            return; // Its heartbeats are answered.
        }
        if !self.stands_at(index, term) {
            self.catch_up.needs(Need { index, term, leader });
            return;
        }
        // Raft asks no more of these members than that this node is one of them.
        let mut members = self.saved.members.to_raft();
        members.learners.push(self.settings.id.raft());
        message.set_snapshot(snapshot_at(index, term, members));
        self.step_raft(message);
    }

    fn stands_at(&self, index: u64, term: u64) -> bool {
        index <= self.committed || has(self.log(), index, term)
    }

    /// Tells `to` where this leader's log begins. It is told again with the next heartbeat: there is nothing
    /// to wait for until it says that it has an image.
    pub(super) fn tell_where_the_log_begins(
        &mut self,
        mut message: Message,
        transport: &mut impl Transport,
    ) {
        let metadata = message.get_snapshot().get_metadata();
        (message.index, message.log_term) = (metadata.index, metadata.term);
        message.clear_snapshot();
        let to = message.to;
        self.send(Some(NodeId::from_raft(to)), Body::Raft(message), transport);
        self.raft.report_snapshot(to, SnapshotStatus::Failure);
    }

    /// Takes what was said of images.
    ///
    /// # Errors
    /// [`NodeFailure::Moved`] with the last part, or the disk's.
    pub(super) fn exchange(
        &mut self,
        now: Moment,
        from: NodeId,
        body: &Body<'_>,
        transport: &mut impl Transport,
    ) -> Result<(), NodeFailure> {
        let monotonic = now.monotonic;
        match *body {
            Body::Seek { index } => self.offer(now, from, index, transport),
            Body::Offer { offer, description } => {
                self.begin(monotonic, from, &offer, description)?;
            }
            Body::Get { image, part, wanted } => {
                for part in parts_of(part, wanted) {
                    let mut bytes = Vec::new();
                    if !self.images().read(monotonic, image, part, &mut bytes) {
                        break;
                    }
                    let body = Body::Part { image, part, bytes: &bytes };
                    self.send(Some(from), body, transport);
                    self.counters.parts_served += 1;
                }
            }
            Body::Part { image, part, bytes } => {
                let came = self.catch_up.comes(monotonic, from, image, part);
                if came != Came::Unasked {
                    self.images().take(part, bytes)?;
                }
                if came == Came::Last {
                    return self.finish();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn offer(&mut self, now: Moment, from: NodeId, index: u64, transport: &mut impl Transport) {
        let mut description = Vec::new();
        if let Some(offer) = self.images().offer(now.monotonic, index, &mut description) {
            let body = Body::Offer { offer, description: &description };
            self.send(Some(from), body, transport);
        }
    }

    fn begin(
        &mut self,
        now: Nanos,
        from: NodeId,
        offer: &Offer,
        description: &[u8],
    ) -> Result<(), NodeFailure> {
        if self.catch_up.offered(now, from, *offer) && !self.images().begin(offer, description)? {
            self.catch_up.refuse();
        }
        Ok(())
    }

    /// All of an image has come.
    fn finish(&mut self) -> Result<(), NodeFailure> {
        let Some(Offer { index, term, .. }) = self.catch_up.taking() else { return Ok(()) };
        // What the log has come to meanwhile may be acknowledged, and is not given up.
        if self.stands_at(index, term) {
            self.catch_up.give_up();
            return Ok(());
        }
        if self.images().finish()? {
            return Err(NodeFailure::Moved { index });
        }
        self.catch_up.refuse();
        Ok(())
    }

    /// Asks for what is wanted, if anything is.
    pub(super) fn catch_up(&mut self, now: Moment, transport: &mut impl Transport) {
        let Some(Need { index, term, leader }) = self.catch_up.need() else { return };
        if self.stands_at(index, term) || self.is_leader() {
            self.catch_up.give_up();
            return;
        }
        match self.catch_up.poll(now.monotonic) {
            None => {}
            Some(Ask::Seek { whom, index }) => {
                let Some(host) = self.sought(whom, leader) else { return };
                self.send_to_host(host, Body::Seek { index }, transport);
            }
            Some(Ask::Get { node, image, part, wanted }) => {
                self.counters.parts_asked += u64::from(wanted.count_ones());
                self.send(Some(node), Body::Get { image, part, wanted }, transport);
            }
        }
    }

    /// The `whom`-th of the other hosts, counted round; the leader, who has the most to do, is the last.
    fn sought(&self, whom: u32, leader: u32) -> Option<u32> {
        let settings = &self.settings;
        let is_other = |host: &u32| ![settings.id.host, leader].contains(host);
        let hosts = settings.voters.iter().chain(&settings.learners).copied();
        let mut hosts: Vec<_> = hosts.filter(is_other).collect();
        hosts.push(leader);
        hosts.get(whom as usize % hosts.len()).copied()
    }
}

/// The parts that a request is for.
fn parts_of(first: u64, wanted: u64) -> impl Iterator<Item = u64> {
    let bits = (0..WINDOW_PARTS).filter(move |bit| wanted >> bit & 1 == 1);
    bits.filter_map(move |bit| first.checked_add(bit))
}
