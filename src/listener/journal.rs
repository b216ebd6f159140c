//! The journal: what is about to be written to the log files, noted before it is written.
//!
//! A file of two slots in the queue directory, written in turn with a checksum, so that a note cut
//! short by a kill leaves the one before it. The newest valid note is either *begun*, and then
//! some bytes of its segments may be in the files, or *done*.
//!
//! ```text
//! slot, 1 KiB:  0 magic b"LBJ" version u8   4 state u32   8 batch u64   16 count u64
//!              24 { device, inode, birth_ns, offset, length: u64 } * 16     … checksum u64
//! ```
//! All numbers are little-endian.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::regular_file;
use crate::rotation::Segment;

/// Most files that one batch touches.
pub(super) const MAX_SEGMENTS: usize = 16;

const SLOT_BYTES: usize = 1024;
const SEGMENTS_AT: usize = 24;
const SEGMENT_BYTES: usize = 40;
const CHECKSUM_AT: usize = SEGMENTS_AT + MAX_SEGMENTS * SEGMENT_BYTES;
const MAGIC: [u8; 4] = *b"LBJ\x01";

const _: () = assert!(CHECKSUM_AT + 8 <= SLOT_BYTES);

pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// Number of the last batch.
    batch: u64,
}

/// A batch of which it is not known whether all of it is in the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub(super) batch: u64,
    pub(super) segments: Vec<Segment>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begun = 1,
    Done = 2,
}

impl Journal {
    /// Opens the journal in `queue`, or makes one, and tells what the listener before left unresolved.
    pub(super) fn open(queue: &Path) -> io::Result<(Journal, Option<Unresolved>)> {
        let path = queue.join("journal");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = regular_file::open(&path, &mut options)?;
        let mut slots = [0; 2 * SLOT_BYTES];
        let mut filled = 0;
        while filled < slots.len() {
            match file.read_at(&mut slots[filled..], filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        let newest = slots.chunks_exact(SLOT_BYTES).filter_map(decode).max_by_key(order);
        let batch = newest.as_ref().map_or(0, |(_, unresolved)| unresolved.batch);
        let unresolved =
            newest.and_then(|(state, unresolved)| (state == State::Begun).then_some(unresolved));
        Ok((Journal { file, path, batch }, unresolved))
    }

    /// Notes that the segments of the next batch are about to be written; its number.
    pub(super) fn begin(&mut self, segments: &[Segment]) -> io::Result<u64> {
        self.batch += 1;
        self.note(State::Begun, segments).inspect_err(|_| self.batch -= 1)?;
        Ok(self.batch)
    }

    /// Notes again what the batch under way is about to write, because a file has changed.
    pub(super) fn begin_again(&mut self, segments: &[Segment]) -> io::Result<u64> {
        self.note(State::Begun, segments)?;
        Ok(self.batch)
    }

    /// Notes that the last batch is in the files and in the lanes.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.note(State::Done, &[])
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the slot that does not hold the newest note of the other kind.
    fn note(&self, state: State, segments: &[Segment]) -> io::Result<()> {
        let slot = encode(state, self.batch, segments);
        let offset = if state == State::Begun { 0 } else { SLOT_BYTES as u64 };
        self.file.write_all_at(&slot, offset)
    }
}

/// A done batch is newer than the same batch begun.
fn order((state, unresolved): &(State, Unresolved)) -> (u64, bool) {
    (unresolved.batch, *state == State::Done)
}

fn encode(state: State, batch: u64, segments: &[Segment]) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..4].copy_from_slice(&MAGIC);
    slot[4..8].copy_from_slice(&(state as u32).to_le_bytes());
    let mut at = 8;
    let mut put = |number: u64| {
        slot[at..at + 8].copy_from_slice(&number.to_le_bytes());
        at += 8;
    };
    put(batch);
    put(segments.len().min(MAX_SEGMENTS) as u64);
    for segment in segments.iter().take(MAX_SEGMENTS) {
        let Segment { device, inode, birth_ns, offset, length } = *segment;
        [device, inode, birth_ns, offset, length].into_iter().for_each(&mut put);
    }
    let checksum = checksum(&slot);
    slot[CHECKSUM_AT..CHECKSUM_AT + 8].copy_from_slice(&checksum.to_le_bytes());
    slot
}

fn decode(slot: &[u8]) -> Option<(State, Unresolved)> {
    let word = |at: usize| slot[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    if slot[..4] != MAGIC || word(CHECKSUM_AT)? != checksum(slot) {
        return None;
    }
    let state = match slot[4..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes))? {
        1 => State::Begun,
        2 => State::Done,
        _ => return None,
    };
    let count = usize::try_from(word(16)?).ok().filter(|count| *count <= MAX_SEGMENTS)?;
    let segment = |index: usize| {
        let at = SEGMENTS_AT + index * SEGMENT_BYTES;
        Some(Segment {
            device: word(at)?,
            inode: word(at + 8)?,
            birth_ns: word(at + 16)?,
            offset: word(at + 24)?,
            length: word(at + 32)?,
        })
    };
    let segments = (0..count).map(segment).collect::<Option<_>>()?;
    Some((state, Unresolved { batch: word(8)?, segments }))
}

/// FNV-1a, 64 bits (G. Fowler, L. C. Noll, K.-P. Vo): tells a whole slot from one cut short; no
/// protection against malice is meant.
fn checksum(slot: &[u8]) -> u64 {
    slot[..CHECKSUM_AT].iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(offset: u64) -> Segment {
        Segment { device: 1, inode: 2, birth_ns: 3, offset, length: 5 }
    }

    fn reopened(directory: &tempfile::TempDir) -> Option<Unresolved> {
        Journal::open(directory.path()).unwrap().1
    }

    #[test]
    fn a_begun_batch_is_unresolved_until_it_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, none) = Journal::open(directory.path()).unwrap();
        assert_eq!(none, None);
        for batch in 1..4 {
            let segments: Vec<_> = (0..batch).map(segment).collect();
            assert_eq!(journal.begin(&segments).unwrap(), batch);
            assert_eq!(reopened(&directory), Some(Unresolved { batch, segments }));
            assert_eq!(journal.begin_again(&[segment(9)]).unwrap(), batch);
            assert_eq!(reopened(&directory).unwrap().segments, [segment(9)]);
            journal.end().unwrap();
            assert_eq!(reopened(&directory), None);
        }
        assert_eq!(Journal::open(directory.path()).unwrap().0.begin(&[]).unwrap(), 4);
    }

    #[test]
    fn a_note_cut_short_leaves_the_one_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(directory.path()).unwrap();
        journal.begin(&[segment(0)]).unwrap();
        journal.end().unwrap();
        journal.begin(&[segment(1), segment(2)]).unwrap();
        let whole = std::fs::read(journal.path()).unwrap();
        for cut in 0..CHECKSUM_AT {
            let mut torn = whole.clone();
            torn[cut] ^= 0x55;
            std::fs::write(journal.path(), &torn).unwrap();
            assert_eq!(reopened(&directory), None, "byte {cut}");
        }
        for length in [0, 1, CHECKSUM_AT, SLOT_BYTES, whole.len()] {
            std::fs::write(journal.path(), &whole[..length]).unwrap();
            let expected = (length >= SLOT_BYTES).then_some(2);
            assert_eq!(reopened(&directory).map(|unresolved| unresolved.batch), expected);
        }
    }
}
