//! Time zones by name.

#[cfg(feature = "listener")]
use std::env;

use jiff::tz::TimeZone;

use super::PatternError;

/// A zone of the system's time zone database, or by a rule of POSIX.
pub(crate) fn named_zone(name: &str) -> Result<TimeZone, PatternError> {
    TimeZone::get(name)
        .or_else(|_| TimeZone::posix(name))
        .map_err(|_| PatternError::Zone { name: name.to_owned() })
}

/// Why local times are those of UTC, where the system was told another zone.
#[cfg(feature = "listener")]
pub(crate) fn local_zone_problem() -> Option<String> {
    let name = env::var_os("TZ").filter(|name| !name.is_empty())?;
    TimeZone::try_system().is_err().then(|| {
        let name = name.display();
        format!(
            "TZ is `{name}`, which is no time zone of this system (Debian: install tzdata): local times are \
             those of UTC"
        )
    })
}
