//! Entries of a lane as bytes: positional MessagePack, one array per entry.
//!
//! A lane carries records, and marks between them: which thread speaks from here on, and which
//! calls were dropped. The lanes that a listener makes for records that others send on carry these with
//! their origin. Every array begins with the number of its kind. [`SCHEMA`] is stated once
//! per batch, never per entry.

#[cfg(feature = "formatter")]
mod decode;
mod draft;
mod encode;
mod head;
mod output;
mod pieces;
#[cfg(feature = "listener")]
mod relayed;

#[cfg(feature = "listener")]
pub(crate) use decode::DecodeError;
#[cfg(feature = "formatter")]
pub(crate) use decode::with_record;
#[cfg(any(all(test, feature = "formatter"), feature = "listener"))]
pub(crate) use decode::{Entry, decode};
pub use draft::FieldEncoder;
#[cfg(feature = "listener")]
pub(crate) use draft::RecordAttributes;
#[cfg(any(all(test, feature = "formatter"), feature = "tracing"))]
pub(crate) use draft::SpanEncoder;
pub(crate) use draft::{Attributes, Draft};
#[cfg(feature = "listener")]
pub(crate) use encode::encode_record_again;
pub(crate) use encode::{encode_drops, encode_record, encode_thread};
pub(crate) use head::set_seq;
pub(crate) use output::Output;
#[cfg(feature = "listener")]
pub(crate) use relayed::Relayed;

use crate::Level;

/// Version of the entries and of the batches that carry them.
pub(crate) const SCHEMA: u8 = 2;

/// Most bytes one encoded record may take.
pub(crate) const MAX_RECORD_BYTES: usize = 128 * 1024;

/// Most bytes that stand before a record that was made elsewhere and sent on.
#[cfg(feature = "listener")]
pub(crate) const MAX_ORIGIN_BYTES: usize = 4 * 1024;

/// Most bytes of an entry: marks are shorter than the longest record.
#[cfg(feature = "listener")]
pub(crate) const MAX_ENTRY_BYTES: usize = MAX_RECORD_BYTES + MAX_ORIGIN_BYTES;

/// Most bytes of a logger's name, a source file's path, a thread's name, a key.
const MAX_NAME_BYTES: usize = 1024;

/// Most bytes of all fields and spans of one record together.
const MAX_FIELDS_BYTES: usize = 24 * 1024;

/// Most bytes of the fields of all scopes of one record, and of those of all adapters: a third each,
/// so that the call keeps one for its own.
pub(crate) const MAX_CONTEXT_BYTES: usize = MAX_FIELDS_BYTES / 3;

/// Most bytes of the exception text of one record.
const MAX_EXCEPTION_BYTES: usize = 32 * 1024;

/// The field that carries the message in its colours: no program calls one so. Listeners of other
/// releases show it as a field.
#[cfg(feature = "formatter")]
const STYLED: &str = "\x1b";

/// Room kept for headers and the truncation mark of the message.
const RESERVE_BYTES: usize = 128;

const KIND_RECORD: u8 = 0;
const KIND_THREAD: u8 = 1;
const KIND_DROPS: u8 = 2;
#[cfg(feature = "listener")]
const KIND_RELAYED: u8 = 3;

const NIL: u8 = 0xc0;

/// The marker of a text, and of the line of a call. Four bytes of length or value follow, however
/// small it is: so lengths can be patched, and nobody has to look for the width.
const TEXT: u8 = 0xdb;
const NUMBER: u8 = 0xce;

/// Bytes of a marker and the four that follow it.
const WORD_BYTES: usize = 5;

/// An empty map of fields and an empty array of spans.
const NO_ATTRIBUTES: [u8; 2] = [0x80, 0x90];

/// Calls of one lane that were dropped in a row, all after the entries before this mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drops {
    /// Sequence number of the first dropped call.
    pub(crate) first_seq: u64,
    /// Time of the first dropped call.
    pub(crate) first_ns: i64,
    /// Time of the last dropped call.
    pub(crate) last_ns: i64,
    /// How many calls of each level, in the order of levels.
    pub(crate) counts: Vec<(Level, u64)>,
}

impl Drops {
    /// A mark for one dropped call.
    pub(crate) fn of(seq: u64, level: Level, time_ns: i64) -> Drops {
        Drops { first_seq: seq, first_ns: time_ns, last_ns: time_ns, counts: vec![(level, 1)] }
    }

    /// Adds the next dropped call.
    pub(crate) fn add(&mut self, level: Level, time_ns: i64) {
        self.last_ns = time_ns;
        self.add_count(level, 1);
    }

    /// Adds the dropped calls that followed.
    pub(crate) fn add_all(&mut self, later: &Drops) {
        self.last_ns = later.last_ns;
        later.counts.iter().for_each(|(level, count)| self.add_count(*level, *count));
    }

    fn add_count(&mut self, level: Level, count: u64) {
        match self.counts.binary_search_by_key(&level, |(level, _)| *level) {
            Ok(at) => self.counts[at].1 += count,
            Err(at) => self.counts.insert(at, (level, count)),
        }
    }

    /// How many calls in all.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

#[cfg(all(test, feature = "formatter"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Field, Record, Value};

    struct Pairs(Vec<(String, Value<'static>)>);

    impl Attributes for Pairs {
        fn fields(&self, to: &mut FieldEncoder<'_>) {
            for (key, value) in &self.0 {
                to.value(key, value);
            }
        }

        fn spans(&self, to: &mut SpanEncoder<'_>) {
            to.span("outer", |fields| fields.value("depth", &Value::U64(1)));
            to.span("inner", |_| {});
        }
    }

    fn encoded(draft: &Draft<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_record(draft, 0, &mut bytes);
        bytes
    }

    fn blank<'a>() -> Record<'a> {
        Record::new(0, Level::INFO, "", "")
    }

    fn decoded(bytes: &[u8]) -> Record<'_> {
        let mut record = blank();
        assert_eq!(decode(bytes, &mut record), Ok(Entry::Record));
        record
    }

    #[test]
    fn a_record_arrives_with_all_its_parts() {
        let pairs = Pairs(vec![
            ("n".into(), Value::Null),
            ("b".into(), Value::Bool(true)),
            ("i".into(), Value::I64(-7)),
            ("u".into(), Value::U64(u64::MAX)),
            ("f".into(), Value::F64(1.5)),
            ("s".into(), Value::Str("text".into())),
        ]);
        let mut bytes = encoded(&Draft {
            file: Some("src/x.rs"),
            line: Some(70_000),
            exception: Some(&"Traceback"),
            attributes: Some(&pairs),
            ..Draft::new(17, Level::ERROR, "a.b", format_args!("{} ü", 3))
        });
        set_seq(&mut bytes, 1 << 40);
        let record = decoded(&bytes);
        assert_eq!((record.seq, record.time_ns, record.level), (1 << 40, 17, Level::ERROR));
        assert_eq!((&*record.logger, &*record.message), ("a.b", "3 ü"));
        assert_eq!((record.file.as_deref(), record.line), (Some("src/x.rs"), Some(70_000)));
        assert_eq!(record.exception.as_deref(), Some("Traceback"));
        let pair = |(key, value): &(String, Value<'static>)| Field {
            key: key.clone().into(),
            value: value.clone(),
        };
        assert_eq!(record.fields, pairs.0.iter().map(pair).collect::<Vec<_>>());
        assert_eq!(record.spans.len(), 2);
        assert_eq!(record.spans[0].fields[0].value, Value::U64(1));
    }

    #[test]
    fn a_record_says_nothing_of_the_one_that_was_read_before_it() {
        let pairs = Pairs(vec![("k".into(), Value::Null)]);
        let plain = Draft::new(1, Level::INFO, "a", format_args!("m"));
        let drafts = [
            Draft {
                file: Some("x.rs"),
                line: Some(1),
                ..Draft::new(1, Level::INFO, "a", plain.message)
            },
            Draft::new(1, Level::INFO, "a", plain.message),
            Draft {
                file: Some("y.rs"),
                exception: Some(&"e"),
                attributes: Some(&pairs),
                ..Draft::new(2, Level::ERROR, "b", format_args!("n"))
            },
            Draft { line: Some(2), ..Draft::new(3, Level::INFO, "b", format_args!("")) },
        ];
        let entries = drafts.each_ref().map(encoded);
        let mut record = blank();
        for _ in 0..2 {
            for entry in &entries {
                assert_eq!(decode(entry, &mut record), Ok(Entry::Record));
                assert_eq!(record, decoded(entry));
            }
        }
        let mut not_text = entries[0].clone();
        let at = not_text.windows(4).position(|bytes| bytes == b"x.rs").expect("the file");
        not_text[at] = 0xff;
        assert!(decode(&not_text, &mut record).is_err());
    }

    #[cfg(feature = "listener")]
    #[test]
    fn colours_travel_beside_the_message_and_are_no_field() {
        let mut styled = Record::new(0, Level::INFO, "stdout", "red");
        styled.styled = Some("\x1b[31mred".into());
        styled.fields.push(Field { key: "n".into(), value: Value::U64(7) });
        let attributes = RecordAttributes(&styled);
        let draft = Draft::new(0, Level::INFO, "stdout", format_args!("red"));
        let bytes = encoded(&Draft { attributes: Some(&attributes), ..draft });
        let mut record = blank();
        assert_eq!(decode(&bytes, &mut record), Ok(Entry::Record));
        assert_eq!(record, styled);
        let plain = encoded(&Draft::new(0, Level::INFO, "stdout", format_args!("plain")));
        assert_eq!(decode(&plain, &mut record), Ok(Entry::Record));
        assert_eq!((record.styled, record.fields), (None, vec![]));
    }

    #[test]
    fn a_long_message_is_cut_on_a_character_boundary_and_says_so() {
        let long = "ü".repeat(100_000);
        let bytes = encoded(&Draft::new(0, Level::INFO, "x", format_args!("{long}")));
        assert!(bytes.len() <= MAX_RECORD_BYTES);
        let message = decoded(&bytes).message;
        let (kept, mark) = message.split_once('…').expect("a mark");
        assert!(long.starts_with(kept) && kept.len() > MAX_RECORD_BYTES - 2 * RESERVE_BYTES);
        assert_eq!(mark, format!("[truncated {} bytes]", long.len() - kept.len()));
    }

    #[test]
    fn everything_oversized_at_once_stays_below_the_limit() {
        let long = "x".repeat(1 << 20);
        let pair = |i: u32| (format!("{i}{long}"), Value::Str(long.clone().into()));
        let bytes = encoded(&Draft {
            file: Some(&long),
            exception: Some(&long),
            attributes: Some(&Pairs((0..50).map(pair).collect())),
            ..Draft::new(0, Level::INFO, &long, format_args!("{long}"))
        });
        assert!(bytes.len() <= MAX_RECORD_BYTES, "{}", bytes.len());
        let record = decoded(&bytes);
        assert!(record.message.ends_with("bytes]") && record.logger.ends_with("bytes]"));
    }

    #[test]
    fn a_display_that_panics_is_noted_in_the_message() {
        struct Bad;
        impl std::fmt::Display for Bad {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::panic::resume_unwind(Box::new("bad"))
            }
        }
        let bytes = encoded(&Draft::new(0, Level::INFO, "x", format_args!("before {Bad} after")));
        assert_eq!(decoded(&bytes).message, "before …[formatting panicked]");
    }

    #[test]
    fn marks_round_trip() {
        let mut drops = Drops::of(9, Level::INFO, 5);
        drops.add(Level::DEBUG, 6);
        drops.add(Level::INFO, 7);
        let mut bytes = Vec::new();
        encode_drops(&drops, &mut bytes);
        assert_eq!(decode(&bytes, &mut blank()), Ok(Entry::Drops(drops.clone())));
        assert_eq!((drops.total(), drops.first_ns, drops.last_ns), (3, 5, 7));
        bytes.clear();
        encode_thread(12, "worker", &mut bytes);
        assert_eq!(decode(&bytes, &mut blank()), Ok(Entry::Thread { id: 12, name: "worker" }));
    }

    #[test]
    fn nesting_beyond_the_schema_is_refused_not_followed() {
        let mut bytes = vec![0x91; 100_000];
        bytes.push(0xc0);
        assert!(decode(&bytes, &mut blank()).is_err());
        let mut bytes = vec![0x9b, 0];
        bytes.extend(vec![0xdd, 0xff, 0xff, 0xff, 0xff]);
        assert!(decode(&bytes, &mut blank()).is_err());
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(
            message in ".{0,60}",
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            keep in any::<prop::sample::Index>(),
        ) {
            let pairs = Pairs(vec![("k".into(), Value::Str("v".into()))]);
            let mut bytes = encoded(&Draft {
                attributes: Some(&pairs),
                ..Draft::new(1, Level::INFO, "l", format_args!("{message}"))
            });
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(keep.index(bytes.len()) + 1);
            let _ = decode(&bytes, &mut blank());
        }
    }
}
