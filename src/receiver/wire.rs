//! logboom's own frames: a MessagePack map for each record, with the keys that
//! [`json`](super::json) knows. `docs/wire.md` is written for those who send them.

use std::borrow::Cow;

use rmp::Marker;

use super::names::Names;
use super::parts::Parts;
use super::text::{JsonText, bytes_literal, mended};
use super::{DecodeError, MAX_DEPTH, MAX_FRAME_BYTES, Received};
use crate::Value;

/// Reads the content of one frame.
///
/// # Errors
/// It is longer than [`MAX_FRAME_BYTES`], no MessagePack map, has an extension type, or is nested
/// deeper than 64 levels.
pub fn decode(content: &[u8], arrived_ns: i64) -> Result<Received<'_>, DecodeError> {
    if content.len() > MAX_FRAME_BYTES {
        return Err(DecodeError::TooLong);
    }
    let mut parts = Parts::new(Names::Common, arrived_ns);
    let mut reader = Reader(content);
    let Token::Map(pairs) = reader.token()? else { return Err(DecodeError::NotARecord) };
    for _ in 0..pairs {
        let (key, value) = (reader.key()?, reader.token()?);
        match value {
            Token::Map(fields) if key == "fields" => {
                for _ in 0..fields {
                    let (key, value) = (reader.key()?, reader.token()?);
                    if let Some((key, value)) = reader.admitted(&mut parts, key, value)? {
                        parts.field(key, value);
                    }
                }
            }
            value => {
                if let Some((key, value)) = reader.admitted(&mut parts, key, value)? {
                    parts.set(key, value);
                }
            }
        }
    }
    if reader.0.is_empty() { Ok(parts.finish()) } else { Err(DecodeError::Trailing) }
}

/// One value, or the beginning of several.
enum Token<'a> {
    Scalar(Value<'a>),
    /// Text that need not be UTF-8.
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    List(u32),
    Map(u32),
}

/// A list or map that is being read.
struct Open {
    values_left: u64,
    is_map: bool,
    is_first: bool,
}

impl Open {
    fn list(values: u32) -> Open {
        Open { values_left: values.into(), is_map: false, is_first: true }
    }

    fn map(pairs: u32) -> Open {
        Open { values_left: 2 * u64::from(pairs), is_map: true, is_first: true }
    }

    fn is_key(&self) -> bool {
        self.is_map && self.values_left.is_multiple_of(2)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A key that is text, or a number or the like as text.
    fn key(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        match self.token()? {
            Token::Text(text) => Ok(mended(text)),
            Token::Scalar(value) => Ok(value.to_string().into()),
            _ => Err(DecodeError::Malformed),
        }
    }

    /// The key with its whole value, if the record has room for it; passes over it in any case.
    fn admitted(
        &mut self,
        parts: &mut Parts<'a>,
        key: Cow<'a, str>,
        value: Token<'a>,
    ) -> Result<Option<(Cow<'a, str>, Value<'a>)>, DecodeError> {
        let admitted = parts.admits_key();
        let room = if admitted { parts.room() } else { 0 };
        let value = match value {
            Token::Scalar(value) => value,
            Token::Text(text) => Value::Str(mended(text)),
            Token::Bytes(bytes) => Value::Str(bytes_literal(bytes.iter().copied(), room).into()),
            Token::List(values) => Value::Str(self.nested(Open::list(values), room)?.into()),
            Token::Map(pairs) => Value::Str(self.nested(Open::map(pairs), room)?.into()),
        };
        Ok(admitted.then_some((key, value)))
    }

    /// JSON of a list or map that has begun.
    fn nested(&mut self, outermost: Open, room: usize) -> Result<String, DecodeError> {
        let mut json = JsonText::new(room);
        json.raw(if outermost.is_map { "{" } else { "[" });
        let mut open = vec![outermost];
        while let Some(last) = open.last_mut() {
            if last.values_left == 0 {
                json.raw(if last.is_map { "}" } else { "]" });
                open.pop();
                continue;
            }
            let is_key = last.is_key();
            json.raw(match last {
                Open { is_first: true, .. } => "",
                Open { is_map: true, .. } if !is_key => ":",
                _ => ",",
            });
            last.is_first = false;
            last.values_left -= 1;
            if is_key {
                json.string(self.key()?.as_bytes());
                continue;
            }
            let inner = match self.token()? {
                Token::Scalar(value) => {
                    json.value(&value);
                    continue;
                }
                Token::Text(text) => {
                    json.string(text);
                    continue;
                }
                Token::Bytes(bytes) => {
                    json.string(bytes_literal(bytes.iter().copied(), room).as_bytes());
                    continue;
                }
                Token::List(values) => Open::list(values),
                Token::Map(pairs) => Open::map(pairs),
            };
            if open.len() == MAX_DEPTH {
                return Err(DecodeError::TooDeep);
            }
            json.raw(if inner.is_map { "{" } else { "[" });
            open.push(inner);
        }
        Ok(json.end())
    }

    fn token(&mut self) -> Result<Token<'a>, DecodeError> {
        let [marker] = self.take()?;
        let value = match Marker::from_u8(marker) {
            Marker::Null => Value::Null,
            Marker::True => Value::Bool(true),
            Marker::False => Value::Bool(false),
            Marker::FixPos(number) => Value::I64(number.into()),
            Marker::FixNeg(number) => Value::I64(number.into()),
            Marker::U8 => Value::I64(u8::from_be_bytes(self.take()?).into()),
            Marker::U16 => Value::I64(u16::from_be_bytes(self.take()?).into()),
            Marker::U32 => Value::I64(u32::from_be_bytes(self.take()?).into()),
            Marker::U64 => {
                let number = u64::from_be_bytes(self.take()?);
                i64::try_from(number).map_or(Value::U64(number), Value::I64)
            }
            Marker::I8 => Value::I64(i8::from_be_bytes(self.take()?).into()),
            Marker::I16 => Value::I64(i16::from_be_bytes(self.take()?).into()),
            Marker::I32 => Value::I64(i32::from_be_bytes(self.take()?).into()),
            Marker::I64 => Value::I64(i64::from_be_bytes(self.take()?)),
            Marker::F32 => Value::F64(f32::from_be_bytes(self.take()?).into()),
            Marker::F64 => Value::F64(f64::from_be_bytes(self.take()?)),
            Marker::FixStr(length) => return self.slice(length.into()).map(Token::Text),
            Marker::Str8 => return self.slice_of(1).map(Token::Text),
            Marker::Str16 => return self.slice_of(2).map(Token::Text),
            Marker::Str32 => return self.slice_of(4).map(Token::Text),
            Marker::Bin8 => return self.slice_of(1).map(Token::Bytes),
            Marker::Bin16 => return self.slice_of(2).map(Token::Bytes),
            Marker::Bin32 => return self.slice_of(4).map(Token::Bytes),
            Marker::FixArray(values) => return Ok(Token::List(values.into())),
            Marker::Array16 => return self.length(2).map(Token::List),
            Marker::Array32 => return self.length(4).map(Token::List),
            Marker::FixMap(pairs) => return Ok(Token::Map(pairs.into())),
            Marker::Map16 => return self.length(2).map(Token::Map),
            Marker::Map32 => return self.length(4).map(Token::Map),
            _ => return Err(DecodeError::Malformed),
        };
        Ok(Token::Scalar(value))
    }

    /// A length of `width` bytes, 4 at most.
    fn length(&mut self, width: usize) -> Result<u32, DecodeError> {
        let mut length = [0; 4];
        length[4 - width..].copy_from_slice(self.slice(width)?);
        Ok(u32::from_be_bytes(length))
    }

    fn slice_of(&mut self, width: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.length(width)?;
        self.slice(length as usize)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DecodeError::CutShort)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(DecodeError::CutShort)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::receiver::frame;
    use crate::{Field, Level};

    fn encoded(record: &serde_json::Value) -> Vec<u8> {
        rmp_serde::to_vec(record).expect("JSON has no type that MessagePack has not")
    }

    fn pairs<'r>(received: &'r Received<'_>) -> Vec<(&'r str, String)> {
        let pair = |field: &'r Field<'_>| (&*field.key, field.value.to_string());
        received.fields.iter().map(pair).collect()
    }

    #[test]
    fn a_map_is_a_record_with_typed_fields() {
        let frame = encoded(&json!({
            "time": 1_795_322_903_123_456_789_i64, "level": "ERROR", "logger": "a.b",
            "message": "hi\n\0", "worker": "api-1", "pid": 4711, "thread": "main",
            "user": {"id": 7, "tags": ["x", null, 1.5, {"y": {}}]},
            "fields": {"level": true, "big": u64::MAX},
        }));
        let received = decode(&frame, 7).unwrap();
        assert_eq!((received.time_ns, received.level), (1_795_322_903_123_456_789, Level::ERROR));
        assert_eq!((&*received.logger, &*received.message), ("a.b", "hi\n\0"));
        assert_eq!(
            (received.process_name.as_deref(), received.process_id),
            (Some("api-1"), Some(4711))
        );
        let user = r#"{"id":7,"tags":["x",null,1.5,{"y":{}}]}"#;
        let mut fields = pairs(&received);
        fields.sort();
        let big = u64::MAX.to_string();
        assert_eq!(fields, [("big", big), ("level", "true".into()), ("user", user.into())]);
    }

    #[test]
    fn the_example_of_the_documentation_is_what_it_says() {
        let (_, example) = include_str!("../../docs/wire.md").split_once("```hex\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let bytes = example.lines().flat_map(|line| line.split("  ").next());
        let bytes = bytes.flat_map(|bytes| bytes.split(' '));
        let frame: Vec<_> = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let received = decode(frame::only(&frame).unwrap(), 0).unwrap();
        assert_eq!((received.time_ns, received.level), (1_795_322_903_123_456_789, Level::WARNING));
        assert_eq!((&*received.logger, &*received.message), ("billing", "late"));
        assert_eq!(pairs(&received), [("user", "7".to_owned())]);
    }

    #[test]
    fn text_need_not_be_utf8_and_bytes_are_shown_as_such() {
        let received = decode(b"\x82\xa3msg\xa2\xffa\xa1b\xc4\x02\xffa", 0).unwrap();
        assert_eq!(&*received.message, "\u{fffd}a");
        assert_eq!(pairs(&received), [("b", "b'\\xffa'".to_owned())]);
    }

    #[test]
    fn what_is_no_map_is_refused_by_its_reason() {
        for (frame, reason) in [
            (&b""[..], DecodeError::CutShort),
            (b"\xc0", DecodeError::NotARecord),
            (b"\x90", DecodeError::NotARecord),
            (b"\x80\xc0", DecodeError::Trailing),
            (b"\xdf\xff\xff\xff\xff", DecodeError::CutShort),
            (b"\x81\xa1k\xdb\xff\xff\xff\xff", DecodeError::CutShort),
            (b"\x81\xa1k\xdd\xff\xff\xff\xff", DecodeError::CutShort),
            (b"\x81\xa1k\xc1", DecodeError::Malformed),
            (b"\x81\xa1k\xd4\0\0", DecodeError::Malformed),
            (b"\x81\x90\xc0", DecodeError::Malformed),
        ] {
            assert_eq!(decode(frame, 0), Err(reason), "{frame:?}");
        }
        assert_eq!(decode(&vec![0; MAX_FRAME_BYTES + 1], 0), Err(DecodeError::TooLong));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| {
            let mut frame = b"\x81\xa1k".to_vec();
            frame.extend(vec![0x91; depth]);
            frame.push(0xc0);
            frame
        };
        let deep = nested(MAX_DEPTH);
        let received = decode(&deep, 0).unwrap();
        let text = format!("{}null{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert_eq!(pairs(&received), [("k", text)]);
        assert_eq!(decode(&nested(MAX_DEPTH + 1), 0), Err(DecodeError::TooDeep));
        assert_eq!(decode(&nested(1_000_000), 0), Err(DecodeError::TooDeep));
    }
}
