//! What a compressed file tells of the one that it was made from.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use super::name::Compression;
use super::origin::{Origin, read_head, read_origin};

/// What all files of `gzip` begin with (RFC 1952, 2.3.1), and all frames of `zstd` (RFC 8878, 3.1.1).
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The head and the tail of a file of `gzip` have so many bytes (RFC 1952, 2.3).
const MIN_GZIP_BYTES: u64 = 18;

/// When a file was last written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LastWrite {
    s: i64,
    /// Copies of a time often have no more digits.
    us: i64,
}

impl LastWrite {
    pub(crate) fn of(metadata: &Metadata) -> LastWrite {
        LastWrite { s: metadata.mtime(), us: metadata.mtime_nsec() / 1000 }
    }

    /// Whether it is `original`, or that without its fraction of a second.
    pub(crate) fn is_copy_of(self, original: LastWrite) -> bool {
        self.s == original.s && (self.us == original.us || self.us == 0)
    }
}

/// Which file that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MadeFrom {
    /// The log has made it.
    Origin(Origin),
    /// Others have, who keep the time of the last write, as `gzip`, `zstd` and `logrotate` do. `gzip`
    /// also tells the length of the text, less all but its last 32 bits.
    Others { written: LastWrite, text_bytes: Option<u32> },
}

/// What `file` tells; `None` where it is not compressed in this way.
pub(crate) fn made_from(file: &File, compression: Compression) -> io::Result<Option<MadeFrom>> {
    let head = read_head(file)?;
    if let Some(origin) = read_origin(&head) {
        return Ok(Some(MadeFrom::Origin(origin)));
    }
    let found = file.metadata()?;
    let text_bytes = match compression {
        Compression::Gzip if head.starts_with(&GZIP_MAGIC) && found.len() >= MIN_GZIP_BYTES => {
            let mut last = [0; 4];
            file.read_exact_at(&mut last, found.len() - 4)?;
            Some(u32::from_le_bytes(last))
        }
        Compression::Zstd if head.starts_with(&ZSTD_MAGIC) || is_skippable(&head) => None,
        _ => return Ok(None),
    };
    Ok(Some(MadeFrom::Others { written: LastWrite::of(&found), text_bytes }))
}

/// Whether a frame comes first that decompressors skip, as `pzstd` writes it (RFC 8878, 3.1.2).
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}
