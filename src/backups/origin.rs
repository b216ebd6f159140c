//! Which file a compressed one was made from.
//!
//! It is told where the formats have room for such things: `gzip`, `zstd` and others pass over it. So the
//! log never deletes a file that others have compressed, and a reader that holds the original open finds
//! what has taken its place.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::UNIX_EPOCH;

const MAGIC: &[u8; 8] = b"logboom\0";

const MARK_BYTES: usize = 32;

/// A frame that decompressors skip (RFC 8878, 3.1.2), and its length.
const SKIPPABLE_FRAME: [u8; 8] = [0x5b, 0x2a, 0x4d, 0x18, MARK_BYTES as u8, 0, 0, 0];

/// The first bytes of a member of `gzip` (RFC 1952, 2.3) with deflate and nothing but extra fields.
const GZIP_HEAD: [u8; 4] = [0x1f, 0x8b, 8, 4];

/// An extra field of ours, and its length (RFC 1952, 2.3.1.1).
const EXTRA_FIELD: [u8; 4] = [b'L', b'b', MARK_BYTES as u8, 0];

/// Where the extra fields of a `gzip` file begin, behind their length.
const EXTRA_AT: usize = 12;

/// The file that was compressed, by device, inode and time of birth, which is zero where the file
/// system does not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    device: u64,
    inode: u64,
    birth_ns: u64,
}

impl Origin {
    pub(crate) fn of(metadata: &Metadata) -> Origin {
        let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let birth_ns = born.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Origin { device: metadata.dev(), inode: metadata.ino(), birth_ns }
    }

    #[cfg(all(feature = "listener", feature = "compression"))]
    fn encode(self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        let words = [self.device, self.inode, self.birth_ns].map(u64::to_le_bytes);
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..].copy_from_slice(words.as_flattened());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Origin> {
        let words = bytes.get(..MARK_BYTES)?.strip_prefix(MAGIC)?.as_chunks().0;
        let [device, inode, birth_ns] = *words.first_chunk()?;
        let [device, inode, birth_ns] = [device, inode, birth_ns].map(u64::from_le_bytes);
        Some(Origin { device, inode, birth_ns })
    }

    /// What a file of `zstd` begins with.
    #[cfg(all(feature = "listener", feature = "compression"))]
    pub(crate) fn zstd_frame(self) -> Vec<u8> {
        [&SKIPPABLE_FRAME[..], &self.encode()].concat()
    }

    /// What a file of `gzip` has in its header.
    #[cfg(all(feature = "listener", feature = "compression"))]
    pub(crate) fn gzip_extra(self) -> Vec<u8> {
        [&EXTRA_FIELD[..], &self.encode()].concat()
    }
}

/// The file that `file` was made from; `None` where this is nothing that a log has compressed.
pub(crate) fn origin_of(file: &File) -> io::Result<Option<Origin>> {
    Ok(read_origin(&read_head(file)?))
}

pub(super) fn read_origin(head: &[u8]) -> Option<Origin> {
    let mark = match head.strip_prefix(&SKIPPABLE_FRAME) {
        Some(mark) => Some(mark),
        None if head.starts_with(&GZIP_HEAD) => {
            head.get(EXTRA_AT..).and_then(|extra| extra.strip_prefix(&EXTRA_FIELD))
        }
        None => None,
    };
    mark.and_then(Origin::decode)
}

/// As much of a file as may tell an origin.
pub(super) fn read_head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; EXTRA_AT + EXTRA_FIELD.len() + MARK_BYTES];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    head.truncate(filled);
    Ok(head)
}
