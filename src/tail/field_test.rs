//! Tests of fields: `key=value`, `key!=value`, `key~REGEX`.

use regex::bytes::{Regex, RegexBuilder};

use super::parts::Read;
use super::query::QueryError;
use crate::{Record, Value};

/// A test of one field.
#[derive(Clone, Debug)]
pub(super) struct FieldTest {
    key: String,
    test: ValueTest,
}

#[derive(Clone, Debug)]
enum ValueTest {
    Is(String),
    IsNot(String),
    Matches(Regex),
}

impl FieldTest {
    pub(super) fn parse(text: &str) -> Result<FieldTest, QueryError> {
        let none = || QueryError::Field(text.to_owned());
        let at = text.find(['=', '~']).ok_or_else(none)?;
        let (key, value) = (&text[..at], &text[at + 1..]);
        let (key, test) = match key.strip_suffix('!') {
            Some(key) if text.as_bytes()[at] == b'=' => (key, ValueTest::IsNot(value.to_owned())),
            _ if text.as_bytes()[at] == b'=' => (key, ValueTest::Is(value.to_owned())),
            _ => (key, ValueTest::Matches(regex(value)?)),
        };
        if key.is_empty() {
            return Err(none());
        }
        Ok(FieldTest { key: key.to_owned(), test })
    }

    pub(super) fn accepts(&self, read: &Read<'_>) -> bool {
        let value = match read.record.field(&self.key) {
            Some(Value::Str(text)) => Some(text.to_string()),
            Some(value) => Some(value.to_string()),
            None => own_value(&self.key, &read.record).filter(|value| !value.is_empty()),
        };
        match (&self.test, value) {
            (ValueTest::Is(wanted), Some(value)) => value == *wanted,
            (ValueTest::IsNot(unwanted), Some(value)) => value != *unwanted,
            (ValueTest::Matches(regex), Some(value)) => regex.is_match(value.as_bytes()),
            (ValueTest::IsNot(_), None) => true,
            (_, None) => false,
        }
    }

    /// The attribute of a pattern that tells the value where it is no field; none where every line answers.
    pub(super) fn attribute(&self) -> Option<&'static str> {
        if matches!(self.test, ValueTest::IsNot(_)) {
            return None;
        }
        Some(match &*self.key {
            "message" => return None,
            "worker" => "processName",
            "logger" => "name",
            "level" => "levelname",
            "pid" => "process",
            "lane" => "lane",
            "seq" => "seq",
            _ => "fields",
        })
    }

    /// What stands in the text of each record that passes.
    pub(super) fn needle(&self) -> Option<String> {
        let needle = match &self.test {
            // A number may be written in another way than it is printed.
            ValueTest::Is(value) if value.starts_with(|c: char| c.is_ascii_alphabetic()) => value,
            // A dot may be that of an object in another.
            ValueTest::Is(_) | ValueTest::Matches(_)
                if !OWN_KEYS.contains(&&*self.key) && !self.key.contains('.') =>
            {
                &self.key
            }
            _ => return None,
        };
        (is_plain(needle) && self.key != "level").then(|| needle.clone())
    }
}

/// What a record has that are no fields.
const OWN_KEYS: [&str; 9] =
    ["message", "worker", "logger", "level", "pid", "program", "thread", "lane", "seq"];

fn own_value(key: &str, record: &Record<'_>) -> Option<String> {
    Some(match key {
        "message" => record.message.clone().into_owned(),
        "worker" => record.process.name.to_string(),
        "logger" => record.logger.clone().into_owned(),
        "level" => record.level.name().into_owned(),
        "pid" if record.process.id != 0 => record.process.id.to_string(),
        "program" => record.process.program.to_string(),
        "thread" => record.thread.name.clone().into_owned(),
        "lane" => format!("{:016x}", record.lane),
        "seq" => record.seq.to_string(),
        _ => return None,
    })
}

/// Whether the text stands in a line as it is, whatever the form of the line.
pub(super) fn is_plain(text: &str) -> bool {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    !text.is_empty() && text.chars().all(in_name)
}

/// A regular expression for text of several lines.
pub(super) fn regex(expression: &str) -> Result<Regex, QueryError> {
    RegexBuilder::new(expression).multi_line(true).build().map_err(|source| QueryError::Regex {
        text: expression.to_owned(),
        source: Box::new(source),
    })
}
