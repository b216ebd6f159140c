//! Whether there is room for what is to be written: below the size at which a log is held back, and above
//! what has to stay free on its file system.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::statvfs::fstatvfs;

use super::CurrentFile;
use super::backups::Backups;
use super::rule::Rule;
use crate::regular_file::{FileError, refused};

/// How long the space of deleted backups is waited for before others go too: somebody may have them open,
/// and some file systems free later.
const FREEING_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of the room that one log has.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// The backups together, as far as they were looked at since the last rotation.
    backups_bytes: Option<u64>,
    /// When backups were deleted whose space was not free yet.
    deleted_at: Option<Instant>,
    /// Deleted backups that nobody was told of, and their size.
    deleted: (u64, u64),
}

impl Space {
    /// Knows nothing any more but what was deleted: limits have changed.
    pub(super) fn forget(&mut self) {
        *self = Space { deleted: self.deleted, ..Space::default() };
    }

    /// Knows nothing of the backups any more.
    pub(super) fn forget_backups(&mut self) {
        self.backups_bytes = None;
    }

    /// Makes sure that `bytes` may be written to `file`; where that is the rule, the oldest backups go.
    ///
    /// # Errors
    /// They may not, for now, or the system refuses to say so.
    pub(super) fn ensure(
        &mut self,
        rule: Rule,
        backups: &mut Backups,
        file: &CurrentFile,
        bytes: u64,
    ) -> Result<(), FileError> {
        if let Some(limit_bytes) = rule.held_back_beyond() {
            self.check_size(limit_bytes, backups, file, bytes)?;
        }
        let Some(min_free_bytes) = rule.min_free_bytes else { return Ok(()) };
        let mut missing_bytes = missing(min_free_bytes, file, bytes)?;
        if missing_bytes > 0 && rule.deletes_for_free_space() && self.may_delete() {
            missing_bytes = self.delete_oldest(min_free_bytes, backups, file, bytes)?;
        }
        if missing_bytes == 0 {
            self.deleted_at = None;
            return Ok(());
        }
        let reason = format!(
            "{bytes} bytes would leave {missing_bytes} bytes less than min_free, {min_free_bytes}, on its \
             file system: make room there, or lower min_free"
        );
        Err(held_back(file.path(), &reason))
    }

    /// Whether backups would have to go for `bytes`.
    pub(super) fn lacks(rule: Rule, file: &CurrentFile, bytes: u64) -> Result<bool, FileError> {
        match rule.min_free_bytes.filter(|_| rule.deletes_for_free_space()) {
            Some(min_free_bytes) => Ok(missing(min_free_bytes, file, bytes)? > 0),
            None => Ok(false),
        }
    }

    /// What the log should say.
    pub(super) fn take_notice(&mut self, log: &Path) -> Option<String> {
        let (count, bytes) = std::mem::take(&mut self.deleted);
        (count > 0).then(|| {
            let log = log.display();
            format!(
                "the {count} oldest backups of {log}, {bytes} bytes, were deleted: less than min_free was free \
                 on its file system"
            )
        })
    }

    /// An empty log takes any line: no size is small enough for one that is longer than the limit.
    fn check_size(
        &mut self,
        limit_bytes: u64,
        backups: &mut Backups,
        file: &CurrentFile,
        bytes: u64,
    ) -> Result<(), FileError> {
        let own_bytes = file.size_bytes().saturating_add(bytes);
        let fits = |backups_bytes: u64| backups_bytes.saturating_add(own_bytes) <= limit_bytes;
        if self.backups_bytes.is_some_and(fits) {
            return Ok(());
        }
        let backups_bytes = backups.size_bytes()?;
        self.backups_bytes = Some(backups_bytes);
        if fits(backups_bytes) || (backups_bytes == 0 && file.size_bytes() == 0) {
            return Ok(());
        }
        let total_bytes = backups_bytes.saturating_add(own_bytes);
        let reason = format!(
            "with {bytes} bytes more the log would take {total_bytes}, more than keep_bytes, {limit_bytes}: \
             move backups away, or raise keep_bytes"
        );
        Err(held_back(file.path(), &reason))
    }

    fn may_delete(&self) -> bool {
        self.deleted_at.is_none_or(|at| at.elapsed() >= FREEING_TIMEOUT)
    }

    /// Deletes as many of the oldest backups as take what is missing; what is missing then.
    fn delete_oldest(
        &mut self,
        min_free_bytes: u64,
        backups: &mut Backups,
        file: &CurrentFile,
        bytes: u64,
    ) -> Result<u64, FileError> {
        let mut missing_bytes = missing(min_free_bytes, file, bytes)?;
        let (wanted_bytes, mut deleted_bytes) = (missing_bytes, 0);
        for forms in backups.own_oldest_first(file.inode())? {
            if missing_bytes == 0 || deleted_bytes >= wanted_bytes {
                break;
            }
            let size_bytes = backups.delete_forms(&forms)?;
            deleted_bytes += size_bytes;
            self.deleted = (self.deleted.0 + 1, self.deleted.1 + size_bytes);
            self.deleted_at = Some(Instant::now());
            self.backups_bytes = None;
            missing_bytes = missing(min_free_bytes, file, bytes)?;
        }
        Ok(missing_bytes)
    }
}

/// How many bytes are missing above the floor for `bytes`.
fn missing(min_free_bytes: u64, file: &CurrentFile, bytes: u64) -> Result<u64, FileError> {
    Ok(min_free_bytes.saturating_add(bytes).saturating_sub(file.free_bytes()?))
}

fn held_back(log: &Path, reason: &str) -> FileError {
    refused("write", log)(io::Error::new(
        io::ErrorKind::StorageFull,
        format!("held back, because {reason}"),
    ))
}

/// How many bytes of its file system those may still write who have no privileges.
pub(super) fn free_bytes(file: impl AsFd) -> io::Result<u64> {
    loop {
        match fstatvfs(&file) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(found) => {
                let blocks: u64 = found.blocks_available();
                return Ok(blocks.saturating_mul(found.fragment_size()));
            }
        }
    }
}
