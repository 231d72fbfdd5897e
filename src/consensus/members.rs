//! The members of the cluster, and how they change: one line of a frame's payload for each change.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use raft::eraftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::NodeId;
use crate::event_store::{MEMBERS_MAX, MemberRecord};
use crate::types::Line;

/// Who votes and who only learns. While a change is under way, also who voted before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// The voters.
    pub voters: Vec<NodeId>,
    /// Nodes that receive everything and decide nothing.
    pub learners: Vec<NodeId>,
    /// The voters that are on their way out of a joint membership; empty otherwise.
    pub outgoing: Vec<NodeId>,
    /// Outgoing voters that will be learners.
    pub learners_next: Vec<NodeId>,
}

/// A change of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Becomes a voter.
    Voter(NodeId),
    /// Is no member any more.
    Remove(NodeId),
    /// Becomes a learner.
    Learner(NodeId),
    /// Is no member any more, and its host is not let in again.
    Dismiss(NodeId),
    /// Becomes a learner, on a host that was none of the cluster's.
    Newcomer(NodeId, Place),
    /// Is the only member from here on, whoever was one before.
    Found(NodeId),
}

/// Where a host is, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it takes the others' messages.
    pub address: SocketAddrV4,
    /// Whether it is to vote.
    pub votes: bool,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct ChangeLine {
    /// 1 voter, 2 remove, 3 learner, 4 dismiss, 5 newcomer, 6 found.
    kind: u32,
    host: u32,
    incarnation: u32,
    /// Of a newcomer.
    address: [u8; 4],
    port: u16,
    /// 1 if it is to vote.
    votes: u16,
    zero: [u8; 44],
}

impl Members {
    /// First incarnations of these hosts.
    #[must_use]
    pub fn first(voters: &[u32], learners: &[u32]) -> Self {
        let ids = |hosts: &[u32]| hosts.iter().map(|&host| NodeId::first(host)).collect();
        Self { voters: ids(voters), learners: ids(learners), ..Self::default() }
    }

    /// Everyone who is a member in whatever part.
    pub fn all(&self) -> impl Iterator<Item = NodeId> {
        let current = self.voters.iter().chain(&self.learners);
        current.chain(&self.outgoing).chain(&self.learners_next).copied()
    }

    /// Whether a change through a joint membership is half done.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Who they are, as a control file keeps them.
    ///
    /// # Panics
    /// If there are more than a control file has room for: far more than anybody configures.
    #[must_use]
    pub fn to_records(&self) -> [MemberRecord; MEMBERS_MAX] {
        let roles = [
            (&self.voters, MemberRecord::VOTER),
            (&self.learners, MemberRecord::LEARNER),
            (&self.outgoing, MemberRecord::OUTGOING),
            (&self.learners_next, MemberRecord::LEARNER_NEXT),
        ];
        let mut all: BTreeMap<NodeId, u32> = BTreeMap::new();
        for (nodes, role) in roles {
            for node in nodes {
                *all.entry(*node).or_default() |= role;
            }
        }
        assert!(all.len() <= MEMBERS_MAX, "{} members", all.len());
        let mut records = [MemberRecord::default(); MEMBERS_MAX];
        for (record, (NodeId { host, incarnation }, roles)) in records.iter_mut().zip(all) {
            *record = MemberRecord { host, incarnation, roles };
        }
        records
    }

    /// The members that a control file has.
    #[must_use]
    pub fn from_records(records: &[MemberRecord; MEMBERS_MAX]) -> Self {
        let with = |role: u32| {
            let having = records.iter().filter(|record| record.roles & role != 0);
            having.map(|r| NodeId { host: r.host, incarnation: r.incarnation }).collect()
        };
        Self {
            voters: with(MemberRecord::VOTER),
            learners: with(MemberRecord::LEARNER),
            outgoing: with(MemberRecord::OUTGOING),
            learners_next: with(MemberRecord::LEARNER_NEXT),
        }
    }

    pub(super) fn from_raft(state: &ConfState) -> Self {
        let ids = |raft: &[u64]| {
            let mut ids: Vec<_> = raft.iter().copied().map(NodeId::from_raft).collect();
            ids.sort_unstable();
            ids
        };
        Self {
            voters: ids(&state.voters),
            learners: ids(&state.learners),
            outgoing: ids(&state.voters_outgoing),
            learners_next: ids(&state.learners_next),
        }
    }

    pub(super) fn to_raft(&self) -> ConfState {
        let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.raft()).collect::<Vec<_>>();
        ConfState {
            voters: ids(&self.voters),
            learners: ids(&self.learners),
            voters_outgoing: ids(&self.outgoing),
            learners_next: ids(&self.learners_next),
            ..ConfState::default()
        }
    }
}

impl Change {
    /// The payload of the frame that makes `changes`; none of them leaves a joint membership.
    #[must_use]
    pub fn payload(changes: &[Self]) -> Vec<Line> {
        changes.iter().map(Self::line).collect()
    }

    /// The changes that a frame's payload makes; none if it is not one that this version writes.
    #[must_use]
    pub fn read(payload: &[Line]) -> Option<Vec<Self>> {
        payload.iter().map(Self::from_line).collect()
    }

    /// As Raft takes them. More than one at a time go through a joint membership, which the leader
    /// leaves by a proposal of its own: raft's automatic way is lost when it steps down in between.
    pub(super) fn to_raft(changes: &[Self]) -> ConfChangeV2 {
        let single = |change: &Self| {
            let (kind, node) = match change {
                Self::Voter(node) | Self::Found(node) => (ConfChangeType::AddNode, node),
                Self::Remove(node) | Self::Dismiss(node) => (ConfChangeType::RemoveNode, node),
                Self::Learner(node) | Self::Newcomer(node, _) => {
                    (ConfChangeType::AddLearnerNode, node)
                }
            };
            let mut single = ConfChangeSingle::default();
            single.set_change_type(kind);
            single.node_id = node.raft();
            single
        };
        let mut all = ConfChangeV2::default();
        all.set_changes(changes.iter().map(single).collect::<Vec<_>>().into());
        if changes.len() > 1 {
            all.set_transition(ConfChangeTransition::Explicit);
        }
        all
    }

    fn line(&self) -> Line {
        let (kind, node) = match self {
            Self::Voter(node) => (1, node),
            Self::Remove(node) => (2, node),
            Self::Learner(node) => (3, node),
            Self::Dismiss(node) => (4, node),
            Self::Newcomer(node, _) => (5, node),
            Self::Found(node) => (6, node),
        };
        let (host, incarnation) = (node.host, node.incarnation);
        let mut change = ChangeLine { kind, host, incarnation, ..ChangeLine::new_zeroed() };
        if let Self::Newcomer(_, Place { address, votes }) = self {
            (change.address, change.port) = (address.ip().octets(), address.port());
            change.votes = u16::from(*votes);
        }
        let mut line = Line::ZERO;
        line.0.copy_from_slice(change.as_bytes());
        line
    }

    fn from_line(line: &Line) -> Option<Self> {
        let read = ChangeLine::read_from_bytes(&line.0).ok()?;
        let node = NodeId { host: read.host, incarnation: read.incarnation };
        let address = SocketAddrV4::new(read.address.into(), read.port);
        let change = match read.kind {
            1 => Self::Voter(node),
            2 => Self::Remove(node),
            3 => Self::Learner(node),
            4 => Self::Dismiss(node),
            5 => Self::Newcomer(node, Place { address, votes: read.votes == 1 }),
            6 => Self::Found(node),
            _ => return None,
        };
        (node.host != 0 && change.line() == *line).then_some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId { host: 2, incarnation: 5 };

    #[test]
    fn changes_are_read_as_they_were_written_and_nothing_else_is() {
        let place = Place { address: SocketAddrV4::new([10, 9, 1, 4].into(), 9_200), votes: true };
        let changes = [
            Change::Remove(NodeId::first(2)),
            Change::Learner(NODE),
            Change::Voter(NODE),
            Change::Dismiss(NODE),
            Change::Newcomer(NODE, place),
            Change::Found(NODE),
        ];
        let mut payload = Change::payload(&changes);
        assert_eq!(Change::read(&payload), Some(changes.to_vec()));
        payload[1].0[63] = 1;
        assert_eq!(Change::read(&payload), None);
        assert_eq!(Change::read(&[Line::ZERO]), None);
        assert_eq!(Change::read(&[]), Some(Vec::new()), "leaves a joint membership");
    }

    #[test]
    fn members_pass_through_raft_unchanged() {
        let mut members = Members::first(&[1, 2, 3], &[4]);
        members.outgoing = vec![NODE];
        assert_eq!(Members::from_raft(&members.to_raft()), members);
        assert!(members.is_joint());
        members.learners_next = vec![NODE];
        assert_eq!(Members::from_records(&members.to_records()), members);
    }
}
