//! Ports: logins with their rules, their current session, and what the day remembers of each.
//!
//! Says nothing about streams and timers; those are the engine's.

use std::mem::offset_of;

use serde::{Deserialize, Serialize};

use crate::sys::prefault::prefaulted;
use crate::types::{
    AccountId, DisconnectPolicy, Epoch, FirmCode, FirmId, LINE_BYTES, OrderHandle, OuchVersion,
    PortId, PortKind, PortName, UserRefNum,
};

mod snapshot;

/// A port. What each of its orders touches lies in its first cache line.
#[derive(Debug, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct Port {
    /// Its session, none while it is down.
    pub epoch: Epoch,
    /// The second of log time that messages are counted in.
    pub rate_second: u64,
    /// Orders and replaces in that second, retransmissions apart.
    pub messages: u32,
    /// How many they may be, the largest number = no limit.
    #[serde(skip)]
    pub(super) messages_max: u32,
    /// The same of one instrument.
    #[serde(skip)]
    pub(super) symbol_messages_max: u32,
    /// Instruments whose messages are counted by themselves in that second.
    #[serde(skip)]
    pub(super) symbols_counted: u16,
    /// The firm it belongs to; an administrative port may have none.
    pub firm: FirmId,
    /// Open orders it has.
    #[serde(skip)]
    pub open_orders: u32,
    /// Open orders it may have, 0 = only the firm's limit.
    pub open_orders_max: u32,
    /// Its youngest open order.
    #[serde(skip)]
    pub youngest: OrderHandle,
    /// Its oldest open order; the others follow it in the order of entry.
    #[serde(skip)]
    pub oldest: OrderHandle,
    /// The account of orders that name none.
    pub default_account: AccountId,
    /// What it is for.
    pub kind: PortKind,
    /// Whether an order's group id names its account.
    pub account_by_group: bool,
    /// The user reference numbers of the day: of those, the first channel's is the last in this line.
    pub user_refs: UserRefNums,

    /// The firm's code, as defined.
    pub firm_code: FirmCode,
    /// Its number.
    pub id: PortId,
    /// Messages about all instruments that are not counted by themselves.
    #[serde(skip)]
    pub(super) other_messages: u32,
    /// Orders and replaces in a second of log time, 0 = no limit; as defined.
    pub message_rate_max: u32,
    /// Its login name.
    pub name: PortName,
    /// What becomes of its orders when its session is lost.
    pub disconnect: DisconnectPolicy,
    /// What it speaks.
    pub ouch_version: OuchVersion,
    /// What a login must prove.
    pub verifier: [u8; 32],
    /// How long a lost session may stay away.
    pub grace_ms: u32,
    /// The highest request number of an administrative port.
    pub last_request: u64,
}

const _: () = assert!(
    offset_of!(Port, user_refs) + offset_of!(UserRefNums, others) == LINE_BYTES
        && offset_of!(UserRefNums, first) == 0
);

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

    /// Begins a day: every user reference number may be used again.
    pub(crate) fn start_day(&mut self) {
        self.user_refs.reset();
    }
}

/// The last user reference number of each of a port's 256 channels. Most ports use the first alone, so it
/// lies with the port.
#[derive(Debug)]
#[repr(C)]
pub struct UserRefNums {
    first: UserRefNum,
    others: Box<[UserRefNum; CHANNELS]>,
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
