//! One open file of a log.

use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;

use super::text::Text;
use super::{FilesError, ReadBytes};
use crate::backups::{Compression, LastWrite, MadeFrom, Origin};
#[cfg(feature = "compression")]
use crate::compression::Frames;
use crate::file_id::FileId;

/// A file of a log, open. A compressed one is decompressed only when its text is asked for.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// As it is in the log's directory.
    file: File,
    compression: Option<Compression>,
    /// Where it was when it was opened.
    path: PathBuf,
}

impl LogFile {
    pub(super) fn new(file: File, compression: Option<Compression>, path: PathBuf) -> LogFile {
        LogFile { file, compression, path }
    }

    /// What the log has in it.
    pub(crate) fn open_text(&self) -> Result<Text, FilesError> {
        match self.compression {
            None => {
                let file = self.file.try_clone().map_err(|source| self.error("open", source))?;
                Ok(Text::plain(file))
            }
            Some(compression) => open_compressed(&self.file, compression)
                .map_err(|source| self.error("decompress", source)),
        }
    }

    /// The first bytes of its text, at most so many; no more than these are decompressed.
    #[cfg(feature = "tail")]
    pub(super) fn head(&self, max_bytes: usize) -> Result<Vec<u8>, FilesError> {
        let (operation, head) = match self.compression {
            None => ("read", read_head(&self.file, max_bytes)),
            Some(compression) => {
                ("decompress", decompress_head(&self.file, compression, max_bytes))
            }
        };
        head.map_err(|source| self.error(operation, source))
    }

    /// The same file, held open twice.
    #[cfg(feature = "tail")]
    pub(crate) fn try_clone(&self) -> io::Result<LogFile> {
        let LogFile { file, compression, path } = self;
        Ok(LogFile { file: file.try_clone()?, compression: *compression, path: path.clone() })
    }

    /// Whether both are the same file.
    #[cfg(feature = "tail")]
    pub(crate) fn is(&self, other: &LogFile) -> io::Result<bool> {
        Ok(FileId::of(&self.metadata()?) == FileId::of(&other.metadata()?))
    }

    /// How much of the disk it has; `read_text` of `all_text` bytes are so much of it.
    pub(crate) fn share(&self, read_text: u64, all_text: u64) -> io::Result<ReadBytes> {
        let total = self.metadata()?.len();
        let read = u128::from(total) * u128::from(read_text) / u128::from(all_text.max(1));
        Ok(ReadBytes { read: u64::try_from(read).unwrap_or(total).min(total), total })
    }

    /// What is known of the file in the log's directory.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    fn error(&self, operation: &'static str, source: io::Error) -> FilesError {
        FilesError::Io { operation, path: self.path.clone(), source }
    }
}

#[cfg(test)]
impl From<File> for LogFile {
    fn from(file: File) -> LogFile {
        LogFile { file, compression: None, path: PathBuf::new() }
    }
}

#[cfg(feature = "tail")]
fn read_head(file: &File, max_bytes: usize) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut head = vec![0; max_bytes];
    let mut filled = 0;
    while filled < max_bytes {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// Its frames where it tells them, else a temporary file with all its text.
#[cfg(feature = "compression")]
fn open_compressed(packed: &File, compression: Compression) -> io::Result<Text> {
    if compression == Compression::Zstd
        && let Some(frames) = Frames::open(packed)?
    {
        return Ok(Text::frames(frames));
    }
    crate::compression::decompress(packed, compression).map(Text::temporary)
}

#[cfg(not(feature = "compression"))]
fn open_compressed(_packed: &File, _compression: Compression) -> io::Result<Text> {
    Err(without_compression())
}

#[cfg(all(feature = "tail", feature = "compression"))]
fn decompress_head(
    packed: &File,
    compression: Compression,
    max_bytes: usize,
) -> io::Result<Vec<u8>> {
    crate::compression::decompress_head(packed, compression, max_bytes)
}

#[cfg(all(feature = "tail", not(feature = "compression")))]
fn decompress_head(_: &File, _: Compression, _: usize) -> io::Result<Vec<u8>> {
    Err(without_compression())
}

#[cfg(not(feature = "compression"))]
fn without_compression() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "this program is built without the feature `compression`",
    )
}

/// Which file of a log is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    id: FileId,
    /// As compressed files tell of the file they were made from.
    origin: Origin,
    written: LastWrite,
    bytes: u64,
    /// Whether no name leads to it any more.
    pub(super) is_deleted: bool,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Identity {
        use std::os::unix::fs::MetadataExt;
        Identity {
            id: FileId::of(metadata),
            origin: Origin::of(metadata),
            written: LastWrite::of(metadata),
            bytes: metadata.len(),
            is_deleted: metadata.nlink() == 0,
        }
    }

    /// Whether it is `id`, or what the log has made from it by compression.
    pub(super) fn is(&self, id: FileId, made_from: Option<MadeFrom>) -> bool {
        self.id == id || made_from == Some(MadeFrom::Origin(self.origin))
    }

    /// Whether others may have made this from it, who then delete it.
    pub(super) fn may_be(&self, made_from: Option<MadeFrom>) -> bool {
        let Some(MadeFrom::Others { written, text_bytes }) = made_from else { return false };
        self.is_deleted
            && written.is_copy_of(self.written)
            && text_bytes.is_none_or(|bytes| self.has_length(bytes))
    }

    /// Whether others have made this from a file of the same length.
    #[cfg(feature = "tail")]
    pub(super) fn is_as_long(&self, made_from: Option<MadeFrom>) -> bool {
        let Some(MadeFrom::Others { text_bytes: Some(bytes), .. }) = made_from else {
            return false;
        };
        self.has_length(bytes)
    }

    /// Whether others have made this from a file that was written to no later.
    #[cfg(feature = "tail")]
    pub(super) fn is_no_newer(&self, made_from: Option<MadeFrom>) -> bool {
        matches!(made_from, Some(MadeFrom::Others { written, .. }) if written <= self.written)
    }

    fn has_length(&self, bytes: u32) -> bool {
        self.bytes as u32 == bytes
    }
}
