//! A small venue and some of its trading, as a command log and the event log that belongs to it.

use std::path::PathBuf;

use rialto::engine::{Capacity, Engine, IndexSeed, SAMPLE_INTERVAL, StateSample};
use rialto::event_store::{LogKind, Options, Writer};
use rialto::types::command::*;
use rialto::types::*;
use zerocopy::FromZeros as _;

use super::{SEGMENT, Scratch};

/// Both logs, committed, and nobody writing them.
pub(crate) struct Venue(Scratch);

/// The first log time.
pub(crate) const OPENING: Nanos = Nanos::from_secs(1_772_461_800);
/// Log time from one frame to the next.
pub(crate) const STEP: Nanos = Nanos::from_millis(1);
/// The commands before the first order.
pub(crate) const OPENING_COMMANDS: u64 = 14;

impl Venue {
    /// With so many rounds of four commands each: a sale of ACME, a purchase of it that takes a part, a
    /// purchase of ZETA, and the cancel of what is left of the first.
    pub(crate) fn with_rounds(rounds: u32) -> Self {
        Self::with(rounds, |_| ())
    }

    /// The same, but `change` has its way with each order first.
    pub(crate) fn with(rounds: u32, change: impl Fn(&mut NewOrder)) -> Self {
        Self::ending(rounds, change, |_| ())
    }

    /// So long that the state is sampled, with that sample at its end, or one that is wrong by so much.
    pub(crate) fn with_state_hash(wrong_by: u64) -> Self {
        let rounds = u32::try_from(SAMPLE_INTERVAL).unwrap() / 4;
        Self::ending(
            rounds,
            |_| (),
            |logs| {
                let StateSample { at_sequence, hash } = logs.engine.last_sample().unwrap();
                let header = CommandHeader::internal::<StateHash>(OPENING);
                let hash = hash.wrapping_add(wrong_by);
                logs.push(&StateHash { header, at_sequence, hash, ..StateHash::new_zeroed() });
                if wrong_by == 0 {
                    logs.seal();
                } else {
                    logs.seal_commands();
                }
            },
        )
    }

    fn ending(rounds: u32, change: impl Fn(&mut NewOrder), end: impl FnOnce(&mut Logs)) -> Self {
        let scratch = Scratch::new();
        let venue = Self(scratch);
        let mut logs = Logs::open(&venue);
        logs.open_market();
        for round in 0..rounds {
            let number = |n| UserRefNum(round * 4 + n);
            for (n, side, symbol, quantity) in
                [(1, Side::Sell, "ACME", 30), (2, Side::Buy, "ACME", 20), (3, Side::Buy, "ZETA", 5)]
            {
                let mut order =
                    order(logs.epochs[port(n) as usize - 1], number(n), side, symbol, quantity);
                order.header.port = PortId(port(n));
                change(&mut order);
                logs.push(&order);
            }
            let header = CommandHeader::new::<Cancel>(PortId(1), logs.epochs[0], OPENING);
            logs.push(&Cancel { header, user_ref_num: number(1), ..Cancel::new_zeroed() });
            logs.seal();
        }
        end(&mut logs);
        venue
    }

    pub(crate) fn commands(&self) -> PathBuf {
        self.0.0.join("commands")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.0.0.join("events")
    }

    /// The directory of both.
    pub(crate) fn logs(&self) -> PathBuf {
        self.0.0.clone()
    }

    /// A place for files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }
}

/// The port of a round's order: the purchases of ACME are the second's.
fn port(order: u32) -> u32 {
    if order == 2 { 2 } else { 1 }
}

fn order(epoch: Epoch, number: UserRefNum, side: Side, symbol: &str, quantity: u32) -> NewOrder {
    NewOrder {
        header: CommandHeader::new::<NewOrder>(PortId(1), epoch, OPENING),
        price: Price(250_000),
        symbol: Symbol::new(symbol).unwrap(),
        user_ref_num: number,
        quantity: Quantity(quantity),
        side: side.byte(),
        time_in_force: TimeInForce::Day.byte(),
        display: b'Y',
        capacity: b'A',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: ClOrdId::new("a \"b\", c").unwrap(),
        ..NewOrder::new_zeroed()
    }
}

/// The two logs while they are written.
struct Logs {
    commands: Writer,
    events: Writer,
    engine: Engine,
    batch: Vec<Line>,
    count: u16,
    now: Nanos,
    epochs: Vec<Epoch>,
}

impl Logs {
    fn open(venue: &Venue) -> Self {
        let open =
            |path: PathBuf, kind| Writer::open(&path, Options::new(kind, SEGMENT)).unwrap().0;
        Self {
            commands: open(venue.commands(), LogKind::Commands),
            events: open(venue.events(), LogKind::Events),
            engine: Engine::new(&limits(), IndexSeed::new([3; IndexSeed::BYTES])),
            batch: Vec::new(),
            count: 0,
            now: OPENING,
            epochs: Vec::new(),
        }
    }

    fn push<C: Record>(&mut self, command: &C) -> u64 {
        self.batch.extend_from_slice(command.lines());
        self.count += 1;
        self.commands.chain().next_sequence + u64::from(self.count) - 1
    }

    /// Appends the frame, and the events it gives.
    fn seal(&mut self) {
        let (header, batch) = self.seal_commands();
        self.engine.apply(&header, &batch, &mut self.events).unwrap();
        self.events.commit(self.engine.chain().end);
    }

    /// Appends the frame, as a node does that dies before it has applied it.
    fn seal_commands(&mut self) -> (FrameHeader, Vec<Line>) {
        let mut chain = *self.commands.chain();
        let cause = Cause { index: chain.index + 1, term: 1, time: self.now };
        let header = chain.seal(FrameKind::Normal, cause, self.count, &self.batch);
        self.commands.append(&header, &self.batch).unwrap();
        self.commands.commit(chain.end);
        self.count = 0;
        self.now = self.now.after(STEP);
        (header, std::mem::take(&mut self.batch))
    }

    fn open_market(&mut self) {
        let usd = CurrencyCode::new("USD").unwrap();
        let firm = FirmCode::new("ALFA").unwrap();
        let header = CommandHeader::internal::<TermStart>(OPENING);
        self.push(&TermStart { header, term: 1, node: 1, ..TermStart::new_zeroed() });
        self.push(&limits());
        let header = CommandHeader::internal::<CurrencyDefine>(OPENING);
        self.push(&CurrencyDefine {
            header,
            code: usd,
            cash_decimals: 4,
            ..CurrencyDefine::new_zeroed()
        });
        let header = CommandHeader::internal::<FirmDefine>(OPENING);
        self.push(&FirmDefine { header, code: firm, ..FirmDefine::new_zeroed() });
        let account = AccountId(1);
        self.push(&AccountOpen {
            header: CommandHeader::internal::<AccountOpen>(OPENING),
            account,
            firm,
            status: AccountStatus::Approved.byte(),
            short_allowed: 1,
            ..AccountOpen::new_zeroed()
        });
        for name in ["ALFA01", "ALFA02"] {
            self.push(&PortDefine {
                header: CommandHeader::internal::<PortDefine>(OPENING),
                name: PortName::new(name).unwrap(),
                firm,
                kind: PortKind::OrderEntry.byte(),
                disconnect: DisconnectPolicy::Keep.byte(),
                default_account: account,
                ..PortDefine::new_zeroed()
            });
        }
        for symbol in ["ACME", "ZETA"] {
            self.push(&InstrumentDefine {
                header: CommandHeader::internal::<InstrumentDefine>(OPENING),
                symbol: Symbol::new(symbol).unwrap(),
                currency: usd,
                price_decimals: 4,
                lot_size: 1,
                tick_size: 100,
                short_allowed: 1,
                ..InstrumentDefine::new_zeroed()
            });
        }
        for (reference, asset_kind, asset, amount) in [
            (1, AssetKind::Cash, "USD", 100_000_000_000_000),
            (2, AssetKind::Shares, "ACME", 100_000_000),
        ] {
            self.push(&Transfer {
                header: CommandHeader::internal::<Transfer>(OPENING),
                reference,
                amount,
                asset: Symbol::new(asset).unwrap(),
                account,
                asset_kind: asset_kind.byte(),
                ..Transfer::new_zeroed()
            });
        }
        let date = Date::of(OPENING);
        self.push(&DayStart {
            header: CommandHeader::internal::<DayStart>(OPENING),
            midnight: date.midnight(),
            date: date.number(),
            session: date.session(1),
            ..DayStart::new_zeroed()
        });
        for port in 1..=2 {
            let header = CommandHeader::new::<PortUp>(PortId(port), Epoch::NONE, OPENING);
            let epoch = self.push(&PortUp { header, ..PortUp::new_zeroed() });
            self.epochs.push(Epoch(epoch));
        }
        self.seal();
    }
}

fn limits() -> VenueLimits {
    Capacity::SMALL.limits(SEGMENT)
}
