//! Records that are not acknowledged, and which of them are on their way. Touches no socket.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::relay::{
    FrameKind, MAX_ORIGINS, SOFT_FRAME_BYTES, begin_frame, end_frame, put_origin, put_record,
};

pub(super) struct Kept {
    records: VecDeque<KeptRecord>,
    /// Number of the first of them.
    first_seq: u64,
    /// How many of them were sent on this connection, or are known to have arrived.
    sent: usize,
    bytes: usize,
    max_bytes: usize,
}

struct KeptRecord {
    origin: Arc<[u8]>,
    entry: Vec<u8>,
}

/// The receiver speaks of records that it cannot know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Impossible;

impl Kept {
    pub(super) fn new(max_bytes: usize) -> Kept {
        Kept { records: VecDeque::new(), first_seq: 0, sent: 0, bytes: 0, max_bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Number of the first record that is not acknowledged.
    pub(super) fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// Whether an entry of `bytes` may be added.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.is_empty() || self.bytes + memory_bytes(bytes) <= self.max_bytes
    }

    pub(super) fn push(&mut self, origin: Arc<[u8]>, entry: Vec<u8>) {
        self.bytes += memory_bytes(entry.len());
        self.records.push_back(KeptRecord { origin, entry });
    }

    /// Goes on with the record `next_seq` on a new connection.
    pub(super) fn go_on(&mut self, next_seq: u64) -> Result<(), Impossible> {
        self.sent = self.place(next_seq)?;
        Ok(())
    }

    /// The records before `seq` are written; whether any of them was kept.
    pub(super) fn acknowledge(&mut self, seq: u64) -> Result<bool, Impossible> {
        if seq <= self.first_seq {
            return Ok(false);
        }
        let written = Some(self.place(seq)?).filter(|written| *written <= self.sent);
        let written = written.ok_or(Impossible)?;
        for KeptRecord { entry, .. } in self.records.drain(..written) {
            self.bytes -= memory_bytes(entry.len());
        }
        self.sent -= written;
        self.first_seq = seq;
        Ok(true)
    }

    fn place(&self, seq: u64) -> Result<usize, Impossible> {
        let place = seq.checked_sub(self.first_seq).and_then(|place| usize::try_from(place).ok());
        place.filter(|place| *place <= self.records.len()).ok_or(Impossible)
    }

    /// Adds a frame of the next records to `out`; nothing where there are none.
    pub(super) fn write_frame(&mut self, numbers: &mut OriginNumbers, out: &mut Vec<u8>) {
        if self.sent == self.records.len() {
            return;
        }
        let begin_at = begin_frame(FrameKind::Records, out);
        out.extend((self.first_seq + self.sent as u64).to_le_bytes());
        while out.len() - begin_at < SOFT_FRAME_BYTES
            && let Some(KeptRecord { origin, entry }) = self.records.get(self.sent)
        {
            let number = numbers.number(origin, out);
            put_record(number, entry, out);
            self.sent += 1;
        }
        end_frame(begin_at, out);
    }
}

/// What an entry of `bytes` takes here; origins are shared by many.
fn memory_bytes(bytes: usize) -> usize {
    bytes + size_of::<KeptRecord>()
}

/// The origins that the receiver knows by numbers.
#[derive(Default)]
pub(super) struct OriginNumbers {
    numbers: HashMap<Arc<[u8]>, u16>,
    last: Option<(Arc<[u8]>, u16)>,
}

impl OriginNumbers {
    /// The number of `origin`; a new one is told in `out`.
    fn number(&mut self, origin: &Arc<[u8]>, out: &mut Vec<u8>) -> u16 {
        if let Some((last, number)) = &self.last
            && Arc::ptr_eq(last, origin)
        {
            return *number;
        }
        let number = self.numbers.get(origin).copied().unwrap_or_else(|| {
            if self.numbers.len() >= usize::from(MAX_ORIGINS) {
                self.numbers.clear();
            }
            let number = self.numbers.len() as u16;
            put_origin(number, origin, out);
            self.numbers.insert(Arc::clone(origin), number);
            number
        });
        self.last = Some((Arc::clone(origin), number));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{Frame, Item, Items};

    fn kept(origins: impl Iterator<Item = u32>) -> Kept {
        let mut kept = Kept::new(1 << 20);
        for (number, origin) in origins.enumerate() {
            kept.push(origin.to_string().into_bytes().into(), number.to_string().into_bytes());
        }
        kept
    }

    /// Number, origin and entry of the records in a frame.
    fn sent(out: &[u8], origins: &mut Vec<String>) -> Vec<(u64, String, String)> {
        let Frame::Whole { content, .. } = Frame::first(out) else { return Vec::new() };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (mut seq, items) = Items::of(content).unwrap();
        let mut records = Vec::new();
        for item in items {
            match item {
                Item::Origin { number, bytes } => {
                    let place = usize::from(number);
                    origins.truncate(place.max(origins.len()));
                    match origins.get_mut(place) {
                        Some(origin) => *origin = text(bytes),
                        None => origins.push(text(bytes)),
                    }
                }
                Item::Record { origin, entry } => {
                    records.push((seq, origins[usize::from(origin)].clone(), text(entry)));
                    seq += 1;
                }
                Item::Damaged => panic!("damaged"),
            }
        }
        records
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_on_the_next_connection() {
        let mut kept = kept([1, 1, 2, 1].into_iter());
        for (next_seq, expected) in [(0, 0..4), (3, 3..4), (4, 4..4), (1, 1..4)] {
            kept.go_on(next_seq).unwrap();
            let (mut out, mut origins) = (Vec::new(), Vec::new());
            kept.write_frame(&mut OriginNumbers::default(), &mut out);
            let expected = expected.map(|seq| {
                let origin = if seq == 2 { "2" } else { "1" };
                (seq, origin.to_owned(), seq.to_string())
            });
            assert_eq!(sent(&out, &mut origins), expected.collect::<Vec<_>>());
        }
        assert_eq!(kept.acknowledge(3), Ok(true));
        assert_eq!((kept.first_seq(), kept.len()), (3, 1));
        assert_eq!(kept.acknowledge(3), Ok(false));
        assert_eq!(kept.acknowledge(4), Ok(true));
        assert_eq!((kept.is_empty(), kept.bytes), (true, 0));
    }

    #[test]
    fn what_the_receiver_cannot_know_is_an_error() {
        let mut kept = kept([1, 1].into_iter());
        assert_eq!(kept.go_on(3), Err(Impossible));
        assert_eq!(kept.acknowledge(1), Err(Impossible));
        kept.go_on(2).unwrap();
        assert_eq!(kept.acknowledge(1), Ok(true));
        assert_eq!((kept.go_on(0), kept.go_on(u64::MAX)), (Err(Impossible), Err(Impossible)));
    }

    #[test]
    fn more_origins_than_have_numbers_are_told_again() {
        let count = 3 * u32::from(MAX_ORIGINS);
        let mut kept = kept((0..count).chain(0..count));
        let (mut numbers, mut origins) = (OriginNumbers::default(), Vec::new());
        let mut received = Vec::new();
        kept.go_on(0).unwrap();
        loop {
            let mut out = Vec::new();
            kept.write_frame(&mut numbers, &mut out);
            if out.is_empty() {
                break;
            }
            received.extend(sent(&out, &mut origins));
            assert!(origins.len() <= usize::from(MAX_ORIGINS));
        }
        let expected = (0..u64::from(2 * count))
            .map(|seq| (seq, (seq % u64::from(count)).to_string(), seq.to_string()));
        assert_eq!(received, expected.collect::<Vec<_>>());
    }

    #[test]
    fn bytes_are_bounded_and_one_long_record_goes_alone() {
        let mut kept = Kept::new(1000);
        assert!(kept.has_room(5000));
        kept.push(Arc::from(&b"o"[..]), vec![0; 5000]);
        assert!(!kept.has_room(0));
    }
}
