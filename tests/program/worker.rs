//! What a worker's calls look like in the log: typed fields, spans, panics, levels.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use logboom::{AttachError, Certainty, Level, QueueDir, TransportChoice};
use serde_json::{Value, json};
use support::{Place, hear, role, say};

#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    match role[0].as_str() {
        "kv" => key_values(),
        "tracing" => spans(),
        "panic" => panics(),
        "exit" => {
            std::mem::forget(logboom::init().unwrap());
            log::info!("before exit");
            assert!(logboom::flush(Certainty::Written, support::PATIENCE).is_complete());
            std::process::exit(0);
        }
        "levels" => levels(),
        "twice" => {
            let nowhere = || {
                let builder = logboom::builder().queue(QueueDir::at("/nowhere").unwrap());
                builder.transport(TransportChoice::Channel)
            };
            assert!(matches!(nowhere().init(), Err(AttachError::NoListener { .. })));
            let _guard = logboom::init().unwrap();
            assert!(matches!(logboom::init(), Err(AttachError::LoggerSet)));
            // Refused before anybody was asked.
            assert!(matches!(nowhere().init(), Err(AttachError::LoggerSet)));
            log::info!("still here");
        }
        "hostile display" => hostile_display(),
        "stderr" => {
            let _guard = logboom::builder().or_stderr().init().unwrap();
            log::info!(n = 1; "on stderr");
            assert!(logboom::flush(Certainty::Synced, Duration::ZERO).is_complete());
        }
        "no queue" => {
            let error = logboom::init().err().unwrap();
            assert!(matches!(error, AttachError::NoQueue), "{error}");
        }
        "bad filter" => {
            let error = logboom::init().err().unwrap().to_string();
            assert!(error.starts_with("LOGBOOM_FILTER is no level table"), "{error}");
        }
        "threads" => threads(),
        other => panic!("no role {other}"),
    }
}

fn key_values() {
    let _guard = logboom::init().unwrap();
    let point = (1, 2);
    log::warn!(
        target: "a::b", int = -3, big = u64::MAX, float = 1.5, yes = true, text = "two words",
        debug:? = point, display:% = "shown", none = Option::<u8>::None; "message {}", 7
    );
    logboom::log(Level::CRITICAL, "a.b.c", format_args!("no macro for this"));
    logboom::log(Level::new(25), "a.b.c", format_args!("nor for this"));
    log::info!("{}", "x".repeat(200_000));
}

fn spans() {
    use tracing_subscriber::layer::SubscriberExt;
    let (layer, _guard) = logboom::builder().layer().unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let request = tracing::info_span!("request", id = 7_u64, user = tracing::field::Empty);
        request.record("user", "anna");
        let _in_request = request.enter();
        let _in_query = tracing::info_span!("query", rows = -1_i64, table = ?"t").entered();
        tracing::debug!("not wanted");
        tracing::error!(took_ms = 1.5, ok = false, what = "disk", "it {}", "failed");
    });
}

fn panics() {
    let _guard = logboom::init().unwrap();
    let thread = std::thread::Builder::new().name("doomed".into());
    thread.spawn(|| panic!("out of {}", "cheese")).unwrap().join().unwrap_err();
}

fn levels() {
    let _guard = logboom::builder().default_filter("warn").init().unwrap();
    log::error!("error");
    log::warn!("warn");
    log::info!("info");
    log::debug!("debug");
    log::debug!(target: "loud", "loud debug");
    say("logged");
    hear();
}

fn hostile_display() {
    struct Logs;
    impl std::fmt::Display for Logs {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            log::info!("inner");
            f.write_str("logged while formatting")
        }
    }
    struct Panics;
    impl std::fmt::Display for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("while formatting")
        }
    }
    let _guard = logboom::builder().without_panic_hook().init().unwrap();
    log::info!("{Logs}");
    log::info!("kept {Panics} lost");
    log::info!("afterwards");
}

fn threads() {
    let _guard = logboom::init().unwrap();
    for name in ["one", "two"] {
        let thread = std::thread::Builder::new().name(name.into());
        thread.spawn(move || log::info!("from {name}")).unwrap().join().unwrap();
    }
}

/// Runs one worker to its end; what it logged.
fn logged_by(
    args: &[&str],
    change: impl FnOnce(&mut std::process::Command),
    job: &[&str],
) -> Vec<Value> {
    let place = Place::new();
    let listener = place.listen(&[&["--format", "json"], args].concat());
    let mut worker = place.start_worker("w", job, change);
    if job[0] == "levels" {
        worker.heard();
    }
    worker.finish();
    listener.stop();
    let records =
        place.lines().into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    records.filter(|record| record["fields"]["filtered"] != true).collect()
}

fn messages(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["message"].as_str().unwrap()).collect()
}

#[test]
fn key_values_stay_typed_and_any_level_can_be_logged() {
    let records = logged_by(&[], |_| {}, &["kv"]);
    let first = &records[0];
    assert_eq!((&first["message"], &first["logger"]), (&json!("message 7"), &json!("a::b")));
    assert_eq!((&first["level"], &first["levelno"]), (&json!("WARNING"), &json!(30)));
    assert_eq!(
        first["fields"],
        json!({
            "int": -3, "big": u64::MAX, "float": 1.5, "yes": true, "text": "two words",
            "debug": "(1, 2)", "display": "shown", "none": null
        })
    );
    assert!(first["file"].as_str().unwrap().ends_with("worker.rs") && first["line"].is_u64());
    assert_eq!((&first["worker"], first["seq"].as_u64()), (&json!("w"), Some(0)));
    assert!(records[1]["file"].as_str().unwrap().ends_with("worker.rs"));
    assert_eq!(records[2]["line"].as_u64(), records[1]["line"].as_u64().map(|line| line + 1));
    assert_eq!((&records[1]["level"], &records[1]["levelno"]), (&json!("CRITICAL"), &json!(50)));
    assert_eq!((&records[2]["level"], &records[2]["levelno"]), (&json!("Level 25"), &json!(25)));
    let long = records[3]["message"].as_str().unwrap();
    assert!(long.len() > 100_000 && long.ends_with(" bytes]"), "{} bytes", long.len());
    let lanes: Vec<_> = records.iter().map(|record| &record["lane"]).collect();
    assert!(lanes.iter().all(|lane| *lane == lanes[0]));
}

#[test]
fn a_level_without_a_name_keeps_what_is_not_below_it() {
    let kept = logged_by(&["--level", "25"], |_| {}, &["kv"]);
    assert_eq!(messages(&kept), ["message 7", "no macro for this", "nor for this"]);
}

#[test]
fn events_carry_their_fields_and_their_spans_from_root_to_leaf() {
    let records = logged_by(&[], |_| {}, &["tracing"]);
    assert_eq!(messages(&records), ["it failed"]);
    assert_eq!(records[0]["fields"], json!({ "took_ms": 1.5, "ok": false, "what": "disk" }));
    assert_eq!(
        records[0]["spans"],
        json!([
            { "name": "request", "fields": { "id": 7, "user": "anna" } },
            { "name": "query", "fields": { "rows": -1, "table": "\"t\"" } },
        ])
    );
    assert_eq!(records[0]["level"], "ERROR");
}

#[test]
fn a_panic_is_a_record_with_place_thread_and_backtrace() {
    let records = logged_by(&[], |_| {}, &["panic"]);
    assert_eq!(messages(&records), ["out of cheese"]);
    let panic = &records[0];
    assert_eq!((&panic["logger"], &panic["level"]), (&json!("panic"), &json!("ERROR")));
    assert_eq!(panic["thread"], "doomed");
    assert!(panic["file"].as_str().unwrap().ends_with("worker.rs"));
    assert!(
        panic["exception"].as_str().unwrap().contains("worker::panics"),
        "{}",
        panic["exception"]
    );
}

#[test]
fn a_flush_before_exit_keeps_what_was_logged() {
    assert_eq!(messages(&logged_by(&[], |_| {}, &["exit"])), ["before exit"]);
}

#[test]
fn a_start_that_fails_may_be_tried_again_and_a_second_one_is_refused() {
    assert_eq!(messages(&logged_by(&[], |_| {}, &["twice"])), ["still here"]);
}

#[test]
fn a_display_that_logs_or_panics_harms_nobody() {
    let records = logged_by(&[], |_| {}, &["hostile display"]);
    // A record that is logged within another comes before or after it, by the transport.
    let (inner, others): (Vec<_>, Vec<_>) =
        messages(&records).into_iter().partition(|message| *message == "inner");
    assert_eq!(inner.len(), 1);
    assert_eq!(others, ["logged while formatting", "kept …[formatting panicked]", "afterwards"]);
}

#[test]
fn threads_are_named() {
    let records = logged_by(&[], |_| {}, &["threads"]);
    let named: Vec<_> =
        records.iter().map(|record| (&record["thread"], &record["message"])).collect();
    let expected = [(json!("one"), json!("from one")), (json!("two"), json!("from two"))];
    assert!(named.into_iter().eq(expected.iter().map(|(thread, message)| (thread, message))));
    assert_ne!(records[0]["thread_id"], records[1]["thread_id"]);
}

#[test]
fn levels_come_from_the_pinned_filter_the_listener_rust_log_and_the_program_in_this_order() {
    let none: &[&str] = &[];
    let pushed: &[&str] = &["--level", "INFO"];
    let rust_log = |command: &mut std::process::Command| {
        command.env("RUST_LOG", "error,loud=debug");
    };
    let pinned = |command: &mut std::process::Command| {
        command.env("RUST_LOG", "trace").env("LOGBOOM_FILTER", "error");
    };
    assert_eq!(messages(&logged_by(none, |_| {}, &["levels"])), ["error", "warn"]);
    assert_eq!(messages(&logged_by(none, rust_log, &["levels"])), ["error", "loud debug"]);
    assert_eq!(messages(&logged_by(pushed, rust_log, &["levels"])), ["error", "warn", "info"]);
    assert_eq!(messages(&logged_by(pushed, pinned, &["levels"])), ["error"]);
}

#[test]
fn an_unusable_rust_log_is_told_in_the_log_and_an_unusable_pinned_filter_at_once() {
    let unusable = |command: &mut std::process::Command| {
        command.env("RUST_LOG", "info[span]=loud");
    };
    let records = logged_by(&[], unusable, &["exit"]);
    assert!(messages(&records)[0].starts_with("RUST_LOG is not used: "), "{records:?}");
    let place = Place::new();
    let listener = place.listen(&[]);
    let pinned = |command: &mut std::process::Command| {
        command.env("LOGBOOM_FILTER", "a=loud");
    };
    place.start_worker("w", &["bad filter"], pinned).finish();
    listener.stop();
}

#[test]
fn without_a_queue_a_worker_fails_or_logs_to_stderr_as_asked() {
    let place = Place::new();
    let without_queue = |command: &mut std::process::Command| {
        command.env_remove("LOGBOOM_QUEUE").stderr(std::process::Stdio::piped());
    };
    place.start_worker("w", &["no queue"], without_queue).finish();
    let mut worker = place.start_worker("w", &["stderr"], without_queue);
    let mut text = String::new();
    use std::io::Read;
    worker.process.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    worker.finish();
    assert!(text.trim_end().ends_with("w          worker INFO     on stderr n=1"), "{text:?}");
}

#[test]
fn the_log_command_takes_a_message_or_lines() {
    use std::io::Write;
    let place = Place::new();
    let listener = place.listen(&["--format", "%(name)s %(levelname)s %(message)s"]);
    assert!(place.run(&["log", "-l", "critical", "-t", "a.b", "two", "words"]).status.success());
    let mut command = place.logboom(&["log", "-t", "job"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let longest = "x".repeat(logboom::supervisor::MAX_LINE_BYTES);
    let input = [b"one\r\n\nnot \xff UTF-8\n", longest.as_bytes(), b"\nlast without newline"];
    child.stdin.take().unwrap().write_all(&input.concat()).unwrap();
    assert!(child.wait().unwrap().success());
    listener.stop();
    let longest = format!("job INFO {longest}");
    let expected = [
        "a.b CRITICAL two words",
        "job INFO one",
        "job INFO ",
        r"job INFO not \xff UTF-8",
        &longest,
        "job INFO last without newline",
    ];
    assert_eq!(place.lines(), expected);
}
