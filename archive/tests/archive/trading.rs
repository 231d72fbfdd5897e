//! Days of trading: what firms do on them.

use rialto::types::command::{
    AccountQuery, Cancel, DisableEntry, EnableEntry, MassCancel, Modify, NewOrder,
};
use rialto::types::{
    AccountId, ClOrdId, FirmCode, Phase, PortId, Price, Quantity, SessionId, Side, Symbol,
    TimeInForce, UserRefNum,
};
use zerocopy::FromZeros;

use crate::exchange::{ALFA, BETA, Exchange, SLOW};

/// A day in which everything happens that can happen to a plain order, and then `more` orders at random.
pub(crate) fn eventful_day(exchange: &mut Exchange, more: u32) -> SessionId {
    let session = exchange.start_day();
    // Rests, is hit, rests again; is replaced; the rest is canceled.
    exchange.sell(ALFA, 1, "100 ACME 250000");
    exchange.buy(BETA, 1, "140 ACME 250100");
    exchange.replace(BETA, (1, 2), 190, 249_900);
    exchange.cancel(BETA, 2);
    // Immediate: traded in part, and not at all.
    exchange.sell(ALFA, 2, "10 BOLT 1150");
    let order = immediate(exchange.order(BETA, 3, Side::Buy, "15 BOLT 1150"));
    exchange.give(&order);
    let order = immediate(exchange.order(BETA, 4, Side::Buy, "15 BOLT 1150"));
    exchange.give(&order);
    // Refused: an order of nothing known, one that names everything, a replace too many in a second.
    exchange.buy(ALFA, 3, "10 NOPE 1");
    let order = NewOrder {
        account: AccountId(77),
        group_id: 5,
        firm: *b"ALFA",
        route: *b"XX  ",
        locate_broker: *b"LOC ",
        cl_ord_id: ClOrdId(*b"\xffodd\\\0\0\0\0\0\0\0\0\0"),
        discretion_price: Price(u64::MAX),
        peg_offset: -3,
        ..exchange.order(ALFA, 4, Side::SellShort, "10 DOTS 70000")
    };
    exchange.give(&order);
    exchange.buy(SLOW, 1, "5 DOTS 69000");
    exchange.buy(SLOW, 2, "5 DOTS 69000");
    exchange.replace(SLOW, (1, 3), 6, 69_001);
    // One owner.
    exchange.sell(BETA, 5, "8 DOTS 71000");
    let order = NewOrder { self_match: b'D', ..exchange.order(BETA, 6, Side::Buy, "3 DOTS 71000") };
    exchange.give(&order);
    // An auction.
    exchange.begin_auction("ACME");
    exchange.buy(ALFA, 5, "70 ACME 260000");
    exchange.sell(BETA, 7, "50 ACME 255000");
    exchange.wait(2);
    // Final: what waits for the close is not canceled any more.
    let order = NewOrder { cross_type: b'C', ..exchange.order(ALFA, 6, Side::Buy, "20 BOLT 1100") };
    exchange.give(&order);
    exchange.set_phase("BOLT", Phase::ClosingAuction);
    exchange.cancel(ALFA, 6);
    exchange.transfer(2, "USD", -5_000_000);
    trade_at_random(exchange, more);
    session
}

/// The number of the mass cancel that is refused on [`day_of_order_types`].
pub(crate) const REFUSED_REQUEST: UserRefNum = UserRefNum(12);

/// A day with every type of order, and every request there is.
pub(crate) fn day_of_order_types(exchange: &mut Exchange) {
    exchange.start_day();
    // Hidden: trades, and is replaced by one that is shown.
    let order = hidden(exchange.order(ALFA, 1, Side::Sell, "100 ACME 250000"));
    exchange.give(&order);
    exchange.buy(BETA, 1, "40 ACME 250000");
    exchange.replace(ALFA, (1, 2), 100, 250_100);
    // A reserve: its next part is shown, loses shares, and is replaced; the successor is modified.
    let order = reserve(exchange.order(ALFA, 3, Side::Sell, "100 ACME 250000"), 30);
    exchange.give(&order);
    exchange.buy(BETA, 2, "30 ACME 250000");
    let cancel = cancel(exchange, ALFA, 3, 50);
    exchange.give(&cancel);
    exchange.replace(ALFA, (3, 4), 50, 250_200);
    let modify = modify(exchange, (ALFA, 4), Side::Sell, 45);
    exchange.give(&modify);
    // A reserve that trades first; a post-only order that would.
    exchange.sell(ALFA, 5, "10 DOTS 69000");
    let order = reserve(exchange.order(BETA, 3, Side::Buy, "50 DOTS 69000"), 15);
    exchange.give(&order);
    let order = NewOrder { post_only: b'P', ..exchange.order(ALFA, 6, Side::Sell, "5 DOTS 69000") };
    exchange.give(&order);
    // One owner: of the reserve what is not shown goes first.
    let order =
        NewOrder { self_match: b'D', ..exchange.order(BETA, 4, Side::Sell, "30 DOTS 69000") };
    exchange.give(&order);
    // Fill or kill: a share is missing, and none is.
    let order = fill_or_kill(exchange.order(BETA, 5, Side::Buy, "61 ACME 250100"));
    exchange.give(&order);
    let order = fill_or_kill(exchange.order(BETA, 6, Side::Buy, "60 ACME 250100"));
    exchange.give(&order);
    // Market: takes the fifteen that are left, and that is all there is.
    let order = market(exchange.order(BETA, 7, Side::Buy, "50 ACME 0"));
    exchange.give(&order);
    // Good till a time, which comes.
    let order = good_till(exchange.order(BETA, 8, Side::Buy, "50 BOLT 1100"), 5);
    exchange.give(&order);
    exchange.wait(5);
    // A mass cancel of one instrument, one that is refused, and the switch of order entry.
    exchange.buy(BETA, 9, "10 ACME 249000");
    let order = hidden(exchange.order(BETA, 10, Side::Buy, "10 ACME 249100"));
    exchange.give(&order);
    for (number, symbol) in [(UserRefNum(11), "ACME"), (REFUSED_REQUEST, "NOPE")] {
        let mass_cancel = mass_cancel(exchange, BETA, number.0, symbol);
        exchange.give(&mass_cancel);
    }
    exchange.give(&DisableEntry {
        header: exchange.header::<DisableEntry>(BETA),
        user_ref_num: UserRefNum(13),
        firm: FirmCode::new("BETA").unwrap(),
        ..DisableEntry::new_zeroed()
    });
    exchange.buy(BETA, 14, "10 ACME 249000");
    exchange.give(&EnableEntry {
        header: exchange.header::<EnableEntry>(BETA),
        user_ref_num: UserRefNum(15),
        firm: FirmCode::new("BETA").unwrap(),
        ..EnableEntry::new_zeroed()
    });
    let header = exchange.header::<AccountQuery>(BETA);
    exchange.give(&AccountQuery { header, ..AccountQuery::new_zeroed() });
}

/// A day on which trades are busted and corrected.
pub(crate) fn day_of_busts(exchange: &mut Exchange) {
    exchange.start_day();
    // Busted as it was made; an order rests on, and what was sold of it is not.
    exchange.sell(ALFA, 1, "100 ACME 250000");
    exchange.buy(BETA, 1, "40 ACME 250000");
    exchange.bust(exchange.trades()[0]);
    // Corrected up and down, then busted as it stands then.
    exchange.buy(BETA, 2, "20 ACME 250000");
    let trade = exchange.trades()[1];
    exchange.correct(trade, 260_000);
    exchange.correct(trade, 240_000);
    exchange.bust(trade);
    // Of one account with itself, for another price.
    exchange.buy(ALFA, 2, "30 ACME 250000");
    exchange.correct(exchange.trades()[2], 251_000);
    // Of another currency, hidden, without a fraction.
    let order = hidden(exchange.order(ALFA, 3, Side::Sell, "7 DOTS 70000"));
    exchange.give(&order);
    exchange.buy(BETA, 3, "7 DOTS 70000");
    exchange.correct(exchange.trades()[3], 69_999);
    // Of an auction.
    exchange.begin_auction("BOLT");
    exchange.buy(ALFA, 4, "70 BOLT 1100");
    exchange.sell(BETA, 4, "50 BOLT 1100");
    exchange.wait(2);
    exchange.bust(exchange.trades()[4]);
    // And what everyone has afterwards is what a transfer finds.
    exchange.transfer(1, "USD", -1);
    exchange.transfer(2, "KRW", -1);
}

/// Busts some of the day's trades, and corrects others.
pub(crate) fn amend_some(exchange: &mut Exchange) {
    for (nth, trade) in exchange.trades().into_iter().enumerate() {
        match nth % 60 {
            7 => exchange.bust(trade),
            20 => {
                let price = exchange.terms_of(trade).price.0;
                exchange.correct(trade, price + 3);
                exchange.correct(trade, price - 3);
            }
            _ => {}
        }
    }
}

/// Orders of every type, cancels and modifies of ALFA and BETA, near enough to each other that many trade.
fn trade_at_random(exchange: &mut Exchange, count: u32) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: u32| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((state >> 33) % u64::from(below)).unwrap()
    };
    // Even numbers are those of orders, odd ones of mass cancels.
    let number_of = |nth: u32| 100 + 2 * nth;
    for nth in 0..count {
        let (port, symbol, price) = match random(4) {
            0 => (ALFA, "ACME", 250_000 + random(40)),
            1 => (BETA, "ACME", 250_000 + random(40)),
            2 => (ALFA, "DOTS", 70_000 + random(5)),
            _ => (BETA, "DOTS", 70_000 + random(5)),
        };
        let side = if random(2) == 0 { Side::Buy } else { Side::Sell };
        let what = format!("{} {symbol} {price}", 1 + random(300));
        let order = exchange.order(port, number_of(nth), side, &what);
        let order = match random(10) {
            0 => hidden(order),
            1 | 2 => reserve(order, 1 + random(60)),
            3 => fill_or_kill(order),
            4 => market(order),
            5 => good_till(order, 1 + random(3)),
            _ => order,
        };
        let self_match = if port == BETA { [0, b'O', b'D'][random(3) as usize] } else { 0 };
        exchange.push(&NewOrder { self_match, ..order });
        let earlier = number_of(nth - random(30).min(nth));
        let left = random(200);
        match random(6) {
            0 | 1 => {
                let to = if left < 100 { 0 } else { left };
                let cancel = cancel(exchange, port, earlier, to);
                exchange.push(&cancel);
            }
            2 | 3 => {
                let modify = modify(exchange, (port, earlier), side, left);
                exchange.push(&modify);
            }
            _ => {}
        }
        if random(200) == 0 {
            let mass_cancel = mass_cancel(exchange, port, number_of(nth) + 1, symbol);
            exchange.push(&mass_cancel);
        }
        if exchange.pending() > 20 {
            exchange.seal();
        }
        if random(50) == 0 {
            exchange.seal();
            exchange.wait(1);
        }
    }
    exchange.seal();
}

fn hidden(order: NewOrder) -> NewOrder {
    NewOrder { display: b'N', ..order }
}

fn reserve(order: NewOrder, shown: u32) -> NewOrder {
    NewOrder { max_floor: Quantity(shown), ..order }
}

fn immediate(order: NewOrder) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::ImmediateOrCancel.byte(), ..order }
}

fn fill_or_kill(order: NewOrder) -> NewOrder {
    NewOrder { min_quantity: order.quantity, ..immediate(order) }
}

fn market(order: NewOrder) -> NewOrder {
    NewOrder { price: Price::MARKET, ..immediate(order) }
}

fn good_till(order: NewOrder, seconds: u32) -> NewOrder {
    let time_in_force = TimeInForce::GoodTillTime.byte();
    NewOrder { time_in_force, expire_time_s: seconds, ..order }
}

fn cancel(exchange: &Exchange, port: PortId, number: u32, to: u32) -> Cancel {
    Cancel {
        header: exchange.header::<Cancel>(port),
        user_ref_num: UserRefNum(number),
        quantity: Quantity(to),
        ..Cancel::new_zeroed()
    }
}

fn modify(exchange: &Exchange, (port, number): (PortId, u32), side: Side, to: u32) -> Modify {
    Modify {
        header: exchange.header::<Modify>(port),
        user_ref_num: UserRefNum(number),
        quantity: Quantity(to),
        side: side.byte(),
        ..Modify::new_zeroed()
    }
}

fn mass_cancel(exchange: &Exchange, port: PortId, number: u32, symbol: &str) -> MassCancel {
    MassCancel {
        header: exchange.header::<MassCancel>(port),
        user_ref_num: UserRefNum(number),
        symbol: Symbol::new(symbol).unwrap(),
        ..MassCancel::new_zeroed()
    }
}
