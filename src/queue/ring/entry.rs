//! Frames: how entries stand in a ring.
//!
//! ```text
//! length u32 LE   tag u32 LE = low half of the position ^ MAGIC   entry   zero to 7 bytes unused
//! ```
//!
//! Frames begin at multiples of eight. The tag tells a frame from what an earlier lap of the ring
//! left behind at the same place.

#[cfg(feature = "listener")]
use crate::codec::MAX_ENTRY_BYTES;

/// Bytes in front of an entry.
pub(super) const FRAME_BYTES: usize = 8;

const MAGIC: u32 = 0x6c6f_6721;

/// The bytes that an entry takes in the ring.
pub(super) fn framed_bytes(entry_bytes: usize) -> usize {
    (FRAME_BYTES + entry_bytes).next_multiple_of(8)
}

/// The frame of an entry at `position`.
pub(super) fn frame(position: u64, entry_bytes: usize) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..4].copy_from_slice(&(entry_bytes as u32).to_le_bytes());
    frame[4..].copy_from_slice(&(position as u32 ^ MAGIC).to_le_bytes());
    frame
}

/// What a lane holds cannot have been written by a worker of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg(feature = "listener")]
pub(crate) enum Damage {
    #[error("its tail {tail} does not belong to position {from}")]
    Range { from: u64, tail: u64 },
    #[error("no entry begins at position {position}")]
    Tag { position: u64 },
    #[error("the entry at position {position} has the length {length}")]
    Length { position: u64, length: u64 },
}

/// The length of the entry framed at the start of `bytes`, which were copied from `position` on.
#[cfg(feature = "listener")]
pub(super) fn entry_length(bytes: &[u8; FRAME_BYTES], position: u64) -> Result<usize, Damage> {
    let [l0, l1, l2, l3, tag @ ..] = *bytes;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    if u32::from_le_bytes(tag) != position as u32 ^ MAGIC {
        return Err(Damage::Tag { position });
    }
    match length as usize {
        length @ 1..=MAX_ENTRY_BYTES => Ok(length),
        _ => Err(Damage::Length { position, length: length.into() }),
    }
}
