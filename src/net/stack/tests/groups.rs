//! Multicast groups: what the network is told of our membership, and whose datagrams come of it.

use super::by_hand::{Bench, bench, datagram, peer, query};
use super::*;
use crate::net::igmp::ALL_HOSTS;
use crate::net::ipv4::{Ipv4Header, PROTOCOL_IGMP, PROTOCOL_UDP};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 9, 0, 7);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 9, 0, 8);
const UDP_PORT: u16 = 2;

fn member() -> Bench {
    let groups = vec![GROUP];
    bench(StackConfig { receive_port: Some(UDP_PORT), groups, ..config() })
}

#[test]
fn a_membership_is_reported_with_the_option_that_has_routers_look_at_it() {
    let mut bench = member();
    let frames = bench.answers(Nanos::from_secs(3));
    assert_eq!((frames.len(), bench.stack.counters.membership_reports), (2, 2));
    for frame in frames {
        let (header, packet) = EthernetHeader::parse(&frame).unwrap();
        assert_eq!(header.destination, MacAddress([1, 0, 0x5e, 0, 0, 22]));
        let (ip, message) = Ipv4Header::parse(packet).unwrap();
        assert_eq!((ip.source, ip.protocol, ip.ttl), (OURS, PROTOCOL_IGMP, 1));
        assert_eq!(packet[20..24], [0x94, 4, 0, 0], "the router alert");
        assert_eq!(message[12..16], GROUP.octets());
    }
}

#[test]
fn a_query_is_answered_also_if_who_asks_has_no_address_and_not_if_it_was_forwarded() {
    let mut bench = member();
    bench.answers(Nanos::from_secs(3));
    for source in [Ipv4Addr::UNSPECIFIED, THEIRS] {
        bench.put_multicast(source, ALL_HOSTS, 1, (PROTOCOL_IGMP, &query()));
        assert_eq!(bench.answers(Nanos::from_secs(2)).len(), 1, "{source}");
    }
    bench.put_multicast(THEIRS, ALL_HOSTS, 2, (PROTOCOL_IGMP, &query()));
    assert!(bench.answers(Nanos::from_secs(2)).is_empty());
    assert_eq!(bench.stack.counters.malformed, 1);
}

#[test]
fn datagrams_to_a_group_of_ours_come_from_those_who_may_talk_and_others_do_not() {
    let mut bench = member();
    bench.answers(Nanos::from_secs(3));
    let from = peer(2, 777);
    let bytes = unchecked(b"prices");
    bench.put_multicast(THEIRS, GROUP, 8, (PROTOCOL_UDP, &bytes));
    bench.put_multicast(THEIRS, OTHER, 8, (PROTOCOL_UDP, &unchecked(b"others")));
    bench.cycle();
    assert_eq!(bench.stack.next_datagram(), Some((from, &b"prices"[..])));
    assert_eq!(bench.stack.next_datagram(), None);
    let nobody = Ipv4Addr::new(224, 0, 0, 9);
    bench.put_multicast(nobody, GROUP, 8, (PROTOCOL_UDP, &bytes));
    bench.cycle();
    assert_eq!(bench.stack.next_datagram(), None);
    assert_eq!((bench.stack.counters.not_ours, bench.stack.counters.malformed), (1, 1));
}

/// A datagram to any destination: a checksum of zero is none.
fn unchecked(payload: &[u8]) -> Vec<u8> {
    let mut bytes = datagram(peer(2, 777), UDP_PORT, payload);
    bytes[6..8].fill(0);
    bytes
}

#[test]
fn what_is_no_group_cannot_be_joined() {
    let (near, _far) = MemoryDevice::pair(8);
    let groups = vec![Ipv4Addr::new(10, 9, 0, 1)];
    let error = Stack::new(StackConfig { groups, ..config() }, near, CounterBlock::none());
    let error = error.map(drop).unwrap_err().to_string();
    assert!(error.contains("use at most 16 multicast addresses"), "{error}");
}
