//! Rialto: a kernel-bypass stock exchange.
//!
//! The life of an order, module by module: `net` takes frames from the NIC, `gateway` turns a
//! session's bytes into commands, `sequencer` gives them their order in the command log of the
//! `event_store`, `engine` applies them (`order_manager`, then `matching`) and writes the event log,
//! from which `gateway` answers and `market_data` feeds. `node` wires the stages.
//!
//! Layers, imports point down only: `types`, `wire` | `sys`, `ring`, `agent` | `counters` | `net`,
//! `event_store`, `order_manager`, `matching` | `gateway`, `sequencer`, `consensus`, `engine`,
//! `market_data` | `config`, `node`, `sim`, `cli`. `tests/architecture.rs` holds us to it.

pub mod agent;
pub mod cli;
pub mod client;
pub mod config;
pub mod consensus;
pub mod counters;
pub mod engine;
pub mod event_store;
pub mod gateway;
pub mod market_data;
pub mod matching;
pub mod net;
pub mod node;
pub mod order_manager;
pub mod ring;
pub mod sequencer;
pub mod sim;
pub mod sys;
pub mod types;
pub mod wire;
