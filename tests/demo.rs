//! The demo as its user runs it: a node, brokers and a subscriber as processes on a private network.
//! What it says of the feed must be true both when all is well and when a datagram is lost.
#![expect(clippy::unwrap_used, reason = "this is a test, its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const BACKEND: &str = if cfg!(feature = "dpdk") { "dpdk" } else { "kernel" };

#[test]
fn orders_trade_and_the_feed_alone_rebuilds_the_books() {
    let (result, stdout) = demo("well", &["--duration", "3", "--rate", "400"]);
    let number = |key: &str| result[key].as_u64().unwrap();
    assert_eq!((number("orders"), number("accepted"), number("rejected")), (1_200, 1_200, 0));
    assert!(number("executions") >= 60, "{result}");
    assert!(number("symbols_traded") >= 18, "{result}");
    assert!(number("feed_messages") > 1_000, "{result}");
    assert!(number("p50_us") <= number("p99_us") && number("p99_us") <= number("p999_us"));
    assert_eq!((number("broker_processes"), number("feed_gaps")), (4, 0));
    assert_eq!(result["books_equal"], true, "{result}");
    assert_eq!(result["backend"], BACKEND);
    assert!(stdout.lines().filter(|line| line.contains("orders/s")).count() >= 2, "{stdout}");
}

#[test]
fn a_lost_datagram_is_a_gap_and_the_books_are_not_equal() {
    let (result, _) = demo("gap", &["--duration", "2", "--rate", "400", "--drop", "100"]);
    assert!(result["feed_gaps"].as_u64().unwrap() > 0, "{result}");
    assert_eq!(result["books_equal"], false, "{result}");
}

#[test]
fn a_process_that_fails_is_named_with_its_last_words() {
    let directory = directory("failure");
    // The node is to write a file where a directory is.
    std::fs::create_dir_all(directory.join("secrets")).unwrap();
    let Output { status, stderr, .. } = run(&directory, &["--duration", "1", "--rate", "10"]);
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!status.success());
    assert!(stderr.contains("node ended with exit status: 1"), "{stderr}");
    assert!(stderr.contains("secrets: cannot be written"), "{stderr}");
    std::fs::remove_dir_all(directory).unwrap();
}

/// Runs the demo in a directory of its own and returns its result and what it printed.
fn demo(name: &str, arguments: &[&str]) -> (Value, String) {
    let directory = directory(name);
    let Output { status, stdout, stderr } = run(&directory, arguments);
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    let result = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    (result, stdout)
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.args(["demo", "--symbols", "20", "--brokers", "4", "--dir"]).arg(directory);
    command.args(arguments).output().unwrap()
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("demo-{name}-{}", std::process::id()))
}
