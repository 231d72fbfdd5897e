//! Over loopback, between real sockets: what a network does, and what a stranger tries.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::consensus::MESSAGE_BYTES_MAX;

/// The longest that a datagram may take from one socket of this host to another.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOPBACK: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

/// A socket that speaks the protocol by hand, so that it can do what a network would.
fn raw() -> (UdpSocket, SocketAddrV4) {
    let socket = UdpSocket::bind(LOOPBACK).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let SocketAddr::V4(address) = socket.local_addr().unwrap() else { unreachable!() };
    (socket, address)
}

fn config(host: u32, peers: &[(u32, SocketAddrV4)]) -> UdpConfig {
    UdpConfig { host, bind: LOOPBACK, peers: peers.to_vec(), mtu: 1_500 }
}

/// Host 1, and its peer 2 by hand.
fn pair() -> (UdpTransport, UdpSocket) {
    let (peer, address) = raw();
    let transport = UdpTransport::new(&config(1, &[(2, address)])).unwrap();
    peer.connect(transport.address().unwrap()).unwrap();
    (transport, peer)
}

/// Three hosts that know each other, at addresses of this process alone and a port of this test.
fn cluster(port: u16) -> Vec<UdpTransport> {
    let [.., high, low] = std::process::id().to_be_bytes();
    let place = |host: u8| SocketAddrV4::new(Ipv4Addr::new(127, high, low, host), port);
    let transport = |host: u8| {
        let others = (1..=3).filter(|other| *other != host);
        let peers = others.map(|other| (other.into(), place(other))).collect();
        let config = UdpConfig { host: host.into(), bind: place(host), peers, mtu: 1_500 };
        UdpTransport::new(&config).unwrap()
    };
    (1..=3).map(transport).collect()
}

/// Every message that comes until `enough` have, with who it is from.
fn receive(transport: &mut UdpTransport, enough: usize) -> Vec<(u32, Vec<u8>)> {
    let mut came = Vec::new();
    let since = Instant::now();
    while came.len() < enough {
        match transport.receive() {
            Some((host, message)) => came.push((host, message.to_vec())),
            None => thread::yield_now(),
        }
        assert!(since.elapsed() < PATIENCE, "{came:?} {:?}", transport.counters());
    }
    came
}

/// Until as many datagrams have been looked at; none of them may complete a message.
fn swallow(transport: &mut UdpTransport, datagrams: u64) {
    let since = Instant::now();
    while transport.counters().datagrams_received < datagrams {
        assert!(transport.receive().is_none());
        assert!(since.elapsed() < PATIENCE, "{:?}", transport.counters());
        thread::yield_now();
    }
}

fn send(socket: &UdpSocket, fragment: &Fragment<'_>) {
    socket.send(&[&fragment.header()[..], fragment.part].concat()).unwrap();
}

fn message(fill: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| at.to_le_bytes()[0].wrapping_mul(13) ^ fill).collect()
}

#[test]
fn messages_of_every_size_arrive_from_the_host_that_sent_them() {
    let mut hosts = cluster(26_701);
    for bytes in [1, 128, 1_448, 1_449, 8_192, MESSAGE_BYTES_MAX] {
        hosts[0].send(2, &message(1, bytes));
        assert!(receive(&mut hosts[1], 1) == [(1, message(1, bytes))], "{bytes} bytes");
        hosts[2].publish(&message(3, bytes));
        for host in [0, 1] {
            assert!(receive(&mut hosts[host], 1) == [(3, message(3, bytes))], "{bytes} bytes");
        }
    }
    let counters = hosts[2].counters();
    assert_eq!((counters.sent, counters.received), (12, 0));
    let counters = hosts[1].counters();
    assert_eq!((counters.received, counters.strangers, counters.malformed), (12, 0, 0));
}

#[test]
fn what_is_sent_to_nobody_is_counted_and_nothing_else() {
    let (mut transport, _peer) = pair();
    transport.send(3, b"nobody");
    assert_eq!(transport.counters(), UdpCounters { not_sent_unknown: 1, ..Default::default() });
}

#[test]
fn parts_come_in_any_order_and_more_than_once() {
    let (mut transport, peer) = pair();
    let [first, second] = [message(1, 5 * 1_448), message(2, 4 * 1_448)];
    let first_parts: Vec<_> = Fragment::of(&first, 1, 1_448).collect();
    let second_parts: Vec<_> = Fragment::of(&second, 2, 1_448).collect();
    for (one, other) in first_parts.iter().zip(&second_parts).rev() {
        send(&peer, other);
        send(&peer, one);
        send(&peer, one);
    }
    send(&peer, &first_parts[4]);
    for part in &first_parts {
        send(&peer, part);
    }
    assert!(receive(&mut transport, 2) == [(2, second), (2, first)]);
    swallow(&mut transport, 3 * 4 + 1 + 5);
    assert_eq!(transport.counters().doubled, 4 + 5);
}

#[test]
fn a_lost_part_costs_its_message_and_no_other() {
    let (mut transport, peer) = pair();
    let sent: Vec<_> = (0..100).map(|fill| message(fill, 3 * 1_448)).collect();
    let mut arriving = Vec::new();
    for (number, message) in sent.iter().enumerate() {
        for part in Fragment::of(message, number as u64, 1_448) {
            if number % 10 == 3 && part.index == number % 3 {
                continue;
            }
            send(&peer, &part);
        }
        if number % 10 != 3 {
            arriving.push((2, message.clone()));
        }
        // The kernel's buffer is no part of the story.
        while let Some((host, message)) = transport.receive() {
            assert!((host, message) == (arriving[0].0, arriving[0].1.as_slice()), "{number}");
            arriving.remove(0);
        }
    }
    let left = arriving.len();
    assert!(receive(&mut transport, left) == arriving);
    let counters = transport.counters();
    assert_eq!((counters.received, counters.abandoned), (90, 9), "one is still waited for");
}

#[test]
fn a_host_that_came_back_is_understood_at_once() {
    let (mut transport, peer) = pair();
    let earlier = message(1, 3_000);
    for part in Fragment::of(&earlier, u64::MAX, 1_448).take(2) {
        send(&peer, &part);
    }
    let later = message(2, 3_000);
    for part in Fragment::of(&later, 0, 1_448) {
        send(&peer, &part);
    }
    assert!(receive(&mut transport, 1) == [(2, later)]);
}

#[test]
fn strangers_and_garbage_are_dropped_and_counted() {
    let (mut transport, peer) = pair();
    let (stranger, _) = raw();
    stranger.connect(transport.address().unwrap()).unwrap();
    let good = message(1, 3_000);
    for part in Fragment::of(&good, 7, 1_448) {
        // The same bytes, from elsewhere: they complete nothing.
        send(&stranger, &part);
    }
    for length in [0, 1, FRAGMENT_HEADER_BYTES, 1_472, 60_000] {
        peer.send(&vec![0xFF; length]).unwrap();
    }
    swallow(&mut transport, 8);
    let counters = transport.counters();
    assert_eq!((counters.strangers, counters.malformed, counters.received), (3, 5, 0));
    for part in Fragment::of(&good, 7, 1_448) {
        send(&peer, &part);
    }
    assert!(receive(&mut transport, 1) == [(2, good)]);
}

#[test]
fn parts_forged_in_a_peers_name_take_no_memory_and_end_when_they_end() {
    let (mut transport, peer) = pair();
    let largest = message(9, MESSAGE_BYTES_MAX);
    let part = Fragment::of(&largest, 0, 1_448).next().unwrap();
    for number in 0..5_000 {
        let message = MessageShape { number, ..part.message };
        send(&peer, &Fragment { message, ..part });
        assert!(transport.receive().is_none());
    }
    swallow(&mut transport, 5_000);
    assert_eq!(transport.counters().abandoned, 5_000 - KEPT_MESSAGES_MAX as u64);
    let good = message(1, MESSAGE_BYTES_MAX);
    for part in Fragment::of(&good, 1 << 40, 1_448) {
        send(&peer, &part);
    }
    assert!(receive(&mut transport, 1) == [(2, good)]);
}

#[test]
fn who_does_not_read_does_not_hold_up_the_sender() {
    let mut hosts = cluster(26_702);
    let frame = message(1, 8_320);
    for _ in 0..5_000 {
        hosts[0].publish(&frame);
        // Host 2 reads, host 3 does not.
        assert!(receive(&mut hosts[1], 1) == [(1, frame.clone())]);
    }
    let counters = hosts[0].counters();
    assert_eq!((counters.sent, counters.not_sent_full, counters.not_sent_refused), (10_000, 0, 0));
    // What found room waits; the rest is lost, and what is sent now arrives.
    while hosts[2].receive().is_some() || hosts[2].receive().is_some() {}
    hosts[0].send(3, b"and now?");
    assert_eq!(receive(&mut hosts[2], 1), [(1, b"and now?".to_vec())]);
}

#[test]
fn a_configuration_that_names_no_cluster_is_refused_with_its_rule() {
    let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let refused = |config: &UdpConfig| UdpTransport::new(config).unwrap_err().to_string();
    let two = [(2, at(9_002)), (2, at(9_003))];
    assert_eq!(refused(&config(1, &two)), "peer 2 at 127.0.0.1:9003: two peers have this number");
    let two = [(2, at(9_002)), (3, at(9_002))];
    assert_eq!(refused(&config(1, &two)), "peer 3 at 127.0.0.1:9002: two hosts have this address");
    for host in [0, 1] {
        let said = refused(&config(1, &[(host, at(9_002))]));
        assert!(said.ends_with("a peer is another host, numbered from 1"), "{said}");
    }
    let said = refused(&config(1, &[(2, at(0))]));
    assert!(said.ends_with("an address and a port are needed, from which it sends"), "{said}");
    let many: Vec<_> = (2..18).map(|host| (host.into(), at(9_000 + host))).collect();
    assert_eq!(refused(&config(1, &many)), "16 peers: there can be 15");
    for mtu in [0, 576, 1_151, 65_536] {
        let said = refused(&UdpConfig { mtu, ..config(1, &[]) });
        assert!(said.starts_with(&format!("an MTU of {mtu}: must be from 1152")), "{said}");
    }
    let (_taken, address) = raw();
    let said = refused(&UdpConfig { bind: address, ..config(1, &[]) });
    assert!(said.contains("is the address one of this host, and free?"), "{said}");
}
