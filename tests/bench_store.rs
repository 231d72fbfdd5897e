//! The store bench as its user runs it. What it measures is not judged, only that it does, and that
//! nothing of it is left.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> (Output, u32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.args(["bench", "store", "--rounds", "1", "--shorten", "1000"]).args(arguments);
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let child = child.unwrap();
    let id = child.id();
    (child.wait_with_output().unwrap(), id)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_figure_is_there_and_no_file_stays() {
    let disk = env!("CARGO_TARGET_TMPDIR");
    let (output, process) = bench(&["--json", "--disk", disk]);
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let figures: Value = serde_json::from_str(&stdout).unwrap();
    let positive = |value: &Value| value.as_u64().is_some_and(|number| number > 0);
    for key in [
        "append_batch64_per_s",
        "append_batch1_per_s",
        "reader_p50_ns",
        "replay_per_s",
        "day_command_gb",
        "day_event_gb",
        "day_command_mb_per_s",
        "restart_orders",
        "snapshot_bytes",
    ] {
        assert!(positive(&figures[key]), "{key} in {figures}");
    }
    for key in ["restart_ms", "restart_logs_ms", "restart_engine_ms", "restart_since_ms"] {
        assert!(figures[key].is_u64(), "{key} in {figures}");
    }
    for key in ["snapshot_p99_ratio", "snapshot_p99_ratio_same_core"] {
        assert!(figures[key].as_f64().is_some_and(|ratio| ratio > 0.0), "{key} in {figures}");
    }
    assert!(figures["fdatasync_p50_us"].is_u64(), "{figures}");
    for batch in ["1", "8", "64", "256"] {
        let figures = &figures["disk_mode"][batch];
        assert!(positive(&figures["commands_per_s"]) && positive(&figures["bytes"]), "{figures}");
        assert!(
            figures["sync_p50_us"].is_u64() && figures["fdatasync_p50_us"].is_u64(),
            "{figures}"
        );
    }
    assert_eq!(figures["host"]["jitter"].as_array().unwrap().len(), 2, "{figures}");
    for parent in ["/dev/shm", disk] {
        let left = Path::new(parent).join(format!("rialto-bench-store-{process}"));
        assert!(!left.exists(), "{}", left.display());
    }
}

#[test]
fn memory_is_no_disk_and_a_core_that_is_not_there_is_named() {
    let said = |arguments: &[&str]| {
        let (output, _) = bench(arguments);
        assert_eq!(output.status.code(), Some(1));
        text(output.stderr)
    };
    let error = said(&["--disk", "/dev/shm"]);
    assert!(
        error.contains("this is memory, not a disk; choose a directory with --disk"),
        "{error}"
    );
    let error = said(&["--cores", "0,100000"]);
    assert!(error.contains("no core 100000"), "{error}");
}
