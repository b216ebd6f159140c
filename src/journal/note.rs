//! One note of the journal, as bytes.
//!
//! ```text
//! slot, 1 KiB:  0 magic b"LBJ" version u8   4 state u32   8 number u64   16 batch u64
//!              24 table u32                28 count u32
//!              32 { kind u32, head u32, device, inode, birth_ns, offset, length: u64 } * count
//!              then checksum u64
//! ```
//! All numbers are little-endian.

use super::{Entry, MAX_FILES};
use crate::checksum::checksum;
use crate::rotation::Segment;

pub(super) const SLOT_BYTES: usize = 1024;

const ENTRIES_AT: usize = 32;
const ENTRY_BYTES: usize = 48;
const MAGIC: [u8; 4] = *b"LBJ\x04";

const _: () = assert!(entry_at(MAX_FILES) + 8 <= SLOT_BYTES);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Some bytes of the batch may be in the files.
    Begun = 1,
    /// The batch is in the files and given up by the lanes.
    Done = 2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) state: State,
    /// The higher, the newer.
    pub(super) number: u64,
    pub(super) batch: u64,
    /// Which table of paths the entries are about.
    pub(super) table: u32,
    pub(super) entries: Vec<Entry>,
}

impl Note {
    pub(super) fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        let mut put = |at: usize, bytes: &[u8]| slot[at..at + bytes.len()].copy_from_slice(bytes);
        let entries = &self.entries[..self.entries.len().min(MAX_FILES)];
        put(0, &MAGIC);
        put(4, &(self.state as u32).to_le_bytes());
        put(8, &self.number.to_le_bytes());
        put(16, &self.batch.to_le_bytes());
        put(24, &self.table.to_le_bytes());
        put(28, &(entries.len() as u32).to_le_bytes());
        for (index, entry) in entries.iter().enumerate() {
            let words = words_of(entry).map(u64::to_le_bytes);
            put(entry_at(index), words.as_flattened());
        }
        let end = entry_at(entries.len());
        let checksum = checksum(&slot[..end]);
        slot[end..end + 8].copy_from_slice(&checksum.to_le_bytes());
        slot
    }

    /// The note in a slot; `None` where it is none, or was cut short.
    pub(super) fn decode(slot: &[u8; SLOT_BYTES]) -> Option<Note> {
        let single = |at: usize| slot[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let double = |at: usize| slot[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let count = usize::try_from(single(28)?).ok().filter(|count| *count <= MAX_FILES)?;
        let end = entry_at(count);
        if slot[..4] != MAGIC || double(end)? != checksum(&slot[..end]) {
            return None;
        }
        let state = match single(4)? {
            1 => State::Begun,
            2 => State::Done,
            _ => return None,
        };
        let entry = |index: usize| {
            let word = |word: usize| double(entry_at(index) + word * 8);
            let (kind, head) = (word(0)? as u32, (word(0)? >> 32) as u32);
            Some(match kind {
                0 => Entry::Untouched,
                1 => Entry::Begun(Segment {
                    device: word(1)?,
                    inode: word(2)?,
                    birth_ns: word(3)?,
                    offset: word(4)?,
                    length: word(5)?,
                    head,
                }),
                2 => Entry::Complete,
                _ => return None,
            })
        };
        let entries = (0..count).map(entry).collect::<Option<_>>()?;
        Some(Note { state, number: double(8)?, batch: double(16)?, table: single(24)?, entries })
    }
}

/// Where an entry begins; also the end of those before it, where the checksum stands.
const fn entry_at(index: usize) -> usize {
    ENTRIES_AT + index * ENTRY_BYTES
}

fn words_of(entry: &Entry) -> [u64; ENTRY_BYTES / 8] {
    match *entry {
        Entry::Untouched => [0; 6],
        Entry::Begun(Segment { device, inode, birth_ns, offset, length, head }) => {
            [1 | u64::from(head) << 32, device, inode, birth_ns, offset, length]
        }
        Entry::Complete => [2, 0, 0, 0, 0, 0],
    }
}
