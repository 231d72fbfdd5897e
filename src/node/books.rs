//! The books of an engine as a file, in the form that a feed's subscriber writes too.

use std::fs;
use std::io;
use std::path::Path;

use crate::engine::Engine;
use crate::matching::BookSide;
use crate::types::{BookDumpHeader, BookDumpOrder, write_book_dump};

/// Writes every book as it stands at the feed's last message, as the feed shows it.
pub(super) fn write(engine: &Engine, path: &Path) -> io::Result<()> {
    let header = BookDumpHeader { sequence: engine.feed_sequence(), gaps: 0, complete: true };
    let mut orders = Vec::with_capacity(engine.books().order_count());
    for instrument in engine.order_manager().instruments.rows() {
        for side in [BookSide::Bids, BookSide::Asks] {
            let orders_of_side = engine.books().orders(instrument.id, side);
            let shown = orders_of_side.filter(|order| !order.shown.is_zero());
            orders.extend(shown.map(|order| BookDumpOrder {
                symbol: instrument.symbol,
                buy: side == BookSide::Bids,
                price: order.price,
                order: order.shown_as,
                quantity: order.shown,
            }));
        }
    }
    let mut text = String::new();
    write_book_dump(&mut text, header, orders).map_err(io::Error::other)?;
    fs::write(path, text)
}
