//! logboom merges the log records of many processes into one rotated file.

#[cfg(not(target_os = "linux"))]
compile_error!("logboom runs on Linux only");

#[cfg(feature = "listener")]
pub mod filter;
#[cfg(feature = "formatter")]
pub mod formatter;
#[cfg(feature = "listener")]
pub mod handler;
mod level;
#[cfg(feature = "listener")]
mod lock;
mod record;
#[cfg(feature = "listener")]
mod regular_file;
#[cfg(feature = "listener")]
mod rotation;
#[cfg(feature = "supervisor")]
pub mod supervisor;
#[cfg(feature = "tail")]
pub mod tail;

pub use level::{Level, ParseLevelError};
#[cfg(feature = "listener")]
pub use lock::LockError;
pub use record::{Field, Process, Record, Span, Thread, Value};
