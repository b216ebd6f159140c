//! The queue directory: where workers and their listener meet.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A queue's directory, private to its user: `/dev/shm/logboom-UID/NAME` or one of your own.
///
/// It holds the lock of the one listener and the socket where workers attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDir {
    path: PathBuf,
}

/// Why a queue directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueDirError {
    /// The name is no plain name.
    #[error(
        "queue name `{0}` is not usable: take 1 to 32 letters, digits, `-`, `_` or `.`, the first no dot"
    )]
    Name(String),
    /// Socket addresses are short, so the path has to be.
    #[error(
        "queue directory {path} has {bytes} bytes: take a path of at most {}",
        QueueDir::MAX_PATH_BYTES
    )]
    TooLong {
        /// The path, cut for display.
        path: String,
        /// Its length.
        bytes: usize,
    },
    /// Socket names are exchanged as text.
    #[error("queue directory {0} is not UTF-8: take another path")]
    NotUtf8(PathBuf),
    /// Others could read or replace what is inside, or it is no directory of ours.
    #[error("queue directory {path} {problem}")]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {operation} queue directory {path}")]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl QueueDir {
    /// Longest path of a queue directory: a socket address holds 107 bytes, and the sockets inside
    /// have names of up to 24.
    pub const MAX_PATH_BYTES: usize = 80;

    /// The name of the queue that is used when none is given.
    pub const DEFAULT_NAME: &'static str = "default";

    const MAX_NAME_BYTES: usize = 32;
    const MODE: u32 = 0o700;

    /// The directory of the queue `name` of this user, `/dev/shm/logboom-UID/NAME`. Touches no disk.
    ///
    /// # Errors
    /// [`QueueDirError::Name`] where `name` is empty, too long, or more than a plain name.
    pub fn named(name: &str) -> Result<QueueDir, QueueDirError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let usable = (1..=Self::MAX_NAME_BYTES).contains(&name.len())
            && name.chars().all(plain)
            && !name.starts_with('.');
        if !usable {
            return Err(QueueDirError::Name(name.chars().take(Self::MAX_NAME_BYTES).collect()));
        }
        let uid = nix::unistd::geteuid();
        QueueDir::at(format!("/dev/shm/logboom-{uid}/{name}"))
    }

    /// The queue directory at `path`, made absolute. Touches no disk.
    ///
    /// # Errors
    /// The path is too long for a socket inside it, not UTF-8, or cannot be made absolute.
    pub fn at(path: impl AsRef<Path>) -> Result<QueueDir, QueueDirError> {
        let path = path.as_ref();
        let path = std::path::absolute(path).map_err(|source| QueueDirError::Io {
            operation: "find",
            path: path.to_owned(),
            source,
        })?;
        let bytes = path.as_os_str().len();
        if bytes > Self::MAX_PATH_BYTES {
            let path = path.to_string_lossy().chars().take(24).collect::<String>() + "…";
            return Err(QueueDirError::TooLong { path, bytes });
        }
        if path.to_str().is_none() {
            return Err(QueueDirError::NotUtf8(path));
        }
        Ok(QueueDir { path })
    }

    /// The queue directory in `LOGBOOM_QUEUE`; `None` where it is unset or empty.
    ///
    /// # Errors
    /// As for [`QueueDir::at`].
    pub fn from_env() -> Result<Option<QueueDir>, QueueDirError> {
        let path = std::env::var_os("LOGBOOM_QUEUE").filter(|path| !path.is_empty());
        path.map(QueueDir::at).transpose()
    }

    /// The path, absolute and UTF-8.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Where the supervisor of the workers is asked to start and stop them.
    #[cfg(feature = "supervisor")]
    pub(crate) fn run_socket(&self) -> PathBuf {
        self.path.join("run.sock")
    }

    /// Makes the directory, and missing ones above it, for this user alone; an existing one is
    /// taken when it is just that already.
    pub(crate) fn create(&self) -> Result<(), QueueDirError> {
        use std::fs::DirBuilder;
        use std::os::unix::fs::DirBuilderExt;
        if let Some(parent) = self.path.parent() {
            let made = DirBuilder::new().recursive(true).mode(Self::MODE).create(parent);
            made.map_err(|source| self.io("create", source))?;
        }
        match DirBuilder::new().mode(Self::MODE).create(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(self.io("create", source)),
        }
        self.verify()
    }

    /// Checks that the directory is this user's alone; also the one above it, where names of queues
    /// are.
    pub(crate) fn verify(&self) -> Result<(), QueueDirError> {
        let parent = self.path.parent().filter(|parent| {
            parent.parent() == Some(Path::new("/dev/shm"))
                && parent
                    .file_name()
                    .is_some_and(|name| name.as_encoded_bytes().starts_with(b"logboom-"))
        });
        parent.map_or(Ok(()), verify_private)?;
        verify_private(&self.path)
    }

    fn io(&self, operation: &'static str, source: io::Error) -> QueueDirError {
        QueueDirError::Io { operation, path: self.path.clone(), source }
    }
}

pub(super) fn verify_private(path: &Path) -> Result<(), QueueDirError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| QueueDirError::Io {
        operation: "look at",
        path: path.to_owned(),
        source,
    })?;
    let problem = if !metadata.is_dir() {
        "is not a directory: remove it or name another"
    } else if metadata.uid() != nix::unistd::geteuid().as_raw() {
        "belongs to another user: name another"
    } else if metadata.mode() & 0o077 != 0 {
        "is open to other users: run `chmod 700` on it"
    } else {
        return Ok(());
    };
    Err(QueueDirError::Unsafe { path: path.to_owned(), problem })
}

#[cfg(all(test, feature = "listener"))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn names_cannot_leave_the_directory_of_the_user() {
        for name in ["", ".", "..", "a/b", ".hidden", "a b", &"x".repeat(33)] {
            assert!(matches!(QueueDir::named(name), Err(QueueDirError::Name(_))), "{name:?}");
        }
        let dir = QueueDir::named("app-1.test_x").expect("a plain name");
        assert!(dir.path().starts_with("/dev/shm") && dir.path().ends_with("app-1.test_x"));
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_not_cut() {
        let error = QueueDir::at(format!("/tmp/{}", "q".repeat(200))).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "queue directory /tmp/qqqqqqqqqqqqqqqqqqq… has 205 bytes: take a path of at most 80"
        );
    }

    #[test]
    fn only_a_private_directory_is_taken() {
        let base = tempfile::tempdir().expect("temporary directory");
        let queue = QueueDir::at(base.path().join("q")).expect("short path");
        queue.create().expect("made");
        queue.create().expect("taken again");
        let mode = |mode| {
            fs::set_permissions(queue.path(), fs::Permissions::from_mode(mode)).expect("chmod")
        };
        mode(0o750);
        assert!(matches!(queue.verify(), Err(QueueDirError::Unsafe { .. })));
        mode(0o700);
        let link = QueueDir::at(base.path().join("link")).expect("short path");
        symlink(queue.path(), link.path()).expect("symlink");
        assert!(matches!(link.create(), Err(QueueDirError::Unsafe { .. })));
    }
}
