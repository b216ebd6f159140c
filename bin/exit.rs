//! One line and one exit code for each error.

use std::io;
use std::process::ExitCode;

use logboom::config::{ConfigError, ConfigServerError};
use logboom::control::PushError;
use logboom::handler::HandlerError;
use logboom::receiver::DoorError;
use logboom::supervisor::{ControlError, OrderError, WorkerFileError};
use logboom::tail::TailError;
use logboom::verify::VerifyError;
use logboom::{AttachError, ListenError, LockError, QueueDirError};

use crate::options::complain;

/// A worker did not come up.
pub(crate) const FAILURE: u8 = 1;
/// The command line makes no sense, or names what there is not.
const USAGE: u8 = 2;
/// A log is not whole, or does not prove that it is.
pub(crate) const DAMAGED: u8 = 65;
/// There is no listener.
pub(crate) const NO_LISTENER: u8 = 69;
/// The queue or the log is held by another listener, or was left unresolved by it.
pub(crate) const HELD: u8 = 73;
/// An operation of the system failed, or records are missing.
pub(crate) const IO: u8 = 74;
/// A setting cannot be used.
pub(crate) const CONFIG: u8 = 78;

/// What became of printing. A reader that has gone has seen what it wanted.
pub(crate) fn printed(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Prints the error with its causes in one line and gives its exit code. Where the reader of
/// standard output has gone, there is none.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // What goes wrong elsewhere has an error type of its own: a bare one is of our output.
    let bare = error.downcast_ref::<io::Error>();
    if bare.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // Where standard error is closed, nobody is left to be told.
        let _closed = usage.print();
        return USAGE.into();
    }
    complain(&format_args!("{error:#}"));
    ExitCode::from(error.chain().find_map(code_of).unwrap_or(IO))
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(error) = cause.downcast_ref::<ListenError>() {
        return match error {
            ListenError::Lock(error) => Some(lock(error)),
            ListenError::Directory(error) => Some(directory(error)),
            ListenError::Handler(HandlerError::Other(error)) => {
                error.is::<ConfigError>().then_some(CONFIG)
            }
            ListenError::Refused { .. } => Some(CONFIG),
            // An address that is no loopback address, a path that is too long.
            ListenError::Receive { source, .. } | ListenError::Door { source, .. } => {
                (source.kind() == io::ErrorKind::InvalidInput).then_some(CONFIG)
            }
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<AttachError>() {
        return match error {
            AttachError::NoListener { .. }
            | AttachError::Refused { .. }
            | AttachError::Timeout { .. } => Some(NO_LISTENER),
            AttachError::Directory(error) => Some(directory(error)),
            AttachError::Io { .. } => Some(IO),
            _ => Some(CONFIG),
        };
    }
    if let Some(error) = cause.downcast_ref::<VerifyError>() {
        return match error {
            VerifyError::Filtered { .. } => Some(DAMAGED),
            VerifyError::Pattern(_) | VerifyError::UnknownForm { .. } => Some(CONFIG),
            _ => Some(IO),
        };
    }
    if let Some(error) = cause.downcast_ref::<TailError>() {
        return match error {
            TailError::Untold { .. } => Some(USAGE),
            TailError::Pattern(_) | TailError::TooManyLogs => Some(CONFIG),
            error => error.is_unanswered().then_some(CONFIG),
        };
    }
    if let Some(PushError::Refused { .. } | PushError::TooLarge { .. }) = cause.downcast_ref() {
        return Some(CONFIG);
    }
    if let Some(PushError::Attach(error)) = cause.downcast_ref() {
        return code_of(error);
    }
    if let Some(error) = cause.downcast_ref::<ConfigServerError>() {
        return Some(if matches!(error, ConfigServerError::Io { .. }) { IO } else { CONFIG });
    }
    if let Some(error) = cause.downcast_ref::<ControlError>() {
        return match error {
            ControlError::NoRun { .. } => Some(NO_LISTENER),
            ControlError::Unknown { .. } => Some(USAGE),
            ControlError::Foreign { .. } => Some(CONFIG),
            _ => Some(IO),
        };
    }
    if let Some(error) = cause.downcast_ref::<WorkerFileError>() {
        return Some(if matches!(error, WorkerFileError::Io { .. }) { IO } else { CONFIG });
    }
    if cause.is::<ConfigError>() || cause.is::<DoorError>() || cause.is::<OrderError>() {
        return Some(CONFIG);
    }
    if let Some(HandlerError::Lock(error)) = cause.downcast_ref::<HandlerError>() {
        return Some(lock(error));
    }
    cause.downcast_ref::<QueueDirError>().map(directory)
}

fn lock(error: &LockError) -> u8 {
    match error {
        LockError::Held { .. } | LockError::Unresolved { .. } => HELD,
        _ => IO,
    }
}

fn directory(error: &QueueDirError) -> u8 {
    match error {
        QueueDirError::Io { .. } => IO,
        _ => CONFIG,
    }
}
