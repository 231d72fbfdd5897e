//! The wire bench as its user runs it, which is also an order's whole way over each kind of device: a
//! real node, and a client on the other side. What it measures is not judged, only that it does.
#![cfg(feature = "dpdk")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Each run spins on both cores: one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// Few samples: they must come, not be precise.
fn bench(arguments: &[&str]) -> Value {
    run("wire", &[&FEW[..], arguments].concat())
}

const FEW: [&str; 4] = ["--rounds", "3", "--samples", "100"];

fn run(bench: &str, arguments: &[&str]) -> Value {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.args(["bench", bench, "--json"]).args(arguments);
    let output = command.output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    serde_json::from_str(&stdout).unwrap()
}

/// The figures of a backend, which must all be there.
fn assert_measured(result: &Value, backend: &str, pmd: Option<&str>) {
    let figures = &result[backend];
    assert_eq!(figures["pmd"].as_str(), pmd, "{figures}");
    let positive = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
    for kind in ["echo", "order"] {
        assert!(positive(&figures[kind]["p50_us"]), "{kind} in {figures}");
        assert!(positive(&figures[kind]["p99_us"]), "{kind} in {figures}");
    }
    // A memif client has no UDP.
    assert_eq!(positive(&figures["datagram_echo"]["p50_us"]), backend != "memif", "{figures}");
    assert!(positive(&figures["ratio_p50"]) && positive(&figures["ratio_p99"]), "{figures}");
    assert!(figures["added_ns_per_order"].is_i64(), "{figures}");
    let steps = figures["steps_ns"].as_object().unwrap();
    assert!(steps.len() == 8 && steps.values().all(Value::is_u64), "{figures}");
}

#[test]
fn every_backend_is_measured_and_the_host_is_described() {
    let result = bench(&[]);
    assert_measured(&result, "dpdk", Some("net_af_packet"));
    assert_measured(&result, "kernel", None);
    assert_measured(&result, "memif", Some("net_memif"));
    let host = &result["host"];
    assert_eq!(host["durability"], "memory");
    assert_eq!(host["stamps"], "software");
    assert!(host["placement"].is_string() && host["kernel"].is_string(), "{host}");
    assert_eq!(host["jitter"].as_array().unwrap().len(), 2, "{host}");
}

#[test]
fn an_order_is_measured_among_one_session_and_among_many() {
    let result = run("sessions", &[&FEW[..], &["--sessions", "1,40"]].concat());
    for sessions in ["1", "40"] {
        let figures = &result[sessions];
        let positive = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
        for kind in ["echo", "order"] {
            assert!(positive(&figures[kind]["p50_us"]), "{kind} in {figures}");
            assert!(positive(&figures[kind]["p99_us"]), "{kind} in {figures}");
        }
        assert!(positive(&figures["ratio_p50"]) && positive(&figures["ratio_p99"]), "{figures}");
        assert!(positive(&figures["cpu_ns_per_order"]), "{figures}");
        assert!(figures["login_ms"].is_u64(), "{figures}");
        let beside = &figures["beside_greedy"];
        for key in ["ratio_p50", "ratio_p99", "burst_us"] {
            assert!(positive(&beside[key]), "{key} in {beside}");
        }
    }
    assert_eq!(result["1"]["cpu_ratio"], 1.0);
    assert_eq!(result["40"]["echoed_connections"], 40);
    assert_eq!(result["host"]["backend"], "dpdk");
}

#[test]
fn orders_pass_over_af_xdp() {
    if !is_root() {
        return is_not_tested("net_af_xdp is for root alone");
    }
    let result = bench(&["--backends", "dpdk", "--device", "net_af_xdp0,iface=rialto0"]);
    assert_measured(&result, "dpdk", Some("net_af_xdp"));
}

#[test]
fn orders_pass_with_packet_buffers_in_huge_pages() {
    if !is_root() {
        return is_not_tested("huge pages are reserved by root alone");
    }
    let _pages = HugePages::reserve(80);
    let result = bench(&["--backends", "dpdk,memif", "--hugepages"]);
    assert_measured(&result, "dpdk", Some("net_af_packet"));
    assert_measured(&result, "memif", Some("net_memif"));
}

/// Says so past the harness, which keeps what a test that passes prints.
fn is_not_tested(why: &str) {
    std::io::stderr().write_all(format!("not tested: {why}\n").as_bytes()).unwrap();
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line == "Uid:\t0\t0\t0\t0")
}

/// Huge pages beyond those that were reserved before, given back when it is dropped.
struct HugePages(u64);

const RESERVED: &str = "/proc/sys/vm/nr_hugepages";

impl HugePages {
    fn reserve(count: u64) -> Self {
        let before = reserved();
        fs::write(RESERVED, (before + count).to_string()).unwrap();
        let got = reserved() - before;
        let pages = Self(got);
        assert_eq!(got, count, "the machine has too little memory in one piece for huge pages");
        pages
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = fs::write(RESERVED, reserved().saturating_sub(self.0).to_string());
    }
}

fn reserved() -> u64 {
    fs::read_to_string(RESERVED).unwrap().trim().parse().unwrap()
}

#[test]
fn orders_by_the_clock_are_all_answered_and_the_sweep_is_drawn() {
    let plot = std::env::temp_dir().join(format!("rialto-rate-{}.svg", std::process::id()));
    let path = plot.to_str().unwrap();
    let result = run(
        "rate",
        &["--rates", "1000,2000", "--step-seconds", "1", "--seconds", "1", "--plot", path],
    );
    let table = result["latency"].as_array().unwrap();
    assert!((2..=4).contains(&table.len()), "{result}");
    for step in table {
        let entered = step["seconds"].as_u64().unwrap() * step["rate"].as_u64().unwrap();
        let entered = entered / 16 * 16;
        assert_eq!(step["entered"].as_u64(), Some(entered), "{step}");
        assert_eq!(step["accepted"].as_u64(), Some(entered), "{step}");
        assert_eq!((&step["lost"], &step["refused"]), (&0.into(), &0.into()), "{step}");
        let [p50, p99] = ["p50_us", "p99_us"].map(|key| step[key].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99, "{step}");
        assert!(step["feed_messages"].as_u64().unwrap() > 0, "{step}");
    }
    for key in ["sustained_per_s", "lost", "feed_gaps", "client_cpu_percent"] {
        assert!(result.get(key).is_some(), "{key} in {result}");
    }
    let drawn = fs::read_to_string(&plot).unwrap();
    fs::remove_file(&plot).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.contains("2k</text>"), "{drawn}");
}

#[test]
fn a_flood_is_dropped_and_counted_and_orders_are_answered_during_it() {
    let result =
        run("flood", &["--rate", "5000", "--rounds", "1", "--samples", "100", "--bursts", "200"]);
    let positive = |value: &Value| value.as_f64().is_some_and(|number| number > 0.0);
    assert!(positive(&result["p99_ratio"]) && positive(&result["p50_ratio"]), "{result}");
    for side in ["baseline", "flooded"] {
        assert!(positive(&result[side]["p50_us"]) && positive(&result[side]["p99_us"]), "{result}");
    }
    assert!(positive(&result["frames_sent"]), "{result}");
    // Not fragments: in front of this device the kernel puts them together, and lets hardly any through.
    for reason in ["malformed", "denied", "datagrams_unwanted"] {
        assert!(positive(&result["dropped"][reason]), "{reason} in {result}");
    }
    let ring = &result["ring"];
    for (kind, cost) in ring["kinds"].as_object().unwrap() {
        // Of requests in the names of those who may connect, those within the limit.
        let most = if kind == "syn" { 2_000 } else { 0 };
        assert!(cost["answered"].as_u64().unwrap() <= most, "{kind} in {ring}");
        assert_eq!(cost["served"], 200, "{kind} in {ring}");
    }
    assert_eq!(ring["served_in_every_burst"], true, "{ring}");
    assert_eq!(ring["kinds"].as_object().unwrap().len(), 7, "{ring}");
    assert!(positive(&ring["ns_per_dropped_frame"]), "{ring}");
}
