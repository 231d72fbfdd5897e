//! Datagrams of one peer into the reassembly: each two bytes of length and the datagram.

use std::collections::BTreeMap;

use rialto::consensus::MESSAGE_BYTES_MAX;
use rialto::consensus::udp::{FRAGMENT_HEADER_BYTES, Fragment, MessageShape, Reassembly};

/// The parts of a message that came, with all that was said of each.
type Parts = BTreeMap<usize, Vec<Vec<u8>>>;

/// A part is, written again, its bytes. A message is whole only when all its parts came, and is made of
/// parts that came; if it was in parts, it becomes whole but once for each time that the last of them
/// came.
pub(crate) fn target(bytes: &[u8]) {
    let mut reassembly = Reassembly::new();
    let mut came: BTreeMap<(u64, usize, usize), Parts> = BTreeMap::new();
    let mut taken = 0;
    for datagram in datagrams(bytes) {
        let Some(fragment) = Fragment::read(datagram) else { continue };
        let Fragment { message, index, part } = fragment;
        assert_eq!(fragment.header(), datagram[..FRAGMENT_HEADER_BYTES]);
        assert_eq!(part, &datagram[FRAGMENT_HEADER_BYTES..]);
        assert!(index < message.parts() && message.bytes <= MESSAGE_BYTES_MAX);
        let parts = came.entry((message.number, message.bytes, message.stride)).or_default();
        parts.entry(index).or_default().push(part.to_vec());
        taken += 1;
        if reassembly.take(&fragment) {
            let whole = reassembly.whole(&fragment).unwrap();
            assert_made_of(whole, message, parts);
        }
    }
    let counters = reassembly.counters();
    assert!(counters.doubled + counters.abandoned <= taken, "{counters:?} of {taken}");
}

fn assert_made_of(whole: &[u8], message: MessageShape, parts: &Parts) {
    assert_eq!((whole.len(), parts.len()), (message.bytes, message.parts()));
    for (index, part) in whole.chunks(message.stride).enumerate() {
        assert!(parts[&index].iter().any(|said| said == part), "part {index} came from nowhere");
    }
}

fn datagrams(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut datagrams = Vec::new();
    while let Some((&length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(length)).min(rest.len());
        let (datagram, behind) = rest.split_at(length);
        datagrams.push(datagram);
        bytes = behind;
    }
    datagrams
}
