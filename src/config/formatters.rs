//! The `formatters` of a configuration.

use super::error::Problem;
use super::item::{Item, Table};
use crate::formatter::{
    DEFAULT_PATTERN, Formatter, JsonFormatter, LogfmtFormatter, PatternFormatter, Style,
};
use crate::{LevelNames, Value};

/// What Python's `Formatter` prints where nothing else is said.
const MESSAGE_ONLY: &str = "%(message)s";

/// How a record becomes text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FormatterSettings {
    Json,
    Logfmt,
    Pattern(PatternSettings),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatternSettings {
    format: String,
    style: Style,
    datefmt: Option<String>,
    zone: Option<String>,
    defaults: Vec<(String, Value<'static>)>,
}

impl Default for FormatterSettings {
    fn default() -> FormatterSettings {
        FormatterSettings::of_pattern(MESSAGE_ONLY)
    }
}

impl FormatterSettings {
    fn of_pattern(format: &str) -> FormatterSettings {
        FormatterSettings::Pattern(PatternSettings {
            format: format.to_owned(),
            style: Style::Percent,
            datefmt: None,
            zone: None,
            defaults: Vec::new(),
        })
    }

    /// Those that need no settings, by their names on the command line.
    pub(super) fn built_in(name: &str) -> Option<FormatterSettings> {
        match name {
            "text" => Some(FormatterSettings::of_pattern(DEFAULT_PATTERN)),
            "json" => Some(FormatterSettings::Json),
            "logfmt" => Some(FormatterSettings::Logfmt),
            _ => None,
        }
    }

    pub(super) fn read(item: Item) -> Result<FormatterSettings, Problem> {
        const CLASSES: &str = "logging.Formatter, JsonFormatter or LogfmtFormatter";
        let whole = item.clone();
        let mut table = item.table()?;
        let class = table.take("class");
        let settings = match class.as_ref().map(|item| item.text(CLASSES)).transpose()? {
            None | Some("logging.Formatter" | "Formatter") => {
                FormatterSettings::Pattern(PatternSettings::read(&mut table)?)
            }
            Some("JsonFormatter") => FormatterSettings::Json,
            Some("LogfmtFormatter") => FormatterSettings::Logfmt,
            Some(_) => return Err(class.unwrap_or(whole).expected(CLASSES)),
        };
        table.end()?;
        // What the pattern itself has to be is known where it is read.
        settings.formatter(&LevelNames::new()).map_err(|reason| whole.refused(reason))?;
        Ok(settings)
    }

    /// In a few words.
    pub(super) fn describe(&self) -> &str {
        match self {
            FormatterSettings::Json => "json",
            FormatterSettings::Logfmt => "logfmt",
            FormatterSettings::Pattern(pattern) => &pattern.format,
        }
    }

    /// The formatter, or why it cannot be made.
    pub(crate) fn formatter(&self, names: &LevelNames) -> Result<Box<dyn Formatter>, String> {
        let names = names.clone();
        Ok(match self {
            FormatterSettings::Json => Box::new(JsonFormatter::new().level_names(names)),
            FormatterSettings::Logfmt => Box::new(LogfmtFormatter::new().level_names(names)),
            FormatterSettings::Pattern(pattern) => {
                Box::new(pattern.formatter()?.level_names(names))
            }
        })
    }
}

impl PatternSettings {
    /// `validate` is taken and changes nothing: a pattern that cannot be read is never used.
    fn read(table: &mut Table) -> Result<PatternSettings, Problem> {
        let text = |item: Option<Item>, what: &str| {
            item.map(|item| item.text(what).map(str::to_owned)).transpose()
        };
        let style = table.take("style");
        let style = style.map(|item| {
            item.text("`%`, `{` or `$`")?.parse().map_err(|_| item.expected("`%`, `{` or `$`"))
        });
        let style = style.transpose()?.unwrap_or_default();
        table.take("validate").map(|item| item.boolean()).transpose()?;
        let format = match text(table.take("format"), "a pattern")? {
            Some(format) => format,
            None => match style {
                Style::Percent => MESSAGE_ONLY.to_owned(),
                Style::Brace => "{message}".to_owned(),
                Style::Dollar => "$message".to_owned(),
            },
        };
        let defaults = table.take_table("defaults")?.into_iter();
        Ok(PatternSettings {
            format,
            style,
            datefmt: text(table.take("datefmt"), "a form of dates such as %H:%M:%S")?,
            zone: text(table.take("zone"), "a time zone such as Europe/Berlin")?,
            defaults: defaults
                .map(|(name, item)| Ok((name, item.value()?)))
                .collect::<Result<_, _>>()?,
        })
    }

    fn formatter(&self) -> Result<PatternFormatter, String> {
        let mut builder = PatternFormatter::builder(&self.format).style(self.style);
        for (name, value) in &self.defaults {
            builder = builder.default_field(name, value.clone());
        }
        let mut formatter = builder.build().map_err(|error| error.to_string())?;
        if let Some(datefmt) = &self.datefmt {
            formatter = formatter.datefmt(datefmt).map_err(|error| error.to_string())?;
        }
        if let Some(zone) = &self.zone {
            formatter = formatter.zone(zone).map_err(|error| error.to_string())?;
        }
        Ok(formatter)
    }
}
