//! The open current file of a log, its size, and whether its path still leads to it.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nix::errno::Errno;

use super::Schedule;
use super::space::free_bytes;
use crate::fault;
use crate::file_id::FileId;
use crate::regular_file::{self, FileError, refused};

/// Creates the directory of `path` and those above it, as far as they are missing.
pub(crate) fn create_directory(path: &Path) -> Result<(), FileError> {
    let directory = path.parent().unwrap_or(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(directory)
        .map_err(refused("create directory", directory))
}

/// Where the open file is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the path of the log.
    AtPath,
    /// Under another name.
    Moved,
    /// Nowhere: what is written to it is lost.
    Deleted,
}

/// A regular file that is only appended to.
///
/// It is written through [`Write`]; nothing is buffered here.
#[derive(Debug)]
pub(crate) struct CurrentFile {
    path: PathBuf,
    file: File,
    id: FileId,
    pub(super) birth_ns: u64,
    /// When it was written to before it was opened, in seconds since the Unix epoch.
    written_s: i64,
    size_bytes: u64,
    /// Whether the last line it had when it was opened is known to be whole.
    is_mended: bool,
    /// Where the last line ends that was [appended whole](Self::append_whole).
    own_end: u64,
    mended_lines: u64,
    /// How often others have made the file shorter.
    truncations: u64,
    /// The last time that nobody was told of: from how many bytes, and to how many.
    truncation: Option<(u64, u64)>,
    /// Whether the next sync has to cover backups, and the names files have now, as well.
    files_changed: bool,
}

impl CurrentFile {
    /// Opens or creates the file.
    pub(crate) fn open(path: &Path) -> Result<CurrentFile, FileError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o640);
        let file = regular_file::open(path, &mut options).map_err(refused("open", path))?;
        CurrentFile::of(path, file)
    }

    /// The file at `path`, open for reading and appending.
    pub(super) fn of(path: &Path, file: File) -> Result<CurrentFile, FileError> {
        let metadata = file.metadata().map_err(refused("examine", path))?;
        Ok(CurrentFile {
            path: path.to_owned(),
            file,
            id: FileId::of(&metadata),
            birth_ns: birth_ns(&metadata),
            written_s: metadata.mtime(),
            size_bytes: metadata.len(),
            is_mended: false,
            own_end: 0,
            mended_lines: 0,
            truncations: 0,
            truncation: None,
            // Whoever wrote before may have left backups that are not on the disk yet.
            files_changed: true,
        })
    }

    /// Opens whatever is at the path now, or a new file. On an error the old one stays open.
    pub(crate) fn reopen(&mut self) -> Result<(), FileError> {
        fault::point("before-open");
        let mut opened = CurrentFile::open(&self.path)?;
        fault::point("after-open");
        opened.mended_lines += self.mended_lines;
        opened.truncations = self.truncations;
        opened.truncation = self.truncation;
        *self = opened;
        Ok(())
    }

    /// Finds out where the file is, and how large, since others may have moved or truncated it.
    pub(crate) fn locate(&mut self) -> Result<Place, FileError> {
        if let Some(found) = regular_file::look(&self.path)?
            && FileId::of(&found) == self.id
        {
            self.see_size(found.len());
            return Ok(Place::AtPath);
        }
        let open = self.metadata()?;
        self.see_size(open.len());
        Ok(if open.nlink() == 0 { Place::Deleted } else { Place::Moved })
    }

    fn see_size(&mut self, size_bytes: u64) {
        if size_bytes < self.size_bytes {
            self.truncations += 1;
            self.truncation = Some((self.size_bytes, size_bytes));
            self.is_mended = false;
        }
        self.size_bytes = size_bytes;
    }

    /// Reads the size anew after we may have cut the file ourselves.
    pub(crate) fn measure(&mut self) -> Result<(), FileError> {
        self.size_bytes = self.metadata()?.len();
        Ok(())
    }

    pub(super) fn metadata(&self) -> Result<Metadata, FileError> {
        self.file.metadata().map_err(refused("examine", &self.path))
    }

    /// Cuts off what is behind `size_bytes`.
    pub(crate) fn cut_to(&mut self, size_bytes: u64) -> Result<(), FileError> {
        if self.size_bytes > size_bytes {
            self.file.set_len(size_bytes).map_err(refused("truncate", &self.path))?;
            self.size_bytes = size_bytes;
        }
        Ok(())
    }

    /// Reads all of `bytes` at `offset`.
    pub(super) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), FileError> {
        self.file.read_exact_at(bytes, offset).map_err(refused("read", &self.path))
    }

    /// How often others have made the file shorter.
    pub(crate) fn truncations(&self) -> u64 {
        self.truncations
    }

    /// What the log should say of that.
    pub(crate) fn take_notice(&mut self) -> Option<String> {
        let (from, to) = self.truncation.take()?;
        let path = self.path.display();
        Some(format!(
            "{path} was cut from {from} to {to} bytes by somebody else: its lines before that are gone from here"
        ))
    }

    /// Makes what was written so far, here and in the backups, survive a loss of power.
    ///
    /// After a change of files, and the first time, this is `syncfs`: backups are not open, and to keep
    /// them open would keep the space of deleted ones. Otherwise it is `fdatasync`.
    pub(crate) fn sync(&mut self) -> Result<(), FileError> {
        let synced =
            if self.files_changed { sync_file_system(&self.file) } else { self.file.sync_data() };
        synced.map_err(refused("sync", &self.path))?;
        self.files_changed = false;
        Ok(())
    }

    /// How much of its file system is free.
    pub(super) fn free_bytes(&self) -> Result<u64, FileError> {
        free_bytes(&self.file).map_err(refused("look for free space beside", &self.path))
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    pub(super) fn inode(&self) -> u64 {
        self.id.parts().1
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// When it was begun, in seconds since the Unix epoch, as `schedule` counts; `None` for one that was
    /// empty when it was opened.
    pub(super) fn began_s(&self, schedule: Schedule) -> Option<i64> {
        let birth_s = i64::try_from(self.birth_ns / 1_000_000_000).ok();
        let birth_s = birth_s.filter(|_| self.birth_ns > 0);
        (self.size_bytes > 0).then(|| schedule.began_s(birth_s, self.written_s))
    }

    /// How many files did not end in a newline when they were first written to.
    pub(crate) fn mended_lines(&self) -> u64 {
        self.mended_lines
    }

    /// Appends a line to a file that others have appended to meanwhile: after a newline where they left
    /// none, and all of it or nothing. Nobody else may write during the call.
    pub(crate) fn append_whole(&mut self, line: &[u8]) -> Result<(), FileError> {
        self.is_mended &= self.size_bytes == self.own_end;
        self.mend()?;
        let begin = self.size_bytes;
        let written = self.write_all(line);
        if written.is_err() {
            self.cut_to(begin)?;
        }
        self.own_end = self.size_bytes;
        written.map_err(refused("write", &self.path))
    }

    /// Writes a newline, once and counted, if the file did not end in one when it was opened.
    pub(crate) fn mend(&mut self) -> Result<(), FileError> {
        if !self.is_mended {
            self.end_last_line()?;
            self.is_mended = true;
        }
        Ok(())
    }

    fn end_last_line(&mut self) -> Result<(), FileError> {
        let Some(last_offset) = self.size_bytes.checked_sub(1) else { return Ok(()) };
        let mut last = [0];
        self.read_at(&mut last, last_offset)?;
        if last != *b"\n" {
            self.write_all(b"\n").map_err(refused("write", &self.path.clone()))?;
            self.mended_lines += 1;
        }
        Ok(())
    }
}

/// Makes what is written in the file system of `directory` survive a loss of power, whoever has written
/// it; where there is no such directory, nothing is there.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), FileError> {
    let synced = File::open(directory).and_then(|open| sync_file_system(&open));
    match synced {
        Err(error) if regular_file::is_missing(&error) => Ok(()),
        synced => synced.map_err(refused("sync", directory)),
    }
}

fn sync_file_system(file: &File) -> io::Result<()> {
    loop {
        match nix::unistd::syncfs(file) {
            Err(Errno::EINTR) => {}
            synced => return Ok(synced?),
        }
    }
}

/// Zero where the file system does not know it.
fn birth_ns(metadata: &Metadata) -> u64 {
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    born.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

impl Write for CurrentFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fault::point("before-write");
        fault::short_write(&self.file, bytes);
        let written = self.file.write(bytes)?;
        fault::point("after-write");
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn directories_and_file_are_closed_to_strangers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/log");
        create_directory(&path).unwrap();
        CurrentFile::open(&path).unwrap();
        assert_eq!(mode(&path) & !0o640, 0);
        for created in ["a", "a/b"] {
            assert_eq!(mode(&directory.path().join(created)) & !0o750, 0, "{created}");
        }
    }

    #[test]
    fn a_torn_last_line_is_ended_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "whole\ntorn").unwrap();

        let mut file = CurrentFile::open(&path).unwrap();
        assert_eq!((file.mended_lines(), file.size_bytes()), (0, 10));
        file.mend().unwrap();
        file.mend().unwrap();
        assert_eq!((file.mended_lines(), file.size_bytes()), (1, 11));
        file.reopen().unwrap();
        file.mend().unwrap();
        assert_eq!((file.mended_lines(), file.size_bytes()), (1, 11));
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\ntorn\n");
    }

    #[test]
    fn the_place_of_an_open_file_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log-0"));
        let mut file = CurrentFile::open(&path).unwrap();
        assert_eq!(file.locate().unwrap(), Place::AtPath);
        fs::rename(&path, &moved).unwrap();
        assert_eq!(file.locate().unwrap(), Place::Moved);
        fs::write(&path, "another").unwrap();
        assert_eq!(file.locate().unwrap(), Place::Moved);
        fs::remove_file(&moved).unwrap();
        assert_eq!(file.locate().unwrap(), Place::Deleted);
    }

    #[test]
    fn a_file_truncated_by_others_is_small_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = CurrentFile::open(&path).unwrap();
        file.write_all(b"line\n").unwrap();
        assert_eq!(file.size_bytes(), 5);
        fs::write(&path, "").unwrap();
        file.locate().unwrap();
        assert_eq!((file.size_bytes(), file.truncations()), (0, 1));
        let said = file.take_notice().unwrap();
        assert!(said.contains("log was cut from 5 to 0 bytes by somebody else"), "{said}");
        assert_eq!(file.take_notice(), None);
    }

    #[test]
    fn a_file_that_grows_or_that_we_cut_was_not_truncated_by_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = CurrentFile::open(&path).unwrap();
        file.write_all(b"line\n").unwrap();
        fs::write(&path, "line\nof others\n").unwrap();
        file.locate().unwrap();
        file.cut_to(5).unwrap();
        file.locate().unwrap();
        fs::write(&path, "").unwrap();
        file.measure().unwrap();
        file.locate().unwrap();
        assert_eq!((file.size_bytes(), file.truncations()), (0, 0));
    }

    #[test]
    fn a_line_that_others_have_cut_is_ended_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut file = CurrentFile::open(&path).unwrap();
        file.mend().unwrap();
        file.write_all(b"one\ntwo\n").unwrap();
        fs::write(&path, "one\nt").unwrap();
        file.locate().unwrap();
        file.mend().unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\nt\nthree\n");
    }

    #[test]
    fn a_sync_covers_backups_once_after_each_change_of_files_and_the_first_time() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = CurrentFile::open(&directory.path().join("log")).unwrap();
        assert!(file.files_changed);
        file.sync().unwrap();
        assert!(!file.files_changed);
        file.reopen().unwrap();
        assert!(file.files_changed);
        file.sync().unwrap();
        assert!(!file.files_changed);
        file.sync().unwrap();
    }
}
