//! Renames the current file and its backups on disk, and deletes what may not stay.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::retention::{self, Facts};
use super::rule::{Plan, Rule, Shift};
use crate::backups::{self, Backup, BackupName, Compression, Origin, Stamp, Stem};
use crate::fault;
use crate::regular_file::{self, FileError, is_missing, refused};

/// In which the system counts what a file takes of the disk.
const BLOCK_BYTES: u64 = 512;

/// What renaming, deleting and compressing have to know of each other, and what only one of them does at a
/// time.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The file that is written, whatever its name.
    pub(super) inode: u64,
    /// How much of the file system stays free.
    #[cfg(feature = "compression")]
    pub(super) min_free_bytes: Option<u64>,
    /// The handler has let the log go.
    #[cfg(feature = "compression")]
    pub(super) is_ended: bool,
}

/// Where the log at `current` is compressed to before it takes the place of a backup.
pub(super) fn unfinished_path(current: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(current.file_name().unwrap_or_default());
    name.push(".compressed");
    current.with_file_name(name)
}

/// The backups of one log.
#[derive(Debug)]
pub(super) struct Backups {
    current: PathBuf,
    /// Of backups that were looked at before, by inode: they do not change any more.
    sizes: HashMap<u64, u64>,
}

/// The backups of a directory that was listed; one that was just compressed is there in both forms.
struct Found<'a> {
    current: &'a Path,
    groups: &'a [&'a [Backup]],
    sizes: &'a mut HashMap<u64, u64>,
}

impl Facts for Found<'_> {
    fn size_bytes(&mut self, index: usize) -> u64 {
        let (current, sizes) = (self.current, &mut *self.sizes);
        let size_of = |backup: &Backup| {
            let path = backups::path_of(current, &backup.name);
            let size = || fs::symlink_metadata(path).map_or(0, |found| found.len());
            *sizes.entry(backup.inode).or_insert_with(size)
        };
        self.groups[index].iter().map(size_of).sum()
    }

    fn written_s(&mut self, index: usize) -> i64 {
        let path = backups::path_of(self.current, &self.groups[index][0].name);
        // One that was deleted meanwhile has no age that matters.
        fs::symlink_metadata(path).map_or(i64::MAX, |found| found.mtime())
    }
}

/// Numbered backups, each in the forms that it has.
#[derive(Default)]
struct Forms(BTreeMap<u32, Vec<BackupName>>);

impl Forms {
    fn of(&self, number: u32) -> &[BackupName] {
        self.0.get(&number).map_or(&[], Vec::as_slice)
    }

    fn has(&self, number: u32, compression: Option<Compression>) -> bool {
        self.of(number).iter().any(|name| name.compression == compression)
    }
}

impl Backups {
    pub(super) fn new(current: &Path) -> Backups {
        Backups { current: current.to_owned(), sizes: HashMap::new() }
    }

    /// The log that they are of.
    pub(super) fn current(&self) -> &Path {
        &self.current
    }

    /// Makes the current file backup 1 and leaves no current file; with no backups does nothing.
    ///
    /// After an error, or a kill between two renames, calling it again goes on from there.
    pub(super) fn shift(&self, rule: Rule) -> Result<(), FileError> {
        let (mut own, mut foreign) = (Forms::default(), Forms::default());
        for Backup { name, is_file, .. } in self.list()? {
            if let Stem::Number(number) = name.stem {
                let forms = if is_file && self.is_own(&name) { &mut own } else { &mut foreign };
                forms.0.entry(number).or_default().push(name);
            }
        }
        let may_have = |Shift { from, to }| {
            let is_plain = from == 0 && foreign.has(to, None);
            !is_plain && !own.of(from).iter().any(|name| foreign.has(to, name.compression))
        };
        let next_taken = |number: u32| own.0.range(number + 1..).next().map(|(number, _)| *number);
        let Plan { replaced, shifts } = rule.plan(next_taken, may_have);
        if let (Some(replaced), Some(Shift { from, to })) = (replaced, shifts.first()) {
            // A plain one is replaced by the rename of a plain one.
            let is_renamed_over = *to == replaced && (*from == 0 || own.has(*from, None));
            for name in own.of(replaced) {
                if name.compression.is_some() || !is_renamed_over {
                    self.delete(name)?;
                }
            }
        }
        for Shift { from, to } in shifts {
            fault::point_of("before-rename", to);
            if from == 0 {
                self.rename(&self.current, to, None)?;
            }
            for name in own.of(from) {
                self.rename(&self.path(name), to, name.compression)?;
            }
            fault::point_of("after-rename", to);
        }
        Ok(())
    }

    fn rename(
        &self,
        from: &Path,
        number: u32,
        compression: Option<Compression>,
    ) -> Result<(), FileError> {
        let to = self.path(&BackupName { stem: Stem::Number(number), compression });
        if compression.is_some() && regular_file::look(&to)?.is_some() {
            let taken = format!("others have made {}: move that away", to.display());
            let source = io::Error::new(io::ErrorKind::AlreadyExists, taken);
            return Err(refused("rename", from)(source));
        }
        fs::rename(from, to).map_err(refused("rename", from))
    }

    /// Gives the current file, `inode`, the name of the stamp, or the one that follows the newest where
    /// that is not older, and leaves no current file. The backups there are then.
    pub(super) fn date(&self, stamp: Stamp, inode: u64) -> Result<Vec<Backup>, FileError> {
        let mut listed = self.list()?;
        let name = BackupName { stem: following(stamp, &listed), compression: None };
        fault::point_of("before-rename", 1);
        let path = self.path(&name);
        fs::rename(&self.current, path).map_err(refused("rename", &self.current))?;
        fault::point_of("after-rename", 1);
        listed.insert(0, Backup { name, inode, is_file: true });
        Ok(listed)
    }

    /// Brings to its end what a kill has left of a compression: what was not complete goes, and so does
    /// the plain form of what was.
    pub(super) fn end_compression(&self, listed: &[Backup]) -> Result<(), FileError> {
        delete_at(&unfinished_path(&self.current))?;
        for forms in listed.chunk_by(|one, other| one.name.stem == other.name.stem) {
            let [plain, packed @ ..] = forms else { continue };
            let path = self.path(&plain.name);
            if packed.is_empty() || plain.name.compression.is_some() {
                continue;
            }
            let origin = regular_file::look(&path)?.map(|found| Origin::of(&found));
            let is_made_from_it =
                |packed: &Backup| origin.is_some() && origin == self.origin(&packed.name);
            if packed.iter().any(is_made_from_it) {
                delete_at(&path)?;
            }
        }
        Ok(())
    }

    /// Deletes of these backups, the oldest first, what the limits of `rule` do not let stay.
    pub(super) fn delete_expired(
        &mut self,
        mut listed: Vec<Backup>,
        rule: Rule,
        now_s: i64,
    ) -> Result<(), FileError> {
        listed.retain(|backup| backup.is_file);
        let groups: Vec<_> =
            listed.chunk_by(|one, other| one.name.stem == other.name.stem).collect();
        let inodes: HashSet<_> = listed.iter().map(|backup| backup.inode).collect();
        self.sizes.retain(|inode, _| inodes.contains(inode));
        let mut facts = Found { current: &self.current, groups: &groups, sizes: &mut self.sizes };
        let kept = retention::kept(rule, groups.len(), now_s, &mut facts);
        for backup in groups[kept..].iter().rev().copied().flatten() {
            if self.is_own(&backup.name) {
                self.delete_backup(&backup.name)?;
            }
        }
        Ok(())
    }

    /// How large they are together.
    pub(super) fn size_bytes(&mut self) -> Result<u64, FileError> {
        let listed = self.list()?.into_iter().filter(|backup| backup.is_file).collect::<Vec<_>>();
        let groups = [&listed[..]];
        let mut found = Found { current: &self.current, groups: &groups, sizes: &mut self.sizes };
        Ok(found.size_bytes(0))
    }

    /// Those that the log has made, in all their forms, the oldest first; not the file `but`, which others
    /// may have given the name of one.
    pub(super) fn own_oldest_first(&self, but: u64) -> Result<Vec<Vec<Backup>>, FileError> {
        let mut own = self.list()?;
        own.retain(|backup| backup.is_file && backup.inode != but && self.is_own(&backup.name));
        let groups = own.chunk_by(|one, other| one.name.stem == other.name.stem);
        Ok(groups.map(<[Backup]>::to_vec).rev().collect())
    }

    /// Deletes a backup in all its forms; how much of the disk it took.
    pub(super) fn delete_forms(&self, forms: &[Backup]) -> Result<u64, FileError> {
        let mut freed_bytes = 0;
        for form in forms {
            let found = regular_file::look(&self.path(&form.name))?;
            self.delete_backup(&form.name)?;
            freed_bytes += found.map_or(0, |found| found.blocks().saturating_mul(BLOCK_BYTES));
        }
        Ok(freed_bytes)
    }

    fn delete_backup(&self, name: &BackupName) -> Result<(), FileError> {
        fault::point("before-delete");
        self.delete(name)?;
        fault::point("after-delete");
        Ok(())
    }

    /// Whether the log has made the file, as far as names and compressed files tell.
    fn is_own(&self, name: &BackupName) -> bool {
        name.compression.is_none() || self.origin(name).is_some()
    }

    /// The file that a compressed one was made from.
    fn origin(&self, name: &BackupName) -> Option<Origin> {
        let file = regular_file::open(&self.path(name), OpenOptions::new().read(true));
        file.and_then(|file| backups::origin_of(&file)).ok().flatten()
    }

    fn delete(&self, name: &BackupName) -> Result<(), FileError> {
        delete_at(&self.path(name))
    }

    /// The backups there are, newest first.
    pub(super) fn list(&self) -> Result<Vec<Backup>, FileError> {
        let directory = self.current.parent().unwrap_or(&self.current);
        backups::list(&self.current).map_err(refused("list", directory))
    }

    fn path(&self, name: &BackupName) -> PathBuf {
        backups::path_of(&self.current, name)
    }
}

/// Deletes a file that may be gone.
pub(super) fn delete_at(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if !is_missing(&error) => Err(refused("delete", path)(error)),
        _ => Ok(()),
    }
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
    fn what_others_have_under_the_name_of_a_backup_is_passed_by() {
        let (directory, backups) = log_with(&["log", "log.1", "log.3.gz"]);
        fs::create_dir(directory.path().join("log.2")).unwrap();
        let foreign = [("log.2", ""), ("log.3.gz", "log.3.gz")];
        let listing_with = |own: &[(&str, &str)]| {
            let mut all = pairs(&[own, &foreign].concat());
            all.sort();
            all
        };
        backups.shift(rule(2)).unwrap();
        // A plain one may stand beside a compressed one of others.
        assert_eq!(listing(&directory), listing_with(&[("log.1", "log"), ("log.3", "log.1")]));
        fs::write(directory.path().join("log"), "new").unwrap();
        backups.shift(rule(2)).unwrap();
        assert_eq!(listing(&directory), listing_with(&[("log.1", "new"), ("log.3", "log")]));
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
            backups.date(stamp(day), 0).unwrap();
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
