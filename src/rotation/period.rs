//! What lies between two rotations by time. Pure: knows no clock.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::backups::{Stamp, StampForm};

const HOUR_S: i64 = 3600;
pub(super) const DAY_S: i64 = 24 * HOUR_S;

/// Longest interval: a hundred years.
const MAX_INTERVAL_S: i64 = 36_525 * DAY_S;

/// What lies between two rotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    /// So many units, counted from the beginning of the file.
    Every {
        unit: Unit,
        count: u32,
    },
    Hour,
    /// So many days; ends at this time.
    Days {
        count: u32,
        at: Time,
    },
    /// So many weeks; ends on this day, at this time.
    Weeks {
        count: u32,
        day: Weekday,
        at: Time,
    },
}

/// What intervals are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

impl Unit {
    const ALL: [Unit; 4] = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day];

    /// A number with the sign of a unit behind it: `10m`.
    pub(super) fn counted(text: &str) -> Option<(Unit, u32)> {
        let unit = Unit::ALL.into_iter().find(|unit| text.ends_with(unit.sign()))?;
        let count = text.strip_suffix(unit.sign())?.trim_end();
        let is_number = count.bytes().all(|byte| byte.is_ascii_digit());
        Some((unit, count.parse().ok().filter(|_| is_number)?))
    }

    pub(super) fn seconds(self) -> i64 {
        match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => HOUR_S,
            Unit::Day => DAY_S,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
            Unit::Day => "d",
        }
    }

    fn form(self) -> StampForm {
        match self {
            Unit::Second => StampForm::Second,
            Unit::Minute => StampForm::Minute,
            Unit::Hour => StampForm::Hour,
            Unit::Day => StampForm::Day,
        }
    }
}

impl Period {
    /// `None` for an interval of nothing, or one that is too long.
    pub(super) fn every(unit: Unit, count: u32) -> Option<Period> {
        let length_s = i64::from(count) * unit.seconds();
        (1..=MAX_INTERVAL_S).contains(&length_s).then_some(Period::Every { unit, count })
    }

    /// How long it is, unless the clock is set meanwhile.
    pub(super) fn length_s(self) -> i64 {
        match self {
            Period::Every { unit, count } => i64::from(count) * unit.seconds(),
            Period::Hour => HOUR_S,
            Period::Days { count, .. } => i64::from(count) * DAY_S,
            Period::Weeks { count, .. } => i64::from(count) * 7 * DAY_S,
        }
    }

    /// The first boundary after `after_s`; for an interval, one interval after it.
    pub(super) fn next(self, after_s: i64, zone: &TimeZone) -> i64 {
        match self {
            Period::Every { .. } => after_s.saturating_add(self.length_s()),
            Period::Hour => next_hour(after_s, zone),
            Period::Days { count, at } => {
                let first = local(after_s, zone).date();
                first_after(after_s, zone, at, first, 1, i64::from(count) - 1)
            }
            Period::Weeks { count, day, at } => {
                let today = local(after_s, zone).date();
                let wait = today.weekday().until(day);
                let first = later(today, wait.into());
                first_after(after_s, zone, at, first, 7, 7 * (i64::from(count) - 1))
            }
        }
    }

    /// The beginning of the period that ends with `boundary_s`, as Python has it in names.
    pub(super) fn stamp(self, boundary_s: i64, zone: &TimeZone) -> Stamp {
        let day_before = |days: i64| {
            let date = later(local(boundary_s, zone).date(), -days);
            stamp_of(StampForm::Day, date.to_datetime(Time::midnight()))
        };
        match self {
            Period::Every { unit, .. } => {
                stamp_of(unit.form(), local(boundary_s - self.length_s(), zone).datetime())
            }
            Period::Hour => stamp_of(StampForm::Hour, local(boundary_s - HOUR_S, zone).datetime()),
            Period::Days { count, .. } => day_before(count.into()),
            Period::Weeks { count, .. } => day_before(7 * i64::from(count)),
        }
    }
}

/// The stamp of an instant for files that no schedule rotates.
pub(super) fn stamp_at(form: StampForm, time_s: i64) -> Stamp {
    let zone = if form == StampForm::Unique { TimeZone::UTC } else { TimeZone::system() };
    stamp_of(form, local(time_s, &zone).datetime())
}

fn stamp_of(form: StampForm, at: DateTime) -> Stamp {
    // No year is negative, because no time is before 1970.
    let part = |number: i8| u16::try_from(number).unwrap_or(0);
    let date = [u16::try_from(at.year()).unwrap_or(0), part(at.month()), part(at.day())];
    Stamp::new(form, date, [part(at.hour()), part(at.minute()), part(at.second())])
}

/// `at` on `date`, or on the date `step_days` later where that is not after `after_s`, and
/// `more_days` later still.
fn first_after(
    after_s: i64,
    zone: &TimeZone,
    at: Time,
    date: Date,
    step_days: i64,
    more_days: i64,
) -> i64 {
    let begin = |date: Date| seconds_at(date, at, zone);
    let first = if begin(date) > after_s { date } else { later(date, step_days) };
    begin(later(first, more_days))
}

/// The instant of a local time; at the end of the calendar, never.
fn seconds_at(date: Date, at: Time, zone: &TimeZone) -> i64 {
    let zoned = date.to_datetime(at).to_zoned(zone.clone());
    zoned.map_or(i64::MAX, |zoned| zoned.timestamp().as_second())
}

fn later(date: Date, days: i64) -> Date {
    date.saturating_add(days.days())
}

fn next_hour(after_s: i64, zone: &TimeZone) -> i64 {
    let since_hour = |time_s: i64| {
        let time = local(time_s, zone).time();
        i64::from(time.minute()) * 60 + i64::from(time.second())
    };
    let next_s = after_s + HOUR_S - since_hour(after_s);
    // Where the clock was set meanwhile by a part of an hour, the full hour is another instant.
    match since_hour(next_s) {
        0 => next_s,
        beyond_s => next_s + HOUR_S - beyond_s,
    }
}

/// An instant within what the calendar has.
pub(super) fn local(time_s: i64, zone: &TimeZone) -> Zoned {
    let latest = Timestamp::MAX.as_second() - DAY_S * 2;
    let instant = Timestamp::from_second(time_s.clamp(0, latest)).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.to_zoned(zone.clone())
}
