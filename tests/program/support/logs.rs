//! One log that has all records, or three on different loggers that have some each.

use std::fs;
use std::path::PathBuf;

use super::Place;

/// What `logboom verify` needs, and the message.
pub const PATTERN: &str = "%(lane)s %(seq)s %(name)s %(processName)s %(message)s";

/// Workers log their numbered records under these in turn.
const LOGGERS: [&str; 3] = ["other", "a", "a::b"];

/// A log, and whose turns it has.
pub struct Log {
    pub name: &'static str,
    turns: &'static [usize],
}

pub const ONE_LOG: &[Log] = &[Log { name: "app.log", turns: &[0, 1, 2] }];

pub const THREE_LOGS: &[Log] = &[
    Log { name: "app.log", turns: &[0, 1] },
    Log { name: "a.log", turns: &[1] },
    Log { name: "b.log", turns: &[2] },
];

/// The logger of a record.
pub fn logger_of(number: u64) -> &'static str {
    LOGGERS[turn(number)]
}

fn turn(number: u64) -> usize {
    number as usize % LOGGERS.len()
}

impl Log {
    pub fn path(&self, place: &Place) -> PathBuf {
        place.path(self.name)
    }

    /// Which of the first `count` records of a worker it has.
    pub fn numbers(&self, count: u64) -> impl Iterator<Item = u64> + use<> {
        let turns = self.turns;
        (0..count).filter(move |number| turns.contains(&turn(*number)))
    }
}

/// Writes the configuration of [`THREE_LOGS`]; `formatter` is `json`, or `lines` for [`PATTERN`].
pub fn configure_three_logs(place: &Place, formatter: &str, max_bytes: u32) -> &'static str {
    let handler = |log: &Log| {
        let Log { name, .. } = log;
        format!(
            "[handlers.'{name}']\nclass = 'RotatingFileHandler'\nfilename = '{name}'\n\
             maxBytes = {max_bytes}\nbackupCount = 1000000\nformatter = '{formatter}'\n"
        )
    };
    let handlers: String = THREE_LOGS.iter().map(handler).collect();
    let config = format!(
        "version = 1\nformatters.lines.format = '{PATTERN}'\n{handlers}\
         [loggers.a]\nhandlers = ['a.log']\n\
         [loggers.'a.b']\nhandlers = ['b.log']\npropagate = false\n\
         [root]\nlevel = 'INFO'\nhandlers = ['app.log']\n"
    );
    fs::write(place.path("three.toml"), config).unwrap();
    "three.toml"
}
