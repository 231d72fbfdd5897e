//! The operator's tools over a whole node, running and stopped: its counters, its logs, its market.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use rialto::client::Credentials;
use rialto::config::secrets::PortSecrets;
use rialto::types::{PortName, SessionId};
use serde_json::Value;

use crate::broker::Broker;
use crate::harness::{Logs, Node, SOON, Setup, Site, rialto};
use crate::recovery::{lose_from, lose_power};
use crate::replay::read_log;

/// Runs a command of `rialto` that ends by itself: whether it succeeded, and what it said.
fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[track_caller]
pub(crate) fn succeeds(command: &mut Command) -> String {
    let (done, said) = run(command);
    assert!(done, "{said}");
    said
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn counters(node: &Node) -> Value {
    json(&succeeds(rialto().arg("stat").arg(&node.site.logs).arg("--json")))
}

/// Waits until a counter has this value.
#[track_caller]
fn await_counter(node: &Node, name: &str, expected: u64) {
    let deadline = Instant::now() + SOON;
    loop {
        let found = counters(node)["counters"][name].clone();
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is {found}, not {expected}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn trade(node: &Node) {
    let mut alfa = Broker::login(node, "ALFA01");
    let mut beta = Broker::login(node, "BETA01");
    alfa.sells(100, "ACME", "25.00");
    alfa.must_hear(&["system S", "accepted #1 S 100 ACME 25.00"]);
    beta.buys(40, "ACME", "25.00");
    beta.must_hear(&["system S", "accepted #1 B 40 ACME 25.00", "executed #1 40 25.00 R"]);
    alfa.must_hear(&["executed #1 40 25.00 A"]);
}

#[test]
fn counters_are_seen_while_the_node_runs_and_when_it_has_stopped() {
    let threads = r#"{ agents = ["order_entry", "sequencer"] },
                     { agents = ["engine", "market_data", "admin"] }"#;
    let mut node = Node::start_with(&Setup { placement: threads, ..Setup::default() });
    trade(&node);
    await_counter(&node, "order_entry.messages_in", 2);
    await_counter(&node, "order_entry.messages_out", 4);
    await_counter(&node, "order_entry.kernel.opened", 2);
    await_counter(&node, "engine.resting_orders", 1);
    let running = counters(&node);
    assert_eq!((&running["node"], &running["running"]), (&Value::from(1), &Value::from(true)));
    assert_eq!(running["counters"]["sequencer.term"], 1);
    assert_eq!(running["counters"]["admin.connections"], 0);
    let log_time =
        |counters: &Value| counters["counters"]["sequencer.log_time_ns"].as_u64().unwrap();
    assert!(log_time(&running) > running["started_ns"].as_u64().unwrap());

    node.stop_in_order();
    let stopped = counters(&node);
    assert_eq!(stopped["running"], false);
    assert_eq!(stopped["process"], running["process"]);
    // The last values are exact: what the sequencer wrote is what the engine took, and the log holds.
    let value = |name: &str| stopped["counters"][name].as_u64().unwrap();
    let info = |log: &Path| json(&succeeds(rialto().args(["log", "info", "--json"]).arg(log)));
    let commands = info(&node.site.commands());
    assert_eq!(value("sequencer.commands"), commands["records"]);
    assert_eq!(value("sequencer.frames"), commands["frames"]);
    assert_eq!(value("sequencer.commit_position"), commands["committed"]);
    assert_eq!(value("sequencer.log_time_ns"), commands["last_time_ns"]);
    let events = info(&node.site.events());
    assert_eq!(value("engine.events"), events["last_sequence"]);
    assert_eq!(value("engine.commit_position"), events["end"]);

    let text = succeeds(rialto().arg("stat").arg(&node.site.logs));
    assert!(text.starts_with("node 1, process "), "{text}");
    let line = text.lines().find(|line| line.starts_with("order_entry.messages_in ")).unwrap();
    assert_eq!(line.split_whitespace().last(), Some("2"));

    node.start_again();
    assert_eq!(counters(&node)["counters"]["sequencer.term"], 2);
}

#[test]
fn counters_are_watched_with_their_rates() {
    use std::io::{BufRead as _, BufReader};

    let node = Node::start();
    let mut stat = rialto();
    stat.arg("stat").arg(&node.site.logs).args(["--watch", "1", "--json"]);
    let mut stat = stat.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(stat.stdout.take().unwrap()).lines();
    let seen: Vec<_> = lines.take(2).map(|line| json(&line.unwrap())).collect();
    stat.kill().unwrap();
    stat.wait().unwrap();
    assert!(seen[0].get("per_second").is_none());
    // The log's time goes on by a second each second, whatever else happens.
    let rate = seen[1]["per_second"]["sequencer.log_time_ns"].as_u64().unwrap();
    assert!((500_000_000..2_000_000_000).contains(&rate), "{rate}");
}

#[test]
fn where_no_node_ever_ran_there_are_no_counters() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (done, said) = run(rialto().arg("stat").arg(directory));
    assert!(!done && said.contains("no counters here; give the logs directory"), "{said}");
}

#[test]
fn a_log_is_verified_while_the_node_runs_and_when_it_has_stopped() {
    let mut node = Node::start();
    trade(&node);
    for log in [node.site.commands(), node.site.events()] {
        let said = succeeds(rialto().args(["log", "verify"]).arg(&log));
        assert!(said.starts_with("sound: ") && said.contains("in use: "), "{said}");
        let info = json(&succeeds(rialto().args(["log", "info", "--json"]).arg(&log)));
        assert_eq!((&info["in_use"], &info["damage"]), (&Value::from(true), &Value::Null));
    }
    node.stop_in_order();
    let log = node.site.commands();
    let said = succeeds(rialto().args(["log", "verify"]).arg(&log));
    assert!(said.starts_with("sound: ") && !said.contains("in use"), "{said}");
    let text = succeeds(rialto().args(["log", "info"]).arg(&log));
    for words in ["commands, not in use", "2 of 4 MiB", "00000001.seg: blank", "1 to 1\n"] {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }

    // A bit in the first frame's payload.
    let segment =
        fs::File::options().read(true).write(true).open(log.join("00000000.seg")).unwrap();
    let mut byte = [0];
    segment.read_exact_at(&mut byte, 140).unwrap();
    segment.write_all_at(&[byte[0] ^ 1], 140).unwrap();
    let Output { status, stderr, .. } =
        rialto().args(["log", "verify"]).arg(&log).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("the frame at position 64, behind index 0") && said.contains("checksum"));
    let info = json(&succeeds(rialto().args(["log", "info", "--json"]).arg(&log)));
    assert_eq!(info["frames"], 0);
    assert!(info["damage"].as_str().unwrap().contains("payload checksum mismatch"));
}

#[test]
fn a_command_log_that_lost_what_was_durable_is_seen_with_the_control_file_only() {
    let mut node = Node::start_with(&Setup { logs: Logs::BehindOnDisk, ..Setup::default() });
    trade(&node);
    node.stop_in_order();
    let (log, control) = (node.site.commands(), node.site.disk.join("control/control"));
    let verify = |args: &[&Path]| {
        let mut command = rialto();
        command.args(["log", "verify"]).arg(&log).args(args);
        run(&mut command)
    };
    let knowing = [Path::new("--control"), &control];
    let (sound, said) = verify(&[]);
    assert!(sound && said.contains("see --control"), "{said}");
    let (sound, said) = verify(&knowing);
    assert!(sound && !said.contains("control"), "{said}");
    // The operator's own word for the machine going down with an unsynced end.
    let last = read_log(&log).0.last().unwrap().0.start;
    lose_from(last, &log);
    assert!(verify(&[]).0, "nothing in the log shows it");
    let (sound, said) = verify(&knowing);
    assert!(!sound && said.contains(&format!("the frame at position {last}")), "{said}");

    node = Node::start_with(&Setup { logs: Logs::BehindOnDisk, ..Setup::default() });
    trade(&node);
    node.kill9();
    lose_power(&node);
    let mut info = rialto();
    info.args(["log", "info", "--json"]).arg(node.site.commands());
    info.arg("--control").arg(node.site.disk.join("control/control"));
    let info = json(&succeeds(&mut info));
    assert_eq!((&info["may_be_cut"], &info["damage"]), (&Value::from(true), &Value::Null));
    assert!(info["durable"].as_u64().unwrap() <= info["end"].as_u64().unwrap());
    let mut info = rialto();
    info.args(["log", "info"]).arg(node.site.events());
    let (done, said) = run(info.arg("--control").arg(node.site.disk.join("control/control")));
    assert!(!done && said.contains("not a command log"), "{said}");
}

#[test]
fn a_node_s_commands_give_its_events_again_while_it_runs_and_when_it_has_stopped() {
    let mut node = Node::start();
    trade(&node);
    let replay = |site: &Site| {
        json(&succeeds(rialto().args(["log", "replay", "--json"]).arg(site.commands())))
    };
    let fills = |site: &Site| {
        let mut export = rialto();
        export.args(["log", "export", "--kind", "Executed", "--symbol", "ACME"]);
        succeeds(export.arg(site.events()))
    };
    let (running, seen) = (replay(&node.site), fills(&node.site));
    assert!(running["compared_frames"].as_u64() > Some(5), "{running}");
    assert_eq!(seen.lines().count(), 2, "{seen}");
    node.stop_in_order();
    let stopped = replay(&node.site);
    assert_eq!((&stopped["new_frames"], &stopped["resting_orders"]), (&0.into(), &1.into()));
    assert_eq!(fills(&node.site), seen);
}

/// `rialto market` with the node's files and the given market.
pub(crate) fn market(node: &Node, what: &str, market: &Path) -> Command {
    let mut command = rialto();
    command.args(["market", what, "--config"]).arg(node.site.config());
    command.arg("--market").arg(market);
    if what == "apply" {
        command.arg("--admin").arg(node.site.admin.to_string()).args(["--port", "OPER01"]);
        command.arg("--secrets").arg(node.site.secrets());
    }
    command
}

/// The node's market with a firm more, its account, port and limit, an instrument, fees, and an account
/// suspended.
fn wider_market(node: &Node) -> std::path::PathBuf {
    let text = fs::read_to_string(node.site.market()).unwrap();
    let wider = text.replacen("status = \"approved\"", "status = \"suspended\"", 1)
        + r#"
        [[firm]]
        code = "GAMA"
        [[instrument]]
        symbol = "HOOLI"
        currency = "USD"
        tick_size = "0.05"
        reference_price = "3.00"
        [[account]]
        number = 3001
        firm = "GAMA"
        status = "approved"
        cash = { USD = "1000.00" }
        shares = { HOOLI = 70 }
        [[port]]
        name = "GAMA01"
        firm = "GAMA"
        kind = "order_entry"
        default_account = 3001
        [[limit]]
        firm = "GAMA"
        open_orders_max = 100
        [[fee]]
        account = 3001
        maker_bp = "0"
        taker_bp = "0.50"
        "#;
    let path = node.site.disk.join("wider.toml");
    fs::write(&path, wider).unwrap();
    path
}

const CHANGES: [&str; 9] = [
    "+ firm GAMA",
    "+ instrument HOOLI in USD, ticks of 0.0500",
    "~ account 1001: approved -> suspended",
    "+ account 3001 of GAMA, approved",
    "+ port GAMA01 of GAMA, order_entry",
    "~ fees of everyone: none -> maker 0.00 bp, taker 0.50 bp to account 3001",
    "~ limit of GAMA: open_orders_max: none -> 100",
    "+ opening balance of account 3001: 1000.0000 USD",
    "+ opening balance of account 3001: 70 HOOLI",
];

#[test]
fn a_market_file_is_planned_and_applied_while_the_exchange_trades() {
    let mut node = Node::start();
    trade(&node);
    let same = node.site.market();
    assert_eq!(succeeds(&mut market(&node, "plan", &same)), "nothing to change\n");
    let wider = wider_market(&node);
    let planned = CHANGES.join("\n") + "\n9 changes\n";
    assert_eq!(succeeds(&mut market(&node, "plan", &wider)), planned);

    let new_secrets = node.site.disk.join("new-secrets");
    let apply = || {
        let mut command = market(&node, "apply", &wider);
        command.arg("--new-secrets").arg(&new_secrets);
        succeeds(&mut command)
    };
    assert_eq!(apply(), CHANGES.join(": done\n") + ": done\n9 changes\n");
    assert_eq!(apply(), "nothing to change\n");
    assert_eq!(succeeds(&mut market(&node, "plan", &wider)), "nothing to change\n");

    // The new firm trades what is new, at once; who was suspended does not.
    let secrets = PortSecrets::read(&new_secrets).unwrap();
    let secret = secrets.get(PortName::new("GAMA01").unwrap()).unwrap().reveal();
    let credentials = Credentials::new("GAMA01", &secret).unwrap();
    let gama = Broker::login_to(node.site.order_entry, credentials, SessionId::BLANK, 1);
    let mut gama = gama.unwrap();
    gama.sells(70, "HOOLI", "3.00");
    gama.must_hear(&["system S", "accepted #1 S 70 HOOLI 3.00"]);
    let mut beta = Broker::login_at(&node, "BETA01", 0).unwrap();
    beta.next_ref = 2;
    beta.buys(10, "HOOLI", "3.00");
    beta.must_hear(&["accepted #2 B 10 HOOLI 3.00", "executed #2 10 3.00 R"]);
    let mut alfa = Broker::login_at(&node, "ALFA01", 0).unwrap();
    alfa.next_ref = 2;
    alfa.buys(10, "HOOLI", "3.00");
    alfa.must_hear(&["rejected #2 0x0C"]);

    // The log knows it all after a crash, and of a stopped node too.
    node.kill9();
    assert_eq!(succeeds(&mut market(&node, "plan", &wider)), "nothing to change\n");
    node.start_again();
    assert_eq!(succeeds(&mut market(&node, "plan", &wider)), "nothing to change\n");
    let (done, said) = run(&mut market(&node, "plan", &same));
    assert!(done, "{said}");
    assert_eq!(
        said,
        "~ account 1001: suspended -> approved\n\
         1 change; 6 definitions that the file does not mention stay\n"
    );
    node.stop_in_order();
    let (done, said) = run(&mut market(&node, "apply", &same));
    assert!(!done && said.contains("cannot connect"), "{said}");
}

#[test]
fn secrets_of_new_ports_are_shown_once_and_their_file_is_never_another_s() {
    let node = Node::start();
    let wider = wider_market(&node);
    let before = fs::read(node.site.secrets()).unwrap();
    let (done, said) =
        run(market(&node, "apply", &wider).arg("--new-secrets").arg(node.site.secrets()));
    assert!(!done && said.contains("cannot be written: File exists"), "{said}");
    assert_eq!(fs::read(node.site.secrets()).unwrap(), before);
    let said = succeeds(&mut market(&node, "apply", &wider));
    let (first, _) = said.split_once('\n').unwrap();
    let secret = first.strip_prefix("port GAMA01 secret ").unwrap();
    let credentials = Credentials::new("GAMA01", secret).unwrap();
    Broker::login_to(node.site.order_entry, credentials, SessionId::BLANK, 1).unwrap();
}

#[test]
fn what_cannot_be_changed_is_refused_before_anything_is_sent() {
    let node = Node::start();
    let text = fs::read_to_string(node.site.market()).unwrap();
    let other = text.replacen("tick_size = \"0.01\"", "tick_size = \"0.05\"", 1).replacen(
        "cash_decimals = 4",
        "cash_decimals = 6",
        1,
    ) + "[[firm]]\ncode = \"GAMA\"\n";
    let path = node.site.disk.join("other.toml");
    fs::write(&path, other).unwrap();
    for what in ["plan", "apply"] {
        let (done, said) = run(&mut market(&node, what, &path));
        assert!(!done);
        for words in [
            "currency[0].cash_decimals = 6: is 4 in the log, and cannot be changed",
            "instrument[0].tick_size = 0.0500: is 0.0100 in the log, and cannot be changed",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
    let same = node.site.market();
    assert_eq!(succeeds(&mut market(&node, "plan", &same)), "nothing to change\n");
}
