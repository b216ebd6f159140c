//! Reads a log, live and across its rotation.
//!
//! A log is a current file and its backups, with numbers or dates behind its name; a rotation renames them
//! all, or the current file alone. [`Tail`] keeps the file it reads open, so that it finds it under any
//! name, reads it to its end, and goes on with the next newer one.
//!
//! [`Reader`] has the records of several logs in one order of time, and gives those that a [`Query`] asks
//! for.

mod ending;
mod field_test;
mod form;
mod json_line;
mod lines;
mod moment;
mod needle;
mod pairs;
mod parts;
mod query;
mod reader;
mod seek;
mod source;
mod stats;
#[cfg(test)]
mod tests;
mod unended;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ending::Rest;
use lines::{LineReader, Read};
use unended::Unended;

use crate::formatter::LinePatternError;
use crate::log_files::{self, FilesError, LogFile, LogFiles, Newer, Text};

pub use crate::log_files::ReadBytes;
pub use form::Form;
pub use moment::{ParseInstantError, Zone};
pub use query::{MAX_TESTS, Query, QueryError};
pub use reader::{Found, MAX_LOGS, Reader, Start};
pub use stats::{Counted, Interval, MAX_INTERVALS, MAX_NAMES, Stats, Summary};

/// The current file of the log that the file at `path` is a backup of, by its name: `app.log` of `app.log.1`
/// or `app.log.2026-11-22.zst`. None if no log calls its backups so.
pub fn log_of(path: impl AsRef<Path>) -> Option<PathBuf> {
    log_files::log_of(path.as_ref())
}

/// Reads a log forwards: the last lines first, then what is added, each line once.
///
/// Lines are bytes, as they are in the file, and each ends in a newline. Nothing of a line is
/// returned before its newline is in the file; only a backup that lacks its last newline gets it
/// added. A line may be of any length: [`read`](Tail::read) returns it in pieces of bounded size.
///
/// However often the log is rotated between two calls, no line is lost or doubled while the backup
/// that holds it exists; if it does not, [`Progress::Skipped`] says so. A line can be returned twice
/// only if its writer took it back, as a listener does with the unfinished batch of one that was
/// killed. A file that is truncated and begins with another text is read from its beginning.
///
/// ```
/// use logboom::tail::{Progress, Tail};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app.log");
/// std::fs::write(&path, "one\ntwo\nthree\n")?;
/// let mut tail = Tail::open(path, 2)?;
/// let mut lines = Vec::new();
/// while tail.read(&mut lines)? != Progress::Idle {}
/// assert_eq!(lines, b"two\nthree\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tail {
    files: LogFiles,
    /// Not there while the log has no file yet.
    reading: Option<LineReader>,
    /// The file to read next. Once it is known, nobody writes to the one being read any more.
    next: Option<Next>,
    /// The next older file than the one being read. It tells a log that was rotated to its limit
    /// from one whose current file was removed: in the latter it still exists.
    previous: Option<LogFile>,
    /// The file in which the text after the last newline is a line, too.
    unended: Option<Arc<Unended>>,
    is_at_beginning: bool,
    /// Size of the files that were read to their ends.
    finished_bytes: u64,
}

#[derive(Debug)]
struct Next {
    file: LogFile,
    /// What to say when reading goes over to it.
    progress: Progress,
}

/// What one call of [`Tail::read`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// There may be more: call again at once.
    Advanced,
    /// Lines may be missing here: backups were deleted before they were read, or compressed by a program that
    /// changes the time of their last write. Call again at once.
    Skipped,
    /// Everything was returned. Call again when some time has passed.
    Idle,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TailError {
    /// The log has neither a current file nor a backup.
    #[error("there is no log {path}: check the path, or wait until it is written")]
    Missing {
        /// The current file.
        path: PathBuf,
    },
    /// The path is a directory, a pipe or a device.
    #[error("{path} is not a regular file: give the path of a log file")]
    NotAFile {
        /// The current file.
        path: PathBuf,
    },
    /// The operating system refused an operation on a file.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried: `open`, `read`, `look at`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The lines have no form that is known, and their text alone does not tell what is asked.
    #[error(
        "the lines of {path} have no form that is known: name it by --format, as `json`, `logfmt` or the \
         pattern they were logged with; without it, only their text can be searched"
    )]
    UnknownForm {
        /// The current file.
        path: PathBuf,
    },
    /// No line is of the form that was named.
    #[error(
        "no line of {path} is of the form that --format names: leave it out, or name the one that the lines \
         were logged with"
    )]
    OtherForm {
        /// The current file.
        path: PathBuf,
    },
    /// The lines tell no time.
    #[error("the lines of {path} do not tell when they were written: leave out the range of time")]
    NoTimes {
        /// The current file.
        path: PathBuf,
    },
    /// Lines of the pattern do not tell what they say.
    #[error(transparent)]
    Pattern(LinePatternError),
    /// Lines of the pattern that was named do not tell what is asked.
    #[error(
        "lines of this pattern do not tell `%({attribute})s`, which is asked for: name a pattern with it, as \
         the lines have it, or do not ask for it"
    )]
    Untold {
        /// What a pattern calls it.
        attribute: &'static str,
    },
    /// There are too many logs to read at once.
    #[error("there are more than {MAX_LOGS} logs: name fewer")]
    TooManyLogs,
}

impl TailError {
    /// Whether it says that the lines of one log do not tell what is asked, so that the others, and what
    /// is written later, still may.
    pub fn is_unanswered(&self) -> bool {
        matches!(
            self,
            TailError::UnknownForm { .. } | TailError::OtherForm { .. } | TailError::NoTimes { .. }
        )
    }
}

impl From<FilesError> for TailError {
    fn from(error: FilesError) -> TailError {
        match error {
            FilesError::NotAFile { path } => TailError::NotAFile { path },
            FilesError::Io { operation, path, source } => TailError::Io { operation, path, source },
        }
    }
}

impl Tail {
    /// Opens the log whose current file is `path`, at the last `last_lines` lines of all its files.
    ///
    /// Reads backwards from the end, and only as far as needed. [`u64::MAX`] gives all lines.
    ///
    /// # Errors
    /// [`TailError::Missing`] where nothing was logged yet; see [`Tail::awaiting`].
    pub fn open(path: impl Into<PathBuf>, last_lines: u64) -> Result<Tail, TailError> {
        let files = LogFiles::new(path.into());
        let missing = || TailError::Missing { path: files.path().to_owned() };
        if last_lines == u64::MAX {
            let file = files.oldest()?.ok_or_else(missing)?;
            let text = file.open_text()?;
            return Tail::starting(files, file, text, 0);
        }
        let mut file = files.newest()?.ok_or_else(missing)?;
        let mut wanted = last_lines;
        let mut rest = Rest::Unfinished;
        let (text, offset) = loop {
            let mut text = file.open_text()?;
            let start =
                ending::last_lines(&mut text, wanted, rest).map_err(|e| files.read_error(e))?;
            if start.missing_lines == 0 {
                break (text, start.offset);
            }
            match files.older_than(&file)? {
                Some(older) => file = older,
                None => break (text, start.offset),
            }
            wanted = start.missing_lines;
            rest = Rest::Line;
        };
        Tail::starting(files, file, text, offset)
    }

    /// Reads from the start of a line in the `text` of `file` on.
    fn starting(
        files: LogFiles,
        file: LogFile,
        text: Text,
        offset: u64,
    ) -> Result<Tail, TailError> {
        // Only a mark: a backup that nobody asked to read may as well be unreadable.
        let previous = files.older_than(&file).ok().flatten();
        let is_at_beginning = offset == 0 && previous.is_none();
        let reader = LineReader::new(file, text, offset).map_err(|e| files.read_error(e))?;
        let reading = Some(reader);
        Ok(Tail {
            files,
            reading,
            next: None,
            previous,
            unended: None,
            is_at_beginning,
            finished_bytes: 0,
        })
    }

    /// A log that need not exist yet: all its lines from the first file on that is found.
    pub fn awaiting(path: impl Into<PathBuf>) -> Tail {
        let files = LogFiles::new(path.into());
        Tail {
            files,
            reading: None,
            next: None,
            previous: None,
            unended: None,
            is_at_beginning: true,
            finished_bytes: 0,
        }
    }

    /// Gives the last line of that file, too.
    fn with_unended(self, unended: Option<Arc<Unended>>) -> Tail {
        Tail { unended, ..self }
    }

    /// The current file.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// Whether it was opened where the log begins.
    fn is_at_beginning(&self) -> bool {
        self.is_at_beginning
    }

    /// How much of the log was read.
    fn read_bytes(&self) -> Result<ReadBytes, TailError> {
        let Some(reading) = &self.reading else { return Ok(ReadBytes::default()) };
        let ReadBytes { read, total } =
            reading.read_bytes().map_err(|e| self.files.read_error(e))?;
        let newer_bytes = self.files.newer_bytes(reading.file())?;
        let finished_bytes = self.finished_bytes;
        Ok(ReadBytes { read: finished_bytes + read, total: finished_bytes + total + newer_bytes })
    }

    /// Another one at the same place, which holds the same files open.
    fn try_clone(&self) -> Result<Tail, TailError> {
        let files = LogFiles::new(self.files.path().to_owned());
        let io = |error| TailError::from(files.read_error(error));
        let reading = self.reading.as_ref().map(LineReader::try_clone).transpose().map_err(io)?;
        let previous = self.previous.as_ref().map(LogFile::try_clone).transpose().map_err(io)?;
        let next = match &self.next {
            Some(Next { file, progress }) => {
                Some(Next { file: file.try_clone().map_err(io)?, progress: *progress })
            }
            None => None,
        };
        let unended = self.unended.clone();
        let Tail { is_at_beginning, finished_bytes, .. } = *self;
        Ok(Tail { files, reading, next, previous, unended, is_at_beginning, finished_bytes })
    }

    /// Appends the next whole lines to `out`, about 64 KiB at most.
    ///
    /// Does not wait for lines to be written. A piece may end within a line that is longer; the
    /// rest of that line is in the file already and comes with the next calls.
    ///
    /// # Errors
    /// A file of the log cannot be opened or read. Calling again tries again.
    pub fn read(&mut self, out: &mut Vec<u8>) -> Result<Progress, TailError> {
        if self.next.is_none() {
            self.next = self.find_next()?;
        }
        if let Some(reading) = &mut self.reading {
            let mut read = reading.read(out);
            if let Ok(Read::End) = read {
                read = end_last_line(reading, self.next.as_ref(), self.unended.as_deref());
            }
            if read.map_err(|e| self.files.read_error(e))? == Read::More {
                return Ok(Progress::Advanced);
            }
        }
        match self.next.take() {
            Some(next) => self.go_over_to(next),
            None => Ok(Progress::Idle),
        }
    }

    fn find_next(&self) -> Result<Option<Next>, TailError> {
        let Some(reading) = &self.reading else {
            return Ok(self
                .files
                .oldest()?
                .map(|file| Next { file, progress: Progress::Advanced }));
        };
        for known in [Some(reading.file()), self.previous.as_ref()].into_iter().flatten() {
            match self.files.newer_than(known)? {
                Newer::Found(file) => {
                    return Ok(Some(Next { file, progress: Progress::Advanced }));
                }
                Newer::NotYet => return Ok(None),
                Newer::Left => {}
            }
        }
        let oldest = self.files.oldest_since(reading.file())?;
        Ok(oldest.map(|file| Next { file, progress: Progress::Skipped }))
    }

    fn go_over_to(&mut self, next: Next) -> Result<Progress, TailError> {
        let text = next.file.open_text()?;
        let reader = LineReader::new(next.file, text, 0).map_err(|e| self.files.read_error(e))?;
        let finished = self.reading.replace(reader);
        self.finished_bytes += finished.as_ref().map_or(0, LineReader::file_bytes);
        self.previous = finished.map(LineReader::into_file);
        Ok(next.progress)
    }
}

/// Ends the last line of a file that nobody goes on with.
fn end_last_line(
    reading: &mut LineReader,
    next: Option<&Next>,
    unended: Option<&Unended>,
) -> io::Result<Read> {
    if next.is_some() {
        return reading.end_last_line();
    }
    match unended.map_or(Ok(None), |unended| unended.len_of(reading.file()))? {
        Some(len) => reading.end_last_line_at(len),
        None => Ok(Read::End),
    }
}
