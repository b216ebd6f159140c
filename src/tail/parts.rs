//! A record put together again from the keys of a line.

use std::borrow::Cow;

use super::moment::{LineClock, Moment};
use crate::formatter::TimeText;
use crate::record::unit_ns;
use crate::{Field, Level, Record, Span, Value};

/// A record as a line tells it.
#[derive(Debug)]
pub(super) struct Read<'l> {
    pub(super) record: Record<'l>,
    /// When it was made, if the line says so.
    pub(super) moment: Option<Moment>,
    /// Whether the line tells the level.
    pub(super) has_level: bool,
}

/// What most questions are about, read without all else that a line says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) level: Option<Level>,
    pub(super) moment: Option<Moment>,
}

impl Told {
    /// Takes one key of a line, as [`Read::set`] does.
    pub(super) fn set(&mut self, key: &str, value: &Value<'_>, clock: &mut LineClock) {
        if tells_time(key) {
            self.moment = moment_of(value, clock);
        } else {
            self.level = level_with(self.level, key, value);
        }
    }
}

/// A value in a line, with others in it or not.
#[derive(Debug)]
pub(super) enum Tree<'l> {
    Leaf(Value<'l>),
    List(Vec<Tree<'l>>),
    Object(Vec<(Cow<'l, str>, Tree<'l>)>),
}

impl<'l> Read<'l> {
    /// A record that says nothing yet.
    pub(super) fn new() -> Read<'l> {
        let record = Record::new(0, Level::NOTSET, "", "");
        Read { record, moment: None, has_level: false }
    }

    pub(super) fn set_moment(&mut self, moment: Option<Moment>) {
        self.moment = moment;
        self.record.time_ns = moment.map_or(0, |moment| moment.first_ns);
    }

    pub(super) fn set_level(&mut self, level: Level) {
        (self.record.level, self.has_level) = (level, true);
    }

    /// Takes one key of a line by the names that JSON and logfmt of this library have, or others that
    /// are common. What has no place of its own becomes a field.
    pub(super) fn set(&mut self, key: Cow<'l, str>, tree: Tree<'l>, clock: &mut LineClock) {
        let record = &mut self.record;
        match (&*key, tree) {
            (key, Tree::Leaf(value)) if tells_time(key) => {
                self.set_moment(moment_of(&value, clock));
            }
            (key, Tree::Leaf(value)) if tells_level(key) && may_be_level(key, &value) => {
                let before = self.has_level.then_some(record.level);
                let level = level_with(before, key, &value);
                level.into_iter().for_each(|level| self.set_level(level));
            }
            ("logger" | "target", Tree::Leaf(Value::Str(text))) => record.logger = text,
            ("message" | "msg", Tree::Leaf(Value::Str(text))) => record.message = text,
            ("worker", Tree::Leaf(Value::Str(text))) => {
                record.process.to_mut().name = (*text).into()
            }
            ("program", Tree::Leaf(Value::Str(text))) => {
                record.process.to_mut().program = (*text).into();
            }
            ("thread", Tree::Leaf(Value::Str(text))) => record.thread.name = text,
            ("file", Tree::Leaf(Value::Str(text))) => record.file = Some(text),
            ("exception", Tree::Leaf(Value::Str(text))) => record.exception = Some(text),
            ("lane", Tree::Leaf(Value::Str(text))) => {
                record.lane = u64::from_str_radix(&text, 16).unwrap_or(0);
            }
            ("pid", Tree::Leaf(value)) => record.process.to_mut().id = small(&value).unwrap_or(0),
            ("thread_id", Tree::Leaf(value)) => record.thread.id = whole(&value).unwrap_or(0),
            ("line", Tree::Leaf(value)) => record.line = small(&value),
            ("seq", Tree::Leaf(value)) => record.seq = whole(&value).unwrap_or(0),
            ("spans", Tree::List(spans)) => record.spans = spans.into_iter().map(span).collect(),
            ("spans", Tree::Leaf(Value::Str(names))) => {
                let span = |name: &str| Span { name: name.to_owned().into(), fields: Vec::new() };
                record.spans = names.split(':').map(span).collect();
            }
            ("fields", Tree::Object(fields)) => self.set_fields(fields),
            ("context", Tree::Object(context)) => {
                let mut fields = Vec::new();
                context.into_iter().for_each(|(key, tree)| push_fields(key, tree, &mut fields));
                let owned = fields.into_iter().map(Field::into_owned);
                record.process.to_mut().context = owned.collect();
            }
            (_, tree) => push_fields(without_prefix(key), tree, &mut record.fields),
        }
    }

    /// Takes the fields of a record. `tracing` has its message among them.
    fn set_fields(&mut self, fields: Vec<(Cow<'l, str>, Tree<'l>)>) {
        let record = &mut self.record;
        for (key, tree) in fields {
            match (&*key, tree) {
                ("message", Tree::Leaf(Value::Str(text))) if record.message.is_empty() => {
                    record.message = text;
                }
                (_, tree) => push_fields(key, tree, &mut record.fields),
            }
        }
    }
}

/// Whether a key tells the time.
pub(super) fn tells_time(key: &str) -> bool {
    matches!(key, "time" | "timestamp" | "ts" | "@timestamp")
}

/// Whether a key may tell the level.
pub(super) fn tells_level(key: &str) -> bool {
    matches!(key, "levelno" | "level" | "severity" | "lvl" | "levelname")
}

/// Whether the value is one that levels have; another is a field.
fn may_be_level(key: &str, value: &Value<'_>) -> bool {
    key == "levelno" || matches!(value, Value::Str(_))
}

/// The level with one more key, which may tell it: a number counts most, then the first name.
fn level_with(before: Option<Level>, key: &str, value: &Value<'_>) -> Option<Level> {
    match value {
        _ if !tells_level(key) => before,
        Value::Str(name) if key != "levelno" => before.or_else(|| level_of(name)),
        value if key == "levelno" => {
            let number = whole(value).and_then(|number| u8::try_from(number).ok());
            number.map(Level::new).or(before)
        }
        _ => before,
    }
}

/// The name of a field that is not called by the name of another key.
fn without_prefix(key: Cow<'_, str>) -> Cow<'_, str> {
    match key {
        Cow::Borrowed(key) => key.strip_prefix("fields.").unwrap_or(key).into(),
        Cow::Owned(key) => key.strip_prefix("fields.").map(str::to_owned).unwrap_or(key).into(),
    }
}

/// Adds a value as a field, an object as one field for each of its own, `outer.inner`.
fn push_fields<'l>(key: Cow<'l, str>, tree: Tree<'l>, fields: &mut Vec<Field<'l>>) {
    match tree {
        Tree::Leaf(value) => fields.push(Field { key, value }),
        Tree::List(list) => {
            let value = Value::Str(text_of_list(&list).into());
            fields.push(Field { key, value });
        }
        Tree::Object(object) => {
            for (inner, tree) in object {
                push_fields(format!("{key}.{inner}").into(), tree, fields);
            }
        }
    }
}

fn text_of_list(list: &[Tree<'_>]) -> String {
    let texts: Vec<_> = list.iter().map(text_of_tree).collect();
    format!("[{}]", texts.join(","))
}

fn text_of_tree(tree: &Tree<'_>) -> String {
    match tree {
        Tree::Leaf(value) => value.to_string(),
        Tree::List(list) => text_of_list(list),
        Tree::Object(object) => {
            let pair =
                |(key, tree): &(Cow<'_, str>, Tree<'_>)| format!("{key}:{}", text_of_tree(tree));
            format!("{{{}}}", object.iter().map(pair).collect::<Vec<_>>().join(","))
        }
    }
}

fn span(tree: Tree<'_>) -> Span<'_> {
    let mut span = Span { name: "".into(), fields: Vec::new() };
    let Tree::Object(keys) = tree else { return span };
    for (key, tree) in keys {
        match (&*key, tree) {
            ("name", Tree::Leaf(Value::Str(name))) => span.name = name,
            ("fields", Tree::Object(fields)) => {
                fields.into_iter().for_each(|(key, tree)| push_fields(key, tree, &mut span.fields));
            }
            _ => {}
        }
    }
    span
}

/// The level of a name: `ERROR`, `error` or `Error`, or `Level 15`.
pub(super) fn level_of(name: &str) -> Option<Level> {
    if let Some(number) = name.strip_prefix("Level ") {
        return number.parse().ok().map(Level::new);
    }
    let is_upper = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_lower = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_name = is_upper(name) || is_lower(name.get(1..).unwrap_or("?"));
    name.parse().ok().filter(|_| is_name)
}

/// The moment that a value stands for.
pub(super) fn moment_of(value: &Value<'_>, clock: &mut LineClock) -> Option<Moment> {
    let number = match value {
        Value::Str(text) => {
            let time = TimeText::read(text.as_bytes()).filter(|time| time.bytes == text.len())?;
            return clock.moment(&time);
        }
        Value::F64(number) => *number,
        value => {
            let number = i64::try_from(whole(value)?).ok()?;
            return Some(Moment::at(number.saturating_mul(unit_ns(number as f64))));
        }
    };
    // A float has no more digits than microseconds need.
    let microseconds = (number * unit_ns(number) as f64 / 1e3).round() as i64;
    Some(Moment::at(microseconds.saturating_mul(1000)))
}

fn whole(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::I64(number) => u64::try_from(*number).ok(),
        Value::U64(number) => Some(*number),
        _ => None,
    }
}

fn small(value: &Value<'_>) -> Option<u32> {
    whole(value).and_then(|number| u32::try_from(number).ok())
}
