//! All handlers, filters and formatters keep the rules, and whoever breaks one is told which.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logboom::conformance::{self, Report, Rule};
use logboom::filter::{
    CallbackFilter, ContextFilter, DuplicateFilter, Filter, LevelFilter, LevelRangeFilter,
    LoggerFilter, RateLimitFilter, RedactFilter, RegexFilter, SamplingFilter, Subject, Verdict,
    WorkerFilter,
};
use logboom::formatter::{
    Formatter, JsonFormatter, LogfmtFormatter, Multiline, PatternFormatter, Style,
};
use logboom::handler::{
    BackgroundHandler, Color, FileHandler, Handler, HandlerError, MemoryHandler, NullHandler,
    RotatingFileHandler, SocketAddress, SocketHandler, StreamHandler, SyslogAddress, SyslogFormat,
    SyslogHandler,
};
use logboom::{Field, Level, ListenerThread, QueueDir, QueueListener, Record, Value};

fn message() -> PatternFormatter {
    PatternFormatter::new("%(message)s").unwrap()
}

/// A file of a directory of its own, and its lines.
fn file() -> (PathBuf, impl FnMut() -> Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let read = move || {
        let text = fs::read_to_string(directory.path().join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    (path, read)
}

/// A stream that several hold.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stream() -> (StreamHandler<Shared>, impl FnMut() -> Vec<String>) {
    let shared = Shared::default();
    let handler = StreamHandler::new(shared.clone(), Color::Always, message());
    let read = move || {
        let text = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    (handler, read)
}

#[test]
fn handlers_of_files_and_streams_conform() {
    let rotating = conformance::handler(|| {
        let (path, read) = file();
        (RotatingFileHandler::builder(path).open(message()).unwrap(), read)
    });
    let plain = conformance::handler(|| {
        let (path, read) = file();
        (FileHandler::builder(path).delayed().open(message()).unwrap(), read)
    });
    let routing = conformance::handler(|| {
        let directory = tempfile::tempdir().unwrap();
        let template = directory.path().join("{field.nowhere}.log");
        let message = || Ok(Box::new(message()) as Box<dyn Formatter>);
        let handler = RotatingFileHandler::builder(template).open_routed(message).unwrap();
        let read = move || {
            let text = fs::read_to_string(directory.path().join("-.log")).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        (handler, read)
    });
    for report in [rotating, plain, routing, conformance::handler(stream)] {
        assert_eq!(report.into_result(), Ok(()));
    }
}

#[test]
fn handlers_in_front_of_others_conform_but_for_what_they_say() {
    let memory = conformance::handler(|| {
        let (target, read) = stream();
        (MemoryHandler::new(7, Level::ERROR, target), read)
    });
    let background = conformance::handler(|| {
        let (handler, read) = stream();
        (BackgroundHandler::builder(handler).start().unwrap(), read)
    });
    // Both say that a flush need not show anything yet.
    for report in [memory, background] {
        assert_eq!(report.except(Rule::FlushShows).into_result(), Ok(()));
    }
}

/// A listener that is stopped when nobody needs it any more: it would put its log into a directory that is gone.
struct Stopped(Option<ListenerThread>);

impl Drop for Stopped {
    fn drop(&mut self) {
        let listener = self.0.take().expect("it is stopped once");
        let _report = listener.stop();
    }
}

#[test]
fn what_is_sent_to_another_listener_arrives_by_the_rules_but_for_a_flush() {
    let report = conformance::handler(|| {
        let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let address = SocketAddress::Path(path("s"));
        let listener = QueueListener::builder(QueueDir::at(path("q")).unwrap())
            .file(RotatingFileHandler::builder(path("log")).open(message()).unwrap())
            .socket(address.clone());
        let listener = Stopped(Some(listener.bind().unwrap().spawn().unwrap()));
        let handler = SocketHandler::builder(address).close_timeout(Duration::from_secs(60));
        let read = move || {
            let _receives = &listener;
            let text = fs::read_to_string(directory.path().join("log")).unwrap();
            text.lines().map(str::to_owned).collect()
        };
        (handler.start().unwrap(), read)
    });
    // It says that a flush does not wait.
    assert_eq!(report.except(Rule::FlushShows).into_result(), Ok(()));
}

#[test]
fn the_null_handler_breaks_only_what_it_is_for() {
    let report = conformance::handler(|| (NullHandler, Vec::new));
    let broken: Vec<_> = report.violations().iter().map(|violation| violation.rule).collect();
    let expected = [Rule::FlushShows, Rule::CloseShows, Rule::GoesOn, Rule::AnyThread];
    assert_eq!(broken, expected);
}

#[test]
fn syslog_conforms_in_both_forms() {
    for format in [SyslogFormat::Rfc3164, SyslogFormat::Rfc5424] {
        let report = conformance::handler(|| {
            let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
            let path = directory.path().join("log");
            let daemon = UnixDatagram::bind(&path).unwrap();
            daemon.set_nonblocking(true).unwrap();
            // A socket takes few datagrams at a time.
            let received = Arc::new(Mutex::new(Vec::new()));
            let receive = {
                let received = Arc::clone(&received);
                move || {
                    let mut buffer = [0; 4096];
                    let mut received = received.lock().unwrap();
                    while let Ok(length) = daemon.recv(&mut buffer) {
                        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                        received.push(text);
                    }
                }
            };
            let builder = SyslogHandler::builder(SyslogAddress::Path(path)).format(format);
            let handler = Received { handler: builder.open(message()).unwrap(), receive };
            let read = move || {
                let _kept = &directory;
                received.lock().unwrap().clone()
            };
            (handler, read)
        });
        assert_eq!(report.into_result(), Ok(()));
    }
}

/// Receives after each record what a handler has sent.
struct Received<H, R> {
    handler: H,
    receive: R,
}

impl<H: Handler, R: FnMut() + Send> Handler for Received<H, R> {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let outcome = self.handler.handle(record);
        (self.receive)();
        outcome
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        self.handler.flush()
    }
}

#[test]
fn filters_conform() {
    let second = Duration::from_secs(1);
    let reports = [
        conformance::filter(|| LevelFilter(Level::INFO)),
        conformance::filter(|| LevelRangeFilter(Level::INFO..=Level::WARNING)),
        conformance::filter(|| LoggerFilter::new("web")),
        conformance::filter(|| WorkerFilter::new(["worker-1"])),
        conformance::filter(|| RegexFilter::new(Subject::Message, "[135]$").unwrap()),
        conformance::filter(|| SamplingFilter::new(10).unwrap()),
        conformance::filter(move || DuplicateFilter::new(second)),
        conformance::filter(move || RateLimitFilter::new(1, second).unwrap()),
        conformance::filter(|| {
            RedactFilter::new().pattern("[24]$").unwrap().field("user").unwrap()
        }),
        conformance::filter(|| ContextFilter::new().field("here", Value::Bool(true))),
        conformance::filter(|| |record: &Record<'_>| record.level > Level::INFO),
        conformance::filter(move || -> Vec<Box<dyn Filter>> {
            vec![
                Box::new(LoggerFilter::new("web")),
                Box::new(DuplicateFilter::new(second)),
                Box::new(RateLimitFilter::new(5, second).unwrap()),
            ]
        }),
    ];
    for report in reports {
        assert_eq!(report.into_result(), Ok(()));
    }
}

#[test]
fn formatters_conform() {
    let pattern =
        "%(asctime)s %(levelname)-8s %(process)d %(message).99s %(fields.key1)s%(fields)s";
    let of_pattern = |multiline| {
        conformance::formatter(|| PatternFormatter::new(pattern).unwrap().multiline(multiline))
    };
    let braces = "{asctime:.19} {created:f} {nsecs:09} {message:*^80} {fields.user:>8}";
    let of_braces = || PatternFormatter::builder(braces).style(Style::Brace).build().unwrap();
    let reports = [
        of_pattern(Multiline::Mark),
        of_pattern(Multiline::Escape),
        of_pattern(Multiline::Raw),
        conformance::formatter(of_braces),
        conformance::formatter(PatternFormatter::default),
        conformance::formatter(JsonFormatter::new),
        conformance::formatter(LogfmtFormatter::new),
    ];
    for report in reports {
        assert_eq!(report.into_result(), Ok(()));
    }
}

/// The one rule that is broken.
fn broken(report: &Report) -> Rule {
    let [violation] = report.violations() else { panic!("{:?}", report.violations()) };
    assert!(!violation.sentence.is_empty());
    violation.rule
}

#[test]
fn a_formatter_that_breaks_a_rule_is_told_which() {
    struct Bad<F>(F);
    impl<F: FnMut(&Record<'_>, &mut Vec<u8>) + Send> Formatter for Bad<F> {
        fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
            (self.0)(record, out);
        }
    }
    fn check<F: FnMut(&Record<'_>, &mut Vec<u8>) + Send>(make: impl Fn() -> F) -> Rule {
        broken(&conformance::formatter(|| Bad(make())))
    }
    assert_eq!(check(|| |_, out| *out = b"mine".to_vec()), Rule::Appends);
    assert_eq!(check(|| |_, out| out.push(0xff)), Rule::Utf8);
    assert_eq!(check(|| |_, out| out.push(b'\n')), Rule::NoNewline);
    let counting = || {
        let mut count = 0;
        move |_: &Record<'_>, out: &mut Vec<u8>| {
            count += 1;
            out.extend_from_slice(format!("{count}").as_bytes());
        }
    };
    assert_eq!(check(counting), Rule::Independent);
    let panicking = || {
        |record: &Record<'_>, _: &mut Vec<u8>| {
            if record.time_ns < 0 {
                std::panic::resume_unwind(Box::new("silent"));
            }
        }
    };
    assert_eq!(check(panicking), Rule::NeverPanics);
}

#[test]
fn a_filter_that_breaks_a_rule_is_told_which() {
    let copying = || {
        CallbackFilter::new(|record| {
            record.to_mut();
            Verdict::Pass
        })
    };
    assert_eq!(broken(&conformance::filter(copying)), Rule::NoNeedlessCopy);
    let count = Arc::new(Mutex::new(0));
    let chance = || {
        let count = Arc::clone(&count);
        move |_: &Record<'_>| {
            *count.lock().unwrap() += 1;
            *count.lock().unwrap() % 1000 > 3
        }
    };
    assert_eq!(broken(&conformance::filter(chance)), Rule::Deterministic);
    let told = Told { times: 1, count: 1, clears: false, level: Level::INFO, worker: "worker-0" };
    for (told, expected) in [
        (Told { level: Level::CRITICAL, ..told }, Rule::SummaryTells),
        (Told { worker: "nobody", ..told }, Rule::SummaryTells),
        (Told { count: 0, ..told }, Rule::SummaryTells),
        (Told { count: 1 << 40, ..told }, Rule::SummaryCounts),
        (Told { times: 9, ..told }, Rule::SummaryCounts),
        (Told { times: 0, clears: true, ..told }, Rule::SummariesAppend),
    ] {
        assert_eq!(broken(&conformance::filter(|| told)), expected);
    }
}

/// Hides all and says so in a way of its own, at the end.
#[derive(Clone, Copy)]
struct Told {
    times: usize,
    count: u64,
    clears: bool,
    level: Level,
    worker: &'static str,
}

impl Filter for Told {
    fn filter(&mut self, _: &mut Cow<'_, Record<'_>>) -> Verdict {
        Verdict::Hide
    }

    fn take_summaries(&mut self, now_ns: i64, summaries: &mut Vec<Record<'static>>) {
        if now_ns < i64::MAX || self.times == 0 {
            if self.clears {
                summaries.clear();
            }
            return;
        }
        self.times -= 1;
        let mut summary = Record::new(0, self.level, "web", "hidden");
        let process = summary.process.to_mut();
        (process.name, process.id) = (self.worker.into(), 4711);
        summary.fields.push(Field { key: "filtered".into(), value: Value::U64(self.count) });
        summaries.push(summary);
    }
}

/// Keeps what it is given and does something else wrong.
#[derive(Clone, Default)]
struct Wrong {
    kept: Arc<Mutex<Vec<String>>>,
    waiting: Vec<String>,
    is_doubling: bool,
    is_echoing: bool,
    is_idle_an_error: bool,
    is_failing: bool,
    is_forgetful: bool,
    is_stuck_at: Option<&'static str>,
}

impl Handler for Wrong {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        if self.is_stuck_at.is_some_and(|text| record.message.contains(text)) {
            self.is_failing = true;
        }
        if self.is_failing {
            return Err(HandlerError::other("out of paper"));
        }
        self.waiting.push(record.message.to_string());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        let mut kept = self.kept.lock().unwrap();
        if self.waiting.is_empty() && kept.is_empty() && self.is_idle_an_error {
            return Err(HandlerError::other("nothing to do"));
        }
        if self.waiting.is_empty() && kept.len() == 10 && self.is_echoing {
            let last = kept[9].clone();
            kept.push(last);
        }
        kept.append(&mut self.waiting);
        if self.is_doubling && kept.len() == 10 {
            let last = kept[9].clone();
            kept.push(last);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), HandlerError> {
        if self.is_forgetful { Ok(()) } else { self.flush() }
    }
}

#[test]
fn a_handler_that_breaks_a_rule_is_told_which() {
    let check = |wrong: Wrong| {
        let report = conformance::handler(|| {
            let wrong = Wrong { kept: Arc::default(), ..wrong.clone() };
            let kept = Arc::clone(&wrong.kept);
            (wrong, move || kept.lock().unwrap().clone())
        });
        let broken = report.violations().iter().map(|violation| violation.rule);
        broken.collect::<Vec<_>>()
    };
    assert_eq!(check(Wrong::default()), []);
    assert_eq!(check(Wrong { is_doubling: true, ..Wrong::default() }), [Rule::FlushShows]);
    let echoing = check(Wrong { is_echoing: true, ..Wrong::default() });
    assert_eq!(echoing, [Rule::FlushTwice, Rule::FlushShows]);
    let idle = check(Wrong { is_idle_an_error: true, ..Wrong::default() });
    assert_eq!(idle, [Rule::FlushOfNothing]);
    let forgetful = check(Wrong { is_forgetful: true, ..Wrong::default() });
    assert_eq!(forgetful, [Rule::CloseShows, Rule::GoesOn, Rule::AnyThread]);
    let stuck = check(Wrong { is_stuck_at: Some("\x1b"), ..Wrong::default() });
    assert_eq!(stuck, [Rule::GoesOn]);
    assert_eq!(check(Wrong { is_stuck_at: Some("thread"), ..Wrong::default() }), [Rule::AnyThread]);
    let failing = check(Wrong { is_failing: true, ..Wrong::default() });
    assert_eq!(failing, [Rule::FlushShows, Rule::CloseShows, Rule::GoesOn, Rule::AnyThread]);
}
