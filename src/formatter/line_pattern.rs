//! What a line says of its record, by the pattern that printed it.
//!
//! Names in a line have no quotes around them. Where one ends is told by what the pattern prints next, and
//! by the look of times, levels and numbers: the first place is taken where all of that fits, up to the
//! next name.

use super::attribute::{Attribute, Number, Text};
use super::conversion::Conversion;
use super::parse::{Part, PatternError, parse};
use super::time_text::TimeText;
use super::value::Defaults;
use crate::Level;

/// Why lines of a pattern do not tell what they say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinePatternError {
    /// It is no pattern at all.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The message is not printed.
    #[error("lines of this pattern have no message: add `%(message)s`")]
    NoMessage,
    /// There is a newline before the message.
    #[error("the pattern breaks the line before the message: print all up to it on one line")]
    SeveralLines,
}

/// Reads lines of one pattern.
#[derive(Clone, Debug)]
pub(crate) struct LinePattern {
    runs: Vec<Run>,
    has_fields: bool,
}

/// What a line says, as far as the pattern prints it before the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineParts<'l> {
    pub(crate) time: Option<TimeText<'l>>,
    pub(crate) level: Option<Level>,
    pub(crate) logger: &'l str,
    pub(crate) worker: &'l str,
    pub(crate) process_id: u32,
    pub(crate) lane: u64,
    pub(crate) seq: u64,
    /// The message and all that follows it on its line.
    pub(crate) message: &'l str,
}

/// A name of unknown length, and what is printed behind it.
#[derive(Clone, Debug, Default)]
struct Run {
    name: Option<Name>,
    fixed: Vec<Fixed>,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    min_chars: usize,
    kind: NameKind,
}

#[derive(Clone, Copy, Debug)]
enum NameKind {
    Worker,
    Logger,
    Other,
}

/// What can be told by its look.
#[derive(Clone, Debug)]
enum Fixed {
    Literal(Box<str>),
    Padded { value: Value, width: usize },
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Time,
    Level,
    ProcessId,
    Lane,
    Seq,
}

impl LinePattern {
    /// Reads the pattern, in the `%` style.
    pub(crate) fn new(pattern: &str) -> Result<LinePattern, LinePatternError> {
        let parts = parse(pattern, &Defaults::default())?;
        let message = parts.iter().position(|part| is(part, Attribute::Text(Text::Message)));
        let message = message.ok_or(LinePatternError::NoMessage)?;
        let mut runs = vec![Run::default()];
        for part in &parts[..message] {
            push_part(&mut runs, part)?;
        }
        let has_fields = parts[message..].iter().any(|p| is(p, Attribute::Text(Text::Fields)));
        Ok(LinePattern { runs, has_fields })
    }

    /// Whether fields follow the message.
    pub(crate) fn has_fields(&self) -> bool {
        self.has_fields
    }

    /// Whether its lines tell this attribute before the message, or `fields` behind it.
    pub(crate) fn may_tell(&self, attribute: &str) -> bool {
        let has = |wanted: fn(&Value) -> bool| {
            let mut fixed = self.runs.iter().flat_map(|run| &run.fixed);
            fixed.any(|fixed| matches!(fixed, Fixed::Padded { value, .. } if wanted(value)))
        };
        let names = |wanted: fn(&NameKind) -> bool| {
            self.runs.iter().filter_map(|run| run.name.as_ref()).any(|name| wanted(&name.kind))
        };
        match attribute {
            "asctime" => has(|value| matches!(value, Value::Time)),
            "levelname" => has(|value| matches!(value, Value::Level)),
            "processName" => names(|kind| matches!(kind, NameKind::Worker)),
            "name" => names(|kind| matches!(kind, NameKind::Logger)),
            "process" => has(|value| matches!(value, Value::ProcessId)),
            "lane" => has(|value| matches!(value, Value::Lane)),
            "seq" => has(|value| matches!(value, Value::Seq)),
            _ => self.has_fields,
        }
    }

    /// Reads the first line of a record; none if the pattern does not print such a line.
    pub(crate) fn read<'l>(&self, line: &'l str) -> Option<LineParts<'l>> {
        let mut parts = LineParts { message: line, ..LineParts::default() };
        for run in &self.runs {
            run.read(&mut parts)?;
        }
        Some(parts)
    }
}

fn is(part: &Part, wanted: Attribute) -> bool {
    matches!(part, Part::Attribute(attribute, _) if *attribute == wanted)
}

fn push_part(runs: &mut Vec<Run>, part: &Part) -> Result<(), LinePatternError> {
    let fixed = match part {
        Part::Literal(text) if text.contains('\n') => return Err(LinePatternError::SeveralLines),
        Part::Literal(text) => Some(Fixed::Literal(text.clone())),
        Part::Attribute(attribute, conversion) => padded(*attribute, conversion),
        Part::Value(_) => None,
    };
    match (fixed, runs.last_mut()) {
        (Some(fixed), Some(run)) => run.fixed.push(fixed),
        _ => runs.push(Run { name: Some(name(part)), fixed: Vec::new() }),
    }
    Ok(())
}

/// What has a look of its own, as long as nothing of it is cut.
fn padded(attribute: Attribute, conversion: &Conversion) -> Option<Fixed> {
    let value = match attribute {
        Attribute::Asctime => Value::Time,
        Attribute::Text(Text::LevelName) => Value::Level,
        Attribute::Text(Text::Lane) => Value::Lane,
        Attribute::Number(Number::ProcessId) => Value::ProcessId,
        Attribute::Number(Number::Sequence) => Value::Seq,
        _ => return None,
    };
    conversion.keeps_digits().then(|| Fixed::Padded { value, width: conversion.width() })
}

fn name(part: &Part) -> Name {
    let Part::Attribute(attribute, conversion) = part else {
        return Name { min_chars: 0, kind: NameKind::Other };
    };
    let kind = match attribute {
        Attribute::Text(Text::ProcessName) => NameKind::Worker,
        Attribute::Text(Text::Logger) => NameKind::Logger,
        _ => NameKind::Other,
    };
    Name { min_chars: conversion.width(), kind }
}

impl Run {
    /// Takes this run from the beginning of what is left as message.
    fn read<'l>(&self, parts: &mut LineParts<'l>) -> Option<()> {
        let text = parts.message;
        let Some(Name { min_chars, kind }) = self.name else {
            parts.message = self.read_fixed(text, parts)?;
            return Some(());
        };
        let first = self.fixed.first();
        let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(min_chars);
        let mut ends = ends.filter(|at| match first {
            // Most places are passed over by a look at one byte.
            Some(Fixed::Literal(text_behind)) => {
                text.as_bytes().get(*at) == text_behind.as_bytes().first()
            }
            _ => true,
        });
        let (end, rest) = ends.find_map(|at| Some((at, self.read_fixed(&text[at..], parts)?)))?;
        let found = text[..end].trim_matches(' ');
        match kind {
            NameKind::Worker => parts.worker = found,
            NameKind::Logger => parts.logger = found,
            NameKind::Other => {}
        }
        parts.message = rest;
        Some(())
    }

    fn read_fixed<'l>(&self, text: &'l str, parts: &mut LineParts<'l>) -> Option<&'l str> {
        self.fixed.iter().try_fold(text, |rest, fixed| match fixed {
            Fixed::Literal(literal) => rest.strip_prefix(&**literal),
            Fixed::Padded { value, width: 0 } => value.read(rest, parts),
            Fixed::Padded { value, width } => {
                let text = rest.trim_start_matches(' ');
                let after = value.read(text, parts)?;
                let is_right = text.len() < rest.len();
                let padding = width.saturating_sub(rest.len() - after.len());
                // Programs that print the same without a width are read too.
                let is_padded = after.bytes().take_while(|byte| *byte == b' ').count() >= padding;
                Some(if is_padded && !is_right { &after[padding..] } else { after })
            }
        })
    }
}

impl Value {
    /// Takes the value from the beginning of `text`; gives the rest.
    fn read<'l>(self, text: &'l str, parts: &mut LineParts<'l>) -> Option<&'l str> {
        match self {
            Value::Time => {
                let time = TimeText::read(text.as_bytes())?;
                parts.time = Some(time);
                return text.get(time.bytes..);
            }
            Value::Level => {
                let (level, rest) = read_level(text)?;
                parts.level = Some(level);
                return Some(rest);
            }
            _ => {}
        }
        let rest = text.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        let digits = &text[..text.len() - rest.len()];
        match self {
            Value::Lane => parts.lane = u64::from_str_radix(digits, 16).ok()?,
            Value::Seq => parts.seq = digits.parse().ok()?,
            _ => parts.process_id = digits.parse().ok()?,
        }
        Some(rest)
    }
}

/// The level at the beginning of `text` in the form in which levels are printed, and the rest.
fn read_level(text: &str) -> Option<(Level, &str)> {
    if let Some(number) = text.strip_prefix("Level ") {
        let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
        let number: u8 = number[..number.len() - rest.len()].parse().ok()?;
        return Some((Level::new(number), rest));
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let word = &text[..text.len() - rest.len()];
    Some((level_named(word)?, rest))
}

fn level_named(word: &str) -> Option<Level> {
    Some(match word {
        "TRACE" => Level::TRACE,
        "DEBUG" => Level::DEBUG,
        "INFO" => Level::INFO,
        "WARNING" | "WARN" => Level::WARNING,
        "ERROR" => Level::ERROR,
        "CRITICAL" | "FATAL" => Level::CRITICAL,
        "NOTSET" => Level::NOTSET,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;
    use crate::formatter::{DEFAULT_PATTERN, Formatter, PatternFormatter};

    fn printed(pattern: &str, worker: &str, level: Level) -> String {
        let mut record = Record::new(1_795_322_903_123_000_000, level, "web.access", "it: is up");
        record.process.to_mut().name = worker.into();
        record.process.to_mut().id = 7;
        (record.lane, record.seq) = (0xbeef, 42);
        let mut line = Vec::new();
        PatternFormatter::new(pattern).expect(pattern).utc().format(&record, &mut line);
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn what_a_pattern_prints_is_read_back() {
        for pattern in [
            DEFAULT_PATTERN,
            "%(asctime)s - %(name)s - %(levelname)s - %(processName)s - %(message)s",
            "[%(asctime)s %(levelname)8s %(processName)s %(name)s] %(message)s%(fields)s",
            "%(levelname)s:%(name)s:%(processName)3s:%(asctime)s:%(message)s",
            "%(asctime)30s|%(processName)-12s|%(name)12s|%(levelname)-9s|%(message)s",
        ] {
            let reader = LinePattern::new(pattern).expect(pattern);
            for worker in ["w", "worker-12", "é日", "0123456789012345"] {
                for level in [Level::INFO, Level::WARNING, Level::new(45)] {
                    let line = printed(pattern, worker, level);
                    let read = reader.read(&line).unwrap_or_else(|| panic!("{pattern}: {line}"));
                    let LineParts { time, level: found, logger, worker: name, message, .. } = read;
                    assert_eq!(
                        (found, logger, name, message),
                        (Some(level), "web.access", worker, "it: is up"),
                        "{pattern}: {line}"
                    );
                    assert_eq!(time.map(|time| time.nanosecond), Some(123_000_000), "{line}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_read_back() {
        let pattern = "%(asctime)s %(lane)s %(seq)5d %(process)d %(message)s";
        let line = printed(pattern, "w", Level::INFO);
        let read = LinePattern::new(pattern).expect("a pattern");
        let read = read.read(&line).expect("a record");
        assert_eq!((read.lane, read.seq, read.process_id), (0xbeef, 42, 7));
        assert_eq!(read.message, "it: is up");
    }

    #[test]
    fn what_the_pattern_does_not_print_is_not_read() {
        let reader = LinePattern::new(DEFAULT_PATTERN).expect("a pattern");
        for line in [
            "",
            "\tat main",
            "Traceback (most recent call last):",
            "2026-11-22 04:48:23,123",
            "2026-11-22 04:48:23,123 api-1      web started",
            "2026-11-22 04:48:23,123 api-1      web INFORMATION started",
            "2026-11-22 04:48:23,123 api-1      web Info     started",
        ] {
            assert_eq!(reader.read(line), None, "{line}");
        }
    }

    #[test]
    fn patterns_that_do_not_tell_are_refused_with_advice() {
        for (pattern, expected) in [
            ("%(levelname)s", "add `%(message)s`"),
            ("%(levelname)s\n%(message)s", "on one line"),
            ("%(mesage)s", "unknown attribute"),
        ] {
            let error = LinePattern::new(pattern).expect_err(pattern).to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }
}
