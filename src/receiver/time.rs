//! Times as senders write them, in nanoseconds since the Unix epoch.

use jiff::Timestamp;

use crate::Value;
use crate::record::{SECONDS_BELOW, unit_ns};

/// A number whose unit its size tells, or a text of RFC 3339.
pub(super) fn read(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::I64(number) => whole(*number),
        Value::U64(number) => whole(i64::try_from(*number).ok()?),
        Value::F64(number) => fraction(*number),
        Value::Str(text) => rfc3339(text),
        Value::Null | Value::Bool(_) => None,
    }
}

/// Seconds as a fraction. A float holds no more than their microseconds.
pub(super) fn seconds(seconds: f64) -> Option<i64> {
    let is_time = seconds.is_finite() && seconds.abs() < SECONDS_BELOW;
    let second = seconds.floor();
    let microseconds = ((seconds - second) * 1e6).round() as i64 * 1000;
    let nanoseconds = (second as i64).checked_mul(1_000_000_000).filter(|_| is_time)?;
    nanoseconds.checked_add(microseconds)
}

/// A time with its offset, as RFC 3339 writes it.
pub(super) fn rfc3339(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

fn whole(number: i64) -> Option<i64> {
    number.checked_mul(unit_ns(number as f64))
}

fn fraction(number: f64) -> Option<i64> {
    seconds(number * (unit_ns(number) as f64 / 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        let second = 1_795_322_903;
        for (value, expected) in [
            (Value::I64(second), Some(second * 1_000_000_000)),
            (Value::U64(1_795_322_903_123), Some(1_795_322_903_123_000_000)),
            (Value::I64(1_795_322_903_123_456), Some(1_795_322_903_123_456_000)),
            (Value::I64(1_795_322_903_123_456_789), Some(1_795_322_903_123_456_789)),
            (Value::F64(1_795_322_903.123_456), Some(1_795_322_903_123_456_000)),
            (Value::F64(1_795_322_903_123.5), Some(1_795_322_903_123_500_000)),
            (Value::F64(-0.5), Some(-500_000_000)),
            (Value::I64(i64::MIN), Some(i64::MIN)),
            (Value::I64(99_999_999_999), None),
            (Value::U64(u64::MAX), None),
            (Value::F64(f64::NAN), None),
            (Value::F64(1e300), None),
            (Value::F64(9.9e10), None),
            (Value::Bool(true), None),
        ] {
            assert_eq!(read(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn text_is_a_time_with_its_offset() {
        for (text, expected) in [
            ("2026-11-22T04:48:23.123456789Z", Some(1_795_322_903_123_456_789)),
            ("2026-11-22t05:48:23+01:00", Some(1_795_322_903_000_000_000)),
            ("2026-11-22T04:48:23", None),
            ("9999-01-01T00:00:00Z", None),
            ("yesterday", None),
        ] {
            assert_eq!(read(&Value::Str(text.into())), expected, "{text}");
        }
    }
}
