//! Which log a file belongs to that is no log itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::backups::BackupName;

/// What the files beside a log end in whose names begin with a point.
const ENDINGS: [(&str, &str); 3] =
    [(".write.lock", "a lock file"), (".lock", "a lock file"), (".compressed", "a backup")];

/// What a file of this name is, and of which log: a lock file, or a backup of a log that is there or that
/// somebody holds.
pub(crate) fn log_of(path: &Path) -> Option<(&'static str, PathBuf)> {
    let name = path.file_name()?.as_bytes();
    let at = |name: &[u8]| path.with_file_name(OsStr::from_bytes(name));
    if let Some(behind) = name.strip_prefix(b".") {
        let log_by = |(ending, what): (&str, &'static str)| {
            let log = behind.strip_suffix(ending.as_bytes()).filter(|log| !log.is_empty())?;
            Some((what, at(log)))
        };
        if let Some(found) = ENDINGS.into_iter().find_map(log_by) {
            return Some(found);
        }
    }
    let points = name.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'.');
    let mut logs = points.filter_map(|(index, _)| {
        let stem = str::from_utf8(&name[index + 1..]).ok()?;
        BackupName::parse(stem).map(|_| &name[..index])
    });
    let is_log = |log: &&[u8]| {
        let lock = [b".", *log, b".lock"].concat();
        at(log).is_file() || at(&lock).is_file()
    };
    logs.find(is_log).map(|log| ("a backup", at(log)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn backups_and_lock_files_have_a_log_and_others_none() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["app.log", ".held.log.lock"] {
            fs::write(at(name), "").unwrap();
        }
        for (name, log) in [
            ("app.log.1", "app.log"),
            ("app.log.2026-11-22.3.zst", "app.log"),
            ("app.log.2026-11-22T04-48-23Z", "app.log"),
            ("held.log.7", "held.log"),
            (".gone.log.lock", "gone.log"),
            (".app.log.write.lock", "app.log"),
            (".app.log.compressed", "app.log"),
        ] {
            assert_eq!(log_of(&at(name)).map(|(_, log)| log), Some(at(log)), "{name}");
        }
        for name in ["app.log", "app.log.old", "gone.log.1", "1", ".1", ".lock", ".app", "x.lock"] {
            assert_eq!(log_of(&at(name)), None, "{name}");
        }
    }
}
