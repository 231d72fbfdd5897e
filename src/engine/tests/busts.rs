//! The notation of busts and corrections: trades by the names of their two orders, the buyer's first, and
//! what becomes of them. And what no terms may do.

use std::collections::BTreeMap;

use zerocopy::FromZeros;

use super::render::Words;
use super::script::{option, parse_decimal};
use super::world::World;
use super::{invariants, script};
use crate::order_manager::OrderManager;
use crate::types::command::{BustTrade, CommandHeader, TradeCorrection};
use crate::types::event::{Event, TradeSearch, below_zero};
use crate::types::{
    AccountId, BustReason, CurrencyId, Line, MatchNumber, Nanos, OrderRef, Price, Quantity, Record,
    Symbol, TradeSide, TradeTerms,
};

/// `bust B1.1 A1.1 erroneous` undoes their last fill, `bust ~7 ...` the seventh trade there was, counted on
/// from the first behind the last. `correct B1.1 A1.1 @9.50 consent` gives it a price, `@+2t` two ticks
/// above the one it has. `asmade` means the trade as it was before any correction, `print=B1.2/A1.2` says
/// that it is another's print. `None` if there is no trade.
pub(super) fn command(
    world: &World,
    header: CommandHeader,
    request: u64,
    words: &[&str],
) -> Option<Vec<Line>> {
    let (trade, rest) = match *words {
        [_, trade, ref rest @ ..] if trade.starts_with('~') => {
            (nth(world, trade[1..].parse().unwrap())?, rest)
        }
        [_, buyer, seller, ref rest @ ..] => (between(world, buyer, seller), rest),
        _ => panic!("which trade? {words:?}"),
    };
    let standing = terms(world, trade, rest.contains(&"asmade"));
    let terms = changed(world, standing, rest);
    let reason = reason(rest);
    Some(match (words[0], rest) {
        ("bust", _) => {
            let header = CommandHeader { form_error: 0, ..of::<BustTrade>(header) };
            let bust = BustTrade { header, request, terms, reason, ..FromZeros::new_zeroed() };
            bust.lines().to_vec()
        }
        (_, [price, ..]) => {
            let header = CommandHeader { form_error: 0, ..of::<TradeCorrection>(header) };
            let price = new_price(world, &standing, price.strip_prefix('@').unwrap());
            let correction = TradeCorrection {
                header,
                request,
                terms,
                price,
                reason,
                ..FromZeros::new_zeroed()
            };
            correction.lines().to_vec()
        }
        _ => panic!("which price? {words:?}"),
    })
}

fn of<C: Record>(header: CommandHeader) -> CommandHeader {
    CommandHeader::new::<C>(header.port, header.epoch, header.receive_time)
}

/// Every trade, in the order of the log: its number and its orders, the buyer's first.
pub(super) fn trades(world: &World) -> Vec<(MatchNumber, [OrderRef; 2])> {
    let fills = world.events.records().filter_map(|(_, record)| match Event::parse(record) {
        Ok(Event::Executed(fill)) => Some(*fill),
        _ => None,
    });
    let of_buyers = fills.filter(|fill| fill.side == b'B');
    of_buyers.map(|fill| (fill.match_number, [fill.order, fill.contra])).collect()
}

/// A trade, whichever number is asked for; `None` if there is none at all.
fn nth(world: &World, number: usize) -> Option<MatchNumber> {
    let trades = trades(world);
    Some(trades.get(number % trades.len().max(1))?.0)
}

fn between(world: &World, buyer: &str, seller: &str) -> MatchNumber {
    let trades = trades(world);
    let found = trades
        .iter()
        .rev()
        .find(|(_, [bought, sold])| world.orders[bought] == buyer && world.orders[sold] == seller);
    found.unwrap_or_else(|| panic!("{buyer} and {seller} did not trade")).0
}

/// What the event log says of a trade, busted or not.
pub(super) fn terms(world: &World, trade: MatchNumber, as_made: bool) -> TradeTerms {
    let mut search = TradeSearch::new(trade);
    for (sequence, record) in world.events.records().chain(world.events.records()) {
        match Event::parse(record).unwrap() {
            Event::TradeBusted(_) | Event::DayEnded(_) => {}
            Event::TradeCorrected(_) if as_made => {}
            event => search.learn(sequence, &event),
        }
    }
    search.terms().unwrap()
}

/// The terms with what a line says otherwise.
fn changed(world: &World, terms: TradeTerms, words: &[&str]) -> TradeTerms {
    let price: Option<String> = option(words, "price");
    let side = |side: TradeSide, name: &str| TradeSide {
        account: option(words, &format!("{name}account")).map_or(side.account, AccountId),
        port: option(words, &format!("{name}port"))
            .map_or(side.port, |name: String| world.port(&name)),
        fee: option(words, &format!("{name}fee")).unwrap_or(side.fee),
        order: option(words, &format!("{name}order")).map_or(side.order, OrderRef),
        side: option(words, &format!("{name}side")).map_or(side.side, |byte: char| byte as u8),
        ..side
    };
    TradeTerms {
        match_number: option(words, "match").map_or(terms.match_number, MatchNumber),
        print_number: option::<String>(words, "print")
            .map_or(terms.print_number, |print| print_of(world, &print)),
        price: price.map_or(terms.price, |price| new_price(world, &terms, &price)),
        quantity: option(words, "quantity").map_or(terms.quantity, Quantity),
        symbol: option::<String>(words, "symbol")
            .map_or(terms.symbol, |symbol| Symbol::new(&symbol).unwrap()),
        date: option(words, "date").unwrap_or(terms.date),
        buyer: side(terms.buyer, "buyer"),
        seller: side(terms.seller, "seller"),
    }
}

/// "7", or that of the last trade of "B1.2/A1.2" as it stands.
fn print_of(world: &World, text: &str) -> MatchNumber {
    match text.split_once('/') {
        Some((buyer, seller)) => terms(world, between(world, buyer, seller), false).print_number,
        None => MatchNumber(text.parse().unwrap()),
    }
}

fn new_price(world: &World, terms: &TradeTerms, price: &str) -> Price {
    let manager = world.engine.order_manager();
    let instrument = manager.instrument(terms.symbol).unwrap();
    let row = manager.instruments.get(instrument.0.into()).unwrap();
    match price.strip_suffix('t') {
        Some(ticks) => {
            let shift = ticks.parse::<i64>().unwrap() * row.tick_size.cast_signed();
            Price(terms.price.0.saturating_add_signed(shift))
        }
        None => Price(parse_decimal(price, row.price_decimals).try_into().unwrap()),
    }
}

fn reason(words: &[&str]) -> u8 {
    let reasons = [
        ("erroneous", BustReason::Erroneous),
        ("consent", BustReason::Consent),
        ("supervisory", BustReason::Supervisory),
        ("external", BustReason::External),
    ];
    reasons.iter().find(|(name, _)| words.contains(name)).map_or(b'?', |(_, reason)| reason.byte())
}

/// An event in a line; `None` if it is about no bust.
pub(super) fn render(
    event: &Event<'_>,
    words: &Words<'_>,
    orders: &BTreeMap<OrderRef, String>,
) -> Option<String> {
    let said = |reason| BustReason::from_byte(reason).unwrap();
    Some(match event {
        Event::TradeBusted(e) => format!(
            "bust of {} {:?}{}",
            trade(&e.terms, words, orders),
            said(e.reason),
            debts(e.below_zero)
        ),
        Event::TradeCorrected(e) => format!(
            "correction to {} {:?}{}",
            trade(&e.terms, words, orders),
            said(e.reason),
            debts(e.below_zero)
        ),
        Event::FillBusted(e) => format!(
            "busted {} {} @{}{}, has {}",
            orders[&e.order],
            e.quantity,
            words.price(e.price),
            words.fee(e.fee, e.currency),
            owned(words, (e.cash, e.shares), e.currency)
        ),
        Event::FillCorrected(e) => format!(
            "corrected {} {} @{}{} to @{}{}, has {}",
            orders[&e.order],
            e.quantity,
            words.price(e.old_price),
            words.fee(e.old_fee, e.currency),
            words.price(e.price),
            words.fee(e.fee, e.currency),
            owned(words, (e.cash, e.shares), e.currency)
        ),
        Event::Reprinted(e) => {
            format!("printed {} {} @{}", e.quantity, words.symbol(), words.price(e.price))
        }
        _ => return None,
    })
}

fn trade(terms: &TradeTerms, words: &Words<'_>, orders: &BTreeMap<OrderRef, String>) -> String {
    format!(
        "{} {} @{} of {} with {}",
        terms.quantity,
        words.symbol(),
        words.price(terms.price),
        orders[&terms.buyer.order],
        orders[&terms.seller.order]
    )
}

fn owned(words: &Words<'_>, (cash, shares): (i64, i64), currency: CurrencyId) -> String {
    format!("{} and {shares} {}", words.cash(cash, currency), words.symbol())
}

fn debts(bits: u8) -> String {
    let debts = [
        (below_zero::BUYER_CASH, ", buyer's cash below zero"),
        (below_zero::BUYER_SHARES, ", buyer's shares below zero"),
        (below_zero::SELLER_CASH, ", seller's cash below zero"),
        (below_zero::SELLER_SHARES, ", seller's shares below zero"),
    ];
    debts.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, debt)| *debt).collect()
}

/// Accounts whose trades were busted or corrected: they may owe.
pub(super) fn may_owe(world: &World, manager: &OrderManager, account: u32) -> bool {
    let id = manager.accounts.get(account).unwrap().id;
    world.busted.contains(&id)
}

/// Two trades, a corrected one among them, and the terms of both.
fn two_trades() -> (World, Vec<TradeTerms>) {
    let mut world = World::open();
    for line in [
        "fee venue account=4 maker=1.00 taker=3.00",
        "A1 sell 1 100 ACME @10.00",
        "B1 buy 1 100 ACME @10.00",
        "A1 short 2 50 CHIP @10.00 account=5",
        "B1 buy 2 50 CHIP @10.00",
        "correct B1.2 A1.2 @9.00 erroneous",
    ] {
        script::run(&mut world, line);
    }
    let all = trades(&world).iter().map(|&(number, _)| terms(&world, number, false)).collect();
    (world, all)
}

/// What a command says of a trade, byte by byte: whatever else it says is refused, or changes nothing
/// that is counted.
#[test]
fn terms_with_any_byte_changed_never_break_the_books() {
    let (_, trades) = two_trades();
    for at in 0..size_of::<TradeTerms>() {
        for byte in [0, 1, 0x7F, 0xFF] {
            let (mut world, _) = two_trades();
            for terms in &trades {
                let header = CommandHeader::internal::<BustTrade>(Nanos::ZERO);
                let mut bust =
                    BustTrade { header, terms: *terms, reason: b'E', ..FromZeros::new_zeroed() };
                let offset = std::mem::offset_of!(BustTrade, terms);
                zerocopy::IntoBytes::as_mut_bytes(&mut bust)[offset + at] = byte;
                let said = world.apply(&bust);
                assert!(said.len() == 1 || said.len() == 3, "{said:?}");
            }
            invariants::hold(&world);
        }
    }
}

#[test]
fn a_day_has_room_for_so_many_busts() {
    let (mut world, trades) = two_trades();
    world.engine.manager.busts.fill();
    let header = CommandHeader::internal::<BustTrade>(Nanos::ZERO);
    let bust = BustTrade { header, terms: trades[0], reason: b'E', ..FromZeros::new_zeroed() };
    assert_eq!(world.apply(&bust), ["refused BustTrade, Capacity"]);
    for line in ["day end", "day start 20260303", "up A1", "up B1", "A1 sell 1 10 ACME @10.00"] {
        script::run(&mut world, line);
    }
    script::run(&mut world, "B1 buy 1 10 ACME @10.00");
    let said = script::run(&mut world, "bust ~2 consent");
    assert!(said[0].starts_with("bust of 10 ACME"), "{said:?}");
}

#[test]
fn both_sides_of_a_bust_are_told_what_their_orders_were_called() {
    let (mut world, _) = two_trades();
    script::run(&mut world, "bust B1.1 A1.1 supervisory");
    let told = world.events.records().filter_map(|(_, lines)| match Event::parse(lines) {
        Ok(Event::FillBusted(e)) => Some((e.header.port, e.cl_ord_id.text(), e.reason)),
        _ => None,
    });
    let side = |port: &str| (world.port(port), "id1".to_owned(), b'S');
    assert_eq!(told.collect::<Vec<_>>(), [side("B1"), side("A1")]);
}
