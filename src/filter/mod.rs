//! Which records go on to the handlers.

use crate::{Level, Record};

/// Decides which records pass.
///
/// Called from the listener's drain thread, once per record; must not block.
pub trait Filter: Send {
    /// Whether `record` goes on.
    fn passes(&mut self, record: &Record<'_>) -> bool;
}

impl<F: FnMut(&Record<'_>) -> bool + Send> Filter for F {
    fn passes(&mut self, record: &Record<'_>) -> bool {
        self(record)
    }
}

impl Filter for Box<dyn Filter> {
    fn passes(&mut self, record: &Record<'_>) -> bool {
        (**self).passes(record)
    }
}

/// Lets records of a level and above pass.
#[derive(Clone, Copy, Debug)]
pub struct LevelFilter(pub Level);

impl Filter for LevelFilter {
    fn passes(&mut self, record: &Record<'_>) -> bool {
        record.level >= self.0
    }
}
