//! Pickles that no handler of Python sends. What they do send, `tests/receiver_python.rs` compares.

use super::super::MAX_RECORD_BYTES;
use super::*;
use crate::{Field, Level};

fn refusal(pickle: &[u8]) -> DecodeError {
    decode(pickle, 0).expect_err("must be refused")
}

/// A dictionary of one field, whose value `opcodes` make.
fn with_field(opcodes: &[u8]) -> Vec<u8> {
    [b"}X\x01\0\0\0f", opcodes, b"s."].concat()
}

fn field(opcodes: &[u8]) -> Value<'static> {
    let pickle = with_field(opcodes);
    let received = decode(&pickle, 0).expect("a record");
    let [Field { key, value }] = &received.fields[..] else { panic!("{received:?}") };
    assert_eq!(key, "f");
    match value {
        Value::Str(text) => Value::Str(text.clone().into_owned().into()),
        value => Value::I64(value.to_string().parse().unwrap_or(0)),
    }
}

#[test]
fn nothing_that_makes_objects_of_its_own_is_read() {
    let system = b"cposix\nsystem\n(X\x02\0\0\0idtR.";
    assert_eq!(refusal(system), DecodeError::NotARecord);
    assert_eq!(field(&system[..system.len() - 1]), "<posix.system(\"id\")>".into());
    for opcode in [
        b'\x80', b'\x81', b'\x82', b'\x8c', b'\x93', b'\x95', b'i', b'o', b'P', b'Q', b'p', b'g',
        b'S', b'V', b'F', b'd', b'l', b'0', b'2', b'\x88', b'\x8a', b'U', b'B',
    ] {
        assert_eq!(refusal(&[b'}', opcode]), DecodeError::Opcode(opcode));
    }
}

#[test]
fn damage_has_its_reason() {
    for (pickle, reason) in [
        (&b""[..], DecodeError::CutShort),
        (b"}", DecodeError::CutShort),
        (b"}X\xff\xff\xff\xffa", DecodeError::CutShort),
        (b"}L12", DecodeError::CutShort),
        (b"}.x", DecodeError::Trailing),
        (b"].", DecodeError::NotARecord),
        (b"N.", DecodeError::NotARecord),
        (b".", DecodeError::Malformed),
        (b"}}.", DecodeError::Malformed),
        (b"}(.", DecodeError::Malformed),
        (b"}(Nu.", DecodeError::Malformed),
        (b"}u.", DecodeError::Malformed),
        (b"}(Ns.", DecodeError::Malformed),
        (b"}Na.", DecodeError::Malformed),
        (b"}q\x01.", DecodeError::Malformed),
        (b"}h\0.", DecodeError::Malformed),
        (b"}I02\n.", DecodeError::Malformed),
        (b"}L12\n.", DecodeError::Malformed),
        (b"}L-L\n.", DecodeError::Malformed),
        (b"}NR.", DecodeError::Malformed),
        (b"}N)R.", DecodeError::Malformed),
    ] {
        assert_eq!(refusal(pickle), reason, "{}", pickle.escape_ascii());
    }
    assert_eq!(refusal(&vec![b'}'; MAX_FRAME_BYTES + 1]), DecodeError::TooLong);
}

#[test]
fn what_grows_is_bounded() {
    for opcodes in [&b"]"[..], b"(", b"N", b"}q\0"] {
        let pickle = opcodes.repeat(MAX_FRAME_BYTES / opcodes.len());
        let reason = refusal(&pickle);
        let expected = [DecodeError::TooManyValues, DecodeError::Malformed];
        assert!(expected.contains(&reason), "{reason:?}");
    }
    let long = |digits: usize| format!("L{}L\n", "9".repeat(digits)).into_bytes();
    assert_eq!(field(&long(4300)), "9".repeat(4300).into());
    assert_eq!(refusal(&with_field(&long(4301))), DecodeError::TooManyDigits);
    assert_eq!(refusal(&with_field(&long(5000))), DecodeError::Malformed);
}

#[test]
fn cycles_and_nesting_end() {
    assert_eq!(field(b"]q\0h\0a"), r#"["<cycle>"]"#.into());
    assert_eq!(field(b"}q\0X\x01\0\0\0ah\0s"), r#"{"a":"<cycle>"}"#.into());
    assert_eq!(field(b"]q\0(h\0tq\x01a"), r#"[["<cycle>"]]"#.into());
    let deep = [&b"]".repeat(30_000)[..], &b"a".repeat(29_999)].concat();
    let text = format!("{}\"<too deep>\"{}", "[".repeat(64), "]".repeat(64));
    assert_eq!(field(&deep), text.into());
}

#[test]
fn little_cannot_become_much() {
    // Forty lists, each of two of the one before: a text of a terabyte.
    let mut opcodes = b"]q\0".to_vec();
    for place in 0..40 {
        opcodes.extend([b']', b'q', place + 1, b'(', b'h', place, b'h', place, b'e']);
    }
    let opcodes = [&b"("[..], &opcodes, b"t"].concat();
    let Value::Str(text) = field(&opcodes) else { panic!("text") };
    assert!(text.len() <= MAX_RECORD_BYTES / 2 && text.ends_with("…[truncated]"), "{}", text.len());
    // One long text that stands for many fields.
    let mut pickle = b"}X\0\0\x20\0".to_vec();
    pickle.extend(vec![b'x'; 2 << 20]);
    pickle.extend(b"q\0K\x00s");
    for key in 1..=20 {
        pickle.extend([b'K', key, b'h', 0, b's']);
    }
    pickle.push(b'.');
    assert_eq!(refusal(&pickle), DecodeError::TooLong);
}

#[test]
fn objects_are_shown_by_what_they_would_be_made_of() {
    for (opcodes, text) in [
        (&b"cdecimal\nDecimal\n(X\x03\0\0\x001.5tR"[..], r#"<decimal.Decimal("1.5")>"#),
        (b"(cdecimal\nDecimal\n(X\x03\0\0\x001.5tRt", r#"[{"<decimal.Decimal>":["1.5"]}]"#),
        (b"c__builtin__\nlen\n", "<len>"),
        (b"c__builtin__\ngetattr\n(ca\nB\nX\x01\0\0\0CtR(K\x01tR", "<C(1)>"),
        (b"ccopy_reg\n_reconstructor\n(ca\nB\nc__builtin__\nobject\nNtR}b", "<a.B({})>"),
        (b"ccopy_reg\n_reconstructor\n(ca\nB\nc__builtin__\nunicode\nX\x01\0\0\0xtR}b", "x"),
        (b"ca\nOrdered\n)R(X\x01\0\0\0aK\x01uX\x01\0\0\0bK\x02s", r#"<a.Ordered({"a":1,"b":2})>"#),
        (b"ca\ndeque\n)R(K\x01K\x02e", "<a.deque([1,2])>"),
        (b"cexceptions\nValueError\n)R", "<ValueError>"),
    ] {
        assert_eq!(field(opcodes), text.into(), "{}", opcodes.escape_ascii());
    }
}

#[test]
fn a_level_that_is_a_member_of_an_enumeration_is_its_number() {
    let pickle = b"}X\x07\0\0\0levelnocm\nLevel\n(K\x23tRs.";
    assert_eq!(decode(pickle, 0).unwrap().level, Level::new(35));
}

#[test]
fn keys_need_not_be_text() {
    let received = decode(b"}(K\x01NN)I01\nK\x02)K\x03u.", 5).unwrap();
    let keys: Vec<_> = received.fields.iter().map(|field| &*field.key).collect();
    assert_eq!((keys, received.time_ns), (vec!["1", "null", "true", "<tuple>"], 5));
}
