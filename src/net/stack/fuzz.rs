//! Whatever bytes arrive, nothing panics, and when it is over nothing is left behind.
//!
//! Seeded: a failure prints its seed, and `RIALTO_SEED=n` plays it again.
#![expect(clippy::cast_possible_truncation, reason = "random numbers are cut to what is needed")]

use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::tests::by_hand::{Bench, bench, datagram, parsed, peer, query, syn};
use super::tests::{OURS, THEIRS, config};
use super::*;
use crate::net::MemoryDevice;
use crate::net::arp::ArpOperation;
use crate::net::ipv4::{
    Ipv4Header, PROTOCOL_ICMP, PROTOCOL_IGMP, PROTOCOL_TCP, PROTOCOL_UDP, checksum, sum,
};
use crate::net::tcp::Segment;
use crate::net::udp::UdpHeader;

const SEEDS: u64 = 8;
const ROUNDS: usize = 2_000;

/// A generator that needs no crate (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    /// Flips, cuts, lengthens.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            match self.below(6) {
                0 => bytes.truncate(self.below(bytes.len() + 1)),
                1 => bytes.resize(bytes.len() + self.below(40), self.next() as u8),
                _ if bytes.is_empty() => {}
                2 => {
                    let at = self.below(bytes.len());
                    bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)];
                }
                _ => {
                    let at = self.below(bytes.len());
                    bytes[at] ^= 1 << self.below(8);
                }
            }
        }
    }
}

/// Runs `play` once for each seed, or for that of `RIALTO_SEED`.
fn for_each_seed(play: impl Fn(&mut Random)) {
    let only = std::env::var("RIALTO_SEED").ok().map(|seed| seed.parse().expect("a number"));
    for seed in only.map_or(1..=SEEDS, |seed| seed..=seed) {
        println!("RIALTO_SEED={seed}");
        play(&mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    }
}

const UDP_PORT: u16 = 2;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 9, 0, 7);

/// One good frame of every kind.
fn corpus() -> Vec<Vec<u8>> {
    let mut bench = bench(config());
    bench.put_segment(peer(2, 5000), &syn());
    bench.put_arp(ArpOperation::Request, THEIRS, OURS);
    bench.put_arp(ArpOperation::Reply, THEIRS, OURS);
    bench.put_packet(THEIRS, PROTOCOL_UDP, &datagram(peer(2, 1), UDP_PORT, b"data"));
    let mut ping = vec![8, 0, 0, 0, 0, 1, 0, 2];
    let check = checksum(sum(0, &ping));
    ping[2..4].copy_from_slice(&check.to_be_bytes());
    bench.put_packet(THEIRS, PROTOCOL_ICMP, &ping);
    bench.put_multicast(THEIRS, ALL_HOSTS, 1, (PROTOCOL_IGMP, &query()));
    bench.sent()
}

#[test]
fn parsers_survive_mutated_bytes() {
    let corpus = corpus();
    for_each_seed(|random| {
        let mut membership = Membership::new(&[GROUP], 7, Nanos::ZERO);
        for _ in 0..20 * ROUNDS {
            let mut frame = corpus[random.below(corpus.len())].clone();
            random.mutate(&mut frame);
            let payload = EthernetHeader::parse(&frame).map_or(&frame[..], |(_, payload)| payload);
            std::hint::black_box(ArpPacket::parse(payload));
            if let Some((ip, payload)) = Ipv4Header::parse(payload) {
                std::hint::black_box(UdpHeader::parse(&ip, payload));
                std::hint::black_box(Segment::parse(payload));
            }
            // Also what a wrong checksum would have kept away.
            let inner = payload.get(Ipv4Header::LEN..).unwrap_or(payload);
            let ip = Ipv4Header {
                source: THEIRS,
                destination: OURS,
                protocol: PROTOCOL_TCP,
                ttl: 1,
                payload_len: 0,
            };
            std::hint::black_box(UdpHeader::parse(&ip, inner));
            std::hint::black_box(Segment::parse(inner));
            std::hint::black_box(membership.take(inner, Nanos::SECOND));
        }
    });
}

#[test]
fn the_stack_survives_mutated_frames() {
    let corpus = corpus();
    for_each_seed(|random| {
        let groups = vec![GROUP];
        let mut bench = bench(StackConfig { receive_port: Some(UDP_PORT), groups, ..config() });
        for _ in 0..ROUNDS {
            for _ in 0..random.below(20) {
                let mut frame = corpus[random.below(corpus.len())].clone();
                random.mutate(&mut frame);
                bench.put(&frame);
            }
            bench.answers(Nanos::from_micros(200));
            while bench.stack.next_datagram().is_some() {}
        }
        let Counters { datagrams_received, membership_reports, .. } = *bench.stack.counters();
        assert!(datagrams_received > 100 && membership_reports > 2, "{:?}", bench.stack);
        nothing_is_left(&mut bench);
    });
}

/// A peer that knows where the stack's sequence numbers are and does what it likes.
struct Rogue {
    port: u16,
    ours: u32,
    theirs: u32,
}

impl Rogue {
    fn segment(&mut self, random: &mut Random) -> TcpRepr<'static> {
        const PAYLOAD: &[u8] = &[7; 1460];
        let near = |random: &mut Random, base: u32| match random.below(8) {
            0 => random.next() as u32,
            1 => base.wrapping_add(random.below(70_000) as u32).wrapping_sub(35_000),
            2 => base.wrapping_sub(1),
            3 => base.wrapping_add(1),
            _ => base,
        };
        let control = match random.below(12) {
            0 => TcpControl::Syn,
            1 => TcpControl::Fin,
            2 => TcpControl::Rst,
            3..6 => TcpControl::Psh,
            _ => TcpControl::None,
        };
        let payload = match random.below(3) {
            0 => &PAYLOAD[..random.below(PAYLOAD.len())],
            1 => &PAYLOAD[..random.below(20)],
            _ => &[],
        };
        let seq = near(random, self.ours);
        let ack = near(random, self.theirs);
        if seq == self.ours && control != TcpControl::Rst {
            self.ours =
                seq.wrapping_add(payload.len() as u32 + u32::from(control == TcpControl::Fin));
        }
        let number = |value: u32| TcpSeqNumber(value.cast_signed());
        TcpRepr {
            control,
            seq_number: number(seq),
            ack_number: (random.below(10) > 0).then(|| number(ack)),
            window_len: [0, 1, 100, 8192, 65_535][random.below(5)],
            max_seg_size: (control == TcpControl::Syn).then(|| random.below(1600) as u16),
            window_scale: (control == TcpControl::Syn).then(|| random.below(16) as u8),
            sack_permitted: control == TcpControl::Syn,
            payload,
            ..syn()
        }
    }
}

#[test]
fn the_stack_survives_peers_that_break_every_rule_of_tcp() {
    for_each_seed(|random| {
        let mut bench = bench(config());
        let mut rogues: Vec<_> =
            (0..6).map(|port| Rogue { port: 6000 + port, ours: 0, theirs: 0 }).collect();
        let mut open = Vec::new();
        for round in 0..ROUNDS {
            let rogue = &mut rogues[random.below(6)];
            let from = peer(2, rogue.port);
            if random.below(10) == 0 {
                rogue.ours = random.next() as u32;
                let seq_number = TcpSeqNumber(rogue.ours.cast_signed());
                bench.put_segment(from, &TcpRepr { seq_number, ..syn() });
                rogue.ours = rogue.ours.wrapping_add(1);
            }
            for _ in 0..random.below(4) {
                let segment = rogue.segment(random);
                bench.put_segment(from, &segment);
            }
            // Mostly a moment, at times long enough for timers.
            let span = Nanos::from_micros(if random.below(50) == 0 { 3_000_000 } else { 100 });
            for frame in bench.answers_at(span, span.min(Nanos::from_millis(20))) {
                learn(&mut rogues, &frame);
            }
            while let Some(event) = bench.stack.next_event() {
                if let NetEvent::Opened { connection, .. } = event {
                    open.push(connection);
                }
            }
            if !open.is_empty() {
                act(random, &mut bench.stack, &mut open);
            }
            assert!(bench.stack.connection_count() <= 64, "round {round}");
        }
        for id in open {
            bench.stack.close(id);
        }
        println!("{:?}", bench.stack.counters());
        assert!(bench.stack.counters().opened > 20, "the rogues hardly got in");
        nothing_is_left(&mut bench);
    });
}

/// Takes from a frame of the stack what the rogue it went to can use.
fn learn(rogues: &mut [Rogue], frame: &[u8]) {
    let (_, segment) = parsed(frame);
    if let Some(rogue) = rogues.iter_mut().find(|rogue| rogue.port == segment.dst_port()) {
        let next = segment.seq_number() + segment.segment_len();
        rogue.theirs = next.0.cast_unsigned();
    }
}

/// The user does something to a connection, be it void or not.
fn act(random: &mut Random, stack: &mut Stack<MemoryDevice>, open: &mut Vec<ConnectionId>) {
    let at = random.below(open.len());
    let id = open[at];
    match random.below(12) {
        0 => {
            stack.close(id);
            open.swap_remove(at);
        }
        1 => {
            stack.abort(id);
            open.swap_remove(at);
        }
        2..6 => {
            let received = stack.received(id).len();
            stack.consume(id, received / (1 + random.below(2)));
        }
        _ => {
            stack.send(id, &[9; 3000][..random.below(3000)]);
        }
    }
}

/// Without more frames, and with its user gone, a stack comes to rest.
fn nothing_is_left(bench: &mut Bench) {
    while let Some(event) = bench.stack.next_event() {
        if let NetEvent::Opened { connection, .. } = event {
            bench.stack.close(connection);
        }
    }
    bench.answers_at(Nanos::from_secs(12), Nanos::from_millis(50));
    while bench.stack.next_event().is_some() {}
    let stack = &bench.stack;
    assert_eq!((stack.connection_count(), stack.sources.len()), (0, 0));
    assert!(stack.by_peer.is_empty() && stack.dirty.is_empty());
    assert!(stack.connections.iter().all(|connection| connection.phase == Phase::Free));
}
