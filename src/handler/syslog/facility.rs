//! Facilities and severities of syslog, as RFC 5424 numbers them.

use std::str::FromStr;

use crate::Level;

/// Which part of a system a syslog message is from (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

const NAMES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

impl Facility {
    /// Programs of users, 1: what is meant where nothing is said.
    pub const USER: Facility = Facility(1);
    /// Daemons, 3.
    pub const DAEMON: Facility = Facility(3);
    /// The first of those that a site gives its own meaning, 16; `local7` is 23.
    pub const LOCAL0: Facility = Facility(16);

    /// The facility with this number, 0 to 23; none has another.
    pub const fn from_number(number: u8) -> Option<Facility> {
        if (number as usize) < NAMES.len() { Some(Facility(number)) } else { None }
    }

    /// The number, 0 to 23.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The facility with this number, if there is one.
    #[cfg(feature = "receiver")]
    pub(crate) fn numbered(number: u8) -> Option<Facility> {
        (usize::from(number) < NAMES.len()).then_some(Facility(number))
    }

    /// The name, as in `syslog.conf`.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// The number at the beginning of each message of this facility and level.
    pub(super) fn priority(self, level: Level) -> u8 {
        self.0 * 8 + severity(level)
    }
}

/// The severity of a level: that of the next named level below, as Python's `SysLogHandler` has it.
fn severity(level: Level) -> u8 {
    match level.number() {
        50.. => 2,
        40.. => 3,
        30.. => 4,
        20.. => 6,
        _ => 7,
    }
}

/// The text is no name of a facility.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown facility `{name}`: use one of {}", NAMES.join(", "))]
pub struct ParseFacilityError {
    name: String,
}

impl FromStr for Facility {
    type Err = ParseFacilityError;

    /// Reads a name in lower case, `security` for `auth` too.
    fn from_str(text: &str) -> Result<Facility, ParseFacilityError> {
        let name = if text == "security" { "auth" } else { text };
        (0_u8..)
            .zip(NAMES)
            .find(|(_, known)| *known == name)
            .map(|(number, _)| Facility(number))
            .ok_or_else(|| ParseFacilityError { name: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_rfc() {
        for (number, name) in (0_u8..).zip(NAMES) {
            let facility: Facility = name.parse().expect(name);
            assert_eq!((facility.number(), facility.name()), (number, name));
            assert_eq!(Facility::from_number(number), Some(facility));
        }
        assert_eq!(Facility::from_number(24), None);
        assert_eq!("local7".parse::<Facility>().expect("known").number(), 23);
        assert_eq!("daemon".parse(), Ok(Facility::DAEMON));
        assert_eq!("user".parse(), Ok(Facility::USER));
        assert_eq!("local0".parse(), Ok(Facility::LOCAL0));
        assert_eq!("security".parse::<Facility>().expect("an alias").name(), "auth");
        let error = "local8".parse::<Facility>().expect_err("unknown").to_string();
        assert!(error.starts_with("unknown facility `local8`: use one of kern, "), "{error}");
    }

    #[test]
    fn severities_are_those_of_python() {
        let named =
            [(0, 7), (5, 7), (10, 7), (20, 6), (25, 6), (30, 4), (40, 3), (50, 2), (255, 2)];
        for (level, severity) in named {
            assert_eq!(Facility::USER.priority(Level::new(level)), 8 + severity, "{level}");
        }
        assert_eq!("local7".parse::<Facility>().expect("known").priority(Level::NOTSET), 191);
    }
}
