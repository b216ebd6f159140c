//! Reading settings: each knows the keys that lead to it, and says what it has to be.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::error::Problem;
use super::node::{Data, Node, escaped};
use crate::{Level, LevelNames, Value};

/// Most entries that a table or list of a configuration may have.
pub(super) const MAX_ENTRIES: usize = 4096;

/// The key under which Python's `dictConfig` is given what to call.
const FACTORY: &str = "()";

/// One setting.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) node: Node,
}

/// Settings by name, of which all have to be taken.
pub(super) struct Table {
    key: String,
    line: usize,
    entries: Vec<(String, Node)>,
    known: Vec<&'static str>,
}

impl Item {
    /// Something else was expected.
    pub(super) fn expected(&self, what: impl Display) -> Problem {
        self.refused(format_args!("found {}, expected {what}", self.node.data))
    }

    /// It is what was expected, and cannot be used all the same.
    pub(super) fn refused(&self, reason: impl Display) -> Problem {
        Problem { line: self.node.line, key: self.key.clone(), reason: reason.to_string() }
    }

    fn is_null(&self) -> bool {
        self.node.data == Data::Null
    }

    pub(super) fn text(&self, what: &str) -> Result<&str, Problem> {
        match &self.node.data {
            Data::Text(text) if text.starts_with("cfg://") => {
                Err(self.expected(format_args!("{what}; references are not followed")))
            }
            Data::Text(text) => Ok(text),
            _ => Err(self.expected(what)),
        }
    }

    /// As in Python, 1 is true and 0 is false.
    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        match self.node.data {
            Data::Bool(value) => Ok(value),
            Data::Integer(number @ (0 | 1)) => Ok(number == 1),
            _ => Err(self.expected("true or false")),
        }
    }

    pub(super) fn number(&self, range: RangeInclusive<u64>, what: &str) -> Result<u64, Problem> {
        let number = match self.node.data {
            Data::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let range = match (*range.start(), *range.end()) {
                (0, u64::MAX) => String::new(),
                (start, u64::MAX) => format!(", {start} or more"),
                (start, end) => format!(", {start} to {end}"),
            };
            self.expected(format_args!("{what}{range}"))
        })
    }

    pub(super) fn level(&self, names: &LevelNames) -> Result<Level, Problem> {
        let level = match &self.node.data {
            Data::Text(text) => names.level(text).ok(),
            Data::Integer(number) => u8::try_from(*number).ok().map(Level::new),
            _ => None,
        };
        level.ok_or_else(|| {
            let own: String = names.iter().map(|(_, name)| format!("{name}, ")).collect();
            self.expected(format_args!(
                "{own}NOTSET, TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number from 0 to 255"
            ))
        })
    }

    /// A value for a field of records.
    pub(super) fn value(&self) -> Result<Value<'static>, Problem> {
        Ok(match &self.node.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Integer(number) => Value::I64(*number),
            Data::Float(number) => Value::F64(*number),
            Data::Text(text) => Value::Str(text.clone().into()),
            _ => return Err(self.expected("a text, a number, or true or false")),
        })
    }

    pub(super) fn list(self, what: &str) -> Result<Vec<Item>, Problem> {
        match self.node.data {
            Data::List(nodes) if nodes.len() <= MAX_ENTRIES => {
                let item = |(index, node)| Item { key: format!("{}[{index}]", self.key), node };
                Ok(nodes.into_iter().enumerate().map(item).collect())
            }
            Data::List(_) => Err(self.refused(format_args!("more than {MAX_ENTRIES} entries"))),
            _ => Err(self.expected(what)),
        }
    }

    pub(super) fn table(self) -> Result<Table, Problem> {
        match self.node.data {
            Data::Table(entries) if entries.len() <= MAX_ENTRIES => {
                Ok(Table { key: self.key, line: self.node.line, entries, known: Vec::new() })
            }
            Data::Table(_) => Err(self.refused(format_args!("more than {MAX_ENTRIES} entries"))),
            _ => Err(self.expected("a table")),
        }
    }
}

impl Table {
    /// The setting of this name, unless it is missing or null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Item> {
        self.known.push(name);
        let found = self.entries.iter().position(|(key, _)| key == name)?;
        let (_, node) = self.entries.remove(found);
        Some(Item { key: self.key_of(name), node }).filter(|item| !item.is_null())
    }

    /// The setting of this name, which has to be there.
    pub(super) fn need(&mut self, name: &'static str, what: &str) -> Result<Item, Problem> {
        if let Some(item) = self.take(name) {
            return Ok(item);
        }
        if let Some((key, node)) = self.entries.iter().find(|(key, _)| key == FACTORY) {
            return Err(self.unknown(key, node));
        }
        let reason = format!("missing, expected {what}");
        Err(Problem { line: self.line, key: self.key_of(name), reason })
    }

    /// The settings of a table below this one; none where it is missing.
    pub(super) fn take_table(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<(String, Item)>, Problem> {
        Ok(self.take(name).map(Item::table).transpose()?.map_or_else(Vec::new, Table::into_entries))
    }

    pub(super) fn into_entries(self) -> Vec<(String, Item)> {
        let Table { key: parent, entries, .. } = self;
        let item = |(key, node): (String, Node)| {
            let path = below(&parent, &key);
            (key, Item { key: path, node })
        };
        entries.into_iter().map(item).collect()
    }

    /// Whether all settings were taken.
    pub(super) fn end(mut self) -> Result<(), Problem> {
        self.known.sort_unstable();
        self.known.dedup();
        self.entries.first().map_or(Ok(()), |(key, node)| Err(self.unknown(key, node)))
    }

    fn unknown(&self, key: &str, node: &Node) -> Problem {
        let reason = match key {
            FACTORY => {
                "factories are not called: nothing in a configuration is executed".to_owned()
            }
            _ => format!("unknown key, expected one of {}", self.known.join(", ")),
        };
        Problem { line: node.line, key: self.key_of(key), reason }
    }

    fn key_of(&self, name: &str) -> String {
        below(&self.key, name)
    }
}

/// A key that has dots or other signs is quoted, so that a path can be read in one way only.
pub(super) fn below(parent: &str, key: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '(' | ')');
    let key = match !key.is_empty() && key.chars().all(is_plain) {
        true => key.to_owned(),
        false => format!("\"{}\"", escaped(key)),
    };
    if parent.is_empty() { key } else { format!("{parent}.{key}") }
}
