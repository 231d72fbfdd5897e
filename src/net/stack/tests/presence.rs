//! A stack whose address is here now and then.

use super::by_hand::*;
use super::*;
use crate::net::arp::ArpOperation;
use crate::net::ipv4::{PROTOCOL_TCP, PROTOCOL_UDP};

fn shut() -> StackConfig {
    StackConfig { shut: true, receive_port: Some(PORT), ..config() }
}

/// What would make a stack that is there answer.
fn disturb(bench: &mut Bench) {
    bench.put_arp(ArpOperation::Request, THEIRS, OURS);
    bench.put_ping(THEIRS);
    bench.put_segment(peer(2, 9), &syn());
    bench.put_packet(THEIRS, PROTOCOL_TCP, &[0; 20]);
    bench.put_packet(THEIRS, PROTOCOL_UDP, &datagram(peer(2, 9), PORT, b"order"));
}

#[test]
fn who_is_shut_says_nothing_whatever_comes() {
    let mut bench = bench(shut());
    disturb(&mut bench);
    assert!(bench.answers(Nanos::from_secs(3)).is_empty());
    assert!(bench.announced.is_empty());
    assert_eq!(bench.stack.next_event(), None);
    assert!(bench.stack.next_datagram().is_none());
    assert_eq!(bench.stack.connection_count(), 0);
}

#[test]
fn who_takes_the_address_says_so_at_once_and_often_and_resets_whom_it_does_not_know() {
    let mut bench = bench(shut());
    Transport::open(&mut bench.stack).unwrap();
    let start = bench.now;
    assert!(bench.answers(Nanos::from_secs(3)).is_empty());
    let after: Vec<_> = bench.announced.iter().map(|at| at.since(start)).collect();
    assert!(after[0] <= STEP && after.len() >= 10, "{after:?}");
    assert!(after[9] < Nanos::SECOND, "{after:?}");
    // Of a connection that another leader had.
    let unknown = smoltcp::wire::TcpRepr {
        control: smoltcp::wire::TcpControl::None,
        ack_number: Some(smoltcp::wire::TcpSeqNumber(5)),
        ..syn()
    };
    bench.put_segment(peer(2, 9), &unknown);
    let answers = bench.cycle();
    assert!(parsed(&answers[0]).1.rst());
    let (mut player, id) = Player::connect(&mut bench, peer(2, 10));
    assert!(bench.stack.send(id, b"welcome"));
    let frames = bench.answers(SHORT);
    assert_eq!(player.hears(&frames), b"welcome");
}

#[test]
fn what_was_answered_when_it_steps_down_leaves_then_and_not_when_it_is_back() {
    let mut bench = bench(config());
    bench.cycle();
    disturb(&mut bench);
    bench.far.flush();
    bench.now = bench.now.after(STEP);
    bench.stack.poll(bench.now);
    bench.stack.shut();
    assert!(!received(&mut bench.far).is_empty(), "the question after our address is answered");
    Transport::open(&mut bench.stack).unwrap();
    assert!(bench.answers(Nanos::from_secs(3)).is_empty());
}

#[test]
fn who_steps_down_is_silent_and_forgets_everybody() {
    let mut bench = bench(shut());
    Transport::open(&mut bench.stack).unwrap();
    let (player, id) = Player::connect(&mut bench, peer(2, 10));
    assert!(bench.stack.send(id, b"not yet sent"));
    bench.stack.abort(id);
    bench.stack.shut();
    player.puts(&mut bench, smoltcp::wire::TcpControl::None, b"and now?");
    disturb(&mut bench);
    bench.announced.clear();
    assert!(bench.stack.send_datagram(SocketAddrV4::new(Ipv4Addr::new(239, 9, 9, 9), 1), b"feed"));
    assert_eq!(bench.stack.flush(bench.now), 0);
    assert!(bench.answers(Nanos::from_secs(10)).is_empty());
    assert!(bench.announced.is_empty());
    assert_eq!(bench.stack.connection_count(), 0);
    assert_eq!(bench.stack.next_event(), None);
    // And the next time nothing of this is left.
    Transport::open(&mut bench.stack).unwrap();
    let (mut player, id) = Player::connect(&mut bench, peer(2, 10));
    assert!(bench.stack.send(id, b"welcome"));
    let frames = bench.answers(SHORT);
    assert_eq!(player.hears(&frames), b"welcome");
}
