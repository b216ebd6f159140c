//! A reader meets pages, words and frames that no worker wrote. Seeded, so that a failure repeats.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

use super::{Queue, messages, read_all};
use crate::codec::{Draft, MAX_ENTRY_BYTES, decode};
use crate::queue::ring::LANE_BYTES;
use crate::queue::ring::entry::Damage;
use crate::queue::ring::layout::{LaneFacts, Words};
use crate::queue::ring::mapping::PAGE_BYTES;
use crate::queue::ring::protocol;
use crate::queue::ring::reader::{Entries, LaneReader, ReadRange};
use crate::queue::{Overflow, Transport};
use crate::{Level, Record};

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Numbers as they are found at edges, or any.
    fn number(&mut self) -> u64 {
        let edges = [0, 1, 7, 8, MAX_ENTRY_BYTES as u64, LANE_BYTES as u64, 1 << 32, u64::MAX];
        match self.below(3) {
            0 => self.next(),
            1 => self.below(2 * LANE_BYTES as u64),
            _ => edges[self.below(8) as usize].wrapping_add(self.below(17)).wrapping_sub(8),
        }
    }
}

/// A lane with some records, and its file.
fn written_lane(records: usize) -> (Queue, LaneReader, File) {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    for record in 0..records {
        ring.send(&Draft::new(
            1,
            Level::INFO,
            "l",
            format_args!("{record:0width$}", width = record % 90),
        ));
    }
    let path = queue.lanes().pop().expect("a lane");
    let file = OpenOptions::new().read(true).write(true).open(&path).expect("a file");
    (queue, LaneReader::open(&path).expect("a lane"), file)
}

#[test]
fn whatever_stands_in_a_lane_is_read_within_bounds_or_named() {
    const CASES: u64 = 220_000;
    let (_queue, reader, file) = written_lane(200);
    let tail = reader.tail();
    let mut pristine = vec![0; LANE_BYTES];
    file.read_exact_at(&mut pristine, PAGE_BYTES as u64).expect("the ring");
    let mut random = Random(11);
    let (mut out, mut damaged, mut whole) = (Vec::new(), 0, 0);
    for _ in 0..CASES {
        let at = random.below(tail) as usize / 4 * 4;
        let width = [1, 4, 8][random.below(3) as usize];
        file.write_all_at(&random.number().to_le_bytes()[..width], (PAGE_BYTES + at) as u64)
            .expect("a write");
        let shared = if random.below(2) == 0 { tail } else { random.number() };
        protocol::publish(Words::tail(&reader), shared);
        let from = if random.below(2) == 0 { reader.head() } else { random.number() };
        let max_bytes = random.below(600) as usize;
        match reader.read(from, reader.tail(), max_bytes, &mut out) {
            Ok(range) => {
                whole += 1;
                let entries: Vec<_> = Entries::of(&out, range).collect();
                assert_eq!(entries.last().map_or(from, |(_, end)| *end), range.to);
                assert!(range.to <= shared);
                entries.iter().for_each(|(entry, _)| {
                    drop(decode(entry, &mut Record::new(0, Level::INFO, "", "")))
                });
            }
            Err(_) => damaged += 1,
        }
        assert!(out.capacity() <= 4 * LANE_BYTES, "{} bytes", out.capacity());
        file.write_all_at(&pristine[at..at + 8], (PAGE_BYTES + at) as u64).expect("a write");
    }
    assert!(damaged > CASES / 10 && whole > CASES / 10, "{damaged} damaged, {whole} whole");
}

#[test]
fn a_page_of_whatever_numbers_is_refused_or_within_limits() {
    let (_queue, _reader, file) = written_lane(1);
    let mut pristine = [0; PAGE_BYTES];
    file.read_exact_at(&mut pristine, 0).expect("a page");
    let mut random = Random(12);
    for _ in 0..50_000 {
        let mut page = pristine;
        let at = random.below(64) as usize;
        page[at..at + 8].copy_from_slice(&random.number().to_le_bytes());
        if let Ok(facts) = LaneFacts::decode(&page) {
            assert!(facts.capacity_bytes.is_power_of_two());
            assert!(facts.process.name.len() <= 256 && facts.process.program.len() <= 256);
        }
    }
}

#[test]
fn a_file_that_is_no_whole_lane_is_not_mapped() {
    let (queue, _reader, file) = written_lane(1);
    let path = queue.lanes().pop().expect("a lane");
    let refusal = || LaneReader::open(&path).err().expect("must be refused").to_string();
    file.set_len((PAGE_BYTES + LANE_BYTES + 1) as u64).expect("longer");
    assert!(refusal().contains("its size is not what it says"));
    file.set_len(100).expect("shorter");
    assert!(refusal().contains("it is too short"));
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/dev/null", &path).expect("a link");
    assert!(refusal().contains("cannot open"));
}

#[test]
fn damage_has_its_position_and_what_stands_before_it_is_read() {
    let (_queue, reader, file) = written_lane(10);
    let mut out = Vec::new();
    let all = reader.read(0, reader.tail(), LANE_BYTES, &mut out).expect("undamaged");
    let ends: Vec<u64> = Entries::of(&out, all).map(|(_, end)| end).collect();
    let position = ends[4];
    file.write_all_at(&[0xff; 4], PAGE_BYTES as u64 + position).expect("a write");
    let before = reader.read(0, reader.tail(), LANE_BYTES, &mut out);
    assert_eq!(before, Ok(ReadRange { from: 0, to: position }));
    let damage = reader.read(position, reader.tail(), LANE_BYTES, &mut out);
    assert_eq!(damage, Err(Damage::Length { position, length: 0xffff_ffff }));
    file.write_all_at(&[1, 0, 0, 0, 0], PAGE_BYTES as u64 + position).expect("a write");
    let damage = reader.read(position, reader.tail(), LANE_BYTES, &mut out);
    assert_eq!(damage, Err(Damage::Tag { position }));
    let tail = LANE_BYTES as u64 + 8;
    assert_eq!(reader.read(0, tail, 1, &mut out), Err(Damage::Range { from: 0, tail }));
}

#[test]
fn an_entry_longer_than_what_is_asked_for_is_read_whole() {
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    let text = "x".repeat(10_000);
    ring.send(&Draft::new(1, Level::INFO, "l", format_args!("{text}")));
    let reader = queue.readers().pop().expect("a lane");
    assert_eq!(messages(&reader), [text]);
    assert_eq!(read_all(&reader).len(), 2);
}

#[test]
fn a_head_that_cannot_be_stops_the_writer_not_the_process() {
    let (_queue, reader, _file) = written_lane(0);
    let queue = Queue::new();
    let ring = queue.ring(Overflow::DropNewest);
    let other = queue.readers().pop().expect("a lane");
    let mut random = Random(13);
    for _ in 0..2000 {
        other.set_head(random.number());
        let text = "x".repeat(random.below(3000) as usize);
        ring.send(&Draft::new(1, Level::INFO, "l", format_args!("{text}")));
    }
    assert_eq!(ring.stats().records, 2000);
    assert_eq!(reader.tail(), 0);
}
