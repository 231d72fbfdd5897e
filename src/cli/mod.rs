//! The commands of `rialto`: arguments in, text out. They start nodes, clients and tools; what these
//! do is elsewhere.
#![allow(clippy::print_stdout, reason = "speaking to whoever ran the command is what this is for")]

pub mod config;
pub mod demo;
pub mod log;
pub mod market;
pub mod run;

/// Why a command failed, in words for whoever ran it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// A configuration or market file.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The node.
    #[error(transparent)]
    Node(#[from] crate::node::NodeError),
    /// A log.
    #[error(transparent)]
    Store(#[from] crate::event_store::StoreError),
    /// A record in a log.
    #[error(transparent)]
    Record(#[from] crate::types::RecordError),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// A broker of the demo.
    #[error(transparent)]
    Broker(#[from] demo::BrokerError),
    /// Two dumps of books are not equal.
    #[error("the books differ at {0}")]
    BooksDiffer(demo::Difference),
    /// The operating system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
