//! Secrets that should not have been logged.

use std::borrow::Cow;

use regex::Regex;

use super::regex::{compile, text};
use super::{Filter, FilterError, Verdict};
use crate::{Field, Level, Record, Value};

/// What stands in the place of a secret.
pub const REDACTED: &str = "***";

/// Most names and patterns of one filter.
pub const MAX_REDACTIONS: usize = 64;

/// Replaces secrets by `***` before a handler sees them.
///
/// The value of a named field is replaced, in the call, in its spans and in the context of the
/// process, whatever it is; names are compared without regard to ASCII case. What a pattern matches
/// is replaced in the message, the exception, the names of spans and the text of fields; a number
/// whose text matches is replaced as a whole. Names of loggers, workers, threads and files, and keys, stay as they are.
///
/// A record without a secret is not copied.
///
/// ```
/// use logboom::filter::RedactFilter;
///
/// let filter = RedactFilter::new().field("password")?.pattern(r"\b\d{16}\b")?;
/// # let _ = filter;
/// # Ok::<(), logboom::filter::FilterError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RedactFilter {
    names: Vec<Box<str>>,
    patterns: Vec<Regex>,
}

impl RedactFilter {
    /// A filter that redacts nothing yet, and lets every record pass.
    pub fn new() -> RedactFilter {
        RedactFilter::default()
    }

    /// Redacts the fields of this name.
    ///
    /// # Errors
    /// There are [`MAX_REDACTIONS`] names and patterns already.
    pub fn field(mut self, name: impl Into<Box<str>>) -> Result<RedactFilter, FilterError> {
        self.check_room()?;
        self.names.push(name.into());
        Ok(self)
    }

    /// Redacts what a regular expression matches (its syntax: [`RegexFilter`](super::RegexFilter)).
    ///
    /// # Errors
    /// It is none or too large, or there are [`MAX_REDACTIONS`] names and patterns already.
    pub fn pattern(mut self, pattern: &str) -> Result<RedactFilter, FilterError> {
        self.check_room()?;
        self.patterns.push(compile(pattern)?);
        Ok(self)
    }

    fn check_room(&self) -> Result<(), FilterError> {
        let taken = self.names.len() + self.patterns.len();
        if taken < MAX_REDACTIONS { Ok(()) } else { Err(FilterError::TooManyRedactions) }
    }

    fn has_secret(&self, record: &Record<'_>) -> bool {
        self.matches(&record.message)
            || record.exception.as_deref().is_some_and(|text| self.matches(text))
            || record.fields.iter().any(|field| self.is_secret(field))
            || record.spans.iter().any(|span| {
                self.matches(&span.name) || span.fields.iter().any(|field| self.is_secret(field))
            })
            || self.has_secret_context(record)
    }

    fn has_secret_context(&self, record: &Record<'_>) -> bool {
        record.process.context.iter().any(|field| self.is_secret(field))
    }

    fn matches(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(text))
    }

    fn is_named(&self, key: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(key))
    }

    fn is_secret(&self, field: &Field<'_>) -> bool {
        self.is_named(&field.key)
            || (!self.patterns.is_empty() && self.matches(&text(&field.value)))
    }

    fn redact_text(&self, text: &mut Cow<'_, str>) {
        for pattern in &self.patterns {
            if let Cow::Owned(redacted) = pattern.replace_all(text, REDACTED) {
                *text = Cow::Owned(redacted);
            }
        }
    }

    fn redact_field(&self, field: &mut Field<'_>) {
        if self.is_named(&field.key) {
            field.value = Value::Str(REDACTED.into());
        } else if let Value::Str(text) = &mut field.value {
            self.redact_text(text);
        } else if self.is_secret(field) {
            field.value = Value::Str(REDACTED.into());
        }
    }
}

impl Filter for RedactFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        if self.has_secret(record) {
            let record = record.to_mut();
            self.redact_text(&mut record.message);
            if let Some(exception) = &mut record.exception {
                self.redact_text(exception);
            }
            record.fields.iter_mut().for_each(|field| self.redact_field(field));
            for span in &mut record.spans {
                self.redact_text(&mut span.name);
                span.fields.iter_mut().for_each(|field| self.redact_field(field));
            }
            // Few processes have one: the others keep what all their records share.
            if self.has_secret_context(record) {
                let mut context = record.process.context.to_vec();
                context.iter_mut().for_each(|field| self.redact_field(field));
                record.process.to_mut().context = context.into();
            }
        }
        Verdict::Pass
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{filtered, passes, record};
    use super::*;
    use crate::Span;

    fn filter() -> RedactFilter {
        let filter = RedactFilter::new().field("password").expect("room");
        let filter = filter.pattern(r"\b\d{4}-\d{4}\b").expect("an expression");
        filter.pattern(r"\b\d{8}\b").expect("an expression")
    }

    fn fields<'a>() -> Vec<Field<'a>> {
        let field = |key: &'static str, value| Field { key: key.into(), value };
        vec![
            field("Password", Value::Str("hunter2".into())),
            field("password", Value::I64(7)),
            field("card", Value::Str("of 1234-5678.".into())),
            field("number", Value::U64(12_345_678)),
            field("size", Value::U64(123_456_789)),
        ]
    }

    #[test]
    fn secrets_are_replaced_wherever_they_are_and_nothing_else_is() {
        let mut given = record(0, "card 1234-5678, twice 1234-5678, 12345678");
        given.exception = Some("Error: 1234-5678\n at 87654321".into());
        given.fields = fields();
        given.spans = vec![Span { name: "pay 1234-5678".into(), fields: fields() }];
        given.process.to_mut().context = fields().into();
        let seen = filtered(&mut filter(), &given).expect("it passes").into_owned();
        assert_eq!(seen.message, "card ***, twice ***, ***");
        assert_eq!(seen.exception.as_deref(), Some("Error: ***\n at ***"));
        assert_eq!(seen.spans[0].name, "pay ***");
        for fields in [&seen.fields, &seen.spans[0].fields, &*seen.process.context] {
            let texts: Vec<_> = fields.iter().map(|field| field.value.to_string()).collect();
            assert_eq!(texts, ["***", "***", "of ***.", "***", "123456789"]);
        }
        assert_eq!(given.fields, fields());
    }

    #[test]
    fn each_place_alone_is_found() {
        let secret = || Cow::Borrowed("1234-5678");
        let mut places = vec![record(0, "1234-5678"); 5];
        places[1].message = "".into();
        places[1].exception = Some(secret());
        places[2].message = "".into();
        places[2].spans = vec![Span { name: secret(), fields: Vec::new() }];
        places[3].message = "".into();
        places[3].spans = vec![Span { name: "s".into(), fields: fields() }];
        places[4].message = "".into();
        places[4].process.to_mut().context = fields().into();
        for place in places {
            let seen = filtered(&mut filter(), &place).expect("it passes");
            assert!(!format!("{seen:?}").contains("1234-5678"), "{seen:?}");
        }
        assert!(passes(&mut filter(), &record(0, "12345-678")));
    }

    #[test]
    fn names_and_patterns_are_bounded() {
        let mut filter = RedactFilter::new();
        for number in 0..MAX_REDACTIONS {
            filter = filter.field(number.to_string()).expect("room");
        }
        let error = filter.clone().pattern("x").expect_err("full");
        assert_eq!(error, FilterError::TooManyRedactions);
        assert_eq!(filter.field("x").expect_err("full"), FilterError::TooManyRedactions);
    }
}
