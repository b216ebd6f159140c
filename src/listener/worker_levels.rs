//! What attaching workers are told of levels.

use super::ListenError;
use crate::logger::Routing;

/// The level table of a listener's own, as in `RUST_LOG`, if it has one.
#[derive(Default)]
pub(super) struct WorkerLevels(pub(super) Option<String>);

impl WorkerLevels {
    /// Workers would ignore a table they cannot read.
    pub(super) fn check(&self) -> Result<(), ListenError> {
        let Some(table) = &self.0 else { return Ok(()) };
        let parsed = env_filter::Builder::new().try_parse(table).map(drop);
        parsed.map_err(|error| ListenError::WorkerLevels {
            table: table.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The listener's own table, else the lowest level that anybody wants; nothing where all records
    /// go everywhere.
    pub(super) fn table(&self, routing: &Routing) -> Option<String> {
        self.0.clone().or_else(|| {
            let is_wanted = !routing.is_plain();
            is_wanted.then(|| routing.lowest_level().to_facade().as_str().to_owned())
        })
    }
}
