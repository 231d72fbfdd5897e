//! Why a node ends: it cannot keep its word, or is another when it is started again.

use super::{NodeId, StoreFailure};

/// Why a node cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeFailure {
    /// The log or the control file.
    #[error("{0}: the node cannot keep its word, and stops")]
    Store(#[from] StoreFailure),
    /// The leader knows it to have acknowledged what it does not have.
    #[error(
        "the cluster committed entry {commit}, which this node acknowledged, and its log ends at \
         {last}: it lost data, and must come back as a new incarnation"
    )]
    LostTail {
        /// Committed with this node's word.
        commit: u64,
        /// The end of its log.
        last: u64,
    },
    /// It lacked what the others have no more, and has taken an image instead.
    #[error(
        "an image of another node up to frame {index} is here: start the node again, and it begins with it"
    )]
    Moved {
        /// The last frame that is in the image.
        index: u64,
    },
    /// Most came to another state by the same commands.
    #[error(
        "by sequence {at} most nodes came to state {theirs:016x}, and this one to {ours:016x}: its files are \
         kept as they are; find out which of its programs, memory or disk is to blame before it is started \
         again as a new incarnation"
    )]
    Astray {
        /// The sequence.
        at: u64,
        /// The hash of what this node came to.
        ours: u64,
        /// The hash of what most came to.
        theirs: u64,
    },
    /// It only observes, and the members count on its vote.
    #[error(
        "this node only observes, and host {host} has a vote, which the others wait for: start it with `rialto \
         run`; or, once another has taken its place, `rialto cluster remove {host}` and `rialto cluster add \
         {host}@ADDRESS --learner` at the leader, and start it with an empty directory"
    )]
    HasVote {
        /// This host.
        host: u32,
    },
    /// It was told to give up a quorum that is lost, and has.
    #[error(
        "this node is the only member of its cluster from its next start on, with a log to frame {index}; what \
         only lost hosts {lost:?} had is lost"
    )]
    Refounded {
        /// The end of its log.
        index: u64,
        /// Hosts that were said to be lost.
        lost: Vec<u32>,
    },
    /// It was told to found a cluster, and there is one.
    #[error(
        "a node of this cluster speaks to an earlier life of host {host} ({life}), which founds the \
         cluster anew: start it with an empty directory and without a market, so that it joins the \
         others; or, to begin again, empty the directories of all nodes"
    )]
    Founded {
        /// This host.
        host: u32,
        /// The life that is known to others.
        life: NodeId,
    },
    /// A change of membership that this version cannot read.
    #[error("frame {index} changes the membership in a way this version does not know: upgrade")]
    UnknownChange {
        /// The frame.
        index: u64,
    },
    /// What raft refuses.
    #[error("raft: {0}")]
    Raft(#[from] raft::Error),
}
