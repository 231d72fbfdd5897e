//! The whole engine under the bench: accounts, wallets and checks, matching, and events written.
//!
//! 1,000 firms with two ports and ten accounts each, drawn uniformly, so that no wallet and no port is
//! hot, under every limit there is, fees and self-match prevention ([`rules`](super::rules)). Commands are made into frames beforehand; an order is named by port and user reference number.

use std::collections::VecDeque;
use std::convert::Infallible;

use zerocopy::{FromZeros, IntoBytes};

use super::rules::{Repeats, Rules, group_of};
use super::workload::SplitMix64;
use super::{Kind, Operation, TICK, Trade, Workload};
use crate::engine::{Capacity, CommandFrames, Engine, IndexSeed, MEMORY_SEGMENT_BYTES};
use crate::matching::BookSide;
use crate::types::command::{
    AccountOpen, Cancel, CommandHeader, CurrencyDefine, DayStart, FirmDefine, InstrumentDefine,
    NewOrder, PortDefine, PortUp, Replace, TermStart, Transfer, VenueLimits,
};
use crate::types::event::Event;
use crate::types::{
    AccountId, AccountStatus, AssetKind, CurrencyCode, Date, DisconnectPolicy, Epoch,
    FRAME_COMMANDS_MAX, FirmCode, FrameHeader, FrameSink, Line, Liquidity, Nanos, PortId, PortKind,
    PortName, Price, Quantity, Record, SelfMatchKey, Side, Symbol, TimeInForce, UserRefNum,
    split_record,
};

/// Sealed frames in their order.
pub type Frames = Vec<(FrameHeader, Vec<Line>)>;

/// A command log: the market, its day and its sessions; the prefilling; what is timed.
#[derive(Debug)]
pub struct Log {
    capacity: Capacity,
    opening: Frames,
    prefill: Frames,
    /// What is timed.
    pub timed: Frames,
    /// By port and user reference number: the order's number in the workload.
    numbers: Vec<Vec<u32>>,
}

/// Writes events as the log does: behind each other, into memory that is larger than any cache.
#[derive(Debug)]
pub struct Appender {
    memory: Vec<Line>,
    end: usize,
}

/// Reads the fills out of the events.
pub(super) struct FillReader<'a> {
    numbers: &'a [Vec<u32>],
    /// The resting side, until the other is read.
    resting: Option<u32>,
    pub(super) fills: VecDeque<Trade>,
}

/// Who trades: uniformly drawn.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Firms, at most 1,000.
    pub firms: u32,
    /// Ports, a multiple of the firms.
    pub ports: u32,
    /// Accounts, a multiple of the firms.
    pub accounts: u32,
}

impl Crowd {
    /// Of the figures.
    pub const FULL: Self = Self { firms: 1_000, ports: 2_000, accounts: 10_000 };

    /// Open orders that a firm may have: twice its share of all, which chance does not reach.
    const fn firm_orders_max(self, workload: &Workload) -> u32 {
        2 * workload.resting_max / self.firms + 100
    }
}

/// What each account has: more than it can need.
const CASH: i64 = 10_000_000_000_000;
const SHARES: i64 = 100_000_000;
/// Limits that are looked at and never reached.
const OPEN_ORDERS_MAX: u32 = 1_000_000;
const MESSAGE_RATE_MAX: u32 = 1_000_000;
pub(super) const OPENING: Nanos = Nanos::from_secs(1_772_461_800);
/// Log time between two commands: a million a second.
const COMMAND_INTERVAL: Nanos = Nanos::from_micros(1);
const APPENDER_LINES: usize = 1 << 20;
/// Times that an order's owner is drawn, until it is one who has not just entered the same.
const DRAWS_MAX: usize = 10_000;

impl Log {
    /// With at most `batch` commands in a frame.
    ///
    /// # Panics
    /// If the crowd is none that an engine can be made for.
    #[must_use]
    pub fn new(workload: &Workload, crowd: Crowd, batch: usize) -> Self {
        Self::with_rules(workload, crowd, batch, Rules::All)
    }

    /// The same, of a venue with some of the rules.
    pub(super) fn with_rules(
        workload: &Workload,
        crowd: Crowd,
        batch: usize,
        rules: Rules,
    ) -> Self {
        let instruments = workload.instruments;
        let capacity = Capacity {
            orders: crowd.firms * crowd.firm_orders_max(workload),
            // With those of the account that gets the fees.
            balances: crowd.accounts * (u32::from(instruments) + 1) + 1,
            currencies: 1,
            firms: u16::try_from(crowd.firms).expect("a thousand"),
            ports: crowd.ports,
            accounts: crowd.accounts + 1,
            instruments,
        };
        let mut writer = Writer::new(crowd, batch);
        writer.market(&capacity, crowd.firm_orders_max(workload));
        writer.rules(rules);
        let epochs = writer.sessions();
        let opening = writer.take();
        let mut orders = Orders::new(crowd, &epochs);
        let (prefill, timed) = workload.operations.split_at(workload.prefilled);
        let [prefill, timed] = [prefill, timed].map(|operations| {
            for operation in operations {
                orders.write(operation, &mut writer);
            }
            writer.take()
        });
        Self { capacity, opening, prefill, timed, numbers: orders.numbers }
    }

    /// All of it, for an event store whose segments have [`MEMORY_SEGMENT_BYTES`].
    pub fn frames(&self) -> impl Iterator<Item = &(FrameHeader, Vec<Line>)> {
        self.opening.iter().chain(&self.prefill).chain(&self.timed)
    }

    /// How many of these come before the timed part.
    #[must_use]
    pub fn filled_frames(&self) -> usize {
        self.opening.len() + self.prefill.len()
    }

    /// The venue's limits.
    #[must_use]
    pub fn limits(&self) -> VenueLimits {
        self.capacity.limits(MEMORY_SEGMENT_BYTES)
    }

    /// An engine that has executed all but the timed part.
    pub fn engine<S: FrameSink<Error = Infallible>>(&self, sink: &mut S) -> Engine {
        let mut engine = Engine::new(&self.limits(), IndexSeed::new([7; IndexSeed::BYTES]));
        for frames in [&self.opening, &self.prefill] {
            apply(&mut engine, frames, sink);
        }
        engine
    }

    /// What reads the fills of an engine that executes this log.
    pub(super) fn fill_reader(&self) -> FillReader<'_> {
        FillReader { numbers: &self.numbers, resting: None, fills: VecDeque::new() }
    }
}

/// Has an engine execute frames.
///
/// # Panics
/// If it cannot: they are not the next of its log.
pub fn apply<S: FrameSink<Error = Infallible>>(
    engine: &mut Engine,
    frames: &[(FrameHeader, Vec<Line>)],
    sink: &mut S,
) {
    for (header, payload) in frames {
        engine.apply(header, payload, sink).expect("commands of ours, and a sink without errors");
    }
}

/// Cuts commands into frames.
pub(super) struct Writer {
    pub(super) crowd: Crowd,
    batch: usize,
    pending: usize,
    now: Nanos,
    frames: CommandFrames,
    sealed: Frames,
}

impl Writer {
    pub(super) fn new(crowd: Crowd, batch: usize) -> Self {
        let frames = CommandFrames::new();
        Self { crowd, batch, pending: 0, now: OPENING, frames, sealed: Frames::new() }
    }

    pub(super) fn push<C: Record>(&mut self, command: &C) -> u64 {
        if self.pending == self.batch.min(FRAME_COMMANDS_MAX) {
            self.seal();
        }
        self.now = self.now.after(COMMAND_INTERVAL);
        self.pending += 1;
        self.frames.push(command)
    }

    fn seal(&mut self) {
        self.sealed.push(self.frames.seal(self.now));
        self.pending = 0;
    }

    pub(super) fn take(&mut self) -> Frames {
        self.seal();
        std::mem::take(&mut self.sealed)
    }

    pub(super) fn market(&mut self, capacity: &Capacity, firm_orders_max: u32) {
        let Crowd { firms, ports, accounts } = self.crowd;
        let currency = CurrencyCode::new("USD").expect("three letters");
        self.push(&TermStart {
            header: CommandHeader::internal::<TermStart>(OPENING),
            term: 1,
            node: 1,
            ..TermStart::new_zeroed()
        });
        self.push(&capacity.limits(MEMORY_SEGMENT_BYTES));
        self.push(&CurrencyDefine {
            header: CommandHeader::internal::<CurrencyDefine>(OPENING),
            code: currency,
            cash_decimals: 4,
            ..CurrencyDefine::new_zeroed()
        });
        for firm in 0..firms {
            self.push(&FirmDefine {
                header: CommandHeader::internal::<FirmDefine>(OPENING),
                code: firm_code(firm),
                self_match_key: SelfMatchKey::Group.byte(),
                open_orders_max: firm_orders_max,
                ..FirmDefine::new_zeroed()
            });
        }
        for account in 0..accounts {
            self.push(&AccountOpen {
                header: CommandHeader::internal::<AccountOpen>(OPENING),
                account: AccountId(account + 1),
                firm: firm_code(account % firms),
                status: AccountStatus::Approved.byte(),
                ..AccountOpen::new_zeroed()
            });
        }
        for port in 0..ports {
            self.push(&PortDefine {
                header: CommandHeader::internal::<PortDefine>(OPENING),
                name: PortName::new(&format!("P{port:05}")).expect("six characters"),
                firm: firm_code(port % firms),
                kind: PortKind::OrderEntry.byte(),
                disconnect: DisconnectPolicy::Keep.byte(),
                default_account: AccountId(port % firms + 1),
                message_rate_max: MESSAGE_RATE_MAX,
                open_orders_max: OPEN_ORDERS_MAX,
                ..PortDefine::new_zeroed()
            });
        }
        for instrument in 1..=capacity.instruments {
            self.push(&InstrumentDefine {
                header: CommandHeader::internal::<InstrumentDefine>(OPENING),
                symbol: symbol(instrument),
                currency,
                lot_size: 100,
                tick_size: TICK,
                price_decimals: 4,
                ..InstrumentDefine::new_zeroed()
            });
        }
        let cash = (Symbol::new("USD").expect("three letters"), AssetKind::Cash, CASH);
        let shares = |instrument| (symbol(instrument), AssetKind::Shares, SHARES);
        let assets: Vec<_> =
            [cash].into_iter().chain((1..=capacity.instruments).map(shares)).collect();
        let mut reference = 0;
        for account in 1..=accounts {
            for &(asset, kind, amount) in &assets {
                reference += 1;
                self.push(&Transfer {
                    header: CommandHeader::internal::<Transfer>(OPENING),
                    reference,
                    amount,
                    asset,
                    account: AccountId(account),
                    asset_kind: kind.byte(),
                    ..Transfer::new_zeroed()
                });
            }
        }
    }

    /// Begins a day and every port's session; the epochs.
    pub(super) fn sessions(&mut self) -> Vec<Epoch> {
        let date = Date::of(OPENING);
        self.push(&DayStart {
            header: CommandHeader::internal::<DayStart>(OPENING),
            midnight: date.midnight(),
            date: date.number(),
            session: date.session(1),
            ..DayStart::new_zeroed()
        });
        let up = |port| PortUp {
            header: CommandHeader::new::<PortUp>(PortId(port), Epoch::NONE, OPENING),
            ..PortUp::new_zeroed()
        };
        (1..=self.crowd.ports).map(|port| Epoch(self.push(&up(port)))).collect()
    }
}

pub(super) fn firm_code(firm: u32) -> FirmCode {
    FirmCode::new(&format!("F{firm:03}")).expect("four characters")
}

pub(super) fn symbol(instrument: u16) -> Symbol {
    Symbol::new(&format!("S{instrument:05}")).expect("six characters")
}

/// Makes commands of operations: who gives them, and under which number.
struct Orders<'a> {
    crowd: Crowd,
    random: SplitMix64,
    repeats: Repeats,
    epochs: &'a [Epoch],
    /// By the order's number: port and user reference number.
    names: Vec<(PortId, UserRefNum)>,
    numbers: Vec<Vec<u32>>,
}

impl<'a> Orders<'a> {
    fn new(crowd: Crowd, epochs: &'a [Epoch]) -> Self {
        let numbers = vec![vec![0]; crowd.ports as usize + 1];
        let names = vec![(PortId::NONE, UserRefNum(0))];
        let (random, repeats) = (SplitMix64(0xE), Repeats::default());
        Self { crowd, random, repeats, epochs, names, numbers }
    }

    fn write(&mut self, operation: &Operation, writer: &mut Writer) {
        let &Operation { kind, side, instrument, target, price, quantity, executed, .. } =
            operation;
        let (price, group_id) = (Price(price), group_of(side));
        let side = match side {
            BookSide::Bids => Side::Buy,
            BookSide::Asks => Side::Sell,
        };
        let original = self.names[target as usize];
        match kind {
            Kind::Enter => {
                let (port, account) = self.owner(operation, writer.now);
                writer.push(&NewOrder {
                    header: self.header::<NewOrder>(port, writer.now),
                    price,
                    symbol: symbol(instrument),
                    user_ref_num: self.name(port, operation.number),
                    quantity: Quantity(quantity),
                    account,
                    side: side.byte(),
                    time_in_force: TimeInForce::Day.byte(),
                    display: b'Y',
                    capacity: b'A',
                    intermarket_sweep: b'N',
                    cross_type: b'N',
                    group_id,
                    ..NewOrder::new_zeroed()
                });
            }
            Kind::Cancel => {
                writer.push(&Cancel {
                    header: self.header::<Cancel>(original.0, writer.now),
                    user_ref_num: original.1,
                    ..Cancel::new_zeroed()
                });
            }
            Kind::Replace => {
                writer.push(&Replace {
                    header: self.header::<Replace>(original.0, writer.now),
                    price,
                    orig_user_ref_num: original.1,
                    user_ref_num: self.name(original.0, operation.number),
                    quantity: Quantity(quantity + executed),
                    time_in_force: TimeInForce::Day.byte(),
                    display: b'Y',
                    intermarket_sweep: b'N',
                    ..Replace::new_zeroed()
                });
            }
        }
    }

    /// Who enters an order: nobody who has just entered the same.
    fn owner(&mut self, operation: &Operation, now: Nanos) -> (PortId, AccountId) {
        let &Operation { side, instrument, price, quantity, .. } = operation;
        let Crowd { firms, ports, accounts } = self.crowd;
        for _ in 0..DRAWS_MAX {
            let port = self.draw(ports);
            let account = AccountId(self.draw(accounts / firms) * firms + port % firms + 1);
            let terms = (account, instrument, side == BookSide::Bids, price, quantity);
            if self.repeats.note(terms, now) {
                return (PortId(port + 1), account);
            }
        }
        panic!("every account has just entered {operation:?}");
    }

    fn header<C: Record>(&self, port: PortId, now: Nanos) -> CommandHeader {
        CommandHeader::new::<C>(port, self.epochs[port.0 as usize - 1], now)
    }

    /// The port's next user reference number is that of the order `number`.
    fn name(&mut self, port: PortId, number: u32) -> UserRefNum {
        let numbers = &mut self.numbers[port.0 as usize];
        let name = UserRefNum(u32::try_from(numbers.len()).expect("some thousands"));
        numbers.push(number);
        assert_eq!(self.names.len(), number as usize, "numbers are dense");
        self.names.push((port, name));
        name
    }

    fn draw(&mut self, bound: u32) -> u32 {
        u32::try_from(self.random.below(bound.into())).expect("below a u32")
    }
}

impl Appender {
    /// Empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self { memory: vec![Line([0; 64]); APPENDER_LINES], end: 0 }
    }
}

impl Default for Appender {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameSink for Appender {
    type Error = Infallible;

    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), Infallible> {
        if self.end + 1 + payload.len() > self.memory.len() {
            self.end = 0;
        }
        let (first, rest) = self.memory[self.end..].split_first_mut().expect("there is room");
        first.0.copy_from_slice(header.as_bytes());
        rest[..payload.len()].copy_from_slice(payload);
        self.end += 1 + payload.len();
        Ok(())
    }
}

impl FrameSink for FillReader<'_> {
    type Error = Infallible;

    fn frame(&mut self, _header: &FrameHeader, payload: &[Line]) -> Result<(), Infallible> {
        let mut rest = payload;
        while let Ok((record, behind)) = split_record(rest) {
            rest = behind;
            let Ok(Event::Executed(fill)) = Event::parse(record) else { continue };
            let of_port = &self.numbers[fill.header.port.0 as usize];
            let number = of_port[fill.user_ref_num.0 as usize];
            if fill.liquidity == Liquidity::Added.byte() {
                self.resting = Some(number);
                continue;
            }
            let resting = self.resting.take().expect("the resting side comes first");
            let (price, quantity) = (fill.price.0, fill.quantity.0);
            self.fills.push_back(Trade { resting, incoming: number, price, quantity });
        }
        Ok(())
    }
}
