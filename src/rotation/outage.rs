//! Work beside the writing that fails: counted, told once for each outage, and tried again.

use crate::causes::with_causes;
use crate::regular_file::FileError;

#[derive(Debug, Default)]
pub(crate) struct Outage {
    failures: u64,
    is_failing: bool,
    notice: Option<String>,
}

impl Outage {
    /// Takes how an attempt went; `consequence` says what a failure means.
    pub(super) fn note(&mut self, outcome: Result<(), FileError>, consequence: &str) {
        let Err(FileError { operation, path, source }) = outcome else {
            self.is_failing = false;
            return;
        };
        self.failures += 1;
        if !std::mem::replace(&mut self.is_failing, true) {
            let cause = with_causes(&source);
            self.notice =
                Some(format!("cannot {operation} {}: {cause}: {consequence}", path.display()));
        }
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// What the log should say.
    pub(crate) fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }
}
