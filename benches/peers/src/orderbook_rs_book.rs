//! orderbook-rs: one book, made for many threads at once; here one uses it.

use orderbook_rs::{Id, OrderBook, Side, TimeInForce};
use rialto::cli::bench::engine::{Kind, Matcher, Operation, Trade};
use rialto::matching::BookSide;

/// The book.
pub struct OrderBookRs(OrderBook<()>);

impl OrderBookRs {
    /// An empty book.
    pub fn new() -> Self {
        Self(OrderBook::new("S00001"))
    }
}

impl Matcher for OrderBookRs {
    fn apply(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        let &Operation { kind, side, number, target, price, quantity, .. } = operation;
        if kind != Kind::Enter {
            let canceled = self.0.cancel_order(Id::Sequential(target.into()));
            canceled.expect("a cancel of a resting order");
        }
        if kind == Kind::Cancel {
            return;
        }
        let side = if side == BookSide::Bids { Side::Buy } else { Side::Sell };
        let (id, quantity) = (Id::Sequential(number.into()), quantity.into());
        let entered = self.0.add_limit_order_with_result(
            id,
            price.into(),
            quantity,
            side,
            TimeInForce::Gtc,
            None,
        );
        let (_, result) = entered.expect("a limit order");
        for trade in result.iter().flat_map(|result| result.match_result.trades().as_vec()) {
            let Id::Sequential(resting) = trade.maker_order_id() else { unreachable!("ours") };
            tell(Trade {
                resting: resting as u32,
                incoming: number,
                price: trade.price().as_u128() as u64,
                quantity: trade.quantity().as_u64() as u32,
            });
        }
    }
}
