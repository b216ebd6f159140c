//! Putting a record together from keys and values in any order, within its limits.
//!
//! Nothing is lost silently: what does not fit the place that its key names becomes a field, and
//! fields without room are counted in the field `omitted_fields`.

use std::borrow::Cow;

use super::names::{Names, Part, is_derived};
use super::text::{MARK_BYTES, cut};
use super::{MAX_FIELDS_BYTES, MAX_KEYS, MAX_NAME_BYTES, MAX_RECORD_BYTES, Received, time};
use crate::{Field, Level, Value};

/// What a field counts for beside its text.
const FIELD_BYTES: usize = 16;

/// Milliseconds since the start of logging that are taken for such: a thousand years.
const MAX_SINCE_START_MS: f64 = 3.2e13;

/// Names of levels beside those of [`Level`], as syslog has them.
const LEVEL_ALIASES: [(&str, Level); 2] = [("err", Level::ERROR), ("crit", Level::CRITICAL)];

/// Levels of syslog that have no name of their own here: they keep the one they came with.
const LEVELS_OF_SYSLOG: [(&str, Level); 3] =
    [("notice", Level::new(25)), ("alert", Level::CRITICAL), ("emerg", Level::CRITICAL)];

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

    /// What the key means in this record; none where it is a field.
    pub(super) fn part(&self, key: &str) -> Option<Part> {
        self.names.part(key)
    }

    /// Takes what a key stands for.
    pub(super) fn set(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        self.set_part(self.part(&key), key, value);
    }

    /// The same where it is known what the key means.
    pub(super) fn set_part(&mut self, part: Option<Part>, key: Cow<'a, str>, value: Value<'a>) {
        let rest = match part {
            Some(_) if value == Value::Null => None,
            Some(part) => self.fill(part, value),
            None => Some(value),
        };
        if let Some(value) = rest {
            self.field(key, value);
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

    /// The record; text beyond its limits is cut.
    pub(super) fn finish(mut self) -> Received<'a> {
        if self.since_start_ms.is_some() {
            self.fields.retain(|field| !is_redundant(&field.key, &field.value));
        }
        if self.message.is_none() {
            self.take_message_from_fields();
        }
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

    /// The formatter of `tracing` has the message among the fields.
    fn take_message_from_fields(&mut self) {
        if let Some(at) = self.fields.iter().position(|field| field.key == "message")
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
    is_derived(key) && (*value == Value::Null || !matches!(key, "args" | "exc_info"))
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

/// A level beyond the scale is the one at its end.
fn level_of_number(value: &Value<'_>) -> Option<Level> {
    match value {
        Value::I64(number) => Some(Level::new((*number).clamp(0, 255) as u8)),
        Value::U64(number) => Some(Level::new((*number).min(255) as u8)),
        _ => None,
    }
}

/// The level by its number, else by its name, and the name where it is not the usual one.
fn level(number: Option<Level>, name: Text<'_>, default: Level) -> (Level, Text<'_>) {
    let Some(name) = name else { return (number.unwrap_or(default), None) };
    if let Some(level) = number.filter(|level| *level.name() == *name) {
        return (level, None);
    }
    let known = |names: &[(&str, Level)]| {
        let named = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        named.map(|(_, level)| *level)
    };
    let usual = name.parse().ok().or_else(|| known(&LEVEL_ALIASES));
    let level = number.or(usual).or_else(|| known(&LEVELS_OF_SYSLOG)).unwrap_or(default);
    (level, (usual != Some(level)).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(names: Names, pairs: &[(&'static str, Value<'static>)]) -> Received<'static> {
        let mut parts = Parts::new(names, 7);
        for (key, value) in pairs {
            if parts.admits_key() {
                parts.set((*key).into(), value.clone());
            }
        }
        parts.finish()
    }

    fn pairs<'r>(received: &'r Received<'_>) -> Vec<(&'r str, String)> {
        received.fields.iter().map(|field| (&*field.key, field.value.to_string())).collect()
    }

    #[test]
    fn levels_are_numbers_or_names_in_any_case() {
        let of = |value: Value<'static>| received(Names::Common, &[("level", value)]);
        for (name, number, kept) in [
            ("trace", 5, None),
            ("Debug", 10, None),
            ("INFO", 20, None),
            ("warn", 30, None),
            ("Warning", 30, None),
            ("err", 40, None),
            ("ERROR", 40, None),
            ("crit", 50, None),
            ("critical", 50, None),
            ("fatal", 50, None),
            ("notice", 25, Some("notice")),
            ("ALERT", 50, Some("ALERT")),
            ("emerg", 50, Some("emerg")),
            ("33", 33, None),
            ("AUDIT", 20, Some("AUDIT")),
        ] {
            let received = of(name.into());
            assert_eq!(received.level.number(), number, "{name}");
            assert_eq!(received.level_name.as_deref(), kept, "{name}");
        }
        assert_eq!(of(Value::I64(-5)).level, Level::NOTSET);
        assert_eq!(of(Value::U64(1000)).level, Level::new(255));
        assert_eq!(of(Value::Null).level, Level::INFO);
    }

    #[test]
    fn a_name_of_ones_own_stays_beside_the_number() {
        let own = [("levelname", "AUDIT".into()), ("levelno", Value::I64(35))];
        let received = received(Names::Python, &own);
        assert_eq!((received.level.number(), received.level_name.as_deref()), (35, Some("AUDIT")));
    }

    #[test]
    fn what_does_not_fit_its_place_is_a_field() {
        let received = received(
            Names::Common,
            &[
                ("lineno", "seven".into()),
                ("line", Value::I64(8)),
                ("pid", Value::I64(-1)),
                ("logger", "a".into()),
                ("name", "b".into()),
                ("target", "a".into()),
                ("ts", "yesterday".into()),
                ("thread", "main".into()),
                ("thread_id", Value::U64(u64::MAX)),
                ("message", Value::Bool(true)),
            ],
        );
        let fields = [("lineno", "seven"), ("pid", "-1"), ("name", "b"), ("ts", "yesterday")];
        assert_eq!(pairs(&received), fields.map(|(key, text)| (key, text.to_owned())));
        assert_eq!((&*received.logger, &*received.message), ("a", "true"));
        assert_eq!((received.line, received.process_id, received.time_ns), (Some(8), None, 7));
        assert_eq!(received.thread_name.as_deref(), Some("main"));
        assert_eq!(received.thread_id, Some(u64::MAX));
    }

    #[test]
    fn a_formatted_message_goes_before_its_template() {
        for (pairs_given, fields) in [
            (vec![("msg", "a %s"), ("message", "a b")], vec![("msg", "a %s".to_owned())]),
            (vec![("message", "a b"), ("msg", "a %s")], vec![("msg", "a %s".to_owned())]),
            (vec![("msg", "a b"), ("message", "a b")], vec![]),
        ] {
            let given: Vec<_> =
                pairs_given.iter().map(|(key, text)| (*key, (*text).into())).collect();
            let received = received(Names::Common, &given);
            assert_eq!((&*received.message, pairs(&received)), ("a b", fields));
        }
    }

    #[test]
    fn what_python_says_twice_is_left_out_and_what_others_say_is_kept() {
        let twice = [("module", "m".into()), ("msecs", Value::F64(1.0)), ("args", Value::Null)];
        assert_eq!(pairs(&received(Names::Python, &twice)), []);
        assert_eq!(pairs(&received(Names::Common, &twice)).len(), 3);
        let mut of_python = twice.to_vec();
        of_python.push(("relativeCreated", Value::F64(2.5)));
        of_python.push(("created", Value::F64(1.0)));
        let received = received(Names::Common, &of_python);
        assert_eq!(pairs(&received), []);
        assert_eq!(received.started_ns, Some(997_500_000));
    }

    #[test]
    fn extra_fields_of_python_may_have_common_names() {
        let received = received(Names::Python, &[("level", "gold".into()), ("task", "t".into())]);
        assert_eq!(pairs(&received), [("level", "gold".to_owned()), ("task", "t".to_owned())]);
    }

    #[test]
    fn everything_oversized_at_once_stays_below_the_limit() {
        let long = || Value::Str("é".repeat(MAX_RECORD_BYTES).into());
        let keys = ["name", "exc_text", "stack_info", "pathname", "funcName", "threadName"];
        let mut given: Vec<_> = keys.map(|key| (key, long())).to_vec();
        given.extend((0..600).map(|_| ("big", Value::Str("x".repeat(5000).into()))));
        given.insert(0, ("msg", long()));
        let received = received(Names::Python, &given);
        let field = |field: &Field<'_>| field.key.len() + field.value.to_string().len();
        let fields: usize = received.fields.iter().map(field).sum();
        assert!(fields + received.text_bytes() <= MAX_RECORD_BYTES);
        assert!(received.message.len() > 120_000 && received.message.ends_with(" bytes]"));
        let omitted = received.fields.last().unwrap();
        assert_eq!((&*omitted.key, received.fields.len() < 120), ("omitted_fields", true));
        assert_eq!(omitted.value, Value::U64(600 - (received.fields.len() as u64 - 1)));
    }
}
