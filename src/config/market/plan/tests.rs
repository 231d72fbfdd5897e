//! Plans against what an engine really defined: nothing twice, additions, refused differences, and what
//! an interrupted application leaves to do.

use std::path::Path;

use super::*;
use crate::engine::{Capacity, CommandFrames, Engine, FrameList, IndexSeed, MEMORY_SEGMENT_BYTES};
use crate::types::command::{Command, DayStart};
use crate::types::event::Event;
use crate::types::{AccountId, SessionId, Symbol};

const EXAMPLE: &str = include_str!("../../../../hwconfig/market-small.toml");
const KEY: ClusterKey = ClusterKey::new([1; 32]);

fn market(text: &str) -> Market {
    Market::parse(Path::new("market.toml"), text).unwrap()
}

/// The example with each first `from` replaced by its `to`.
fn changed(changes: &[(&str, &str)]) -> Market {
    let mut text = EXAMPLE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    market(&text)
}

/// An exchange, and what its event log says of it.
struct World {
    engine: Engine,
    commands: CommandFrames,
    now: Nanos,
    defined: Defined,
}

impl World {
    fn new() -> Self {
        let limits = Capacity::SMALL.limits(MEMORY_SEGMENT_BYTES);
        let engine = Engine::new(&limits, IndexSeed::new([0; IndexSeed::BYTES]));
        let commands = CommandFrames::new();
        let defined = Defined::default();
        let mut world = Self { engine, commands, now: Nanos::ZERO, defined };
        world.give(&[limits.lines().to_vec()]);
        world
    }

    fn with(market: &Market) -> Self {
        let mut world = Self::new();
        world.apply(&plan(market, &world.defined));
        world
    }

    fn give(&mut self, commands: &[Vec<Line>]) {
        for command in commands {
            self.commands.push_lines(command);
            self.now = Nanos(self.now.0 + 1);
            let (header, payload) = self.commands.seal(self.now);
            let mut events = FrameList::default();
            self.engine.apply(&header, &payload, &mut events).unwrap();
            for (_, record) in events.records() {
                let event = Event::parse(record).unwrap();
                assert!(!matches!(event, Event::Refused(_)), "{event:?}");
                self.defined.learn(&event);
            }
        }
    }

    fn apply(&mut self, plan: &Plan) {
        self.give(&commands(plan));
    }
}

#[test]
fn schedules_and_price_bands_follow_the_file() {
    const SCHEDULE: &str = "[[schedule]]\nopen = \"09:30:00\"\nclose = \"16:00:00\"\n\n[[account]]";
    let mut world = World::with(&changed(&[]));
    let both = changed(&[("band_bps = 0", "band_bps = 500"), ("[[account]]", SCHEDULE)]);
    let first = plan(&both, &world.defined);
    assert_eq!(
        shown(&first),
        [
            "~ price band of ACME: 0 bps, auctions of 60000 ms -> 500 bps, auctions of 60000 ms",
            "+ schedule of the venue: 09:30:00, 16:00:00",
        ]
    );
    world.apply(&first);
    assert!(plan(&both, &world.defined).changes().is_empty());

    let later = [
        ("band_bps = 0", "band_bps = 500"),
        ("[[account]]", SCHEDULE),
        ("16:00:00\"\n\n[[account]]", "17:00:00\"\n\n[[account]]"),
    ];
    let second = plan(&changed(&later), &world.defined);
    let change = "~ schedule of the venue: 09:30:00, 16:00:00 -> 09:30:00, 17:00:00";
    assert_eq!(shown(&second), [change]);
    world.apply(&second);
    let third = plan(&changed(&[]), &world.defined);
    assert_eq!(
        shown(&third),
        ["~ price band of ACME: 500 bps, auctions of 60000 ms -> 0 bps, auctions of 60000 ms"]
    );
    assert_eq!(third.unmentioned(), 1, "a schedule is not removed");
}

fn plan(market: &Market, defined: &Defined) -> Plan {
    Plan::between(market, defined).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn commands(plan: &Plan) -> Vec<Vec<Line>> {
    plan.commands(&KEY, &PortSecrets::generate(plan.port_names()).unwrap())
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.changes().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_applied_needs_no_change_then_or_in_another_day() {
    let example = market(EXAMPLE);
    let mut world = World::with(&example);
    assert_eq!(shown(&plan(&example, &world.defined)), [""; 0]);
    let day = DayStart {
        header: CommandHeader::internal::<DayStart>(Nanos(1)),
        date: 20_261_122,
        session: SessionId::new("2611220001").unwrap(),
        ..DayStart::new_zeroed()
    };
    world.give(&[day.lines().to_vec()]);
    let plan = plan(&example, &world.defined);
    assert_eq!((shown(&plan), plan.unmentioned()), (vec![], 0));
}

#[test]
fn what_is_new_is_defined_in_the_order_of_its_use_and_only_once() {
    let text = format!(
        "{EXAMPLE}{}",
        r#"
        [[currency]]
        code = "EUR"
        cash_decimals = 2
        [[firm]]
        code = "GAMA"
        [[instrument]]
        symbol = "HOOLI"
        currency = "EUR"
        price_decimals = 2
        tick_size = "0.05"
        reference_price = "3.00"
        [[account]]
        number = 3001
        firm = "GAMA"
        status = "pending"
        cash = { EUR = "12.50" }
        shares = { HOOLI = 7 }
        [[port]]
        name = "gama01"
        firm = "GAMA"
        kind = "order_entry"
        default_account = 3001
        "#
    );
    let wider = market(&text);
    let mut world = World::with(&market(EXAMPLE));
    let first = plan(&wider, &world.defined);
    assert_eq!(
        shown(&first),
        [
            "+ currency EUR, 2 decimals",
            "+ firm GAMA",
            "+ instrument HOOLI in EUR, ticks of 0.05",
            "+ account 3001 of GAMA, pending",
            "+ port GAMA01 of GAMA, order_entry",
            "+ opening balance of account 3001: 12.50 EUR",
            "+ opening balance of account 3001: 7 HOOLI",
        ]
    );
    let names: Vec<_> = first.port_names().map(|name| name.to_string()).collect();
    assert_eq!(names, ["GAMA01"]);
    world.apply(&first);
    assert_eq!(shown(&plan(&wider, &world.defined)), [""; 0]);
    assert_eq!(plan(&market(EXAMPLE), &world.defined).unmentioned(), 5);
}

#[test]
fn an_account_changes_its_status_and_its_short_sales() {
    let mut world = World::with(&market(EXAMPLE));
    let changed = changed(&[
        ("status = \"approved\"", "status = \"suspended\""),
        ("short_allowed = false\ngroup_id", "short_allowed = true\ngroup_id"),
    ]);
    let plan_of_it = plan(&changed, &world.defined);
    let expected = "~ account 1001: approved -> suspended, may sell short";
    assert_eq!(shown(&plan_of_it), [expected]);
    world.apply(&plan_of_it);
    assert_eq!(shown(&plan(&changed, &world.defined)), [""; 0]);
}

#[test]
fn fees_change_as_the_file_says_and_those_it_leaves_out_stay() {
    let mut world = World::with(&market(EXAMPLE));
    let changed = changed(&[
        ("account = 9001 ", "account = 1001 "),
        ("taker_bp = \"0.30\"  ", "taker_bp = \"0.35\"  "),
        ("[[fee]]\nfirm = \"BETA\"", "[[fee]]\nsymbol = \"ACME\""),
    ]);
    let plan_of_it = plan(&changed, &world.defined);
    assert_eq!(
        shown(&plan_of_it),
        [
            "~ fees of everyone: maker -0.20 bp, taker 0.30 bp to account 9001 -> maker -0.20 bp, \
             taker 0.35 bp to account 1001",
            "~ fees of everyone in ACME: none -> maker -0.25 bp, taker 0.30 bp",
        ]
    );
    assert_eq!(plan_of_it.unmentioned(), 1);
    world.apply(&plan_of_it);
    assert_eq!(shown(&plan(&changed, &world.defined)), [""; 0]);
}

#[test]
fn limits_change_as_the_file_says_and_what_it_leaves_out_stays() {
    let mut world = World::with(&market(EXAMPLE));
    let changed = changed(&[
        ("order_quantity_max = 100000", "order_quantity_max = 5000"),
        ("collar_bp = 1000 ", "# collar_bp = 1000 "),
        ("gross_exposure_max = \"50000000.00\"", "gross_exposure_max = \"70000000.00\""),
        ("restricted = true", "restricted = false"),
    ]);
    let plan_of_it = plan(&changed, &world.defined);
    assert_eq!(
        shown(&plan_of_it),
        [
            "~ limit of everyone: order_quantity_max: 100000 -> 5000",
            "~ limit of everyone: gross_exposure_max: 50000000.0000 USD -> 70000000.0000 USD",
            "~ limit of BETA in INITECH: restricted: true -> false",
        ]
    );
    assert_eq!(plan_of_it.unmentioned(), 1);
    world.apply(&plan_of_it);
    assert_eq!(shown(&plan(&changed, &world.defined)), [""; 0]);
}

#[test]
fn what_cannot_be_changed_is_named_all_of_it() {
    let world = World::with(&market(EXAMPLE));
    let other = changed(&[
        ("cash_decimals = 4", "cash_decimals = 5"),
        ("open_orders_max = 0", "open_orders_max = 7"),
        ("self_match = \"none\"", "self_match = \"account\""),
        ("\"Acme Corp\"", "\"Acme\""),
        ("lot_size = 1", "lot_size = 10"),
        ("tick_size = \"0.01\"", "tick_size = \"0.05\""),
        ("market_category = \"Q\"", "market_category = \"G\""),
        ("group_id = 0", "group_id = 3"),
        ("disconnect = \"cancel\"", "disconnect = \"keep\""),
        ("grace_ms = 10000", "grace_ms = 500"),
        ("name = \"BETA01\"\nfirm = \"BETA\"", "name = \"BETA01\"\nfirm = \"ALFA\""),
        ("default_account = 2001", "default_account = 1001"),
    ]);
    let errors = Plan::between(&other, &world.defined).unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let expected = [
        "currency[0].cash_decimals = 5: is 4",
        "firm[0].open_orders_max = 7: is 512",
        "firm[0].self_match = account: is none",
        "instrument[0].display_symbol = \"Acme\": is \"Acme Corp\"",
        "instrument[0].lot_size = 10: is 1",
        "instrument[0].tick_size = 0.0500: is 0.0100",
        "instrument[0].market_category = 'G': is 'Q'",
        "account[0].group_id = 3: is 0",
        "port[0].disconnect = keep: is cancel",
        "port[0].grace_ms = 500: is 10000",
        "port[1].firm = \"ALFA\": is \"BETA\"",
        "port[1].default_account = 1001: is 2001",
    ];
    let expected =
        expected.map(|said| format!("market.toml: {said} in the log, and cannot be changed"));
    assert_eq!(errors, expected);
}

#[test]
fn an_application_that_was_interrupted_anywhere_is_completed() {
    let example = market(EXAMPLE);
    let all = commands(&plan(&example, &Defined::default()));
    for done in 0..=all.len() {
        let mut world = World::new();
        world.give(&all[..done]);
        let rest = plan(&example, &world.defined);
        assert_eq!(rest.changes().len(), all.len() - done);
        world.apply(&rest);
        assert_eq!(shown(&plan(&example, &world.defined)), [""; 0]);
        let cash = world.engine.order_manager().wallet.balances();
        assert_eq!(cash.iter().map(|balance| balance.total).max(), Some(10_000_000_000));
    }
}

#[test]
fn an_account_in_use_gets_no_opening_balance() {
    let example = market(EXAMPLE);
    let is_transfer =
        |command: &Vec<Line>| matches!(Command::parse(command), Ok(Command::Transfer(_)));
    let mut all = commands(&plan(&example, &Defined::default()));
    all.retain(|command| !is_transfer(command));
    let mut world = World::new();
    world.give(&all);
    assert_eq!(plan(&example, &world.defined).changes().len(), 8);
    let deposit = Transfer {
        header: CommandHeader::internal::<Transfer>(Nanos(1)),
        reference: 77,
        amount: 5,
        asset: Symbol::new("ACME").unwrap(),
        account: AccountId(1001),
        asset_kind: AssetKind::Shares.byte(),
        ..Transfer::new_zeroed()
    };
    world.give(&[deposit.lines().to_vec()]);
    let left = shown(&plan(&example, &world.defined));
    assert_eq!(left.len(), 4);
    assert!(left.iter().all(|change| change.contains("of account 2001")), "{left:?}");
}
