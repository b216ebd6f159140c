//! Writes records nowhere.

use super::{Handler, HandlerError};
use crate::Record;

/// Takes every record and does nothing with it.
///
/// ```
/// use logboom::handler::{Handler, NullHandler};
/// use logboom::{Level, Record};
///
/// NullHandler.handle(&Record::new(0, Level::INFO, "app", "unheard"))?;
/// # Ok::<(), logboom::handler::HandlerError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NullHandler;

impl Handler for NullHandler {
    fn handle(&mut self, _: &Record<'_>) -> Result<(), HandlerError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}
