//! Renames the current file and its backups on disk.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::retention::{self, Facts};
use super::rule::{Rule, Shift};
use crate::backups::{self, Backup, BackupName, Stamp, Stem};
use crate::fault;
use crate::regular_file::{FileError, is_missing, refused};

/// The backups of one log.
#[derive(Debug)]
pub(super) struct Backups {
    current: PathBuf,
    /// Of backups that were looked at before, by inode: they do not change any more.
    sizes: HashMap<u64, u64>,
}

/// The backups of a directory that was listed.
struct Found<'a> {
    listed: &'a [Backup],
    paths: &'a [PathBuf],
    sizes: &'a mut HashMap<u64, u64>,
}

impl Facts for Found<'_> {
    fn size_bytes(&mut self, index: usize) -> u64 {
        let size = || fs::symlink_metadata(&self.paths[index]).map_or(0, |found| found.len());
        *self.sizes.entry(self.listed[index].inode).or_insert_with(size)
    }

    fn written_s(&mut self, index: usize) -> i64 {
        // One that was deleted meanwhile has no age that matters.
        fs::symlink_metadata(&self.paths[index]).map_or(i64::MAX, |found| found.mtime())
    }
}

impl Backups {
    pub(super) fn new(current: &Path) -> Backups {
        Backups { current: current.to_owned(), sizes: HashMap::new() }
    }

    /// Makes the current file backup 1 and leaves no current file; with no backups does nothing.
    ///
    /// After an error, or a kill between two renames, calling it again goes on from there.
    pub(super) fn shift(&self, rule: Rule) -> Result<(), FileError> {
        let taken: HashSet<u32> = self.list()?.iter().filter_map(Backup::number).collect();
        for Shift { from, to } in rule.shifts(|number| taken.contains(&number)) {
            let path = match from {
                0 => self.current.clone(),
                _ => self.path(&numbered(from)),
            };
            fault::point_of("before-rename", to);
            fs::rename(&path, self.path(&numbered(to))).map_err(refused("rename", &path))?;
            fault::point_of("after-rename", to);
        }
        Ok(())
    }

    /// Gives the current file the name of the stamp, or the one that follows the newest where that is
    /// not older, and leaves no current file.
    pub(super) fn date(&self, stamp: Stamp) -> Result<(), FileError> {
        let stem = following(stamp, &self.list()?);
        let path = self.path(&BackupName { stem, compression: None });
        fault::point_of("before-rename", 1);
        fs::rename(&self.current, path).map_err(refused("rename", &self.current))?;
        fault::point_of("after-rename", 1);
        Ok(())
    }

    /// Deletes, the oldest first, what the limits of `rule` do not let stay.
    pub(super) fn delete_expired(&mut self, rule: Rule, now_s: i64) -> Result<(), FileError> {
        if rule.backup_count == 0 && rule.keep_age.is_none() && rule.keep_bytes.is_none() {
            return Ok(());
        }
        let mut listed = self.list()?;
        listed.retain(|backup| backup.is_file && backup.name.compression.is_none());
        let paths: Vec<_> = listed.iter().map(|backup| self.path(&backup.name)).collect();
        self.sizes.retain(|inode, _| listed.iter().any(|backup| backup.inode == *inode));
        let mut facts = Found { listed: &listed, paths: &paths, sizes: &mut self.sizes };
        let kept = retention::kept(rule, listed.len(), now_s, &mut facts);
        for path in paths[kept..].iter().rev() {
            fault::point("before-delete");
            match fs::remove_file(path) {
                Err(error) if !is_missing(&error) => return Err(refused("delete", path)(error)),
                _ => {}
            }
            fault::point("after-delete");
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<Backup>, FileError> {
        let directory = self.current.parent().unwrap_or(&self.current);
        backups::list(&self.current).map_err(refused("list", directory))
    }

    fn path(&self, name: &BackupName) -> PathBuf {
        backups::path_of(&self.current, name)
    }
}

fn numbered(number: u32) -> BackupName {
    BackupName { stem: Stem::Number(number), compression: None }
}

/// The first name of the stamp that is newer than all dated ones.
fn following(stamp: Stamp, listed: &[Backup]) -> Stem {
    let newest = listed.iter().filter_map(|backup| match backup.name.stem {
        Stem::Dated { stamp, seq } => Some((stamp, seq)),
        Stem::Number(_) => None,
    });
    match newest.max() {
        Some((newest, seq)) if newest >= stamp => {
            Stem::Dated { stamp: newest, seq: seq.saturating_add(1) }
        }
        _ => Stem::Dated { stamp, seq: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::StampForm;

    fn rule(backup_count: u32) -> Rule {
        Rule { backup_count, ..Rule::default() }
    }

    fn log_with(names: &[&str]) -> (tempfile::TempDir, Backups) {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let backups = Backups::new(&directory.path().join("log"));
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
        let (directory, backups) = log_with(&["log", "log.1", "log.2", "other"]);
        backups.shift(rule(2)).unwrap();
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

        Backups::new(&path).shift(rule(1)).unwrap();

        assert!(directory.path().join(OsStr::from_bytes(b"l\xffg.1")).exists());
    }

    #[test]
    fn a_failed_rename_loses_nothing_and_the_next_try_completes_it() {
        let (directory, backups) = log_with(&["log", "log.1"]);
        let obstacle = directory.path().join("log.2");
        fs::create_dir(&obstacle).unwrap();

        let error = backups.shift(rule(2)).unwrap_err();

        assert_eq!((error.operation, error.path), ("rename", directory.path().join("log.1")));
        let untouched = pairs(&[("log", "log"), ("log.1", "log.1"), ("log.2", "")]);
        assert_eq!(listing(&directory), untouched);
        fs::remove_dir(&obstacle).unwrap();
        backups.shift(rule(2)).unwrap();
        assert_eq!(listing(&directory), pairs(&[("log.1", "log"), ("log.2", "log.1")]));
    }

    #[test]
    fn a_dated_backup_gets_a_name_behind_all_others_and_replaces_none() {
        let stamp = |day| Stamp::new(StampForm::Day, [2026, 11, day], [0; 3]);
        let (directory, backups) = log_with(&["log", "log.2026-11-21", "log.1"]);
        for (day, name) in [
            (22, "log.2026-11-22"),
            (22, "log.2026-11-22.1"),
            // The clock was set back.
            (20, "log.2026-11-22.2"),
            (23, "log.2026-11-23"),
        ] {
            fs::write(directory.path().join("log"), name).unwrap();
            backups.date(stamp(day)).unwrap();
        }
        let expected = [
            "log.1",
            "log.2026-11-21",
            "log.2026-11-22",
            "log.2026-11-22.1",
            "log.2026-11-22.2",
            "log.2026-11-23",
        ];
        assert_eq!(listing(&directory), pairs(&expected.map(|name| (name, name))));
    }
}
