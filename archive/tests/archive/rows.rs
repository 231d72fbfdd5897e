//! What is in the tables: every event of a day that concerns them, in every column, and the money.

use std::collections::BTreeMap;
use std::path::Path;

use rialto::types::event::{Event, EventHeader};
use rialto::types::{FrameHeader, Line, Quantity};
use rialto_archive::Cut;
use rialto_archive::rows::{
    BalanceRow, CashMovementRow, ExecutionRow, OrderRow, PositionMovementRow, TradeAmendmentRow,
    TradeRow,
};
use rialto_archive::table::{Row, Text, Values};

use crate::exchange::Exchange;
use crate::trading::{REFUSED_REQUEST, amend_some, day_of_busts, day_of_order_types, eventful_day};
use crate::{SMALL, Scratch, rows_of};

/// A row as `column=value`, without what is absent, and without its place in the logs.
fn show<R: Row>(row: R) -> String {
    let mut columns: Vec<_> = R::COLUMNS.iter().map(|column| Values::new(column.kind)).collect();
    row.spread(&mut columns);
    let mut shown = Vec::new();
    for (column, values) in R::COLUMNS.iter().zip(&columns) {
        let value = match values {
            Values::Integers(values) => values[0].to_string(),
            Values::Texts(values) => values[0].as_utf8().unwrap().to_owned(),
        };
        let is_number = matches!(values, Values::Integers(_));
        let is_place = ["sequence", "time", "command", "receive_time"].contains(&column.name);
        if !(is_place || value.is_empty() || (value == "0" && is_number)) {
            shown.push(format!("{}={value}", column.name));
        }
    }
    shown.join(" ")
}

/// Many row groups and files, where there are thousands of rows.
const MEDIUM: Cut = Cut { group_rows: 200, file_groups: 2 };

fn archived(more: u32) -> (Scratch, Exchange) {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, more);
    if more > 0 {
        amend_some(&mut exchange);
    }
    exchange.end_day();
    let cut = if more == 0 { SMALL } else { MEDIUM };
    assert_eq!(scratch.eod(cut).unwrap(), ["archived 2611230001"]);
    (scratch, exchange)
}

/// Every event from a reader, with its sequence, and the frame it is in.
fn each_event(exchange: &Exchange, mut see: impl FnMut(u64, &FrameHeader, &[Line])) {
    let mut reader = exchange.event_reader();
    while let Some(frame) = reader.next_frame().unwrap() {
        for record in frame.records().map(Result::unwrap) {
            see(record.sequence, frame.header, record.lines);
        }
    }
}

#[test]
fn every_step_of_an_order_is_a_row_with_the_terms_it_was_said_with() {
    let (scratch, _exchange) = archived(0);
    let rows = rows_of::<OrderRow>(&scratch.archive_of("2611230001"));
    let shown: Vec<_> = rows.into_iter().map(show).collect();
    let golden: Vec<_> = include_str!("orders.txt").lines().collect();
    assert_eq!(shown, golden, "\n{}", shown.join("\n"));
}

#[test]
fn every_fill_is_two_executions_a_trade_and_what_it_moved() {
    let (scratch, _exchange) = archived(0);
    let archive = scratch.archive_of("2611230001");
    let mut shown = vec!["executions".to_owned()];
    shown.extend(rows_of::<ExecutionRow>(&archive).into_iter().map(show));
    shown.push("trades".to_owned());
    shown.extend(rows_of::<TradeRow>(&archive).into_iter().map(show));
    shown.push("cash".to_owned());
    shown.extend(rows_of::<CashMovementRow>(&archive).into_iter().map(show));
    shown.push("positions".to_owned());
    shown.extend(rows_of::<PositionMovementRow>(&archive).into_iter().map(show));
    shown.push("balances".to_owned());
    shown.extend(rows_of::<BalanceRow>(&archive).into_iter().map(show));
    let golden: Vec<_> = include_str!("fills.txt").lines().collect();
    assert_eq!(shown, golden, "\n{}", shown.join("\n"));
}

/// A row that has of `row` only the columns that are not compared here.
fn blank(row: &OrderRow) -> OrderRow {
    OrderRow {
        order: 0,
        shown_as: 0,
        original: 0,
        original_shown_as: 0,
        contra: 0,
        user_ref_num: 0,
        side: Text::default(),
        price: 0,
        quantity: 0,
        shown: 0,
        canceled: 0,
        leaves: 0,
        max_floor: 0,
        min_quantity: 0,
        time_in_force: Text::default(),
        expire_time_s: 0,
        display: Text::default(),
        reason: Text::default(),
        reject_reason: 0,
        ..row.clone()
    }
}

fn byte(byte: u8) -> Text {
    Text::of_record(&[byte])
}

/// What the beginning of an order is as a row, with the rest from `row`. `None` if the event is none.
fn beginning(event: &Event<'_>, sequence: i64, row: &OrderRow) -> Option<OrderRow> {
    let shown_as = |shown: Quantity| if shown.is_zero() { 0 } else { sequence };
    match event {
        Event::Accepted(e) => Some(OrderRow {
            action: "accepted".into(),
            order: sequence,
            shown_as: shown_as(e.shown),
            user_ref_num: e.user_ref_num.0.into(),
            side: byte(e.side),
            price: e.price.0.cast_signed(),
            quantity: e.quantity.0.into(),
            shown: e.shown.0.into(),
            max_floor: e.max_floor.0.into(),
            min_quantity: e.min_quantity.0.into(),
            time_in_force: byte(e.time_in_force),
            expire_time_s: e.expire_time_s.into(),
            display: byte(e.display),
            ..blank(row)
        }),
        Event::Replaced(e) => Some(OrderRow {
            action: "replaced".into(),
            order: sequence,
            shown_as: shown_as(e.shown),
            original: e.original.0.cast_signed(),
            original_shown_as: e.original_shown_as.0.cast_signed(),
            user_ref_num: e.user_ref_num.0.into(),
            side: byte(e.side),
            price: e.price.0.cast_signed(),
            quantity: e.quantity.0.into(),
            shown: e.shown.0.into(),
            max_floor: e.max_floor.0.into(),
            min_quantity: e.min_quantity.0.into(),
            time_in_force: byte(e.time_in_force),
            expire_time_s: e.expire_time_s.into(),
            display: byte(e.display),
            ..blank(row)
        }),
        _ => None,
    }
}

/// What any other step in its life is.
fn later_step(event: &Event<'_>, sequence: i64, row: &OrderRow) -> Option<OrderRow> {
    let blank = blank(row);
    let step = match event {
        Event::Rested(e) => OrderRow {
            action: "rested".into(),
            order: e.order.0.cast_signed(),
            shown_as: e.order.0.cast_signed(),
            side: byte(e.side),
            price: e.price.0.cast_signed(),
            shown: e.quantity.0.into(),
            ..blank
        },
        Event::Restated(e) => OrderRow {
            action: "restated".into(),
            order: e.order.0.cast_signed(),
            shown_as: sequence,
            user_ref_num: e.user_ref_num.0.into(),
            side: byte(e.side),
            price: e.price.0.cast_signed(),
            shown: e.quantity.0.into(),
            reason: byte(e.reason),
            ..blank
        },
        Event::Modified(e) => OrderRow {
            action: "modified".into(),
            order: e.order.0.cast_signed(),
            user_ref_num: e.user_ref_num.0.into(),
            side: byte(e.side),
            leaves: e.quantity.0.into(),
            ..blank
        },
        Event::Reduced(e) => OrderRow {
            action: "reduced".into(),
            shown_as: e.shown_as.0.cast_signed(),
            quantity: e.quantity.0.into(),
            shown: e.leaves.0.into(),
            ..blank
        },
        Event::Canceled(e) => OrderRow {
            action: "canceled".into(),
            order: e.order.0.cast_signed(),
            user_ref_num: e.user_ref_num.0.into(),
            canceled: e.decrement.0.into(),
            leaves: e.leaves.0.into(),
            reason: byte(e.reason),
            ..blank
        },
        Event::SelfMatchCanceled(e) => OrderRow {
            action: "self_match_canceled".into(),
            order: e.order.0.cast_signed(),
            contra: e.contra.0.cast_signed(),
            user_ref_num: e.user_ref_num.0.into(),
            price: e.price.0.cast_signed(),
            quantity: e.prevented.0.into(),
            canceled: e.decrement.0.into(),
            leaves: e.leaves.0.into(),
            ..blank
        },
        Event::CancelRejected(e) => OrderRow {
            action: "cancel_rejected".into(),
            user_ref_num: e.user_ref_num.0.into(),
            ..blank
        },
        // Its terms are those of the command.
        Event::Rejected(e) if e.user_ref_num != REFUSED_REQUEST => OrderRow {
            action: "rejected".into(),
            user_ref_num: e.user_ref_num.0.into(),
            reject_reason: e.reason.into(),
            ..row.clone()
        },
        _ => return None,
    };
    Some(step)
}

/// Every row of the archive is what its event says, and no event that is one is missing. Returns how many
/// executions there are, and how many steps of each action.
fn compare(archive: &Path, exchange: &Exchange) -> (u32, BTreeMap<String, u32>) {
    let mut orders = rows_of::<OrderRow>(archive).into_iter().peekable();
    let mut executions = rows_of::<ExecutionRow>(archive).into_iter();
    let mut cash = rows_of::<CashMovementRow>(archive).into_iter();
    let mut positions = rows_of::<PositionMovementRow>(archive).into_iter();
    let mut amendments = rows_of::<TradeAmendmentRow>(archive).into_iter();
    let (mut fills, mut actions) = (0, BTreeMap::new());
    // The order that is shown under a number, and the order of the row before.
    let (mut shown, mut before) = (BTreeMap::new(), 0);
    each_event(exchange, |sequence, frame, lines| {
        let place = (i64::try_from(sequence).unwrap(), i64::try_from(frame.time.0).unwrap());
        let event = Event::parse(lines).unwrap();
        let symbol = ["", "ACME", "BOLT", "DOTS"]
            [usize::from(EventHeader::view(lines).unwrap().instrument.0)];
        match event {
            Event::Executed(e) => {
                fills += 1;
                let row = executions.next().unwrap();
                assert_eq!((row.sequence, row.time.0), place);
                let told = (row.order, row.contra, row.match_number, row.price, row.quantity);
                let numbers = [e.order.0, e.contra.0, e.match_number.0, e.price.0]
                    .map(|number| i64::try_from(number).unwrap());
                let [order, contra, match_number, price] = numbers;
                assert_eq!(told, (order, contra, match_number, price, e.quantity.0.into()));
                assert_eq!((row.notional, row.fee), (e.notional, e.fee));
                let shown = (e.shown_as.0.cast_signed(), i64::from(e.shown.0));
                assert_eq!((row.shown_as, row.shown), shown);
                assert_eq!(row.liquidity.as_str().as_bytes(), [e.liquidity]);
                assert_eq!(row.symbol.as_str(), symbol);
                let moves = if e.fee == 0 { 1 } else { 3 };
                for _ in 0..moves {
                    assert_eq!(cash.next().unwrap().sequence, place.0);
                }
                assert_eq!(positions.next().unwrap().sequence, place.0);
            }
            Event::TradeBusted(e) => {
                let row = amendments.next().unwrap();
                assert_eq!((row.sequence, row.time.0), place);
                assert_eq!(row.action.as_str(), "busted");
                assert_eq!(row.match_number, e.terms.match_number.0.cast_signed());
                assert_eq!((row.old_price, row.price), (e.terms.price.0.cast_signed(), 0));
                assert_eq!((row.buy_old_fee, row.buy_fee), (e.terms.buyer.fee, 0));
                assert_eq!((row.sell_old_fee, row.sell_fee), (e.terms.seller.fee, 0));
                assert_eq!(row.symbol.as_str(), symbol);
                *actions.entry(text(&row.action)).or_default() += 1;
            }
            Event::TradeCorrected(e) => {
                let row = amendments.next().unwrap();
                assert_eq!((row.sequence, row.time.0), place);
                assert_eq!(row.action.as_str(), "corrected");
                assert_eq!(row.match_number, e.terms.match_number.0.cast_signed());
                assert_eq!(row.price, e.terms.price.0.cast_signed());
                assert_eq!((row.buy_fee, row.sell_fee), (e.terms.buyer.fee, e.terms.seller.fee));
                assert_eq!(row.symbol.as_str(), symbol);
                *actions.entry(text(&row.action)).or_default() += 1;
            }
            Event::FillBusted(e) => {
                let row = cash.next().unwrap();
                let comes = if e.side == b'B' { 1 } else { -1 };
                assert_eq!((row.sequence, row.amount), (place.0, comes * e.notional));
                let moves = if e.fee == 0 { 0 } else { 2 };
                for _ in 0..moves {
                    assert_eq!(cash.next().unwrap().sequence, place.0);
                }
                let row = positions.next().unwrap();
                let went = -comes * i64::from(e.quantity.0);
                assert_eq!((row.sequence, row.amount), (place.0, went));
            }
            Event::FillCorrected(e) => {
                let row = cash.next().unwrap();
                let comes = if e.side == b'B' { 1 } else { -1 };
                let less = e.old_notional - e.notional;
                assert_eq!((row.sequence, row.amount), (place.0, comes * less));
                let moves = if e.fee == e.old_fee { 0 } else { 2 };
                for _ in 0..moves {
                    assert_eq!(cash.next().unwrap().sequence, place.0);
                }
            }
            Event::BalanceChanged(e) => {
                let (sequence, amount, balance) = if e.currency.is_none() {
                    let row = positions.next().unwrap();
                    (row.sequence, row.amount, row.balance)
                } else {
                    let row = cash.next().unwrap();
                    (row.sequence, row.amount, row.balance)
                };
                assert_eq!((sequence, amount, balance), (place.0, e.change, e.balance));
            }
            _ => {}
        }
        let row = orders.peek().cloned().unwrap_or_default();
        let step = beginning(&event, place.0, &row).or_else(|| later_step(&event, place.0, &row));
        let Some(step) = step else { return };
        assert_eq!(orders.next(), Some(step));
        assert_eq!((row.sequence, row.time.0), place);
        let is_named = matches!(event, Event::Rejected(_)) || row.symbol.as_str() == symbol;
        assert!(is_named, "{row:?}");
        if row.action.as_str() == "reduced" {
            assert_eq!(shown.get(&row.shown_as), Some(&before), "{row:?}");
        } else if row.shown_as != 0 {
            shown.insert(row.shown_as, row.order);
        }
        before = row.order;
        *actions.entry(text(&row.action)).or_default() += 1;
    });
    assert_eq!((orders.next(), executions.next()), (None, None));
    assert_eq!((cash.next(), positions.next()), (None, None));
    assert_eq!(amendments.next(), None);
    (fills, actions)
}

#[test]
fn a_busy_day_s_rows_are_its_events_one_for_one_and_in_their_order() {
    let (scratch, exchange) = archived(3_000);
    let archive = scratch.archive_of("2611230001");
    let (fills, actions) = compare(&archive, &exchange);
    assert!(fills > 1_000, "{fills} executions");
    for action in ["restated", "modified", "reduced", "rested", "canceled", "self_match_canceled"] {
        assert!(actions[action] > 30, "{actions:?}");
    }
    assert!(actions["busted"] > 5 && actions["corrected"] > 10, "{actions:?}");
    assert!(crate::names_in(&archive).iter().any(|name| name == "orders-0010.parquet"));
}

#[test]
fn what_busts_and_corrections_made_of_trades_is_told_and_moves_what_it_moved() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    day_of_busts(&mut exchange);
    exchange.end_day();
    assert_eq!(scratch.eod(SMALL).unwrap(), ["archived 2611230001"]);
    let archive = scratch.archive_of("2611230001");
    compare(&archive, &exchange);
    assert_eq!(closing(&archive), exchange.balances());
    let mut shown: Vec<_> = rows_of::<TradeAmendmentRow>(&archive).into_iter().map(show).collect();
    let cash = rows_of::<CashMovementRow>(&archive).into_iter();
    shown.extend(cash.filter(|row| row.match_number != 0).map(show));
    let positions = rows_of::<PositionMovementRow>(&archive).into_iter();
    shown.extend(positions.filter(|row| row.match_number != 0).map(show));
    shown.extend(rows_of::<BalanceRow>(&archive).into_iter().map(show));
    let golden: Vec<_> = include_str!("busts.txt").lines().collect();
    assert_eq!(shown, golden, "\n{}", shown.join("\n"));
}

#[test]
fn every_type_of_order_is_told_from_the_first_row_to_the_last() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    day_of_order_types(&mut exchange);
    exchange.end_day();
    assert_eq!(scratch.eod(SMALL).unwrap(), ["archived 2611230001"]);
    let archive = scratch.archive_of("2611230001");
    compare(&archive, &exchange);
    let mut shown: Vec<_> = rows_of::<OrderRow>(&archive).into_iter().map(show).collect();
    shown.extend(rows_of::<ExecutionRow>(&archive).into_iter().map(show));
    let golden: Vec<_> = include_str!("order_types.txt").lines().collect();
    assert_eq!(shown, golden, "\n{}", shown.join("\n"));
}

/// What the archive says everyone has in the end.
fn closing(archive: &Path) -> BTreeMap<(i64, String), i64> {
    let rows = rows_of::<BalanceRow>(archive).into_iter();
    let rows = rows.map(|row| ((row.account, row.name.as_str().to_owned()), row.closing));
    rows.filter(|(_, closing)| *closing != 0).collect()
}

#[test]
fn money_is_conserved_and_what_movements_add_up_to_is_what_the_engine_has() {
    let (scratch, mut exchange) = archived(2_000);
    let archive = scratch.archive_of("2611230001");
    assert_eq!(closing(&archive), exchange.balances());

    let mut sums: BTreeMap<(i64, String), i64> = BTreeMap::new();
    for row in rows_of::<CashMovementRow>(&archive) {
        *sums.entry((row.account, text(&row.currency))).or_default() += row.amount;
    }
    for row in rows_of::<PositionMovementRow>(&archive) {
        *sums.entry((row.account, text(&row.symbol))).or_default() += row.amount;
    }
    sums.retain(|_, sum| *sum != 0);
    assert_eq!(sums, exchange.balances());

    // And over the night: transfers between two days are in the later one, which begins with what was left.
    exchange.transfer(1, "USD", -1_234_567);
    exchange.transfer(9, "KRW", 88);
    eventful_day(&mut exchange, 500);
    exchange.end_day();
    assert_eq!(scratch.eod(MEDIUM).unwrap(), ["archived 2611240001"]);
    let next = scratch.archive_of("2611240001");
    assert_eq!(closing(&next), exchange.balances());
    let before = closing(&archive);
    for row in rows_of::<BalanceRow>(&next) {
        let key = (row.account, row.name.as_str().to_owned());
        assert_eq!(row.opening, before.get(&key).copied().unwrap_or(0), "{row:?}");
        let transferred = match (row.account, row.name.as_str()) {
            (1, "USD") => -1_234_567,
            (2, "USD") => -5_000_000,
            (9, "KRW") => 88,
            _ => 0,
        };
        assert_eq!(row.transferred, transferred, "{row:?}");
    }
}

fn text(text: &Text) -> String {
    text.as_str().to_owned()
}
