//! Colours records by level, and shows what was searched for.

use std::ops::Range;

use logboom::Level;
use logboom::handler::Color;

const REVERSE: &[u8] = b"\x1b[7m";
const NO_REVERSE: &[u8] = b"\x1b[27m";

/// Appends `text` in the colour of its level, with the parts in `found` reversed. Colour ends before each
/// newline, so that it never reaches the next line.
pub(crate) fn paint(level: Option<Level>, text: &[u8], found: &[Range<usize>], out: &mut Vec<u8>) {
    let color = level.and_then(Color::of);
    let mut start = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.len();
        let text_end = end - usize::from(line.ends_with(b"\n"));
        out.extend_from_slice(color.unwrap_or_default());
        let mut at = start;
        for part in found {
            let part = part.start.clamp(at, text_end)..part.end.clamp(at, text_end);
            if !part.is_empty() {
                out.extend_from_slice(&text[at..part.start]);
                out.extend_from_slice(REVERSE);
                out.extend_from_slice(&text[part.clone()]);
                out.extend_from_slice(NO_REVERSE);
                at = part.end;
            }
        }
        out.extend_from_slice(&text[at..text_end]);
        out.extend_from_slice(if color.is_some() { Color::END } else { b"" });
        out.extend_from_slice(&text[text_end..end]);
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(level: Level, text: &str, found: &[Range<usize>]) -> String {
        let mut out = Vec::new();
        paint(Some(level), text.as_bytes(), found, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn neither_colour_nor_what_was_found_reaches_over_a_newline() {
        let text = painted(Level::ERROR, "failed\n\tcause\n", &[4..9, 12..14]);
        let expected = concat!(
            "\x1b[31mfail\x1b[7med\x1b[27m\x1b[0m\n",
            "\x1b[31m\x1b[7m\tc\x1b[27maus\x1b[7me\x1b[27m\x1b[0m\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn plain_levels_have_no_colour_and_all_that_was_found_is_shown() {
        assert_eq!(painted(Level::INFO, "a b a\n", &[]), "a b a\n");
        let text = painted(Level::INFO, "a b a", &[0..1, 4..5]);
        assert_eq!(text, "\x1b[7ma\x1b[27m b \x1b[7ma\x1b[27m");
    }
}
