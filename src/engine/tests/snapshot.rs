//! Snapshots: an engine made of one goes on as the one that was asked, to the byte; and bytes that are
//! none make no engine.

use std::path::PathBuf;
use std::{env, fs};

use proptest::prelude::*;

use super::super::{Capacity, Engine, FrameList, IndexSeed, SNAPSHOT_FORMAT, full_state_hash};
use super::fuzz::{corpus, is_applied, mutant, owners};
use super::oracle::{line, steps};
use super::script;
use super::world::{SEGMENT_BYTES, World};
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
        steps in steps(120),
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
            if is_applied(&command) {
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
    let (mut commands, mut snapshots) = (0_u32, 0);
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
                // Not after each: it takes longer than the story.
                commands += 1;
                if !plain && commands % 3 == 0 {
                    twin.engine = reborn(&twin.engine);
                    snapshots += 1;
                }
            }
            assert!(twin.events == world.events, "{}:{number}", path.display());
        }
    }
    assert!(snapshots > 500, "{snapshots}");
}

/// A small venue with something of everything, as the fuzz target has it.
const SMALL: Capacity = Capacity {
    orders: 4_096,
    balances: 64,
    currencies: 2,
    firms: 4,
    ports: 8,
    accounts: 8,
    instruments: 4,
};

/// Snapshots of it at several times of a day, by name.
fn small_venue() -> Vec<(&'static str, Vec<u8>)> {
    let mut world = World::with(SMALL);
    let mut taken = vec![("empty", world.engine.snapshot())];
    let mut play = |lines: &[&str]| {
        for line in lines {
            let said = script::run(&mut world, line);
            assert!(!said.iter().any(|event| event.starts_with("refused")), "{line}: {said:?}");
        }
        world.engine.snapshot()
    };
    let market: Vec<_> = script::lines(include_str!("../../../tests/golden/market.txt")).collect();
    taken.push(("market", play(&market)));
    taken.push((
        "trading",
        play(&[
            "fee venue account=2 maker=-1.23 taker=4.56",
            "fee firm ALFA maker=3.33 taker=0",
            "limit firm ALFA ACME OrderQuantity 2000",
            "limit venue USD GrossExposure 1000000.00",
            "limit venue DuplicateWindow 1",
            "limit venue SymbolMessageRate 300",
            "limit port A1 MessageRate 500",
            "band ACME 200 for=1s",
            "A1 sell 1 100 ACME @10.00",
            "A1 sell 2 100 ACME @10.00 floor=30",
            "A1 sell 3 100 ACME @10.05 display=N",
            "B1 buy 1 110 ACME @10.00 ioc",
            "bust B1.1 A1.1 erroneous",
            "A1 short 4 50 CHIP @10.00 account=5",
            "A1 buy 5 100 ACME @9.90 tif=6 expires=20",
            "A1 buy 6 100 ACME @11.00 cross=C",
            "B1 buy 7/2 100 BOLT @10.00",
        ]),
    ));
    taken.push((
        "auctions",
        play(&[
            "halt CHIP T1",
            "phase ACME opening",
            "B1 buy 8 20 ACME @10.50",
            "down B1",
            "resume CHIP for=9s",
        ]),
    ));
    taken.push(("night", play(&["calendar * opening=14:31 open=14:32 close=14:50", "day end"])));
    taken
}

/// The bytes of a format do not change: whoever changes them raises
/// [`SNAPSHOT_FORMAT`](super::super::SNAPSHOT_FORMAT), and has `RIALTO_GOLDEN=write` write these anew.
#[test]
fn the_bytes_of_this_format_are_what_they_were() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/snapshot");
    for (name, bytes) in small_venue() {
        let path = folder.join(name);
        if env::var_os("RIALTO_GOLDEN").is_some_and(|value| value == "write") {
            fs::create_dir_all(&folder).unwrap();
            fs::write(path, bytes).unwrap();
            continue;
        }
        assert!(fs::read(&path).unwrap() == bytes, "{} changed", path.display());
    }
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error_or_another_sound_state() {
    let limits = SMALL.limits(SEGMENT_BYTES);
    let (_, bytes) = small_venue().swap_remove(2);
    let read = |bytes: &[u8]| Engine::from_snapshot(bytes, &limits, super::world::SEED);
    for length in (0..bytes.len()).step_by(7) {
        assert!(read(&bytes[..length]).is_err(), "of {length} bytes");
    }
    let mut sound = 0;
    for bit in (0..bytes.len() * 8).step_by(3) {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(engine) = read(&damaged) {
            assert!(engine.snapshot() == damaged, "bit {bit}");
            sound += 1;
        }
    }
    // A name, a clock, a limit: nothing else in the state can contradict those.
    assert!(sound > 0);
    assert!(read(&[&bytes[..], b"!"].concat()).is_err());
}

#[test]
fn a_snapshot_of_another_format_or_venue_is_refused_by_name() {
    let (_, mut bytes) = small_venue().swap_remove(0);
    let read = |bytes: &[u8], capacity: Capacity| {
        Engine::from_snapshot(bytes, &capacity.limits(SEGMENT_BYTES), super::world::SEED)
    };
    let other = read(&bytes, Capacity { orders: 4_095, ..SMALL });
    assert_eq!(other.unwrap_err(), SnapshotError::Limits);
    bytes[0] += 1;
    assert_eq!(read(&bytes, SMALL).unwrap_err(), SnapshotError::Format(SNAPSHOT_FORMAT + 1));
}
