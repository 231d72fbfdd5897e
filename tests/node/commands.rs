//! The commands that people use against a running node: `client`, `feed` and `log dump`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::harness::{Node, Setup, Site, eventually, rialto};

/// Runs a command that ends by itself, and returns the lines it printed.
fn lines(arguments: &[&str]) -> Vec<String> {
    let output = rialto().args(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// `rialto client` with orders as arguments, and the JSON objects of what came back.
fn trades(node: &Node, port: &str, orders: &[&str]) -> Vec<Value> {
    let (address, credentials) = (node.site.order_entry.to_string(), node.site.credentials(port));
    let secret = String::from_utf8(credentials.secret.to_vec()).unwrap();
    let mut arguments = vec!["client", "--connect", &address, "--user", port, "--json"];
    arguments.extend(["--wait-ms", "300", "--secret", secret.trim_end()]);
    let printed = lines(&[&arguments, orders].concat());
    printed.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// `rialto feed` in the background, once it has joined.
struct Feed {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Feed {
    fn join(site: &Site, arguments: &[&str]) -> Self {
        let mut command = rialto();
        command.args(["feed", "--quiet", "--from-start", "--json"]).args(arguments);
        command.arg("--group").arg(site.feed.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("joined"), "{line}");
        Self { child, stdout }
    }

    /// Its summary, once it has ended.
    fn summary(mut self) -> Value {
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(printed.lines().last().unwrap()).unwrap()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_people_trade_and_a_third_watches() {
    let site = Site::new(&Setup::default());
    let (good, bad) = (site.disk.join("good"), site.disk.join("bad"));
    let [to_good, to_bad] = [&good, &bad].map(|path| path.to_str().unwrap());
    // Nine messages at the day's beginning, an Add, an execution, an Add.
    let feed = Feed::join(&site, &["--until", "12", "--books-out", to_good]);
    let dropping = Feed::join(&site, &["--until", "12", "--books-out", to_bad, "--drop", "1"]);
    let mut node = Node::start_at(site);

    let sold = trades(&node, "ALFA01", &["sell 100 ACME 25.00"]);
    let said: Vec<_> = sold.iter().filter_map(|message| message["type"].as_str()).collect();
    assert_eq!(said, ["system_event", "accepted"]);
    let bought = trades(&node, "BETA01", &["buy 40 ACME 25.10 ioc", "buy 10 GLOBX 110.00"]);
    let said: Vec<_> = bought.iter().filter_map(|message| message["type"].as_str()).collect();
    assert_eq!(said, ["system_event", "accepted", "executed", "accepted"]);
    // The seller was away; the stream waited.
    let later = trades(&node, "ALFA01", &["cancel 99"]);
    assert_eq!(later.last().unwrap()["type"], "executed", "{later:?}");

    let (summary, gaps) = (feed.summary(), dropping.summary());
    assert_eq!((&summary["feed_gaps"], &summary["complete"]), (&0.into(), &true.into()));
    assert_eq!((&gaps["feed_gaps"], &gaps["complete"]), (&1.into(), &false.into()));
    let books = node.stop_in_order();
    assert_eq!(std::fs::read_to_string(good).unwrap(), books);
    assert_ne!(std::fs::read_to_string(bad).unwrap(), books);
}

#[test]
fn both_logs_are_read_while_the_node_writes_them_and_after() {
    let mut node = Node::start();
    trades(&node, "ALFA01", &["sell 100 ACME 25.00", "buy 1 NOSUCH 1.00"]);
    let dump = |log: std::path::PathBuf| {
        let directory = log.display().to_string();
        lines(&["log", "dump", &directory, "--quiet"]).join("\n")
    };
    let says = |word: &str| dump(node.site.commands()).contains(word);
    eventually("the client's logout", || says("PortDown {"));
    for running in [true, false] {
        let (commands, events) = (dump(node.site.commands()), dump(node.site.events()));
        for word in ["TermStart {", "DayStart {", "PortUp {", "NewOrder {", "PortDown {"] {
            assert!(commands.contains(word), "{word} is not in {commands}");
        }
        for word in ["TermStarted {", "InstrumentDefined {", "Accepted {", "Rejected {"] {
            assert!(events.contains(word), "{word} is not in {events}");
        }
        assert!(!commands.contains("Tick {"));
        if running {
            node.stop_in_order();
        }
    }
}
