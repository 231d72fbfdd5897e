//! The engine against the naive exchange: the same commands must come to the same events, books and
//! balances.

mod flow;
mod step;

use proptest::prelude::*;

pub(super) use self::flow::steps;
use self::step::answer;
pub(super) use self::step::{Step, line};
use super::naive::{FEES, LISTINGS, LOGINS, Naive, Rates};
use super::render::decimal;
use super::world::{OPENING, World};
use super::{invariants, script};
use crate::types::Nanos;

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_says_what_the_naive_exchange_says(
        steps in steps(150),
        rates in rates(),
        rule in 0_u8..4,
        calendar in prop::option::weighted(0.2, calendar()),
    ) {
        let mut world = World::ruled(rule);
        if let Some(Rates { maker, taker }) = rates {
            let (maker, taker) = (decimal(maker, 2), decimal(taker, 2));
            let fee = format!("fee venue account={FEES} maker={maker} taker={taker}");
            let said = script::run(&mut world, &fee);
            prop_assert!(said[0].starts_with("fee Venue"), "{said:?}");
        }
        let rates = rates.unwrap_or_default();
        let mut naive = match calendar {
            Some(calendar) => begin_day(&mut world, rates, rule, calendar),
            None => Naive::new(world.now, rates, rule),
        };
        for (number, step) in (1..).zip(steps) {
            let line = line(&step, number);
            let said = script::run(&mut world, &line);
            let mut expected = naive.advance(world.now);
            expected.extend(answer(&mut naive, &step, number));
            let said: Vec<_> =
                said.iter().map(|event| event.split(", next").next().unwrap().to_owned()).collect();
            prop_assert_eq!(said, expected, "{}", line);
            invariants::hold(&world);
        }
        for (listing, row) in LISTINGS.iter().enumerate() {
            let symbol = row.symbol;
            let book = script::run(&mut world, &format!("show book {symbol}"));
            prop_assert_eq!(book, [naive.book(listing)]);
            for account in [1, 2, 3, FEES, 5] {
                let shares = script::run(&mut world, &format!("show balance {account} {symbol}"));
                prop_assert_eq!(shares, [naive.shares(account, listing)]);
                let cash = script::run(&mut world, &format!("show balance {account} USD"));
                prop_assert_eq!(cash, [naive.cash(account)]);
            }
        }
    }
}

/// Begins another day, of this calendar, and logs everybody in.
fn begin_day(world: &mut World, rates: Rates, rule: u8, calendar: &[Entry]) -> Naive {
    let times = calendar.iter().map(|(name, _, minute)| format!("{name}=14:{minute:02}"));
    let times = times.collect::<Vec<_>>().join(" ");
    for line in [&format!("calendar * {times}"), "day end", "day start 20260303"] {
        let said = script::run(world, line);
        assert!(!said[0].contains("refused"), "{line}: {said:?}");
    }
    let mut naive = Naive::new(world.now, rates, rule);
    let two = Nanos(OPENING.0 - Nanos::from_secs(30 * 60).0);
    let at = |minute: u64| two.after(Nanos::from_secs(60 * minute));
    let times: Vec<_> = calendar.iter().map(|&(_, phase, minute)| (at(minute), phase)).collect();
    naive.begin_day(&times);
    for (login, row) in LOGINS.iter().enumerate() {
        script::run(world, &format!("up {}", row.name));
        naive.advance(world.now);
        naive.log_in(login);
    }
    naive
}

/// A time of a calendar, the phase that begins then, and the minute behind two o'clock.
type Entry = (&'static str, &'static str, u64);

/// Days that stand in another phase each when it is half past two.
fn calendar() -> impl Strategy<Value = &'static [Entry]> {
    const DAYS: [&[Entry]; 4] = [
        &[
            ("opening", "opening", 31),
            ("open", "continuous", 32),
            ("closing", "closing", 33),
            ("close", "closed", 34),
        ],
        &[("opening", "opening", 29), ("open", "continuous", 31), ("close", "closed", 33)],
        &[("open", "continuous", 1), ("closing", "closing", 31), ("close", "closed", 32)],
        &[("open", "continuous", 1), ("closing", "closing", 20), ("close", "closed", 31)],
    ];
    prop::sample::select(DAYS.to_vec())
}

/// None, or such that they are worth a unit now and then.
fn rates() -> impl Strategy<Value = Option<Rates>> {
    let rates = (-1_000_i64..1_000, 0_i64..1_000).prop_map(|(maker, taker)| Rates { maker, taker });
    prop::option::of(prop_oneof![
        rates.clone(),
        rates.prop_map(|Rates { maker, taker }| Rates { maker: maker * 100, taker: taker * 100 }),
    ])
}
