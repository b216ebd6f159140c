//! JSON lines: an object for each record, with the keys of Python's records, those that programs
//! commonly use, or those of [`JsonFormatter`](crate::formatter::JsonFormatter).
//!
//! No tree is built: what is nested stays the text that it was, but for the object `fields`, whose
//! entries are fields.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Deserializer, error::Category};

use super::names::Names;
use super::parts::Parts;
use super::text::{BYTE_ORDER_MARK, mended};
use super::{DecodeError, MAX_FRAME_BYTES, Received};
#[cfg(feature = "supervisor")]
use crate::Level;
use crate::Value;

/// Reads one line or datagram.
///
/// # Errors
/// It is longer than [`MAX_FRAME_BYTES`], or no JSON object.
pub fn decode(line: &[u8], arrived_ns: i64) -> Result<Received<'_>, DecodeError> {
    if line.len() > MAX_FRAME_BYTES {
        return Err(DecodeError::TooLong);
    }
    let parts = Parts::new(Names::Common, arrived_ns);
    let filled = fill(parts, line).map_err(|error| match error.classify() {
        Category::Eof => DecodeError::CutShort,
        Category::Data => DecodeError::NotARecord,
        Category::Syntax | Category::Io => DecodeError::Malformed,
    });
    Ok(filled?.finish())
}

/// The same of a line that only `json.dumps` of Python takes for JSON, or that begins with a mark of
/// byte order. What it is read from then is put into `spare`.
pub(super) fn decode_lenient<'a>(
    line: &'a [u8],
    arrived_ns: i64,
    spare: &'a mut Vec<u8>,
) -> Result<Received<'a>, DecodeError> {
    match decode(line, arrived_ns) {
        Err(DecodeError::Malformed) => {}
        decoded => return decoded,
    }
    *spare = strict(line)?;
    decode(spare, arrived_ns)
}

/// What Python writes for floats that are not finite, and JSON has no words for.
const NOT_FINITE: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

/// A malformed line with these as text, and without a mark of byte order. It stays malformed where there is
/// nothing to mend.
pub(super) fn strict(line: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut rest = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let mut is_mended = rest.len() < line.len();
    let (mut out, mut is_in_text) = (Vec::with_capacity(line.len()), false);
    while let [first, ..] = rest {
        let word = NOT_FINITE.iter().find(|word| !is_in_text && rest.starts_with(word));
        let length = match (word, first) {
            (Some(word), _) => {
                out.push(b'"');
                word.len()
            }
            (None, b'\\') if is_in_text => rest.len().min(2),
            (None, _) => 1,
        };
        let (taken, behind) = rest.split_at(length);
        out.extend_from_slice(taken);
        out.extend(word.map(|_| b'"'));
        is_mended |= word.is_some();
        is_in_text ^= *first == b'"';
        rest = behind;
    }
    is_mended.then_some(out).ok_or(DecodeError::Malformed)
}

/// Reads a line that a program has printed for whoever reads it: a record only where it is an object
/// with a message, of which nothing is left out. It has this `level` unless it says another.
#[cfg(feature = "supervisor")]
pub(crate) fn of_printed_line(line: &str, printed_ns: i64, level: Level) -> Option<Received<'_>> {
    let parts = Parts::new(Names::Common, printed_ns).default_level(level);
    let parts = fill(parts, line.as_bytes()).ok().filter(Parts::is_whole)?;
    Some(parts.finish()).filter(|received| !received.message.is_empty())
}

fn fill<'a>(mut parts: Parts<'a>, line: &'a [u8]) -> serde_json::Result<Parts<'a>> {
    let mut json = Deserializer::from_slice(line);
    json.deserialize_map(Object { parts: &mut parts, are_fields: false })?;
    json.end()?;
    parts.read_as_line();
    Ok(parts)
}

/// A line that is no object, as the message of a record.
pub(super) fn of_text(line: &[u8], arrived_ns: i64) -> Received<'_> {
    let mut parts = Parts::new(Names::Common, arrived_ns);
    parts.set("message".into(), Value::Str(mended(line)));
    parts.finish()
}

/// Takes the entries of an object.
struct Object<'p, 'a> {
    parts: &'p mut Parts<'a>,
    are_fields: bool,
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((Text(key), raw)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            if !self.parts.admits_key() {
                continue;
            }
            if self.are_fields {
                self.parts.field(key, value(raw).map_err(A::Error::custom)?);
            } else if key == "fields" && raw.get().starts_with('{') {
                let fields = Object { parts: self.parts, are_fields: true };
                let mut json = Deserializer::from_str(raw.get());
                json.deserialize_map(fields).map_err(A::Error::custom)?;
            } else {
                self.parts.set(key, value(raw).map_err(A::Error::custom)?);
            }
        }
        Ok(())
    }
}

fn value<'a>(raw: &'a RawValue) -> serde_json::Result<Value<'a>> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => {
            let Text(text) = serde_json::from_str(text)?;
            Value::Str(text)
        }
        Some(b'{' | b'[') => Value::Str(Cow::Borrowed(text)),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => number(text),
    })
}

/// Whole numbers beyond 64 bits, and those that no float holds, stay text.
fn number(text: &str) -> Value<'_> {
    let is_whole = !text.contains(['.', 'e', 'E']);
    let float = || text.parse().ok().filter(|float: &f64| !is_whole && float.is_finite());
    let number = text.parse().ok().map(Value::I64);
    let number = number.or_else(|| text.parse().ok().map(Value::U64));
    number.or_else(|| float().map(Value::F64)).unwrap_or(Value::Str(Cow::Borrowed(text)))
}

/// Text that may have surrogates without their other half.
struct Text<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Text<'de>, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(mended(bytes)))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(mended(bytes).into_owned())))
            }
        }

        // Only what is read as bytes may have such surrogates.
        deserializer.deserialize_bytes(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatter::{Formatter, JsonFormatter};
    use crate::{Field, Level, Record};

    fn decoded(line: &str) -> Received<'_> {
        decode(line.as_bytes(), 7).expect(line)
    }

    fn pairs<'r>(received: &'r Received<'_>) -> Vec<(&'r str, &'r Value<'r>)> {
        received.fields.iter().map(|field| (&*field.key, &field.value)).collect()
    }

    #[test]
    fn common_keys_have_their_places() {
        for line in [
            r#"{"ts":1795322903.5,"level":"warn","logger":"a.b","msg":"hi"}"#,
            r#"{"time":1795322903500,"severity":"WARNING","target":"a.b","message":"hi"}"#,
            r#" {"timestamp" : "2026-11-22T04:48:23.5Z","levelno":30,"name":"a.b","msg":"hi"} "#,
        ] {
            let received = decoded(line);
            assert_eq!(received.time_ns, 1_795_322_903_500_000_000, "{line}");
            assert_eq!((received.level, received.level_name), (Level::WARNING, None), "{line}");
            assert_eq!((&*received.logger, &*received.message), ("a.b", "hi"), "{line}");
            assert_eq!(received.fields, [], "{line}");
        }
    }

    #[test]
    fn other_loggers_are_understood() {
        for (line, level, message, kept) in [
            (
                r#"{"level":30,"time":1795322903500,"pid":42,"hostname":"h","msg":"pino"}"#,
                Level::INFO,
                "pino",
                "hostname=h",
            ),
            (
                r#"{"name":"app","hostname":"h","pid":42,"level":60,"msg":"bunyan","time":"2026-11-22T04:48:23.5Z","v":0}"#,
                Level::CRITICAL,
                "bunyan",
                "hostname=h v=0",
            ),
            (
                r#"{"user":1,"event":"structlog","level":"error","timestamp":"2026-11-22T04:48:23.5Z"}"#,
                Level::ERROR,
                "structlog",
                "user=1",
            ),
            (
                r#"{"@t":"2026-11-22T04:48:23.5Z","@mt":"in: {Name}","@l":"Information","Name":"x"}"#,
                Level::INFO,
                "in: {Name}",
                "Name=x",
            ),
            (
                r#"{"@t":"2026-11-22T04:48:23.5Z","@mt":"{A}","@m":"serilog","@l":"Verbose","A":"serilog"}"#,
                Level::TRACE,
                "serilog",
                "@mt={A} A=serilog",
            ),
            (
                r#"{"@timestamp":"2026-11-22T04:48:23.5Z","log.level":"warn","message":"ecs"}"#,
                Level::WARNING,
                "ecs",
                "",
            ),
        ] {
            let received = decoded(line);
            assert_eq!((received.level, &*received.message), (level, message), "{line}");
            assert_eq!(received.time_ns, 1_795_322_903_500_000_000, "{line}");
            let fields = pairs(&received).into_iter().map(|(key, value)| format!("{key}={value}"));
            assert_eq!(fields.collect::<Vec<_>>().join(" "), kept, "{line}");
        }
    }

    #[test]
    fn numbers_of_levels_are_those_of_python_unless_all_says_otherwise() {
        for line in [
            r#"{"level":30,"time":1795322903500,"msg":"hi"}"#,
            r#"{"level":30,"time":1795322903500,"pid":42,"hostname":"h","message":"hi"}"#,
            r#"{"level":30,"time":1795322903500,"pid":42,"hostname":7,"msg":"hi"}"#,
            r#"{"levelno":30,"levelname":"WARNING","created":1.5,"process":4,"hostname":"h","msg":"hi"}"#,
        ] {
            assert_eq!(decoded(line).level, Level::WARNING, "{line}");
        }
        assert_eq!(&*decoded(r#"{"event":"click","user":1}"#).message, "");
    }

    #[test]
    fn unknown_keys_are_typed_fields_and_nested_ones_stay_text() {
        let line = concat!(
            r#"{"a":null,"b":true,"i":-7,"u":18446744073709551615,"big":18446744073709551616,"#,
            r#""f":1.0,"e":1e3,"over":1e999,"s":"\u00fc\n\u0000","o":{"x": [1, {}]},"l":[],"#,
            r#""fields":{"in":1,"message":"of tracing","deep":{"x":1}}}"#
        );
        let expected = [
            ("a", &Value::Null),
            ("b", &Value::Bool(true)),
            ("i", &Value::I64(-7)),
            ("u", &Value::U64(u64::MAX)),
            ("big", &Value::Str("18446744073709551616".into())),
            ("f", &Value::F64(1.0)),
            ("e", &Value::F64(1000.0)),
            ("over", &Value::Str("1e999".into())),
            ("s", &Value::Str("ü\n\0".into())),
            ("o", &Value::Str(r#"{"x": [1, {}]}"#.into())),
            ("l", &Value::Str("[]".into())),
            ("in", &Value::I64(1)),
            ("deep", &Value::Str(r#"{"x":1}"#.into())),
        ];
        let received = decoded(line);
        assert_eq!(pairs(&received), expected);
        assert_eq!((&*received.message, received.time_ns), ("of tracing", 7));
    }

    #[test]
    fn half_a_surrogate_is_replaced_in_keys_and_values() {
        let received = decoded(r#"{"\ud800k":"a\udc80b","pair":"\ud83e\udd80"}"#);
        let expected =
            [("\u{fffd}k", &Value::Str("a\u{fffd}b".into())), ("pair", &Value::Str("🦀".into()))];
        assert_eq!(pairs(&received), expected);
    }

    #[test]
    fn what_is_no_object_is_refused_by_its_reason() {
        for (line, reason) in [
            ("", DecodeError::CutShort),
            (r#"{"a":1"#, DecodeError::CutShort),
            (r#"{"a":1}}"#, DecodeError::Malformed),
            (r#"{"a":01}"#, DecodeError::Malformed),
            (r#"{a:1}"#, DecodeError::Malformed),
            ("[1]", DecodeError::NotARecord),
            ("7", DecodeError::NotARecord),
            ("plain text", DecodeError::Malformed),
        ] {
            assert_eq!(decode(line.as_bytes(), 0), Err(reason), "{line}");
        }
        assert_eq!(decode(b"{\"a\":\"\xff\"}", 0), Err(DecodeError::Malformed));
        assert_eq!(decode(&vec![b' '; MAX_FRAME_BYTES + 1], 0), Err(DecodeError::TooLong));
    }

    #[test]
    fn what_python_takes_for_json_is_read() {
        let line = concat!(
            "\u{feff}",
            r#"{"msg":"NaN, \"Infinity","a":NaN,"b": -Infinity , "c":[Infinity,"NaN"]}"#
        );
        let mut spare = Vec::new();
        let received = decode_lenient(line.as_bytes(), 0, &mut spare).unwrap();
        assert_eq!(&*received.message, "NaN, \"Infinity");
        let expected = [
            ("a", &Value::Str("NaN".into())),
            ("b", &Value::Str("-Infinity".into())),
            ("c", &Value::Str(r#"["Infinity","NaN"]"#.into())),
        ];
        assert_eq!(pairs(&received), expected);
        for line in [r#"{"a":NaN"#, r#"{"a":nan}"#, r#"{"a":+Infinity}"#, r#"NaN"#, "\\", r#"{"a\"#]
        {
            assert!(decode_lenient(line.as_bytes(), 0, &mut Vec::new()).is_err(), "{line}");
        }
    }

    #[test]
    fn nesting_is_not_followed() {
        let deep =
            format!("{{\"msg\":\"hi\",\"a\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
        let received = decoded(&deep);
        assert_eq!(&*received.message, "hi");
        assert!(received.fields[0].value.to_string().ends_with(" bytes]"));
    }

    #[test]
    fn json_lines_of_a_listener_can_be_received() {
        let mut record = Record::new(1_795_322_903_123_456_789, Level::new(35), "web", "a\n\0b");
        record.fields.push(Field { key: "user".into(), value: Value::I64(7) });
        record.file = Some("src/a.rs".into());
        record.line = Some(3);
        record.exception = Some("Traceback".into());
        (record.thread.id, record.thread.name) = (8, "main".into());
        let process = record.process.to_mut();
        (process.id, process.name) = (4711, "api-1".into());
        let mut line = Vec::new();
        JsonFormatter::new().format(&record, &mut line);
        let received = decode(&line, 0).unwrap();
        assert_eq!(received.time_ns, record.time_ns);
        assert_eq!((received.level, &received.level_name), (record.level, &None));
        assert_eq!((&received.logger, &received.message), (&record.logger, &record.message));
        assert_eq!((&received.file, received.line), (&record.file, record.line));
        assert_eq!(received.exception, record.exception);
        assert_eq!((received.process_id, received.thread_id), (Some(4711), Some(8)));
        assert_eq!(received.process_name.as_deref(), Some("api-1"));
        assert_eq!(received.thread_name.as_deref(), Some("main"));
        assert_eq!(pairs(&received)[0], ("user", &Value::I64(7)));
    }
}
