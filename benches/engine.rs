//! What a command costs in the books and in the whole engine: `rialto bench engine` as a cargo bench.
//!
//! `cargo bench --bench engine`; `rialto bench engine --json` has the same figures for machines.

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let status = Command::new(env!("CARGO_BIN_EXE_rialto")).args(["bench", "engine"]).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
