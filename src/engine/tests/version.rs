//! Versions of the logic: switched to by a command, never back, and never to one that is not known.

use zerocopy::FromZeros as _;

use super::super::{ApplyError, CommandError, Engine, VERSION_MAX};
use super::world::{self, World};
use crate::types::Nanos;
use crate::types::command::{ActivateVersion, CommandHeader};

fn to(version: u32) -> ActivateVersion {
    let header = CommandHeader::internal::<ActivateVersion>(Nanos::ZERO);
    ActivateVersion { header, version, ..ActivateVersion::new_zeroed() }
}

#[test]
fn a_log_begins_with_the_first_version_and_what_is_no_later_is_passed_over() {
    let mut world = World::open();
    assert_eq!(world.engine.version(), 1);
    for version in [0, 1] {
        assert!(world.apply(&to(version)).is_empty());
        assert_eq!(world.engine.version(), 1);
    }
    assert_eq!(world.engine.counters().not_allowed, 2);
}

#[test]
fn a_participant_switches_nothing() {
    let mut world = World::open();
    let header = world.header::<ActivateVersion>("A1");
    world.apply(&ActivateVersion { header, ..to(VERSION_MAX + 1) });
    assert_eq!((world.engine.version(), world.engine.counters().not_allowed), (1, 1));
}

#[test]
fn a_version_that_this_program_does_not_know_stops_it() {
    let mut world = World::open();
    world.commands.push(&to(VERSION_MAX + 1));
    let (header, payload) = world.commands.seal(world.now.after(Nanos::SECOND));
    let version = VERSION_MAX + 1;
    let (sequence, knows) = (header.first_sequence, VERSION_MAX);
    let error = CommandError::UnknownVersion { sequence, version, knows };
    let result = world.engine.apply(&header, &payload, &mut world.events);
    assert_eq!(result, Err(ApplyError::Command(error)));
}

#[test]
fn a_snapshot_knows_which_version_counts() {
    let engine = World::open().engine;
    let bytes = engine.snapshot();
    let limits = Engine::limits_of_snapshot(&bytes).unwrap();
    let twin = Engine::from_snapshot(&bytes, &limits, world::SEED).unwrap();
    assert_eq!(twin.version(), engine.version());
}
