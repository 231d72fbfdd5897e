//! A device that does checksums and stamps frames, as a NIC would: what it says is believed, and what it
//! fills in is left to it.

use std::time::{Duration, Instant};

use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::by_hand::{Bench, bench, datagram, peer, syn};
use super::*;
use crate::net::device::{Checksum, Offloads};
use crate::net::ipv4::{Ipv4Header, PROTOCOL_TCP, PROTOCOL_UDP, checksum, sum};
use crate::net::memory_device::MemoryBurst;
use crate::net::udp::UdpHeader;

/// A device over another whose frames it completes and examines.
struct Nic {
    inner: MemoryDevice,
    queued: Vec<(Vec<u8>, bool)>,
    looks: bool,
    /// Frames that were received; each is stamped with its number.
    received: u64,
    start: Instant,
}

struct NicBurst {
    inner: MemoryBurst,
    found: Vec<Checksum>,
    next_stamp: u64,
}

impl Nic {
    /// One that does not look into what it receives leaves that to the stack.
    fn new(inner: MemoryDevice, looks: bool) -> Self {
        Self { inner, queued: Vec::new(), looks, received: 0, start: Instant::now() }
    }
}

impl Device for Nic {
    type Burst = NicBurst;

    fn receive(&mut self) -> Option<NicBurst> {
        let (inner, frames) = self.inner.receive()?.peeked();
        let found: Vec<_> = frames.iter().map(|frame| self.found(frame)).rev().collect();
        let next_stamp = self.received;
        self.received += found.len() as u64;
        Some(NicBurst { inner, found, next_stamp })
    }

    fn room(&mut self) -> usize {
        self.inner.room().saturating_sub(self.queued.len())
    }

    fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        if self.room() == 0 {
            return None;
        }
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.queued.push((frame, false));
        Some(result)
    }

    fn flush(&mut self) -> usize {
        for (mut frame, fill) in self.queued.drain(..) {
            if fill {
                complete(&mut frame);
            }
            self.inner.transmit(frame.len(), |sent| sent.copy_from_slice(&frame)).unwrap();
        }
        self.inner.flush()
    }

    fn offloads(&self) -> Offloads {
        Offloads { verifies: true, fills: true, stamps: true }
    }

    fn arrival(&mut self, stamp: u64) -> Option<Instant> {
        Some(self.start + Duration::from_secs(stamp))
    }

    fn fill_checksum(&mut self, _protocol: u8) {
        self.queued.last_mut().expect("a frame was queued").1 = true;
    }

    fn mac(&self) -> MacAddress {
        self.inner.mac()
    }

    fn mtu(&self) -> usize {
        self.inner.mtu()
    }
}

impl Nic {
    fn found(&self, frame: &[u8]) -> Checksum {
        let parsed = EthernetHeader::parse(frame).and_then(|(_, packet)| Ipv4Header::parse(packet));
        match parsed.filter(|_| self.looks) {
            None => Checksum::Unknown,
            Some((ip, segment)) if checksum(sum(ip.pseudo_sum(), segment)) == 0 => Checksum::Right,
            Some(_) => Checksum::Wrong,
        }
    }
}

impl FrameBurst for NicBurst {
    fn next_frame(&mut self) -> Option<&[u8]> {
        self.found.pop();
        self.next_stamp += 1;
        self.inner.next_frame()
    }

    fn next_checksum(&self) -> Checksum {
        self.found.last().copied().unwrap_or_default()
    }

    fn next_stamp(&self) -> Option<u64> {
        Some(self.next_stamp)
    }
}

/// Fills the checksum in, over what the stack left in its place.
fn complete(frame: &mut [u8]) {
    let packet = &mut frame[EthernetHeader::LEN..];
    let (ip, _) = Ipv4Header::parse(packet).unwrap();
    let segment = &mut packet[Ipv4Header::LEN..];
    let at = if ip.protocol == PROTOCOL_TCP { 16 } else { 6 };
    let left = u16::from_be_bytes([segment[at], segment[at + 1]]);
    assert_eq!(left, !checksum(ip.pseudo_sum()), "not the sum of the pseudo header");
    let check = checksum(sum(0, segment));
    segment[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

fn world(looks: bool) -> StackWorld<Nic> {
    let (near, far) = MemoryDevice::pair(256);
    world_of(config(), Nic::new(near, looks), far)
}

#[test]
fn segments_are_completed_by_the_device_and_its_word_is_taken_for_those_that_come() {
    for looks in [true, false] {
        let mut world = world(looks);
        crate::net::behaviour::what_a_client_sends_comes_back(&mut world);
        let counters = world.stack.counters;
        assert_eq!((counters.malformed, counters.checksum_wrong), (0, 0));
    }
}

#[test]
fn a_datagram_is_completed_by_the_device() {
    let mut world = world(true);
    let to = SocketAddrV4::new(Ipv4Addr::new(239, 9, 0, 1), 26_400);
    assert!(world.stack.send_datagram(to, b"prices"));
    world.stack.flush(world.now);
    let mut burst = world.clients.device.receive().unwrap();
    let (_, packet) = EthernetHeader::parse(burst.next_frame().unwrap()).unwrap();
    let (ip, bytes) = Ipv4Header::parse(packet).unwrap();
    assert_eq!(ip.protocol, PROTOCOL_UDP);
    assert_eq!(UdpHeader::parse(&ip, bytes).unwrap().1, b"prices");
}

/// A segment of no connection, of which a bit was damaged on the way.
fn damaged(bench: &mut Bench) -> Vec<u8> {
    let stray = TcpRepr { control: TcpControl::None, ack_number: Some(TcpSeqNumber(7)), ..syn() };
    bench.put_segment(peer(2, 5000), &stray);
    bench.far.flush();
    let mut burst = bench.stack.device.receive().unwrap();
    let mut frame = burst.next_frame().unwrap().to_vec();
    *frame.last_mut().unwrap() ^= 1;
    frame
}

#[test]
fn a_frame_with_a_wrong_checksum_is_dropped_whoever_finds_it() {
    let frame = damaged(&mut bench(config()));
    for (looks, expected) in [(true, (1, 0)), (false, (0, 1))] {
        let mut world = world(looks);
        world.clients.device.transmit(frame.len(), |sent| sent.copy_from_slice(&frame)).unwrap();
        world.clients.device.flush();
        world.step();
        let counters = world.stack.counters;
        assert_eq!((counters.checksum_wrong, counters.malformed), expected, "looks: {looks}");
        assert_eq!(counters.rst_sent, 0);
    }
}

#[test]
fn a_datagram_with_a_wrong_checksum_is_dropped_also_if_the_device_did_not_look() {
    let mut bytes = datagram(peer(2, 1), 2, b"data");
    bytes[9] ^= 1;
    let mut bench = bench(StackConfig { receive_port: Some(2), ..config() });
    bench.put_packet(THEIRS, PROTOCOL_UDP, &bytes);
    bench.cycle();
    assert_eq!(bench.stack.counters.malformed, 1);
}

#[test]
fn the_stamp_of_the_first_frame_of_a_poll_is_told_until_the_next_poll() {
    let (near, mut far) = MemoryDevice::pair(256);
    let mut stack = Stack::new(config(), Nic::new(near, true), CounterBlock::none()).unwrap();
    let start = stack.device().start;
    for (first, count) in [(0, 3), (3, 1), (4, 20)] {
        for _ in 0..count {
            far.transmit(60, |frame| frame.fill(0)).unwrap();
        }
        far.flush();
        stack.poll(Nanos::ZERO);
        assert_eq!(stack.first_stamp(), Some(first));
        assert_eq!(stack.arrival(first), Some(start + Duration::from_secs(first)));
        stack.poll(Nanos::ZERO);
        assert_eq!(stack.first_stamp(), None, "nothing came");
    }
}
