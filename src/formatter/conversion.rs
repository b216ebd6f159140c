//! The conversions `s`, `d`, `i` and `f` with flags, width and precision, as Python's `%` operator
//! has them (Python docs, "printf-style String Formatting").

use std::io::Write;

use super::attribute::NumberValue;
use super::parse::{MAX_WIDTH, PatternError};

/// The type a value is converted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// `s`
    Text,
    /// `d`, `i`
    Int,
    /// `f`
    Float,
}

/// How a value is printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Conversion {
    pub(super) kind: Kind,
    /// What stands before a number that is not negative.
    plus_sign: &'static str,
    left: bool,
    zeros: bool,
    keep_point: bool,
    width: usize,
    precision: Option<usize>,
}

impl Conversion {
    /// Reads what follows the attribute's `name`; returns the rest of the pattern too.
    pub(super) fn parse<'p>(
        name: &str,
        text: &'p str,
    ) -> Result<(Conversion, &'p str), PatternError> {
        let after_flags = text.trim_start_matches(['-', '0', ' ', '+', '#']);
        let flags = &text[..text.len() - after_flags.len()];
        let (width, mut rest) = number(name, after_flags)?;
        let mut precision = None;
        if let Some(after_point) = rest.strip_prefix('.') {
            let (digits, after_digits) = number(name, after_point)?;
            precision = Some(digits);
            rest = after_digits;
        }
        let letter = rest.chars().next();
        let conversion = Conversion {
            kind: kind(name, letter)?,
            plus_sign: plus_sign(flags),
            left: flags.contains('-'),
            zeros: flags.contains('0'),
            keep_point: flags.contains('#'),
            width,
            precision,
        };
        Ok((conversion, &rest[letter.map_or(0, char::len_utf8)..]))
    }

    /// The least number of characters printed.
    #[cfg(any(feature = "tail", feature = "verify"))]
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether all digits are printed, and nothing but spaces or zeros beside them.
    #[cfg(any(feature = "tail", feature = "verify"))]
    pub(super) fn keeps_digits(&self) -> bool {
        self.precision.is_none() && self.plus_sign.is_empty() && self.kind != Kind::Float
    }

    /// Cuts and pads the text that begins at `start`, counted in characters.
    #[inline]
    pub(super) fn fit_text(&self, start: usize, out: &mut Vec<u8>) {
        if self.width > 0 || self.precision.is_some() {
            self.cut_and_pad(start, out);
        }
    }

    fn cut_and_pad(&self, start: usize, out: &mut Vec<u8>) {
        if let Some(precision) = self.precision {
            cut(start, precision, out);
        }
        self.pad(start, out);
    }

    /// Appends a number.
    pub(super) fn push_number(&self, value: NumberValue, out: &mut Vec<u8>) {
        let start = out.len();
        let written = match (self.kind, value) {
            (Kind::Text, value) => {
                push_plain(value, out).expect("invariant: writing to memory does not fail");
                return self.fit_text(start, out);
            }
            (Kind::Int, NumberValue::Int(value)) => self.push_int("", value, out),
            (Kind::Int, NumberValue::Negative(value)) => {
                self.push_int("-", value.unsigned_abs(), out)
            }
            (Kind::Int, NumberValue::Float(value)) => {
                let minus = if value.trunc() < 0.0 { "-" } else { "" };
                self.push_int(minus, value.abs() as u64, out)
            }
            (Kind::Float, NumberValue::Int(value)) => self.push_float(value as f64, out),
            (Kind::Float, NumberValue::Negative(value)) => self.push_float(value as f64, out),
            (Kind::Float, NumberValue::Float(value)) => self.push_float(value, out),
        };
        written.expect("invariant: writing to memory does not fail");
        if self.zeros && !self.left {
            let unsigned = start + usize::from(!out[start].is_ascii_digit());
            let zeros = (start + self.width).saturating_sub(out.len());
            out.splice(unsigned..unsigned, std::iter::repeat_n(b'0', zeros));
        }
        self.pad(start, out);
    }

    fn push_int(&self, minus: &str, value: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
        let sign = if minus.is_empty() { self.plus_sign } else { minus };
        write!(out, "{sign}{value:0digits$}", digits = self.precision.unwrap_or(0))
    }

    fn push_float(&self, value: f64, out: &mut Vec<u8>) -> std::io::Result<()> {
        let digits = self.precision.unwrap_or(6);
        let sign = if value.is_sign_negative() { "-" } else { self.plus_sign };
        let point = if self.keep_point && digits == 0 { "." } else { "" };
        write!(out, "{sign}{:.digits$}{point}", value.abs())
    }

    /// Pads what begins at `start`, counted in characters.
    pub(super) fn pad(&self, start: usize, out: &mut Vec<u8>) {
        if self.width == 0 {
            return;
        }
        let spaces = self.width.saturating_sub(count_chars(&out[start..]));
        if spaces == 0 {
            return;
        }
        out.resize(out.len() + spaces, b' ');
        if !self.left {
            out[start..].rotate_right(spaces);
        }
    }
}

fn number<'p>(name: &str, text: &'p str) -> Result<(usize, &'p str), PatternError> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    let number = if digits.is_empty() { Ok(0) } else { digits.parse() };
    match number {
        Ok(number) if number <= MAX_WIDTH => Ok((number, rest)),
        _ => Err(PatternError::TooWide { name: name.to_owned() }),
    }
}

fn kind(name: &str, letter: Option<char>) -> Result<Kind, PatternError> {
    match letter {
        Some('s') => Ok(Kind::Text),
        Some('d' | 'i') => Ok(Kind::Int),
        Some('f') => Ok(Kind::Float),
        Some(letter) => Err(PatternError::Conversion { name: name.to_owned(), letter }),
        None => Err(PatternError::NoConversion { name: name.to_owned() }),
    }
}

fn plus_sign(flags: &str) -> &'static str {
    match (flags.contains('+'), flags.contains(' ')) {
        (true, _) => "+",
        (false, true) => " ",
        (false, false) => "",
    }
}

/// Appends a number as Python's `str()` prints it, but for the exponents of times below 0.0001.
///
/// `fmt` would not do: of two shortest forms equally near, Python chooses the even one.
pub(super) fn push_plain(value: NumberValue, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match value {
        NumberValue::Int(value) => serde_json::to_writer(out, &value),
        NumberValue::Negative(value) => serde_json::to_writer(out, &value),
        NumberValue::Float(value) => serde_json::to_writer(out, &value),
    }
}

/// Keeps so many characters of the text that begins at `start`.
pub(super) fn cut(start: usize, chars: usize, out: &mut Vec<u8>) {
    let past_end = (start..out.len()).filter(|at| begins_char(out[*at])).nth(chars);
    out.truncate(past_end.unwrap_or(out.len()));
}

pub(super) fn count_chars(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.iter().filter(|byte| begins_char(**byte)).count()
}

fn begins_char(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Conversion {
        let (conversion, rest) = Conversion::parse("name", text).expect(text);
        assert_eq!(rest, "", "{text}");
        conversion
    }

    fn number(text: &str, value: NumberValue) -> String {
        let mut out = b"=".to_vec();
        parsed(text).push_number(value, &mut out);
        String::from_utf8(out).expect("numbers are ASCII")
    }

    fn fitted(text: &str, value: &str) -> String {
        let mut out = format!("={value}").into_bytes();
        parsed(text).fit_text(1, &mut out);
        String::from_utf8(out).expect("characters stay whole")
    }

    #[test]
    fn text_is_cut_and_padded_by_characters() {
        assert_eq!(fitted("s", "é日"), "=é日");
        assert_eq!(fitted("4s", "é日"), "=  é日");
        assert_eq!(fitted("-4s", "é日"), "=é日  ");
        assert_eq!(fitted("04s", "é日"), "=  é日");
        assert_eq!(fitted("2s", "é日x"), "=é日x");
        assert_eq!(fitted(".1s", "é日"), "=é");
        assert_eq!(fitted(".s", "é日"), "=");
        assert_eq!(fitted("3.2s", "é日x"), "= é日");
        assert_eq!(fitted(".9s", "é日"), "=é日");
    }

    #[test]
    fn integers_print_as_in_python() {
        for (text, expected) in [
            ("d", "=42"),
            ("05i", "=00042"),
            ("-05d", "=42   "),
            ("5d", "=   42"),
            ("+d", "=+42"),
            ("+ 05d", "=+0042"),
            (" d", "= 42"),
            (".4d", "=0042"),
            ("8.4d", "=    0042"),
            ("f", "=42.000000"),
            ("s", "=42"),
            ("05s", "=   42"),
            (".1s", "=4"),
        ] {
            assert_eq!(number(text, NumberValue::Int(42)), expected, "{text}");
        }
    }

    #[test]
    fn floats_print_as_in_python() {
        for (text, value, expected) in [
            ("f", 1.5, "=1.500000"),
            (".0f", 2.5, "=2"),
            ("#.0f", 2.5, "=2."),
            ("08.1f", -2.25, "=-00002.2"),
            ("d", -1.9, "=-1"),
            ("d", -0.9, "=0"),
            ("s", 123.0, "=123.0"),
            ("s", 1_792_900_801.0 + 233.0 / 256.0, "=1792900801.9101562"),
            ("s", 0.0001, "=0.0001"),
        ] {
            assert_eq!(number(text, NumberValue::Float(value)), expected, "{text} {value}");
        }
    }

    #[test]
    fn widths_are_bounded() {
        let widest = format!("{MAX_WIDTH}.{MAX_WIDTH}f");
        assert!(number(&widest, NumberValue::Float(1.0)).len() > MAX_WIDTH);
        for text in [format!("{}s", MAX_WIDTH + 1), format!(".{}d", u128::MAX)] {
            let error = Conversion::parse("name", &text).expect_err("too wide");
            assert_eq!(error, PatternError::TooWide { name: "name".to_owned() });
        }
    }
}
