//! The lanes in shared memory: found by looking into their folder, read, given up entry by entry
//! as these are written, and removed when their worker has ended.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::files::BatchLanes;
use super::round::{Chunk, LaneInput, Source};
use crate::causes::with_causes;
use crate::queue::QueueDir;
use crate::queue::ring::{LANES_DIR, LaneReader};
use crate::{Process, Thread};

/// Most bytes that a round takes from one lane.
const MAX_READ_BYTES: usize = 128 * 1024;

/// How often the folder is looked into although nothing seems to have changed in it, and lanes are
/// asked whether their workers live.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Two changes of a folder within this time may leave it with the same time of change.
const CHANGE_RESOLUTION: Duration = Duration::from_millis(50);

pub(super) struct Lanes {
    folder: PathBuf,
    lanes: Vec<Lane>,
    /// Files that are no lanes, or damaged ones: told once, left where they are.
    refused: HashSet<OsString>,
    troubles: Vec<String>,
    looked_at: Option<Instant>,
    changed_at: Option<SystemTime>,
    /// Nothing behind the tails of that time is read any more.
    is_stopping: bool,
}

/// One lane, as far as it is read.
pub(super) struct Lane {
    reader: LaneReader,
    name: OsString,
    pub(super) process: Arc<Process>,
    /// The thread of the last record.
    thread: Thread<'static>,
    pub(super) next_seq: u64,
    /// Entries before this position are written.
    head: u64,
    /// Entries before this position are in the batch.
    taken: u64,
    /// Nothing behind this position is read, where a stop has set it.
    limit: Option<u64>,
    /// Calls that have waited for room, as last seen.
    waits: u64,
    asked_alive_at: Instant,
    is_damaged: bool,
}

/// The ends of all lanes at one time.
pub(super) struct Tails(HashMap<OsString, u64>);

impl Lanes {
    pub(super) fn new(queue: &QueueDir) -> Lanes {
        Lanes {
            folder: queue.path().join(LANES_DIR),
            lanes: Vec::new(),
            refused: HashSet::new(),
            troubles: Vec::new(),
            looked_at: None,
            changed_at: None,
            is_stopping: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Lanes whose workers may still write.
    pub(super) fn count(&self) -> u64 {
        self.lanes.len() as u64
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Lane {
        &mut self.lanes[index]
    }

    /// What the log should say of lanes that cannot be read.
    pub(super) fn take_troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Looks for new lanes where the folder has changed, and for ended ones now and then.
    pub(super) fn look(&mut self) {
        if self.is_stopping {
            return self.remove_ended(LOOK_INTERVAL);
        }
        let changed_at = fs::metadata(&self.folder).and_then(|folder| folder.modified()).ok();
        let is_recent = changed_at.is_some_and(|at| {
            SystemTime::now().duration_since(at).is_ok_and(|since| since < CHANGE_RESOLUTION)
        });
        let is_due = self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL);
        if is_due || is_recent || changed_at != self.changed_at {
            self.changed_at = changed_at;
            self.looked_at = Some(Instant::now());
            self.find();
        }
        self.remove_ended(LOOK_INTERVAL);
    }

    fn find(&mut self) {
        // Without workers there is no folder.
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_lane = name.as_encoded_bytes().ends_with(b".lane");
            let known =
                self.refused.contains(&name) || self.lanes.iter().any(|lane| lane.name == name);
            if !is_lane || known {
                continue;
            }
            match LaneReader::open(&entry.path()) {
                Ok(reader) => self.lanes.push(Lane::new(reader, name)),
                Err(error) => {
                    self.troubles.push(with_causes(&error));
                    self.refused.insert(name);
                }
            }
        }
    }

    /// Asks every lane whether it has ended, and gives back what is of no use without lanes.
    pub(super) fn close(&mut self) {
        self.remove_ended(Duration::ZERO);
        if self.lanes.is_empty() {
            // Workers that come now make it anew; it is not empty where a lane was refused.
            let _in_use = fs::remove_dir(&self.folder);
        }
    }

    /// Removes the lanes that were read to their end and whose workers have ended; asks each at most
    /// once in `interval`. Damaged ones stay for whoever wants to know, and are not read any more.
    fn remove_ended(&mut self, interval: Duration) {
        let (troubles, refused) = (&mut self.troubles, &mut self.refused);
        let ended = self.lanes.extract_if(.., |lane| lane.is_damaged || lane.has_ended(interval));
        for lane in ended {
            if lane.is_damaged {
                refused.insert(lane.name);
            } else if let Err(error) = lane.reader.remove() {
                troubles.push(with_causes(&error));
                refused.insert(lane.name);
            }
        }
    }

    /// From now on reads nothing that becomes visible later, and finds no more lanes.
    pub(super) fn stop_at_tails(&mut self) {
        self.is_stopping = true;
        self.lanes.iter_mut().for_each(|lane| lane.limit = Some(lane.reader.tail()));
    }

    /// Copies what has become visible, at most [`MAX_READ_BYTES`] of each lane.
    pub(super) fn read(&mut self) -> Vec<LaneInput> {
        let mut inputs = Vec::new();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let tail = lane.limit.unwrap_or_else(|| lane.reader.tail());
            if tail != lane.head && !lane.is_damaged {
                inputs.extend(lane.read(index, tail, MAX_READ_BYTES, &mut self.troubles));
            }
        }
        inputs
    }

    /// Copies exactly what batch `batch` has announced.
    pub(super) fn read_announced(&mut self, batch: u64) -> Vec<LaneInput> {
        let mut inputs = Vec::new();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let next_head = lane.reader.next_head();
            if lane.reader.batch() == batch && next_head != lane.head {
                inputs.extend(lane.read(index, next_head, usize::MAX, &mut self.troubles));
            }
        }
        inputs
    }

    /// Where the lanes end now.
    pub(super) fn tails(&self) -> Tails {
        Tails(self.lanes.iter().map(|lane| (lane.name.clone(), lane.reader.tail())).collect())
    }

    /// Whether everything before `tails` is written.
    pub(super) fn has_passed(&self, tails: &Tails) -> bool {
        self.lanes.iter().all(|lane| tails.0.get(&lane.name).is_none_or(|tail| lane.head >= *tail))
    }

    /// Whether a worker waits for an fsync.
    pub(super) fn wants_sync(&self) -> bool {
        let wants = |lane: &Lane| lane.reader.sync_asked() > lane.reader.synced();
        self.lanes.iter().any(|lane| wants(lane) && lane.may_be_synced())
    }

    /// Tells the workers that what is written is on the disk as well.
    pub(super) fn set_synced(&mut self) {
        let lanes = self.lanes.iter().filter(|lane| lane.may_be_synced());
        lanes.for_each(|lane| lane.reader.set_synced(lane.reader.written()));
    }

    /// What is written may never get to the disk, so that nothing later can be said to be there.
    pub(super) fn doubt(&mut self) {
        let lanes = self.lanes.iter().filter(|lane| lane.may_be_synced());
        lanes.for_each(|lane| lane.reader.set_doubtful());
    }
}

impl Lane {
    fn new(reader: LaneReader, name: OsString) -> Lane {
        let head = reader.head();
        Lane {
            process: Arc::new(reader.facts().process.clone()),
            thread: Thread::default(),
            next_seq: reader.written(),
            head,
            taken: head,
            limit: None,
            waits: 0,
            asked_alive_at: Instant::now(),
            is_damaged: false,
            reader,
            name,
        }
    }

    fn read(
        &mut self,
        index: usize,
        tail: u64,
        max_bytes: usize,
        troubles: &mut Vec<String>,
    ) -> Option<LaneInput> {
        let mut bytes = Vec::new();
        match self.reader.read(self.head, tail, max_bytes, &mut bytes) {
            Ok(range) => Some(LaneInput {
                source: Source::Ring(index),
                lane: self.reader.facts().lane,
                process: Arc::clone(&self.process),
                thread: self.thread.clone(),
                chunks: vec![Chunk::Ring { bytes, range }],
            }),
            Err(damage) => {
                let Process { name, id, .. } = &*self.process;
                let file = self.name.to_string_lossy();
                troubles.push(format!(
                    "lane {file} of {name} ({id}) is damaged and not read any more: {damage}"
                ));
                self.is_damaged = true;
                None
            }
        }
    }

    /// Whether calls are written that may be said to be on the disk when they are.
    fn may_be_synced(&self) -> bool {
        self.reader.written() > self.reader.synced() && !self.reader.is_doubtful()
    }

    /// The entries before `position` are in the batch.
    pub(super) fn take(&mut self, position: u64) {
        self.taken = position;
    }

    /// How many calls have waited for room since this was last asked.
    pub(super) fn take_waits(&mut self) -> u64 {
        let seen = std::mem::replace(&mut self.waits, self.reader.waits());
        self.waits.saturating_sub(seen)
    }

    /// Keeps the thread of the last entry for the next round.
    pub(super) fn set_thread(&mut self, thread: Thread<'static>) {
        self.thread = thread;
    }

    /// Whether nobody writes any more and all is written; asked at most once in `interval`.
    fn has_ended(&mut self, interval: Duration) -> bool {
        if self.head != self.reader.tail() || self.asked_alive_at.elapsed() < interval {
            return false;
        }
        self.asked_alive_at = Instant::now();
        // First asked, then looked: what was written before the end is visible then.
        !self.reader.is_alive().unwrap_or(true) && self.head == self.reader.tail()
    }
}

impl BatchLanes for Lanes {
    fn announce(&mut self, batch: u64) {
        for lane in self.lanes.iter().filter(|lane| lane.taken != lane.head) {
            lane.reader.set_next_head(lane.taken);
            lane.reader.set_batch(batch);
        }
    }

    fn advance(&mut self) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.taken != lane.head) {
            lane.head = lane.taken;
            // In this order: killed in between, the next listener counts nothing as missing.
            lane.reader.set_written(lane.next_seq);
            lane.reader.set_head(lane.head);
        }
    }
}
