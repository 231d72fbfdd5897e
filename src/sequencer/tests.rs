//! Stories of the sequencer, over a real log in memory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use zerocopy::FromZeros as _;

use super::*;
use crate::event_store::{LogKind, Options, Reader};
use crate::ring::{Producer, ring};
use crate::types::command::{Cancel, Command, CommandHeader};
use crate::types::{Epoch, PortId, RECORD_LINES_MAX, UserRefNum};

/// A sequencer over a log of its own, which goes with it.
struct Stage {
    sequencer: Sequencer,
    log: Reader,
    directory: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn stage(proposals: &[Line], inputs: Vec<Consumer>) -> Stage {
    stage_with(Durability::Memory, proposals, inputs)
}

fn stage_with(durability: Durability, proposals: &[Line], inputs: Vec<Consumer>) -> Stage {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("rialto-sequencer-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let (sequencer, log) = over(&directory, durability, proposals, inputs);
    Stage { sequencer, log, directory }
}

/// A sequencer that goes on with the log in `directory`.
fn over(
    directory: &Path,
    durability: Durability,
    proposals: &[Line],
    inputs: Vec<Consumer>,
) -> (Sequencer, Reader) {
    let options = Options::new(LogKind::Commands, 1 << 20);
    let (writer, _) = Writer::open(directory, options).unwrap();
    let log = writer.reader();
    let start = TermStart {
        header: CommandHeader::internal::<TermStart>(Nanos::ZERO),
        term: 7,
        node: 1,
        ..TermStart::new_zeroed()
    };
    let sequencer =
        Sequencer::new(writer, durability, &start, proposals, inputs, CounterBlock::none());
    (sequencer, log)
}

/// The user reference numbers of the next frame's commands (0 for other commands), and its time.
fn next_frame(log: &mut Reader) -> Option<(Vec<u32>, Nanos)> {
    let frame = log.next_frame().unwrap()?;
    let numbers = frame.records().map(|record| match Command::parse(record.unwrap().lines) {
        Ok(Command::Cancel(cancel)) => cancel.user_ref_num.0,
        _ => 0,
    });
    Some((numbers.collect(), frame.header.time))
}

fn cancel(number: u32, receive_time: u64) -> Cancel {
    Cancel {
        header: CommandHeader::new::<Cancel>(PortId(1), Epoch(1), Nanos(receive_time)),
        user_ref_num: UserRefNum(number),
        ..Cancel::new_zeroed()
    }
}

fn push(ring: &mut Producer, number: u32, receive_time: u64) {
    ring.push(cancel(number, receive_time).lines()).unwrap();
}

#[test]
fn a_term_begins_with_its_start_and_then_what_was_proposed() {
    let proposal = cancel(5, 0);
    let mut stage = stage(proposal.lines(), Vec::new());
    stage.sequencer.do_work(Nanos(1_000)).unwrap();
    let frame = stage.log.next_frame().unwrap().unwrap();
    assert_eq!((frame.header.term, frame.header.index, frame.header.count), (7, 1, 2));
    let first = frame.records().next().unwrap().unwrap();
    let Ok(Command::TermStart(start)) = Command::parse(first.lines) else {
        panic!("not the start of a term")
    };
    assert_eq!((start.term, start.node), (7, 1));
}

#[test]
fn commands_of_several_rings_are_taken_in_the_order_of_their_receive_times() {
    let (mut first, first_out) = ring(64, RECORD_LINES_MAX);
    let (mut second, second_out) = ring(64, RECORD_LINES_MAX);
    let mut stage = stage(&[], vec![first_out, second_out]);
    push(&mut first, 1, 10);
    push(&mut first, 4, 40);
    push(&mut second, 2, 20);
    push(&mut second, 3, 40);
    stage.sequencer.do_work(Nanos(1_000)).unwrap();
    let (numbers, _) = next_frame(&mut stage.log).unwrap();
    assert_eq!(numbers, [0, 1, 2, 4, 3], "on equal times the first ring goes first");
}

#[test]
fn a_frame_holds_at_most_64_commands_and_what_was_waiting_no_more() {
    let (mut producer, consumer) = ring(256, RECORD_LINES_MAX);
    let mut stage = stage(&[], vec![consumer]);
    for number in 1..=130 {
        push(&mut producer, number, u64::from(number));
    }
    assert_eq!(stage.sequencer.do_work(Nanos(1_000)).unwrap(), 131);
    let mut sizes = Vec::new();
    while let Some((numbers, _)) = next_frame(&mut stage.log) {
        sizes.push(numbers.len());
    }
    assert_eq!(sizes, [64, 64, 3]);
}

#[test]
fn log_time_rises_from_frame_to_frame_also_when_the_clock_steps_back() {
    let (mut producer, consumer) = ring(256, RECORD_LINES_MAX);
    let mut stage = stage(&[], vec![consumer]);
    for (number, now) in [(1, 5_000), (2, 4_000), (3, 4_000), (4, 6_000)] {
        push(&mut producer, number, 1);
        stage.sequencer.do_work(Nanos(now)).unwrap();
    }
    let times: Vec<_> =
        std::iter::from_fn(|| next_frame(&mut stage.log)).map(|(_, time)| time.0).collect();
    assert_eq!(times, [5_000, 5_001, 5_002, 6_000]);
}

#[test]
fn an_idle_leader_moves_log_time_every_ten_milliseconds() {
    let mut stage = stage(&[], Vec::new());
    let start = Nanos::from_secs(1);
    for millis in 0..=35 {
        stage.sequencer.do_work(start.after(Nanos::from_millis(millis))).unwrap();
    }
    let times: Vec<_> = std::iter::from_fn(|| next_frame(&mut stage.log))
        .map(|(_, time)| time.since(start).0 / 1_000_000)
        .collect();
    assert_eq!(times, [0, 10, 20, 30]);
}

#[test]
fn on_disk_every_frame_of_a_duty_cycle_is_committed_at_its_end() {
    let (mut producer, consumer) = ring(256, RECORD_LINES_MAX);
    let mut stage = stage_with(Durability::Disk, &[], vec![consumer]);
    for number in 1..=200 {
        push(&mut producer, number, u64::from(number));
    }
    assert_eq!(stage.sequencer.do_work(Nanos(1_000)).unwrap(), 201);
    assert_eq!(stage.log.committed(), stage.sequencer.log.chain().end);
    let mut commands = 0;
    while let Some((numbers, _)) = next_frame(&mut stage.log) {
        commands += numbers.len();
    }
    assert_eq!(commands, 201);
    stage.sequencer.do_work(Nanos(2_000)).unwrap();
    assert!(next_frame(&mut stage.log).is_none(), "a cycle without work writes nothing");
}

#[test]
fn log_time_goes_on_behind_the_log_when_the_clock_was_set_back_before_a_start() {
    let directory = std::env::temp_dir().join(format!("rialto-set-back-{}", std::process::id()));
    let start = || over(&directory, Durability::Memory, &[], Vec::new());
    start().0.do_work(Nanos(9_000)).unwrap();
    let (mut second, mut log) = start();
    second.do_work(Nanos(1_000)).unwrap();
    let times: Vec<_> =
        std::iter::from_fn(|| next_frame(&mut log)).map(|(_, time)| time.0).collect();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(times, [9_000, 9_001]);
}
