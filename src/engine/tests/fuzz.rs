//! Commands with bytes changed at random: never a panic, never a broken invariant, and what is no
//! command any more is not applied.

use proptest::prelude::*;
use zerocopy::FromBytes;

use super::super::{ApplyError, VERSION_MAX};
use super::world::World;
use super::{busts, invariants, script};
use crate::types::command::{
    BustTrade, Cancel, Command, CommandHeader, CommandKind, EnableEntry, MassCancel, Modify,
    NewOrder, Replace, TradeCorrection,
};
use crate::types::{Line, Record, TradeTerms, UserRefNum};

/// A command of the corpus, and what is done to it.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    command: prop::sample::Index,
    /// Whether it is of the port's current session.
    fenced: bool,
    /// Words of eight bytes that are replaced.
    words: Vec<(prop::sample::Index, u64)>,
    /// Bytes that are replaced.
    bytes: Vec<(prop::sample::Index, u8)>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_the_engine(mutants in prop::collection::vec(mutant(), 1..80)) {
        let mut world = owners();
        let corpus = corpus();
        let mut broken = None;
        for (number, mutant) in (1..).zip(mutants) {
            let command = mutant.of(&corpus, &world, number);
            if !is_applied(&command) {
                broken = Some(command);
                continue;
            }
            world.apply_lines(&command);
            invariants::hold(&world);
        }
        if let Some(command) = broken {
            world.commands.push_lines(&command);
            let (header, payload) = world.commands.seal(world.now);
            let result = world.engine.apply(&header, &payload, &mut world.events);
            prop_assert!(matches!(result, Err(ApplyError::Command(_))), "{result:?}");
        }
    }
}

/// Whether the lines are one command, of a kind there is and of its size.
fn is_whole(lines: &[Line]) -> bool {
    let kind = CommandKind::from_number(lines[0].0[0]);
    let size = kind.map(CommandKind::lines);
    size == Some(lines[0].0[1]) && size.map(usize::from) == Some(lines.len())
}

/// Whether the engine applies the lines: they are a command, and none that wants a later program.
pub(super) fn is_applied(lines: &[Line]) -> bool {
    let wants_another = matches!(
        Command::parse(lines),
        Ok(Command::ActivateVersion(c)) if c.header.port.is_none() && c.version > VERSION_MAX
    );
    is_whole(lines) && !wants_another
}

/// A trade of the world as it stands, if there is any.
fn some_trade(world: &World, number: u32) -> Option<TradeTerms> {
    let trades = busts::trades(world);
    let (trade, _) = trades.get(number as usize % trades.len().max(1))?;
    Some(busts::terms(world, *trade, number.is_multiple_of(5)))
}

/// The market, and a firm whose orders do not meet each other.
pub(super) fn owners() -> World {
    let mut world = World::open();
    for line in [
        "firm GAMA selfmatch=1",
        "account 6 GAMA",
        "port G1 GAMA orders account=6",
        "deposit 6 10,000.00 USD",
        "deposit 6 1,000 ACME",
        "up G1",
        "fee venue account=2 maker=1.23 taker=4.56",
    ] {
        script::run(&mut world, line);
    }
    world
}

/// At least one command of every kind, most of them orders.
pub(super) fn corpus() -> Vec<Vec<Line>> {
    let mut world = owners();
    for line in [
        "A1 sell 1 100 ACME @10.00",
        "A2 buy 1 60 ACME @10.00 ioc",
        "B1 buy 1 60 ACME @10.01",
        "A1 sell 2 100 BOLT @10.00",
        "B1 buy 2 200 BOLT @10.00",
        "A1 short 3 50 CHIP @10.00 account=5",
        "B1 buy 3 50 CHIP @10.00",
        "G1 sell 1 60 ACME @10.00",
        "G1 buy 2 60 ACME @10.00 selfmatch=O",
        "G1 buy 3 90 ACME @10.01 selfmatch=D",
        "G1 sell 4 90 ACME @9.99",
        "bust B1.1 A1.1 erroneous",
        "correct B1.3 A1.3 @9.99 consent",
        "A1 cancel 1",
        "B1 cancel 2 to 100",
        "B1 replace 2 by 4 300 @9.95",
        "A1 replace 3 by 4 60 @10.00",
        "B1 replace 4 by 5 300 @10.00 ioc",
        "A1 sell 5 100 ACME @10.00 floor=30",
        "B1 buy 6 30 ACME @market ioc min=30",
        "A1 sell 6 100 ACME @10.05 display=N",
        "A1 buy 7 100 ACME @9.90 tif=6 expires=2",
        "B1 sell 7 100 ACME @9.95 postonly=P",
        "A1 modify 5 sell to 50",
        "G1 sell 5 90 ACME @9.98 floor=30",
        "G1 sell 6 90 ACME @9.98 display=N",
        "G1 buy 7 60 ACME @market ioc min=20 selfmatch=D",
        "G1 buy 8 40 ACME @9.98 ioc min=40 selfmatch=O",
        "A1 short 8 50 CHIP @10.00 account=5",
        "A1 modify 8 exempt to 40",
        "A1 masscancel 9 symbol=ACME side=sell",
        "B1 disable 8",
        "B1 enable 9",
        "B1 query",
        "status 3 approved short",
        "withdraw 1 10.00 USD",
        "wait 1s",
        "down A2",
        "calendar * opening=14:31 open=14:32 closing=14:40 close=14:50",
        "band ACME 200 for=1s",
        "A1 buy 10 100 ACME @11.00 cross=C",
        "phase ACME preopen",
        "A1 buy 11 100 ACME @10.50",
        "A1 buy 12 100 ACME @11.00 cross=O",
        "B1 sell 11 150 ACME @10.00",
        "phase ACME opening",
        "A1 cancel 12",
        "phase ACME continuous",
        "halt CHIP T1",
        "resume CHIP for=1s",
        "A1 short 13 50 CHIP @10.00 account=5 cross=H",
        "phase ACME closing",
        "phase * continuous",
        "phase * preopen",
        "A1 sell 14 100 ACME @10.00",
        "B1 buy 14 100 ACME @10.00",
        "A1 sell 15 100 BOLT @10.00",
        "B1 buy 15 100 BOLT @10.00",
        "B1 buy 16 50 CHIP @10.00",
        "A1 short 16 50 CHIP @10.00 account=5",
        "phase BOLT volatility for=1s",
        "phase CHIP volatility for=1s",
        "phase * continuous",
        "wait 1s",
        "up A2",
        "as OPS #1 deposit 1 10.00 USD",
        "as OPS #2 firm OMEG",
        "fee venue account=2 maker=-5.00 taker=7.01",
        "fee firm ALFA maker=3.33 taker=0",
        "as OPS #3 limit firm ALFA ACME OrderQuantity 200",
        "as OPS #4 limit venue USD GrossExposure 1000.00",
        "as OPS #5 limit account 1 SharesPerDay 500",
        "limit symbol ACME Collar 100",
        "limit venue DuplicateWindow 10",
        "limit port A1 MessageRate 5",
        "limit venue SymbolMessageRate 3",
        "term 2",
        "day end",
    ] {
        script::run(&mut world, line);
    }
    let commands = world.command_log.0.into_iter().map(|(_, payload)| payload);
    let (orders, others): (Vec<_>, Vec<_>) = commands.partition(|command| {
        let kind = command[0].0[0];
        kind == NewOrder::KIND || kind == Replace::KIND
    });
    // The market's definition is long; orders are what matters most.
    others.into_iter().chain(orders.into_iter().cycle().take(50)).collect()
}

pub(super) fn mutant() -> impl Strategy<Value = Mutant> {
    let word = prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        Just(1 << 63),
        Just(u64::from(u32::MAX)),
        any::<u64>(),
    ];
    let byte = prop_oneof![Just(0), Just(1), Just(0x7F), Just(0xFF), 0_u8..10, any::<u8>()];
    (
        any::<prop::sample::Index>(),
        prop::bool::weighted(0.95),
        prop::collection::vec((any::<prop::sample::Index>(), word), 0..2),
        prop::collection::vec((any::<prop::sample::Index>(), byte), 0..4),
    )
        .prop_map(|(command, fenced, words, bytes)| Mutant { command, fenced, words, bytes })
}

impl Mutant {
    pub(super) fn of(&self, corpus: &[Vec<Line>], world: &World, number: u32) -> Vec<Line> {
        let mut command = self.command.get(corpus).clone();
        let header = CommandHeader::view_mut(&mut command).unwrap();
        if let Some(port) = world.engine.order_manager().ports.get(header.port.0)
            && self.fenced
        {
            header.epoch = port.epoch;
        }
        match header.kind {
            NewOrder::KIND => {
                let order = NewOrder::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                order.user_ref_num = UserRefNum(number);
            }
            Replace::KIND => {
                let replace = Replace::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                replace.orig_user_ref_num = UserRefNum(number.saturating_sub(1 + number % 7));
                replace.user_ref_num = UserRefNum(number);
            }
            Cancel::KIND => {
                let cancel = Cancel::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                cancel.user_ref_num = UserRefNum(number - number % 3);
            }
            Modify::KIND => {
                let modify = Modify::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                modify.user_ref_num = UserRefNum(number - number % 3);
            }
            MassCancel::KIND => {
                let mass = MassCancel::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                mass.user_ref_num = UserRefNum(number);
            }
            BustTrade::KIND => {
                let bust = BustTrade::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                bust.terms = some_trade(world, number).unwrap_or(bust.terms);
            }
            TradeCorrection::KIND => {
                let correction = TradeCorrection::mut_from_bytes(Line::bytes_mut(&mut command));
                let correction = correction.unwrap();
                correction.terms = some_trade(world, number).unwrap_or(correction.terms);
            }
            EnableEntry::KIND => {
                let enable = EnableEntry::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                enable.user_ref_num = UserRefNum(number);
            }
            _ => {}
        }
        let bytes = Line::bytes_mut(&mut command);
        for &(at, word) in &self.words {
            let (words, _) = bytes.as_chunks_mut::<8>();
            words[at.index(words.len())] = word.to_le_bytes();
        }
        for &(at, byte) in &self.bytes {
            bytes[at.index(bytes.len())] = byte;
        }
        command
    }
}
