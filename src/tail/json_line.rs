//! Lines of JSON, with text borrowed as far as it has no escapes.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::moment::LineClock;
use super::parts::{Read, Told, Tree, tells_level, tells_time};
use crate::Value;

/// Reads a line that is one object.
pub(super) fn read<'l>(line: &'l str, clock: &mut LineClock) -> Option<Read<'l>> {
    let Ok(Tree::Object(keys)) = serde_json::from_str(line) else { return None };
    let mut read = Read::new();
    keys.into_iter().for_each(|(key, tree)| read.set(key, tree, clock));
    Some(read)
}

/// Level and moment of a line that is one object; all else in it is passed over.
pub(super) fn told(line: &str, clock: &mut LineClock) -> Option<Told> {
    let Keys(keys) = serde_json::from_str(line).ok()?;
    let mut told = Told::default();
    keys.iter().for_each(|(key, value)| told.set(key, value, clock));
    Some(told)
}

/// The keys of an object that tell level or time.
struct Keys<'l>(Vec<(Cow<'l, str>, Value<'l>)>);

impl<'de: 'l, 'l> Deserialize<'de> for Keys<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Keys<'l>, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
                let mut keys = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    if !tells_level(&key) && !tells_time(&key) {
                        map.next_value::<IgnoredAny>()?;
                    } else if let Tree::Leaf(value) = map.next_value()? {
                        keys.push((key, value));
                    }
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[derive(Deserialize)]
struct Key<'l>(#[serde(borrow)] Cow<'l, str>);

impl<'de: 'l, 'l> Deserialize<'de> for Tree<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree<'l>, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Tree<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of JSON")
            }

            fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
                Ok(Tree::Leaf(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree<'de>, E> {
                Ok(Tree::Leaf(Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree<'de>, E> {
                Ok(Tree::Leaf(Value::I64(value)))
            }

            /// As fields that were read from text, so that both are compared alike.
            fn visit_u64<E>(self, value: u64) -> Result<Tree<'de>, E> {
                Ok(Tree::Leaf(i64::try_from(value).map_or(Value::U64(value), Value::I64)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Tree<'de>, E> {
                Ok(Tree::Leaf(Value::F64(value)))
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Tree<'de>, E> {
                Ok(Tree::Leaf(Value::Str(value.into())))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree<'de>, E> {
                Ok(Tree::Leaf(Value::Str(value.to_owned().into())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(tree) = seq.next_element()? {
                    list.push(tree);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree<'de>, A::Error> {
                let mut object = Vec::new();
                while let Some((Key(key), tree)) = map.next_entry()? {
                    object.push((key, tree));
                }
                Ok(Tree::Object(object))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
