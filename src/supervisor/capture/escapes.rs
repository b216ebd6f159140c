//! Takes the escape sequences of terminals, such as colours, out of text. Pure.

use std::borrow::Cow;

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};

const ESC: char = '\x1b';

/// Text that had escape sequences.
pub(super) struct Stripped<'t> {
    /// The text without. A sequence that does not end stays, and so visible where control characters
    /// are; so do control characters that are no sequence.
    pub(super) plain: Cow<'t, str>,
    /// The text with its colours and no other sequences, where it has some.
    pub(super) styled: Option<String>,
}

pub(super) fn without_escapes(text: &str) -> Cow<'_, str> {
    strip(text).plain
}

pub(super) fn strip(text: &str) -> Stripped<'_> {
    let Some(start) = text.find(ESC) else { return Stripped { plain: text.into(), styled: None } };
    let mut parser = Parser::<DefaultCharAccumulator>::new();
    let before = text[..start].to_owned();
    let mut kept =
        Kept { styled: before.clone(), plain: before, has_style: false, is_at_rest: true };
    let mut read = start;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        kept.is_at_rest = false;
        parser.advance(&mut kept, byte);
        if kept.is_at_rest && text.is_char_boundary(at + 1) {
            read = at + 1;
        }
    }
    kept.plain.push_str(&text[read..]);
    kept.styled.push_str(&text[read..]);
    Stripped { plain: kept.plain.into(), styled: kept.has_style.then_some(kept.styled) }
}

/// What is no escape sequence, and the same with colours.
struct Kept {
    plain: String,
    styled: String,
    has_style: bool,
    /// Whether a character or a sequence has just ended.
    is_at_rest: bool,
}

impl Perform for Kept {
    fn print(&mut self, c: char) {
        self.plain.push(c);
        self.styled.push(c);
        self.is_at_rest = true;
    }

    fn execute(&mut self, byte: u8) {
        // Within a sequence also a piece of a character comes here.
        if byte.is_ascii() {
            self.plain.push(char::from(byte));
            self.styled.push(char::from(byte));
        }
        self.is_at_rest = true;
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], is_cut: bool, last: u8) {
        if last == b'm' && intermediates.is_empty() && !is_cut {
            self.has_style = true;
            push_style(params, &mut self.styled);
        }
        self.is_at_rest = true;
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, _: u8) {
        self.is_at_rest = true;
    }

    fn osc_dispatch(&mut self, _: &[&[u8]], _: bool) {
        self.is_at_rest = true;
    }

    fn unhook(&mut self) {
        self.is_at_rest = true;
    }
}

fn push_style(params: &Params, to: &mut String) {
    let subparams = |group: &[u16]| group.iter().map(u16::to_string).collect::<Vec<_>>().join(":");
    let params: Vec<_> = params.iter().map(subparams).collect();
    to.push_str("\x1b[");
    to.push_str(&params.join(";"));
    to.push('m');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_are_taken_out_and_the_text_stays() {
        for (text, expected) in [
            ("plain ü\t\r\x08", "plain ü\t\r\x08"),
            ("\x1b[31mred\x1b[0m, \x1b[1;38;5;208mbold\x1b[m", "red, bold"),
            ("\x1b[38:2::1:2:3mü€😀\x1b[0m", "ü€😀"),
            ("50%\x1b[2K\x1b[1G100%", "50%100%"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;https://a.b\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bP1$r0m\x1b\\a\x1b_b\x1b\\c", "ac"),
            ("\x1b(Ba\x1b7b\x1b8", "ab"),
            ("a\x1b[3\tmc", "a\tc"),
        ] {
            assert_eq!(without_escapes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn of_sequences_only_colours_are_kept() {
        for (text, expected) in [
            ("plain", None),
            ("\x1b[2Kup", None),
            ("\x1b]0;t\x07\x1b[1;31mred\x1b[mü\t", Some("\x1b[1;31mred\x1b[0mü\t")),
            ("\x1b[38:2:1:2:3ma\x1b[1Gb", Some("\x1b[38:2:1:2:3mab")),
            ("\x1b[>4;1m\x1b[?7m", None),
        ] {
            assert_eq!(strip(text).styled.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_end_stays() {
        for text in ["\x1b", "a\x1b[31", "\x1b]0;title and all that follows", "\x1bPq", "\x1b_ü"] {
            assert_eq!(without_escapes(text), text);
            assert_eq!(without_escapes(&format!("\x1b[1mb\x1b[0m{text}")), format!("b{text}"));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_is_made_up(text in "[\x1b\\[\\];0-9mP_\\\\\x07\u{9c}\u{85}aü€😀]{0,40}") {
            let kept = without_escapes(&text);
            let mut rest = text.chars();
            prop_assert!(kept.chars().all(|c| rest.any(|other| other == c)), "{kept:?}");
        }
    }
}
