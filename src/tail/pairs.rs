//! `key=value other="quoted value"`: lines of logfmt, and the fields at the end of lines of text.

use std::borrow::Cow;

use crate::{Field, Value};

/// A word, bare or in quotes, and how long it is with them.
struct Word<'l> {
    text: &'l str,
    is_quoted: bool,
    bytes: usize,
}

/// The pairs of a whole line; what is no pair is passed over.
pub(super) fn pairs(line: &str) -> impl Iterator<Item = Field<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(' ');
            if rest.is_empty() {
                return None;
            }
            if let Some((key, value, bytes)) = pair_at(rest) {
                rest = &rest[bytes..];
                return Some(field(&key, &value));
            }
            rest = &rest[rest.find(' ').unwrap_or(rest.len())..];
        }
    })
}

/// Where the pairs begin that a line ends in, with the space before them; its end if there are none.
pub(super) fn start_of_last_pairs(line: &str) -> usize {
    let (mut start, mut at) = (None, 0);
    while let Some(space) = line[at..].find(' ').map(|found| at + found) {
        at = space + 1;
        match pair_at(&line[at..]) {
            Some((_, _, bytes)) => {
                start.get_or_insert(space);
                at += bytes;
            }
            None => start = None,
        }
    }
    start.filter(|_| at == line.len()).unwrap_or(line.len())
}

fn field<'l>(key: &Word<'l>, value: &Word<'l>) -> Field<'l> {
    let key = key.unescaped();
    let value = if value.is_quoted { Value::Str(value.unescaped()) } else { bare(value.text) };
    Field { key, value }
}

/// The value that a bare word stands for.
pub(super) fn bare(word: &str) -> Value<'_> {
    match word {
        "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    // Rust reads more as numbers than is printed as such: `+7`, `nan`, `infinity`.
    if !word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return Value::Str(word.into());
    }
    let whole = word.parse().map(Value::I64).or_else(|_| word.parse().map(Value::U64));
    match (whole, word.parse()) {
        (Ok(number), _) => number,
        (_, Ok(number)) if f64::is_finite(number) => Value::F64(number),
        _ => Value::Str(word.into()),
    }
}

/// The pair at the beginning of `text`, and how long it is; a space or nothing follows.
fn pair_at(text: &str) -> Option<(Word<'_>, Word<'_>, usize)> {
    let key = word_at(text, &['=', ' ', '"'])?;
    let behind = text[key.bytes..].strip_prefix('=')?;
    let value = word_at(behind, &[' '])?;
    let bytes = key.bytes + 1 + value.bytes;
    let is_ended = matches!(text.as_bytes().get(bytes), None | Some(b' '));
    (is_ended && key.bytes > 0).then_some((key, value, bytes))
}

fn word_at<'l>(text: &'l str, ends: &[char]) -> Option<Word<'l>> {
    let Some(quoted) = text.strip_prefix('"') else {
        let bytes = text.find(ends).unwrap_or(text.len());
        return Some(Word { text: &text[..bytes], is_quoted: false, bytes });
    };
    let mut is_escaped = false;
    let end = quoted.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    Some(Word { text: &quoted[..end], is_quoted: true, bytes: end + 2 })
}

impl<'l> Word<'l> {
    fn unescaped(&self) -> Cow<'l, str> {
        if self.is_quoted { unescaped(self.text) } else { self.text.into() }
    }
}

/// Text whose escapes are those of JSON or of Python; what is neither stays as it is.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let (c, bytes) = escape_at(escape);
        plain.push(c);
        rest = &escape[bytes..];
    }
    plain.push_str(rest);
    plain.into()
}

/// The character that an escape without its backslash stands for, and how long it is.
fn escape_at(escape: &str) -> (char, usize) {
    let code = |digits: usize| {
        let number = u32::from_str_radix(escape.get(1..1 + digits)?, 16).ok()?;
        Some((char::from_u32(number)?, 1 + digits))
    };
    let known = match escape.bytes().next() {
        Some(b'n') => Some(('\n', 1)),
        Some(b'r') => Some(('\r', 1)),
        Some(b't') => Some(('\t', 1)),
        Some(sign @ (b'"' | b'\\')) => Some((char::from(sign), 1)),
        Some(b'x') => code(2),
        Some(b'u') => code(4),
        _ => None,
    };
    known.unwrap_or(('\\', 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatter::{Formatter, LogfmtFormatter, PatternFormatter};
    use crate::{Level, Record};

    fn values() -> Vec<Value<'static>> {
        let texts =
            ["", "plain", "two words", "a=b", "say \"hi\"", "\\", "\n\t\u{1b}\u{2028}", "日"];
        let numbers = [Value::I64(-7), Value::U64(u64::MAX), Value::F64(1.5), Value::F64(1e300)];
        let others = [Value::Null, Value::Bool(true)];
        texts.map(|text| Value::Str(text.into())).into_iter().chain(numbers).chain(others).collect()
    }

    #[test]
    fn fields_of_text_are_found_behind_any_message() {
        let mut formatter = PatternFormatter::new("%(message)s%(fields)s").expect("a pattern");
        for message in ["started", "x is = 3", "quoted \"a b\" and", "", "it's 1=1 true", "open \""]
        {
            let mut record = Record::new(0, Level::INFO, "", message);
            let field = |(at, value)| Field { key: format!("k{at}").into(), value };
            record.fields = values().into_iter().enumerate().map(field).collect();
            let mut line = Vec::new();
            formatter.format(&record, &mut line);
            let line = String::from_utf8(line).expect("text");
            let start = start_of_last_pairs(&line);
            assert_eq!(&line[..start], message, "{line}");
            assert_eq!(pairs(&line[start..]).collect::<Vec<_>>(), record.fields, "{line}");
        }
    }

    #[test]
    fn what_logfmt_prints_is_read_back() {
        for value in values().into_iter().chain([Value::Str("7".into()), Value::Str("null".into())])
        {
            let mut record = Record::new(0, Level::INFO, "web", "a \"message\"");
            record.fields = vec![Field { key: "k".into(), value }];
            let mut line = Vec::new();
            LogfmtFormatter::new().format(&record, &mut line);
            let line = String::from_utf8(line).expect("text");
            let found: Vec<_> = pairs(&line).collect();
            assert_eq!(found[2].value, Value::Str("web".into()), "{line}");
            assert_eq!(found[3].value, Value::Str("a \"message\"".into()), "{line}");
            assert_eq!(found[4..], record.fields, "{line}");
        }
    }

    #[test]
    fn words_that_are_no_pairs_are_passed_over() {
        let keys = |line| pairs(line).map(|field| field.key.into_owned()).collect::<Vec<_>>();
        assert_eq!(keys("a=1 b c= =d \"e\" f=\"g h=2"), ["a", "c", "h"]);
        for line in ["plain text", "a=1 then", "=x", "x =1", "", " ", "a=1"] {
            assert_eq!(start_of_last_pairs(line), line.len(), "{line}");
        }
    }
}
