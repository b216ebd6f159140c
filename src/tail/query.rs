//! Which records of a log are wanted.

use std::ops::Range;

use regex::bytes::Regex;

use super::TailError;
use super::field_test::{FieldTest, is_plain, regex};
use super::form::{Form, Forms};
use super::moment::{LineClock, Moment, Zone};
use super::needle::Needles;
use super::parts::{Read, Told};
use crate::Level;

/// The most tests of one kind in a query.
pub const MAX_TESTS: usize = 100;

/// Which records of a log are wanted. Without anything said, all are.
///
/// Tests of different kinds have to hold together; of several workers, of several loggers, and of several
/// expressions for the text, one has to; of fields all.
///
/// ```
/// use logboom::Level;
/// use logboom::tail::Query;
///
/// let query = Query::new().level(Level::WARNING).worker("api-*").field("status~^5")?;
/// # let _ = query;
/// # Ok::<(), logboom::tail::QueryError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    form: Form,
    zone: Zone,
    since_ns: Option<i64>,
    until_ns: Option<i64>,
    level: Option<Level>,
    workers: Vec<String>,
    loggers: Vec<String>,
    fields: Vec<FieldTest>,
    matching: Vec<Regex>,
    /// What is searched for, where that is plain text.
    plain: Vec<Option<String>>,
    excluding: Vec<Regex>,
}

/// Why a query cannot be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// It is no regular expression of the crate `regex`.
    #[error("`{text}` is no regular expression")]
    Regex {
        /// The expression.
        text: String,
        /// What is wrong with it.
        source: Box<regex::Error>,
    },
    /// The test of a field has no key or no sign.
    #[error("`{0}` tests no field: write `key=value`, `key!=value`, or `key~REGEX`")]
    Field(String),
    /// There are more than [`MAX_TESTS`] of a kind.
    #[error("more than {MAX_TESTS} of one kind: join them to one regular expression")]
    TooMany,
}

impl Query {
    /// Wants all records, in lines whose form is looked for, with local times.
    pub fn new() -> Query {
        Query {
            form: Form::Detect,
            zone: Zone::local(),
            since_ns: None,
            until_ns: None,
            level: None,
            workers: Vec::new(),
            loggers: Vec::new(),
            fields: Vec::new(),
            matching: Vec::new(),
            plain: Vec::new(),
            excluding: Vec::new(),
        }
    }

    /// Reads lines of this form.
    pub fn form(self, form: Form) -> Query {
        Query { form, ..self }
    }

    /// Takes times that do not tell their zone for those of `zone`.
    pub fn zone(self, zone: Zone) -> Query {
        Query { zone, ..self }
    }

    /// Wants nothing earlier, in nanoseconds since the Unix epoch.
    ///
    /// The place is searched, not read up to: a record that stands in the log more than a minute before
    /// earlier ones may be missed. A time that clocks showed twice counts as both.
    pub fn since(self, time_ns: i64) -> Query {
        Query { since_ns: Some(time_ns), ..self }
    }

    /// Wants nothing later, in nanoseconds since the Unix epoch. Reading ends a minute behind it.
    pub fn until(self, time_ns: i64) -> Query {
        Query { until_ns: Some(time_ns), ..self }
    }

    /// Wants records of this level and above; those whose line tells no known level are not.
    pub fn level(self, level: Level) -> Query {
        Query { level: Some(level), ..self }
    }

    /// Wants records of the worker of this name; where the name ends in `*`, of all that begin so.
    pub fn worker(mut self, name: impl Into<String>) -> Query {
        self.workers.push(name.into());
        self
    }

    /// Wants records of this logger and of those below it: `web` is also `web.access` and `web::access`.
    pub fn logger(mut self, name: impl Into<String>) -> Query {
        self.loggers.push(name.into());
        self
    }

    /// Wants records with a field that passes the test: `key=value`, `key~REGEX`; or `key!=value`, which
    /// records without the field pass too.
    ///
    /// Values are compared as they are printed. A field may also be `message`, `worker`, `logger`,
    /// `level`, `pid`, `program`, `thread`, `lane` or `seq`, where the record has no field of that name.
    ///
    /// # Errors
    /// The test has none of these forms.
    pub fn field(mut self, test: &str) -> Result<Query, QueryError> {
        self.fields.push(FieldTest::parse(test)?);
        limited(&self.fields)?;
        Ok(self)
    }

    /// Wants records in whose text, as it stands in the log, the expression is found. `^` and `$` are also
    /// the ends of its further lines.
    ///
    /// # Errors
    /// It is no regular expression.
    pub fn matching(mut self, expression: &str) -> Result<Query, QueryError> {
        self.matching.push(regex(expression)?);
        let is_plain = !expression.is_empty() && regex::escape(expression) == expression;
        self.plain.push(is_plain.then(|| expression.to_owned()));
        limited(&self.matching)?;
        Ok(self)
    }

    /// Wants no record in whose text the expression is found.
    ///
    /// # Errors
    /// It is no regular expression.
    pub fn excluding(mut self, expression: &str) -> Result<Query, QueryError> {
        self.excluding.push(regex(expression)?);
        limited(&self.excluding)?;
        Ok(self)
    }

    /// Whether it asks for anything but the time.
    pub fn has_tests(&self) -> bool {
        self.level.is_some()
            || !self.matching.is_empty()
            || !self.excluding.is_empty()
            || !self.workers.is_empty()
            || !self.loggers.is_empty()
            || !self.fields.is_empty()
    }

    /// Whether it asks for a range of time.
    pub fn has_range(&self) -> bool {
        self.since_ns.is_some() || self.until_ns.is_some()
    }

    /// Where the expressions that are searched for are found in `text`, in order, without overlaps.
    pub fn found_in<'t>(&'t self, text: &'t [u8]) -> Vec<Range<usize>> {
        let all = self.matching.iter().flat_map(|regex| regex.find_iter(text));
        let mut found: Vec<_> =
            all.map(|at| at.range()).filter(|range| !range.is_empty()).collect();
        found.sort_unstable_by_key(|range| (range.start, range.end));
        let mut end = 0;
        found.retain(|range| {
            let is_behind = range.start >= end;
            end = if is_behind { range.end } else { end };
            is_behind
        });
        found
    }

    /// The forms of the lines.
    ///
    /// # Errors
    /// Lines of the pattern that was named do not tell what is asked.
    pub(super) fn forms(&self) -> Result<Forms, TailError> {
        let forms = Forms::new(&self.form, LineClock::new(self.zone.clone()))?;
        let of_fields = self.fields.iter().filter_map(FieldTest::attribute);
        let of_fields = of_fields.filter(|_| !forms.may_tell("fields"));
        let mut asked = self.attributes().chain(of_fields);
        match asked.find(|attribute| !forms.may_tell(attribute)) {
            Some(attribute) => Err(TailError::Untold { attribute }),
            None => Ok(forms),
        }
    }

    /// What lines have to tell but for fields, as patterns name it.
    fn attributes(&self) -> impl Iterator<Item = &'static str> {
        let asked = [
            (self.has_range(), "asctime"),
            (self.level.is_some(), "levelname"),
            (!self.workers.is_empty(), "processName"),
            (!self.loggers.is_empty(), "name"),
        ];
        asked.into_iter().filter_map(|(is_asked, name)| is_asked.then_some(name))
    }

    pub(super) fn since_ns(&self) -> Option<i64> {
        self.since_ns
    }

    pub(super) fn until_ns(&self) -> Option<i64> {
        self.until_ns
    }

    /// Whether something is asked that only a known form tells.
    pub(super) fn needs_form(&self) -> bool {
        self.level.is_some() || self.has_range() || self.needs_record()
    }

    /// Whether something is asked beside text, level and time.
    fn needs_record(&self) -> bool {
        !self.workers.is_empty() || !self.loggers.is_empty() || !self.fields.is_empty()
    }

    /// What stands in each record that is wanted, so that others need not be looked at.
    pub(super) fn needles(&self) -> Option<Needles> {
        let plain = self.plain.iter().cloned().collect::<Option<Vec<_>>>();
        if let Some(plain) = plain.filter(|plain| !plain.is_empty()) {
            return Needles::of_texts(&plain);
        }
        if let Some(level) = self.level.filter(|level| *level > Level::INFO) {
            return Needles::of_levels(level);
        }
        if let Some(key_or_value) = self.fields.iter().find_map(FieldTest::needle) {
            return Needles::of_texts(&[key_or_value]);
        }
        [&self.workers, &self.loggers].into_iter().find_map(|names| {
            let plain: Vec<_> =
                names.iter().map(|name| name.trim_end_matches('*').to_owned()).collect();
            let is_plain = |name: &String| is_plain(name);
            (!plain.is_empty() && plain.iter().all(is_plain)).then(|| Needles::of_texts(&plain))?
        })
    }

    /// Whether a record is wanted, by its text in the log.
    pub(super) fn wants(&self, text: &[u8], forms: &mut Forms) -> bool {
        let is_found = self.matching.is_empty() || self.matching.iter().any(|r| r.is_match(text));
        if !is_found || self.excluding.iter().any(|regex| regex.is_match(text)) {
            return false;
        }
        if !self.needs_form() {
            return true;
        }
        let text = String::from_utf8_lossy(text);
        let line = text.split_once('\n').map_or(&*text, |(line, _)| line);
        forms.told(line).is_some_and(|told| self.accepts_told(told))
            && (!self.needs_record() || forms.read(&text).is_some_and(|read| self.accepts(&read)))
    }

    fn accepts_told(&self, told: Told) -> bool {
        let range = self.since_ns.unwrap_or(i64::MIN)..=self.until_ns.unwrap_or(i64::MAX);
        let is_in_range =
            |moment: Moment| range.contains(&moment.first_ns) || range.contains(&moment.last_ns);
        (!self.has_range() || told.moment.is_some_and(is_in_range))
            && self.level.is_none_or(|least| told.level.is_some_and(|level| level >= least))
    }

    fn accepts(&self, read: &Read<'_>) -> bool {
        let record = &read.record;
        one_of(&self.workers, |name| is_worker(name, &record.process.name))
            && one_of(&self.loggers, |name| is_logger(name, &record.logger))
            && self.fields.iter().all(|field| field.accepts(read))
    }
}

impl Default for Query {
    fn default() -> Query {
        Query::new()
    }
}

fn one_of(names: &[String], is: impl Fn(&str) -> bool) -> bool {
    names.is_empty() || names.iter().any(|name| is(name))
}

fn is_worker(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == wanted,
    }
}

fn is_logger(wanted: &str, name: &str) -> bool {
    let below = name.strip_prefix(wanted);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
}

fn limited<T>(tests: &[T]) -> Result<(), QueryError> {
    if tests.len() > MAX_TESTS { Err(QueryError::TooMany) } else { Ok(()) }
}
