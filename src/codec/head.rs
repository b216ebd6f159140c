//! The beginning of a record: numbers of fixed width, so that it is written and read in one piece.

use super::KIND_RECORD;
use crate::Level;

/// Bytes of the head.
pub(super) const HEAD_BYTES: usize = 22;

/// Where the eight bytes of the sequence number begin.
const SEQ_AT: usize = 3;

/// MessagePack: an array of eleven values begins with these, and the first of them is the kind.
const ARRAY: [u8; 3] = [0x9b, KIND_RECORD, U64];
const U64: u8 = 0xcf;
const I64: u8 = 0xd3;
const U8: u8 = 0xcc;

/// What stands before the texts of a record.
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) time_ns: i64,
    pub(super) level: Level,
}

impl Head {
    pub(super) fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..SEQ_AT].copy_from_slice(&ARRAY);
        bytes[SEQ_AT..11].copy_from_slice(&self.seq.to_be_bytes());
        bytes[11] = I64;
        bytes[12..20].copy_from_slice(&self.time_ns.to_be_bytes());
        bytes[20..].copy_from_slice(&[U8, self.level.number()]);
        bytes
    }

    /// Reads the head that begins `bytes`, and returns the rest; `None` where there is none.
    #[cfg(feature = "formatter")]
    pub(super) fn decode(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let (seq, rest) = bytes.strip_prefix(&ARRAY)?.split_first_chunk()?;
        let (time_ns, rest) = rest.strip_prefix(&[I64])?.split_first_chunk()?;
        let (level, rest) = rest.strip_prefix(&[U8])?.split_first()?;
        let (seq, time_ns) = (u64::from_be_bytes(*seq), i64::from_be_bytes(*time_ns));
        Some((Head { seq, time_ns, level: Level::new(*level) }, rest))
    }
}

/// Sets the sequence number of a record that stands alone in `record`.
pub(crate) fn set_seq(record: &mut [u8], seq: u64) {
    record[SEQ_AT..SEQ_AT + 8].copy_from_slice(&seq.to_be_bytes());
}
