//! What a line says, whatever its form.

use super::moment::{LineClock, Moment};
use super::pairs::{pairs, start_of_last_pairs};
use super::parts::{Read, Told, Tree};
use super::{TailError, json_line};
use crate::formatter::{DEFAULT_PATTERN, LinePattern, LinePatternError};

/// So much of a log is searched for a line of a known form.
const DETECT_BYTES: usize = 64 * 1024;

/// Patterns that are recognised, with time and level in them, so that a line of one is hardly one of
/// another by chance. Those with a level right behind the time come first: they cannot be mistaken.
const COMMON_PATTERNS: [&str; 11] = [
    "%(asctime)s %(lane)s %(seq)s %(processName)-10s %(name)s %(levelname)-8s %(message)s%(fields)s",
    "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    "%(asctime)s - %(levelname)s - %(message)s",
    "[%(asctime)s %(levelname)-5s %(name)s] %(message)s",
    "[%(asctime)s] %(levelname)s: %(message)s",
    "%(asctime)s [%(levelname)s] %(name)s: %(message)s",
    "%(asctime)s [%(levelname)s] %(message)s",
    "%(asctime)s %(levelname)5s %(name)s: %(message)s",
    "%(asctime)s:%(levelname)s:%(name)s:%(message)s",
    "%(asctime)s %(levelname)-8s %(message)s%(fields)s",
    DEFAULT_PATTERN,
];

/// That of Python's `basicConfig`, which tells no time.
const BASIC_PATTERN: &str = "%(levelname)s:%(name)s:%(message)s";

/// Keys with which lines of logfmt begin.
const FIRST_KEYS: [&[u8]; 7] =
    [b"time=", b"ts=", b"timestamp=", b"level=", b"lvl=", b"msg=", b"message="];

/// The form of the lines of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Whatever the lines look like: JSON, logfmt, the text of this library or of common patterns of
    /// Python and Rust. Forms may change within a log. Where none is known each line is a record, but for
    /// those that begin with a TAB, and nothing can be asked of it but its text.
    #[default]
    Detect,
    /// One JSON object per line, with the keys of `JsonFormatter` or with `ts`, `timestamp`, `severity`,
    /// `msg`, `target`.
    Json,
    /// `key=value` pairs, with the same keys.
    Logfmt,
    /// Lines of this pattern, as `PatternFormatter` prints it, with times such as
    /// `2026-11-22 04:48:23,123`. What stands behind `%(message)s` belongs to the message, but for
    /// `%(fields)s`.
    Pattern(String),
}

#[derive(Clone, Debug)]
enum LineForm {
    Json,
    Logfmt,
    Text(LinePattern),
}

/// The forms that lines of a log may have, and the one that they have here.
#[derive(Clone, Debug)]
pub(super) struct Forms {
    forms: Vec<LineForm>,
    /// Index of the form of the last record; none while no line was of any.
    current: Option<usize>,
    clock: LineClock,
}

impl Forms {
    pub(super) fn new(form: &Form, clock: LineClock) -> Result<Forms, LinePatternError> {
        let forms = match form {
            Form::Json => vec![LineForm::Json],
            Form::Logfmt => vec![LineForm::Logfmt],
            Form::Pattern(pattern) => vec![LineForm::Text(LinePattern::new(pattern)?)],
            Form::Detect => {
                let common = COMMON_PATTERNS.iter().chain([&BASIC_PATTERN]);
                let text = common.map(|pattern| LinePattern::new(pattern).map(LineForm::Text));
                [Ok(LineForm::Json), Ok(LineForm::Logfmt)]
                    .into_iter()
                    .chain(text)
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(Forms { forms, current: None, clock })
    }

    /// Whether the form was named, and not left to the look of the lines.
    pub(super) fn is_named(&self) -> bool {
        self.forms.len() == 1
    }

    /// Whether lines may tell what a pattern calls so.
    pub(super) fn may_tell(&self, attribute: &str) -> bool {
        let may_tell = |form: &LineForm| match form {
            LineForm::Text(pattern) => pattern.may_tell(attribute),
            LineForm::Json | LineForm::Logfmt => true,
        };
        !self.is_named() || self.forms.iter().all(may_tell)
    }

    /// Whether a line was of the form that was named, or of any.
    pub(super) fn is_known(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn is_structured(&self) -> bool {
        let current = self.current.and_then(|current| self.forms.get(current));
        matches!(current, Some(LineForm::Json | LineForm::Logfmt))
    }

    /// Looks for the form by the first lines of a log; all are looked at for one that was named.
    pub(super) fn detect(&mut self, text: &[u8]) {
        if self.current.is_some() {
            return;
        }
        let looked_at = if self.is_named() { text.len() } else { text.len().min(DETECT_BYTES) };
        let text = &text[..looked_at];
        let mut lines = text.split(|byte| *byte == b'\n');
        if lines.any(|line| self.switch(line)) {
            return;
        }
        // Nothing tells time and level: take what looks like a form at least.
        let looks = |line: &[u8]| {
            self.forms.iter().position(|form| match form {
                LineForm::Json => json_line::read(text_of(line), &mut self.clock).is_some(),
                form => form.begins(line),
            })
        };
        self.current = text.split(|byte| *byte == b'\n').find_map(looks);
    }

    /// Whether the line is the first of a record. The others are those that begin with a TAB, and what no
    /// form has: tracebacks that others wrote as they are.
    pub(super) fn begins(&mut self, line: &[u8]) -> bool {
        if line.starts_with(b"\t") {
            return false;
        }
        match self.current {
            None => true,
            Some(current) => self.forms[current].begins(line) || self.switch(line),
        }
    }

    /// Goes over to the form of a line that tells time and level in it.
    fn switch(&mut self, line: &[u8]) -> bool {
        let clock = &mut self.clock;
        let mut others = self.forms.iter().enumerate().filter(|(at, _)| Some(*at) != self.current);
        let found = others.find(|(_, form)| form.begins(line) && form.is_sure(line, clock));
        let Some((at, _)) = found else { return false };
        self.current = Some(at);
        true
    }

    /// What a record says; none if its first line is of no form.
    pub(super) fn read<'l>(&mut self, text: &'l str) -> Option<Read<'l>> {
        let (line, further) = text.split_once('\n').unwrap_or((text, ""));
        let (line, further) = (without_return(line), without_return(further));
        let form = self.form_of(line.as_bytes())?;
        let mut read = match &self.forms[form] {
            LineForm::Json => json_line::read(line, &mut self.clock)?,
            LineForm::Logfmt => {
                let mut read = Read::new();
                pairs(line).for_each(|f| read.set(f.key, Tree::Leaf(f.value), &mut self.clock));
                read
            }
            LineForm::Text(pattern) => {
                return read_text(pattern, line, further, &mut self.clock);
            }
        };
        push_further(&mut read, further);
        Some(read)
    }

    /// Level and moment of a record, by its first line; none if that is of no form.
    pub(super) fn told(&mut self, line: &str) -> Option<Told> {
        let line = without_return(line);
        // It mostly is of the form of the line before, and is that looked at once.
        let of_current = self.current.filter(|_| !line.starts_with('\t'));
        of_current.and_then(|form| self.told_by(form, line)).or_else(|| {
            let form = self.form_of(line.as_bytes())?;
            self.told_by(form, line)
        })
    }

    fn told_by(&mut self, form: usize, line: &str) -> Option<Told> {
        let clock = &mut self.clock;
        match &self.forms[form] {
            form @ LineForm::Json if form.begins(line.as_bytes()) => json_line::told(line, clock),
            form @ LineForm::Logfmt if form.begins(line.as_bytes()) => {
                let mut told = Told::default();
                pairs(line).for_each(|pair| told.set(&pair.key, &pair.value, clock));
                Some(told)
            }
            LineForm::Text(pattern) => {
                let parts = pattern.read(line)?;
                let moment = parts.time.and_then(|time| clock.moment(&time));
                Some(Told { level: parts.level, moment })
            }
            _ => None,
        }
    }

    /// When the record was made, of which this is the first line.
    pub(super) fn moment(&mut self, line: &[u8]) -> Option<Moment> {
        self.told(text_of(line))?.moment
    }

    /// Index of the form of a line, which may be another one than that of the line that was looked at last.
    fn form_of(&mut self, line: &[u8]) -> Option<usize> {
        self.begins(line).then_some(self.current).flatten()
    }

    /// What a record without any known form says: its text.
    pub(super) fn bare(text: &str) -> Read<'_> {
        let mut read = Read::new();
        read.record.message = text.into();
        read
    }

    /// The moment of the first line that has one; none where no line has.
    pub(super) fn first_moment(&mut self, text: &[u8]) -> Option<Moment> {
        self.detect(text);
        let mut lines = text.split(|byte| *byte == b'\n');
        lines.find_map(|line| if self.begins(line) { self.moment(line) } else { None })
    }

    pub(super) fn clock(&self) -> &LineClock {
        &self.clock
    }
}

impl LineForm {
    fn begins(&self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self {
            // Also one that was torn, which then says nothing but its text.
            LineForm::Json => line.starts_with(b"{"),
            LineForm::Logfmt => FIRST_KEYS.iter().any(|key| line.starts_with(key)),
            LineForm::Text(pattern) => pattern.read(text_of(line)).is_some(),
        }
    }

    /// Whether it tells time and level.
    fn is_sure(&self, line: &[u8], clock: &mut LineClock) -> bool {
        let line = text_of(line);
        match self {
            LineForm::Json => json_line::read(line, clock)
                .is_some_and(|read| read.moment.is_some() && read.has_level),
            LineForm::Logfmt => {
                let mut read = Read::new();
                pairs(line).for_each(|f| read.set(f.key, Tree::Leaf(f.value), clock));
                read.moment.is_some() && read.has_level
            }
            LineForm::Text(pattern) => pattern
                .read(line)
                .is_some_and(|parts| parts.time.is_some() && parts.level.is_some()),
        }
    }
}

/// A line without the carriage return that ends it in files of other systems.
fn without_return(line: &str) -> &str {
    line.strip_suffix('\r').unwrap_or(line)
}

/// The text of a line, as far as it is text.
fn text_of(line: &[u8]) -> &str {
    match simdutf8::basic::from_utf8(line) {
        Ok(text) => text,
        Err(_) => line.utf8_chunks().next().map_or("", |chunk| chunk.valid()),
    }
}

fn read_text<'l>(
    pattern: &LinePattern,
    line: &'l str,
    further: &'l str,
    clock: &mut LineClock,
) -> Option<Read<'l>> {
    let parts = pattern.read(line)?;
    let mut read = Read::new();
    read.set_moment(parts.time.and_then(|time| clock.moment(&time)));
    parts.level.into_iter().for_each(|level| read.set_level(level));
    let record = &mut read.record;
    record.logger = parts.logger.into();
    if !parts.worker.is_empty() {
        record.process.to_mut().name = parts.worker.into();
    }
    record.process.to_mut().id = parts.process_id;
    (record.lane, record.seq) = (parts.lane, parts.seq);
    let (mut message, mut further) = (parts.message, further);
    if pattern.has_fields() {
        // They end the message, whose last line comes before those of an exception.
        let start = start_of_last_pairs(message);
        record.fields = pairs(&message[start..]).collect();
        message = &message[..start];
        if record.fields.is_empty() {
            let last = further.rfind('\n').map_or(0, |newline| newline + 1);
            let start = last + start_of_last_pairs(&further[last..]);
            record.fields = pairs(&further[start..]).collect();
            further = &further[..start];
        }
    }
    record.message = message.into();
    push_further(&mut read, further);
    Some(read)
}

/// Adds the further lines of a record to its message, without the TABs that mark them.
fn push_further(read: &mut Read<'_>, further: &str) {
    if further.is_empty() {
        return;
    }
    let message = read.record.message.to_mut();
    for line in further.split('\n').map(without_return) {
        message.push('\n');
        message.push_str(line.strip_prefix('\t').unwrap_or(line));
    }
}

impl From<LinePatternError> for TailError {
    fn from(error: LinePatternError) -> TailError {
        TailError::Pattern(error)
    }
}
