//! Which log a file belongs to, by its name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::backups::BackupName;

/// The current file of the log that `path` is a backup of, by its name; none if it is not called like one.
pub(crate) fn log_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes();
    let mut dots = memchr::memchr_iter(b'.', name).filter(|dot| *dot > 0);
    // The first, because a date may have a number behind it.
    let end = dots.find(|dot| {
        let behind = str::from_utf8(&name[dot + 1..]).ok();
        behind.and_then(BackupName::parse).is_some()
    })?;
    Some(path.with_file_name(OsStr::from_bytes(&name[..end])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_belong_to_the_log_whose_name_they_begin_with() {
        for (name, log) in [
            ("logs/app.log.1", Some("logs/app.log")),
            ("app.log.12.zst", Some("app.log")),
            ("app.2.log.2026-11-22.1.gz", Some("app.2.log")),
            ("app.log", None),
            ("app.log.old", None),
            (".1", None),
            ("app.1.log", None),
        ] {
            assert_eq!(log_of(Path::new(name)).as_deref(), log.map(Path::new), "{name}");
        }
    }
}
