//! What happens to a leader, and how it is over. What comes of it, others see.

use crate::cli::lab::nodes::{Network, cut};
use crate::cli::lab::{Children, LabError, ProcessId};

/// What happens to a leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its process ends without a word; its machine's kernel hangs up on brokers.
    Kill,
    /// Its process stands still: the kernel goes on acknowledging what brokers send.
    Pause,
    /// Brokers reach it and other nodes do not.
    Partition,
    /// Nobody reaches it, and nobody is told.
    Unplug,
}

impl Fault {
    /// In words.
    pub(super) const fn verb(self) -> &'static str {
        match self {
            Self::Kill => "killed (SIGKILL)",
            Self::Pause => "made to stand still (SIGSTOP)",
            Self::Partition => "cut off from the other nodes",
            Self::Unplug => "cut off from everybody",
        }
    }

    /// In a report.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::Unplug => "unplug",
        }
    }

    const fn networks(self) -> &'static [Network] {
        match self {
            Self::Kill | Self::Pause => &[],
            Self::Partition => &[Network::Back],
            Self::Unplug => &[Network::Back, Network::Front],
        }
    }

    /// Has it happen to node `host`.
    pub(super) fn begin(
        self,
        host: u32,
        process: ProcessId,
        children: &mut Children,
    ) -> Result<(), LabError> {
        match self {
            Self::Kill => children.kill(process)?,
            Self::Pause => children.pause(process, true)?,
            Self::Partition | Self::Unplug => {}
        }
        self.networks().iter().try_for_each(|network| cut(*network, host, true))
    }

    /// Has it be over, but for a process that has ended.
    pub(super) fn end(
        self,
        host: u32,
        process: ProcessId,
        children: &mut Children,
    ) -> Result<(), LabError> {
        if self == Self::Pause {
            children.pause(process, false)?;
        }
        self.networks().iter().try_for_each(|network| cut(*network, host, false))
    }
}
