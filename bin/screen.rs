//! Records as `logboom run` shows them: the time, the worker, the text.

use std::collections::HashMap;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};

use clap::ValueEnum;
use logboom::Record;
use logboom::formatter::{Formatter, PatternError, PatternFormatter};
use logboom::handler::Color;

use crate::options::plain;

/// The colours of workers, as ANSI sequences: those that no level has.
const COLORS: [&[u8]; 8] = [
    b"\x1b[36m",
    b"\x1b[32m",
    b"\x1b[35m",
    b"\x1b[34m",
    b"\x1b[96m",
    b"\x1b[92m",
    b"\x1b[95m",
    b"\x1b[94m",
];

/// Most workers that have their colours by their order; others have them by their names.
const MAX_ORDERED: usize = 64;

/// Longest name that others are aligned with, in characters.
const MAX_WIDTH: usize = 24;

/// What `run` prints of each record.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScreenForm {
    /// Time, worker and text
    Short,
    /// The line of the log
    Log,
}

impl ScreenForm {
    /// The flag with which a listener prints in this form, where these are the workers of a run.
    pub(crate) fn flag<'n>(self, workers: impl Iterator<Item = &'n str>) -> OsString {
        match self {
            ScreenForm::Log => "--console".into(),
            ScreenForm::Short => {
                let names: Vec<_> = workers.take(MAX_ORDERED).collect();
                format!("--screen={}", names.join(",")).into()
            }
        }
    }
}

/// Prints each line of a record behind the time and the name of its worker, in the colour of the
/// worker, and the text from WARNING on in that of the level.
pub(crate) struct ScreenFormatter {
    time: PatternFormatter,
    text: PatternFormatter,
    /// The places of workers in their order.
    places: HashMap<String, usize>,
    /// To which all names are filled up.
    width: usize,
    color: Color,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl ScreenFormatter {
    /// The column is wide enough for the names of these workers, which have different colours as far as
    /// there are some.
    pub(crate) fn new(workers: &[String], color: Color) -> Result<ScreenFormatter, PatternError> {
        let text = PatternFormatter::new("%(message)s%(fields)s")?;
        let mut screen = ScreenFormatter {
            time: PatternFormatter::new("%(asctime)s")?.datefmt("%H:%M:%S")?,
            text: match color {
                Color::Always => text.styled(),
                Color::Never => text,
            },
            places: workers.iter().cloned().zip(0..).collect(),
            width: 0,
            color,
            head: Vec::new(),
            body: Vec::new(),
        };
        workers.iter().for_each(|name| screen.make_room(name.chars().count()));
        Ok(screen)
    }

    fn make_room(&mut self, width: usize) {
        self.width = self.width.max(width.min(MAX_WIDTH));
    }

    fn color_of(&self, worker: &str) -> &'static [u8] {
        let place = self.places.get(worker).copied().unwrap_or_else(|| {
            let mut hasher = DefaultHasher::new();
            worker.hash(&mut hasher);
            hasher.finish() as usize % COLORS.len()
        });
        COLORS[place % COLORS.len()]
    }

    /// The beginning of each line of this record.
    fn set_head(&mut self, record: &Record<'_>) {
        let name = plain(&record.process.name);
        let width = name.chars().count();
        self.make_room(width);
        self.head.clear();
        if self.color == Color::Always {
            self.head.extend_from_slice(self.color_of(&record.process.name));
        }
        // Of the time alone: an exception would follow each text of its record.
        let moment = Record::new(record.time_ns, record.level, "", "");
        self.time.format(&moment, &mut self.head);
        let fill = self.width.saturating_sub(width);
        self.head.extend(format!(" {name}{:fill$} |", "").as_bytes());
        if self.color == Color::Always {
            self.head.extend_from_slice(Color::END);
        }
        self.head.push(b' ');
    }
}

impl Formatter for ScreenFormatter {
    fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        self.set_head(record);
        self.body.clear();
        self.text.format(record, &mut self.body);
        // A line that has colours of its own keeps them.
        let is_painted = self.color == Color::Always && record.styled.is_none();
        let color = Color::of(record.level).filter(|_| is_painted);
        for (index, line) in self.body.split(|byte| *byte == b'\n').enumerate() {
            // The mark of a further line of a record: here its head is one.
            let line = if index > 0 { line.strip_prefix(b"\t").unwrap_or(line) } else { line };
            if index > 0 {
                out.push(b'\n');
            }
            out.extend_from_slice(&self.head);
            out.extend_from_slice(color.unwrap_or_default());
            out.extend_from_slice(line);
            out.extend_from_slice(if color.is_some() { Color::END } else { b"" });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use logboom::{Field, Level, Process, Value};

    use super::*;

    fn process(name: &str) -> Cow<'static, Process> {
        let mut process = Process::default();
        process.name = name.into();
        Cow::Owned(process)
    }

    fn shown(screen: &mut ScreenFormatter, worker: &str, level: Level, text: &str) -> String {
        let mut record = Record::new(0, level, "stdout", text);
        record.process = process(worker);
        let mut out = Vec::new();
        screen.format(&record, &mut out);
        // The time is local.
        String::from_utf8(out).unwrap().replace(&clock(), "TIME")
    }

    fn clock() -> String {
        let mut out = Vec::new();
        let mut time = PatternFormatter::new("%(asctime)s").unwrap().datefmt("%H:%M:%S").unwrap();
        time.format(&Record::new(0, Level::INFO, "", ""), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn screen(color: Color) -> ScreenFormatter {
        ScreenFormatter::new(&["web-1".to_owned(), "job".to_owned()], color).unwrap()
    }

    #[test]
    fn names_are_aligned_and_the_column_grows_with_a_longer_one_to_a_limit() {
        let mut screen = screen(Color::Never);
        let mut shown = |worker| shown(&mut screen, worker, Level::INFO, "up");
        assert_eq!(shown("job"), "TIME job   | up");
        assert_eq!(shown("web-1"), "TIME web-1 | up");
        assert_eq!(shown("attached"), "TIME attached | up");
        assert_eq!(shown("job"), "TIME job      | up");
        let long = "x".repeat(MAX_WIDTH + 1);
        assert_eq!(shown(&long), format!("TIME {long} | up"));
        assert_eq!(shown("a\x1b"), format!("TIME a\\u{{1b}}{:17} | up", ""));
    }

    #[test]
    fn each_line_of_a_record_has_the_name_and_its_own_indentation() {
        let mut record = Record::new(0, Level::ERROR, "web", "failed\n  in a\n\tin b");
        record.fields.push(Field { key: "user".into(), value: Value::U64(7) });
        record.process = process("job");
        record.exception = Some("no reason\n  at all".into());
        let mut out = Vec::new();
        screen(Color::Never).format(&record, &mut out);
        let text = String::from_utf8(out).unwrap().replace(&clock(), "TIME");
        assert_eq!(
            text,
            [
                "TIME job   | failed",
                "TIME job   |   in a",
                "TIME job   | \tin b user=7",
                "TIME job   | no reason",
                "TIME job   |   at all"
            ]
            .join("\n")
        );
    }

    #[test]
    fn workers_have_colours_of_their_own_and_levels_colour_the_text() {
        let mut screen = screen(Color::Always);
        let mut shown = |worker, level| shown(&mut screen, worker, level, "a\nb");
        let line = |color: &str, name: &str, text: &str| {
            format!("\x1b[{color}mTIME {name} |\x1b[0m {text}")
        };
        assert_eq!(
            shown("web-1", Level::INFO),
            [line("36", "web-1", "a"), line("36", "web-1", "b")].join("\n")
        );
        let red = |text| format!("\x1b[31m{text}\x1b[0m");
        assert_eq!(
            shown("job", Level::ERROR),
            [line("32", "job  ", &red("a")), line("32", "job  ", &red("b"))].join("\n")
        );
        // One that attached has the colour of its name.
        assert_eq!(shown("other", Level::INFO), shown("other", Level::INFO));
        let mut record = Record::new(0, Level::WARNING, "stderr", "a");
        record.process = process("job");
        record.styled = Some("\x1b[35ma".into());
        let mut out = Vec::new();
        screen.format(&record, &mut out);
        let own = line("32", "job  ", "\x1b[35ma\x1b[0m");
        assert_eq!(String::from_utf8(out).unwrap().replace(&clock(), "TIME"), own);
    }
}
