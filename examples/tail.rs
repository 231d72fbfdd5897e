//! Follows a log that another process writes, from any sequence on: one line for each record.
//!
//! `cargo run --example tail -- /dev/shm/rialto/events 1000`. Without a sequence only what is new. Ends
//! with the process that it is run in; the writer does not know of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to who runs it")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use rialto::event_store::{Reader, StoreError};

/// How long to wait where there is nothing new. Who cannot spare the time spins instead.
const IDLE: Duration = Duration::from_micros(100);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("usage: tail DIRECTORY [SEQUENCE]")?;
    let mut reader = Reader::open(Path::new(&directory))?;
    match arguments.next() {
        Some(sequence) => reader.seek_to_sequence(sequence.parse()?)?,
        None => reader.seek(reader.committed())?,
    }
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                for record in frame.records() {
                    let record = record?;
                    let kind = record.lines[0].0[0];
                    println!("{} {} kind {kind}", record.sequence, frame.header.time);
                }
            }
            Ok(None) => thread::sleep(IDLE),
            // It was too slow, and what comes next is gone: here that is no reason to stop.
            Err(late @ StoreError::Retired { sequence, .. }) => {
                eprintln!("{late}");
                reader.seek_to_sequence(sequence)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
