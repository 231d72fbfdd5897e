//! Auctions against a naive one: whatever was collected, as much trades as can, in the order of price,
//! display and time, and what is left is as it should be. And what no command about phases can do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use zerocopy::FromZeros as _;

use super::render::decimal;
use super::world::World;
use super::{feed, invariants, replay, script};
use crate::matching::{BookSide, Section};
use crate::types::command::{Calendar, CommandHeader, Halt, PriceBand, Resume, SetPhase};
use crate::types::{InstrumentId, Line, Nanos, OrderRef, Price, Record, Symbol};

const ACME: InstrumentId = InstrumentId(1);

/// An order before an auction.
#[derive(Clone, Debug)]
struct Waiting {
    name: String,
    section: Section,
    buys: bool,
    /// `None` = without a limit.
    limit: Option<u64>,
    shares: u64,
    /// In the book, but not on the feed.
    hidden: bool,
    /// What says how old it is: of a reserve, the part it shows.
    since: OrderRef,
}

#[derive(Clone, Debug)]
enum Step {
    Enter {
        port: &'static str,
        buys: bool,
        shares: u32,
        price: Option<u32>,
        kind: &'static str,
        option: &'static str,
    },
    Cancel {
        back: u32,
    },
    Replace {
        back: u32,
        shares: u32,
        ticks: i32,
    },
    Other(&'static str),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn auctions_trade_as_much_as_they_can_in_order(
        first_trade: bool,
        (maker, taker) in (-50_i64..50, 0_i64..50),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut world = World::open();
        script::run(&mut world, "account 9 BETA");
        let (maker, taker) = (decimal(maker, 2), decimal(taker, 2));
        let fee = format!("fee venue account=9 maker={maker} taker={taker}");
        let said = script::run(&mut world, &fee);
        prop_assert!(said[0].starts_with("fee Venue"), "{said:?}");
        if first_trade {
            script::run(&mut world, "B1 buy 900 10 ACME @10.00");
            script::run(&mut world, "A1 sell 900 10 ACME @10.00");
        }
        for (number, step) in (901..).zip(steps) {
            let waiting = waiting(&world);
            let line = line(&step, number);
            let said = script::run(&mut world, &line);
            check(&waiting, &said, &line);
            invariants::hold(&world);
        }
        feed::leads_to_the_same_books(&world);
        prop_assert_eq!(&replay::replay(&world.command_log).0, &world.events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Auctions of all instruments at once, in two currencies, some ended by a timer in the command of
    /// another instrument's trade.
    #[test]
    fn instruments_trade_together_and_each_moves_only_its_own(
        lines in prop::collection::vec(line_of_many(), 1..150),
    ) {
        let mut world = World::open();
        let funds = ["deposit 1 9,000,000 KRW", "deposit 1 10,000 DOTS", "deposit 1 10,000 CHIP"];
        let money = ["deposit 2 9,000,000 KRW", "deposit 2 10,000 DOTS", "deposit 2 10,000 CHIP"];
        let fees = ["account 9 BETA", "fee venue account=9 maker=-1.00 taker=3.00"];
        for line in funds.into_iter().chain(money).chain(fees).chain(["phase * preopen"]) {
            let said = script::run(&mut world, line);
            prop_assert!(!said[0].contains("refused"), "{said:?}");
        }
        for (number, line) in (1..).zip(&lines) {
            script::run(&mut world, &line.replace('#', &number.to_string()));
            invariants::hold(&world);
        }
        script::run(&mut world, "phase * continuous");
        invariants::hold(&world);
        prop_assert_eq!(&replay::replay(&world.command_log).0, &world.events);
    }
}

/// A line about any instrument, whose order has the number `#`.
fn line_of_many() -> impl Strategy<Value = String> {
    let symbols = || prop::sample::select(vec!["ACME", "BOLT", "CHIP", "DOTS"]);
    let order = (prop::sample::select(vec!["A1 buy", "A1 sell", "B1 buy", "B1 sell"]), symbols());
    let order = (order, 1_u32..4, 9_u32..12).prop_map(|((who, symbol), lots, price)| {
        format!("{who} # {} {symbol} @{}", lots * 100, price * 50)
    });
    let phases = vec![
        "phase SYMBOL preopen",
        "phase SYMBOL volatility for=1s",
        "phase SYMBOL reopening for=1s",
        "phase SYMBOL continuous",
        "band SYMBOL 300 for=1s",
        "phase * volatility for=1s",
        "phase * continuous",
        "bust ~7 consent",
        "correct ~5 @+2t consent",
        "deposit 2 10 SYMBOL",
        "away 1s",
        "wait 1s",
    ];
    let phase = (prop::sample::select(phases), symbols())
        .prop_map(|(line, symbol)| line.replace("SYMBOL", symbol));
    prop_oneof![8 => order, 3 => phase]
}

fn step() -> impl Strategy<Value = Step> {
    let price = prop_oneof![9 => (990_u32..1_010).prop_map(Some), 1 => Just(None)];
    let kind = prop::sample::select(vec!["N", "N", "N", "O", "C", "H"]);
    let port = prop::sample::select(vec!["A1", "A1", "B1"]);
    let option = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "display=N",
        "floor=5",
        "tif=6 expires=2",
        "postonly=P",
        "ioc min=5",
    ]);
    let others = vec![
        "phase ACME preopen",
        "phase ACME preopen",
        "phase ACME preopen",
        "phase ACME opening",
        "phase ACME continuous",
        "phase ACME continuous",
        "phase ACME continuous",
        "phase ACME continuous",
        "phase ACME volatility for=2s",
        "phase ACME reopening for=1s",
        "phase ACME closing",
        "phase ACME closing",
        "phase ACME closed",
        "halt ACME T1",
        "resume ACME for=1s",
        "resume ACME for=1s",
        "band ACME 20 for=1s",
        "band ACME 0",
        "wait 1s",
        "wait 1s",
        "down B1",
        "up B1",
    ];
    prop_oneof![
        10 => (port, any::<bool>(), 1_u32..30, price, kind, option)
            .prop_map(|(port, buys, shares, price, kind, option)| {
                Step::Enter { port, buys, shares, price, kind, option }
            }),
        1 => (1_u32..20).prop_map(|back| Step::Cancel { back }),
        1 => (1_u32..20, 1_u32..40, -5_i32..6)
            .prop_map(|(back, shares, ticks)| Step::Replace { back, shares, ticks }),
        3 => prop::sample::select(others).prop_map(Step::Other),
    ]
}

fn line(step: &Step, number: u32) -> String {
    match *step {
        Step::Enter { port, buys, shares, price, kind, option } => {
            let side = if buys { "buy" } else { "sell" };
            let price = price
                .map_or("market".to_owned(), |cents| format!("{}.{:02}", cents / 100, cents % 100));
            format!("{port} {side} {number} {shares} ACME @{price} {option} cross={kind}")
        }
        Step::Cancel { back } => format!("A1 cancel {}", number - back),
        Step::Replace { back, shares, ticks } => {
            format!("A1 replace {} by {number} {shares} @{ticks:+}t", number - back)
        }
        Step::Other(line) => line.to_owned(),
    }
}

/// What rests in ACME, the oldest first.
fn waiting(world: &World) -> Vec<Waiting> {
    let mut orders = Vec::new();
    for section in [Section::Continuous, Section::Opening, Section::Closing] {
        for side in [BookSide::Bids, BookSide::Asks] {
            orders.extend(world.engine.books().orders_in(ACME, section, side));
        }
    }
    let waiting = orders.iter().map(|order| Waiting {
        name: world.orders[&order.order].clone(),
        section: order.section,
        buys: order.side == BookSide::Bids,
        limit: (order.price != order.side.no_limit()).then_some(order.price.0),
        shares: order.open.0.into(),
        hidden: order.section == Section::Continuous && order.shown_as.is_none(),
        since: if order.shown_as.is_none() { order.order } else { order.shown_as },
    });
    let mut waiting: Vec<_> = waiting.collect();
    waiting.sort_by_key(|order| order.since);
    waiting
}

/// Compares an auction that was held, if one was, with what was waiting for it.
fn check(waiting: &[Waiting], said: &[String], line: &str) {
    let Some(crossed) = said.iter().find_map(|event| event.strip_prefix("crossed ")) else {
        return;
    };
    let mut words = crossed.split(' ');
    let section = match words.next().unwrap() {
        "Closing" => Section::Closing,
        _ => Section::Opening,
    };
    let shares: u64 = words.next().unwrap().parse().unwrap();
    let price = words.nth(1).unwrap().strip_prefix('@').unwrap().replace('.', "");
    let price = price.parse::<u64>().unwrap() * 100;

    // Those beyond the collars, a port's whose grace was over, and expired ones were gone before.
    let before = said.iter().take_while(|event| !event.starts_with("executed"));
    let gone: Vec<&str> = before
        .filter(|event| {
            [" Collars,", " Supervisory,", " Timeout,"].iter().any(|why| event.contains(why))
        })
        .map(|event| event.split(' ').nth(1).unwrap())
        .collect();
    let mut orders: Vec<&Waiting> = waiting
        .iter()
        .filter(|order| order.section == Section::Continuous || order.section == section)
        .filter(|order| !gone.contains(&order.name.as_str()))
        .collect();

    // No tick of any order's would have let more trade.
    let sum = |buys, price| -> u64 {
        let takes = |order: &&&Waiting| {
            let at = |limit| if buys { limit >= price } else { limit <= price };
            order.buys == buys && order.limit.is_none_or(at)
        };
        orders.iter().filter(takes).map(|order| order.shares).sum()
    };
    let volume = |price| sum(true, price).min(sum(false, price));
    let most = (98_000..=103_000).step_by(100).map(volume).max().unwrap();
    let priceless = orders.iter().all(|order| order.limit.is_none());
    assert!(shares == most || (priceless && shares == 0), "{shares} of {most} after {line}");
    assert!(shares == 0 || volume(price) == shares, "{price} after {line}");

    // Each side traded in the order of price, display and time.
    orders.sort_by_key(|order| {
        let rank = match (order.buys, order.limit) {
            (_, None) => 0,
            (true, Some(limit)) => u64::MAX - limit,
            (false, Some(limit)) => limit,
        };
        (rank, order.hidden)
    });
    let mut expected = BTreeMap::new();
    for buys in [true, false] {
        let mut left = shares;
        for order in orders.iter().filter(|order| order.buys == buys) {
            let part = left.min(order.shares);
            left -= part;
            if part > 0 {
                expected.insert(order.name.clone(), part);
            }
        }
        assert_eq!(left, 0);
    }
    let mut executed = BTreeMap::new();
    for event in said.iter().filter(|event| event.contains("Cross,") && event.starts_with("exec")) {
        let words: Vec<&str> = event.split(' ').collect();
        *executed.entry(words[1].to_owned()).or_insert(0) += words[2].parse::<u64>().unwrap();
    }
    assert_eq!(executed, expected, "after {line}: {said:#?}");
}

#[test]
fn no_byte_of_a_command_about_phases_breaks_anything() {
    let acme = Symbol::new("ACME").unwrap();
    let header = CommandHeader::internal::<Halt>(Nanos::ZERO);
    let halt = Halt { header, symbol: acme, ..Halt::new_zeroed() };
    let header = CommandHeader::internal::<Resume>(Nanos::ZERO);
    let resume = Resume { header, symbol: acme, ..Resume::new_zeroed() };
    let header = CommandHeader::internal::<SetPhase>(Nanos::ZERO);
    let phase = SetPhase { header, symbol: acme, phase: 3, ..SetPhase::new_zeroed() };
    let header = CommandHeader::internal::<PriceBand>(Nanos::ZERO);
    let band = PriceBand { header, symbol: acme, band_bps: 100, ..PriceBand::new_zeroed() };
    let header = CommandHeader::internal::<Calendar>(Nanos::ZERO);
    let (open, close) = (Nanos::from_secs(52_300), Nanos::from_secs(52_310));
    let calendar = Calendar { header, open, close, ..Calendar::new_zeroed() };
    let commands: [&[Line]; 5] =
        [halt.lines(), resume.lines(), phase.lines(), band.lines(), calendar.lines()];

    let mut world = World::open();
    let mut number = 0;
    for (date, command) in (20_260_303..).zip(commands) {
        for at in size_of::<CommandHeader>()..Line::bytes(command).len() {
            for byte in [0, 1, 3, 0x7F, 0xFF] {
                let mut changed = command.to_vec();
                Line::bytes_mut(&mut changed)[at] = byte;
                world.apply_lines(&changed);
                for side in ["buy", "sell"] {
                    number += 1;
                    script::run(&mut world, &format!("A1 {side} {number} 10 ACME @10.00"));
                }
                invariants::hold(&world);
            }
        }
        script::run(&mut world, "day end");
        let said = script::run(&mut world, &format!("day start {date}"));
        assert!(!said[0].contains("refused"), "{said:?}");
        script::run(&mut world, "up A1");
    }
    assert_eq!(replay::replay(&world.command_log).0, world.events);
}

#[test]
fn an_auction_of_a_whole_venue_is_one_step() {
    let mut world = World::open();
    script::run(&mut world, "phase ACME preopen");
    for number in 1..=1_000 {
        script::run(&mut world, &format!("A1 buy {} 1 ACME @10.00", 2 * number));
        script::run(&mut world, &format!("A1 sell {} 1 ACME @10.00", 2 * number + 1));
    }
    let said = script::run(&mut world, "phase ACME continuous");
    assert_eq!(said.len(), 2 * 1_000 + 2);
    assert_eq!(world.engine.books().order_count(), 0);
    assert_eq!(
        world.engine.order_manager().instruments.get(1).unwrap().trading.last_price,
        Price(100_000)
    );
    invariants::hold(&world);
    feed::leads_to_the_same_books(&world);
}
