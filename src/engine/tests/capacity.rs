//! What an engine is made for, and what it says beyond that.

use zerocopy::FromZeros;

use super::super::Capacity;
use super::invariants;
use super::script;
use super::world::World;
use crate::order_manager::FILLS_MAX;
use crate::types::command::NewOrder;
use crate::types::{Price, Quantity, Symbol, UserRefNum};

fn tell(capacity: Capacity, lines: &str) -> Vec<String> {
    let mut world = World::with(capacity);
    script::lines(lines).flat_map(|line| script::run(&mut world, line)).collect()
}

const MARKET: &str = "
    currency USD 4
    firm ALFA open=2
    port A1 ALFA orders account=1
    account 1 ALFA
    account 2 ALFA
    instrument ACME USD 4 tick=100
    deposit 1 1,000,000.00 USD
    deposit 2 1,000,000.00 USD
    deposit 2 1,000 ACME
    day start 20260302
    up A1
";

#[test]
fn an_order_that_would_rest_where_no_room_is_left_is_rejected() {
    let orders = "
        A1 buy 1 10 ACME @10.00
        A1 buy 2 10 ACME @10.00
        A1 buy 3 10 ACME @10.00
        A1 buy 4 10 ACME @10.00 ioc
        A1 sell 5 10 ACME @10.00 ioc account=2
        A1 buy 6 10 ACME @10.00
    ";
    let capacity = Capacity { orders: 2, ..Capacity::SMALL };
    let said = tell(capacity, &[MARKET, orders].concat());
    assert_eq!(
        said[said.len() - 8..],
        [
            "accepted A1.1 buy 10 ACME @10.00 *",
            "accepted A1.2 buy 10 ACME @10.00 *",
            "rejected A1.3 Other",
            "accepted A1.4 buy 10 ACME @10.00 dead",
            "accepted A1.5 sell 10 ACME @10.00",
            "executed A1.1 10 ACME @10.00 Added, 0 left *",
            "executed A1.5 10 ACME @10.00 Removed, 0 left",
            "accepted A1.6 buy 10 ACME @10.00 *",
        ]
    );
}

#[test]
fn a_replaced_order_leaves_its_room_and_its_price_to_its_successor() {
    let orders = "
        A1 buy 1 10 ACME @10.00
        A1 buy 2 10 ACME @10.01
        A1 replace 1 by 3 20 @9.99
        A1 replace 3 by 4 20 @10.01
        A1 buy 5 10 ACME @10.02
        A1 replace 4 by 6 20 @10.03
    ";
    let capacity = Capacity { orders: 2, ..Capacity::SMALL };
    let said = tell(capacity, &[MARKET, orders].concat());
    assert_eq!(
        said[said.len() - 6..],
        [
            "accepted A1.1 buy 10 ACME @10.00 *",
            "accepted A1.2 buy 10 ACME @10.01 *",
            "replaced A1.1 by A1.3 buy 20 ACME @9.99 *",
            "replaced A1.3 by A1.4 buy 20 ACME @10.01 *",
            "rejected A1.5 Other",
            "replaced A1.4 by A1.6 buy 20 ACME @10.03 *",
        ]
    );
}

#[test]
fn an_order_whose_fill_would_have_no_balance_to_go_to_is_rejected() {
    let capacity = Capacity { balances: 3, ..Capacity::SMALL };
    let said = tell(capacity, &[MARKET, "A1 buy 1 10 ACME @10.00"].concat());
    assert_eq!(said.last().unwrap(), "rejected A1.1 Other");
}

#[test]
fn what_is_refused_and_what_is_spent_takes_no_room_among_the_balances() {
    let capacity = Capacity { balances: 5, ..Capacity::SMALL };
    let more = "
        currency EUR 2
        instrument BOLT USD 4 tick=100
        withdraw 2 1.00 EUR
        A1 buy 1 900000 BOLT @10.00
        A1 buy 2 10 ACME @10.00
        A1 sell 3 10 ACME @10.00 account=2
        A1 buy 4 10 BOLT @10.00
        deposit 2 1.00 EUR
        withdraw 1 10 ACME
        day end
        day start 20260303
        deposit 2 1.00 EUR
    ";
    let said = tell(capacity, &[MARKET, more].concat());
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    let at = |line| said.iter().position(|&said| said == line).unwrap_or_else(|| panic!("{line}"));
    // Room for cash and shares of both accounts, and one more.
    let refused = at("refused Transfer, Balance");
    let exposed = at("rejected A1.1 AggregateExposure");
    let bought = at("executed A1.2 10 ACME @10.00 Added, 0 left *");
    let opened = at("accepted A1.4 buy 10 BOLT @10.00 *");
    let full = at("refused Transfer, Capacity");
    let freed = at("balance of 2 is 1.00 EUR, 0.00 held");
    assert!([refused, exposed, bought, opened, full, freed].is_sorted(), "{said:#?}");
}

#[test]
fn transfers_beyond_the_days_number_are_refused_until_the_next() {
    let capacity = Capacity { balances: 4, ..Capacity::SMALL };
    let more = "
        deposit 1 1.00 USD ref=1
        deposit 1 1.00 USD ref=2
        deposit 1 1.00 USD ref=3
        deposit 1 1.00 USD ref=4
        deposit 1 1.00 USD ref=5
        deposit 1 1.00 USD ref=4
        show balance 1 USD
        day end
        day start 20260303
        deposit 1 1.00 USD ref=4
        deposit 1 1.00 USD ref=5
        show balance 1 USD
    ";
    let said = tell(capacity, &[MARKET, more].concat());
    let said: Vec<_> =
        said.iter().filter(|said| said.contains("Transfer") || said.contains("USD,")).collect();
    assert_eq!(
        said[said.len() - 9..],
        [
            "balance of 1 is 1000004.00 USD, 0.00 held",
            "refused Transfer, Capacity",
            "refused Transfer, RepeatedReference",
            "1000004.00 USD, 0.00 held",
            "balance of 1 is 1000004.00 USD, 0.00 held",
            "balance of 2 is 1000000.00 USD, 0.00 held",
            "refused Transfer, RepeatedReference",
            "balance of 1 is 1000005.00 USD, 0.00 held",
            "1000005.00 USD, 0.00 held",
        ]
    );
}

#[test]
fn definitions_beyond_their_number_are_refused() {
    let capacity = Capacity {
        currencies: 1,
        firms: 1,
        ports: 1,
        accounts: 2,
        instruments: 1,
        ..Capacity::SMALL
    };
    let more = "
        currency EUR 2
        firm BETA
        port A2 ALFA orders
        account 3 ALFA
        instrument BOLT USD 2
    ";
    let said = tell(capacity, &[MARKET, more].concat());
    assert_eq!(
        said[said.len() - 5..],
        [
            "refused CurrencyDefine, Capacity",
            "refused FirmDefine, Capacity",
            "refused PortDefine, Capacity",
            "refused AccountOpen, Capacity",
            "refused InstrumentDefine, Capacity",
        ]
    );
}

#[test]
fn a_firm_that_may_have_more_orders_open_than_the_venue_has_left_is_refused() {
    let capacity = Capacity { orders: 100, ..Capacity::SMALL };
    let said = tell(
        capacity,
        "
        firm ALFA open=60
        firm BETA open=41
        firm BETA open=29
        firm GAMA
        firm GAMA open=11
        firm GAMA open=11
        firm ALFA open=4294967295
        ",
    );
    // One that names no number has an eighth of the orders.
    assert_eq!(
        said,
        [
            "firm ALFA is 1",
            "refused FirmDefine, Capacity",
            "firm BETA is 2",
            "refused FirmDefine, Capacity",
            "firm GAMA is 3",
            "refused FirmDefine, Exists",
            "refused FirmDefine, Exists",
        ]
    );
}

#[test]
fn an_order_that_would_meet_too_many_others_is_canceled_where_it_stands() {
    for taker in ["buy 1", "buy 1 ioc", "replace"] {
        let mut world = offered(FILLS_MAX + 5);
        let quantity = FILLS_MAX + 3;
        let said = match taker {
            "buy 1" => script::run(&mut world, &format!("A1 buy 1 {quantity} ACME @10.00")),
            "buy 1 ioc" => script::run(&mut world, &format!("A1 buy 1 {quantity} ACME @10.00 ioc")),
            _ => {
                script::run(&mut world, "A1 buy 1 1 ACME @9.00");
                script::run(&mut world, &format!("A1 replace 1 by 2 {quantity} @10.00"))
            }
        };
        assert_eq!(said.len(), 1 + 2 * FILLS_MAX + 1, "{taker}");
        let number = if taker == "replace" { 2 } else { 1 };
        assert_eq!(said.last().unwrap(), &format!("canceled A1.{number} 3 System, 0 left"));
        assert_eq!(world.engine.books().order_count(), 5);
        assert_eq!(script::run(&mut world, "show balance 1 USD")[0], "900000.00 USD, 0.00 held");
        invariants::hold(&world);
    }
}

#[test]
fn an_order_that_meets_as_many_others_as_it_may_rests_with_what_is_left() {
    let mut world = offered(FILLS_MAX);
    let said = script::run(&mut world, &format!("A1 buy 1 {} ACME @10.00", FILLS_MAX + 5));
    assert_eq!(said.last().unwrap(), "rested A1.1 5 ACME @10.00 *");
    invariants::hold(&world);
}

/// A world in which A2 sells so many single shares at ten, each in an order of its own.
fn offered(shares: usize) -> World {
    let shares = u32::try_from(shares).unwrap();
    let orders = shares + 1;
    let mut world = World::with(Capacity { orders, ..Capacity::SMALL });
    let market = MARKET.replace("open=2", &format!("open={orders}"));
    let market = market.replace("1,000 ACME", "1,000,000 ACME");
    for line in script::lines(&market).chain(["port A2 ALFA orders account=2", "up A2"]) {
        script::run(&mut world, line);
    }
    let header = world.header::<NewOrder>("A2");
    for number in 1..=shares {
        world.apply(&NewOrder {
            header,
            price: Price(100_000),
            symbol: Symbol::new("ACME").unwrap(),
            user_ref_num: UserRefNum(number),
            quantity: Quantity(1),
            side: b'S',
            time_in_force: b'0',
            display: b'Y',
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            ..NewOrder::new_zeroed()
        });
    }
    world
}
