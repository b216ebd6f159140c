//! Where a worker logs that was asked to go on without a queue: standard error, in the text form
//! of the log file.

use std::borrow::Cow;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::codec::{Draft, Entry, decode, encode_record};
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

impl Transport for Stderr {
    fn send(&self, draft: &Draft<'_>) {
        // Formatted before the lock is taken: a Display that logs would wait for itself.
        let mut entry = Vec::new();
        encode_record(draft, 0, &mut entry);
        let mut record = Record {
            process: Cow::Borrowed(&self.process),
            thread: draft.thread.clone(),
            ..Record::new(draft.time_ns, draft.level, "", "")
        };
        if decode(&entry, &mut record) != Ok(Entry::Record) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.line.clear();
        state.formatter.format(&record, &mut state.line);
        state.line.push(b'\n');
        state.records += 1;
        // Nobody is left to tell that standard error is closed.
        let _closed = std::io::stderr().write_all(&state.line);
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
