//! From a record to its text: patterns with the names of Python's logging, JSON lines, logfmt.

mod attribute;
mod builder;
mod conversion;
mod datetime;
mod escape;
mod fields;
mod json;
mod json_keys;
mod line_heads;
#[cfg(feature = "tail")]
mod line_pattern;
mod log_record;
mod logfmt;
mod parse;
mod pattern;
#[cfg(feature = "verify")]
mod read_back;
mod spec;
mod style;
#[cfg(feature = "tail")]
mod time_text;
mod value;
mod zone;

use crate::Record;

pub use builder::PatternBuilder;
pub use escape::Multiline;
pub use json::JsonFormatter;
pub use json_keys::JsonKeyError;
#[cfg(feature = "tail")]
pub(crate) use line_pattern::LinePattern;
#[cfg(feature = "tail")]
pub use line_pattern::LinePatternError;
pub use log_record::LogRecordFormatter;
pub use logfmt::LogfmtFormatter;
pub use parse::{MAX_PATTERN_BYTES, MAX_WIDTH, PatternError};
pub use pattern::{DEFAULT_PATTERN, PatternFormatter};
#[cfg(feature = "verify")]
pub use read_back::{NUMBERED_PATTERN, ReadBackError};
#[cfg(feature = "verify")]
pub(crate) use read_back::{PatternReader, lane_of};
pub use style::{ParseStyleError, Style};
#[cfg(feature = "listener")]
pub(crate) use zone::local_zone_problem;
#[cfg(feature = "tail")]
pub(crate) use {datetime::local_zone, time_text::TimeText, zone::named_zone};

/// Turns records into text.
///
/// Called from one thread at a time, once per record and handler; must not block. What it appends
/// must not end in a newline: the handler ends the record.
pub trait Formatter: Send {
    /// Appends the text of `record` to `out`, in UTF-8.
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>);
}

impl<F: Formatter + ?Sized> Formatter for Box<F> {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        (**self).format(record, out);
    }
}
