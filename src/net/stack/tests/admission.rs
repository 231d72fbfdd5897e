//! Who is let in, and how much of one sender: what is dropped is dropped before any state, is counted,
//! and others do not notice.

use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::by_hand::{Bench, Player, bench, parsed, peer, syn};
use super::hostile::{Honest, assert_no_growth, footprint};
use super::*;
use crate::agent::Publisher;
use crate::net::ipv4::{Ipv4Network, PROTOCOL_UDP};

const FRAMES: u32 = 10_000;
const BURST: u64 = 1_000;

fn limited() -> Bench {
    bench(StackConfig { frames_per_second_per_source_max: FRAMES, ..config() })
}

/// A segment of no connection.
fn stray() -> TcpRepr<'static> {
    TcpRepr { control: TcpControl::None, ack_number: Some(TcpSeqNumber(7)), ..syn() }
}

#[test]
fn a_senders_flood_is_dropped_unread_beyond_its_rate_and_others_are_answered() {
    const FLOOD: usize = 4_000;
    let mut bench = limited();
    let mut honest = Honest::connect(&mut bench);
    let before = footprint(&bench);
    for _ in 0..FLOOD {
        bench.put_segment(peer(66, 5000), &stray());
    }
    honest.round_trip(&mut bench, FLOOD);
    let counters = &bench.stack.counters;
    let answered = counters.rst_sent + counters.rst_suppressed;
    // In the 13 ms that the flood takes.
    assert!((BURST..BURST + 150).contains(&answered), "{answered} answers");
    assert_eq!(counters.source_flood, FLOOD as u64 - answered);
    assert_no_growth(&bench, before);

    // It is heard again at its rate.
    bench.answers(Nanos::SECOND);
    bench.put_segment(peer(66, 5000), &stray());
    assert_eq!(bench.cycle().len(), 1);
}

#[test]
fn who_writes_anothers_address_into_frames_of_its_own_spends_nothing_of_the_others() {
    const FLOOD: usize = 3_000;
    let mut bench = limited();
    let mut honest = Honest::connect(&mut bench);
    let elsewhere = MacAddress([2, 0, 0, 0, 0, 99]);
    for _ in 0..FLOOD {
        bench.put_packet_from(elsewhere, THEIRS, PROTOCOL_UDP, b"nothing");
    }
    honest.round_trip(&mut bench, FLOOD);
    assert!(bench.stack.counters.source_flood > FLOOD as u64 - BURST - 150);
}

#[test]
fn who_asks_for_more_connections_than_it_may_have_is_heard_at_a_rate_and_others_get_in() {
    const REQUESTS: u16 = 2_000;
    let mut bench = bench(StackConfig { connections_per_source_max: 16, ..config() });
    for port in 1..=REQUESTS {
        bench.put_segment(peer(66, port), &syn());
    }
    bench.answers(Nanos::from_millis(10));
    let counters = bench.stack.counters;
    assert!(counters.source_questions > 1_800, "{counters:?}");
    assert_eq!(counters.source_questions + counters.source_full + 16, u64::from(REQUESTS));
    assert_eq!(bench.stack.connection_count(), 16);
    Honest::connect(&mut bench).round_trip(&mut bench, 0);
}

#[test]
fn requests_from_more_addresses_than_are_remembered_leave_nothing_and_keep_nobody_out() {
    const BATCH: u32 = 4_000;
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    let before = footprint(&bench);
    for batch in 0..5 {
        for number in 0..BATCH {
            let [_, _, high, low] = (1 + batch * BATCH + number).to_be_bytes();
            let source = Ipv4Addr::new(10, 77, high, low);
            bench.put_segment(SocketAddrV4::new(source, 5000), &syn());
        }
        honest.round_trip(&mut bench, BATCH as usize);
        bench.answers(Nanos::from_millis(200));
    }
    assert_no_growth(&bench, before);
    bench.answers(Nanos::from_millis(1_100));
    assert_eq!((bench.stack.connection_count(), bench.stack.sources.len()), (1, 1));
    Player::connect(&mut bench, peer(3, 1));
}

fn networks(texts: &[&str]) -> Vec<Ipv4Network> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn who_is_blocked_while_connected_is_reset_and_not_heard_until_it_is_let_in_again() {
    let everybody = || AccessList::new(&networks(&["10.9.0.0/24"]), &[]);
    let publisher = Publisher::new(everybody());
    let mut bench = bench(config());
    bench.stack = bench.stack.watching(Some(publisher.watch()));
    let mut honest = Honest::connect(&mut bench);
    let (_, id) = Player::connect(&mut bench, peer(66, 1));
    bench.put_segment(peer(66, 2), &syn());
    assert_eq!(bench.cycle().len(), 1, "a handshake is half over");

    publisher.publish(AccessList::new(&networks(&["10.9.0.0/24"]), &networks(&["10.9.0.66"])));
    let frames = bench.cycle();
    let resets: Vec<_> = frames.iter().map(|frame| parsed(frame).1).collect();
    assert!(resets.len() == 1 && resets[0].rst() && resets[0].dst_port() == 1, "{resets:?}");
    assert_eq!(bench.stack.next_event(), Some(NetEvent::Closed(id)));
    assert!(!bench.stack.send(id, b"void"));
    assert_eq!((bench.stack.connection_count(), bench.stack.counters.expelled), (1, 2));
    bench.put_segment(peer(66, 3), &syn());
    assert!(bench.cycle().is_empty() && bench.stack.counters.denied == 1);
    honest.round_trip(&mut bench, 0);

    publisher.publish(everybody());
    Player::connect(&mut bench, peer(66, 4));
    honest.round_trip(&mut bench, 0);
}
