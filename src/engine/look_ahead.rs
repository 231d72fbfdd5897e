//! Looking ahead: while the commands of a frame are applied, what the next ones will touch is brought near.
//!
//! What a command touches is found in four steps, each of which needs what the one before brought near. It
//! only reads and decides nothing. What it finds on the way is given to the command as a [`Guess`]; one
//! that a command in between made wrong costs a little time.
//!
//! Where the time of a command goes then, in nanoseconds, by samples of the instruction pointer over the timed
//! part of the engine's bench, under every limit, fees and self-match prevention: (a) 100 books, (b) one. A
//! virtual EPYC, two shared cores that others kept busy, so that the shares mean more than the numbers; what
//! the compiler inlines is counted where it ends up:
//!
//! | stage | (a) | (b) |
//! |---|---|---|
//! | look-ahead, its index look-ups included: most of it waits for lines on their way | 167 | 126 |
//! | session, message rates | 5 | 5 |
//! | checks and limits | 49 | 47 |
//! | holds, settlement, fees: the wallet | 45 | 47 |
//! | matching | 32 | 26 |
//! | indexes of orders and balances, open orders by port | 61 | 37 |
//! | events: stamped and copied | 31 | 35 |
//! | seal: checksum and hash chain | 19 | 17 |
//! | reading, an order's and a cancel's own steps, what ties these together | 110 | 107 |
//! | all | 519 | 447 |
//!
//! The goals, 120 and 80 ns, are not met, and on this host memory alone keeps them away: a line that is not
//! among the 4 MB used last comes in 150 to 200 ns (a chase of pointers), and of many that were asked for
//! together one in 6 to 9. A new order touches some 25: its own and those of its events, port, firm and its
//! sums, account, last orders, messages by symbol, two balances and their index, limits, two indexes' places,
//! its level and neighbours there, its row and its port's youngest.
//!
//! What was tried under every limit, as the ratio to the engine before it, in turns in one run:
//!
//! | change, each on top of the one before | (a) | (b) |
//! |---|---|---|
//! | the last orders of an account by 16 marks in its row, in place of 16 orders; messages by symbol found at once, in place of a scan | 0.72 | 0.79 |
//! | balances added up one for each command, in place of all at once; an event written where it lies; fees and collars in 64 bits | 0.90 | 0.91 |
//! | limits, and the second order that is met, are brought near | 0.87 | 0.90 |
//! | every line of the commands to come, and no look-up for a scope without limits | 0.90 | 0.99 |
//! | all | 0.50-0.57 | 0.65-0.70 |
//! | sums of firms besides those of accounts | 1.07 | 1.05 |
//!
//! And before, without limits, fees and self-match prevention, as the ratio to the engine without any of it:
//!
//! | change, each on top of the one before | (a) | (b) |
//! |---|---|---|
//! | look-ahead in four steps | 0.42 | 0.44-0.49 |
//! | a port, an account, a balance with its day's counts: one line each; indexes without keys | 0.88 of it | 1.0 of it |
//! | what it found is given to the command; price levels are brought near too | 0.85 of that | 0.84-0.97 of that |
//! | rows are not touched to see whether an index was right | 0.76-0.89 of that | 0.82-0.87 of that |
//! | all | 0.32 | 0.39-0.47 |
//!
//! Not kept: machine code for newer processors (`x86-64-v3`), which gained nothing.

use super::Engine;
use crate::matching::BookSide;
use crate::order_manager::{Asset, Guess, OpenOrder};
use crate::sys::memory::prefetch;
use crate::types::command::{Cancel, NewOrder, Replace};
use crate::types::{Line, OrderHandle, PortId, Price, Record, RiskKey, Side, UserRefNum};

/// Commands between two steps of one command.
const STRIDE: usize = 3;
/// Commands between its first step and the command.
const REACH: usize = 4 * STRIDE;

/// Commands that are between their first step and being applied, as a power of two of places.
const PLACES: usize = 16;
const _: () = assert!(PLACES > REACH && PLACES.is_power_of_two());

/// Lines of the frame between a command and what is brought near of those behind it.
const LINES_AHEAD: usize = 16;

/// What is known of the commands that are to come, as a frame is applied.
pub(super) struct LookAhead<'a> {
    /// By place in the frame, over and over.
    coming: [Coming<'a>; PLACES],
    /// Behind the commands that were found.
    rest: &'a [Line],
    /// How many commands the frame has.
    count: usize,
}

/// A command that is to come.
#[derive(Clone, Copy, Default)]
struct Coming<'a> {
    asks: Asks<'a>,
    guess: Guess,
    /// The resting order that it takes, or meets first.
    handle: OrderHandle,
    /// The order that it meets next.
    second: OrderHandle,
    /// The price level that it will rest at, if there is one.
    level: u32,
}

#[derive(Clone, Copy, Default)]
enum Asks<'a> {
    #[default]
    Other,
    Enter(&'a NewOrder),
    /// An order by its number is canceled, or replaced by one of this price.
    Take(PortId, u8, UserRefNum, Option<Price>),
}

impl<'a> LookAhead<'a> {
    /// At the start of a frame's payload.
    pub(super) fn new(count: u16, payload: &'a [Line]) -> Self {
        Self { coming: [Coming::default(); PLACES], rest: payload, count: count.into() }
    }

    /// Takes the steps that are due before the command `ordinal` is applied, 0 the first, and says what
    /// they found out about that command.
    pub(super) fn look(&mut self, engine: &Engine, ordinal: usize) -> Guess {
        if self.count == 1 {
            // There is nothing to do meanwhile but the command itself, which needs some of it late.
            self.find(engine);
        } else {
            let from = if ordinal == 0 { 0 } else { ordinal + REACH };
            for at in from..=ordinal + REACH {
                self.step(engine, at);
            }
        }
        self.coming[ordinal % PLACES].guess
    }

    /// One step each of the commands that are at a step when `at` is at its first.
    fn step(&mut self, engine: &Engine, at: usize) {
        if at < self.count {
            self.coming[at % PLACES] = self.find(engine);
        }
        if let Some(coming) = self.coming(at, STRIDE) {
            coming.look_up(engine);
        }
        if let Some(coming) = self.coming(at, 2 * STRIDE) {
            coming.expect_balances(engine);
        }
        if let Some(coming) = self.coming(at, 3 * STRIDE) {
            coming.expect_neighbours(engine);
        }
    }

    /// The command so many before `at`, if the frame has it.
    fn coming(&mut self, at: usize, before: usize) -> Option<&mut Coming<'a>> {
        let at = at.checked_sub(before).filter(|&at| at < self.count)?;
        Some(&mut self.coming[at % PLACES])
    }

    /// The next command, and where the indexes have what it names.
    fn find(&mut self, engine: &Engine) -> Coming<'a> {
        let rest = self.rest;
        let record = rest.first().and_then(|first| rest.split_at_checked(first.0[1].into()));
        let Some((record, behind)) = record else { return Coming::default() };
        self.rest = behind;
        for line in behind.iter().skip(LINES_AHEAD).take(record.len()) {
            prefetch(line);
        }
        let asks = asks_of(record);
        let manager = &engine.manager;
        match asks {
            Asks::Other => {}
            Asks::Enter(order) => {
                let (port, channel) = (order.header.port, order.user_ref_idx);
                manager.ports.expect(port.0);
                manager.accounts.expect_key(order.account.0.into());
                manager.orders.expect_number(port, channel, order.user_ref_num);
            }
            Asks::Take(port, channel, number, _) => {
                manager.ports.expect(port.0);
                manager.orders.expect_number(port, channel, number);
            }
        }
        Coming { asks, ..Coming::default() }
    }
}

fn asks_of(record: &[Line]) -> Asks<'_> {
    let asks = match record.first().map(|first| first.0[0]) {
        Some(NewOrder::KIND) => NewOrder::view(record).map(Asks::Enter),
        Some(Cancel::KIND) => Cancel::view(record).map(|cancel| {
            Asks::Take(cancel.header.port, cancel.user_ref_idx, cancel.user_ref_num, None)
        }),
        Some(Replace::KIND) => Replace::view(record).map(|replace| {
            let &Replace { user_ref_idx, orig_user_ref_num, price, .. } = replace;
            Asks::Take(replace.header.port, user_ref_idx, orig_user_ref_num, Some(price))
        }),
        _ => None,
    };
    asks.unwrap_or_default()
}

impl Coming<'_> {
    /// Second step: looks up what it names.
    fn look_up(&mut self, engine: &Engine) {
        let manager = &engine.manager;
        match self.asks {
            Asks::Other => {}
            Asks::Enter(order) => self.look_up_owner(engine, order),
            Asks::Take(port, channel, number, _) => {
                self.handle = manager.orders.likely(port, channel, number);
                self.guess.order = self.handle;
                manager.orders.expect(self.handle);
                engine.books.expect(self.handle);
            }
        }
    }

    fn look_up_owner(&mut self, engine: &Engine, order: &NewOrder) {
        let manager = &engine.manager;
        let Some(port) = manager.ports.get(order.header.port.0) else { return };
        manager.firms.expect(port.firm.0.into());
        manager.orders.expect(port.youngest);
        engine.events.expect(order.header.port, port.firm);
        let id = if order.account.is_none() { port.default_account } else { order.account };
        let instrument = manager.likely_instrument(order.symbol);
        let account = manager.accounts.likely(id.0.into());
        let Some(row) = manager.instruments.get(instrument.0.into()) else { return };
        manager.firm_activity.expect(port.firm, row);
        (self.guess.instrument, self.guess.account) = (instrument, account);
        manager.accounts.expect(account);
        if manager.limits.has(RiskKey::SymbolMessageRate) {
            manager.symbol_messages.expect(order.header.port, instrument);
        }
        manager.wallet.expect(account, Asset::Cash(row.currency));
        manager.wallet.expect(account, Asset::Shares(instrument));
        let Some(side) = Side::from_byte(order.side).map(BookSide::from) else { return };
        if !engine.books.crosses(instrument, side, order.price) {
            engine.books.expect_level(instrument, side, order.price);
        } else if let Some(handle) = engine.books.first(instrument, side.opposite()) {
            self.handle = handle;
            manager.orders.expect(handle);
        }
    }

    /// Third step: what the rows that were looked up lead to.
    fn expect_balances(&mut self, engine: &Engine) {
        let manager = &engine.manager;
        if let Asks::Enter(order) = self.asks
            && let Some(row) = manager.instruments.get(self.guess.instrument.0.into())
        {
            let account = self.guess.account;
            if manager.limits.has(RiskKey::DuplicateWindow) {
                manager.expect_recent(account);
            }
            let (cash, shares) = (Asset::Cash(row.currency), Asset::Shares(row.id));
            self.guess.cash = manager.wallet.likely(account, cash);
            self.guess.shares = manager.wallet.likely(account, shares);
            manager.wallet.expect_balance(self.guess.cash);
            manager.wallet.expect_balance(self.guess.shares);
            if self.handle.is_none()
                && let Some(side) = Side::from_byte(order.side)
            {
                self.level = engine.books.level_near(row.id, side.into(), order.price);
            }
        }
        let Some(order) = self.resting(engine) else { return };
        let &OpenOrder { port, user_ref_idx, user_ref_num, .. } = order;
        manager.wallet.expect_balance(order.cash);
        manager.wallet.expect_balance(order.shares);
        manager.firms.expect(order.firm.0.into());
        manager.ports.expect(port.0);
        manager.orders.expect(order.older);
        manager.orders.expect(order.younger);
        manager.orders.expect_number(port, user_ref_idx, user_ref_num);
        engine.events.expect(port, order.firm);
        engine.books.expect_removal(self.handle);
        if let Asks::Enter(_) = self.asks {
            self.second = engine.books.behind(self.handle);
            manager.orders.expect(self.second);
        }
        if let Asks::Take(.., Some(price)) = self.asks {
            engine.books.expect_level(order.instrument, order.side.into(), price);
            if manager.limits.has(RiskKey::SymbolMessageRate) {
                manager.symbol_messages.expect(port, order.instrument);
            }
        }
    }

    /// Fourth step: what those lead to.
    fn expect_neighbours(&mut self, engine: &Engine) {
        let manager = &engine.manager;
        engine.books.expect_youngest(self.level);
        if let Asks::Enter(_) = self.asks {
            manager.expect_limits(self.guess.shares);
            manager.expect_limits(self.guess.cash);
        }
        if let Some(order) = open(engine, self.second) {
            let &OpenOrder { port, user_ref_idx, user_ref_num, .. } = order;
            manager.wallet.expect_balance(order.cash);
            manager.wallet.expect_balance(order.shares);
            manager.orders.expect_number(port, user_ref_idx, user_ref_num);
            engine.books.expect_removal(self.second);
        }
        let Some(&order) = self.resting(engine) else { return };
        let account = manager.wallet.get(order.cash).account;
        manager.accounts.expect(account);
        if let Asks::Take(..) = self.asks {
            let OpenOrder { instrument, firm, cash, shares, .. } = order;
            if let Some(row) = manager.instruments.get(instrument.0.into()) {
                manager.firm_activity.expect(firm, row);
            }
            self.guess = Guess { account, instrument, cash, shares, ..self.guess };
        }
    }

    /// The order that it takes or meets first, if that is still open.
    fn resting<'e>(&self, engine: &'e Engine) -> Option<&'e OpenOrder> {
        open(engine, self.handle)
    }
}

/// The order at a handle, if there is an open one.
fn open(engine: &Engine, handle: OrderHandle) -> Option<&OpenOrder> {
    if handle.is_none() {
        return None;
    }
    let order = engine.manager.orders.get(handle);
    (!order.port.is_none()).then_some(order)
}
