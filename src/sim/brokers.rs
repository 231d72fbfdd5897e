//! What is proposed: a leader's announcement of its term, brokers' orders, and what most nodes came to. Never
//! looks at what becomes of it.

use super::Sabotage;
use super::machine::Machine;
use super::world::{Event, Host, SimNode, World};
use crate::types::Line;

impl World {
    /// Brokers send orders to whoever serves; a new leader announces its term first.
    pub(super) fn enter_orders(&mut self) {
        let often = if self.chance.permille(100) { (0, 2) } else { (5, 30) };
        let after = self.chance.millis(often.0, often.1);
        self.schedule(after, Event::Orders);
        for host in 1..=u32::try_from(self.hosts.len()).expect("few") {
            let Host { node: Some(node), machine, announced, paused_until, .. } = self.host(host)
            else {
                continue;
            };
            if !node.is_serving() || *paused_until > self.now {
                continue;
            }
            let (serves, term) = (node.term(), u32::try_from(node.term()).expect("few"));
            if *announced != serves {
                let preparation = machine.preparation(term, host);
                self.host_mut(host).announced = serves;
                self.propose(host, &preparation, Vec::new());
            } else if machine.preparation(term, host).is_empty() {
                self.agree_at(host);
                self.enter_orders_at(host);
            }
        }
    }

    /// A leader says what most came to.
    fn agree_at(&mut self, host: u32) {
        let agreed = self.host_mut(host).node.as_mut().and_then(SimNode::agreed);
        if let Some(sample) = agreed {
            self.propose(host, &[Machine::agreement(sample)], Vec::new());
        }
    }

    fn enter_orders_at(&mut self, host: u32) {
        let count = self.chance.between(1, 4);
        let repeats = self.plan.sabotage == Some(Sabotage::RepeatOrders) && self.next_order > 100;
        let first = if repeats { self.next_order - 1 } else { self.next_order };
        self.next_order = first + count;
        let numbers: Vec<_> = (first..self.next_order).collect();
        let mut chance = self.chance.clone();
        let machine = &self.host(host).machine;
        let payload: Vec<_> =
            numbers.iter().map(|number| machine.order(*number, &mut chance)).collect();
        self.chance = chance;
        if self.plan.sabotage == Some(Sabotage::AcknowledgeEarly) {
            self.checks.acknowledge(&numbers);
        }
        self.propose(host, &payload, numbers);
    }

    fn propose(&mut self, host: u32, records: &[Vec<Line>], orders: Vec<u64>) {
        if records.is_empty() {
            return;
        }
        let count = u16::try_from(records.len()).expect("few");
        let mut proposed = None;
        self.act(host, |node, now, out| {
            proposed = node.propose(now, count, records.concat(), out)?.ok();
            Ok(())
        });
        if let Some((index, term)) = proposed {
            self.host_mut(host).proposed.push_back((index, term, orders));
        }
    }
}
