//! logboom merges the log records of many processes into one rotated file.

#[cfg(not(target_os = "linux"))]
compile_error!("logboom runs on Linux only");

mod codec;
pub mod control;
#[cfg(feature = "listener")]
pub mod filter;
#[cfg(feature = "formatter")]
pub mod formatter;
#[cfg(feature = "listener")]
pub mod handler;
mod level;
#[cfg(feature = "listener")]
mod listener;
#[cfg(feature = "listener")]
mod lock;
mod queue;
mod record;
#[cfg(feature = "listener")]
mod regular_file;
#[cfg(feature = "listener")]
mod rotation;
#[cfg(feature = "supervisor")]
pub mod supervisor;
#[cfg(feature = "tail")]
pub mod tail;
mod worker;

pub use level::{Level, ParseLevelError};
#[cfg(feature = "listener")]
pub use listener::{DEFAULT_DRAIN_TIMEOUT, ListenError, ListenerBuilder, QueueListener, Stop};
#[cfg(feature = "listener")]
pub use lock::LockError;
pub use queue::rendezvous::AttachError;
pub use queue::{Certainty, FlushReport, Overflow, QueueDir, QueueDirError, QueueStats};
pub use record::{Field, Process, Record, Span, Thread, Value};
pub use worker::{Builder, Guard, QueueHandler, builder, flush, init, log};
