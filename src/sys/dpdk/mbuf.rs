//! Received packet buffers, by the burst: the unit in which DPDK gives them.
//!
//! One count of the pool per burst rather than per buffer keeps atomics off the path of a frame.

use std::sync::Arc;

use dpdk_sys::rialto_mbuf;

use super::Mempool;

/// Up to [`Burst::MAX`] received frames, oldest first. Those left are given back on drop.
#[derive(Debug)]
pub struct Burst {
    /// `mbufs[first..count]` belong to this value.
    mbufs: [*mut rialto_mbuf; Burst::MAX],
    first: usize,
    count: usize,
    /// Whether `mbufs[first]` was handed out by `next_frame`.
    shown: bool,
    // What the buffers lie in.
    _pool: Arc<Mempool>,
}

/// What a port found of a frame's checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameChecksum {
    /// Nothing: it did not look.
    Unknown,
    /// They are right.
    Right,
    /// One is wrong.
    Wrong,
}

impl Burst {
    /// The most frames in a burst.
    pub const MAX: usize = 32;

    /// The first `count` of `mbufs`, which the caller had from the driver and gives up.
    pub(super) fn new(
        mbufs: [*mut rialto_mbuf; Self::MAX],
        count: usize,
        pool: &Arc<Mempool>,
    ) -> Self {
        assert!(count <= Self::MAX);
        Self { mbufs, first: 0, count, shown: false, _pool: Arc::clone(pool) }
    }

    /// Lets go of the frame it gave before and gives the next one.
    pub fn next_frame(&mut self) -> Option<&[u8]> {
        if self.shown {
            self.shown = false;
            self.free_first();
        }
        if self.first == self.count {
            return None;
        }
        self.shown = true;
        let mbuf = self.mbufs[self.first];
        // SAFETY: `mbufs[first..count]` belong to `self` and are not freed yet.
        let data = unsafe { dpdk_sys::rialto_mbuf_data(mbuf) };
        // SAFETY: as above.
        let length = unsafe { dpdk_sys::rialto_mbuf_length(mbuf) };
        // SAFETY: a received buffer holds `length` bytes, written by the driver, from `data` on. Nobody
        // else has the buffer, and it is freed by the next call or the drop, which the returned borrow
        // keeps away as long as the frame is used.
        Some(unsafe { std::slice::from_raw_parts(data, usize::from(length)) })
    }

    /// What the port found of the checksums of the frame that comes next.
    #[must_use]
    pub fn next_checksum(&self) -> FrameChecksum {
        use dpdk_sys as c;

        let next = self.first + usize::from(self.shown);
        if next >= self.count {
            return FrameChecksum::Unknown;
        }
        // SAFETY: `mbufs[first..count]` belong to `self` and are not freed yet.
        let found = unsafe { c::rialto_mbuf_checksum(self.mbufs[next]) };
        match found {
            c::RIALTO_CHECKSUM_RIGHT => FrameChecksum::Right,
            c::RIALTO_CHECKSUM_WRONG => FrameChecksum::Wrong,
            _ => FrameChecksum::Unknown,
        }
    }

    /// When the frame that comes next arrived, in ticks of the port's clock; `None` if nobody stamped it.
    #[must_use]
    pub fn next_stamp(&self) -> Option<u64> {
        let next = self.first + usize::from(self.shown);
        if next >= self.count {
            return None;
        }
        let mut stamp = 0;
        // SAFETY: `mbufs[first..count]` belong to `self` and are not freed yet; `stamp` lives through the
        // call.
        let stamped = unsafe { dpdk_sys::rialto_mbuf_stamp(self.mbufs[next], &raw mut stamp) };
        (stamped != 0).then_some(stamp)
    }

    fn free_first(&mut self) {
        let mbuf = self.mbufs[self.first];
        self.first += 1;
        // SAFETY: it belonged to `self`, and moving `first` past it makes this its only free. The
        // pool is alive, since `self` holds it.
        unsafe { dpdk_sys::rialto_mbuf_free(mbuf) };
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        while self.first < self.count {
            self.free_first();
        }
    }
}
