//! Recent orders: what each account entered last, so that the same again can be refused.
//!
//! Of each order the account's row has a mark, 16 bits that equal orders share: an order is compared with
//! all of them in the one line that it needs anyway, and only with an order whose mark is its own in full.

use serde::{Deserialize, Serialize};

use super::{Account, OrderManager};
use crate::sys::memory::{prefer_huge_pages, prefetch};
use crate::types::command::NewOrder;
use crate::types::{
    InstrumentId, Nanos, Price, Quantity, SnapshotError, SnapshotReader, SnapshotWriter, consistent,
};

/// Orders of an account that are compared with its next one.
pub(crate) const RECENT_MAX: usize = 16;

/// The last orders of every account, by its dense number.
#[derive(Debug)]
pub(super) struct RecentOrders {
    rings: Vec<[RecentOrder; RECENT_MAX]>,
}

/// What the row of an account has of its last orders.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RecentMarks {
    marks: [u16; RECENT_MAX],
    /// The place of the next one: that of the oldest, if all are used.
    next: u8,
}

/// What makes an order the same as another, and when it came. One of no shares is none.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct RecentOrder {
    time: Nanos,
    price: Price,
    quantity: Quantity,
    instrument: InstrumentId,
    side: u8,
}

impl RecentOrders {
    /// With room for those of so many accounts.
    pub(super) fn new(accounts: u32) -> Self {
        let rings = Vec::with_capacity(accounts as usize);
        prefer_huge_pages(&rings);
        Self { rings }
    }

    /// Makes room for those of the next account.
    pub(super) fn add_account(&mut self) {
        self.rings.push([RecentOrder::default(); RECENT_MAX]);
    }

    /// Whether the account entered the same order within the window before `now`.
    pub(super) fn has(
        &self,
        (account, marks): (u32, &RecentMarks),
        order: &NewOrder,
        instrument: InstrumentId,
        window_ms: u32,
        now: Nanos,
    ) -> bool {
        let new = RecentOrder::new(order, instrument, now);
        let mark = new.mark();
        // All of them, whatever the first says: at once, without a branch for each.
        let alike = marks.marks.iter().filter(|&&other| other == mark).count();
        let window = Nanos::from_millis(window_ms.into());
        alike > 0
            && self.rings[account as usize - 1].iter().any(|recent| {
                recent.price == new.price
                    && (recent.quantity, recent.side) == (new.quantity, new.side)
                    && recent.instrument == new.instrument
                    && now.since(recent.time) < window
            })
    }

    /// Remembers an order, in place of the oldest.
    pub(super) fn note(
        &mut self,
        (account, marks): (u32, &mut RecentMarks),
        order: &NewOrder,
        instrument: InstrumentId,
        now: Nanos,
    ) {
        self.keep((account, marks), RecentOrder::new(order, instrument, now));
    }

    fn keep(&mut self, (account, marks): (u32, &mut RecentMarks), order: RecentOrder) {
        let at = usize::from(marks.next);
        marks.marks[at] = order.mark();
        self.rings[account as usize - 1][at] = order;
        marks.next = u8::try_from((at + 1) % RECENT_MAX).expect("few");
    }

    /// Writes those of each account, the oldest first.
    pub(super) fn write(&self, accounts: &[Account], out: &mut SnapshotWriter) {
        for (row, ring) in accounts.iter().zip(&self.rings) {
            let (younger, older) = ring.split_at(row.recent.next.into());
            let in_turn = older.iter().chain(younger).filter(|order| !order.quantity.is_zero());
            out.put(&in_turn.copied().collect::<Vec<_>>());
        }
    }

    /// Reads what [`RecentOrders::write`] wrote.
    pub(super) fn read(
        &mut self,
        accounts: &mut [Account],
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        for (account, row) in (1..).zip(accounts) {
            let orders: Vec<RecentOrder> = input.take()?;
            let sound =
                orders.len() <= RECENT_MAX && orders.iter().all(|order| !order.quantity.is_zero());
            consistent(sound, "orders that no account remembers")?;
            for order in orders {
                self.keep((account, &mut row.recent), order);
            }
        }
        Ok(())
    }
}

impl OrderManager {
    /// Brings near where the next order of an account will be noted; any number will do.
    pub(crate) fn expect_recent(&self, account: u32) {
        if let Some(row) = self.accounts.get(account) {
            prefetch(&self.recent.rings[account as usize - 1][usize::from(row.recent.next)]);
        }
    }
}

impl RecentOrder {
    const fn new(order: &NewOrder, instrument: InstrumentId, time: Nanos) -> Self {
        let &NewOrder { price, quantity, side, .. } = order;
        Self { time, price, quantity, instrument, side }
    }

    /// What equal orders share, and others seldom.
    const fn mark(&self) -> u16 {
        let &Self { price, quantity, instrument, side, .. } = self;
        let which = (quantity.0 as u64) << 32 | (instrument.0 as u64) << 8 | side as u64;
        let mixed = (price.0 ^ which.rotate_left(21)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 48) as u16
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;

    const NOW: Nanos = Nanos::from_secs(1);
    const WINDOW_MS: u32 = 10;

    fn order(price: u64) -> NewOrder {
        NewOrder {
            price: Price(price),
            quantity: Quantity(5),
            side: b'B',
            ..NewOrder::new_zeroed()
        }
    }

    #[test]
    fn an_order_is_known_until_the_window_is_over_or_so_many_others_came() {
        let (mut recent, mut marks) = (RecentOrders::new(2), RecentMarks::default());
        recent.add_account();
        let instrument = InstrumentId(1);
        let has = |recent: &RecentOrders, marks: &RecentMarks, order: &NewOrder, millis| {
            let now = NOW.after(Nanos::from_millis(millis));
            recent.has((1, marks), order, instrument, WINDOW_MS, now)
        };
        recent.note((1, &mut marks), &order(7), instrument, NOW);
        assert!(has(&recent, &marks, &order(7), 9));
        assert!(!has(&recent, &marks, &order(7), 10));
        assert!(!has(&recent, &marks, &order(8), 0));
        assert!(!has(&recent, &marks, &NewOrder { quantity: Quantity(6), ..order(7) }, 0));
        assert!(!has(&recent, &marks, &NewOrder { side: b'S', ..order(7) }, 0));
        assert!(!recent.has((1, &marks), &order(7), InstrumentId(2), WINDOW_MS, NOW));
        for price in 100..115 {
            recent.note((1, &mut marks), &order(price), instrument, NOW);
        }
        assert!(has(&recent, &marks, &order(7), 0));
        recent.note((1, &mut marks), &order(200), instrument, NOW);
        assert!(!has(&recent, &marks, &order(7), 0), "sixteen others came");
        assert!(has(&recent, &marks, &order(100), 0));
    }

    #[test]
    fn orders_of_one_mark_are_told_apart() {
        let one = RecentOrder::new(&order(1), InstrumentId(1), NOW);
        let other = (2..1 << 24)
            .map(order)
            .find(|order| RecentOrder::new(order, InstrumentId(1), NOW).mark() == one.mark());
        let other = other.expect("of 2^16 marks");
        let (mut recent, mut marks) = (RecentOrders::new(1), RecentMarks::default());
        recent.add_account();
        recent.note((1, &mut marks), &order(1), InstrumentId(1), NOW);
        assert!(!recent.has((1, &marks), &other, InstrumentId(1), WINDOW_MS, NOW));
        assert!(recent.has((1, &marks), &order(1), InstrumentId(1), WINDOW_MS, NOW));
    }
}
