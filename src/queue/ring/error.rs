//! What can go wrong with lanes and the bell.

use std::io;
use std::path::{Path, PathBuf};

use crate::queue::QueueDirError;

/// Why there is no lane.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneError {
    #[error("cannot {operation} {path}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the lanes in {path} may take {limit_bytes} bytes and no more: start a listener, which removes those of ended workers, or run fewer workers"
    )]
    Full { path: PathBuf, limit_bytes: u64 },
    #[cfg(feature = "listener")]
    #[error("{path} is not read before others have ended: at most {limit} lanes are read at once")]
    Waits { path: PathBuf, limit: usize },
    #[error("{path} is of no use: {problem}; remove it")]
    Unusable { path: PathBuf, problem: &'static str },
    #[cfg(feature = "listener")]
    #[error("{path} is of another release of logboom: use one for worker and listener")]
    OtherRelease { path: PathBuf },
    #[error(transparent)]
    Directory(#[from] QueueDirError),
}

impl LaneError {
    /// Whether lanes cannot be had here, and nothing is wrong besides: too little room, a limit on
    /// the size of files, or a file system that reserves none.
    pub(crate) fn is_lack_of_room(&self) -> bool {
        match self {
            LaneError::Full { .. } => true,
            LaneError::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
                    | io::ErrorKind::FileTooLarge
                    | io::ErrorKind::OutOfMemory
                    | io::ErrorKind::Unsupported
            ),
            _ => false,
        }
    }

    /// Whether a listener has removed, or has its hand on, what was not finished: to begin again helps.
    pub(super) fn is_taken_away(&self) -> bool {
        let LaneError::Io { source, .. } = self else {
            return false;
        };
        matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::WouldBlock)
    }
}

/// Adds to an `io::Error` what was tried, and on which file.
pub(super) fn refused(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LaneError {
    move |source| LaneError::Io { operation, path: path.to_owned(), source }
}
