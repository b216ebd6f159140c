//! The lock of a log, and what the listener that had it before may have left unresolved there.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::HandlerError;
use crate::fault;
use crate::journal::{self, Entry, Journal, LeftFile, Unresolved};
use crate::lock::{FileLock, LockError, SharedLock, Turn, TurnLock};
use crate::regular_file::{is_same, is_same_name, refused};
use crate::rotation::{Resolution, Segment, create_directory, resolve_left};

/// What to do with a batch that the listener of another queue has left unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnUnresolved {
    /// Leave the log alone.
    Refuse,
    /// Resolve it for the other queue, and tell so in its journal.
    Resolve,
}

/// The lock file `.NAME.lock` beside a log. Its second line is the directory of the queue whose
/// listener writes the log; the journal there knows whether its last batch is unresolved. So a note
/// that a killed listener has left is enough, and no batch touches the lock file.
#[derive(Debug)]
pub(crate) struct LogLock {
    lock: FileLock,
    log: PathBuf,
    is_claimed: bool,
}

impl LogLock {
    /// Takes the lock of the log at the absolute path `log`, whose directory exists.
    pub(crate) fn acquire(log: &Path) -> Result<LogLock, HandlerError> {
        let lock = FileLock::acquire(&lock_path(log, ".lock")?)?;
        Ok(LogLock { lock, log: log.to_owned(), is_claimed: false })
    }

    /// Takes the lock again if its file was deleted or moved.
    pub(super) fn renew(&mut self) -> Result<(), LockError> {
        self.lock.renew()
    }

    /// Makes sure that no other queue has a batch unresolved in the file that `is_ours` knows, and
    /// notes that the listener of `queue` writes it from now on.
    pub(super) fn claim(
        &mut self,
        queue: &Path,
        on_unresolved: OnUnresolved,
        is_ours: impl Fn(&Segment) -> bool,
    ) -> Result<(), LockError> {
        if let Some(other) = self.queue().filter(|other| !is_same(other, queue)) {
            let touches = |left: &LeftFile| match left.entry {
                Entry::Begun(segment) => is_ours(&segment),
                Entry::Untouched | Entry::Complete => false,
            };
            let unresolved = look(&other)?;
            if unresolved.is_some_and(|batch| batch.files.iter().any(touches)) {
                match on_unresolved {
                    OnUnresolved::Refuse => {
                        return Err(LockError::Unresolved { log: self.log.clone(), queue: other });
                    }
                    OnUnresolved::Resolve => self.resolve_for(&other, touches)?,
                }
            }
        }
        self.lock.set_note(queue.as_os_str())?;
        fault::point("after-claim");
        self.is_claimed = true;
        Ok(())
    }

    /// The same for a log without a queue, the first time; whether it was.
    pub(super) fn claim_once(
        &mut self,
        is_ours: impl Fn(&Segment) -> bool,
    ) -> Result<bool, LockError> {
        if self.is_claimed {
            return Ok(false);
        }
        self.claim(Path::new(""), OnUnresolved::Refuse, is_ours)?;
        Ok(true)
    }

    /// Cuts off what `queue` has of its batch in this log, unless that is all of it, so that its next
    /// listener finds nothing to do here.
    fn resolve_for(
        &self,
        queue: &Path,
        touches: impl Fn(&LeftFile) -> bool,
    ) -> Result<(), LockError> {
        let _queue_lock = FileLock::acquire_queue(queue)?;
        let io = |operation| move |source| refused(operation, &journal::path_in(queue))(source);
        let (mut journal, unresolved) = Journal::open(queue).map_err(io("open"))?;
        let mut entries = Vec::new();
        for left in unresolved.iter().flat_map(|unresolved| &unresolved.files) {
            entries.push(match left.entry {
                Entry::Begun(segment) if touches(left) => {
                    match resolve_left(&self.log, &segment)? {
                        Resolution::Complete => Entry::Complete,
                        Resolution::Absent => Entry::Untouched,
                    }
                }
                entry => entry,
            });
        }
        if unresolved.is_some() {
            journal.begin_again(&entries).map_err(io("write"))?;
        }
        Ok(())
    }

    /// The queue whose listener wrote the log last, as far as it is noted.
    fn queue(&self) -> Option<PathBuf> {
        let note = self.lock.note();
        (!note.is_empty()).then(|| PathBuf::from(note))
    }

    fn is_left_unresolved(&self) -> bool {
        let Some(queue) = self.queue() else { return false };
        let begun = |left: &LeftFile| {
            matches!(left.entry, Entry::Begun(_)) && is_same_name(&left.path, &self.log)
        };
        // A note too many does no harm.
        look(&queue).map_or(true, |batch| batch.is_some_and(|batch| batch.files.iter().any(begun)))
    }
}

impl Drop for LogLock {
    fn drop(&mut self) {
        if self.is_left_unresolved() {
            self.lock.leave_file();
        }
    }
}

/// Two locks for those who share a log without a listener: one that all of them hold, so that nobody
/// takes the log for himself, and one that each takes to write.
#[derive(Debug)]
pub(super) struct SharedLogLock {
    log: PathBuf,
    members: SharedLock,
    turn: TurnLock,
}

impl SharedLogLock {
    /// Joins those who share the log at the absolute path `log`, whose directory exists. No queue may
    /// have a batch unresolved in the file that `is_ours` knows.
    pub(super) fn join(
        log: &Path,
        is_ours: impl Fn(&Segment) -> bool,
    ) -> Result<SharedLogLock, HandlerError> {
        let members = SharedLock::acquire(&lock_path(log, ".lock")?)?;
        let begun =
            |left: &LeftFile| matches!(left.entry, Entry::Begun(segment) if is_ours(&segment));
        let queue = PathBuf::from(members.note());
        if !members.note().is_empty()
            && look(&queue)?.is_some_and(|batch| batch.files.iter().any(begun))
        {
            return Err(LockError::Unresolved { log: log.to_owned(), queue }.into());
        }
        let turn = TurnLock::open(&lock_path(log, ".write.lock")?)?;
        Ok(SharedLogLock { log: log.to_owned(), members, turn })
    }

    /// Waits for the turn to write.
    pub(super) fn turn(&self, timeout: Duration) -> Result<Turn<'_>, LockError> {
        self.turn.take(timeout)
    }

    /// Whether those who come next lock the same files.
    pub(super) fn is_in_place(&self) -> Result<bool, HandlerError> {
        Ok(self.members.is_in_place()? && self.turn.is_in_place()?)
    }

    /// Joins anew, after a fork or where a lock file was deleted or moved, perhaps with its directory.
    pub(super) fn rejoin(&mut self) -> Result<(), HandlerError> {
        create_directory(&self.log)?;
        // As long as we were a member no queue could get the log.
        *self = SharedLogLock::join(&self.log, |_| false)?;
        Ok(())
    }
}

fn look(queue: &Path) -> Result<Option<Unresolved>, LockError> {
    Ok(Journal::look(queue).map_err(refused("read", &journal::path_in(queue)))?)
}

/// The file beside a log with its name, a point before it and `extension` behind it.
fn lock_path(log: &Path, extension: &str) -> Result<PathBuf, HandlerError> {
    let Some(name) = log.file_name() else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it has no file name: add one");
        return Err(refused("open", log)(source).into());
    };
    let mut lock_name = OsString::from(".");
    lock_name.push(name);
    lock_name.push(extension);
    Ok(log.with_file_name(lock_name))
}
