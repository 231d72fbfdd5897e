//! Tests over a DPDK port in the private network of `hwconfig/lab.sh`: a test runs its own binary again, in
//! the lab and for both ends of the wire, named by a role.
//!
//! EAL starts once per process and is no guest in the test harness. Where a lab is impossible the tests fail
//! and say why.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rialto::net::{ConnectionId, Transport};
use rialto::types::Nanos;

pub(crate) const ROLE: &str = "RIALTO_LAB_ROLE";
pub(crate) const LAB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hwconfig/lab.sh");
pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(crate) const PORT: u16 = 7001;
/// The longest that any process here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The same test of this binary, in another role, behind `prefix`.
pub(crate) fn role(prefix: &[&str], test: &str, role: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let words: Vec<&str> = prefix.iter().copied().chain([this, "--exact", test]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["--nocapture"]).env(ROLE, role).stdin(Stdio::null());
    command
}

/// Runs a role to its good end and returns what it wrote to its standard error.
pub(crate) fn runs(mut command: Command) -> String {
    let output = command.output().expect("the command can be started");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{command:?}: {}\n--- its output\n{stdout}\n--- its errors\n{stderr}",
        output.status,
    );
    stderr.into_owned()
}

pub(crate) fn arguments(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn eal(device: &str) -> Vec<String> {
    arguments(&format!("--no-pci -l 0 --no-telemetry --no-huge -m 128 --no-shconf {device}"))
}

pub(crate) fn now() -> Nanos {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Nanos(u64::try_from(now.as_nanos()).unwrap())
}

/// Sends back what has come, as far as there is room.
pub(crate) fn echo(stack: &mut impl Transport, id: ConnectionId) {
    loop {
        let room = stack.send_room(id);
        let received = stack.received(id);
        let bytes = received[..received.len().min(room)].to_vec();
        if bytes.is_empty() {
            return;
        }
        assert!(stack.send(id, &bytes));
        stack.consume(id, bytes.len());
    }
}
