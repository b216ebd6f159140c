//! The bytes of a connection; all numbers little-endian.
//!
//! ```text
//! greeting  b"LBsend\r\n"  version u16  schema u16  zero u32  sender u64  first number kept u64
//! frame     length u32 of what follows   kind u8   …
//!   origin of the sender's own process   origin
//!   records   number of the first u64    { kind u8   origin u16   length u32   bytes }*
//!   alive, bye
//! answer    kind u32   zero u32   value u64
//! ```
//!
//! Right behind the greeting comes the frame of the sender's own process.

use crate::codec::{MAX_ENTRY_BYTES, SCHEMA};

const MAGIC: &[u8; 8] = b"LBsend\r\n";

/// Version of all this.
const VERSION: u16 = 1;

/// No sender has come so far: numbers cannot overflow behind it.
const MAX_SEQ: u64 = 1 << 62;

/// Bytes of a greeting.
pub(crate) const GREETING_BYTES: usize = 32;

/// Bytes in front of what a frame holds.
pub(crate) const FRAME_HEADER_BYTES: usize = 5;

/// A frame of records is sent when it has this many bytes.
pub(crate) const SOFT_FRAME_BYTES: usize = 64 * 1024;

/// Longest frame, with its header: a full one, a record more, and its origin.
pub(crate) const MAX_FRAME_BYTES: usize = SOFT_FRAME_BYTES + MAX_ENTRY_BYTES + 1024;

/// Bytes of an answer.
pub(crate) const ANSWER_BYTES: usize = 16;

/// Origins that are numbered on one connection at a time; a number that is given again is of the new
/// one.
pub(crate) const MAX_ORIGINS: u16 = 256;

const ITEM_HEADER_BYTES: usize = 7;
const ITEM_ORIGIN: u8 = 0;
const ITEM_RECORD: u8 = 1;

/// The first words of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// A random number, new for each handler; never 0.
    pub(crate) sender: u64,
    /// All records before this one are acknowledged.
    pub(crate) first_seq: u64,
}

/// Why bytes are no greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoGreeting {
    Foreign,
    OtherVersion,
}

impl Greeting {
    pub(crate) fn encode(self) -> [u8; GREETING_BYTES] {
        let mut bytes = [0; GREETING_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&u16::from(SCHEMA).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sender.to_le_bytes());
        bytes[24..].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes
    }

    /// Whether a greeting may begin so.
    pub(crate) fn is_begun_by(bytes: &[u8]) -> bool {
        let length = bytes.len().min(MAGIC.len());
        bytes[..length] == MAGIC[..length]
    }

    pub(crate) fn decode(bytes: &[u8; GREETING_BYTES]) -> Result<Greeting, NoGreeting> {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word =
            |at: usize| bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        if &bytes[..8] != MAGIC || word(16) == 0 || word(24) > MAX_SEQ {
            return Err(NoGreeting::Foreign);
        }
        if half(8) != VERSION || half(10) != u16::from(SCHEMA) {
            return Err(NoGreeting::OtherVersion);
        }
        Ok(Greeting { sender: word(16), first_seq: word(24) })
    }
}

/// What a frame is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// The sender's own process.
    Process = 1,
    Records = 2,
    /// Nothing; the sender lives.
    Alive = 3,
    /// All is acknowledged, and this sender never comes again.
    Bye = 4,
}

/// A frame at the beginning of what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Not there as a whole yet.
    Part,
    Whole {
        kind: FrameKind,
        content: &'a [u8],
    },
    /// No sender says so.
    Damaged,
}

impl<'a> Frame<'a> {
    pub(crate) fn first(bytes: &'a [u8]) -> Frame<'a> {
        let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            return Frame::Part;
        };
        let [l0, l1, l2, l3, kind] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let kind = match kind {
            1 => FrameKind::Process,
            2 => FrameKind::Records,
            3 => FrameKind::Alive,
            4 => FrameKind::Bye,
            _ => return Frame::Damaged,
        };
        if length > MAX_FRAME_BYTES - FRAME_HEADER_BYTES {
            return Frame::Damaged;
        }
        rest.get(..length).map_or(Frame::Part, |content| Frame::Whole { kind, content })
    }
}

/// Begins a frame at the end of `out`; what follows is in it until [`end_frame`].
pub(crate) fn begin_frame(kind: FrameKind, out: &mut Vec<u8>) -> usize {
    let begin_at = out.len();
    out.extend([0, 0, 0, 0, kind as u8]);
    begin_at
}

/// Ends the frame that [`begin_frame`] has begun at `begin_at`.
pub(crate) fn end_frame(begin_at: usize, out: &mut [u8]) {
    let length = (out.len() - begin_at - FRAME_HEADER_BYTES) as u32;
    out[begin_at..begin_at + 4].copy_from_slice(&length.to_le_bytes());
}

/// Says which origin has this number from now on.
pub(crate) fn put_origin(number: u16, origin: &[u8], out: &mut Vec<u8>) {
    put_item(ITEM_ORIGIN, number, origin, out);
}

/// Adds the next record, which is from the origin of this number.
pub(crate) fn put_record(origin: u16, entry: &[u8], out: &mut Vec<u8>) {
    put_item(ITEM_RECORD, origin, entry, out);
}

fn put_item(kind: u8, number: u16, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(number.to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// One item of a frame of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Origin { number: u16, bytes: &'a [u8] },
    Record { origin: u16, entry: &'a [u8] },
    Damaged,
}

/// The items of a frame of records, from a place in it on.
pub(crate) struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// Those in the `content` of a frame, and the number of the first record; `None` where that is not
    /// there.
    pub(crate) fn of(content: &'a [u8]) -> Option<(u64, Items<'a>)> {
        let (first_seq, rest) = content.split_first_chunk()?;
        Some((u64::from_le_bytes(*first_seq), Items { rest }))
    }

    /// How many bytes are left.
    pub(crate) fn left_bytes(&self) -> usize {
        self.rest.len()
    }

    /// Goes on where so many bytes are left.
    pub(crate) fn skip_to(&mut self, left_bytes: usize) {
        self.rest = &self.rest[self.rest.len().saturating_sub(left_bytes)..];
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let header = self.rest.split_first_chunk::<ITEM_HEADER_BYTES>();
        let item = header.and_then(|([kind, n0, n1, l0, l1, l2, l3], rest)| {
            let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
            let (bytes, rest) = rest.split_at_checked(length)?;
            let number = u16::from_le_bytes([*n0, *n1]);
            let item = match *kind {
                ITEM_ORIGIN => Item::Origin { number, bytes },
                ITEM_RECORD => Item::Record { origin: number, entry: bytes },
                _ => return None,
            };
            Some((item, rest))
        });
        let (item, rest) = item.unwrap_or((Item::Damaged, &[]));
        self.rest = rest;
        Some(item)
    }
}

/// What the receiver says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The sender goes on with this number.
    Welcome(u64),
    /// The records before this number are written.
    Written(u64),
    /// The receiver does not take records from this sender now.
    Refused,
}

impl Answer {
    pub(crate) fn encode(self) -> [u8; ANSWER_BYTES] {
        let (kind, value) = match self {
            Answer::Welcome(seq) => (1_u32, seq),
            Answer::Written(seq) => (2, seq),
            Answer::Refused => (3, 0),
        };
        let mut bytes = [0; ANSWER_BYTES];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[8..].copy_from_slice(&value.to_le_bytes());
        bytes
    }

    /// Reads an answer; `None` where it is none.
    pub(crate) fn decode(bytes: &[u8; ANSWER_BYTES]) -> Option<Answer> {
        let (kind, value) = bytes.split_at(8);
        let value = u64::from_le_bytes(*value.first_chunk()?);
        match u32::from_le_bytes(*kind.first_chunk()?) {
            1 => Some(Answer::Welcome(value)),
            2 => Some(Answer::Written(value)),
            3 => Some(Answer::Refused),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_and_answers_are_read_as_they_were_written() {
        let greeting = Greeting { sender: u64::MAX, first_seq: 7 };
        let bytes = greeting.encode();
        assert_eq!(Greeting::decode(&bytes), Ok(greeting));
        (0..bytes.len()).for_each(|length| assert!(Greeting::is_begun_by(&bytes[..length])));
        assert!(!Greeting::is_begun_by(b"LBsend\n"));
        let mut other = bytes;
        other[8] += 1;
        assert_eq!(Greeting::decode(&other), Err(NoGreeting::OtherVersion));
        other[0] += 1;
        assert_eq!(Greeting::decode(&other), Err(NoGreeting::Foreign));
        let no_sender = Greeting { sender: 0, first_seq: 7 }.encode();
        assert_eq!(Greeting::decode(&no_sender), Err(NoGreeting::Foreign));
        for answer in [Answer::Welcome(u64::MAX), Answer::Written(1), Answer::Refused] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(Answer::decode(&[9; ANSWER_BYTES]), None);
    }

    fn frame() -> Vec<u8> {
        let mut out = b"before".to_vec();
        let begin_at = begin_frame(FrameKind::Records, &mut out);
        out.extend(5_u64.to_le_bytes());
        put_origin(2, b"origin", &mut out);
        put_record(2, b"entry", &mut out);
        end_frame(begin_at, &mut out);
        out.split_off(begin_at)
    }

    #[test]
    fn a_frame_is_read_when_it_is_whole() {
        let frame = frame();
        (0..frame.len()).for_each(|length| assert_eq!(Frame::first(&frame[..length]), Frame::Part));
        let Frame::Whole { kind: FrameKind::Records, content } = Frame::first(&frame) else {
            panic!("no frame")
        };
        let (first_seq, mut items) = Items::of(content).unwrap();
        assert_eq!(first_seq, 5);
        assert_eq!(items.next(), Some(Item::Origin { number: 2, bytes: b"origin" }));
        let left_bytes = items.left_bytes();
        let entry = Item::Record { origin: 2, entry: b"entry" };
        assert_eq!((items.next(), items.next()), (Some(entry), None));
        let (_, mut again) = Items::of(content).unwrap();
        again.skip_to(left_bytes);
        assert_eq!(again.next(), Some(entry));
    }

    #[test]
    fn lengths_and_kinds_that_cannot_be_are_damage() {
        let mut long = frame();
        long[..4].copy_from_slice(&(MAX_FRAME_BYTES as u32).to_le_bytes());
        assert_eq!(Frame::first(&long), Frame::Damaged);
        assert_eq!(Frame::first(&[0, 0, 0, 0, 9]), Frame::Damaged);
        for items in
            [&b"12345678\x01"[..], b"12345678\x01\0\0\xff\0\0\0a", b"12345678\x07\0\0\0\0\0\0"]
        {
            let (_, mut items) = Items::of(items).unwrap();
            assert_eq!((items.next(), items.next()), (Some(Item::Damaged), None));
        }
        assert!(Items::of(b"1234567").is_none());
    }
}
