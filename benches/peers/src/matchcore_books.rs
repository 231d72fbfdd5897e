//! matchcore: a book for each instrument. It names orders by the sequence of the command that entered
//! them, so two tables translate.

use matchcore::{
    CancelCmd, Command, CommandKind, CommandMeta, CommandOutcome, CommandReport, LimitOrder,
    NewOrder, OrderBook, OrderFlags, OrderId, OrderKind, Price, Quantity, QuantityPolicy,
    SequenceNumber, Side, SubmitCmd, TimeInForce, Timestamp,
};
use rialto::cli::bench::engine::{Kind, Matcher, Operation, Trade};
use rialto::matching::BookSide;

/// The books of all instruments.
pub struct MatchcoreBooks {
    books: Vec<Book>,
    /// By order number.
    ids: Vec<u64>,
}

struct Book {
    book: OrderBook,
    /// By the command's sequence: the number of the order it entered. The next is their count.
    numbers: Vec<u32>,
}

impl MatchcoreBooks {
    /// Empty books, for orders numbered up to `numbers`.
    pub fn new(instruments: u16, numbers: u32) -> Self {
        let book = |instrument| Book {
            book: OrderBook::new(&format!("S{instrument:05}")),
            numbers: Vec::new(),
        };
        Self { books: (1..=instruments).map(book).collect(), ids: vec![0; numbers as usize + 1] }
    }
}

impl Book {
    fn execute(&mut self, number: u32, kind: CommandKind) -> CommandOutcome {
        let sequence = self.numbers.len() as u64;
        self.numbers.push(number);
        let sequence_number = SequenceNumber(sequence);
        let meta = CommandMeta { sequence_number, timestamp: Timestamp(sequence) };
        self.book.execute(&Command { meta, kind })
    }
}

impl Matcher for MatchcoreBooks {
    fn apply(&mut self, operation: &Operation, tell: &mut impl FnMut(Trade)) {
        let &Operation { kind, side, instrument, number, target, price, quantity, .. } = operation;
        let book = &mut self.books[usize::from(instrument) - 1];
        if kind != Kind::Enter {
            let order_id = OrderId(self.ids[target as usize]);
            let cancel = CancelCmd { order_id, order_kind: OrderKind::Limit };
            book.execute(0, CommandKind::Cancel(cancel));
        }
        if kind == Kind::Cancel {
            return;
        }
        self.ids[number as usize] = book.numbers.len() as u64;
        let side = if side == BookSide::Bids { Side::Buy } else { Side::Sell };
        let order = NewOrder::Limit(LimitOrder::new(
            Price(price),
            QuantityPolicy::Standard { quantity: Quantity(quantity.into()) },
            OrderFlags::new(side, false, TimeInForce::Gtc),
        ));
        let outcome = book.execute(number, CommandKind::Submit(SubmitCmd { order }));
        let CommandOutcome::Applied(CommandReport::Submit(effects)) = outcome else {
            panic!("an order was not taken: {outcome}");
        };
        for trade in effects.target_order().match_result().into_iter().flat_map(|r| r.trades()) {
            tell(Trade {
                resting: book.numbers[trade.maker_order_id().0 as usize],
                incoming: number,
                price: trade.price().0,
                quantity: trade.quantity().0 as u32,
            });
        }
    }
}
