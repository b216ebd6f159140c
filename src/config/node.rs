//! A configuration as all of its forms have it: tables, lists and values, each with its line.

use std::fmt;

use super::error::Problem;

/// How deep tables and lists may be nested.
pub(super) const MAX_DEPTH: usize = 16;

/// How much of a text an error repeats.
const MAX_SHOWN_CHARS: usize = 60;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) data: Data,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// What no setting takes, by its name.
    Other(&'static str),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

/// As errors name what they have found.
impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Null => write!(f, "null"),
            Data::Bool(value) => write!(f, "{value}"),
            Data::Integer(value) => write!(f, "{value}"),
            Data::Float(value) => write!(f, "{value}"),
            Data::Text(text) if text.chars().count() > MAX_SHOWN_CHARS => {
                let shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
                write!(f, "\"{}…\"", escaped(&shown))
            }
            Data::Text(text) => write!(f, "\"{}\"", escaped(text)),
            Data::Other(name) => write!(f, "{name}"),
            Data::List(_) => write!(f, "a list"),
            Data::Table(_) => write!(f, "a table"),
        }
    }
}

/// The text on one line, as it stands between double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for sign in text.chars() {
        match sign {
            '\'' => escaped.push(sign),
            _ => escaped.extend(sign.escape_debug()),
        }
    }
    escaped
}

/// The text itself cannot be read.
pub(super) fn unreadable(line: usize, reason: impl fmt::Display) -> Problem {
    Problem { line, key: String::new(), reason: reason.to_string() }
}

pub(super) fn too_deep(line: usize) -> Problem {
    unreadable(line, format_args!("tables and lists may be nested {MAX_DEPTH} deep"))
}

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Lines {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(ends.map(|(offset, _)| offset).collect())
    }

    /// The number of the line, from 1, that has the byte at `offset`.
    pub(super) fn at(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}
