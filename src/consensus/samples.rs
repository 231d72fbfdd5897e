//! What the nodes came to, compared by the leader before it says in the log what it came to itself: were it
//! the one that went astray, all the others would take themselves for wrong.
//!
//! Whoever differs from what most came to halts: a follower when it applies the leader's hash, the leader
//! itself when it hears the others. Never decides what a state is.

use std::collections::BTreeMap;

use super::NodeId;

/// Samples that are compared at a time.
const SAMPLES_MAX: usize = 16;

/// A place in the log, and the hash of what a node came to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The place: a sequence.
    pub at: u64,
    /// The hash.
    pub hash: u64,
}

/// What most of the voters came to, against what this node did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same.
    Agrees(Sample),
    /// Another state, which has this hash.
    Differs { ours: Sample, theirs: u64 },
}

/// What nodes said that they came to.
#[derive(Debug, Default)]
pub(super) struct Samples {
    said: BTreeMap<u64, BTreeMap<NodeId, u64>>,
    /// Up to here it was said what most came to.
    decided: u64,
}

impl Samples {
    /// A node says what it came to. What it said before of the same place stays said.
    pub(super) fn note(&mut self, node: NodeId, sample: Sample) {
        if sample.at <= self.decided {
            return;
        }
        self.said.entry(sample.at).or_default().entry(node).or_insert(sample.hash);
        if self.said.len() > SAMPLES_MAX {
            self.said.pop_first();
        }
    }

    /// What most of `voters` came to at the first place where that is known, and this node has been; once for
    /// each place.
    pub(super) fn decide(&mut self, own: NodeId, voters: &[NodeId]) -> Option<Verdict> {
        let most = voters.len() / 2 + 1;
        let decided = self.said.iter().find_map(|(&at, said)| {
            let ours = Sample { at, hash: *said.get(&own)? };
            let theirs =
                voters.iter().filter_map(|voter| said.get(voter)).copied().find(|hash| {
                    let same = voters.iter().filter(|voter| said.get(voter) == Some(hash));
                    same.count() >= most
                })?;
            let agrees = theirs == ours.hash;
            Some(if agrees { Verdict::Agrees(ours) } else { Verdict::Differs { ours, theirs } })
        })?;
        let (Verdict::Agrees(ours) | Verdict::Differs { ours, .. }) = decided;
        self.decided = ours.at;
        self.said = self.said.split_off(&(ours.at + 1));
        Some(decided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOTERS: [NodeId; 3] = [NodeId::first(1), NodeId::first(2), NodeId::first(3)];

    fn said(what: &[(u32, u64, u64)]) -> Samples {
        let mut samples = Samples::default();
        for &(host, at, hash) in what {
            samples.note(NodeId::first(host), Sample { at, hash });
        }
        samples
    }

    fn decide(samples: &mut Samples) -> Option<Verdict> {
        samples.decide(VOTERS[0], &VOTERS)
    }

    #[test]
    fn what_most_came_to_is_decided_once_and_not_before_this_node_has_been_there() {
        let mut samples = said(&[(2, 10, 7), (3, 10, 7)]);
        assert_eq!(decide(&mut samples), None);
        let ours = Sample { at: 10, hash: 7 };
        samples.note(VOTERS[0], ours);
        assert_eq!(decide(&mut samples), Some(Verdict::Agrees(ours)));
        assert_eq!(decide(&mut samples), None);
        samples.note(VOTERS[1], ours);
        samples.note(VOTERS[0], ours);
        assert_eq!(decide(&mut samples), None, "it is decided");
    }

    #[test]
    fn one_other_is_enough_to_agree_and_none_is_not() {
        assert_eq!(decide(&mut said(&[(1, 10, 7)])), None);
        assert_eq!(decide(&mut said(&[(1, 10, 7), (2, 10, 8)])), None);
        let ours = Sample { at: 10, hash: 7 };
        let agrees = Some(Verdict::Agrees(ours));
        assert_eq!(decide(&mut said(&[(1, 10, 7), (2, 10, 8), (3, 10, 7)])), agrees);
        // Of who does not vote nothing is heard.
        assert_eq!(decide(&mut said(&[(1, 10, 7), (4, 10, 7)])), None);
    }

    #[test]
    fn a_node_that_differs_from_most_is_told() {
        let ours = Sample { at: 10, hash: 8 };
        let differs = Some(Verdict::Differs { ours, theirs: 7 });
        assert_eq!(decide(&mut said(&[(1, 10, 8), (2, 10, 7), (3, 10, 7)])), differs);
    }

    #[test]
    fn what_was_said_first_counts_and_what_was_never_decided_is_forgotten() {
        let mut samples = said(&[(1, 10, 7), (2, 10, 8), (2, 10, 7)]);
        assert_eq!(decide(&mut samples), None);
        for at in 11..100 {
            samples.note(VOTERS[0], Sample { at, hash: 1 });
        }
        assert_eq!(samples.said.len(), SAMPLES_MAX);
    }
}
