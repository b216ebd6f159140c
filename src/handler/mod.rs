//! Where records end: files, streams, syslog, and handlers of your own.

mod background;
mod color;
mod file;
mod line_buffer;
mod locked_file;
mod log_lock;
mod memory;
mod null;
mod path_template;
mod rotating_file;
mod routing_file;
mod socket;
mod stream;
mod syslog;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::causes::with_causes;
use crate::regular_file::FileError;
use crate::{LockError, Record};

pub use crate::relay::{ParseSocketAddressError, SocketAddress};
pub use crate::rotation::{
    Age, AtDiskLimit, BackupNames, ParseAgeError, ParseAtDiskLimitError, ParseBackupNamesError,
    ParseScheduleError, Schedule,
};
#[cfg(feature = "compression")]
pub use crate::rotation::{Compression, ParseCompressionError};
pub use background::{BackgroundBuilder, BackgroundCounts, BackgroundHandler, BackgroundMonitor};
pub use color::Color;
pub use file::{FileBuilder, FileHandler, FileMode};
pub use locked_file::LockedRotatingFileHandler;
pub(crate) use log_lock::{LogLock, OnUnresolved};
pub use memory::{MAX_MEMORY_BYTES, MemoryHandler};
pub use null::NullHandler;
pub(crate) use path_template::RoutedPaths;
pub use path_template::{MAX_VALUE_BYTES, ParsePathTemplateError, PathTemplate};
pub use rotating_file::{RotatingFileBuilder, RotatingFileHandler};
pub(crate) use routing_file::RoutedFile;
pub use routing_file::{DEFAULT_MAX_OPEN_FILES, MAX_OPEN_FILES, RoutingFileHandler};
pub use socket::{SocketBuilder, SocketHandler};
pub use stream::StreamHandler;
pub use syslog::{
    Facility, ParseFacilityError, SyslogAddress, SyslogBuilder, SyslogFormat, SyslogHandler,
};

/// Writes records to one destination.
///
/// Called from one thread at a time; may block. An error is counted and reported once per outage;
/// the listener goes on calling this handler and all others.
pub trait Handler: Send {
    /// Writes one record, or takes it into a buffer of bounded size.
    ///
    /// # Errors
    /// The record was not taken. The same handler may be called again, with this record or another.
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError>;

    /// Makes everything handled so far visible to readers of the destination (not fsync).
    ///
    /// # Errors
    /// Something is still buffered; calling again goes on where it stopped.
    fn flush(&mut self) -> Result<(), HandlerError>;

    /// Ends the work: the last call, which writes everything that was handled and lets the
    /// destination go. Default: [`flush`](Self::flush).
    ///
    /// # Errors
    /// Something could not be written, and is lost.
    fn close(&mut self) -> Result<(), HandlerError> {
        self.flush()
    }
}

impl<H: Handler + ?Sized> Handler for Box<H> {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        (**self).handle(record)
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        (**self).flush()
    }

    fn close(&mut self) -> Result<(), HandlerError> {
        (**self).close()
    }
}

/// Why a handler could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// The operating system refused an operation on a file.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried, as a verb: `write`, `open`, `rename`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file belongs to another handler, or its lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A failure of a handler's own kind.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl HandlerError {
    /// A failure of a handler's own kind: an error, or a sentence.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HandlerError {
        HandlerError::Other(error.into())
    }

    /// Whether there is no room for what is to be written.
    #[cfg(feature = "listener")]
    pub(crate) fn is_of_space(&self) -> bool {
        matches!(self, HandlerError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    }
}

impl From<FileError> for HandlerError {
    fn from(error: FileError) -> HandlerError {
        let FileError { operation, path, source } = error;
        HandlerError::Io { operation, path, source }
    }
}

/// What a handler is asked to do. One that panics has failed, and no more than that.
pub(crate) fn attempt(act: impl FnOnce() -> Result<(), HandlerError>) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(outcome) => outcome.map_err(|error| with_causes(&error)),
        Err(_) => Err("it panicked".to_owned()),
    }
}
