//! How long backups stay, as text.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::period::Unit;

/// How long something is kept.
///
/// Read from text as a number of seconds, minutes, hours or days: `90s`, `10m`, `6h`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    unit: Unit,
    count: u32,
}

/// The text says no [`Age`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{text}`, expected an age such as 90s, 10m, 6h or 30d")]
pub struct ParseAgeError {
    text: String,
}

impl FromStr for Age {
    type Err = ParseAgeError;

    fn from_str(text: &str) -> Result<Age, ParseAgeError> {
        let age = Unit::counted(text).map(|(unit, count)| Age { unit, count });
        age.ok_or_else(|| ParseAgeError { text: text.to_owned() })
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.sign())
    }
}

impl From<Age> for Duration {
    fn from(age: Age) -> Duration {
        Duration::from_secs(u64::from(age.count) * age.unit.seconds().unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_numbers_with_a_unit() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("6h", 21_600), ("30d", 2_592_000)] {
            let age: Age = text.parse().unwrap();
            assert_eq!(
                (age.to_string(), Duration::from(age).as_secs()),
                (text.to_owned(), seconds)
            );
        }
        assert!(
            ["", "d", "30", "-1d", "+1d", "1.5h", "1w", "99999999999s"]
                .iter()
                .all(|text| text.parse::<Age>().is_err())
        );
    }
}
