//! The beginning of a line, kept as text: records in a row mostly have it in common.

use super::attribute::{Attribute, Number, Text};
use super::parse::Part;
use crate::Record;
use crate::record::is_same;

/// How many are kept. Lanes that are merged take turns with each record, so one would not do.
const KEPT_HEADS: usize = 16;

/// The last heads of lines, each of the parts before the first that most records have of their own.
#[derive(Clone, Debug)]
pub(super) struct LineHeads {
    parts: usize,
    heads: [Head; KEPT_HEADS],
}

/// The text of a head, and all that it says of a record.
#[derive(Clone, Debug, Default)]
struct Head {
    text: Vec<u8>,
    tick: i64,
    /// Number of the level; none yet where nothing is kept.
    level: Option<u8>,
    process_id: u32,
    process_name: String,
    logger: String,
}

impl LineHeads {
    /// None yet, of lines with these parts.
    pub(super) fn of(parts: &[Part]) -> LineHeads {
        let parts = parts.iter().take_while(|part| is_common(part)).count();
        LineHeads { parts, heads: Default::default() }
    }

    /// How many parts a head has.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// The head that a line of `record` has in the part of time `tick`, if it is kept.
    pub(super) fn get(&self, tick: i64, record: &Record<'_>) -> Option<&[u8]> {
        let head = &self.heads[place(record)];
        head.is_of(tick, record).then_some(&*head.text)
    }

    /// Keeps a head.
    pub(super) fn keep(&mut self, tick: i64, record: &Record<'_>, text: &[u8]) {
        let head = &mut self.heads[place(record)];
        head.text.clear();
        head.text.extend_from_slice(text);
        head.tick = tick;
        head.level = Some(record.level.number());
        head.process_id = record.process.id;
        replace(&mut head.process_name, &record.process.name);
        replace(&mut head.logger, &record.logger);
    }
}

impl Head {
    fn is_of(&self, tick: i64, record: &Record<'_>) -> bool {
        self.tick == tick
            && self.level == Some(record.level.number())
            && self.process_id == record.process.id
            && is_same(self.logger.as_bytes(), record.logger.as_bytes())
            && is_same(self.process_name.as_bytes(), record.process.name.as_bytes())
    }
}

fn replace(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}

/// Where a head of this record is kept: workers that were started in a row have places of their own.
fn place(record: &Record<'_>) -> usize {
    record.process.id as usize % KEPT_HEADS
}

/// Whether the text of `part` follows from what a head says.
fn is_common(part: &Part) -> bool {
    match part {
        Part::Literal(_) => true,
        Part::Attribute(attribute, _) => matches!(
            attribute,
            Attribute::Asctime
                | Attribute::Text(Text::LevelName | Text::Logger | Text::ProcessName)
                | Attribute::Number(Number::Level | Number::ProcessId)
        ),
        Part::Value(_) => false,
    }
}
