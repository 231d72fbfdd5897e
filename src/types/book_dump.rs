//! The text form of all books at one moment of the feed, in which two of them are compared byte for
//! byte. It orders and writes; it knows neither book nor feed.
//!
//! ```text
//! sequence 48213
//! gaps 0
//! complete true
//! ACME B 104900 2311 100
//! ACME B 104900 2314 50
//! ACME S 105100 2290 300
//! ```
//!
//! Three lines of header, then one line per resting order, `SYMBOL side price ref quantity`: symbols in
//! the order of their bytes, bids before asks, the best price first, within a price the order that
//! trades first. Prices are integers as on the feed; an instrument without orders has no line.

use std::fmt;

use super::{OrderRef, Price, Quantity, Symbol};

/// What the books stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookDumpHeader {
    /// The last message of the feed that is in the books.
    pub sequence: u64,
    /// How often messages of the feed were missed.
    pub gaps: u64,
    /// Whether the books hold every order: nothing was missed since the day's first message.
    pub complete: bool,
}

/// A resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookDumpOrder {
    /// The instrument.
    pub symbol: Symbol,
    /// Whether it buys.
    pub buy: bool,
    /// Its price.
    pub price: Price,
    /// Its number, the same in the feed.
    pub order: OrderRef,
    /// Shares that rest.
    pub quantity: Quantity,
}

/// Writes the text. Orders may come in any order, but those of one price in the order in which they
/// trade.
///
/// # Errors
/// Those of `out`.
pub fn write_book_dump(
    out: &mut impl fmt::Write,
    header: BookDumpHeader,
    mut orders: Vec<BookDumpOrder>,
) -> fmt::Result {
    // A stable sort, so that time priority stays as it came.
    orders.sort_by_key(|order| (order.symbol, !order.buy, rank(order)));
    writeln!(out, "sequence {}", header.sequence)?;
    writeln!(out, "gaps {}", header.gaps)?;
    writeln!(out, "complete {}", header.complete)?;
    for BookDumpOrder { symbol, buy, price, order, quantity } in orders {
        let side = if buy { 'B' } else { 'S' };
        writeln!(out, "{symbol} {side} {price} {order} {quantity}")?;
    }
    Ok(())
}

/// How good a price is, the best least.
fn rank(order: &BookDumpOrder) -> u64 {
    if order.buy { u64::MAX - order.price.0 } else { order.price.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_listed_by_symbol_side_price_and_time() {
        let order = |symbol, buy, price, order, quantity| BookDumpOrder {
            symbol: Symbol::new(symbol).unwrap(),
            buy,
            price: Price(price),
            order: OrderRef(order),
            quantity: Quantity(quantity),
        };
        let orders = vec![
            order("ZETA", true, 10, 1, 5),
            order("ACME", false, 103, 2, 5),
            order("ACME", false, 101, 3, 5),
            order("ACME", true, 99, 9, 5),
            order("ACME", true, 100, 8, 5),
            order("ACME", true, 99, 4, 7),
        ];
        let header = BookDumpHeader { sequence: 17, gaps: 0, complete: true };
        let mut text = String::new();
        write_book_dump(&mut text, header, orders).unwrap();
        assert_eq!(
            text,
            "sequence 17\ngaps 0\ncomplete true\n\
             ACME B 100 8 5\nACME B 99 9 5\nACME B 99 4 7\nACME S 101 3 5\nACME S 103 2 5\n\
             ZETA B 10 1 5\n"
        );
    }
}
