//! Time zones by name.

use jiff::tz::TimeZone;

use super::PatternError;

/// A zone of the system's time zone database, or by a rule of POSIX.
pub(crate) fn named_zone(name: &str) -> Result<TimeZone, PatternError> {
    TimeZone::get(name)
        .or_else(|_| TimeZone::posix(name))
        .map_err(|_| PatternError::Zone { name: name.to_owned() })
}
