//! Numbers with their units.

use std::time::Duration;

/// Longest time that is read.
const MAX_DURATION_S: u64 = 366 * 24 * 60 * 60;

/// Reads a time with its unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_s = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err("the unit is none of s, m, h, d".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write it like 90s, 10m, 2h or 1d".to_owned())?;
    let seconds = number.checked_mul(unit_s).filter(|s| (1..=MAX_DURATION_S).contains(s));
    seconds.map(Duration::from_secs).ok_or_else(|| "from one second to a year".to_owned())
}

/// Reads a number of bytes, with a unit or without.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err("the unit is none of k, M, G, KiB, MiB, GiB".to_owned()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "a size is a whole number, with a unit or without".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "the size is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let sizes = [
            ("0", 0),
            ("2000", 2000),
            ("100kB", 100_000),
            ("1K", 1000),
            ("64MiB", 64 << 20),
            ("1G", 1_000_000_000),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse_size(text), Ok(bytes));
        }
    }

    #[test]
    fn times_have_a_unit_and_a_limit() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200), ("366d", 366 * 86400)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "10", "0s", "367d", "1.5h", "-1s", "10 m", "10ms", "99999999999999999999d"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in
            ["", "nonsense", "1.5M", "-1", "5 M", "99999999999999999999", "99999999999G", "MiB"]
        {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
