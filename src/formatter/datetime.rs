//! The time of a record as text, formatted once while it stays the same.

use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{MAX_PATTERN_BYTES, PatternError};

const NS_PER_SECOND: i64 = 1_000_000_000;
const NS_PER_MILLISECOND: u32 = 1_000_000;

/// Directives of Python's `time.strftime` and of glibc; what they print is that of the C locale.
const DIRECTIVES: &str = "%aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ";

/// Directives that may have a `-`: without padding, as in glibc.
const NUMBERS: &str = "deHIjklmMSUWy";

/// The fraction of a second after [`Clock`]'s text.
#[derive(Clone, Copy, Debug)]
enum Fraction {
    None,
    Milliseconds,
    Nanoseconds,
}

impl Fraction {
    /// The part of time in which the text stays the same.
    fn tick(self, time_ns: i64) -> i64 {
        match self {
            Fraction::None => time_ns.div_euclid(NS_PER_SECOND),
            Fraction::Milliseconds => time_ns.div_euclid(NS_PER_MILLISECOND.into()),
            Fraction::Nanoseconds => time_ns,
        }
    }
}

/// Writes times in one format and zone.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    format: Box<str>,
    fraction: Fraction,
    zone: TimeZone,
    tick: Option<i64>,
    second: Option<i64>,
    text: String,
    fraction_at: usize,
}

impl Clock {
    /// Python's default: `2026-11-22 04:48:23,123`.
    pub(super) fn python(zone: TimeZone) -> Clock {
        Clock::new("%Y-%m-%d %H:%M:%S", Fraction::Milliseconds, zone)
    }

    /// RFC 3339 in UTC with nanoseconds: `2026-11-22T04:48:23.123456789Z`.
    pub(super) fn rfc3339() -> Clock {
        Clock::new("%Y-%m-%dT%H:%M:%S", Fraction::Nanoseconds, TimeZone::UTC)
    }

    /// By a format of `strftime`, without a fraction.
    pub(super) fn strftime(format: &str, zone: TimeZone) -> Result<Clock, PatternError> {
        check_directives(format)?;
        Ok(Clock::new(format, Fraction::None, zone))
    }

    fn new(format: &str, fraction: Fraction, zone: TimeZone) -> Clock {
        let (format, text) = (format.into(), String::new());
        Clock { format, fraction, zone, tick: None, second: None, text, fraction_at: 0 }
    }

    /// The zone the times are written in.
    pub(super) fn zone(&self) -> TimeZone {
        self.zone.clone()
    }

    /// The same format in another zone.
    pub(super) fn in_zone(self, zone: TimeZone) -> Clock {
        Clock { zone, tick: None, second: None, ..self }
    }

    /// The part of time in which the text stays what it is at `time_ns`.
    pub(super) fn tick(&self, time_ns: i64) -> i64 {
        self.fraction.tick(time_ns)
    }

    /// The text of a time in nanoseconds since the Unix epoch.
    pub(super) fn text(&mut self, time_ns: i64) -> &str {
        let tick = self.tick(time_ns);
        if self.tick != Some(tick) {
            self.write(time_ns);
            self.tick = Some(tick);
        }
        &self.text
    }

    fn write(&mut self, time_ns: i64) {
        let second = time_ns.div_euclid(NS_PER_SECOND);
        if self.second != Some(second) {
            self.text = self.format_second(second);
            self.fraction_at = self.text.len();
            self.second = Some(second);
        }
        self.text.truncate(self.fraction_at);
        match self.fraction {
            Fraction::None => {}
            Fraction::Milliseconds => {
                self.text.push(',');
                push_digits(3, milliseconds(time_ns), &mut self.text);
            }
            Fraction::Nanoseconds => {
                self.text.push('.');
                push_digits(9, nanoseconds(time_ns), &mut self.text);
                self.text.push('Z');
            }
        }
    }

    fn format_second(&self, second: i64) -> String {
        let time = Timestamp::from_second(second)
            .expect("invariant: 64 bits of nanoseconds end in the year 2262, Timestamp in 9999");
        let time = BrokenDownTime::from(&Zoned::new(time, self.zone.clone()));
        time.to_string_with_config(&Config::new().custom(PosixCustom::new()), &*self.format)
            .expect("invariant: the directives were checked, and a zoned time has all they need")
    }
}

/// The local zone: that of `TZ`, else that of the system, else UTC, as in the C library.
pub(crate) fn local_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// The whole milliseconds of the second, 0 to 999.
pub(super) fn milliseconds(time_ns: i64) -> u32 {
    nanoseconds(time_ns) / NS_PER_MILLISECOND
}

/// Seconds with their fraction; rounded once, so that what a float can hold stays exact.
pub(super) fn seconds(time_ns: i64) -> f64 {
    let fraction = f64::from(nanoseconds(time_ns)) / NS_PER_SECOND as f64;
    time_ns.div_euclid(NS_PER_SECOND) as f64 + fraction
}

/// The nanoseconds of the second.
pub(super) fn nanoseconds(time_ns: i64) -> u32 {
    time_ns.rem_euclid(NS_PER_SECOND) as u32
}

/// Appends that many digits; formatting macros would take a fifth of the time of a whole record.
fn push_digits(digits: u32, value: u32, text: &mut String) {
    for exponent in (0..digits).rev() {
        let digit = value / 10_u32.pow(exponent) % 10;
        text.push(char::from(b'0' + digit as u8));
    }
}

fn check_directives(format: &str) -> Result<(), PatternError> {
    if format.len() > MAX_PATTERN_BYTES {
        return Err(PatternError::TooLong { bytes: format.len() });
    }
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let (letter, known) = match after.strip_prefix('-') {
            Some(after) => (after.chars().next(), NUMBERS),
            None => (after.chars().next(), DIRECTIVES),
        };
        let length = letter.map_or(0, char::len_utf8) + usize::from(known == NUMBERS);
        if !letter.is_some_and(|letter| known.contains(letter)) {
            return Err(PatternError::Directive { directive: format!("%{}", &after[..length]) });
        }
        rest = &after[length..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_york() -> TimeZone {
        TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").expect("a rule of POSIX")
    }

    #[test]
    fn pythons_format_has_milliseconds_after_a_comma() {
        let mut clock = Clock::python(TimeZone::UTC);
        assert_eq!(clock.text(1_795_322_903_123_999_999), "2026-11-22 04:48:23,123");
        assert_eq!(clock.text(1_795_322_903_000_000_000), "2026-11-22 04:48:23,000");
        assert_eq!(clock.text(1_795_322_904_999_000_000), "2026-11-22 04:48:24,999");
        assert_eq!(clock.text(1_795_322_903_500_000_000), "2026-11-22 04:48:23,500");
    }

    #[test]
    fn rfc3339_has_nine_digits_over_the_whole_range() {
        let mut clock = Clock::rfc3339();
        assert_eq!(clock.text(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(clock.text(-1), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(clock.text(i64::MAX), "2262-04-11T23:47:16.854775807Z");
        assert_eq!(clock.text(i64::MIN), "1677-09-21T00:12:43.145224192Z");
    }

    #[test]
    fn local_time_follows_the_change_to_summer_time_and_back() {
        let mut clock = Clock::strftime("%H:%M:%S %Z%z", new_york()).expect("known directives");
        let mut text = |second: i64| clock.text(second * NS_PER_SECOND).to_owned();
        assert_eq!(text(1_772_953_199), "01:59:59 EST-0500");
        assert_eq!(text(1_772_953_200), "03:00:00 EDT-0400");
        assert_eq!(text(1_793_512_799), "01:59:59 EDT-0400");
        assert_eq!(text(1_793_512_800), "01:00:00 EST-0500");
    }

    #[test]
    fn another_zone_is_not_served_from_the_cache() {
        let mut clock = Clock::python(TimeZone::UTC);
        assert_eq!(clock.text(0), "1970-01-01 00:00:00,000");
        assert_eq!(clock.in_zone(new_york()).text(0), "1969-12-31 19:00:00,000");
    }

    #[test]
    fn every_known_directive_prints() {
        for directive in DIRECTIVES.chars().map(|letter| format!("%{letter}")) {
            let mut clock = Clock::strftime(&directive, new_york()).expect("a known directive");
            assert!(!clock.text(0).is_empty(), "{directive}");
        }
        for directive in NUMBERS.chars().map(|letter| format!("%-{letter}")) {
            let mut clock = Clock::strftime(&directive, new_york()).expect("a known directive");
            assert!(clock.text(0).parse::<u32>().is_ok(), "{directive}");
        }
    }

    #[test]
    fn unknown_directives_are_refused_by_name() {
        for (format, directive) in
            [("%H:%M:%S.%f", "%f"), ("%", "%"), ("%-", "%-"), ("%-Z", "%-Z"), ("%%%é", "%é")]
        {
            let error = Clock::strftime(format, TimeZone::UTC).expect_err(format);
            assert!(error.to_string().contains(&format!("`{directive}`")), "{error}");
        }
        assert!(Clock::strftime(&"x".repeat(MAX_PATTERN_BYTES), TimeZone::UTC).is_ok());
        assert!(Clock::strftime(&"x".repeat(MAX_PATTERN_BYTES + 1), TimeZone::UTC).is_err());
    }
}
