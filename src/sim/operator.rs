//! What operators do: give up a quorum that was lost with the power of all, and replace a host by another.
//! They ask until it is done, whoever leads meanwhile.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::world::{Event, SimNode, World};
use super::{Plan, Sabotage};
use crate::consensus::{FrameLog as _, NodeId, Place};
use crate::types::Nanos;

/// How far the operators are.
#[derive(Debug)]
pub(super) struct Operator {
    /// The hosts that vote, as the nodes' files have them.
    pub(super) voters: Vec<u32>,
    /// All went down, and no quorum will come back.
    pub(super) is_dark: bool,
    /// Whether that is still to come.
    pub(super) may_go_dark: bool,
    pub(super) refounded: u64,
    pub(super) replaced: u64,
    /// Who is to come, and who is to go, once it is known.
    replacing: Option<(u32, Option<u32>)>,
}

/// How often they ask.
const INTERVAL: Nanos = Nanos::from_millis(200);

impl Operator {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            voters: (1..=plan.voters).collect(),
            is_dark: false,
            may_go_dark: plan.blackout,
            refounded: 0,
            replaced: 0,
            replacing: plan.replaces.then_some((plan.voters + plan.learners + 1, None)),
        }
    }
}

impl World {
    /// Asks for what is still to be done.
    pub(super) fn operate(&mut self) {
        self.schedule(INTERVAL, Event::Operate);
        if self.operator.is_dark {
            self.give_up_quorum();
        } else if let Some((comes, goes)) = self.operator.replacing {
            self.replace(comes, goes);
        }
    }

    /// Asks every node in turn; the one with the longest log will do it.
    fn give_up_quorum(&mut self) {
        let hosts = u32::try_from(self.hosts.len()).expect("few");
        for host in 1..=hosts {
            let up = |other: &u32| self.host(*other).node.is_some();
            let in_haste = self.plan.sabotage == Some(Sabotage::Haste);
            let is_lost = |other: &u32| self.host(*other).is_away || (in_haste && !up(other));
            let down = (1..=hosts).filter(|other| is_lost(other) && *other != host);
            let lost: BTreeSet<_> = down.collect();
            self.act(host, |node, _, out| {
                node.survey(out);
                Ok(())
            });
            self.act(host, |node, now, _| node.give_up_quorum(now, &lost).map(drop));
            if !self.operator.is_dark {
                return;
            }
        }
    }

    /// A node has founded the quorum anew, with a log that ends at `index`: the longest there is.
    pub(super) fn has_refounded(&mut self, host: u32, index: u64) {
        self.operator.is_dark = false;
        self.operator.refounded += 1;
        let target = self.host_mut(host);
        target.id = NodeId::next(target.id);
        target.has_lost = false;
        // But for the frame that says so.
        let (log, before) = (&target.disk.as_ref().expect("it was stopped").0, index - 1);
        let ours = (log.chain_at(before).map(|chain| chain.term), before);
        let ends = self.hosts.iter().filter(|other| other.id.host != host).map(|other| {
            let disk = other.disk.as_ref().map(|disk| *disk.0.chain());
            let chain = other.node.as_ref().map(|node| *node.log().chain()).or(disk);
            chain.map_or((None, 0), |chain| (Some(chain.term), chain.index))
        });
        if let Some(longer) = ends.filter(|theirs| *theirs > ours).max() {
            self.checks.violation(format!(
                "host {host} founded the quorum anew with a log to {ours:?}, and another has {longer:?}"
            ));
        }
        self.checks.give_up_behind(before);
    }

    /// Has one host come, and when it votes another go.
    fn replace(&mut self, comes: u32, goes: Option<u32>) {
        let serving = |node: &&mut SimNode| node.is_serving();
        let leader = self.hosts.iter_mut().find_map(|host| host.node.as_mut().filter(serving));
        let Some(node) = leader else { return };
        let (leads, members) = (node.id().host, node.members().clone());
        let votes = members.voters.iter().any(|voter| voter.host == comes);
        match goes {
            None if votes => {
                let others = self.operator.voters.iter().copied();
                let others: Vec<_> = others.filter(|host| ![comes, leads].contains(host)).collect();
                let goes = self.chance.pick(&others);
                self.operator.voters.retain(|host| *host != goes);
                self.operator.replacing = Some((comes, Some(goes)));
            }
            None => {
                let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9_200);
                // It is a member already, or another leads a moment later.
                drop(node.expect(comes, Place { address, votes: true }));
                if !self.operator.voters.contains(&comes) {
                    self.operator.voters.push(comes);
                }
                if self.host(comes).is_away {
                    self.host_mut(comes).is_away = false;
                    self.start(comes);
                }
            }
            Some(goes) if members.all().any(|member| member.host == goes) => {
                self.act(leads, |node, now, out| node.dismiss(now, goes, out).map(drop));
            }
            Some(goes) => {
                self.stop(goes);
                self.host_mut(goes).is_away = true;
                self.operator.replacing = None;
                self.operator.replaced += 1;
            }
        }
    }
}
