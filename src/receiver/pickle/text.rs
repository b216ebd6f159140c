//! Containers and objects as text.

use super::super::text::{JsonText, bytes_literal};
use super::super::{MAX_DEPTH, MAX_NAME_BYTES};
use super::object::latin1;
use super::scalar;
use super::value::{Item, Kind, Values};

/// A container that is being written.
struct Open {
    container: u32,
    next: usize,
    end: &'static str,
}

/// JSON of a container in at most `room` bytes. Objects are `{"<class>":[…]}` in it, and one that is
/// no part of another is `<class(…)>`.
pub(super) fn nested(values: &Values<'_>, container: u32, room: usize) -> String {
    let mut json = JsonText::new(room);
    let mut open = Vec::new();
    if let Kind::Object(class) = values.get(container).kind {
        json.raw("<");
        json.raw(&name(class));
        json.raw(if values.get(container).items.is_empty() { "" } else { "(" });
        let end = if values.get(container).items.is_empty() { ">" } else { ")>" };
        open.push(Open { container, next: 0, end });
    } else {
        open.push(begin(&mut json, values, container));
    }
    while let Some(last) = open.last_mut() {
        let is_dict = values.get(last.container).kind == Kind::Dict;
        let Some(item) = values.get(last.container).items.get(last.next) else {
            json.raw(last.end);
            open.pop();
            continue;
        };
        if json.is_full() {
            break;
        }
        let is_key = is_dict && last.next.is_multiple_of(2);
        json.raw(match last.next {
            0 => "",
            _ if is_dict && !is_key => ":",
            _ => ",",
        });
        last.next += 1;
        match *item {
            item if is_key => write_key(&mut json, item),
            Item::Container(inner) if open.iter().any(|outer| outer.container == inner) => {
                json.string(b"<cycle>");
            }
            Item::Container(_) if open.len() == MAX_DEPTH => json.string(b"<too deep>"),
            Item::Container(inner) => open.push(begin(&mut json, values, inner)),
            item => write_scalar(&mut json, item, room),
        }
    }
    json.end()
}

fn begin(json: &mut JsonText, values: &Values<'_>, container: u32) -> Open {
    let end = match values.get(container).kind {
        Kind::List => {
            json.raw("[");
            "]"
        }
        Kind::Dict => {
            json.raw("{");
            "}"
        }
        Kind::Object(class) => {
            json.raw("{");
            json.string(placeholder(class).as_bytes());
            json.raw(":[");
            "]}"
        }
    };
    Open { container, next: 0, end }
}

fn write_key(json: &mut JsonText, item: Item<'_>) {
    match item {
        Item::Text(text) => json.string(text),
        item => json.string(key(item).as_bytes()),
    }
}

fn write_scalar(json: &mut JsonText, item: Item<'_>, room: usize) {
    match item {
        Item::Text(text) => json.string(text),
        Item::Long(digits) => json.raw(digits),
        item => json.value(&scalar(item, room)),
    }
}

/// A key that is no text.
pub(super) fn key(item: Item<'_>) -> String {
    match item {
        Item::Container(_) => "<tuple>".to_owned(),
        Item::Bytes(text) => bytes_literal(latin1(text), MAX_NAME_BYTES),
        item => scalar(item, MAX_NAME_BYTES).to_string(),
    }
}

/// What stands for a class.
pub(super) fn placeholder(class: &str) -> String {
    format!("<{}>", name(class))
}

/// The name of a class with its module, if that is not Python itself.
fn name(class: &str) -> String {
    let of_python = class.strip_prefix("__builtin__\n").or(class.strip_prefix("exceptions\n"));
    of_python.map_or_else(|| class.replace('\n', "."), str::to_owned)
}
