//! The gateway's throttle: how many packets a session may have read, so that nobody's flood costs others.
//!
//! It only protects, and loses nothing: a session over its limit is left unread, and TCP holds its
//! participant back. The business rule, which answers, is the engine's, and is narrower.

use crate::net::RateLimit;
use crate::types::Nanos;

/// A session that has sent more than its limit lets through, for this long without a break, is
/// disconnected: whatever it does, it is not listening.
pub(super) const OVER_TIME_MAX: Nanos = Nanos::from_secs(30);

/// One session's bucket: a second's worth may be read at once.
#[derive(Debug)]
pub(super) struct Throttle {
    limit: Option<RateLimit>,
    /// Since when it has never been read to its end, if it was left unread.
    over_since: Option<Nanos>,
}

/// What is to be done with a session whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Read it.
    Read,
    /// Leave it unread for now. `first` says that it was within its limit until now.
    Leave { first: bool },
    /// Disconnect it.
    Disconnect,
}

impl Throttle {
    /// Of so many packets a second; none = no limit.
    pub(super) fn new(packets_per_second_max: Option<u32>) -> Self {
        let limit = packets_per_second_max.map(u64::from);
        Self { limit: limit.map(|rate| RateLimit::new(rate, rate)), over_since: None }
    }

    pub(super) fn verdict(&mut self, now: Nanos) -> Verdict {
        if self.has_room(now) {
            return Verdict::Read;
        }
        let first = self.over_since.is_none();
        let since = *self.over_since.get_or_insert(now);
        if now.since(since) >= OVER_TIME_MAX {
            Verdict::Disconnect
        } else {
            Verdict::Leave { first }
        }
    }

    /// Whether a packet that is lost otherwise may be read.
    pub(super) fn admits(&self, now: Nanos) -> bool {
        self.has_room(now)
    }

    /// Packets were read. They come out of a receive buffer, which may hold more than there was room
    /// for; the next then wait for longer.
    pub(super) fn spend(&mut self, packets: u64, now: Nanos) {
        if let Some(limit) = &mut self.limit {
            limit.spend(packets, now);
        }
    }

    /// Nothing it has sent is unread.
    pub(super) fn has_read_all(&mut self) {
        self.over_since = None;
    }

    /// Whether something it has sent was left unread.
    pub(super) fn left_unread(&self) -> bool {
        self.over_since.is_some()
    }

    /// Whether it was left unread and can now be read again.
    pub(super) fn may_read_on(&self, now: Nanos) -> bool {
        self.left_unread() && self.has_room(now)
    }

    fn has_room(&self, now: Nanos) -> bool {
        self.limit.is_none_or(|limit| limit.has_room(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::from_secs(1_000);

    fn after(millis: u64) -> Nanos {
        START.after(Nanos::from_millis(millis))
    }

    /// Packets read at once.
    fn reads(throttle: &mut Throttle, now: Nanos) -> usize {
        let reads = |_: &usize| {
            let read = throttle.verdict(now) == Verdict::Read;
            throttle.spend(u64::from(read), now);
            read
        };
        (0..10_000).take_while(reads).count()
    }

    #[test]
    fn a_seconds_worth_is_read_at_once_and_then_the_rate() {
        let mut throttle = Throttle::new(Some(1_000));
        assert_eq!(reads(&mut throttle, START), 1_000);
        assert_eq!(reads(&mut throttle, after(50)), 50);
        assert_eq!(reads(&mut throttle, after(50)), 0);
        throttle.has_read_all();
        assert_eq!(reads(&mut throttle, after(60_000)), 1_000);
    }

    #[test]
    fn a_session_is_left_unread_until_there_is_room_and_that_is_told_once() {
        let mut throttle = Throttle::new(Some(100));
        throttle.spend(100, START);
        assert_eq!(throttle.verdict(START), Verdict::Leave { first: true });
        assert_eq!(throttle.verdict(START), Verdict::Leave { first: false });
        assert!(!throttle.may_read_on(after(9)) && throttle.may_read_on(after(10)));
        assert_eq!(throttle.verdict(after(10)), Verdict::Read);
        // It was read to its end: what comes next is another story.
        throttle.has_read_all();
        assert!(!throttle.may_read_on(after(10)), "nothing is left unread");
        throttle.spend(1, after(10));
        assert_eq!(throttle.verdict(after(10)), Verdict::Leave { first: true });
    }

    #[test]
    fn what_was_read_beyond_the_limit_is_paid_for_later() {
        let mut throttle = Throttle::new(Some(100));
        throttle.spend(150, START);
        assert_eq!(throttle.verdict(after(500)), Verdict::Leave { first: true });
        assert_eq!(throttle.verdict(after(510)), Verdict::Read);
    }

    #[test]
    fn a_session_that_remains_over_its_limit_is_disconnected_and_one_that_pauses_is_not() {
        for (pauses, last) in
            [(false, Verdict::Disconnect), (true, Verdict::Leave { first: false })]
        {
            let mut throttle = Throttle::new(Some(100));
            for millis in (0..30_000).step_by(50) {
                reads(&mut throttle, after(millis));
                if pauses && millis == 20_000 {
                    throttle.has_read_all();
                }
            }
            reads(&mut throttle, after(30_000));
            assert_eq!(throttle.verdict(after(30_000)), last, "pauses: {pauses}");
        }
    }

    #[test]
    fn without_a_limit_everything_is_read() {
        let mut throttle = Throttle::new(None);
        throttle.spend(1 << 40, START);
        assert_eq!(throttle.verdict(START), Verdict::Read);
    }
}
