//! What happens where a log may take no more of the disk, as text.

use std::fmt;
use std::str::FromStr;

/// What happens where a log would take more than `keep_bytes`, or leave less than `min_free` of its file
/// system free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtDiskLimit {
    /// Nothing more is written until there is room, as on a full disk: a listener holds records back, and
    /// workers do by their policy; where there is none, a call returns an error. The default for
    /// `min_free`.
    HoldBack,
    /// The oldest backups of the log are deleted, never the file that is written, nor files of others.
    /// When none is left, nothing more is written. The default for `keep_bytes`.
    DeleteOldest,
}

/// The text names no [`AtDiskLimit`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{text}`, expected `hold-back` or `delete-oldest`")]
pub struct ParseAtDiskLimitError {
    text: String,
}

impl FromStr for AtDiskLimit {
    type Err = ParseAtDiskLimitError;

    fn from_str(text: &str) -> Result<AtDiskLimit, ParseAtDiskLimitError> {
        match text {
            "hold-back" => Ok(AtDiskLimit::HoldBack),
            "delete-oldest" => Ok(AtDiskLimit::DeleteOldest),
            _ => Err(ParseAtDiskLimitError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for AtDiskLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AtDiskLimit::HoldBack => "hold-back",
            AtDiskLimit::DeleteOldest => "delete-oldest",
        })
    }
}
