//! What the keys of a record mean.

/// A part of a record that has a place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Time,
    Level,
    Logger,
    Message,
    /// A message that may still have to be formatted.
    Template,
    Exception,
    StackInfo,
    File,
    Line,
    Function,
    Process,
    Thread,
    Task,
    /// Milliseconds from the start of logging to this record.
    SinceStart,
}

/// Which keys have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Those of Python's records; any other is from `extra`.
    Python,
    /// Those of Python's records, and what JSON lines commonly have.
    Common,
}

impl Names {
    pub(super) fn part(self, key: &str) -> Option<Part> {
        match self {
            Names::Python => python_part(key),
            Names::Common => python_part(key).or_else(|| common_part(key)),
        }
    }
}

fn python_part(key: &str) -> Option<Part> {
    Some(match key {
        "name" => Part::Logger,
        "msg" => Part::Template,
        "message" => Part::Message,
        "levelno" | "levelname" => Part::Level,
        "pathname" => Part::File,
        "lineno" => Part::Line,
        "funcName" => Part::Function,
        "exc_text" => Part::Exception,
        "stack_info" => Part::StackInfo,
        "created" => Part::Time,
        "relativeCreated" => Part::SinceStart,
        "thread" | "threadName" => Part::Thread,
        "process" | "processName" => Part::Process,
        "taskName" => Part::Task,
        _ => return None,
    })
}

fn common_part(key: &str) -> Option<Part> {
    Some(match key {
        "timestamp" | "ts" | "time" | "@timestamp" => Part::Time,
        "level" | "severity" => Part::Level,
        "logger" | "target" => Part::Logger,
        "exception" => Part::Exception,
        "file" => Part::File,
        "line" => Part::Line,
        "function" => Part::Function,
        "pid" | "worker" => Part::Process,
        "thread_id" => Part::Thread,
        "task" => Part::Task,
        _ => return None,
    })
}

/// Whether a record of Python says this in other words already, or never says anything with it.
pub(super) fn is_derived(key: &str) -> bool {
    matches!(key, "args" | "exc_info" | "filename" | "module" | "msecs" | "asctime")
}
