//! Fetches payloads that did not arrive: one request at a time, for as many frames as it may bring,
//! from the leader and, when that does not help, from the others in turn; less often when nothing comes.

use super::codec::Fetch;
use crate::types::{FRAME_HEADER_BYTES, FrameHeader, Nanos};

/// The most bytes of frames that one request may bring.
pub(super) const FETCH_BYTES_MAX: usize = 1 << 20;
/// The waiting time is doubled at most this often.
const DOUBLINGS_MAX: u32 = 4;

/// How patient the repair is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a payload may be late before it is asked for.
    pub delay: Nanos,
    /// How long the answer may take, at first.
    pub timeout: Nanos,
}

/// What is being fetched, and since when.
#[derive(Debug)]
pub(super) struct Repair {
    patience: Patience,
    state: State,
    attempt: u32,
}

#[derive(Debug, PartialEq)]
enum State {
    Idle,
    /// Something is missing, and may be on its way.
    Waiting {
        due: Nanos,
    },
    /// Asked for what is missing up to this index.
    Asked {
        last: u64,
        due: Nanos,
    },
}

/// Whom to ask for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// 0 asks the leader, `n` the `n`-th other member, counted round.
    pub(super) whom: u32,
    /// For what.
    pub(super) fetch: Fetch,
}

impl Repair {
    /// Nothing is missing.
    #[must_use]
    pub(super) const fn new(patience: Patience) -> Self {
        Self { patience, state: State::Idle, attempt: 0 }
    }

    /// What to ask for now, if anything. `held` is what is held back, in order, and whether its payload
    /// is missing.
    ///
    /// What comes must find room: no more is under way than staging holds at all, with what is staged of
    /// the frames in between. What is staged of later ones does not count, for it makes way: else a
    /// staging full of them would let one frame in at a time. One frame is asked for always.
    pub(super) fn poll<'a>(
        &mut self,
        now: Nanos,
        held: impl Iterator<Item = (&'a FrameHeader, bool)>,
        staging_bytes_max: usize,
    ) -> Option<Request> {
        let mut held = held.skip_while(|(_, is_missing)| !is_missing).peekable();
        let Some(first) = held.peek().map(|(header, _)| header.index) else {
            (self.state, self.attempt) = (State::Idle, 0);
            return None;
        };
        match self.state {
            State::Idle => {
                self.state = State::Waiting { due: now.after(self.patience.delay) };
                return None;
            }
            // All that was asked for has come: the next is asked for at once.
            State::Asked { last, .. } if first > last => self.attempt = 0,
            State::Waiting { due } | State::Asked { due, .. } if now < due => return None,
            State::Waiting { .. } | State::Asked { .. } => {}
        }
        let (mut wanted, mut asked_bytes, mut bytes, mut last) = (0_u64, 0, 0, first);
        let in_reach = |header: &FrameHeader| header.index < first + u64::from(u64::BITS);
        for (header, is_missing) in held.take_while(|(header, _)| in_reach(header)) {
            let size = FRAME_HEADER_BYTES + header.payload_bytes as usize;
            bytes += size;
            if !is_missing {
                continue;
            }
            asked_bytes += size;
            if wanted != 0 && (asked_bytes > FETCH_BYTES_MAX || bytes > staging_bytes_max) {
                break;
            }
            wanted |= 1 << (header.index - first);
            last = header.index;
        }
        let patience = Nanos(self.patience.timeout.0 << self.attempt.min(DOUBLINGS_MAX));
        self.state = State::Asked { last, due: now.after(patience) };
        let whom = if self.attempt.is_multiple_of(2) { 0 } else { self.attempt.div_ceil(2) };
        self.attempt += 1;
        Some(Request { whom, fetch: Fetch { index: first, wanted } })
    }

    /// When to poll again at the latest.
    #[must_use]
    pub(super) const fn due(&self) -> Option<Nanos> {
        match self.state {
            State::Idle => None,
            State::Waiting { due } | State::Asked { due, .. } => Some(due),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Cause, FrameChain, FrameKind, Line};

    const PATIENCE: Patience = Patience { delay: Nanos(10), timeout: Nanos(100) };

    fn headers(count: u64, lines: usize) -> Vec<FrameHeader> {
        let mut chain = FrameChain::empty(64 << 20);
        let cause = |index| Cause { index, term: 1, time: Nanos(index) };
        let payload = vec![Line::ZERO; lines];
        (1..=count).map(|i| chain.seal(FrameKind::Normal, cause(i), 1, &payload)).collect()
    }

    fn request(repair: &mut Repair, now: u64, missing: &[FrameHeader]) -> Option<(u32, u64, u64)> {
        let missing = missing.iter().map(|header| (header, true));
        let request = repair.poll(Nanos(now), missing, 64 << 20)?;
        Some((request.whom, request.fetch.index, request.fetch.wanted))
    }

    #[test]
    fn a_payload_that_is_late_is_asked_for_and_one_that_came_is_not() {
        let frames = headers(3, 1);
        let mut repair = Repair::new(PATIENCE);
        assert_eq!(request(&mut repair, 0, &frames[1..2]), None);
        assert_eq!(request(&mut repair, 9, &[]), None);
        assert_eq!(request(&mut repair, 10, &frames[2..]), None, "another delay begins");
        assert_eq!(request(&mut repair, 20, &frames[2..]), Some((0, 3, 1)));
    }

    #[test]
    fn one_request_asks_for_all_that_is_missing_and_not_for_what_is_there() {
        let frames = headers(100, 1);
        let missing: Vec<_> = frames.iter().copied().filter(|h| h.index % 2 == 0).collect();
        let mut repair = Repair::new(PATIENCE);
        request(&mut repair, 0, &missing);
        let wanted = 0x5555_5555_5555_5555;
        assert_eq!(request(&mut repair, 10, &missing), Some((0, 2, wanted)));
        assert_eq!(request(&mut repair, 11, &missing[1..]), None, "one request at a time");
        let next = request(&mut repair, 12, &missing[32..]);
        assert_eq!(
            next,
            Some((0, 66, 0x5_5555_5555)),
            "all came: what is left is asked for at once"
        );
    }

    #[test]
    fn an_answer_that_does_not_come_is_asked_for_elsewhere_and_ever_later() {
        let frames = headers(1, 1);
        let mut repair = Repair::new(PATIENCE);
        request(&mut repair, 0, &frames);
        let (mut now, mut asked) = (10, Vec::new());
        for _ in 0..6 {
            let (whom, ..) = request(&mut repair, now, &frames).unwrap();
            let due = repair.due().unwrap().0;
            asked.push((whom, due - now));
            assert_eq!(request(&mut repair, due - 1, &frames), None);
            now = due;
        }
        assert_eq!(asked, [(0, 100), (1, 200), (0, 400), (2, 800), (0, 1600), (3, 1600)]);
    }

    #[test]
    fn no_more_is_asked_for_than_there_is_room_but_always_one_frame() {
        let frames = headers(4, 1024);
        let size = 64 + 65_536;
        for (room, wanted) in [(0, 1), (size, 1), (2 * size, 3), (usize::MAX, 15)] {
            let mut repair = Repair::new(Patience { delay: Nanos(0), ..PATIENCE });
            let missing = || frames.iter().map(|header| (header, true));
            repair.poll(Nanos(0), missing(), room);
            let request = repair.poll(Nanos(0), missing(), room).unwrap();
            assert_eq!(request.fetch, Fetch { index: 1, wanted }, "room {room}");
        }
    }

    #[test]
    fn what_is_staged_in_between_takes_room_and_what_is_staged_behind_makes_way() {
        let frames = headers(6, 1);
        let held = |present: &'static [u64]| {
            frames.iter().map(move |header| (header, !present.contains(&header.index)))
        };
        for (present, wanted) in [(&[2, 3][..], 0b1), (&[5, 6], 0b111), (&[1, 3, 6], 0b101)] {
            let mut repair = Repair::new(Patience { delay: Nanos(0), ..PATIENCE });
            repair.poll(Nanos(0), held(present), 3 * 128);
            let request = repair.poll(Nanos(0), held(present), 3 * 128).unwrap();
            assert_eq!(request.fetch.wanted, wanted, "{present:?} are staged");
        }
    }
}
