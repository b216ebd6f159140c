//! The settings of a pattern: its style, and the fields it prints.

use super::value::Defaults;
use super::{PatternError, PatternFormatter, Style};
use crate::Value;

/// A pattern that is not read yet.
///
/// Beside the attributes, a pattern may name fields of the record: `%(fields.ip)s` prints the field
/// `ip`, or `-` where the record has none; with a default, as in Python, `%(ip)s` does as well.
///
/// A number prints as one; where a number is wanted and the field is text, its text is printed.
///
/// ```
/// use logboom::formatter::{Formatter, PatternFormatter, Style};
/// use logboom::{Field, Level, Record, Value};
///
/// let mut formatter = PatternFormatter::builder("{levelname:<8} {ip:>12} {message}")
///     .style(Style::Brace)
///     .default_field("ip", Value::Str("unknown".into()))
///     .build()?;
/// let mut line = Vec::new();
/// let mut record = Record::new(0, Level::INFO, "web", "served");
/// formatter.format(&record, &mut line);
/// line.push(b'\n');
/// record.fields.push(Field { key: "ip".into(), value: Value::Str("10.0.0.1".into()) });
/// formatter.format(&record, &mut line);
/// assert_eq!(line, b"INFO          unknown served\nINFO         10.0.0.1 served");
/// # Ok::<(), logboom::formatter::PatternError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct PatternBuilder {
    pattern: String,
    style: Style,
    defaults: Vec<(String, Value<'static>)>,
}

impl PatternFormatter {
    /// Settings for a pattern, in [`Style::Percent`] unless told otherwise.
    pub fn builder(pattern: impl Into<String>) -> PatternBuilder {
        PatternBuilder { pattern: pattern.into(), style: Style::default(), defaults: Vec::new() }
    }
}

impl PatternBuilder {
    /// How names are written in the pattern.
    pub fn style(mut self, style: Style) -> PatternBuilder {
        self.style = style;
        self
    }

    /// What is printed for the field `name` of a record that does not have it; the pattern may
    /// then use the name alone.
    pub fn default_field(
        mut self,
        name: impl Into<String>,
        value: Value<'static>,
    ) -> PatternBuilder {
        self.defaults.push((name.into(), value));
        self
    }

    /// Reads the pattern, of at most [`MAX_PATTERN_BYTES`](super::MAX_PATTERN_BYTES).
    ///
    /// # Errors
    /// The pattern names nothing, or something that does not exist, or a conversion does not suit;
    /// or a default has the name of an attribute.
    pub fn build(self) -> Result<PatternFormatter, PatternError> {
        let mut defaults = Defaults::default();
        for (name, value) in self.defaults {
            defaults.add(&name, value)?;
        }
        Ok(PatternFormatter::of_parts(self.style.parse(&self.pattern, &defaults)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formatter::{Formatter, JsonFormatter, LogfmtFormatter, Multiline};
    use crate::{Field, Level, LevelNames, Record, Span};

    fn record() -> Record<'static> {
        let field = |key: &'static str, value| Field { key: key.into(), value };
        let mut record = Record::new(1_500_000_000, Level::WARNING, "web", "served");
        record.fields = vec![
            field("ip", Value::Str("10.0.0.1".into())),
            field("n", Value::I64(-7)),
            field("size", Value::U64(42)),
            field("f", Value::F64(2.5)),
            field("nan", Value::F64(f64::NAN)),
            field("ok", Value::Bool(true)),
            field("user.id", Value::Str("a\nb".into())),
        ];
        let outer = vec![field("ip", Value::Str("outer".into())), field("only", Value::I64(1))];
        record.spans = vec![Span { name: "s".into(), fields: outer }];
        record
    }

    fn printed(style: Style, pattern: &str) -> String {
        let builder = PatternFormatter::builder(pattern).style(style);
        let builder = builder.default_field("ip", Value::Str("?".into()));
        let builder = builder.default_field("port", Value::I64(80));
        let mut formatter = builder.build().expect(pattern).utc().multiline(Multiline::Mark);
        let mut out = Vec::new();
        formatter.format(&record(), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn fields_print_in_every_style() {
        for (style, pattern, expected) in [
            (Style::Percent, "%(ip)-10s|%(port)05d|%(fields.n)+d", "10.0.0.1  |00080|-7"),
            (Style::Percent, "%(fields.user.id)s %(fields.only)s", r"a\nb 1"),
            (Style::Percent, "%(fields.absent)5s|%(fields.absent)5d", "    -|    -"),
            (
                Style::Percent,
                "%(fields.ip)9.2f|%(fields.n)f|%(fields.n)05d",
                " 10.0.0.1|-7.000000|-0007",
            ),
            (Style::Percent, "%(fields.ok)s %(fields.ok)d %(fields.nan)5d", "true 1   NaN"),
            (Style::Percent, "%(fields.f).2f %(fields.f)d %(fields.f)s", "2.50 2 2.5"),
            (Style::Brace, "{ip:*^12}|{port:04}|{fields.n:=+5d}", "**10.0.0.1**|0080|-   7"),
            (Style::Brace, "{fields.ip:.2}|{fields.ip:6.2f}|{fields.absent:>3}", "10|10.0.0.1|  -"),
            (Style::Brace, "{{{levelname:<8}}}|{fields.size:6}|", "{WARNING }|    42|"),
            (Style::Brace, "{asctime:.10} {fields.ip:é=10}", "1970-01-01 éé10.0.0.1"),
            (Style::Dollar, "$levelname ${fields.ip} $$5 $lineno$port", "WARNING 10.0.0.1 $5 080"),
        ] {
            assert_eq!(printed(style, pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn numbers_of_nanoseconds_and_named_zones_print() {
        assert_eq!(printed(Style::Percent, "%(nsecs)09d %(msecs)03d"), "500000000 500");
        let formatter = PatternFormatter::new("%(asctime)s").expect("a pattern");
        let mut there = formatter.clone().zone("EST5EDT,M3.2.0,M11.1.0").expect("a rule of POSIX");
        let mut out = Vec::new();
        there.format(&record(), &mut out);
        assert_eq!(out, b"1969-12-31 19:00:01,500");
        let refusal = formatter.zone("Middle/Earth").expect_err("no zone").to_string();
        assert!(refusal.starts_with("unknown time zone `Middle/Earth`: "), "{refusal}");
    }

    #[test]
    fn levels_have_the_names_they_are_given_in_every_formatter() {
        let names = || LevelNames::new().with(Level::WARNING, "WARN");
        let mut formatters: Vec<Box<dyn Formatter>> = vec![
            Box::new(JsonFormatter::new().level_names(names())),
            Box::new(LogfmtFormatter::new().level_names(names())),
        ];
        for (style, pattern) in [
            (Style::Percent, "|level=%(levelname)-6s|"),
            (Style::Brace, "|level={levelname:<6}|"),
            (Style::Dollar, "|level=$levelname  |"),
        ] {
            let formatter = PatternFormatter::builder(pattern).style(style).build().expect(pattern);
            // The last table counts.
            let formatter = formatter.level_names(LevelNames::new().with(Level::WARNING, "W"));
            formatters.push(Box::new(formatter.level_names(names())));
        }
        for mut formatter in formatters {
            let mut out = Vec::new();
            formatter.format(&record(), &mut out);
            let text = String::from_utf8(out).expect("UTF-8");
            let expected = ["level=WARN ", r#""level":"WARN""#, "|level=WARN  |"];
            assert!(expected.iter().any(|expected| text.contains(expected)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_printed_is_refused_by_name() {
        for (style, pattern, expected) in [
            (Style::Percent, "%(port)s", "unknown attribute `port`"),
            (Style::Percent, "%(port)s", "`fields.port` for a field"),
            (Style::Percent, "%(fields.)s", "unknown attribute `fields.`"),
            (Style::Brace, "{}", "unknown attribute ``"),
            (Style::Brace, "{0}", "unknown attribute `0`"),
            (Style::Brace, "{message!r}", "unknown attribute `message!r`"),
            (Style::Brace, "{msg}", "write `%(message)s`"),
            (Style::Brace, "plain", "prints nothing of a record"),
            (Style::Brace, "{message", "`{message` is not closed"),
            (Style::Brace, "{message} }", "`}` closes nothing"),
            (Style::Brace, "{message:{width}}", "is not closed"),
            (Style::Brace, "{message:5x}", "`{message:5x}`: write [[fill]align]"),
            (Style::Brace, "{message:,}", "write [[fill]align]"),
            (Style::Brace, "{message:.}", "write [[fill]align]"),
            (Style::Brace, "{message:05}", "for numbers, and this is text"),
            (Style::Brace, "{message:=5}", "for numbers, and this is text"),
            (Style::Brace, "{message:+}", "for numbers, and this is text"),
            (Style::Brace, "{asctime:d}", "for numbers, and this is text"),
            (Style::Brace, "{lineno:s}", "this is a number"),
            (Style::Brace, "{lineno:.3d}", "a precision"),
            (Style::Brace, "{created:.3}", "a precision"),
            (Style::Brace, "{created:d}", "no whole number"),
            (Style::Brace, "{message:1001}", "up to 1000"),
            (Style::Brace, "{lineno:.99999999999999999999f}", "up to 1000"),
            (Style::Dollar, "$message $", "`$` names no attribute"),
            (Style::Dollar, "$5 $message", "unknown attribute `5`"),
            (Style::Dollar, "$-", "`$-` names no attribute"),
            (Style::Dollar, "${message", "`${` names no attribute"),
        ] {
            let refused = PatternFormatter::builder(pattern).style(style).build();
            let refusal = refused.expect_err(pattern).to_string();
            assert!(refusal.contains(expected), "{pattern}: {refusal}");
        }
        for name in ["message", "fields.ip"] {
            let builder = PatternFormatter::builder("%(message)s");
            let refused = builder.default_field(name, Value::Null).build().expect_err(name);
            assert!(refused.to_string().contains("choose another name"), "{refused}");
        }
    }

    #[test]
    fn styles_have_the_names_of_python() {
        for (name, style) in [("%", Style::Percent), ("{", Style::Brace), ("$", Style::Dollar)] {
            assert_eq!(name.parse(), Ok(style));
        }
        let refusal = "#".parse::<Style>().expect_err("no style").to_string();
        assert_eq!(refusal, "unknown style `#`: use `%`, `{` or `$`");
    }
}
