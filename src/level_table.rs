//! Which records anybody wants, by the names of their loggers: what a listener tells its workers, so
//! that they do not even encode the others.

use serde::{Deserialize, Serialize};

use crate::Level;
use crate::logger_names::{Names, Place, canonical, with_canonical};

/// What is wanted of the records of a logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Levels below this number are not; above all levels: none is.
    from: u16,
    /// Of the others those that the worker wants itself.
    asks_worker: bool,
}

impl Wanted {
    /// Above all levels.
    pub(crate) const NO_LEVEL: u16 = 256;

    /// Nothing.
    #[cfg(feature = "listener")]
    pub(crate) const NOTHING: Wanted = Wanted { from: Wanted::NO_LEVEL, asks_worker: false };

    /// This level and all above.
    #[cfg(feature = "listener")]
    pub(crate) fn from(level: Level) -> Wanted {
        Wanted { from: level.number().into(), asks_worker: false }
    }

    /// Of this level and all above what the worker wants.
    #[cfg(feature = "listener")]
    pub(crate) fn of_worker_from(level: Level) -> Wanted {
        Wanted { from: level.number().into(), asks_worker: true }
    }

    /// Whether a record of this `level` is wanted; `None`: the worker has to be asked.
    fn verdict(self, level: Level) -> Option<bool> {
        if u16::from(level.number()) < self.from {
            return Some(false);
        }
        (!self.asks_worker).then_some(true)
    }
}

/// One name of a table, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) own: Wanted,
    /// Of the loggers below that are not in the table.
    pub(crate) below: Wanted,
}

/// For each logger what is wanted of its records. By default the worker decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub(crate) struct LevelTable {
    names: Names,
    /// By the numbers of the names, their own and what is below.
    wanted: Vec<[Wanted; 2]>,
}

/// What a name wants that is in no table.
const UNKNOWN: [Wanted; 2] = [Wanted { from: 0, asks_worker: true }; 2];

impl Default for LevelTable {
    fn default() -> LevelTable {
        LevelTable::from(Vec::new())
    }
}

impl LevelTable {
    /// Most bytes of a table: with what else is told it is one message, which ipc-channel does not
    /// fragment.
    #[cfg(feature = "listener")]
    const MAX_BYTES: usize = 128 * 1024;

    /// At most what an entry takes beside its name.
    #[cfg(feature = "listener")]
    const ENTRY_BYTES: usize = 16;

    /// Whether a call is wanted; `by_worker` says what the worker wants itself. Allocates nothing for
    /// names of at most 256 bytes.
    pub(crate) fn wants(
        &self,
        level: Level,
        logger: &str,
        by_worker: impl FnOnce() -> bool,
    ) -> bool {
        let wanted = with_canonical(logger, |name| self.of(name));
        wanted.verdict(level).unwrap_or_else(by_worker)
    }

    fn of(&self, name: &str) -> Wanted {
        let (number, side) = match self.names.find(name) {
            Place::Own(number) => (number, 0),
            Place::Below(number) => (number, 1),
        };
        self.wanted[number][side]
    }

    /// The number of the lowest level that any logger wants, and of the lowest that all do; of a worker
    /// where it is `by_worker` for the records about which it is asked.
    pub(crate) fn range(&self, by_worker: (u16, u16)) -> (u16, u16) {
        self.wanted.iter().flatten().fold((Wanted::NO_LEVEL, 0), |(lowest, common), wanted| {
            let (low, high) = if wanted.asks_worker { by_worker } else { (0, 0) };
            (lowest.min(low.max(wanted.from)), common.max(high.max(wanted.from)))
        })
    }

    /// The lowest level that any logger wants, as far as workers are not asked.
    #[cfg(feature = "config")]
    pub(crate) fn lowest_level(&self) -> Level {
        Level::new(u8::try_from(self.range((0, 0)).0).unwrap_or(u8::MAX))
    }

    /// This table, or where it is too large for a message one that wants of all loggers what any of
    /// them wants; and whether it is this one.
    #[cfg(feature = "listener")]
    pub(crate) fn within_message(self) -> (LevelTable, bool) {
        let bytes: usize = self.names.iter().map(|name| name.len() + Self::ENTRY_BYTES).sum();
        if bytes <= Self::MAX_BYTES {
            return (self, true);
        }
        let wanted = Wanted { from: self.range((0, 0)).0, asks_worker: false };
        (LevelTable { names: Names::default(), wanted: vec![[wanted; 2]] }, false)
    }
}

impl From<Vec<Entry>> for LevelTable {
    /// Of two entries for one name the later counts.
    fn from(entries: Vec<Entry>) -> LevelTable {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| (canonical(&entry.name), [entry.own, entry.below]))
            .collect();
        let names = Names::new(entries.iter().map(|(name, _)| &**name));
        let mut wanted = vec![UNKNOWN; names.len()];
        for (name, of_name) in &entries {
            if let Some(number) = names.number(name) {
                wanted[number] = *of_name;
            }
        }
        LevelTable { names, wanted }
    }
}

impl From<LevelTable> for Vec<Entry> {
    fn from(table: LevelTable) -> Vec<Entry> {
        let entries = table.names.iter().zip(&table.wanted);
        let entry = |(name, [own, below]): (&str, &[Wanted; 2])| Entry {
            name: name.to_owned(),
            own: *own,
            below: *below,
        };
        entries.map(entry).collect()
    }
}
