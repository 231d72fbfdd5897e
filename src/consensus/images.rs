//! What consensus needs of images: all that a node must have to stand where another stood, where the frames
//! between them are gone. What is in them, and where they lie, is their keeper's.

use std::fmt::Debug;

use super::StoreFailure;
use crate::types::Nanos;

/// The most bytes of a part of an image.
pub const IMAGE_PART_BYTES_MAX: usize = 32 << 10;
/// The most bytes that say what is in an image.
pub const IMAGE_DESCRIPTION_BYTES_MAX: usize = 4 << 10;

/// An image that a node can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What it is called. Of a node two that differ are called differently.
    pub image: u64,
    /// The index of the last frame that is in it, which is committed.
    pub index: u64,
    /// The term of that frame.
    pub term: u64,
    /// Parts that it comes in.
    pub parts: u64,
}

/// The images of a node: those that it can give, and the one that it takes.
pub trait Images: Debug + Send {
    /// Offers the newest image, if it reaches the frame of this index, and puts what is in it into
    /// `description`. Its parts can be read from now on, for as long as somebody does.
    fn offer(&mut self, now: Nanos, index: u64, description: &mut Vec<u8>) -> Option<Offer>;

    /// Puts a part of an image that was offered into `bytes`; `false` if it cannot be had.
    fn read(&mut self, now: Nanos, image: u64, part: u64, bytes: &mut Vec<u8>) -> bool;

    /// Lets go of what was offered and nobody reads any more.
    fn rest(&mut self, now: Nanos);

    /// Begins to take an image, in place of what was taken before. `false` if its description is none.
    ///
    /// # Errors
    /// A full or failing disk.
    fn begin(&mut self, offer: &Offer, description: &[u8]) -> Result<bool, StoreFailure>;

    /// Takes a part of it.
    ///
    /// # Errors
    /// A full or failing disk.
    fn take(&mut self, part: u64, bytes: &[u8]) -> Result<(), StoreFailure>;

    /// All parts were taken. Once this returns `true` the image is durable, and is what the node begins with
    /// when it is started again; `false` if it is not sound.
    ///
    /// # Errors
    /// A full or failing disk.
    fn finish(&mut self) -> Result<bool, StoreFailure>;
}
