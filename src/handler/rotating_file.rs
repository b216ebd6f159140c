//! Appends records to a file and rotates it by size, by time, or when asked.

mod builder;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use self::builder::RotatingFileBuilder;
pub(super) use self::builder::check_name;
use super::line_buffer::LineBuffer;
use super::log_lock::{LogLock, OnUnresolved};
use super::{Handler, HandlerError};
use crate::Record;
use crate::backups::BackupName;
use crate::formatter::Formatter;
use crate::rotation::{CurrentFile, Place, Rotation, Segment, create_directory};

/// Appends records to a file and keeps a number of backups when it has grown to a size, or at times.
///
/// The current file keeps its name; what backups are called [`BackupNames`](super::BackupNames) says. It rotates between
/// records only, and never while it is empty:
///
/// - by size, as Python's `RotatingFileHandler` does ("logging.handlers" in the Python docs, CPython
///   3.13), with sizes in bytes: before a record that would bring the file to `max_bytes` or above. A
///   longer record stands alone in its file.
/// - by time, before the first record after a time of a [`Schedule`](super::Schedule).
/// - at the start and [when asked](Self::rotate).
///
/// Whatever comes first counts. With numbered backups it never rotates if `backup_count` is 0.
///
/// At most 64 KiB of records wait in memory (one longer record is let in alone) until they are
/// written by [`flush`](Handler::flush) or by the records after them. Dropping the handler discards
/// what waits; [`close`](Self::close) writes it.
///
/// A file that was moved away or deleted, for instance by `logrotate`, is noticed at the next
/// write, which goes to a new file at the path. One that was truncated (`copytruncate`) is
/// continued, and [counted](Self::truncations).
///
/// While the handler lives it holds a lock on `.NAME.lock` beside the log, so that two handlers
/// cannot rotate one log, in whatever processes they are. Where the listener of a queue was killed
/// while it wrote to the log, nothing but a listener of that queue may write to it next.
///
/// ```
/// use logboom::formatter::Formatter;
/// use logboom::handler::{Handler, RotatingFileHandler};
/// use logboom::{Level, Record};
///
/// struct Message;
///
/// impl Formatter for Message {
///     fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
///         out.extend_from_slice(record.message.as_bytes());
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app.log");
/// let mut handler = RotatingFileHandler::builder(&path)
///     .max_bytes(10_000_000)
///     .backup_count(5)
///     .open(Message)?;
/// handler.handle(&Record::new(0, Level::INFO, "app", "started"))?;
/// handler.close()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "started\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RotatingFileHandler {
    file: CurrentFile,
    rotation: Rotation,
    lock: LogLock,
    formatter: Box<dyn Formatter>,
    lines: LineBuffer,
    /// What the journal knows of the lines that wait.
    segment: Option<Segment>,
    /// The current file was begun, and nobody was told.
    is_new: bool,
}

impl RotatingFileHandler {
    /// Settings for the log at `path`, which never rotates unless told to.
    pub fn builder(path: impl Into<PathBuf>) -> RotatingFileBuilder {
        RotatingFileBuilder::new(path.into())
    }

    /// The absolute path of the current file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Whether another log at the absolute `path` would take the place of this one, of a directory on the
    /// way to it, or give its name to a backup.
    pub(crate) fn is_in_the_way_of(&self, path: &Path) -> bool {
        let as_backup = || {
            let own = self.path().as_os_str().as_bytes();
            let behind = own.strip_prefix(path.as_os_str().as_bytes())?.strip_prefix(b".")?;
            BackupName::parse(str::from_utf8(behind).ok()?)
        };
        path.starts_with(self.path()) || as_backup().is_some()
    }

    /// How many files were found with a torn last line and got a newline.
    pub fn mended_lines(&self) -> u64 {
        self.file.mended_lines()
    }

    /// How often the file was found shorter than it was: others have truncated it.
    pub fn truncations(&self) -> u64 {
        self.file.truncations()
    }

    /// How often backups could not be deleted that are beyond the limits, or not be compressed. The next
    /// rotation tries again.
    pub fn backup_failures(&self) -> u64 {
        self.rotation.failures()
    }

    /// Writes what waits and rotates now, unless the file is empty, or backups have numbers and
    /// `backup_count` is 0; whether it did.
    ///
    /// # Errors
    /// As for [`flush`](Handler::flush); calling again goes on where it stopped.
    pub fn rotate(&mut self) -> Result<bool, HandlerError> {
        self.write_lines()?;
        let may_rotate = self.rotation.may_rotate(self.file.size_bytes());
        if may_rotate {
            self.rotate_file()?;
            self.rotation.settled();
        }
        Ok(may_rotate)
    }

    /// Writes what waits and makes all of it survive a loss of power, backups included.
    ///
    /// Blocks as long as the device takes; after a rotation it waits for the whole file system.
    ///
    /// # Errors
    /// As for [`flush`](Handler::flush). When the device has failed, records since the last
    /// successful sync may be lost even if the next call succeeds.
    pub fn sync(&mut self) -> Result<(), HandlerError> {
        self.flush()?;
        Ok(self.file.sync()?)
    }

    /// Writes what waits and lets the log go.
    ///
    /// # Errors
    /// As for [`flush`](Handler::flush), and then what waits is lost: flush first if that matters.
    pub fn close(mut self) -> Result<(), HandlerError> {
        self.flush()
    }

    /// Formats `record`, and tells whether it can be taken without a write or a rotation before it.
    pub(crate) fn offer(&mut self, record: &Record<'_>) -> bool {
        let line_bytes = self.lines.offer(|out| self.formatter.format(record, out));
        let size_bytes = self.file.size_bytes() + self.lines.pending_bytes();
        !self.rotation.is_due(line_bytes, size_bytes) && !self.lines.is_full()
    }

    /// Takes the record on offer.
    pub(crate) fn take_offered(&mut self) {
        self.lines.take();
    }

    /// Where the lines that wait will be written; the same on every call until they are settled,
    /// unless others delete their file or cut them off. `None` where no line waits.
    pub(crate) fn prepare(&mut self) -> Result<Option<Segment>, HandlerError> {
        if self.lines.pending_bytes() == 0 {
            return Ok(self.segment);
        }
        let place = self.file.locate()?;
        if let Some(segment) = self.segment
            && place != Place::Deleted
        {
            if self.file.size_bytes() >= segment.offset + self.lines.written_bytes() {
                if place == Place::AtPath {
                    self.ensure_space()?;
                }
                return Ok(Some(segment));
            }
            // Others have cut the file amid the segment or before: what is left of it goes as well.
            self.file.cut_to(segment.offset)?;
        }
        self.lines.rewind();
        if place != Place::AtPath {
            self.reopen()?;
        }
        self.ensure_space()?;
        self.file.mend()?;
        self.segment = Some(self.file.segment(self.lines.pending()));
        Ok(self.segment)
    }

    /// Writes the lines that wait to the file that [`prepare`](Self::prepare) has named.
    pub(crate) fn write_prepared(&mut self) -> Result<(), HandlerError> {
        // Without lines nothing has looked how long the file is now.
        if self.lines.pending_bytes() == 0 {
            return Ok(());
        }
        self.lines.write_to_open_file(&mut self.file)
    }

    /// Makes what is written survive a loss of power; lines that wait go on waiting.
    pub(crate) fn sync_written(&mut self) -> Result<(), HandlerError> {
        Ok(self.file.sync()?)
    }

    /// The batch of which the prepared lines were a part is complete.
    pub(crate) fn settle(&mut self) {
        self.segment = None;
        self.rotation.settled();
    }

    /// Takes the log for the listener of `queue`.
    pub(crate) fn claim(
        &mut self,
        queue: &Path,
        on_unresolved: OnUnresolved,
    ) -> Result<(), HandlerError> {
        let file = &self.file;
        self.lock.claim(queue, on_unresolved, |segment| file.has(segment))?;
        self.measure()?;
        self.rotation.take_over();
        Ok(())
    }

    /// Reads the size of the file anew after a batch in it was resolved.
    pub(crate) fn measure(&mut self) -> Result<(), HandlerError> {
        Ok(self.file.measure()?)
    }

    /// What the log should say of its file and backups.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        let mut notices = Vec::from_iter(self.file.take_notice());
        notices.append(&mut self.rotation.take_notices());
        notices
    }

    /// Goes on under other settings with the file, the lock and the lines that it has.
    pub(crate) fn adopt(
        &mut self,
        settings: &RotatingFileBuilder,
        formatter: impl Formatter + 'static,
    ) {
        self.rotation.adopt(settings.rule, &self.file);
        self.formatter = Box::new(formatter);
    }

    /// Takes the limits of these settings for the next write, but deletes nothing by them.
    #[cfg(feature = "listener")]
    pub(crate) fn lend_limits(&mut self, settings: &RotatingFileBuilder) {
        self.rotation.set_lent(Some(settings.rule.without_deletion()));
    }

    /// Goes back to its own.
    #[cfg(feature = "listener")]
    pub(crate) fn take_back_limits(&mut self) {
        self.rotation.set_lent(None);
    }

    /// How much waits to be written.
    #[cfg(feature = "listener")]
    pub(crate) fn pending_bytes(&self) -> u64 {
        self.lines.pending_bytes()
    }

    /// Where less than `bytes` is free above what has to stay free, deletes the oldest backups if that is
    /// the rule of this log.
    #[cfg(feature = "listener")]
    pub(crate) fn make_free_space(&mut self, bytes: u64) -> Result<(), HandlerError> {
        Ok(self.rotation.ensure_space(&self.file, bytes)?)
    }

    /// Whether nothing is in the current file, and nothing waits for it.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.size_bytes() + self.lines.pending_bytes() == 0
    }

    /// Whether the log has begun another file since this was asked last: it was empty when it was opened, has
    /// rotated, or others have moved or deleted the file before.
    pub(crate) fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }

    /// Whether others have moved or deleted the open file.
    pub(crate) fn is_moved(&mut self) -> Result<bool, HandlerError> {
        Ok(self.file.locate()? != Place::AtPath)
    }

    /// Opens what is at the path now, or a new file, where others have moved or deleted the open one.
    pub(crate) fn reopen_if_moved(&mut self) -> Result<(), HandlerError> {
        if self.file.locate()? != Place::AtPath {
            self.reopen()?;
        }
        Ok(())
    }

    /// Opens what is at the path, after a change by others or of ours, and rotates where the lines
    /// that wait do not fit.
    pub(crate) fn make_room_for_lines(&mut self) -> Result<(), HandlerError> {
        if self.lines.pending_bytes() == 0 {
            return Ok(());
        }
        self.reopen_if_moved()?;
        if self.rotation.is_due(self.lines.pending_bytes(), self.file.size_bytes()) {
            self.rotate_file()?;
        }
        Ok(())
    }

    fn make_room(&mut self, line_bytes: u64) -> Result<(), HandlerError> {
        let size_bytes = self.file.size_bytes() + self.lines.pending_bytes();
        let is_due = self.rotation.is_due(line_bytes, size_bytes);
        if is_due || self.lines.is_full() {
            self.write_lines()?;
        }
        // Decided anew, because others may have truncated or moved the file.
        if is_due && self.rotation.is_due(line_bytes, self.file.size_bytes()) {
            self.rotate_file()?;
        }
        Ok(())
    }

    fn write_lines(&mut self) -> Result<(), HandlerError> {
        let file = &self.file;
        if self.lock.claim_once(|segment| file.has(segment))? {
            self.rotation.take_over();
        }
        if self.rotation.has_disk_limit() && !self.lines.is_partly_written() {
            self.reopen_if_moved()?;
        }
        self.ensure_space()?;
        let RotatingFileHandler { file, lock, lines, rotation, is_new, .. } = self;
        lines.write_at_path(file, |file| {
            reopen(file, lock, rotation)?;
            *is_new = true;
            Ok(())
        })?;
        rotation.settled();
        Ok(())
    }

    /// Makes sure that the lines may be written. What is begun is completed, also where that takes the
    /// last room: it would be a torn line for as long as there is none.
    fn ensure_space(&mut self) -> Result<(), HandlerError> {
        let bytes = self.lines.pending_bytes();
        if bytes == 0 {
            return Ok(());
        }
        let ensured = self.rotation.ensure_space(&self.file, bytes);
        if self.lines.is_partly_written() { Ok(()) } else { Ok(ensured?) }
    }

    fn rotate_file(&mut self) -> Result<(), HandlerError> {
        self.rotation.rotate()?;
        self.reopen()
    }

    fn reopen(&mut self) -> Result<(), HandlerError> {
        reopen(&mut self.file, &mut self.lock, &mut self.rotation)?;
        self.is_new = true;
        Ok(())
    }
}

fn reopen(
    file: &mut CurrentFile,
    lock: &mut LogLock,
    rotation: &mut Rotation,
) -> Result<(), HandlerError> {
    create_directory(file.path())?;
    lock.renew()?;
    file.reopen()?;
    rotation.begin(file);
    Ok(())
}

impl Handler for RotatingFileHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let line_bytes = self.lines.offer(|out| self.formatter.format(record, out));
        self.make_room(line_bytes)?;
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
mod python;
#[cfg(test)]
mod tests;
