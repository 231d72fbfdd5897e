//! The commands of `rialto`: arguments in, text out. They start nodes, clients and tools; what these
//! do is elsewhere.

pub mod config;
pub mod demo;
