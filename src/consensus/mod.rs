//! Consensus: Raft orders the frames of the command log. It decides nothing about what is in them and
//! reads no clock, file or socket: time, log, control and transport are arguments. The transports
//! beside it are what a node gives it.
//!
//! The Raft log is the command log: a frame is an entry, and an entry on the wire is the frame's
//! header. The payload travels beside it, once to all by multicast or with each message, and a follower
//! holds an entry back until it has the payload. To Raft that is a slow network, so what it promises
//! stays true; the care goes into fetching what was lost.

#[cfg(feature = "aeron")]
pub mod aeron;
mod catch_up;
mod codec;
mod command_log;
mod exchange;
mod failure;
mod hold_back;
mod id;
mod images;
mod leading;
mod log;
mod members;
mod node;
mod operating;
mod ready;
mod repair;
mod samples;
mod settings;
mod staging;
mod stand;
mod storage;
mod transport;
pub mod udp;

pub use codec::{Body, Codec, CodecError, Fetch, Packet};
pub use command_log::{CommandLog, UNSYNCED_BYTES_MAX};
pub use failure::NodeFailure;
pub use id::NodeId;
pub use images::{IMAGE_DESCRIPTION_BYTES_MAX, IMAGE_PART_BYTES_MAX, Images, Offer};
pub use leading::{NotProposed, UNCOMMITTED_FRAMES_MAX};
pub use log::{Control, ControlState, FrameLog, StoreFailure};
pub use members::{Change, Members, Place};
pub use node::{Node, NodeCounters};
pub use operating::Refused;
pub use repair::Patience;
pub use samples::Sample;
pub use settings::{Moment, STAGING_BYTES_MAX, Settings, Timing};
pub use stand::{NotGivenUp, Stand};
pub use transport::{MESSAGE_BYTES_MAX, PayloadMode, Transport};
