//! The follower's invariant: an index is in its Raft log only if the frame's payload is in its store.
//! Entries whose payload is missing are held back, which to Raft is a delay; whatever precedes them is
//! stepped at once, be it nothing, so that rejections, commits and heartbeats flow.
//!
//! A leader's log only grows in its term, so two appends of it that touch are one longer append. That
//! is how the held entries stay one run, and why none is refused for an append that overtook.

use std::collections::VecDeque;

use raft::eraftpb::{Message, MessageType};

use super::codec::{MESSAGE_ENTRIES_MAX, entry_of, header_of};
use crate::types::FrameHeader;

/// The most entries held back. The leader repeats what was let go.
pub(super) const HELD_ENTRIES_MAX: usize = 64 * MESSAGE_ENTRIES_MAX;

/// Entries of one leader that are not yet in the log, behind one that is.
#[derive(Debug, Default)]
pub(super) struct HoldBack {
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    from: u64,
    to: u64,
    term: u64,
    /// Index and term of the entry before the run: it is in the log.
    previous: (u64, u64),
    entries: VecDeque<FrameHeader>,
    commit: u64,
}

impl HoldBack {
    /// Takes a leader's append. `has` says whether the log has an entry of this index and term.
    ///
    /// What continues neither the log nor what is held comes back with its entries cut off: stepped, it
    /// tells the leader where the log ends.
    pub(super) fn offer(
        &mut self,
        mut message: Message,
        has: impl Fn(u64, u64) -> bool,
    ) -> Option<Message> {
        self.run.take_if(|run| (run.from, run.term) != (message.from, message.term));
        let entries = message.get_entries().iter().map(header_of);
        if let Some(run) = self.run.as_mut().filter(|run| run.spans(message.index)) {
            let last = run.last();
            run.entries.extend(entries.filter(|header| header.index > last));
            run.entries.truncate(HELD_ENTRIES_MAX);
            run.commit = run.commit.max(message.commit);
            return None;
        }
        if has(message.index, message.log_term) {
            self.run = Some(Run {
                from: message.from,
                to: message.to,
                term: message.term,
                previous: (message.index, message.log_term),
                entries: entries.collect(),
                commit: message.commit,
            });
            return None;
        }
        message.clear_entries();
        Some(message)
    }

    /// The longest append of what is held of which nothing is missing; its entries may be none. `has`
    /// is as above, `present` says whether a frame's payload can go into the log.
    pub(super) fn release(
        &mut self,
        has: impl Fn(u64, u64) -> bool,
        present: impl Fn(&FrameHeader) -> bool,
    ) -> Option<Message> {
        let run = self.run.as_mut()?;
        while let Some(header) = run.entries.front()
            && has(header.index, header.term.into())
        {
            run.pass();
        }
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppend);
        (message.from, message.to, message.term) = (run.from, run.to, run.term);
        (message.index, message.log_term) = run.previous;
        message.commit = run.commit;
        while let Some(header) = run.entries.front()
            && present(header)
        {
            message.mut_entries().push(entry_of(header));
            run.pass();
        }
        if run.entries.is_empty() {
            self.run = None;
        }
        Some(message)
    }

    /// Lets go of what another term's leader sent.
    pub(super) fn enter_term(&mut self, term: u64) {
        self.run.take_if(|run| run.term < term);
    }

    /// Whether the frame with exactly this header is held back for its payload.
    pub(super) fn wants(&self, header: &FrameHeader) -> bool {
        let Some(run) = &self.run else { return false };
        let behind = header.index.checked_sub(run.previous.0 + 1);
        let held = behind.and_then(|at| run.entries.get(usize::try_from(at).ok()?));
        held == Some(header)
    }

    /// What is held, in order: the first is missing, of the others some may be present.
    pub(super) fn held(&self) -> impl Iterator<Item = &FrameHeader> {
        self.run.iter().flat_map(|run| &run.entries)
    }

    /// The leader whose entries are held.
    #[must_use]
    pub(super) fn leader(&self) -> Option<u64> {
        self.run.as_ref().map(|run| run.from)
    }
}

impl Run {
    fn last(&self) -> u64 {
        self.entries.back().map_or(self.previous.0, |header| header.index)
    }

    fn spans(&self, index: u64) -> bool {
        (self.previous.0..=self.last()).contains(&index)
    }

    fn pass(&mut self) {
        if let Some(header) = self.entries.pop_front() {
            self.previous = (header.index, header.term.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Cause, FrameChain, FrameKind, Line, Nanos};

    fn headers(count: u64) -> Vec<FrameHeader> {
        let mut chain = FrameChain::empty(1 << 20);
        let cause = |index| Cause { index, term: 1, time: Nanos(index) };
        (1..=count).map(|i| chain.seal(FrameKind::Normal, cause(i), 1, &[Line::ZERO])).collect()
    }

    /// An append of the entries behind `previous`, up to `last`.
    fn append(frames: &[FrameHeader], previous: u64, last: u64) -> Message {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppend);
        (message.from, message.to, message.term) = (1, 2, 1);
        (message.index, message.log_term) = (previous, u64::from(previous > 0));
        message.commit = last;
        let entries = frames.iter().filter(|h| (previous + 1..=last).contains(&h.index));
        message.set_entries(entries.map(entry_of).collect::<Vec<_>>().into());
        message
    }

    fn indexes(message: &Message) -> (u64, Vec<u64>) {
        (message.index, message.get_entries().iter().map(|entry| entry.index).collect())
    }

    #[test]
    fn what_precedes_the_first_missing_payload_is_stepped_and_the_rest_when_it_comes() {
        let frames = headers(5);
        let mut held = HoldBack::default();
        assert_eq!(held.offer(append(&frames, 0, 5), |index, _| index == 0), None);
        let stepped = held.release(|index, _| index == 0, |header| header.index != 3).unwrap();
        assert_eq!(indexes(&stepped), (0, vec![1, 2]));
        assert_eq!(held.held().map(|header| header.index).collect::<Vec<_>>(), [3, 4, 5]);
        let wanted = frames.iter().filter(|header| held.wants(header));
        assert_eq!(wanted.map(|header| header.index).collect::<Vec<_>>(), [3, 4, 5]);
        let stepped = held.release(|index, _| index <= 2, |_| true).unwrap();
        assert_eq!(indexes(&stepped), (2, vec![3, 4, 5]));
        assert_eq!((stepped.commit, held.held().count()), (5, 0));
    }

    #[test]
    fn an_append_of_which_all_is_missing_is_stepped_empty() {
        let frames = headers(2);
        let mut held = HoldBack::default();
        assert_eq!(held.offer(append(&frames, 0, 2), |index, _| index == 0), None);
        let stepped = held.release(|index, _| index == 0, |_| false).unwrap();
        assert_eq!((indexes(&stepped), stepped.commit), ((0, vec![]), 2));
    }

    #[test]
    fn appends_that_touch_are_held_as_one() {
        let frames = headers(6);
        let mut held = HoldBack::default();
        let in_log = |index: u64, _: u64| index == 0;
        assert_eq!(held.offer(append(&frames, 0, 2), in_log), None);
        held.release(in_log, |_| false);
        assert_eq!(held.offer(append(&frames, 2, 4), in_log), None);
        assert_eq!(held.offer(append(&frames, 1, 6), in_log), None);
        let stepped = held.release(in_log, |_| true).unwrap();
        assert_eq!(indexes(&stepped), (0, vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn an_append_behind_a_gap_is_stepped_without_entries_so_that_it_is_rejected() {
        let frames = headers(6);
        let mut held = HoldBack::default();
        let rejected = held.offer(append(&frames, 4, 6), |index, _| index == 0).unwrap();
        assert_eq!(indexes(&rejected), (4, vec![]));
        assert_eq!(held.held().count(), 0, "nothing is fetched for it");
    }

    #[test]
    fn another_leaders_append_replaces_what_was_held() {
        let frames = headers(3);
        let mut held = HoldBack::default();
        assert_eq!(held.offer(append(&frames, 0, 3), |index, _| index == 0), None);
        let mut next = append(&frames, 0, 1);
        (next.from, next.term) = (3, 2);
        assert_eq!(held.offer(next, |index, _| index == 0), None);
        assert_eq!((held.held().count(), held.leader()), (1, Some(3)));
        held.enter_term(3);
        assert_eq!(held.held().count(), 0);
    }
}
