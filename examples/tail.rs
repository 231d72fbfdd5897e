//! Follows a log that another process writes, from any sequence on: one line for each record.
//!
//! `cargo run --example tail -- /dev/shm/rialto/events 1000`. Without a sequence only what is new. Ends
//! when nobody writes to the log any more; the writer does not know of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to who runs it")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use rialto::event_store::{Reader, StoreError, WriterState};

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
    let mut writer = WriterState::Lives;
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                for record in frame.records() {
                    let record = record?;
                    let kind = record.lines[0].0[0];
                    println!("{} {} kind {kind}", record.sequence, frame.header.time);
                }
            }
            // Nothing came since nobody writes any more.
            Ok(None) if writer != WriterState::Lives => break,
            Ok(None) => {
                thread::sleep(IDLE);
                writer = reader.writer()?;
            }
            // It was too slow, and what comes next is gone: here that is no reason to stop.
            Err(late @ StoreError::Retired { sequence, .. }) => {
                eprintln!("{late}");
                reader.seek_to_sequence(sequence)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    eprintln!("nobody writes to the log: {writer:?}");
    Ok(())
}
