//! Single frames that no decent peer sends, and what becomes of them.

use std::collections::HashSet;

use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::by_hand::{Bench, Player, bench, bench_over, parsed, peer, syn};
use super::*;
use crate::net::arp::ArpOperation;
use crate::net::ipv4::Ipv4Header;
use crate::net::udp::UdpHeader;

#[test]
fn half_open_connections_are_bounded_and_given_up_after_half_a_second() {
    let mut config = config();
    config.connections_per_source_max = 8;
    let mut bench = bench(config);
    for port in 1..=20 {
        bench.put_segment(peer(2, port), &syn());
    }
    assert_eq!(bench.answers(SHORT).len(), 8, "one SYN|ACK each");
    assert_eq!((bench.stack.connection_count(), bench.stack.counters.source_full), (8, 12));
    let answers = bench.answers(Nanos::from_millis(600));
    assert_eq!(answers.len(), 8, "repeated once, and nobody is told that it was given up");
    assert!(answers.iter().all(|frame| parsed(frame).1.syn()));
    assert_eq!((bench.stack.connection_count(), bench.stack.sources.len()), (0, 0));
    assert_eq!(bench.stack.counters.half_open_expired, 8);
    assert_eq!(bench.stack.next_event(), None, "nobody opened");
}

#[test]
fn a_peer_whom_no_answer_reached_is_answered_when_it_asks_again_after_a_second() {
    let mut bench = bench(config());
    bench.put_segment(peer(2, 5000), &syn());
    bench.answers(Nanos::SECOND);
    Player::connect(&mut bench, peer(2, 5000));
}

#[test]
fn initial_sequence_numbers_do_not_follow_from_each_other() {
    let sequence_numbers = || {
        let mut bench = bench(config());
        for port in 1..=32 {
            bench.put_segment(peer(2, port), &syn());
        }
        let answers = bench.answers(SHORT);
        answers.iter().map(|frame| parsed(frame).1.seq_number().0).collect::<Vec<_>>()
    };
    let (one, other) = (sequence_numbers(), sequence_numbers());
    let all: HashSet<_> = one.iter().chain(&other).collect();
    assert_eq!(all.len(), 64, "a number came twice: {one:?} {other:?}");
    let steps: HashSet<_> = one.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert_eq!(steps.len(), 31, "numbers at equal steps: {one:?}");
    // Every bit is drawn. A fair one is out of these bounds once in 10^13 times.
    for bit in 0..32 {
        let ones = all.iter().filter(|&&&number| number >> bit & 1 == 1).count();
        assert!((4..=60).contains(&ones), "bit {bit} is set in {ones} of 64: {one:?} {other:?}");
    }
}

#[test]
fn the_same_peer_that_asks_again_at_the_same_time_is_given_another_number_by_each_stack() {
    let number = || {
        let mut bench = bench(config());
        bench.put_segment(peer(2, 5000), &syn());
        parsed(&bench.cycle()[0]).1.seq_number().0
    };
    let numbers: HashSet<_> = (0..16).map(|_| number()).collect();
    assert_eq!(numbers.len(), 16, "{numbers:?}");
}

#[test]
fn a_segment_of_no_connection_is_answered_with_a_reset_within_the_limit() {
    let mut bench = bench(config());
    let stray = TcpRepr {
        control: TcpControl::None,
        ack_number: Some(TcpSeqNumber(77)),
        payload: b"order",
        ..syn()
    };
    bench.put_segment(peer(2, 5000), &stray);
    let answers = bench.answers(SHORT);
    let (ip, reset) = parsed(&answers[0]);
    assert!(reset.rst() && reset.seq_number().0 == 77 && *peer(2, 0).ip() == ip.destination);
    bench.put_segment(peer(2, 5000), &TcpRepr { control: TcpControl::Rst, ..stray });
    assert!(bench.answers(SHORT).is_empty(), "a reset is never answered");
    for _ in 0..4000 {
        bench.put_segment(peer(2, 5000), &stray);
    }
    let answers = bench.answers(Nanos::from_millis(13)).len();
    assert!((2_000..2_400).contains(&answers), "{answers}");
    assert!(bench.stack.counters.rst_suppressed > 1_500);
}

#[test]
fn a_closed_port_refuses() {
    let mut bench = bench(config());
    bench.put_segment(peer(2, 5000), &TcpRepr { dst_port: 22, ..syn() });
    assert!(parsed(&bench.answers(SHORT)[0]).1.rst());
    assert_eq!(bench.stack.connection_count(), 0);
}

#[test]
fn only_allowed_networks_are_answered() {
    let mut config = config();
    config.allow = vec!["10.9.0.16/28".parse().unwrap(), "10.9.0.4/32".parse().unwrap()];
    let mut bench = bench(config);
    for host in [2, 4, 5, 17, 32] {
        bench.put_segment(peer(host, 5000), &syn());
    }
    let answered: Vec<u8> =
        bench.answers(SHORT).iter().map(|frame| parsed(frame).0.destination.octets()[3]).collect();
    assert_eq!(answered, [4, 17]);
    assert_eq!(bench.stack.counters.denied, 3);
}

#[test]
fn a_ping_is_answered() {
    let mut bench = bench(config());
    let ping = bench.put_ping(THEIRS);
    let answers = bench.answers(SHORT);
    let (_, packet) = EthernetHeader::parse(&answers[0]).unwrap();
    let (ip, echo) = Ipv4Header::parse(packet).unwrap();
    assert_eq!((ip.destination, echo[0], &echo[4..]), (THEIRS, 0, &ping[4..]));
    assert_eq!(bench.stack.counters.echo_replies, 1);
}

#[test]
fn our_address_is_announced_at_once_and_again_a_second_later() {
    let mut bench = bench(config());
    let start = bench.now;
    assert!(bench.answers(Nanos::from_secs(3)).is_empty());
    let after: Vec<_> = bench.announced.iter().map(|at| at.since(start)).collect();
    assert_eq!(after, [STEP, STEP.after(Nanos::SECOND)]);
}

#[test]
fn who_asks_for_our_address_is_told() {
    let mut bench = bench(config());
    bench.put_arp(ArpOperation::Request, THEIRS, OURS);
    let answers = bench.answers(SHORT);
    let (header, packet) = EthernetHeader::parse(&answers[0]).unwrap();
    let reply = ArpPacket::parse(packet).unwrap();
    assert_eq!((header.destination, reply.operation), (bench.far.mac(), ArpOperation::Reply));
    assert_eq!((reply.sender_mac, reply.sender, reply.target), (bench.stack.mac, OURS, THEIRS));
}

#[test]
fn a_flood_of_one_kind_of_question_leaves_the_answers_to_others_alone() {
    let stray = TcpRepr { ack_number: Some(TcpSeqNumber(77)), control: TcpControl::None, ..syn() };
    let ask: [&dyn Fn(&mut Bench); 3] = [
        &|bench| drop(bench.put_ping(THEIRS)),
        &|bench| bench.put_arp(ArpOperation::Request, THEIRS, OURS),
        &|bench| bench.put_segment(peer(2, 5000), &stray),
    ];
    for (flood, bound) in [(0, 150), (1, 1_300), (2, 2_500)] {
        let mut bench = bench(config());
        for _ in 0..4_000 {
            ask[flood](&mut bench);
        }
        let answers = bench.answers(Nanos::from_millis(13)).len();
        assert!(answers < bound, "{answers} answers to flood {flood}");
        for (other, ask) in ask.iter().enumerate().filter(|&(other, _)| other != flood) {
            ask(&mut bench);
            assert_eq!(bench.answers(SHORT).len(), 1, "{other} during {flood}");
        }
    }
}

#[test]
fn one_host_has_its_share_of_connections_and_the_others_get_in() {
    let mut config = config();
    config.connections_per_source_max = 16;
    let mut bench = bench(config);
    for port in 1..=40 {
        bench.put_segment(peer(2, port), &syn());
    }
    assert_eq!(bench.answers(SHORT).len(), 16);
    assert_eq!(bench.stack.counters.source_full, 24);
    Player::connect(&mut bench, peer(3, 1));
    bench.answers(Nanos::from_millis(1_100));
    assert_eq!(bench.stack.connection_count(), 1, "the handshakes were given up");
    Player::connect(&mut bench, peer(2, 1));
}

#[test]
fn a_request_on_an_open_connection_is_challenged_and_the_connection_goes_on() {
    let mut bench = bench(config());
    let (mut player, id) = Player::connect(&mut bench, peer(2, 5000));
    assert!(bench.stack.send(id, b"in flight"));
    player.hears(&bench.cycle());
    for number in 0..1_000_i32 {
        let seq_number = TcpSeqNumber(number.wrapping_mul(4_000_037));
        bench.put_segment(peer(2, 5000), &TcpRepr { seq_number, ..syn() });
    }
    let answers = bench.answers(Nanos::from_millis(20));
    assert_eq!(answers.len(), 1, "one each 50 ms");
    let (_, challenge) = parsed(&answers[0]);
    assert!(challenge.ack() && !challenge.syn() && !challenge.rst());
    assert_eq!(challenge.ack_number().0.cast_unsigned(), player.next);
    assert_eq!(bench.stack.counters.challenged, 1_000);
    player.says(&mut bench, b"still here");
    bench.cycle();
    assert_eq!(bench.stack.received(id), b"still here");
    assert_eq!(bench.stack.connection_count(), 1);
}

#[test]
fn a_segment_repeated_because_of_duplicate_acks_waits_for_room_in_the_device() {
    let mut bench = bench_over(config(), RX_BURST_MAX);
    bench.cycle();
    let (_, full) = Player::connect(&mut bench, peer(2, 1));
    let (mut loses, id) = Player::connect(&mut bench, peer(2, 2));
    assert!(bench.stack.send(id, b"lost"));
    assert_eq!(bench.cycle().len(), 1);
    // The one's bytes fill the device just before the other's turn.
    assert!(bench.stack.send(full, &vec![7; 60_000]));
    for _ in 0..3 {
        loses.says(&mut bench, b"");
    }
    let frames = bench.cycle();
    assert_eq!((frames.len(), loses.hears(&frames)), (RX_BURST_MAX, Vec::new()));
    assert_eq!(loses.hears(&bench.cycle()), b"lost");
}

#[test]
fn what_is_sent_in_a_cycle_is_bounded_and_shared() {
    const CONNECTIONS: u16 = 20;
    let mut bench = bench(config());
    let ids: Vec<_> =
        (1..=CONNECTIONS).map(|port| Player::connect(&mut bench, peer(2, port)).1).collect();
    for &id in &ids {
        assert!(bench.stack.send(id, &vec![7; 64_000]));
    }
    let mut sent = [0; CONNECTIONS as usize];
    for _ in 0..3 {
        let frames = bench.cycle();
        assert_eq!(frames.len(), EGRESS_SEGMENTS_PER_CYCLE_MAX);
        for frame in &frames {
            sent[usize::from(parsed(frame).1.dst_port() - 1)] += 1;
        }
    }
    assert!(sent.iter().all(|&count| count >= EGRESS_SEGMENTS_PER_TURN_MAX), "{sent:?}");
    assert_eq!(bench.stack.counters.egress_cut, 3);
    // An announcement and a SYN|ACK for each come before.
    assert_eq!(bench.stack.counters.tx_frames, 1 + u64::from(CONNECTIONS) + 3 * 256);
}

#[test]
fn a_multicast_datagram_goes_to_the_groups_address_at_once() {
    let mut bench = bench(config());
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 129, 0, 1), 26_400);
    assert!(bench.stack.send_datagram(group, b"prices"));
    let answers = bench.answers(SHORT);
    let (header, packet) = EthernetHeader::parse(&answers[0]).unwrap();
    let (ip, payload) = Ipv4Header::parse(packet).unwrap();
    let (udp, payload) = UdpHeader::parse(&ip, payload).unwrap();
    assert_eq!(header.destination.to_string(), "01:00:5e:01:00:01");
    assert_eq!((ip.source, ip.destination, ip.ttl), (OURS, *group.ip(), 8));
    assert_eq!((udp.destination_port, payload), (26_400, &b"prices"[..]));
}

#[test]
fn a_unicast_datagram_waits_until_its_neighbour_is_known() {
    let mut config = config();
    config.gateway = Some(Ipv4Addr::new(10, 9, 0, 254));
    let mut bench = bench(config);
    for (to, hop) in [(THEIRS, THEIRS), (Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(10, 9, 0, 254))] {
        let to = SocketAddrV4::new(to, 9000);
        assert!(!bench.stack.send_datagram(to, b"unknown yet"));
        let answers = bench.answers(SHORT);
        let (_, packet) = EthernetHeader::parse(&answers[0]).unwrap();
        assert_eq!(ArpPacket::parse(packet).unwrap().target, hop);
        bench.put_arp(ArpOperation::Reply, hop, OURS);
        bench.answers(SHORT);
        assert!(bench.stack.send_datagram(to, b"known"));
        let (header, _) = EthernetHeader::parse(&bench.answers(SHORT)[0]).unwrap();
        assert_eq!(header.destination, bench.far.mac());
    }
}
