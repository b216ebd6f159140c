//! Makes lanes: files that other processes find whole, and that end with their worker.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nix::sys::resource::{Resource, getrlimit};

use super::error::{LaneError, refused};
use super::fork::{self, Guard, Proof};
use super::layout::{LaneFacts, SYNCED_AT, WRITTEN_AT, Words};
use super::mapping::{Mapping, PAGE_BYTES};
use super::{LANE_BYTES, LANES_DIR, MAX_QUEUE_BYTES};
use crate::Process;
use crate::queue::QueueDir;
use crate::queue::directory::verify_private;

/// How often a lane is begun again whose file, or folder, a listener has removed as a leftover.
const MAX_ATTEMPTS: u32 = 4;

/// A lane of this process, as all its threads see it; only the one that has the
/// [`LaneWriter`](super::writer::LaneWriter) writes.
pub(super) struct Lane {
    pub(super) id: u64,
    mapping: Mapping,
    proof: Proof,
    /// The process that made it.
    generation: u64,
    /// Calls that were queued or dropped.
    pub(super) records: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Sequence number behind the last call that is visible to the listener.
    pub(super) published_seq: AtomicU64,
    /// Its file was deleted: nobody will read what is written from now on.
    deleted: AtomicBool,
}

/// Whose records a lane is for.
#[derive(Clone, Copy, Default)]
pub(super) struct Purpose {
    /// The number of a sender elsewhere; 0: this process.
    pub(super) sender: u64,
    /// The number of its first record.
    pub(super) first_seq: u64,
}

impl Words for Lane {
    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}

impl Lane {
    /// Makes a lane for records of `process` in the queue `dir`, which is made if it is missing.
    pub(super) fn create(
        dir: &QueueDir,
        process: &Process,
        guard: &mut Guard,
    ) -> Result<Lane, LaneError> {
        Lane::create_for(dir, process, Purpose::default(), guard)
    }

    /// The same for a purpose of its own.
    pub(super) fn create_for(
        dir: &QueueDir,
        process: &Process,
        purpose: Purpose,
        guard: &mut Guard,
    ) -> Result<Lane, LaneError> {
        let mut attempt = 1;
        loop {
            match Lane::try_create(dir, process, purpose, guard) {
                Err(error) if error.is_taken_away() && attempt < MAX_ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    fn try_create(
        dir: &QueueDir,
        process: &Process,
        purpose: Purpose,
        guard: &mut Guard,
    ) -> Result<Lane, LaneError> {
        let lanes = lanes_dir(dir)?;
        check_room(&lanes)?;
        let id =
            getrandom::u64().map_err(|error| refused("name a lane in", &lanes)(error.into()))?;
        let Purpose { sender, first_seq } = purpose;
        let process = process.clone();
        let facts = LaneFacts { lane: id, capacity_bytes: LANE_BYTES, process, sender };
        let unfinished = Unfinished::create(lanes.join(format!("{id:016x}.new")))?;
        let Unfinished { path, file } = &unfinished;
        fill(file, &facts, first_seq).map_err(refused("reserve room for", path))?;
        let mapping = Mapping::of(file, LANE_BYTES).map_err(refused("map", path))?;
        let proof = lock(path).map_err(refused("lock", path))?;
        fs::rename(path, lane_path(&lanes, id)).map_err(refused("name", path))?;
        Ok(Lane {
            id,
            mapping,
            proof: Proof::new(proof, guard),
            generation: fork::generation(),
            records: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            published_seq: AtomicU64::new(0),
            deleted: AtomicBool::new(false),
        })
    }

    /// Ends the lane: its listener reads what there is and removes it.
    pub(super) fn end(&self, guard: &mut Guard) {
        self.proof.withdraw(guard);
    }

    /// Looks whether its file was deleted; tells whether the lane is retired.
    pub(super) fn check(&self, guard: &Guard) -> bool {
        if self.proof.is_unlinked(guard) {
            self.deleted.store(true, Ordering::Relaxed);
        }
        self.is_retired()
    }

    /// Whether nobody will read what is written from now on: its file was deleted, or a listener
    /// has found it damaged.
    pub(super) fn is_retired(&self) -> bool {
        self.deleted.load(Ordering::Relaxed) || self.quarantined().load(Ordering::Relaxed) != 0
    }

    /// Whether what is written now is ours to write, and will be read.
    pub(super) fn is_usable(&self) -> bool {
        self.generation == fork::generation() && !self.is_retired()
    }
}

/// The folder of the lanes, made where it is missing.
fn lanes_dir(dir: &QueueDir) -> Result<PathBuf, LaneError> {
    dir.create()?;
    let lanes = dir.path().join(LANES_DIR);
    match DirBuilder::new().mode(0o700).create(&lanes) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(refused("create", &lanes)(error));
        }
        _ => verify_private(&lanes)?,
    }
    Ok(lanes)
}

/// Where the lane `id` is found.
pub(super) fn lane_path(lanes: &Path, id: u64) -> PathBuf {
    lanes.join(format!("{id:016x}.lane"))
}

/// Checks that one lane more stays below the bound. Workers that start at the same instant may go
/// beyond it by a lane each.
fn check_room(lanes: &Path) -> Result<(), LaneError> {
    let io = || refused("read", lanes);
    let mut used_bytes = (PAGE_BYTES + LANE_BYTES) as u64;
    for found in fs::read_dir(lanes).map_err(io())? {
        match found.and_then(|found| found.metadata()) {
            Ok(metadata) => used_bytes += metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io()(error)),
        }
    }
    if used_bytes > MAX_QUEUE_BYTES {
        return Err(LaneError::Full { path: lanes.to_owned(), limit_bytes: MAX_QUEUE_BYTES });
    }
    Ok(())
}

/// Reserves all room now, because a full tmpfs would else kill us at the first touch of a page.
fn fill(file: &File, facts: &LaneFacts, first_seq: u64) -> io::Result<()> {
    let bytes = (PAGE_BYTES + facts.capacity_bytes) as libc::off_t;
    reserve(file, bytes)?;
    let mut page = facts.encode();
    for at in [WRITTEN_AT, SYNCED_AT] {
        page[at..at + 8].copy_from_slice(&first_seq.to_ne_bytes());
    }
    file.write_all_at(&page, 0)
}

/// Reserves room for a new file of this size. A limit on the size of files (`ulimit -f`) is an error
/// like any other: its signal would kill a worker for no more than a log call.
pub(super) fn reserve(file: &File, bytes: libc::off_t) -> io::Result<()> {
    let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)?;
    if limit < bytes as u64 {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(fallocate(file, FallocateFlags::empty(), 0, bytes)?)
}

/// Locks the file at `path` as a proof of life. Opened anew, because a mapping keeps its own opening
/// of the file, and with it the lock, until it is gone in the children too.
fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)?;
    fs2::FileExt::try_lock_exclusive(&file)?;
    Ok(file)
}

/// A file under its temporary name, which is gone when this is dropped. What a kill leaves behind is
/// removed by a listener: see `leftovers.rs`.
pub(super) struct Unfinished {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl Unfinished {
    pub(super) fn create(path: PathBuf) -> Result<Unfinished, LaneError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .map_err(refused("create", &path))?;
        Ok(Unfinished { path, file })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        let _gone = fs::remove_file(&self.path);
    }
}
