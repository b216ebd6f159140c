//! The lanes in shared memory: found by looking into their folder, read, given up entry by entry
//! as these are written, and removed when their worker has ended.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::files::BatchLanes;
use super::lane::Lane;
use super::round::LaneInput;
use crate::Process;
use crate::causes::with_causes;
use crate::fault;
use crate::queue::QueueDir;
use crate::queue::ring::{LANES_DIR, LaneError, LaneReader, quarantine, remove_unfinished};

/// Most bytes that a round takes from one lane.
const MAX_READ_BYTES: usize = 128 * 1024;

/// Most bytes that a round takes from all lanes, but at least one entry of each.
const MAX_ROUND_BYTES: usize = 16 << 20;

/// Most lanes that are read at the same time; others wait until there are fewer. The bound on the
/// bytes of a queue is reached long before, unless lanes are smaller than workers make them.
const MAX_LANES: usize = 4096;

/// How often the folder is looked into although nothing seems to have changed in it, and lanes are
/// asked whether their workers live.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Two changes of a folder within this time may leave it with the same time of change: after the
/// first it has to be looked into once more.
const CHANGE_RESOLUTION: Duration = Duration::from_millis(50);

pub(super) struct Lanes {
    folder: PathBuf,
    lanes: Vec<Lane>,
    /// Their file names.
    names: HashSet<OsString>,
    /// Files that were told of and are still there: each is told of once.
    told: HashSet<OsString>,
    troubles: Vec<String>,
    damaged: u64,
    looked_at: Option<Instant>,
    changed_at: Option<SystemTime>,
    /// Nothing behind the tails of that time is read any more.
    is_stopping: bool,
}

/// The ends of all lanes at one time.
pub(super) struct Tails(HashMap<OsString, u64>);

impl Lanes {
    pub(super) fn new(queue: &QueueDir) -> Lanes {
        Lanes {
            folder: queue.path().join(LANES_DIR),
            lanes: Vec::new(),
            names: HashSet::new(),
            told: HashSet::new(),
            troubles: Vec::new(),
            damaged: 0,
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
        let is_due = self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_INTERVAL);
        if is_due || changed_at != self.changed_at {
            let is_recent = |at: SystemTime| {
                SystemTime::now().duration_since(at).is_ok_and(|since| since < CHANGE_RESOLUTION)
            };
            self.changed_at = changed_at.filter(|at| !is_recent(*at));
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
        let told = std::mem::take(&mut self.told);
        for entry in entries.flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let outcome = match path.extension().and_then(OsStr::to_str) {
                Some("lane") if !self.names.contains(&name) => self.open(&path, &name),
                Some("new") => remove_unfinished(&path),
                _ => Ok(()),
            };
            self.told.extend(told.get(&name).cloned());
            if let Err(error) = outcome {
                self.complain(name, &error);
            }
        }
    }

    /// Takes in the lane at `path`. What the system refuses now it may allow at the next look.
    fn open(&mut self, path: &Path, name: &OsString) -> Result<(), LaneError> {
        if self.lanes.len() >= MAX_LANES {
            return Err(LaneError::Waits { path: path.to_owned(), limit: MAX_LANES });
        }
        match LaneReader::open(path) {
            Ok(reader) => {
                self.names.insert(name.clone());
                self.lanes.push(Lane::new(reader, name.clone()));
                Ok(())
            }
            Err(LaneError::Unusable { problem, .. }) => {
                let kept = quarantine(path)?;
                self.tell_damage(format!("a lane is damaged: {problem}"), &kept);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn tell_damage(&mut self, what: String, kept: &Path) {
        self.damaged += 1;
        let kept = kept.display();
        self.troubles.push(format!("{what}; what could not be read is kept in {kept} for a while"));
    }

    /// Says what is wrong with a file, unless that was said before.
    fn complain(&mut self, name: OsString, error: &LaneError) {
        if self.told.insert(name) {
            self.troubles.push(with_causes(error));
        }
    }

    /// Lanes that were taken out of use because they cannot be read.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The worker that has the lane of this number has left: asks its lanes soon whether they have
    /// ended.
    pub(super) fn ask_soon(&mut self, lane: u64) {
        let known = self.lanes.iter().find(|known| known.reader.facts().lane == lane);
        let Some(process) = known.map(|known| Arc::clone(&known.process)) else {
            return;
        };
        self.lanes.iter_mut().filter(|lane| lane.process == process).for_each(Lane::ask_soon);
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
    /// once in `interval`. Damaged ones are taken out of use.
    fn remove_ended(&mut self, interval: Duration) {
        let is_over = |lane: &mut Lane| {
            !lane.is_in_batch() && (lane.damage.is_some() || lane.has_ended(interval))
        };
        let over: Vec<_> = self.lanes.extract_if(.., is_over).collect();
        for lane in over {
            self.names.remove(&lane.name);
            let name = lane.name.clone();
            fault::point("before-lane-removal");
            if let Err(error) = self.part_with(lane) {
                self.complain(name, &error);
            }
        }
    }

    fn part_with(&mut self, lane: Lane) -> Result<(), LaneError> {
        let Some(damage) = &lane.damage else {
            return lane.reader.remove();
        };
        let kept = quarantine(&self.folder.join(&lane.name))?;
        let Process { name, id, .. } = &*lane.process;
        let next_seq = lane.next_seq;
        self.tell_damage(
            format!("a lane of {name} ({id}) is damaged from record {next_seq} on: {damage}"),
            &kept,
        );
        Ok(())
    }

    /// From now on reads nothing that becomes visible later, and finds no more lanes.
    pub(super) fn stop_at_tails(&mut self) {
        self.is_stopping = true;
        self.lanes.iter_mut().for_each(Lane::stop_at_tail);
    }

    /// Whether a worker may be about to leave a lane that was deleted.
    pub(super) fn are_being_left(&self) -> bool {
        self.lanes.iter().any(Lane::is_being_left)
    }

    /// Whether there is something to read.
    pub(super) fn has_news(&self) -> bool {
        self.lanes.iter().any(|lane| lane.unread().is_some())
    }

    /// Copies what has become visible: at most [`MAX_READ_BYTES`] of each lane, and so much of each
    /// that all together stay below [`MAX_ROUND_BYTES`].
    pub(super) fn read(&mut self) -> Vec<LaneInput> {
        let unread = self.lanes.iter().enumerate();
        let unread: Vec<_> =
            unread.filter_map(|(index, lane)| Some((index, lane.unread()?))).collect();
        let share = (MAX_ROUND_BYTES / unread.len().max(1)).min(MAX_READ_BYTES);
        let read = |(index, tail): (usize, u64)| self.lanes[index].read(index, tail, share);
        unread.into_iter().filter_map(read).collect()
    }

    /// Copies exactly what batch `batch` has announced.
    pub(super) fn read_announced(&mut self, batch: u64) -> Vec<LaneInput> {
        let mut inputs = Vec::new();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let next_head = lane.reader.next_head();
            if lane.reader.batch() == batch && next_head > lane.head {
                inputs.extend(lane.read(index, next_head, usize::MAX));
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

impl Tails {
    /// Once passed they are passed for good, and need no more looks.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl BatchLanes for Lanes {
    fn announce(&mut self, batch: u64) {
        self.lanes.iter().filter(|lane| lane.is_in_batch()).for_each(|lane| lane.announce(batch));
    }

    fn advance(&mut self) {
        self.lanes.iter_mut().filter(|lane| lane.is_in_batch()).for_each(Lane::advance);
    }
}
