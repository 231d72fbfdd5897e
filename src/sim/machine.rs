//! The exchange on top of a node's committed frames: the real engine with a small market, and where the
//! commands come from.

use std::collections::VecDeque;
use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use zerocopy::FromZeros;

use super::chance::Chance;
use crate::consensus::Sample;
use crate::engine::{Capacity, Engine, IndexSeed};
use crate::types::command::{
    AccountOpen, CommandHeader, CurrencyDefine, DayStart, FirmDefine, InstrumentDefine, NewOrder,
    PortDefine, PortUp, StateHash, TermStart, Transfer,
};
use crate::types::{
    AccountId, AccountStatus, AssetKind, CurrencyCode, Date, DisconnectPolicy, Epoch, FirmCode,
    FrameHeader, FrameKind, FrameSink, Line, Nanos, PortId, PortKind, PortName, Price, Quantity,
    Record, SessionId, Side, Symbol, TimeInForce, UserRefNum, split_record,
};

/// Brokers of the market; each has a port and an account.
const BROKERS: u32 = 2;
/// Bytes in a segment of the derived event logs.
const EVENT_SEGMENT_BYTES: u64 = 1 << 20;
/// Where a command's header has its session.
const EPOCH_AT: usize = 8;
const CAPACITY: Capacity = Capacity {
    orders: 1_024,
    balances: 16,
    currencies: 2,
    firms: 4,
    ports: 4,
    accounts: 4,
    instruments: 2,
};

/// What a node makes of its log.
#[derive(Debug)]
pub(super) struct Machine {
    engine: Engine,
    pub(super) applied: u64,
    /// Records of the market that were applied: they are the first of the log, but for starts of terms.
    market: usize,
    market_records: usize,
    epochs: [Epoch; BROKERS as usize],
    /// The term that its leader has announced.
    term: u32,
    /// What it came to last, behind each of so many frames.
    samples: VecDeque<Sample>,
    /// Its leader said of a sample that most came to something else.
    pub(super) is_astray: bool,
}

/// Frames from one sample to the next, and those that are kept: an engine's own are too far apart for a
/// simulation.
const SAMPLE_FRAMES: u64 = 32;
const SAMPLES_MAX: usize = 16;

/// What a machine came to, and another can go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MachineState {
    engine: Vec<u8>,
    applied: u64,
    market: usize,
    epochs: [u64; BROKERS as usize],
    term: u32,
}

impl Machine {
    /// What it came to.
    pub(super) fn state(&self) -> MachineState {
        MachineState {
            engine: self.engine.snapshot(),
            applied: self.applied,
            market: self.market,
            epochs: self.epochs.map(|epoch| epoch.0),
            term: self.term,
        }
    }

    /// A machine that goes on from `state`.
    pub(super) fn from_state(state: &MachineState) -> Self {
        let limits = CAPACITY.limits(EVENT_SEGMENT_BYTES);
        let engine = Engine::from_snapshot(&state.engine, &limits, IndexSeed::new([1; 16]));
        Self {
            engine: engine.expect("what an engine wrote"),
            applied: state.applied,
            market: state.market,
            market_records: market().len(),
            epochs: state.epochs.map(Epoch),
            term: state.term,
            samples: VecDeque::new(),
            is_astray: false,
        }
    }

    /// The chain of the events so far.
    pub(super) fn events(&self) -> u64 {
        self.engine.chain().hash
    }

    pub(super) fn new() -> Self {
        Self {
            engine: Engine::new(&CAPACITY.limits(EVENT_SEGMENT_BYTES), IndexSeed::new([0; 16])),
            applied: 0,
            market: 0,
            market_records: market().len(),
            epochs: [Epoch::NONE; BROKERS as usize],
            term: 0,
            samples: VecDeque::new(),
            is_astray: false,
        }
    }

    /// Applies the next committed frame, and returns what the chain of events ends in. An engine that
    /// `skips` forgets every order: a sabotage.
    pub(super) fn apply(&mut self, header: &FrameHeader, payload: &[Line], skips: bool) -> u64 {
        assert_eq!(header.index, self.applied + 1, "not the next frame");
        self.applied = header.index;
        if header.kind == FrameKind::Normal as u8 {
            let mut payload = payload.to_vec();
            if skips && order_number(&payload).is_some_and(|number| number > 100) {
                payload[0].0[EPOCH_AT] ^= 1; // Of a session that is over.
            }
            let payload = payload.as_slice();
            let applied = self.engine.apply(header, payload, &mut Nowhere);
            applied.unwrap_or_else(|error| panic!("frame {}: {error}", header.index));
            for (sequence, record) in (header.first_sequence..).zip(records(payload)) {
                self.note(sequence, record);
            }
        }
        if self.applied.is_multiple_of(SAMPLE_FRAMES) {
            self.samples.push_back(Sample { at: self.applied, hash: self.engine.state_hash() });
            if self.samples.len() > SAMPLES_MAX {
                self.samples.pop_front();
            }
        }
        self.events()
    }

    /// What it came to last.
    pub(super) fn sample(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    /// The command by which a leader says what most came to.
    pub(super) fn agreement(sample: Sample) -> Vec<Line> {
        let Sample { at: at_sequence, hash } = sample;
        let header = CommandHeader::internal::<StateHash>(Nanos::ZERO);
        StateHash { header, at_sequence, hash, reserved: [0; 24] }.lines().to_vec()
    }

    fn note(&mut self, sequence: u64, record: &[Line]) {
        if let Some(start) = TermStart::view(record).filter(|_| kind(record) == TermStart::KIND) {
            self.term = start.term;
        } else if let Some(agreed) =
            StateHash::view(record).filter(|_| kind(record) == StateHash::KIND)
        {
            let ours = self.samples.iter().find(|sample| sample.at == agreed.at_sequence);
            self.is_astray |= ours.is_some_and(|ours| ours.hash != agreed.hash);
        } else if self.market < self.market_records {
            self.market += 1;
        } else if kind(record) == PortUp::KIND {
            let port = CommandHeader::view(record).expect("whole lines").port;
            self.epochs[port.0 as usize - 1] = Epoch(sequence);
        }
    }

    /// A hash of all of the engine's state.
    pub(super) fn state_hash(&self) -> u64 {
        self.engine.full_state_hash()
    }

    /// The records that a leader of `term` proposes before it serves brokers; none once they are applied.
    pub(super) fn preparation(&self, term: u32, node: u32) -> Vec<Vec<Line>> {
        if self.term == term {
            return Vec::new();
        }
        let header = CommandHeader::internal::<TermStart>(Nanos::ZERO);
        let start = TermStart { header, term, node, ..TermStart::new_zeroed() };
        let mut records = vec![start.lines().to_vec()];
        records.extend(market().into_iter().skip(self.market));
        let logins = (1..=BROKERS).map(|port| {
            let header = CommandHeader::new::<PortUp>(PortId(port), Epoch::NONE, Nanos::ZERO);
            PortUp { header, ..PortUp::new_zeroed() }.lines().to_vec()
        });
        records.extend(logins);
        records
    }

    /// An order of a broker, which nobody else has: `number` says which it is.
    pub(super) fn order(&self, number: u64, chance: &mut Chance) -> Vec<Line> {
        let broker = u32::try_from(chance.below(BROKERS.into())).expect("small");
        let epoch = self.epochs[broker as usize];
        let side = chance.pick(&[Side::Buy, Side::Sell]);
        let time = chance.pick(&[TimeInForce::Day, TimeInForce::ImmediateOrCancel]);
        let header = CommandHeader::new::<NewOrder>(PortId(broker + 1), epoch, Nanos(number));
        let order = NewOrder {
            header,
            price: Price(99_0000 + chance.below(200) * 100),
            symbol: symbol(),
            user_ref_num: UserRefNum(u32::try_from(number).expect("orders of a simulation")),
            quantity: Quantity(u32::try_from(chance.between(1, 500)).expect("small")),
            side: side.byte(),
            time_in_force: time.byte(),
            display: b'Y',
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            ..NewOrder::new_zeroed()
        };
        order.lines().to_vec()
    }
}

/// The records of a frame's payload.
pub(super) fn records(mut payload: &[Line]) -> impl Iterator<Item = &[Line]> {
    std::iter::from_fn(move || {
        let (record, behind) = split_record(payload).ok()?;
        payload = behind;
        Some(record)
    })
}

/// The number of an order, which [`Machine::order`] was given.
pub(super) fn order_number(record: &[Line]) -> Option<u64> {
    let header = CommandHeader::view(record)?;
    (header.kind == NewOrder::KIND).then_some(header.receive_time.0)
}

fn kind(record: &[Line]) -> u8 {
    record[0].0[0]
}

fn symbol() -> Symbol {
    Symbol::new("ACME").expect("a symbol")
}

/// The records that define the market, in order.
fn market() -> Vec<Vec<Line>> {
    let now = Nanos::from_secs(1_772_461_800);
    let usd = CurrencyCode::new("USD").expect("a code");
    let mut records = Vec::new();
    let mut add = |lines: &[Line]| records.push(lines.to_vec());
    add(CAPACITY.limits(EVENT_SEGMENT_BYTES).lines());
    add(CurrencyDefine {
        header: CommandHeader::internal::<CurrencyDefine>(now),
        code: usd,
        cash_decimals: 4,
        ..CurrencyDefine::new_zeroed()
    }
    .lines());
    add(InstrumentDefine {
        header: CommandHeader::internal::<InstrumentDefine>(now),
        symbol: symbol(),
        currency: usd,
        price_decimals: 4,
        lot_size: 1,
        tick_size: 100,
        ..InstrumentDefine::new_zeroed()
    }
    .lines());
    for broker in 1..=BROKERS {
        let firm = FirmCode::new(["ALFA", "BRAV"][broker as usize - 1]).expect("a code");
        let name = PortName::new(["ALFA01", "BRAV01"][broker as usize - 1]).expect("a name");
        let account = AccountId(broker);
        add(FirmDefine {
            header: CommandHeader::internal::<FirmDefine>(now),
            code: firm,
            ..FirmDefine::new_zeroed()
        }
        .lines());
        add(PortDefine {
            header: CommandHeader::internal::<PortDefine>(now),
            name,
            firm,
            kind: PortKind::OrderEntry.byte(),
            disconnect: DisconnectPolicy::Keep.byte(),
            default_account: account,
            ..PortDefine::new_zeroed()
        }
        .lines());
        add(AccountOpen {
            header: CommandHeader::internal::<AccountOpen>(now),
            account,
            firm,
            status: AccountStatus::Approved.byte(),
            ..AccountOpen::new_zeroed()
        }
        .lines());
        let assets = [(AssetKind::Cash, "USD", 1 << 50), (AssetKind::Shares, "ACME", 1 << 30)];
        for (reference, (kind, asset, amount)) in (1..).zip(assets) {
            add(Transfer {
                header: CommandHeader::internal::<Transfer>(now),
                reference: u64::from(broker) * 10 + reference,
                amount,
                asset: Symbol::new(asset).expect("a symbol"),
                account,
                asset_kind: kind.byte(),
                ..Transfer::new_zeroed()
            }
            .lines());
        }
    }
    add(DayStart {
        header: CommandHeader::internal::<DayStart>(now),
        midnight: Date::of(now).midnight(),
        date: 20_260_302,
        session: SessionId::new("2603020001").expect("a session id"),
        ..DayStart::new_zeroed()
    }
    .lines());
    records
}

/// The events' hash chain says all; nobody keeps them.
struct Nowhere;

impl FrameSink for Nowhere {
    type Error = Infallible;

    fn frame(&mut self, _: &FrameHeader, _: &[Line]) -> Result<(), Infallible> {
        Ok(())
    }
}
