//! The books as anyone can rebuild them from the feed alone.
//!
//! It knows resting orders and their order of arrival; that is all a book is. It guesses nothing: what
//! does not fit what it knows is counted, and the books are then not complete.

use std::collections::HashMap;
use std::fmt;

use crate::types::{
    BookDumpHeader, BookDumpOrder, OrderRef, Price, Quantity, Symbol, write_book_dump,
};
use crate::wire::itch::{AddOrder, Message, OrderReplace};

/// Every book of the day.
#[derive(Debug, Default)]
pub struct BookBuilder {
    /// By locate.
    symbols: HashMap<u16, Symbol>,
    /// By the exchange's number.
    orders: HashMap<u64, Resting>,
    arrivals: u64,
    anomalies: u64,
}

#[derive(Debug)]
struct Resting {
    /// Its place in the order of arrival, which is time priority.
    arrival: u64,
    locate: u16,
    buy: bool,
    price: u32,
    shares: u32,
}

impl BookBuilder {
    /// No books yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies the feed's next message.
    pub fn apply(&mut self, message: &[u8]) {
        let known = match Message::parse(message) {
            Ok(Message::StockDirectory(m)) => {
                self.symbols.insert(m.header.locate.get(), m.symbol);
                true
            }
            Ok(Message::AddOrder(m)) => self.add(m),
            Ok(Message::OrderExecuted(m)) => {
                self.reduce(m.header.locate.get(), m.order_ref.get(), m.shares.get())
            }
            Ok(Message::OrderCancel(m)) => {
                self.reduce(m.header.locate.get(), m.order_ref.get(), m.shares.get())
            }
            Ok(Message::OrderDelete(m)) => {
                let gone = self.orders.remove(&m.order_ref.get());
                gone.is_some_and(|order| order.locate == m.header.locate.get())
            }
            Ok(Message::OrderReplace(m)) => self.replace(m),
            Ok(Message::OrderExecutedWithPrice(m)) => {
                self.reduce(m.header.locate.get(), m.order_ref.get(), m.shares.get())
            }
            // What was hidden is in no book.
            Ok(
                Message::SystemEvent(_)
                | Message::TradingAction(_)
                | Message::Trade(_)
                | Message::CrossTrade(_)
                | Message::BrokenTrade(_)
                | Message::Imbalance(_),
            ) => true,
            // A type that this exchange does not send may change a book in ways not known here.
            Ok(Message::Other(_)) | Err(_) => false,
        };
        if !known {
            self.anomalies += 1;
        }
    }

    fn add(&mut self, add: &AddOrder) -> bool {
        let locate = add.header.locate.get();
        self.arrivals += 1;
        let order = Resting {
            arrival: self.arrivals,
            locate,
            buy: add.side == b'B',
            price: add.price.get(),
            shares: add.shares.get(),
        };
        let is_new = self.orders.insert(add.order_ref.get(), order).is_none();
        is_new && self.symbols.get(&locate) == Some(&add.symbol)
    }

    fn reduce(&mut self, locate: u16, order_ref: u64, shares: u32) -> bool {
        let Some(order) = self.orders.get_mut(&order_ref) else { return false };
        let fits = order.locate == locate && shares <= order.shares;
        order.shares = order.shares.saturating_sub(shares);
        if order.shares == 0 {
            self.orders.remove(&order_ref);
        }
        fits
    }

    fn replace(&mut self, replace: &OrderReplace) -> bool {
        let Some(original) = self.orders.remove(&replace.original.get()) else { return false };
        let renamed = replace.original != replace.order_ref;
        self.arrivals += 1;
        let order = Resting {
            arrival: self.arrivals,
            price: replace.price.get(),
            shares: replace.shares.get(),
            ..original
        };
        let is_new = self.orders.insert(replace.order_ref.get(), order).is_none();
        renamed && is_new && original.locate == replace.header.locate.get()
    }

    /// Instruments that the feed has told.
    #[must_use]
    pub fn instruments(&self) -> usize {
        self.symbols.len()
    }

    /// Orders that rest now.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.orders.len()
    }

    /// Messages that do not fit what came before them: after a gap, or by a fault of the exchange.
    #[must_use]
    pub fn anomalies(&self) -> u64 {
        self.anomalies
    }

    /// Writes the books as text. They are complete if `header` says so and nothing did not fit.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, header: BookDumpHeader, out: &mut impl fmt::Write) -> fmt::Result {
        let complete = header.complete && self.anomalies == 0;
        let mut resting: Vec<_> = self.orders.iter().collect();
        resting.sort_by_key(|(_, order)| order.arrival);
        let orders = resting.into_iter().map(|(&order_ref, order)| BookDumpOrder {
            symbol: self.symbols.get(&order.locate).copied().unwrap_or(Symbol::BLANK),
            buy: order.buy,
            price: Price(u64::from(order.price)),
            order: OrderRef(order_ref),
            quantity: Quantity(order.shares),
        });
        write_book_dump(out, BookDumpHeader { complete, ..header }, orders.collect())
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::{FromZeros, IntoBytes as _};

    use super::*;
    use crate::types::InstrumentId;
    use crate::wire::itch::{
        Header, OrderCancel, OrderDelete, OrderExecuted, StockDirectory, SystemEvent,
    };

    fn header(kind: u8, locate: u16) -> Header {
        Header::new(kind, InstrumentId(locate), 0)
    }

    fn directory(books: &mut BookBuilder, locate: u16, symbol: &str) {
        let symbol = Symbol::new(symbol).unwrap();
        let header = header(b'R', locate);
        books.apply(StockDirectory { header, symbol, ..FromZeros::new_zeroed() }.as_bytes());
    }

    fn add(books: &mut BookBuilder, order_ref: u64, side: u8, shares: u32, price: u32) {
        let symbol = Symbol::new("ACME").unwrap();
        let header = header(b'A', 1);
        let (order_ref, shares, price) = (order_ref.into(), shares.into(), price.into());
        books.apply(AddOrder { header, order_ref, side, shares, symbol, price }.as_bytes());
    }

    fn execute(books: &mut BookBuilder, order_ref: u64, shares: u32) {
        let (order_ref, shares) = (order_ref.into(), shares.into());
        let header = header(b'E', 1);
        books.apply(OrderExecuted { header, order_ref, shares, match_number: 0.into() }.as_bytes());
    }

    fn cancel(books: &mut BookBuilder, order_ref: u64, shares: u32) {
        let (order_ref, shares) = (order_ref.into(), shares.into());
        books.apply(OrderCancel { header: header(b'X', 1), order_ref, shares }.as_bytes());
    }

    fn delete(books: &mut BookBuilder, order_ref: u64) {
        let order_ref = order_ref.into();
        books.apply(OrderDelete { header: header(b'D', 1), order_ref }.as_bytes());
    }

    fn replace(books: &mut BookBuilder, original: u64, order_ref: u64, shares: u32, price: u32) {
        let (original, order_ref) = (original.into(), order_ref.into());
        let (shares, price) = (shares.into(), price.into());
        let header = header(b'U', 1);
        books.apply(OrderReplace { header, original, order_ref, shares, price }.as_bytes());
    }

    fn text(books: &BookBuilder) -> String {
        let mut text = String::new();
        let header = BookDumpHeader { sequence: 9, gaps: 0, complete: true };
        books.write(header, &mut text).unwrap();
        text
    }

    #[test]
    fn orders_rest_trade_shrink_and_go() {
        let mut books = BookBuilder::new();
        books.apply(SystemEvent { header: header(b'S', 0), code: b'O' }.as_bytes());
        directory(&mut books, 1, "ACME");
        add(&mut books, 11, b'B', 100, 1_000);
        add(&mut books, 12, b'B', 100, 1_000);
        add(&mut books, 13, b'B', 100, 1_001);
        add(&mut books, 14, b'S', 100, 1_005);
        add(&mut books, 15, b'S', 100, 1_004);
        execute(&mut books, 13, 100);
        execute(&mut books, 15, 40);
        cancel(&mut books, 11, 30);
        delete(&mut books, 14);
        assert_eq!(
            text(&books),
            "sequence 9\ngaps 0\ncomplete true\n\
             ACME B 1000 11 70\nACME B 1000 12 100\nACME S 1004 15 60\n"
        );
        assert_eq!((books.instruments(), books.orders(), books.anomalies()), (1, 3, 0));
    }

    #[test]
    fn a_replaced_order_goes_behind_the_others_of_its_price() {
        let mut books = BookBuilder::new();
        directory(&mut books, 1, "ACME");
        add(&mut books, 11, b'B', 100, 1_000);
        add(&mut books, 12, b'B', 100, 1_000);
        replace(&mut books, 11, 13, 70, 1_000);
        assert_eq!(
            text(&books),
            "sequence 9\ngaps 0\ncomplete true\n\
             ACME B 1000 12 100\nACME B 1000 13 70\n"
        );
    }

    #[test]
    fn a_message_that_does_not_fit_makes_the_books_incomplete() {
        let broken = |act: fn(&mut BookBuilder)| {
            let mut books = BookBuilder::new();
            directory(&mut books, 1, "ACME");
            add(&mut books, 11, b'B', 100, 1_000);
            act(&mut books);
            assert_eq!(books.anomalies(), 1);
            assert!(text(&books).contains("complete false"));
        };
        broken(|books| execute(books, 99, 1));
        broken(|books| execute(books, 11, 101));
        broken(|books| cancel(books, 99, 1));
        broken(|books| delete(books, 99));
        broken(|books| add(books, 11, b'B', 1, 1));
        broken(|books| replace(books, 99, 100, 1, 1));
        broken(|books| replace(books, 11, 11, 1, 1));
        broken(|books| books.apply(b"?"));
        broken(|books| {
            directory(books, 1, "OTHER");
            add(books, 12, b'B', 1, 1);
        });
    }
}
