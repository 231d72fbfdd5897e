//! The feed against the books: the messages alone must lead to the same orders in the same order, and
//! at no message are they crossed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::FrameList;
use super::oracle::{line, steps};
use super::script;
use super::world::World;
use crate::matching::BookSide;
use crate::types::event::{Event, EventHeader};
use crate::types::{InstrumentId, Symbol};
use crate::wire::itch::{self, Message};

/// An order as a subscriber knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    order: u64,
    locate: u16,
    buys: bool,
    price: u32,
    shares: u32,
}

/// Orders in the order of their arrival.
#[derive(Debug, Default)]
struct Subscriber {
    orders: Vec<Shown>,
    /// Instruments that trade: only those are never crossed.
    trading: BTreeSet<u16>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_feed_alone_leads_to_the_same_books(
        steps in steps(150),
        rule in 0_u8..4,
    ) {
        let mut world = World::ruled(rule);
        for (number, step) in (1..).zip(steps) {
            script::run(&mut world, &line(&step, number));
        }
        leads_to_the_same_books(&world);
    }
}

/// # Panics
/// If the feed leads to other books, or through crossed ones where trading is on.
pub(super) fn leads_to_the_same_books(world: &World) {
    let mut subscriber = Subscriber::default();
    subscriber.listen(&world.events);
    for instrument in world.engine.order_manager().instruments.rows() {
        for side in [BookSide::Bids, BookSide::Asks] {
            let books = world.engine.books().orders(instrument.id, side);
            let orders: Vec<_> = books
                .filter(|order| order.shown.0 > 0)
                .map(|order| Shown {
                    order: order.shown_as.0,
                    locate: instrument.id.0,
                    buys: side == BookSide::Bids,
                    price: order.price.0.try_into().unwrap(),
                    shares: order.shown.0,
                })
                .collect();
            assert_eq!(subscriber.side(instrument.id, side), orders);
        }
    }
}

impl Subscriber {
    /// Hears every message of the feed, as the publisher makes it.
    fn listen(&mut self, events: &FrameList) {
        let mut next = 1;
        for (sequence, record) in events.records() {
            let feed_sequence = EventHeader::view(record).unwrap().feed_sequence;
            let mut message = [0; itch::OUT_MAX];
            let event = Event::parse(record).unwrap();
            let size = itch::emit(&event, sequence, 0, Symbol::BLANK, &mut message);
            assert_eq!(size.is_some(), feed_sequence > 0, "{event:?}");
            if let Some(size) = size {
                assert_eq!(feed_sequence, next);
                next += 1;
                self.hear(&Message::parse(&message[..size]).unwrap());
            }
        }
    }

    fn hear(&mut self, message: &Message<'_>) {
        match message {
            Message::AddOrder(m) => self.orders.push(Shown {
                order: m.order_ref.get(),
                locate: m.header.locate.get(),
                buys: m.side == b'B',
                price: m.price.get(),
                shares: m.shares.get(),
            }),
            Message::TradingAction(m) if m.state == b'T' => {
                self.trading.insert(m.header.locate.get());
            }
            Message::TradingAction(m) => {
                self.trading.remove(&m.header.locate.get());
            }
            Message::OrderExecutedWithPrice(m) => self.reduce(m.order_ref.get(), m.shares.get()),
            Message::OrderExecuted(m) => self.reduce(m.order_ref.get(), m.shares.get()),
            Message::OrderCancel(m) => self.reduce(m.order_ref.get(), m.shares.get()),
            Message::OrderDelete(m) => {
                self.remove(m.order_ref.get());
            }
            Message::OrderReplace(m) => {
                let original = self.remove(m.original.get());
                let (order, price, shares) = (m.order_ref.get(), m.price.get(), m.shares.get());
                self.orders.push(Shown { order, price, shares, ..original });
            }
            _ => {}
        }
        let bids = self.orders.iter().filter(|order| order.buys);
        for bid in bids.filter(|order| self.trading.contains(&order.locate)) {
            let crossed =
                |ask: &&Shown| !ask.buys && ask.locate == bid.locate && ask.price <= bid.price;
            assert_eq!(self.orders.iter().find(crossed), None, "crosses {bid:?} at {message:?}");
        }
    }

    fn place(&self, order: u64) -> usize {
        let mut shown = self.orders.iter();
        shown.position(|shown| shown.order == order).expect("the feed showed it")
    }

    fn remove(&mut self, order: u64) -> Shown {
        self.orders.remove(self.place(order))
    }

    fn reduce(&mut self, order: u64, shares: u32) {
        let place = self.place(order);
        self.orders[place].shares -= shares;
        if self.orders[place].shares == 0 {
            self.orders.remove(place);
        }
    }

    /// The orders of a side as they would trade: the best price first, then as they arrived.
    fn side(&self, instrument: InstrumentId, side: BookSide) -> Vec<Shown> {
        let buys = side == BookSide::Bids;
        let of_side = |order: &&Shown| order.locate == instrument.0 && order.buys == buys;
        let mut orders: Vec<_> = self.orders.iter().filter(of_side).copied().collect();
        orders.sort_by_key(|order| if buys { u32::MAX - order.price } else { order.price });
        orders
    }
}
