//! Colours lines by level with ANSI escape sequences.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

use crate::Level;

/// Whether lines are coloured by level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// Dim below INFO, yellow from WARNING, red from ERROR, bold red from CRITICAL.
    Always,
}

impl Color {
    /// What suits `stream` and the environment.
    ///
    /// The first that applies: `NO_COLOR` not empty means never (no-color.org), `CLICOLOR_FORCE`
    /// neither empty nor `0` means always (bixense.com/clicolors), a terminal with `TERM` neither
    /// unset nor `dumb` means always.
    pub fn auto(stream: &impl IsTerminal) -> Color {
        choose(|name| env::var_os(name), stream.is_terminal())
    }

    /// The ANSI escape sequence that ends a colour.
    pub const END: &[u8] = b"\x1b[0m";

    /// The ANSI escape sequence that begins the colour of a level; none at INFO and up to WARNING.
    pub fn of(level: Level) -> Option<&'static [u8]> {
        if level >= Level::CRITICAL {
            Some(b"\x1b[1;31m")
        } else if level >= Level::ERROR {
            Some(b"\x1b[31m")
        } else if level >= Level::WARNING {
            Some(b"\x1b[33m")
        } else if level >= Level::INFO {
            None
        } else {
            Some(b"\x1b[2m")
        }
    }
}

fn choose(variable: impl Fn(&str) -> Option<OsString>, is_terminal: bool) -> Color {
    let is_set = |name, unless| {
        variable(name).is_some_and(|value| !value.is_empty() && value != OsStr::new(unless))
    };
    let is_wanted = is_set("CLICOLOR_FORCE", "0") || (is_terminal && is_set("TERM", "dumb"));
    if is_wanted && !is_set("NO_COLOR", "") { Color::Always } else { Color::Never }
}

/// Appends `text` in the colour of `level`. Colour ends before each newline, so that it never
/// reaches the next line, not even when a reader stops in between.
pub(super) fn paint(level: Level, text: &[u8], out: &mut Vec<u8>) {
    let Some(start) = Color::of(level) else {
        out.extend_from_slice(text);
        return;
    };
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(start);
        out.extend_from_slice(line);
        out.extend_from_slice(Color::END);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], is_terminal: bool) -> Color {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        choose(|name| find(name).map(|(_, value)| value.into()), is_terminal)
    }

    fn painted(level: Level, text: &str) -> String {
        let mut out = Vec::new();
        paint(level, text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_a_capable_terminal_gets_colour_by_itself() {
        assert_eq!(chosen(&[("TERM", "xterm")], true), Color::Always);
        assert_eq!(chosen(&[("TERM", "xterm")], false), Color::Never);
        assert_eq!(chosen(&[("TERM", "dumb")], true), Color::Never);
        assert_eq!(chosen(&[], true), Color::Never);
    }

    #[test]
    fn the_environment_overrules_the_terminal() {
        assert_eq!(chosen(&[("NO_COLOR", "1"), ("TERM", "xterm")], true), Color::Never);
        assert_eq!(chosen(&[("NO_COLOR", ""), ("TERM", "xterm")], true), Color::Always);
        assert_eq!(chosen(&[("CLICOLOR_FORCE", "1")], false), Color::Always);
        assert_eq!(chosen(&[("CLICOLOR_FORCE", "0")], false), Color::Never);
        assert_eq!(chosen(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false), Color::Never);
    }

    #[test]
    fn colour_never_reaches_over_a_newline() {
        let text = painted(Level::ERROR, "failed\n\tcause");
        assert_eq!(text, "\x1b[31mfailed\x1b[0m\n\x1b[31m\tcause\x1b[0m");
    }

    #[test]
    fn a_level_between_the_named_ones_has_the_colour_of_the_lower() {
        assert_eq!(painted(Level::new(25), "text"), "text");
        assert_eq!(painted(Level::new(35), "text"), painted(Level::WARNING, "text"));
        assert_eq!(painted(Level::new(255), "text"), painted(Level::CRITICAL, "text"));
        assert_eq!(painted(Level::NOTSET, "text"), painted(Level::DEBUG, "text"));
    }
}
