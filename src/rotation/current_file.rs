//! The open current file of a log, its size, and whether its path still leads to it.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nix::errno::Errno;

use super::Schedule;
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

/// Bytes of a file that are about to be written, as the journal notes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Inode numbers are reused at once; with the time of birth they are not. Zero where the file
    /// system does not know it: then an inode number that is used again misleads.
    pub(crate) birth_ns: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What became of a segment whose writer was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// All of it is there.
    Complete,
    /// Nothing of it is there, or not any more.
    Absent,
}

/// A regular file that is only appended to.
///
/// It is written through [`Write`]; nothing is buffered here.
#[derive(Debug)]
pub(crate) struct CurrentFile {
    path: PathBuf,
    file: File,
    id: FileId,
    birth_ns: u64,
    /// When it was written to before it was opened, in seconds since the Unix epoch.
    written_s: i64,
    size_bytes: u64,
    /// Whether the last line it had when it was opened is known to be whole.
    is_mended: bool,
    /// Where the last line ends that was [appended whole](Self::append_whole).
    own_end: u64,
    mended_lines: u64,
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
        *self = opened;
        Ok(())
    }

    /// Finds out where the file is, and reads its size anew, since others may have truncated it.
    pub(crate) fn locate(&mut self) -> Result<Place, FileError> {
        if let Some(found) = regular_file::look(&self.path)?
            && FileId::of(&found) == self.id
        {
            self.size_bytes = found.len();
            return Ok(Place::AtPath);
        }
        let open = self.file.metadata().map_err(refused("examine", &self.path))?;
        Ok(if open.nlink() == 0 { Place::Deleted } else { Place::Moved })
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

    /// Where the next `length` bytes will be.
    pub(crate) fn segment(&self, length: u64) -> Segment {
        let (device, inode) = self.id.parts();
        Segment { device, inode, birth_ns: self.birth_ns, offset: self.size_bytes, length }
    }

    /// Whether `segment` is about this file.
    pub(crate) fn has(&self, segment: &Segment) -> bool {
        let (device, inode) = self.id.parts();
        (segment.device, segment.inode, segment.birth_ns) == (device, inode, self.birth_ns)
    }

    /// How much of `segment` is in this file; `None` where it is about another file.
    pub(super) fn resolve(&mut self, segment: &Segment) -> Result<Option<Resolution>, FileError> {
        if !self.has(segment) {
            return Ok(None);
        }
        let metadata = self.file.metadata().map_err(refused("examine", &self.path))?;
        self.size_bytes = metadata.len();
        if self.size_bytes >= segment.offset.saturating_add(segment.length) {
            return Ok(Some(Resolution::Complete));
        }
        // What is behind the offset is the beginning of the segment and nobody else's.
        if self.size_bytes > segment.offset {
            self.file.set_len(segment.offset).map_err(refused("truncate", &self.path))?;
            self.size_bytes = segment.offset;
            fault::point("after-cut");
        }
        Ok(Some(Resolution::Absent))
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
        if written.is_err() && self.size_bytes > begin {
            self.file.set_len(begin).map_err(refused("truncate", &self.path))?;
            self.size_bytes = begin;
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
        self.file.read_exact_at(&mut last, last_offset).map_err(refused("read", &self.path))?;
        if last != *b"\n" {
            self.write_all(b"\n").map_err(refused("write", &self.path.clone()))?;
            self.mended_lines += 1;
        }
        Ok(())
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
        assert_eq!(file.size_bytes(), 0);
    }

    #[test]
    fn a_segment_is_complete_or_cut_back_to_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        fs::write(&path, "before\n").unwrap();
        let segment = CurrentFile::open(&path).unwrap().segment(5);
        for (text, resolution, left) in [
            ("before\nline\n", Resolution::Complete, "before\nline\n"),
            ("before\nline\nmore\n", Resolution::Complete, "before\nline\nmore\n"),
            ("before\nli", Resolution::Absent, "before\n"),
            ("before\n", Resolution::Absent, "before\n"),
            ("bef", Resolution::Absent, "bef"),
        ] {
            fs::write(&path, text).unwrap();
            let mut file = CurrentFile::open(&path).unwrap();
            assert_eq!(file.resolve(&segment).unwrap(), Some(resolution), "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), left);
        }
        fs::rename(&path, directory.path().join("log.1")).unwrap();
        let mut another = CurrentFile::open(&path).unwrap();
        assert_eq!(another.resolve(&segment).unwrap(), None);
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
