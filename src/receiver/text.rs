//! Text of received bytes: mended where it is no UTF-8, cut where it is long, and JSON for what is
//! nested.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;

use crate::Value;

/// What UTF-8 may begin with, and says nothing.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Room for the mark of a text that was cut.
pub(super) const MARK_BYTES: usize = 48;

/// The mark where nobody knows how long the text would have been.
const CUT_MARK: &str = "…[truncated]";

const REPLACEMENT: char = '\u{fffd}';

/// Bytes as text. What is no UTF-8 becomes U+FFFD; a surrogate becomes one, as Python has it in one
/// character.
pub(super) fn mended(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let (mut text, mut rest) = (String::with_capacity(bytes.len()), bytes);
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        rest = &rest[chunk.valid().len()..];
        if !rest.is_empty() {
            text.push(REPLACEMENT);
            rest = &rest[if is_surrogate(rest) { 3 } else { chunk.invalid().len() }..];
        }
    }
    Cow::Owned(text)
}

fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..])
}

/// The text, cut between two characters where it is longer than `max_bytes` with the mark.
pub(super) fn cut(text: Cow<'_, str>, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return text;
    }
    let kept = text.floor_char_boundary(max_bytes.saturating_sub(MARK_BYTES));
    Cow::Owned(format!("{}…[truncated {} bytes]", &text[..kept], text.len() - kept))
}

/// Bytes as Python prints them, `b'a\x00'`, in at most `room` bytes.
pub(super) fn bytes_literal(bytes: impl Iterator<Item = u8> + Clone, room: usize) -> String {
    let has = |quote: u8| bytes.clone().any(|byte| byte == quote);
    let quote = if has(b'\'') && !has(b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for byte in bytes {
        if text.len() > room.saturating_sub(MARK_BYTES) {
            return text + CUT_MARK;
        }
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' if char::from(byte) != quote => text.push(char::from(byte)),
            b'\'' => text.push_str("\\'"),
            _ => write!(text, "\\x{byte:02x}").expect("invariant: writing to memory works"),
        }
    }
    text.push(quote);
    text
}

/// JSON of a nested value, written piece by piece into limited room.
pub(super) struct JsonText {
    text: Vec<u8>,
    room: usize,
}

impl JsonText {
    /// Text of at most `room` bytes with the mark that it was cut.
    pub(super) fn new(room: usize) -> JsonText {
        JsonText { text: Vec::new(), room: room.saturating_sub(MARK_BYTES) }
    }

    /// Whether there is no room for more: what is written from now on is in vain.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() > self.room
    }

    /// Writes brackets, commas, numbers.
    pub(super) fn raw(&mut self, text: &str) {
        if !self.is_full() {
            self.text.extend_from_slice(text.as_bytes());
        }
    }

    /// Writes a string of bytes that should be UTF-8.
    pub(super) fn string(&mut self, text: &[u8]) {
        if !self.is_full() {
            // Of what is longer than the room, nothing but the beginning can be kept.
            let kept = text.len().min(self.room + 4 - self.text.len());
            self.json(mended(&text[..kept]));
        }
    }

    /// Writes a value. Numbers that JSON does not have are the strings `NaN`, `inf` and `-inf`.
    pub(super) fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::Str(text) => self.string(text.as_bytes()),
            Value::F64(number) if !number.is_finite() => self.string(value.to_string().as_bytes()),
            Value::F64(number) if !self.is_full() => self.json(number),
            _ => self.display(value),
        }
    }

    fn display(&mut self, value: &dyn fmt::Display) {
        if !self.is_full() {
            io::Write::write_fmt(&mut self.text, format_args!("{value}"))
                .expect("invariant: writing to memory works");
        }
    }

    fn json(&mut self, value: impl serde::Serialize) {
        serde_json::to_writer(&mut self.text, &value).expect("invariant: writing to memory works");
    }

    /// The text, cut where the room was too small.
    pub(super) fn end(self) -> String {
        let is_full = self.is_full();
        let mut text = String::from_utf8(self.text).expect("invariant: only text was written");
        if is_full {
            text.truncate(text.floor_char_boundary(self.room));
            text.push_str(CUT_MARK);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_becomes_one_replacement() {
        for (bytes, expected) in [
            (&b"ab"[..], "ab"),
            (b"a\xed\xb2\x80b", "a\u{fffd}b"),
            (b"\xed\xa0\x80\xed\xbf\xbf", "\u{fffd}\u{fffd}"),
            (b"\xed\xa0", "\u{fffd}\u{fffd}"),
            (b"\xff\0\xc3", "\u{fffd}\0\u{fffd}"),
        ] {
            assert_eq!(mended(bytes), expected);
        }
    }

    #[test]
    fn cut_text_says_so_within_its_limit() {
        assert_eq!(cut("é".repeat(50).into(), 100), "é".repeat(50));
        let text = cut("é".repeat(51).into(), 101);
        assert_eq!(text, format!("{}…[truncated 50 bytes]", "é".repeat(26)));
    }

    #[test]
    fn bytes_are_printed_as_by_python() {
        for (bytes, expected) in [
            (&b""[..], "b''"),
            (b"a'b", "b\"a'b\""),
            (b"'\"", "b'\\'\"'"),
            (b"\t\n\r\\\0\x7f\xff~", "b'\\t\\n\\r\\\\\\x00\\x7f\\xff~'"),
        ] {
            assert_eq!(bytes_literal(bytes.iter().copied(), 100), expected);
        }
        let cut = bytes_literal(vec![0; 1000].into_iter(), 100);
        assert!(cut.len() <= 100 && cut.ends_with("\\x00…[truncated]"), "{cut}");
    }

    #[test]
    fn json_stays_within_its_room() {
        for room in MARK_BYTES..MARK_BYTES + 40 {
            let mut json = JsonText::new(room);
            json.raw("[");
            json.string("\u{1}é\u{1}é".as_bytes());
            json.raw(",");
            json.value(&Value::F64(1.0));
            json.raw("]");
            let text = json.end();
            assert!(text.len() <= room, "{room}: {text}");
            assert!(
                text.ends_with("…[truncated]") || text == r#"["\u0001é\u0001é",1.0]"#,
                "{text}"
            );
        }
    }
}
