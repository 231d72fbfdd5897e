//! Snapshots: an engine made of one goes on as the one that was asked, to the byte; and bytes that are
//! none make no engine.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::super::{Capacity, Engine, FrameList, IndexSeed, full_state_hash};
use super::fuzz::{corpus, is_whole, mutant, owners};
use super::oracle::{line, step};
use super::world::{SEGMENT_BYTES, World};
use super::{invariants, script};
use crate::types::{Nanos, SnapshotError};

/// An engine made of the snapshot of another. Its indexes are keyed with another seed: nothing may
/// depend on it.
fn reborn(engine: &Engine) -> Engine {
    let bytes = engine.snapshot();
    let seed = IndexSeed::new([bytes.len().to_le_bytes()[0]; IndexSeed::BYTES]);
    let mut twin = Engine::from_snapshot(&bytes, &engine.limits, seed).unwrap();
    assert!(twin.snapshot() == bytes, "it says something else of itself");
    assert_eq!(twin.full_state_hash(), full_state_hash(&bytes));
    assert_eq!(twin.state_hash(), engine.state_hash());
    // What they count is for whoever looks, and stories look.
    twin.counters = engine.counters;
    twin
}

/// The engine after the first frames of a log, and the events of the others by its twin.
fn continued(commands: &FrameList, cut: usize) -> (FrameList, Engine) {
    let mut engine = Engine::new(&Capacity::SMALL.limits(SEGMENT_BYTES), super::world::SEED);
    let mut events = FrameList::default();
    for (frame, (header, payload)) in commands.0.iter().enumerate() {
        if frame == cut {
            engine = reborn(&engine);
        }
        engine.apply(header, payload, &mut events).unwrap();
    }
    (events, engine)
}

fn assert_continues(world: &World, cut: usize) {
    let (events, engine) = continued(&world.command_log, cut);
    assert!(events == world.events, "other events behind a cut before frame {cut}");
    assert!(engine.snapshot() == world.engine.snapshot(), "another state behind a cut at {cut}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn cut_anywhere_the_rest_of_a_days_trading_comes_to_the_same(
        steps in prop::collection::vec(step(), 1..120),
        rule in 0_u8..4,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let mut world = World::ruled(rule);
        world.pace = Nanos::from_micros(1);
        script::run(&mut world, "fee venue account=2 maker=-1.23 taker=4.56");
        for (number, step) in (1..).zip(&steps) {
            script::run(&mut world, &line(step, number));
        }
        for cut in cuts {
            assert_continues(&world, cut.index(world.command_log.0.len()));
        }
    }

    #[test]
    fn cut_anywhere_the_rest_of_commands_of_any_kind_comes_to_the_same(
        mutants in prop::collection::vec(mutant(), 1..150),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let mut world = owners();
        let corpus = corpus();
        for (number, mutant) in (1..).zip(mutants) {
            let command = mutant.of(&corpus, &world, number);
            if is_whole(&command) {
                world.apply_lines(&command);
            }
        }
        for cut in cuts {
            assert_continues(&world, cut.index(world.command_log.0.len()));
        }
    }
}

#[test]
fn every_story_goes_on_when_the_engine_is_made_of_its_snapshot_again_and_again() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut snapshots = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stories = fs::read_to_string(&path).unwrap();
        let (mut world, mut twin) = (World::open(), World::open());
        let mut plain = false;
        for (number, line) in (1..).zip(stories.lines()) {
            if line.starts_with("# ") {
                (world, twin, plain) = (World::open(), World::open(), false);
            }
            // Numbers of a stream that no events account for.
            plain |= line.starts_with("nearly full");
            for command in script::lines(line).filter(|_| !line.starts_with("    ")) {
                let said = script::run(&mut twin, command);
                assert_eq!(said, script::run(&mut world, command), "{}:{number}", path.display());
                if !plain {
                    twin.engine = reborn(&twin.engine);
                    snapshots += 1;
                }
            }
            assert!(twin.events == world.events, "{}:{number}", path.display());
        }
    }
    assert!(snapshots > 1_500, "{snapshots}");
}
