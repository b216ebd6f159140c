//! One open file of a log.

use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;

use super::FilesError;
use crate::backups::{Compression, Origin};
use crate::file_id::FileId;

/// A file of a log, open. Of a compressed one, the text is in a temporary file.
#[derive(Debug)]
pub(crate) struct LogFile {
    text: File,
    /// The compressed file.
    packed: Option<File>,
}

impl LogFile {
    /// Opens the text of `file`, which was opened at `path`.
    pub(super) fn new(
        file: File,
        compression: Option<Compression>,
        path: PathBuf,
    ) -> Result<LogFile, FilesError> {
        let Some(compression) = compression else { return Ok(LogFile::from(file)) };
        let text = decompress(&file, compression);
        let text =
            text.map_err(|source| FilesError::Io { operation: "decompress", path, source })?;
        Ok(LogFile { text, packed: Some(file) })
    }

    /// What the log has in it.
    #[cfg(feature = "tail")]
    pub(crate) fn text(&self) -> &File {
        &self.text
    }

    #[cfg(any(test, feature = "verify"))]
    pub(crate) fn into_text(self) -> File {
        self.text
    }

    /// What is known of the file in the log's directory.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.packed.as_ref().unwrap_or(&self.text).metadata()
    }
}

impl From<File> for LogFile {
    fn from(text: File) -> LogFile {
        LogFile { text, packed: None }
    }
}

#[cfg(feature = "compression")]
fn decompress(packed: &File, compression: Compression) -> io::Result<File> {
    crate::compression::decompress(packed, compression)
}

#[cfg(not(feature = "compression"))]
fn decompress(_packed: &File, _compression: Compression) -> io::Result<File> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this program is built without the feature `compression`",
    ))
}

/// Which file of a log is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    id: FileId,
    /// As compressed files tell of the file they were made from.
    origin: Origin,
    /// Whether no name leads to it any more.
    pub(super) is_deleted: bool,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Identity {
        use std::os::unix::fs::MetadataExt;
        Identity {
            id: FileId::of(metadata),
            origin: Origin::of(metadata),
            is_deleted: metadata.nlink() == 0,
        }
    }

    /// Whether it is `id`, or what `id` was made from by compression.
    pub(super) fn is(&self, id: FileId, origin: Option<Origin>) -> bool {
        self.id == id || origin == Some(self.origin)
    }
}
