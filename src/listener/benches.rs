//! Parts of the way of a record, each alone, for `tests/benches/parts.rs`. Nothing for users.

use std::sync::Arc;

use super::round::{Chunk, Item, LaneInput, Merge, Source};
use crate::codec::{Draft, Entry, decode, encode_record};
use crate::queue::ring::{Entries, LaneReader, Ring};
use crate::queue::{HEADER_BYTES, Overflow, QueueDir, Transport, push_entry};
use crate::rotation::Rule;
use crate::{Level, Process, Record, Thread};

fn draft<'a>(seq: u64, message: std::fmt::Arguments<'a>) -> Draft<'a> {
    let time_ns = 1_795_322_903_123_456_789_i64.saturating_add_unsigned(seq);
    let (file, line) = (Some("src/access.rs"), Some(47));
    Draft { file, line, ..Draft::new(time_ns, Level::INFO, "http.access", message) }
}

/// Encodes a record with five arguments into `out`, which is cleared.
pub fn encode(seq: u64, out: &mut Vec<u8>) {
    out.clear();
    let (item, status, time_us) = (seq % 977, 200, seq % 5000);
    let message = format_args!("request {seq} for {item} of {status}: {status} in {time_us} us");
    encode_record(&draft(seq, message), seq, out);
}

/// Decodes `entry` as many `times`; the bytes of all messages.
///
/// # Panics
/// It is none that [`encode`] has written.
pub fn decode_again(entry: &[u8], times: u64) -> usize {
    let mut record = Record::new(0, Level::INFO, "", "");
    let mut decoded = || {
        assert_eq!(decode(entry, &mut record), Ok(Entry::Record), "not a record");
        record.message.len()
    };
    (0..times).map(|_| decoded()).sum()
}

/// Lanes whose records take turns.
pub struct Lanes(Vec<LaneInput>);

impl Lanes {
    /// `lanes` of them, each with `records`.
    pub fn new(lanes: u64, records: u64) -> Lanes {
        let mut entry = Vec::new();
        let mut lane = |lane: u64| {
            let mut batch = vec![0; HEADER_BYTES];
            for record in 0..records {
                encode(record * lanes + lane, &mut entry);
                push_entry(&mut batch, &entry);
            }
            LaneInput {
                source: Source::Channel(lane),
                lane,
                process: Arc::default(),
                thread: Thread::default(),
                chunks: vec![Chunk::Batch(batch)],
            }
        };
        Lanes((0..lanes).map(&mut lane).collect())
    }

    /// Merges them by time; how many records there were.
    pub fn merge(&self) -> usize {
        let mut merge = Merge::of(&self.0);
        let mut records = 0;
        while let Some(merged) = merge.next() {
            records += usize::from(matches!(merged.item, Item::Record { .. }));
        }
        records
    }
}

/// A lane in shared memory with both its ends in one thread.
pub struct Lane {
    ring: Ring,
    reader: LaneReader,
    copy: Vec<u8>,
}

impl Lane {
    /// In the queue `dir`.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn new(dir: QueueDir) -> Lane {
        let lanes = dir.path().join("lanes");
        let ring = Ring::start(dir, Process::default(), Overflow::DropNewest, 1).expect("a lane");
        let path = lanes.join(format!("{:016x}.lane", ring.first_lane()));
        Lane { ring, reader: LaneReader::open(&path).expect("the lane"), copy: Vec::new() }
    }

    /// Publishes as many records with a constant message; fewer than a lane holds.
    pub fn publish(&self, records: u64) {
        for seq in 0..records {
            self.ring.send(&draft(seq, format_args!("served, and nothing else to say")));
        }
    }

    /// Reads all that was published, and gives up its room; how many entries there were.
    ///
    /// # Panics
    /// The lane is damaged.
    pub fn read(&mut self) -> usize {
        let (head, tail) = (self.reader.head(), self.reader.tail());
        let range = self.reader.read(head, tail, usize::MAX, &mut self.copy).expect("undamaged");
        let entries = Entries::of(&self.copy, range).count();
        self.reader.set_head(range.to);
        entries
    }
}

/// Whether a file of 10 MB at most is rotated before a line of `line_bytes` at `size_bytes`.
pub fn rotates_before(line_bytes: u64, size_bytes: u64) -> bool {
    let rule = Rule { max_bytes: 10_000_000, backup_count: 5, ..Rule::default() };
    rule.fills(line_bytes, size_bytes)
}
