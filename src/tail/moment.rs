//! Which instant the time in a line stands for, and which one people mean.

use std::ops::RangeInclusive;

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan, Zoned};

use crate::formatter::{TimeText, local_zone, named_zone};

/// The longest text that is read as an instant.
const MAX_TEXT_BYTES: usize = 100;

/// The instants that a time may stand for, in nanoseconds since the Unix epoch: one, or the two that it
/// has in the hour that comes twice when clocks are put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
}

impl Moment {
    pub(super) fn at(time_ns: i64) -> Moment {
        Moment { first_ns: time_ns, last_ns: time_ns }
    }

    /// The instant that fits behind one at `before_ns`: lines mostly stand in order of time.
    pub(super) fn behind(self, before_ns: i64) -> i64 {
        if self.first_ns < before_ns { self.last_ns } else { self.first_ns }
    }
}

/// The zone of times that do not tell theirs.
///
/// Lines of text have the time that clocks showed where the listener ran, or UTC if its formatter was
/// told so; JSON and logfmt have UTC and say so.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// The text names no instant or no zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseInstantError {
    /// Neither a time, a date nor a span.
    #[error(
        "`{0}` is no time: write `04:48`, `2026-11-22 04:48:23`, `2026-11-22`, `today`, `yesterday`, \
         `now`, or how long ago as `-90s`, `-10m`, `-2h`, `-3d`, `-1w`"
    )]
    Instant(String),
    /// The system knows no such zone.
    #[error("there is no time zone `{0}`: write `UTC`, `Europe/Berlin`, or a rule of POSIX")]
    Zone(String),
}

impl Zone {
    /// That of `TZ`, else that of the system.
    pub fn local() -> Zone {
        Zone(local_zone())
    }

    /// One of the system's time zone database, or by a rule of POSIX.
    ///
    /// # Errors
    /// There is no such zone.
    pub fn named(name: &str) -> Result<Zone, ParseInstantError> {
        named_zone(name).map(Zone).map_err(|_| ParseInstantError::Zone(name.to_owned()))
    }

    /// The instant that `text` means at `now_ns`, both in nanoseconds since the Unix epoch; the first and
    /// the last where clocks show the time twice.
    ///
    /// `04:48` and `04:48:23` are the last time that clocks showed this; `2026-11-22` is its midnight, and
    /// may have a time behind a space or a `T`, with a fraction and a zone; `-2h`, `2h` and `1d 2h ago` lie
    /// before `now_ns`; `today` and `yesterday` are midnights.
    ///
    /// # Errors
    /// It is none of these.
    pub fn instant(
        &self,
        text: &str,
        now_ns: i64,
    ) -> Result<RangeInclusive<i64>, ParseInstantError> {
        let text = text.trim();
        let moment = (text.len() <= MAX_TEXT_BYTES).then(|| self.moment_of(text, now_ns)).flatten();
        let Moment { first_ns, last_ns } =
            moment.ok_or_else(|| ParseInstantError::Instant(text.to_owned()))?;
        Ok(first_ns..=last_ns)
    }

    fn moment_of(&self, text: &str, now_ns: i64) -> Option<Moment> {
        let now = Timestamp::from_nanosecond(now_ns.into()).ok()?.to_zoned(self.0.clone());
        let midnight = |day: Zoned| Some(nanoseconds(day.start_of_day().ok()?.timestamp()));
        match text {
            "now" => return Some(Moment::at(now_ns)),
            "today" => return midnight(now).map(Moment::at),
            "yesterday" => return midnight(now.checked_sub(1.day()).ok()?).map(Moment::at),
            _ => {}
        }
        if let Some(clock) = clock_of(text) {
            let today = moment(&self.0, now.date().to_datetime(clock))?;
            if today.first_ns <= now_ns {
                return Some(today);
            }
            let yesterday = now.date().yesterday().ok()?;
            return moment(&self.0, yesterday.to_datetime(clock));
        }
        self.date_of(text).or_else(|| ago(text, &now).map(Moment::at))
    }

    /// A date, with a time or without.
    fn date_of(&self, text: &str) -> Option<Moment> {
        let whole = match text.len() {
            10 => format!("{text} 00:00:00"),
            16 => format!("{text}:00"),
            _ => text.to_owned(),
        };
        let time = TimeText::read(whole.as_bytes()).filter(|time| time.bytes == whole.len())?;
        LineClock::new(self.clone()).moment(&time)
    }
}

fn clock_of(text: &str) -> Option<Time> {
    let parts: Vec<i8> = text
        .split(':')
        .map(|part| part.parse().ok().filter(|_| part.len() == 2))
        .collect::<Option<_>>()?;
    match parts[..] {
        [hour, minute] => Time::new(hour, minute, 0, 0).ok(),
        [hour, minute, second] => Time::new(hour, minute, second, 0).ok(),
        _ => None,
    }
}

/// How long ago, with a minus or without a sign; a plus would be understood as later.
fn ago(text: &str, now: &Zoned) -> Option<i64> {
    if text.starts_with('+') {
        return None;
    }
    let span: Span = text.parse().ok()?;
    Some(nanoseconds(now.checked_sub(span.abs()).ok()?.timestamp()))
}

/// The nearest that a record can have.
fn nanoseconds(timestamp: Timestamp) -> i64 {
    let time_ns = timestamp.as_nanosecond();
    time_ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn moment(zone: &TimeZone, clock: DateTime) -> Option<Moment> {
    let ambiguous = zone.to_ambiguous_timestamp(clock);
    let (first, last) = match ambiguous.offset() {
        AmbiguousOffset::Fold { before, after } => (before, after),
        // Clocks never show a time in a gap: it is read as the clock before it would go on.
        AmbiguousOffset::Gap { before, .. } => (before, before),
        AmbiguousOffset::Unambiguous { offset } => (offset, offset),
    };
    let at = |offset: Offset| Some(nanoseconds(offset.to_timestamp(clock).ok()?));
    Some(Moment { first_ns: at(first)?, last_ns: at(last)? })
}

/// Reads the times of lines. Those in a row are mostly of the same minute, which is worked out once.
#[derive(Clone, Debug)]
pub(super) struct LineClock {
    zone: Zone,
    minute: [u8; 16],
    /// The beginning of the minute; none where it is no point in time.
    start: Option<Moment>,
}

impl LineClock {
    pub(super) fn new(zone: Zone) -> LineClock {
        LineClock { zone, minute: [0; 16], start: None }
    }

    /// The instants of a time; none for what is not in the calendar.
    pub(super) fn moment(&mut self, time: &TimeText<'_>) -> Option<Moment> {
        const NS_PER_SECOND: i64 = 1_000_000_000;
        let within = i64::from(time.second.min(59)) * NS_PER_SECOND + i64::from(time.nanosecond);
        let start = match time.offset_s {
            Some(offset_s) => {
                let offset = Offset::from_seconds(offset_s).ok()?;
                Moment::at(nanoseconds(offset.to_timestamp(date_time(time.minute)?).ok()?))
            }
            None => {
                if self.minute != *time.minute {
                    self.minute = *time.minute;
                    self.start = date_time(time.minute).and_then(|at| moment(&self.zone.0, at));
                }
                self.start?
            }
        };
        let add = |start_ns: i64| start_ns.saturating_add(within);
        Some(Moment { first_ns: add(start.first_ns), last_ns: add(start.last_ns) })
    }

    /// An instant before `time_ns` from which on lines in order have later times, whatever their clocks
    /// did: where it would lie in an hour that comes twice, the beginning of that hour.
    pub(super) fn unambiguous_before(&self, time_ns: i64) -> i64 {
        let local = |time_ns: i64| {
            let at = Timestamp::from_nanosecond(time_ns.into()).ok()?;
            moment(&self.zone.0, self.zone.0.to_datetime(at))
        };
        match local(time_ns) {
            Some(Moment { first_ns, last_ns }) if first_ns < last_ns => {
                first_ns.saturating_sub(last_ns - first_ns)
            }
            _ => time_ns,
        }
    }
}

fn date_time(minute: &[u8; 16]) -> Option<DateTime> {
    let number = |at: usize, count: usize| {
        let digits = &minute[at..at + count];
        digits.iter().fold(0, |number: i16, digit| number * 10 + i16::from(digit - b'0'))
    };
    let two = |at: usize| number(at, 2) as i8;
    DateTime::new(number(0, 4), two(5), two(8), two(11), two(14), 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: i64 = 3_600_000_000_000;

    fn new_york() -> Zone {
        Zone::named("EST5EDT,M3.2.0,M11.1.0").expect("a rule of POSIX")
    }

    fn ns(text: &str) -> i64 {
        let at: Timestamp = text.parse().expect(text);
        nanoseconds(at)
    }

    fn read(zone: &Zone, text: &str) -> Moment {
        let time = TimeText::read(text.as_bytes()).expect(text);
        LineClock::new(zone.clone()).moment(&time).expect(text)
    }

    #[test]
    fn times_of_lines_are_those_of_their_zone() {
        let at = Moment::at(ns("2026-11-22T09:48:23.123Z"));
        assert_eq!(read(&new_york(), "2026-11-22 04:48:23,123"), at);
        assert_eq!(read(&new_york(), "2026-11-22T09:48:23.123Z"), at);
        assert_eq!(read(&new_york(), "2026-11-22T10:48:23.123+01:00"), at);
    }

    #[test]
    fn an_hour_that_comes_twice_has_two_instants_and_one_that_never_comes_has_one() {
        let first = ns("2026-11-01T05:30:00Z");
        let twice = read(&new_york(), "2026-11-01 01:30:00");
        assert_eq!(twice, Moment { first_ns: first, last_ns: first + HOUR_NS });
        assert_eq!((twice.behind(first - 1), twice.behind(first + 1)), (first, first + HOUR_NS));
        assert_eq!(
            read(&new_york(), "2026-03-08 02:30:00"),
            Moment::at(ns("2026-03-08T07:30:00Z"))
        );
    }

    #[test]
    fn what_is_searched_begins_before_an_hour_that_comes_twice() {
        let clock = LineClock::new(new_york());
        let before = ns("2026-11-01T04:30:00Z");
        for text in ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"] {
            assert!(clock.unambiguous_before(ns(text)) <= before, "{text}");
        }
        for text in ["2026-11-01T04:30:00Z", "2026-11-01T07:30:00Z", "2026-11-22T00:00:00Z"] {
            assert_eq!(clock.unambiguous_before(ns(text)), ns(text), "{text}");
        }
    }

    #[test]
    fn times_that_are_not_in_the_calendar_are_none() {
        for text in ["2026-02-30 00:00:00", "2026-13-01 00:00:00", "2026-11-22 24:00:00"] {
            let time = TimeText::read(text.as_bytes()).expect(text);
            assert_eq!(LineClock::new(Zone::local()).moment(&time), None, "{text}");
        }
    }

    #[test]
    fn people_name_instants_in_many_ways() {
        let now = ns("2026-11-22T09:48:23.5Z");
        for (text, expected) in [
            ("now", "2026-11-22T09:48:23.5Z"),
            ("today", "2026-11-22T05:00:00Z"),
            ("yesterday", "2026-11-21T05:00:00Z"),
            ("04:00", "2026-11-22T09:00:00Z"),
            ("04:48:23", "2026-11-22T09:48:23Z"),
            ("05:00", "2026-11-21T10:00:00Z"),
            ("2026-11-20", "2026-11-20T05:00:00Z"),
            ("2026-11-20 01:02", "2026-11-20T06:02:00Z"),
            ("2026-11-20T01:02:03.5", "2026-11-20T06:02:03.5Z"),
            ("2026-11-20T01:02:03Z", "2026-11-20T01:02:03Z"),
            ("-2h", "2026-11-22T07:48:23.5Z"),
            ("2h", "2026-11-22T07:48:23.5Z"),
            ("90s ago", "2026-11-22T09:46:53.5Z"),
            ("-10m", "2026-11-22T09:38:23.5Z"),
            ("1d 2h", "2026-11-21T07:48:23.5Z"),
            ("-1w", "2026-11-15T09:48:23.5Z"),
        ] {
            let instant = new_york().instant(text, now).expect(text);
            assert_eq!(instant, ns(expected)..=ns(expected), "{text}");
        }
        let twice = new_york().instant("2026-11-01 01:30", now).expect("an instant");
        assert_eq!(twice.end() - twice.start(), HOUR_NS);
    }

    #[test]
    fn what_names_no_instant_is_refused_with_advice() {
        for text in
            ["", "soon", "25:00", "4:48", "2026-11-22 04:48:23 x", "2026-02-30", "-2", "+2h", "日"]
        {
            let error = Zone::local().instant(text, 0).expect_err(text).to_string();
            assert!(error.contains("write `04:48`"), "{error}");
        }
        assert!(Zone::named("Nowhere").is_err());
    }
}
