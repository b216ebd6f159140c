//! Which backups there are, in order of age.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::name::{BackupName, Stem};
use super::origin::origin_of;

/// So many free numbers in a row end the numbered backups: what stands above was made by others. A
/// rotation in progress leaves one.
const FREE_NUMBERS: u32 = 8;

/// Most backups of one log.
const MAX_BACKUPS: usize = 1_000_000;

/// One backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backup {
    pub(crate) name: BackupName,
    pub(crate) inode: u64,
    /// Whether it is a regular file, and not something that stands in the way of one.
    pub(crate) is_file: bool,
}

/// Where the backup `name` of the log at `current` is.
pub(crate) fn path_of(current: &Path, name: &BackupName) -> PathBuf {
    let mut path = current.as_os_str().to_owned();
    path.push(format!(".{name}"));
    path.into()
}

/// The backups of the log at `current`, newest first: whatever in its directory has a name that the
/// log gives. Reads the directory once; the files themselves are looked at only where some have
/// numbers and others dates, because then the time of the last write decides between the two.
pub(crate) fn list(current: &Path) -> io::Result<Vec<Backup>> {
    let (mut numbered, mut dated) = (Vec::new(), Vec::new());
    let directory = match current.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut prefix = current.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened?,
    };
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let behind = file_name.as_bytes().strip_prefix(prefix.as_bytes());
        let behind = behind.and_then(|text| str::from_utf8(text).ok());
        let Some(name) = behind.and_then(BackupName::parse) else { continue };
        if numbered.len() + dated.len() == MAX_BACKUPS {
            let reason = format!("there are more than {MAX_BACKUPS} backups: delete some");
            return Err(io::Error::other(reason));
        }
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let backup = Backup { name, inode: entry.ino(), is_file };
        match name.stem {
            Stem::Number(_) => numbered.push(backup),
            Stem::Dated { .. } => dated.push(backup),
        }
    }
    for backups in [&mut numbered, &mut dated] {
        backups.sort_by(cmp_age);
    }
    drop_foreign(&mut numbered);
    Ok(merge(numbered, dated, |backup| written_at(current, backup)))
}

/// Nothing for what the log has not made, or what is gone: its place does not matter.
fn written_at(current: &Path, backup: &Backup) -> Option<(i64, i64)> {
    let path = path_of(current, &backup.name);
    if !backup.is_file {
        return None;
    }
    if backup.name.compression.is_some() {
        origin_of(&File::open(&path).ok()?).ok()??;
    }
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.mtime(), found.mtime_nsec()))
}

/// By age, newest first; of two forms of one file, the plain one.
fn cmp_age(one: &Backup, other: &Backup) -> Ordering {
    let forms = || one.name.compression.is_some().cmp(&other.name.compression.is_some());
    one.name.stem.cmp_age(&other.name.stem).unwrap_or(Ordering::Equal).then_with(forms)
}

fn drop_foreign(numbered: &mut Vec<Backup>) {
    let mut last = 0;
    let own = numbered.iter().take_while(|backup| match backup.name.stem {
        Stem::Number(number) => {
            let gap = number - last;
            last = number;
            gap <= FREE_NUMBERS
        }
        Stem::Dated { .. } => false,
    });
    let own = own.count();
    numbered.truncate(own);
}

/// Keeps the order of each list, and takes of both the one that was written to later.
fn merge<T: Ord>(
    numbered: Vec<Backup>,
    dated: Vec<Backup>,
    written_at: impl Fn(&Backup) -> Option<T>,
) -> Vec<Backup> {
    if numbered.is_empty() || dated.is_empty() {
        return [numbered, dated].concat();
    }
    let mut numbered = timed(numbered, &written_at).peekable();
    let mut dated = timed(dated, &written_at).peekable();
    let mut merged = Vec::new();
    while let (Some((number_at, _)), Some((date_at, _))) = (numbered.peek(), dated.peek()) {
        let newer = if number_at > date_at { numbered.next() } else { dated.next() };
        merged.extend(newer.into_iter().flat_map(|(_, group)| group));
    }
    merged.extend(numbered.chain(dated).flat_map(|(_, group)| group));
    merged
}

/// The forms of each backup, with its time. One without a time goes with the one behind it, so that it
/// neither hides that nor is newer than it.
fn timed<T>(
    backups: Vec<Backup>,
    written_at: impl Fn(&Backup) -> Option<T>,
) -> impl Iterator<Item = (Option<T>, Vec<Backup>)> {
    let mut backups = backups.into_iter().peekable();
    iter::from_fn(move || {
        let mut last = backups.next()?;
        let (mut at, mut group) = (written_at(&last), vec![last]);
        while let Some(next) =
            backups.next_if(|next| at.is_none() || next.name.stem == last.name.stem)
        {
            at = at.or_else(|| written_at(&next));
            group.push(next);
            last = next;
        }
        Some((at, group))
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn listed(names: &[(&str, u64)]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, written_s) in names {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(*written_s)).unwrap();
        }
        let backups = list(&directory.path().join("log")).unwrap();
        backups.iter().map(|backup| backup.name.to_string()).collect()
    }

    #[test]
    fn numbers_and_dates_are_in_order_whatever_the_times_of_the_files() {
        assert_eq!(
            listed(&[("log.10.zst", 9), ("log.2", 5), ("log.1", 1), ("log", 0), ("log.3.gz", 3)]),
            ["1", "2", "3.gz", "10.zst"]
        );
        assert_eq!(
            listed(&[("log.2026-11-22", 9), ("log.2026-11-23.zst", 1), ("log.2026-11-22.1", 0)]),
            ["2026-11-23.zst", "2026-11-22.1", "2026-11-22"]
        );
    }

    #[test]
    fn numbers_and_dates_are_merged_by_the_times_of_the_files() {
        let names = [("log.1", 5), ("log.2", 4), ("log.2026-11-22", 3), ("log.2026-11-23", 9)];
        assert_eq!(listed(&names), ["2026-11-23", "1", "2", "2026-11-22"]);
    }

    #[test]
    fn the_time_of_a_compressed_file_of_others_hides_none_behind_it() {
        let names = [("log.1", 9), ("log.2.gz", 0), ("log.3", 8), ("log.2026-11-22", 7)];
        assert_eq!(listed(&names), ["1", "2.gz", "3", "2026-11-22"]);
    }

    #[test]
    fn a_compressed_file_of_others_is_not_newer_than_what_it_stands_beside() {
        let names = [("log.1", 9), ("log.2", 8), ("log.2026-11-22.gz", 10)];
        assert_eq!(listed(&names), ["1", "2", "2026-11-22.gz"]);
        let names = [("log.1", 9), ("log.2", 7), ("log.2026-11-23.gz", 10), ("log.2026-11-22", 8)];
        assert_eq!(listed(&names), ["1", "2026-11-23.gz", "2026-11-22", "2"]);
    }

    #[test]
    fn files_of_others_are_not_listed() {
        let others = ["log.old", "log-1", "log.20261122", "alog.1", "log.1.tmp", "log.", ".log.1"];
        assert_eq!(listed(&others.map(|name| (name, 0))), [""; 0]);
        assert_eq!(listed(&[("log.1", 0), ("log.9", 0), ("log.18", 0)]), ["1", "9"]);
    }

    #[test]
    fn a_log_without_a_directory_has_no_backups() {
        assert_eq!(list(Path::new("/nowhere/log")).unwrap(), []);
    }
}
