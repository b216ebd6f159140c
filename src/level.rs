//! How severe a record is: a number with a name, on the scale of Python's `logging`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A severity: a number from 0 to 255, higher is more severe.
///
/// The named levels carry the numbers of Python's `logging` (Python docs, "Logging Levels") plus
/// [`Level::TRACE`]; numbers between them are levels of your own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(u8);

impl Level {
    /// Lower than every record: as a threshold it lets everything pass.
    pub const NOTSET: Level = Level(0);
    /// Very fine detail, 5.
    pub const TRACE: Level = Level(5);
    /// Detail for diagnosis, 10.
    pub const DEBUG: Level = Level(10);
    /// Confirmation that things work, 20.
    pub const INFO: Level = Level(20);
    /// Something unexpected; the program goes on, 30.
    pub const WARNING: Level = Level(30);
    /// A function could not be performed, 40.
    pub const ERROR: Level = Level(40);
    /// The program itself may be unable to go on, 50.
    pub const CRITICAL: Level = Level(50);

    const NAMES: [(Level, &'static str); 7] = [
        (Level::NOTSET, "NOTSET"),
        (Level::TRACE, "TRACE"),
        (Level::DEBUG, "DEBUG"),
        (Level::INFO, "INFO"),
        (Level::WARNING, "WARNING"),
        (Level::ERROR, "ERROR"),
        (Level::CRITICAL, "CRITICAL"),
    ];

    /// The level with this number.
    pub const fn new(number: u8) -> Level {
        Level(number)
    }

    /// The number of this level.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The name: `INFO`, or `Level 15` for a number without a name, as Python's `getLevelName`.
    pub fn name(self) -> Cow<'static, str> {
        match Level::NAMES.iter().find(|(level, _)| *level == self) {
            Some((_, name)) => Cow::Borrowed(name),
            None => Cow::Owned(format!("Level {}", self.0)),
        }
    }

    /// The level of the `log` crate that decides for this one: the most severe that is not above
    /// it, or `Trace`.
    pub const fn to_facade(self) -> log::Level {
        match self.0 {
            40.. => log::Level::Error,
            30.. => log::Level::Warn,
            20.. => log::Level::Info,
            10.. => log::Level::Debug,
            _ => log::Level::Trace,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Level {
        match level {
            log::Level::Error => Level::ERROR,
            log::Level::Warn => Level::WARNING,
            log::Level::Info => Level::INFO,
            log::Level::Debug => Level::DEBUG,
            log::Level::Trace => Level::TRACE,
        }
    }
}

/// The text is neither the name of a level nor a number from 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown level `{0}`: use TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number from 0 to 255"
)]
pub struct ParseLevelError(String);

impl FromStr for Level {
    type Err = ParseLevelError;

    /// Reads a name in any case (`WARN` and `FATAL` too) or a number.
    fn from_str(text: &str) -> Result<Level, ParseLevelError> {
        let name = match text.to_ascii_uppercase().as_str() {
            "WARN" => "WARNING".to_owned(),
            "FATAL" => "CRITICAL".to_owned(),
            name => name.to_owned(),
        };
        Level::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(level, _)| *level)
            .or_else(|| text.parse().ok().map(Level))
            .ok_or_else(|| ParseLevelError(text.to_owned()))
    }
}

/// Names of one's own for levels, beside or instead of the usual ones.
///
/// Formatters and configurations are given such a table; there is none for the whole process.
///
/// ```
/// use logboom::{Level, LevelNames};
///
/// let names = LevelNames::new().with(Level::new(25), "NOTICE").with(Level::WARNING, "WARN");
/// assert_eq!(names.name(Level::new(25)), "NOTICE");
/// assert_eq!(names.name(Level::ERROR), "ERROR");
/// assert_eq!(names.level("notice"), Ok(Level::new(25)));
/// assert_eq!(names.level("WARNING"), Ok(Level::WARNING));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelNames(BTreeMap<Level, String>);

impl LevelNames {
    /// The usual names and no others.
    pub fn new() -> LevelNames {
        LevelNames::default()
    }

    /// Calls a level by this name; the last one counts.
    pub fn with(mut self, level: Level, name: impl Into<String>) -> LevelNames {
        self.0.insert(level, name.into());
        self
    }

    /// The name in this table, else the [usual one](Level::name).
    pub fn name(&self, level: Level) -> Cow<'_, str> {
        self.0.get(&level).map_or_else(|| level.name(), |name| Cow::Borrowed(name))
    }

    /// The levels in this table and their names, from the lowest up; none of the usual ones.
    pub fn iter(&self) -> impl Iterator<Item = (Level, &str)> {
        self.0.iter().map(|(level, name)| (*level, &**name))
    }

    /// The level of a name in this table, in any ASCII case; else as [`Level::from_str`] reads it.
    ///
    /// # Errors
    /// The text is no name that is known, and no number from 0 to 255.
    pub fn level(&self, text: &str) -> Result<Level, ParseLevelError> {
        let mut own = self.0.iter();
        match own.find(|(_, name)| name.eq_ignore_ascii_case(text)) {
            Some((level, _)) => Ok(*level),
            None => text.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_go_first_and_the_usual_ones_stay() {
        let names = LevelNames::new().with(Level::new(25), "NOTE").with(Level::new(25), "NOTICE");
        let names = names.with(Level::new(7), "INFO");
        assert_eq!(names.name(Level::new(25)), "NOTICE");
        assert_eq!(names.name(Level::new(26)), "Level 26");
        assert_eq!(names.level("Notice"), Ok(Level::new(25)));
        assert_eq!(names.level("info"), Ok(Level::new(7)));
        assert_eq!(names.level("debug"), Ok(Level::DEBUG));
        assert!(names.level("note").is_err());
    }

    #[test]
    fn names_and_numbers_round_trip() {
        for (level, name) in Level::NAMES {
            assert_eq!(name.parse(), Ok(level));
            assert_eq!(name.to_lowercase().parse(), Ok(level));
            assert_eq!(level.number().to_string().parse(), Ok(level));
            assert_eq!(level.to_string(), name);
        }
        assert_eq!("warn".parse(), Ok(Level::WARNING));
        assert_eq!(Level::new(15).to_string(), "Level 15");
    }

    #[test]
    fn the_facade_level_is_the_next_one_below() {
        for number in 0..=u8::MAX {
            let level = Level::new(number);
            let facade = level.to_facade();
            let below = log::Level::iter().find(|named| Level::from(*named) <= level);
            assert_eq!(facade, below.unwrap_or(log::Level::Trace), "{level}");
        }
    }

    #[test]
    fn what_a_threshold_keeps_its_facade_level_lets_pass() {
        for threshold in (0..=u8::MAX).map(Level::new) {
            for kept in (threshold.number()..=u8::MAX).map(Level::new) {
                assert!(kept.to_facade() <= threshold.to_facade(), "{kept} at {threshold}");
            }
        }
    }

    #[test]
    fn what_is_no_level_is_refused_by_name() {
        for text in ["", "loud", "-1", "256", "INFO "] {
            let error = text.parse::<Level>().expect_err("not a level");
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
        }
    }
}
