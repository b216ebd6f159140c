//! Opens regular files and nothing else, and tells whether a path still leads to an open one.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::file_id::FileId;

/// What the system refused; each public error type has a variant of this shape.
#[derive(Debug)]
pub(crate) struct FileError {
    pub(crate) operation: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// Adds to an `io::Error` what was tried, and on which file.
pub(crate) fn refused(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { operation, path: path.to_owned(), source }
}

/// Opens `path`, which must be a regular file or, with `create`, not exist. Never blocks on a FIFO.
///
/// Symbolic links are followed in the directories of `path` only.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Opening a device may act on it, so look first; the look after the opening is the sure one.
    match fs::symlink_metadata(path) {
        Ok(found) => expect_regular(&found)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = options.custom_flags(flags.bits()).open(path)?;
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens the regular file that `path` leads to, also by symbolic links, to read it. Never blocks on a
/// FIFO.
#[cfg(feature = "config")]
pub(crate) fn open_linked(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    expect_regular(&file.metadata()?)?;
    Ok(file)
}

fn expect_regular(found: &Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let what = describe(found.file_type());
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}: choose the path of a regular file"),
    ))
}

fn describe(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Whether nothing is there, or not even a directory for it.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether both paths lead to one file or directory that exists.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).ok().map(|found| FileId::of(&found));
    one == other || id(one).is_some_and(|one| id(other) == Some(one))
}

/// Whether both paths are one name in one directory, whatever stands there.
pub(crate) fn is_same_name(one: &Path, other: &Path) -> bool {
    let directories = one.parent().zip(other.parent());
    one.file_name() == other.file_name()
        && directories.is_some_and(|(one, other)| is_same(one, other))
}

/// What is at `path` itself (a symbolic link is not followed), or `None` if nothing is.
pub(crate) fn look(path: &Path) -> Result<Option<Metadata>, FileError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused("examine", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;

    use super::*;

    fn refusal(path: &Path) -> String {
        open(path, OpenOptions::new().read(true).append(true).create(true))
            .expect_err("must be refused")
            .to_string()
    }

    #[test]
    fn what_is_no_regular_file_is_refused_by_its_kind() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        symlink(at("target"), at("link")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();

        assert!(refusal(&at("link")).starts_with("it is a symbolic link:"));
        assert!(refusal(&at("fifo")).starts_with("it is a FIFO:"));
        assert!(refusal(&at("socket")).starts_with("it is a socket:"));
        assert!(refusal(directory.path()).starts_with("it is a directory:"));
        assert!(refusal(Path::new("/dev/null")).starts_with("it is a device:"));
        assert!(!at("target").exists(), "the link was followed");
    }

    #[test]
    fn a_link_is_looked_at_itself_and_what_is_missing_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        symlink(directory.path().join("missing"), &link).unwrap();
        assert!(look(&link).unwrap().is_some_and(|found| found.is_symlink()));
        assert!(look(&directory.path().join("missing")).unwrap().is_none());
    }
}
