//! The state hash: what nodes compare to know that they have come to the same.
//!
//! It is the hash of the last event frame plus the wallet's, so what participants were told and what they
//! own are in it. Every node takes a sample at the end of the first command frame at or past each
//! 65,536th sequence, and keeps the last 16. Whoever leads proposes its own sample as a
//! [`StateHash`] command; each node, the leader too, compares it with what it sampled itself:
//!
//! | the sample of that sequence is | then |
//! |---|---|
//! | equal | `StateConfirmed` |
//! | another | the node stops, [`CommandError::OtherState`]; its event log says nothing of it |
//! | not kept any more, or never taken there | counted, and passed over |
//!
//! A replay compares in the same way, so a version that makes something else of an old log is found
//! out although nothing of its events is left. At each sample nodes also hold the sum of all balances against
//! what came in, and stop if money or shares came from nowhere; it was added up along with the commands.
//! All at once it was a pause.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::events::{Outlet, Route};
use super::{CommandError, Engine};
use crate::types::command::StateHash;
use crate::types::event::{EventHeader, StateConfirmed};

/// Commands between two samples.
pub const SAMPLE_INTERVAL: u64 = 65_536;

/// Samples that are kept.
const SAMPLES_MAX: usize = 16;

/// What the state came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSample {
    /// The last command that is in it.
    pub at_sequence: u64,
    /// The hash.
    pub hash: u64,
}

/// The last samples, the oldest first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Samples(VecDeque<StateSample>);

impl Default for Samples {
    fn default() -> Self {
        Self(VecDeque::with_capacity(SAMPLES_MAX))
    }
}

impl Samples {
    /// Whether they could have been taken by the end of this sequence.
    pub(super) fn are_sound(&self, last: u64) -> bool {
        let Self(samples) = self;
        let taken = samples.iter().map(|sample| sample.at_sequence);
        samples.len() <= SAMPLES_MAX
            && taken.is_sorted_by(|one, next| one < next)
            && samples.back().is_none_or(|sample| sample.at_sequence <= last)
    }

    fn push(&mut self, sample: StateSample) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    fn find(&self, at_sequence: u64) -> Option<u64> {
        self.0.iter().find(|sample| sample.at_sequence == at_sequence).map(|sample| sample.hash)
    }
}

impl Engine {
    /// The hash of the state behind the last command frame. Cheap: it is kept with every change.
    #[must_use]
    pub const fn state_hash(&self) -> u64 {
        self.events.chain().hash.wrapping_add(self.manager.wallet.hash())
    }

    /// The last sample of it, to propose as a [`StateHash`] while this node leads.
    #[must_use]
    pub fn last_sample(&self) -> Option<StateSample> {
        self.samples.0.back().copied()
    }

    /// Takes a sample if one is due behind a frame that began with this sequence.
    ///
    /// # Panics
    /// If cash or shares are not conserved.
    pub(super) fn sample_state(&mut self, first_sequence: u64) {
        let last = self.next_command - 1;
        if last / SAMPLE_INTERVAL == first_sequence.saturating_sub(1) / SAMPLE_INTERVAL {
            return;
        }
        self.manager.wallet.end_audit();
        self.samples.push(StateSample { at_sequence: last, hash: self.state_hash() });
    }

    /// Compares what the leader came to with what this node did.
    pub(super) fn compare_state(
        &mut self,
        theirs: &StateHash,
        out: &mut dyn Outlet,
    ) -> Result<(), CommandError> {
        let &StateHash { ref header, at_sequence, hash, .. } = theirs;
        if !header.port.is_none() {
            self.counters.not_allowed += 1;
            return Ok(());
        }
        let Some(ours) = self.samples.find(at_sequence) else {
            self.counters.unknown_samples += 1;
            return Ok(());
        };
        if ours != hash {
            let sequence = self.sequence;
            return Err(CommandError::OtherState { sequence, at_sequence, ours, theirs: hash });
        }
        let confirmed = StateConfirmed {
            header: EventHeader::new::<StateConfirmed>(),
            at_sequence,
            hash,
            reserved: [0; 8],
        };
        self.events.emit(Route::NONE, &confirmed, out);
        Ok(())
    }
}
