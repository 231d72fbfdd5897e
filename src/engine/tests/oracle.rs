//! The engine against the naive exchange: the same commands must come to the same events, books and
//! balances.

use std::ops::Range;

use proptest::prelude::*;

use super::invariants;
use super::naive::{
    Change, FEES, LISTINGS, LOGINS, Limit, MARKET, Naive, Rates, Shift, TRADED, Ticket, Wishes,
};
use super::render::decimal;
use super::script;
use super::world::{OPENING, World};
use crate::types::Nanos;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Enter(Ticket),
    /// Originals are named by how many steps they are back.
    Replace(Change),
    Cancel {
        login: usize,
        back: u32,
        intended: u32,
    },
    Modify {
        login: usize,
        back: u32,
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
    /// An instrument's phase, or that of all.
    Phase {
        listing: Option<usize>,
        phase: &'static str,
        seconds: u64,
    },
    Halt(Option<usize>),
    Resume {
        listing: Option<usize>,
        seconds: u64,
    },
    Band {
        listing: usize,
        bps: u64,
        seconds: u64,
    },
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
            for said in &said { STATS.lock().unwrap().note(said); }
            let mut expected = naive.advance(world.now);
            expected.extend(match step {
                Step::Enter(ticket) => naive.enter(&numbered(ticket, number)),
                Step::Replace(change) => naive.replace(&of_step(change, number)),
                Step::Cancel { login, back, intended } => {
                    naive.cancel(login, number.saturating_sub(back), intended)
                }
                Step::Modify { login, back, side, intended } => {
                    naive.modify(login, number.saturating_sub(back), (side, intended))
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
                Step::Phase { listing, phase, seconds } => {
                    naive.set_phase(listing, phase, seconds)
                }
                Step::Halt(listing) => naive.halt(listing),
                Step::Resume { listing, seconds } => naive.resume(listing, seconds),
                Step::Band { listing, bps, seconds } => naive.set_band(listing, bps, seconds),
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

/// Begins another day, with a calendar of these minutes behind the market's usual time, and logs in.
fn begin_day(world: &mut World, rates: Rates, rule: u8, calendar: &[(&'static str, u64)]) -> Naive {
    let times = calendar.iter().map(|(phase, minute)| {
        let name = if *phase == "continuous" { "open" } else { phase };
        let name = if *phase == "closed" { "close" } else { name };
        format!("{name}=14:{minute:02}")
    });
    let times = times.collect::<Vec<_>>().join(" ");
    for line in [&format!("calendar * {times}"), "day end", "day start 20260303"] {
        let said = script::run(world, line);
        assert!(!said[0].contains("refused"), "{line}: {said:?}");
    }
    let mut naive = Naive::new(world.now, rates, rule);
    let half_past = OPENING;
    let at = |minute: u64| match minute.checked_sub(30) {
        Some(minutes) => half_past.after(Nanos::from_secs(60 * minutes)),
        None => Nanos(half_past.0 - Nanos::from_secs(60 * (30 - minute)).0),
    };
    let times: Vec<_> = calendar.iter().map(|&(phase, minute)| (at(minute), phase)).collect();
    naive.begin_day(&times);
    for (login, row) in LOGINS.iter().enumerate() {
        script::run(world, &format!("up {}", row.name));
        naive.advance(world.now);
        naive.log_in(login);
    }
    naive
}

/// Days that begin at half past two in another phase each.
fn calendar() -> impl Strategy<Value = &'static [(&'static str, u64)]> {
    const DAYS: [&[(&str, u64)]; 4] = [
        &[("opening", 31), ("continuous", 32), ("closing", 33), ("closed", 34)],
        &[("opening", 29), ("continuous", 31), ("closed", 33)],
        &[("continuous", 0), ("closing", 31), ("closed", 32)],
        &[("continuous", 0), ("closing", 20), ("closed", 31)],
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

/// What happens, one step after another: first trades, then among all else auctions from their beginning
/// to their end, and pauses.
pub(super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let scene = prop_oneof![
        40 => step().prop_map(|step| vec![step]),
        5 => amended(0..TRADED, 'N'),
        2 => auction(),
        1 => pause(),
    ];
    let scenes = prop::collection::vec(scene, 1..most);
    (first_trades(), scenes).prop_map(move |(first, scenes)| {
        first.into_iter().chain(scenes.into_iter().flatten()).take(most).collect()
    })
}

/// A trade in each of two instruments, or none: collars of the second are beyond the usual prices then.
fn first_trades() -> impl Strategy<Value = Vec<Step>> {
    let ticks = prop_oneof![3 => 0_i64..6, 2 => -1_020_i64..-980, 1 => 2_800_i64..3_000];
    let prices = (prop::option::of(0_i64..6), prop::option::of(ticks));
    prices.prop_map(|(first, second)| {
        let trades = [(0, first), (1, second)].into_iter();
        let trades = trades.filter_map(|(listing, ticks)| {
            let price = price_of(listing, ticks?);
            let side = |login, side| {
                let (quantity, wishes) = (LISTINGS[listing].lot, Wishes::default());
                Step::Enter(Ticket {
                    login,
                    number: 0,
                    side,
                    quantity,
                    listing,
                    price,
                    immediate: false,
                    cross: 'N',
                    account: 0,
                    strategy: None,
                    wishes,
                })
            };
            Some([side(0, "sell"), side(2, "buy")])
        });
        trades.flatten().collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => ticket(0..TRADED, 'N').prop_map(Step::Enter),
        6 => change().prop_map(Step::Replace),
        4 => cancel(),
        3 => modify(),
        1 => (login(), prop::option::of(0..TRADED), prop::option::of(any_side()))
            .prop_map(|(login, listing, side)| Step::MassCancel { login, listing, side }),
        1 => (login(), prop::bool::weighted(0.8))
            .prop_map(|(login, enables)| Step::Switch { login, enables }),
        1 => login().prop_map(Step::Query),
        2 => (0_usize..40).prop_map(Step::Bust),
        2 => (0_usize..40, -8_i64..9).prop_map(|(trade, ticks)| Step::Correct { trade, ticks }),
        2 => limit().prop_map(Step::Limit),
        1 => phase(),
        1 => login().prop_map(Step::LogOut),
        2 => login().prop_map(Step::LogIn),
        3 => (1_u64..8).prop_map(|seconds| Step::Wait { seconds }),
        1 => (20_u64..70).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

/// Whoever has few limits has most to say.
fn login() -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(0), 2 => Just(1), 4 => Just(2)]
}

/// An order, and what its owner does about it at once.
fn amended(listings: Range<usize>, cross: char) -> impl Strategy<Value = Vec<Step>> {
    let change = prop_oneof![
        3 => change().prop_map(Step::Replace),
        1 => cancel(),
        2 => modify(),
    ];
    let changes = prop::collection::vec((change, prop::bool::weighted(0.8)), 1..4);
    (ticket(listings, cross), changes).prop_map(|(ticket, changes)| {
        let Ticket { login, .. } = ticket;
        let mut steps = vec![Step::Enter(ticket)];
        let mut back = 1;
        for (change, same_side) in changes {
            let change = match change {
                Step::Replace(change) => Step::Replace(Change { login, original: back, ..change }),
                Step::Cancel { intended, .. } => Step::Cancel { login, back, intended },
                Step::Modify { side, intended, .. } => {
                    let side = if same_side { ticket.side } else { side };
                    Step::Modify { login, back, side, intended }
                }
                other => other,
            };
            back = if matches!(change, Step::Replace(_)) { 1 } else { back + 1 };
            steps.push(change);
        }
        steps
    })
}

/// Whose order is most likely that of a few steps ago.
fn owner() -> impl Strategy<Value = usize> {
    prop_oneof![7 => Just(0), 1 => Just(1), 2 => Just(2)]
}

fn cancel() -> impl Strategy<Value = Step> {
    (owner(), 1_u32..10, prop_oneof![Just(0), size()])
        .prop_map(|(login, back, intended)| Step::Cancel { login, back, intended })
}

fn modify() -> impl Strategy<Value = Step> {
    (owner(), 1_u32..10, any_side(), size())
        .prop_map(|(login, back, side, intended)| Step::Modify { login, back, side, intended })
}

/// A size in all, of whole lots most often.
fn size() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => (1_u32..5).prop_map(|tens| tens * 10),
        4 => (1_u32..5).prop_map(|hundreds| hundreds * 100),
        1 => 0_u32..900,
    ]
}

/// An operator's word about phases.
fn phase() -> impl Strategy<Value = Step> {
    let listing = prop::option::weighted(0.7, 0..TRADED);
    let phases = prop::sample::select(vec![
        "preopen",
        "opening",
        "continuous",
        "volatility",
        "reopening",
        "closing",
        "closed",
        "halted",
    ]);
    prop_oneof![
        4 => (listing.clone(), phases, 0_u64..4)
            .prop_map(|(listing, phase, seconds)| Step::Phase { listing, phase, seconds }),
        4 => (listing.clone(), Just("continuous"))
            .prop_map(|(listing, phase)| Step::Phase { listing, phase, seconds: 0 }),
        1 => listing.clone().prop_map(Step::Halt),
        2 => (listing, 0_u64..4).prop_map(|(listing, seconds)| Step::Resume { listing, seconds }),
        1 => (0..TRADED).prop_map(|listing| Step::Band { listing, bps: 0, seconds: 0 }),
    ]
}

/// How an auction begins, which orders wait for it, and how it ends.
type Auction = (&'static str, char, &'static [&'static str]);

const AUCTIONS: [Auction; 10] = [
    ("preopen", 'O', &["continuous"]),
    ("preopen", 'O', &["opening", "continuous"]),
    ("opening", 'O', &["continuous"]),
    ("preopen", 'O', &["closing", "continuous"]),
    ("volatility", 'H', &[]),
    ("reopening", 'H', &[]),
    ("reopening", 'H', &["halted", "continuous"]),
    ("closing", 'C', &["closed", "continuous"]),
    ("closing", 'C', &["closed", "preopen"]),
    ("closing", 'C', &["continuous"]),
];

/// Orders of one instrument, or of any, while they are collected.
fn auction() -> impl Strategy<Value = Vec<Step>> {
    let auction = prop::sample::select(AUCTIONS.to_vec());
    (prop::option::weighted(0.8, 0..TRADED), auction, 1_u64..4).prop_flat_map(
        |(listing, (phase, cross, ends), seconds)| {
            let listings = listing.map_or(0..TRADED, |listing| listing..listing + 1);
            let change = prop_oneof![
                12 => ticket(listings.clone(), cross).prop_map(|order| vec![Step::Enter(order)]),
                2 => amended(listings, cross),
                1 => cancel().prop_map(|cancel| vec![cancel]),
                2 => (1_u64..3).prop_map(|seconds| vec![Step::Wait { seconds }]),
            ];
            let begin = Step::Phase { listing, phase, seconds };
            prop::collection::vec(change, 4..14).prop_map(move |changes| {
                let ends = ends.iter().map(|&phase| Step::Phase { listing, phase, seconds });
                let last = Step::Wait { seconds: 3 };
                [begin.clone()]
                    .into_iter()
                    .chain(changes.into_iter().flatten())
                    .chain(ends)
                    .chain([last])
                    .collect()
            })
        },
    )
}

/// Orders of one instrument that may leave its price band.
fn pause() -> impl Strategy<Value = Vec<Step>> {
    let band = prop_oneof![1 => (Just(0), 1_u64..3), 3 => (Just(1), 1_u64..16)];
    (band, 0_u64..4).prop_flat_map(|((listing, bps), seconds)| {
        let order = ticket(listing..listing + 1, 'N').prop_map(Step::Enter);
        let phase = "continuous";
        let begin = [
            Step::Phase { listing: Some(listing), phase, seconds },
            Step::Band { listing, bps, seconds },
        ];
        prop::collection::vec(order, 4..14)
            .prop_map(move |orders| begin.clone().into_iter().chain(orders).collect())
    })
}

fn any_side() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("buy"), Just("sell"), Just("short")]
}

/// Prices near each other and values near what the accounts have, so that orders meet and funds end. Some
/// are for an auction, most of those for the one of type `cross`.
fn ticket(listings: Range<usize>, cross: char) -> impl Strategy<Value = Ticket> {
    let terms = (listings, ticks(), lots()).prop_flat_map(|(listing, ticks, lots)| {
        let row = &LISTINGS[listing];
        let price = price_of(listing, ticks[listing]);
        let quantity = lots * row.lot * if row.lot == 1 { 10 } else { 1 };
        let off_tick = if row.tick > 1 { price + 1 } else { 0 };
        let odd = if row.lot > 1 { quantity + 1 } else { 0 };
        (
            Just(listing),
            prop_oneof![40 => Just(price), 1 => Just(off_tick)],
            prop_oneof![40 => Just(quantity), 1 => Just(odd)],
        )
    });
    let side = prop_oneof![Just("buy"), Just("sell")];
    let account = prop_oneof![30 => Just(0), 1 => 1_u32..7];
    let owner = (login(), account, strategy());
    let is_immediate = prop::bool::weighted(if cross == 'N' { 0.2 } else { 0.1 });
    let kind = (is_immediate, crosses(cross), 0_u8..100, prop::bool::weighted(0.1));
    (owner, side, terms, kind, wishes()).prop_map(|(owner, side, terms, kind, wishes)| {
        let (login, account, strategy) = owner;
        let (listing, price, quantity) = terms;
        let (immediate, cross, luck, is_odd) = kind;
        let (row, waits) = (&LISTINGS[listing], cross != 'N');
        let price = if luck < 5 || (waits && luck < 25) { MARKET } else { price };
        // Nobody has shares of what may be sold short, and one account sells it so.
        let (login, side, account) = match (row.short && side == "sell", is_odd) {
            (true, false) => (0, "short", 5),
            (true, true) if luck < 50 => (login, "short", account),
            (false, true) if luck < 30 => (login, "short", 5),
            _ => (login, side, account),
        };
        // What is refused for a reason of its own is no partner of others.
        let plain = waits && !is_odd;
        let wishes = if plain { Wishes::default() } else { wishes };
        let strategy = if plain { None } else { strategy };
        let display = wishes.display.map(|shown| if is_odd { shown } else { shown * row.lot });
        let immediate = immediate
            || (wishes.min > 0 && !is_odd)
            || (price == MARKET && !waits && quantity % 70 != 0);
        let wishes = Wishes { display, ..wishes };
        Ticket {
            login,
            number: 0,
            side,
            quantity,
            listing,
            price,
            immediate,
            cross,
            account,
            strategy,
            wishes,
        }
    })
}

/// So many ticks above the usual price of a listing.
fn price_of(listing: usize, ticks: i64) -> u64 {
    let row = &LISTINGS[listing];
    let usual = 100_000_000 / u64::try_from(row.scale).unwrap() / u64::from(row.lot);
    (usual - usual % row.tick).checked_add_signed(ticks * row.tick.cast_signed()).unwrap()
}

/// Few at a time most often, so that funds last for several orders.
fn lots() -> impl Strategy<Value = u32> {
    prop_oneof![2 => 1_u32..4, 1 => 1_u32..10]
}

/// How many ticks above the usual price of each listing: now and then so far that a band is left, or of
/// the second so far below that a collar is.
fn ticks() -> impl Strategy<Value = [i64; TRADED]> {
    prop_oneof![
        12 => (0_i64..6).prop_map(|ticks| [ticks; TRADED]),
        1 => (100_i64..300, -1_020_i64..-980).prop_map(|(above, below)| [above, below, above]),
    ]
}

/// Most wait for no auction, and few for one that there is not.
fn crosses(usual: char) -> impl Strategy<Value = char> {
    prop_oneof![
        40 => Just('N'),
        20 => Just(usual),
        4 => Just('C'),
        2 => prop::sample::select(vec!['O', 'H', 'A']),
    ]
}

/// Most name none, and few one that there is not.
fn strategy() -> impl Strategy<Value = Option<char>> {
    prop_oneof![
        60 => Just(None),
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
        (Just("SharesPerDay"), any_of(&["account 1 ACME", "symbol BOLT"]), 100_i64..3_000),
        (Just("OpenOrders"), any_of(&["account 1", "firm BETA"]), 1_i64..6),
        (Just("GrossExposure"), any_of(&["account 1 USD", "venue USD"]), 5 * AMOUNT..60 * AMOUNT),
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
        2 => prop_oneof![4 => 1_u32..30, 1 => 1_u32..200].prop_map(|min| Wishes { min, ..Wishes::default() }),
        2 => (1_u64..12).prop_map(|expires| Wishes { expires, ..Wishes::default() }),
        3 => prop_oneof![Just(0), (1_u32..6).prop_map(|tens| tens * 10)]
            .prop_map(|display| Wishes { display: Some(display), ..Wishes::default() }),
        1 => Just(Wishes { post_only: true, ..Wishes::default() }),
    ]
}

/// Prices near the original's, and sizes near what it may have executed.
fn change() -> impl Strategy<Value = Change> {
    let ticks = prop_oneof![
        20 => (-5_i64..6).prop_map(Shift::Ticks),
        1 => Just(Shift::Off),
        1 => Just(Shift::Market),
    ];
    (owner(), 1_u32..10, size(), ticks, prop::bool::weighted(0.15), wishes()).prop_map(
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
            let Ticket { account, immediate, cross, strategy, wishes, .. } = *ticket;
            let (symbol, decimals) = (LISTINGS[listing].symbol, LISTINGS[listing].decimals);
            let price = match price {
                MARKET => "market".to_owned(),
                price => decimal(price.try_into().unwrap(), decimals),
            };
            let (port, wishes) = (LOGINS[login].name, words(immediate, wishes));
            let strategy = strategy.map_or(String::new(), |byte| format!(" selfmatch={byte}"));
            format!(
                "{port} {side} {number} {quantity} {symbol} @{price} {wishes} cross={cross} \
                 account={account}{strategy}"
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
        Step::Cancel { login, back, intended } => {
            let number = number.saturating_sub(*back);
            format!("{} cancel {number} to {intended}", LOGINS[*login].name)
        }
        Step::Modify { login, back, side, intended } => {
            let number = number.saturating_sub(*back);
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
        Step::Phase { listing, phase, seconds } => {
            format!("phase {} {phase} for={seconds}s", symbol_or_all(*listing))
        }
        Step::Halt(listing) => format!("halt {} T1", symbol_or_all(*listing)),
        Step::Resume { listing, seconds } => {
            format!("resume {} for={seconds}s", symbol_or_all(*listing))
        }
        Step::Band { listing, bps, seconds } => {
            format!("band {} {bps} for={seconds}s", LISTINGS[*listing].symbol)
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

fn symbol_or_all(listing: Option<usize>) -> &'static str {
    listing.map_or("*", |listing| LISTINGS[listing].symbol)
}

#[derive(Default, Debug)]
struct Stats {
    count: std::collections::BTreeMap<String, u64>,
}
static STATS: std::sync::Mutex<Stats> =
    std::sync::Mutex::new(Stats { count: std::collections::BTreeMap::new() });
impl Stats {
    fn note(&mut self, said: &str) {
        let w: Vec<&str> = said.split(' ').collect();
        let key = match w[0] {
            "crossed" => format!("crossed {} {}", w[1], if w[2] == "0" { "none" } else { "some" }),
            "indicated" => {
                format!("indicated {} {}", w[1], if w[4] == "0" { "none" } else { "some" })
            }
            "executed" => format!("executed {}", w[5].trim_end_matches(',')),
            "canceled" => format!("canceled {}", w[3]),
            "rejected" => format!("rejected {}", w[2]),
            "accepted" if said.contains("for ") => "accepted waiting".to_owned(),
            "replaced" if said.contains("market") => "replaced market".to_owned(),
            "ACME" | "BOLT" | "CHIP" => format!("{} {}", w[1], w.get(2).copied().unwrap_or("")),
            "refused" => said.to_owned(),
            other => other.to_owned(),
        };
        *self.count.entry(key).or_default() += 1;
    }
}
#[test]
fn zz_stats() {
    std::thread::sleep(std::time::Duration::from_secs(
        std::env::var("STATS").map_or(0, |s| s.parse().unwrap()),
    ));
    for (k, v) in &STATS.lock().unwrap().count {
        eprintln!("{v:8} {k}");
    }
}
