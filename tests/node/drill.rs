//! `rialto cluster drill`: whatever happens to a leader, nothing is lost and nothing done twice.

use std::path::Path;

use serde_json::Value;

use crate::harness::rialto;

/// Has it happen so often, and returns what is said of it.
fn drill(name: &str, [kills, pauses, partitions, unplugs]: [u32; 4], more: &[&str]) -> Value {
    let dir = format!("drill-{}-{name}", std::process::id());
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(dir);
    let mut command = rialto();
    command.args(["cluster", "drill", "--json", "--rate", "200", "--dir"]).arg(&dir).args(more);
    let times = [
        ("--kills", kills),
        ("--pauses", pauses),
        ("--partitions", partitions),
        ("--unplugs", unplugs),
    ];
    for (fault, times) in times {
        command.arg(fault).arg(times.to_string());
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&said).unwrap();
    for (key, value) in [("kills", kills), ("lost", 0), ("doubled", 0), ("rejected", 0)] {
        assert_eq!(report[key], value, "{said}");
    }
    assert_eq!((&report["hashes_equal"], &report["feed_continuous"]), (&true.into(), &true.into()));
    assert!(report["feed_messages"].as_u64() > Some(0), "{said}");
    report
}

#[test]
fn the_address_moves_from_a_leader_that_is_killed_paused_or_cut_off_and_nothing_is_lost() {
    let report = drill("kernel", [2, 1, 1, 1], &[]);
    for gap in ["gap_ms", "pause_gap_ms", "partition_gap_ms", "unplug_gap_ms"] {
        let [p50, p99, max] = ["p50", "p99", "max"].map(|part| report[gap][part].as_u64());
        assert!(p50 > Some(0) && p50 <= p99 && p99 <= max, "{report}");
    }
}

#[cfg(feature = "dpdk")]
#[test]
fn nor_where_the_leader_has_a_dpdk_port_and_no_kernel_hangs_up_for_it() {
    drill("dpdk", [1, 1, 1, 1], &["--backend", "dpdk"]);
}

#[cfg(feature = "aeron")]
#[test]
fn nor_with_payloads_by_multicast() {
    drill("aeron", [1, 1, 1, 1], &["--transport", "aeron"]);
}

#[cfg(feature = "aeron")]
#[test]
fn nor_by_aeron_where_the_network_has_no_multicast() {
    drill("aeron-unicast", [1, 1, 0, 1], &["--transport", "aeron-unicast"]);
}
