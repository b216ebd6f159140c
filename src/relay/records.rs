//! The records in the frames of one connection, as the receiver reads them. The sender is of the same
//! user, but not trusted: nothing is taken that the drain could not read later.

use std::sync::Arc;

use super::message::{
    FRAME_HEADER_BYTES, Frame, FrameKind, GREETING_BYTES, Greeting, Item, Items, MAX_ORIGINS,
};
use super::origin::Origin;
use crate::codec::{Entry, decode};
use crate::{Level, Record};

/// Where the records of a sender go.
pub(crate) trait Intake {
    /// The number of the record that is expected next.
    fn next_seq(&self) -> u64;

    /// Takes the record `seq`, unless it was taken before.
    fn take(&mut self, seq: u64, origin: &[u8], record: &[u8]) -> Result<(), Untaken>;
}

/// Why a frame was not taken as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// There is no room now.
    Full,
    Damaged,
}

/// How far the frames of one connection are read.
#[derive(Default)]
pub(crate) struct FrameReader {
    origins: Vec<Arc<[u8]>>,
    /// Of a frame that found no room as a whole: the bytes that are left, and the next number.
    rest: Option<(usize, u64)>,
}

impl FrameReader {
    /// Takes the records of a frame. Where there is no room for all, it goes on where it was when it is
    /// given the same frame again.
    pub(crate) fn take(&mut self, content: &[u8], intake: &mut impl Intake) -> Result<(), Untaken> {
        let (mut seq, mut items) = Items::of(content).ok_or(Untaken::Damaged)?;
        if let Some((left_bytes, next)) = self.rest.take() {
            items.skip_to(left_bytes);
            seq = next;
        }
        let mut record = Record::new(0, Level::INFO, "", "");
        loop {
            let left_bytes = items.left_bytes();
            match items.next() {
                None => return Ok(()),
                Some(Item::Damaged) => return Err(Untaken::Damaged),
                Some(Item::Origin { number, bytes }) => self.note_origin(number, bytes)?,
                Some(Item::Record { origin, entry }) => {
                    let origin = self.origins.get(usize::from(origin)).ok_or(Untaken::Damaged)?;
                    // What the drain could not read would count as lost.
                    let is_record = decode(entry, &mut record) == Ok(Entry::Record);
                    if !is_record || seq > intake.next_seq() {
                        return Err(Untaken::Damaged);
                    }
                    if let Err(untaken) = intake.take(seq, origin, entry) {
                        self.rest = (untaken == Untaken::Full).then_some((left_bytes, seq));
                        return Err(untaken);
                    }
                    seq += 1;
                }
            }
        }
    }

    fn note_origin(&mut self, number: u16, bytes: &[u8]) -> Result<(), Untaken> {
        let place = usize::from(number);
        if number >= MAX_ORIGINS || place > self.origins.len() || Origin::read(bytes).is_none() {
            return Err(Untaken::Damaged);
        }
        match self.origins.get_mut(place) {
            Some(known) => *known = bytes.into(),
            None => self.origins.push(bytes.into()),
        }
        Ok(())
    }
}

/// Counts records.
struct Counted {
    next_seq: u64,
    records: usize,
}

impl Intake for Counted {
    fn next_seq(&self) -> u64 {
        self.next_seq
    }

    fn take(&mut self, seq: u64, _origin: &[u8], _record: &[u8]) -> Result<(), Untaken> {
        if seq == self.next_seq {
            self.next_seq += 1;
            self.records += 1;
        }
        Ok(())
    }
}

/// Reads all that a sender says on one connection; how many records it has said, or none where
/// something is damaged. For tests of damage.
#[doc(hidden)]
pub fn read(bytes: &[u8]) -> Option<usize> {
    let (greeting, mut rest) = bytes.split_first_chunk::<GREETING_BYTES>()?;
    let next_seq = Greeting::decode(greeting).ok()?.first_seq;
    let (mut counted, mut reader) = (Counted { next_seq, records: 0 }, FrameReader::default());
    let mut is_first = true;
    loop {
        let (kind, content) = match Frame::first(rest) {
            Frame::Part => return Some(counted.records),
            Frame::Damaged => return None,
            Frame::Whole { kind, content } => (kind, content),
        };
        rest = &rest[FRAME_HEADER_BYTES + content.len()..];
        if (kind == FrameKind::Process) != is_first {
            return None;
        }
        is_first = false;
        match kind {
            FrameKind::Process => drop(Origin::read(content)?),
            FrameKind::Records => reader.take(content, &mut counted).ok()?,
            FrameKind::Alive => {}
            FrameKind::Bye => return Some(counted.records),
        }
    }
}
