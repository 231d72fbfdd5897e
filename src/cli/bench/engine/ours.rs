//! Our books under the bench: matching alone, without accounts or events.

use super::{Kind, Matcher, Operation, TICK, Trade};
use crate::matching::{Books, Incoming};
use crate::types::{InstrumentId, OrderHandle, OrderRef, Price, Quantity};

/// The books with what the order manager adds for a cancel: a table from numbers to handles.
#[derive(Debug)]
pub struct OurBooks {
    books: Books,
    /// By order number; none if it does not rest.
    handles: Vec<OrderHandle>,
}

/// How many operations away one is when its order is brought near, and when that order's neighbours are.
pub(super) const AHEAD: [usize; 2] = [10, 4];

impl OurBooks {
    /// Empty books, for orders numbered up to `numbers` of which `resting` rest at once.
    #[must_use]
    pub fn new(instruments: u16, resting: u32, numbers: u32) -> Self {
        let mut books = Books::new(resting, instruments);
        for _ in 0..instruments {
            books.open(TICK);
        }
        Self { books, handles: vec![OrderHandle::NONE; numbers as usize + 1] }
    }

    fn cancel(&mut self, number: u32) {
        let handle = std::mem::take(&mut self.handles[number as usize]);
        if !handle.is_none() {
            let open = self.books.order(handle).open;
            self.books.reduce(handle, open);
        }
    }

    fn enter(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        let &Operation { side, number, .. } = operation;
        let instrument = InstrumentId(operation.instrument);
        let mut order = Incoming {
            order: OrderRef(u64::from(number)),
            side,
            price: Price(operation.price),
            open: Quantity(operation.quantity),
            display: Quantity::MAX,
        };
        while let Some(fill) = self.books.next_fill(instrument, &mut order) {
            let resting = u32::try_from(fill.order.0).expect("our number");
            if fill.leaves.is_zero() {
                self.handles[resting as usize] = OrderHandle::NONE;
            }
            let (price, quantity) = (fill.price.0, fill.quantity.0);
            tell(Trade { resting, incoming: number, price, quantity });
        }
        if !order.open.is_zero() {
            self.handles[number as usize] = self.books.rest(instrument, &order);
        }
    }
}

impl Matcher for OurBooks {
    fn apply(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        if operation.kind != Kind::Enter {
            self.cancel(operation.target);
        }
        if operation.kind != Kind::Cancel {
            self.enter(operation, tell);
        }
    }

    fn look_ahead(&mut self, coming: &[Operation]) {
        // A cancel is expected of each, whatever it is: to guess its kind wrong costs more.
        let [Some(far), Some(close)] = AHEAD.map(|away| coming.get(away - 1)) else { return };
        self.books.expect(self.handles[far.target as usize]);
        self.books.expect_removal(self.handles[close.target as usize]);
    }
}
