//! What a log calls its backups. Pure: touches no disk.
//!
//! Behind the name of the log and a dot stands a number, or a date with or without a time and, where
//! that was taken, a dot and a number. Compressed ones have the usual ending besides.

use std::cmp::Ordering;
use std::fmt;

/// Longest name of a log: names have 255 bytes at most (`NAME_MAX`), of which locks, temporary files and
/// backups need some.
#[cfg(feature = "listener")]
pub(crate) const MAX_LOG_NAME_BYTES: usize = 208;

/// The name of a backup, without that of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackupName {
    pub(crate) stem: Stem,
    pub(crate) compression: Option<Compression>,
}

/// What stays of a name when the file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stem {
    /// The newest backup has number 1; a rotation moves each to the next number.
    Number(u32),
    /// Stamps grow; of those with one stamp `seq` does, from 0 on, which is not written.
    Dated { stamp: Stamp, seq: u32 },
}

/// A point in time as it stands in a name. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Year, month, day, hour, minute, second; zero as far as the form does not have them.
    parts: [u16; 6],
    form: StampForm,
}

/// How much of a point in time is written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StampForm {
    /// `2026-11-22`, as all but the last by `TimedRotatingFileHandler` of CPython.
    Day,
    /// `2026-11-22_04`
    Hour,
    /// `2026-11-22_04-48`
    Minute,
    /// `2026-11-22_04-48-23`
    Second,
    /// `2026-11-22T04-48-23Z`, in UTC.
    Unique,
}

/// How a backup is compressed.
#[cfg_attr(
    not(all(feature = "compression", feature = "listener")),
    expect(unreachable_pub, reason = "exported only where backups can be compressed")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As `gzip` does (RFC 1952); names end in `.gz`.
    Gzip,
    /// As `zstd` does (RFC 8878), in frames of 1 MiB of text; names end in `.zst`.
    Zstd,
}

impl Compression {
    const ALL: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

    /// What names end in.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        }
    }
}

/// The text names no [`Compression`].
#[cfg(all(feature = "compression", feature = "listener"))]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{text}`, expected `zstd` or `gzip`")]
pub struct ParseCompressionError {
    text: String,
}

#[cfg(all(feature = "compression", feature = "listener"))]
impl std::str::FromStr for Compression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Compression, ParseCompressionError> {
        let found = Compression::ALL.into_iter().find(|known| known.to_string() == text);
        found.ok_or_else(|| ParseCompressionError { text: text.to_owned() })
    }
}

#[cfg(all(feature = "compression", feature = "listener"))]
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

impl BackupName {
    /// Reads what follows the name of a log and a dot; `None` where no log calls its backups so.
    pub(crate) fn parse(text: &str) -> Option<BackupName> {
        let ended = |compression: Compression| {
            Some((text.strip_suffix(compression.ending())?, compression))
        };
        match Compression::ALL.into_iter().find_map(ended) {
            Some((stem, compression)) => {
                Some(BackupName { stem: Stem::parse(stem)?, compression: Some(compression) })
            }
            None => Some(BackupName { stem: Stem::parse(text)?, compression: None }),
        }
    }
}

impl Stem {
    fn parse(text: &str) -> Option<Stem> {
        if let Some(number) = number(text) {
            return Some(Stem::Number(number));
        }
        if let Some(stamp) = Stamp::parse(text) {
            return Some(Stem::Dated { stamp, seq: 0 });
        }
        let (stamp, seq) = text.rsplit_once('.')?;
        Some(Stem::Dated { stamp: Stamp::parse(stamp)?, seq: number(seq)? })
    }

    /// Which is newer, of two numbers or two dates.
    pub(super) fn cmp_age(&self, other: &Stem) -> Option<Ordering> {
        match (self, other) {
            (Stem::Number(one), Stem::Number(other)) => Some(one.cmp(other)),
            (Stem::Dated { stamp, seq }, Stem::Dated { stamp: other, seq: other_seq }) => {
                Some((other, other_seq).cmp(&(stamp, seq)))
            }
            _ => None,
        }
    }
}

impl Stamp {
    /// A point in time, of which is kept what the form has.
    #[cfg(feature = "listener")]
    pub(crate) fn new(form: StampForm, date: [u16; 3], time: [u16; 3]) -> Stamp {
        let [year, month, day] = date;
        let mut parts = [year, month, day, 0, 0, 0];
        let kept = form.time_parts();
        parts[3..3 + kept].copy_from_slice(&time[..kept]);
        Stamp { parts, form }
    }

    fn parse(text: &str) -> Option<Stamp> {
        let (date, rest) = text.split_at_checked(10)?;
        let (form, time) = match rest.as_bytes().first() {
            None => (StampForm::Day, ""),
            Some(b'T') => (StampForm::Unique, rest[1..].strip_suffix('Z')?),
            Some(b'_') => {
                let form = match rest.len() {
                    3 => StampForm::Hour,
                    6 => StampForm::Minute,
                    _ => StampForm::Second,
                };
                (form, &rest[1..])
            }
            Some(_) => return None,
        };
        let mut parts = [0; 6];
        let mut fields = date.split('-').chain(time.split('-').filter(|_| !time.is_empty()));
        for (index, part) in parts[..3 + form.time_parts()].iter_mut().enumerate() {
            *part = digits(fields.next()?, if index == 0 { 4 } else { 2 })?;
        }
        let [year, month, day, hour, minute, second] = parts;
        let is_time = (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && fields.next().is_none();
        is_time.then_some(Stamp { parts, form })
    }
}

impl StampForm {
    /// How many of hour, minute and second are written.
    fn time_parts(self) -> usize {
        match self {
            StampForm::Day => 0,
            StampForm::Hour => 1,
            StampForm::Minute => 2,
            StampForm::Second | StampForm::Unique => 3,
        }
    }
}

/// A number from 1 on, as a log would write it.
fn number(text: &str) -> Option<u32> {
    let is_plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

fn digits(text: &str, count: usize) -> Option<u16> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// None for what is no month.
fn days_in(year: u16, month: u16) -> u16 {
    let is_leap_year =
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year => 29,
        2 => 28,
        _ => 0,
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, time @ ..] = self.parts;
        write!(f, "{year:04}-{month:02}-{day:02}")?;
        let is_unique = self.form == StampForm::Unique;
        for (index, part) in time[..self.form.time_parts()].iter().enumerate() {
            let sign = match index {
                0 if is_unique => 'T',
                0 => '_',
                _ => '-',
            };
            write!(f, "{sign}{part:02}")?;
        }
        if is_unique { write!(f, "Z") } else { Ok(()) }
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stem {
            Stem::Number(number) => write!(f, "{number}")?,
            Stem::Dated { stamp, seq: 0 } => write!(f, "{stamp}")?,
            Stem::Dated { stamp, seq } => write!(f, "{stamp}.{seq}")?,
        }
        f.write_str(self.compression.map_or("", Compression::ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_backups_are_read_and_written_alike() {
        for stem in [
            "1",
            "4294967295",
            "2026-11-22",
            "2028-02-29.1",
            "2026-11-22_04",
            "2026-11-22_04-48",
            "2026-11-22_23-59-59.17",
            "2026-11-22T04-48-23Z",
            "2026-11-22T04-48-23Z.2",
        ] {
            for ending in ["", ".gz", ".zst"] {
                let text = format!("{stem}{ending}");
                let name = BackupName::parse(&text).unwrap_or_else(|| panic!("{text}"));
                assert_eq!(name.to_string(), text);
            }
        }
    }

    #[test]
    fn names_that_no_log_gives_are_those_of_others() {
        for text in [
            "",
            "0",
            "01",
            "+1",
            "4294967296",
            "old",
            "1.old",
            "1.bz2",
            "1.gz.gz",
            ".gz",
            "gz",
            "1.1",
            "2026-13-01",
            "2026-02-29",
            "2026-11-00",
            "2026-1-22",
            "2026-11-22.0",
            "2026-11-22.01",
            "2026-11-22.",
            "2026-11-22_",
            "2026-11-22_24",
            "2026-11-22_04-60",
            "2026-11-22_04-48-23-11",
            "2026-11-22T04-48Z",
            "2026-11-22T04-48-23",
            "2026-11-22-old",
            "2026-11-2\u{e9}",
            "2026-11-22_4",
            "2026-11-22_04-4",
            "2026-11-22TZ",
        ] {
            assert_eq!(BackupName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn stamps_are_ordered_by_time_then_by_what_follows() {
        let names = [
            "2026-11-21_23-59-59",
            "2026-11-22",
            "2026-11-22.1",
            "2026-11-22.10",
            "2026-11-22_00",
            "2026-11-22_04",
            "2026-11-22T04-48-23Z",
            "2026-11-22T04-48-23Z.1",
            "2026-11-23",
        ];
        let stems = names.map(|name| BackupName::parse(name).unwrap().stem);
        assert!(stems.is_sorted_by(|older, newer| older.cmp_age(newer) == Some(Ordering::Greater)));
    }
}
