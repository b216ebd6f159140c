//! Records as they are printed.

use std::str::FromStr;

use logboom::formatter::{Formatter, JsonFormatter, LogfmtFormatter, PatternFormatter};
use logboom::tail::Reader;

use super::highlight::paint;
use crate::options::{self, Format};

/// The form in which records are printed.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// As it stands in the log where that is text, else by the default pattern.
    Text,
    /// As it stands in the log.
    Raw,
    /// Another form.
    Other(Format),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Output, String> {
        match text {
            "text" => Ok(Output::Text),
            "raw" => Ok(Output::Raw),
            _ => options::parse_format(text)
                .map(Output::Other)
                .map_err(|error| format!("`raw`, or {error}")),
        }
    }
}

/// Prints records in one form.
pub(crate) struct Printer {
    output: Output,
    formatter: Box<dyn Formatter>,
    is_colored: bool,
    text: Vec<u8>,
}

impl Printer {
    pub(crate) fn new(output: Output, is_colored: bool) -> anyhow::Result<Printer> {
        let (formatter, is_for_people): (Box<dyn Formatter>, bool) = match &output {
            Output::Raw => (Box::new(PatternFormatter::default()), false),
            Output::Text => (Box::new(PatternFormatter::default()), true),
            Output::Other(Format::Json) => (Box::new(JsonFormatter::new()), false),
            Output::Other(Format::Logfmt) => (Box::new(LogfmtFormatter::new()), false),
            Output::Other(Format::Pattern(pattern)) => {
                (Box::new(PatternFormatter::new(pattern)?), true)
            }
        };
        Ok(Printer { output, formatter, is_colored: is_colored && is_for_people, text: Vec::new() })
    }

    /// Appends the record that the reader is at.
    pub(crate) fn print(&mut self, reader: &mut Reader, out: &mut Vec<u8>) {
        let is_as_logged = match self.output {
            Output::Raw => true,
            Output::Text => !reader.is_structured(),
            Output::Other(_) => false,
        };
        if is_as_logged && !self.is_colored {
            out.extend_from_slice(reader.text());
            return;
        }
        self.text.clear();
        if is_as_logged {
            self.text.extend_from_slice(reader.text());
        } else {
            let (formatter, text) = (&mut self.formatter, &mut self.text);
            reader.with_record(|record| formatter.format(record, text));
            text.push(b'\n');
        }
        if self.is_colored {
            let level = reader.level();
            let found =
                if reader.is_wanted() { reader.query().found_in(&self.text) } else { Vec::new() };
            paint(level, &self.text, &found, out);
        } else {
            out.extend_from_slice(&self.text);
        }
    }
}
