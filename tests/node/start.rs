//! What an operator is told when a node cannot start: the file, the key and the rule, before anything
//! has begun.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use rialto::event_store::{LogKind, Options, Writer};
use rialto::types::command::{CommandHeader, TermStart};
use rialto::types::event::Event;
use rialto::types::{Cause, FrameKind, Nanos, Record as _, Side};

use crate::broker::{Broker, order};
use crate::harness::{Node, Setup, Site, Small, fails, rialto};
use crate::raw::{Raw, enter_packet};
use crate::replay::read_log;

/// Fails, saying all this, and leaves nothing behind.
#[track_caller]
fn fails_before_anything_starts(site: &Site, command: &mut Command, words: &[&str]) {
    let said = fails(command);
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!site.logs.exists() && !site.disk.join("control").exists());
    assert!(!site.secrets().exists());
}

#[test]
fn an_error_in_the_configuration_names_file_key_and_rule() {
    let site = Site::new(&Setup::default());
    let good = fs::read_to_string(site.config()).unwrap();
    let file = site.config().display().to_string();
    let cases = [
        ("backend = \"kernel\"", "backend = \"carrier pigeon\"", "order_entry.backend", "must be"),
        ("id = 1", "id = 0", "node.id", "must be at least 1"),
        ("command_segment_mib = 4", "command_segment_mib = 3", "logs.command_segment_mib", "power"),
        ("group = \"239", "group = \"139", "feed.group", "must be a multicast address"),
        ("orders = 65536", "orders = 1", "capacity.orders", "must be in"),
        ("\"engine\", ", "", "placement", "engine"),
        ("name = \"test\"", "name = \"test\"\nnmae = \"tset\"", "nmae", "unknown field"),
        ("[feed]", "[fede]", "fede", "unknown field"),
    ];
    for (what, by, key, rule) in cases {
        let broken = good.replace(what, by);
        assert_ne!(broken, good, "{what} is not in the configuration");
        fs::write(site.config(), broken).unwrap();
        fails_before_anything_starts(&site, &mut site.command(), &[&file, key, rule]);
        let mut check = rialto();
        check.args(["config", "check"]).arg(site.config());
        fails_before_anything_starts(&site, &mut check, &[&file, key, rule]);
    }
    fs::remove_file(site.config()).unwrap();
    fails_before_anything_starts(&site, &mut site.command(), &[&file, "No such file"]);
}

#[test]
fn an_error_in_the_market_file_names_file_key_and_rule() {
    let site = Site::new(&Setup::default());
    let good = fs::read_to_string(site.market()).unwrap();
    let file = site.market().display().to_string();
    let cases = [
        ("tick_size = \"0.01\"", "tick_size = \"0\"", "tick_size", "must"),
        ("currency = \"USD\"", "currency = \"EUR\"", "currency", "EUR"),
        ("default_account = 1001", "default_account = 9999", "default_account", "9999"),
        ("name = \"ALFA02\"", "name = \"ALFA01\"", "name", "ALFA01"),
        ("status = \"approved\"", "status = \"rich\"", "rich", "approved"),
        ("name = \"ALFA01\"", "name = \"ALFA0001\"", "name", "ALFA0001"),
    ];
    for (what, by, key, rule) in cases {
        let broken = good.replacen(what, by, 1);
        assert_ne!(broken, good, "{what} is not in the market");
        fs::write(site.market(), broken).unwrap();
        fails_before_anything_starts(&site, &mut site.command(), &[&file, key, rule]);
    }
}

#[test]
fn a_market_is_for_an_empty_log_and_an_empty_log_wants_a_market() {
    let site = Site::new(&Setup::default());
    let mut without_market = rialto();
    without_market.arg("run").arg("--config").arg(site.config());
    let said = fails(&mut without_market);
    assert!(said.contains("--market FILE"), "{said}");
    assert!(said.contains(&site.logs.display().to_string()), "{said}");
    // What that start left is no log: the same start fails the same way, and a good one succeeds.
    assert!(fails(&mut without_market).contains("--market FILE"));
    let mut node = Node::start_at(site);
    node.stop_in_order();
    let mut with_market = node.site.command();
    with_market.arg("--market").arg(node.site.market());
    let said = fails(&mut with_market);
    assert!(said.contains("holds a market already"), "{said}");
    assert!(said.contains(&node.site.logs.display().to_string()), "{said}");
    // It changed nothing.
    node.start_again();
    Broker::login(&node, "ALFA01").must_hear(&["system S"]);
}

#[test]
fn ready_is_said_when_all_of_a_long_market_is_defined() {
    const ACCOUNTS: u32 = 6_000;
    let site = Site::new(&Setup::default());
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), config.replace("accounts = 64", "accounts = 8192")).unwrap();
    let mut market = fs::read_to_string(site.market()).unwrap();
    for number in 10_000..10_000 + ACCOUNTS {
        write!(
            market,
            "[[account]]\nnumber = {number}\nfirm = \"ALFA\"\nstatus = \"approved\"\n\
             cash = {{ USD = \"1.00\" }}\n"
        )
        .unwrap();
    }
    market += "[[port]]\nname = \"LAST01\"\nfirm = \"ALFA\"\nkind = \"order_entry\"\n\
               disconnect = \"cancel\"\ngrace_ms = 1000\ndefault_account = 10000\n";
    fs::write(site.market(), market).unwrap();
    let node = Node::start_at(site);
    let events = read_log(&node.site.events());
    let begun = events
        .records()
        .position(|(_, record)| matches!(Event::parse(record), Ok(Event::DayStarted(_))));
    let begun = begun.expect("the day has begun");
    let defined = events
        .records()
        .skip(begun)
        .filter(|(_, record)| matches!(Event::parse(record), Ok(Event::AccountDefined(_))));
    assert!(defined.count() >= ACCOUNTS as usize);
    Broker::login(&node, "LAST01").must_hear(&["system S"]);
}

#[test]
fn a_second_node_on_the_same_log_is_refused() {
    let node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    let said = fails(&mut node.site.command());
    assert!(said.contains(&node.site.disk.join("control").display().to_string()), "{said}");
    assert!(said.contains("another node has its control file here"), "{said}");
    // Nor one with addresses of its own.
    let other = Site::new(&Setup::default());
    let config = fs::read_to_string(other.config()).unwrap();
    let (own, others) = (other.logs.display().to_string(), node.site.logs.display().to_string());
    fs::write(other.config(), config.replace(&own, &others)).unwrap();
    let mut command = rialto();
    let said = fails(command.arg("run").arg("--config").arg(other.config()));
    assert!(said.contains("open in another process"), "{said}");
    // The first one did not notice.
    alfa.must_hear_nothing();
}

#[test]
fn an_address_that_is_taken_is_named() {
    let site = Site::new(&Setup::default());
    for (address, what) in [(site.order_entry, "order entry"), (site.admin, "administration")] {
        let _taken = std::net::TcpListener::bind(address).unwrap();
        let said = fails(&mut site.command());
        assert!(said.contains(what) && said.contains(&address.to_string()), "{said}");
        fs::remove_dir_all(&site.logs).unwrap();
    }
}

#[test]
fn a_file_system_too_small_for_the_logs_is_found_at_the_start_with_the_size_needed() {
    // Two segments of each log are made at the start.
    for mib in [1, 6, 10] {
        let site = Site::new(&Setup { small: Some(Small::Logs { mib }), ..Setup::default() });
        let said = fails(&mut site.command());
        assert!(said.contains(&site.logs.display().to_string()), "{said}");
        assert!(said.contains("16777216 bytes needed") && said.contains("make room"), "{said}");
        assert!(!site.disk.join("control").exists(), "a term was taken");
    }
}

#[test]
fn disk_durability_in_memory_is_refused_before_a_term_is_taken() {
    let site = Site::new(&Setup::default());
    let config = fs::read_to_string(site.config()).unwrap();
    let on_disk = config.replace("durability = \"memory\"", "durability = \"disk\"");
    assert_ne!(config, on_disk);
    fs::write(site.config(), on_disk).unwrap();
    let words = ["logs.durability = \"disk\"", &site.logs.display().to_string(), "tmpfs"];
    fails_before_anything_starts(&site, &mut site.command(), &words);
}

#[test]
fn a_node_that_has_no_room_left_stops_and_says_so() {
    let setup = Setup { small: Some(Small::Logs { mib: 6 }), segment_mib: 1, ..Setup::default() };
    let mut node = Node::start_with(&setup);
    let mut raw = Raw::login(&node, "ALFA01", 0);
    let mut number = 0;
    while node.is_running() {
        number += 1;
        assert!(number < 1_000_000, "there is room for everything");
        raw.sends(&enter_packet(number, order(Side::Buy, 1, "NOSUCH", "1.00")));
    }
    node.must_fail();
    let log = node.site.log_text();
    assert!(log.contains("bytes needed") && !log.contains("panic"), "{log}");
}

#[test]
fn a_market_that_was_not_applied_to_its_end_is_named() {
    let mut node = Node::start();
    node.stop_in_order();
    fs::remove_dir_all(&node.site.logs).unwrap();
    let options = Options::new(LogKind::Commands, 4 << 20);
    let (mut log, recovered) = Writer::open(&node.site.commands(), options).unwrap();
    let mut chain = recovered.chain;
    let header = CommandHeader::internal::<TermStart>(Nanos(1));
    let start = TermStart { header, term: 1, node: 1, term_grace_ms: 0, reserved: [0; 28] };
    let cause = Cause { index: 1, term: 1, time: Nanos(1) };
    let header = chain.seal(FrameKind::Normal, cause, 1, start.lines());
    log.append(&header, start.lines()).unwrap();
    log.commit(chain.end);
    drop(log);
    let mut with_market = node.site.command();
    let said = fails(with_market.arg("--market").arg(node.site.market()));
    assert!(said.contains("ends before its first day"), "{said}");
    let said = fails(rialto().arg("run").arg("--config").arg(node.site.config()));
    assert!(said.contains("ends before its first day"), "{said}");
    assert!(said.contains(&node.site.logs.display().to_string()), "{said}");
}

#[test]
fn a_cluster_key_that_is_gone_is_named() {
    let mut node = Node::start();
    node.stop_in_order();
    let key = node.site.disk.join("control/cluster.key");
    fs::remove_file(&key).unwrap();
    let said = fails(&mut node.site.command());
    assert!(said.contains(&key.display().to_string()), "{said}");
    assert!(said.contains("No such file"), "{said}");
}

#[test]
fn a_log_that_lost_what_it_held_is_refused_and_left_alone() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    node.stop_in_order();
    let damage = |segment: &Path| {
        let whole = fs::read(segment).unwrap();
        let mut damaged = whole.clone();
        // In the first frame, which is followed by others.
        damaged[64 + 64 + 40] ^= 1;
        fs::write(segment, &damaged).unwrap();
        whole
    };
    let commands = node.site.commands().join("00000000.seg");
    let whole = damage(&commands);
    let damaged = first_mib(&commands);
    let mut start = rialto();
    let said = fails(start.arg("run").arg("--config").arg(node.site.config()));
    assert!(said.contains(&node.site.commands().display().to_string()), "{said}");
    assert_eq!(first_mib(&commands), damaged, "it was changed");
    fs::write(&commands, &whole).unwrap();

    // Events are derived: damaged ones are set aside, and derived again.
    damage(&node.site.events().join("00000000.seg"));
    node.start_again();
    Broker::login(&node, "ALFA01").must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
}

fn first_mib(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()[..1 << 20].to_vec()
}

#[test]
fn the_limits_a_log_began_with_hold_over_the_nodes_file() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    node.stop_in_order();
    let config = fs::read_to_string(node.site.config()).unwrap();
    let changed = config
        .replace("orders = 65536", "orders = 2048")
        .replace("event_segment_mib = 4", "event_segment_mib = 8");
    assert_ne!(changed, config);
    fs::write(node.site.config(), changed).unwrap();
    node.start_again();
    Broker::login(&node, "ALFA01").must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    node.stop_in_order();
    crate::replay::Replay::equal_to_event_log(&node.site);
}
