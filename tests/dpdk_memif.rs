//! The stack over memory that two DPDK ports share. Its far end makes its frames by hand and sees all of ours:
//! no kernel stands between that would answer, fill in or leave out anything.
#![cfg(feature = "dpdk")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod lab;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::time::Instant;

use rialto::counters::CounterBlock;
use rialto::net::arp::{ArpOperation, ArpPacket};
use rialto::net::ethernet::{ETHER_TYPE_ARP, ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use rialto::net::igmp::{ALL_HOSTS, Report};
use rialto::net::ipv4::{
    Ipv4Header, Ipv4Network, PROTOCOL_ICMP, PROTOCOL_IGMP, PROTOCOL_UDP, checksum, sum,
};
use rialto::net::stack::Counters;
use rialto::net::udp::UdpHeader;
use rialto::net::{
    ClientHost, DATAGRAM_BYTES_MAX, Device as _, DpdkConfig, DpdkDevice, NetEvent, Stack,
    StackConfig, Transport as _,
};

use lab::{LAB, OURS, PATIENCE, PORT, ROLE, THEIRS, eal, echo, now, role, runs};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 9, 0, 7);
/// A host that the far end plays beside its own, and that never speaks first.
const QUIET: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 3);
const QUIET_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 3]);
/// One whose Ethernet address is given to the stack.
const GIVEN: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 4);
const GIVEN_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 4]);
/// Datagrams that are answered to these.
const TELL_QUIET: &[u8] = b"tell the quiet one";
const TELL_GIVEN: &[u8] = b"tell the given one";
/// The longest packet.
const MTU: usize = 1_500;
/// More than a connection's buffers hold.
const BULK: usize = 200_000;

#[test]
fn over_memif_arp_and_pings_are_answered_groups_reported_and_the_longest_frames_carried_whole() {
    const TEST: &str = "over_memif_arp_and_pings_are_answered_groups_reported_and_the_longest_frames_carried_whole";
    match std::env::var(ROLE).as_deref() {
        Err(_) => {
            runs(role(&[LAB], TEST, "server"));
        }
        Ok("server") => {
            // Nobody is beyond a wire: what the ports share is of this namespace.
            let counters = serve(role(&[], TEST, "client"));
            let Counters { opened, echo_replies, malformed, impostors, .. } = counters;
            // The datagram that was damaged, and the claim to be another.
            assert_eq!((opened, echo_replies, malformed, impostors), (1, 3, 1, 1), "{counters:?}");
        }
        Ok("client") => {
            let mut far = Far { device: memif("client"), start: Instant::now(), mac: None };
            far.sees_the_groups_reported();
            far.asks_for_their_address();
            far.pings();
            far.is_known_without_being_asked_for();
            far.answers_for_the_quiet_host();
            far.is_no_host_whose_address_is_given();
            far.echoes_over_tcp();
        }
        Ok(other) => panic!("no role {other}"),
    }
}

fn memif(end: &str) -> DpdkDevice {
    let arguments = eal(&format!("--vdev=net_memif0,role={end},socket=rialto-lab"));
    DpdkDevice::open(&DpdkConfig::new(arguments), CounterBlock::none()).unwrap()
}

/// Echoes until the client is done.
fn serve(mut client: Command) -> Counters {
    let device = memif("server");
    assert_eq!(device.mtu(), MTU);
    let config = StackConfig {
        receive_port: Some(PORT),
        groups: vec![GROUP],
        neighbours: vec![(GIVEN, GIVEN_MAC)],
        ..StackConfig::new(OURS, 24, PORT)
    };
    let mut stack = Stack::new(config, device, CounterBlock::none()).unwrap();
    let mut client = client.spawn().unwrap();
    let (start, mut answers) = (Instant::now(), Vec::new());
    let status = loop {
        assert!(start.elapsed() < PATIENCE, "the client takes too long: {:?}", stack.counters());
        stack.poll(now());
        while let Some(event) = stack.next_event() {
            match event {
                NetEvent::Readable(id) | NetEvent::Writable(id) => echo(&mut stack, id),
                NetEvent::Ended(id) => stack.close(id),
                NetEvent::Opened { .. } | NetEvent::Closed(_) => {}
            }
        }
        while let Some((from, payload)) = stack.next_datagram() {
            let to = match payload {
                TELL_QUIET => QUIET,
                TELL_GIVEN => GIVEN,
                _ => *from.ip(),
            };
            answers.push((SocketAddrV4::new(to, from.port()), payload.to_vec()));
        }
        // Until their neighbour is known.
        answers.retain(|(to, payload)| !stack.send_datagram(*to, payload));
        stack.flush(now());
        if let Some(status) = client.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success(), "the client failed: {status}, {:?}", stack.counters());
    *stack.counters()
}

/// The far end of the memory.
struct Far {
    device: DpdkDevice,
    start: Instant,
    /// Theirs, once it is known.
    mac: Option<MacAddress>,
}

impl Far {
    fn put(&mut self, destination: MacAddress, ether_type: u16, packet: &[u8]) {
        let header = EthernetHeader { destination, source: self.device.mac(), ether_type };
        let frame = [&header.emit()[..], packet].concat();
        assert!(frame.len() <= EthernetHeader::LEN + MTU);
        self.device.transmit(frame.len(), |sent| sent.copy_from_slice(&frame)).unwrap();
    }

    fn put_packet(&mut self, to: Ipv4Addr, ttl: u8, protocol: u8, payload: &[u8]) {
        let payload_len = u16::try_from(payload.len()).unwrap();
        let ip = Ipv4Header { source: THEIRS, destination: to, protocol, ttl, payload_len };
        let mac = if to.is_multicast() { MacAddress::multicast(to) } else { self.mac.unwrap() };
        self.put(mac, ETHER_TYPE_IPV4, &[&ip.emit()[..], payload].concat());
    }

    fn put_datagram(&mut self, payload: &[u8]) {
        let payload_len = u16::try_from(UdpHeader::LEN + payload.len()).unwrap();
        let (source, destination) = (THEIRS, OURS);
        let ip = Ipv4Header { source, destination, protocol: PROTOCOL_UDP, ttl: 64, payload_len };
        let udp = UdpHeader { source_port: PORT, destination_port: PORT }.emit(&ip, payload);
        self.put_packet(OURS, 64, PROTOCOL_UDP, &[&udp[..], payload].concat());
    }

    /// Waits for a frame of which `is` makes something.
    fn hears<T>(&mut self, what: &str, is: impl Fn(EthernetHeader, &[u8]) -> Option<T>) -> T {
        let mut heard = None;
        while heard.is_none() {
            assert!(self.start.elapsed() < PATIENCE, "not heard: {what}");
            self.device.flush();
            let Some(mut burst) = self.device.receive() else { continue };
            while let Some(frame) = burst.next_frame() {
                let (header, packet) = EthernetHeader::parse(frame).unwrap();
                assert!(packet.len() <= MTU, "a frame of {} bytes", frame.len());
                if let Some(asked) = question(header, packet) {
                    assert!(![THEIRS, GIVEN].contains(&asked), "they have been told of {asked}");
                }
                heard = heard.or_else(|| is(header, packet));
            }
        }
        heard.unwrap()
    }

    /// Waits for a packet of theirs to us, with this.
    fn hears_packet(&mut self, what: &str, protocol: u8, payload: &[u8]) {
        let mac = self.device.mac();
        self.hears(what, |header, packet| {
            let (ip, inner) = ip_packet(header, packet)?;
            let is = (ip.protocol, ip.destination, inner) == (protocol, THEIRS, payload);
            is.then(|| assert_eq!(header.destination, mac))
        });
    }

    /// Unasked, and again when a querier of version 2 asks.
    fn sees_the_groups_reported(&mut self) {
        let report = |version: u8| {
            move |header: EthernetHeader, packet: &[u8]| {
                let (ip, message) = ip_packet(header, packet)?;
                let is = ip.protocol == PROTOCOL_IGMP && message[0] == version;
                is.then(|| {
                    assert_eq!((checksum(sum(0, message)), ip.ttl), (0, 1));
                    assert_eq!(packet[Ipv4Header::LEN..][..4], Report::ROUTER_ALERT);
                    assert_eq!(header.destination, MacAddress::multicast(ip.destination));
                    assert!(message.ends_with(&GROUP.octets()));
                })
            }
        };
        self.hears("a report unasked", report(0x22));
        let mut query = [0x11, 1, 0, 0, 0, 0, 0, 0];
        put_checksum(&mut query);
        self.put_packet(ALL_HOSTS, 1, PROTOCOL_IGMP, &query);
        self.hears("a report to who asked", report(0x16));
    }

    fn asks_for_their_address(&mut self) {
        let question = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: self.device.mac(),
            sender: THEIRS,
            target_mac: MacAddress::default(),
            target: OURS,
        };
        self.put(MacAddress::BROADCAST, ETHER_TYPE_ARP, &question.emit());
        let mac = self.device.mac();
        let answer = self.hears("an answer where they are", |header, packet| {
            let arp = arp_packet(header, packet)?;
            (header.destination == mac && arp.operation == ArpOperation::Reply).then_some(arp)
        });
        let told = (answer.sender, answer.target, answer.target_mac);
        assert_eq!(told, (OURS, THEIRS, mac));
        self.mac = Some(answer.sender_mac);
    }

    /// With nothing, with what others send, and with as much as a packet takes.
    fn pings(&mut self) {
        for length in [0, 56, MTU - Ipv4Header::LEN - 8] {
            let mut echo = [&[8, 0, 0, 0, 0, 1, 0, 2][..], &vec![7; length]].concat();
            put_checksum(&mut echo);
            self.put_packet(OURS, 64, PROTOCOL_ICMP, &echo);
            echo[..4].fill(0);
            put_checksum(&mut echo);
            self.hears_packet(&format!("a ping of {length} bytes"), PROTOCOL_ICMP, &echo);
        }
    }

    /// Datagrams come back at once, up to the longest, and damaged ones never.
    fn is_known_without_being_asked_for(&mut self) {
        let longest: Vec<u8> = (0..=250).cycle().take(DATAGRAM_BYTES_MAX).collect();
        let damaged = [0, 1, 0x1B, 0x59, 0, 12, 0x12, 0x34, b'd', b'a', b't', b'a'];
        self.put_packet(OURS, 64, PROTOCOL_UDP, &damaged);
        for payload in [&b"order"[..], &longest] {
            self.put_datagram(payload);
            let mac = self.device.mac();
            let came = self.hears("a datagram back", |header, packet| {
                let (to, came) = datagram(header, packet)?;
                (to == THEIRS).then(|| (header.destination, came.to_vec()))
            });
            assert!(came == (mac, payload.to_vec()), "{} bytes", payload.len());
        }
    }

    fn answers_for_the_quiet_host(&mut self) {
        self.put_datagram(TELL_QUIET);
        self.hears("a question for the quiet host", |header, packet| {
            (question(header, packet)? == QUIET).then(|| {
                assert_eq!(header.destination, MacAddress::BROADCAST);
            })
        });
        let answer = ArpPacket {
            operation: ArpOperation::Reply,
            sender_mac: QUIET_MAC,
            sender: QUIET,
            target_mac: self.mac.unwrap(),
            target: OURS,
        };
        self.put(self.mac.unwrap(), ETHER_TYPE_ARP, &answer.emit());
        self.hears("what was for the quiet host", |header, packet| {
            let (to, came) = datagram(header, packet)?;
            let is = (header.destination, to, came) == (QUIET_MAC, QUIET, TELL_QUIET);
            is.then_some(())
        });
    }

    /// That host is reached without a question, and another's address is not taken for its.
    fn is_no_host_whose_address_is_given(&mut self) {
        let claim = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: self.device.mac(),
            sender: GIVEN,
            target_mac: MacAddress::default(),
            target: OURS,
        };
        self.put(MacAddress::BROADCAST, ETHER_TYPE_ARP, &claim.emit());
        self.put_datagram(TELL_GIVEN);
        self.hears("what was for the host whose address is given", |header, packet| {
            let (to, came) = datagram(header, packet)?;
            let is = (header.destination, to, came) == (GIVEN_MAC, GIVEN, TELL_GIVEN);
            is.then_some(())
        });
    }

    fn echoes_over_tcp(self) {
        let network = Ipv4Network::new(THEIRS, 24).unwrap();
        let server = SocketAddrV4::new(OURS, PORT);
        let mut host = ClientHost::new(self.device, network, server, now());
        let connection = host.connect(40_000);
        let bulk: Vec<u8> = (0..=250).cycle().take(BULK).collect();
        let (mut sent, mut received) = (0, Vec::new());
        while received.len() < BULK {
            assert!(self.start.elapsed() < PATIENCE, "{} of {sent} bytes back", received.len());
            host.poll(now());
            if host.is_open(connection) {
                sent += host.send(connection, &bulk[sent..]);
            }
            let mut bytes = [0; 4_096];
            let count = host.receive(connection, &mut bytes);
            received.extend_from_slice(&bytes[..count]);
        }
        assert!(received == bulk);
    }
}

fn arp_packet(header: EthernetHeader, packet: &[u8]) -> Option<ArpPacket> {
    (header.ether_type == ETHER_TYPE_ARP).then(|| ArpPacket::parse(packet).unwrap())
}

/// Whom they ask for, if that is what this is.
fn question(header: EthernetHeader, packet: &[u8]) -> Option<Ipv4Addr> {
    let asks = |arp: &ArpPacket| arp.operation == ArpOperation::Request;
    arp_packet(header, packet).filter(asks).map(|arp| arp.target)
}

fn ip_packet(header: EthernetHeader, packet: &[u8]) -> Option<(Ipv4Header, &[u8])> {
    let is_theirs = |(ip, _): &(Ipv4Header, _)| ip.source == OURS;
    let packet = (header.ether_type == ETHER_TYPE_IPV4).then(|| Ipv4Header::parse(packet).unwrap());
    packet.inspect(|packet| assert!(is_theirs(packet)))
}

/// Whom a datagram of theirs is for, and what it says; its checksum is right.
fn datagram(header: EthernetHeader, packet: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let (ip, inner) = ip_packet(header, packet).filter(|(ip, _)| ip.protocol == PROTOCOL_UDP)?;
    let (udp, payload) = UdpHeader::parse(&ip, inner).unwrap();
    assert_eq!((udp.source_port, udp.destination_port), (PORT, PORT));
    Some((ip.destination, payload))
}

/// That of ICMP and IGMP, over the whole message.
fn put_checksum(message: &mut [u8]) {
    message[2..4].fill(0);
    let check = checksum(sum(0, message));
    message[2..4].copy_from_slice(&check.to_be_bytes());
}
