//! Lanes that a listener makes in its own queue, for records that a sender elsewhere has sent: what
//! stands there survives the listener and is written once, as with the lanes of workers.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::LANES_DIR;
use super::bell::Bell;
use super::error::{LaneError, refused};
use super::fork;
use super::lane::{Lane, Purpose, lane_path};
use super::layout::Words;
use super::protocol;
use super::reader::{Entries, LaneReader};
use super::writer::LaneWriter;
use crate::Process;
use crate::codec::Relayed;
use crate::queue::QueueDir;

/// The lane of one sender.
pub(crate) struct SenderLane {
    lane: Arc<Lane>,
    writer: LaneWriter,
    path: PathBuf,
}

impl SenderLane {
    /// Makes a lane for the records of `sender` from number `first_seq` on.
    pub(crate) fn create(
        dir: &QueueDir,
        bell: &Arc<Bell>,
        process: &Process,
        sender: u64,
        first_seq: u64,
    ) -> Result<SenderLane, LaneError> {
        fork::prepare().map_err(refused("prepare forks in", dir.path()))?;
        let purpose = Purpose { sender, first_seq };
        let lane = Lane::create_for(dir, process, purpose, &mut fork::hold_off())?;
        let path = lane_path(&dir.path().join(LANES_DIR), lane.id);
        let lane = Arc::new(lane);
        let writer = LaneWriter::new(Arc::clone(&lane), Arc::clone(bell));
        Ok(SenderLane { lane, writer, path })
    }

    /// Writes an entry and makes it visible; false where there is no room. Never waits.
    pub(crate) fn push(&mut self, entry: &[u8]) -> bool {
        self.writer.try_append(entry)
    }

    /// Lets the listener look at what was pushed.
    pub(crate) fn ring(&self) {
        self.writer.ring();
    }

    /// The records before this number are in the log files.
    pub(crate) fn written(&self) -> u64 {
        protocol::observe(self.lane.written())
    }

    /// Whether nobody reads it any more: it is damaged, or its file was deleted.
    pub(crate) fn is_retired(&self) -> bool {
        self.lane.check(&fork::hold_off())
    }

    /// Ends the lane: its listener reads what there is and removes it. Where its file is.
    pub(crate) fn end(self) -> PathBuf {
        self.lane.end(&mut fork::hold_off());
        self.path
    }
}

/// What a killed listener has left of a sender.
pub(crate) struct LeftLane {
    pub(crate) path: PathBuf,
    pub(crate) sender: u64,
    /// Behind the last record that it holds, or has held.
    pub(crate) next_seq: u64,
}

/// The lanes of senders in `dir`. Call it when no other listener runs there, and before this one
/// removes lanes. What cannot be read of a lane was never acknowledged.
///
/// # Errors
/// The folder of the lanes cannot be read.
pub(crate) fn left_lanes(dir: &QueueDir) -> Result<Vec<LeftLane>, LaneError> {
    let folder = dir.path().join(LANES_DIR);
    let found = match fs::read_dir(&folder) {
        // No lane can be there; who makes one says what is wrong.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(Vec::new());
        }
        found => found.map_err(refused("read", &folder))?,
    };
    let is_lane = |path: &PathBuf| path.extension() == Some(OsStr::new("lane"));
    let lanes = found.flatten().map(|entry| entry.path()).filter(is_lane);
    Ok(lanes.filter_map(|path| left_lane(&path)).collect())
}

fn left_lane(path: &Path) -> Option<LeftLane> {
    // The listener itself says what is wrong with one that cannot be opened.
    let reader = LaneReader::open(path).ok()?;
    let sender = reader.facts().sender;
    (sender != 0).then(|| LeftLane { path: path.to_owned(), sender, next_seq: next_seq(&reader) })
}

fn next_seq(reader: &LaneReader) -> u64 {
    let (mut from, tail) = (reader.head(), reader.tail());
    let mut next_seq = reader.written();
    let mut bytes = Vec::new();
    while from < tail
        && let Ok(range) = reader.read(from, tail, super::LANE_BYTES, &mut bytes)
    {
        let relayed = Entries::of(&bytes, range).filter_map(|(entry, _)| Relayed::read(entry));
        next_seq = relayed.fold(next_seq, |next, entry| next.max(entry.seq.saturating_add(1)));
        from = range.to;
    }
    next_seq
}
