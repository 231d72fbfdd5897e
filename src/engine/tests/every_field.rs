//! A sound command of every kind, and each of its fields at 0, at 1 and at its largest: the market stays
//! whole, and the command is answered, or passed over in a silence that has its counter.

use std::ops::Range;

use super::super::{EngineCounters, VERSION_MAX};
use super::replay::replay;
use super::world::World;
use super::{fuzz, invariants, script};
use crate::types::command::{ActivateVersion, CommandHeader, CommandKind, StateHash};
use crate::types::{Line, Nanos, Record};

/// A market in which orders rest and have traded.
fn running() -> World {
    let mut world = fuzz::owners();
    for line in [
        "A1 sell 1 100 ACME @10.05",
        "B1 buy 1 100 ACME @9.95",
        "A1 sell 2 60 BOLT @10.00",
        "B1 buy 2 200 BOLT @10.00",
        "B1 buy 3 60 ACME @10.05",
    ] {
        script::run(&mut world, line);
    }
    world
}

/// The same market, from its commands: no line is read again.
fn again(world: &World) -> World {
    let (events, engine) = replay(&world.command_log);
    World {
        engine,
        events,
        commands: world.commands.clone(),
        command_log: world.command_log.clone(),
        orders: world.orders.clone(),
        busted: world.busted.clone(),
        ..*world
    }
}

/// A command of this kind that the running market has an answer to.
const fn example(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::TermStart => "term 2",
        CommandKind::DayStart => "day start 20260303",
        CommandKind::DayEnd => "day end",
        CommandKind::Tick => "wait 1s",
        // No line says these: an operator never does.
        CommandKind::StateHash | CommandKind::ActivateVersion => "",
        CommandKind::VenueLimits => "limits",
        CommandKind::CurrencyDefine => "currency EUR 2",
        CommandKind::FirmDefine => "firm OMEG open=5",
        CommandKind::PortDefine => "port A3 ALFA orders account=1 grace=10s rate=3 open=2",
        CommandKind::AccountOpen => "account 7 ALFA short group=3",
        CommandKind::AccountUpdate => "status 1 approved short",
        CommandKind::Transfer => "deposit 1 10.00 USD",
        CommandKind::InstrumentDefine => "instrument ECHO USD 4 tick=100 lot=10",
        CommandKind::Fee => "fee firm ALFA maker=3.33 taker=1.00",
        CommandKind::RiskLimit => "limit firm ALFA ACME OrderQuantity 200",
        CommandKind::Calendar => "calendar * opening=14:31 open=14:32 closing=14:40 close=14:50",
        CommandKind::PriceBand => "band ACME 200 for=1s",
        CommandKind::PortUp => "up B1",
        CommandKind::PortDown => "down A1",
        CommandKind::NewOrder => "A1 sell 9 100 ACME @9.95",
        CommandKind::Cancel => "A1 cancel 1",
        CommandKind::Replace => "A1 replace 1 by 9 200 @10.00",
        CommandKind::Modify => "A1 modify 1 sell to 80",
        CommandKind::MassCancel => "A1 masscancel 9",
        CommandKind::DisableEntry => "A1 disable 9",
        CommandKind::EnableEntry => "A1 enable 9",
        CommandKind::AccountQuery => "A1 query",
        CommandKind::Halt => "halt ACME T1",
        CommandKind::Resume => "resume ACME for=1s",
        CommandKind::SetPhase => "phase ACME closing",
        CommandKind::BustTrade => "bust B1.3 A1.1 erroneous",
        CommandKind::TradeCorrection => "correct B1.3 A1.1 @10.04 consent",
    }
}

fn lines_of(kind: CommandKind) -> Vec<Line> {
    if kind == CommandKind::StateHash {
        let header = CommandHeader::internal::<StateHash>(Nanos::ZERO);
        let (at_sequence, hash) = (65_536, 0x0123_4567_89AB_CDEF);
        return StateHash { header, at_sequence, hash, reserved: [0; 24] }.lines().to_vec();
    }
    if kind == CommandKind::ActivateVersion {
        let header = CommandHeader::internal::<ActivateVersion>(Nanos::ZERO);
        return ActivateVersion { header, version: 1, reserved: [0; 36] }.lines().to_vec();
    }
    let mut world = running();
    let before = world.command_log.0.len();
    script::run(&mut world, example(kind));
    let [(_, command)] = &world.command_log.0[before..] else { panic!("{kind:?}: one command") };
    command.clone()
}

/// Where fields may lie in so many bytes: at multiples of their width; the kind and the size stay as
/// they are.
fn fields(bytes: usize) -> impl Iterator<Item = Range<usize>> {
    let of_width = move |width| (0..bytes).step_by(width).map(move |at| at..at + width);
    [1, 2, 4, 8].into_iter().flat_map(of_width).filter(|field| field.start >= 2)
}

/// What became of a command: what it said, and whether a silence was counted.
fn apply(world: &mut World, command: &[Line]) -> (Vec<String>, bool) {
    let passed_over = |world: &World| EngineCounters { commands: 0, ..*world.engine.counters() };
    let before = passed_over(world);
    let said = world.apply_lines(command);
    invariants::hold(world);
    (said, passed_over(world) != before)
}

#[test]
fn a_sound_command_of_every_kind_is_answered() {
    for &kind in CommandKind::ALL {
        let command = lines_of(kind);
        assert_eq!(CommandKind::from_number(command[0].0[0]), Some(kind));
        let (said, was_counted) = apply(&mut running(), &command);
        // A sample that was never taken, and the version that counts already.
        let counts = matches!(kind, CommandKind::StateHash | CommandKind::ActivateVersion);
        let speaks = kind != CommandKind::Tick && !counts;
        assert_eq!((was_counted, !said.is_empty()), (counts, speaks), "{kind:?}: {said:?}");
    }
}

fn is_later_version(command: &[Line]) -> bool {
    let activates = command[0].0[0] == ActivateVersion::KIND;
    activates && ActivateVersion::view(command).is_some_and(|c| c.version > VERSION_MAX)
}

#[test]
fn a_command_with_any_field_at_0_1_or_its_largest_is_answered_or_counted() {
    let running = running();
    for &kind in CommandKind::ALL {
        let command = lines_of(kind);
        for field in fields(command.len() * size_of::<Line>()) {
            for value in [0, 1, u64::MAX] {
                let mut changed = command.clone();
                let bytes = &mut Line::bytes_mut(&mut changed)[field.clone()];
                bytes.copy_from_slice(&value.to_le_bytes()[..field.len()]);
                // A version that this program does not know stops it: a story of its own.
                if changed == command || is_later_version(&changed) {
                    continue;
                }
                let (said, was_counted) = apply(&mut again(&running), &changed);
                let is_answered = kind == CommandKind::Tick || was_counted || !said.is_empty();
                assert!(is_answered, "{kind:?} with {value:#x} at {field:?}");
            }
        }
    }
}
