//! The paths of the log files that notes are about, as bytes.
//!
//! ```text
//! table:  0 length u32   4 count u32   8 checksum u64   16 { length u16, path } * count
//! ```
//! The highest bit of the length of a path says that records chose it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{MAX_FILES, NamedFile};
use crate::checksum::checksum;

pub(super) const TABLE_BYTES: usize = 17 * 4096;

/// Longest path, as for the system (`PATH_MAX`).
const MAX_PATH_BYTES: usize = 4096;
const HEADER_BYTES: usize = 16;
const ROUTED: u16 = 1 << 15;

const _: () = assert!(MAX_PATH_BYTES < ROUTED as usize);
const _: () = assert!(HEADER_BYTES + MAX_FILES * (2 + MAX_PATH_BYTES) <= TABLE_BYTES);

pub(super) fn encode(files: &[NamedFile<'_>]) -> io::Result<Vec<u8>> {
    let mut table = vec![0; HEADER_BYTES];
    for NamedFile { path, is_routed } in files {
        let path = path.as_os_str().as_bytes();
        let length = u16::try_from(path.len()).ok().filter(|_| path.len() <= MAX_PATH_BYTES);
        let length = length.ok_or(io::ErrorKind::InvalidFilename)?;
        let length = if *is_routed { length | ROUTED } else { length };
        table.extend_from_slice(&length.to_le_bytes());
        table.extend_from_slice(path);
    }
    let length = (table.len() - HEADER_BYTES) as u32;
    let checksum = checksum(&table[HEADER_BYTES..]);
    table[..4].copy_from_slice(&length.to_le_bytes());
    table[4..8].copy_from_slice(&(files.len() as u32).to_le_bytes());
    table[8..16].copy_from_slice(&checksum.to_le_bytes());
    Ok(table)
}

/// The paths in a table, each with whether records chose it; `None` where it is none.
pub(super) fn decode(table: &[u8]) -> Option<Vec<(PathBuf, bool)>> {
    let single = |at: usize| table.get(at..)?.first_chunk().map(|four| u32::from_le_bytes(*four));
    let stored = table.get(8..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))?;
    let length = usize::try_from(single(0)?).ok()?;
    let mut rest = table.get(HEADER_BYTES..)?.get(..length)?;
    if checksum(rest) != stored {
        return None;
    }
    let count = usize::try_from(single(4)?).ok().filter(|count| *count <= MAX_FILES)?;
    let mut next = || {
        let (length, behind) = rest.split_first_chunk()?;
        let length = u16::from_le_bytes(*length);
        let (path, behind) = behind.split_at_checked((length & !ROUTED).into())?;
        rest = behind;
        Some((PathBuf::from(OsStr::from_bytes(path)), length & ROUTED != 0))
    };
    (0..count).map(|_| next()).collect()
}
