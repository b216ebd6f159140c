//! What a query finds is what looking at each record finds, whatever was asked and however the log is cut
//! into files.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::sample::select;
use tempfile::TempDir;

use super::super::{Form, Found, Query, Reader, Start, TailError, Zone};
use crate::backups::Compression;
use crate::formatter::{Formatter, JsonFormatter, LogfmtFormatter, PatternFormatter};
use crate::log_files::rotation::Rotation;
use crate::{Field, Level, Record, Value};

const START_NS: i64 = 1_795_322_903_000_000_000;

/// A record as a test makes it.
#[derive(Clone, Debug)]
struct Made {
    time_ns: i64,
    level: Level,
    worker: &'static str,
    logger: &'static str,
    message: String,
    user: Option<i64>,
    path: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Lines {
    Text,
    Json,
    Logfmt,
}

/// What is asked, as a test understands it.
#[derive(Clone, Debug, Default)]
struct Asked {
    since_ns: Option<i64>,
    until_ns: Option<i64>,
    level: Option<Level>,
    worker: Option<&'static str>,
    logger: Option<&'static str>,
    user: Option<i64>,
    not_path: Option<&'static str>,
    word: Option<&'static str>,
    without: Option<&'static str>,
}

impl Made {
    fn record(&self) -> Record<'static> {
        let mut record =
            Record::new(self.time_ns, self.level, self.logger.to_owned(), self.message.clone());
        record.process.to_mut().name = self.worker.into();
        let user = self.user.map(|user| Field { key: "user".into(), value: Value::I64(user) });
        let path =
            self.path.map(|path| Field { key: "path".into(), value: Value::Str(path.into()) });
        record.fields = user.into_iter().chain(path).collect();
        record
    }

    fn is_asked(&self, asked: &Asked) -> bool {
        let Asked { since_ns, until_ns, level, worker, logger, user, not_path, word, without } =
            asked;
        let has = |word: &str| self.message.contains(word);
        since_ns.is_none_or(|since| self.time_ns >= since)
            && until_ns.is_none_or(|until| self.time_ns <= until)
            && level.is_none_or(|level| self.level >= level)
            && worker.is_none_or(|name| match name.strip_suffix('*') {
                Some(prefix) => self.worker.starts_with(prefix),
                None => self.worker == name,
            })
            && logger.is_none_or(|name| {
                self.logger == name || self.logger.starts_with(&format!("{name}."))
            })
            && user.is_none_or(|user| self.user == Some(user))
            && not_path.is_none_or(|path| self.path != Some(path))
            && word.is_none_or(has)
            && !without.is_some_and(has)
    }
}

impl Asked {
    fn query(&self) -> Query {
        let mut query = Query::new().zone(Zone::named("UTC").unwrap());
        query = self.since_ns.into_iter().fold(query, Query::since);
        query = self.until_ns.into_iter().fold(query, Query::until);
        query = self.level.into_iter().fold(query, Query::level);
        query = self.worker.into_iter().fold(query, Query::worker);
        query = self.logger.into_iter().fold(query, Query::logger);
        let user = self.user.map(|user| format!("user={user}"));
        let path = self.not_path.map(|path| format!("path!={path}"));
        let fields = user.into_iter().chain(path);
        query = fields.fold(query, |query, test| query.field(&test).unwrap());
        query = self.word.iter().fold(query, |query, word| query.matching(word).unwrap());
        self.without.iter().fold(query, |query, word| query.excluding(word).unwrap())
    }
}

fn formatter(lines: Lines) -> Box<dyn Formatter> {
    match lines {
        Lines::Text => Box::new(PatternFormatter::default().utc()),
        Lines::Json => Box::new(JsonFormatter::new()),
        Lines::Logfmt => Box::new(LogfmtFormatter::new()),
    }
}

/// The messages that a reader gives, each with whether it is wanted.
fn read(mut reader: Reader) -> Vec<(String, bool)> {
    let mut messages = Vec::new();
    loop {
        match reader.advance().expect("read") {
            Found::Record => {
                let is_wanted = reader.is_wanted();
                let message = reader.with_record(|record| record.message.to_string());
                messages.push((message.expect("a record"), is_wanted));
            }
            Found::Idle => return messages,
            found => panic!("{found:?}"),
        }
    }
}

fn wanted(reader: Reader) -> Vec<String> {
    let all = read(reader).into_iter();
    all.map(|(message, is_wanted)| {
        assert!(is_wanted);
        message
    })
    .collect()
}

/// Writes the records, and rotates behind those at these places.
fn write(made: &[Made], lines: Lines, rotations: &[usize]) -> Rotation {
    let (mut log, mut formatter) = (Rotation::new(1000), formatter(lines));
    let mut text = Vec::new();
    for (at, made) in made.iter().enumerate() {
        formatter.format(&made.record(), &mut text);
        text.push(b'\n');
        if rotations.contains(&at) {
            log.append(str::from_utf8(&text).expect("text"));
            log.rotate();
            text.clear();
        }
    }
    log.append(str::from_utf8(&text).expect("text"));
    log
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let message = select(vec![
        "started",
        "ERROR in a message",
        "an error\nwith further\nlines",
        "failed: WARNING 7",
        "x=1 then more",
        "level INFO \"quoted\"",
        "levelno=50 level=error level=\"critical\" then",
        "{\"levelno\": 50, \"level\": \"ERROR\"}",
        "\tled by a tab",
        "",
    ]);
    let record = (
        0..120_000_000_000i64,
        select(vec![10, 20, 30, 35, 40, 50]),
        select(vec!["api-1", "api-2", "a worker", "job"]),
        select(vec!["web", "web.access", "webs", "db"]),
        message,
        prop::option::of(0..3i64),
        prop::option::of(select(vec!["/a", "/b c"])),
    );
    prop::collection::vec(record, 1..200).prop_map(|records| {
        let mut time_ns = START_NS;
        let made =
            records.into_iter().map(|(gap_ns, level, worker, logger, message, user, path)| {
                time_ns += gap_ns / 1_000_000 * 1_000_000;
                let (level, message) = (Level::new(level), message.to_owned());
                Made { time_ns, level, worker, logger, message, user, path }
            });
        made.collect()
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let time =
        || prop::option::weighted(0.3, (0..8_000i64).prop_map(|s| START_NS + s * 1_000_000_000));
    let word = |words: &[&'static str]| prop::option::weighted(0.3, select(words.to_vec()));
    (
        (time(), time()),
        prop::option::of(select(vec![10, 20, 30, 33, 40, 50, 60])),
        word(&["api-1", "api-*", "job", "nobody"]),
        word(&["web", "web.access", "d"]),
        prop::option::weighted(0.3, 0..4i64),
        word(&["/a", "/c"]),
        // These stand in messages only.
        word(&["started", "failed", "further"]),
        word(&["quoted", "failed"]),
    )
        .prop_map(
            |((since_ns, until_ns), level, worker, logger, user, not_path, word, without)| {
                let level = level.map(Level::new);
                Asked { since_ns, until_ns, level, worker, logger, user, not_path, word, without }
            },
        )
}

fn lines() -> impl Strategy<Value = Lines> {
    select(vec![Lines::Text, Lines::Json, Lines::Logfmt])
}

fn messages(made: &[&Made]) -> Vec<String> {
    made.iter().map(|made| made.message.clone()).collect()
}

proptest! {
    #[test]
    fn a_query_finds_what_a_look_at_each_record_finds(
        made in made(),
        asked in asked(),
        lines in lines(),
        rotations in prop::collection::vec(0..200usize, 0..8),
        compressed in prop::collection::vec((1..8u32, 0..3u64), 0..8),
        last in prop::option::of(0..20u64),
    ) {
        let log = write(&made, lines, &rotations);
        for (number, by) in compressed {
            match by {
                0 => log.compress(number, Compression::Gzip),
                1 => log.compress(number, Compression::Zstd),
                _ => log.gzip(number, UNIX_EPOCH + Duration::from_secs(u64::from(number))),
            }
        }
        let path = || [log.path().to_owned()];
        let found: Vec<_> = made.iter().filter(|made| made.is_asked(&asked)).collect();
        let from = last.map_or(0, |last| found.len().saturating_sub(last as usize));
        let start = last.map_or(Start::First, Start::Last);
        let reader = Reader::open(path(), asked.query(), start).expect("open");
        prop_assert_eq!(wanted(reader), messages(&found[from..]));

        let reader = Reader::open(path(), asked.query(), start).expect("open").with_others();
        let given = read(reader);
        let of_wanted = given.iter().filter(|(_, is_wanted)| *is_wanted);
        prop_assert_eq!(of_wanted.map(|(text, _)| text.clone()).collect::<Vec<_>>(), messages(&found[from..]));
        let given: Vec<_> = given.into_iter().map(|(text, _)| text).collect();
        let all = messages(&made.iter().collect::<Vec<_>>());
        prop_assert!(given.is_empty() || all.windows(given.len()).any(|some| some == given), "a gap");
    }

    #[test]
    fn logs_are_merged_by_time_and_each_keeps_its_order(
        logs in prop::collection::vec((made(), lines()), 1..4),
        last in prop::option::of(0..20u64),
    ) {
        let written: Vec<_> = logs.iter().map(|(made, lines)| write(made, *lines, &[3, 50])).collect();
        let mut all: Vec<_> = logs.iter().flat_map(|(made, _)| made).collect();
        all.sort_by_key(|made| made.time_ns);
        let from = last.map_or(0, |last| all.len().saturating_sub(last as usize));
        let paths = written.iter().map(|log| log.path().to_owned());
        let query = Query::new().zone(Zone::named("UTC").unwrap());
        let reader = Reader::open(paths, query, last.map_or(Start::First, Start::Last)).expect("open");
        prop_assert_eq!(wanted(reader), messages(&all[from..]));
    }
}

/// A log with this text and no backups.
fn log_of(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("app.log");
    std::fs::write(&path, text).expect("write");
    (directory, path)
}

fn texts(text: &str, query: Query) -> Vec<String> {
    let (_directory, path) = log_of(text);
    let mut reader = Reader::open([path], query, Start::First).expect("open");
    let mut texts = Vec::new();
    while reader.advance().expect("read") != Found::Idle {
        texts.push(String::from_utf8_lossy(reader.text()).into_owned());
    }
    texts
}

fn last_texts(path: PathBuf, query: Query, records: u64) -> Vec<String> {
    let reader = Reader::open([path], query, Start::Last(records)).expect("open");
    wanted(reader)
}

#[test]
fn the_last_records_are_counted_also_before_lines_of_no_form() {
    let error = |n: usize| format!("2026-11-22 04:48:23,123 - web - ERROR - {n}\n");
    let errors: String = (0..1000).map(error).collect();
    let log = format!("{}{errors}{}", "other\n".repeat(6000), "other\n".repeat(2000));
    let (_directory, path) = log_of(&log);
    let found = last_texts(path, Query::new().level(Level::ERROR), 10);
    assert_eq!(found.len(), 10);
    assert!(found[0].starts_with("990"), "{found:?}");
}

#[test]
fn the_last_lines_of_a_log_need_no_older_file() {
    let (directory, path) = log_of(&"a line\n".repeat(20));
    std::fs::write(directory.path().join("app.log.1.gz"), [0x1f, 0x8b, 8].repeat(6))
        .expect("write");
    assert_eq!(last_texts(path.clone(), Query::new(), 10).len(), 10);
    assert!(matches!(
        Reader::open([path], Query::new(), Start::Last(21)),
        Err(TailError::Io { operation: "decompress", .. })
    ));
}

#[test]
fn a_torn_record_does_not_belong_to_the_one_before() {
    let whole = r#"{"time":"2026-11-22T04:48:23Z","level":"INFO","message":"one"}"#;
    for torn in [&whole[..40], &whole[..1], &whole[..whole.len() - 1]] {
        let log = format!("{whole}\n{torn}");
        assert_eq!(texts(&log, Query::new()), [format!("{whole}\n"), format!("{torn}\n")]);
        assert_eq!(texts(&log, Query::new().level(Level::INFO)), [format!("{whole}\n")]);
    }
}

#[test]
fn fields_are_asked_of_patterns_that_tell_them_by_whatever_name() {
    let asked = |pattern: &str, test: &str| {
        let (_directory, path) = log_of("hello worker=api-1\n");
        let query =
            Query::new().form(Form::Pattern(pattern.to_owned())).field(test).expect("a test");
        Reader::open([path], query, Start::First).map(|reader| wanted(reader).len()).ok()
    };
    assert_eq!(asked("%(message)s%(fields)s", "worker=api-1"), Some(1));
    assert_eq!(asked("%(message)s", "user!=7"), Some(1));
    assert_eq!(asked("%(message)s", "worker=api-1"), None);
}

const TRACEBACK: &str =
    "Traceback (most recent call last):\n  File \"x.py\", line 1\nERROR: x: y\n";

#[test]
fn tracebacks_stay_with_their_record_whoever_wrote_them() {
    let first = "2026-11-22 04:48:23,123 - web - INFO - started\n";
    let second = "2026-11-22 04:48:24,123 - web - ERROR - failed\n";
    let marked = "\tTraceback\n\tERROR: x\n";
    let log = format!("{first}{second}{TRACEBACK}{first}{second}{marked}");
    let errors = texts(&log, Query::new().level(Level::ERROR));
    assert_eq!(errors, [format!("{second}{TRACEBACK}"), format!("{second}{marked}")]);
    let found = texts(&log, Query::new().matching("^  File .* 1$").unwrap());
    assert_eq!(found, [format!("{second}{TRACEBACK}")]);
    assert_eq!(texts(&log, Query::new().excluding("Trace").unwrap()), [first, first]);
}

#[test]
fn foreign_text_is_given_line_by_line_and_asked_only_for_its_text() {
    let log = "one\n  two\n\tthree\n\nfour";
    assert_eq!(texts(log, Query::new()), ["one\n", "  two\n\tthree\n", "\n", "four\n"]);
    assert_eq!(texts(log, Query::new().matching("t").unwrap()), ["  two\n\tthree\n"]);
    let (_directory, path) = log_of(log);
    for query in [Query::new().level(Level::INFO), Query::new().since(0), Query::new().worker("x")]
    {
        let mut reader = match Reader::open([path.clone()], query, Start::First) {
            Err(TailError::UnknownForm { .. }) => continue,
            opened => opened.expect("open"),
        };
        assert!(matches!(reader.advance(), Err(TailError::UnknownForm { .. })));
    }
}

#[test]
fn a_range_is_not_asked_of_lines_without_times() {
    let (_directory, path) = log_of("INFO:web:started\nERROR:web:failed\n");
    let mut reader = Reader::open([path], Query::new().since(0), Start::First).expect("open");
    assert!(matches!(reader.advance(), Err(TailError::NoTimes { .. })));
}

#[test]
fn lines_before_the_first_record_are_given_and_what_comes_late_belongs_to_its_record() {
    let record = "2026-11-22 04:48:23,123 api-1      web ERROR    failed\n";
    let (_directory, path) = log_of(&format!("a banner\n{record}"));
    let mut reader = Reader::open([path.clone()], Query::new(), Start::First).expect("open");
    assert_eq!(reader.advance().expect("read"), Found::Record);
    assert_eq!(reader.text(), b"a banner\n");
    assert_eq!(reader.advance().expect("read"), Found::Record);
    assert_eq!(reader.text(), record.as_bytes());
    assert_eq!(reader.advance().expect("read"), Found::Idle);
    std::fs::write(&path, format!("a banner\n{record}\tlate\n{record}")).expect("write");
    assert_eq!(reader.advance().expect("read"), Found::Rest);
    assert_eq!(reader.text(), b"\tlate\n");
    assert_eq!(reader.advance().expect("read"), Found::Record);
}

#[test]
fn a_record_longer_than_what_is_kept_is_given_in_parts() {
    let record = "2026-11-22 04:48:23,123 api-1      web ERROR    failed ";
    let long = "x".repeat(20 << 20);
    let log = format!("{record}{long}\n{record}\n");
    let all = texts(&log, Query::new().level(Level::ERROR));
    assert!(all.len() > 2, "{}", all.len());
    assert_eq!(all.concat().len(), log.len());
    assert_eq!(all.last().map(String::len), Some(record.len() + 1));
}

#[test]
fn of_a_record_that_is_passed_over_no_part_is_given() {
    let record = "2026-11-22 04:48:23,123 api-1      web ERROR    failed ";
    let (_directory, path) = log_of(&format!("{record}{}\n{record}\n", "x".repeat(9 << 20)));
    for level in [Level::NOTSET, Level::ERROR] {
        let query = Query::new().level(level);
        let mut reader = Reader::open([path.clone()], query, Start::Last(1)).expect("open");
        assert_eq!(reader.advance().expect("read"), Found::Record);
        assert_eq!(reader.text().len(), record.len() + 1);
        assert_eq!(reader.advance().expect("read"), Found::Idle);
    }
}

#[test]
fn an_hour_that_clocks_showed_twice_is_found_by_both_of_its_times() {
    let zone = || Zone::named("EST5EDT,M3.2.0,M11.1.0").unwrap();
    let line = |clock: &str, text: &str| format!("2026-11-01 {clock},000 - web - INFO - {text}\n");
    let filler = line("00:10:00", &"x".repeat(100)).repeat(3000);
    let twice = ["01:10:00", "01:50:00", "01:10:00", "01:50:00"].map(|clock| line(clock, "twice"));
    let log = format!("{filler}{}{}", twice.concat(), line("02:10:00", "after"));
    // Half past five and half past six in UTC are both half past one there.
    for (since, until, expected) in [
        ("2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", 4),
        ("2026-11-01T05:40:00Z", "2026-11-01T05:55:00Z", 2),
        ("2026-11-01T06:40:00Z", "2026-11-01T06:55:00Z", 2),
        ("2026-11-01T07:00:00Z", "2026-11-01T08:00:00Z", 1),
    ] {
        let at = |text: &str| *zone().instant(text, START_NS).unwrap().start();
        let query = Query::new().zone(zone()).since(at(since)).until(at(until));
        assert_eq!(texts(&log, query).len(), expected, "{since}");
    }
}
