//! Fuzz targets: functions of any bytes that must not panic and whose assertions must hold. Here they
//! are given `tests/corpus` and mutations of it; a coverage-guided fuzzer can include these files and call
//! the same functions.

#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the seed and bytes of a failure")]

mod corpus;
mod feed;
mod fragments;
mod frames;
mod log;
mod market;
mod ouch;
mod ouch42;
mod snapshot;
mod soup;
mod ufo;

use corpus::replay;

#[test]
fn frames_into_the_stack() {
    replay("frames", frames::target, 1_500);
}

#[test]
fn soup_bin_tcp_from_either_side() {
    replay("soup", soup::target, 40_000);
}

#[test]
fn ufo_from_either_side() {
    replay("ufo", ufo::target, 40_000);
}

#[test]
fn ouch_from_either_side() {
    replay("ouch", ouch::target, 40_000);
}

#[test]
fn ouch_4_2_from_either_side() {
    replay("ouch42", ouch42::target, 40_000);
}

#[test]
fn mold_udp_and_itch() {
    replay("feed", feed::target, 40_000);
}

#[test]
fn datagrams_of_another_host() {
    replay("fragments", fragments::target, 10_000);
}

#[test]
fn the_segment_of_a_log() {
    replay("log", log::target, 50);
}

#[test]
fn snapshots_of_the_engine() {
    replay("snapshot", snapshot::target, 3_000);
}

#[test]
fn market_files() {
    replay("market", market::target, 3_000);
}
