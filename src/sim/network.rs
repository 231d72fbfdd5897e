//! The network between the nodes: late, lossy, doubling, and cut in whatever direction.

use std::collections::BTreeSet;

use super::chance::Chance;
use crate::consensus::Transport;
use crate::types::Nanos;

/// The kind byte of a request for frames, where an envelope has it.
const FETCH_KIND: (usize, u8) = (5, 33);

/// What happens to messages, in thousandths of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    /// Lost on unicast.
    pub(super) loss: u64,
    /// Lost on the payload stream, at each receiver.
    pub(super) payload_loss: u64,
    /// Delivered twice.
    pub(super) doubled: u64,
    /// Delayed by up to 20 ms, and so overtaken.
    pub(super) late: u64,
    /// Pairs between which nothing passes, in this direction.
    pub(super) blocked: BTreeSet<(u32, u32)>,
    /// Hosts that the payload stream does not reach.
    pub(super) deaf: BTreeSet<u32>,
    /// Hosts that are slow: so long do messages wait there.
    pub(super) slow: BTreeSet<u32>,
    /// Whether no request for frames arrives, ever: a sabotage.
    pub(super) no_repair: bool,
}

impl Network {
    /// After how long a message arrives: never, once or twice.
    pub(super) fn delays(
        &self,
        (from, to): (u32, u32),
        is_stream: bool,
        message: &[u8],
        chance: &mut Chance,
    ) -> impl Iterator<Item = Nanos> + use<> {
        let loss = if is_stream { self.payload_loss } else { self.loss };
        let is_lost = self.blocked.contains(&(from, to))
            || (is_stream && self.deaf.contains(&to))
            || (self.no_repair && message.get(FETCH_KIND.0) == Some(&FETCH_KIND.1))
            || chance.permille(loss);
        let copies = if is_lost { 0 } else { 1 + usize::from(chance.permille(self.doubled)) };
        let delays = [self.delay(to, chance), self.delay(to, chance)];
        delays.into_iter().take(copies)
    }

    fn delay(&self, to: u32, chance: &mut Chance) -> Nanos {
        let base = Nanos::from_micros(chance.between(50, 150));
        let late = if chance.permille(self.late) { chance.millis(0, 20) } else { Nanos::ZERO };
        let slow = if self.slow.contains(&to) { chance.millis(2, 30) } else { Nanos::ZERO };
        base.after(late).after(slow)
    }
}

/// What a node sent in a duty cycle.
#[derive(Debug, Default)]
pub(super) struct Outbox(pub(super) Vec<(Option<u32>, Vec<u8>)>);

impl Transport for Outbox {
    fn send(&mut self, host: u32, message: &[u8]) {
        self.0.push((Some(host), message.to_vec()));
    }

    fn publish(&mut self, message: &[u8]) {
        self.0.push((None, message.to_vec()));
    }
}
