//! Frames in another's name, sequence numbers that are guessed, and bytes that contradict each other:
//! nothing is kept of them, each is counted, and the connections of others do not notice.

use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::by_hand::{Bench, Player, bench, parsed, peer, syn};
use super::hostile::{Honest, assert_no_growth, footprint};
use super::*;
use crate::net::arp::ArpOperation;
use crate::net::ethernet::ETHER_TYPE_IPV4;
use crate::net::ipv4::{Ipv4Header, PROTOCOL_TCP, PROTOCOL_UDP, checksum, sum};

/// Frames put on the wire before the stack takes them.
const BATCH: u32 = 2_000;

fn number(value: u32) -> TcpSeqNumber {
    TcpSeqNumber(value.cast_signed())
}

#[test]
fn resets_that_are_guessed_into_the_window_break_nothing_and_are_asked_about_at_most_each_fifty_ms()
{
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    let before = footprint(&bench);
    let sent = bench.stack.counters.tx_frames;
    let start = bench.now;
    for guess in 1..=BATCH {
        let seq_number = number(honest.player.next.wrapping_add(8 * guess));
        let reset = TcpRepr { control: TcpControl::Rst, seq_number, ..syn() };
        bench.put_segment(peer(2, 5000), &reset);
    }
    honest.round_trip(&mut bench, BATCH as usize);
    assert_eq!(bench.stack.counters.resets_doubted, u64::from(BATCH));
    let challenges = 1 + bench.now.since(start).0 / Nanos::from_millis(50).0;
    let answers = bench.stack.counters.tx_frames - sent;
    assert!(answers <= challenges + 2, "{answers} frames");
    assert_eq!(bench.stack.connection_count(), 1);
    assert_no_growth(&bench, before);
}

#[test]
fn a_peer_that_resets_ahead_of_what_it_was_told_is_asked_and_then_believed() {
    let mut bench = bench(config());
    let (mut player, id) = Player::connect(&mut bench, peer(2, 5000));
    // Its bytes are not acknowledged yet, or one of its segments was lost.
    player.says(&mut bench, b"order");
    player.puts(&mut bench, TcpControl::Rst, b"");
    let answers = bench.cycle();
    let (_, challenge) = parsed(&answers[0]);
    assert!(challenge.ack() && !challenge.rst());
    assert_eq!(challenge.ack_number(), number(player.next));
    assert_eq!(bench.stack.next_event(), Some(NetEvent::Readable(id)));
    assert_eq!(bench.stack.next_event(), None, "it is asked first");
    player.puts(&mut bench, TcpControl::Rst, b"");
    bench.cycle();
    assert_eq!(bench.stack.next_event(), Some(NetEvent::Closed(id)));
    assert_eq!(bench.stack.connection_count(), 0);
}

#[test]
fn bytes_with_a_guessed_place_and_a_guessed_acknowledgment_are_never_taken() {
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    assert!(bench.stack.send(honest.id, b"in flight"));
    honest.player.hears(&bench.cycle());
    let before = footprint(&bench);
    for batch in 0..5_u32 {
        for guess in 0..BATCH {
            // The place is right, and each time another of the acknowledgments there are.
            let ack = (batch * BATCH + guess).wrapping_mul(429_496).wrapping_add(77);
            let forged = TcpRepr {
                control: TcpControl::Psh,
                seq_number: number(honest.player.next),
                ack_number: Some(number(honest.player.acknowledges().wrapping_add(100 + ack))),
                max_seg_size: None,
                payload: b"forged",
                ..syn()
            };
            bench.put_segment(peer(2, 5000), &forged);
        }
        bench.answers(Nanos::from_millis(7));
        assert_eq!(bench.stack.received(honest.id), b"");
    }
    while bench.stack.next_event().is_some() {}
    honest.round_trip(&mut bench, 0);
    assert_no_growth(&bench, before);
}

#[test]
fn a_flood_of_requests_in_the_names_of_strangers_leaves_nothing_and_gets_no_answer() {
    let mut config = config();
    config.allow = vec!["10.9.0.0/24".parse().unwrap()];
    let mut bench = bench(config);
    let mut honest = Honest::connect(&mut bench);
    let before = footprint(&bench);
    let sent = bench.stack.counters.tx_frames;
    for source in 0..BATCH {
        let [_, a, b, c] = source.wrapping_mul(0x9e37_79b9).to_be_bytes();
        let stranger = SocketAddrV4::new(Ipv4Addr::new(11, a, b, c), 5000);
        bench.put_segment(stranger, &syn());
    }
    honest.round_trip(&mut bench, BATCH as usize);
    assert_eq!(bench.stack.counters.denied, u64::from(BATCH));
    assert_eq!(bench.stack.counters.tx_frames - sent, 1, "the honest one's answer");
    assert_eq!((bench.stack.connection_count(), bench.stack.sources.len()), (1, 1));
    assert_no_growth(&bench, before);
}

#[test]
fn nobody_is_answered_in_the_name_of_an_address_that_is_no_other_hosts() {
    let mut bench = bench(config());
    let nobodies = [
        OURS,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(239, 0, 0, 1),
    ];
    let stray = TcpRepr { ack_number: Some(number(77)), control: TcpControl::None, ..syn() };
    for nobody in nobodies {
        bench.put_segment(SocketAddrV4::new(nobody, PORT), &syn());
        bench.put_segment(SocketAddrV4::new(nobody, 5000), &stray);
        bench.put_ping(nobody);
    }
    assert!(bench.answers(SHORT).is_empty());
    assert_eq!((bench.stack.connection_count(), bench.stack.counters.malformed), (0, 15));
}

#[test]
fn nobody_speaks_in_the_name_of_a_host_whose_ethernet_address_is_given() {
    let elsewhere = MacAddress([2, 0, 0, 0, 0, 99]);
    let mut config = config();
    config.neighbours = vec![(*peer(3, 0).ip(), elsewhere)];
    let mut bench = bench(config);
    bench.put_segment(peer(3, 5000), &syn());
    bench.put_ping(*peer(3, 0).ip());
    bench.put_arp(ArpOperation::Request, *peer(3, 0).ip(), OURS);
    assert!(bench.answers(SHORT).is_empty());
    assert_eq!((bench.stack.connection_count(), bench.stack.counters.impostors), (0, 3));
    Honest::connect(&mut bench).round_trip(&mut bench, 0);
    // Nor is it asked for.
    assert!(bench.stack.send_datagram(peer(3, 7_000), b"for it alone"));
    let frames = bench.answers(SHORT);
    let (header, _) = EthernetHeader::parse(&frames[0]).unwrap();
    assert_eq!((frames.len(), header.destination), (1, elsewhere));
}

/// A packet's part: its place in units of eight bytes, and whether more come.
fn put_fragment(bench: &mut Bench, protocol: u8, place: u16, more: bool, payload: &[u8]) {
    let header = EthernetHeader {
        destination: bench.stack.mac,
        source: bench.far.mac(),
        ether_type: ETHER_TYPE_IPV4,
    };
    let ip = Ipv4Header {
        source: THEIRS,
        destination: OURS,
        protocol,
        ttl: 64,
        payload_len: u16::try_from(payload.len()).unwrap(),
    };
    let mut ip = ip.emit();
    ip[6..8].copy_from_slice(&(place | u16::from(more) << 13).to_be_bytes());
    ip[10..12].fill(0);
    let check = checksum(sum(0, &ip));
    ip[10..12].copy_from_slice(&check.to_be_bytes());
    bench.put(&[&header.emit()[..], &ip, payload].concat());
}

#[test]
fn fragments_are_counted_and_nothing_of_them_waits_for_the_others() {
    let mut config = config();
    config.receive_port = Some(7_002);
    let mut bench = bench(config);
    let mut honest = Honest::connect(&mut bench);
    let before = footprint(&bench);
    let sent = bench.stack.counters.tx_frames;
    for piece in 0..BATCH {
        // First ones that promise more, middle ones, last ones; some lie over each other.
        let place = u16::try_from(piece % 181).unwrap();
        let protocol = if piece % 2 == 0 { PROTOCOL_TCP } else { PROTOCOL_UDP };
        put_fragment(&mut bench, protocol, place, piece % 3 > 0 || place == 0, &[7; 64]);
    }
    honest.round_trip(&mut bench, BATCH as usize);
    assert_eq!(bench.stack.counters.fragments, u64::from(BATCH));
    assert_eq!(bench.stack.counters.tx_frames - sent, 1, "the honest one's answer");
    assert_eq!((bench.stack.connection_count(), bench.stack.next_datagram()), (1, None));
    assert_no_growth(&bench, before);
}

#[test]
fn segments_that_overlap_make_the_stream_that_was_sent_and_hold_no_more_than_a_window() {
    const LENGTH: usize = 60_000;
    const LONGEST: usize = 1_400;
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    let (mut messy, id) = Player::connect(&mut bench, peer(3, 1));
    let before = footprint(&bench);
    let stream: Vec<u8> = (0..=250).cycle().take(LENGTH).collect();
    let (start, mut received, mut random) = (messy.next, Vec::new(), 0x2545_f491_u32);
    for round in 0..2_000 {
        // Pieces ahead of what was taken, behind it and across, in no order, with holes between them.
        for _ in 0..8 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let spread = usize::try_from(random >> 16).unwrap();
            let from = (received.len() + spread % 6_000).saturating_sub(2_000).min(LENGTH - 1);
            let to = LENGTH.min(from + 1 + spread % LONGEST);
            messy.next = start.wrapping_add(u32::try_from(from).unwrap());
            messy.puts(&mut bench, TcpControl::None, &stream[from..to]);
        }
        bench.cycle();
        let bytes = bench.stack.received(id);
        assert!(bytes.len() <= config().rx_buffer_bytes);
        received.extend_from_slice(bytes);
        let taken = bytes.len();
        bench.stack.consume(id, taken);
        if round % 50 == 0 {
            honest.round_trip(&mut bench, 0);
        }
        if received.len() == LENGTH {
            break;
        }
    }
    assert_eq!(received.len(), LENGTH, "{:?}", bench.stack.counters);
    assert!(received == stream);
    assert_no_growth(&bench, before);
    honest.round_trip(&mut bench, 0);
}
