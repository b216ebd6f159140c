//! What the disk refuses at the moment: shown in the status while it lasts, told in the log once.

use std::path::Path;
use std::sync::Arc;

use super::hub::Hub;
use crate::LockError;
use crate::causes::with_causes;
use crate::handler::HandlerError;
use crate::queue::status::Trouble;
use crate::record::now_ns;

pub(super) struct Troubles {
    hub: Arc<Hub>,
    /// Records cannot be written.
    write: Option<Trouble>,
    /// A log file that others have moved or deleted cannot be opened anew.
    open: Option<Trouble>,
    /// What is written cannot be brought to the disk.
    sync: Option<Trouble>,
    notices: Vec<String>,
}

impl Troubles {
    pub(super) fn new(hub: Arc<Hub>) -> Troubles {
        Troubles { hub, write: None, open: None, sync: None, notices: Vec::new() }
    }

    pub(super) fn write_failed(&mut self, error: &HandlerError) {
        self.write = Some(again(self.write.take(), error));
        self.show();
    }

    /// Records are written again.
    pub(super) fn write_succeeded(&mut self) {
        let Some(trouble) = self.write.take() else { return };
        let lasted_ms = trouble.lasted().as_millis();
        self.notices.push(format!(
            "{trouble}: workers waited {lasted_ms} ms until it could be written, at try {}",
            trouble.tries + 1
        ));
        // Perhaps of the same file; if not, it fails again.
        self.open = None;
        self.show();
    }

    pub(super) fn open_failed(&mut self, error: &HandlerError) {
        self.open = Some(again(self.open.take(), error));
        self.show();
    }

    /// All log files are open at their paths.
    pub(super) fn open_succeeded(&mut self) {
        let Some(trouble) = self.open.take() else { return };
        let (lasted_ms, tries) = (trouble.lasted().as_millis(), trouble.tries + 1);
        self.notices.push(format!("{trouble}: after {lasted_ms} ms it could, at try {tries}"));
        self.show();
    }

    pub(super) fn sync_failed(&mut self, error: &HandlerError) {
        let is_new = self.sync.is_none();
        let trouble = again(self.sync.take(), error);
        if is_new {
            self.notices.push(format!(
                "{trouble}: what was written since the last sync may not survive a power loss"
            ));
        }
        self.sync = Some(trouble);
        self.show();
    }

    pub(super) fn sync_succeeded(&mut self) {
        if self.sync.take().is_some() {
            self.show();
        }
    }

    /// What the log should say.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn show(&self) {
        self.hub
            .set_trouble([&self.write, &self.open, &self.sync].into_iter().find_map(Clone::clone));
    }
}

/// The trouble with one more try.
fn again(before: Option<Trouble>, error: &HandlerError) -> Trouble {
    let (operation, path, cause) = parts(error);
    let (since_ns, tries) =
        before.map_or_else(|| (now_ns(), 1), |before| (before.since_ns, before.tries + 1));
    let path = path.display().to_string();
    Trouble { operation: operation.to_owned(), path, cause, since_ns, tries }
}

fn parts(error: &HandlerError) -> (&'static str, &Path, String) {
    match error {
        HandlerError::Io { operation, path, source }
        | HandlerError::Lock(LockError::Io { operation, path, source }) => {
            (*operation, path, with_causes(source))
        }
        HandlerError::Lock(
            held @ (LockError::Held { path, .. } | LockError::Unresolved { log: path, .. }),
        ) => ("lock", path, with_causes(held)),
        HandlerError::Other(error) => ("write to", Path::new("a log file"), with_causes(&**error)),
    }
}
