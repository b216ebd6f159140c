use proptest::prelude::*;

use super::*;
use crate::{Field, Level};

const TEMPLATES: [&str; 4] = [
    "logs/{worker}.log",
    "logs/{field.key}/{worker}.log",
    "logs/{logger}_{level}/of/x-{field.key}{worker}-y.a.log",
    "/var/{program}/app.log",
];

fn template(text: &str) -> PathTemplate {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The same text everywhere.
fn record(text: &str) -> Record<'static> {
    let mut record = Record::new(0, Level::INFO, text.to_owned(), "message");
    record.fields.push(Field { key: "key".into(), value: Value::Str(text.to_owned().into()) });
    let process = record.process.to_mut();
    (process.name, process.program) = (text.into(), text.into());
    record
}

fn rendered(text: &str, record: &Record<'_>) -> String {
    let mut name = "left from before".to_owned();
    template(text).render(record, &LevelNames::new(), &mut name);
    name
}

#[test]
fn each_placeholder_stands_for_what_the_record_says() {
    let mut record = record("web");
    record.logger = "shop::cart.items".into();
    for (text, expected) in [
        ("logs/{worker}.log", "web.log"),
        ("logs/{logger}.log", "shop.cart.items.log"),
        ("logs/{logger}/{worker}.log", "shop%2Ecart%2Eitems/web.log"),
        ("logs/{level}-{program}.a.txt", "INFO-web.a.txt"),
        ("{field.key}/{{{worker}}}.log", "web/{web}.log"),
        ("{field.other}.log", "-.log"),
        ("a/./b//c/{worker}/d/e.log", "web/d/e.log"),
    ] {
        assert_eq!(rendered(text, &record), expected, "{text}");
    }
    record.fields[0].value = Value::F64(1.5);
    assert_eq!(rendered("{field.key}.log", &record), "1.5.log");
    record.logger = "root".into();
    record.level = Level::new(15);
    assert_eq!(rendered("{logger}.{level}.log", &record), "root.Level%2015.log");
    assert_eq!(template("/a/../b/{worker}/x.log").directory(), Path::new("/a/../b"));
}

#[test]
fn hostile_values_are_parts_of_one_name() {
    for (value, expected) in [
        ("..", "%2E..log"),
        (".", "%2E.log"),
        (".hidden", "%2Ehidden.log"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd.log"),
        ("a\0b\n\u{1b}[0m", "a%00b%0A%1B%5B0m.log"),
        ("", "-.log"),
        ("-", "%2D.log"),
        ("%2D", "%252D.log"),
        ("app.log.1", "app.log.1.log"),
        ("größe 5", "größe%205.log"),
        ("a\u{202e}b", "a%E2%80%AEb.log"),
        ("~", "%7E.log"),
    ] {
        assert_eq!(rendered("logs/{worker}.log", &record(value)), expected, "{value:?}");
    }
    assert_eq!(rendered("{worker}/x.log", &record("..")), "%2E%2E/x.log");
}

#[test]
fn long_values_are_cut_between_signs_and_stay_different() {
    for sign in ["a", "ä", "中", "/", "\u{7f}"] {
        for length in 1..200 {
            let value = sign.repeat(length);
            let name = rendered("{worker}.log", &record(&value));
            assert!(name.len() <= MAX_VALUE_BYTES + ".log".len(), "{name}");
            let other = rendered("{worker}.log", &record(&(value.clone() + "b")));
            assert_ne!(name, other);
            let percents = name.split('%').skip(1);
            let is_whole = |rest: &str| rest.len() >= 2 && rest.as_bytes()[..2].is_ascii();
            assert!(percents.into_iter().all(is_whole), "{name}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_template_is_said() {
    for (text, expected) in [
        ("logs/app.log", "it names one file: "),
        ("logs/{thread}.log", "there is no {thread}: take {worker}, "),
        ("logs/{field.}.log", "there is no {field.}: "),
        ("logs/{}.log", "there is no {}: "),
        ("logs/{worker.log", "a { has no }: "),
        ("logs/worker}.log", "a } has no {: "),
        ("logs/{worker}", "the file name has to end in an extension "),
        ("logs/{worker}.1", "the file name has to end in an extension "),
        ("logs/{worker}.gz", "the file name has to end in an extension "),
        ("logs/{worker}.log.zst", "the file name has to end in an extension "),
        ("logs/{worker}.{level}", "the file name has to end in an extension "),
        ("logs/{worker}/2026-11-22", "the file name has to end in an extension "),
        ("logs/.{worker}.log", "the file name begins with a dot"),
        ("{worker}/.app.log", "the file name begins with a dot"),
        ("logs/{worker}/../x.log", "directories from the first placeholder on have no dots"),
        ("logs/{worker}.d/x.log", "directories from the first placeholder on have no dots"),
        ("logs/{worker}/", "there is nothing before or behind a slash"),
        ("logs/{worker}//x.log", "there is nothing before or behind a slash"),
        ("{worker}\0.log", "no path has a NUL"),
        ("{worker}{worker}{worker}{worker}.log", "it is too long"),
    ] {
        let error = text.parse::<PathTemplate>().expect_err(text);
        let said = error.to_string();
        let reason = said.strip_prefix(&format!("`{text}`: "));
        assert!(reason.is_some_and(|reason| reason.starts_with(expected)), "{error}");
    }
    let deep = format!("{}x.log", "{worker}/".repeat(16));
    assert!(deep.parse::<PathTemplate>().is_err());
}

#[test]
fn templates_that_may_give_one_path_are_known() {
    let paths = |text: &str| {
        let template = template(text);
        RoutedPaths { directory: Path::new("/base").join(template.directory()), template }
    };
    let meet = |one: &str, other: &str| {
        let (one, other) = (paths(one), paths(other));
        assert_eq!(one.may_meet(&other), other.may_meet(&one));
        one.may_meet(&other)
    };
    for (one, other) in [
        ("logs/{worker}.log", "logs/{level}.log"),
        ("{worker}/app.log", "{level}/{logger}.log"),
        ("a/{worker}.log", "/base/a/x-{level}.log"),
        ("{worker}/x.log", "a/{worker}.log"),
    ] {
        assert!(meet(one, other), "{one} {other}");
    }
    for (one, other) in [
        ("logs/{worker}.log", "logs/{worker}.json"),
        ("a/{worker}.log", "b/{worker}.log"),
        ("a-{worker}.log", "b-{worker}.log"),
        ("{worker}.log", "{level}/{worker}.log"),
        ("{worker}/x.log", "a/b-{worker}.log"),
    ] {
        assert!(!meet(one, other), "{one} {other}");
    }
}

#[test]
fn only_process_and_program_keep_lanes_together() {
    assert!(!template("{program}/{worker}.log").splits_lanes());
    for text in ["{logger}.log", "{level}/{worker}.log", "{worker}-{field.x}.log"] {
        assert!(template(text).splits_lanes(), "{text}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[./\\-%~a0\\x00\\n]{0,12}",
        "\\PC{0,8}",
        "(.|\n){0,90}",
        Just("..".to_owned()),
        Just("app.log.1.gz".to_owned()),
    ]
}

proptest! {
    #[test]
    fn no_value_leaves_the_directory_or_gives_more_parts(value in hostile()) {
        for text in TEMPLATES {
            let paths = RoutedPaths::new(template(text)).unwrap();
            let name = rendered(text, &record(&value));
            prop_assert_eq!(name.split('/').count(), paths.template.parts.len());
            prop_assert!(paths.path_of(&name).as_os_str().len() <= paths.max_bytes());
            for part in name.split('/') {
                prop_assert!(!part.is_empty() && !part.starts_with('.'), "{}", name);
                prop_assert!(part.len() <= 208 && !part.contains(char::is_control));
            }
            let (directories, file) = name.rsplit_once('/').unwrap_or(("", &name));
            prop_assert!(!directories.contains('.'));
            // Whatever stands before a dot may be the name of another log.
            for (at, _) in file.match_indices('.') {
                let is_backup = crate::backups::BackupName::parse(&file[at + 1..]).is_some();
                prop_assert!(!is_backup, "{}", file);
            }
            let path = paths.path_of(&name);
            prop_assert_eq!(paths.name_of(&path), Some(&*name));
        }
    }

    #[test]
    fn different_values_have_different_names(one in hostile(), other in hostile()) {
        for text in ["{worker}.log", "{worker}/x.log", "{field.key}-{worker}.log"] {
            let is_same = rendered(text, &record(&one)) == rendered(text, &record(&other));
            let is_nothing = |value: &str| value.is_empty();
            prop_assert_eq!(is_same, one == other || is_nothing(&one) && is_nothing(&other));
        }
    }
}
