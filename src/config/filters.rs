//! The `filters` of a configuration.

use std::time::Duration;

use super::error::Problem;
use super::item::{Item, Table};
use crate::filter::{
    ContextFilter, DuplicateFilter, Filter, FilterError, LevelRangeFilter, LoggerFilter,
    RateLimitFilter, RedactFilter, RegexFilter, SamplingFilter, Subject, WorkerFilter,
};
use crate::{Level, LevelNames, Value};

const CLASSES: &str = "logging.Filter, LevelRangeFilter, WorkerFilter, RegexFilter, RateLimitFilter, \
     DuplicateFilter, SamplingFilter, RedactFilter or ContextFilter";

/// Which records pass. Each logger and handler that names it gets one of its own: what it counts is
/// not shared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FilterSettings {
    Logger(String),
    LevelRange(Level, Level),
    Worker(Vec<String>),
    Regex { subject: Subject, pattern: String, invert: bool },
    RateLimit { records: u32, interval: Duration },
    Duplicate(Duration),
    Sampling(u32),
    Redact { fields: Vec<String>, patterns: Vec<String> },
    Context(Vec<(String, Value<'static>)>),
}

impl FilterSettings {
    pub(super) fn read(item: Item, names: &LevelNames) -> Result<FilterSettings, Problem> {
        let whole = item.clone();
        let mut table = item.table()?;
        let class = table.take("class");
        let name = class.as_ref().map(|item| item.text(CLASSES)).transpose()?;
        let settings = match name.unwrap_or("logging.Filter") {
            "logging.Filter" | "Filter" => {
                let name = table.take("name");
                let name = name.map(|item| item.text("a logger").map(str::to_owned)).transpose()?;
                FilterSettings::Logger(name.unwrap_or_default())
            }
            "LevelRangeFilter" => level_range(&mut table, names)?,
            "WorkerFilter" => {
                let item = table.need("workers", WORKERS)?;
                let names = texts(item.clone(), WORKERS)?;
                if names.is_empty() {
                    return Err(item.expected("one worker at least: without, no record passes"));
                }
                FilterSettings::Worker(names)
            }
            "RegexFilter" => regex(&mut table)?,
            "RateLimitFilter" => FilterSettings::RateLimit {
                records: count(
                    &table.need("records", "a number of records")?,
                    "a number of records",
                )?,
                interval: interval(&mut table)?,
            },
            "DuplicateFilter" => FilterSettings::Duplicate(interval(&mut table)?),
            "SamplingFilter" => {
                FilterSettings::Sampling(count(&table.need("every", "a number")?, "a number")?)
            }
            "RedactFilter" => {
                let mut list =
                    |name, what| table.take(name).map_or(Ok(Vec::new()), |item| texts(item, what));
                FilterSettings::Redact {
                    fields: list("fields", "a list of fields")?,
                    patterns: list("patterns", "a list of regular expressions")?,
                }
            }
            "ContextFilter" => {
                let fields = table.take_table("fields")?.into_iter();
                let fields = fields.map(|(name, item)| Ok((name, item.value()?)));
                FilterSettings::Context(fields.collect::<Result<_, Problem>>()?)
            }
            _ => return Err(class.unwrap_or(whole).expected(CLASSES)),
        };
        table.end()?;
        settings.filter().map_err(|error| whole.refused(error))?;
        Ok(settings)
    }

    /// A filter of these settings.
    pub(crate) fn filter(&self) -> Result<Box<dyn Filter>, FilterError> {
        Ok(match self {
            FilterSettings::Logger(name) => Box::new(LoggerFilter::new(name)),
            FilterSettings::LevelRange(min, max) => Box::new(LevelRangeFilter(*min..=*max)),
            FilterSettings::Worker(names) => {
                Box::new(WorkerFilter::new(names.iter().map(|name| &**name)))
            }
            FilterSettings::Regex { subject, pattern, invert } => {
                let filter = RegexFilter::new(subject.clone(), pattern)?;
                Box::new(if *invert { filter.inverted() } else { filter })
            }
            FilterSettings::RateLimit { records, interval } => {
                Box::new(RateLimitFilter::new(*records, *interval)?)
            }
            FilterSettings::Duplicate(interval) => Box::new(DuplicateFilter::new(*interval)),
            FilterSettings::Sampling(every) => Box::new(SamplingFilter::new(*every)?),
            FilterSettings::Redact { fields, patterns } => {
                let mut filter = RedactFilter::new();
                for field in fields {
                    filter = filter.field(&**field)?;
                }
                for pattern in patterns {
                    filter = filter.pattern(pattern)?;
                }
                Box::new(filter)
            }
            FilterSettings::Context(fields) => {
                let add = |filter: ContextFilter, (name, value): &(String, Value<'static>)| {
                    filter.field(&**name, value.clone())
                };
                Box::new(fields.iter().fold(ContextFilter::new(), add))
            }
        })
    }
}

const WORKERS: &str = "a list of names of workers";

fn level_range(table: &mut Table, names: &LevelNames) -> Result<FilterSettings, Problem> {
    let min = table.take("min").map_or(Ok(Level::NOTSET), |item| item.level(names))?;
    let Some(item) = table.take("max") else {
        return Ok(FilterSettings::LevelRange(min, Level::new(u8::MAX)));
    };
    let max = item.level(names)?;
    if max < min {
        return Err(item.refused("below min: no record would pass"));
    }
    Ok(FilterSettings::LevelRange(min, max))
}

fn regex(table: &mut Table) -> Result<FilterSettings, Problem> {
    const SUBJECTS: &str = "message, logger, exception or fields.NAME";
    let subject = table.take("subject").map(|item| {
        Ok(match item.text(SUBJECTS)? {
            "message" => Subject::Message,
            "logger" => Subject::Logger,
            "exception" => Subject::Exception,
            text => match text.strip_prefix("fields.") {
                Some(field) => Subject::Field(field.to_owned()),
                None => return Err(item.expected(SUBJECTS)),
            },
        })
    });
    Ok(FilterSettings::Regex {
        subject: subject.transpose()?.unwrap_or(Subject::Message),
        pattern: table
            .need("pattern", "a regular expression")?
            .text("a regular expression")?
            .to_owned(),
        invert: table.take("invert").map_or(Ok(false), |item| item.boolean())?,
    })
}

fn count(item: &Item, what: &str) -> Result<u32, Problem> {
    let number = item.number(1..=u32::MAX.into(), what)?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

fn interval(table: &mut Table) -> Result<Duration, Problem> {
    let seconds = table.need("interval", "a number of seconds")?;
    Ok(Duration::from_secs(count(&seconds, "a number of seconds")?.into()))
}

/// A list of texts.
pub(super) fn texts(item: Item, what: &str) -> Result<Vec<String>, Problem> {
    item.list(what)?.iter().map(|item| item.text("a text").map(str::to_owned)).collect()
}
