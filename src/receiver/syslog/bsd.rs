//! RFC 3164, and what programs write that is nearly so: with a year, with a time of RFC 3339, with
//! and without host and tag, and with nothing but the text.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::super::time;
use super::{Header, digits, word};

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Most bytes of a tag; longer ones are text.
const MAX_TAG_BYTES: usize = 64;

/// Clocks may differ by this much: a time further in the future is of the year before.
const SECONDS_AHEAD: i64 = 24 * 3600;

/// What stands behind the priority. Only behind a time a host is looked for.
pub(super) fn header(bytes: &[u8], arrived_ns: i64, zone: fn() -> TimeZone) -> Header<'_> {
    let stamp = rfc3339(bytes).or_else(|| stamp(bytes, arrived_ns, zone));
    let Some((time_ns, rest)) = stamp else {
        return tag(bytes).unwrap_or(Header { message: bytes, ..Header::default() });
    };
    let of_host = || {
        let (host, behind) = word(rest)?;
        Some(Header { host: Some(host).filter(|host| !host.is_empty()), ..tag(behind)? })
    };
    let header = tag(rest).or_else(of_host);
    Header {
        time_ns: Some(time_ns),
        ..header.unwrap_or(Header { message: rest, ..Header::default() })
    }
}

/// `app: text` or `app[7]: text`.
fn tag(bytes: &[u8]) -> Option<Header<'_>> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./@+".contains(byte);
    let end = bytes.iter().take(MAX_TAG_BYTES + 1).position(|byte| !is_name(byte))?;
    let (app_name, rest) = bytes.split_at(end);
    let (process_id, rest) = match rest.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest.iter().take(MAX_TAG_BYTES + 1).position(|byte| *byte == b']')?;
            (Some(&rest[..end]), &rest[end + 1..])
        }
        None => (None, rest),
    };
    let rest = rest.strip_prefix(b":")?;
    let message = if rest.is_empty() { rest } else { rest.strip_prefix(b" ")? };
    let app_name = Some(app_name).filter(|name| !name.is_empty())?;
    Some(Header { app_name: Some(app_name), process_id, message, ..Header::default() })
}

fn rfc3339(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (stamp, rest) = word(bytes)?;
    Some((time::rfc3339(str::from_utf8(stamp).ok()?)?, rest))
}

/// `Nov 22 04:48:23`, with a year behind the day or the time, and with a fraction.
fn stamp(bytes: &[u8], arrived_ns: i64, zone: fn() -> TimeZone) -> Option<(i64, &[u8])> {
    let (month, rest) = word(bytes)?;
    let month = 1 + i8::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    // A day of one digit has a space before it.
    let (day, rest) = word(rest.strip_prefix(b" ").unwrap_or(rest))?;
    let day = digits(day)?;
    let (year, rest) = year(rest);
    let (time, rest) = match word(rest) {
        Some((time, rest)) => (time, rest),
        None => (rest, &rest[rest.len()..]),
    };
    // Some routers end it with a colon.
    let time: Time = str::from_utf8(time.strip_suffix(b":").unwrap_or(time)).ok()?.parse().ok()?;
    let (year, rest) = match year {
        Some(_) => (year, rest),
        None => self::year(rest),
    };
    Some((moment(year, month, day, time, arrived_ns, &zone())?, rest))
}

/// A year and a space.
fn year(bytes: &[u8]) -> (Option<i16>, &[u8]) {
    let found = word(bytes).filter(|(year, _)| year.len() == 4);
    match found.and_then(|(year, rest)| Some((digits(year)?, rest))) {
        Some((year, rest)) => (Some(year), rest),
        None => (None, bytes),
    }
}

/// The time in the year that is said, or in that which was last when it arrived.
fn moment(
    year: Option<i16>,
    month: i8,
    day: i8,
    time: Time,
    arrived_ns: i64,
    zone: &TimeZone,
) -> Option<i64> {
    let in_zone = |date: Date| {
        let time = DateTime::from_parts(date, time).to_zoned(zone.clone()).ok()?;
        i64::try_from(time.timestamp().as_nanosecond()).ok()
    };
    if let Some(year) = year {
        return in_zone(Date::new(year, month, day).ok()?);
    }
    let arrived = Timestamp::from_nanosecond(arrived_ns.into()).ok()?.to_zoned(zone.clone());
    let latest_ns = arrived_ns.saturating_add(SECONDS_AHEAD * 1_000_000_000);
    // The first of January may arrive on the last of December; February has a 29th every eighth
    // year at least.
    let years = (0..=9).map(|back| arrived.year() + 1 - back);
    let in_year = |year: i16| in_zone(Date::new(year, month, day).ok()?);
    years.filter_map(in_year).find(|time_ns| *time_ns <= latest_ns)
}
