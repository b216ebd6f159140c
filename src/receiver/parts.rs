//! Putting a record together from keys and values in any order, within its limits.
//!
//! Nothing is lost silently: what does not fit the place that its key names becomes a field, and
//! fields without room are counted in the field `omitted_fields`.

use std::borrow::Cow;

use super::levels::{level, level_of_node, level_of_number};
use super::names::{Names, Part, is_derived};
use super::text::{MARK_BYTES, cut};
use super::{MAX_FIELDS_BYTES, MAX_KEYS, MAX_NAME_BYTES, MAX_RECORD_BYTES, Received, time};
use crate::{Field, Level, Value};

/// What a field counts for beside its text.
const FIELD_BYTES: usize = 16;

/// Fields that are the message of a JSON line that has none: of the formatter of `tracing`, of
/// structlog, and of Serilog where the template is not filled in.
const MESSAGE_FIELDS: [&str; 3] = ["message", "event", "@mt"];

/// Milliseconds since the start of logging that are taken for such: a thousand years.
const MAX_SINCE_START_MS: f64 = 3.2e13;

type Text<'a> = Option<Cow<'a, str>>;

/// A record in the making.
pub(super) struct Parts<'a> {
    names: Names,
    arrived_ns: i64,
    /// That of a record that says none.
    default_level: Level,
    time_ns: Option<i64>,
    level: Option<Level>,
    level_name: Text<'a>,
    logger: Text<'a>,
    message: Text<'a>,
    /// Whether the message is the one of the key for messages that may not be formatted.
    is_template: bool,
    exception: Text<'a>,
    stack_info: Text<'a>,
    file: Text<'a>,
    line: Option<u32>,
    function: Text<'a>,
    process_id: Option<u32>,
    process_name: Text<'a>,
    since_start_ms: Option<f64>,
    thread_id: Option<u64>,
    thread_name: Text<'a>,
    task_name: Text<'a>,
    fields: Vec<Field<'a>>,
    fields_room: usize,
    keys: usize,
    omitted: u64,
}

impl<'a> Parts<'a> {
    pub(super) fn new(names: Names, arrived_ns: i64) -> Parts<'a> {
        Parts {
            names,
            arrived_ns,
            default_level: Level::INFO,
            time_ns: None,
            level: None,
            level_name: None,
            logger: None,
            message: None,
            is_template: false,
            exception: None,
            stack_info: None,
            file: None,
            line: None,
            function: None,
            process_id: None,
            process_name: None,
            since_start_ms: None,
            thread_id: None,
            thread_name: None,
            task_name: None,
            fields: Vec::new(),
            fields_room: MAX_FIELDS_BYTES,
            keys: 0,
            omitted: 0,
        }
    }

    /// The same with another level for a record that says none.
    #[cfg(feature = "supervisor")]
    pub(super) fn default_level(self, level: Level) -> Parts<'a> {
        Parts { default_level: level, ..self }
    }

    /// Takes one of the keys that a record may have; where there are too many, counts it as omitted.
    pub(super) fn admits_key(&mut self) -> bool {
        let admitted = self.keys < MAX_KEYS;
        self.keys += usize::from(admitted);
        self.omitted += u64::from(!admitted);
        admitted
    }

    /// Whether there was room for all fields so far.
    #[cfg(feature = "supervisor")]
    pub(super) fn is_whole(&self) -> bool {
        self.omitted == 0
    }

    /// Bytes that the text of the next field may have.
    pub(super) fn room(&self) -> usize {
        self.fields_room.saturating_sub(MAX_NAME_BYTES + FIELD_BYTES)
    }

    /// Takes what a key stands for.
    pub(super) fn set(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        if let Some(rest) = self.place(self.names.part(&key), value) {
            self.field(key, rest);
        }
    }

    /// Puts a value into the place that its key names, or gives it back where it is a field.
    pub(super) fn place(&mut self, part: Option<Part>, value: Value<'a>) -> Option<Value<'a>> {
        match part {
            Some(_) if value == Value::Null => None,
            Some(part) => self.fill(part, value),
            None => Some(value),
        }
    }

    /// Takes a field, whatever its key.
    pub(super) fn field(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        if self.names == Names::Python && is_redundant(&key, &value) {
            return;
        }
        let key = cut(key, MAX_NAME_BYTES);
        let room = self.fields_room.saturating_sub(FIELD_BYTES + key.len());
        if room < 2 * MARK_BYTES {
            self.omitted += 1;
            return;
        }
        let (value, text_bytes) = match value {
            Value::Str(text) => {
                let text = cut(text, room);
                let text_bytes = text.len();
                (Value::Str(text), text_bytes)
            }
            value => (value, 0),
        };
        self.fields_room = room - text_bytes;
        self.fields.push(Field { key, value });
    }

    /// Puts the value in its place, or gives it back where it does not fit.
    fn fill(&mut self, part: Part, value: Value<'a>) -> Option<Value<'a>> {
        match part {
            Part::Time => fill(&mut self.time_ns, time::read(&value), value),
            Part::SinceStart => fill(&mut self.since_start_ms, since_start_ms(&value), value),
            Part::Line => fill(&mut self.line, unsigned(&value), value),
            Part::Level => match level_of_number(&value) {
                Some(level) => fill(&mut self.level, Some(level), value),
                None => fill_text(&mut self.level_name, value),
            },
            Part::Process => match &value {
                Value::Str(_) => fill_text(&mut self.process_name, value),
                _ => fill(&mut self.process_id, unsigned(&value), value),
            },
            Part::Thread => match &value {
                Value::Str(_) => fill_text(&mut self.thread_name, value),
                _ => fill(&mut self.thread_id, unsigned(&value), value),
            },
            Part::Template => self.fill_template(value),
            Part::Message => self.fill_message(value),
            Part::Logger => fill_text(&mut self.logger, value),
            Part::Exception => fill_text(&mut self.exception, value),
            Part::StackInfo => fill_text(&mut self.stack_info, value),
            Part::File => fill_text(&mut self.file, value),
            Part::Function => fill_text(&mut self.function, value),
            Part::Task => fill_text(&mut self.task_name, value),
        }
    }

    fn fill_template(&mut self, value: Value<'a>) -> Option<Value<'a>> {
        self.is_template |= self.message.is_none();
        fill_text(&mut self.message, text_of(value))
    }

    /// A message that is formatted goes before one that may not be.
    fn fill_message(&mut self, value: Value<'a>) -> Option<Value<'a>> {
        if self.is_template {
            self.is_template = false;
            let template = self.message.take();
            let rest = fill_text(&mut self.message, text_of(value));
            if let Some(template) = template.filter(|text| Some(text) != self.message.as_ref()) {
                self.field(Cow::Borrowed("msg"), Value::Str(template));
            }
            return rest;
        }
        fill_text(&mut self.message, text_of(value))
    }

    /// Takes what only JSON lines say in their own way: the message by other names, and the level by
    /// the numbers of pino and Bunyan. Whoever has a time or a level is a record, so that an object
    /// that happens to have an `event` is none.
    pub(super) fn read_as_line(&mut self) {
        let is_leveled = self.level.is_some() || self.level_name.is_some();
        if self.message.is_none() && (is_leveled || self.time_ns.is_some()) {
            MESSAGE_FIELDS.into_iter().for_each(|key| self.take_message_from_field(key));
        }
        if self.is_of_node() {
            self.level = self.level.map(level_of_node);
        }
    }

    /// Whether it has all that pino and Bunyan begin each record with. Python's levels go by numbers,
    /// too, but never without their names beside such keys.
    fn is_of_node(&self) -> bool {
        let is_host =
            |field: &Field<'_>| field.key == "hostname" && matches!(field.value, Value::Str(_));
        self.is_template
            && self.level_name.is_none()
            && self.process_id.is_some()
            && self.time_ns.is_some()
            && self.fields.iter().any(is_host)
    }

    /// The record; text beyond its limits is cut.
    pub(super) fn finish(mut self) -> Received<'a> {
        if self.since_start_ms.is_some() {
            self.fields.retain(|field| !is_redundant(&field.key, &field.value));
        }
        // The formatter of `tracing` has the message among the fields.
        self.take_message_from_field("message");
        if self.omitted > 0 {
            let (key, value) = (Cow::Borrowed("omitted_fields"), Value::U64(self.omitted));
            self.fields.push(Field { key, value });
        }
        let (level, level_name) = level(self.level, self.level_name, self.default_level);
        let time_ns = self.time_ns.unwrap_or(self.arrived_ns);
        let since_start_ns = self.since_start_ms.map(|since_ms| (since_ms * 1e6) as i64);
        let name = |text: Text<'a>| text.map(|text| cut(text, MAX_NAME_BYTES));
        let mut received = Received {
            time_ns,
            level,
            level_name: name(level_name),
            logger: name(self.logger).unwrap_or_default(),
            message: Cow::Borrowed(""),
            exception: None,
            stack_info: None,
            file: name(self.file),
            line: self.line,
            function: name(self.function),
            process_id: self.process_id,
            process_name: name(self.process_name),
            started_ns: since_start_ns.map(|since_ns| time_ns.saturating_sub(since_ns)),
            thread_id: self.thread_id,
            thread_name: name(self.thread_name),
            task_name: name(self.task_name),
            fields: self.fields,
        };
        let mut room = MAX_RECORD_BYTES - (MAX_FIELDS_BYTES - self.fields_room);
        room -= received.text_bytes();
        received.exception = self.exception.map(|text| cut(text, room / 2));
        room -= received.exception.as_ref().map_or(0, |text| text.len());
        received.stack_info = self.stack_info.map(|text| cut(text, room / 2));
        room -= received.stack_info.as_ref().map_or(0, |text| text.len());
        received.message = cut(self.message.unwrap_or_default(), room);
        received
    }

    fn take_message_from_field(&mut self, key: &str) {
        if self.message.is_none()
            && let Some(at) = self.fields.iter().position(|field| field.key == key)
            && let Value::Str(text) = text_of(self.fields.remove(at).value)
        {
            self.message = Some(text);
        }
    }
}

impl Received<'_> {
    /// Bytes of all text but the fields.
    fn text_bytes(&self) -> usize {
        let optional = [
            &self.level_name,
            &self.exception,
            &self.stack_info,
            &self.file,
            &self.function,
            &self.process_name,
            &self.thread_name,
            &self.task_name,
        ];
        let optional = optional.into_iter().flatten().map(|text| text.len());
        self.logger.len() + self.message.len() + optional.sum::<usize>()
    }
}

/// Whether a record of Python has this and it says nothing.
fn is_redundant(key: &str, value: &Value<'_>) -> bool {
    is_derived(key.as_bytes()) && (*value == Value::Null || !matches!(key, "args" | "exc_info"))
}

/// Fills a place that is free. What it has already is not said again.
fn fill<'a, T: PartialEq>(
    place: &mut Option<T>,
    read: Option<T>,
    value: Value<'a>,
) -> Option<Value<'a>> {
    match (&place, read) {
        (_, None) => Some(value),
        (Some(known), Some(read)) => (*known != read).then_some(value),
        (None, read) => {
            *place = read;
            None
        }
    }
}

fn fill_text<'a>(place: &mut Text<'a>, value: Value<'a>) -> Option<Value<'a>> {
    match value {
        Value::Str(text) if text.is_empty() || place.as_ref() == Some(&text) => None,
        Value::Str(text) if place.is_none() => {
            *place = Some(text);
            None
        }
        value => Some(value),
    }
}

fn text_of(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Str(_) => value,
        value => Value::Str(value.to_string().into()),
    }
}

fn unsigned<T: TryFrom<i64> + TryFrom<u64>>(value: &Value<'_>) -> Option<T> {
    match value {
        Value::I64(number) => T::try_from(*number).ok(),
        Value::U64(number) => T::try_from(*number).ok(),
        _ => None,
    }
}

fn since_start_ms(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::F64(since_ms) if since_ms.abs() < MAX_SINCE_START_MS => Some(*since_ms),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
