//! What operators ask of the members: to let a host in, to let one go for good, to switch the logic, and to
//! go on without a quorum that is lost. Decides nothing by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use super::codec::Body;
use super::failure::NodeFailure;
use super::log::{Control, ControlState, FrameLog};
use super::node::Node;
use super::stand::{NotGivenUp, judge};
use super::{Change, Members, Moment, NodeId, Place, Stand, Transport};
use crate::types::{Cause, FrameKind, Line, Nanos};

/// Election timeouts after which a node that says nothing is not there.
const SILENT_TIMEOUTS: u64 = 3;

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not lead.
    #[error("this node does not lead: ask the leader's")]
    NotLeading,
    /// A change is not over.
    #[error("another change of the members is under way: ask again in a moment")]
    UnderWay,
    /// It is there.
    #[error("host {0} is a member already")]
    Member(u32),
    /// It is not there.
    #[error("host {0} is no member")]
    NoMember(u32),
    /// It would remove itself.
    #[error("host {0} leads: have it hand over first (rialto cluster transfer)")]
    Leads(u32),
    /// The rest could decide nothing.
    #[error("without host {host} {there} of {voters} voters are there, which is no quorum")]
    NoQuorum {
        /// Who would go.
        host: u32,
        /// Those of the rest that are heard.
        there: usize,
        /// The rest.
        voters: usize,
    },
    /// Not all know the logic.
    #[error("version {version} is not known to nodes {nodes:?}: upgrade them first")]
    Unsupported {
        /// What was asked for.
        version: u32,
        /// Those that do not know it, or say nothing.
        nodes: Vec<NodeId>,
    },
    /// It must not lead.
    #[error(
        "this node only observes, and never leads: ask another; if only this one has what is wanted, start \
         its host with `rialto run`, and ask again"
    )]
    Observes,
    /// There may be a quorum.
    #[error(transparent)]
    NotGivenUp(#[from] NotGivenUp),
}

impl<L: FrameLog, C: Control> Node<L, C> {
    /// Lets a host in when it asks to join, with its place told to all. Until then its place is known here
    /// alone.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn expect(&mut self, host: u32, place: Place) -> Result<(), Refused> {
        if !self.is_serving() {
            return Err(Refused::NotLeading);
        }
        if self.saved.members.all().any(|member| member.host == host) {
            return Err(Refused::Member(host));
        }
        self.expected.insert(host, place);
        Ok(())
    }

    /// Removes a host for good: it is not let in again.
    ///
    /// # Errors
    /// [`Refused`], or the failure after which the node must not go on.
    pub fn dismiss(
        &mut self,
        now: Moment,
        host: u32,
        transport: &mut impl Transport,
    ) -> Result<Result<(), Refused>, NodeFailure> {
        let changes = match self.dismissal(now, host) {
            Ok(changes) => changes,
            Err(refused) => return Ok(Err(refused)),
        };
        if !self.propose_changes(&changes) {
            return Ok(Err(Refused::UnderWay));
        }
        // It has its frame before anything can take the lead from this node.
        self.drive(now, transport)?;
        Ok(Ok(()))
    }

    fn dismissal(&self, now: Moment, host: u32) -> Result<Vec<Change>, Refused> {
        if !self.is_serving() {
            return Err(Refused::NotLeading);
        }
        if host == self.settings.id.host {
            return Err(Refused::Leads(host));
        }
        let members = &self.saved.members;
        let gone: Vec<_> = members.all().filter(|member| member.host == host).collect();
        if gone.is_empty() {
            return Err(Refused::NoMember(host));
        }
        let rest: Vec<_> = members.voters.iter().filter(|voter| voter.host != host).collect();
        let there = rest.iter().filter(|voter| self.is_there(now.monotonic, ***voter)).count();
        if there <= rest.len() / 2 {
            return Err(Refused::NoQuorum { host, there, voters: rest.len() });
        }
        Ok(gone.into_iter().map(Change::Dismiss).collect())
    }

    /// Whether all members know this version of the logic, so that it may be switched to.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn may_activate(&self, now: Moment, version: u32) -> Result<(), Refused> {
        if !self.is_serving() {
            return Err(Refused::NotLeading);
        }
        let knows = |node: &NodeId| {
            let own = *node == self.settings.id;
            let said = self.stands.get(&node.host).filter(|said| said.0 == *node);
            let supports = said.map_or(0, |said| said.1.supports);
            (own && self.settings.supports >= version)
                || (self.is_there(now.monotonic, *node) && supports >= version)
        };
        let nodes: Vec<_> = self.saved.members.all().filter(|node| !knows(node)).collect();
        if nodes.is_empty() { Ok(()) } else { Err(Refused::Unsupported { version, nodes }) }
    }

    /// Places of hosts that were let in since the last time.
    pub fn newcomers(&mut self) -> Vec<(u32, SocketAddrV4)> {
        std::mem::take(&mut self.newcomers)
    }

    /// Asks every host where it stands. What they answer is in the next [`Node::give_up_quorum`].
    pub fn survey(&mut self, transport: &mut impl Transport) {
        for host in self.others() {
            self.send_to_host(host, Body::Survey, transport);
        }
    }

    /// Gives up a quorum that is lost: this node, which must have the longest log of those that answered a
    /// survey, is the only member when it is started again, as another life. All that its log holds is
    /// committed then; what only `lost` hosts had is lost.
    ///
    /// # Errors
    /// [`Refused`]; or [`NodeFailure::Refounded`] once it is done: the node must be started again.
    pub fn give_up_quorum(
        &mut self,
        now: Moment,
        lost: &BTreeSet<u32>,
    ) -> Result<Refused, NodeFailure> {
        if self.settings.observes {
            return Ok(Refused::Observes);
        }
        let own = self.settings.id;
        let stands: BTreeMap<_, _> = self
            .stands
            .iter()
            .filter(|(host, said)| **host != own.host && self.is_there(now.monotonic, said.0))
            .map(|(host, said)| (*host, *said))
            .chain([(own.host, (own, self.stand(now.monotonic)))])
            .collect();
        let hosts: BTreeSet<_> = self.others().into_iter().chain([own.host]).collect();
        if let Err(refused) = judge(own, &self.saved.members, &hosts, lost, &stands) {
            return Ok(refused.into());
        }
        let next = own.next();
        let term = stands.values().map(|said| said.1.term).fold(self.term(), u64::max) + 1;
        // Whoever comes to have this log reads in it who is a member now, whoever was before.
        self.append_change(term, now.wall, &Change::payload(&[Change::Found(next)]))?;
        let index = self.log().chain().index;
        let members = Members { voters: vec![next], ..Members::default() };
        let state = ControlState { term, vote: 0, members, members_index: index };
        self.control.refound(&state, next)?;
        Err(NodeFailure::Refounded { index, lost: lost.iter().copied().collect() })
    }

    fn append_change(
        &mut self,
        term: u64,
        wall: Nanos,
        payload: &[Line],
    ) -> Result<(), NodeFailure> {
        let mut chain = *self.log().chain();
        let time = wall.max(chain.time.after(Nanos(1)));
        let term = u32::try_from(term).expect("terms count elections");
        let cause = Cause { index: chain.index + 1, term, time };
        let header = chain.seal(FrameKind::ConfChange, cause, 0, payload);
        Ok(self.log_mut().append(&header, payload)?)
    }

    /// Where it stands.
    #[must_use]
    pub fn stand(&self, now: Nanos) -> Stand {
        let chain = self.log().chain();
        let timeouts = Nanos(2 * self.election_timeout().0);
        let is_heard = self.is_leader() || now.since(self.heard) < timeouts;
        Stand {
            term: self.term(),
            last: (chain.term.into(), chain.index),
            committed: self.committed,
            hears: self.leader().filter(|_| is_heard),
            supports: self.settings.supports,
            observes: self.settings.observes,
        }
    }

    /// Says where it stands, to the leader now and then.
    pub(super) fn say_where_it_stands(&mut self, now: Moment, transport: &mut impl Transport) {
        let Some(leader) = self.leader().filter(|leader| *leader != self.settings.id) else {
            return;
        };
        if self.is_time_to_say_something() {
            let stand = self.stand(now.monotonic);
            self.send(Some(leader), Body::Stand(stand), transport);
        }
    }

    /// Once in an election timeout.
    pub(super) fn is_time_to_say_something(&self) -> bool {
        let timing = &self.settings.timing;
        let tick = usize::try_from(self.next_tick.0 / timing.tick.0).unwrap_or_default();
        tick.is_multiple_of(timing.election_ticks)
    }

    /// All other hosts that there are, members or not.
    pub(super) fn others(&self) -> Vec<u32> {
        let settings = &self.settings;
        let hosts = settings.voters.iter().chain(&settings.learners).copied();
        let hosts: BTreeSet<_> =
            hosts.chain(self.saved.members.all().map(|member| member.host)).collect();
        hosts.into_iter().filter(|host| *host != settings.id.host).collect()
    }

    /// Whether it is, or was heard a moment ago.
    fn is_there(&self, now: Nanos, node: NodeId) -> bool {
        let silent = Nanos(SILENT_TIMEOUTS * self.election_timeout().0);
        node == self.settings.id
            || self.heard_of.get(&node).is_some_and(|heard| now.since(*heard) < silent)
    }

    /// The longest that an election is waited for.
    fn election_timeout(&self) -> Nanos {
        let timing = &self.settings.timing;
        Nanos(2 * timing.tick.0 * timing.election_ticks as u64)
    }
}
