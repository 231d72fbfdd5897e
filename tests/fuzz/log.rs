//! The first segment of a log, from its header to where it is blank.
//!
//! Every input is given twice: as it is, and again with the checksums and hashes of its frames made
//! right, for no mutation leaves them so. Logs of several segments are `tests/event_store`'s.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rialto::event_store::{LogKind, Options, Reader, Writer};
use rialto::types::{
    FRAME_HEADER_BYTES, FrameChain, FrameHeader, LINE_BYTES, Line, SEGMENT_HEADER_BYTES, chain_hash,
};
use zerocopy::{FromBytes as _, IntoBytes as _};

/// The smallest that a log may have.
const SEGMENT: usize = 1 << 20;
const SEGMENT_BYTES: u64 = SEGMENT as u64;
/// Where the first frame is.
const FIRST: usize = 64;
const _: () = assert!(FIRST as u64 == SEGMENT_HEADER_BYTES);
/// Where a frame header has its checksums.
const HEADER_CRC_AT: usize = 60;

/// What is recovered is the frames that a walk from the first finds sound, byte for byte, and the same
/// when the log is opened again, to write or to read; what lies behind is blank then. A log that is
/// refused is left as it was.
pub(crate) fn target(bytes: &[u8]) {
    recover(bytes);
    recover(&resealed(bytes));
}

fn recover(bytes: &[u8]) {
    let scratch = Scratch::new();
    let segment = scratch.0.join("00000000.seg");
    let mut written = bytes.to_vec();
    written.resize(SEGMENT, 0);
    fs::write(&segment, &written).unwrap();

    let opened = Writer::open(&scratch.0, Options::new(LogKind::Commands, SEGMENT_BYTES));
    let (mut writer, recovered) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains(scratch.0.to_str().unwrap()), "{said}");
            assert!(fs::read(&segment).unwrap() == written, "a refused log was changed: {said}");
            return;
        }
    };
    let (end, frames) = sound_frames(&written);
    assert_eq!((recovered.chain.end.0, recovered.frames), (end as u64, frames));
    writer.commit(recovered.chain.end);
    assert_eq!(read_frames(writer.reader()), written[FIRST..end]);
    drop(writer);
    let now = fs::read(&segment).unwrap();
    // Without a frame behind it a segment's header is made anew.
    let kept = if frames > 0 { 0 } else { FIRST };
    assert!(now[kept..end] == written[kept..end], "the log changed");
    assert!(now[end..] == vec![0; now.len() - end], "what was torn is still there");

    // As on another machine, where nobody knows what was committed.
    let _ = fs::remove_file(scratch.0.join("positions"));
    assert_eq!(read_frames(Reader::open(&scratch.0).unwrap()), written[FIRST..end]);
    let options = Options::new(LogKind::Commands, SEGMENT_BYTES);
    let (_, again) = Writer::open(&scratch.0, options).unwrap();
    assert_eq!((again.chain, again.torn), (recovered.chain, None));
}

/// The bytes of all frames, one behind the other, as they are in a segment.
fn read_frames(mut reader: Reader) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        bytes.extend_from_slice(frame.header.as_bytes());
        bytes.extend_from_slice(Line::bytes(frame.payload));
    }
    bytes
}

/// Where the last frame ends up to which all are sound, and how many they are.
fn sound_frames(segment: &[u8]) -> (usize, u64) {
    let mut chain = FrameChain::empty(SEGMENT_BYTES);
    let (mut end, mut frames) = (FIRST, 0);
    while let Some((header, payload)) = frame_at(segment, end)
        && header.check().is_ok()
        && header.check_payload(&payload).is_ok()
        && chain.follow(&header, &payload).is_ok()
    {
        end += FRAME_HEADER_BYTES + payload.len() * LINE_BYTES;
        frames += 1;
    }
    (end, frames)
}

/// The header there, and as many lines as it says that it has.
fn frame_at(segment: &[u8], at: usize) -> Option<(FrameHeader, Vec<Line>)> {
    let (header, rest) = FrameHeader::read_from_prefix(segment.get(at..)?).ok()?;
    let payload = rest.get(..header.payload_bytes as usize)?;
    let lines = payload.chunks_exact(LINE_BYTES).map(|line| Line(line.try_into().unwrap()));
    Some((header, lines.collect()))
}

/// The same with frames whose checksums are right, and which are tied to the one before.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let (mut at, mut previous_hash) = (FIRST, 0);
    while let Some((mut header, payload)) = frame_at(&bytes, at) {
        header.previous_hash = previous_hash;
        header.payload_crc = crc32c::crc32c(Line::bytes(&payload));
        header.header_crc = crc32c::crc32c(&header.as_bytes()[..HEADER_CRC_AT]);
        bytes[at..at + FRAME_HEADER_BYTES].copy_from_slice(header.as_bytes());
        previous_hash = chain_hash(&header, &payload);
        at += FRAME_HEADER_BYTES + payload.len() * LINE_BYTES;
    }
    bytes
}

/// A directory of its own for a log, in memory.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("rialto-fuzz-{}-{number}", std::process::id());
        let path = Path::new("/dev/shm").join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
