//! What the event store takes: `rialto bench store` as a cargo bench.
//!
//! `cargo bench --bench event_store`; `rialto bench store --json` has the same figures for machines.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let status = Command::new(env!("CARGO_BIN_EXE_rialto")).args(["bench", "store"]).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
