//! The state hash: sampled at known places, compared, and equal wherever the commands are the same.

use zerocopy::FromZeros;

use super::super::{ApplyError, CommandError, SAMPLE_INTERVAL, StateSample};
use super::replay::replay;
use super::script;
use super::world::World;
use crate::types::command::{CommandHeader, StateHash, Tick};
use crate::types::{FRAME_COMMANDS_MAX, Nanos, Record};

/// Ticks in full frames until the next sample is taken.
fn until_sampled(world: &mut World) -> StateSample {
    let before = world.engine.last_sample();
    let tick = Tick { header: CommandHeader::internal::<Tick>(Nanos::ZERO), reserved: [0; 40] };
    while world.engine.last_sample() == before {
        for _ in 0..FRAME_COMMANDS_MAX {
            world.commands.push_lines(tick.lines());
        }
        world.seal();
    }
    world.engine.last_sample().unwrap()
}

fn proposal(sample: StateSample) -> StateHash {
    let StateSample { at_sequence, hash } = sample;
    let header = CommandHeader::internal::<StateHash>(Nanos::ZERO);
    StateHash { header, at_sequence, hash, ..StateHash::new_zeroed() }
}

#[test]
fn a_sample_is_taken_where_the_first_frame_ends_at_or_past_each_interval_and_confirmed() {
    let mut world = World::open();
    let sample = until_sampled(&mut world);
    let past = sample.at_sequence - SAMPLE_INTERVAL;
    assert!((0..FRAME_COMMANDS_MAX as u64).contains(&past), "{past} past");
    assert_eq!(sample.hash, world.engine.state_hash());
    script::run(&mut world, "A1 sell 1 100 ACME @10.00");
    assert_ne!(sample.hash, world.engine.state_hash());
    let said = world.apply(&proposal(sample));
    assert_eq!(said, [format!("state behind {} confirmed", sample.at_sequence)]);
    let (events, replayed) = replay(&world.command_log);
    assert_eq!(events, world.events);
    assert_eq!(replayed.last_sample(), Some(sample));
}

#[test]
fn a_node_whose_state_is_not_the_leaders_stops() {
    let mut world = World::open();
    let sample = until_sampled(&mut world);
    let theirs = StateSample { hash: sample.hash ^ 1, ..sample };
    world.commands.push(&proposal(theirs));
    let (header, payload) = world.commands.seal(world.now);
    let seen = world.events.0.len();
    let result = world.engine.apply(&header, &payload, &mut world.events);
    let error = CommandError::OtherState {
        sequence: header.first_sequence,
        at_sequence: sample.at_sequence,
        ours: sample.hash,
        theirs: theirs.hash,
    };
    assert_eq!(result, Err(ApplyError::Command(error)));
    assert_eq!(world.events.0.len(), seen);
}

#[test]
fn a_hash_of_a_state_that_was_never_sampled_or_that_a_port_asks_for_is_passed_over() {
    let mut world = World::open();
    let sample = until_sampled(&mut world);
    let unknown = StateSample { at_sequence: sample.at_sequence + 1, ..sample };
    assert!(world.apply(&proposal(unknown)).is_empty());
    let header = world.header::<StateHash>("A1");
    assert!(world.apply(&StateHash { header, ..proposal(sample) }).is_empty());
    for _ in 0..16 {
        until_sampled(&mut world);
    }
    assert!(world.apply(&proposal(sample)).is_empty(), "too old");
    assert_eq!(
        script::run(&mut world, "show ignored"),
        ["1 not allowed, 2 hashes of an unknown state"]
    );
}

#[test]
fn one_event_that_differs_changes_the_hash() {
    let hash = |line: &str| {
        let mut world = World::open();
        script::run(&mut world, line);
        world.engine.state_hash()
    };
    let asked = hash("A1 sell 1 100 ACME @10.00");
    assert_eq!(asked, hash("A1 sell 1 100 ACME @10.00"));
    assert_ne!(asked, hash("A1 sell 1 100 ACME @10.01"));
    assert_ne!(hash("deposit 1 10.00 USD"), hash("deposit 2 10.00 USD"));
}
