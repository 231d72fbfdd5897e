//! A node that is killed without a word, and comes back as if nothing had been: nothing that anybody
//! was told is lost, nothing happens twice, and every stream goes on without a gap.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use rialto::client::Incoming;
use rialto::engine::FrameList;
use rialto::event_store::{Control, ControlFile, Reader};
use rialto::order_manager::Asset;
use rialto::types::command::{CommandHeader, CommandKind};
use rialto::types::event::Event;
use rialto::types::{AccountId, AssetKind, Epoch, FrameHeader, Line, Position, Side};
use rialto::wire::ouch::Outbound;

use crate::broker::{Broker, said};
use crate::harness::{Logs, Node, SOON, Setup, eventually, rialto};
use crate::replay::{Replay, port_stream, read_log, replay, terms};
use crate::tools::{counters, succeeds};
use crate::traffic::{Random, Trader, Traffic};

const KILLS: usize = 20;

#[test]
fn nothing_that_was_told_is_lost_or_happens_twice_when_a_node_is_killed_under_load() {
    let seed = Random::seed();
    let mut random = Random(seed);
    let mut node = Node::start();
    let traffic = Traffic::start(&node, seed);
    for kill in 0..KILLS {
        traffic.wait(200 + random.below(4_000));
        node.kill9();
        if kill % 4 == 3 {
            // Events are derived: without them they are derived again.
            fs::remove_dir_all(node.site.events()).unwrap();
        }
        node.start_again();
    }
    traffic.wait(500);
    let mut traders = traffic.finish();

    for trader in &mut traders {
        trader.hears_its_stream(&node.site.events());
        assert!(trader.logins > 1, "{} never lost its connection", trader.port);
    }
    let books = node.stop_in_order();

    let replay = Replay::equal_to_event_log(&node.site);
    assert_eq!(replay.books(), books);
    assert!(books.lines().count() > 3, "the books are not empty");
    let expected: Vec<u32> = (1..=u32::try_from(KILLS).unwrap() + 1).collect();
    assert_eq!(terms(&replay.events), expected);
    for trader in &traders {
        told_once(trader, &replay.events).unwrap();
    }
    assert_eq!(ledger(&replay.events), balances(&replay));
    // The check would see it if a command were missing.
    let commands = read_log(&node.site.commands());
    let poorer = replay_without_an_order(&commands);
    assert!(traders.iter().any(|trader| told_once(trader, &poorer).is_err()));
}

/// Every order that a trader was told of is in the log, once.
fn told_once(trader: &Trader, events: &FrameList) -> Result<(), String> {
    let mut accepted = BTreeMap::new();
    for message in port_stream(events, trader.port) {
        if let Ok(Outbound::Accepted(message, _)) = Outbound::parse(&message) {
            let entry = accepted.entry(message.user_ref_num.get()).or_insert((0, 0));
            *entry = (entry.0 + 1, message.order_ref.get());
        }
    }
    for message in &trader.stream {
        if let Ok(Outbound::Accepted(told, _)) = Outbound::parse(message) {
            let found = accepted.get(&told.user_ref_num.get());
            if found != Some(&(1, told.order_ref.get())) {
                return Err(format!("{}: {}: {found:?}", trader.port, said(message)));
            }
        }
    }
    Ok(())
}

/// What each account has, kept from nothing but what the events say.
fn ledger(events: &FrameList) -> BTreeMap<(AccountId, Asset), i64> {
    let mut ledger = BTreeMap::new();
    let mut book = |account, asset, change| *ledger.entry((account, asset)).or_insert(0) += change;
    for (_, record) in events.records() {
        match Event::parse(record).unwrap() {
            Event::BalanceChanged(transfer) => {
                let asset = match AssetKind::from_byte(transfer.asset_kind).unwrap() {
                    AssetKind::Cash => Asset::Cash(transfer.currency),
                    AssetKind::Shares => Asset::Shares(transfer.header.instrument),
                };
                book(transfer.account, asset, transfer.change);
            }
            Event::Executed(fill) => {
                let shares = i64::from(fill.quantity.0);
                let (paid, got) = match Side::from_byte(fill.side).unwrap() {
                    Side::Buy => (-fill.notional, shares),
                    _ => (fill.notional, -shares),
                };
                book(fill.account, Asset::Cash(fill.currency), paid - fill.fee);
                book(fill.account, Asset::Shares(fill.header.instrument), got);
            }
            _ => {}
        }
    }
    ledger.retain(|_, total| *total != 0);
    ledger
}

/// What each account has, as the engine keeps it.
fn balances(replay: &Replay) -> BTreeMap<(AccountId, Asset), i64> {
    let manager = replay.engine.order_manager();
    let balances = manager.wallet.balances().iter().filter(|balance| balance.total != 0);
    let name = |dense| manager.accounts.get(dense).unwrap().id;
    balances.map(|balance| ((name(balance.account), balance.asset), balance.total)).collect()
}

/// The events, had the first order of the log never been.
fn replay_without_an_order(commands: &FrameList) -> FrameList {
    let mut commands = commands.clone();
    let is_order = |(_, record): (u64, &[Line])| record[0].0[0] == CommandKind::NewOrder as u8;
    let mut records = commands.records();
    let at: usize =
        records.by_ref().take_while(|&record| !is_order(record)).map(|r| r.1.len()).sum();
    drop(records);
    let mut lines = commands.0.iter_mut().flat_map(|(_, payload)| payload.iter_mut());
    // From a session that never was: the engine passes over it.
    CommandHeader::view_mut(std::slice::from_mut(lines.nth(at).unwrap())).unwrap().epoch = Epoch(1);
    replay(&commands).events
}

#[test]
fn orders_of_a_port_that_stays_away_are_canceled_when_its_grace_is_over() {
    // Long enough to come back in time on a machine with much else to do.
    let mut node = Node::start_with(&Setup { grace_ms: 2_000, ..Setup::default() });
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    for cents in ["01", "02"] {
        alfa.buys(100, "ACME", &format!("24.{cents}"));
        beta.buys(100, "GLOBX", &format!("24.{cents}"));
    }
    for _ in 0..3 {
        alfa.hears();
        beta.hears();
    }

    // Who comes back in time keeps its orders; who leaves, however politely, does not.
    drop(alfa);
    let mut alfa = Broker::login_at(&node, "ALFA01", 4).unwrap();
    beta.client.logout().unwrap();
    wait_for_cancels(&node, 2);
    let mut beta = Broker::login_at(&node, "BETA01", 4).unwrap();
    beta.must_hear(&["canceled #1 100 S", "canceled #2 100 S"]);
    assert!(alfa.client.receive(Duration::from_millis(2_200)).unwrap().is_none());

    // A killed node loses all its sessions at once; the grace begins when it is back.
    node.kill9();
    node.start_again();
    wait_for_cancels(&node, 4);
    let mut alfa = Broker::login_at(&node, "ALFA01", 4).unwrap();
    alfa.must_hear(&["canceled #1 100 S", "canceled #2 100 S"]);
    assert_eq!(node.stop_in_order().lines().count(), 3, "the books are empty");
    Replay::equal_to_event_log(&node.site);
}

/// Waits until the event log holds so many canceled orders.
fn wait_for_cancels(node: &Node, count: usize) {
    eventually("cancels", || {
        let events = read_log(&node.site.events());
        let events = events.records().map(|(_, record)| Event::parse(record).unwrap());
        events.filter(|event| matches!(event, Event::Canceled(_))).count() == count
    });
}

#[test]
fn an_orderly_stop_ends_connections_and_keeps_everything() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let books = node.stop_in_order();
    alfa.must_be_disconnected();
    node.start_again();
    assert_eq!(node.stop_in_order(), books);
    node.start_again();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    alfa.next_ref = 2;
    alfa.must_hear_nothing();
    alfa.cancels(1, 0);
    alfa.must_hear(&["canceled #1 100 U"]);
}

#[test]
fn a_log_of_many_segments_is_recovered() {
    let mut node = Node::start_with(&Setup { segment_mib: 1, ..Setup::default() });
    let traffic = Traffic::start(&node, 7);
    traffic.wait(40_000);
    node.kill9();
    node.start_again();
    traffic.finish();
    assert!(fs::read_dir(node.site.commands()).unwrap().count() > 4, "few segments");
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}

#[test]
fn a_session_that_is_asked_for_again_after_every_kill_has_no_gap() {
    let mut node = Node::start();
    let mut whole = Vec::new();
    for round in 1..=3_u32 {
        let next = whole.len() as u64 + 1;
        let mut alfa = Broker::login_at(&node, "ALFA01", next).unwrap();
        alfa.next_ref = round;
        alfa.buys(100, "ACME", "24.00");
        let last = format!("accepted #{round} B 100 ACME 24.00");
        loop {
            let Some(Incoming::Message { sequence, message }) = alfa.client.receive(SOON).unwrap()
            else {
                panic!("nothing comes")
            };
            whole.push(message.to_vec());
            assert_eq!(sequence, whole.len() as u64);
            if said(whole.last().unwrap()) == last {
                break;
            }
        }
        node.kill9();
        node.start_again();
    }
    assert_eq!(whole, port_stream(&read_log(&node.site.events()), "ALFA01"));
}

#[test]
fn a_log_on_disk_is_recovered_and_refused_when_it_ends_before_what_was_durable() {
    let mut node = Node::start_with(&Setup { logs: Logs::OnDisk, ..Setup::default() });
    let traffic = Traffic::start(&node, 5);
    traffic.wait(1_000);
    node.kill9();
    node.start_again();
    traffic.finish();
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);

    let last = read_log(&node.site.commands()).0.last().unwrap().0.start;
    lose_from(last, &node.site.commands());
    let said = node.fails_to_start();
    assert!(said.contains(&format!("position {last}")) && said.contains("damaged"), "{said}");
}

#[test]
fn a_damaged_command_log_is_refused_and_a_node_starts_on_it_once_it_is_mended_from_a_copy() {
    let mut node = Node::start_with(&Setup { logs: Logs::OnDisk, ..Setup::default() });
    let traffic = Traffic::start(&node, 6);
    traffic.wait(500);
    traffic.finish();
    let books = node.stop_in_order();
    let (log, copy) = (node.site.commands(), node.site.disk.join("copy"));
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(&log).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let commands = read_log(&log).0;
    let [damaged, last] = [commands.len() / 2, commands.len() - 1].map(|at| commands[at].0.start);
    let segment = log.join("00000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[usize::try_from(damaged.0).unwrap() + 70] ^= 4;
    bytes[usize::try_from(last.0).unwrap()..].fill(0);
    fs::write(&segment, bytes).unwrap();
    let said = node.fails_to_start();
    for words in [&format!("the frame at position {damaged}"), "rialto log repair --from"] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    let mut repair = rialto();
    repair.args(["log", "repair"]).arg(&log).arg("--from").arg(&copy);
    let said = succeeds(&mut repair);
    for position in [damaged, last] {
        assert!(said.contains(&format!("from position {position} up to")), "{said}");
    }
    assert!(said.contains("the copy is sound: "), "{said}");
    node.start_again();
    assert_eq!(node.stop_in_order(), books);
    Replay::equal_to_event_log(&node.site);
}

#[test]
fn commands_lost_from_memory_are_missed_as_long_as_their_events_are_there() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    node.stop_in_order();
    let commands = read_log(&node.site.commands());
    let order = commands.0.iter().find(|frame| holds_order(frame)).unwrap().0.start;
    lose_from(order, &node.site.commands());
    let said = node.fails_to_start();
    assert!(said.contains("commands were lost"), "{said}");
    // Who takes the events away as well has a market in which the order never was.
    fs::remove_dir_all(node.site.events()).unwrap();
    node.start_again();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    alfa.must_hear_nothing();
}

/// Whether an order is among the commands of a frame.
pub(crate) fn holds_order((header, payload): &(FrameHeader, Vec<Line>)) -> bool {
    let frame = FrameList(vec![(*header, payload.clone())]);
    frame.records().any(|(_, record)| record[0].0[0] == CommandKind::NewOrder as u8)
}

/// Leaves of a log what a reboot may leave that comes before its pages from there on are on disk.
pub(crate) fn lose_from(position: Position, log: &Path) {
    let segment_bytes = Reader::open(log).unwrap().segment_bytes();
    let _ = fs::remove_file(log.join("positions"));
    let number = position.0 / segment_bytes;
    let segment = |number: u64| log.join(format!("{number:08}.seg"));
    let mut bytes = fs::read(segment(number)).unwrap();
    bytes[usize::try_from(position.0 % segment_bytes).unwrap()..].fill(0);
    fs::write(segment(number), bytes).unwrap();
    for behind in (number + 1..).map(segment).take_while(|path| path.exists()) {
        fs::remove_file(behind).unwrap();
    }
}

/// Makes the control file say that it was written in an earlier boot, as after a power loss.
pub(crate) fn lose_power(node: &Node) {
    let path = node.site.disk.join("control/control");
    let mut control = ControlFile::open(&path).unwrap();
    let state = *control.state().unwrap();
    control.store(Control { boot_id: [7; 16], ..state }).unwrap();
    for log in [node.site.commands(), node.site.events()] {
        fs::remove_file(log.join("positions")).unwrap();
    }
}

pub(crate) fn control_of(node: &Node) -> Control {
    let control = ControlFile::open(&node.site.disk.join("control/control")).unwrap();
    *control.state().unwrap()
}

/// The newest durable position in the control file of a node that runs.
pub(crate) fn durable_now(node: &Node) -> Position {
    let bytes = fs::read(node.site.disk.join("control/control")).unwrap();
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let newest = [0, 4_096].into_iter().max_by_key(|slot| word(slot + 8)).unwrap();
    Position(word(newest + 56))
}

#[test]
fn a_log_in_the_page_cache_is_made_durable_in_the_background_and_how_far_survives_a_kill() {
    let mut node = Node::start_with(&Setup { logs: Logs::BehindOnDisk, ..Setup::default() });
    let mut durable = Position::FIRST;
    for round in 1..=3_u32 {
        let mut alfa = Broker::login_at(&node, "ALFA01", 0).unwrap();
        alfa.next_ref = round;
        alfa.buys(100, "ACME", "24.00");
        assert_eq!(alfa.hears(), format!("accepted #{round} B 100 ACME 24.00"));
        let accepted = read_log(&node.site.commands()).0.last().unwrap().0.start;
        eventually("a watermark behind the order", || durable_now(&node) > accepted);
        eventually("a counter of it", || {
            counters(&node)["counters"]["durable.position"].as_u64() > Some(accepted.0)
        });
        node.kill9();
        let control = control_of(&node);
        assert!(!control.clean && control.durable > durable, "{control:?}");
        durable = control.durable;
        let commands = read_log(&node.site.commands());
        let behind = commands.0.iter().find(|frame| frame.0.start >= durable);
        if let Some((header, _)) = behind {
            assert_eq!((header.start, header.first_sequence), (durable, control.durable_sequence));
        }
        node.start_again();
    }
    let books = node.stop_in_order();
    let control = control_of(&node);
    assert!(control.clean && control.durable > durable, "{control:?}");
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}

#[test]
fn after_a_power_loss_a_hole_below_the_watermark_is_refused_and_one_above_it_is_cut() {
    let mut node = Node::start_with(&Setup { logs: Logs::BehindOnDisk, ..Setup::default() });
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let accepted = read_log(&node.site.commands()).0.last().unwrap().0.start;
    eventually("a watermark behind the order", || durable_now(&node) > accepted);
    eventually("ticks behind it", || read_log(&node.site.commands()).0.len() > 20);
    node.kill9();
    lose_power(&node);
    let before = control_of(&node);
    let commands = read_log(&node.site.commands()).0;
    let segment = node.site.commands().join("00000000.seg");
    let whole = fs::read(&segment).unwrap();
    let hole_at = |place: usize| {
        let [hole, behind] = [place, place + 1].map(|place| commands[place].0.start.0);
        let mut bytes = whole.clone();
        bytes[usize::try_from(hole).unwrap()..usize::try_from(behind).unwrap()].fill(0);
        fs::write(&segment, bytes).unwrap();
    };

    let below = commands.iter().rposition(|frame| frame.0.start < before.durable).unwrap();
    hole_at(below - 1);
    let said = node.fails_to_start();
    let position = commands[below - 1].0.start;
    assert!(said.contains(&format!("position {position}")) && said.contains("damaged"), "{said}");
    assert!(control_of(&node) == before, "a refused start changes nothing");

    // As if the power had gone some ticks before: the watermark lies lower.
    let earlier = commands.len() - 8;
    let (header, _) = &commands[earlier];
    let lower = header.start.min(before.durable);
    let mut file = ControlFile::open(&node.site.disk.join("control/control")).unwrap();
    file.store(Control { durable: lower, ..before }).unwrap();
    drop(file);
    hole_at(earlier + 4);
    node.start_again();
    node.stop_in_order();
    assert!(control_of(&node).session > before.session, "the day goes on under another session");
    let kept = read_log(&node.site.commands()).0;
    assert!(kept[..earlier + 4] == commands[..earlier + 4], "what was sound was cut");
    Replay::equal_to_event_log(&node.site);
}

#[test]
fn a_power_loss_in_memory_mode_is_mended_even_if_the_first_start_behind_it_fails() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    eventually("ticks behind it", || read_log(&node.site.commands()).0.len() > 5);
    node.kill9();
    let before = control_of(&node).session;
    lose_power(&node);
    // A hole with sound frames behind it, above what was durable.
    let commands = read_log(&node.site.commands()).0;
    let (hole, behind) =
        (commands[commands.len() - 3].0.start, commands[commands.len() - 2].0.start);
    let segment = node.site.commands().join("00000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[usize::try_from(hole.0).unwrap()..usize::try_from(behind.0).unwrap()].fill(0);
    fs::write(&segment, bytes).unwrap();

    let taken = TcpListener::bind(node.site.order_entry).unwrap();
    let said = node.fails_to_start();
    assert!(said.contains("order entry"), "{said}");
    drop(taken);
    let failed = control_of(&node);
    assert!(failed.cut && failed.session > before, "{failed:?}");
    node.start_again();
    node.stop_in_order();
    let mended = control_of(&node);
    assert!(!mended.cut && mended.clean && mended.session > failed.session, "{mended:?}");
    let kept = fs::read_dir(node.site.commands()).unwrap();
    let kept = kept.filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("cut-at-")
    });
    assert_eq!(kept.count(), 1);
    Replay::equal_to_event_log(&node.site);
}
