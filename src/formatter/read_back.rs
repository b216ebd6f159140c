//! Reads lane, sequence number and message back out of a line that a pattern printed.
//!
//! Text in a line has no quotes around it: where it ends can only be told by what the pattern prints
//! next. The first place is taken where all of that fits, up to the next text.

use super::attribute::{Attribute, Number, Text};
use super::conversion::Conversion;
use super::parse::{Part, PatternError, parse};
use super::value::Defaults;

/// [`DEFAULT_PATTERN`](super::DEFAULT_PATTERN) with lane and sequence number: lines that can be
/// verified.
pub const NUMBERED_PATTERN: &str = "%(asctime)s %(lane)s %(seq)s %(processName)-10s %(name)s \
                                    %(levelname)-8s %(message)s%(fields)s";

/// Digits of a lane.
const LANE_DIGITS: usize = 16;

/// Why lines of a pattern cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadBackError {
    /// It is no pattern at all.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Something that has to stand before the message does not.
    #[error(
        "a line of this pattern does not tell which record it is: it needs `%(lane)s`, `%(seq)s` \
         and `%(name)s` before `%(message)s`; log with --format json or '{NUMBERED_PATTERN}'"
    )]
    Unnumbered,
    /// A number is cut, signed or converted to another type.
    #[error("`{name}` cannot be read back as it is printed: write `%({name})s`")]
    Converted {
        /// The attribute.
        name: &'static str,
    },
    /// There is a newline before the message.
    #[error("the pattern breaks the line before the message: print all up to it on one line")]
    SeveralLines,
}

/// Reads lines of one pattern.
#[derive(Debug)]
pub(crate) struct PatternReader {
    any: Vec<Run>,
    /// The same with the logger's name in the place of its attribute.
    of_logger: Vec<Run>,
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadBack<'l> {
    pub(crate) lane: u64,
    pub(crate) seq: u64,
    /// Name of the worker's process; empty where it is not printed before the message.
    pub(crate) worker: &'l str,
    /// The message and what follows it on its line.
    pub(crate) message: &'l str,
}

/// Text of unknown length, and what is printed behind it.
#[derive(Debug, Default)]
struct Run {
    free: Option<Free>,
    fixed: Vec<Fixed>,
}

/// Text of unknown length.
#[derive(Debug)]
struct Free {
    min_chars: usize,
    is_worker: bool,
}

/// What can be told by its look.
#[derive(Debug)]
enum Fixed {
    Literal(Box<str>),
    Lane { width: usize },
    Seq { width: usize },
}

impl PatternReader {
    /// A reader of the lines of `pattern`; `logger` is the one that
    /// [`read_of_logger`](Self::read_of_logger) looks for.
    pub(crate) fn new(pattern: &str, logger: &str) -> Result<PatternReader, ReadBackError> {
        let parts = parse(pattern, &Defaults::default())?;
        let is_message = |part: &Part| is(part, Attribute::Text(Text::Message));
        let message = parts.iter().position(is_message).ok_or(ReadBackError::Unnumbered)?;
        let before = &parts[..message];
        for needed in [
            Attribute::Text(Text::Lane),
            Attribute::Number(Number::Sequence),
            Attribute::Text(Text::Logger),
        ] {
            if !before.iter().any(|part| is(part, needed)) {
                return Err(ReadBackError::Unnumbered);
            }
        }
        Ok(PatternReader { any: runs(before, None)?, of_logger: runs(before, Some(logger))? })
    }

    /// Reads the first line of a record; none if the pattern does not print such a line.
    pub(crate) fn read<'l>(&self, line: &'l str) -> Option<ReadBack<'l>> {
        read(&self.any, line)
    }

    /// The same for a record of the one logger only.
    pub(crate) fn read_of_logger<'l>(&self, line: &'l str) -> Option<ReadBack<'l>> {
        read(&self.of_logger, line)
    }
}

fn is(part: &Part, wanted: Attribute) -> bool {
    matches!(part, Part::Attribute(attribute, _) if *attribute == wanted)
}

fn runs(parts: &[Part], logger: Option<&str>) -> Result<Vec<Run>, ReadBackError> {
    let mut runs = vec![Run::default()];
    for part in parts {
        match part {
            Part::Literal(text) if text.contains('\n') => return Err(ReadBackError::SeveralLines),
            Part::Literal(text) => push_fixed(&mut runs, Fixed::Literal(text.clone())),
            Part::Attribute(attribute, conversion) => {
                push_attribute(&mut runs, *attribute, conversion, logger)?;
            }
            Part::Value(_) => {
                let free = Some(Free { min_chars: 0, is_worker: false });
                runs.push(Run { free, fixed: Vec::new() });
            }
        }
    }
    Ok(runs)
}

fn push_attribute(
    runs: &mut Vec<Run>,
    attribute: Attribute,
    conversion: &Conversion,
    logger: Option<&str>,
) -> Result<(), ReadBackError> {
    let width = conversion.width();
    match (attribute, logger) {
        (Attribute::Text(Text::Lane), _) if !conversion.keeps_digits() => {
            return Err(ReadBackError::Converted { name: "lane" });
        }
        (Attribute::Number(Number::Sequence), _) if !conversion.keeps_digits() => {
            return Err(ReadBackError::Converted { name: "seq" });
        }
        (Attribute::Text(Text::Lane), _) => push_fixed(runs, Fixed::Lane { width }),
        (Attribute::Number(Number::Sequence), _) => push_fixed(runs, Fixed::Seq { width }),
        (Attribute::Text(Text::Logger), Some(logger)) => {
            let mut text = logger.as_bytes().to_vec();
            conversion.fit_text(0, &mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            push_fixed(runs, Fixed::Literal(text.into_boxed_str()));
        }
        _ => {
            let is_worker = attribute == Attribute::Text(Text::ProcessName);
            let free = Some(Free { min_chars: width, is_worker });
            runs.push(Run { free, fixed: Vec::new() });
        }
    }
    Ok(())
}

fn push_fixed(runs: &mut [Run], fixed: Fixed) {
    if let Some(run) = runs.last_mut() {
        run.fixed.push(fixed);
    }
}

fn read<'l>(runs: &[Run], line: &'l str) -> Option<ReadBack<'l>> {
    let mut read = ReadBack { lane: 0, seq: 0, worker: "", message: line };
    for run in runs {
        run.read(&mut read)?;
    }
    Some(read)
}

impl Run {
    /// Takes this run from the beginning of what is left as `message`.
    fn read(&self, read: &mut ReadBack<'_>) -> Option<()> {
        let text = read.message;
        let Some(free) = &self.free else {
            read.message = self.read_fixed(text, read)?;
            return Some(());
        };
        let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let (end, rest) = ends
            .skip(free.min_chars)
            .find_map(|at| Some((at, self.read_fixed(&text[at..], read)?)))?;
        if free.is_worker {
            read.worker = text[..end].trim_matches(' ');
        }
        read.message = rest;
        Some(())
    }

    fn read_fixed<'l>(&self, text: &'l str, read: &mut ReadBack<'_>) -> Option<&'l str> {
        let mut rest = text;
        for fixed in &self.fixed {
            rest = match fixed {
                Fixed::Literal(literal) => rest.strip_prefix(&**literal)?,
                Fixed::Lane { width } => {
                    let (digits, after) = take_digits(rest, *width, |c| c.is_ascii_hexdigit())?;
                    read.lane = lane_of(digits)?;
                    after
                }
                Fixed::Seq { width } => {
                    let (digits, after) = take_digits(rest, *width, |c| c.is_ascii_digit())?;
                    read.seq = digits.parse().ok()?;
                    after
                }
            };
        }
        Some(rest)
    }
}

/// The lane of sixteen hexadecimal digits.
pub(crate) fn lane_of(digits: &str) -> Option<u64> {
    let is_lane = digits.len() == LANE_DIGITS
        && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    is_lane.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// Digits that are padded with spaces on one side to `width`, and what follows.
fn take_digits(text: &str, width: usize, is_digit: fn(&char) -> bool) -> Option<(&str, &str)> {
    let left = if width > 0 { text.trim_start_matches(' ') } else { text };
    let after = left.trim_start_matches(|c: char| is_digit(&c));
    let digits = &left[..left.len() - after.len()];
    let padding = width.saturating_sub(text.len() - after.len());
    let (spaces, rest) = after.split_at_checked(padding)?;
    let padded = !digits.is_empty() && spaces.bytes().all(|byte| byte == b' ');
    padded.then_some((digits, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatter::{Formatter, PatternFormatter};
    use crate::{Level, Record};

    fn printed(pattern: &str, worker: &str, logger: &str) -> String {
        let mut record = Record::new(0, Level::INFO, logger.to_owned(), "dropped it: 7");
        record.process.to_mut().name = worker.into();
        (record.lane, record.seq) = (0xbeef, 42);
        let mut line = Vec::new();
        PatternFormatter::new(pattern).expect(pattern).format(&record, &mut line);
        String::from_utf8(line).expect("text")
    }

    fn expected(worker: &str) -> Option<ReadBack<'_>> {
        Some(ReadBack { lane: 0xbeef, seq: 42, worker, message: "dropped it: 7" })
    }

    #[test]
    fn what_a_pattern_prints_can_be_read_back() {
        for pattern in [
            NUMBERED_PATTERN,
            "%(lane)s %(seq)s %(processName)s %(name)s %(message)s",
            "%(processName)12s|%(name)-12s|%(lane)20s|%(seq)-9d|%(message)s",
            "%(processName)s<%(seq)08d>%(name)s:%(lane)-18s:%(message)s",
            "100%% %(created)f %(processName)-3s [%(lane)s/%(seq)6s] %(name)3s: %(message)s",
        ] {
            let reader = PatternReader::new(pattern, "logboom").expect(pattern);
            for worker in ["w", "a name with spaces", "é日", "0123456789012345 7"] {
                let line = printed(pattern, worker, "logboom");
                assert_eq!(reader.read_of_logger(&line), expected(worker), "{pattern}: {line}");
                let read = reader.read(&line).expect(pattern);
                assert_eq!((read.lane, read.seq), (0xbeef, 42), "{pattern}: {line}");
            }
        }
    }

    #[test]
    fn only_records_of_the_logger_are_read_as_such() {
        let reader = PatternReader::new(NUMBERED_PATTERN, "logboom").expect("a pattern");
        for logger in ["logboo", "logboom.x", "web"] {
            let line = printed(NUMBERED_PATTERN, "w", logger);
            assert_eq!(reader.read_of_logger(&line), None);
            assert_eq!(reader.read(&line), expected("w"));
        }
    }

    #[test]
    fn what_the_pattern_does_not_print_is_not_read() {
        let pattern = "%(lane)s %(seq)5s %(name)s|%(message)s";
        let reader = PatternReader::new(pattern, "logboom").expect("a pattern");
        for line in [
            "",
            "000000000000beef    42 logboom",
            "00000000000beef    42 logboom|",
            "000000000000BEEF    42 logboom|",
            "000000000000beef    4 logboom|",
            "000000000000beef 99999999999999999999 logboom|",
            " 000000000000beef    42 logboom|",
        ] {
            assert_eq!(reader.read(line), None, "{line}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_read_back_are_refused_with_advice() {
        for (pattern, expected) in [
            ("%(message)", "write `%(message)s`"),
            (crate::formatter::DEFAULT_PATTERN, "log with --format json or '%(asctime)s %(lane)s"),
            ("%(lane)s %(seq)s %(name)s", "needs `%(lane)s`"),
            ("%(lane)s %(name)s %(message)s %(seq)s", "needs `%(lane)s`"),
            ("%(lane)s %(seq)s %(message)s", "needs `%(lane)s`"),
            ("%(lane).3s %(seq)s %(name)s %(message)s", "write `%(lane)s`"),
            ("%(lane)s %(seq)f %(name)s %(message)s", "write `%(seq)s`"),
            ("%(lane)s %(seq)+d %(name)s %(message)s", "write `%(seq)s`"),
            ("%(lane)s %(seq)s\n%(name)s %(message)s", "on one line"),
        ] {
            let error = PatternReader::new(pattern, "logboom").expect_err(pattern).to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }
}
