//! Lines of JSON. All that is not needed is skipped, and text borrowed.

use std::borrow::Cow;

use serde::Deserialize;

use super::entry::{LISTENER_LOGGER, Line, Notice};
use crate::formatter::lane_of;

#[derive(Deserialize)]
struct Numbered<'l> {
    #[serde(borrow)]
    lane: Cow<'l, str>,
    seq: u64,
    #[serde(borrow, default)]
    logger: Cow<'l, str>,
    #[serde(borrow, default)]
    worker: Cow<'l, str>,
}

#[derive(Deserialize)]
struct Noticed {
    fields: NoticeFields,
}

#[derive(Deserialize)]
struct NoticeFields {
    dropped: Option<u64>,
    #[serde(default)]
    filtered: bool,
}

/// Reads one line without its newline.
pub(super) fn read(line: &[u8]) -> Line<'_> {
    let Ok(numbered) = serde_json::from_slice::<Numbered<'_>>(line) else {
        return Line::Unreadable;
    };
    let Some(lane) = lane_of(&numbered.lane) else { return Line::Unreadable };
    let notice = if numbered.logger == LISTENER_LOGGER { notice(line) } else { Notice::None };
    Line::entry(lane, numbered.seq, notice, numbered.worker)
}

/// Reads the fields of a record of the listener's own.
fn notice(line: &[u8]) -> Notice {
    match serde_json::from_slice(line) {
        Ok(Noticed { fields: NoticeFields { filtered: true, .. } }) => Notice::Filtered,
        Ok(Noticed { fields: NoticeFields { dropped: Some(count), .. } }) => Notice::Dropped(count),
        _ => Notice::None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Entry, Kind};
    use super::*;
    use crate::formatter::{Formatter, JsonFormatter};
    use crate::{Field, Level, Record, Value};

    fn line(logger: &str, field: Option<(&'static str, Value<'static>)>) -> Vec<u8> {
        let mut record = Record::new(0, Level::INFO, logger.to_owned(), "a \"message\"\n");
        record.process.to_mut().name = "api \"3\"".into();
        (record.lane, record.seq) = (0xbeef, 42);
        record.fields.extend(field.map(|(key, value)| Field { key: key.into(), value }));
        let mut line = Vec::new();
        JsonFormatter::new().format(&record, &mut line);
        line
    }

    fn entry(kind: Kind, end: u64) -> Line<'static> {
        Line::Entry(Entry { lane: 0xbeef, seqs: 42..end, worker: "api \"3\"".into(), kind })
    }

    #[test]
    fn a_line_of_the_formatter_is_a_record() {
        assert_eq!(read(&line("web", None)), entry(Kind::Record, 43));
    }

    #[test]
    fn the_listener_tells_of_drops_and_filters() {
        let dropped = Some(("dropped", Value::U64(5)));
        assert_eq!(read(&line("logboom", dropped)), entry(Kind::Drops, 47));
        let filtered = Some(("filtered", Value::Bool(true)));
        assert_eq!(read(&line("logboom", filtered)), entry(Kind::Filtered, 43));
    }

    #[test]
    fn fields_of_other_loggers_or_types_mean_nothing() {
        for (logger, value) in [
            ("web", Value::U64(5)),
            ("logboom", Value::Str("many".into())),
            ("logboom", Value::I64(-1)),
        ] {
            assert_eq!(read(&line(logger, Some(("dropped", value)))), entry(Kind::Record, 43));
        }
        let filtered = Some(("filtered", Value::Bool(false)));
        assert_eq!(read(&line("logboom", filtered)), entry(Kind::Record, 43));
    }

    #[test]
    fn what_is_no_whole_record_is_unreadable() {
        let whole = line("web", None);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Line::Unreadable, "{end}");
        }
        for text in [
            "text",
            "[]",
            r#"{"seq":1}"#,
            r#"{"lane":"beef","seq":1}"#,
            r#"{"lane":"000000000000beef"}"#,
            r#"{"lane":"000000000000beef","seq":-1}"#,
            r#"{"lane":"000000000000beef","seq":1} {}"#,
            r#"{"lane":"000000000000beef","seq":18446744073709551615}"#,
        ] {
            assert_eq!(read(text.as_bytes()), Line::Unreadable, "{text}");
        }
    }
}
