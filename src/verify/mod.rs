//! Proves that a log is whole, from its lines alone.
//!
//! Every record has the lane it travelled in and its sequence number there, and dropped calls use
//! up numbers too. A log that was not filtered is therefore whole when in each lane every number
//! follows the one before it, or a line says that it was dropped.

mod entry;
mod json;
mod lanes;
mod lines;
mod pass;
mod report;
#[cfg(test)]
mod tests;
mod text;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use crate::formatter::{NUMBERED_PATTERN, ReadBackError};
use crate::log_files::{FilesError, LogFiles, Newer};

pub use crate::log_files::ReadBytes;
pub use lanes::MAX_LANES;
pub use report::{Beginning, Counts, Damage, Finding, MAX_BEGINNINGS, MAX_FINDINGS, Report};

/// The form of the lines of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// JSON if one of the first lines looks like it; other lines need a [`Form::Pattern`].
    #[default]
    Detect,
    /// One JSON object per line, as `JsonFormatter` prints it.
    Json,
    /// Lines of this pattern, as `PatternFormatter` prints it; further lines of a record begin with
    /// a TAB. `%(lane)s`, `%(seq)s` and `%(name)s` have to stand before `%(message)s`.
    ///
    /// Of text less can be proved: a message that was cut before its newline is as good as a shorter
    /// one, and a worker that prints what the listener says of dropped calls is believed.
    Pattern(String),
}

/// Why a log proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The log has neither a current file nor a backup.
    #[error("there is no log {path}: check the path")]
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
    /// Lines of the given pattern cannot be verified.
    #[error(transparent)]
    Pattern(#[from] ReadBackError),
    /// The lines are not JSON and no pattern was given.
    #[error(
        "the lines of {path} are not JSON: give the pattern they were logged with by --format; \
         those of --format text have no lane and sequence number, log with --format json or \
         '{NUMBERED_PATTERN}' to make them verifiable"
    )]
    UnknownForm {
        /// The file.
        path: PathBuf,
    },
    /// The log says that records were filtered out.
    #[error("this log was filtered: gaps prove nothing ({path}, line {line})")]
    Filtered {
        /// The file that says so.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
    },
    /// Files were deleted by rotation before they were read.
    #[error(
        "{path} was rotated faster than it could be read: stop its listener, or keep more backups, \
         and verify again"
    )]
    Overtaken {
        /// The current file.
        path: PathBuf,
    },
    /// The log has more lanes than can be kept in memory.
    #[error("{path} has more than {MAX_LANES} lanes: verify fewer backups at a time")]
    TooManyLanes {
        /// The file with one lane more.
        path: PathBuf,
    },
}

impl From<FilesError> for VerifyError {
    fn from(error: FilesError) -> VerifyError {
        match error {
            FilesError::NotAFile { path } => VerifyError::NotAFile { path },
            FilesError::Io { operation, path, source } => {
                VerifyError::Io { operation, path, source }
            }
        }
    }
}

/// Reads the log whose current file is `path`, backups first, and tells whether it is whole.
///
/// Each file is read once, up to the end it has then; memory grows with the number of lanes only.
/// Blocks while it reads. The log may be written and rotated meanwhile: the report then covers what
/// was written before. While the listener that holds the log lives, a last line without its newline
/// is one it is writing, and no damage.
///
/// A lane whose first numbers are missing from the whole log is no damage either, because the
/// backups that had them may have been deleted; see [`Report::beginnings`]. Records missing at the
/// end of a lane leave no trace in a log.
///
/// # Errors
/// The log cannot be read, its form is unknown, or it was filtered. Damage is no error but in the
/// [`Report`].
///
/// ```
/// use logboom::formatter::{Formatter, JsonFormatter};
/// use logboom::verify::{Damage, Form, verify};
/// use logboom::{Level, Record};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app.log");
/// let mut lines = Vec::new();
/// for seq in [0, 1, 3] {
///     let mut record = Record::new(0, Level::INFO, "web", "served");
///     record.seq = seq;
///     JsonFormatter::new().format(&record, &mut lines);
///     lines.push(b'\n');
/// }
/// std::fs::write(&path, lines)?;
/// let report = verify(&path, &Form::Detect)?;
/// assert!(!report.is_whole());
/// assert!(matches!(report.findings[0].damage, Damage::Gap { seq: 2, count: 1, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(path: impl AsRef<Path>, form: &Form) -> Result<Report, VerifyError> {
    verify_with(path, form, |_| {})
}

/// The same, and tells now and then how much was read.
///
/// # Errors
/// As for [`verify`].
pub fn verify_with(
    path: impl AsRef<Path>,
    form: &Form,
    mut tell: impl FnMut(ReadBytes),
) -> Result<Report, VerifyError> {
    let mut finished_bytes = 0;
    let mut pass = pass::Pass::new(form)?;
    let files = LogFiles::new(path.as_ref().to_owned());
    let path = files.path();
    let mut file = files.oldest()?.ok_or_else(|| VerifyError::Missing { path: path.to_owned() })?;
    loop {
        // Found before the file is read, so that it is held open when the next rotation comes.
        let next = match files.newer_than(&file)? {
            Newer::Found(next) => Some(next),
            Newer::NotYet => None,
            Newer::Left => return Err(VerifyError::Overtaken { path: path.to_owned() }),
        };
        let name = files.name_of(&file)?.unwrap_or_else(|| path.to_owned());
        let may_grow = next.is_none() && writer::is_alive(path);
        let end = if may_grow { lines::End::MayGrow } else { lines::End::Final };
        let (text, newer_bytes) = (file.open_text()?, files.newer_bytes(&file)?);
        let io = |source| VerifyError::Io { operation: "look at", path: name.clone(), source };
        let text_bytes = text.len().map_err(io)?;
        let whole = file.share(text_bytes, text_bytes).map_err(io)?;
        pass.read_file(&name, text, end, |read_text| {
            let read = file.share(read_text, text_bytes).unwrap_or(whole).read;
            let total = finished_bytes + whole.total + newer_bytes;
            tell(ReadBytes { read: finished_bytes + read, total });
        })?;
        finished_bytes += whole.total;
        match next {
            Some(next) => file = next,
            None => return Ok(pass.finish()),
        }
    }
}
