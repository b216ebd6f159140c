//! A lock that each of many takes for a moment, again and again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{LockError, explain, is_at, open};
use crate::regular_file::{FileError, refused};

/// So often the processor is given away before a wait sleeps.
const YIELDS: u32 = 8;

/// Shortest and longest sleep of a wait.
const PAUSE: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(1));

/// An exclusive lock that is free unless a [`Turn`] lives. Its file stays when it is dropped.
#[derive(Debug)]
pub(crate) struct TurnLock {
    path: PathBuf,
    file: File,
}

/// The lock, held.
pub(crate) struct Turn<'a>(&'a File);

impl TurnLock {
    /// Opens the lock at `path`, or makes its file.
    pub(crate) fn open(path: &Path) -> Result<TurnLock, LockError> {
        Ok(TurnLock { path: path.to_owned(), file: open(path)? })
    }

    /// Takes the lock as soon as it is free, within `timeout`. There is no order among those who wait.
    ///
    /// # Errors
    /// It was not free in time, or the system refused.
    pub(crate) fn take(&self, timeout: Duration) -> Result<Turn<'_>, LockError> {
        let deadline = Instant::now().checked_add(timeout);
        let (mut tries, mut pause) = (0, PAUSE.0);
        loop {
            match fs2::FileExt::try_lock_exclusive(&self.file) {
                Ok(()) => return Ok(Turn(&self.file)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == fs2::lock_contended_error().kind() => {}
                Err(error) => return Err(refused("lock", &self.path)(explain(error)).into()),
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(LockError::Held { path: self.path.clone(), pid: None });
            }
            tries += 1;
            if tries <= YIELDS {
                thread::yield_now();
            } else {
                thread::sleep(pause);
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }

    /// Whether the file at the path is still the one that is locked.
    pub(crate) fn is_in_place(&self) -> Result<bool, FileError> {
        is_at(&self.path, &self.file)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // A file that is open can be unlocked.
        let _unlocked = fs2::FileExt::unlock(self.0);
    }
}
