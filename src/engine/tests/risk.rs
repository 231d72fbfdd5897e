//! Limits: their notation, and what becomes of commands that make no sense.

use zerocopy::FromZeros;

use super::script::{option, parse_decimal};
use super::world::World;
use super::{invariants, script};
use crate::order_manager::OrderManager;
use crate::types::command::{CommandHeader, Fee, RiskLimit};
use crate::types::{
    AccountId, CurrencyCode, FirmCode, Nanos, PortName, RiskKey, RiskScope, Symbol,
};

/// `limit account 1 ACME SharesPerDay 1000` sets a limit of an account in an instrument. An amount is
/// in the currency that is named, or in the instrument's.
pub(super) fn limit(
    manager: &OrderManager,
    (scope, subject): (&str, &[&str]),
    (key, value): (&str, &str),
) -> RiskLimit {
    let key = key_named(key);
    let blank = RiskLimit { key: key.byte(), ..RiskLimit::new_zeroed() };
    let symbol = |name| Symbol::new(name).unwrap();
    let firm = |name| FirmCode::new(name).unwrap();
    let account = |number: &str| AccountId(number.parse().unwrap());
    let is_amount =
        matches!(key, RiskKey::OrderNotional | RiskKey::GrossExposure | RiskKey::NetExposure);
    let currency = |name| CurrencyCode::new(name).filter(|_| is_amount).unwrap_or_default();
    let (scope, limit) = match (scope, subject) {
        ("venue", []) => (RiskScope::Venue, blank),
        ("venue", [c]) => (RiskScope::Venue, RiskLimit { currency: currency(c), ..blank }),
        ("firm", [f]) => (RiskScope::Firm, RiskLimit { firm: firm(f), ..blank }),
        ("firm", [f, c]) if manager.currency(currency(c)).is_some() => {
            (RiskScope::Firm, RiskLimit { firm: firm(f), currency: currency(c), ..blank })
        }
        ("firm", [f, s]) => {
            (RiskScope::FirmSymbol, RiskLimit { firm: firm(f), symbol: symbol(s), ..blank })
        }
        ("account", [a]) => (RiskScope::Account, RiskLimit { account: account(a), ..blank }),
        ("account", [a, c]) if manager.currency(currency(c)).is_some() => {
            (RiskScope::Account, RiskLimit { account: account(a), currency: currency(c), ..blank })
        }
        ("account", [a, s]) => {
            let limit = RiskLimit { account: account(a), symbol: symbol(s), ..blank };
            (RiskScope::AccountSymbol, limit)
        }
        ("symbol", [s]) => (RiskScope::Symbol, RiskLimit { symbol: symbol(s), ..blank }),
        ("port", [p]) => (RiskScope::Port, RiskLimit { port: PortName::new(p).unwrap(), ..blank }),
        _ => panic!("no such scope: {scope} {subject:?}"),
    };
    let decimals = if is_amount {
        let traded = manager.instrument(limit.symbol);
        let traded = traded.and_then(|id| manager.instruments.get(id.0.into()));
        let named = manager.currency(limit.currency);
        let id = named.or(traded.map(|instrument| instrument.currency));
        id.map_or(0, |id| manager.currencies.get(id.0.into()).unwrap().cash_decimals)
    } else {
        0
    };
    let value = parse_decimal(value, decimals).cast_unsigned();
    RiskLimit { scope: scope.byte(), value, ..limit }
}

/// `fee venue account=9 maker=-0.20 taker=0.30` sets what trades cost, in basis points.
pub(super) fn fee(scope: &str, rest: &[&str]) -> Fee {
    let rate = |name| {
        let text: Option<String> = option(rest, name);
        i32::try_from(text.map_or(0, |text| parse_decimal(&text, 2))).unwrap()
    };
    let blank = Fee { maker_rate: rate("maker"), taker_rate: rate("taker"), ..Fee::new_zeroed() };
    let account = AccountId(option(rest, "account").unwrap_or(0));
    let (scope, fee) = match (scope, rest) {
        ("venue", _) => (RiskScope::Venue, Fee { account, ..blank }),
        ("firm", [name, ..]) => {
            (RiskScope::Firm, Fee { firm: FirmCode::new(name).unwrap(), ..blank })
        }
        ("symbol", [name, ..]) => {
            (RiskScope::Symbol, Fee { symbol: Symbol::new(name).unwrap(), ..blank })
        }
        _ => panic!("no such scope: {scope}"),
    };
    Fee { scope: scope.byte(), ..fee }
}

fn key_named(name: &str) -> RiskKey {
    let mut keys = (1..=u8::MAX).map_while(RiskKey::from_byte);
    keys.find(|key| format!("{key:?}") == name).unwrap_or_else(|| panic!("no key {name}"))
}

const SCOPES: [RiskScope; 7] = [
    RiskScope::Venue,
    RiskScope::Firm,
    RiskScope::Account,
    RiskScope::Symbol,
    RiskScope::FirmSymbol,
    RiskScope::AccountSymbol,
    RiskScope::Port,
];

/// Names of things there are, where the scope and the key ask for them.
fn sound(scope: RiskScope, key: RiskKey) -> RiskLimit {
    use RiskScope as S;
    let has_symbol = matches!(scope, S::Symbol | S::FirmSymbol | S::AccountSymbol);
    let is_amount =
        matches!(key, RiskKey::OrderNotional | RiskKey::GrossExposure | RiskKey::NetExposure);
    let mut limit = RiskLimit {
        header: CommandHeader::internal::<RiskLimit>(Nanos::ZERO),
        value: 1,
        scope: scope.byte(),
        key: key.byte(),
        ..RiskLimit::new_zeroed()
    };
    if matches!(scope, S::Firm | S::FirmSymbol) {
        limit.firm = FirmCode::new("ALFA").unwrap();
    }
    if matches!(scope, S::Account | S::AccountSymbol) {
        limit.account = AccountId(1);
    }
    if has_symbol {
        limit.symbol = Symbol::new("ACME").unwrap();
    } else if is_amount {
        limit.currency = CurrencyCode::new("USD").unwrap();
    }
    if scope == S::Port {
        limit.port = PortName::new("A1").unwrap();
    }
    limit
}

fn refused(said: &[String]) -> bool {
    said.iter().any(|event| event.starts_with("refused"))
}

#[test]
fn a_limit_says_whom_it_is_for_and_nothing_else() {
    for scope in SCOPES {
        for key in (1..=u8::MAX).map_while(RiskKey::from_byte) {
            let mut world = World::open();
            let limit = sound(scope, key);
            if refused(&world.apply(&limit)) {
                continue; // The scope takes no such limit; it is listed below.
            }
            let wrong = [
                RiskLimit { firm: FirmCode::new("NONE").unwrap(), ..limit },
                RiskLimit { account: AccountId(99), ..limit },
                RiskLimit { account: AccountId(u32::MAX), ..limit },
                RiskLimit { symbol: Symbol::new("NONE").unwrap(), ..limit },
                RiskLimit { symbol: Symbol([0xFF; 8]), ..limit },
                RiskLimit { currency: CurrencyCode::new("EUR").unwrap(), ..limit },
                RiskLimit { port: PortName::new("NONE").unwrap(), ..limit },
                RiskLimit { value: u64::MAX, ..limit },
                RiskLimit { scope: 0, ..limit },
                RiskLimit { scope: 1, ..limit },
                RiskLimit { scope: u8::MAX, ..limit },
                RiskLimit { key: 0, ..limit },
                RiskLimit { key: u8::MAX, ..limit },
            ];
            for wrong in wrong {
                assert!(refused(&world.apply(&wrong)), "{wrong:?}");
            }
            let lifted = world.apply(&RiskLimit { value: 0, ..limit });
            assert!(lifted[0].ends_with(" 0") || lifted[0].ends_with(" 0.00"), "{lifted:?}");
            invariants::hold(&world);
        }
    }
}

#[test]
fn each_key_has_the_scopes_that_make_sense() {
    let taken = |key| {
        let taken = SCOPES.into_iter().filter(|&scope| {
            let mut world = World::open();
            !refused(&world.apply(&sound(scope, key)))
        });
        taken.map(|scope| char::from(scope.byte())).collect::<String>()
    };
    let keys = (1..=u8::MAX).map_while(RiskKey::from_byte);
    let scopes: Vec<_> = keys.map(|key| (key.byte(), taken(key))).collect();
    let expected = [
        (1, "VFASGB"),
        (2, "VFASGB"),
        (3, "VFASGB"),
        (4, "VFASGB"),
        (5, "VFA"),
        (6, "VFA"),
        (7, "VFA"),
        (8, "VFP"),
        (9, "VFSP"),
        (10, "VFA"),
        (11, "SGB"),
        (12, "VFASGB"),
    ];
    assert_eq!(scopes, expected.map(|(key, scopes)| (key, scopes.to_owned())));
}

#[test]
fn a_fee_is_of_the_venue_a_firm_or_a_symbol_and_in_range() {
    let mut world = World::open();
    let header = CommandHeader::internal::<Fee>(Nanos::ZERO);
    let scoped = |scope: RiskScope| Fee { header, scope: scope.byte(), ..Fee::new_zeroed() };
    let venue = Fee { account: AccountId(2), ..scoped(RiskScope::Venue) };
    let firm = Fee { firm: FirmCode::new("ALFA").unwrap(), ..scoped(RiskScope::Firm) };
    let symbol = Fee { symbol: Symbol::new("ACME").unwrap(), ..scoped(RiskScope::Symbol) };
    for early in [firm, symbol] {
        assert_eq!(world.apply(&early), ["refused Fee, Unknown"], "nobody gets the fees yet");
    }
    for sound in [venue, firm, symbol] {
        assert!(!refused(&world.apply(&sound)));
        for wrong in [
            Fee { maker_rate: 100_001, ..sound },
            Fee { maker_rate: -100_001, ..sound },
            Fee { maker_rate: i32::MIN, ..sound },
            Fee { taker_rate: -1, ..sound },
            Fee { taker_rate: i32::MAX, ..sound },
            Fee { account: AccountId(u32::MAX), ..sound },
            Fee { firm: FirmCode::new("NONE").unwrap(), ..sound },
            Fee { symbol: Symbol::new("NONE").unwrap(), ..sound },
            Fee { scope: 0, ..sound },
            Fee { scope: 1, ..sound },
            Fee { scope: u8::MAX, ..sound },
            Fee { scope: RiskScope::Account.byte(), ..sound },
            Fee { scope: RiskScope::Port.byte(), ..sound },
        ] {
            assert!(refused(&world.apply(&wrong)), "{wrong:?}");
        }
    }
    assert!(refused(&world.apply(&scoped(RiskScope::Venue))), "nobody would get the fees");
    let said = world.apply(&Fee { header: world.header::<Fee>("A1"), ..venue });
    assert_eq!(said, ["refused Fee, NotAllowed"]);
}

#[test]
fn a_broker_sets_no_limits() {
    let mut world = World::open();
    let limit = sound(RiskScope::Venue, RiskKey::OrderQuantity);
    let said = world.apply(&RiskLimit { header: world.header::<RiskLimit>("A1"), ..limit });
    assert_eq!(said, ["refused RiskLimit, NotAllowed"]);
    let said = script::run(&mut world, "A1 buy 1 100 ACME @10.00");
    assert_eq!(said, ["accepted A1.1 buy 100 ACME @10.00 *"]);
}
