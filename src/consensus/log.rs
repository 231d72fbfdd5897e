//! What consensus needs of the command log, which is the Raft log: frames by index, appended and cut at
//! the end. And the few facts beside it that must survive, whatever else is lost.

use std::error::Error;

use super::{Members, NodeId};
use crate::types::{FrameChain, FrameHeader, Line};

/// Why a log or a control file failed. The node stops: it has no other place to keep its word.
pub type StoreFailure = Box<dyn Error + Send + Sync>;

/// A log of frames, one Raft entry each, their indexes without gaps.
pub trait FrameLog {
    /// The end of the log.
    fn chain(&self) -> &FrameChain;

    /// Index and term of the frame before the first that is kept; zeroes if none was retired.
    fn base(&self) -> (u64, u32);

    /// The index up to which the log knows frames to be committed, whoever said so; 0 if of none.
    fn committed(&self) -> u64;

    /// The header of the frame with this index, if the log holds it.
    fn header(&self, index: u64) -> Option<FrameHeader>;

    /// The payload of the frame with this index, if the log holds it.
    fn payload(&self, index: u64) -> Option<&[Line]>;

    /// Appends the next frame. It is read from here on, and durable once [`FrameLog::synced`] says so.
    ///
    /// # Errors
    /// A full or failing disk. The frame is then not in the log.
    fn append(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), StoreFailure>;

    /// Cuts every frame behind the one with index `last`.
    ///
    /// # Errors
    /// A failing disk.
    fn cut(&mut self, last: u64) -> Result<(), StoreFailure>;

    /// The frames up to the one with this index are committed.
    fn commit(&mut self, index: u64);

    /// Begins to make durable what is appended. Never waits.
    ///
    /// # Errors
    /// A failing disk.
    fn sync(&mut self) -> Result<(), StoreFailure>;

    /// The index up to which the frames that are in the log now are durable.
    fn synced(&self) -> u64;
}

/// What a node must never forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlState {
    /// The highest term it has seen.
    pub term: u64,
    /// Whom it voted for in that term, as Raft names it; 0 for nobody.
    pub vote: u64,
    /// The members it knows, after every change up to `members_index`.
    pub members: Members,
    /// The index of the last change of membership that it applied.
    pub members_index: u64,
}

/// Keeps the control state.
pub trait Control {
    /// The state that was saved last.
    fn state(&self) -> &ControlState;

    /// Saves the state, durable when this returns. Only elections and changes of membership need it.
    ///
    /// # Errors
    /// A failing disk.
    fn save(&mut self, state: &ControlState) -> Result<(), StoreFailure>;

    /// Saves the state, and that from the next start on the node is `next`, whose cluster may have lost
    /// what was committed before. Durable when this returns.
    ///
    /// # Errors
    /// A failing disk.
    fn refound(&mut self, state: &ControlState, next: NodeId) -> Result<(), StoreFailure>;
}
