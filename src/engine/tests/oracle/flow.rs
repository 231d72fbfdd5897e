//! The flow of steps: such that orders meet, auctions trade, and every rule is broken now and then.

use std::ops::Range;

use proptest::prelude::*;

use super::super::naive::{Change, LISTINGS, Limit, MARKET, Shift, TRADED, Ticket, Wishes};
use super::step::Step;

/// What happens, one step after another: first trades, then among all else auctions from their beginning
/// to their end, and pauses.
pub(in super::super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
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
    let account = prop_oneof![30 => Just(0), 1 => 1_u32..7, 2 => Just(5)];
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
