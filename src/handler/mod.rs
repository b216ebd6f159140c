//! Where records end: rotating files, streams, and handlers of your own.

mod color;
mod line_buffer;
mod log_lock;
mod rotating_file;
mod stream;

use std::io;
use std::path::PathBuf;

use crate::regular_file::FileError;
use crate::{LockError, Record};

pub use color::Color;
pub(crate) use log_lock::{LogLock, OnUnresolved};
pub use rotating_file::{RotatingFileBuilder, RotatingFileHandler};
pub use stream::StreamHandler;

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
}

impl<H: Handler + ?Sized> Handler for Box<H> {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        (**self).handle(record)
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        (**self).flush()
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
}

impl From<FileError> for HandlerError {
    fn from(error: FileError) -> HandlerError {
        let FileError { operation, path, source } = error;
        HandlerError::Io { operation, path, source }
    }
}
