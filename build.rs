//! What the binary says of its own making: the commit, whether DPDK is in it and which.

use std::path::Path;
use std::process::Command;

/// Grows with every commit and checkout.
const HEAD_LOG: &str = ".git/logs/HEAD";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if release { commit() } else { "debug build".to_owned() };
    // Set by dpdk-sys, where DPDK is linked.
    let dpdk = std::env::var("DEP_DPDK_VERSION")
        .map_or("without DPDK".to_owned(), |version| format!("DPDK {version}"));
    println!("cargo::rustc-env=RIALTO_BUILD={commit}, {dpdk}");
}

/// Only for release builds: it changes with every commit, and a change builds the crate anew.
fn commit() -> String {
    // Cargo takes a file that is not there, as in a worktree or an archive, for one that changed.
    if Path::new(HEAD_LOG).exists() {
        println!("cargo::rerun-if-changed={HEAD_LOG}");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changes.is_some_and(|changes| !changes.is_empty()) { commit + "+changes" } else { commit }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
