//! Puts the parts of one sender's messages together, in a place of fixed size. Knows no time: what is
//! incomplete is kept until later messages need its place, and then it is lost, as messages are.

use super::fragment::{FRAGMENTS_MAX, Fragment, MessageShape};
use crate::consensus::MESSAGE_BYTES_MAX;

/// The most messages of a sender that are kept at once, incomplete or just completed.
pub const KEPT_MESSAGES_MAX: usize = 8;

/// Messages of one sender that came in parts.
#[derive(Debug)]
pub struct Reassembly {
    kept: Vec<Kept>,
    /// Parts taken so far, by which it is known how recent a message is.
    taken: u64,
    counters: ReassemblyCounters,
}

/// What became of parts and messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReassemblyCounters {
    /// Parts that were there already.
    pub doubled: u64,
    /// Messages given up, incomplete, for a later one.
    pub abandoned: u64,
}

#[derive(Debug)]
struct Kept {
    /// None before the first.
    message: Option<MessageShape>,
    /// Bit `i`: part `i` is there.
    present: u64,
    /// How many parts had been taken when one of it last came.
    touched: u64,
    bytes: Box<[u8]>,
}

impl Reassembly {
    /// Has all the memory that it will ever have.
    #[must_use]
    pub fn new() -> Self {
        let place = || Kept {
            message: None,
            present: 0,
            touched: 0,
            bytes: vec![0; MESSAGE_BYTES_MAX].into(),
        };
        let kept = (0..KEPT_MESSAGES_MAX).map(|_| place()).collect();
        Self { kept, taken: 0, counters: ReassemblyCounters::default() }
    }

    /// Takes a part. Returns whether that makes its message whole: [`Reassembly::whole`] has it, until
    /// the next part is taken. Not again if its parts come again, but for a message of one part, which
    /// is not kept.
    ///
    /// What the parts of one number say of their message must agree: where it does not, they are of two
    /// messages, and only one of those can be the sender's.
    pub fn take(&mut self, fragment: &Fragment<'_>) -> bool {
        let Fragment { message, index, part } = *fragment;
        if message.parts() == 1 {
            return true;
        }
        self.taken += 1;
        let known = self.kept.iter().position(|kept| kept.message == Some(message));
        let at = known.unwrap_or_else(|| self.make_room(message));
        let kept = &mut self.kept[at];
        let bit = 1 << index;
        if kept.present & bit != 0 {
            self.counters.doubled += 1;
            return false;
        }
        kept.present |= bit;
        kept.touched = self.taken;
        let offset = message.offset(index);
        kept.bytes[offset..offset + part.len()].copy_from_slice(part);
        kept.is_whole()
    }

    /// The message that a part is of, if it is whole.
    #[must_use]
    pub fn whole<'a>(&'a self, fragment: &Fragment<'a>) -> Option<&'a [u8]> {
        let Fragment { message, part, .. } = *fragment;
        if message.parts() == 1 {
            return Some(part);
        }
        let kept = self.kept.iter().find(|kept| kept.message == Some(message))?;
        kept.is_whole().then_some(&kept.bytes[..message.bytes])
    }

    /// What became of the parts.
    #[must_use]
    pub const fn counters(&self) -> &ReassemblyCounters {
        &self.counters
    }

    /// The place of the message that was heard of least recently. One that is whole stays as long as
    /// any: its late duplicates would else begin it again.
    fn make_room(&mut self, message: MessageShape) -> usize {
        let oldest = (0..self.kept.len()).min_by_key(|at| self.kept[*at].touched);
        let oldest = oldest.expect("KEPT_MESSAGES_MAX is not zero");
        let kept = &mut self.kept[oldest];
        if kept.message.is_some() && !kept.is_whole() {
            self.counters.abandoned += 1;
        }
        (kept.message, kept.present) = (Some(message), 0);
        oldest
    }
}

impl Default for Reassembly {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    fn is_whole(&self) -> bool {
        let parts = self.message.map_or(0, |message| message.parts());
        debug_assert!(parts <= FRAGMENTS_MAX);
        self.present.count_ones() as usize == parts
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const STRIDE: usize = 1_200;

    /// A message that no other begins or ends like.
    fn message(number: u64, bytes: usize) -> Vec<u8> {
        let mixed = (0..bytes as u64).map(|at| at.wrapping_mul(31) ^ number.wrapping_mul(97));
        mixed.map(|mixed| mixed.to_le_bytes()[0]).collect()
    }

    /// Which of the messages, numbered from 100, has this number.
    fn at(number: u64) -> usize {
        usize::try_from(number - 100).unwrap()
    }

    fn parts(messages: &[Vec<u8>]) -> Vec<Fragment<'_>> {
        let numbered = messages.iter().zip(100..);
        numbered.flat_map(|(message, number)| Fragment::of(message, number, STRIDE)).collect()
    }

    /// What `parts`, in this order, give: the numbers of the messages, which are as they were sent.
    fn delivered(parts: &[Fragment<'_>], messages: &[Vec<u8>], into: &mut Reassembly) -> Vec<u64> {
        let mut numbers = Vec::new();
        for part in parts {
            if into.take(part) {
                let number = part.message.number;
                let sent = messages[at(number)].as_slice();
                assert!(into.whole(part) == Some(sent), "message {number}");
                numbers.push(number);
            }
        }
        numbers
    }

    /// Parts with what the network did to them: moved by no more than `late` places, lost or doubled.
    fn disturbed() -> impl Strategy<Value = (Vec<usize>, Vec<(u8, u8)>)> {
        let sizes = prop::collection::vec(1..20 * STRIDE, 1..30);
        (sizes, prop::collection::vec((0..16_u8, any::<u8>()), 700))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However parts are lost, doubled and overtaken: what comes is what was sent, once if it was in
        /// parts, and all comes of which nothing was lost, as long as no more are mixed than are kept.
        #[test]
        fn what_is_delivered_was_sent_and_what_arrived_is_delivered(
            (sizes, fates) in disturbed(),
            loses in any::<bool>(),
        ) {
            let numbered = sizes.iter().zip(100..);
            let messages: Vec<_> = numbered.map(|(bytes, number)| message(number, *bytes)).collect();
            let parts = parts(&messages);
            let mut arriving = Vec::new();
            let mut lost = BTreeMap::new();
            for (at, (part, (late, fate))) in parts.iter().zip(fates.iter().cycle()).enumerate() {
                // Parts of a message are neighbours: nothing overtakes more than four messages.
                let place = at as u64 + u64::from(late % 4);
                match fate {
                    0..=9 if loses => *lost.entry(part.message.number).or_insert(0) += 1,
                    10..=40 => arriving.extend([(place, *part), (place + 2, *part)]),
                    _ => arriving.push((place, *part)),
                }
            }
            arriving.sort_by_key(|(place, _)| *place);
            let arriving: Vec<_> = arriving.into_iter().map(|(_, part)| part).collect();
            let mut reassembly = Reassembly::new();
            let mut came = delivered(&arriving, &messages, &mut reassembly);
            came.sort_unstable();
            came.dedup_by(|one, other| one == other && sizes[at(*one)] <= STRIDE);
            let expected: Vec<_> =
                (100..100 + messages.len() as u64).filter(|n| !lost.contains_key(n)).collect();
            prop_assert_eq!(came, expected);
        }

        /// In any order at all nothing else comes than what was sent.
        #[test]
        fn whatever_the_order_only_what_was_sent_is_delivered(
            (sizes, _) in disturbed(),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..700),
        ) {
            let numbered = sizes.iter().zip(100..);
            let messages: Vec<_> = numbered.map(|(bytes, number)| message(number, *bytes)).collect();
            let parts = parts(&messages);
            let arriving: Vec<_> = order.iter().map(|index| *index.get(&parts)).collect();
            let mut reassembly = Reassembly::new();
            delivered(&arriving, &messages, &mut reassembly);
            prop_assert_eq!(reassembly.kept.len(), KEPT_MESSAGES_MAX);
        }
    }

    #[test]
    fn a_message_that_lost_a_part_makes_way_and_those_after_it_come() {
        let messages: Vec<_> = (100..120).map(|number| message(number, 3 * STRIDE)).collect();
        let mut parts = parts(&messages);
        parts.retain(|part| part.message.number % 2 == 0 || part.index != 1);
        let mut reassembly = Reassembly::new();
        let came = delivered(&parts, &messages, &mut reassembly);
        assert_eq!(came, (100..120).step_by(2).collect::<Vec<_>>());
        assert_eq!(reassembly.counters().abandoned, 10 - KEPT_MESSAGES_MAX as u64 / 2);
    }

    #[test]
    fn parts_that_come_again_do_not_deliver_their_message_again() {
        let messages = [message(100, 3 * STRIDE)];
        let parts = parts(&messages);
        let mut reassembly = Reassembly::new();
        assert_eq!(delivered(&parts, &messages, &mut reassembly), [100]);
        assert!(delivered(&parts, &messages, &mut reassembly).is_empty());
        assert_eq!(reassembly.counters().doubled, 3);
    }

    #[test]
    fn parts_of_one_number_and_two_shapes_are_never_mixed() {
        let (ours, other) = (message(100, 2 * STRIDE), vec![0xEE; 2 * STRIDE + 1]);
        let mut reassembly = Reassembly::new();
        let forged: Vec<_> = Fragment::of(&other, 100, STRIDE).collect();
        let parts: Vec<_> = Fragment::of(&ours, 100, STRIDE).collect();
        assert!(!reassembly.take(&forged[0]));
        assert!(!reassembly.take(&parts[0]));
        assert!(!reassembly.take(&forged[1]));
        assert!(reassembly.take(&parts[1]));
        assert_eq!(reassembly.whole(&parts[0]), Some(&ours[..]));
    }
}
