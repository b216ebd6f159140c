//! At which times a log rotates, as text.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};

use super::period::{Period, Unit};

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// At which times a log rotates.
///
/// | text | when |
/// |---|---|
/// | `midnight` | each day at 00:00 |
/// | `04:30`, `04:30:10` | each day at this time |
/// | `mon 00:00`, `sun` | each week on this day, at 00:00 where no time is said |
/// | `hourly` | at each full hour |
/// | `every 90s`, `every 10m`, `every 6h`, `every 2d` | so long after the file was begun |
///
/// All in local time, or in UTC where ` utc` follows. A time that daylight saving leaves out comes as
/// much later as the clock was put forward; one that it repeats counts the first time. The file
/// rotates when the next record comes after that time, as in Python: a quiet log does not rotate, and
/// however many of these times have passed, it rotates once. Where the clock is set back, it does
/// not rotate again at a time at which it has.
///
/// ```
/// use logboom::handler::Schedule;
///
/// assert_eq!("Mon 4:30 UTC".parse::<Schedule>()?.to_string(), "mon 04:30 utc");
/// # Ok::<(), logboom::handler::ParseScheduleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub(super) period: Period,
    pub(super) is_utc: bool,
}

/// The text says no times at which a log could rotate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "found `{text}`, expected midnight, hourly, a time such as 04:30, a day such as `mon` or \
     `mon 04:30`, or an interval such as `every 10m` (s, m, h, d; at most a hundred years), and ` utc` \
     behind it where it is not local time"
)]
pub struct ParseScheduleError {
    text: String,
}

impl FromStr for Schedule {
    type Err = ParseScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ParseScheduleError> {
        let lower = text.trim().to_ascii_lowercase();
        let (period, is_utc) = match lower.strip_suffix(" utc") {
            Some(period) => (period.trim_end(), true),
            None => (&*lower, false),
        };
        let period = period_of(period);
        let period = period.ok_or_else(|| ParseScheduleError { text: text.to_owned() })?;
        Ok(Schedule { period, is_utc })
    }
}

fn period_of(text: &str) -> Option<Period> {
    let (first, rest) =
        text.split_once(' ').map_or((text, ""), |(first, rest)| (first, rest.trim()));
    let day = WEEKDAYS.iter().find(|(name, _)| *name == first);
    match (first, day) {
        ("midnight", _) if rest.is_empty() => Some(Period::Days { count: 1, at: Time::midnight() }),
        ("hourly", _) if rest.is_empty() => Some(Period::Hour),
        ("every", _) => {
            let (unit, count) = Unit::counted(rest)?;
            Period::every(unit, count)
        }
        (_, Some((_, day))) => {
            let at = if rest.is_empty() { Time::midnight() } else { time_of(rest)? };
            Some(Period::Weeks { count: 1, day: *day, at })
        }
        _ if rest.is_empty() => Some(Period::Days { count: 1, at: time_of(first)? }),
        _ => None,
    }
}

/// `4:30` or `04:30:10`.
fn time_of(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let mut part = |is_needed: bool| match parts.next() {
        Some(part) if (1..=2).contains(&part.len()) && !part.starts_with(['+', '-']) => {
            part.parse::<i8>().ok()
        }
        Some(_) => None,
        None => (!is_needed).then_some(0),
    };
    let (hour, minute, second) = (part(true)?, part(true)?, part(false)?);
    parts.next().is_none().then(|| Time::new(hour, minute, second, 0).ok()).flatten()
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period {
            Period::Every { unit, count } => write!(f, "every {count}{}", unit.sign())?,
            Period::Hour => write!(f, "hourly")?,
            Period::Days { count: 1, at } if at == Time::midnight() => write!(f, "midnight")?,
            Period::Days { at, .. } => write!(f, "{}", TimeText(at))?,
            Period::Weeks { day, at, .. } => {
                let name = WEEKDAYS.iter().find(|(_, known)| *known == day);
                write!(f, "{} {}", name.map_or("", |(name, _)| name), TimeText(at))?;
            }
        }
        f.write_str(if self.is_utc { " utc" } else { "" })
    }
}

struct TimeText(Time);

impl fmt::Display for TimeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())?;
        match self.0.second() {
            0 => Ok(()),
            second => write!(f, ":{second:02}"),
        }
    }
}

impl Schedule {
    /// The settings of Python's `TimedRotatingFileHandler`, by the rules of CPython 3.13: `when` is one
    /// of S, M, H, D, MIDNIGHT, and W0 (Monday) to W6. `None` where Python would refuse them.
    #[cfg(any(feature = "config", test))]
    pub(crate) fn python(
        when: &str,
        interval: u32,
        at: Option<Time>,
        is_utc: bool,
    ) -> Option<Schedule> {
        // Without a time, the day is the one at whose end the log rotates.
        let later_days = usize::from(at.is_none());
        let at = at.unwrap_or(Time::midnight());
        let period = match (&*when.to_ascii_uppercase(), interval) {
            (_, 0) => return None,
            ("S", _) => Period::every(Unit::Second, interval)?,
            ("M", _) => Period::every(Unit::Minute, interval)?,
            ("H", _) => Period::every(Unit::Hour, interval)?,
            ("D", _) => Period::every(Unit::Day, interval)?,
            ("MIDNIGHT", _) => {
                Period::every(Unit::Day, interval)?;
                Period::Days { count: interval, at }
            }
            (when, _) => {
                let day = when.strip_prefix('W')?.parse::<usize>().ok()?;
                Period::every(Unit::Day, interval.checked_mul(7)?)?;
                WEEKDAYS.get(day)?;
                Period::Weeks { count: interval, day: WEEKDAYS[(day + later_days) % 7].1, at }
            }
        };
        Some(Schedule { period, is_utc })
    }

    /// `4:30` or `04:30:10`.
    #[cfg(feature = "config")]
    pub(crate) fn time_of_day(text: &str) -> Option<Time> {
        time_of(text)
    }

    /// When a file was begun that others have begun, by the times its file system knows.
    ///
    /// An interval counts from the birth: from the last write, as Python has it, a program that is
    /// started more often than the interval would never rotate. A file that was born after it was
    /// last written is a copy, or the clock was set back. Dates and times of day count from the later
    /// of both: an earlier one may be of a day at whose end the log was rotated.
    pub(super) fn began_s(self, birth_s: Option<i64>, written_s: i64) -> i64 {
        match (self.period, birth_s) {
            (_, None) => written_s,
            (Period::Every { .. }, Some(birth_s)) if birth_s > written_s => written_s,
            (Period::Every { .. }, Some(birth_s)) => birth_s,
            (_, Some(birth_s)) => birth_s.max(written_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_in_any_case_and_written_in_one_form() {
        for (text, written) in [
            ("midnight", "midnight"),
            ("00:00", "midnight"),
            (" Hourly UTC ", "hourly utc"),
            ("4:30", "04:30"),
            ("23:59:59 utc", "23:59:59 utc"),
            ("Mon", "mon 00:00"),
            ("sun  4:05", "sun 04:05"),
            ("every 10m", "every 10m"),
            ("every 1 d utc", "every 1d utc"),
        ] {
            let schedule: Schedule = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(schedule.to_string(), written);
            assert_eq!(written.parse(), Ok(schedule));
        }
    }

    #[test]
    fn texts_that_name_no_times_are_refused() {
        for text in [
            "",
            "utc",
            "noon",
            "24:00",
            "4",
            "04:60",
            "1:2:3:4",
            "+4:30",
            "-4:30",
            "4:30 pm",
            "monday",
            "mon x",
            "midnight 4:30",
            "every",
            "every m",
            "every 0s",
            "every -1s",
            "every 10",
            "every 10w",
            "every 4294967295d",
            "every 10m 5s",
            "04:30 cet",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_interval_counts_from_the_birth_of_the_file_and_a_day_from_its_last_write() {
        let every: Schedule = "every 1h".parse().unwrap();
        assert_eq!(every.began_s(Some(10), 500), 10);
        assert_eq!(every.began_s(Some(900), 500), 500);
        assert_eq!(every.began_s(None, 500), 500);
        let midnight: Schedule = "midnight".parse().unwrap();
        assert_eq!(midnight.began_s(Some(10), 500), 500);
        assert_eq!(midnight.began_s(Some(900), 500), 900);
    }
}
