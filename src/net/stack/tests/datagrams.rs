//! Datagrams: those that are handed to the user, and those that are dropped without a word.

use super::by_hand::{Bench, Player, bench, datagram, peer};
use super::*;
use crate::net::arp::ArpOperation;
use crate::net::ethernet::ETHER_TYPE_IPV4;
use crate::net::ipv4::{Ipv4Header, PROTOCOL_UDP};
use crate::net::udp::UdpHeader;

const UDP_PORT: u16 = 7002;
const BROKER: SocketAddrV4 = SocketAddrV4::new(THEIRS, 5000);

fn receiving() -> Bench {
    bench(StackConfig { receive_port: Some(UDP_PORT), ..config() })
}

fn put(bench: &mut Bench, from: SocketAddrV4, to_port: u16, payload: &[u8]) {
    bench.put_packet(*from.ip(), PROTOCOL_UDP, &datagram(from, to_port, payload));
}

/// Everything the user is given, with its senders.
fn taken(bench: &mut Bench) -> Vec<(SocketAddrV4, Vec<u8>)> {
    let next = || bench.stack.next_datagram().map(|(from, payload)| (from, payload.to_vec()));
    std::iter::from_fn(next).collect()
}

#[test]
fn a_datagram_is_handed_over_with_its_sender_and_the_answer_leaves_from_where_it_came() {
    let mut bench = receiving();
    bench.put_arp(ArpOperation::Request, THEIRS, OURS);
    put(&mut bench, BROKER, UDP_PORT, b"order");
    put(&mut bench, peer(3, 6000), UDP_PORT, b"");
    bench.answers(SHORT);
    let expected = [(BROKER, b"order".to_vec()), (peer(3, 6000), Vec::new())];
    assert_eq!(taken(&mut bench), expected);
    assert_eq!(bench.stack.counters.datagrams_received, 2);

    assert!(bench.stack.send_datagram(BROKER, b"accepted"));
    let answers = bench.answers(SHORT);
    let (_, packet) = EthernetHeader::parse(&answers[0]).unwrap();
    let (ip, payload) = Ipv4Header::parse(packet).unwrap();
    let (udp, payload) = UdpHeader::parse(&ip, payload).unwrap();
    assert_eq!(udp, UdpHeader { source_port: UDP_PORT, destination_port: BROKER.port() });
    assert_eq!((ip.destination, payload), (THEIRS, &b"accepted"[..]));
}

#[test]
fn a_longest_datagram_is_handed_over_whole() {
    let mut bench = receiving();
    let payload: Vec<u8> = (0..=250).cycle().take(crate::net::DATAGRAM_BYTES_MAX).collect();
    put(&mut bench, BROKER, UDP_PORT, &payload);
    bench.answers(SHORT);
    assert_eq!(taken(&mut bench), [(BROKER, payload)]);
}

#[test]
fn a_datagram_that_is_damaged_or_cut_or_from_nobody_is_dropped_and_nobody_is_told() {
    let mut bench = receiving();
    let good = datagram(BROKER, UDP_PORT, b"order");
    let mut wrong_checksum = good.clone();
    wrong_checksum[7] ^= 1;
    let mut says_more_than_there_is = good.clone();
    says_more_than_there_is[5] += 1;
    let mut says_less_than_a_header = good.clone();
    says_less_than_a_header[5] = 7;
    let header_cut = good[..7].to_vec();
    let bad = [wrong_checksum, says_more_than_there_is, says_less_than_a_header, header_cut];
    for packet in &bad {
        bench.put_packet(THEIRS, PROTOCOL_UDP, packet);
    }
    let nobodies = [Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(239, 0, 0, 1), OURS];
    for nobody in nobodies {
        put(&mut bench, SocketAddrV4::new(nobody, 5000), UDP_PORT, b"order");
    }
    assert!(bench.answers(SHORT).is_empty());
    assert_eq!(taken(&mut bench), []);
    assert_eq!((bench.stack.counters.malformed, bench.stack.counters.datagrams_received), (8, 0));
}

#[test]
fn a_crowd_of_datagrams_to_ports_that_nobody_receives_on_is_counted_and_not_answered() {
    for receive_port in [None, Some(UDP_PORT)] {
        let mut bench = bench(StackConfig { receive_port, ..config() });
        for port in 1..=1_000 {
            // Our TCP port among them.
            put(&mut bench, BROKER, 6_500 + port, b"scan");
        }
        let (received, unwanted) = receive_port.map_or((0, 1_000), |_| (1, 999));
        assert!(bench.answers(SHORT).is_empty());
        let counters = &bench.stack.counters;
        assert_eq!(
            (counters.datagrams_received, counters.datagrams_unwanted),
            (received, unwanted)
        );
        assert_eq!(taken(&mut bench).len() as u64, received);
    }
}

#[test]
fn a_datagram_to_a_group_or_to_everybody_is_not_ours() {
    let mut bench = receiving();
    for host in [Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 9, 0, 255), Ipv4Addr::new(239, 0, 0, 1)] {
        let packet = datagram(BROKER, UDP_PORT, b"order");
        let ip = Ipv4Header {
            source: THEIRS,
            destination: host,
            protocol: PROTOCOL_UDP,
            ttl: 64,
            payload_len: u16::try_from(packet.len()).unwrap(),
        };
        let destination = bench.stack.mac;
        let header =
            EthernetHeader { destination, source: bench.far.mac(), ether_type: ETHER_TYPE_IPV4 };
        bench.put(&[&header.emit()[..], &ip.emit(), &packet].concat());
    }
    assert!(bench.answers(SHORT).is_empty());
    assert_eq!((taken(&mut bench), bench.stack.counters.not_ours), (Vec::new(), 3));
}

#[test]
fn only_allowed_networks_are_heard() {
    let allow = vec!["10.9.0.4/32".parse().unwrap()];
    let mut bench = bench(StackConfig { receive_port: Some(UDP_PORT), allow, ..config() });
    for host in [3, 4, 5] {
        put(&mut bench, peer(host, 5000), UDP_PORT, b"order");
    }
    bench.answers(SHORT);
    assert_eq!(taken(&mut bench), [(peer(4, 5000), b"order".to_vec())]);
    assert_eq!(bench.stack.counters.denied, 2);
}

#[test]
fn what_the_user_does_not_take_is_lost_once_the_places_are_full_and_connections_do_not_notice() {
    const SENT: usize = DATAGRAMS_WAITING_MAX + 100;
    let mut bench = receiving();
    let (mut player, id) = Player::connect(&mut bench, peer(2, 5000));
    for number in 0..SENT {
        put(&mut bench, BROKER, UDP_PORT, &number.to_be_bytes());
    }
    player.says(&mut bench, b"order");
    bench.answers(SHORT);
    assert_eq!(bench.stack.received(id), b"order");
    assert_eq!(bench.stack.counters.datagrams_lost, 100);
    let kept: Vec<_> = taken(&mut bench).into_iter().map(|(_, payload)| payload).collect();
    let oldest: Vec<_> = (0..DATAGRAMS_WAITING_MAX).map(|n| n.to_be_bytes().to_vec()).collect();
    assert!(kept == oldest, "the oldest are kept, in order");
    put(&mut bench, BROKER, UDP_PORT, b"again");
    bench.answers(SHORT);
    assert_eq!(taken(&mut bench), [(BROKER, b"again".to_vec())]);
}
