//! What the stack asks of a NIC: frames in by the burst, frames out one by one.
//!
//! A device never blocks and never looks into a frame. Devices wrap devices.

use std::time::Instant;

use super::ethernet::MacAddress;
use crate::types::Nanos;

/// A source and sink of Ethernet frames.
pub trait Device: Send {
    /// Frames received together.
    type Burst: FrameBurst;

    /// What has arrived, at most [`RX_BURST_MAX`] frames; `None` if nothing.
    fn receive(&mut self) -> Option<Self::Burst>;

    /// Frames that [`Device::transmit`] is sure to take now; a flush may make room for more. It is
    /// [`RX_BURST_MAX`] or more when nothing waits to leave, so that a burst can always be answered in
    /// the end.
    fn room(&mut self) -> usize;

    /// Queues a frame of `length` bytes that `write` fills in; every byte must be set. It leaves with
    /// the next [`Device::flush`]. `None`, without a call of `write`, if there is no room.
    fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R>;

    /// Sends what is queued, as far as it can leave now, and returns how many frames did.
    fn flush(&mut self) -> usize;

    /// Publishes what it counted, where that is due. Most count nothing.
    fn publish(&mut self, _now: Nanos) {}

    /// What it does with frames besides carrying them; most do nothing.
    fn offloads(&self) -> Offloads {
        Offloads::default()
    }

    /// Has it fill in the checksum of the frame that was queued last, a TCP or UDP segment in IPv4 without
    /// options, which holds the sum of its pseudo header in its place. Only where it does that.
    fn fill_checksum(&mut self, _protocol: u8) {}

    /// When a frame with this stamp came from the wire, by its own clock put beside ours; `None` if that cannot
    /// be told now. Only where it stamps frames. Reading the clock of a NIC takes a microsecond.
    fn arrival(&mut self, _stamp: u64) -> Option<Instant> {
        None
    }

    /// Tells it which groups' frames are wanted. Most have no filter.
    fn hear_groups(&mut self, _groups: &[MacAddress]) {}

    /// Our address.
    fn mac(&self) -> MacAddress;

    /// The longest packet a frame carries, without the Ethernet header.
    fn mtu(&self) -> usize;
}

/// What a device does with frames besides carrying them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It looks at the checksums of TCP and UDP received, and says what it found.
    pub verifies: bool,
    /// It fills in those sent.
    pub fills: bool,
    /// It stamps frames as they come from the wire.
    pub stamps: bool,
}

/// What a device says of a received frame's checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing.
    #[default]
    Unknown,
    /// They are right.
    Right,
    /// One of them is wrong.
    Wrong,
}

/// Received frames, oldest first. They own their memory, so frames can be sent while they are read.
pub trait FrameBurst {
    /// The next frame; the one before is let go.
    fn next_frame(&mut self) -> Option<&[u8]>;

    /// What the device says of the checksums of the frame that comes next.
    fn next_checksum(&self) -> Checksum {
        Checksum::Unknown
    }

    /// When the frame that comes next came from the wire, by the device's clock, see [`Device::arrival`].
    fn next_stamp(&self) -> Option<u64> {
        None
    }
}

/// The most frames in a burst.
pub const RX_BURST_MAX: usize = 32;
/// Buffers that a port needs beyond its queues': an outbox, a burst being read, and the caches of two
/// threads.
pub const BUFFERS_SPARE: u32 = 1_024;
