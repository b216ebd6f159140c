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
            Names::Python => python_part(key.as_bytes()),
            Names::Common => python_part(key.as_bytes()).or_else(|| common_part(key)),
        }
    }
}

/// By bytes the compiler finds a name without comparing it with each.
pub(super) fn python_part(key: &[u8]) -> Option<Part> {
    Some(match key {
        b"name" => Part::Logger,
        b"msg" => Part::Template,
        b"message" => Part::Message,
        b"levelno" | b"levelname" => Part::Level,
        b"pathname" => Part::File,
        b"lineno" => Part::Line,
        b"funcName" => Part::Function,
        b"exc_text" => Part::Exception,
        b"stack_info" => Part::StackInfo,
        b"created" => Part::Time,
        b"relativeCreated" => Part::SinceStart,
        b"thread" | b"threadName" => Part::Thread,
        b"process" | b"processName" => Part::Process,
        b"taskName" => Part::Task,
        _ => return None,
    })
}

fn common_part(key: &str) -> Option<Part> {
    Some(match key.as_bytes() {
        b"timestamp" | b"ts" | b"time" | b"@timestamp" | b"@t" => Part::Time,
        b"level" | b"severity" | b"log.level" | b"@l" => Part::Level,
        b"logger" | b"target" | b"logger_name" | b"log.logger" | b"SourceContext" => Part::Logger,
        b"@m" => Part::Message,
        b"exception" | b"stack_trace" | b"error.stack_trace" | b"@x" => Part::Exception,
        b"file" => Part::File,
        b"line" => Part::Line,
        b"function" | b"func" => Part::Function,
        b"pid" | b"worker" => Part::Process,
        b"thread_id" | b"thread_name" => Part::Thread,
        b"task" => Part::Task,
        _ => return None,
    })
}

/// Whether a record of Python says this in other words already, or never says anything with it.
pub(super) fn is_derived(key: &[u8]) -> bool {
    matches!(key, b"args" | b"exc_info" | b"filename" | b"module" | b"msecs" | b"asctime")
}
