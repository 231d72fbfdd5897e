//! A process that dies at any byte of what it writes. What it stored, in the order in which it stores, is
//! played onto a copy of the log up to each byte; whoever comes next must find what was there before, or
//! the whole frame, and go on.

use std::fs;
use std::path::PathBuf;

use super::{SEGMENT, Scratch, append, commit_all, next_frame, open};
use rialto::event_store::Recovered;
use rialto::types::{FRAME_HEADER_BYTES, FrameHeader, Line, Position};
use zerocopy::IntoBytes as _;

/// Bytes and where they go, one after the other.
type Stores = Vec<(u64, Vec<u8>)>;

/// What appending a frame stores: its records first, its header last.
fn stores(header: &FrameHeader, payload: &[Line]) -> Stores {
    let start = header.start.0;
    let records = Line::bytes(payload).to_vec();
    vec![(start + FRAME_HEADER_BYTES as u64, records), (start, header.as_bytes().to_vec())]
}

/// The segment file as it is after the first `count` bytes of `stores`.
fn played(before: &[u8], stores: &Stores, mut count: usize) -> Vec<u8> {
    let mut file = before.to_vec();
    for (at, bytes) in stores {
        let at = usize::try_from(at % SEGMENT).unwrap();
        let part = bytes.len().min(count);
        file[at..at + part].copy_from_slice(&bytes[..part]);
        count -= part;
    }
    file
}

/// Opens a log of an earlier boot that died at some byte, and checks that it goes on.
fn reopened(scratch: &Scratch, what: &str) -> Recovered {
    let (mut writer, recovered) = open(&scratch.0).unwrap_or_else(|e| panic!("{what}: {e}"));
    append(&mut writer, 3);
    commit_all(&mut writer);
    let end = *writer.chain();
    drop(writer);
    scratch.forget_positions();
    let (_, again) = open(&scratch.0).unwrap_or_else(|e| panic!("{what}, a second time: {e}"));
    assert_eq!((again.chain, again.torn), (end, None), "{what}");
    recovered
}

/// Dies at every byte of the next frame of the log.
fn dies_at_every_byte(scratch: &Scratch, count: u16) {
    let (writer, before) = open(&scratch.0).unwrap();
    let (header, payload) = next_frame(&writer, count);
    drop(writer);
    scratch.forget_positions();
    let whole = scratch.contents();
    let path = scratch.segment(header.start.0 / SEGMENT);
    let segment = fs::read(&path).unwrap();
    let stores = stores(&header, &payload);
    let all = FRAME_HEADER_BYTES + Line::bytes(&payload).len();
    let finished = played(&segment, &stores, all);
    for stored in 0..=all {
        scratch.restore(&whole);
        let file = played(&segment, &stores, stored);
        fs::write(&path, &file).unwrap();
        let what = format!("{stored} of {all} bytes");
        let recovered = reopened(scratch, &what);
        let frames = before.frames + u64::from(file == finished);
        assert_eq!(recovered.frames, frames, "{what}");
        assert_eq!(recovered.torn.is_some(), file != finished && stored > 0, "{what}");
        assert!(recovered.torn.is_none_or(|torn| torn.position == header.start), "{what}");
    }
}

#[test]
fn a_process_that_dies_at_any_byte_of_a_frame_leaves_the_log_before_it_or_with_it() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    for _ in 0..3 {
        append(&mut writer, 4);
    }
    drop(writer);
    dies_at_every_byte(&scratch, 3);
}

#[test]
fn nor_is_the_first_frame_of_a_log_or_of_a_segment_different() {
    let scratch = Scratch::new();
    drop(open(&scratch.0).unwrap());
    dies_at_every_byte(&scratch, 1);

    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    while next_frame(&writer, 1).0.start.0 < SEGMENT {
        append(&mut writer, 300);
    }
    assert!(writer.chain().end < Position(SEGMENT));
    drop(writer);
    dies_at_every_byte(&scratch, 1);
}

#[test]
fn a_process_that_dies_while_it_prepares_a_segment_leaves_nothing_that_is_in_the_way() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    for _ in 0..3 {
        append(&mut writer, 4);
    }
    drop(writer);
    scratch.forget_positions();
    let whole = scratch.contents();
    let path: PathBuf = scratch.segment(1);
    let header = fs::read(&path).unwrap()[..64].to_vec();
    let blank = vec![0; usize::try_from(SEGMENT).unwrap()];
    // Allocated in part, or whole and with a part of its header.
    let lengths = [0, 1, 63, 64, 65, 4_096, 700_001].map(|length| blank[..length].to_vec());
    let headers = (0..=header.len()).map(|bytes| [&header[..bytes], &blank[bytes..]].concat());
    for (case, file) in lengths.into_iter().chain(headers).enumerate() {
        scratch.restore(&whole);
        fs::write(&path, file).unwrap();
        let recovered = reopened(&scratch, &format!("case {case}"));
        assert_eq!((recovered.frames, recovered.torn), (3, None), "case {case}");
        assert_eq!(fs::metadata(&path).unwrap().len(), SEGMENT, "case {case}");
    }
}
