//! The three ways in which Python's `logging` writes the names in a pattern.

use std::str::FromStr;

use super::attribute::Attribute;
use super::conversion::Conversion;
use super::parse::{Part, PatternError, check_length, no_attribute, parse, push_literal};
use super::spec::Spec;
use super::value::{Defaults, Print, Source, ValuePart};

/// How names are written in a pattern (Python docs, "Formatter Objects": `style`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `%(levelname)-8s`, as the `%` operator has it.
    #[default]
    Percent,
    /// `{levelname:<8}`, as `str.format` has it: `[[fill]align][sign][0][width][.precision]` and
    /// `s`, `d` or `f`. What Python takes beyond that is refused.
    Brace,
    /// `$levelname` or `${levelname}`, as `string.Template` has it; without widths.
    Dollar,
}

/// The text is no style.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown style `{0}`: use `%`, `{{` or `$`")]
pub struct ParseStyleError(String);

impl FromStr for Style {
    type Err = ParseStyleError;

    /// Reads Python's name of a style: `%`, `{` or `$`.
    fn from_str(text: &str) -> Result<Style, ParseStyleError> {
        match text {
            "%" => Ok(Style::Percent),
            "{" => Ok(Style::Brace),
            "$" => Ok(Style::Dollar),
            _ => Err(ParseStyleError(text.to_owned())),
        }
    }
}

impl Style {
    /// Reads a pattern of this style.
    pub(super) fn parse(
        self,
        pattern: &str,
        defaults: &Defaults,
    ) -> Result<Vec<Part>, PatternError> {
        check_length(pattern)?;
        match self {
            Style::Percent => parse(pattern, defaults),
            Style::Brace => parse_names(pattern, &['{', '}'], brace, defaults),
            Style::Dollar => parse_names(pattern, &['$'], dollar, defaults),
        }
    }
}

/// What a sign in a pattern begins, and what follows it.
enum Sign<'p> {
    /// The doubled sign stands for itself.
    Itself,
    Value {
        name: &'p str,
        spec: Option<&'p str>,
    },
}

type ReadSign = for<'p> fn(char, &'p str) -> Result<(Sign<'p>, &'p str), PatternError>;

fn parse_names(
    pattern: &str,
    signs: &[char],
    read: ReadSign,
    defaults: &Defaults,
) -> Result<Vec<Part>, PatternError> {
    let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), pattern);
    while let Some(at) = rest.find(signs) {
        literal.push_str(&rest[..at]);
        let sign = char::from(rest.as_bytes()[at]);
        let (read, after) = read(sign, &rest[at + 1..])?;
        rest = after;
        match read {
            Sign::Itself => literal.push(sign),
            Sign::Value { name, spec } => {
                push_literal(&mut literal, &mut parts);
                parts.push(value(name, spec, defaults)?);
            }
        }
    }
    literal.push_str(rest);
    push_literal(&mut literal, &mut parts);
    if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
        return Err(PatternError::NoAttribute);
    }
    Ok(parts)
}

fn value(name: &str, spec: Option<&str>, defaults: &Defaults) -> Result<Part, PatternError> {
    let source = defaults.source(name).ok_or_else(|| no_attribute(name))?;
    let print = match spec {
        Some(spec) => Print::Brace(Spec::parse(spec, &source).map_err(|advice| {
            PatternError::Spec { name: name.to_owned(), spec: spec.to_owned(), advice }
        })?),
        None => {
            let (plain, _) = Conversion::parse(name, "s")?;
            match source {
                // The way of most patterns.
                Source::Attribute(attribute @ (Attribute::Asctime | Attribute::Text(_))) => {
                    return Ok(Part::Attribute(attribute, plain));
                }
                _ => Print::Percent(plain),
            }
        }
    };
    Ok(Part::Value(ValuePart { source, print }))
}

fn brace(sign: char, after: &str) -> Result<(Sign<'_>, &str), PatternError> {
    if let Some(after) = after.strip_prefix(sign) {
        return Ok((Sign::Itself, after));
    }
    let inside = after.split_once('}').filter(|(inside, _)| sign == '{' && !inside.contains('{'));
    let Some((inside, after)) = inside else {
        let name = after.chars().take_while(|c| c.is_alphanumeric()).collect();
        return Err(PatternError::Brace { sign, name });
    };
    let (name, spec) = inside.split_once(':').map_or((inside, None), |(n, s)| (n, Some(s)));
    Ok((Sign::Value { name, spec }, after))
}

fn dollar(_: char, after: &str) -> Result<(Sign<'_>, &str), PatternError> {
    if let Some(after) = after.strip_prefix('$') {
        return Ok((Sign::Itself, after));
    }
    let (name, rest) = match after.strip_prefix('{').and_then(|after| after.split_once('}')) {
        Some(braced) => braced,
        None => {
            let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            after.split_at(after.find(|c| !in_name(c)).unwrap_or(after.len()))
        }
    };
    if name.is_empty() {
        return Err(PatternError::Dollar { after: after.chars().take(1).collect() });
    }
    Ok((Sign::Value { name, spec: None }, rest))
}
