//! The event log is a function of the command log, and events are a function of the commands.

use proptest::prelude::*;

use super::super::{Capacity, CommandFrames, Engine, FrameList, IndexSeed};
use super::oracle::{line, steps};
use super::script;
use super::world::{SEGMENT_BYTES, World};
use crate::types::event::EventHeader;
use crate::types::{FRAME_COMMANDS_MAX, Line, Nanos};

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_of_the_command_log_writes_the_same_bytes(
        steps in steps(100),
    ) {
        let world = played(&steps, Nanos::from_micros(1));
        let replayed = replay(&world.command_log);
        prop_assert_eq!(&replayed.0, &world.events);
        prop_assert_eq!(replayed.1.chain(), world.engine.chain());
        prop_assert_eq!(replayed.1.state_hash(), world.engine.state_hash());
        prop_assert_eq!(replayed.1.counters(), world.engine.counters());
    }

    #[test]
    fn the_cuts_between_command_frames_change_no_event(
        steps in steps(150),
        cuts in prop::collection::vec(1..=FRAME_COMMANDS_MAX, 1..40),
    ) {
        let world = played(&steps, Nanos::ZERO);
        let recut = recut(&world.command_log, &cuts);
        prop_assert_eq!(contents(&replay(&recut).0), contents(&world.events));
    }
}

/// A world in which each step was a frame of its own.
fn played(steps: &[super::oracle::Step], pace: Nanos) -> World {
    let mut world = World::ruled(1);
    world.pace = pace;
    for (number, step) in (1..).zip(steps) {
        script::run(&mut world, &line(step, number));
    }
    world
}

pub(super) fn replay(commands: &FrameList) -> (FrameList, Engine) {
    // Another seed than the world's: no outcome depends on it.
    let seed = IndexSeed::new([9; IndexSeed::BYTES]);
    let mut engine = Engine::new(&Capacity::SMALL.limits(SEGMENT_BYTES), seed);
    let mut events = FrameList::default();
    for (header, payload) in &commands.0 {
        engine.apply(header, payload, &mut events).unwrap();
    }
    (events, engine)
}

/// The same commands at the same times in larger frames.
fn recut(log: &FrameList, sizes: &[usize]) -> FrameList {
    let mut commands = CommandFrames::new();
    let mut recut = FrameList::default();
    let mut sizes = sizes.iter().cycle();
    let mut room = *sizes.next().unwrap();
    let mut waiting: Option<Nanos> = None;
    for (header, payload) in &log.0 {
        if let Some(time) = waiting.filter(|&time| room == 0 || time != header.time) {
            recut.0.push(commands.seal(time));
            room = *sizes.next().unwrap();
        }
        commands.push_lines(payload);
        waiting = Some(header.time);
        room -= 1;
    }
    recut.0.extend(waiting.map(|time| commands.seal(time)));
    recut
}

/// The events without what tells of frames: the command's place and the distances.
fn contents(log: &FrameList) -> Vec<(u64, Vec<Line>)> {
    let plain = log.records().map(|(sequence, record)| {
        let mut record = record.to_vec();
        let header = EventHeader::view_mut(&mut record).unwrap();
        (header.cause, header.port_distance, header.firm_distance) = (0, 0, 0);
        (sequence, record)
    });
    plain.collect()
}
