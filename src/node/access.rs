//! The file of who may talk to order entry, read again whenever it changes.
//!
//! A file that cannot be used changes nothing: what held before holds on, and the log says what is
//! wrong with it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::NodeError;
use crate::agent::{Publisher, Watch, real_time};
use crate::config::{Access, OrderEntry};
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::net::ipv4::Ipv4Network;
use crate::net::{AccessList, PortNetworks};

/// What is told to those who let in.
#[derive(Debug)]
pub(super) struct AccessFile {
    /// None = there is none, and nothing changes.
    path: Option<PathBuf>,
    /// The networks of the node's own file.
    allow: Vec<Ipv4Network>,
    list: Publisher<AccessList>,
    ports: Publisher<PortNetworks>,
    /// What was read last, and what was there at the last look.
    read: Option<Stamp>,
    seen: Option<Stamp>,
    look_at: Instant,
    counters: AccessCounters,
    published: CounterBlock,
}

/// What changes when a file is written: inode, size, and time in seconds and nanoseconds.
type Stamp = [i128; 4];

counter_set! {
    /// What became of the file.
    pub(super) struct AccessCounters {
        /// Changes that were taken over.
        changes,
        /// Changes that could not be used.
        refused,
    }
}

/// How often the file is looked at. A change is taken over when it has settled for as long: an editor
/// may write in parts.
const INTERVAL: Duration = Duration::from_millis(500);

impl AccessFile {
    /// Reads the file that `entry` names, if it does.
    ///
    /// # Errors
    /// A file that cannot be used: a node does not begin with less than it was told.
    pub(super) fn open(entry: &OrderEntry, published: CounterBlock) -> Result<Self, NodeError> {
        let path = entry.access_file.clone();
        let read = path.as_ref().and_then(stamp);
        let access = match &path {
            None => Access::of(&entry.allow),
            Some(path) => Access::load(path, &entry.allow)?,
        };
        Ok(Self {
            path,
            allow: entry.allow.clone(),
            list: Publisher::new(access.list),
            ports: Publisher::new(access.ports),
            read,
            seen: read,
            look_at: Instant::now() + INTERVAL,
            counters: AccessCounters::default(),
            published,
        })
    }

    /// Who may talk to us, for a transport.
    pub(super) fn list(&self) -> Watch<AccessList> {
        self.list.watch()
    }

    /// From where ports may log in, for a gateway.
    pub(super) fn ports(&self) -> Watch<PortNetworks> {
        self.ports.watch()
    }

    /// Takes a change over, if there is one. To be called again and again; mostly it does nothing.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let Some(path) = self.path.as_ref().filter(|_| now >= self.look_at) else { return };
        self.look_at = now + INTERVAL;
        let stamp = stamp(path);
        let settled = stamp == self.seen;
        self.seen = stamp;
        if settled && stamp != self.read {
            self.read = stamp;
            match Access::load(path, &self.allow) {
                Ok(access) => {
                    info!(path = %path.display(), "who may talk to order entry has changed");
                    self.list.publish(access.list);
                    self.ports.publish(access.ports);
                    self.counters.changes += 1;
                }
                Err(error) => {
                    warn!(%error, "who may talk to order entry stays as it was");
                    self.counters.refused += 1;
                }
            }
        }
        if self.published.is_due(real_time()) {
            self.counters.publish(&mut self.published);
        }
    }
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let about = fs::metadata(path).ok()?;
    let (inode, size) = (about.ino().into(), about.size().into());
    Some([inode, size, about.mtime().into(), about.mtime_nsec().into()])
}
