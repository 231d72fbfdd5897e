//! What is written is read, and nothing else is.

use proptest::prelude::*;

use super::*;
use crate::types::{Cause, FrameChain, Nanos};

const FROM: NodeId = NodeId { host: 1, incarnation: 2 };
const TO: NodeId = NodeId { host: 3, incarnation: 4 };

fn codec() -> Codec {
    Codec::new(0x0123_4567_89AB_CDEF, &ClusterKey::new([9; ClusterKey::BYTES]))
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0xEE; 3];
    codec().encode(packet, &mut bytes);
    bytes
}

/// A frame behind `index`, with its payload.
fn frame(index: u64, term: u32, kind: FrameKind, lines: usize) -> (FrameHeader, Vec<Line>) {
    let mut chain = FrameChain { index, ..FrameChain::empty(1 << 20) };
    let payload = vec![Line([7; 64]); lines];
    let count = u16::from(kind == FrameKind::Normal && lines > 0);
    let cause = Cause { index: index + 1, term, time: Nanos(index) };
    (chain.seal(kind, cause, count, &payload), payload)
}

fn heartbeat() -> Packet<'static> {
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgHeartbeat);
    (message.from, message.to, message.term) = (FROM.raft(), TO.raft(), 5);
    message.commit = 42;
    Packet { from: FROM, to: Some(TO), body: Body::Raft(message) }
}

/// A raft message of any kind that travels, with its fields from anywhere.
fn any_raft() -> impl Strategy<Value = Packet<'static>> {
    let fields = (1..u64::from(u32::MAX), any::<[u64; 5]>(), any::<bool>(), any::<bool>());
    (0..RAFT_KINDS.len(), fields, 0..=MESSAGE_ENTRIES_MAX).prop_map(
        |(
            kind,
            (term, [log_term, index, commit, commit_term, reject_hint], reject, transfer),
            n,
        )| {
            let mut message = Message::default();
            message.set_msg_type(RAFT_KINDS[kind].1);
            (message.from, message.to, message.term) = (FROM.raft(), TO.raft(), term);
            message.log_term = log_term % (term + 1);
            message.index = index >> 1;
            (message.commit, message.commit_term) = (commit, commit_term);
            (message.reject_hint, message.reject) = (reject_hint, reject);
            if transfer {
                message.context = CAMPAIGN_TRANSFER.into();
            }
            if RAFT_KINDS[kind].1 == MessageType::MsgAppend {
                let kinds = [FrameKind::Normal, FrameKind::ConfChange, FrameKind::Noop];
                let last = u32::try_from(term).unwrap();
                let entries = (0..n).map(|i| {
                    let at = message.index + i as u64;
                    entry_of(&frame(at, last, kinds[i % 3], i % 3).0)
                });
                let entries: Vec<_> = entries.collect();
                message.set_entries(entries.into());
            }
            Packet { from: FROM, to: Some(TO), body: Body::Raft(message) }
        },
    )
}

proptest! {
    #[test]
    fn every_raft_message_is_read_as_it_was_written(packet in any_raft()) {
        let bytes = encoded(&packet);
        prop_assert_eq!(codec().decode(&bytes), Ok(packet));
    }

    #[test]
    fn a_changed_bit_is_seen_wherever_it_is(packet in any_raft(), at in any::<usize>()) {
        let mut bytes = encoded(&packet);
        let bit = at % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(codec().decode(&bytes), Err(CodecError::Mac));
    }

    /// Who has the key can write anything; even so a message is read as what it would be written as,
    /// or refused.
    #[test]
    fn authentic_nonsense_is_refused_or_means_what_it_says(
        packet in any_raft(),
        kind in prop::sample::select(vec![
            0_u8, 1, 2, 5, 9, 10, 11, FRAME, FETCH, JOIN, SEEK, OFFER, GET, PART, SAMPLE, SURVEY, STAND, 255,
        ]),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<usize>()),
    ) {
        let mut bytes = encoded(&packet);
        if changes.len() % 2 == 0 {
            bytes[5] = kind;
        }
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(ENVELOPE_BYTES.max(cut % (bytes.len() + 1)));
        }
        let mac = codec().mac_of(&bytes);
        bytes[ENVELOPE_BYTES - MAC_BYTES..ENVELOPE_BYTES].copy_from_slice(&mac);
        if let Ok(read) = codec().decode(&bytes) {
            prop_assert_eq!(encoded(&read), bytes);
        }
    }

    #[test]
    fn noise_of_any_length_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(codec().decode(&bytes).is_err());
    }
}

const OFFER_OF_THREE: Offer = Offer { image: 9, index: 60, term: 4, parts: 3 };

#[test]
fn parts_and_descriptions_have_their_bounds() {
    let bytes = vec![1; IMAGE_PART_BYTES_MAX + 1];
    let part = |length| Body::Part { image: 9, part: 0, bytes: &bytes[..length] };
    let offer = |length| Body::Offer { offer: OFFER_OF_THREE, description: &bytes[..length] };
    for (body, is_sound) in [
        (part(IMAGE_PART_BYTES_MAX), true),
        (part(IMAGE_PART_BYTES_MAX + 1), false),
        (offer(IMAGE_DESCRIPTION_BYTES_MAX), true),
        (offer(IMAGE_DESCRIPTION_BYTES_MAX + 1), false),
    ] {
        let packet = Packet { from: FROM, to: Some(TO), body };
        assert_eq!(codec().decode(&encoded(&packet)).is_ok(), is_sound);
    }
}

#[test]
fn frames_requests_and_arrivals_are_read_as_they_were_written() {
    let (header, payload) = frame(6, 3, FrameKind::Normal, 5);
    let payload = Line::bytes(&payload);
    for (to, body) in [
        (None, Body::Frame { header, payload }),
        (Some(TO), Body::Frame { header, payload }),
        (Some(TO), Body::Fetch(Fetch { index: 9, wanted: 0b1011 })),
        (None, Body::Join),
        (None, Body::Seek { index: 7 }),
        (Some(TO), Body::Offer { offer: OFFER_OF_THREE, description: b"what is in it" }),
        (Some(TO), Body::Get { image: 9, part: 16, wanted: 0b101 }),
        (Some(TO), Body::Part { image: 9, part: 18, bytes: &[5; 1_000] }),
        (Some(TO), Body::Part { image: 9, part: 19, bytes: &[] }),
        (None, Body::Survey),
        (
            Some(TO),
            Body::Stand(Stand {
                term: 3,
                last: (2, 9),
                committed: 8,
                supports: 1,
                observes: true,
                ..Stand::default()
            }),
        ),
        (Some(FROM), Body::Stand(Stand { hears: Some(TO), ..Stand::default() })),
        (Some(TO), Body::Sample(Sample { at: 65_536, hash: 7 })),
    ] {
        let packet = Packet { from: FROM, to, body };
        let bytes = encoded(&packet);
        assert_eq!(codec().decode(&bytes), Ok(packet.clone()));
        for length in 0..bytes.len() {
            assert!(codec().decode(&bytes[..length]).is_err(), "{length} bytes of {packet:?}");
        }
    }
}

#[test]
fn another_cluster_and_another_key_are_not_ours() {
    let bytes = encoded(&heartbeat());
    let key = ClusterKey::new([9; ClusterKey::BYTES]);
    assert_eq!(Codec::new(1, &key).decode(&bytes), Err(CodecError::Foreign));
    let other = ClusterKey::new([8; ClusterKey::BYTES]);
    assert_eq!(Codec::new(0x0123_4567_89AB_CDEF, &other).decode(&bytes), Err(CodecError::Mac));
}

#[test]
fn entries_that_do_not_follow_each_other_are_malformed() {
    let (first, _) = frame(6, 3, FrameKind::Noop, 0);
    let (behind_a_gap, _) = frame(8, 3, FrameKind::Noop, 0);
    let (of_a_later_term, _) = frame(7, 6, FrameKind::Noop, 0);
    for second in [behind_a_gap, of_a_later_term, first] {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppend);
        (message.from, message.to, message.term) = (FROM.raft(), TO.raft(), 5);
        (message.index, message.log_term) = (6, 3);
        message.set_entries(vec![entry_of(&first), entry_of(&second)].into());
        let packet = Packet { from: FROM, to: Some(TO), body: Body::Raft(message) };
        assert_eq!(codec().decode(&encoded(&packet)), Err(CodecError::Malformed));
    }
}

#[test]
fn the_bytes_of_a_heartbeat_and_of_a_request_are_these() {
    let hex =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let envelope = [
        "524c434d01030000efcdab896745230101000000020000000300000004000000",
        "0500000000000000000000000000000000000000000000002a00000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ];
    let bytes = encoded(&heartbeat());
    assert_eq!(hex(&bytes[..96]), envelope.concat());
    assert_eq!(hex(&bytes[96..]), HEARTBEAT_MAC);
    let fetch = Body::Fetch(Fetch { index: 9, wanted: 0x8000_0000_0000_0001 });
    let bytes = encoded(&Packet { from: FROM, to: Some(TO), body: fetch });
    assert_eq!(bytes[5], 33);
    assert_eq!(hex(&bytes[48..56]), "0900000000000000");
    assert_eq!(hex(&bytes[80..88]), "0100000000000080");
}

/// By another implementation of HMAC: Python's.
const HEARTBEAT_MAC: &str = "eaa5f7f615d2180609df759265243cfcc5c1e0f529c199ad73808f36e6e5a814";
