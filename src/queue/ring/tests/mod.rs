//! What only several modules together, or several processes, can show.

mod contract;
mod damage;
mod model;
mod processes;
mod retired;
mod threads;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use super::reader::{Entries, LaneReader};
use super::{LANES_DIR, MAX_LANES_PER_PROCESS, Ring};
use crate::codec::{Entry, decode};
use crate::queue::contract::PATIENCE;
use crate::queue::{Overflow, QueueDir};
use crate::{Context, Level, Process, Record};

/// A queue directory on tmpfs that goes with the test.
struct Queue {
    place: TempDir,
}

impl Queue {
    fn new() -> Queue {
        Queue { place: tempfile::tempdir_in("/dev/shm").expect("a directory") }
    }

    fn dir(&self) -> QueueDir {
        QueueDir::at(self.place.path().join("q")).expect("a short path")
    }

    fn ring(&self, overflow: Overflow) -> Ring {
        start(self.dir(), overflow, MAX_LANES_PER_PROCESS)
    }

    /// The paths of all lanes, in no order.
    fn lanes(&self) -> Vec<PathBuf> {
        let found = fs::read_dir(self.dir().path().join(LANES_DIR)).expect("lanes");
        found
            .map(|found| found.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "lane"))
            .collect()
    }

    fn readers(&self) -> Vec<LaneReader> {
        self.lanes().iter().map(|path| LaneReader::open(path).expect("a lane")).collect()
    }
}

fn start(dir: QueueDir, overflow: Overflow, max_lanes: usize) -> Ring {
    let context = Context::new([("run_id", "5f")]).into();
    let process = Process { id: std::process::id(), context, ..Process::default() };
    Ring::start(dir, process, overflow, max_lanes).expect("a lane")
}

/// Waits until `holds`.
fn until(claim: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{claim}");
        thread::yield_now();
    }
}

/// What is visible in a lane from its head on.
fn read_all(reader: &LaneReader) -> Vec<Vec<u8>> {
    let (mut out, mut entries, mut from) = (Vec::new(), Vec::new(), reader.head());
    let tail = reader.tail();
    while from < tail {
        let range = reader.read(from, tail, 4096, &mut out).expect("undamaged");
        entries.extend(Entries::of(&out, range).map(|(entry, _)| entry.to_vec()));
        from = range.to;
    }
    entries
}

/// The messages in a lane, after a check that their numbers have no gap.
fn messages(reader: &LaneReader) -> Vec<String> {
    let mut next_seq = 0;
    let mut messages = Vec::new();
    for entry in read_all(reader) {
        let mut record = Record::new(0, Level::INFO, "", "");
        match decode(&entry, &mut record).expect("an entry") {
            Entry::Record => {
                assert_eq!(record.seq, next_seq);
                next_seq += 1;
                messages.push(record.message.into_owned());
            }
            Entry::Drops(drops) => {
                assert_eq!(drops.first_seq, next_seq);
                next_seq += drops.total();
            }
            Entry::Thread { .. } => {}
        }
    }
    messages
}
