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
mod record;
#[cfg(feature = "supervisor")]
pub mod supervisor;
#[cfg(feature = "tail")]
pub mod tail;

pub use level::{Level, ParseLevelError};
pub use record::{Field, Process, Record, Span, Thread, Value};
