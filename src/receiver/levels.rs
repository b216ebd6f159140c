//! How severe a record is, by number or name.

use std::borrow::Cow;

use crate::{Level, Value};

/// Names of levels beside those of [`Level`], as syslog and Serilog have them.
const LEVEL_ALIASES: [(&str, Level); 4] = [
    ("err", Level::ERROR),
    ("crit", Level::CRITICAL),
    ("information", Level::INFO),
    ("verbose", Level::TRACE),
];

/// Levels of syslog that have no name of their own here: they keep the one they came with.
const LEVELS_OF_SYSLOG: [(&str, Level); 3] =
    [("notice", Level::new(25)), ("alert", Level::CRITICAL), ("emerg", Level::CRITICAL)];

/// A level beyond the scale is the one at its end.
pub(super) fn level_of_number(value: &Value<'_>) -> Option<Level> {
    match value {
        Value::I64(number) => Some(Level::new((*number).clamp(0, 255) as u8)),
        Value::U64(number) => Some(Level::new((*number).min(255) as u8)),
        _ => None,
    }
}

/// The level for a number of pino or Bunyan, where 10 is TRACE, 30 is INFO and 60 is FATAL.
pub(super) fn level_of_node(level: Level) -> Level {
    match level.number() {
        below_debug @ ..20 => Level::new(below_debug / 2),
        number => Level::new(number - 10),
    }
}

/// The level by its number, else by its name, and the name where it is not the usual one.
pub(super) fn level(
    number: Option<Level>,
    name: Option<Cow<'_, str>>,
    default: Level,
) -> (Level, Option<Cow<'_, str>>) {
    let Some(name) = name else { return (number.unwrap_or(default), None) };
    if let Some(level) = number.filter(|level| *level.name() == *name) {
        return (level, None);
    }
    let known = |names: &[(&str, Level)]| {
        let named = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        named.map(|(_, level)| *level)
    };
    let usual = name.parse().ok().or_else(|| known(&LEVEL_ALIASES));
    let level = number.or(usual).or_else(|| known(&LEVELS_OF_SYSLOG)).unwrap_or(default);
    (level, (usual != Some(level)).then_some(name))
}
