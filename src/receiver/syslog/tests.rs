use super::super::MAX_RECORD_BYTES;
use super::*;
use crate::{Field, Level};

/// 2026-11-22T04:48:23Z.
const ARRIVED_NS: i64 = 1_795_322_903_000_000_000;

fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn decoded(datagram: &[u8]) -> Received<'_> {
    decode_in(datagram, ARRIVED_NS, zone).unwrap()
}

fn pairs<'r>(received: &'r Received<'_>) -> Vec<(&'r str, String)> {
    let pair = |field: &'r Field<'_>| (&*field.key, field.value.to_string());
    received.fields.iter().map(pair).collect()
}

fn field(received: &Received<'_>, key: &str) -> Option<String> {
    pairs(received).into_iter().find(|(known, _)| *known == key).map(|(_, value)| value)
}

/// Time, name, process, host and message.
type Told<'t> = (i64, &'t str, Option<u32>, Option<&'t str>, &'t str);

#[test]
fn the_older_form_is_read_as_programs_write_it() {
    let seconds = |seconds: i64| ARRIVED_NS + seconds * 1_000_000_000;
    let cases: [(&[u8], Told<'_>); 16] = [
        (b"<11>Nov 22 05:48:20 app: hi", (seconds(-3), "app", None, None, "hi")),
        (b"<11>Nov 22 05:48:20 app[7]: hi", (seconds(-3), "app", Some(7), None, "hi")),
        (
            b"<11>Nov 22 05:48:20 a.host app[7]: hi",
            (seconds(-3), "app", Some(7), Some("a.host"), "hi"),
        ),
        (b"<11>Nov 22 2026 05:48:20 h app: hi", (seconds(-3), "app", None, Some("h"), "hi")),
        (b"<11>Nov 22 05:48:20 2026 h app: hi", (seconds(-3), "app", None, Some("h"), "hi")),
        (b"<11>Nov 22 05:48:20.5: app: hi", (seconds(-3) + 500_000_000, "app", None, None, "hi")),
        (b"<11>2026-11-22T05:48:20+01:00 h app: hi", (seconds(-3), "app", None, Some("h"), "hi")),
        (b"<11>Nov 22 05:48:20 no tag here", (seconds(-3), "", None, None, "no tag here")),
        (b"<11>Nov 22 05:48:20", (seconds(-3), "", None, None, "")),
        // SysLogHandler of Python: no time, and NUL at the end.
        (b"<11>app: a\nb\x1b\0", (ARRIVED_NS, "app", None, None, "a\nb\x1b")),
        (b"<11>hi there: you\0", (ARRIVED_NS, "", None, None, "hi there: you")),
        (b"<11>http://a.host/", (ARRIVED_NS, "", None, None, "http://a.host/")),
        (b"hi\n", (ARRIVED_NS, "", None, None, "hi")),
        (b"<192>hi", (ARRIVED_NS, "", None, None, "<192>hi")),
        (b"<>: hi", (ARRIVED_NS, "", None, None, "<>: hi")),
        (b"<11>Feb 30 05:48:20 app: hi", (ARRIVED_NS, "", None, None, "Feb 30 05:48:20 app: hi")),
    ];
    for (datagram, (time_ns, name, process_id, host, message)) in cases {
        let received = decoded(datagram);
        let shown = datagram.escape_ascii();
        assert_eq!((received.time_ns, &*received.message), (time_ns, message), "{shown}");
        assert_eq!((&*received.logger, received.process_id), (name, process_id), "{shown}");
        assert_eq!(received.process_name.as_deref().unwrap_or_default(), name, "{shown}");
        assert_eq!(field(&received, "host").as_deref(), host, "{shown}");
    }
}

#[test]
fn a_time_without_a_year_is_of_the_last_that_fits() {
    let time = |datagram: &'static [u8], arrived_ns| {
        decode_in(datagram, arrived_ns, zone).unwrap().time_ns / 1_000_000_000
    };
    // 2027-01-01T00:00:30+01:00 and five minutes before.
    let new_year = 1_798_758_030;
    assert_eq!(time(b"<11>Dec 31 23:55:30 app: x", new_year * 1_000_000_000), new_year - 300);
    let before = (new_year - 300) * 1_000_000_000;
    assert_eq!(time(b"<11>Jan  1 00:00:30 app: x", before), new_year);
    // 2024 was the last leap year.
    assert_eq!(time(b"<11>Feb 29 01:00:00 app: x", ARRIVED_NS), 1_709_164_800);
    // In summer the zone has another offset.
    assert_eq!(time(b"<11>Jul  1 02:00:00 app: x", ARRIVED_NS), 1_782_864_000);
}

#[test]
fn the_newer_form_has_fields() {
    let datagram = concat!(
        "<165>1 2026-11-22T05:48:20.5+01:00 a.host app 4711 ID47 ",
        r#"[a@1 x="1" y="q\"b\\s\]n\n"][b][c z=""] "#,
        "\u{feff}hi\nthere"
    );
    let received = decoded(datagram.as_bytes());
    assert_eq!(received.time_ns, ARRIVED_NS - 2_500_000_000);
    assert_eq!((received.level, received.level_name.as_deref()), (Level::new(25), Some("NOTICE")));
    assert_eq!((&*received.logger, received.process_id), ("app", Some(4711)));
    assert_eq!(&*received.message, "hi\nthere");
    let expected = [
        ("facility", "local4"),
        ("host", "a.host"),
        ("msgid", "ID47"),
        ("a@1.x", "1"),
        ("a@1.y", "q\"b\\s]n\\n"),
        ("c.z", ""),
    ];
    assert_eq!(pairs(&received), expected.map(|(key, value)| (key, value.to_owned())));
}

#[test]
fn what_the_newer_form_leaves_out_is_left_out() {
    let received = decoded(b"<14>1 - - - - - -");
    assert_eq!((received.time_ns, &*received.message), (ARRIVED_NS, ""));
    assert_eq!(pairs(&received), [("facility", "user".to_owned())]);
    let received = decoded(b"<14>1 - - app worker-3 - - hi");
    assert_eq!(field(&received, "procid").as_deref(), Some("worker-3"));
    let broken = b"<14>1 2026-11-22T05:48:20Z h app 1 - [a x=\"1] hi";
    assert_eq!(decoded(broken).message.as_bytes(), &broken[4..]);
}

#[test]
fn severities_are_levels_and_facilities_have_names() {
    for (severity, number, name) in [
        (0, 50, Some("EMERG")),
        (1, 50, Some("ALERT")),
        (2, 50, None),
        (3, 40, None),
        (4, 30, None),
        (5, 25, Some("NOTICE")),
        (6, 20, None),
        (7, 10, None),
    ] {
        let datagram = format!("<{}>x", 23 * 8 + severity);
        let received = decoded(datagram.as_bytes());
        assert_eq!((received.level.number(), received.level_name.as_deref()), (number, name));
        assert_eq!(field(&received, "facility").as_deref(), Some("local7"));
    }
    assert_eq!(decoded(b"x").level_name.as_deref(), Some("NOTICE"));
}

#[test]
fn what_is_too_long_or_empty_is_refused() {
    assert_eq!(decode(b"", 0), Err(DecodeError::CutShort));
    assert_eq!(decode(b"\0\n", 0), Err(DecodeError::CutShort));
    assert_eq!(decode(&vec![b'x'; MAX_FRAME_BYTES + 1], 0), Err(DecodeError::TooLong));
    let long = vec![b'x'; MAX_FRAME_BYTES];
    assert!(decode(&long, 0).unwrap().message.len() <= MAX_RECORD_BYTES);
    let many = format!("<14>1 - - - - - [a{}]", " b=\"1\"".repeat(2000));
    let received = decoded(many.as_bytes());
    assert_eq!(field(&received, "omitted_fields").as_deref(), Some("1488"));
}
