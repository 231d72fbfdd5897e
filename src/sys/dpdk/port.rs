//! A port: a NIC or a virtual device, by its pairs of a receive and a transmit queue.
//!
//! Never blocks. What a transmit queue has no room for stays here, in order, for the next flush.

use std::sync::Arc;

use dpdk_sys::rialto_mbuf;
use tracing::{debug, warn};

use super::{Burst, DpdkError, Mempool, reason};

/// A pair of queues of a started port.
#[derive(Debug)]
pub struct Port {
    number: u16,
    queue: u16,
    mac: [u8; 6],
    mtu: u16,
    verifies_checksums: bool,
    fills_checksums: bool,
    stamps: bool,
    places: u16,
    /// `outbox[..queued]` are frames to send, oldest first; `outbox[queued..ready]` are empty buffers
    /// for the next ones. All belong to this value.
    outbox: [*mut rialto_mbuf; Port::OUTBOX_MAX],
    queued: u16,
    ready: u16,
    started: Arc<Started>,
}

/// A started port as long as any of its queues is used. Stopped and closed on drop.
#[derive(Debug)]
struct Started {
    number: u16,
    /// Also keeps EAL running.
    pool: Arc<Mempool>,
}

/// How to set up a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// Pairs of queues.
    pub queues: u16,
    /// What the port's hash is made with, where it spreads packets over its queues by their addresses.
    pub spread_key: &'static [u8; SPREAD_KEY_BYTES],
    /// Descriptors of a receive queue: bursts that it can hold against cache that it fills. Some
    /// drivers have sizes of their own, see `net::DpdkConfig`.
    pub rx_descriptors: u16,
    /// Descriptors of a transmit queue.
    pub tx_descriptors: u16,
}

/// Bytes of the longest key of a port's hash.
pub const SPREAD_KEY_BYTES: usize = dpdk_sys::RIALTO_SPREAD_KEY_BYTES as usize;

/// What a port counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Frames received.
    pub rx_packets: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames lost because the receive queue was full.
    pub rx_missed: u64,
    /// Damaged frames.
    pub rx_errors: u64,
    /// Frames that could not be sent.
    pub tx_errors: u64,
    /// Frames lost because the pool was empty.
    pub rx_no_mbuf: u64,
}

const RX_BURST: u16 = 32;
const _: () = assert!(RX_BURST as usize == Burst::MAX);

// SAFETY: DPDK allows a queue to be used from any thread, one at a time, and different queues at once.
// Each is this value's alone, and `&mut self` on receive, transmit and flush makes it one at a time. The
// buffers in `outbox` are reached through `self` alone.
unsafe impl Send for Port {}

impl Port {
    /// The most frames that wait to be sent.
    pub const OUTBOX_MAX: usize = 128;

    /// Starts the first port that EAL found, receiving into `pool`, and returns its pairs of queues: at
    /// least one, and as many as were asked for. Each may be used by a thread of its own.
    ///
    /// # Errors
    /// [`DpdkError::NoPort`], [`DpdkError::Queues`], [`DpdkError::Port`].
    pub fn start(pool: &Arc<Mempool>, config: PortConfig) -> Result<Vec<Self>, DpdkError> {
        // SAFETY: EAL runs, since the pool exists.
        let first = unsafe { dpdk_sys::rialto_port_first() };
        let number = u16::try_from(first).map_err(|_| DpdkError::NoPort)?;
        let check = |action, result: i32| match result {
            0.. => Ok(result),
            _ => Err(DpdkError::Port { port: number, action, reason: reason(result) }),
        };
        let queues = config.queues.max(1);
        // SAFETY: EAL runs, and has this port.
        let most = unsafe { dpdk_sys::rialto_port_queues_max(number) };
        let most = check("ask what it can do", most)?;
        if i32::from(queues) > most {
            return Err(DpdkError::Queues { port: number, wanted: queues, most });
        }

        let (mut offloads, mut places) = (0, 0);
        // SAFETY: EAL runs and the pool is alive; the Arc below keeps both until the port is closed.
        // The key is as long as the shim says, and copied; `offloads` and `places` live through the call.
        let result = unsafe {
            dpdk_sys::rialto_port_start(
                number,
                pool.as_ptr(),
                queues,
                config.spread_key.as_ptr(),
                config.rx_descriptors,
                config.tx_descriptors,
                &raw mut offloads,
                &raw mut places,
            )
        };
        check("start (is the interface there and up, and may this process open it?)", result)?;
        // From here on, dropping it closes the port.
        let started = Arc::new(Started { number, pool: Arc::clone(pool) });
        let mut mac = [0; 6];
        // SAFETY: EAL runs; `mac` is six bytes that live through the call.
        let result = unsafe { dpdk_sys::rialto_port_mac(number, mac.as_mut_ptr()) };
        check("read the address", result)?;
        // SAFETY: EAL runs.
        let result = unsafe { dpdk_sys::rialto_port_mtu(number) };
        let mtu = check("read the MTU", result)?;
        let pair = |queue| Self {
            number,
            queue,
            mac,
            mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
            verifies_checksums: offloads & dpdk_sys::RIALTO_OFFLOAD_VERIFIES != 0,
            fills_checksums: offloads & dpdk_sys::RIALTO_OFFLOAD_FILLS != 0,
            stamps: queue == 0 && offloads & dpdk_sys::RIALTO_OFFLOAD_STAMPS != 0,
            places,
            outbox: [std::ptr::null_mut(); Self::OUTBOX_MAX],
            queued: 0,
            ready: 0,
            started: Arc::clone(&started),
        };
        Ok((0..queues).map(pair).collect())
    }

    /// Places of the table by which the port spreads packets over its queues as it was told; 0 where it
    /// spreads them as it likes.
    #[must_use]
    pub fn places(&self) -> u16 {
        self.places
    }

    /// The port's own Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// The longest packet it carries, without the Ethernet header.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Whether it looks at the checksums of received frames, see [`Burst::next_checksum`].
    #[must_use]
    pub fn verifies_checksums(&self) -> bool {
        self.verifies_checksums
    }

    /// Whether it fills in the checksums of frames sent, see [`Port::fill_checksum`].
    #[must_use]
    pub fn fills_checksums(&self) -> bool {
        self.fills_checksums
    }

    /// Whether received frames are stamped with [`Port::clock`], see [`Burst::next_stamp`]. Of several queues
    /// only the first says so: the clock is the whole port's.
    #[must_use]
    pub fn stamps(&self) -> bool {
        self.stamps
    }

    /// Its clock, in ticks of its own; `None` where it has none, or none that can be read. A NIC's takes a
    /// microsecond to read.
    #[must_use]
    pub fn clock(&self) -> Option<u64> {
        if self.queue != 0 {
            return None;
        }
        let mut ticks = 0;
        // SAFETY: the port is open; `ticks` lives through the call. Nobody else reads the clock meanwhile:
        // there is one value for the first queue, and it is not `Sync`.
        let result = unsafe { dpdk_sys::rialto_port_clock(self.number, &raw mut ticks) };
        (result == 0).then_some(ticks)
    }

    /// Has it fill in the checksum of the segment, of TCP or else of UDP, that was queued last. It lies
    /// behind an Ethernet header and an IPv4 header without options, and holds in the place of its checksum
    /// the sum of the pseudo header.
    ///
    /// # Panics
    /// If the port does not do that, or nothing is queued.
    pub fn fill_checksum(&mut self, is_tcp: bool) {
        assert!(self.fills_checksums && self.queued > 0, "nobody fills in this checksum");
        let last = self.outbox[usize::from(self.queued) - 1];
        // SAFETY: `outbox[..queued]` are frames of ours.
        unsafe { dpdk_sys::rialto_mbuf_fill_checksum(last, is_tcp.into()) }
    }

    /// Receives frames to these multicast addresses too. A virtual device that cannot be told receives
    /// them anyway, so a refusal is only said.
    ///
    /// # Panics
    /// With more addresses than C can count.
    pub fn hear(&self, groups: &[[u8; 6]]) {
        let bytes = groups.as_flattened();
        let count = u32::try_from(groups.len()).expect("a handful");
        // SAFETY: the port is open, and `bytes` are as many addresses of six bytes, which are copied.
        let result = unsafe { dpdk_sys::rialto_port_hear(self.number, bytes.as_ptr(), count) };
        if result < 0 {
            debug!(target: "dpdk", port = self.number, reason = reason(result), "no multicast filter");
        }
    }

    /// What the driver counted; zeroes if it does not count.
    #[must_use]
    pub fn stats(&self) -> PortStats {
        use dpdk_sys as c;

        let mut stats = [0_u64; c::RIALTO_STAT_COUNT as usize];
        // SAFETY: the port is open, and `stats` is as long as the shim's enum says.
        let result = unsafe { c::rialto_port_stats(self.number, stats.as_mut_ptr()) };
        if result < 0 {
            return PortStats::default();
        }
        let stat = |index: c::rialto_stat| stats[index as usize];
        PortStats {
            rx_packets: stat(c::RIALTO_STAT_RX_PACKETS),
            tx_packets: stat(c::RIALTO_STAT_TX_PACKETS),
            rx_bytes: stat(c::RIALTO_STAT_RX_BYTES),
            tx_bytes: stat(c::RIALTO_STAT_TX_BYTES),
            rx_missed: stat(c::RIALTO_STAT_RX_MISSED),
            rx_errors: stat(c::RIALTO_STAT_RX_ERRORS),
            tx_errors: stat(c::RIALTO_STAT_TX_ERRORS),
            rx_no_mbuf: stat(c::RIALTO_STAT_RX_NO_MBUF),
        }
    }

    /// Whether the link is up; `true` where the driver cannot tell.
    #[must_use]
    pub fn link_is_up(&self) -> bool {
        // SAFETY: the port is open.
        unsafe { dpdk_sys::rialto_port_link(self.number) != 0 }
    }

    /// What has arrived, at most [`Burst::MAX`] frames.
    pub fn receive(&mut self) -> Option<Burst> {
        let mut mbufs = [std::ptr::null_mut(); Burst::MAX];
        // SAFETY: the port is open and this queue of it set up and ours alone; `mbufs` has room for MAX
        // pointers, and what the driver writes there belongs to us.
        let count = unsafe {
            dpdk_sys::rialto_rx_burst(self.number, self.queue, mbufs.as_mut_ptr(), RX_BURST)
        };
        (count > 0).then(|| Burst::new(mbufs, usize::from(count), &self.started.pool))
    }

    /// Frames that [`Port::transmit`] is sure to take now; a flush may make room for more.
    pub fn room(&mut self) -> usize {
        while usize::from(self.ready) < Self::OUTBOX_MAX {
            // SAFETY: the pool is alive, since `self` holds it.
            let mbuf = unsafe { dpdk_sys::rialto_mbuf_alloc(self.started.pool.as_ptr()) };
            if mbuf.is_null() {
                break;
            }
            self.outbox[usize::from(self.ready)] = mbuf;
            self.ready += 1;
        }
        usize::from(self.ready - self.queued)
    }

    /// Queues a frame of `length` bytes that `write` fills in. It leaves with the next flush. `None`,
    /// without a call of `write`, if there is no room or the frame is longer than a buffer.
    ///
    /// The bytes are those of some earlier frame; `write` is to set every one.
    pub fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if self.ready == self.queued && self.room() == 0 {
            return None;
        }
        let length = u16::try_from(length).ok()?;
        // SAFETY: `outbox[queued]` is an empty buffer of ours, since `queued < ready`.
        let data =
            unsafe { dpdk_sys::rialto_mbuf_append(self.outbox[usize::from(self.queued)], length) };
        if data.is_null() {
            return None;
        }
        // SAFETY: append returned `length` bytes within the buffer, which is ours alone. They are
        // initialised: pool memory is mapped zeroed and only ever written.
        let frame = unsafe { std::slice::from_raw_parts_mut(data, usize::from(length)) };
        self.queued += 1;
        Some(write(frame))
    }

    /// Hands queued frames to the driver and returns how many it took. The rest stays queued.
    pub fn flush(&mut self) -> usize {
        if self.queued == 0 {
            return 0;
        }
        // SAFETY: the port is open and this queue of it set up and ours alone; `outbox[..queued]` are
        // frames of ours, and those taken are forgotten below.
        let taken = unsafe {
            dpdk_sys::rialto_tx_burst(
                self.number,
                self.queue,
                self.outbox.as_mut_ptr(),
                self.queued,
            )
        };
        let [gone, queued, ready] = [taken, self.queued, self.ready].map(usize::from);
        close_gap(&mut self.outbox[..ready], queued, gone);
        self.queued -= taken;
        self.ready -= taken;
        usize::from(taken)
    }
}

/// Forgets the first `gone` of an outbox, whose first `queued` are frames and whose others are empty buffers;
/// its last `gone` places then mean nothing. Frames keep their order; of the empty buffers, which are all
/// alike, no more move than there are places to fill.
fn close_gap<T: Copy>(outbox: &mut [T], queued: usize, gone: usize) {
    outbox.copy_within(gone..queued, 0);
    let moved = gone.min(outbox.len() - queued);
    outbox.copy_within(outbox.len() - moved.., queued - gone);
}

impl Drop for Port {
    fn drop(&mut self) {
        for mbuf in &self.outbox[..usize::from(self.ready)] {
            // SAFETY: `outbox[..ready]` are ours, and are not looked at again.
            unsafe { dpdk_sys::rialto_mbuf_free(*mbuf) };
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // SAFETY: the port is open, no queue of it is used any more, and this is the only close.
        let result = unsafe { dpdk_sys::rialto_port_close(self.number) };
        if result < 0 {
            warn!(target: "dpdk", port = self.number, reason = reason(result), "port did not close");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_left_in_an_outbox_nothing_is_lost_or_doubled_and_frames_keep_their_order() {
        for ready in 0..=8 {
            for (queued, gone) in (0..=ready).flat_map(|q| (0..=q).map(move |gone| (q, gone))) {
                let mut outbox: Vec<_> = (0..ready).collect();
                close_gap(&mut outbox, queued, gone);
                outbox.truncate(ready - gone);
                assert!(outbox[..queued - gone].iter().copied().eq(gone..queued));
                outbox.sort_unstable();
                assert!(outbox.into_iter().eq(gone..ready), "{gone} of {queued} of {ready}");
            }
        }
    }
}
