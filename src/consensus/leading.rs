//! What only a leader does: take proposals, hand over, and care for the members: let in who asks, by
//! a change that also removes the host's earlier self, and promote who has caught up.

use raft::ProgressState;

use super::codec::Body;
use super::failure::NodeFailure;
use super::log::{Control, FrameLog};
use super::node::Node;
use super::samples::Verdict;
use super::{Change, Moment, NodeId, Refused, Sample, Settings, Transport};
use crate::types::{FRAME_HEADER_BYTES, Line};

/// The most frames that the leader has proposed and not committed. Clients wait; the log of a leader
/// that lost its followers does not grow without end.
pub const UNCOMMITTED_FRAMES_MAX: u64 = 1024;
/// A learner is promoted when it lacks no more frames than this.
const PROMOTION_LAG_MAX: u64 = 64;

/// Why a proposal was not taken. Nothing of it is in any log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProposed {
    /// It does not lead, or hands over, or has not yet applied what earlier leaders committed.
    #[error("this node does not serve: another leads, or will in a moment")]
    NotServing,
    /// As many frames as may be wait for their commit.
    #[error("{UNCOMMITTED_FRAMES_MAX} frames wait for their commit")]
    Full,
}

impl<L: FrameLog, C: Control> Node<L, C> {
    /// Proposes a frame of `count` commands. It is in the log, at the index and term returned; whether
    /// it stays there only the commit of that index *in that term* says.
    ///
    /// # Errors
    /// [`NotProposed`], or the failure after which the node must not go on.
    ///
    /// # Panics
    /// If raft puts the entry anywhere but at the end of the log in this term.
    pub fn propose(
        &mut self,
        now: Moment,
        count: u16,
        payload: Vec<Line>,
        transport: &mut impl Transport,
    ) -> Result<Result<(u64, u64), NotProposed>, NodeFailure> {
        if !self.is_serving() {
            return Ok(Err(NotProposed::NotServing));
        }
        if !self.may_propose() {
            return Ok(Err(NotProposed::Full));
        }
        let (term, index) = (self.term(), self.raft.raft.raft_log.last_index() + 1);
        // The header is made when Raft has given the entry its place; until then its size stands in.
        if self.raft.propose(Vec::new(), vec![0; FRAME_HEADER_BYTES]).is_err() {
            return Ok(Err(NotProposed::NotServing));
        }
        let is_next = (self.term(), self.raft.raft.raft_log.last_index()) == (term, index);
        assert!(is_next, "proposed as {term}/{index}, and raft put it elsewhere");
        self.proposed.push_back((index, count, payload));
        self.drive(now, transport)?;
        assert!(self.proposed.is_empty(), "what was proposed has its frame");
        Ok(Ok((index, term)))
    }

    /// Calls an election, whatever it hears of a leader; others refuse as long as they hear one.
    ///
    /// # Errors
    /// [`Refused`] of an observer, or the failure after which the node must not go on.
    pub fn campaign(
        &mut self,
        now: Moment,
        transport: &mut impl Transport,
    ) -> Result<Result<(), Refused>, NodeFailure> {
        if self.settings.observes {
            return Ok(Err(Refused::Observes));
        }
        drop(self.raft.campaign());
        self.drive(now, transport)?;
        Ok(Ok(()))
    }

    /// Leads no more, whoever does: what this node has to say to participants waited too long. Another
    /// election finds the next leader, perhaps this node.
    ///
    /// # Errors
    /// [`NodeFailure`]: the node must not go on.
    pub fn resign(
        &mut self,
        now: Moment,
        transport: &mut impl Transport,
    ) -> Result<(), NodeFailure> {
        if self.is_leader() {
            let term = self.term();
            self.raft.raft.become_follower(term, raft::INVALID_ID);
            self.draw_election_timeout();
        }
        self.drive(now, transport)
    }

    /// Begins to hand leadership to `to`. It is given up again if that takes an election's time.
    pub fn transfer(&mut self, to: NodeId) {
        if (self.is_serving() || self.astray.is_some()) && self.saved.members.voters.contains(&to) {
            self.raft.transfer_leader(to.raft());
        }
    }

    /// Begins to hand leadership to the voter that has most of the log, and says who that is.
    pub fn hand_over(&mut self) -> Option<NodeId> {
        let others = self.saved.members.voters.iter().filter(|id| **id != self.settings.id);
        let has = |id: &NodeId| self.raft.raft.prs().get(id.raft()).map(|other| other.matched);
        let to = others.copied().max_by_key(has)?;
        self.transfer(to);
        self.raft.raft.lead_transferee.map(NodeId::from_raft)
    }

    /// Proposes changes of the membership, more than one through a joint membership; none of them
    /// leaves such a one. Returns whether they were taken.
    pub fn propose_changes(&mut self, changes: &[Change]) -> bool {
        if !self.is_serving() || self.raft.raft.has_pending_conf() {
            return false;
        }
        let context = Line::bytes(&Change::payload(changes)).to_vec();
        self.raft.propose_conf_change(context, Change::to_raft(changes)).is_ok()
    }

    /// Says now and then to the voting hosts, whatever incarnation they are in, that this node is there
    /// and no leader cares for it: it came back as a new incarnation, or was removed. Who was removed is
    /// not told, so that it still believes to be a member.
    fn ask_to_join(&mut self, transport: &mut impl Transport) {
        let timing = &self.settings.timing;
        let silent = self.next_tick.since(self.heard).0 / timing.tick.0;
        if silent < 2 * timing.election_ticks as u64 || !self.is_time_to_say_something() {
            return;
        }
        // Where the quorum was given up, a host that else would only learn may lead.
        let Settings { voters, learners, .. } = &self.settings;
        for host in [voters.as_slice(), learners].concat() {
            if host != self.settings.id.host {
                self.send_to_host(host, Body::Join, transport);
            }
        }
    }

    /// This node has come so far: it tells the leader, now and then anew.
    pub fn has_come_to(&mut self, sample: Sample) {
        self.sampled = Some(sample);
        self.samples.note(self.settings.id, sample);
    }

    /// What most came to, this node among them, if it leads and has not asked before: what it may say in the
    /// log.
    pub fn agreed(&mut self) -> Option<Sample> {
        if !self.is_serving() {
            return None;
        }
        match self.samples.decide(self.settings.id, &self.saved.members.voters)? {
            Verdict::Agrees(sample) => Some(sample),
            Verdict::Differs { ours, theirs } => {
                self.astray = Some((ours, theirs));
                None
            }
        }
    }

    pub(super) fn say_what_it_came_to(&mut self, transport: &mut impl Transport) {
        let (Some(sample), Some(leader)) = (self.sampled, self.leader()) else { return };
        if leader != self.settings.id && self.is_time_to_say_something() {
            self.send(Some(leader), Body::Sample(sample), transport);
        }
    }

    /// A leader that went astray hands over, and ends when it leads no more, or nobody takes over.
    pub(super) fn leave_if_astray(&mut self) -> Result<(), NodeFailure> {
        let Some((Sample { at, hash: ours }, theirs)) = self.astray else { return Ok(()) };
        let is_given_up = self.left_ticks > 4 * self.settings.timing.election_ticks;
        if !self.is_leader() || is_given_up {
            return Err(NodeFailure::Astray { at, ours, theirs });
        }
        if self.left_ticks.is_multiple_of(self.settings.timing.election_ticks) {
            self.hand_over();
        }
        self.left_ticks += 1;
        Ok(())
    }

    /// One change at a time, each once the one before is applied.
    pub(super) fn care_for_members(&mut self, transport: &mut impl Transport) {
        if !self.is_leader() {
            self.joining.clear();
            self.expected.clear();
            self.ask_to_join(transport);
        } else if self.saved.members.is_joint() {
            self.propose_changes(&[]);
        } else if self.saved.members_index == 0 && self.saved.members.voters == [self.settings.id] {
            // The founder is the only member by its own word; whoever joins reads it in the log.
            self.propose_changes(&[Change::Voter(self.settings.id)]);
        } else if let Some(changes) = self.admission().or_else(|| self.promotion()) {
            self.propose_changes(&changes);
        } else if let Some(learner) = self.demotion() {
            if learner == self.settings.id {
                self.hand_over();
            } else {
                self.propose_changes(&[Change::Learner(learner)]);
            }
        }
    }

    /// The change that lets in the next who asked, and removes its earlier selves.
    fn admission(&mut self) -> Option<Vec<Change>> {
        let members = &self.saved.members;
        let known = |host: u32| {
            self.settings.voters.contains(&host)
                || self.settings.learners.contains(&host)
                || self.expected.contains_key(&host)
        };
        self.joining.retain(|host, id| {
            known(*host)
                && members.all().filter(|m| m.host == *host).all(|m| m.incarnation < id.incarnation)
        });
        let (host, id) = self.joining.first_key_value()?;
        let earlier = members.all().filter(|member| member.host == *host);
        let mut changes: Vec<_> = earlier.map(Change::Remove).collect();
        changes.push(match self.expected.get(host) {
            Some(place) => Change::Newcomer(*id, *place),
            None => Change::Learner(*id),
        });
        Some(changes)
    }

    /// The change that promotes a learner of a voting host, once it has said that it does not only observe.
    fn promotion(&self) -> Option<Vec<Change>> {
        let members = &self.saved.members;
        let ready = members.learners.iter().find(|learner| {
            let progress = self.raft.raft.prs().get(learner.raft());
            let said = self.stands.get(&learner.host).filter(|said| said.0 == **learner);
            self.settings.voters.contains(&learner.host)
                && said.is_some_and(|said| !said.1.observes)
                && progress.is_some_and(|progress| {
                    progress.state == ProgressState::Replicate
                        && progress.matched + PROMOTION_LAG_MAX >= self.committed
                })
        });
        ready.map(|learner| vec![Change::Voter(*learner)])
    }
    /// The voter that is only to learn, and voted because it was the last to have the log: it learns again
    /// once everybody votes who is to.
    fn demotion(&self) -> Option<NodeId> {
        let Settings { voters, learners, .. } = &self.settings;
        let votes = |host: &u32| self.saved.members.voters.iter().any(|voter| voter.host == *host);
        let only_learns =
            |voter: &&NodeId| learners.contains(&voter.host) && !voters.contains(&voter.host);
        let learner = self.saved.members.voters.iter().find(only_learns)?;
        voters.iter().all(votes).then_some(*learner)
    }
}
