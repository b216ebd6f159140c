//! The settings of a log that rotates.

use std::io;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use super::RotatingFileHandler;
use crate::backups::MAX_LOG_NAME_BYTES;
use crate::formatter::Formatter;
use crate::handler::HandlerError;
use crate::handler::line_buffer::LineBuffer;
use crate::handler::log_lock::LogLock;
use crate::regular_file::refused;
#[cfg(feature = "compression")]
use crate::rotation::Compression;
use crate::rotation::{
    AtDiskLimit, BackupNames, CurrentFile, Rotation, Rule, Schedule, create_directory,
};

/// The settings of a [`RotatingFileHandler`] that is not open yet.
#[derive(Clone, Debug)]
pub struct RotatingFileBuilder {
    path: PathBuf,
    pub(in crate::handler) rule: Rule,
}

impl RotatingFileBuilder {
    pub(super) fn new(path: PathBuf) -> RotatingFileBuilder {
        RotatingFileBuilder { path, rule: Rule::default() }
    }

    /// The log that they are for.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same settings for another log.
    pub(in crate::handler) fn at(self, path: PathBuf) -> RotatingFileBuilder {
        RotatingFileBuilder { path, ..self }
    }

    /// What is wrong with the settings.
    #[cfg(feature = "config")]
    pub(crate) fn problem(&self) -> Option<String> {
        self.rule.problem()
    }

    /// Whether a log at `path` can have these settings.
    pub(crate) fn check(&self, path: &Path) -> Result<(), HandlerError> {
        self.rule.problem().map_or(Ok(()), |problem| Err(unsuitable(path, problem)))
    }

    /// The size in bytes that a file stays below; 0, the default, means no limit.
    pub fn max_bytes(mut self, max_bytes: u64) -> RotatingFileBuilder {
        self.rule.max_bytes = max_bytes;
        self
    }

    /// How many backups are kept. With 0, the default, a log with numbered backups never rotates, and
    /// one with dated backups keeps all.
    ///
    /// What is beyond this and the other limits is deleted, the oldest first, after each rotation and
    /// before the first write, also where an earlier start had other settings. That is other than
    /// in Python, where numbered backups above a lowered count stay. Only files whose names this log
    /// could have given are deleted.
    pub fn backup_count(mut self, backup_count: u32) -> RotatingFileBuilder {
        self.rule.backup_count = backup_count;
        self
    }

    /// How long backups are kept after their last write. Looked at when the other limits are, so an
    /// older one stays until then. Default: no limit.
    pub fn keep_age(mut self, age: Duration) -> RotatingFileBuilder {
        self.rule.keep_age = Some(age);
        self
    }

    /// How large the log may be, all its files together: so many backups are kept that the file that is
    /// written still has room for `max_bytes`, which may be half of this at most. Default: no limit.
    pub fn keep_bytes(mut self, bytes: u64) -> RotatingFileBuilder {
        self.rule.keep_bytes = Some(bytes);
        self
    }

    /// How much of the log's file system stays free for others, in bytes, as the system counts them for
    /// those without privileges. Looked at before each write, so that less is left only by what others
    /// write meanwhile, also other logs of the same program. A line that is begun is completed. Default: no
    /// limit.
    ///
    /// Backups are not compressed while there is no room for both forms of one.
    pub fn min_free(mut self, bytes: u64) -> RotatingFileBuilder {
        self.rule.min_free_bytes = Some(bytes);
        self
    }

    /// What happens at [`keep_bytes`](Self::keep_bytes) and [`min_free`](Self::min_free). Default: at
    /// `keep_bytes` the oldest backups are deleted, at `min_free` records are held back.
    ///
    /// Where backups are deleted for `min_free` and their space does not get free, since somebody has
    /// them open, it is waited five seconds before further ones go. A log that is held back at
    /// `keep_bytes` takes a longer record than that only when it is empty.
    pub fn at_disk_limit(mut self, at_disk_limit: AtDiskLimit) -> RotatingFileBuilder {
        self.rule.at_disk_limit = Some(at_disk_limit);
        self
    }

    /// Compresses backups, one at a time, on a thread of its own. A backup has its compressed form when
    /// that is complete and on the disk; what is not compressed when the handler is closed is for the
    /// next start. While one is compressed, its new form takes room besides. Default: not.
    #[cfg(feature = "compression")]
    pub fn compress(mut self, compression: Compression) -> RotatingFileBuilder {
        self.rule.compression = Some(compression);
        self
    }

    /// The times at which the file rotates. Default: none.
    pub fn rotate_at(mut self, schedule: Schedule) -> RotatingFileBuilder {
        self.rule.rotate_at = Some(schedule);
        self
    }

    /// Rotates before the first record, so that each start has files of its own.
    pub fn rotate_on_start(mut self) -> RotatingFileBuilder {
        self.rule.rotates_on_start = true;
        self
    }

    /// What backups are called. Default: [`BackupNames::Number`].
    pub fn backup_names(mut self, names: BackupNames) -> RotatingFileBuilder {
        self.rule.names = names;
        self
    }

    /// Takes the lock and opens the file, or creates it with its directories.
    ///
    /// Modes are 0640 for the file and 0750 for directories, less the umask. What is in the file
    /// stays; if its last line is torn, it gets a newline before the first record and is counted.
    ///
    /// # Errors
    /// [`LockError::Held`](crate::LockError::Held) inside [`HandlerError::Lock`] if another handler
    /// has this log; [`HandlerError::Io`] if the path is no regular file, its name has more than 208
    /// bytes, the system refuses, or the limits do not fit each other, as where `keep_bytes` is less
    /// than two files need.
    pub fn open(
        self,
        formatter: impl Formatter + 'static,
    ) -> Result<RotatingFileHandler, HandlerError> {
        // Names the same file after a change of the working directory.
        let path = path::absolute(&self.path).map_err(refused("open", &self.path))?;
        self.check(&path)?;
        check_name(&path)?;
        create_directory(&path)?;
        let lock = LogLock::acquire(&path)?;
        let file = CurrentFile::open(&path)?;
        Ok(RotatingFileHandler {
            rotation: Rotation::new(self.rule, &file)?,
            is_new: file.size_bytes() == 0,
            file,
            lock,
            formatter: Box::new(formatter),
            lines: LineBuffer::default(),
            segment: None,
        })
    }
}

/// Whether the names of locks and backups would be names. Found out at the first rotation, it would hold all
/// records back.
pub(in crate::handler) fn check_name(path: &Path) -> Result<(), HandlerError> {
    let name_bytes = path.file_name().map_or(0, |name| name.len());
    if name_bytes <= MAX_LOG_NAME_BYTES {
        return Ok(());
    }
    let problem = format!(
        "its name has {name_bytes} bytes, and those of its backups are longer: choose one of \
         {MAX_LOG_NAME_BYTES} bytes at most"
    );
    Err(unsuitable(path, problem))
}

fn unsuitable(path: &Path, problem: String) -> HandlerError {
    refused("open", path)(io::Error::new(io::ErrorKind::InvalidInput, problem)).into()
}
