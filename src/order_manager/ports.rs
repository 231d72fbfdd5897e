//! Ports: logins with their rules, their current session, and what the day remembers of each.
//!
//! Says nothing about streams and timers; those are the engine's.

use serde::{Deserialize, Serialize};

use crate::sys::prefault::{prefaulted, prefaulted_room};
use crate::types::{
    AccountId, DisconnectPolicy, Epoch, FirmCode, FirmId, InstrumentId, Nanos, OrderHandle, PortId,
    PortKind, PortName, UserRefNum,
};

mod snapshot;

/// A port. What each of its orders touches lies in its first cache line.
#[derive(Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Port {
    /// Its session, none while it is down.
    pub epoch: Epoch,
    /// The user reference numbers of the day.
    pub user_refs: UserRefNums,
    /// The second of log time that `messages` counts.
    pub rate_second: u64,
    /// Orders and replaces in that second, retransmissions apart.
    pub messages: u32,
    /// How many they may be, the largest number = no limit.
    #[serde(skip)]
    pub(super) messages_max: u32,
    /// Open orders it has.
    #[serde(skip)]
    pub open_orders: u32,
    /// Open orders it may have, 0 = only the firm's limit.
    pub open_orders_max: u32,
    /// Its youngest open order.
    #[serde(skip)]
    pub youngest: OrderHandle,
    /// The account of orders that name none.
    pub default_account: AccountId,
    /// The firm it belongs to; an administrative port may have none.
    pub firm: FirmId,
    /// What it is for.
    pub kind: PortKind,
    /// Whether an order's group id names its account.
    pub account_by_group: bool,
    /// Its oldest open order; the others follow it in the order of entry.
    #[serde(skip)]
    pub oldest: OrderHandle,

    /// New orders of one instrument in a second, the largest number = no limit.
    #[serde(skip)]
    pub(super) symbol_messages_max: u32,
    /// Its number.
    pub id: PortId,
    /// The firm's code, as defined.
    pub firm_code: FirmCode,
    /// Orders and replaces in a second of log time, 0 = no limit; as defined.
    pub message_rate_max: u32,
    /// Its login name.
    pub name: PortName,
    /// What becomes of its orders when its session is lost.
    pub disconnect: DisconnectPolicy,
    /// What a login must prove.
    pub verifier: [u8; 32],
    /// How long a lost session may stay away.
    pub grace_ms: u32,
    /// The highest request number of an administrative port.
    pub last_request: u64,
    /// Its messages of this second by instrument, as far as they are counted.
    pub(super) symbol_messages: SymbolMessages,
}

const _: () = assert!(std::mem::offset_of!(Port, symbol_messages_max) == 64);

impl Port {
    /// Whether a session is on.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        !self.epoch.is_none()
    }

    /// Whether the streams it reads belong to the day: all but an operator's.
    #[must_use]
    pub const fn is_of_the_day(&self) -> bool {
        !matches!(self.kind, PortKind::Admin)
    }

    /// Counts an order or a replace at `now`; false if the port has had its share of this second.
    pub(crate) fn takes_message(&mut self, now: Nanos) -> bool {
        if self.rate_second != now.second() {
            self.rate_second = now.second();
            self.messages = 0;
        }
        self.messages = self.messages.saturating_add(1);
        self.messages <= self.messages_max
    }

    /// Begins a day: every user reference number may be used again.
    pub(crate) fn start_day(&mut self) {
        self.user_refs.reset();
    }
}

/// Instruments whose messages a port has counted by themselves within a second. Those of all others are
/// counted together, as if they were of one.
pub(super) const SYMBOLS_COUNTED_MAX: usize = 256;

/// A port's messages of one second of log time, by instrument.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SymbolMessages {
    second: u64,
    /// Each instrument once, in the order in which they came.
    counts: Vec<(InstrumentId, u32)>,
    others: u32,
}

impl SymbolMessages {
    /// None yet, with room for all that will be counted.
    pub(super) fn new() -> Self {
        let counts = prefaulted_room((InstrumentId::NONE, 0), SYMBOLS_COUNTED_MAX);
        Self { second: 0, counts, others: 0 }
    }

    /// Counts a message about an instrument; false if there were `most` this second.
    pub(super) fn takes(&mut self, instrument: InstrumentId, most: u32, now: Nanos) -> bool {
        if self.second != now.second() {
            self.second = now.second();
            self.counts.clear();
            self.others = 0;
        }
        let found = self.counts.iter().position(|&(of, _)| of == instrument);
        let count = match found {
            Some(at) => &mut self.counts[at].1,
            None if self.counts.len() == SYMBOLS_COUNTED_MAX => &mut self.others,
            None => {
                self.counts.push((instrument, 0));
                &mut self.counts.last_mut().expect("just pushed").1
            }
        };
        *count = count.saturating_add(1);
        *count <= most
    }

    /// Whether these can be a port's in a venue of so many instruments.
    pub(super) fn are_sound(&self, instruments: u32) -> bool {
        let Self { second: _, counts, others } = self;
        let exist =
            counts.iter().all(|&(of, count)| count > 0 && (1..=instruments).contains(&of.0.into()));
        let is_new = |at: usize| counts[..at].iter().all(|(of, _)| *of != counts[at].0);
        let fits = counts.len() <= SYMBOLS_COUNTED_MAX
            && (*others == 0 || counts.len() == SYMBOLS_COUNTED_MAX);
        fits && exist && (0..counts.len()).all(is_new)
    }

    /// Takes the room that they had before they were written.
    pub(super) fn make_room(&mut self) {
        self.counts.reserve_exact(SYMBOLS_COUNTED_MAX - self.counts.len());
    }
}

/// The last user reference number of each of a port's 256 channels. Most ports use the first alone, so it
/// lies with the port.
#[derive(Debug)]
pub struct UserRefNums {
    others: Box<[UserRefNum; CHANNELS]>,
    first: UserRefNum,
}

const CHANNELS: usize = 256;

impl UserRefNums {
    /// None used yet.
    #[must_use]
    pub(crate) fn new() -> Self {
        let others = prefaulted(UserRefNum::NONE, CHANNELS).into_boxed_slice();
        Self { others: others.try_into().expect("as many"), first: UserRefNum::NONE }
    }

    /// Whether a number may be used: its channel has seen neither it nor a later one.
    pub(crate) fn is_new(&self, channel: u8, number: UserRefNum) -> bool {
        number > self.last(channel)
    }

    /// Uses up a number. False if the channel has seen it or a later one: a retransmission.
    pub(crate) fn consume(&mut self, channel: u8, number: UserRefNum) -> bool {
        let is_new = self.is_new(channel, number);
        if is_new {
            match channel {
                0 => self.first = number,
                other => self.others[usize::from(other)] = number,
            }
        }
        is_new
    }

    /// The lowest number that may be used next, none if the highest was.
    pub(crate) fn next(&self, channel: u8) -> UserRefNum {
        UserRefNum(self.last(channel).0.wrapping_add(1))
    }

    const fn last(&self, channel: u8) -> UserRefNum {
        match channel {
            0 => self.first,
            other => self.others[other as usize],
        }
    }

    fn reset(&mut self) {
        self.first = UserRefNum::NONE;
        self.others.fill(UserRefNum::NONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_symbols_are_counted_by_themselves_and_the_others_together() {
        let mut messages = SymbolMessages::new();
        let most = u16::try_from(SYMBOLS_COUNTED_MAX).unwrap();
        let (first, last) = (InstrumentId(1), InstrumentId(most + 1));
        for id in 1..=most {
            assert!(messages.takes(InstrumentId(id), 1, Nanos::SECOND));
        }
        assert!(!messages.takes(first, 1, Nanos::SECOND));
        assert!(messages.takes(last, 1, Nanos::SECOND));
        assert!(!messages.takes(InstrumentId(most + 2), 1, Nanos::SECOND));
        assert!(messages.takes(InstrumentId(most + 2), 1, Nanos::from_secs(2)));
        assert!(messages.takes(last, 1, Nanos::from_secs(2)));
        assert!(messages.takes(first, 1, Nanos::from_secs(2)));
        assert!(messages.are_sound(u32::from(most) + 2) && !messages.are_sound(2));
    }

    #[test]
    fn a_number_is_new_once_in_each_channel() {
        let mut numbers = UserRefNums::new();
        assert!(!numbers.consume(0, UserRefNum(0)));
        assert!(numbers.consume(0, UserRefNum(5)));
        assert!(!numbers.consume(0, UserRefNum(5)) && !numbers.is_new(0, UserRefNum(5)));
        assert!(numbers.is_new(0, UserRefNum(6)) && numbers.is_new(255, UserRefNum(1)));
        assert!(!numbers.consume(0, UserRefNum(4)));
        assert!(numbers.consume(255, UserRefNum(4)));
        assert_eq!(
            (numbers.next(0), numbers.next(255), numbers.next(9)),
            (UserRefNum(6), UserRefNum(5), UserRefNum(1))
        );
        assert!(!numbers.consume(255, UserRefNum(4)) && !numbers.is_new(255, UserRefNum(4)));
        numbers.reset();
        assert!(numbers.consume(0, UserRefNum(1)) && numbers.consume(255, UserRefNum(1)));
    }
}
