//! What is in the tables: every event of a day that concerns them, in every column, and the money.

use std::collections::BTreeMap;
use std::path::Path;

use rialto::types::event::{Event, EventHeader};
use rialto::types::{FrameHeader, Line, UserRefNum};
use rialto_archive::Cut;
use rialto_archive::rows::{
    BalanceRow, CashMovementRow, ExecutionRow, OrderRow, PositionMovementRow, TradeRow,
};
use rialto_archive::table::{Row, Text, Values};

use crate::exchange::{Exchange, eventful_day};
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

#[test]
fn a_busy_day_s_rows_are_its_events_one_for_one_and_in_their_order() {
    let (scratch, exchange) = archived(3_000);
    let archive = scratch.archive_of("2611230001");
    let mut orders = rows_of::<OrderRow>(&archive).into_iter();
    let mut executions = rows_of::<ExecutionRow>(&archive).into_iter();
    let mut cash = rows_of::<CashMovementRow>(&archive).into_iter();
    let mut positions = rows_of::<PositionMovementRow>(&archive).into_iter();
    let mut fills = 0;
    each_event(&exchange, |sequence, frame, lines| {
        let place = (i64::try_from(sequence).unwrap(), i64::try_from(frame.time.0).unwrap());
        let event = Event::parse(lines).unwrap();
        let symbol = ["", "ACME", "BOLT", "DOTS"]
            [usize::from(EventHeader::view(lines).unwrap().instrument.0)];
        // Action, order, number, price, and shares: those that begin, go, are left.
        let step = match event {
            Event::Accepted(e) => {
                Some(("accepted", sequence, e.user_ref_num, e.price.0, [e.quantity.0, 0, 0]))
            }
            Event::Replaced(e) => {
                Some(("replaced", sequence, e.user_ref_num, e.price.0, [e.quantity.0, 0, 0]))
            }
            Event::Rested(e) => {
                Some(("rested", e.order.0, UserRefNum::NONE, e.price.0, [0, 0, 0]))
            }
            Event::Canceled(e) => {
                Some(("canceled", e.order.0, e.user_ref_num, 0, [0, e.decrement.0, e.leaves.0]))
            }
            Event::SelfMatchCanceled(e) => Some((
                "self_match_canceled",
                e.order.0,
                e.user_ref_num,
                e.price.0,
                [e.prevented.0, e.decrement.0, e.leaves.0],
            )),
            Event::CancelRejected(e) => Some(("cancel_rejected", 0, e.user_ref_num, 0, [0, 0, 0])),
            Event::Rejected(e) => {
                let row = orders.next().unwrap();
                assert_eq!((row.sequence, row.time.0), place);
                assert_eq!(row.action.as_str(), "rejected");
                assert_eq!(row.reject_reason, i64::from(e.reason));
                assert_eq!(row.user_ref_num, i64::from(e.user_ref_num.0));
                None
            }
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
                assert_eq!(row.symbol.as_str(), symbol);
                let moves = if e.fee == 0 { 1 } else { 3 };
                for _ in 0..moves {
                    assert_eq!(cash.next().unwrap().sequence, place.0);
                }
                assert_eq!(positions.next().unwrap().sequence, place.0);
                None
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
                None
            }
            _ => None,
        };
        let Some((action, order, number, price, shares)) = step else { return };
        let row = orders.next().unwrap();
        assert_eq!((row.sequence, row.time.0), place);
        let told = (row.action.as_str(), row.order, row.user_ref_num, row.price);
        let (order, price) = (order.cast_signed(), price.cast_signed());
        assert_eq!(told, (action, order, i64::from(number.0), price));
        assert_eq!([row.quantity, row.canceled, row.leaves], shares.map(i64::from));
        assert_eq!(row.symbol.as_str(), symbol);
    });
    assert!(fills > 1_000, "{fills} executions");
    assert_eq!((orders.next(), executions.next()), (None, None));
    assert_eq!((cash.next(), positions.next()), (None, None));
    assert!(crate::names_in(&archive).iter().any(|name| name == "orders-0010.parquet"));
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
