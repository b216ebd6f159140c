//! A file that a killed process has left in the middle of a write.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::{CurrentFile, Resolution, Segment};
use crate::file_id::FileId;
use crate::regular_file::{self, FileError, refused};

/// Most names of a directory among which a file that was moved is looked for.
const MAX_NAMES: usize = 100_000;

/// Finds out whether all of `segment` was written, and cuts off what there is of it where not.
///
/// Its file is the one that was at `path`. Should others have renamed it since, it is found in the
/// same directory; one that is gone has nothing.
pub(crate) fn resolve_left(path: &Path, segment: &Segment) -> Result<Resolution, FileError> {
    if let Some(resolution) = resolve_at(path, segment)? {
        return Ok(resolution);
    }
    for moved in names_of(segment.inode, path)? {
        if let Some(resolution) = resolve_at(&moved, segment)? {
            return Ok(resolution);
        }
    }
    Ok(Resolution::Absent)
}

fn resolve_at(path: &Path, segment: &Segment) -> Result<Option<Resolution>, FileError> {
    // Only what may be the file is opened.
    let id = regular_file::look(path)?.map(|found| (found.is_file(), FileId::of(&found).parts()));
    if id != Some((true, (segment.device, segment.inode))) {
        return Ok(None);
    }
    let file = match regular_file::open(path, OpenOptions::new().read(true).append(true)) {
        Err(error) if regular_file::is_missing(&error) => return Ok(None),
        opened => opened.map_err(refused("open", path))?,
    };
    CurrentFile::of(path, file)?.resolve(segment)
}

/// The names that `inode` has in the directory of `path`.
fn names_of(inode: u64, path: &Path) -> Result<Vec<PathBuf>, FileError> {
    let directory = path.parent().unwrap_or(path);
    let entries = match fs::read_dir(directory) {
        Err(error) if regular_file::is_missing(&error) => return Ok(Vec::new()),
        opened => opened.map_err(refused("read", directory))?,
    };
    let found = entries.take(MAX_NAMES).flatten().filter(|entry| entry.ino() == inode);
    Ok(found.map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn begun(path: &Path) -> Segment {
        fs::write(path, "before\n").unwrap();
        let mut file = CurrentFile::open(path).unwrap();
        let segment = file.segment(b"line\n");
        file.write_all(b"li").unwrap();
        segment
    }

    #[test]
    fn a_file_that_was_renamed_is_found_and_cut_back() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("log"), directory.path().join("log-old"));
        let segment = begun(&path);
        fs::rename(&path, &moved).unwrap();
        fs::write(&path, "another file of others").unwrap();
        assert_eq!(resolve_left(&path, &segment).unwrap(), Resolution::Absent);
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\n");
        fs::write(&moved, "before\nline\n").unwrap();
        assert_eq!(resolve_left(&path, &segment).unwrap(), Resolution::Complete);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another file of others");
    }

    #[test]
    fn a_file_that_is_gone_has_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/log");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let segment = begun(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(resolve_left(&path, &segment).unwrap(), Resolution::Absent);
        fs::remove_dir(path.parent().unwrap()).unwrap();
        assert_eq!(resolve_left(&path, &segment).unwrap(), Resolution::Absent);
    }

    #[test]
    fn a_file_that_was_born_at_another_time_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let segment = begun(&path);
        let older = Segment { birth_ns: segment.birth_ns + 1, ..segment };
        assert_eq!(resolve_left(&path, &older).unwrap(), Resolution::Absent);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\nli");
    }
}
