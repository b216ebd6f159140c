//! Text that cannot harm the file or the terminal it is printed on.
//!
//! A control character prints as an escape of Python's string literals: `\x1b`, `\u2028`; a
//! newline prints as `\n` where it may not break the line.

use std::io::Write;

/// What a pattern does with line breaks and control characters in the text of a record.
///
/// Control characters are C0 except the tab, DEL, C1, and the separators U+2028 and U+2029. Line
/// breaks stay possible in the message and the exception only; in names, keys and values a newline
/// is escaped as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Multiline {
    /// Further lines of a record begin with a TAB, its first line never does, so that nobody can
    /// forge the beginning of a record. `\r\n` counts as a newline, a lone `\r` is escaped.
    #[default]
    Mark,
    /// A record is one line: newlines are escaped too, and a backslash is doubled, so that the
    /// text can be read back. Only a newline of the pattern itself still breaks the line.
    Escape,
    /// Everything as it is, as Python does it. Records can forge others and drive a terminal.
    Raw,
}

/// Appends text that may have several lines.
#[inline]
pub(super) fn push_lines(text: &str, multiline: Multiline, out: &mut Vec<u8>) {
    if multiline != Multiline::Mark {
        return push_line(text, multiline, out);
    }
    push_marked(text, out);
}

fn push_marked(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((line, further)) = rest.split_once('\n') {
        push_escaped(line.strip_suffix('\r').unwrap_or(line), is_control, out);
        out.push(b'\n');
        rest = further;
    }
    push_escaped(rest, is_control, out);
}

/// Appends text that must stay on its line.
#[inline]
pub(super) fn push_line(text: &str, multiline: Multiline, out: &mut Vec<u8>) {
    match multiline {
        Multiline::Mark => push_escaped(text, is_control, out),
        Multiline::Escape => push_escaped(text, |c| c == '\\' || is_control(c), out),
        Multiline::Raw => out.extend_from_slice(text.as_bytes()),
    }
}

/// Appends text that may have several lines, with its colours: of control characters the ANSI sequences
/// of colours (SGR) pass, which at most change how the text looks. They end with it.
pub(super) fn push_styled(text: &str, multiline: Multiline, out: &mut Vec<u8>) {
    let (mut rest, mut has_style) = (text, false);
    while let Some((at, bytes)) = find_style(rest) {
        push_lines(&rest[..at], multiline, out);
        out.extend_from_slice(&rest.as_bytes()[at..at + bytes]);
        rest = &rest[at + bytes..];
        has_style = true;
    }
    push_lines(rest, multiline, out);
    if has_style {
        out.extend_from_slice(STYLE_END);
    }
}

/// Where the first sequence of a colour begins, and how long it is.
fn find_style(text: &str) -> Option<(usize, usize)> {
    text.match_indices(STYLE_BEGIN).find_map(|(at, begin)| {
        let rest = &text.as_bytes()[at + begin.len()..];
        let is_parameter = |byte: &u8| matches!(byte, b'0'..=b'9' | b';' | b':');
        let parameters = rest.iter().take_while(|byte| is_parameter(byte)).count();
        (rest.get(parameters) == Some(&b'm')).then_some((at, begin.len() + parameters + 1))
    })
}

const STYLE_BEGIN: &str = "\x1b[";
const STYLE_END: &[u8] = b"\x1b[0m";

/// Appends text between double quotes; quotes and backslashes in it are escaped in every mode.
pub(super) fn push_quoted(text: &str, multiline: Multiline, out: &mut Vec<u8>) {
    let is_syntax = |c| matches!(c, '"' | '\\');
    out.push(b'"');
    match multiline {
        Multiline::Raw => push_escaped(text, is_syntax, out),
        _ => push_escaped(text, |c| is_syntax(c) || is_control(c), out),
    }
    out.push(b'"');
}

/// Keeps the promise of [`Multiline::Mark`] for the record that begins at `start`, whichever part
/// of it a newline or a TAB came from.
pub(super) fn mark_lines(start: usize, out: &mut Vec<u8>) {
    if out.get(start) == Some(&b'\t') {
        out.splice(start..=start, *b"\\x09");
    }
    if !out[start..].contains(&b'\n') {
        return;
    }
    let newlines = out[start..].iter().filter(|byte| **byte == b'\n').count();
    let mut from = out.len();
    let mut to = from + newlines;
    out.resize(to, 0);
    while from < to {
        from -= 1;
        to -= 1;
        if out[from] == b'\n' {
            out[to] = b'\t';
            to -= 1;
        }
        out[to] = out[from];
    }
}

/// What one instruction looks at.
const VECTOR_BYTES: usize = 16;

/// Whether `line` is the same in [`Multiline::Mark`] as in [`Multiline::Raw`]. May say no where it is,
/// never yes where it is not.
pub(super) fn is_plain(line: &[u8]) -> bool {
    is_printable_ascii(line) || !line.starts_with(b"\t") && !may_have_control(line)
}

/// Without an early end these loops, and the next, compile to vector code. The last bytes are looked
/// at with some of those before them, because a vector's worth of single bytes takes longer.
fn is_printable_ascii(line: &[u8]) -> bool {
    let all = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
    let Some(last) = line.last_chunk::<VECTOR_BYTES>() else { return all(line) };
    let (chunks, _) = line.as_chunks::<VECTOR_BYTES>();
    chunks.iter().fold(true, |is_plain, chunk| is_plain & all(chunk)) & all(last)
}

/// Whether a byte is a control character or may begin one: of those beyond ASCII, the first byte is
/// 0xc2 for C1 and 0xe2 for U+2028 and U+2029.
fn may_have_control(line: &[u8]) -> bool {
    line.iter().fold(false, |any, byte| {
        any | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f) | (byte & 0xdf == 0xc2)
    })
}

/// Whether `c` could break a line or drive a terminal.
pub(super) fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0a'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

fn push_escaped(text: &str, is_special: impl Fn(char) -> bool, out: &mut Vec<u8>) {
    // Without an early end this loop compiles to vector code; nearly all text is clean.
    let is_clean = |clean, byte: u8| clean & byte.is_ascii() & !is_special(char::from(byte));
    if text.bytes().fold(true, is_clean) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut copied = 0;
    for (at, special) in text.char_indices().filter(|(_, c)| is_special(*c)) {
        out.extend_from_slice(&text.as_bytes()[copied..at]);
        push_escape(special, out);
        copied = at + special.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[copied..]);
}

fn push_escape(special: char, out: &mut Vec<u8>) {
    let written = match special {
        '\n' => out.write_all(b"\\n"),
        '"' | '\\' => out.write_all(&[b'\\', special as u8]),
        '\0'..='\u{ff}' => write!(out, "\\x{:02x}", u32::from(special)),
        _ => write!(out, "\\u{:04x}", u32::from(special)),
    };
    written.expect("invariant: writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [Multiline; 3] = [Multiline::Mark, Multiline::Escape, Multiline::Raw];

    fn pushed(push: fn(&str, Multiline, &mut Vec<u8>), text: &str, mode: Multiline) -> String {
        let mut out = b"before ".to_vec();
        push(text, mode, &mut out);
        let text = String::from_utf8(out).expect("UTF-8 stays UTF-8");
        text.strip_prefix("before ").expect("what was there stays").to_owned()
    }

    fn unescaped(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text.chars();
        let code = |digits: String| u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
        while let Some(c) = rest.next() {
            let read = match c {
                '\\' => match rest.next().expect("a backslash is never last") {
                    'n' => Some('\n'),
                    'x' => code(rest.by_ref().take(2).collect()),
                    'u' => code(rest.by_ref().take(4).collect()),
                    itself => Some(itself),
                },
                plain => Some(plain),
            };
            plain.push(read.expect("every escape is complete"));
        }
        plain
    }

    #[test]
    fn every_control_character_is_escaped_unless_raw() {
        for c in ('\0'..='\u{2030}').filter(|c| is_control(*c)) {
            let text = format!("é{c}z");
            for push in [push_lines, push_line, push_quoted] {
                for mode in [Multiline::Mark, Multiline::Escape] {
                    let escaped = pushed(push, &text, mode);
                    let kept = escaped.contains(is_control);
                    assert_eq!(kept, c == '\n' && escaped == text, "{c:?} {mode:?}: {escaped:?}");
                }
                assert!(pushed(push, &text, Multiline::Raw).contains(&text));
            }
        }
        assert_eq!(
            pushed(push_line, "\x1b[2J\u{9b}\u{2029}", Multiline::Mark),
            r"\x1b[2J\x9b\u2029"
        );
    }

    #[test]
    fn colours_pass_and_nothing_else_that_drives_a_terminal() {
        for (text, expected) in [
            ("plain", "plain"),
            ("\x1b[31mred\x1b[m", "\x1b[31mred\x1b[m\x1b[0m"),
            ("\x1b[38;5;9m\x1b[48:2:1:2:3mü", "\x1b[38;5;9m\x1b[48:2:1:2:3mü\x1b[0m"),
            ("\x1b[2J\x1b[1ma\x1b[1", "\\x1b[2J\x1b[1ma\\x1b[1\x1b[0m"),
            ("\x1b]0;t\x07\x1b[?25lm\x1b", "\\x1b]0;t\\x07\\x1b[?25lm\\x1b"),
        ] {
            assert_eq!(pushed(push_styled, text, Multiline::Mark), expected, "{text:?}");
        }
    }

    #[test]
    fn printable_text_and_tabs_stay_as_they_are() {
        for mode in MODES {
            for text in ["", "plain\ttext", "naïve 日本 🦀\u{a0}~"] {
                assert_eq!(pushed(push_lines, text, mode), text);
                assert_eq!(pushed(push_line, text, mode), text);
                assert_eq!(pushed(push_quoted, text, mode), format!("\"{text}\""));
            }
        }
    }

    #[test]
    fn newlines_stay_only_where_lines_are_allowed() {
        let text = "a\nb\r\nc\rd";
        assert_eq!(pushed(push_lines, text, Multiline::Mark), "a\nb\nc\\x0dd");
        assert_eq!(pushed(push_line, text, Multiline::Mark), r"a\nb\x0d\nc\x0dd");
        assert_eq!(pushed(push_lines, text, Multiline::Escape), r"a\nb\x0d\nc\x0dd");
        assert_eq!(pushed(push_lines, text, Multiline::Raw), text);
    }

    #[test]
    fn escape_mode_and_quotes_can_be_read_back() {
        for text in ["", r"C:\new", "\\\n\\n\r\n\\\\", "\x1b\u{85}\u{2028}é", r#""quoted" \x1b"#] {
            assert_eq!(unescaped(&pushed(push_lines, text, Multiline::Escape)), text);
            let quoted = pushed(push_quoted, text, Multiline::Mark);
            assert_eq!(unescaped(&quoted[1..quoted.len() - 1]), text);
        }
    }

    #[test]
    fn a_plain_line_has_no_control_character_and_no_tab_in_front() {
        for c in ('\0'..='\u{2030}').filter(|c| is_control(*c)) {
            for text in [format!("{c}"), format!("a{c}"), format!("{}{c}é", "long ".repeat(30))] {
                assert!(!is_plain(text.as_bytes()), "{c:?}");
            }
        }
        assert!(!is_plain(b"\ta"));
        for text in ["", "a\tb", "a ~", "naïve 日本 🦀", &"long ".repeat(30)] {
            assert!(is_plain(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn marked_lines_begin_with_a_tab_and_the_first_one_never_does() {
        for (text, expected) in [
            ("", ""),
            ("one", "one"),
            ("a\nb\n\nc", "a\n\tb\n\t\n\tc"),
            ("\nb", "\n\tb"),
            ("\ta\tb\n\tc", "\\x09a\tb\n\t\tc"),
        ] {
            let mut out = b"\tother\n".to_vec();
            let start = out.len();
            out.extend_from_slice(text.as_bytes());
            mark_lines(start, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("\tother\n{expected}"));
        }
    }
}
