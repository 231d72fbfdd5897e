//! The books in a snapshot: each side's orders in the order in which they would trade, with their owners.
//!
//! A port has its orders in the order of entry, which is that of their references. So no list but the
//! books' own is written.

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::super::crossing::section_of;
use super::super::due::Deadlines;
use crate::matching::{BookSide, Books, Incoming, OrderView, Section};
use crate::order_manager::{BalanceId, FeeMeter, OpenOrder, OrderManager};
use crate::sys::memory::prefetch;
use crate::types::{
    AccountId, Cross, FirmId, InstrumentId, Nanos, OrderHandle, OrderRef, Phase, PortId, Price,
    Quantity, Side, SnapshotError, SnapshotReader, SnapshotWriter, UserRefNum, consistent,
};

/// A resting order: what matching has of it, and what the order manager has.
#[derive(Serialize, Deserialize)]
struct Row {
    order: OrderRef,
    price: Price,
    open: Quantity,
    shown: Quantity,
    shown_as: OrderRef,
    display: Quantity,
    port: PortId,
    cash: BalanceId,
    shares: BalanceId,
    user_ref_num: UserRefNum,
    executed: Quantity,
    fee: FeeMeter,
    worth: u32,
    group_id: u16,
    user_ref_idx: u8,
    side: Side,
    capacity: u8,
    cross_type: u8,
    expires: Option<Nanos>,
}

/// How many orders ahead of itself reading looks, so that what it touches is near by then.
const SOON: usize = 8;

/// Sections and sides of a book.
fn ladders() -> impl Iterator<Item = (Section, BookSide)> {
    let sides = |section| [(section, BookSide::Bids), (section, BookSide::Asks)];
    [Section::Continuous, Section::Opening, Section::Closing].into_iter().flat_map(sides)
}

/// Writes every order.
pub(super) fn write(
    manager: &OrderManager,
    books: &Books,
    deadlines: &Deadlines,
    out: &mut SnapshotWriter<'_>,
) {
    for instrument in manager.instruments.rows() {
        for (section, side) in ladders() {
            let orders = books.orders_in(instrument.id, section, side);
            let rows: Vec<_> = orders.map(|view| row(view, manager, deadlines)).collect();
            out.put(&rows);
        }
    }
}

fn row(view: OrderView, manager: &OrderManager, deadlines: &Deadlines) -> Row {
    let OrderView {
        handle,
        order,
        // Where it lies says these three.
        instrument: _,
        side: _,
        section: _,
        price,
        open,
        shown,
        shown_as,
        display,
    } = view;
    let &OpenOrder {
        order: owned,
        cash,
        shares,
        port,
        user_ref_num,
        // That of the balances.
        account: _,
        executed,
        older,
        // Whose `older` this is.
        younger: _,
        fee,
        worth,
        // The port's.
        firm: _,
        instrument: _,
        group_id,
        user_ref_idx,
        side,
        capacity,
        cross_type,
        expires,
    } = manager.orders.get(handle);
    assert_eq!(owned, order, "book and owner disagree");
    let is_younger = older.is_none() || manager.orders.get(older).order < order;
    assert!(is_younger, "order {order} was entered out of order");
    let deadline = deadlines.expiry.deadline(handle.0);
    assert_eq!(deadline.is_some(), expires, "order {order} expires never, or unasked");
    Row {
        order,
        price,
        open,
        shown,
        shown_as,
        display,
        port,
        cash,
        shares,
        user_ref_num,
        executed,
        fee,
        worth,
        group_id,
        user_ref_idx,
        side,
        capacity,
        cross_type,
        expires: deadline,
    }
}

/// Reads every order into the empty books of an engine that has all else.
pub(super) fn read(
    engine: &mut Engine,
    input: &mut SnapshotReader<'_>,
) -> Result<(), SnapshotError> {
    let orders_max = engine.limits.orders as usize;
    let mut opened: Vec<(OrderHandle, OpenOrder, Price, Quantity)> = Vec::new();
    for number in 1..=engine.manager.instruments.len() {
        let instrument = InstrumentId(u16::try_from(number).expect("ids are u16"));
        for (section, side) in ladders() {
            let rows = input.take::<Vec<Row>>()?;
            consistent(rows.len() <= orders_max - opened.len(), "more orders than there is room")?;
            for (at, row) in rows.iter().enumerate() {
                if let Some(soon) = rows.get(at + SOON) {
                    engine.manager.wallet.expect_balance(soon.cash);
                    engine.manager.wallet.expect_balance(soon.shares);
                }
                let owned = open_order(row, engine, (instrument, section, side))?;
                let &Row { order, price, open, shown, shown_as, display, expires, .. } = row;
                let incoming = Incoming { order, side, price, open, display };
                let handle =
                    engine.books.restore(instrument, section, &incoming, (shown, shown_as));
                if let Some(deadline) = expires {
                    engine.deadlines.expiry.arm_ranked(handle.0, order.0, deadline);
                }
                opened.push((handle, owned, price, open));
            }
        }
        check_uncrossed(engine, instrument)?;
    }
    reopen(engine, &opened)
}

/// Gives the order manager its part of orders that are in the books, oldest first.
fn reopen(
    engine: &mut Engine,
    opened: &[(OrderHandle, OpenOrder, Price, Quantity)],
) -> Result<(), SnapshotError> {
    let mut by_age: Vec<_> =
        opened.iter().enumerate().map(|(at, (_, owned, ..))| (owned.order, at)).collect();
    by_age.sort_unstable();
    let distinct = by_age.is_sorted_by(|(one, _), (next, _)| one < next);
    consistent(distinct, "two orders of one reference")?;
    let mut held = vec![0; engine.manager.wallet.balances().len()];
    for (nth, &(_, at)) in by_age.iter().enumerate() {
        if let Some(&(_, later)) = by_age.get(nth + 2 * SOON) {
            prefetch(&opened[later]);
        }
        if let Some(&(_, soon)) = by_age.get(nth + SOON) {
            let (handle, owned, ..) = &opened[soon];
            engine.manager.expect_reopening(*handle, owned);
        }
        let (handle, owned, price, open) = opened[at];
        engine.manager.reopen_order(handle, owned, (price, open), &mut held)?;
    }
    engine.manager.check_orders(&held)
}

/// What the order manager had of an order that was at this place.
fn open_order(
    row: &Row,
    engine: &Engine,
    (instrument, section, side): (InstrumentId, Section, BookSide),
) -> Result<OpenOrder, SnapshotError> {
    let next_event = engine.events.next_sequence();
    consistent(engine.day.is_some(), "an order without a day")?;
    consistent((1..next_event).contains(&row.order.0), "an order of no event")?;
    consistent(row.shown_as.0 < next_event, "an order shown by no event")?;
    let no_limit = section != Section::Continuous && row.price == side.no_limit();
    let has_price = no_limit || (Price(1)..=Price::MAX).contains(&row.price);
    let waits_in = Cross::from_byte(row.cross_type).map_or(Section::Continuous, section_of);
    consistent(has_price && waits_in == section, "an order in another's place")?;
    let Row { open, shown, display, .. } = *row;
    let is_shown = !row.shown_as.is_none();
    let sound = (Quantity(1)..=Quantity::MAX).contains(&open)
        && shown <= open.min(display)
        && shown.is_zero() != is_shown
        && display.is_zero() != is_shown
        && BookSide::from(row.side) == side;
    consistent(sound, "an order out of range")?;
    let mut order = OpenOrder {
        order: row.order,
        cash: row.cash,
        shares: row.shares,
        port: row.port,
        user_ref_num: row.user_ref_num,
        account: AccountId::NONE,
        executed: row.executed,
        older: OrderHandle::NONE,
        younger: OrderHandle::NONE,
        fee: row.fee,
        worth: row.worth,
        firm: engine.manager.ports.get(row.port.0).map_or(FirmId::NONE, |port| port.firm),
        instrument,
        group_id: row.group_id,
        user_ref_idx: row.user_ref_idx,
        side: row.side,
        capacity: row.capacity,
        cross_type: row.cross_type,
        expires: row.expires.is_some(),
    };
    let traded = engine.manager.instruments.get(instrument.0.into()).expect("it has a book");
    let account = engine.manager.owner(&order, traded);
    let account = account.filter(|account| account.firm == order.firm);
    order.account = account.ok_or(SnapshotError::Contradiction("an order of nobody"))?.id;
    Ok(order)
}

/// Where orders trade as they come, none is left that could.
fn check_uncrossed(engine: &Engine, instrument: InstrumentId) -> Result<(), SnapshotError> {
    let best =
        |side| engine.books.first(instrument, side).map(|first| engine.books.order(first).price);
    let bid = best(BookSide::Bids);
    let crossed = bid.is_some_and(|bid| best(BookSide::Asks).is_some_and(|ask| bid >= ask));
    let trades = engine.trading_of(instrument).phase == Phase::Continuous;
    consistent(!(trades && crossed), "a crossed book")
}
