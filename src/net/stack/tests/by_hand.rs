//! Frames made by hand and put on the wire, and the stack's frames as they come back.

use smoltcp::wire::{TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::*;
use crate::net::arp::ArpOperation;
use crate::net::ethernet::ETHER_TYPE_IPV4;
use crate::net::ipv4::{Ipv4Header, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, checksum, sum};
use crate::net::udp::UdpHeader;

pub(crate) struct Bench {
    pub(crate) stack: Stack<MemoryDevice>,
    pub(crate) far: MemoryDevice,
    pub(crate) now: Nanos,
    /// When the stack said unasked where its address is.
    pub(crate) announced: Vec<Nanos>,
}

pub(crate) fn bench(config: StackConfig) -> Bench {
    bench_over(config, 4096)
}

/// Over a wire that holds `frames` each way.
pub(crate) fn bench_over(config: StackConfig, frames: usize) -> Bench {
    let (near, far) = MemoryDevice::pair(frames);
    let stack = Stack::new(config, near, CounterBlock::none()).unwrap();
    Bench { stack, far, now: Nanos::from_secs(100), announced: Vec::new() }
}

impl Bench {
    pub(crate) fn put(&mut self, frame: &[u8]) {
        self.far.transmit(frame.len(), |sent| sent.copy_from_slice(frame)).unwrap();
    }

    pub(crate) fn put_packet(&mut self, source: Ipv4Addr, protocol: u8, payload: &[u8]) {
        self.put_packet_from(self.far.mac(), source, protocol, payload);
    }

    /// The same from a host with that Ethernet address.
    pub(crate) fn put_packet_from(
        &mut self,
        mac: MacAddress,
        source: Ipv4Addr,
        protocol: u8,
        payload: &[u8],
    ) {
        let header = EthernetHeader {
            destination: self.stack.mac,
            source: mac,
            ether_type: ETHER_TYPE_IPV4,
        };
        let ip = Ipv4Header {
            source,
            destination: OURS,
            protocol,
            ttl: 64,
            payload_len: u16::try_from(payload.len()).unwrap(),
        };
        self.put(&[&header.emit()[..], &ip.emit(), payload].concat());
    }

    pub(crate) fn put_multicast(
        &mut self,
        source: Ipv4Addr,
        to: Ipv4Addr,
        ttl: u8,
        (protocol, payload): (u8, &[u8]),
    ) {
        let header = EthernetHeader {
            destination: MacAddress::multicast(to),
            source: self.far.mac(),
            ether_type: ETHER_TYPE_IPV4,
        };
        let payload_len = u16::try_from(payload.len()).unwrap();
        let ip = Ipv4Header { source, destination: to, protocol, ttl, payload_len };
        self.put(&[&header.emit()[..], &ip.emit(), payload].concat());
    }

    pub(crate) fn put_segment(&mut self, source: SocketAddrV4, repr: &TcpRepr<'_>) {
        let segment = segment(*source.ip(), &TcpRepr { src_port: source.port(), ..*repr });
        self.put_packet(*source.ip(), PROTOCOL_TCP, &segment);
    }

    pub(crate) fn put_arp(&mut self, operation: ArpOperation, sender: Ipv4Addr, target: Ipv4Addr) {
        let header = EthernetHeader {
            destination: MacAddress::BROADCAST,
            source: self.far.mac(),
            ether_type: ETHER_TYPE_ARP,
        };
        let packet = ArpPacket {
            operation,
            sender_mac: self.far.mac(),
            sender,
            target_mac: MacAddress::default(),
            target,
        };
        self.put(&[&header.emit()[..], &packet.emit()].concat());
    }

    /// And returns the ICMP message.
    pub(crate) fn put_ping(&mut self, source: Ipv4Addr) -> Vec<u8> {
        let mut ping = vec![8, 0, 0, 0, 0, 1, 0, 2, b'h', b'i'];
        let check = checksum(sum(0, &ping));
        ping[2..4].copy_from_slice(&check.to_be_bytes());
        self.put_packet(source, PROTOCOL_ICMP, &ping);
        ping
    }

    /// Lets the stack take all and returns the frames it sent, but for announcements.
    pub(crate) fn answers(&mut self, span: Nanos) -> Vec<Vec<u8>> {
        self.answers_at(span, STEP)
    }

    /// The same, with a duty cycle each `step`.
    pub(crate) fn answers_at(&mut self, span: Nanos, step: Nanos) -> Vec<Vec<u8>> {
        self.far.flush();
        let end = self.now.after(span);
        let mut frames = Vec::new();
        while self.now < end {
            self.now = self.now.after(step);
            self.stack.poll(self.now);
            self.stack.flush(self.now);
            for frame in received(&mut self.far) {
                if is_announcement(&frame) {
                    self.announced.push(self.now);
                } else {
                    frames.push(frame);
                }
            }
        }
        frames
    }

    /// One duty cycle and what was sent in it.
    pub(crate) fn cycle(&mut self) -> Vec<Vec<u8>> {
        self.answers(STEP)
    }

    /// What was put and the stack did not take.
    pub(crate) fn sent(mut self) -> Vec<Vec<u8>> {
        self.far.flush();
        received(&mut self.stack.device)
    }
}

/// A general query of IGMP, of version 3, to be answered within a second.
pub(crate) fn query() -> Vec<u8> {
    let mut bytes = vec![0x11, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let check = checksum(sum(0, &bytes));
    bytes[2..4].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn is_announcement(frame: &[u8]) -> bool {
    let (header, packet) = EthernetHeader::parse(frame).unwrap();
    header.ether_type == ETHER_TYPE_ARP
        && ArpPacket::parse(packet).is_some_and(|packet| packet.target == packet.sender)
}

pub(crate) fn received(device: &mut MemoryDevice) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(mut burst) = device.receive() {
        while let Some(frame) = burst.next_frame() {
            frames.push(frame.to_vec());
        }
    }
    frames
}

pub(crate) fn syn() -> TcpRepr<'static> {
    TcpRepr {
        src_port: 1,
        dst_port: PORT,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1000),
        ack_number: None,
        window_len: 8192,
        window_scale: None,
        max_seg_size: Some(1460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    }
}

fn segment(source: Ipv4Addr, repr: &TcpRepr<'_>) -> Vec<u8> {
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut bytes),
        &source.into(),
        &OURS.into(),
        &smoltcp::phy::ChecksumCapabilities::default(),
    );
    bytes
}

/// A UDP packet to a port of ours.
pub(crate) fn datagram(from: SocketAddrV4, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let ip = Ipv4Header {
        source: *from.ip(),
        destination: OURS,
        protocol: PROTOCOL_UDP,
        ttl: 64,
        payload_len: u16::try_from(UdpHeader::LEN + payload.len()).unwrap(),
    };
    let udp = UdpHeader { source_port: from.port(), destination_port: to_port };
    [&udp.emit(&ip, payload)[..], payload].concat()
}

pub(crate) fn parsed(frame: &[u8]) -> (Ipv4Header, TcpPacket<&[u8]>) {
    let (_, packet) = EthernetHeader::parse(frame).unwrap();
    let (ip, payload) = Ipv4Header::parse(packet).unwrap();
    assert_eq!(checksum(sum(ip.pseudo_sum(), payload)), 0, "checksum of what we sent");
    (ip, TcpPacket::new_checked(payload).unwrap())
}

pub(crate) fn peer(host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, host), port)
}

/// A peer of one connection that says what a test wants it to, and keeps count.
pub(crate) struct Player {
    at: SocketAddrV4,
    /// The number of its next byte.
    pub(crate) next: u32,
    /// The number of the stack's next byte.
    expected: u32,
    pub(crate) window: u16,
}

impl Player {
    /// With a connection, which the stack's user has been told of.
    pub(crate) fn connect(bench: &mut Bench, at: SocketAddrV4) -> (Self, ConnectionId) {
        Self::connect_from_afar(bench, at, STEP)
    }

    /// The same, with so long a way to the stack and back.
    pub(crate) fn connect_from_afar(
        bench: &mut Bench,
        at: SocketAddrV4,
        away: Nanos,
    ) -> (Self, ConnectionId) {
        bench.put_segment(at, &syn());
        let answers = bench.answers(away);
        let (_, answer) = parsed(&answers[0]);
        assert!(answer.syn() && answer.ack() && answer.dst_port() == at.port());
        let expected = answer.seq_number().0.cast_unsigned().wrapping_add(1);
        let mut player = Self { at, next: 1001, expected, window: u16::MAX };
        player.says(bench, b"");
        assert!(bench.cycle().is_empty());
        match bench.stack.next_event() {
            Some(NetEvent::Opened { connection, peer }) if peer == at => (player, connection),
            other => panic!("{other:?}"),
        }
    }

    /// Sends `payload` in a segment that acknowledges all it has seen.
    pub(crate) fn says(&mut self, bench: &mut Bench, payload: &[u8]) {
        self.puts(bench, TcpControl::None, payload);
        self.next = self.next.wrapping_add(u32::try_from(payload.len()).unwrap());
    }

    /// Puts a segment on the wire and counts nothing.
    pub(crate) fn puts(&self, bench: &mut Bench, control: TcpControl, payload: &[u8]) {
        let number = |value: u32| TcpSeqNumber(value.cast_signed());
        let segment = TcpRepr {
            control,
            seq_number: number(self.next),
            ack_number: Some(number(self.expected)),
            window_len: self.window,
            max_seg_size: None,
            payload,
            ..syn()
        };
        bench.put_segment(self.at, &segment);
    }

    /// The number of the stack's byte that it waits for.
    pub(crate) fn acknowledges(&self) -> u32 {
        self.expected
    }

    /// Takes what of `frames` is for it, in order, and returns the bytes.
    pub(crate) fn hears(&mut self, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            let (_, segment) = parsed(frame);
            let number = segment.seq_number().0.cast_unsigned();
            if segment.dst_port() == self.at.port() && number == self.expected {
                bytes.extend_from_slice(segment.payload());
                self.expected = number.wrapping_add(u32::try_from(segment.segment_len()).unwrap());
            }
        }
        bytes
    }
}
