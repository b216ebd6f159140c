//! Where the records of one logger go.

use crate::Level;

/// What is to be done with the records of a logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The effective level: records below it go nowhere.
    pub(crate) level: Level,
    /// The filters of the logger that is configured under this very name.
    pub(crate) filters: Option<usize>,
    /// Nothing goes anywhere.
    pub(crate) disabled: bool,
    /// The handlers in the order in which Python calls them: from the logger up to the root.
    pub(crate) handlers: Box<[usize]>,
}

impl Route {
    /// Whether a record of `level` goes anywhere, as far as levels decide.
    pub(crate) fn is_enabled_for(&self, level: Level) -> bool {
        !self.disabled && level >= self.level
    }
}
