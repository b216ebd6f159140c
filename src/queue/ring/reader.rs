//! The reading side of a lane: trusts nothing that it finds there, and reads nothing twice.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::entry::{Damage, FRAME_BYTES, entry_length, framed_bytes};
use super::error::{LaneError, refused};
use super::layout::{LaneFacts, PageRefusal, Words};
use super::mapping::{Mapping, PAGE_BYTES};
use super::{futex, leftovers, protocol, speaker};
use crate::{Thread, regular_file};

/// A lane, as the listener sees it. Keeps no descriptor open.
///
/// A worker that cuts its lane short while it is mapped can end the listener with SIGBUS: lanes
/// belong to the same user, who could as well kill it.
pub(crate) struct LaneReader {
    path: PathBuf,
    facts: LaneFacts,
    mapping: Mapping,
}

/// The positions of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadRange {
    pub(crate) from: u64,
    /// Behind the last entry that was read.
    pub(crate) to: u64,
}

impl Words for LaneReader {
    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}

impl LaneReader {
    /// Opens the lane at `path`.
    ///
    /// # Errors
    /// The system refused, or the file is no lane of this user and this release.
    pub(crate) fn open(path: &Path) -> Result<LaneReader, LaneError> {
        let unusable = |problem| LaneError::Unusable { path: path.to_owned(), problem };
        let file = regular_file::open(path, OpenOptions::new().read(true).write(true))
            .map_err(refused("open", path))?;
        let metadata = file.metadata().map_err(refused("examine", path))?;
        if metadata.uid() != nix::unistd::geteuid().as_raw() {
            return Err(unusable("it belongs to another user"));
        }
        let mut page = [0; PAGE_BYTES];
        file.read_exact_at(&mut page, 0).map_err(|_| unusable("it is too short"))?;
        let facts = LaneFacts::decode(&page).map_err(|refusal| match refusal {
            PageRefusal::OtherRelease => LaneError::OtherRelease { path: path.to_owned() },
            PageRefusal::Damage(problem) => unusable(problem),
        })?;
        if metadata.len() != (PAGE_BYTES + facts.capacity_bytes) as u64 {
            return Err(unusable("its size is not what it says"));
        }
        let mapping = Mapping::of(&file, facts.capacity_bytes).map_err(refused("map", path))?;
        Ok(LaneReader { path: path.to_owned(), facts, mapping })
    }

    /// What the lane says of itself.
    pub(crate) fn facts(&self) -> &LaneFacts {
        &self.facts
    }

    /// Whether somebody may still write: ask this first, then read the tail, then drain.
    ///
    /// # Errors
    /// The system refused; a lane without a file has ended.
    pub(crate) fn is_alive(&self) -> Result<bool, LaneError> {
        let file = match regular_file::open(&self.path, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.map_err(refused("open", &self.path))?,
        };
        // Shared, so that two who ask at once do not take each other for the worker.
        match fs2::FileExt::try_lock_shared(&file) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => Ok(true),
            Err(error) => Err(refused("lock", &self.path)(error)),
        }
    }

    /// Whether its file was deleted, by somebody else than a listener: its worker may not know.
    pub(crate) fn is_deleted(&self) -> bool {
        matches!(fs::symlink_metadata(&self.path), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Tells the worker to go on in another lane. A call that has begun may still be written to this one.
    pub(crate) fn retire(&self) {
        self.quarantined().store(1, Ordering::Relaxed);
    }

    /// The position behind the last entry that is visible now.
    pub(crate) fn tail(&self) -> u64 {
        protocol::observe(Words::tail(self))
    }

    /// Copies whole entries from position `from` on into `out`, which is cleared: none behind `tail`,
    /// about `max_bytes` of them but at least one if there is one. [`Entries`] walks through them.
    ///
    /// # Errors
    /// What is there cannot have been written by a worker; `out` holds the entries before it if there
    /// are any, and the next call returns the error.
    pub(crate) fn read(
        &self,
        from: u64,
        tail: u64,
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<ReadRange, Damage> {
        out.clear();
        let unread = tail.checked_sub(from).filter(|bytes| {
            *bytes <= self.facts.capacity_bytes as u64 && (from | tail).is_multiple_of(8)
        });
        let Some(unread) = unread else {
            return Err(Damage::Range { from, tail });
        };
        if unread == 0 {
            return Ok(ReadRange { from, to: from });
        }
        let unread = unread as usize;
        self.copy(from, unread.min(max_bytes).max(FRAME_BYTES), out);
        let mut whole = whole_entries(out, from, unread)?;
        if whole == 0 {
            // The first entry is longer than what was asked for.
            let length = first_length(out, from)?;
            out.clear();
            self.copy(from, framed_bytes(length).min(unread), out);
            // The copy is another than the one whose length was seen.
            whole = whole_entries(out, from, unread)?;
            if whole == 0 {
                return Err(Damage::Tag { position: from });
            }
        }
        out.truncate(whole);
        Ok(ReadRange { from, to: from + whole as u64 })
    }

    fn copy(&self, from: u64, bytes: usize, out: &mut Vec<u8>) {
        // SAFETY: nobody writes through this mapping; another process may do so at the same time,
        // which can change the copy but nothing else.
        unsafe { self.mapping.read(from, bytes, out) }
    }

    /// The position of the first entry that is still needed.
    pub(crate) fn head(&self) -> u64 {
        protocol::observe(Words::head(self))
    }

    /// Gives the room before `head` back to the worker. One that waits for room is woken when half of
    /// the lane is free, so that it writes many records for one wake.
    pub(crate) fn set_head(&self, head: u64) {
        protocol::publish(Words::head(self), head);
        if self.is_half_free(head) && protocol::takes_wake(self.room_asleep()) {
            futex::wake_all(Words::head(self));
        }
    }

    fn is_half_free(&self, head: u64) -> bool {
        self.tail().wrapping_sub(head) <= self.facts.capacity_bytes as u64 / 2
    }

    /// The thread that speaks at the head, unless a mark behind it says another.
    pub(crate) fn thread(&self) -> Thread<'static> {
        speaker::read(&self.mapping, self.head())
    }

    /// Keeps for the next listener who speaks at `position`; call it before the head goes there.
    pub(crate) fn keep_thread(&self, position: u64, thread: &Thread<'_>) {
        speaker::write(&self.mapping, self.head(), position, thread);
    }

    /// What the head is to become when batch [`batch`](Self::batch) is written.
    pub(crate) fn next_head(&self) -> u64 {
        protocol::observe(Words::next_head(self))
    }

    pub(crate) fn set_next_head(&self, position: u64) {
        protocol::publish(Words::next_head(self), position);
    }

    /// The batch that [`next_head`](Self::next_head) belongs to.
    pub(crate) fn batch(&self) -> u64 {
        protocol::observe(Words::batch(self))
    }

    pub(crate) fn set_batch(&self, batch: u64) {
        protocol::publish(Words::batch(self), batch);
    }

    /// The calls before this one are in the log file.
    pub(crate) fn written(&self) -> u64 {
        protocol::observe(Words::written(self))
    }

    /// Tells those who flush.
    pub(crate) fn set_written(&self, seq: u64) {
        protocol::publish(Words::written(self), seq);
        self.wake_flushes();
    }

    /// The calls before this one are on the disk.
    pub(crate) fn synced(&self) -> u64 {
        protocol::observe(Words::synced(self))
    }

    /// Tells those who flush.
    pub(crate) fn set_synced(&self, seq: u64) {
        protocol::publish(Words::synced(self), seq);
        self.wake_flushes();
    }

    /// Whether a sync failed when calls were written that are not on the disk: they may never get
    /// there, and no later call may be said to be.
    pub(crate) fn is_doubtful(&self) -> bool {
        Words::is_doubtful(self).load(Ordering::Relaxed) != 0
    }

    pub(crate) fn set_doubtful(&self) {
        Words::is_doubtful(self).store(1, Ordering::Relaxed);
    }

    /// How many calls have waited for room, as the worker says.
    pub(crate) fn waits(&self) -> u64 {
        Words::waits(self).load(Ordering::Relaxed)
    }

    /// The worker waits until the calls before this one are on the disk.
    pub(crate) fn sync_asked(&self) -> u64 {
        Words::sync_asked(self).load(Ordering::Relaxed)
    }

    fn wake_flushes(&self) {
        if protocol::takes_wake(self.flush_asleep()) {
            futex::wake_all(Words::written(self));
            futex::wake_all(Words::synced(self));
        }
    }

    /// Removes the file of a lane that has ended and was read to its end.
    ///
    /// # Errors
    /// The system refused; that it is gone already is none.
    pub(crate) fn remove(self) -> Result<(), LaneError> {
        leftovers::remove(&self.path)
    }
}

/// The entries in what [`LaneReader::read`] has copied, each with the position behind it.
pub(crate) struct Entries<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl<'a> Entries<'a> {
    pub(crate) fn of(bytes: &'a [u8], range: ReadRange) -> Entries<'a> {
        Entries { bytes, position: range.from }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], u64);

    fn next(&mut self) -> Option<Self::Item> {
        let length = first_length(self.bytes, self.position).ok()?;
        let (framed, rest) = self.bytes.split_at_checked(framed_bytes(length))?;
        self.bytes = rest;
        self.position += framed.len() as u64;
        Some((&framed[FRAME_BYTES..FRAME_BYTES + length], self.position))
    }
}

/// The length of the entry that begins `bytes`, which stand at `position`.
fn first_length(bytes: &[u8], position: u64) -> Result<usize, Damage> {
    let frame = bytes.first_chunk().ok_or(Damage::Tag { position })?;
    entry_length(frame, position)
}

/// How many of `bytes`, copied from `from` on, are whole entries. An entry that ends behind the
/// `unread` bytes, or one that is none, is damage where it is the first.
fn whole_entries(bytes: &[u8], from: u64, unread: usize) -> Result<usize, Damage> {
    let mut whole = 0;
    while bytes.len() - whole >= FRAME_BYTES {
        let position = from + whole as u64;
        let length = match first_length(&bytes[whole..], position) {
            Ok(length) if framed_bytes(length) <= unread - whole => length,
            Ok(length) if whole == 0 => {
                return Err(Damage::Length { position, length: length as u64 });
            }
            Err(damage) if whole == 0 => return Err(damage),
            _ => break,
        };
        if framed_bytes(length) > bytes.len() - whole {
            break;
        }
        whole += framed_bytes(length);
    }
    Ok(whole)
}
