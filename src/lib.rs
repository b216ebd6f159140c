//! logboom merges the log records of many processes into one rotated file.
//!
//! Worker processes attach a queue handler, which encodes records onto a queue; one listener drains
//! it through filters and formatters into rotating files. See the README for what is promised.
//!
//! # In a worker
//!
//! `logboom run` and any other way to set `LOGBOOM_QUEUE` tell it where to log. The guard waits for
//! the last records when `main` ends.
//!
//! ```no_run
//! let _guard = logboom::init()?;
//! log::info!(user = 7; "hello");
//! # Ok::<(), logboom::AttachError>(())
//! ```
//!
//! [`builder`] has the settings: what happens when the queue is full ([`Overflow`]), `tracing`
//! instead of `log`, standard error where there is no queue.
//!
//! # In a listener
//!
//! `logboom listen` is one; `QueueListener` (feature `listener`) is one of your own, in a process of
//! its own or on a thread, with handlers and filters of your own.
//!
//! # Features
//!
//! | feature | for |
//! |---|---|
//! | default | workers that use `log` |
//! | `tracing` | workers that use `tracing` |
//! | `formatter` | patterns and JSON lines; standard error as a fallback |
//! | `listener` | the receiving side |
//! | `supervisor` | starting and watching workers |
//! | `config` | configuration files, as `logging.config` of Python takes them |
//! | `receiver` | records of other programs: Python's handlers, JSON lines, syslog |
//! | `zeromq` | sending and taking records by ZeroMQ |
//! | `tail` | reading logs across their rotation, by level, time, worker, field, text |
//! | `verify` | proving a log whole |
//! | `compression` | compressed backups, written and read |
//! | `conformance` | rules to check handlers, filters and formatters of your own by |

#[cfg(not(target_os = "linux"))]
compile_error!("logboom runs on Linux only");

#[cfg(any(feature = "listener", feature = "tail", feature = "verify"))]
mod backups;
mod causes;
#[cfg(feature = "listener")]
mod checksum;
mod codec;
#[cfg(all(
    feature = "compression",
    any(feature = "listener", feature = "tail", feature = "verify")
))]
mod compression;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
pub mod control;
#[cfg(feature = "listener")]
mod fault;
#[cfg(any(feature = "listener", feature = "tail", feature = "verify"))]
mod file_id;
#[cfg(feature = "listener")]
pub mod filter;
#[cfg(feature = "formatter")]
pub mod formatter;
#[cfg(feature = "listener")]
pub mod handler;
#[cfg(feature = "listener")]
mod journal;
mod level;
mod level_table;
#[cfg(feature = "listener")]
mod listener;
#[cfg(feature = "listener")]
mod lock;
#[cfg(any(feature = "tail", feature = "verify"))]
mod log_files;
#[cfg(feature = "listener")]
mod logger;
mod logger_names;
mod queue;
#[cfg(feature = "receiver")]
pub mod receiver;
mod record;
#[cfg(feature = "listener")]
mod regular_file;
#[cfg(feature = "listener")]
#[doc(hidden)]
pub mod relay;
#[cfg(feature = "listener")]
mod rotation;
#[cfg(feature = "listener")]
mod socket_file;
#[cfg(feature = "supervisor")]
pub mod supervisor;
#[cfg(feature = "tail")]
pub mod tail;
#[cfg(feature = "verify")]
pub mod verify;
mod worker;
#[cfg(any(feature = "config", feature = "supervisor"))]
pub mod worker_settings;
#[cfg(feature = "zeromq")]
pub mod zeromq;

pub use codec::FieldEncoder;
pub use context::{Context, ContextError, Scope};
pub use level::{Level, LevelNames, ParseLevelError};
#[cfg(feature = "benches")]
#[doc(hidden)]
pub use listener::benches;
#[cfg(feature = "listener")]
pub use listener::{
    DEFAULT_DRAIN_TIMEOUT, Inlet, InletLane, ListenError, ListenerBuilder, ListenerThread,
    ParseSyncPolicyError, QueueListener, RecordSource, ReloadError, Reloader, Rotate, Stop,
    SyncPolicy,
};
#[cfg(feature = "listener")]
pub use lock::LockError;
pub use queue::rendezvous::AttachError;
pub use queue::{Certainty, FlushReport, Overflow, QueueDir, QueueDirError, QueueStats};
pub use record::{Field, Process, Record, Span, Thread, Value};
pub use worker::{
    Builder, Extra, Guard, Logger, LoggerAdapter, QueueHandler, TransportChoice, builder, flush,
    inherit, init, log, logger,
};
