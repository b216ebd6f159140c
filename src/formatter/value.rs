//! What a pattern prints where a name stands: attributes in the form of `str.format`, and fields.

use std::sync::Arc;

use super::attribute::{Attribute, NumberValue, Text};
use super::conversion::{Conversion, Kind};
use super::datetime::Clock;
use super::escape::push_line;
use super::parse::Part;
use super::spec::Spec;
use super::{Multiline, PatternError};
use crate::{LevelNames, Record, Value};

/// What a pattern begins the name of a field with.
const FIELD_PREFIX: &str = "fields.";

/// What is printed for a field that a record does not have, and that has no default.
const ABSENT: &str = "-";

/// The names a pattern may use beside those of attributes: fields, each with its default.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults(Vec<(Box<str>, Value<'static>)>);

impl Defaults {
    /// Adds a name; the last value counts.
    pub(super) fn add(&mut self, name: &str, value: Value<'static>) -> Result<(), PatternError> {
        if Attribute::named(name).is_some() || name.starts_with(FIELD_PREFIX) {
            return Err(PatternError::Default { name: name.to_owned() });
        }
        self.0.retain(|(known, _)| **known != *name);
        self.0.push((name.into(), value));
        Ok(())
    }

    /// What `name` stands for in a pattern; `None` where it stands for nothing.
    pub(super) fn source(&self, name: &str) -> Option<Source> {
        let default = |key: &str| self.0.iter().find(|(known, _)| **known == *key);
        if let Some(attribute) = Attribute::named(name) {
            return Some(Source::Attribute(attribute));
        }
        let (key, default) = match (name.strip_prefix(FIELD_PREFIX), default(name)) {
            (Some(""), _) | (None, None) => return None,
            (Some(key), _) => (key, default(key)),
            (None, known) => (name, known),
        };
        let default = default.map_or(Value::Str(ABSENT.into()), |(_, value)| value.clone());
        Some(Source::Field { key: key.into(), default })
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Attribute(Attribute),
    Field {
        key: Box<str>,
        default: Value<'static>,
    },
    /// The name of the level, in a table of its own.
    LevelName(Arc<LevelNames>),
}

/// How a value is printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Print {
    Percent(Conversion),
    Brace(Spec),
}

/// A value and how it is printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValuePart {
    pub(super) source: Source,
    pub(super) print: Print,
}

/// Gives the names of levels in a pattern their own table.
pub(super) fn name_levels(parts: &mut [Part], names: &Arc<LevelNames>) {
    let own = || Source::LevelName(Arc::clone(names));
    for part in parts {
        match part {
            Part::Attribute(Attribute::Text(Text::LevelName), conversion) => {
                let print = Print::Percent(conversion.clone());
                *part = Part::Value(ValuePart { source: own(), print });
            }
            Part::Value(ValuePart { source, .. }) if source.is_level_name() => *source = own(),
            _ => {}
        }
    }
}

impl Source {
    fn is_level_name(&self) -> bool {
        matches!(self, Source::LevelName(_) | Source::Attribute(Attribute::Text(Text::LevelName)))
    }
}

impl ValuePart {
    /// Appends the value in `record`, escaped.
    pub(super) fn push(
        &self,
        record: &Record<'_>,
        clock: &mut Clock,
        multiline: Multiline,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        match &self.source {
            Source::Attribute(Attribute::Number(number)) => {
                return self.print.push_number(number.value(record), out);
            }
            Source::Attribute(Attribute::Asctime) => {
                out.extend_from_slice(clock.text(record.time_ns).as_bytes());
            }
            Source::LevelName(names) => push_line(&names.name(record.level), multiline, out),
            Source::Attribute(Attribute::Text(text)) => text.push(record, multiline, out),
            Source::Field { key, default } => {
                let value = record.field(key).unwrap_or(default);
                if let Some(number) = self.print.number(value) {
                    return self.print.push_number(number, out);
                }
                match value {
                    Value::Str(text) => push_line(text, multiline, out),
                    value => push_line(&value.to_string(), multiline, out),
                }
            }
        }
        self.print.fit_text(start, out);
    }
}

impl Print {
    /// The number to print for a value; `None` where its text is printed.
    fn number(&self, value: &Value<'_>) -> Option<NumberValue> {
        match value {
            Value::I64(value) => Some(match u64::try_from(*value) {
                Ok(value) => NumberValue::Int(value),
                Err(_) => NumberValue::Negative(*value),
            }),
            Value::U64(value) => Some(NumberValue::Int(*value)),
            Value::F64(value) if value.is_finite() => Some(NumberValue::Float(*value)),
            Value::Bool(value) if self.wants_number() => Some(NumberValue::Int((*value).into())),
            _ => None,
        }
    }

    fn wants_number(&self) -> bool {
        match self {
            Print::Percent(conversion) => conversion.kind != Kind::Text,
            Print::Brace(spec) => spec.wants_number(),
        }
    }

    fn push_number(&self, value: NumberValue, out: &mut Vec<u8>) {
        match self {
            Print::Percent(conversion) => conversion.push_number(value, out),
            Print::Brace(spec) => spec.push_number(value, out),
        }
    }

    fn fit_text(&self, start: usize, out: &mut Vec<u8>) {
        match self {
            Print::Percent(conversion) if self.wants_number() => conversion.pad(start, out),
            Print::Percent(conversion) => conversion.fit_text(start, out),
            Print::Brace(spec) => spec.fit_text(start, out),
        }
    }
}
