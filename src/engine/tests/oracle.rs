//! The engine against the naive exchange: the same commands must come to the same events, books and
//! balances.

use proptest::prelude::*;

use super::invariants;
use super::naive::{
    Change, FEES, LISTINGS, LOGINS, Limit, MARKET, Naive, Rates, Shift, Ticket, Wishes,
};
use super::render::decimal;
use super::script;
use super::world::World;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Enter(Ticket),
    /// The original's number is how many steps it is back.
    Replace(Change),
    Cancel {
        login: usize,
        number: u32,
        intended: u32,
    },
    Modify {
        login: usize,
        number: u32,
        side: &'static str,
        intended: u32,
    },
    MassCancel {
        login: usize,
        listing: Option<usize>,
        side: Option<&'static str>,
    },
    Switch {
        login: usize,
        enables: bool,
    },
    Query(usize),
    Bust(usize),
    Correct {
        trade: usize,
        ticks: i64,
    },
    Limit(Limit),
    LogOut(usize),
    LogIn(usize),
    Wait {
        seconds: u64,
    },
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_says_what_the_naive_exchange_says(
        steps in prop::collection::vec(step(), 1..150),
        rates in rates(),
        rule in 0_u8..4,
    ) {
        let mut world = World::ruled(rule);
        if let Some(Rates { maker, taker }) = rates {
            let (maker, taker) = (decimal(maker, 2), decimal(taker, 2));
            let fee = format!("fee venue account={FEES} maker={maker} taker={taker}");
            let said = script::run(&mut world, &fee);
            prop_assert!(said[0].starts_with("fee Venue"), "{said:?}");
        }
        let mut naive = Naive::new(world.now, rates.unwrap_or_default(), rule);
        for (number, step) in (1..).zip(steps) {
            let line = line(&step, number);
            let said = script::run(&mut world, &line);
            let mut expected = naive.advance(world.now);
            expected.extend(match step {
                Step::Enter(ticket) => naive.enter(&numbered(ticket, number)),
                Step::Replace(change) => naive.replace(&of_step(change, number)),
                Step::Cancel { login, number, intended } => naive.cancel(login, number, intended),
                Step::Modify { login, number, side, intended } => {
                    naive.modify(login, number, (side, intended))
                }
                Step::MassCancel { login, listing, side } => {
                    naive.mass_cancel(login, number_at(number), (listing, side))
                }
                Step::Switch { login, enables } => {
                    naive.switch(login, number_at(number), enables)
                }
                Step::Query(login) => naive.query(login),
                Step::Bust(trade) => naive.bust(trade),
                Step::Correct { trade, ticks } => naive.correct(trade, ticks),
                Step::Limit(limit) => naive.limit(limit),
                Step::LogOut(login) => naive.log_out(login),
                Step::LogIn(login) => naive.log_in(login),
                Step::Wait { .. } => Vec::new(),
            });
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

/// None, or such that they are worth a unit now and then.
fn rates() -> impl Strategy<Value = Option<Rates>> {
    let rates = (-1_000_i64..1_000, 0_i64..1_000).prop_map(|(maker, taker)| Rates { maker, taker });
    prop::option::of(prop_oneof![
        rates.clone(),
        rates.prop_map(|Rates { maker, taker }| Rates { maker: maker * 100, taker: taker * 100 }),
    ])
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let login = 0..LOGINS.len();
    prop_oneof![
        12 => ticket().prop_map(Step::Enter),
        6 => change().prop_map(Step::Replace),
        4 => (login.clone(), 1_u32..60, prop_oneof![Just(0), 1_u32..900])
            .prop_map(|(login, number, intended)| Step::Cancel { login, number, intended }),
        3 => (login.clone(), 1_u32..60, any_side(), 1_u32..900)
            .prop_map(|(login, number, side, intended)| Step::Modify { login, number, side, intended }),
        1 => (login.clone(), prop::option::of(0_usize..3), prop::option::of(any_side()))
            .prop_map(|(login, listing, side)| Step::MassCancel { login, listing, side }),
        1 => (login.clone(), prop::bool::weighted(0.7))
            .prop_map(|(login, enables)| Step::Switch { login, enables }),
        1 => login.clone().prop_map(Step::Query),
        2 => (0_usize..40).prop_map(Step::Bust),
        2 => (0_usize..40, -8_i64..9).prop_map(|(trade, ticks)| Step::Correct { trade, ticks }),
        2 => limit().prop_map(Step::Limit),
        1 => login.clone().prop_map(Step::LogOut),
        1 => login.prop_map(Step::LogIn),
        2 => (1_u64..8).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn any_side() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("buy"), Just("sell"), Just("short")]
}

/// Prices near each other and values near what the accounts have, so that orders meet and funds end.
fn ticket() -> impl Strategy<Value = Ticket> {
    let terms = (0_usize..3, 0_u64..6, 1_u32..10).prop_flat_map(|(listing, ticks, lots)| {
        let row = &LISTINGS[listing];
        let price = 100_000_000 / u64::try_from(row.scale).unwrap() / u64::from(row.lot);
        let price = price - price % row.tick + ticks * row.tick;
        let quantity = lots * row.lot * if row.lot == 1 { 10 } else { 1 };
        let off_tick = if row.tick > 1 { price + 1 } else { 0 };
        let odd = if row.lot > 1 { quantity + 1 } else { 0 };
        (
            Just(listing),
            prop_oneof![30 => Just(price), 1 => Just(off_tick), 3 => Just(MARKET)],
            prop_oneof![30 => Just(quantity), 1 => Just(odd)],
        )
    });
    let side = prop_oneof![8 => Just("buy"), 7 => Just("sell"), 2 => Just("short")];
    let account = prop_oneof![20 => Just(0), 1 => 1_u32..7, 2 => Just(5)];
    let owner = (account, strategy());
    (0..LOGINS.len(), side, terms, prop::bool::weighted(0.2), owner, wishes()).prop_map(
        |(login, side, (listing, price, quantity), immediate, (account, strategy), wishes)| {
            let account = if side == "short" { 5 } else { account };
            let immediate = immediate || (price == MARKET && quantity % 70 != 0);
            Ticket {
                login,
                number: 0,
                side,
                quantity,
                listing,
                price,
                immediate,
                account,
                strategy,
                wishes,
            }
        },
    )
}

/// Most name none, and few one that there is not.
fn strategy() -> impl Strategy<Value = Option<char>> {
    prop_oneof![
        20 => Just(None),
        6 => prop_oneof![Just('W'), Just('O'), Just('D')].prop_map(Some),
        1 => Just(Some('X')),
    ]
}

/// Near what the orders ask for, and often none any more.
fn limit() -> impl Strategy<Value = Limit> {
    const AMOUNT: i64 = 1_000_000_000;
    let keys = prop_oneof![
        (Just("OrderQuantity"), any_of(&["venue", "firm ALFA", "account 2 ACME"]), 30_i64..900),
        (Just("Collar"), any_of(&["venue", "symbol BOLT", "account 1"]), 1_i64..100),
        (Just("NoMarketOrders"), any_of(&["symbol CHIP", "firm BETA"]), 1_i64..2),
        (Just("Restricted"), any_of(&["firm BETA BOLT", "account 1 CHIP"]), 1_i64..2),
        (Just("OrderNotional"), any_of(&["venue USD", "symbol ACME"]), AMOUNT..12 * AMOUNT),
        (
            Just("SharesPerDay"),
            any_of(&["account 1 ACME", "symbol BOLT", "firm ALFA CHIP"]),
            100_i64..3_000
        ),
        (Just("OpenOrders"), any_of(&["account 1", "firm BETA", "firm ALFA"]), 1_i64..6),
        (
            Just("GrossExposure"),
            any_of(&["account 1 USD", "venue USD", "firm ALFA USD"]),
            5 * AMOUNT..60 * AMOUNT
        ),
        (Just("NetExposure"), any_of(&["account 2 USD", "firm ALFA USD"]), 2 * AMOUNT..30 * AMOUNT),
        (Just("DuplicateWindow"), any_of(&["venue", "account 1"]), 1_i64..10_000),
    ];
    (keys, prop::bool::ANY).prop_map(|((key, subject, value), is_set)| Limit {
        subject,
        key,
        value: if is_set { value } else { 0 },
    })
}

fn any_of(subjects: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(subjects)
}

/// Most orders wish for nothing.
fn wishes() -> impl Strategy<Value = Wishes> {
    prop_oneof![
        6 => Just(Wishes::default()),
        2 => (1_u32..200).prop_map(|min| Wishes { min, ..Wishes::default() }),
        2 => (1_u64..12).prop_map(|expires| Wishes { expires, ..Wishes::default() }),
        3 => prop_oneof![Just(0), (1_u32..6).prop_map(|tens| tens * 10), Just(100)]
            .prop_map(|display| Wishes { display: Some(display), ..Wishes::default() }),
        1 => Just(Wishes { post_only: true, ..Wishes::default() }),
    ]
}

/// Prices near the original's, and sizes near what it may have executed.
fn change() -> impl Strategy<Value = Change> {
    let quantity = prop_oneof![6 => (1_u32..10).prop_map(|lots| lots * 10),
        6 => (1_u32..10).prop_map(|lots| lots * 100), 1 => 0_u32..200];
    let ticks = prop_oneof![
        20 => (-5_i64..6).prop_map(Shift::Ticks),
        1 => Just(Shift::Off),
        1 => Just(Shift::Market),
    ];
    (0..LOGINS.len(), 1_u32..20, quantity, ticks, prop::bool::weighted(0.2), wishes()).prop_map(
        |(login, original, quantity, ticks, immediate, wishes)| Change {
            login,
            original,
            number: 0,
            quantity,
            ticks,
            immediate,
            wishes,
        },
    )
}

fn numbered(ticket: Ticket, step: u32) -> Ticket {
    Ticket { number: number_at(step), ..ticket }
}

fn of_step(change: Change, step: u32) -> Change {
    let original = step.saturating_sub(change.original);
    Change { original, number: number_at(step), ..change }
}

/// The number of an order is its step's, but that each ninth repeats an older one.
fn number_at(step: u32) -> u32 {
    if step.is_multiple_of(9) { step / 2 } else { step }
}

/// What an order asks for beyond its price, in the notation.
fn words(immediate: bool, wishes: Wishes) -> String {
    let Wishes { min, post_only, expires, display } = wishes;
    let display = match display {
        None => String::new(),
        Some(0) => " display=N".to_owned(),
        Some(shown) => format!(" floor={shown}"),
    };
    let post_only = if post_only { " postonly=P" } else { "" };
    let life = match (immediate, expires) {
        (true, _) => "ioc".to_owned(),
        (false, 0) => "day".to_owned(),
        (false, seconds) => format!("tif=6 expires={seconds}"),
    };
    format!("{life} min={min}{post_only}{display}")
}

/// The step in the notation.
pub(super) fn line(step: &Step, number: u32) -> String {
    match step {
        Step::Enter(ticket) => {
            let Ticket { login, number, side, quantity, listing, price, .. } =
                numbered(*ticket, number);
            let Ticket { account, immediate, strategy, wishes, .. } = *ticket;
            let (symbol, decimals) = (LISTINGS[listing].symbol, LISTINGS[listing].decimals);
            let price = match price {
                MARKET => "market".to_owned(),
                price => decimal(price.try_into().unwrap(), decimals),
            };
            let (port, wishes) = (LOGINS[login].name, words(immediate, wishes));
            let strategy = strategy.map_or(String::new(), |byte| format!(" selfmatch={byte}"));
            format!(
                "{port} {side} {number} {quantity} {symbol} @{price} {wishes} account={account}{strategy}"
            )
        }
        Step::Replace(change) => {
            let Change { login, original, number, quantity, ticks, immediate, wishes } =
                of_step(*change, number);
            let price = match ticks {
                Shift::Ticks(ticks) => format!("{ticks:+}t"),
                Shift::Off => "off".to_owned(),
                Shift::Market => "market".to_owned(),
            };
            let (port, wishes) = (LOGINS[login].name, words(immediate, wishes));
            format!("{port} replace {original} by {number} {quantity} @{price} {wishes}")
        }
        Step::Cancel { login, number, intended } => {
            format!("{} cancel {number} to {intended}", LOGINS[*login].name)
        }
        Step::Modify { login, number, side, intended } => {
            format!("{} modify {number} {side} to {intended}", LOGINS[*login].name)
        }
        Step::MassCancel { login, listing, side } => {
            let symbol =
                listing.map_or(String::new(), |row| format!("symbol={}", LISTINGS[row].symbol));
            let side = side.map_or(String::new(), |side| format!("side={side}"));
            format!("{} masscancel {} {symbol} {side}", LOGINS[*login].name, number_at(number))
        }
        Step::Switch { login, enables } => {
            let verb = if *enables { "enable" } else { "disable" };
            format!("{} {verb} {}", LOGINS[*login].name, number_at(number))
        }
        Step::Limit(limit) => format!("limit {} {} {}", limit.subject, limit.key, limit.text()),
        Step::Bust(trade) => format!("bust ~{trade} erroneous"),
        Step::Correct { trade, ticks } => format!("correct ~{trade} @{ticks:+}t erroneous"),
        Step::Query(login) => format!("{} query", LOGINS[*login].name),
        Step::LogOut(login) => format!("down {}", LOGINS[*login].name),
        Step::LogIn(login) => format!("up {}", LOGINS[*login].name),
        Step::Wait { seconds } => format!("wait {seconds}s"),
    }
}
