//! Where a worker logs that was asked to go on without a queue: standard error, in the text form
//! of the log file.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::codec::{Draft, with_record};
use crate::formatter::{Formatter, PatternFormatter};
use crate::queue::{Certainty, FlushReport, QueueStats, Transport};
use crate::{Process, Record};

/// Writes each record to standard error at once.
pub(super) struct Stderr {
    process: Process,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    formatter: PatternFormatter,
    line: Vec<u8>,
    records: u64,
}

impl Stderr {
    pub(super) fn new(process: Process) -> Stderr {
        Stderr { process, state: Mutex::default() }
    }
}

impl State {
    fn write(&mut self, record: &Record<'_>) {
        self.line.clear();
        self.formatter.format(record, &mut self.line);
        self.line.push(b'\n');
        self.records += 1;
        // Nobody is left to tell that standard error is closed.
        let _closed = std::io::stderr().write_all(&self.line);
    }
}

impl Transport for Stderr {
    fn send(&self, draft: &Draft<'_>) {
        // The lock is taken when all is formatted: a Display that logs would wait for itself.
        with_record(draft, &self.process, |record| {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).write(record);
        });
    }

    fn flush(&self, _certainty: Certainty, _timeout: Duration) -> FlushReport {
        FlushReport { pending_records: 0 }
    }

    fn close(&self) {}

    fn stats(&self) -> QueueStats {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        QueueStats { records: state.records, dropped: 0 }
    }
}
