//! By a regular expression.

use std::borrow::Cow;

use regex::RegexBuilder;

use super::{Filter, FilterError, Verdict};
use crate::{Level, Record, Value};

/// Most memory, in bytes, that one compiled regular expression may take.
pub const MAX_REGEX_BYTES: usize = 1 << 20;

/// The text that a [`RegexFilter`] looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The message.
    Message,
    /// The name of the logger.
    Logger,
    /// The text of an error or panic; a record without one has no text to match.
    Exception,
    /// The value of the field with this key that [`Record::field`] finds, as it is printed; a record
    /// without it has no text to match.
    Field(String),
}

/// Lets records pass that a regular expression matches, or those that it does not.
///
/// Expressions have the syntax of the crate `regex`: no look-around, no back-references, and a time
/// to match that is linear in the text. They match anywhere unless anchored.
///
/// ```
/// use logboom::filter::{RegexFilter, Subject};
///
/// let no_probes = RegexFilter::new(Subject::Field("path".into()), "^/health")?.inverted();
/// # let _ = no_probes;
/// # Ok::<(), logboom::filter::FilterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RegexFilter {
    subject: Subject,
    regex: regex::Regex,
    passes_if_matched: bool,
}

impl RegexFilter {
    /// A filter that lets records pass whose `subject` is matched by `pattern`.
    ///
    /// # Errors
    /// The pattern is no regular expression, or takes more than [`MAX_REGEX_BYTES`].
    pub fn new(subject: Subject, pattern: &str) -> Result<RegexFilter, FilterError> {
        Ok(RegexFilter { subject, regex: compile(pattern)?, passes_if_matched: true })
    }

    /// The filter that hides what this one lets pass, and the other way round.
    pub fn inverted(self) -> RegexFilter {
        RegexFilter { passes_if_matched: !self.passes_if_matched, ..self }
    }

    fn matches(&self, record: &Record<'_>) -> bool {
        match &self.subject {
            Subject::Message => self.regex.is_match(&record.message),
            Subject::Logger => self.regex.is_match(&record.logger),
            Subject::Exception => {
                record.exception.as_deref().is_some_and(|text| self.regex.is_match(text))
            }
            Subject::Field(key) => {
                record.field(key).is_some_and(|value| self.regex.is_match(&text(value)))
            }
        }
    }
}

impl Filter for RegexFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        Verdict::pass_if(self.matches(record) == self.passes_if_matched)
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

pub(super) fn compile(pattern: &str) -> Result<regex::Regex, FilterError> {
    RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build().map_err(|error| {
        // The last line of a long explanation says what is wrong.
        let text = error.to_string();
        let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        FilterError::Regex { pattern: pattern.to_owned(), cause: cause.to_owned() }
    })
}

/// The text of a value as it is printed.
pub(super) fn text<'v>(value: &'v Value<'_>) -> Cow<'v, str> {
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        value => Cow::Owned(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{passes, record};
    use super::*;
    use crate::{Field, Span};

    fn lets(subject: Subject, pattern: &str, record: &Record<'_>) -> bool {
        let mut filter = RegexFilter::new(subject, pattern).expect(pattern);
        let passed = passes(&mut filter, record);
        assert_eq!(passes(&mut filter.inverted(), record), !passed);
        passed
    }

    #[test]
    fn each_subject_has_its_text() {
        let mut record = record(0, "slow query");
        record.exception = Some("Error: timeout".into());
        record.fields.push(Field { key: "status".into(), value: Value::I64(503) });
        let outer = Field { key: "path".into(), value: Value::Str("/a".into()) };
        record.spans.push(Span { name: "request".into(), fields: vec![outer] });
        let field = |key: &str| Subject::Field(key.into());
        assert!(lets(Subject::Message, "^slow", &record));
        assert!(!lets(Subject::Message, "timeout", &record));
        assert!(lets(Subject::Logger, r"\.access$", &record));
        assert!(lets(Subject::Exception, "timeout", &record));
        assert!(lets(field("status"), "^5..$", &record));
        assert!(lets(field("path"), "^/a$", &record));
        assert!(!lets(field("absent"), "", &record));
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused_by_name() {
        for (pattern, cause) in [("(", "unclosed group"), (r"\w{1000}{100}", "size limit")] {
            let error = RegexFilter::new(Subject::Message, pattern).expect_err(pattern).to_string();
            assert!(error.starts_with(&format!("`{pattern}`")) && error.contains(cause), "{error}");
        }
    }
}
