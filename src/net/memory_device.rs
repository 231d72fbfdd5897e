//! Two devices joined by a wire in memory, for tests and simulation.
//!
//! The wire is bounded: when the far end does not take frames, this end has no room.

use std::collections::{VecDeque, vec_deque};
use std::sync::{Arc, Mutex, MutexGuard};

use super::device::{Device, FrameBurst, RX_BURST_MAX};
use super::ethernet::MacAddress;

/// One end of a wire.
#[derive(Debug)]
pub struct MemoryDevice {
    mac: MacAddress,
    capacity: usize,
    queued: VecDeque<Vec<u8>>,
    inbound: Wire,
    outbound: Wire,
}

/// Frames that arrived together.
#[derive(Debug)]
pub struct MemoryBurst {
    frames: vec_deque::IntoIter<Vec<u8>>,
    shown: Vec<u8>,
}

type Wire = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// The MTU of Ethernet.
const MTU: usize = 1500;

impl MemoryDevice {
    /// Both ends of a wire that holds `capacity` frames each way.
    #[must_use]
    pub fn pair(capacity: usize) -> (Self, Self) {
        let (one, other) = (Wire::default(), Wire::default());
        let end = |last, inbound, outbound| Self {
            mac: MacAddress([2, 0, 0, 0, 0, last]),
            capacity,
            queued: VecDeque::new(),
            inbound,
            outbound,
        };
        (end(1, Arc::clone(&one), Arc::clone(&other)), end(2, other, one))
    }
}

#[cfg(test)]
impl MemoryBurst {
    /// The same, with copies of its frames.
    pub(super) fn peeked(self) -> (Self, Vec<Vec<u8>>) {
        let frames = self.frames.clone().collect();
        (self, frames)
    }
}

fn lock(wire: &Wire) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
    wire.lock().expect("nobody panics while holding the wire")
}

impl Device for MemoryDevice {
    type Burst = MemoryBurst;

    fn receive(&mut self) -> Option<MemoryBurst> {
        let mut wire = lock(&self.inbound);
        let count = wire.len().min(RX_BURST_MAX);
        let frames: VecDeque<_> = wire.drain(..count).collect();
        (count > 0).then(|| MemoryBurst { frames: frames.into_iter(), shown: Vec::new() })
    }

    fn room(&mut self) -> usize {
        self.capacity.saturating_sub(lock(&self.outbound).len() + self.queued.len())
    }

    fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if self.room() == 0 {
            return None;
        }
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.queued.push_back(frame);
        Some(result)
    }

    fn flush(&mut self) -> usize {
        let count = self.queued.len();
        lock(&self.outbound).append(&mut self.queued);
        count
    }

    fn mac(&self) -> MacAddress {
        self.mac
    }

    fn mtu(&self) -> usize {
        MTU
    }
}

impl FrameBurst for MemoryBurst {
    fn next_frame(&mut self) -> Option<&[u8]> {
        self.shown = self.frames.next()?;
        Some(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_reach_the_far_end_in_order_once_flushed() {
        let (mut near, mut far) = MemoryDevice::pair(8);
        for byte in 0..3 {
            near.transmit(1, |frame| frame[0] = byte).unwrap();
        }
        assert!(far.receive().is_none());
        assert_eq!(near.flush(), 3);
        let mut burst = far.receive().unwrap();
        for byte in 0..3 {
            assert_eq!(burst.next_frame(), Some(&[byte][..]));
        }
        assert_eq!(burst.next_frame(), None);
    }

    #[test]
    fn a_full_wire_has_no_room() {
        let (mut near, mut far) = MemoryDevice::pair(2);
        for _ in 0..2 {
            near.transmit(1, |_| ()).unwrap();
        }
        near.flush();
        assert_eq!((near.room(), near.transmit(1, |_| ())), (0, None));
        far.receive();
        assert_eq!(near.room(), 2);
    }
}
