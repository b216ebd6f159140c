use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::logger_names::ROOT;

const CASES: usize = 600;
const NAMES_PER_CASE: usize = 8;
const SEED: u64 = 11;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/logger_python.py");
/// As in the script.
const LEVELS: [u8; 7] = [5, 10, 15, 20, 30, 40, 50];

/// SplitMix64: the same cases in each run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Names of few parts, so that they are often related.
    pub(super) fn name(&mut self) -> String {
        let parts = 1 + self.below(4);
        let parts: Vec<_> = (0..parts).map(|_| self.pick(&["a", "b", "ä", "root", ""])).collect();
        parts.join(".")
    }

    pub(super) fn settings(&mut self) -> LoggerSettings {
        LoggerSettings {
            level: Level::new(self.pick(&[0, 0, 0, 5, 10, 15, 20, 30, 40, 50])),
            propagate: self.below(4) > 0,
            disabled: self.below(6) == 0,
            handlers: (0..self.below(3)).map(|_| self.below(100)).collect(),
            filters: None,
        }
    }
}

struct Case {
    root: LoggerSettings,
    loggers: Vec<(String, LoggerSettings)>,
    names: Vec<String>,
}

impl Case {
    fn random(random: &mut Random) -> Case {
        let mut loggers: Vec<(String, LoggerSettings)> = Vec::new();
        for _ in 0..random.below(7) {
            let name = random.name();
            let is_root = name.is_empty() || name == ROOT;
            if !is_root && loggers.iter().all(|(known, _)| *known != name) {
                loggers.push((name, random.settings()));
            }
        }
        let names = (0..NAMES_PER_CASE).map(|_| random.name());
        let names = names.chain(loggers.iter().map(|(name, _)| name.clone())).collect();
        Case { root: random.settings(), loggers, names }
    }

    fn for_python(&self) -> Value {
        let describe = |settings: &LoggerSettings| {
            json!({
                "level": settings.level.number(),
                "propagate": settings.propagate,
                "disabled": settings.disabled,
                "handlers": settings.handlers,
            })
        };
        let loggers = self.loggers.iter();
        let loggers: Vec<_> =
            loggers.map(|(name, logger)| json!([name, describe(logger)])).collect();
        json!({ "root": describe(&self.root), "loggers": loggers, "names": self.names })
    }

    fn answers(&self) -> Value {
        let mut tree = LoggerTree::new(self.root.clone(), self.loggers.clone());
        let answer = |name: &String| {
            let route = tree.route(name);
            let levels = LEVELS.map(Level::new).into_iter();
            let enabled = levels.filter(|level| route.is_enabled_for(*level));
            let enabled: Vec<u8> = enabled.map(Level::number).collect();
            let handlers = if route.disabled { &[][..] } else { &route.handlers };
            json!([route.level.number(), enabled, handlers])
        };
        self.names.iter().map(answer).collect()
    }
}

fn ask_python(cases: &[Case]) -> Option<Vec<Value>> {
    let mut python = Command::new("python3")
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let questions: String = cases.iter().map(|case| format!("{}\n", case.for_python())).collect();
    let mut stdin = python.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()));
    let answered = python.wait_with_output().expect("an answer");
    writer.join().expect("no panic").expect("python reads");
    assert!(answered.status.success());
    let answers = String::from_utf8(answered.stdout).expect("JSON");
    Some(answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

#[test]
fn records_go_where_they_go_in_python() {
    let mut random = Random(SEED);
    let cases: Vec<Case> = (0..CASES).map(|_| Case::random(&mut random)).collect();
    let Some(answers) = ask_python(&cases) else {
        eprintln!("skipped: there is no python3");
        return;
    };
    assert_eq!(answers.len(), CASES);
    for (case, answer) in cases.iter().zip(answers) {
        assert_eq!(case.answers(), answer, "{}", case.for_python());
    }
}

fn tree_of_one(name: &str, level: Level) -> LoggerTree {
    let logger = LoggerSettings { level, handlers: vec![1], ..LoggerSettings::default() };
    let root = LoggerSettings { handlers: vec![0], ..LoggerSettings::default() };
    LoggerTree::new(root, [(name.to_owned(), logger)])
}

#[test]
fn parts_of_rust_paths_are_parts_of_names() {
    let mut tree = tree_of_one("web::http", Level::ERROR);
    for name in ["web.http", "web::http", "web::http::client", "web.http::client"] {
        assert_eq!(tree.route(name).level, Level::ERROR, "{name}");
        assert_eq!(*tree.route(name).handlers, [1, 0], "{name}");
    }
    for name in ["web", "web::https", "", "root", "web:http"] {
        assert_eq!(*tree.route(name).handlers, [0], "{name}");
    }
}

#[test]
fn filters_are_those_of_the_logger_itself() {
    let settings = |filters| LoggerSettings { filters: Some(filters), ..LoggerSettings::default() };
    let mut tree = LoggerTree::new(settings(3), [("a".to_owned(), settings(5))]);
    assert_eq!(tree.route("a").filters, Some(5));
    assert_eq!(tree.route("a.b").filters, None);
    assert_eq!(tree.route("b").filters, None);
    assert_eq!(tree.route("root").filters, Some(3));
}

#[test]
fn the_later_of_two_settings_counts() {
    let settings = |level| LoggerSettings { level, ..LoggerSettings::default() };
    let loggers = [("a::b", Level::INFO), ("root", Level::ERROR), ("a.b", Level::DEBUG)];
    let loggers = loggers.map(|(name, level)| (name.to_owned(), settings(level)));
    let mut tree = LoggerTree::new(LoggerSettings::default(), loggers);
    assert_eq!(tree.route("a.b").level, Level::DEBUG);
    assert_eq!(tree.route("b").level, Level::ERROR);
}

#[test]
fn names_that_never_end_take_no_memory() {
    let mut tree = tree_of_one("a", Level::NOTSET);
    for number in 0..3 * MAX_KNOWN_NAMES {
        assert_eq!(*tree.route(&format!("a.{number}")).handlers, [1, 0]);
        assert!(tree.known.len() <= MAX_KNOWN_NAMES);
    }
    tree.known.clear();
    let long = format!("a{}", ".".repeat(MAX_KNOWN_NAME_BYTES));
    let _found = tree.route(&long);
    assert!(tree.known.is_empty());
}
