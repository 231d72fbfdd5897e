//! From events to the feed: which message each event is.
//!
//! It numbers nothing and keeps nothing: the engine has numbered the events.

use zerocopy::byteorder::big_endian::U32;
use zerocopy::{Immutable, IntoBytes};

use super::{
    AddOrder, BrokenTrade, CrossTrade, Header, Imbalance, OUT_MAX, OrderCancel, OrderDelete,
    OrderExecuted, OrderExecutedWithPrice, OrderReplace, StockDirectory, SystemEvent, Trade,
    TradingAction,
};
use crate::types::event::{self, Event};
use crate::types::{Liquidity, MatchNumber, Price, Quantity, Side, Symbol, SystemCode};

/// Writes the message that `event` is in the feed to the front of `out` and returns its size; `None`
/// if the feed does not show it. `sequence` is the event's own, `timestamp` its log time in
/// nanoseconds since midnight, `symbol` that of the header's instrument (unused if it has none).
pub fn emit(
    event: &Event<'_>,
    sequence: u64,
    timestamp: u64,
    symbol: Symbol,
    out: &mut [u8; OUT_MAX],
) -> Option<usize> {
    let header = |kind, event: &event::EventHeader| {
        let shown = event.feed_sequence != 0;
        shown.then(|| Header::new(kind, event.instrument, timestamp))
    };
    Some(match event {
        Event::DayStarted(e) => {
            let code = SystemCode::StartOfMessages.byte();
            put(&SystemEvent { header: header(b'S', &e.header)?, code }, out)
        }
        Event::SystemMessage(e) => {
            put(&SystemEvent { header: header(b'S', &e.header)?, code: e.code }, out)
        }
        Event::InstrumentDefined(e) => put(&directory(e, header(b'R', &e.header)?), out),
        Event::TradingAction(e) => {
            let header = header(b'H', &e.header)?;
            let (state, reserved, reason) = (e.state, b' ', e.reason);
            put(&TradingAction { header, symbol: e.symbol, state, reserved, reason }, out)
        }
        Event::Accepted(e) => {
            let header = header(b'A', &e.header)?;
            put(&add(header, sequence, symbol, (e.side, e.shown, e.price)), out)
        }
        Event::Rested(e) => {
            let header = header(b'A', &e.header)?;
            put(&add(header, e.order.0, symbol, (e.side, e.quantity, e.price)), out)
        }
        Event::Restated(e) => {
            let header = header(b'A', &e.header)?;
            put(&add(header, sequence, symbol, (e.side, e.quantity, e.price)), out)
        }
        Event::Replaced(e) if !e.shown.is_zero() && e.original_shown_as.is_none() => {
            let header = header(b'A', &e.header)?;
            put(&add(header, sequence, symbol, (e.side, e.shown, e.price)), out)
        }
        Event::Replaced(e) if !e.shown.is_zero() => {
            let header = header(b'U', &e.header)?;
            let (original, order_ref) = (e.original_shown_as.0.into(), sequence.into());
            let (shares, price) = (e.shown.0.into(), price(e.price));
            put(&OrderReplace { header, original, order_ref, shares, price }, out)
        }
        // What trades first is added when it rests: to show it as it came would cross the book.
        Event::Replaced(e) => {
            let header = header(b'D', &e.header)?;
            put(&OrderDelete { header, order_ref: e.original_shown_as.0.into() }, out)
        }
        // An auction's price is not the order's own, and its print is the Cross Trade, that of what is not
        // shown as well.
        Event::Executed(e) if in_auction(e) => put(&crossed(e, header(b'C', &e.header)?), out),
        Event::CrossTraded(e) => {
            let (header, shares) = (header(b'Q', &e.header)?, e.shares.into());
            let (price, match_number, cross) = (price(e.price), sequence.into(), e.cross);
            put(&CrossTrade { header, shares, symbol, price, match_number, cross }, out)
        }
        Event::Indication(e) => put(&imbalance(e, header(b'I', &e.header)?), out),
        Event::Executed(e) if e.shown_as.is_none() => {
            let header = header(b'P', &e.header)?;
            put(&trade(header, symbol, (e.quantity, e.price, e.match_number)), out)
        }
        Event::Reprinted(e) => {
            let header = header(b'P', &e.header)?;
            put(&trade(header, symbol, (e.quantity, e.price, e.print_number)), out)
        }
        Event::TradeBusted(e) => {
            let header = header(b'B', &e.header)?;
            put(&BrokenTrade { header, match_number: e.terms.print_number.0.into() }, out)
        }
        Event::TradeCorrected(e) => {
            let header = header(b'B', &e.header)?;
            put(&BrokenTrade { header, match_number: e.terms.print_number.0.into() }, out)
        }
        Event::Executed(e) => {
            let header = header(b'E', &e.header)?;
            let (order_ref, shares) = (e.shown_as.0.into(), e.quantity.0.into());
            let match_number = e.match_number.0.into();
            put(&OrderExecuted { header, order_ref, shares, match_number }, out)
        }
        Event::Canceled(e) if e.leaves.is_zero() => {
            put(&OrderDelete { header: header(b'D', &e.header)?, order_ref: e.order.0.into() }, out)
        }
        Event::Canceled(e) => {
            let header = header(b'X', &e.header)?;
            let (order_ref, shares) = (e.order.0.into(), e.decrement.0.into());
            put(&OrderCancel { header, order_ref, shares }, out)
        }
        Event::SelfMatchCanceled(e) if e.leaves.is_zero() => {
            put(&OrderDelete { header: header(b'D', &e.header)?, order_ref: e.order.0.into() }, out)
        }
        Event::SelfMatchCanceled(e) => {
            let header = header(b'X', &e.header)?;
            let (order_ref, shares) = (e.order.0.into(), e.decrement.0.into());
            put(&OrderCancel { header, order_ref, shares }, out)
        }
        Event::Reduced(e) if e.leaves.is_zero() => {
            let header = header(b'D', &e.header)?;
            put(&OrderDelete { header, order_ref: e.shown_as.0.into() }, out)
        }
        Event::Reduced(e) => {
            let header = header(b'X', &e.header)?;
            let (order_ref, shares) = (e.shown_as.0.into(), e.quantity.0.into());
            put(&OrderCancel { header, order_ref, shares }, out)
        }
        _ => return None,
    })
}

fn put<T: IntoBytes + Immutable>(message: &T, out: &mut [u8; OUT_MAX]) -> usize {
    let bytes = message.as_bytes();
    out[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

fn add(
    header: Header,
    order_ref: u64,
    symbol: Symbol,
    (of, shares, at): (u8, Quantity, Price),
) -> AddOrder {
    let order_ref = order_ref.into();
    AddOrder {
        header,
        order_ref,
        side: side(of),
        shares: shares.0.into(),
        symbol,
        price: price(at),
    }
}

fn trade(
    header: Header,
    symbol: Symbol,
    (quantity, at, match_number): (Quantity, Price, MatchNumber),
) -> Trade {
    Trade {
        header,
        order_ref: 0.into(),
        side: b'B',
        shares: quantity.0.into(),
        symbol,
        price: price(at),
        match_number: match_number.0.into(),
    }
}

fn crossed(event: &event::Executed, header: Header) -> OrderExecutedWithPrice {
    OrderExecutedWithPrice {
        header,
        order_ref: event.shown_as.0.into(),
        shares: event.shown.0.into(),
        match_number: event.match_number.0.into(),
        printable: b'N',
        price: price(event.price),
    }
}

fn imbalance(event: &event::Indication, header: Header) -> Imbalance {
    Imbalance {
        header,
        paired: event.paired.into(),
        imbalance: event.imbalance.into(),
        direction: event.direction,
        symbol: event.symbol,
        far: price(event.far),
        near: price(event.near),
        reference: price(event.reference),
        cross: event.cross,
        variation: event.variation,
    }
}

fn directory(event: &event::InstrumentDefined, header: Header) -> StockDirectory {
    StockDirectory {
        header,
        symbol: event.symbol,
        market_category: event.market_category,
        financial_status: b' ',
        round_lot_size: event.lot_size.into(),
        round_lots_only: b'Y',
        issue_classification: event.product,
        issue_subtype: *b"Z ",
        authenticity: b'P',
        short_sale_threshold: b' ',
        ipo_flag: b' ',
        luld_tier: b' ',
        etp_flag: b' ',
        etp_leverage: 0.into(),
        inverse: b'N',
    }
}

/// The feed does not tell short sales from others.
fn side(side: u8) -> u8 {
    if side == Side::Buy.byte() { b'B' } else { b'S' }
}

fn in_auction(event: &event::Executed) -> bool {
    Liquidity::from_byte(event.liquidity).is_some_and(|liquidity| liquidity.cross().is_some())
}

/// Prices on the feed have four bytes. A resting order's is at most [`Price::MAX`], which fits.
fn price(price: Price) -> U32 {
    u32::try_from(price.0).expect("a resting order's price is at most Price::MAX").into()
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::super::Message;
    use super::*;
    use crate::types::event::EventHeader;
    use crate::types::{InstrumentId, Line, OrderRef, Record};

    fn acme() -> Symbol {
        Symbol::new("ACME").unwrap()
    }

    /// The message of the event in `lines`, whose sequence is 77, at 0x010203040506 ns.
    fn message_of(lines: &[Line]) -> Option<Vec<u8>> {
        let event = Event::parse(lines).unwrap();
        let mut out = [0; OUT_MAX];
        let size = emit(&event, 77, 0x0102_0304_0506, acme(), &mut out)?;
        Message::parse(&out[..size]).unwrap();
        Some(out[..size].to_vec())
    }

    fn shown<T: Record>() -> EventHeader {
        EventHeader { feed_sequence: 5, instrument: InstrumentId(3), ..EventHeader::new::<T>() }
    }

    #[test]
    fn an_accepted_order_that_rests_is_added_under_its_own_sequence() {
        let mut event = event::Accepted {
            header: shown::<event::Accepted>(),
            price: Price(105_000),
            quantity: Quantity(300),
            shown: Quantity(100),
            side: b'T',
            ..event::Accepted::new_zeroed()
        };
        let expected = b"A\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x4DS\0\0\0\x64ACME    \
                         \0\x01\x9A\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
        event.header.feed_sequence = 0;
        assert_eq!(message_of(event.lines()), None);
    }

    #[test]
    fn what_rests_after_a_trade_is_added_under_the_orders_reference() {
        let event = event::Rested {
            header: shown::<event::Rested>(),
            order: OrderRef(70),
            price: Price(105_000),
            quantity: Quantity(40),
            side: b'B',
            ..event::Rested::new_zeroed()
        };
        let expected = b"A\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46B\0\0\0\x28ACME    \
                         \0\x01\x9A\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
    }

    #[test]
    fn a_fill_of_a_resting_order_is_its_execution() {
        let mut event = event::Executed {
            header: shown::<event::Executed>(),
            order: OrderRef(60),
            shown_as: OrderRef(70),
            quantity: Quantity(40),
            match_number: MatchNumber(80),
            ..event::Executed::new_zeroed()
        };
        let expected =
            b"E\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46\0\0\0\x28\0\0\0\0\0\0\0\x50";
        assert_eq!(message_of(event.lines()).unwrap(), expected);

        (event.shown_as, event.price, event.side) = (OrderRef::NONE, Price(105_000), b'S');
        let hidden = b"P\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\0B\0\0\0\x28ACME    \
                       \0\x01\x9A\x28\0\0\0\0\0\0\0\x50";
        assert_eq!(message_of(event.lines()).unwrap(), hidden);
    }

    #[test]
    fn a_print_is_broken_once_and_a_corrected_trade_has_another() {
        let mut busted = event::TradeBusted {
            header: shown::<event::TradeBusted>(),
            ..event::TradeBusted::new_zeroed()
        };
        (busted.terms.match_number, busted.terms.print_number) = (MatchNumber(80), MatchNumber(81));
        let broken = b"B\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x51";
        assert_eq!(message_of(busted.lines()).unwrap(), broken);
        let mut corrected = event::TradeCorrected {
            header: shown::<event::TradeCorrected>(),
            terms: busted.terms,
            ..event::TradeCorrected::new_zeroed()
        };
        assert_eq!(message_of(corrected.lines()).unwrap(), broken);
        corrected.header.feed_sequence = 0;
        assert_eq!(message_of(corrected.lines()), None);

        let reprinted = event::Reprinted {
            header: shown::<event::Reprinted>(),
            print_number: MatchNumber(80),
            price: Price(105_000),
            quantity: Quantity(40),
            ..event::Reprinted::new_zeroed()
        };
        let print_number =
            b"P\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\0B\0\0\0\x28ACME    \
                      \0\x01\x9A\x28\0\0\0\0\0\0\0\x50";
        assert_eq!(message_of(reprinted.lines()).unwrap(), print_number);
    }

    #[test]
    fn the_parts_of_a_reserve_are_added_and_reduced_under_references_of_their_own() {
        let event = event::Restated {
            header: shown::<event::Restated>(),
            order: OrderRef(60),
            price: Price(105_000),
            quantity: Quantity(40),
            side: b'B',
            ..event::Restated::new_zeroed()
        };
        let expected = b"A\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x4DB\0\0\0\x28ACME    \
                         \0\x01\x9A\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);

        let mut event = event::Reduced {
            header: shown::<event::Reduced>(),
            shown_as: OrderRef(70),
            quantity: Quantity(40),
            leaves: Quantity(60),
            ..event::Reduced::new_zeroed()
        };
        let expected = b"X\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46\0\0\0\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
        event.leaves = Quantity::ZERO;
        let expected = b"D\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
    }

    #[test]
    fn an_auction_is_indicated_takes_orders_out_and_is_printed_once() {
        let event = event::Indication {
            header: shown::<event::Indication>(),
            symbol: acme(),
            paired: 100,
            imbalance: 40,
            far: Price(104_000),
            near: Price(105_000),
            reference: Price(106_000),
            direction: b'B',
            cross: b'O',
            variation: b'L',
            ..event::Indication::new_zeroed()
        };
        let expected = b"I\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x64\0\0\0\0\0\0\0\x28B\
                         ACME    \0\x01\x96\x40\0\x01\x9A\x28\0\x01\x9E\x10OL";
        assert_eq!(message_of(event.lines()).unwrap(), expected);

        let event = event::Executed {
            header: shown::<event::Executed>(),
            order: OrderRef(60),
            shown_as: OrderRef(70),
            quantity: Quantity(90),
            shown: Quantity(40),
            match_number: MatchNumber(80),
            price: Price(105_000),
            liquidity: Liquidity::OpeningCross.byte(),
            ..event::Executed::new_zeroed()
        };
        let expected =
            b"C\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46\0\0\0\x28\0\0\0\0\0\0\0\x50N\
              \0\x01\x9A\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);

        let event = event::CrossTraded {
            header: shown::<event::CrossTraded>(),
            shares: 40,
            price: Price(105_000),
            cross: b'O',
            ..event::CrossTraded::new_zeroed()
        };
        let expected =
            b"Q\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x28ACME    \0\x01\x9A\x28\
              \0\0\0\0\0\0\0\x4DO";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
    }

    #[test]
    fn a_cancel_that_leaves_shares_is_a_cancel_and_one_that_leaves_none_a_delete() {
        let mut event = event::Canceled {
            header: shown::<event::Canceled>(),
            order: OrderRef(70),
            decrement: Quantity(40),
            leaves: Quantity(60),
            ..event::Canceled::new_zeroed()
        };
        let expected = b"X\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46\0\0\0\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
        event.leaves = Quantity::ZERO;
        let expected = b"D\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
    }

    #[test]
    fn a_self_match_shows_what_is_gone_of_the_order_that_rested() {
        let mut event = event::SelfMatchCanceled {
            header: shown::<event::SelfMatchCanceled>(),
            order: OrderRef(70),
            decrement: Quantity(40),
            leaves: Quantity(60),
            ..event::SelfMatchCanceled::new_zeroed()
        };
        let expected = b"X\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46\0\0\0\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
        event.leaves = Quantity::ZERO;
        let expected = b"D\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
        event.header.feed_sequence = 0;
        assert_eq!(message_of(event.lines()), None);
    }

    #[test]
    fn a_replaced_order_is_replaced_if_the_new_one_rests_and_else_deleted() {
        let mut event = event::Replaced {
            header: shown::<event::Replaced>(),
            original: OrderRef(60),
            original_shown_as: OrderRef(70),
            price: Price(105_000),
            quantity: Quantity(100),
            shown: Quantity(40),
            side: b'S',
            rests: 1,
            ..event::Replaced::new_zeroed()
        };
        let expected = b"U\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46\0\0\0\0\0\0\0\x4D\
                         \0\0\0\x28\0\x01\x9A\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
        event.shown = Quantity::ZERO;
        let expected = b"D\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x46";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
        event.shown = Quantity(40);
        event.original_shown_as = OrderRef::NONE;
        let expected = b"A\0\x03\0\0\x01\x02\x03\x04\x05\x06\0\0\0\0\0\0\0\x4DS\0\0\0\x28ACME    \
                         \0\x01\x9A\x28";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
    }

    #[test]
    fn the_days_events_are_system_events() {
        let mut header = shown::<event::DayStarted>();
        header.instrument = InstrumentId::NONE;
        let event = event::DayStarted { header, ..event::DayStarted::new_zeroed() };
        let expected = b"S\0\0\0\0\x01\x02\x03\x04\x05\x06O";
        assert_eq!(message_of(event.lines()).unwrap(), expected);

        let header = shown::<event::SystemMessage>();
        let event =
            event::SystemMessage { header, code: b'Q', ..event::SystemMessage::new_zeroed() };
        assert_eq!(message_of(event.lines()).unwrap().last(), Some(&b'Q'));
    }

    #[test]
    fn an_instrument_and_its_state_are_told() {
        let event = event::InstrumentDefined {
            header: shown::<event::InstrumentDefined>(),
            symbol: acme(),
            lot_size: 10,
            market_category: b'Q',
            product: b'C',
            ..event::InstrumentDefined::new_zeroed()
        };
        let expected = b"R\0\x03\0\0\x01\x02\x03\x04\x05\x06ACME    Q \0\0\0\x0AYCZ P    \0\0\0\0N";
        assert_eq!(message_of(event.lines()).unwrap(), expected);

        let event = event::TradingAction {
            header: shown::<event::TradingAction>(),
            symbol: acme(),
            reason: *b"T1  ",
            state: b'H',
            ..event::TradingAction::new_zeroed()
        };
        let expected = b"H\0\x03\0\0\x01\x02\x03\x04\x05\x06ACME    H T1  ";
        assert_eq!(message_of(event.lines()).unwrap(), expected);
    }
}
