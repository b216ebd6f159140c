//! Where a record was made: lane, thread and process, encoded once for all records that share them.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Context, Field, Process, Record, Thread, context};

/// Longest name of a worker, a program and a thread.
const MAX_NAME_BYTES: usize = 256;

/// Most origins that are remembered; beyond it all are forgotten.
const MAX_KNOWN: usize = 1024;

/// Lane, thread number and name, process name, number, program, start, context as text.
type Parts<'a> = (u64, u64, &'a str, &'a str, u32, &'a str, i64, &'a str);

/// Encodes origins, each one once.
#[derive(Default)]
pub(crate) struct OriginEncoder {
    known: HashSet<Arc<[u8]>>,
    scratch: Vec<u8>,
    /// The last context and its text.
    context: Option<(Arc<[Field<'static>]>, String)>,
}

impl OriginEncoder {
    /// The origin of `record`; the same for the same.
    pub(crate) fn encode(&mut self, record: &Record<'_>) -> Arc<[u8]> {
        let Process { name, id, program, started_ns, context } = &*record.process;
        self.read_context(context);
        let context = self.context.as_ref().map_or("", |(_, text)| text);
        let thread = &record.thread;
        let parts: Parts<'_> = (
            record.lane,
            thread.id,
            cut(&thread.name),
            cut(name),
            *id,
            cut(program),
            *started_ns,
            context,
        );
        self.scratch.clear();
        // Memory takes all that is written to it.
        let _infallible = rmp_serde::encode::write(&mut self.scratch, &parts);
        if let Some(known) = self.known.get(&*self.scratch) {
            return Arc::clone(known);
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let origin: Arc<[u8]> = self.scratch.as_slice().into();
        self.known.insert(Arc::clone(&origin));
        origin
    }

    fn read_context(&mut self, fields: &Arc<[Field<'static>]>) {
        let is_known = |(known, _): &(Arc<_>, _)| Arc::ptr_eq(known, fields);
        if !fields.is_empty() && !self.context.as_ref().is_some_and(is_known) {
            self.context = Some((Arc::clone(fields), context::to_text(fields)));
        } else if fields.is_empty() {
            self.context = None;
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_NAME_BYTES)]
}

/// What an origin says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Origin {
    pub(crate) lane: u64,
    pub(crate) thread: Thread<'static>,
    pub(crate) process: Process,
}

impl Origin {
    /// Reads an origin that others have encoded; `None` where it is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Origin> {
        let (lane, thread_id, thread_name, name, id, program, started_ns, context): Parts<'_> =
            rmp_serde::from_slice(bytes).ok()?;
        let context: Context = context.parse().ok()?;
        let thread = Thread { id: thread_id, name: thread_name.to_owned().into() };
        let (name, program) = (name.into(), program.into());
        let process = Process { name, id, program, started_ns, context: context.into() };
        Some(Origin { lane, thread, process })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn record(lane: u64, name: &str, context: &Context) -> Record<'static> {
        let mut record = Record::new(0, Level::INFO, "l", "m");
        record.lane = lane;
        record.thread = Thread { id: 7, name: "thread".into() };
        record.process = std::borrow::Cow::Owned(Process {
            name: name.into(),
            id: 9,
            program: "program".into(),
            started_ns: -3,
            context: context.clone().into(),
        });
        record
    }

    #[test]
    fn an_origin_is_read_as_it_was_encoded_and_kept_once() {
        let mut encoder = OriginEncoder::default();
        for context in [Context::default(), Context::new([("build", "a, b")]), Context::default()] {
            let record = record(u64::MAX, "wörker", &context);
            let bytes = encoder.encode(&record);
            let origin = Origin::read(&bytes).unwrap();
            assert_eq!((origin.lane, &origin.thread), (record.lane, &record.thread));
            assert_eq!(origin.process, *record.process);
            assert!(Arc::ptr_eq(&bytes, &encoder.encode(&record)));
        }
        assert_eq!(encoder.known.len(), 2);
    }

    #[test]
    fn names_are_cut_and_what_is_remembered_is_bounded() {
        let mut encoder = OriginEncoder::default();
        let long = "ü".repeat(500);
        for lane in 0..2 * MAX_KNOWN as u64 + 1 {
            let bytes = encoder.encode(&record(lane, &long, &Context::default()));
            assert!(bytes.len() < 1024);
        }
        assert!(encoder.known.len() <= MAX_KNOWN);
        let bytes = encoder.encode(&record(0, &long, &Context::default()));
        assert_eq!(&*Origin::read(&bytes).unwrap().process.name, "ü".repeat(128));
    }

    #[test]
    fn what_is_no_origin_is_none() {
        let bytes = OriginEncoder::default().encode(&record(1, "w", &Context::default()));
        assert_eq!(Origin::read(&bytes[1..]), None);
        (0..bytes.len()).for_each(|end| assert_eq!(Origin::read(&bytes[..end]), None));
    }
}
