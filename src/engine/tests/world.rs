//! A world: an engine with its two logs in memory, a clock, and the names of things.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Capacity, CommandFrames, Engine, FrameList, IndexSeed};
use super::render::render;
use super::script;
use crate::types::command::CommandHeader;
use crate::types::event::Event;
use crate::types::{AccountId, Epoch, Line, Nanos, OrderRef, PortId, PortName, Record};

/// 2026-03-02 14:30 UTC.
pub(super) const OPENING: Nanos = Nanos(1_772_461_800_000_000_000);
/// Segments so small that a test sees several.
pub(super) const SEGMENT_BYTES: u64 = 1 << 20;

/// Any will do.
pub(super) const SEED: IndexSeed = IndexSeed::new([7; IndexSeed::BYTES]);

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) commands: CommandFrames,
    pub(super) command_log: FrameList,
    pub(super) events: FrameList,
    pub(super) now: Nanos,
    /// Names of orders, "port.number".
    pub(super) orders: BTreeMap<OrderRef, String>,
    /// Reference of the next transfer that names none.
    pub(super) reference: u64,
    /// Accounts whose trades were busted or corrected.
    pub(super) busted: BTreeSet<AccountId>,
    /// Log time between two commands.
    pub(super) pace: Nanos,
}

impl World {
    /// With nothing defined.
    pub(super) fn empty() -> Self {
        Self::with(Capacity::SMALL)
    }

    /// With nothing defined, and room for so much.
    pub(super) fn with(capacity: Capacity) -> Self {
        let limits = capacity.limits(SEGMENT_BYTES);
        let mut world = Self {
            engine: Engine::new(&limits, SEED),
            commands: CommandFrames::new(),
            command_log: FrameList::default(),
            events: FrameList::default(),
            now: OPENING,
            orders: BTreeMap::new(),
            reference: 1_000,
            busted: BTreeSet::new(),
            pace: Nanos::from_micros(1),
        };
        world.apply(&limits);
        world
    }

    /// With the market of `tests/golden/market.txt`, and its day open.
    pub(super) fn open() -> Self {
        Self::ruled(0)
    }

    /// The same with a rule for its firms, which of their orders may not meet; 0 = all may.
    pub(super) fn ruled(self_match_key: u8) -> Self {
        let mut world = Self::empty();
        for line in script::lines(include_str!("../../../tests/golden/market.txt")) {
            let rule = format!(" selfmatch={self_match_key}");
            let line = line.to_owned() + if line.starts_with("firm ") { &rule } else { "" };
            let events = script::run(&mut world, &line);
            let refused = events.iter().any(|event| event.starts_with("refused"));
            assert!(!refused, "{line}: {events:?}");
        }
        world
    }

    /// Applies one command in a frame of its own and says what came of it.
    pub(super) fn apply<C: Record>(&mut self, command: &C) -> Vec<String> {
        self.apply_lines(command.lines())
    }

    pub(super) fn apply_lines(&mut self, command: &[Line]) -> Vec<String> {
        self.commands.push_lines(command);
        self.seal()
    }

    /// Applies what was pushed, and says what came of it.
    pub(super) fn seal(&mut self) -> Vec<String> {
        self.now = self.now.after(self.pace);
        let (header, payload) = self.commands.seal(self.now);
        self.command_log.0.push((header, payload.clone()));
        let seen = self.events.0.len();
        self.engine.apply(&header, &payload, &mut self.events).unwrap();
        let new = FrameList(self.events.0[seen..].to_vec());
        self.busted.extend(new.records().filter_map(|(_, record)| match Event::parse(record) {
            Ok(Event::FillBusted(side)) => Some(side.account),
            Ok(Event::FillCorrected(side)) => Some(side.account),
            _ => None,
        }));
        new.records()
            .map(|(sequence, record)| {
                render(sequence, record, self.engine.order_manager(), &mut self.orders)
            })
            .collect()
    }

    /// The number of a port, none for a name that is not there.
    pub(super) fn port(&self, name: &str) -> PortId {
        let name = PortName::new(name).unwrap();
        let ports = self.engine.order_manager().ports.rows();
        ports.iter().find(|port| port.name == name).map_or(PortId::NONE, |port| port.id)
    }

    /// A header from the session of a port.
    pub(super) fn header<C: Record>(&self, port: &str) -> CommandHeader {
        let port = self.port(port);
        let epoch =
            self.engine.order_manager().ports.get(port.0).map_or(Epoch::NONE, |port| port.epoch);
        CommandHeader::new::<C>(port, epoch, Nanos::ZERO)
    }
}
