//! Renames the current file and its backups on disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::Rule;
use crate::fault;
use crate::regular_file::{self, FileError, refused};

/// The numbered names of one log: `app.log` (number 0), `app.log.1` (the newest backup), …
#[derive(Debug)]
pub(crate) struct Backups {
    current: PathBuf,
    rule: Rule,
}

impl Backups {
    pub(crate) fn new(current: &Path, rule: Rule) -> Backups {
        Backups { current: current.to_owned(), rule }
    }

    /// Makes the current file backup 1 and leaves no current file; with no backups does nothing.
    ///
    /// After an error, or a kill between two renames, calling it again goes on from there.
    pub(crate) fn shift(&self) -> Result<(), FileError> {
        let is_taken = |number| Ok(regular_file::look(&self.path(number))?.is_some());
        for shift in self.rule.shifts(is_taken)? {
            let from = self.path(shift.from);
            fault::point_of("before-rename", shift.to);
            fs::rename(&from, self.path(shift.to)).map_err(refused("rename", &from))?;
            fault::point_of("after-rename", shift.to);
        }
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        let mut path = self.current.clone().into_os_string();
        if number > 0 {
            path.push(format!(".{number}"));
        }
        path.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_with(names: &[&str], backup_count: u32) -> (tempfile::TempDir, Backups) {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let rule = Rule { max_bytes: 1, backup_count };
        let backups = Backups::new(&directory.path().join("log"), rule);
        (directory, backups)
    }

    fn listing(directory: &tempfile::TempDir) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read_to_string(path).unwrap_or_default())
            })
            .collect();
        files.sort();
        files
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, was)| (name.to_string(), was.to_string())).collect()
    }

    #[test]
    fn the_current_file_becomes_backup_one() {
        let (directory, backups) = log_with(&["log", "log.1", "log.2", "other"], 2);
        backups.shift().unwrap();
        let expected = pairs(&[("log.1", "log"), ("log.2", "log.1"), ("other", "other")]);
        assert_eq!(listing(&directory), expected);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_kept_byte_for_byte() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(OsStr::from_bytes(b"l\xffg"));
        fs::write(&path, "text").unwrap();

        Backups::new(&path, Rule { max_bytes: 1, backup_count: 1 }).shift().unwrap();

        assert!(directory.path().join(OsStr::from_bytes(b"l\xffg.1")).exists());
    }

    #[test]
    fn a_failed_rename_loses_nothing_and_the_next_try_completes_it() {
        let (directory, backups) = log_with(&["log", "log.1"], 2);
        let obstacle = directory.path().join("log.2");
        fs::create_dir(&obstacle).unwrap();

        let error = backups.shift().unwrap_err();

        assert_eq!((error.operation, error.path), ("rename", directory.path().join("log.1")));
        let untouched = pairs(&[("log", "log"), ("log.1", "log.1"), ("log.2", "")]);
        assert_eq!(listing(&directory), untouched);
        fs::remove_dir(&obstacle).unwrap();
        backups.shift().unwrap();
        assert_eq!(listing(&directory), pairs(&[("log.1", "log"), ("log.2", "log.1")]));
    }
}
