//! One holder at a time: a lock on a file of its own, never on the file it protects.
//!
//! The kernel frees the lock when its holder dies, so a lock file that was left behind is harmless.

mod shared;
#[cfg(test)]
mod tests;
mod turn;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;

use crate::file_id::FileId;
use crate::regular_file::{self, FileError, refused};

pub(crate) use shared::SharedLock;
pub(crate) use turn::{Turn, TurnLock};

/// How often a lock file may be replaced under our hands before we give up.
const MAX_ATTEMPTS: u32 = 100;

/// How much of a lock file is read to find its two lines, a pid and a path.
const MAX_READ_BYTES: u64 = 16 + 4096;

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else holds it.
    #[error("{path} is locked by {}", holder(.pid))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as far as it has told.
        pid: Option<u32>,
    },
    /// The listener of another queue was killed while it wrote to this log: only that queue knows
    /// which of its records are there.
    #[error(
        "{log} ends amid records of queue {queue}: start a listener on that queue first, or pass --force"
    )]
    Unresolved {
        /// The log.
        log: PathBuf,
        /// The directory of the other queue.
        queue: PathBuf,
    },
    /// The operating system refused an operation on the lock file.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried, as a verb: `open`, `lock`.
        operation: &'static str,
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl From<FileError> for LockError {
    fn from(error: FileError) -> LockError {
        let FileError { operation, path, source } = error;
        LockError::Io { operation, path, source }
    }
}

/// Who it is, and what to do.
fn holder(pid: &Option<u32>) -> String {
    let who = match pid {
        Some(pid) if *pid == process::id() => {
            return "this process already: choose another path".to_owned();
        }
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    };
    format!("{who}: stop it first, or choose another path")
}

/// An exclusive lock. Dropping it removes its file, unless that is to be left, and frees the lock,
/// in this order.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    /// A path, as bytes.
    note: OsString,
    file: File,
    leaves_file: bool,
}

impl FileLock {
    /// Takes the lock at `path` without waiting, and writes our pid into it. The line behind it stays
    /// as the holder before has left it.
    pub(crate) fn acquire(path: &Path) -> Result<FileLock, LockError> {
        let file = lock_at(path, fs2::FileExt::try_lock_exclusive)?;
        let note = read_note(&file);
        let lock = FileLock { path: path.to_owned(), note, file, leaves_file: false };
        lock.write_holder()?;
        Ok(lock)
    }

    /// Takes the lock of the queue in this directory, and notes the directory.
    pub(crate) fn acquire_queue(queue: &Path) -> Result<FileLock, LockError> {
        let mut lock = FileLock::acquire(&queue.join("lock"))?;
        lock.set_note(queue.as_os_str())?;
        Ok(lock)
    }

    /// Takes the lock again if its file was deleted or moved, so that nobody else can.
    pub(crate) fn renew(&mut self) -> Result<(), LockError> {
        if !self.is_in_place()? {
            let mut renewed = FileLock::acquire(&self.path)?;
            renewed.set_note(&self.note)?;
            *self = renewed;
        }
        Ok(())
    }

    /// The second line of its file.
    pub(crate) fn note(&self) -> &OsStr {
        &self.note
    }

    /// Writes `note` into the second line of its file.
    pub(crate) fn set_note(&mut self, note: &OsStr) -> Result<(), FileError> {
        self.note = note.to_owned();
        self.write_holder()
    }

    /// Lets the file stay when the lock is dropped, for the sake of its note.
    pub(crate) fn leave_file(&mut self) {
        self.leaves_file = true;
    }

    /// Whether the file at the path is still the locked one.
    pub(crate) fn is_in_place(&self) -> Result<bool, FileError> {
        is_at(&self.path, &self.file)
    }

    fn write_holder(&self) -> Result<(), FileError> {
        write_holder(&self.path, &self.file, &self.note)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The lock is still held. A file that cannot be removed is as harmless as one left behind.
        if !self.leaves_file && self.is_in_place().unwrap_or(false) {
            let _left_behind = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    regular_file::open(path, &mut options).map_err(refused("open", path))
}

/// Opens the file at `path` and locks it by `try_lock`, which does not wait.
fn lock_at(path: &Path, try_lock: fn(&File) -> io::Result<()>) -> Result<File, LockError> {
    for _ in 0..MAX_ATTEMPTS {
        let file = open(path)?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == fs2::lock_contended_error().kind() => {
                return Err(held(path, &file));
            }
            Err(error) => return Err(refused("lock", path)(explain(error)).into()),
        }
        // A holder before us may have removed the file between our opening and locking it.
        if is_at(path, &file)? {
            return Ok(file);
        }
    }
    let source = io::Error::other("its file is replaced all the time: find out by whom");
    Err(refused("lock", path)(source).into())
}

/// Whether `path` leads to `file`.
fn is_at(path: &Path, file: &File) -> Result<bool, FileError> {
    let ours = file.metadata().map_err(refused("examine", path))?;
    let found = regular_file::look(path)?;
    Ok(found.is_some_and(|found| FileId::of(&found) == FileId::of(&ours)))
}

/// Writes our pid, and `note` behind it.
fn write_holder(path: &Path, file: &File, note: &OsStr) -> Result<(), FileError> {
    let text = [process::id().to_string().as_bytes(), note.as_bytes(), b""].join(&b'\n');
    // In this order: a kill in between does not lose the note.
    file.write_all_at(&text, 0)
        .and_then(|()| file.set_len(text.len() as u64))
        .map_err(refused("write", path))
}

fn held(path: &Path, file: &File) -> LockError {
    let [pid, _] = read_lines(file);
    let pid = str::from_utf8(&pid).ok().and_then(|pid| pid.parse().ok());
    LockError::Held { path: path.to_owned(), pid }
}

fn read_note(file: &File) -> OsString {
    let [_, note] = read_lines(file);
    OsString::from_vec(note)
}

/// The first two lines; empty where they are not whole.
fn read_lines(file: &File) -> [Vec<u8>; 2] {
    let mut start = Vec::new();
    // What cannot be read is not known.
    let _unread = file.take(MAX_READ_BYTES).read_to_end(&mut start);
    let mut lines = start.split_inclusive(|byte| *byte == b'\n');
    let mut line =
        || lines.next().and_then(|line| line.strip_suffix(b"\n")).unwrap_or(b"").to_vec();
    [line(), line()]
}

fn explain(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP) => io::Error::new(
            error.kind(),
            format!("its file system has no working locks, choose a local one: {error}"),
        ),
        _ => error,
    }
}
