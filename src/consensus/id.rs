//! Who a node is: a host, and which of its lives. Never reused, so what a life acknowledged and then
//! lost is never asked of the next one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One life of a node. A host that lost what it may have acknowledged comes back as the next
/// incarnation, which is another member to Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId {
    /// The host's number in the cluster, from 1.
    pub host: u32,
    /// From 1, +1 each time the host gives up its old self.
    pub incarnation: u32,
}

impl NodeId {
    /// The first life of `host`.
    #[must_use]
    pub const fn first(host: u32) -> Self {
        Self { host, incarnation: 1 }
    }

    /// The host's next life.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { host: self.host, incarnation: self.incarnation + 1 }
    }

    /// What Raft calls it. Zero, which is nobody to Raft, is the host 0 that does not exist.
    #[must_use]
    pub const fn raft(self) -> u64 {
        (self.incarnation as u64) << 32 | self.host as u64
    }

    /// Who Raft means.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the number")]
    pub const fn from_raft(id: u64) -> Self {
        Self { host: id as u32, incarnation: (id >> 32) as u32 }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.host, self.incarnation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_and_its_next_life_are_two_members_to_raft() {
        let node = NodeId { host: 3, incarnation: 7 };
        assert_eq!(NodeId::from_raft(node.raft()), node);
        assert_eq!(NodeId::from_raft(node.next().raft()), NodeId { host: 3, incarnation: 8 });
        assert_ne!(node.raft(), node.next().raft());
    }
}
