//! Tests of the engine as a whole: stories in the notation of `tests/golden`, a naive oracle, and the
//! rules of the event log.
//!
//! Nothing here knows how the engine does it; it sees commands, events and views only.

mod auctions;
mod busts;
mod capacity;
mod every_field;
mod feed;
mod fuzz;
mod golden;
mod hostile;
mod invariants;
mod log;
mod naive;
mod oracle;
mod phases;
mod render;
mod render_orders;
mod replay;
mod risk;
mod script;
mod script_requests;
mod snapshot;
mod state_hash;
mod version;
mod world;
