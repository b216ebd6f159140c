//! Batches: what the Channel transport puts into one message of its data channel.
//!
//! ```text
//! 0  magic  b"LBB"      4  flags u8      8  lane     u64 LE    24  answer  u64 LE
//! 3  schema u8          5  waits u24    16  end_seq  u64 LE    32  { length u32 LE, entry }*
//! ```

use crate::codec::{MAX_RECORD_BYTES, SCHEMA};

/// Bytes before the first entry.
pub(crate) const HEADER_BYTES: usize = 32;

/// A batch is sent when its entries take this many bytes.
pub(crate) const SOFT_BATCH_BYTES: usize = 64 * 1024;

/// Bytes in front of an entry.
pub(crate) const LENGTH_BYTES: usize = 4;

/// Room for the marks that may stand before a record.
pub(crate) const MARKS_BYTES: usize = 8 * 1024;

/// No message is longer: above about 212 kB ipc-channel cuts messages into fragments, and a sender
/// killed between two of them damages the channel.
pub(crate) const MAX_BATCH_BYTES: usize = 192 * 1024;

const _: () = assert!(HEADER_BYTES + MARKS_BYTES + MAX_RECORD_BYTES <= MAX_BATCH_BYTES);

const MAGIC: &[u8; 3] = b"LBB";
const MAX_WAITS: u32 = (1 << 24) - 1;
const FLAG_SYNC: u8 = 1;
const FLAG_PAUSE: u8 = 2;
const FLAG_GONE: u8 = 4;

/// What a batch says beside its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// The lane all entries belong to.
    pub(crate) lane: u64,
    /// Sequence number of the first call after this batch.
    pub(crate) end_seq: u64,
    /// Calls that have waited for room since the batch before, at most 2^24 - 1.
    pub(crate) waits: u32,
    /// The worker waits for an fsync of all up to here.
    pub(crate) sync: bool,
    /// Number of the flush for which the listener has asked, where this batch completes it; else 0.
    pub(crate) answer: u64,
    /// The worker sends nothing more to this listener.
    pub(crate) pause: bool,
    /// The worker's process has ended (said by the listener to itself, behind all it received).
    pub(crate) gone: bool,
}

impl BatchHeader {
    /// Writes the header into the first [`HEADER_BYTES`] of `batch`.
    pub(crate) fn write(&self, batch: &mut [u8]) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        batch[..3].copy_from_slice(MAGIC);
        batch[3] = SCHEMA;
        batch[4] =
            flag(self.sync, FLAG_SYNC) | flag(self.pause, FLAG_PAUSE) | flag(self.gone, FLAG_GONE);
        let waits = self.waits.min(MAX_WAITS).to_le_bytes();
        batch[5..8].copy_from_slice(&waits[..3]);
        batch[8..16].copy_from_slice(&self.lane.to_le_bytes());
        batch[16..24].copy_from_slice(&self.end_seq.to_le_bytes());
        batch[24..32].copy_from_slice(&self.answer.to_le_bytes());
    }

    /// Reads the header of `batch`; `None` where it is no batch of this schema.
    #[cfg(feature = "listener")]
    pub(crate) fn read(batch: &[u8]) -> Option<BatchHeader> {
        let header = batch.first_chunk::<HEADER_BYTES>()?;
        let known = &header[..3] == MAGIC && header[3] == SCHEMA && batch.len() <= MAX_BATCH_BYTES;
        let word = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        known.then_some(BatchHeader {
            lane: word(8)?,
            end_seq: word(16)?,
            answer: word(24)?,
            waits: u32::from_le_bytes([header[5], header[6], header[7], 0]),
            sync: header[4] & FLAG_SYNC != 0,
            pause: header[4] & FLAG_PAUSE != 0,
            gone: header[4] & FLAG_GONE != 0,
        })
    }
}

/// Appends one entry with its length.
pub(crate) fn push_entry(batch: &mut Vec<u8>, entry: &[u8]) {
    batch.extend((entry.len() as u32).to_le_bytes());
    batch.extend_from_slice(entry);
}

/// The bytes one entry takes in a batch.
pub(crate) fn entry_bytes(entry: &[u8]) -> usize {
    LENGTH_BYTES + entry.len()
}

/// The entries of a batch, in order; ends with an error where a length is wrong.
#[cfg(feature = "listener")]
pub(crate) struct Entries<'a>(&'a [u8]);

#[cfg(feature = "listener")]
impl<'a> Entries<'a> {
    pub(crate) fn of(batch: &'a [u8]) -> Entries<'a> {
        Entries(batch.get(HEADER_BYTES..).unwrap_or_default())
    }
}

#[cfg(feature = "listener")]
impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], Torn>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = self
            .0
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let (entry, rest) = split.unzip();
        self.0 = rest.unwrap_or_default();
        Some(entry.ok_or(Torn))
    }
}

/// An entry is longer than the batch that holds it.
#[cfg(feature = "listener")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torn;

#[cfg(all(test, feature = "listener"))]
mod tests {
    use super::*;

    #[test]
    fn a_batch_arrives_as_it_was_sent() {
        let header = BatchHeader {
            lane: u64::MAX - 1,
            end_seq: 7,
            answer: 9,
            waits: MAX_WAITS,
            sync: true,
            pause: false,
            gone: true,
        };
        let mut batch = vec![0; HEADER_BYTES];
        header.write(&mut batch);
        push_entry(&mut batch, b"one");
        push_entry(&mut batch, b"");
        assert_eq!(BatchHeader::read(&batch), Some(header));
        assert_eq!(Entries::of(&batch).collect::<Vec<_>>(), [Ok(&b"one"[..]), Ok(b"")]);
    }

    #[test]
    fn wrong_magic_schema_or_size_is_no_batch() {
        let mut batch = vec![0; HEADER_BYTES];
        BatchHeader::default().write(&mut batch);
        assert!(BatchHeader::read(&batch).is_some());
        assert!(BatchHeader::read(&batch[1..]).is_none());
        batch[3] += 1;
        assert!(BatchHeader::read(&batch).is_none());
        batch[3] -= 1;
        batch.resize(MAX_BATCH_BYTES + 1, 0);
        assert!(BatchHeader::read(&batch).is_none());
    }

    #[test]
    fn a_wrong_length_ends_the_entries_with_an_error() {
        let mut batch = vec![0; HEADER_BYTES];
        push_entry(&mut batch, b"whole");
        batch.extend([0xff, 0xff, 0xff, 0xff, 1, 2]);
        assert_eq!(Entries::of(&batch).collect::<Vec<_>>(), [Ok(&b"whole"[..]), Err(Torn)]);
        batch.truncate(HEADER_BYTES + 2);
        assert_eq!(Entries::of(&batch).collect::<Vec<_>>(), [Err(Torn)]);
    }
}
