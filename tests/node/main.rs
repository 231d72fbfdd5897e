//! Stories of whole nodes: real `rialto run` processes over kernel sockets on loopback, and clients
//! that know of them only what a participant, an operator or a reader of the logs may know.

#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]
#![allow(clippy::print_stdout, reason = "the seed of a run that fails")]

mod admission;
mod auction;
mod bad_input;
mod broker;
mod busts;
mod clock;
mod cluster;
mod commands;
mod day;
mod drill;
mod drop_copy;
mod feed;
mod full_disk;
mod harness;
mod images;
mod incarnation;
mod lagging;
mod members;
mod observe;
mod operator;
mod ouch42;
mod placement;
mod raw;
mod recovery;
mod replay;
mod resumed;
mod retention;
mod retired;
mod sessions;
mod shards;
mod snapshots;
mod soupbintcp;
mod start;
#[cfg(feature = "tls")]
mod tls;
mod tools;
mod trading;
mod traffic;
mod tshark;
mod ufo;
