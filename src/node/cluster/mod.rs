//! A node of a cluster: its command log is replicated, it follows the leader, and serves only while it
//! leads. A node alone has nothing of this on its path.
#![doc = include_str!("operations.md")]

mod boot;
mod identity;
mod images;
mod installing;
mod link;
mod replica;
mod requests;
mod role;

pub(super) use boot::boot;
pub use link::Link;
pub(super) use replica::{Replica, ReplicaCounters, ReplicaParts};
pub use requests::Request;
pub(super) use requests::Requests;
pub(super) use role::{Led, Role};

use super::durable::SharedControl;
use crate::consensus::{self, CommandLog, ControlState, Members, NodeId, StoreFailure};
use crate::event_store::Control;

/// The consensus node of a real one.
pub(super) type ConsensusNode = consensus::Node<CommandLog, KeptControl>;

/// What consensus must not forget, in the control file of the node.
#[derive(Debug)]
pub(super) struct KeptControl {
    file: SharedControl,
    state: ControlState,
}

impl KeptControl {
    /// As `file` has it.
    pub(super) fn new(file: SharedControl) -> Self {
        let Control { term, vote, members, members_index, .. } = file.state();
        let members = Members::from_records(&members);
        let state = ControlState { term: term.into(), vote, members, members_index };
        Self { file, state }
    }
}

impl consensus::Control for KeptControl {
    fn state(&self) -> &ControlState {
        &self.state
    }

    fn save(&mut self, state: &ControlState) -> Result<(), StoreFailure> {
        let &ControlState { term, vote, ref members, members_index } = state;
        let term = u32::try_from(term).expect("terms count elections");
        let members = members.to_records();
        self.file.update(|was| Control { term, vote, members, members_index, ..was })?;
        self.state = state.clone();
        Ok(())
    }

    fn refound(&mut self, state: &ControlState, next: NodeId) -> Result<(), StoreFailure> {
        // All of it at once: the old life must not wake up as a stranger to its own members.
        let members = state.members.to_records();
        let term = u32::try_from(state.term).expect("terms count elections");
        self.file.update(|was| Control {
            term,
            vote: state.vote,
            members,
            members_index: state.members_index,
            incarnation: next.incarnation,
            cut: true,
            ..was
        })?;
        self.state = state.clone();
        Ok(())
    }
}
