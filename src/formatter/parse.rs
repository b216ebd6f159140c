//! From a pattern to the list of what it prints, so that nothing is left to go wrong later.

use super::attribute::Attribute;
use super::conversion::{Conversion, Kind};
use super::value::{Defaults, Print, Source, ValuePart};

/// The longest pattern or date format, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;

/// The largest width or precision of an attribute, in characters.
pub const MAX_WIDTH: usize = 1000;

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Literal(Box<str>),
    Attribute(Attribute, Conversion),
    Value(ValuePart),
}

/// What is wrong with a pattern or a date format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is longer than [`MAX_PATTERN_BYTES`].
    #[error("the pattern or date format has {bytes} bytes: shorten it to {MAX_PATTERN_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It would print the same for every record.
    #[error("the pattern prints nothing of a record: add `%(message)s`")]
    NoAttribute,
    /// A `%` begins neither `%(` nor `%%`.
    #[error("`%{after}` names no attribute: write `%(message)s`, or `%%` for a percent sign")]
    Percent {
        /// What follows the `%`, one character at most.
        after: String,
    },
    /// A name has no closing parenthesis.
    #[error("`%({name}` is not closed: write `)` and a conversion after the name")]
    Unclosed {
        /// The name, one word at most.
        name: String,
    },
    /// No attribute has this name.
    #[error(
        "unknown attribute `{name}`: use one of {}, or `fields.{name}` for a field of the record",
        known_names()
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// Python has this attribute, a record here does not.
    #[error("there is no attribute `{name}`: {advice}")]
    NotRecorded {
        /// The name.
        name: String,
        /// What to write instead.
        advice: &'static str,
    },
    /// The pattern ends before the conversion.
    #[error("`%({name})` has no conversion: write `%({name})s`")]
    NoConversion {
        /// The attribute.
        name: String,
    },
    /// The conversion is not supported.
    #[error("`%({name})` cannot be converted by `{letter}`: use `s`, or `d` and `f` for numbers")]
    Conversion {
        /// The attribute.
        name: String,
        /// The letter of the conversion.
        letter: char,
    },
    /// The conversion is for numbers and the attribute is text.
    #[error("`{name}` is text: write `%({name})s`")]
    NotANumber {
        /// The attribute.
        name: String,
    },
    /// A width or precision is larger than [`MAX_WIDTH`].
    #[error("`%({name})` is too wide: use a width and precision up to {MAX_WIDTH}")]
    TooWide {
        /// The attribute.
        name: String,
    },
    /// A brace of [`Style::Brace`](super::Style::Brace) begins or ends no name.
    #[error("{}", brace_advice(*sign, name))]
    Brace {
        /// The brace.
        sign: char,
        /// The name after it, one word at most.
        name: String,
    },
    /// A `$` of [`Style::Dollar`](super::Style::Dollar) begins no name.
    #[error("`${after}` names no attribute: write `${{message}}`, or `$$` for a dollar sign")]
    Dollar {
        /// What follows the `$`, one character at most.
        after: String,
    },
    /// What follows the colon in a name of [`Style::Brace`](super::Style::Brace) does not suit.
    #[error("`{{{name}:{spec}}}`: {advice}")]
    Spec {
        /// The name.
        name: String,
        /// What follows the colon.
        spec: String,
        /// What to write instead.
        advice: &'static str,
    },
    /// A default has the name of an attribute.
    #[error("a default cannot be called `{name}`, as what every record has: choose another name")]
    Default {
        /// The name.
        name: String,
    },
    /// No time zone has this name.
    #[error(
        "unknown time zone `{name}`: use a name of the system's database such as `Europe/Berlin`, \
         or a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`"
    )]
    Zone {
        /// The name.
        name: String,
    },
    /// A date format has a directive that `strftime` does not know.
    #[error(
        "`{directive}` is no directive of a date format: use those of strftime, `%%` for a percent \
         sign, and `%(msecs)03d` in the pattern for milliseconds"
    )]
    Directive {
        /// The directive.
        directive: String,
    },
}

pub(super) fn check_length(pattern: &str) -> Result<(), PatternError> {
    match pattern.len() {
        ..=MAX_PATTERN_BYTES => Ok(()),
        bytes => Err(PatternError::TooLong { bytes }),
    }
}

/// Reads a pattern of [`Style::Percent`](super::Style::Percent).
pub(super) fn parse(pattern: &str, defaults: &Defaults) -> Result<Vec<Part>, PatternError> {
    check_length(pattern)?;
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
        } else {
            push_literal(&mut literal, &mut parts);
            let (part, after) = parse_attribute(after, defaults)?;
            parts.push(part);
            rest = after;
        }
    }
    literal.push_str(rest);
    push_literal(&mut literal, &mut parts);
    if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
        return Err(PatternError::NoAttribute);
    }
    Ok(parts)
}

pub(super) fn push_literal(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal).into_boxed_str()));
    }
}

/// Reads one attribute after its `%`; returns the rest of the pattern too.
fn parse_attribute<'p>(
    text: &'p str,
    defaults: &Defaults,
) -> Result<(Part, &'p str), PatternError> {
    let named = text
        .strip_prefix('(')
        .ok_or_else(|| PatternError::Percent { after: text.chars().take(1).collect() })?;
    let (name, after_name) = named.split_once(')').ok_or_else(|| PatternError::Unclosed {
        name: named.chars().take_while(|c| c.is_alphanumeric()).collect(),
    })?;
    let source = defaults.source(name).ok_or_else(|| no_attribute(name))?;
    let (conversion, rest) = Conversion::parse(name, after_name)?;
    let part = match source {
        Source::Attribute(Attribute::Asctime | Attribute::Text(_))
            if conversion.kind != Kind::Text =>
        {
            return Err(PatternError::NotANumber { name: name.to_owned() });
        }
        Source::Attribute(attribute) => Part::Attribute(attribute, conversion),
        source => Part::Value(ValuePart { source, print: Print::Percent(conversion) }),
    };
    Ok((part, rest))
}

pub(super) fn no_attribute(name: &str) -> PatternError {
    let advice = match name {
        "args" | "msg" => "arguments are already in the message, write `%(message)s`",
        "exc_info" | "exc_text" => {
            "errors and backtraces follow the record by themselves, leave it out"
        }
        "stack_info" => "records of Python have it as a field, write `%(fields.stack_info)s`",
        _ => return PatternError::Unknown { name: name.to_owned() },
    };
    PatternError::NotRecorded { name: name.to_owned(), advice }
}

fn brace_advice(sign: char, name: &str) -> String {
    match sign {
        '}' => "`}` closes nothing: write `}}` for a brace".to_owned(),
        _ => format!("`{{{name}` is not closed: write `{{{name}}}`, or `{{{{` for a brace"),
    }
}

fn known_names() -> String {
    Attribute::names().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pattern: &str) -> Result<Vec<Part>, PatternError> {
        super::parse(pattern, &Defaults::default())
    }

    #[test]
    fn every_known_attribute_can_be_text() {
        for name in Attribute::names() {
            let parts = parse(&format!("%({name})s")).expect(name);
            assert!(matches!(parts[..], [Part::Attribute(..)]), "{name}: {parts:?}");
        }
    }

    #[test]
    fn literals_are_joined_and_percent_signs_halved() {
        let parts = parse("100%% of %(message)s%%%%").expect("a pattern");
        let [Part::Literal(before), Part::Attribute(..), Part::Literal(after)] = &parts[..] else {
            panic!("{parts:?}");
        };
        assert_eq!((&**before, &**after), ("100% of ", "%%"));
    }

    #[test]
    fn what_cannot_be_printed_is_refused_with_advice() {
        for (pattern, expected) in [
            ("", "add `%(message)s`"),
            ("100%%", "add `%(message)s`"),
            ("%s", "`%s` names no attribute"),
            ("%(message)s 5%", "`%` names no attribute"),
            ("%5%%(message)s", "`%5` names no attribute"),
            ("%(message", "`%(message` is not closed"),
            (
                "%(mesage)s",
                "unknown attribute `mesage`: use one of asctime, context, created, fields",
            ),
            ("%(Message)s", "unknown attribute `Message`"),
            ("%()s", "unknown attribute ``"),
            ("%(msg)s", "write `%(message)s`"),
            ("%(exc_text)s", "leave it out"),
            ("%(stack_info)s", "write `%(fields.stack_info)s`"),
            ("%(message)", "write `%(message)s`"),
            ("%(message)5", "write `%(message)s`"),
            ("%(message)r", "cannot be converted by `r`"),
            ("%(lineno)x", "cannot be converted by `x`"),
            ("%(lineno)*d", "cannot be converted by `*`"),
            ("%(lineno)é", "cannot be converted by `é`"),
            ("%(message)d", "`message` is text"),
            ("%(asctime)f", "`asctime` is text"),
            ("%(message)1001s", "up to 1000"),
        ] {
            let error = parse(pattern).expect_err(pattern).to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }

    #[test]
    fn the_length_of_a_pattern_is_bounded() {
        let longest = format!("{:1$}", "%(message)s", MAX_PATTERN_BYTES);
        assert!(parse(&longest).is_ok());
        let bytes = MAX_PATTERN_BYTES + 1;
        assert_eq!(parse(&format!("{longest} ")), Err(PatternError::TooLong { bytes }));
    }
}
