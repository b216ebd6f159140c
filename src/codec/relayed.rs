//! Records that were made elsewhere: as the lane of this queue numbers them, with where they are from.

use super::pieces::{write_bytes, write_uint};
use super::{KIND_RELAYED, MAX_ENTRY_BYTES, MAX_ORIGIN_BYTES};

/// An array of four, and its kind.
const BEGIN: [u8; 2] = [0x94, KIND_RELAYED];

/// A record with its origin, as they stand in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relayed<'a> {
    /// Number in the lane of this queue; the record has that of the lane it was made in.
    pub(crate) seq: u64,
    /// Lane, thread and process it was made in, as whoever sent it on has encoded them.
    pub(crate) origin: &'a [u8],
    /// The entry of the record itself.
    pub(crate) record: &'a [u8],
}

impl<'a> Relayed<'a> {
    /// Takes such an entry apart; `None` where `entry` is another.
    #[inline]
    pub(crate) fn read(entry: &'a [u8]) -> Option<Relayed<'a>> {
        let mut rest = entry.strip_prefix(&BEGIN)?;
        let seq = rmp::decode::read_int(&mut rest).ok()?;
        let origin_bytes = rmp::decode::read_bin_len(&mut rest).ok()?;
        let (origin, record) = rest.split_at_checked(usize::try_from(origin_bytes).ok()?)?;
        (origin.len() <= MAX_ORIGIN_BYTES / 2).then_some(Relayed { seq, origin, record })
    }

    /// Appends the entry; false, and nothing is appended, where it would be too long.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> bool {
        let Relayed { seq, origin, record } = *self;
        let fits = origin.len() <= MAX_ORIGIN_BYTES / 2
            && origin.len() + record.len() <= MAX_ENTRY_BYTES - MAX_ORIGIN_BYTES / 2;
        if fits {
            out.extend(BEGIN);
            write_uint(out, seq);
            write_bytes(out, origin);
            out.extend_from_slice(record);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_taken_apart_as_it_was_put_together() {
        for seq in [0, 200, u64::MAX] {
            let relayed = Relayed { seq, origin: b"origin", record: b"\x9a\0record" };
            let mut entry = Vec::new();
            assert!(relayed.write(&mut entry));
            assert_eq!(Relayed::read(&entry), Some(relayed));
            assert_eq!(Relayed::read(&entry[..8]), None);
        }
        assert_eq!(Relayed::read(b"\x9a\0"), None);
    }

    #[test]
    fn what_no_lane_could_hold_is_not_written() {
        let long = vec![0; MAX_ENTRY_BYTES];
        let mut entry = Vec::new();
        for (origin, record) in [(&long[..], &[][..]), (&[], &long)] {
            assert!(!Relayed { seq: 0, origin, record }.write(&mut entry) && entry.is_empty());
        }
    }
}
