//! From TOML.

use std::borrow::Cow;

use ::toml::Spanned;
use ::toml::de::{DeInteger, DeTable, DeValue};

use super::error::Problem;
use super::node::{Data, Lines, MAX_DEPTH, Node, too_deep, unreadable};

pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        unreadable(lines.at(offset), error.message())
    })?;
    Ok(Node { line: 1, data: Source(lines).table(table.get_ref(), 1)? })
}

struct Source(Lines);

impl Source {
    fn node(
        &self,
        value: &Spanned<DeValue<'_>>,
        line: usize,
        depth: usize,
    ) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let data = match value.get_ref() {
            DeValue::String(text) => Data::Text(text.to_string()),
            DeValue::Integer(number) => integer(number),
            DeValue::Float(number) => {
                number.as_str().parse().map_or(Data::Other("a number"), Data::Float)
            }
            DeValue::Boolean(value) => Data::Bool(*value),
            DeValue::Datetime(_) => Data::Other("a date"),
            DeValue::Array(values) => {
                let node = |value: &Spanned<DeValue<'_>>| {
                    self.node(value, self.0.at(value.span().start), depth + 1)
                };
                Data::List(values.iter().map(node).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth + 1)?,
        };
        Ok(Node { line, data })
    }

    /// Each value has the line of its key.
    fn table(&self, table: &DeTable<'_>, depth: usize) -> Result<Data, Problem> {
        let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let line = self.0.at(key.span().start);
            Ok((key.get_ref().to_string(), self.node(value, line, depth)?))
        };
        let mut entries = table.iter().map(entry).collect::<Result<Vec<(String, Node)>, _>>()?;
        entries.sort_by_key(|(_, node)| node.line);
        Ok(Data::Table(entries))
    }
}

fn integer(number: &DeInteger<'_>) -> Data {
    i64::from_str_radix(number.as_str(), number.radix())
        .map_or(Data::Other("a number that is too large"), Data::Integer)
}
