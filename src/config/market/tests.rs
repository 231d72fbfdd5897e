//! The example market as commands, and each rule of the market file by the text of its error.

use std::collections::BTreeSet;

use super::*;
use crate::types::command::Command;

const EXAMPLE: &str = include_str!("../../../hwconfig/market-small.toml");

fn parse(text: &str) -> Result<Market, ConfigError> {
    Market::parse(Path::new("market.toml"), text)
}

/// The error of the example with the first `from` replaced by `to`.
fn error_of(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from}");
    parse(&EXAMPLE.replacen(from, to, 1)).unwrap_err().to_string()
}

fn check(cases: &[(&str, &str, &str)]) {
    for (from, to, expected) in cases {
        assert_eq!(error_of(from, to), format!("market.toml: {expected}"));
    }
}

#[test]
fn the_example_becomes_commands_in_the_order_of_their_use() {
    let market = parse(EXAMPLE).unwrap();
    let secrets = PortSecrets::generate(market.port_names()).unwrap();
    let key = ClusterKey::new([1; 32]);
    let commands = market.commands(&key, &secrets, Nanos(77));
    let mut kinds = Vec::new();
    let mut references = BTreeSet::new();
    for lines in &commands {
        assert_eq!(CommandHeader::view(lines).unwrap().receive_time, Nanos(77));
        match Command::parse(lines).unwrap() {
            Command::CurrencyDefine(currency) => {
                kinds.push('C');
                assert_eq!((currency.code.text().as_str(), currency.cash_decimals), ("USD", 4));
            }
            Command::FirmDefine(_) => kinds.push('F'),
            Command::InstrumentDefine(instrument) => {
                kinds.push('I');
                assert_eq!(instrument.tick_size, 100);
            }
            Command::AccountOpen(account) => {
                kinds.push('A');
                let fees = account.account == AccountId(9001);
                assert_eq!(account.status == AccountStatus::Approved.byte(), !fees);
            }
            Command::PortDefine(port) => {
                kinds.push('P');
                assert!(key.verify(port.name, secrets.get(port.name).unwrap(), &port.verifier));
            }
            Command::Fee(_) => kinds.push('$'),
            Command::RiskLimit(_) => kinds.push('L'),
            Command::Transfer(transfer) => {
                kinds.push('T');
                assert!(references.insert(transfer.reference), "paid once");
                if transfer.asset_kind == AssetKind::Cash.byte() {
                    assert_eq!(
                        (transfer.asset.text().as_str(), transfer.amount),
                        ("USD", 10_000_000_000)
                    );
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kinds.iter().collect::<String>(), "CFFFIIIAAAPPP$$LLLLLLLTTTTTTTT");
    assert_eq!(references.len(), 8);
    assert_eq!(
        market.summary(),
        "1 currencies, 3 firms, 3 instruments, 3 accounts, 3 ports, 2 fees, 7 limits, 8 opening balances"
    );
}

#[test]
fn a_market_larger_than_the_node_is_refused() {
    let market = parse(EXAMPLE).unwrap();
    let enough = Capacity { orders: 1024, ports: 3, accounts: 3, instruments: 3 };
    assert!(market.fits_capacity(&enough).is_ok());
    let error =
        market.fits_capacity(&Capacity { instruments: 2, ..enough }).unwrap_err().to_string();
    assert_eq!(
        error,
        "market.toml: instrument = [3 tables]: must be at most the node's capacity.instruments = 2"
    );
    let more_firms = (0..4_096).map(|n| format!("[[firm]]\ncode = \"{n:04}\"\n"));
    let market = parse(&[EXAMPLE, &more_firms.collect::<String>()].concat()).unwrap();
    let error = market.fits_capacity(&enough).unwrap_err().to_string();
    assert_eq!(error, "market.toml: firm = [4099 tables]: must be at most 4096");
    let market = parse(&EXAMPLE.replace("open_orders_max = 0", "open_orders_max = 900")).unwrap();
    let error = market.fits_capacity(&enough).unwrap_err().to_string();
    assert_eq!(
        error,
        "market.toml: firm = [1156 open orders]: their open_orders_max together must be at most the \
         node's capacity.orders = 1024; one that names none has 128"
    );
}

#[test]
fn a_rate_that_a_gateway_would_not_let_anybody_come_to_is_refused() {
    let with = |rate: u32, limit: u32| {
        let text = EXAMPLE.replace("message_rate_max = 0 ", &format!("message_rate_max = {rate} "));
        parse(&format!("{text}[[limit]]\nfirm = \"BETA\"\nsymbol_message_rate_max = {limit}\n"))
            .unwrap()
    };
    assert!(with(999, 999).rates_are_heard(1_000).is_ok());
    let rule = "must be below the node's order_entry.messages_per_second_max = 1000, or nobody is told of it";
    for (market, what) in [
        (with(1_000, 0), "port ALFA01: message_rate_max = 1000"),
        (with(0, 1_000), "limit of BETA: symbol_message_rate_max = 1000"),
    ] {
        let error = market.rates_are_heard(1_000).unwrap_err().to_string();
        assert_eq!(error, format!("market.toml: {what}: {rule}"));
    }
}

#[test]
fn definitions_have_rules() {
    let cases = [
        (
            "code = \"USD\"",
            "code = \"usd\"",
            "currency[0].code = \"usd\": must be 3 or 4 capital letters, as in ISO 4217",
        ),
        (
            "cash_decimals = 4",
            "cash_decimals = 9",
            "currency[0].cash_decimals = 9: must be at most 8",
        ),
        (
            "cash_decimals = 4",
            "cash_decimals = 4\n[[currency]]\ncode = \"USD\"\ncash_decimals = 2",
            "currency[1].code = \"USD\": is defined twice",
        ),
        (
            "code = \"BETA\"",
            "code = \"BETAS\"",
            "firm[1].code = \"BETAS\": must be 1 to 4 capital letters or digits",
        ),
        ("code = \"BETA\"", "code = \"ALFA\"", "firm[1].code = \"ALFA\": is defined twice"),
        (
            "symbol = \"ACME\"",
            "symbol = \"acme\"",
            "instrument[0].symbol = \"acme\": must be 1 to 8 capital letters, digits, points or \
             hyphens",
        ),
        (
            "symbol = \"GLOBX\"",
            "symbol = \"ACME\"",
            "instrument[1].symbol = \"ACME\": is defined twice",
        ),
        (
            "\"Acme Corp\"",
            "\"The Acme Corporation\"",
            "instrument[0].display_symbol = \"The Acme Corporation\": must be at most 16 characters \
             of ASCII",
        ),
        (
            "currency = \"USD\"",
            "currency = \"EUR\"",
            "instrument[0].currency = \"EUR\": no such currency",
        ),
        (
            "price_decimals = 4",
            "price_decimals = 5",
            "instrument[0].price_decimals = 5: must be at most the 4 cash_decimals of USD, or values \
             would be rounded",
        ),
        (
            "tick_size = \"0.01\"",
            "tick_size = \"0\"",
            "instrument[0].tick_size = \"0\": must be above zero and at most 1999999900 units of a \
             price",
        ),
        (
            "tick_size = \"0.01\"",
            "tick_size = \"0.00001\"",
            "instrument[0].tick_size = \"0.00001\": must have at most 4 decimals",
        ),
        (
            "reference_price = \"25.00\"",
            "reference_price = \"25.005\"",
            "instrument[0].reference_price = \"25.005\": must be a multiple of tick_size = \"0.01\"",
        ),
        (
            "reference_price = \"25.00\"",
            "reference_price = \"-1\"",
            "instrument[0].reference_price = \"-1\": must be a decimal number such as \"25.00\", \
             without sign",
        ),
        ("lot_size = 1", "lot_size = 0", "instrument[0].lot_size = 0: must be in 1..=999999"),
    ];
    check(&cases);
}

#[test]
fn accounts_and_ports_refer_to_what_is_defined() {
    let cases = [
        ("number = 1001", "number = 0", "account[0].number = 0: must be at least 1"),
        ("number = 2001", "number = 1001", "account[1].number = 1001: is opened twice"),
        (
            "number = 1001\nfirm = \"ALFA\"",
            "number = 1001\nfirm = \"GAMA\"",
            "account[0].firm = \"GAMA\": no such firm",
        ),
        ("cash = { USD = ", "cash = { EUR = ", "account[0].cash.EUR = \"EUR\": no such currency"),
        (
            "\"1000000.00\"",
            "\"1.00005\"",
            "account[0].cash.USD = \"1.00005\": must have at most 4 decimals",
        ),
        (
            "shares = { ACME = 10000",
            "shares = { NONE = 10000",
            "account[0].shares.NONE = 10000: no such instrument",
        ),
        (
            "name = \"ALFA01\"",
            "name = \"ALFA-1\"",
            "port[0].name = \"ALFA-1\": must be 1 to 6 letters or digits",
        ),
        ("name = \"BETA01\"", "name = \"alfa01\"", "port[1].name = \"alfa01\": is defined twice"),
        (
            "grace_ms = 10000",
            "grace_ms = 4000000",
            "port[0].grace_ms = 4000000: must be at most 3600000",
        ),
        (
            "default_account = 1001",
            "",
            "port[0].default_account = (absent): is needed: orders that name no account use it",
        ),
        (
            "default_account = 1001",
            "default_account = 77",
            "port[0].default_account = 77: no account has this number",
        ),
        (
            "default_account = 1001",
            "default_account = 2001",
            "port[0].default_account = 2001: belongs to BETA, the port to ALFA",
        ),
    ];
    check(&cases);
}

#[test]
fn a_group_id_is_one_account_of_its_firm() {
    let text = format!(
        "{EXAMPLE}\n[[account]]\nnumber = 3\nfirm = \"ALFA\"\nstatus = \"pending\"\ngroup_id = 5\n\
         [[account]]\nnumber = 4\nfirm = \"ALFA\"\nstatus = \"pending\"\ngroup_id = 5\n"
    );
    assert_eq!(
        parse(&text).unwrap_err().to_string(),
        "market.toml: account[4].group_id = 5: is another account's of the same firm"
    );
}

#[test]
fn unknown_keys_and_words_are_named() {
    let error = error_of("lot_size = 1", "lots = 1");
    assert!(error.contains("unknown field `lots`"), "{error}");
    let error = error_of("kind = \"order_entry\"", "kind = \"trader\"");
    assert!(error.contains("unknown variant `trader`"), "{error}");
    let error = error_of("protocol = \"ouch50\"", "protocol = \"fix\"");
    assert!(error.contains("unknown variant `fix`"), "{error}");
    let error = error_of("kind = \"admin\"", "kind = \"admin\"\nprotocol = \"ouch42\"");
    assert!(
        error.ends_with("protocol = \"ouch42\": is for ports of kind \"order_entry\" alone"),
        "{error}"
    );
    let error = error_of("name = \"ALFA01\"", "name = \"ALFA01\"\nsecret = \"X\"");
    assert!(error.contains("unknown field `secret`"), "{error}");
}

#[test]
fn fees_name_who_pays_them_and_where_they_go() {
    let error = |table: &str| {
        let error = parse(&format!("{EXAMPLE}\n[[fee]]\n{table}")).unwrap_err().to_string();
        error.strip_prefix("market.toml: fee[2].").unwrap().to_owned()
    };
    let rates = "maker_bp = \"1\"\ntaker_bp = \"1.5\"\n";
    for (table, expected) in [
        ("", "account = (absent): is needed: all fees go to an account"),
        ("account = 7", "account = 7: no account has this number"),
        ("account = 1001", "* = (again): fees are set twice"),
        ("firm = \"NONE\"", "firm = \"NONE\": no such firm"),
        ("firm = \"BETA\"", "* = (again): fees are set twice"),
        ("symbol = \"NONE\"", "symbol = \"NONE\": no such instrument"),
        (
            "firm = \"ALFA\"\nsymbol = \"ACME\"",
            "symbol = \"ACME\": a firm's fees are for all symbols",
        ),
        (
            "firm = \"ALFA\"\naccount = 1001",
            "account = 1001: is named by the fees of everyone, in the first table",
        ),
    ] {
        assert_eq!(error(&format!("{rates}{table}")), expected);
    }
    let firm = "firm = \"ALFA\"\nmaker_bp = \"0\"\ntaker_bp = ";
    for (taker, expected) in [
        ("-0.01", "must not be negative: who comes pays for who rested"),
        ("1000.01", "must be at most 1000 basis points"),
        ("0.001", "must have at most 2 decimals"),
        ("--1", "must be a decimal number such as \"25.00\", without sign"),
    ] {
        assert_eq!(
            error(&format!("{firm}\"{taker}\"")),
            format!("taker_bp = \"{taker}\": {expected}")
        );
    }
}

#[test]
fn a_limit_names_whom_it_is_for_and_what_it_bounds() {
    let error = |table: &str| {
        let error = parse(&format!("{EXAMPLE}\n[[limit]]\n{table}")).unwrap_err().to_string();
        error.strip_prefix("market.toml: limit[3].").unwrap().to_owned()
    };
    for (table, expected) in [
        ("firm = \"NONE\"", "firm = \"NONE\": no such firm"),
        ("account = 7", "account = 7: no account has this number"),
        ("port = \"NONE\"", "port = \"NONE\": no such port"),
        ("symbol = \"NONE\"", "symbol = \"NONE\": no such instrument"),
        ("currency = \"EUR\"", "currency = \"EUR\": no such currency"),
        ("firm = \"ALFA\"", "* = (none): must name at least one limit"),
        (
            "firm = \"ALFA\"\naccount = 1001\ncollar_bp = 1",
            "* = (several): must be only one of firm, account and port",
        ),
        (
            "port = \"ALFA01\"\nsymbol = \"ACME\"\ncollar_bp = 1",
            "symbol = \"ACME\": a port's limits are for all symbols",
        ),
        (
            "symbol = \"ACME\"\ncurrency = \"USD\"\ncollar_bp = 1",
            "currency = \"USD\": amounts are in the symbol's currency: leave it out",
        ),
        (
            "gross_exposure_max = \"1.00\"",
            "gross_exposure_max = \"1.00\": needs the key currency: it is an amount",
        ),
        (
            "currency = \"USD\"\nnet_exposure_max = \"-1\"",
            "net_exposure_max = \"-1\": must be a decimal number such as \"25.00\", without sign",
        ),
        ("order_quantity_max = 1000000", "order_quantity_max = 1000000: must be at most 999999"),
        ("restricted = true", "restricted = 1: is no limit of everyone"),
        ("symbol = \"ACME\"\nopen_orders_max = 1", "open_orders_max = 1: is no limit of a symbol"),
        ("firm = \"BETA\"\nopen_orders_max = 1", "open_orders_max = 1: is set twice"),
    ] {
        assert_eq!(error(table), expected);
    }
}

#[test]
fn schedules_and_price_bands_have_rules() {
    check(&[
        (
            "band_bps = 0 ",
            "band_bps = 10001 ",
            "instrument[0].band_bps = 10001: must be at most 10000",
        ),
        (
            "auction_ms = 60000",
            "auction_ms = 0",
            "instrument[0].auction_ms = 0: must be in 1..=3600000",
        ),
    ]);
    let times = |lines: &str| {
        let text =
            EXAMPLE.replacen("[[account]]", &format!("[[schedule]]\n{lines}\n[[account]]"), 1);
        parse(&text).map(|_| ()).map_err(|error| error.to_string().replace("market.toml: ", ""))
    };
    assert_eq!(times("open = \"09:30:00\"\nclose = \"16:00:00\""), Ok(()));
    let form = "must be a time above 00:00:00 and below 48:00:00, as in \"09:30:00\"";
    for text in ["9:30:00", "09:30", "09:60:00", "48:00:00", "00:00:00", "+9:30:00", ""] {
        let wrong = format!("schedule[0].open = \"{text}\": {form}");
        assert_eq!(times(&format!("open = \"{text}\"\nclose = \"16:00:00\"")), Err(wrong));
    }
    let order = "must be behind the times before it: opening_auction, open, closing_auction, close";
    assert_eq!(
        times("open = \"09:30:00\"\nclosing_auction = \"16:00:00\"\nclose = \"16:00:00\""),
        Err(format!("schedule[0].close = \"16:00:00\": {order}"))
    );
    let twice = "open = \"09:30:00\"\nclose = \"16:00:00\"";
    assert_eq!(
        times(&format!("{twice}\n[[schedule]]\n{twice}")),
        Err("schedule[1].group = (absent): has a schedule already".to_owned())
    );
}
