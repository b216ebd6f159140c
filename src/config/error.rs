//! What is wrong with a configuration, so that whoever wrote it finds the place.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::MAX_FILE_BYTES;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is more of it than is read.
    #[error("{file} has more than {MAX_FILE_BYTES} bytes: a configuration has to be smaller")]
    TooLarge {
        /// The file, or what else it was called.
        file: String,
    },
    /// A setting, or the text itself, is not what it has to be.
    #[error("{file}:{problem}")]
    Problem {
        /// The file, or what else it was called.
        file: String,
        /// What is wrong, and where.
        problem: Problem,
    },
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The path of keys that leads there, such as `handlers.file.maxBytes`; empty where the text as a
    /// whole cannot be read.
    pub key: String,
    /// What was found and what was expected, or why it is refused.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { line, key, reason } = self;
        if key.is_empty() {
            write!(f, "{line}: {reason}")
        } else {
            write!(f, "{line}: {key}: {reason}")
        }
    }
}
