//! Frames into the stack, whose user echoes and which is in a group: each two bytes of length and the frame.
//!
//! Numbers that the stack draws are unknown to a file, and checksums do not survive a mutation. So every
//! input is given twice: as it is, and again with checksums made right and with each acknowledgment
//! 0xACC0xxxx moved to xxxx (signed) beside the byte that the stack will send next.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use rialto::counters::CounterBlock;
use rialto::net::arp::ArpPacket;
use rialto::net::device::FrameBurst as _;
use rialto::net::ethernet::{ETHER_TYPE_ARP, ETHER_TYPE_IPV4, EthernetHeader};
use rialto::net::ipv4::{
    Ipv4Header, PROTOCOL_ICMP, PROTOCOL_IGMP, PROTOCOL_TCP, PROTOCOL_UDP, checksum, sum,
};
use rialto::net::tcp::Segment;
use rialto::net::udp::UdpHeader;
use rialto::net::{Device as _, MemoryDevice, NetEvent, Stack, StackConfig, Transport as _};
use rialto::types::Nanos;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PORT: u16 = 7_001;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 9, 9, 9);
const CONNECTIONS_MAX: usize = 8;
/// The longest frame of the wire.
const FRAME_MAX: usize = 1_514;
const FRAMES_MAX: usize = 64;
/// What the stack sends of itself: two announcements, and that it is in the group, twice.
const ANNOUNCED_BYTES: usize = 2 * 42 + 2 * 54;
/// Bytes sent for each that was received, at most. What is never acknowledged is sent nine times in the nine
/// seconds until the connection is given up: at once, after 50 ms, and then each time after twice as long, up
/// to 3 s; and headers weigh more on short segments.
const AMPLIFICATION_MAX: usize = 10;
/// An acknowledgment to be moved beside the stack's number.
const RELATIVE: u16 = 0xACC0;
/// The flags that take a number of their own.
const SYN_AND_FIN: u8 = 3;

/// However often it is sent again: bytes sent are bounded by bytes received; connections by their
/// limit; and when all is over, nothing is left.
pub(crate) fn target(bytes: &[u8]) {
    for repaired in [false, true] {
        let mut wire = Wire::new();
        // Until all is said that it says unasked.
        wire.pass(Nanos::from_millis(500), 5);
        for frame in frames(bytes) {
            let mut frame = frame.to_vec();
            if repaired {
                repair(&mut frame, &wire.next);
            }
            parse(&frame);
            wire.put(&frame);
            wire.pass(Nanos::from_micros(100), 1);
        }
        wire.pass(Nanos::from_millis(50), 100);
        for id in wire.open.split_off(0) {
            wire.stack.close(id);
        }
        wire.pass(Nanos::from_millis(50), 240);
        assert_eq!(wire.stack.connection_count(), 0, "{:?}", wire.stack.counters());
        let bound = ANNOUNCED_BYTES + AMPLIFICATION_MAX * wire.received;
        assert!(wire.sent <= bound, "{} bytes sent for {} received", wire.sent, wire.received);
    }
}

fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((&length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(length)).min(rest.len()).min(FRAME_MAX);
        let (frame, behind) = rest.split_at(length);
        frames.push(frame);
        bytes = behind;
        if frames.len() == FRAMES_MAX {
            break;
        }
    }
    frames
}

/// Headers are, written again, their bytes.
fn parse(frame: &[u8]) {
    let Some((header, payload)) = EthernetHeader::parse(frame) else { return };
    assert_eq!(header.emit(), frame[..EthernetHeader::LEN]);
    if let Some(arp) = ArpPacket::parse(payload) {
        assert_eq!(arp.emit(), payload[..ArpPacket::LEN]);
    }
    let Some((ip, inner)) = Ipv4Header::parse(payload) else { return };
    assert_eq!(inner.len(), usize::from(ip.payload_len));
    assert_eq!(Ipv4Header::parse(&[&ip.emit()[..], inner].concat()), Some((ip, inner)));
    if let Some((udp, data)) = UdpHeader::parse(&ip, inner) {
        assert!(data.len() + UdpHeader::LEN <= inner.len());
        let ip =
            Ipv4Header { payload_len: u16::try_from(UdpHeader::LEN + data.len()).unwrap(), ..ip };
        let again = [&udp.emit(&ip, data)[..], data].concat();
        assert_eq!(UdpHeader::parse(&ip, &again), Some((udp, data)));
    }
    let _ = Segment::parse(inner);
}

/// The stack, its echoing user, and the far end of its wire.
struct Wire {
    stack: Stack<MemoryDevice>,
    far: MemoryDevice,
    now: Nanos,
    open: Vec<rialto::net::ConnectionId>,
    /// The number of the byte that the stack sends next to this port.
    next: BTreeMap<u16, u32>,
    received: usize,
    sent: usize,
}

impl Wire {
    fn new() -> Self {
        let (near, far) = MemoryDevice::pair(4_096);
        let mut config = StackConfig::new(OURS, 24, PORT);
        config.connections_max = CONNECTIONS_MAX;
        config.connections_per_source_max = CONNECTIONS_MAX / 2;
        config.rx_buffer_bytes = 4_096;
        config.tx_buffer_bytes = 4_096;
        config.receive_port = Some(PORT);
        config.groups = vec![GROUP];
        let stack = Stack::new(config, near, CounterBlock::none()).unwrap();
        let (now, open, next) = (Nanos::from_secs(100), Vec::new(), BTreeMap::new());
        Self { stack, far, now, open, next, received: 0, sent: 0 }
    }

    fn put(&mut self, frame: &[u8]) {
        self.far.transmit(frame.len(), |sent| sent.copy_from_slice(frame)).unwrap();
        self.far.flush();
        self.received += frame.len();
    }

    /// As many duty cycles, so far apart.
    fn pass(&mut self, step: Nanos, cycles: u32) {
        for _ in 0..cycles {
            self.now = self.now.after(step);
            self.stack.poll(self.now);
            while let Some(event) = self.stack.next_event() {
                self.take(event);
            }
            while let Some((from, payload)) = self.stack.next_datagram() {
                let payload = payload.to_vec();
                self.stack.send_datagram(from, &payload);
            }
            self.stack.flush(self.now);
            assert!(self.stack.connection_count() <= CONNECTIONS_MAX);
            while let Some(mut burst) = self.far.receive() {
                while let Some(frame) = burst.next_frame() {
                    self.sent += frame.len();
                    learn(frame, &mut self.next);
                }
            }
        }
    }

    fn take(&mut self, event: NetEvent) {
        match event {
            NetEvent::Opened { connection, .. } => self.open.push(connection),
            NetEvent::Readable(id) | NetEvent::Writable(id) => {
                let room = self.stack.send_room(id);
                let received = self.stack.received(id);
                let bytes = received[..received.len().min(room)].to_vec();
                assert!(self.stack.send(id, &bytes));
                self.stack.consume(id, bytes.len());
            }
            NetEvent::Ended(id) => {
                self.stack.close(id);
                self.open.retain(|&open| open != id);
            }
            NetEvent::Closed(id) => self.open.retain(|&open| open != id),
        }
    }
}

/// Every frame of the stack is sound, and says what number is next.
fn learn(frame: &[u8], next: &mut BTreeMap<u16, u32>) {
    let (header, payload) = EthernetHeader::parse(frame).unwrap();
    if header.ether_type == ETHER_TYPE_ARP {
        assert_eq!(ArpPacket::parse(payload).unwrap().sender, OURS);
        return;
    }
    let (ip, inner) = Ipv4Header::parse(payload).unwrap();
    assert_eq!((header.ether_type, ip.source), (ETHER_TYPE_IPV4, OURS));
    if ip.protocol == PROTOCOL_IGMP {
        assert_eq!((checksum(sum(0, inner)), ip.ttl), (0, 1), "a report");
    }
    if ip.protocol != PROTOCOL_TCP {
        return;
    }
    assert_eq!(checksum(sum(ip.pseudo_sum(), inner)), 0, "a wrong checksum of ours");
    let word = |at: usize| u32::from_be_bytes(inner[at..at + 4].try_into().unwrap());
    let data = inner.len() - usize::from(inner[12] >> 4) * 4;
    let length = u32::try_from(data).unwrap() + (inner[13] & SYN_AND_FIN).count_ones();
    let port = u16::from_be_bytes([inner[2], inner[3]]);
    next.insert(port, word(4).wrapping_add(length));
}

/// Makes right what a file cannot know, where there is enough of the frame to do so.
fn repair(frame: &mut [u8], next: &BTreeMap<u16, u32>) {
    let Some(packet) = frame.get_mut(EthernetHeader::LEN..) else { return };
    let header_len = usize::from(packet.first().map_or(0, |first| first & 0x0F)) * 4;
    if header_len < Ipv4Header::LEN || packet.len() < header_len {
        return;
    }
    put_checksum(&mut packet[..header_len], 10, 0);
    let Some((ip, inner)) = Ipv4Header::parse(packet) else { return };
    let (protocol, length) = (ip.protocol, inner.len());
    let inner = &mut packet[header_len..header_len + length];
    if protocol == PROTOCOL_TCP && length >= 20 {
        let port = u16::from_be_bytes([inner[0], inner[1]]);
        let [relative, offset] = [8, 10].map(|at| u16::from_be_bytes([inner[at], inner[at + 1]]));
        if relative == RELATIVE
            && let Some(next) = next.get(&port)
        {
            let number = next.wrapping_add_signed(i32::from(offset.cast_signed()));
            inner[8..12].copy_from_slice(&number.to_be_bytes());
        }
        put_checksum(inner, 16, ip.pseudo_sum());
    } else if protocol == PROTOCOL_UDP && length >= UdpHeader::LEN {
        put_checksum(inner, 6, ip.pseudo_sum());
    } else if [PROTOCOL_ICMP, PROTOCOL_IGMP].contains(&protocol) && length >= 4 {
        put_checksum(inner, 2, 0);
    }
}

fn put_checksum(bytes: &mut [u8], at: usize, start: u32) {
    bytes[at..at + 2].fill(0);
    let check = checksum(sum(start, bytes));
    bytes[at..at + 2].copy_from_slice(&check.to_be_bytes());
}
