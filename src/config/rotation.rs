//! What log files take that rotate: the keys of Python's handlers, and those of our own.

use std::path::Path;

use super::error::Problem;
use super::item::{Item, Table};
use crate::handler::{
    Age, AtDiskLimit, BackupNames, RotatingFileBuilder, RotatingFileHandler, Schedule,
};

const WHEN: &str = "S, M, H, D, MIDNIGHT, or W0 (Monday) to W6";

/// When a log file rotates, and which backups stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RotationSettings {
    pub(super) class: Class,
    pub(super) max_bytes: u64,
    pub(super) backup_count: u32,
    pub(super) rotate_at: Option<Schedule>,
    rotate_on_start: bool,
    backup_names: BackupNames,
    keep_age: Option<Age>,
    keep_bytes: Option<u64>,
    min_free: Option<u64>,
    at_disk_limit: Option<AtDiskLimit>,
    #[cfg(feature = "compression")]
    compress: Option<crate::handler::Compression>,
}

/// The class it has in Python.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Class {
    /// It never rotates.
    #[default]
    File,
    Rotating,
    TimedRotating,
    /// Several processes write it. Not one of Python's own.
    Locked,
    /// The same, by the keys of a `TimedRotatingFileHandler`.
    TimedLocked,
}

impl Class {
    fn is_timed(self) -> bool {
        matches!(self, Class::TimedRotating | Class::TimedLocked)
    }

    fn is_locked(self) -> bool {
        matches!(self, Class::Locked | Class::TimedLocked)
    }
}

impl RotationSettings {
    /// Of a handler whose class is said by `item`.
    pub(super) fn read(
        class: Class,
        item: &Item,
        table: &mut Table,
    ) -> Result<RotationSettings, Problem> {
        let is_timed = class.is_timed();
        let max_bytes = number(table.take("maxBytes"), u64::MAX, "a number of bytes")?;
        let backup_count = number(table.take("backupCount"), u32::MAX.into(), "a number of files")?;
        let text = |item: &Item, what: &str| item.text(what).map(str::to_owned);
        let rotate_at = match table.take("rotateAt") {
            Some(item) => Some(parsed(&item, &text(&item, "times to rotate at")?)?),
            None if is_timed => Some(python_schedule(item, table)?),
            None => None,
        };
        let backup_names = match table.take("backupNames") {
            Some(item) => parsed(&item, &text(&item, "number, date or unique")?)?,
            None if is_timed => BackupNames::Date,
            None => BackupNames::Number,
        };
        let keep_age = table.take("keepAge");
        let keep_age =
            keep_age.map(|item| parsed(&item, &text(&item, "an age such as 30d")?)).transpose()?;
        let keep_bytes = table.take("keepBytes");
        let min_free = number(table.take("minFree"), u64::MAX, "a number of bytes")?;
        let at_disk_limit = table.take("atDiskLimit");
        #[cfg(feature = "compression")]
        let compress = table.take("compress");
        let settings = RotationSettings {
            class,
            max_bytes: max_bytes.unwrap_or(0),
            backup_count: u32::try_from(backup_count.unwrap_or(0)).unwrap_or(u32::MAX),
            rotate_at,
            rotate_on_start: table
                .take("rotateOnStart")
                .map_or(Ok(false), |item| item.boolean())?,
            backup_names,
            keep_age,
            keep_bytes: number(keep_bytes.clone(), u64::MAX, "a number of bytes")?,
            min_free,
            at_disk_limit: at_disk_limit
                .clone()
                .map(|item| parsed(&item, &text(&item, "hold-back or delete-oldest")?))
                .transpose()?,
            #[cfg(feature = "compression")]
            compress: compress
                .map(|item| parsed(&item, &text(&item, "zstd or gzip")?))
                .transpose()?,
        };
        match settings.builder(Path::new("")).problem() {
            Some(problem) => {
                Err(keep_bytes.or(at_disk_limit).as_ref().unwrap_or(item).refused(problem))
            }
            None => Ok(settings),
        }
    }

    pub(super) fn builder(&self, path: &Path) -> RotatingFileBuilder {
        let mut builder = RotatingFileHandler::builder(path)
            .max_bytes(self.max_bytes)
            .backup_count(self.backup_count)
            .backup_names(self.backup_names);
        if let Some(schedule) = self.rotate_at {
            builder = builder.rotate_at(schedule);
        }
        if self.rotate_on_start {
            builder = builder.rotate_on_start();
        }
        if let Some(age) = self.keep_age {
            builder = builder.keep_age(age.into());
        }
        if let Some(bytes) = self.keep_bytes {
            builder = builder.keep_bytes(bytes);
        }
        if let Some(bytes) = self.min_free {
            builder = builder.min_free(bytes);
        }
        if let Some(at_disk_limit) = self.at_disk_limit {
            builder = builder.at_disk_limit(at_disk_limit);
        }
        #[cfg(feature = "compression")]
        if let Some(compression) = self.compress {
            builder = builder.compress(compression);
        }
        builder
    }

    /// The name of its class.
    pub(super) fn class(&self) -> &'static str {
        match self.class {
            Class::File => "logging.FileHandler",
            Class::Rotating => "logging.handlers.RotatingFileHandler",
            Class::TimedRotating => "logging.handlers.TimedRotatingFileHandler",
            Class::Locked | Class::TimedLocked => "logboom.LockedRotatingFileHandler",
        }
    }

    /// What it is set to, by our own keys where they say the same as Python's.
    pub(super) fn values(&self) -> Vec<(&'static str, String)> {
        let text = |value: &dyn std::fmt::Display| format!("\"{value}\"");
        let mut values = vec![
            ("maxBytes", self.max_bytes.to_string()),
            ("backupCount", self.backup_count.to_string()),
        ];
        values.extend(self.rotate_at.map(|schedule| ("rotateAt", text(&schedule))));
        if self.class != Class::File && !self.class.is_locked() {
            values.push(("rotateOnStart", self.rotate_on_start.to_string()));
        }
        if self.class != Class::File {
            values.push(("backupNames", text(&self.backup_names)));
        }
        values.extend(self.keep_age.map(|age| ("keepAge", text(&age))));
        values.extend(self.keep_bytes.map(|bytes| ("keepBytes", bytes.to_string())));
        values.extend(self.min_free.map(|bytes| ("minFree", bytes.to_string())));
        values.extend(self.at_disk_limit.map(|what| ("atDiskLimit", text(&what))));
        #[cfg(feature = "compression")]
        values.extend(self.compress.map(|compression| ("compress", text(&compression))));
        values
    }
}

fn number(item: Option<Item>, limit: u64, what: &str) -> Result<Option<u64>, Problem> {
    item.map(|item| item.number(0..=limit, what)).transpose()
}

fn parsed<T>(item: &Item, text: &str) -> Result<T, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| item.refused(error))
}

/// The keys of Python's `TimedRotatingFileHandler`, with its defaults.
fn python_schedule(class: &Item, table: &mut Table) -> Result<Schedule, Problem> {
    let when = table.take("when");
    let interval = table.take("interval");
    let is_utc = table.take("utc").map_or(Ok(false), |item| item.boolean())?;
    let at = table.take("atTime").map(|item| {
        let time = Schedule::time_of_day(item.text("a time such as 04:30")?);
        time.ok_or_else(|| item.expected("a time such as 04:30"))
    });
    let at = at.transpose()?;
    let name = match &when {
        Some(item) => item.text(WHEN)?,
        None => "h",
    };
    let with_count = |count| Schedule::python(name, count, at, is_utc);
    match (with_count(1), interval) {
        (Some(schedule), None) => Ok(schedule),
        (Some(_), Some(item)) => {
            let count = item.number(1..=u32::MAX.into(), "a number of intervals")?;
            let schedule = u32::try_from(count).ok().and_then(with_count);
            schedule.ok_or_else(|| item.expected("a hundred years at most"))
        }
        (None, _) => Err(when.as_ref().unwrap_or(class).expected(WHEN)),
    }
}
