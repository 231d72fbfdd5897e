//! Where a node stands, as it says to the others: what its log comes to, whom it follows, and which logic it
//! knows. And what an operator may conclude of it when no quorum is left.

use std::collections::{BTreeMap, BTreeSet};

use super::{Members, NodeId};

/// Where a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// Its term.
    pub term: u64,
    /// Term and index of the last frame in its log: of two logs the one with the higher is the longer.
    pub last: (u64, u64),
    /// The index of the last frame that it knows to be committed.
    pub committed: u64,
    /// The leader that it heard within two election timeouts.
    pub hears: Option<NodeId>,
    /// The highest version of the logic that it knows.
    pub supports: u32,
    /// Whether it only observes: then it is not promoted, whatever operators and files say of its host.
    pub observes: bool,
}

/// Why the quorum is not given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGivenUp {
    /// There is a leader.
    #[error("node {node} hears leader {leader}: a quorum lives, and loses nothing")]
    Led {
        /// Who said so.
        node: NodeId,
        /// Whom it hears.
        leader: NodeId,
    },
    /// Members that can elect a leader are there.
    #[error(
        "{there} of {voters} voters are there as who they were, which is a quorum: wait for their election, \
         or promote one"
    )]
    Quorum {
        /// Voters that answered.
        there: usize,
        /// All voters.
        voters: usize,
    },
    /// Somebody did not answer, and may have the longest log.
    #[error(
        "of hosts {hosts:?} nothing is heard: start their nodes, or name those that are lost for good \
         (--lost HOST): what only they have is lost"
    )]
    Silent {
        /// Which.
        hosts: Vec<u32>,
    },
    /// Somebody who was said to be lost is there.
    #[error("hosts {hosts:?} are there, and not lost: leave them out of --lost")]
    NotLost {
        /// Which.
        hosts: Vec<u32>,
    },
    /// Another node has more.
    #[error(
        "host {host} has the longest log, to frame {index} of term {term}: ask its node, so that nothing is \
         lost that need not be"
    )]
    Longer {
        /// Who.
        host: u32,
        /// Its last frame.
        index: u64,
        /// The term of that.
        term: u64,
    },
}

/// Whether `own` may found the quorum anew: no quorum of `members` lives, every one of `hosts` has answered
/// or is lost, and nobody has a longer log. Says who answered.
///
/// # Errors
/// [`NotGivenUp`].
pub(super) fn judge(
    own: NodeId,
    members: &Members,
    hosts: &BTreeSet<u32>,
    lost: &BTreeSet<u32>,
    stands: &BTreeMap<u32, (NodeId, Stand)>,
) -> Result<Vec<NodeId>, NotGivenUp> {
    let led = stands.values().find_map(|(node, stand)| Some((*node, stand.hears?)));
    if let Some((node, leader)) = led {
        return Err(NotGivenUp::Led { node, leader });
    }
    let is_there = |voter: &&NodeId| stands.get(&voter.host).is_some_and(|said| said.0 == **voter);
    let voters = members.voters.len();
    let there = members.voters.iter().filter(is_there).count();
    if there > voters / 2 {
        return Err(NotGivenUp::Quorum { there, voters });
    }
    let there: Vec<_> = lost.iter().copied().filter(|host| stands.contains_key(host)).collect();
    if !there.is_empty() {
        return Err(NotGivenUp::NotLost { hosts: there });
    }
    let is_silent = |host: &u32| !stands.contains_key(host) && !lost.contains(host);
    let silent: Vec<_> = hosts.iter().copied().filter(is_silent).collect();
    if !silent.is_empty() {
        return Err(NotGivenUp::Silent { hosts: silent });
    }
    let end_of = |host: u32| stands.get(&host).map(|said| said.1.last);
    let longest = stands.keys().copied().max_by_key(|host| (end_of(*host), *host == own.host));
    if let Some(host) = longest.filter(|host| *host != own.host) {
        let (term, index) = end_of(host).unwrap_or_default();
        return Err(NotGivenUp::Longer { host, index, term });
    }
    Ok(stands.values().map(|said| said.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        Members::first(&[1, 2, 3], &[])
    }

    /// Hosts with their incarnations, and where their logs end: asked of the first.
    fn judged(stands: &[(u32, u32, (u64, u64))], lost: &[u32]) -> Result<Vec<NodeId>, NotGivenUp> {
        let stands = stands.iter().map(|&(host, incarnation, last)| {
            let stand = Stand { last, ..Stand::default() };
            (host, (NodeId { host, incarnation }, stand))
        });
        let (hosts, lost) = (BTreeSet::from([1, 2, 3]), lost.iter().copied().collect());
        judge(NodeId::first(1), &members(), &hosts, &lost, &stands.collect())
    }

    #[test]
    fn with_all_there_and_most_of_them_others_than_they_were_the_longest_log_founds_anew() {
        let all = [(1, 1, (3, 50)), (2, 2, (3, 50)), (3, 2, (3, 49))];
        assert_eq!(judged(&all, &[]).unwrap().len(), 3);
        // A later term is longer, however many frames there are of an earlier.
        let longer = [(1, 1, (3, 50)), (2, 2, (4, 20)), (3, 2, (3, 60))];
        assert_eq!(judged(&longer, &[]), Err(NotGivenUp::Longer { host: 2, index: 20, term: 4 }));
    }

    #[test]
    fn as_long_as_a_quorum_lives_it_is_not_given_up() {
        let there = [(1, 1, (3, 50)), (2, 1, (3, 40)), (3, 2, (3, 0))];
        assert_eq!(judged(&there, &[]), Err(NotGivenUp::Quorum { there: 2, voters: 3 }));
        let leader = NodeId::first(2);
        let stand = Stand { hears: Some(leader), ..Stand::default() };
        let stands = BTreeMap::from([(3, (NodeId::first(3), stand))]);
        let (hosts, none) = (BTreeSet::from([1, 2, 3]), BTreeSet::new());
        let judged = judge(NodeId::first(1), &members(), &hosts, &none, &stands);
        assert_eq!(judged, Err(NotGivenUp::Led { node: NodeId::first(3), leader }));
    }

    #[test]
    fn who_says_nothing_must_be_named_as_lost_and_who_says_something_must_not() {
        let two = [(1, 1, (3, 50)), (2, 2, (3, 50))];
        assert_eq!(judged(&two, &[]), Err(NotGivenUp::Silent { hosts: vec![3] }));
        assert_eq!(judged(&two, &[3]).unwrap().len(), 2);
        assert_eq!(judged(&two, &[2, 3]), Err(NotGivenUp::NotLost { hosts: vec![2] }));
    }
}
