//! A session that always has more to say than its turn takes, and what that does to the orders of others.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::BenchError;
use super::client::{ANSWER_MAX, Percentiles, Session, append_order, sample, silence};
use super::ways::Wire;
use crate::client::ClientError;
use crate::types::{Side, TimeInForce, UserRefNum};
use crate::wire::ouch::Outbound;
use crate::wire::soup::{self, Packet};

/// Orders of a burst: nearly what a connection's receive buffer holds.
pub(super) const BURST_ORDERS: u32 = 256;

/// Of the samples of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BesideGreedy {
    /// Another session's order, sent right behind a burst.
    pub(super) order: Percentiles,
    /// From a burst's first byte to its last answer.
    pub(super) burst: Percentiles,
}

/// The session.
pub(super) struct Greedy<W> {
    session: Session<W>,
    last: u32,
    /// What has found no room yet.
    unsent: Vec<u8>,
}

impl<W: Wire> Greedy<W> {
    pub(super) fn new(session: Session<W>) -> Self {
        Self { session, last: 0, unsent: Vec::new() }
    }

    /// Takes samples of `order`, each behind a burst.
    pub(super) fn beside(
        &mut self,
        samples: u32,
        mut order: impl FnMut() -> Result<Duration, BenchError>,
    ) -> Result<BesideGreedy, BenchError> {
        let mut bursts = Vec::new();
        let order = sample(samples, || {
            let start = Instant::now();
            self.burst()?;
            let order = order()?;
            self.is_answered(start)?;
            bursts.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            Ok(order)
        })?;
        Ok(BesideGreedy { order, burst: Percentiles::of(bursts) })
    }

    /// Sends orders that take nothing and leave nothing behind.
    fn burst(&mut self) -> Result<(), BenchError> {
        for _ in 0..BURST_ORDERS {
            self.last += 1;
            let number = UserRefNum(self.last);
            append_order(&mut self.unsent, number, Side::Buy, TimeInForce::ImmediateOrCancel);
        }
        self.push()
    }

    fn push(&mut self) -> Result<(), BenchError> {
        if !self.unsent.is_empty() {
            let count = self.session.wire.send_some(&self.unsent)?;
            self.unsent.drain(..count);
        }
        Ok(())
    }

    /// Waits until the last order was accepted: its state is then that it is dead.
    fn is_answered(&mut self, start: Instant) -> Result<(), BenchError> {
        let mut answered = 0;
        while answered < self.last {
            self.push()?;
            self.session.fill()?;
            answered = answered.max(self.take()?);
            if start.elapsed() > ANSWER_MAX {
                return Err(silence("answer to a burst"));
            }
        }
        Ok(())
    }

    /// Takes what has come, and says which order was accepted last.
    fn take(&mut self) -> Result<u32, BenchError> {
        let (mut taken, mut last) = (0, 0);
        let received = &mut self.session.received;
        while let Some((packet, size)) =
            soup::parse(&received[taken..], usize::from(u16::MAX)).map_err(ClientError::from)?
        {
            taken += size;
            let Packet::SequencedData(message) = packet else { continue };
            match Outbound::parse(message) {
                Ok(Outbound::Accepted(accepted, _)) => last = accepted.user_ref_num.get(),
                Ok(Outbound::SystemEvent(_)) => {}
                other => return Err(BenchError::Answer(format!("{other:?}"))),
            }
        }
        received.drain(..taken);
        Ok(last)
    }
}
