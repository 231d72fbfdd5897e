//! Busts and corrections of a whole node: an operator names a trade, both sides are told, and the feed
//! breaks its print.

use crate::broker::Broker;
use crate::feed::Subscriber;
use crate::harness::{Node, Setup, Site, rialto};
use crate::replay::{Replay, last_feed_sequence, read_log};

use rialto::types::event::Event;
use rialto::types::{AccountId, CurrencyId};

#[test]
fn an_operator_corrects_a_trade_then_busts_it_and_both_sides_hear_of_it() {
    let site = Site::new(&Setup::default());
    let mut subscriber = Subscriber::join(&site);
    let mut node = Node::start_at(site);
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);
    alfa.sells(100, "ACME", "25.00");
    alfa.must_hear(&["accepted #1 S 100 ACME 25.00"]);
    beta.buys(100, "ACME", "25.00");
    beta.must_hear(&["accepted #1 B 100 ACME 25.00", "executed #1 100 25.00 R"]);
    alfa.must_hear(&["executed #1 100 25.00 A"]);
    let trade = last_match_number(&node);

    let (done, said) = market(&node, &["bust", "--match", &trade]);
    assert!(!done && said.contains("say --yes"), "{said}");
    for what in ["100 ACME at 25.0000", "account 2001, port BETA01, ref 1", "account 1001"] {
        assert!(said.contains(what), "{said}");
    }
    let (done, said) = market(&node, &["bust", "--yes", "--match", "4"]);
    assert!(!done && said.contains("no trade with match number 4"), "{said}");
    let (done, said) =
        market(&node, &["correct", "--yes", "--match", &trade, "--price", "24.50000001"]);
    assert!(!done && said.contains("at most 4 decimals"), "{said}");

    let (done, said) = market(
        &node,
        &["correct", "--yes", "--match", &trade, "--price", "24.50", "--reason", "consent"],
    );
    assert!(done && said.ends_with("done\n"), "{said}");
    alfa.must_hear(&["corrected #1 100 24.50 C"]);
    beta.must_hear(&["corrected #1 100 24.50 C"]);

    // Who is away finds it in its stream.
    drop(beta);
    let bust = ["bust", "--yes", "--match", &trade, "--reason", "erroneous"];
    let (done, said) = market(&node, &bust);
    assert!(done && said.contains("at 24.5000"), "{said}");
    alfa.must_hear(&["broken #1 E"]);
    let mut beta = Broker::login_at(&node, "BETA01", 4).unwrap();
    beta.must_hear(&["corrected #1 100 24.50 C", "broken #1 E"]);
    let (done, said) = market(&node, &bust);
    assert!(!done && said.contains("was busted"), "{said}");

    subscriber.listen_until(last_feed_sequence(&read_log(&node.site.events())));
    let books = node.stop_in_order();
    let replay = Replay::equal_to_event_log(&node.site);
    assert_eq!(replay.books(), books);
    let manager = replay.engine.order_manager();
    for account in [1001, 2001] {
        let account = manager.account(AccountId(account)).unwrap();
        let cash = rialto::order_manager::Asset::Cash(CurrencyId(1));
        let cash = manager.wallet.find(account, cash).unwrap();
        assert_eq!(manager.wallet.get(cash).total, 1_000_000_000_000);
    }
    let (done, said) = market(&node, &bust);
    assert!(!done && said.contains("was busted"), "{said}");
}

fn last_match_number(node: &Node) -> String {
    let events = read_log(&node.site.events());
    let fills = events.records().filter_map(|(_, record)| match Event::parse(record) {
        Ok(Event::Executed(fill)) => Some(fill.match_number),
        _ => None,
    });
    fills.last().unwrap().to_string()
}

/// Gives a command of `rialto market`: whether it was carried out, and what was said.
fn market(node: &Node, arguments: &[&str]) -> (bool, String) {
    let mut command = rialto();
    command.arg("market").args(arguments).arg("--config").arg(node.site.config());
    command.arg("--admin").arg(node.site.admin.to_string()).args(["--port", "OPER01"]);
    command.arg("--secrets").arg(node.site.secrets()).stdin(std::process::Stdio::null());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}
