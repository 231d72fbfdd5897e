//! A node's disk: a log in a page cache over a disk that loses, tears and flips, and a control file that
//! keeps its word. What comes back after a power loss is found as the event store finds it: frame by
//! frame, up to the first that is not sound.

use std::collections::VecDeque;
use std::rc::Rc;

use zerocopy::IntoBytes;

use super::chance::Chance;
use crate::consensus::{Control, ControlState, FrameLog, NodeId, StoreFailure};
use crate::types::{FrameChain, FrameHeader, Line, chain_hash};

/// Bytes in a segment of the simulated log: small, so that frames cross to the next often.
const SEGMENT_BYTES: u64 = 1 << 20;

type Frame = Rc<(FrameHeader, Vec<Line>)>;

/// A command log.
#[derive(Debug)]
pub(super) struct SimLog {
    /// Behind the frames that were let go of.
    base: FrameChain,
    /// What is read.
    frames: VecDeque<Frame>,
    /// What the disk has: up to `clean` the same.
    disk: VecDeque<Frame>,
    /// Frames that are the same on disk; the rest is not yet synced.
    clean: usize,
    /// The end of a sync under way.
    syncing: Option<usize>,
    chain: FrameChain,
    committed: u64,
    /// No frame can be appended.
    pub(super) is_full: bool,
    /// A sync was asked for, and nobody was told yet.
    pub(super) wants_sync: bool,
    /// The first frame that was appended and is not what its header says, or does not continue the log.
    pub(super) breach: Option<u64>,
}

impl SimLog {
    pub(super) fn new() -> Self {
        Self::behind(FrameChain::empty(SEGMENT_BYTES))
    }

    /// One that begins behind `base`, which is committed.
    pub(super) fn behind(base: FrameChain) -> Self {
        Self {
            base,
            frames: VecDeque::new(),
            disk: VecDeque::new(),
            clean: 0,
            syncing: None,
            chain: base,
            committed: base.index,
            is_full: false,
            wants_sync: false,
            breach: None,
        }
    }

    /// The disk has what the last sync was for, but what was cut meanwhile.
    pub(super) fn sync_done(&mut self) {
        if let Some(end) = self.syncing.take() {
            self.make_durable(end);
        }
    }

    fn make_durable(&mut self, end: usize) {
        if end > self.clean {
            self.disk.truncate(self.clean);
            self.disk.extend(self.frames.range(self.clean..end).cloned());
            self.clean = end;
        }
    }

    /// Makes all of it durable at once.
    pub(super) fn sync_now(&mut self) {
        self.syncing = Some(self.frames.len());
        self.sync_done();
    }

    /// The end of the log up to the frame of this index, if the log holds it, or begins behind it.
    pub(super) fn chain_at(&self, index: u64) -> Option<FrameChain> {
        if index == self.base.index {
            return Some(self.base);
        }
        self.get(index).map(|frame| chain_behind(&frame.0, &frame.1))
    }

    /// Lets go of the frames up to the one of this index, where an image stands in for them. What is in
    /// images is durable.
    pub(super) fn retire(&mut self, index: u64) {
        let Some(base) = self.chain_at(index).filter(|base| base.index <= self.committed) else {
            return;
        };
        let gone = usize::try_from(index - self.base.index).expect("in memory");
        self.make_durable(gone);
        self.frames.drain(..gone);
        self.disk.drain(..gone);
        self.clean -= gone;
        self.syncing = self.syncing.map(|end| end.saturating_sub(gone));
        self.base = base;
    }

    /// The power goes: of what was not synced each frame is there as it was before, as it is now, or
    /// torn. Then the log is opened again.
    pub(super) fn lose_power(&mut self, chance: &mut Chance) {
        let mut found: Vec<_> = self.frames.range(..self.clean).cloned().collect();
        for at in self.clean..self.frames.len().max(self.disk.len()) {
            let candidate = match chance.below(4) {
                0 => self.disk.get(at),
                1 => None,
                _ => self.frames.get(at),
            };
            let Some(frame) = candidate else { break };
            if chance.permille(100) {
                found.push(Rc::new(flipped(frame, chance)));
                break;
            }
            found.push(Rc::clone(frame));
        }
        // Nobody made durable what is committed.
        self.committed = self.base.index;
        self.open(&found);
    }

    /// One bit of what is durable is flipped. Returns whether there was one to flip.
    pub(super) fn flip_bit(&mut self, chance: &mut Chance) -> bool {
        if self.clean == 0 {
            return false;
        }
        let at = usize::try_from(chance.below(self.clean as u64)).expect("below a length");
        let mut found: Vec<_> = self.frames.iter().cloned().collect();
        found[at] = Rc::new(flipped(&found[at], chance));
        self.open(&found);
        assert!(self.frames.len() <= at, "a flipped bit of frame {} went unseen", at + 1);
        true
    }

    /// Takes what is sound, from the first frame on.
    fn open(&mut self, found: &[Frame]) {
        let mut chain = self.base;
        let sound = found.iter().take_while(|frame| {
            let (header, payload) = frame.as_ref();
            header.check().is_ok()
                && header.check_payload(payload).is_ok()
                && header.index == chain.index + 1
                && chain.follow(header, payload).is_ok()
        });
        self.frames = sound.cloned().collect();
        self.clean = 0;
        self.chain = chain;
        self.committed = self.committed.min(chain.index);
        (self.syncing, self.wants_sync) = (None, false);
        self.sync_now();
    }

    fn get(&self, index: u64) -> Option<&Frame> {
        self.frames.get(usize::try_from(index.checked_sub(self.base.index + 1)?).ok()?)
    }
}

impl FrameLog for SimLog {
    fn chain(&self) -> &FrameChain {
        &self.chain
    }

    fn base(&self) -> (u64, u32) {
        (self.base.index, self.base.term)
    }

    fn committed(&self) -> u64 {
        self.committed
    }

    fn header(&self, index: u64) -> Option<FrameHeader> {
        self.get(index).map(|frame| frame.0)
    }

    fn payload(&self, index: u64) -> Option<&[Line]> {
        self.get(index).map(|frame| frame.1.as_slice())
    }

    fn append(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), StoreFailure> {
        if self.is_full {
            return Err("no space left on device".into());
        }
        let continues = self.chain.index + 1 == header.index;
        let sound = header.check_payload(payload).is_ok();
        let breach = !continues || !sound || self.chain.follow(header, payload).is_err();
        if breach {
            self.breach = self.breach.or(Some(header.index));
            self.chain = chain_behind(header, payload);
        }
        self.frames.push_back(Rc::new((*header, payload.to_vec())));
        Ok(())
    }

    fn cut(&mut self, last: u64) -> Result<(), StoreFailure> {
        assert!(last >= self.committed, "cuts frame {} which is committed", last + 1);
        let keep = usize::try_from(last - self.base.index).expect("an index in memory");
        self.frames.truncate(keep);
        self.clean = self.clean.min(keep);
        self.syncing = self.syncing.map(|end| end.min(keep));
        self.chain = self.frames.back().map_or(self.base, |frame| chain_behind(&frame.0, &frame.1));
        Ok(())
    }

    fn commit(&mut self, index: u64) {
        self.committed = index;
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        if self.syncing.is_none() {
            self.syncing = Some(self.frames.len());
            self.wants_sync = true;
        }
        Ok(())
    }

    fn synced(&self) -> u64 {
        self.base.index + self.clean as u64
    }
}

fn chain_behind(header: &FrameHeader, payload: &[Line]) -> FrameChain {
    FrameChain {
        segment_bytes: SEGMENT_BYTES,
        end: header.start.plus(header.frame_bytes()),
        next_sequence: header.first_sequence + u64::from(header.count),
        hash: chain_hash(header, payload),
        index: header.index,
        term: header.term,
        time: header.time,
    }
}

fn flipped(frame: &Frame, chance: &mut Chance) -> (FrameHeader, Vec<Line>) {
    let (mut header, mut payload) = frame.as_ref().clone();
    let bytes = size_of::<FrameHeader>() as u64 + u64::from(header.payload_bytes);
    let (at, bit) = (usize::try_from(chance.below(bytes)).expect("small"), chance.below(8));
    match header.as_mut_bytes().get_mut(at) {
        Some(byte) => *byte ^= 1 << bit,
        None => Line::bytes_mut(&mut payload)[at - size_of::<FrameHeader>()] ^= 1 << bit,
    }
    (header, payload)
}

/// A control file.
#[derive(Debug)]
pub(super) struct SimControl(pub(super) ControlState);

impl Control for SimControl {
    fn state(&self) -> &ControlState {
        &self.0
    }

    fn save(&mut self, state: &ControlState) -> Result<(), StoreFailure> {
        self.0 = state.clone();
        Ok(())
    }

    fn refound(&mut self, state: &ControlState, _: NodeId) -> Result<(), StoreFailure> {
        self.save(state)
    }
}
