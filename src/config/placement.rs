//! The placement: which thread runs which stages, and on which core. Knows nothing of the stages but
//! their order in the pipeline.

use super::error::{ConfigError, Source};
use crate::agent::Idle;

/// A stage that has an agent, in pipeline order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The brokers' gateway.
    OrderEntry,
    /// The sequencer.
    Sequencer,
    /// The engine.
    Engine,
    /// The market data publisher.
    MarketData,
    /// The operators' gateway.
    Admin,
}

impl Stage {
    /// All of them, in pipeline order.
    pub const ALL: [Self; 5] =
        [Self::OrderEntry, Self::Sequencer, Self::Engine, Self::MarketData, Self::Admin];

    /// As the file calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderEntry => "order_entry",
            Self::Sequencer => "sequencer",
            Self::Engine => "engine",
            Self::MarketData => "market_data",
            Self::Admin => "admin",
        }
    }
}

/// Which threads run which stages. Every stage is in exactly one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The threads.
    pub threads: Vec<ThreadPlacement>,
    /// What a thread without work does.
    pub idle: Idle,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreadPlacement {
    /// The core it is pinned to; not pinned if absent.
    pub core: Option<usize>,
    /// Its stages, in pipeline order.
    #[serde(rename = "agents")]
    pub stages: Vec<Stage>,
}

impl ThreadPlacement {
    /// One thread for everything, on no core in particular: a laptop's.
    #[must_use]
    pub fn composite() -> Self {
        Self { core: None, stages: Stage::ALL.to_vec() }
    }
}

/// Proves that `threads` run every stage once, each thread in pipeline order and on a core of its own.
pub(super) fn prove(source: &Source, threads: &[ThreadPlacement]) -> Result<(), ConfigError> {
    let mut placed = Vec::new();
    let mut cores = Vec::new();
    for (index, thread) in threads.iter().enumerate() {
        let key = format!("placement.threads[{index}]");
        let agents = format!("{key}.agents");
        let said = format!("[{}]", names(&thread.stages));
        source.rule(!thread.stages.is_empty(), &agents, &said, "must name at least one agent")?;
        for stage in &thread.stages {
            let rule = format!("{} is placed a second time", stage.name());
            source.rule(!placed.contains(stage), &agents, &said, rule)?;
            placed.push(*stage);
        }
        let rule = format!("must be in pipeline order: {}", names(&Stage::ALL));
        source.rule(thread.stages.is_sorted(), &agents, &said, rule)?;
        if let Some(core) = thread.core {
            let rule = "another thread is pinned to this core";
            source.rule(!cores.contains(&core), format!("{key}.core"), core, rule)?;
            cores.push(core);
        }
    }
    placed.sort();
    let rule = format!("must place each agent once: {}", names(&Stage::ALL));
    source.rule(placed == Stage::ALL, "placement.threads", format!("[{}]", names(&placed)), rule)
}

fn names(stages: &[Stage]) -> String {
    stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(", ")
}
