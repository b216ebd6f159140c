//! Appends records to a file that never rotates.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{self, Path, PathBuf};

use super::line_buffer::LineBuffer;
use super::log_lock::LogLock;
use super::{Handler, HandlerError};
use crate::Record;
use crate::formatter::Formatter;
use crate::regular_file::{self, FileError, refused};
use crate::rotation::{CurrentFile, create_directory, log_of};

/// What becomes of the lines that a file has when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileMode {
    /// They stay; Python's `a`.
    #[default]
    Append,
    /// They are deleted; Python's `w`.
    Truncate,
}

/// Appends each record as a line to a file.
///
/// It holds no lock and never rotates: use a
/// [`RotatingFileHandler`](super::RotatingFileHandler), which without a size never rotates either,
/// for a log that nobody else may write. A log whose lock somebody holds is never emptied, nor are
/// backups and lock files of logs, nor a file with several names (hard links).
///
/// At most 64 KiB of records wait in memory (one longer record is let in alone) until they are
/// written by [`flush`](Handler::flush) or by the records after them. Dropping the handler discards
/// what waits; [`close`](Handler::close) writes it.
///
/// A file that was moved away or deleted is noticed at the next write, which goes to a new file at
/// the path, as with Python's `WatchedFileHandler`. One whose last line is torn gets a newline
/// first.
///
/// ```
/// use logboom::formatter::PatternFormatter;
/// use logboom::handler::{FileHandler, FileMode, Handler};
/// use logboom::{Level, Record};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app.log");
/// let formatter = PatternFormatter::new("%(levelname)s %(message)s")?;
/// let mut handler =
///     FileHandler::builder(&path).mode(FileMode::Truncate).delayed().open(formatter)?;
/// assert!(!path.exists());
/// handler.handle(&Record::new(0, Level::INFO, "app", "started"))?;
/// handler.close()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "INFO started\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileHandler {
    path: PathBuf,
    mode: FileMode,
    file: Option<CurrentFile>,
    formatter: Box<dyn Formatter>,
    lines: LineBuffer,
}

/// The settings of a [`FileHandler`] that is not open yet.
#[derive(Clone, Debug)]
pub struct FileBuilder {
    path: PathBuf,
    mode: FileMode,
    is_delayed: bool,
}

impl FileBuilder {
    /// What becomes of the lines that are there. Default: [`FileMode::Append`].
    pub fn mode(mut self, mode: FileMode) -> FileBuilder {
        self.mode = mode;
        self
    }

    /// Opens the file with the first write instead of at once; an error is met there.
    pub fn delayed(mut self) -> FileBuilder {
        self.is_delayed = true;
        self
    }

    /// Opens the file, or creates it with its directories, unless that is delayed.
    ///
    /// Modes are 0640 for the file and 0750 for directories, less the umask.
    ///
    /// # Errors
    /// The path is no regular file, the file is to be emptied and may belong to a log, or the system
    /// refuses.
    pub fn open(self, formatter: impl Formatter + 'static) -> Result<FileHandler, HandlerError> {
        // Names the same file after a change of the working directory.
        let path = path::absolute(&self.path).map_err(refused("open", &self.path))?;
        let mut handler = FileHandler {
            path,
            mode: self.mode,
            file: None,
            formatter: Box::new(formatter),
            lines: LineBuffer::default(),
        };
        if !self.is_delayed {
            let FileHandler { path, mode, file, .. } = &mut handler;
            FileHandler::open_file(file, path, mode)?;
        }
        Ok(handler)
    }
}

impl FileHandler {
    /// Settings for the file at `path`.
    pub fn builder(path: impl Into<PathBuf>) -> FileBuilder {
        FileBuilder { path: path.into(), mode: FileMode::default(), is_delayed: false }
    }

    /// The absolute path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file; opened now where nothing was written before.
    fn open_file<'a>(
        file: &'a mut Option<CurrentFile>,
        path: &Path,
        mode: &mut FileMode,
    ) -> Result<&'a mut CurrentFile, HandlerError> {
        match file {
            Some(file) => Ok(file),
            none => {
                create_directory(path)?;
                if *mode == FileMode::Truncate {
                    truncate(path)?;
                    // A file that comes to the path later is not ours to empty.
                    *mode = FileMode::Append;
                }
                Ok(none.insert(CurrentFile::open(path)?))
            }
        }
    }

    fn write_lines(&mut self) -> Result<(), HandlerError> {
        let FileHandler { path, mode, file, lines, .. } = self;
        lines.write_at_path(FileHandler::open_file(file, path, mode)?, |file| {
            create_directory(path)?;
            Ok(file.reopen()?)
        })
    }
}

/// Empties the file, or makes it, unless it belongs to a log.
fn truncate(path: &Path) -> Result<(), HandlerError> {
    if let Some((what, log)) = log_of(path) {
        let reason = format!("it has the name of {what} of {}: choose another path", log.display());
        return Err(not_ours(path, reason).into());
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o640);
    let file = regular_file::open(path, &mut options).map_err(refused("open", path))?;
    // Whoever holds it counts on what stands in the file.
    let _lock = LogLock::acquire(path)?;
    // Its lock would be beside another name.
    let names = file.metadata().map_err(refused("examine", path))?.nlink();
    if names > 1 {
        let reason =
            format!("it has {names} names, one of which may be a log: choose another path");
        return Err(not_ours(path, reason).into());
    }
    Ok(file.set_len(0).map_err(refused("truncate", path))?)
}

fn not_ours(path: &Path, reason: String) -> FileError {
    refused("empty", path)(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

impl Handler for FileHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        self.lines.offer(|out| self.formatter.format(record, out));
        if self.lines.is_full() {
            self.write_lines()?;
        }
        self.lines.take();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        if self.lines.pending_bytes() == 0 {
            return Ok(());
        }
        self.write_lines()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Level;
    use crate::formatter::PatternFormatter;
    use crate::handler::RotatingFileHandler;

    fn message() -> PatternFormatter {
        PatternFormatter::new("%(message)s").unwrap()
    }

    fn log(handler: &mut FileHandler, text: &str) {
        handler.handle(&Record::new(0, Level::INFO, "", text)).unwrap();
        handler.flush().unwrap();
    }

    #[test]
    fn lines_are_appended_or_replaced_and_a_torn_one_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/app.log");
        let write = |mode, text| {
            let mut handler = FileHandler::builder(&path).mode(mode).open(message()).unwrap();
            log(&mut handler, text);
            fs::read_to_string(&path).unwrap()
        };
        assert_eq!(write(FileMode::Append, "one"), "one\n");
        fs::write(&path, "one\ntorn").unwrap();
        assert_eq!(write(FileMode::Append, "two"), "one\ntorn\ntwo\n");
        assert_eq!(write(FileMode::Truncate, "three"), "three\n");
    }

    #[test]
    fn a_delayed_file_is_neither_made_nor_emptied_before_the_first_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        fs::write(&path, "before\n").unwrap();
        let builder = FileHandler::builder(&path).mode(FileMode::Truncate).delayed();
        let mut handler = builder.open(message()).unwrap();
        handler.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\n");
        log(&mut handler, "one");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        let mut refused = FileHandler::builder("/dev/null").delayed().open(message()).unwrap();
        refused.handle(&Record::new(0, Level::INFO, "", "")).unwrap();
        assert_eq!(refused.flush().unwrap_err().to_string(), "cannot open /dev/null");
    }

    #[test]
    fn a_log_that_somebody_has_is_not_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.log");
        let mut log = RotatingFileHandler::builder(&path).open(message()).unwrap();
        log.handle(&Record::new(0, Level::INFO, "", "one")).unwrap();
        log.flush().unwrap();
        let open = || FileHandler::builder(&path).mode(FileMode::Truncate).open(message());
        let refusal = open().err().unwrap().to_string();
        assert!(refusal.contains(".app.log.lock is locked by this process"), "{refusal}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        log.close().unwrap();
        open().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn what_may_belong_to_a_log_is_not_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let log = at("app.log");
        let _log = RotatingFileHandler::builder(&log).open(message()).unwrap();
        fs::write(&log, "text\n").unwrap();
        fs::write(at("app.log.1"), "text\n").unwrap();
        fs::hard_link(&log, at("linked")).unwrap();
        let lock = fs::read_to_string(at(".app.log.lock")).unwrap();
        for (name, said) in [
            ("linked", "it has 2 names"),
            ("app.log.1", "it has the name of a backup of "),
            (".app.log.lock", "it has the name of a lock file of "),
        ] {
            let open = FileHandler::builder(at(name)).mode(FileMode::Truncate).open(message());
            let HandlerError::Io { operation, source, .. } = open.err().unwrap() else {
                panic!("another error")
            };
            assert_eq!(operation, "empty");
            assert!(source.to_string().starts_with(said), "{source}");
        }
        for name in ["app.log", "app.log.1", "linked"] {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), "text\n");
        }
        assert_eq!(fs::read_to_string(at(".app.log.lock")).unwrap(), lock);
    }

    #[test]
    fn a_file_that_was_moved_or_deleted_is_made_anew_and_not_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let [path, moved] = ["app.log", "moved.log"].map(|name| directory.path().join(name));
        let builder = FileHandler::builder(&path).mode(FileMode::Truncate);
        let mut handler = builder.open(message()).unwrap();
        log(&mut handler, "one");
        fs::rename(&path, &moved).unwrap();
        fs::write(&path, "of another\n").unwrap();
        log(&mut handler, "two");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "of another\ntwo\n");
        fs::remove_file(&path).unwrap();
        log(&mut handler, "three");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }
}
