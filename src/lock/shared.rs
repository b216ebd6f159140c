//! A lock that many hold at once, against one who wants it alone.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::{LockError, is_at, lock_at, read_note, write_holder};
use crate::regular_file::FileError;

/// A shared lock. Its file stays when it is dropped: others may hold it.
#[derive(Debug)]
pub(crate) struct SharedLock {
    path: PathBuf,
    note: OsString,
    file: File,
}

impl SharedLock {
    /// Takes the lock at `path` without waiting, and writes our pid into it. The line behind it stays.
    pub(crate) fn acquire(path: &Path) -> Result<SharedLock, LockError> {
        let file = lock_at(path, fs2::FileExt::try_lock_shared)?;
        let note = read_note(&file);
        write_holder(path, &file, &note)?;
        Ok(SharedLock { path: path.to_owned(), note, file })
    }

    /// The second line of its file.
    pub(crate) fn note(&self) -> &OsStr {
        &self.note
    }

    /// Whether the file at the path is still the locked one.
    pub(crate) fn is_in_place(&self) -> Result<bool, FileError> {
        is_at(&self.path, &self.file)
    }
}
