//! Appends records to a rotated file that several processes write, each for itself.

use std::path::{self, Path};
use std::process;
use std::time::Duration;

use super::log_lock::SharedLogLock;
use super::rotating_file::{RotatingFileBuilder, check_name};
use super::{Handler, HandlerError};
use crate::Record;
use crate::formatter::Formatter;
use crate::lock::LockError;
use crate::regular_file::refused;
use crate::rotation::{CurrentFile, Place, Rotation, create_directory};

/// How long a record waits for its turn; paid once while another process does not let go.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// A buffer that grew beyond this for one record is given back.
const LINE_KEPT_BYTES: usize = 64 * 1024;

/// Appends records to a file that other processes write as well, without a listener, and rotates it.
///
/// The way of Python's package `concurrent-log-handler`: each record takes a lock, is written by one
/// write(2), and is in the file when [`handle`](Handler::handle) returns. The settings, the names of
/// backups and the rules are those of a [`RotatingFileHandler`](super::RotatingFileHandler), whose
/// builder opens it: [`open_locked`](RotatingFileBuilder::open_locked). All processes should have the
/// same settings. It costs a few system calls for each record; a queue with a listener is many times
/// faster, and does not let one process hold up the others.
///
/// A process that is killed frees the lock; if that was amid its write, whoever writes next ends the
/// torn line first. A process that is stopped while it has the lock holds up the others for five
/// seconds, once; their records then fail until it goes on. Handlers in one process, and those that
/// children of a fork have inherited, take turns like those of other processes.
///
/// While the handler lives no listener and no `RotatingFileHandler` can have the log. Two lock files
/// beside it, `.NAME.lock` and `.NAME.write.lock`, stay.
///
/// ```
/// use logboom::formatter::PatternFormatter;
/// use logboom::handler::{Handler, RotatingFileHandler};
/// use logboom::{Level, Record};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app.log");
/// let open = || {
///     let builder = RotatingFileHandler::builder(&path).max_bytes(1_000_000).backup_count(3);
///     builder.open_locked(PatternFormatter::default())
/// };
/// let (mut one, mut other) = (open()?, open()?);
/// one.handle(&Record::new(0, Level::INFO, "app", "started"))?;
/// other.handle(&Record::new(0, Level::INFO, "app", "started too"))?;
/// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LockedRotatingFileHandler {
    file: CurrentFile,
    rotation: Rotation,
    lock: SharedLogLock,
    /// The process that has taken the lock: its children share it with it.
    owner: u32,
    /// The last record did not get its turn in time.
    was_held_up: bool,
    formatter: Box<dyn Formatter>,
    line: Vec<u8>,
}

impl RotatingFileBuilder {
    /// Opens the file, or creates it with its directories, to write it together with other processes.
    ///
    /// Modes are 0640 for the file and 0750 for directories, less the umask.
    ///
    /// # Errors
    /// [`LockError::Held`](crate::LockError::Held) inside [`HandlerError::Lock`] if a listener or a
    /// `RotatingFileHandler` has this log, [`LockError::Unresolved`](crate::LockError::Unresolved) if a
    /// listener was killed amid it; [`HandlerError::Io`] if the path is no regular file, its name has more
    /// than 208 bytes, the system refuses, or the settings do not suit: files of several processes do
    /// not rotate at each start, and nobody compresses them.
    pub fn open_locked(
        self,
        formatter: impl Formatter + 'static,
    ) -> Result<LockedRotatingFileHandler, HandlerError> {
        // Names the same file after a change of the working directory.
        let path = path::absolute(self.path()).map_err(refused("open", self.path()))?;
        self.check(&path)?;
        check_name(&path)?;
        let problem = if self.rule.rotates_on_start {
            Some("a log of several processes cannot rotate when one of them starts")
        } else if self.rule.compresses() {
            Some(
                "backups are compressed by a process that has the log alone: compress them otherwise",
            )
        } else {
            None
        };
        if let Some(problem) = problem {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, problem);
            return Err(refused("open", &path)(source).into());
        }
        create_directory(&path)?;
        let file = CurrentFile::open(&path)?;
        let lock = SharedLogLock::join(&path, |segment| file.has(segment))?;
        Ok(LockedRotatingFileHandler {
            rotation: Rotation::new(self.rule, &file)?,
            file,
            lock,
            owner: process::id(),
            was_held_up: false,
            formatter: Box::new(formatter),
            line: Vec::new(),
        })
    }
}

impl LockedRotatingFileHandler {
    /// The absolute path of the current file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// How many torn lines of others this handler has ended.
    pub fn mended_lines(&self) -> u64 {
        self.file.mended_lines()
    }

    /// How often the file was found shorter than it was: others have truncated it.
    pub fn truncations(&self) -> u64 {
        self.file.truncations()
    }

    /// How often backups could not be deleted that are beyond the limits. The next rotation tries again.
    pub fn backup_failures(&self) -> u64 {
        self.rotation.failures()
    }

    /// Writes the line in its turn; false, with nothing written, where a lock file is not the one that
    /// others lock now.
    fn write_in_turn(&mut self) -> Result<bool, HandlerError> {
        let LockedRotatingFileHandler { file, rotation, lock, line, .. } = self;
        let timeout = if self.was_held_up { Duration::ZERO } else { TURN_TIMEOUT };
        let turn = lock.turn(timeout);
        self.was_held_up = matches!(turn, Err(LockError::Held { .. }));
        let _turn = turn?;
        let is_elsewhere = file.locate()? != Place::AtPath;
        let is_due = |file: &CurrentFile, rotation: &mut Rotation| {
            rotation.is_due(line.len() as u64, file.size_bytes())
        };
        let lacks_space = rotation.lacks_space(file, line.len() as u64)?;
        if is_elsewhere || lacks_space || is_due(file, rotation) {
            if !lock.is_in_place()? {
                return Ok(false);
            }
            if is_elsewhere {
                reopen(file, rotation)?;
            }
            if is_due(file, rotation) {
                rotation.rotate()?;
                reopen(file, rotation)?;
            }
        }
        rotation.ensure_space(file, line.len() as u64)?;
        file.append_whole(line)?;
        Ok(true)
    }
}

fn reopen(file: &mut CurrentFile, rotation: &mut Rotation) -> Result<(), HandlerError> {
    create_directory(file.path())?;
    file.reopen()?;
    rotation.begin(file);
    Ok(())
}

impl Handler for LockedRotatingFileHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        self.line.clear();
        self.line.shrink_to(LINE_KEPT_BYTES);
        self.formatter.format(record, &mut self.line);
        self.line.push(b'\n');
        if self.owner != process::id() {
            self.lock.rejoin()?;
            self.owner = process::id();
        }
        if !self.write_in_turn()? {
            self.lock.rejoin()?;
            if !self.write_in_turn()? {
                return Err(HandlerError::other("its lock files are replaced all the time"));
            }
        }
        Ok(())
    }

    /// Does nothing: what was handled is written.
    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
