//! A log made durable behind its writer: how far it says it is, page by page and at the end.

use rialto::event_store::{BackgroundSync, Reader, Watermark, Writer};
use rialto::types::Position;

use super::{SEGMENT, Scratch, append, commit_all, open};

const PAGE: u64 = 4096;
const NOTHING: Watermark = Watermark { position: Position::FIRST, sequence: 1 };

fn follow(log: &Scratch, durable: Watermark) -> BackgroundSync {
    BackgroundSync::new(Reader::open(&log.0).unwrap(), durable).unwrap()
}

fn end(writer: &Writer) -> Watermark {
    let chain = writer.chain();
    Watermark { position: chain.end, sequence: chain.next_sequence }
}

#[test]
fn pages_that_the_writer_has_left_are_durable_up_to_the_last_whole_frame() {
    let scratch = Scratch::on_disk();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut log = follow(&scratch, NOTHING);
    let mut ends = vec![NOTHING];
    for frame in 0..3_000 {
        append(&mut writer, 1 + frame % 64);
        commit_all(&mut writer);
        ends.push(end(&writer));
        let page = Position(writer.committed().0 / PAGE * PAGE);
        let expected = ends.iter().rfind(|end| end.position <= page);
        assert_eq!(log.sync().unwrap(), *expected.unwrap_or(&NOTHING), "frame {frame}");
        // Only the last page is left to wait, and a frame that reaches into it.
        ends.drain(..ends.len().saturating_sub(100));
    }
    assert!(writer.chain().end.0 > 4 * SEGMENT, "few segments");
    assert_eq!(log.sync_all().unwrap(), end(&writer));
    assert_eq!(log.sync_all().unwrap(), end(&writer));
}

#[test]
fn what_is_not_committed_is_not_durable() {
    let scratch = Scratch::on_disk();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut log = follow(&scratch, NOTHING);
    for _ in 0..10 {
        append(&mut writer, 200);
    }
    assert_eq!(log.sync_all().unwrap(), NOTHING);
    commit_all(&mut writer);
    assert_eq!(log.sync_all().unwrap(), end(&writer));
}

#[test]
fn it_goes_on_where_it_was_and_over_everything_that_was_in_memory_only() {
    let scratch = Scratch::on_disk();
    let (mut writer, _) = open(&scratch.0).unwrap();
    append(&mut writer, 7);
    commit_all(&mut writer);
    let durable = follow(&scratch, NOTHING).sync_all().unwrap();
    while writer.chain().end.0 < 3 * SEGMENT {
        append(&mut writer, 300);
    }
    commit_all(&mut writer);
    drop(writer);

    let (mut writer, _) = open(&scratch.0).unwrap();
    commit_all(&mut writer);
    let mut log = follow(&scratch, durable);
    let pages = log.sync().unwrap();
    assert!(pages.position.0 > 3 * SEGMENT - 2 * PAGE - 300 * 192, "{pages:?}");
    assert_eq!(log.sync_all().unwrap(), end(&writer));
    // Nothing was known of it, or all was.
    for durable in [Watermark { position: Position(0), sequence: 1 }, end(&writer)] {
        assert_eq!(follow(&scratch, durable).sync_all().unwrap(), end(&writer));
    }
}
