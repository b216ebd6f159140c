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
        let given: Vec<_> = pairs_given.iter().map(|(key, text)| (*key, (*text).into())).collect();
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
