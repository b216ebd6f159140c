//! What a pickle does with names of classes: plain types are folded into what they hold, and the
//! rest keeps its name.

use super::super::DecodeError;
use super::value::{Item, Kind, Values};

/// Calls a class with a list of arguments, in so far as that is known.
pub(super) fn reduced<'a>(
    values: &mut Values<'a>,
    callable: Item<'a>,
    arguments: Item<'a>,
) -> Result<Item<'a>, DecodeError> {
    let Item::Container(list) = arguments else { return Err(DecodeError::Malformed) };
    let list = values.get(list);
    let (Kind::List, Item::Global(name)) = (list.kind, callable) else {
        return Err(DecodeError::Malformed);
    };
    match (name, &list.items[..]) {
        ("__builtin__\nset" | "__builtin__\nfrozenset", [items @ Item::Container(_)]) => Ok(*items),
        ("_codecs\nencode", [Item::Text(text), Item::Text(b"latin1")])
        | ("__builtin__\nbytearray", [Item::Text(text), Item::Text(b"latin-1")]) => bytes(text),
        ("__builtin__\nbytearray", [bytes @ Item::Bytes(_)]) => Ok(*bytes),
        ("__builtin__\nbytes" | "__builtin__\nbytearray", []) => Ok(Item::Bytes("")),
        // A class within a class, before its name had dots.
        ("__builtin__\ngetattr", [_, Item::Text(name)]) => {
            str::from_utf8(name).map(Item::Global).map_err(|_| DecodeError::Malformed)
        }
        ("copy_reg\n_reconstructor", [Item::Global(class), Item::Global(base), state]) => {
            let (class, state) = (*class, *state);
            Ok(match *base {
                "__builtin__\nobject" => values.add(Kind::Object(class), Vec::new()),
                _ => state,
            })
        }
        (name, items) => {
            let items = items.to_vec();
            Ok(values.add(Kind::Object(name), items))
        }
    }
}

/// Adds items or pairs to what holds them. An object gets them as one more part, however many
/// times some come.
pub(super) fn extend<'a>(
    values: &mut Values<'a>,
    holder: Item<'a>,
    kind: Kind<'a>,
    items: &[Item<'a>],
) -> Result<(), DecodeError> {
    let Item::Container(holder) = holder else { return Err(DecodeError::Malformed) };
    let container = values.get(holder);
    let target = match (container.kind, container.items.last()) {
        (Kind::Object(_), Some(Item::Container(last))) if values.get(*last).kind == kind => *last,
        (Kind::Object(_), _) => {
            let part = values.add(kind, Vec::new());
            values.get_mut(holder).items.push(part);
            let Item::Container(part) = part else { return Err(DecodeError::Malformed) };
            part
        }
        (own, _) if own == kind => holder,
        _ => return Err(DecodeError::Malformed),
    };
    values.get_mut(target).items.extend_from_slice(items);
    Ok(())
}

/// What an object is given after it was made. A plain type has nothing that would show it.
pub(super) fn give_state<'a>(values: &mut Values<'a>, object: Item<'a>, state: Item<'a>) {
    if let Item::Container(object) = object
        && let Kind::Object(_) = values.get(object).kind
        && state != Item::Null
    {
        values.get_mut(object).items.push(state);
    }
}

fn bytes(text: &[u8]) -> Result<Item<'_>, DecodeError> {
    let text = str::from_utf8(text).map_err(|_| DecodeError::Malformed)?;
    let is_latin1 = text.chars().all(|char| u32::from(char) <= 0xff);
    if is_latin1 { Ok(Item::Bytes(text)) } else { Err(DecodeError::Malformed) }
}

/// The bytes of a text whose characters are bytes.
pub(super) fn latin1(text: &str) -> impl Iterator<Item = u8> + Clone {
    text.chars().map(|char| char as u8)
}
