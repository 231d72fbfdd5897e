//! The worst stall: how long one command may keep everyone waiting. A firm with as many open orders as
//! one may have by default cancels them all, looks in vain for one to cancel, is switched off, or loses
//! them to an expiry of one moment; and one order takes what as many others offer as one may meet.

use std::convert::Infallible;

use zerocopy::FromZeros;

use crate::engine::{Capacity, CommandFrames, Engine, IndexSeed, MEMORY_SEGMENT_BYTES};
use crate::order_manager::FILLS_MAX;
use crate::sys::cpu_time::thread_cpu_time;
use crate::types::command::{
    AccountOpen, CommandHeader, CurrencyDefine, DayStart, DisableEntry, FirmDefine,
    InstrumentDefine, MassCancel, NewOrder, PortDefine, PortUp, Tick, Transfer, VenueLimits,
};
use crate::types::{
    AccountId, AccountStatus, AssetKind, CurrencyCode, Date, DisconnectPolicy, Epoch, FirmCode,
    FrameHeader, FrameSink, Line, Nanos, PortId, PortKind, PortName, Price, Quantity, Record,
    SessionId, Side, Symbol, TimeInForce, UserRefNum,
};

/// Open orders of the firm.
pub(super) const ORDERS: u32 = 100_000;

const PORT: PortId = PortId(1);
const OPENING: Nanos = Nanos::from_secs(1_772_461_800);
const LIFE_S: u32 = 60;

/// What a command does to a firm with so many open orders, and how long it took at worst.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    pub(super) orders: u32,
    pub(super) worst: Vec<(&'static str, Nanos)>,
}

/// A command's name, and its time in a book of so many orders.
type Case = (&'static str, fn(u32) -> Nanos);

/// Takes the times, each command in an engine of its own, and keeps the longest.
pub(super) fn bulk(orders: u32, rounds: u32) -> Bulk {
    let mut worst = Vec::new();
    let cases: [Case; 5] = [
        ("mass_cancel", |orders| {
            let mut book = Book::of(orders, false);
            let command = book.mass_cancel("ACME");
            book.time(&command, OPENING, 0)
        }),
        ("mass_cancel_of_none", |orders| {
            let mut book = Book::of(orders, false);
            let command = book.mass_cancel("BOLT");
            book.time(&command, OPENING, orders)
        }),
        ("disable_entry", |orders| {
            let mut book = Book::of(orders, false);
            let header = CommandHeader::new::<DisableEntry>(PORT, book.epoch, OPENING);
            let user_ref_num = book.next;
            let firm = FirmCode::BLANK;
            let command = DisableEntry { header, user_ref_num, firm, ..DisableEntry::new_zeroed() };
            book.time(&command, OPENING, orders)
        }),
        ("expiry", |orders| {
            let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
            let tick = Tick { header, reserved: [0; 40] };
            let then = OPENING.after(Nanos::from_secs(LIFE_S.into()));
            Book::of(orders, true).time(&tick, then, 0)
        }),
        ("sweep", |orders| {
            let mut book = Book::of(orders, false);
            let fills = u32::try_from(FILLS_MAX).expect("few").min(orders);
            // The firm may have no more open orders, but an immediate one is never open.
            let sale = NewOrder {
                quantity: Quantity(fills),
                side: Side::Sell.byte(),
                time_in_force: TimeInForce::ImmediateOrCancel.byte(),
                ..book.order()
            };
            book.time(&sale, OPENING, orders - fills)
        }),
    ];
    for (name, run) in cases {
        let times = (0..rounds).map(|_| run(orders));
        worst.push((name, times.max().unwrap_or_default()));
    }
    Bulk { orders, worst }
}

/// An engine whose only firm has many buyers of one share each, at a hundred prices.
struct Book {
    engine: Engine,
    commands: CommandFrames,
    epoch: Epoch,
    next: UserRefNum,
}

/// Takes the events and forgets them: what a log costs is another bench's to say.
struct Nowhere;

impl FrameSink for Nowhere {
    type Error = Infallible;

    fn frame(&mut self, _: &FrameHeader, _: &[Line]) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Book {
    /// With so many orders, which all expire at once or not at all.
    fn of(orders: u32, expires: bool) -> Self {
        let capacity = Capacity { orders: 2 * orders, ..Capacity::SMALL };
        let limits = capacity.limits(MEMORY_SEGMENT_BYTES);
        let engine = Engine::new(&limits, IndexSeed::new([7; IndexSeed::BYTES]));
        let mut commands = CommandFrames::new();
        define(&mut commands, &limits, orders);
        let header = CommandHeader::new::<PortUp>(PORT, Epoch::NONE, OPENING);
        let epoch = Epoch(commands.push(&PortUp { header, ..FromZeros::new_zeroed() }));
        let mut book = Self { engine, commands, epoch, next: UserRefNum(1) };
        book.apply(OPENING);
        let life = if expires { TimeInForce::GoodTillTime } else { TimeInForce::Day };
        for number in 1..=orders {
            let order = NewOrder {
                price: Price(100_000 + u64::from(number % 100) * 100),
                expire_time_s: if expires { LIFE_S } else { 0 },
                time_in_force: life.byte(),
                ..book.order()
            };
            book.commands.push(&order);
            book.apply(OPENING);
            book.next.0 += 1;
        }
        book
    }

    fn order(&self) -> NewOrder {
        NewOrder {
            header: CommandHeader::new::<NewOrder>(PORT, self.epoch, OPENING),
            price: Price(100_000),
            symbol: symbol("ACME"),
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

    fn mass_cancel(&self, of: &str) -> MassCancel {
        MassCancel {
            header: CommandHeader::new::<MassCancel>(PORT, self.epoch, OPENING),
            user_ref_num: self.next,
            firm: FirmCode::BLANK,
            symbol: symbol(of),
            ..FromZeros::new_zeroed()
        }
    }

    /// How long the engine is at this one command, which leaves so many orders.
    ///
    /// # Panics
    /// If it leaves others: it did not do what is measured.
    fn time<C: Record>(&mut self, command: &C, now: Nanos, leaves: u32) -> Nanos {
        self.commands.push(command);
        let start = thread_cpu_time();
        self.apply(now);
        let time = thread_cpu_time().since(start);
        assert_eq!(self.engine.books().order_count(), leaves as usize);
        time
    }

    fn apply(&mut self, now: Nanos) {
        let (header, payload) = self.commands.seal(now);
        self.engine.apply(&header, &payload, &mut Nowhere).expect("the next frame of its log");
    }
}

fn symbol(name: &str) -> Symbol {
    Symbol::new(name).expect("a name")
}

fn define(commands: &mut CommandFrames, limits: &VenueLimits, orders: u32) {
    let usd = CurrencyCode::new("USD").expect("a name");
    let firm = FirmCode::new("ALFA").expect("a name");
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
        open_orders_max: orders,
        ..FromZeros::new_zeroed()
    });
    commands.push(&PortDefine {
        header: CommandHeader::internal::<PortDefine>(OPENING),
        name: PortName::new("ALFA01").expect("a name"),
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
    for name in ["ACME", "BOLT"] {
        commands.push(&InstrumentDefine {
            header: CommandHeader::internal::<InstrumentDefine>(OPENING),
            symbol: symbol(name),
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
            asset: symbol(asset),
            account,
            asset_kind: kind.byte(),
            ..FromZeros::new_zeroed()
        });
    }
    commands.push(&DayStart {
        header: CommandHeader::internal::<DayStart>(OPENING),
        midnight: Date::of(OPENING).midnight(),
        date: 20_260_302,
        session: SessionId::new("2603020001").expect("ten characters"),
        ..FromZeros::new_zeroed()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bulk_command_does_what_is_measured() {
        let bulk = bulk(300, 1);
        assert_eq!((bulk.orders, bulk.worst.len()), (300, 5));
    }
}
