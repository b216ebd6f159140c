//! Key-value pairs in the manner of logfmt: ` key=value other="quoted value"`.

use std::collections::HashMap;
use std::io::Write;

use super::Multiline;
use super::escape::{is_control, push_quoted};
use crate::{Field, Record, Span, Value};

/// Lists longer than this are compared through a table, so that a hostile one costs linear time.
const PAIRWISE_FIELDS: usize = 16;

/// Appends the fields of the spans, root first, and of the call, each after a space.
///
/// Of fields with the same key only the innermost is printed.
pub(super) fn push_fields(record: &Record<'_>, multiline: Multiline, out: &mut Vec<u8>) {
    if record.fields.is_empty() && record.spans.is_empty() {
        return;
    }
    for field in visible(&record.spans, &record.fields) {
        push_field(field, multiline, out);
    }
}

/// Appends the context of the process in the same way.
pub(super) fn push_context(record: &Record<'_>, multiline: Multiline, out: &mut Vec<u8>) {
    for field in last_of_each_key(record.process.context.iter()) {
        push_field(field, multiline, out);
    }
}

fn push_field(field: &Field<'_>, multiline: Multiline, out: &mut Vec<u8>) {
    out.push(b' ');
    push_word(&field.key, multiline, out);
    out.push(b'=');
    push_value(&field.value, multiline, out);
}

/// The fields of the spans, root first, and of the call; of those with the same key the innermost.
pub(super) fn visible<'r, 'a: 'r>(
    spans: &'r [Span<'a>],
    fields: &'r [Field<'a>],
) -> impl Iterator<Item = &'r Field<'a>> {
    last_of_each_key(spans.iter().flat_map(|span| &span.fields).chain(fields))
}

/// The fields in their order, without those whose key comes again.
pub(super) fn last_of_each_key<'r, 'a: 'r>(
    fields: impl Iterator<Item = &'r Field<'a>> + Clone,
) -> impl Iterator<Item = &'r Field<'a>> {
    let last_place = (fields.clone().count() > PAIRWISE_FIELDS).then(|| {
        fields.clone().enumerate().map(|(at, field)| (&*field.key, at)).collect::<HashMap<_, _>>()
    });
    let all = fields.clone();
    let is_last = move |at: usize, field: &Field<'_>| match &last_place {
        Some(places) => places.get(&*field.key) == Some(&at),
        None => all.clone().skip(at + 1).all(|later| later.key != field.key),
    };
    fields.enumerate().filter(move |(at, field)| is_last(*at, field)).map(|(_, field)| field)
}

fn push_value(value: &Value<'_>, multiline: Multiline, out: &mut Vec<u8>) {
    match value {
        Value::Str(value) => push_word(value, multiline, out),
        value => write!(out, "{value}").expect("invariant: writing to memory does not fail"),
    }
}

fn push_word(word: &str, multiline: Multiline, out: &mut Vec<u8>) {
    if word.is_empty() || word.contains(is_special) {
        push_quoted(word, multiline, out);
    } else {
        out.extend_from_slice(word.as_bytes());
    }
}

/// Whether `c` cannot stand in a word without quotes.
pub(super) fn is_special(c: char) -> bool {
    matches!(c, '=' | '"' | '\\') || c.is_whitespace() || is_control(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Span};

    fn field<'a>(key: &'a str, value: Value<'a>) -> Field<'a> {
        Field { key: key.into(), value }
    }

    fn text(record: &Record<'_>, multiline: Multiline) -> String {
        let mut out = Vec::new();
        push_fields(record, multiline, &mut out);
        String::from_utf8(out).expect("fields are UTF-8")
    }

    fn record(fields: Vec<Field<'_>>) -> Record<'_> {
        Record { fields, ..Record::new(0, Level::INFO, "", "") }
    }

    #[test]
    fn a_record_without_fields_adds_nothing() {
        assert_eq!(text(&record(vec![]), Multiline::Mark), "");
    }

    #[test]
    fn every_type_of_value_has_its_text() {
        let fields = vec![
            field("null", Value::Null),
            field("bool", Value::Bool(true)),
            field("int", Value::I64(-1)),
            field("big", Value::U64(u64::MAX)),
            field("one", Value::F64(1.0)),
            field("huge", Value::F64(1e300)),
            field("nan", Value::F64(f64::NAN)),
            field("str", Value::Str("a/b".into())),
        ];
        let expected = " null=null bool=true int=-1 big=18446744073709551615 one=1.0 huge=1e300 \
                        nan=NaN str=a/b";
        assert_eq!(text(&record(fields), Multiline::Mark), expected);
    }

    #[test]
    fn words_that_would_be_read_otherwise_are_quoted() {
        for (word, expected) in [
            ("", r#""""#),
            ("two words", r#""two words""#),
            ("a=b", r#""a=b""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r"C:\dir", r#""C:\\dir""#),
            ("a\nb\x1b", r#""a\nb\x1b""#),
            ("no\u{a0}break", "\"no\u{a0}break\""),
            ("naïve", "naïve"),
        ] {
            for multiline in [Multiline::Mark, Multiline::Escape] {
                let fields = vec![field(word, Value::Str(word.into()))];
                assert_eq!(text(&record(fields), multiline), format!(" {expected}={expected}"));
            }
        }
        let raw = record(vec![field("k", Value::Str("a\n\"".into()))]);
        assert_eq!(text(&raw, Multiline::Raw), " k=\"a\n\\\"\"");
    }

    #[test]
    fn inner_fields_shadow_outer_ones() {
        let span = |value| Span {
            name: "s".into(),
            fields: vec![field("id", Value::I64(value)), field("only", Value::I64(value))],
        };
        let spans = vec![span(1), span(2)];
        let record = Record { spans, ..record(vec![field("id", Value::I64(3))]) };
        assert_eq!(text(&record, Multiline::Mark), " only=2 id=3");
    }

    #[test]
    fn short_and_long_lists_are_shadowed_alike() {
        for length in [PAIRWISE_FIELDS, PAIRWISE_FIELDS + 1, 1000] {
            let keys: Vec<_> = (0..length).map(|at| format!("k{}", at % 7)).collect();
            let value = |at: usize| Value::U64(at as u64);
            let list = keys.iter().enumerate().map(|(at, key)| field(key, value(at))).collect();
            let expected: String =
                (length - 7..length).map(|at| format!(" k{}={at}", at % 7)).collect();
            assert_eq!(text(&record(list), Multiline::Mark), expected);
        }
    }
}
