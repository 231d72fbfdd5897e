//! Market data: the feed. Tails the event log and sends every event with a feed number as ITCH 5.0
//! in MoldUDP64. It owns no device: datagrams leave through a ring.

mod agent;

pub use agent::{FeedCounters, HEARTBEAT_INTERVAL, MarketData, MarketDataConfig, REPEAT_MAX};

#[cfg(test)]
mod tests;
