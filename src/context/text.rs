//! A context as text. Pure.

use std::fmt::{self, Write};

use super::{ContextError, MAX_BYTES, MAX_FIELDS};
use crate::{Field, Value};

/// Bytes of one field and the comma behind it.
pub(super) fn field_bytes(field: &Field<'_>) -> usize {
    format!("{},", FieldText(field)).len()
}

pub(super) fn write(fields: &[Field<'_>], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, field) in fields.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write!(f, "{comma}{}", FieldText(field))?;
    }
    Ok(())
}

struct FieldText<'a>(&'a Field<'a>);

impl fmt::Display for FieldText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Field { key, value } = self.0;
        write_word(key, key.is_empty() || key.contains('='), f)?;
        f.write_char('=')?;
        match value {
            Value::Str(text) => write_word(text, !matches!(typed(text), Value::Str(_)), f),
            other => f.write_str(&bare(other)),
        }
    }
}

fn write_word(word: &str, is_ambiguous: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !is_ambiguous && word.trim() == word && !word.contains(needs_quotes) {
        return f.write_str(word);
    }
    f.write_char('"')?;
    for c in word.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            c if c.is_control() => write!(f, "{}", c.escape_unicode())?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn needs_quotes(c: char) -> bool {
    matches!(c, ',' | '"' | '\\') || c.is_control()
}

/// The text of what is no text.
fn bare(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        // Debug keeps the point of 1.0.
        Value::F64(value) => format!("{value:?}"),
        Value::Str(text) => text.to_string(),
    }
}

/// The value of a word without quotes: of another type than text only if that is written in just
/// this way, so that neither a build `007` nor a commit `12e4567` changes.
fn typed(word: &str) -> Value<'static> {
    let candidates = [
        (word == "null").then_some(Value::Null),
        word.parse().ok().map(Value::Bool),
        word.parse().ok().map(Value::I64),
        word.parse().ok().map(Value::U64),
        word.parse().ok().map(Value::F64),
    ];
    let found = candidates.into_iter().flatten().find(|value| bare(value) == word);
    found.unwrap_or_else(|| Value::Str(word.to_owned().into()))
}

pub(super) fn parse(text: &str) -> Result<Vec<Field<'static>>, ContextError> {
    if text.len() > MAX_BYTES {
        return Err(ContextError::TooLong { bytes: text.len() });
    }
    let mut parser = Parser { text, rest: text.trim_start() };
    let mut fields = Vec::new();
    while !parser.rest.is_empty() {
        if fields.len() == MAX_FIELDS {
            return Err(ContextError::TooMany);
        }
        fields.push(parser.field()?);
        if !parser.rest.is_empty() {
            parser.expect(',', "a comma or the end")?;
            if parser.rest.is_empty() {
                return Err(parser.error("a field"));
            }
        }
    }
    Ok(fields)
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
}

enum Word {
    Bare(String),
    Quoted(String),
}

impl Parser<'_> {
    fn field(&mut self) -> Result<Field<'static>, ContextError> {
        let key = match self.word(&['=', ','])? {
            Word::Bare(key) if key.is_empty() => return Err(self.error("a key")),
            Word::Bare(key) | Word::Quoted(key) => key.into(),
        };
        self.expect('=', "an equals sign")?;
        let value = match self.word(&[','])? {
            Word::Bare(word) => typed(&word),
            Word::Quoted(text) => Value::Str(text.into()),
        };
        Ok(Field { key, value })
    }

    /// Takes a word in quotes, or one that ends before any of `ends`, and the spaces after it.
    fn word(&mut self, ends: &[char]) -> Result<Word, ContextError> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            self.rest = quoted;
            return self.quoted().map(Word::Quoted);
        }
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let word = self.rest[..end].trim_end();
        if let Some(at) = word.find(needs_quotes) {
            self.rest = &self.rest[at..];
            return Err(self.error("a word in quotes"));
        }
        let word = word.to_owned();
        self.rest = &self.rest[end..];
        Ok(Word::Bare(word))
    }

    fn quoted(&mut self) -> Result<String, ContextError> {
        let mut word = String::new();
        loop {
            let mut chars = self.rest.chars();
            let next = chars.next().ok_or_else(|| self.error("a closing quote"))?;
            self.rest = chars.as_str();
            match next {
                '"' => break,
                '\\' => word.push(self.escaped()?),
                c => word.push(c),
            }
        }
        self.rest = self.rest.trim_start();
        Ok(word)
    }

    /// Takes what follows a backslash.
    fn escaped(&mut self) -> Result<char, ContextError> {
        for (escape, c) in [("\"", '"'), ("\\", '\\'), ("n", '\n')] {
            if let Some(rest) = self.rest.strip_prefix(escape) {
                self.rest = rest;
                return Ok(c);
            }
        }
        let braced = self.rest.strip_prefix("u{").and_then(|rest| rest.split_once('}'));
        let number = braced.and_then(|(digits, _)| u32::from_str_radix(digits, 16).ok());
        let (Some((_, rest)), Some(c)) = (braced, number.and_then(char::from_u32)) else {
            return Err(self.error("one of the escapes \\\" \\\\ \\n \\u{…}"));
        };
        self.rest = rest;
        Ok(c)
    }

    fn expect(&mut self, sign: char, expected: &'static str) -> Result<(), ContextError> {
        let rest = self.rest.strip_prefix(sign).ok_or_else(|| self.error(expected))?;
        self.rest = rest.trim_start();
        Ok(())
    }

    fn error(&self, expected: &'static str) -> ContextError {
        ContextError::Syntax { at: self.text.len() - self.rest.len(), expected }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Context;

    fn read(text: &str) -> Vec<(String, Value<'static>)> {
        let context: Context = text.parse().expect(text);
        context.fields().iter().map(|f| (f.key.to_string(), f.value.clone())).collect()
    }

    #[test]
    fn what_is_written_like_a_number_is_one_and_nothing_else() {
        for (text, expected) in [
            ("17", Value::I64(17)),
            ("-3", Value::I64(-3)),
            ("18446744073709551615", Value::U64(u64::MAX)),
            ("1.5", Value::F64(1.5)),
            ("true", Value::Bool(true)),
            ("null", Value::Null),
            ("", Value::Str("".into())),
            ("007", Value::Str("007".into())),
            ("+1", Value::Str("+1".into())),
            ("12e4567", Value::Str("12e4567".into())),
            ("1.50", Value::Str("1.50".into())),
            ("\"17\"", Value::Str("17".into())),
            ("True", Value::Str("True".into())),
            ("a=b c", Value::Str("a=b c".into())),
            (r#""a, b\\\"\n\u{1b}""#, Value::Str("a, b\\\"\n\u{1b}".into())),
        ] {
            let line = format!("k={text}");
            assert_eq!(read(&line), [("k".to_owned(), expected.clone())]);
            let context = Context::new([("k", expected)]);
            assert_eq!(context.to_string(), line, "not written as it was read");
        }
    }

    #[test]
    fn spaces_around_words_do_not_count() {
        let text = read(" a = 1 , \"b c\" = x y ,d=");
        let text: Vec<_> =
            text.iter().map(|(key, value)| format!("{key}:{}", bare(value))).collect();
        assert_eq!(text, ["a:1", "b c:x y", "d:"]);
        assert_eq!(read("  "), []);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        for (text, at, expected) in [
            ("a", 1, "an equals sign"),
            ("a=1,", 4, "a field"),
            ("a=1,,b=2", 4, "a key"),
            ("=1", 0, "a key"),
            ("a=b\"c", 3, "a word in quotes"),
            ("a=\u{7}", 2, "a word in quotes"),
            ("a=\"b", 4, "a closing quote"),
            ("a=\"b\" c", 6, "a comma or the end"),
            ("a=\"\\x\"", 4, "one of the escapes \\\" \\\\ \\n \\u{…}"),
            ("a=\"\\u{d800}\"", 4, "one of the escapes \\\" \\\\ \\n \\u{…}"),
        ] {
            assert_eq!(parse(text), Err(ContextError::Syntax { at, expected }), "{text}");
        }
        let many = vec!["a=1"; MAX_FIELDS + 1].join(",");
        assert_eq!(parse(&many), Err(ContextError::TooMany));
        let long = format!("a={}", "x".repeat(MAX_BYTES));
        assert_eq!(parse(&long), Err(ContextError::TooLong { bytes: MAX_BYTES + 2 }));
    }

    fn value() -> impl Strategy<Value = Value<'static>> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::I64),
            (i64::MAX as u64 + 1..).prop_map(Value::U64),
            any::<f64>().prop_filter("equal to itself", |n| !n.is_nan()).prop_map(Value::F64),
            ".{0,12}".prop_map(|text| Value::Str(text.into())),
            "[0-9e.+-]{0,6}|null|true|inf|NaN".prop_map(|text| Value::Str(text.into())),
        ]
    }

    proptest! {
        #[test]
        fn every_context_is_read_as_it_was_written(
            fields in prop::collection::vec((".{0,8}", value()), 0..6),
        ) {
            let context = Context::new(fields);
            prop_assert_eq!(context.to_string().parse(), Ok(context));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}|[a=,\"\\\\u{}n1 ]{0,40}") {
            let _ = parse(&text);
        }
    }
}
