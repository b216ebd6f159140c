//! Lines by a pattern of Python's `logging`: `%(asctime)s %(levelname)-8s %(message)s`.

use std::slice::SliceIndex;
use std::str::FromStr;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::attribute::{Attribute, Text};
use super::datetime::{Clock, local_zone};
use super::escape::{is_plain, mark_lines, push_lines, push_styled};
use super::line_heads::LineHeads;
use super::parse::{Part, PatternError};
use super::value::name_levels;
use super::zone::named_zone;
use super::{Formatter, Multiline};
use crate::{LevelNames, Record};

/// The pattern of a formatter that was given none.
pub const DEFAULT_PATTERN: &str =
    "%(asctime)s %(processName)-10s %(name)s %(levelname)-8s %(message)s%(fields)s";

/// Prints records by a pattern, as the `%` style of Python's `logging.Formatter` does.
///
/// Attributes have Python's names and types (Python docs, "LogRecord attributes"): `asctime`,
/// `created`, `filename`, `funcName`, `levelname`, `levelno`, `lineno`, `message`, `module`, `msecs`, `name`,
/// `pathname`, `process`, `processName`, `relativeCreated`, `taskName`, `thread`, `threadName`. More are
/// - `fields`: nothing, or ` key=value other="quoted value"` with a space before each; fields of
///   spans come first, from the root, and of the same key only the innermost is printed;
/// - `nsecs`: the nanoseconds of the second, as `%(nsecs)09d`;
/// - `context`: in the same form what is true of each record of the process, such as its `run_id`;
/// - `lane`, `seq`: where the record travelled and its number there;
/// - `program`: the file name of the worker's program;
/// - `spans`: the names of the spans, from the root, joined by `:`.
///
/// One field is `%(fields.NAME)s`; [`builder`](Self::builder) has defaults for fields, and the
/// other styles of Python.
///
/// Text is converted by `s`, numbers also by `d`, `i` and `f`, with the flags, width and precision
/// of Python; `%%` is a percent sign. Width and precision count characters of the escaped text.
///
/// An exception follows on further lines. Newlines at the end of a record are left out. What
/// becomes of other newlines and of control characters says [`Multiline`]; the pattern's own text
/// is never escaped, but keeps the promises of [`Multiline::Mark`].
///
/// ```
/// use logboom::formatter::{Formatter, PatternFormatter};
/// use logboom::{Level, Record};
///
/// let mut formatter = PatternFormatter::new("%(asctime)s %(levelname)-8s %(message)s")?.utc();
/// let mut line = Vec::new();
/// formatter.format(&Record::new(1_500_000_000, Level::INFO, "web", "started"), &mut line);
/// assert_eq!(line, b"1970-01-01 00:00:01,500 INFO     started");
/// # Ok::<(), logboom::formatter::PatternError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PatternFormatter {
    parts: Vec<Part>,
    clock: Clock,
    multiline: Multiline,
    is_styled: bool,
    heads: LineHeads,
}

impl PatternFormatter {
    /// Reads a pattern of at most [`MAX_PATTERN_BYTES`](super::MAX_PATTERN_BYTES).
    ///
    /// Times are local, by `TZ` or the system's zone, and have the form `2026-11-22 04:48:23,123`;
    /// line breaks are those of [`Multiline::Mark`].
    ///
    /// # Errors
    /// The pattern names no attribute, one that does not exist, or a conversion that does not suit.
    pub fn new(pattern: &str) -> Result<PatternFormatter, PatternError> {
        PatternFormatter::builder(pattern).build()
    }

    pub(super) fn of_parts(parts: Vec<Part>) -> PatternFormatter {
        let (clock, heads) = (Clock::python(local_zone()), LineHeads::of(&parts));
        PatternFormatter { parts, clock, multiline: Multiline::default(), is_styled: false, heads }
    }

    /// Formats `asctime` by the directives of `strftime` and without milliseconds.
    ///
    /// Names of days and months are English, whatever the locale. As in Python, an empty format is
    /// the default one.
    ///
    /// # Errors
    /// A directive does not exist, or is one for fractions of a second: Python has none either.
    pub fn datefmt(self, format: &str) -> Result<PatternFormatter, PatternError> {
        let zone = self.clock.zone();
        let clock =
            if format.is_empty() { Clock::python(zone) } else { Clock::strftime(format, zone)? };
        Ok(self.with_clock(clock))
    }

    /// Prints times in UTC.
    pub fn utc(self) -> PatternFormatter {
        let clock = self.clock.clone().in_zone(TimeZone::UTC);
        self.with_clock(clock)
    }

    fn with_clock(self, clock: Clock) -> PatternFormatter {
        PatternFormatter { clock, heads: LineHeads::of(&self.parts), ..self }
    }

    /// Prints times in a zone of the system's time zone database, such as `Europe/Berlin`, or by a
    /// rule of POSIX.
    ///
    /// # Errors
    /// There is no such zone.
    pub fn zone(self, name: &str) -> Result<PatternFormatter, PatternError> {
        let clock = self.clock.clone().in_zone(named_zone(name)?);
        Ok(self.with_clock(clock))
    }

    /// Prints the names of levels by a table of its own.
    pub fn level_names(mut self, names: LevelNames) -> PatternFormatter {
        name_levels(&mut self.parts, &Arc::new(names));
        PatternFormatter { heads: LineHeads::of(&self.parts), ..self }
    }

    /// Chooses what happens to line breaks and control characters.
    pub fn multiline(self, multiline: Multiline) -> PatternFormatter {
        PatternFormatter { multiline, ..self }
    }

    /// Prints messages in the [colours](Record::styled) in which workers have printed them: for a terminal.
    /// No other escape sequence gets there.
    pub fn styled(self) -> PatternFormatter {
        PatternFormatter { is_styled: true, ..self }
    }

    fn styled_of<'r>(&self, record: &'r Record<'_>) -> Option<&'r str> {
        record.styled.as_deref().filter(|_| self.is_styled)
    }

    /// Appends the line of a record that needs no escapes; false, with nothing appended, where it
    /// does. One look at the line is less than one at each part.
    fn push_plain(&mut self, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let tick = self.clock.tick(record.time_ns);
        if let Some(head) = self.heads.get(tick, record) {
            out.extend_from_slice(head);
        } else {
            self.push_parts(..self.heads.parts(), record, Multiline::Raw, out);
            if !is_plain(&out[start..]) {
                out.truncate(start);
                return false;
            }
            self.heads.keep(tick, record, &out[start..]);
        }
        let rest_start = out.len();
        self.push_parts(self.heads.parts().., record, Multiline::Raw, out);
        let is_plain = record.exception.is_none() && is_plain(&out[rest_start..]);
        if !is_plain {
            out.truncate(start);
        }
        is_plain
    }

    /// Appends the text of any record.
    fn push_record(&mut self, record: &Record<'_>, multiline: Multiline, out: &mut Vec<u8>) {
        let start = out.len();
        self.push_parts(.., record, multiline, out);
        if let Some(exception) = record.exception.as_deref().filter(|text| !text.is_empty()) {
            if !out[start..].ends_with(b"\n") {
                push_lines("\n", multiline, out);
            }
            push_lines(exception, multiline, out);
        }
        while out[start..].ends_with(b"\n") {
            out.pop();
        }
        if multiline == Multiline::Mark {
            mark_lines(start, out);
        }
    }

    fn push_parts(
        &mut self,
        parts: impl SliceIndex<[Part], Output = [Part]>,
        record: &Record<'_>,
        multiline: Multiline,
        out: &mut Vec<u8>,
    ) {
        for part in &self.parts[parts] {
            match part {
                Part::Literal(text) => push_literal(text.as_bytes(), out),
                Part::Attribute(Attribute::Asctime, conversion) => {
                    let start = out.len();
                    out.extend_from_slice(self.clock.text(record.time_ns).as_bytes());
                    conversion.fit_text(start, out);
                }
                Part::Attribute(Attribute::Text(text), conversion) => {
                    let start = out.len();
                    match self.styled_of(record).filter(|_| *text == Text::Message) {
                        Some(styled) => push_styled(styled, multiline, out),
                        None => text.push(record, multiline, out),
                    }
                    conversion.fit_text(start, out);
                }
                Part::Attribute(Attribute::Number(number), conversion) => {
                    conversion.push_number(number.value(record), out);
                }
                Part::Value(value) => value.push(record, &mut self.clock, multiline, out),
            }
        }
    }
}

/// Appends text of the pattern, which mostly is one space.
fn push_literal(text: &[u8], out: &mut Vec<u8>) {
    match text {
        [byte] => out.push(*byte),
        text => out.extend_from_slice(text),
    }
}

impl Default for PatternFormatter {
    /// By [`DEFAULT_PATTERN`].
    fn default() -> PatternFormatter {
        PatternFormatter::new(DEFAULT_PATTERN).expect("invariant: a test parses this constant")
    }
}

impl FromStr for PatternFormatter {
    type Err = PatternError;

    fn from_str(pattern: &str) -> Result<PatternFormatter, PatternError> {
        PatternFormatter::new(pattern)
    }
}

impl Formatter for PatternFormatter {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let may_be_plain = self.multiline == Multiline::Mark && self.styled_of(record).is_none();
        let is_done = may_be_plain && self.push_plain(record, out);
        if !is_done {
            self.push_record(record, self.multiline, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Level, Value};

    #[test]
    fn colours_are_printed_where_they_are_wanted() {
        let mut record = record("a red");
        record.styled = Some("a \x1b[31mred\x1b[0m".into());
        let formatter = || PatternFormatter::new("%(name)s %(message)s").expect("a pattern");
        assert_eq!(line(formatter(), &record), "web a red");
        let styled = "web a \x1b[31mred\x1b[0m\x1b[0m";
        assert_eq!(line(formatter().styled(), &record), styled);
        record.styled = None;
        assert_eq!(line(formatter().styled(), &record), "web a red");
    }

    fn record(message: &str) -> Record<'_> {
        Record::new(1_795_322_903_123_456_789, Level::INFO, "web", message)
    }

    fn line(formatter: PatternFormatter, record: &Record<'_>) -> String {
        let mut out = b"line before\n".to_vec();
        formatter.utc().format(record, &mut out);
        let text = String::from_utf8(out).expect("text is UTF-8");
        text.strip_prefix("line before\n").expect("what was there stays").to_owned()
    }

    fn by(pattern: &str, multiline: Multiline, record: &Record<'_>) -> String {
        line(PatternFormatter::new(pattern).expect(pattern).multiline(multiline), record)
    }

    #[test]
    fn the_default_line_has_time_worker_logger_level_message_and_fields() {
        let mut record = record("started");
        record.process.to_mut().name = "api-1".into();
        record.fields.push(Field { key: "port".into(), value: Value::I64(80) });
        let expected = "2026-11-22 04:48:23,123 api-1      web INFO     started port=80";
        assert_eq!(line(PatternFormatter::default(), &record), expected);
    }

    #[test]
    fn a_datefmt_replaces_the_whole_time_and_an_empty_one_the_datefmt() {
        let formatter: PatternFormatter = "%(asctime)s|%(msecs)03d".parse().expect("a pattern");
        let dated = formatter.datefmt("%d.%m. %H:%M").expect("a date format");
        assert_eq!(line(dated.clone(), &record("")), "22.11. 04:48|123");
        let reset = dated.datefmt("").expect("the default");
        assert_eq!(line(reset, &record("")), "2026-11-22 04:48:23,123|123");
    }

    #[test]
    fn a_line_says_what_its_own_record_says_and_not_what_the_last_one_said() {
        type Change = fn(&mut Record<'_>);
        let changes: [Change; 6] = [
            |record| record.time_ns += 1_000_000,
            |record| record.level = Level::ERROR,
            |record| record.logger = "bew".into(),
            |record| record.process.to_mut().name = "other".into(),
            |record| record.process.to_mut().id += 16,
            |record| record.logger = "w\neb".into(),
        ];
        let pattern = "%(asctime)s %(process)d %(processName)s %(name)s %(levelno)s %(message)s";
        let new = || PatternFormatter::new(pattern).expect("a pattern").utc();
        let text = |formatter: &mut PatternFormatter, record: &Record<'_>| {
            let mut out = Vec::new();
            formatter.format(record, &mut out);
            String::from_utf8(out).expect("text is UTF-8")
        };
        let mut formatter = new();
        for change in changes {
            let mut changed = record("x");
            change(&mut changed);
            for record in [record("x"), record("x"), changed.clone(), changed] {
                assert_eq!(text(&mut formatter, &record), text(&mut new(), &record));
            }
        }
    }

    #[test]
    fn an_exception_follows_on_lines_of_its_own() {
        let exception = Some("Error: x\n  at y\n".into());
        let record = Record { exception, ..record("failed") };
        let text = |multiline| by("%(message)s", multiline, &record);
        assert_eq!(text(Multiline::Mark), "failed\n\tError: x\n\t  at y");
        assert_eq!(text(Multiline::Raw), "failed\nError: x\n  at y");
        assert_eq!(text(Multiline::Escape), r"failed\nError: x\n  at y\n");
        assert_eq!(by("%(threadName)s", Multiline::Raw, &record), "\nError: x\n  at y");
    }

    #[test]
    fn no_text_of_a_record_can_forge_another_record() {
        let evil = "\t\na\r\n2026\r2026\n\u{85}\u{2028}\x1b[1A2026\n";
        let mut record = record(evil);
        record.logger = evil.into();
        record.file = Some(evil.into());
        record.exception = Some(evil.into());
        record.thread.name = evil.into();
        record.process.to_mut().name = evil.into();
        record.process.to_mut().program = evil.into();
        record.fields.push(Field { key: evil.into(), value: Value::Str(evil.into()) });
        record.spans.push(crate::Span { name: evil.into(), fields: record.fields.clone() });
        for name in Attribute::names() {
            for pattern in ["%(N)s", "%(N).3s%(N)5s", "%(message).2s%(N)s", "%(N)s\nx\n\n%(N)s"] {
                let pattern = pattern.replace('N', name);
                let text = by(&pattern, Multiline::Mark, &record);
                let (first, further) = text.split_once('\n').expect("the exception has lines");
                assert!(!first.starts_with('\t'), "{pattern}: {text:?}");
                assert!(further.split('\n').all(|line| line.starts_with('\t')), "{text:?}");
                assert!(!text.contains(['\r', '\x1b', '\u{85}', '\u{2028}']), "{text:?}");
                if !pattern.contains('\n') {
                    assert!(!by(&pattern, Multiline::Escape, &record).contains('\n'));
                }
            }
        }
    }

    #[test]
    fn no_record_ends_in_a_newline() {
        for multiline in [Multiline::Mark, Multiline::Escape, Multiline::Raw] {
            for pattern in ["%(message)s", "%(message)s\n", "\n%(message)s\n\n"] {
                for message in ["", "x", "x\n", "\n\n"] {
                    let text = by(pattern, multiline, &record(message));
                    assert!(!text.ends_with('\n'), "{multiline:?} {pattern:?} {message:?}");
                }
            }
        }
    }

    #[test]
    fn raw_text_is_not_touched() {
        let message = "\ta\nb\r\nc\x1b[0m\\ \u{2028}.";
        assert_eq!(by("%(message)s", Multiline::Raw, &record(message)), message);
    }
}
