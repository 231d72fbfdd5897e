//! The placement: which thread runs which stages, and on which core. Knows nothing of the stages but
//! their order in the pipeline, and how many there are of each.

use super::Service;
use super::error::{ConfigError, Source};
use crate::agent::Idle;

/// A stage that has an agent, in pipeline order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The brokers' gateway; of several shards each is named, the first one first.
    OrderEntry,
    /// The gateway of brokers who come by TLS, if there is one.
    OrderEntryTls,
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
    /// All that there can be, in pipeline order.
    pub const ALL: [Self; 6] = [
        Self::OrderEntry,
        Self::OrderEntryTls,
        Self::Sequencer,
        Self::Engine,
        Self::MarketData,
        Self::Admin,
    ];

    /// As the file calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderEntry => "order_entry",
            Self::OrderEntryTls => "order_entry_tls",
            Self::Sequencer => "sequencer",
            Self::Engine => "engine",
            Self::MarketData => "market_data",
            Self::Admin => "admin",
        }
    }
}

/// The stages of a node that serves nobody.
const OBSERVING: [Stage; 2] = [Stage::Sequencer, Stage::Engine];

/// The stages of a node in pipeline order, each as often as there are of it.
pub(super) fn stages(service: Option<&Service>) -> Vec<Stage> {
    let Some(Service { order_entry, .. }) = service else { return OBSERVING.to_vec() };
    let of = |stage| match stage {
        Stage::OrderEntry => usize::from(order_entry.shards),
        Stage::OrderEntryTls => usize::from(order_entry.tls.is_some()),
        _ => 1,
    };
    Stage::ALL.into_iter().flat_map(|stage| vec![stage; of(stage)]).collect()
}

/// Which threads run which stages. Every stage is in exactly one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The threads.
    pub threads: Vec<ThreadPlacement>,
    /// What a thread without work does.
    pub idle: Idle,
}

impl Placement {
    /// Leaves only what a node runs that serves nobody, where it is.
    pub(super) fn observe(&mut self) {
        for thread in &mut self.threads {
            thread.stages.retain(|stage| OBSERVING.contains(stage));
        }
        self.threads.retain(|thread| !thread.stages.is_empty());
    }
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
    /// One thread for all of `stages`, on no core in particular: a laptop's.
    #[must_use]
    pub fn composite(stages: &[Stage]) -> Self {
        Self { core: None, stages: stages.to_vec() }
    }
}

/// A laptop's threads: one for everything, and one for what must not share it.
pub(super) fn default(stages: &[Stage]) -> Vec<ThreadPlacement> {
    let (apart, together): (Vec<_>, Vec<_>) =
        stages.iter().partition(|&&stage| stage == Stage::OrderEntryTls);
    let threads = [together, apart].into_iter().filter(|stages| !stages.is_empty());
    threads.map(|stages| ThreadPlacement::composite(&stages)).collect()
}

/// Proves that `threads` run all of `stages`, each thread in pipeline order and on a core of its own.
pub(super) fn prove(
    source: &Source,
    threads: &[ThreadPlacement],
    stages: &[Stage],
) -> Result<(), ConfigError> {
    let mut left = stages.to_vec();
    let mut placed = Vec::new();
    let mut cores = Vec::new();
    for (index, thread) in threads.iter().enumerate() {
        let key = format!("placement.threads[{index}]");
        let agents = format!("{key}.agents");
        let said = format!("[{}]", names(&thread.stages));
        source.rule(!thread.stages.is_empty(), &agents, &said, "must name at least one agent")?;
        for stage in &thread.stages {
            let place = left.iter().position(|wanted| wanted == stage);
            let (name, count) = (stage.name(), stages.iter().filter(|&of| of == stage).count());
            let rule = match count {
                0 => format!("there is no {name}"),
                1 => format!("{name} is placed a second time"),
                _ => format!("{name} is placed more than {count} times, once for each shard"),
            };
            let place = place.ok_or_else(|| source.broken(&agents, &said, rule))?;
            left.swap_remove(place);
            placed.push(*stage);
        }
        let rule = format!("must be in pipeline order: {}", names(stages));
        source.rule(thread.stages.is_sorted(), &agents, &said, rule)?;
        let rule = "order_entry_tls must not be with order_entry, sequencer or engine: nobody's orders \
                    wait for strangers' handshakes";
        let has = |stage| thread.stages.contains(&stage);
        let waits = has(Stage::OrderEntry) || has(Stage::Sequencer) || has(Stage::Engine);
        source.rule(!(has(Stage::OrderEntryTls) && waits), &agents, &said, rule)?;
        if let Some(core) = thread.core {
            let rule = "another thread is pinned to this core";
            source.rule(!cores.contains(&core), format!("{key}.core"), core, rule)?;
            cores.push(core);
        }
    }
    placed.sort();
    let rule = format!("must place each agent once: {}", names(stages));
    source.rule(left.is_empty(), "placement.threads", format!("[{}]", names(&placed)), rule)
}

fn names(stages: &[Stage]) -> String {
    stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(", ")
}
