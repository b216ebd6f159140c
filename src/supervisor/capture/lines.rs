//! Cuts the output of a program into lines. Pure: gets bytes, gives text.

use std::borrow::Cow;
use std::fmt::Write;

/// A longer line is cut into pieces of at most this size; a record holds twice as much.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// A line of the largest size is recognised by what follows: at most a carriage return and a
/// line feed.
const WINDOW_BYTES: usize = MAX_LINE_BYTES + 2;

/// Cuts what a program prints into lines of text, as records of it are made.
///
/// It holds what has come and is no whole line yet: never more than one line and one read.
///
/// ```
/// use logboom::supervisor::Lines;
///
/// let (mut lines, mut taken) = (Lines::default(), Vec::new());
/// lines.add(b"one\r\ntw", |line| taken.push(line.to_owned()));
/// lines.end(|line| taken.push(line.to_owned()));
/// assert_eq!(taken, ["one", "tw"]);
/// ```
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Adds what was read and gives each line that is now whole to `take`, without its line end
    /// (LF or CR LF). A line of more than [`MAX_LINE_BYTES`] comes in pieces; what is no UTF-8 is
    /// shown as `\xNN`.
    pub fn add(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        self.bytes.extend_from_slice(bytes);
        let mut rest = self.bytes.as_slice();
        while let Some((line, used)) = next_line(rest) {
            give(line, &mut take);
            rest = &rest[used..];
        }
        let used = self.bytes.len() - rest.len();
        self.bytes.drain(..used);
    }

    /// The stream has ended: what follows the last line end is a line too.
    pub fn end(&mut self, take: impl FnMut(&str)) {
        if !self.bytes.is_empty() {
            self.add(b"\n", take);
        }
    }
}

/// The first line in `bytes` and how many bytes it uses; `None` until it is whole or too long.
fn next_line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let window = &bytes[..bytes.len().min(WINDOW_BYTES)];
    if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
        let line = window[..end].strip_suffix(b"\r").unwrap_or(&window[..end]);
        if line.len() <= MAX_LINE_BYTES {
            return Some((line, end + 1));
        }
    } else if window.len() < WINDOW_BYTES {
        return None;
    }
    let end = character_boundary(window);
    Some((&window[..end], end))
}

/// Where a line that is too long is cut: at the limit, or before the character that crosses it.
fn character_boundary(bytes: &[u8]) -> usize {
    let continues = |at: &usize| bytes[*at] & 0b1100_0000 == 0b1000_0000;
    let within = MAX_LINE_BYTES - 3..=MAX_LINE_BYTES;
    within.rev().find(|at| !continues(at)).unwrap_or(MAX_LINE_BYTES)
}

/// Gives a line as text, in pieces where making all of it visible has made it too long.
fn give(line: &[u8], take: &mut impl FnMut(&str)) {
    let text = visible(line);
    let mut rest = &*text;
    while rest.len() > MAX_LINE_BYTES {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(MAX_LINE_BYTES));
        take(piece);
        rest = more;
    }
    take(rest);
}

/// The bytes as text, with `\xNN` for each that belongs to no character.
fn visible(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("invariant: writing to memory does not fail");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `input`, read in pieces of `step` bytes.
    fn lines_by(step: usize, input: &[u8]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut taken = Vec::new();
        for piece in input.chunks(step) {
            lines.add(piece, |line| taken.push(line.to_owned()));
        }
        lines.end(|line| taken.push(line.to_owned()));
        taken
    }

    #[test]
    fn lines_are_the_same_however_they_are_read() {
        let input = "one\n\ntwo\r\nth\rree\nä€😀\nno end".as_bytes();
        let expected = ["one", "", "two", "th\rree", "ä€😀", "no end"];
        for step in 1..=input.len() {
            assert_eq!(lines_by(step, input), expected, "{step}");
        }
    }

    #[test]
    fn a_stream_that_ends_with_a_line_end_has_no_line_after_it() {
        assert_eq!(lines_by(9, b"one\n"), ["one"]);
        assert!(lines_by(9, b"").is_empty());
    }

    #[test]
    fn bytes_of_no_character_stay_visible() {
        assert_eq!(lines_by(9, b"a\xff\xfeb\xe2\x82"), ["a\\xff\\xfeb\\xe2\\x82"]);
    }

    #[test]
    fn only_a_line_over_the_limit_is_cut() {
        for end in ["", "\n", "\r\n"] {
            let whole = "x".repeat(MAX_LINE_BYTES);
            assert_eq!(lines_by(4096, (whole.clone() + end).as_bytes()), [&*whole], "{end:?}");
            let input = format!("{whole}y{end}z");
            let rest = if end.is_empty() { &["yz"][..] } else { &["y", "z"] };
            assert_eq!(lines_by(4096, input.as_bytes())[1..], *rest, "{end:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        for character in ["é", "€", "😀"] {
            let long = character.repeat(MAX_LINE_BYTES);
            let pieces = lines_by(5000, format!("a{long}").as_bytes());
            assert!(pieces.iter().all(|piece| piece.len() <= MAX_LINE_BYTES), "{character}");
            assert_eq!(pieces.concat(), format!("a{long}"));
        }
    }

    #[test]
    fn what_gets_too_long_by_being_made_visible_is_cut_too() {
        let pieces = lines_by(MAX_LINE_BYTES, &[0xff; MAX_LINE_BYTES]);
        assert_eq!(pieces.len(), 4);
        assert_eq!(pieces.concat(), "\\xff".repeat(MAX_LINE_BYTES));
    }
}
