//! A listener on a thread, with handlers of one's own: what one of them does touches no other.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use logboom::control::{self, HandlerStatus, StopReport};
use logboom::filter::{DuplicateFilter, Filter, LevelFilter, RedactFilter};
use logboom::formatter::PatternFormatter;
use logboom::handler::{Handler, HandlerError, MemoryHandler, RotatingFileHandler};
use logboom::{
    Certainty, Inlet, Level, ListenerBuilder, ListenerThread, Process, QueueDir, QueueHandler,
    QueueListener, Record, RecordSource,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A listener on a thread of this process, with one log file.
struct Threaded {
    directory: TempDir,
    queue: QueueDir,
    thread: ListenerThread,
}

impl Threaded {
    fn start(settings: impl FnOnce(ListenerBuilder) -> ListenerBuilder) -> Threaded {
        let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        let queue = QueueDir::at(directory.path().join("q")).unwrap();
        let formatter = PatternFormatter::new("%(levelname)s %(message)s").unwrap();
        let file = RotatingFileHandler::builder(directory.path().join("app.log"));
        let file = file.open(formatter).unwrap();
        let builder = QueueListener::builder(queue.clone()).file(file);
        let thread = settings(builder).bind().unwrap().spawn().unwrap();
        Threaded { directory, queue, thread }
    }

    fn worker(&self) -> QueueHandler {
        let builder = logboom::builder().queue(self.queue.clone()).name("w");
        builder.default_filter("trace").attach().unwrap()
    }

    fn handler(&self, name: &str) -> HandlerStatus {
        let status = control::status(&self.queue).unwrap();
        status.handlers.into_iter().find(|handler| handler.name == name).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("app.log")
    }

    /// Stops the listener; its report and the lines of its log.
    fn stop(self) -> (StopReport, Vec<String>) {
        let report = self.thread.stop().unwrap();
        let text = std::fs::read_to_string(self.directory.path().join("app.log")).unwrap();
        (report, text.lines().map(str::to_owned).collect())
    }
}

fn log_numbers(worker: &QueueHandler, count: u32) {
    for number in 0..count {
        worker.log(Level::INFO, "test", format_args!("record {number}"));
    }
    assert!(worker.flush(Certainty::Written, PATIENCE).is_complete());
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}

fn numbers(lines: &[String]) -> Vec<u32> {
    lines.iter().filter_map(|line| line.strip_prefix("INFO record ")?.parse().ok()).collect()
}

/// Keeps the messages it is given.
#[derive(Clone, Default)]
struct Keeping(Arc<Mutex<Vec<String>>>);

impl Handler for Keeping {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        self.0.lock().unwrap().push(record.message.clone().into_owned());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Fails with every record.
struct Failing;

impl Handler for Failing {
    fn handle(&mut self, _: &Record<'_>) -> Result<(), HandlerError> {
        Err(HandlerError::other("out of paper"))
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Panics with every record, without a word.
struct Panicking;

impl Handler for Panicking {
    fn handle(&mut self, _: &Record<'_>) -> Result<(), HandlerError> {
        std::panic::resume_unwind(Box::new("silent"))
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Holds every record until it is let go.
struct Holding(Receiver<()>);

impl Handler for Holding {
    fn handle(&mut self, _: &Record<'_>) -> Result<(), HandlerError> {
        let _ = self.0.recv();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn holding() -> (Sender<()>, Holding) {
    let (let_go, held) = channel();
    (let_go, Holding(held))
}

#[test]
fn failing_and_panicking_handlers_are_counted_reported_once_and_touch_no_other() {
    let keeping = Keeping::default();
    let threaded = Threaded::start(|builder| {
        let builder = builder.handler("failing", Failing).handler("panicking", Panicking);
        let chosen: Box<dyn Handler> = Box::new(keeping.clone());
        builder.handler("keeping", chosen)
    });
    let worker = threaded.worker();
    log_numbers(&worker, 100);
    wait_until(|| {
        // A hundred records, and the notice about the other.
        let done = |name| threaded.handler(name).failed == 101;
        done("failing") && done("panicking") && threaded.handler("keeping").handled == 102
    });
    assert_eq!(threaded.handler("failing").last_error.as_deref(), Some("out of paper"));
    let (report, lines) = threaded.stop();
    assert_eq!((report.drained, report.missing), (100, 0));
    assert_eq!(numbers(&lines), (0..100).collect::<Vec<_>>());
    let reports = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(reports("ERROR handler failing failed: out of paper"), 1);
    assert_eq!(reports("ERROR handler panicking failed: it panicked"), 1);
    assert_eq!(keeping.0.lock().unwrap().len(), 102);
}

#[test]
fn an_outage_of_a_handler_is_reported_once_however_many_rounds_it_lasts() {
    let threaded = Threaded::start(|builder| builder.handler("failing", Failing));
    let worker = threaded.worker();
    for burst in 1..=5 {
        log_numbers(&worker, 10);
        wait_until(|| threaded.handler("failing").failed == burst * 10);
        // The report has gone through a round of its own before the next burst.
        wait_until(|| std::fs::read_to_string(threaded.log()).unwrap().contains("ERROR handler"));
    }
    let (report, lines) = threaded.stop();
    assert_eq!((report.drained, report.missing), (50, 0));
    assert_eq!(lines.iter().filter(|line| line.contains("handler failing failed")).count(), 1);
}

#[test]
fn a_handler_that_hangs_loses_its_own_records_and_delays_nobody() {
    let (let_go, handler) = holding();
    let threaded = Threaded::start(|builder| {
        builder.handler("slow", handler).drain_timeout(Duration::from_millis(200))
    });
    let worker = threaded.worker();
    // More than may wait for a handler.
    for _ in 0..40 {
        log_numbers(&worker, 5);
        let long = "x".repeat(100_000);
        (0..5).for_each(|_| worker.log(Level::INFO, "test", format_args!("{long}")));
    }
    wait_until(|| threaded.handler("slow").dropped > 0);
    assert_eq!(threaded.handler("slow").handled, 0);
    let (report, lines) = threaded.stop();
    assert_eq!(report.missing, 0);
    assert_eq!(numbers(&lines).len(), 200);
    let reports = lines.iter().filter(|line| line.contains("handler slow cannot follow")).count();
    assert_eq!(reports, 1);
    drop(let_go);
}

#[test]
fn a_record_has_to_pass_every_filter() {
    let threaded = Threaded::start(|builder| {
        let chosen: Box<dyn Filter> = Box::new(LevelFilter(Level::WARNING));
        let builder = builder.filter(chosen);
        builder.filter(|record: &Record<'_>| !record.message.contains("secret"))
    });
    let worker = threaded.worker();
    for (level, text) in [(Level::INFO, "low"), (Level::ERROR, "a secret"), (Level::new(35), "own")]
    {
        worker.log(level, "test", format_args!("{text}"));
    }
    assert!(worker.flush(Certainty::Synced, PATIENCE).is_complete());
    let (report, lines) = threaded.stop();
    assert_eq!(lines[1..], ["Level 35 own"]);
    assert!(lines[0].starts_with("INFO filtered: "), "{}", lines[0]);
    assert_eq!(report.drained, 1);
}

#[test]
fn a_filter_that_panics_is_counted_reported_once_and_lets_the_record_pass() {
    let threaded = Threaded::start(|builder| {
        let builder = builder.filter(|record: &Record<'_>| {
            if record.message.ends_with('7') {
                std::panic::resume_unwind(Box::new("silent"))
            }
            !record.message.ends_with('3')
        });
        builder.filter(|record: &Record<'_>| !record.message.ends_with("47"))
    });
    let worker = threaded.worker();
    log_numbers(&worker, 50);
    wait_until(|| control::status(&threaded.queue).unwrap().filter_panics == 5);
    let (report, lines) = threaded.stop();
    let passed = |number: &u32| number % 10 != 3 && *number != 47;
    assert_eq!(numbers(&lines), (0..50).filter(passed).collect::<Vec<_>>());
    assert_eq!((report.drained, report.missing), (44, 0));
    assert_eq!(lines.iter().filter(|line| line.contains("filter 1 panicked")).count(), 1);
}

#[test]
fn filters_change_records_for_all_and_tell_what_they_have_hidden() {
    let keeping = Keeping::default();
    let threaded = Threaded::start(|builder| {
        let builder = builder.filter(RedactFilter::new().pattern("[0-9]{4}").unwrap());
        let builder = builder.filter(DuplicateFilter::new(Duration::from_secs(3600)));
        builder.handler("keeping", keeping.clone())
    });
    let worker = threaded.worker();
    for text in ["pin 1234", "pin 5678", "other", "pin 9999"] {
        worker.log(Level::ERROR, "test", format_args!("{text}"));
    }
    assert!(worker.flush(Certainty::Written, PATIENCE).is_complete());
    let (report, lines) = threaded.stop();
    let expected = ["ERROR pin ***", "ERROR other", "ERROR last message repeated 2 times: pin ***"];
    assert_eq!(lines[1..], expected);
    assert_eq!(report.drained, 2);
    let kept = keeping.0.lock().unwrap();
    let kept: Vec<_> = kept.iter().map(|message| format!("ERROR {message}")).collect();
    assert_eq!(kept, expected);
}

#[test]
fn a_repetition_is_told_while_nothing_else_comes() {
    let filter = DuplicateFilter::new(Duration::from_millis(200));
    let threaded = Threaded::start(|builder| builder.filter(filter));
    let worker = threaded.worker();
    for _ in 0..100 {
        worker.log(Level::INFO, "test", format_args!("again"));
    }
    let told = "INFO last message repeated ";
    wait_until(|| std::fs::read_to_string(threaded.log()).unwrap().contains(told));
    threaded.stop();
}

#[test]
fn what_a_handler_keeps_back_is_passed_on_at_the_end() {
    let keeping = Keeping::default();
    let memory = MemoryHandler::new(1000, Level::CRITICAL, keeping.clone());
    let threaded = Threaded::start(|builder| builder.handler("memory", memory));
    log_numbers(&threaded.worker(), 100);
    wait_until(|| threaded.handler("memory").handled == 100);
    assert!(keeping.0.lock().unwrap().is_empty());
    threaded.stop();
    assert_eq!(keeping.0.lock().unwrap().len(), 100);
}

#[test]
fn the_listeners_levels_reach_its_workers() {
    let threaded = Threaded::start(|builder| {
        builder.level("root", Level::WARNING).level("loud", Level::TRACE)
    });
    let worker = threaded.worker();
    wait_until(|| !worker.enabled(Level::INFO, "quiet"));
    assert!(worker.enabled(Level::WARNING, "quiet") && worker.enabled(Level::TRACE, "loud"));
    worker.log(Level::INFO, "quiet", format_args!("not encoded"));
    assert_eq!(worker.stats().records, 0);
    threaded.stop();
}

#[test]
fn a_moved_log_is_opened_anew() {
    let threaded = Threaded::start(|builder| builder);
    let worker = threaded.worker();
    log_numbers(&worker, 3);
    let moved = threaded.directory.path().join("moved.log");
    std::fs::rename(threaded.log(), &moved).unwrap();
    log_numbers(&worker, 2);
    assert_eq!(std::fs::read_to_string(moved).unwrap().lines().count(), 3);
    assert_eq!(numbers(&threaded.stop().1), [0, 1]);
}

#[test]
fn a_listener_that_never_ran_gives_its_queue_back() {
    let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
    let queue = QueueDir::at(directory.path().join("q")).unwrap();
    drop(QueueListener::builder(queue.clone()).bind().unwrap());
    assert_eq!(std::fs::read_dir(queue.path()).unwrap().count(), 0);
    QueueListener::builder(queue).bind().unwrap();
}

#[test]
fn handlers_that_are_dropped_at_once_send_what_they_have_and_leave() {
    let threaded = Threaded::start(|builder| builder);
    for number in 0..100 {
        threaded.worker().log(Level::INFO, "test", format_args!("record {number}"));
    }
    wait_until(|| control::status(&threaded.queue).unwrap().workers.is_empty());
    let mut numbers = numbers(&threaded.stop().1);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_handler_that_is_not_installed_leaves_the_macros_alone() {
    let before = log::max_level();
    let threaded = Threaded::start(|builder| builder.level("root", Level::TRACE));
    let worker = threaded.worker();
    wait_until(|| worker.enabled(Level::TRACE, "any"));
    assert_eq!(log::max_level(), before);
    threaded.stop();
}

/// Gives much at once, and nothing afterwards.
struct Burst;

impl Burst {
    const RECORDS: usize = 30;
    const RECORD_BYTES: usize = 1 << 20;
}

impl RecordSource for Burst {
    fn name(&self) -> String {
        "burst".to_owned()
    }

    fn run(&mut self, inlet: &Inlet) {
        let mut lane = inlet.lane(Process::default()).unwrap();
        let message = "x".repeat(Burst::RECORD_BYTES);
        for _ in 0..Burst::RECORDS {
            assert!(inlet.give(&mut lane, Record::new(0, Level::INFO, "", message.clone())));
        }
    }
}

/// The drain takes two of its records in a round, and looks each second while nobody wakes it.
#[test]
fn what_a_source_brings_at_once_is_written_without_a_pause() {
    let began = Instant::now();
    let listener = Threaded::start(|builder| builder.source(Burst));
    let log_bytes = || std::fs::metadata(listener.log()).map_or(0, |log| log.len());
    wait_until(|| log_bytes() >= (Burst::RECORDS * Burst::RECORD_BYTES) as u64);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(listener.stop().0.drained, Burst::RECORDS as u64);
}
