//! Gives the same patterns, of all styles, and records to Python's `logging` and to
//! `PatternFormatter`.
//!
//! Line breaks are raw, as Python's are, and times are such that a float holds them exactly. A
//! newline at the end of a record is the one known difference: the handler's to write here.

use std::env;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use logboom::formatter::{Formatter, Multiline, PatternFormatter, Style};
use logboom::{Field, Level, Record};
use serde_json::{Value, json};

const CASES: u64 = 4000;
const SEED: u64 = 0x6c6f_6762_6f6f_6d01;

/// 512 of them are a second: a fraction that nanoseconds and floats both hold.
const NS_PER_TICK: i64 = 1_953_125;
const TICKS_PER_SECOND: i64 = 512;

/// A zone by its rule needs no time zone files.
const CENTRAL_EUROPE: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
/// When Central Europe changed to summer time and back in 2026, in seconds.
const CHANGES: [i64; 2] = [1_774_746_000, 1_792_890_000];
const SECONDS_UP_TO_2100: i64 = 4_102_444_800;

const TEXT_ATTRIBUTES: [&str; 9] = [
    "asctime",
    "filename",
    "levelname",
    "message",
    "module",
    "name",
    "pathname",
    "taskName",
    "threadName",
];
const INT_ATTRIBUTES: [&str; 4] = ["levelno", "lineno", "process", "thread"];
const FLOAT_ATTRIBUTES: [&str; 3] = ["created", "msecs", "relativeCreated"];
/// Fields that a record may have, each with a default; text, a whole number, and a fraction.
const FIELDS: [&str; 3] = ["ip", "count", "share"];
const LEVELS: [u8; 9] = [0, 5, 10, 15, 20, 30, 40, 50, 255];
const LITERALS: [&str; 8] = [" ", "[", "] - ", "%%", "\t", "é→", "\n", "{\\"];
const LITERALS_OF_BRACES: [&str; 6] = [" ", "] - ", "{{", "}}", "é→", "\n%$"];
const LITERALS_OF_DOLLARS: [&str; 5] = [" ", "] - ", "$$", "é→", "\n%{"];
const WORDS: [&str; 10] = [
    "",
    "a",
    "started",
    "naïve",
    "日本語のログ",
    "🦀🦀",
    "two\nlines\n",
    "cr\r\n\x1b[31m",
    "100% of %s %(name)s",
    "a longer message, with punctuation; and \\ \"quotes\"",
];
const PATHS: [&str; 7] =
    ["src/main.rs", "/a.b/c", "x.tar.gz", ".profile", "dir/", "d/..a", "ünï.rs"];
const LITERALS_OF_DATES: [&str; 5] = ["-", " ", ":", "T", "день "];
const DIRECTIVES: &str = "aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYz%";
const UNPADDED: &str = "deHIjklmMSUWy";

/// SplitMix64: the same cases on every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: i64) -> i64 {
        (self.next() >> 1) as i64 % end
    }

    fn one_in(&mut self, count: i64) -> bool {
        self.below(count) == 0
    }

    fn pick<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len() as i64) as usize]
    }

    fn letter(&mut self, letters: &str) -> char {
        char::from(letters.as_bytes()[self.below(letters.len() as i64) as usize])
    }
}

/// What kind of value a name stands for.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Int,
    Float,
}

fn name(chance: &mut Chance) -> (&'static str, Kind) {
    match chance.below(8) {
        0..4 => (chance.pick(&TEXT_ATTRIBUTES), Kind::Text),
        4 | 5 => (chance.pick(&INT_ATTRIBUTES), Kind::Int),
        6 => (chance.pick(&FLOAT_ATTRIBUTES), Kind::Float),
        _ => {
            let at = chance.below(3) as usize;
            (FIELDS[at], [Kind::Text, Kind::Int, Kind::Float][at])
        }
    }
}

fn width(chance: &mut Chance) -> String {
    let width = if chance.one_in(2) { chance.below(30).to_string() } else { String::new() };
    // Python takes a zero that begins the width for a flag.
    width.trim_start_matches('0').to_owned()
}

fn percent(chance: &mut Chance) -> String {
    let (name, kind) = name(chance);
    let letter = if kind == Kind::Text { 's' } else { chance.letter("sdif") };
    let flags: String = (0..chance.below(3)).map(|_| chance.letter("-0 +#")).collect();
    let width = width(chance);
    let precision = if chance.one_in(3) { format!(".{}", chance.below(12)) } else { String::new() };
    format!("%({name}){flags}{width}{precision}{letter}")
}

fn brace(chance: &mut Chance) -> String {
    let (name, kind) = name(chance);
    if chance.one_in(4) {
        return format!("{{{name}}}");
    }
    let letter = match kind {
        Kind::Text => chance.pick(&["", "s"]),
        Kind::Int => chance.pick(&["", "d", "f"]),
        Kind::Float => chance.pick(&["", "f"]),
    };
    let aligns = if kind == Kind::Text { "<>^" } else { "<>^=" };
    let align = if chance.one_in(2) { chance.letter(aligns).to_string() } else { String::new() };
    let fill = if align.is_empty() { "" } else { chance.pick(&["", "*", "é", "0", "<"]) };
    let (sign, zero) = match kind {
        Kind::Text => ("", ""),
        _ => (chance.pick(&["", "", "+", "-", " "]), chance.pick(&["", "", "0"])),
    };
    let has_precision = chance.one_in(3) && (kind == Kind::Text || letter == "f");
    let precision = if has_precision { format!(".{}", chance.below(12)) } else { String::new() };
    format!("{{{name}:{fill}{align}{sign}{zero}{}{precision}{letter}}}", width(chance))
}

fn dollar(chance: &mut Chance) -> String {
    let (name, _) = name(chance);
    if chance.one_in(2) { format!("${{{name}}}") } else { format!("${name}-") }
}

fn pattern(chance: &mut Chance, style: &str) -> String {
    let (value, literals, time): (fn(&mut Chance) -> String, &[&str], _) = match style {
        "%" => (percent, &LITERALS, "%(asctime)s"),
        "{" => (brace, &LITERALS_OF_BRACES, "{asctime}"),
        _ => (dollar, &LITERALS_OF_DOLLARS, "${asctime}"),
    };
    let mut pattern = value(chance);
    for _ in 0..chance.below(6) {
        pattern += &if chance.one_in(2) { value(chance) } else { chance.pick(literals).to_owned() };
    }
    if chance.one_in(2) { format!("{pattern}{time}") } else { pattern }
}

fn fields(chance: &mut Chance) -> Value {
    json!({
        "ip": chance.pick(&WORDS),
        "count": chance.below(2_000_000) - 1_000_000,
        "share": (chance.below(2_000_000) - 1_000_000) as f64 / 64.0,
    })
}

fn datefmt(chance: &mut Chance, in_utc: bool) -> String {
    (0..chance.below(7))
        .map(|_| match chance.below(8) {
            0 => chance.pick(&LITERALS_OF_DATES).to_owned(),
            1 => format!("%-{}", chance.letter(UNPADDED)),
            // In UTC, Python names the zone GMT and takes the time for a local one.
            2 if !in_utc => format!("%{}", chance.letter("Zs")),
            _ => format!("%{}", chance.letter(DIRECTIVES)),
        })
        .collect()
}

fn ticks(chance: &mut Chance) -> i64 {
    let second = if chance.one_in(2) {
        chance.below(SECONDS_UP_TO_2100)
    } else {
        let hours = chance.below(8) - 4;
        CHANGES[chance.below(2) as usize] + hours * 3600 + chance.below(3) - 1
    };
    second * TICKS_PER_SECOND + chance.below(TICKS_PER_SECOND)
}

fn case(chance: &mut Chance) -> Value {
    let utc = chance.one_in(4);
    let ticks = ticks(chance);
    let style = chance.pick(&["%", "{", "{", "$"]);
    let mut own_fields = fields(chance);
    for name in FIELDS {
        if chance.one_in(2) {
            own_fields.as_object_mut().expect("an object").remove(name);
        }
    }
    let started = ticks - chance.below(30 * 24 * 3600 * TICKS_PER_SECOND) + TICKS_PER_SECOND;
    json!({
        "pattern": pattern(chance, style),
        "style": style,
        "defaults": fields(chance),
        "fields": own_fields,
        "datefmt": datefmt(chance, utc),
        "utc": utc,
        "created": ticks as f64 / TICKS_PER_SECOND as f64,
        "time_ns": ticks * NS_PER_TICK,
        "started": started as f64 / TICKS_PER_SECOND as f64,
        "started_ns": started * NS_PER_TICK,
        "name": chance.pick(&WORDS),
        "level": LEVELS[chance.below(9) as usize],
        "pathname": chance.pick(&PATHS),
        "lineno": chance.below(100_000),
        "message": chance.pick(&WORDS),
        "thread": chance.next() >> chance.below(64),
        "threadName": chance.pick(&WORDS),
        // Only `%` converts a None of Python.
        "taskName": (style != "%" || chance.one_in(2)).then(|| chance.pick(&WORDS)),
        "process": chance.below(5_000_000),
        "processName": chance.pick(&WORDS),
        "exception": if chance.one_in(4) { chance.pick(&WORDS) } else { "" },
    })
}

fn value(json: &Value) -> logboom::Value<'static> {
    match (json.as_i64(), json.as_f64()) {
        (Some(number), _) => logboom::Value::I64(number),
        (None, Some(number)) => logboom::Value::F64(number),
        (None, None) => logboom::Value::Str(json.as_str().expect("text").to_owned().into()),
    }
}

fn formatted(case: &Value) -> String {
    let text = |key: &str| case[key].as_str().expect(key);
    let number = |key: &str| case[key].as_i64().expect(key);
    let level = Level::new(u8::try_from(number("level")).expect("levels are bytes"));
    let mut record = Record::new(number("time_ns"), level, text("name"), text("message"));
    record.file = Some(text("pathname").into());
    record.line = u32::try_from(number("lineno")).ok();
    record.exception = Some(text("exception").into());
    record.thread.id = case["thread"].as_u64().expect("thread");
    record.thread.name = text("threadName").into();
    let process = record.process.to_mut();
    process.id = u32::try_from(number("process")).expect("process ids are small");
    process.name = text("processName").into();
    process.started_ns = number("started_ns");

    if let Some(task) = case["taskName"].as_str() {
        record.fields.push(Field { key: "taskName".into(), value: task.to_owned().into() });
    }
    for (key, field) in case["fields"].as_object().expect("fields") {
        record.fields.push(Field { key: key.clone().into(), value: value(field) });
    }

    let style: Style = text("style").parse().expect("a style of Python");
    let mut builder = PatternFormatter::builder(text("pattern")).style(style);
    for (name, default) in case["defaults"].as_object().expect("defaults") {
        builder = builder.default_field(name, value(default));
    }
    let formatter = builder.build().expect("a pattern that Python takes");
    let formatter = formatter.datefmt(text("datefmt")).expect("a date format that Python takes");
    let formatter = formatter.multiline(Multiline::Raw);
    let mut formatter = if case["utc"] == true { formatter.utc() } else { formatter };
    let mut line = Vec::new();
    formatter.format(&record, &mut line);
    String::from_utf8(line).expect("lines are UTF-8")
}

fn formatted_by_python(cases: &[Value]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cases");
    let mut file = File::create(&path).expect("a file for the cases");
    for case in cases {
        writeln!(file, "{case}").expect("room for the cases");
    }
    let output = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/formatter_python.py"))
        .envs([("LC_ALL", "C.UTF-8"), ("PYTHONUTF8", "1")])
        .stdin(File::open(&path).expect("the cases just written"))
        .stderr(Stdio::inherit())
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("this test compares with python3, which is missing: scripts/test installs it")
        }
        output => output.expect("python3 starts"),
    };
    assert!(output.status.success(), "python3 failed, see above");
    let answers = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    answers.lines().map(|line| serde_json::from_str(line).expect("a JSON string")).collect()
}

#[test]
fn every_line_is_that_of_python_in_the_local_zone() {
    let mut chance = Chance(SEED);
    let cases: Vec<_> = (0..CASES).map(|_| case(&mut chance)).collect();
    let expected = formatted_by_python(&cases);
    assert_eq!(expected.len(), cases.len());
    for (case, expected) in cases.iter().zip(&expected) {
        assert_eq!(formatted(case), expected.trim_end_matches('\n'), "{case:#}");
    }
}

/// The zone is that of the whole process, so each one gets a process of its own.
#[test]
fn every_line_is_that_of_python_in_utc_and_with_summer_time() {
    for zone in ["UTC", CENTRAL_EUROPE] {
        let output = Command::new(env::current_exe().expect("this test has a path"))
            .args(["--exact", "every_line_is_that_of_python_in_the_local_zone"])
            .env("TZ", zone)
            .output()
            .expect("this test starts again");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "TZ={zone}: {text}");
    }
}
