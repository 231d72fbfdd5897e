//! The worst stall: how long one command may keep everyone waiting. A firm with 100,000 open orders
//! cancels them all, loses them to an expiry of one moment, or looks in vain for one to cancel; and one
//! order takes what 10,000 others offer.
//!
//! `cargo bench --bench bulk`; figures of a shared machine compare commits, not machines.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench is a test, and says what it found"
)]

use std::convert::Infallible;
use std::time::{Duration, Instant};

use rialto::engine::{Capacity, CommandFrames, Engine, IndexSeed, MEMORY_SEGMENT_BYTES};
use rialto::types::command::{
    AccountOpen, CommandHeader, CurrencyDefine, DayStart, FirmDefine, InstrumentDefine, MassCancel,
    NewOrder, PortDefine, PortUp, Tick, Transfer, VenueLimits,
};
use rialto::types::{
    AccountId, AccountStatus, AssetKind, CurrencyCode, Date, DisconnectPolicy, Epoch, FirmCode,
    FrameHeader, FrameSink, Line, Nanos, PortId, PortKind, PortName, Price, Quantity, Record,
    SessionId, Side, Symbol, TimeInForce, UserRefNum,
};
use zerocopy::FromZeros;

const ORDERS: u32 = 100_000;
const RUNS: usize = 5;
const PORT: PortId = PortId(1);
const OPENING: Nanos = Nanos::from_secs(1_772_461_800);

fn main() {
    let cancel_all = |book: &Book| book.time(&book.mass_cancel("ACME"), OPENING);
    show("mass cancel of 100,000 orders", || cancel_all(&Book::of(ORDERS, 0)));
    show("mass cancel that finds none of 100,000", || {
        let book = Book::of(ORDERS, 0);
        book.time(&book.mass_cancel("BOLT"), OPENING)
    });
    show("expiry of 100,000 orders at once", || {
        let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
        let tick = Tick { header, reserved: [0; 40] };
        Book::of(ORDERS, 60).time(&tick, OPENING.after(Nanos::from_secs(60)))
    });
    show("a sale to 10,000 orders", || {
        let book = Book::of(ORDERS, 0);
        let sale = NewOrder {
            quantity: Quantity(10_000),
            side: Side::Sell.byte(),
            // The firm may have no more open orders.
            time_in_force: TimeInForce::ImmediateOrCancel.byte(),
            ..book.order()
        };
        book.time(&sale, OPENING)
    });
}

fn show(what: &str, run: impl Fn() -> Duration) {
    let mut times: Vec<_> = (0..RUNS).map(|_| run()).collect();
    times.sort_unstable();
    let (median, worst) = (times[RUNS / 2], times[RUNS - 1]);
    println!("{what}: median {median:.2?}, worst of {RUNS} {worst:.2?}");
}

/// An engine whose only firm has many buyers of one share each, at a hundred prices.
struct Book {
    engine: std::cell::RefCell<(Engine, CommandFrames)>,
    epoch: Epoch,
    next: UserRefNum,
}

/// Takes the events and forgets them: what a log would cost is `pipeline`'s to say.
struct Nowhere;

impl FrameSink for Nowhere {
    type Error = Infallible;

    fn frame(&mut self, _: &FrameHeader, _: &[Line]) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Book {
    /// With so many orders, that expire after so many seconds, 0 = never.
    fn of(orders: u32, expire_time_s: u32) -> Self {
        let capacity = Capacity { orders: 2 * ORDERS, ..Capacity::SMALL };
        let limits = capacity.limits(MEMORY_SEGMENT_BYTES);
        let engine = Engine::new(&limits, IndexSeed::new([7; IndexSeed::BYTES]));
        let mut commands = CommandFrames::new();
        define(&mut commands, &limits);
        let header = CommandHeader::new::<PortUp>(PORT, Epoch::NONE, OPENING);
        let epoch = Epoch(commands.push(&PortUp { header, ..FromZeros::new_zeroed() }));
        let next = UserRefNum(1);
        let engine = std::cell::RefCell::new((engine, commands));
        let mut book = Self { engine, epoch, next };
        book.seal(OPENING);
        for number in 1..=orders {
            let life =
                if expire_time_s == 0 { TimeInForce::Day } else { TimeInForce::GoodTillTime };
            let order = NewOrder {
                price: Price(100_000 + u64::from(number % 100) * 100),
                expire_time_s,
                time_in_force: life.byte(),
                ..book.order()
            };
            book.engine.get_mut().1.push(&order);
            book.seal(OPENING);
            book.next.0 += 1;
        }
        assert_eq!(book.engine.get_mut().0.books().order_count(), orders as usize);
        book
    }

    fn order(&self) -> NewOrder {
        NewOrder {
            header: CommandHeader::new::<NewOrder>(PORT, self.epoch, OPENING),
            price: Price(100_000),
            symbol: Symbol::new("ACME").unwrap(),
            user_ref_num: self.next,
            quantity: Quantity(1),
            side: Side::Buy.byte(),
            time_in_force: TimeInForce::Day.byte(),
            display: b'Y',
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            ..FromZeros::new_zeroed()
        }
    }

    fn mass_cancel(&self, symbol: &str) -> MassCancel {
        MassCancel {
            header: CommandHeader::new::<MassCancel>(PORT, self.epoch, OPENING),
            user_ref_num: self.next,
            firm: FirmCode::BLANK,
            symbol: Symbol::new(symbol).unwrap(),
            ..FromZeros::new_zeroed()
        }
    }

    /// How long the engine is at this one command.
    fn time<C: Record>(&self, command: &C, now: Nanos) -> Duration {
        let (engine, commands) = &mut *self.engine.borrow_mut();
        commands.push(command);
        let (header, payload) = commands.seal(now);
        let start = Instant::now();
        engine.apply(&header, &payload, &mut Nowhere).unwrap();
        start.elapsed()
    }

    fn seal(&self, now: Nanos) {
        let (engine, commands) = &mut *self.engine.borrow_mut();
        let (header, payload) = commands.seal(now);
        engine.apply(&header, &payload, &mut Nowhere).unwrap();
    }
}

fn define(commands: &mut CommandFrames, limits: &VenueLimits) {
    let usd = CurrencyCode::new("USD").unwrap();
    let firm = FirmCode::new("ALFA").unwrap();
    let account = AccountId(1);
    commands.push(limits);
    commands.push(&CurrencyDefine {
        header: CommandHeader::internal::<CurrencyDefine>(OPENING),
        code: usd,
        cash_decimals: 4,
        ..FromZeros::new_zeroed()
    });
    commands.push(&FirmDefine {
        header: CommandHeader::internal::<FirmDefine>(OPENING),
        code: firm,
        open_orders_max: ORDERS,
        ..FromZeros::new_zeroed()
    });
    commands.push(&PortDefine {
        header: CommandHeader::internal::<PortDefine>(OPENING),
        name: PortName::new("ALFA01").unwrap(),
        firm,
        kind: PortKind::OrderEntry.byte(),
        disconnect: DisconnectPolicy::Keep.byte(),
        default_account: account,
        ..FromZeros::new_zeroed()
    });
    commands.push(&AccountOpen {
        header: CommandHeader::internal::<AccountOpen>(OPENING),
        account,
        firm,
        status: AccountStatus::Approved.byte(),
        ..FromZeros::new_zeroed()
    });
    for symbol in ["ACME", "BOLT"] {
        commands.push(&InstrumentDefine {
            header: CommandHeader::internal::<InstrumentDefine>(OPENING),
            symbol: Symbol::new(symbol).unwrap(),
            currency: usd,
            price_decimals: 4,
            lot_size: 1,
            tick_size: 100,
            ..FromZeros::new_zeroed()
        });
    }
    for (reference, kind, asset) in [(1, AssetKind::Cash, "USD"), (2, AssetKind::Shares, "ACME")] {
        commands.push(&Transfer {
            header: CommandHeader::internal::<Transfer>(OPENING),
            reference,
            amount: 1 << 50,
            asset: Symbol::new(asset).unwrap(),
            account,
            asset_kind: kind.byte(),
            ..FromZeros::new_zeroed()
        });
    }
    commands.push(&DayStart {
        header: CommandHeader::internal::<DayStart>(OPENING),
        midnight: Date::of(OPENING).midnight(),
        date: 20_260_302,
        session: SessionId::new("2603020001").unwrap(),
        ..FromZeros::new_zeroed()
    });
}
