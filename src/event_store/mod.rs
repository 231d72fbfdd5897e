//! The event store: the command log and the event log, memory-mapped, append-only, and read by many.
//!
//! One [`Writer`] per log appends frames and moves the commit position; any number of [`Reader`]s, in
//! this process or in others, see what lies below it. The store never decides what is committed, when
//! to make it durable, or what a record means.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use rialto::event_store::{LogKind, Options, Writer};
//! use rialto::types::{Cause, FrameKind, Line, Nanos};
//!
//! # fn main() -> Result<(), rialto::event_store::StoreError> {
//! let options = Options::new(LogKind::Commands, 64 << 20);
//! let (mut writer, recovered) = Writer::open(Path::new("/dev/shm/rialto/commands"), options)?;
//! let mut reader = writer.reader();
//!
//! let mut record = Line::ZERO;
//! record.0[1] = 1;
//! let cause = Cause { index: recovered.chain.index + 1, term: 1, time: Nanos(1) };
//! let header = writer.seal(FrameKind::Normal, cause, 1, &[record])?;
//! assert!(reader.next_frame()?.is_none());
//! writer.commit(writer.chain().end);
//! let frame = reader.next_frame()?.expect("it is committed");
//! assert_eq!(frame.header, &header);
//! # Ok(())
//! # }
//! ```
#![doc = include_str!("format.md")]

mod background;
mod beginning;
mod control;
mod copy;
mod error;
mod index;
mod indexed;
mod log;
mod preparer;
mod reader;
mod recovery;
mod repair;
mod retirement;
mod segment;
mod snapshots;
mod survey;
mod syncer;
mod writer;

pub use background::{BackgroundSync, Watermark};
pub use control::{Control, ControlError, ControlFile, MEMBERS_MAX, MemberRecord};
pub use copy::{LogCopy, LogRange, OpenRange};
pub use error::{Damage, StoreError};
pub use indexed::IndexedWriter;
pub use reader::{Frame, LogRecord, Reader, Records};
pub use recovery::{CHECKED_AGAIN_BYTES, Landmark, Recovered, Torn, is_blank_log};
pub use repair::{Mended, Repair, RepairError, repair};
pub use retirement::{Retention, Retirement};
pub use segment::{LogKind, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use snapshots::{SNAPSHOTS_KEPT, SnapshotFileError, SnapshotMark, Snapshots};
pub use survey::{Known, SegmentSurvey, Survey, survey, survey_knowing};
pub use syncer::Syncer;
pub use writer::{Durability, Options, Writer, check_space};

pub use crate::sys::log_positions::WriterState;
