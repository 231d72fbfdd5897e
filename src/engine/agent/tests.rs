//! The agent over real logs: what it proposes to the sequencer.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::engine::{Capacity, IndexSeed, SAMPLE_INTERVAL};
use crate::event_store::{LogKind, Options};
use crate::ring::ring;
use crate::types::command::Tick;
use crate::types::event::Event;
use crate::types::{Cause, FRAME_COMMANDS_MAX, FrameKind, RECORD_LINES_MAX};

const SEGMENT_BYTES: u64 = 1 << 20;

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Appends a frame of these commands.
fn append(log: &mut Writer, count: usize, commands: &[Line]) {
    let mut chain = *log.chain();
    let (index, time) = (chain.index + 1, chain.time.after(Nanos(1)));
    let count = u16::try_from(count).unwrap();
    let header = chain.seal(FrameKind::Normal, Cause { index, term: 1, time }, count, commands);
    log.append(&header, commands).unwrap();
    log.commit(chain.end);
}

#[test]
fn a_leader_proposes_each_new_sample_once_and_the_event_log_says_it_is_confirmed() {
    let name = format!("rialto-engine-agent-{}", std::process::id());
    let scratch = Scratch(Path::new("/dev/shm").join(name));
    let open =
        |kind, of| Writer::open(&scratch.0.join(of), Options::new(kind, SEGMENT_BYTES)).unwrap().0;
    let mut commands = open(LogKind::Commands, "commands");
    let events = open(LogKind::Events, "events");
    let mut said = events.reader();
    let limits = Capacity::SMALL.limits(SEGMENT_BYTES);
    append(&mut commands, 1, limits.lines());
    let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
    let ticks = [Tick { header, reserved: [0; 40] }.lines(); FRAME_COMMANDS_MAX].concat();
    let frames = SAMPLE_INTERVAL.div_ceil(FRAME_COMMANDS_MAX as u64);
    for _ in 0..frames {
        append(&mut commands, FRAME_COMMANDS_MAX, &ticks);
    }
    let engine = Engine::new(&limits, IndexSeed::new([1; IndexSeed::BYTES]));
    let existing = events.reader();
    let (all, blank) = (commands.reader(), CounterBlock::none());
    let (agent, _) =
        EngineAgent::recover(engine, all, existing, events, blank, &mut |_| {}).unwrap();
    let (proposals, mut sequencer) = ring(16, RECORD_LINES_MAX);
    let mut agent = agent.proposing(proposals);
    agent.do_work(Nanos(1)).unwrap();
    assert!(agent.engine().last_sample().is_some() && sequencer.peek().is_none(), "of the past");

    for _ in 0..frames {
        append(&mut commands, FRAME_COMMANDS_MAX, &ticks);
    }
    while agent.do_work(Nanos(2)).unwrap() > 0 {}
    let proposed = sequencer.peek().unwrap().to_vec();
    sequencer.pop();
    assert!(sequencer.peek().is_none(), "proposed twice");
    append(&mut commands, 1, &proposed);
    agent.do_work(Nanos(3)).unwrap();
    let mut confirmed = Vec::new();
    while let Some(frame) = said.next_frame().unwrap() {
        confirmed.extend(frame.records().filter_map(|record| {
            match Event::parse(record.unwrap().lines).unwrap() {
                Event::StateConfirmed(event) => Some((event.at_sequence, event.hash)),
                _ => None,
            }
        }));
    }
    let sample = agent.engine().last_sample().unwrap();
    assert_eq!(confirmed, [(sample.at_sequence, sample.hash)]);
}
