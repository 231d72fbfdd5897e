//! What goes wrong, when, and how it is put right again.

use super::chance::Chance;
use super::network::Network;
use super::world::{Event, Host, SimNode, World};
use super::{Sabotage, Trouble};
use crate::consensus::Change;
use crate::event_store::Durability;
use crate::types::Nanos;

/// A fault that lasts for a while.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing passes between these pairs, in these directions.
    Blocked(Vec<(u32, u32)>),
    /// The payload stream does not reach these hosts.
    Deaf(Vec<u32>),
    /// This host is slow.
    Slow(u32),
    /// Losses of unicast and stream, doubled and late messages, in thousandths: what they were before.
    Weather(u64, u64, u64, u64),
    /// The disk of this host is full.
    Full(u32),
}

impl Network {
    /// A network as it is on this seed's good days.
    pub(super) fn draw(chance: &mut Chance, no_repair: bool) -> Self {
        let mut network = Self { no_repair, ..Self::default() };
        network.payload_loss = chance.pick(&[0, 5, 10, 50]);
        network.doubled = chance.pick(&[0, 10]);
        network.late = chance.pick(&[0, 10, 50]);
        network
    }

    fn weather(&self) -> Fault {
        Fault::Weather(self.loss, self.payload_loss, self.doubled, self.late)
    }
}

impl World {
    /// Something goes wrong.
    pub(super) fn strike(&mut self) {
        if self.calm || matches!(self.plan.sabotage, Some(Sabotage::Astray(_))) {
            return;
        }
        if let Some(trouble) = self.plan.only {
            let (soonest, latest) = match trouble {
                Trouble::Kills => (800, 1200),
                Trouble::Lags => (1200, 1500),
            };
            let next = self.chance.millis(soonest, latest);
            self.schedule(next, Event::Strike);
            return match trouble {
                Trouble::Kills => self.kill_leader(),
                Trouble::Lags => self.lag(),
            };
        }
        let next = self.chance.millis(50, 1200);
        self.schedule(next, Event::Strike);
        if self.operator.may_go_dark && 2 * self.now.second() > self.plan.seconds {
            return self.black_out();
        }
        let hosts = u32::try_from(self.hosts.len()).expect("few");
        let any = u32::try_from(self.chance.between(1, hosts.into())).expect("few");
        let leader = self.leader();
        let host = if self.chance.permille(400) { leader.unwrap_or(any) } else { any };
        match self.chance.below(14) {
            0 | 1 => self.crash(host),
            2 => self.lose_power(host),
            3 => self.flip_bit(host),
            4 => {
                let span = self.chance.millis(10, 1500);
                self.host_mut(host).paused_until = self.now.after(span);
            }
            5 => {
                let others = (1..=hosts).filter(|other| *other != host);
                let pairs = others.flat_map(|other| [(host, other), (other, host)]).collect();
                self.suffer(Fault::Blocked(pairs));
            }
            6 => {
                let inbound = self.chance.permille(500);
                let others = (1..=hosts).filter(|other| *other != host);
                let pair = |other| if inbound { (other, host) } else { (host, other) };
                let pairs = others.map(pair).collect();
                self.suffer(Fault::Blocked(pairs));
            }
            7 => {
                let all = self.chance.permille(300);
                self.suffer(Fault::Deaf(if all { (1..=hosts).collect() } else { vec![host] }));
            }
            8 => self.storm(),
            9 => self.suffer(Fault::Slow(host)),
            10 => self.suffer(Fault::Full(host)),
            11 => self.hand_over(),
            12 => self.change_members(host),
            _ => {
                // The wall clock jumps, ahead or back to where it was.
                let span = self.chance.millis(0, 5000);
                self.host_mut(host).ahead = span;
            }
        }
    }

    fn leader(&self) -> Option<u32> {
        let leads = |host: &&Host| host.node.as_ref().is_some_and(SimNode::is_leader);
        self.hosts.iter().find(leads).map(|host| host.id.host)
    }

    fn suffer(&mut self, fault: Fault) {
        match &fault {
            Fault::Blocked(pairs) => self.network.blocked.extend(pairs),
            Fault::Deaf(hosts) => self.network.deaf.extend(hosts),
            Fault::Slow(host) => {
                self.network.slow.insert(*host);
            }
            Fault::Weather(..) => {}
            Fault::Full(host) => {
                if let Some(node) = &mut self.host_mut(*host).node {
                    node.log_mut().is_full = true;
                }
            }
        }
        let span = self.chance.millis(50, 2000);
        self.schedule(span, Event::Heal(fault));
    }

    /// Puts a fault right.
    pub(super) fn heal(&mut self, fault: Fault) {
        match fault {
            Fault::Blocked(pairs) => self.network.blocked.retain(|pair| !pairs.contains(pair)),
            Fault::Deaf(hosts) => self.network.deaf.retain(|host| !hosts.contains(host)),
            Fault::Slow(host) => {
                self.network.slow.remove(&host);
            }
            Fault::Weather(loss, payload_loss, doubled, late) => {
                let network = &mut self.network;
                (network.loss, network.payload_loss) = (loss, payload_loss);
                (network.doubled, network.late) = (doubled, late);
            }
            Fault::Full(host) => {
                if let Some(node) = &mut self.host_mut(host).node {
                    node.log_mut().is_full = false;
                }
            }
        }
    }

    /// No more faults, and none left.
    pub(super) fn heal_all(&mut self) {
        self.calm = true;
        self.network.blocked.clear();
        self.network.deaf.clear();
        self.network.slow.clear();
        self.network.loss = 0;
        self.network.payload_loss = self.network.payload_loss.min(50);
        for host in 1..=u32::try_from(self.hosts.len()).expect("few") {
            self.host_mut(host).paused_until = Nanos::ZERO;
            self.heal(Fault::Full(host));
            self.start(host);
        }
    }

    fn storm(&mut self) {
        let before = self.network.weather();
        self.network.loss = self.chance.between(0, 100);
        self.network.payload_loss = self.chance.between(0, 400);
        self.network.doubled = self.chance.between(0, 100);
        self.network.late = self.chance.between(0, 200);
        self.suffer(before);
    }

    /// The process is killed. What it wrote stays in the page cache.
    fn crash(&mut self, host: u32) {
        if self.host(host).node.is_some() {
            self.stop(host);
            let span = self.chance.millis(20, 2000);
            self.schedule(span, Event::Start { host });
        }
    }

    /// One follower stands still or is slow; before the next it goes on.
    fn lag(&mut self) {
        let hosts = u64::try_from(self.hosts.len()).expect("few");
        let host = u32::try_from(self.chance.between(1, hosts)).expect("few");
        if Some(host) == self.leader() {
            return;
        }
        if self.chance.permille(500) {
            self.host_mut(host).paused_until = self.now.after(Nanos::from_secs(1));
        } else {
            self.network.slow.insert(host);
            self.schedule(Nanos::from_secs(1), Event::Heal(Fault::Slow(host)));
        }
    }

    /// The leader is killed and comes back when another leads.
    fn kill_leader(&mut self) {
        if let Some(leader) = self.leader() {
            self.stop(leader);
            self.killed_at = Some(self.now);
            self.schedule(Nanos::from_millis(600), Event::Start { host: leader });
        }
    }

    /// The machine loses its power: alone, or where every commit is on disk, at times with all others.
    fn lose_power(&mut self, host: u32) {
        let is_durable = self.plan.durability == Durability::Disk;
        let all = is_durable && self.chance.permille(300);
        let hosts = u32::try_from(self.hosts.len()).expect("few");
        for host in if all { 1..=hosts } else { host..=host } {
            if self.host(host).node.is_none() || !(is_durable || self.may_lose(host)) {
                continue;
            }
            self.crash(host);
            let mut chance = self.chance.clone();
            if let Some((log, _)) = &mut self.host_mut(host).disk {
                log.lose_power(&mut chance);
            }
            self.chance = chance;
            if !is_durable {
                self.lose_identity(host);
            }
        }
    }

    /// All machines lose their power, and what was in memory: nobody is who he was when it comes back.
    fn black_out(&mut self) {
        (self.operator.may_go_dark, self.operator.is_dark) = (false, true);
        for host in 1..=u32::try_from(self.hosts.len()).expect("few") {
            if self.host(host).is_away {
                continue;
            }
            self.crash(host);
            let mut chance = self.chance.clone();
            if let Some((log, _)) = &mut self.host_mut(host).disk {
                log.lose_power(&mut chance);
            }
            self.chance = chance;
            self.lose_identity(host);
        }
    }

    /// A bit of what is on disk is wrong when the node starts again.
    fn flip_bit(&mut self, host: u32) {
        if self.host(host).node.is_none() || !self.may_lose(host) {
            return;
        }
        self.crash(host);
        let mut chance = self.chance.clone();
        let flipped = self.host_mut(host).disk.as_mut().is_some_and(|d| d.0.flip_bit(&mut chance));
        self.chance = chance;
        if flipped {
            self.lose_identity(host);
        }
    }

    /// Whether enough others are who they always were, and would be if this one is not.
    fn may_lose(&self, host: u32) -> bool {
        let nodes = self.hosts.iter().filter_map(|host| host.node.as_ref());
        let Some(latest) = nodes.max_by_key(|node| node.committed()) else { return false };
        let members = latest.members();
        let others = self.hosts.iter().filter(|other| {
            other.id.host != host && !other.has_lost && members.voters.contains(&other.id)
        });
        let voters = members.voters.len().max(self.plan.voters as usize);
        let enough = others.count() > voters / 2;
        enough && !members.is_joint() && !self.plan.removes_voters
    }

    fn hand_over(&mut self) {
        let leader = self
            .hosts
            .iter_mut()
            .find_map(|host| host.node.as_mut().filter(|node| node.is_serving()));
        let Some(node) = leader else { return };
        let voters = node.members().voters.clone();
        node.transfer(self.chance.pick(&voters));
    }

    /// A member is removed; it asks to be let in again.
    fn change_members(&mut self, host: u32) {
        let id = self.host(host).id;
        let voters = self.plan.voters;
        let leader = self
            .hosts
            .iter_mut()
            .find_map(|host| host.node.as_mut().filter(|node| node.is_serving()));
        let Some(node) = leader.filter(|node| node.id() != id) else { return };
        let members = node.members();
        let is_complete = members.voters.len() == voters as usize;
        let may = members.learners.contains(&id)
            || (self.plan.removes_voters && is_complete && members.voters.contains(&id));
        let leads = node.id().host;
        if may {
            self.act(leads, |node, now, out| {
                node.propose_changes(&[Change::Remove(id)]);
                node.do_work(now, out)
            });
        }
    }
}
