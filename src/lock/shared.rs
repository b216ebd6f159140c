//! A lock that many hold at once, against one who wants it alone.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{
    LockError, MAX_ATTEMPTS, explain, held, is_at, open, read_note, replaced, write_holder,
};
use crate::regular_file::{FileError, refused};

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
        for _ in 0..MAX_ATTEMPTS {
            let file = open(path)?;
            match fs2::FileExt::try_lock_shared(&file) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == fs2::lock_contended_error().kind() => {
                    return Err(held(path, &file));
                }
                Err(error) => return Err(refused("lock", path)(explain(error)).into()),
            }
            // Who had it alone may have removed the file between our opening and locking it.
            if is_at(path, &file)? {
                let note = read_note(&file);
                write_holder(path, &file, &note)?;
                return Ok(SharedLock { path: path.to_owned(), note, file });
            }
        }
        Err(replaced(path))
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
