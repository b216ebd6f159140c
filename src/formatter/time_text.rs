//! The time at the beginning of a text: `2026-11-22 04:48:23,123` and its relatives.

/// Characters of a date with hour and minute.
const MINUTE_BYTES: usize = 16;

/// Most digits of a second that count.
const MAX_FRACTION_DIGITS: usize = 9;

/// A time as it is written: day and clock, and the zone if that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeText<'l> {
    /// `2026-11-22 04:48`, or with a `T`; the numbers may be out of range.
    pub(crate) minute: &'l [u8; MINUTE_BYTES],
    pub(crate) second: u8,
    pub(crate) nanosecond: u32,
    /// How far the clock was ahead of UTC, where the text says so.
    pub(crate) offset_s: Option<i32>,
    /// How long the text is.
    pub(crate) bytes: usize,
}

impl<'l> TimeText<'l> {
    /// Reads `YEAR-MONTH-DAY`, a space or `T`, `HOUR:MINUTE:SECOND`, perhaps a fraction behind `,` or
    /// `.`, perhaps `Z` or `+HH:MM`. What follows is not looked at.
    pub(crate) fn read(text: &'l [u8]) -> Option<TimeText<'l>> {
        let minute: &[u8; MINUTE_BYTES] = text.first_chunk()?;
        let is_time = minute.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => matches!(byte, b' ' | b'T'),
            13 => *byte == b':',
            _ => byte.is_ascii_digit(),
        });
        let [b':', second @ ..] = &text[MINUTE_BYTES..] else { return None };
        let second = two_digits(second).filter(|_| is_time)?;
        let mut bytes = MINUTE_BYTES + 3;
        let (nanosecond, fraction_bytes) = fraction(&text[bytes..]);
        bytes += fraction_bytes;
        let (offset_s, offset_bytes) = offset(&text[bytes..]);
        bytes += offset_bytes;
        Some(TimeText { minute, second, nanosecond, offset_s, bytes })
    }
}

fn two_digits(text: &[u8]) -> Option<u8> {
    match text {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

/// Nanoseconds, and how long their text is.
fn fraction(text: &[u8]) -> (u32, usize) {
    let [b',' | b'.', digits @ ..] = text else { return (0, 0) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return (0, 0);
    }
    let kept = digits[..count].iter().chain(std::iter::repeat(&b'0')).take(MAX_FRACTION_DIGITS);
    (kept.fold(0, |number, digit| number * 10 + u32::from(digit - b'0')), count + 1)
}

/// Seconds ahead of UTC, and how long their text is.
fn offset(text: &[u8]) -> (Option<i32>, usize) {
    let (sign, rest) = match text {
        [b'Z', ..] => return (Some(0), 1),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return (None, 0),
    };
    let Some(hours) = two_digits(rest) else { return (None, 0) };
    let colon = usize::from(rest.get(2) == Some(&b':'));
    let Some(minutes) = two_digits(&rest[2 + colon..]) else { return (None, 0) };
    (Some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)), 5 + colon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_fraction_and_zone_as_far_as_they_have_them() {
        for (text, second, nanosecond, offset_s, bytes) in [
            ("2026-11-22 04:48:23,123 api", 23, 123_000_000, None, 23),
            ("2026-11-22T04:48:23.123456789Z", 23, 123_456_789, Some(0), 30),
            ("2026-11-22T04:48:23.1234567891234Z", 23, 123_456_789, Some(0), 34),
            ("2026-11-22T04:48:23+05:30 x", 23, 0, Some(19_800), 25),
            ("2026-11-22 04:48:23-0800", 23, 0, Some(-28_800), 24),
            ("2026-11-22 04:48:23-INFO", 23, 0, None, 19),
            ("2026-11-22 04:48:23, then", 23, 0, None, 19),
            ("2026-11-22 04:48:23", 23, 0, None, 19),
        ] {
            let read = TimeText::read(text.as_bytes()).expect(text);
            let found = (read.second, read.nanosecond, read.offset_s, read.bytes);
            assert_eq!(found, (second, nanosecond, offset_s, bytes), "{text}");
            assert_eq!(read.minute[..], text.as_bytes()[..16], "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        let whole = "2026-11-22 04:48:23";
        for end in 0..whole.len() {
            assert_eq!(TimeText::read(&whole.as_bytes()[..end]), None, "{end}");
        }
        for text in ["2026-11-22_04:48:23", "2026/11/22 04:48:23", "x026-11-22 04:48:23", "日本"]
        {
            assert_eq!(TimeText::read(text.as_bytes()), None, "{text}");
        }
    }
}
