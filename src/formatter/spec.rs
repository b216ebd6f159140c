//! Fill, alignment, sign, width and precision as Python's `str.format` has them (Python docs,
//! "Format Specification Mini-Language").

use std::io::Write;

use super::attribute::{Attribute, NumberValue};
use super::conversion::{count_chars, cut, push_plain};
use super::parse::MAX_WIDTH;
use super::value::Source;

/// How a value is printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spec {
    fill: char,
    align: Option<Align>,
    /// What stands before a number that is not negative.
    plus_sign: &'static str,
    kind: Kind,
    width: usize,
    precision: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Align {
    Left,
    Right,
    Center,
    /// The fill stands between the sign and the digits.
    AfterSign,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// As the value is.
    Own,
    Text,
    Int,
    Float,
}

/// What a value is known to be before there is one.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Text,
    Int,
    Float,
    Nothing,
}

const FORM: &str = "write [[fill]align][sign][0][width][.precision][s, d or f]";
const FOR_NUMBERS: &str = "that is for numbers, and this is text";
const NO_PRECISION: &str = "only text and `f` have a precision";
const TOO_WIDE: &str = "use a width and precision up to 1000";

const _: () = assert!(MAX_WIDTH == 1000);

impl Spec {
    /// Reads what follows the colon, for a value from `source`; an error says what to write.
    pub(super) fn parse(text: &str, source: &Source) -> Result<Spec, &'static str> {
        let (fill, align, rest) = fill_and_align(text);
        let (plus_sign, rest) = plus_sign(rest);
        let (zero, rest) = match rest.strip_prefix('0') {
            Some(rest) if fill.is_none() => (Some('0'), rest),
            _ => (None, rest),
        };
        let (width, rest) = number(rest)?;
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                number(rest).map(|(precision, rest)| (Some(precision), rest))?
            }
            Some(_) => return Err(FORM),
            None => (None, rest),
        };
        let kind = match rest {
            "" => Kind::Own,
            "s" => Kind::Text,
            "d" => Kind::Int,
            "f" => Kind::Float,
            _ => return Err(FORM),
        };
        let spec = Spec {
            fill: fill.or(zero).unwrap_or(' '),
            align: align.or(zero.map(|_| Align::AfterSign)),
            plus_sign: plus_sign.unwrap_or_default(),
            kind,
            width,
            precision,
        };
        let for_numbers = plus_sign.is_some() || zero.is_some();
        spec.suits(known(source), for_numbers).map(|()| spec)
    }

    /// Whether Python would take it.
    fn suits(&self, known: Known, for_numbers: bool) -> Result<(), &'static str> {
        let for_numbers =
            for_numbers || self.align == Some(Align::AfterSign) || self.wants_number();
        match known {
            Known::Text if for_numbers => Err(FOR_NUMBERS),
            Known::Int | Known::Float if self.kind == Kind::Text => {
                Err("this is a number: use `d` or `f`")
            }
            Known::Float if self.kind == Kind::Int => Err("this is no whole number: use `f`"),
            Known::Int | Known::Float if self.precision.is_some() && self.kind != Kind::Float => {
                Err(NO_PRECISION)
            }
            Known::Nothing if self.precision.is_some() && self.kind == Kind::Int => {
                Err(NO_PRECISION)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn wants_number(&self) -> bool {
        matches!(self.kind, Kind::Int | Kind::Float)
    }

    /// Cuts and pads the text that begins at `start`, counted in characters. Where a number is
    /// wanted, the precision is for its decimals.
    pub(super) fn fit_text(&self, start: usize, out: &mut Vec<u8>) {
        if let Some(precision) = self.precision.filter(|_| !self.wants_number()) {
            cut(start, precision, out);
        }
        self.pad(Align::Left, start, start, out);
    }

    /// Appends a number; a fraction is cut off where a whole number is wanted.
    pub(super) fn push_number(&self, value: NumberValue, out: &mut Vec<u8>) {
        let start = out.len();
        let (is_negative, unsigned) = match (self.kind, value) {
            (_, NumberValue::Negative(value)) => (true, NumberValue::Int(value.unsigned_abs())),
            (Kind::Int, NumberValue::Float(value)) => {
                (value.trunc() < 0.0, NumberValue::Int(value.abs() as u64))
            }
            (_, NumberValue::Float(value)) => {
                (value.is_sign_negative(), NumberValue::Float(value.abs()))
            }
            (_, value) => (false, value),
        };
        out.extend_from_slice(if is_negative { b"-" } else { self.plus_sign.as_bytes() });
        let digits = out.len();
        let decimals = self.precision.unwrap_or(6);
        match (self.kind, unsigned) {
            (Kind::Float, NumberValue::Int(value)) => write!(out, "{:.decimals$}", value as f64),
            (Kind::Float, NumberValue::Float(value)) => write!(out, "{value:.decimals$}"),
            (_, value) => push_plain(value, out).map_err(std::io::Error::from),
        }
        .expect("invariant: writing to memory does not fail");
        self.pad(Align::Right, start, digits, out);
    }

    /// Fills up what begins at `start`, whose sign ends at `digits`.
    fn pad(&self, own_align: Align, start: usize, digits: usize, out: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(count_chars(&out[start..]));
        if missing == 0 {
            return;
        }
        let align = match self.align.unwrap_or(own_align) {
            // A field may turn out to be text.
            Align::AfterSign if own_align == Align::Left => Align::Right,
            align => align,
        };
        let (at, before) = match align {
            Align::Left => (start, 0),
            Align::Right => (start, missing),
            Align::Center => (start, missing / 2),
            Align::AfterSign => (digits, missing),
        };
        let mut buffer = [0; 4];
        let fill = self.fill.encode_utf8(&mut buffer).as_bytes();
        out.extend(fill.repeat(missing - before));
        out.splice(at..at, fill.repeat(before));
    }
}

fn known(source: &Source) -> Known {
    match source {
        Source::Attribute(Attribute::Asctime | Attribute::Text(_)) | Source::LevelName(_) => {
            Known::Text
        }
        Source::Attribute(Attribute::Number(number)) if number.is_float() => Known::Float,
        Source::Attribute(Attribute::Number(_)) => Known::Int,
        Source::Field { .. } => Known::Nothing,
    }
}

fn fill_and_align(text: &str) -> (Option<char>, Option<Align>, &str) {
    let mut chars = text.chars();
    let (first, second) = (chars.next(), chars.next());
    if let (Some(fill), Some(align)) = (first, second.and_then(align)) {
        return (Some(fill), Some(align), chars.as_str());
    }
    match first.and_then(align) {
        Some(align) => (None, Some(align), &text[1..]),
        None => (None, None, text),
    }
}

fn align(sign: char) -> Option<Align> {
    match sign {
        '<' => Some(Align::Left),
        '>' => Some(Align::Right),
        '^' => Some(Align::Center),
        '=' => Some(Align::AfterSign),
        _ => None,
    }
}

fn plus_sign(text: &str) -> (Option<&'static str>, &str) {
    for (letter, sign) in [('+', "+"), (' ', " "), ('-', "")] {
        if let Some(rest) = text.strip_prefix(letter) {
            return (Some(sign), rest);
        }
    }
    (None, text)
}

fn number(text: &str) -> Result<(usize, &str), &'static str> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &text[..text.len() - rest.len()];
    match digits.parse() {
        _ if digits.is_empty() => Ok((0, rest)),
        Ok(number) if number <= MAX_WIDTH => Ok((number, rest)),
        _ => Err(TOO_WIDE),
    }
}
