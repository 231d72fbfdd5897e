//! Images of simulated nodes: what the machine came to, and where in the log. Their parts are small, so that
//! even a small image comes in several windows of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::machine::MachineState;
use crate::consensus::{Images, Members, Offer, StoreFailure};
use crate::types::{FrameChain, Nanos};

/// Images that a node keeps: the newest, and the one before in case that the log behind it is damaged.
pub(super) const IMAGES_KEPT: usize = 2;
const PART_BYTES: usize = 128;

/// What stands in for the beginning of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Image {
    /// The end of the log's part that is in it.
    pub(super) chain: FrameChain,
    /// What the frames came to.
    pub(super) state: MachineState,
    /// Who is a member, as of `members_index`.
    pub(super) members: Members,
    pub(super) members_index: u64,
}

/// The images of a node, on its disk.
#[derive(Clone, Debug, Default)]
pub(super) struct SimImages(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first.
    images: Vec<Image>,
    /// Those that were offered, by their names.
    offered: Vec<(u64, Vec<u8>)>,
    /// The parts that have come of one that is taken, and its name.
    taken: Vec<Option<Vec<u8>>>,
    name: u64,
    /// What has come, for the next start.
    installed: Option<Image>,
}

impl SimImages {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps another image, and says which frame is the last that none needs any more.
    pub(super) fn keep(&self, image: Image) -> u64 {
        let mut kept = self.lock();
        kept.images.push(image);
        if kept.images.len() > IMAGES_KEPT {
            kept.images.remove(0);
        }
        if kept.images.len() < IMAGES_KEPT { 0 } else { kept.images[0].chain.index }
    }

    /// The newest image of a log, which `is_of` knows.
    pub(super) fn newest(&self, is_of: impl Fn(&FrameChain) -> bool) -> Option<Image> {
        let mut kept = self.lock();
        kept.images.retain(|image| is_of(&image.chain));
        kept.images.last().cloned()
    }

    /// What has come from another node, once.
    pub(super) fn installed(&self) -> Option<Image> {
        let mut kept = self.lock();
        let image = kept.installed.take()?;
        kept.images = vec![image.clone()];
        Some(image)
    }
}

impl Images for SimImages {
    fn offer(&mut self, _: Nanos, index: u64, description: &mut Vec<u8>) -> Option<Offer> {
        let mut kept = self.lock();
        let image = kept.images.last().filter(|image| image.chain.index >= index)?;
        let (index, term) = (image.chain.index, image.chain.term.into());
        let bytes = postcard::to_stdvec(image).expect("plain data");
        let name = xxh3_64(&bytes);
        let parts = bytes.len().div_ceil(PART_BYTES) as u64;
        description.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        if kept.offered.iter().all(|(known, _)| *known != name) {
            kept.offered.push((name, bytes));
        }
        if kept.offered.len() > IMAGES_KEPT {
            kept.offered.remove(0);
        }
        Some(Offer { image: name, index, term, parts })
    }

    fn read(&mut self, _: Nanos, image: u64, part: u64, bytes: &mut Vec<u8>) -> bool {
        let kept = self.lock();
        let offered = kept.offered.iter().find(|(name, _)| *name == image);
        let part =
            offered.and_then(|(_, all)| all.chunks(PART_BYTES).nth(usize::try_from(part).ok()?));
        part.is_some_and(|part| {
            bytes.extend_from_slice(part);
            true
        })
    }

    fn rest(&mut self, _: Nanos) {}

    fn begin(&mut self, offer: &Offer, _: &[u8]) -> Result<bool, StoreFailure> {
        let mut kept = self.lock();
        kept.name = offer.image;
        kept.taken = vec![None; usize::try_from(offer.parts).expect("small")];
        Ok(true)
    }

    fn take(&mut self, part: u64, bytes: &[u8]) -> Result<(), StoreFailure> {
        self.lock().taken[usize::try_from(part).expect("small")] = Some(bytes.to_vec());
        Ok(())
    }

    fn finish(&mut self) -> Result<bool, StoreFailure> {
        let mut kept = self.lock();
        let parts: Option<Vec<_>> = std::mem::take(&mut kept.taken).into_iter().collect();
        let bytes = parts.expect("all have come").concat();
        assert_eq!(xxh3_64(&bytes), kept.name, "the parts of an image make it up");
        kept.installed = postcard::from_bytes(&bytes).ok();
        Ok(kept.installed.is_some())
    }
}
