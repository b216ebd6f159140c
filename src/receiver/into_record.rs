//! From what somebody has said about a record to a record of a listener.

use std::borrow::Cow;

use super::Received;
use crate::{Field, Process, Record, Thread, Value};

impl<'a> Received<'a> {
    /// The process that it says it is of.
    pub(super) fn process(&self) -> Process {
        Process {
            name: self.process_name.as_deref().unwrap_or_default().into(),
            id: self.process_id.unwrap_or(0),
            started_ns: self.started_ns.unwrap_or(0),
            ..Process::default()
        }
    }

    /// The record with all that was said. What a record has no place for becomes fields, by Python's
    /// names: `levelname` where it is not the usual one, `stack_info`, `taskName`.
    pub(crate) fn into_record(self, process: Process) -> Record<'a> {
        let mut record = Record {
            file: self.file,
            line: self.line,
            function: self.function,
            exception: self.exception,
            fields: self.fields,
            thread: Thread {
                id: self.thread_id.unwrap_or(0),
                name: self.thread_name.unwrap_or_default(),
            },
            process: Cow::Owned(process),
            ..Record::new(self.time_ns, self.level, self.logger, self.message)
        };
        for (key, text) in [
            ("levelname", self.level_name),
            ("stack_info", self.stack_info),
            ("taskName", self.task_name),
        ] {
            let field = text.map(|text| Field { key: key.into(), value: Value::Str(text) });
            record.fields.extend(field);
        }
        record
    }
}
