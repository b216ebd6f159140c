//! Loggers, adapters, scopes, and context that children inherit, as the log shows them.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::Cell;
use std::fmt;
use std::process::{Command, Stdio};

use logboom::{Context, FieldEncoder, Level, LoggerAdapter, Scope, Value};
use serde_json::json;
use support::{Place, role};

#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    match role[0].as_str() {
        "loggers" => loggers(),
        "adapters" => adapters(),
        "panicking extra" => panicking_extra(),
        "scopes" => scopes(),
        "tracing" => tracing_and_scopes(),
        "destructor" => destructor(),
        "parent" => parent(),
        "child" => {
            let _guard = logboom::init().unwrap();
            log::info!("child");
        }
        "too much" => too_much(),
        "stderr" => {
            let build = Context::new([("build", 17)]);
            let _guard = logboom::builder().context(&build).or_stderr().init().unwrap();
            let _scope = Context::new([("request", 7)]).enter();
            log::info!(n = 1; "on stderr");
        }
        other => panic!("no role {other}"),
    }
}

/// The records of one worker in a log of JSON lines, without what the test does not look at.
fn records_of(place: &Place, worker: &str) -> Vec<serde_json::Value> {
    let lines = place.lines();
    let records = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    records.filter(|record: &serde_json::Value| record["worker"] == worker).collect()
}

/// Runs one worker to its end in front of a listener that writes JSON; its records.
fn records(role: &str, change: impl FnOnce(&mut Command)) -> Vec<serde_json::Value> {
    let place = Place::new();
    let listener = place.listen(&["--format", "json"]);
    place.start_worker("w", &[role], change).finish();
    listener.stop();
    records_of(&place, "w")
}

fn loggers() {
    let logger = logboom::logger("spam_application.auxiliary");
    log::info!(logger: logger, "before init");
    logger.critical(format_args!("before init"));
    assert!(!logger.is_enabled_for(Level::CRITICAL));
    let _guard = logboom::builder().default_filter("info,spam_application=debug").init().unwrap();
    assert!(logger.is_enabled_for(Level::DEBUG) && !logger.is_enabled_for(Level::TRACE));
    assert!(log::log_enabled!(logger: logger, log::Level::Debug));
    let other = logboom::logger(format!("other.{}", 1));
    assert!(!other.is_enabled_for(Level::DEBUG));
    log::debug!(logger: logger, eggs = 2; "macro {}", 1);
    log::debug!(logger: logger, target: "not_used", "target");
    log::debug!(logger: other, "not wanted");
    other.debug(format_args!("not wanted"));
    other.log(Level::new(25), format_args!("method {}", 2));
    logger.trace(format_args!("not wanted"));
    logger.clone().warning(format_args!("clone"));
    logboom::logger("a::b").error(format_args!("as given"));
}

#[test]
fn loggers_give_their_names_to_records() {
    let records = records("loggers", |_| {});
    let said: Vec<_> = records
        .iter()
        .map(|r| (r["logger"].as_str().unwrap(), r["levelno"].as_u64().unwrap(), &r["message"]))
        .collect();
    assert_eq!(
        said,
        [
            ("spam_application.auxiliary", 10, &json!("macro 1")),
            ("spam_application.auxiliary", 10, &json!("target")),
            ("other.1", 25, &json!("method 2")),
            ("spam_application.auxiliary", 30, &json!("clone")),
            ("a::b", 40, &json!("as given")),
        ]
    );
    assert_eq!(records[0]["fields"], json!({"eggs": 2}));
    assert!(records.iter().all(|r| r["file"].as_str().unwrap().ends_with("context.rs")));
    let lines: Vec<_> = records.iter().map(|r| r["line"].as_u64().unwrap()).collect();
    let first = lines[0];
    assert_eq!(lines, [0, 1, 4, 6, 7].map(|offset| first + offset), "not the callers' lines");
}

struct Bracketed(&'static str);

impl logboom::Extra for Bracketed {
    fn add_fields(&self, to: &mut FieldEncoder<'_>) {
        to.add("prefix", self.0);
        to.display("shown", &format_args!("<{}>", self.0));
    }

    fn process(&self, message: fmt::Arguments<'_>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{}] {message}", self.0)
    }
}

fn adapters() {
    let _guard = logboom::init().unwrap();
    let fixed = Context::new([("ip", Value::from("127.0.0.1")), ("port", 80.into())]);
    let fixed = LoggerAdapter::new(logboom::logger("a.b.c"), fixed);
    log::info!(logger: fixed, "fixed");
    log::info!(logger: fixed, port = 81, own = true; "fixed and {}", "own");
    fixed.critical(format_args!("method"));
    let number = std::sync::atomic::AtomicU64::new(0);
    let computed = LoggerAdapter::new(fixed.clone(), move |to: &mut FieldEncoder<'_>| {
        to.add("call", number.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        to.add("port", 82);
    });
    log::info!(logger: computed, "first");
    computed.info(format_args!("second"));
    log::debug!(logger: computed, "not wanted, not computed");
    let inner = LoggerAdapter::new(computed, Bracketed("outer"));
    let nested = LoggerAdapter::new(inner, Bracketed("inner"));
    log::info!(logger: nested, "message {}", 1);
    nested.info(format_args!("message"));
    let _scope = Context::new([("ip", "scope"), ("scope", "yes")]).enter();
    log::info!(logger: fixed, "in a scope");
}

#[test]
fn adapters_add_typed_fields_and_change_messages() {
    let records = records("adapters", |_| {});
    let said: Vec<_> = records.iter().map(|r| (&r["message"], &r["fields"])).collect();
    let fixed = json!({"ip": "127.0.0.1", "port": 80});
    let own = json!({"ip": "127.0.0.1", "port": 81, "own": true});
    let call = |call: u64| json!({"ip": "127.0.0.1", "port": 82, "call": call});
    let nested = |call: u64| {
        let mut fields = json!({"prefix": "inner", "shown": "<inner>"});
        fields.as_object_mut().unwrap().extend(self::object(json!({"call": call, "port": 82})));
        fields["ip"] = "127.0.0.1".into();
        fields
    };
    assert_eq!(
        said,
        [
            (&json!("fixed"), &fixed),
            (&json!("fixed and own"), &own),
            (&json!("method"), &fixed),
            (&json!("first"), &call(0)),
            (&json!("second"), &call(1)),
            (&json!("[outer] [inner] message 1"), &nested(2)),
            (&json!("[outer] [inner] message"), &nested(3)),
            (&json!("in a scope"), &json!({"ip": "127.0.0.1", "port": 80, "scope": "yes"})),
        ]
    );
    assert_eq!(records[2]["level"], "CRITICAL");
    assert!(records.iter().all(|record| record["logger"] == "a.b.c"));
}

fn object(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    value.as_object().unwrap().clone()
}

fn panicking_extra() {
    let _guard = logboom::init().unwrap();
    let logs = LoggerAdapter::new(logboom::logger("a"), |to: &mut FieldEncoder<'_>| {
        log::info!("from inside");
        to.add("inside", true);
    });
    log::info!(logger: logs, "outside");
    let panics = LoggerAdapter::new(logs, |to: &mut FieldEncoder<'_>| {
        to.add("before", 1);
        panic!("no field");
    });
    log::info!(logger: panics, own = 2; "still logged");
    struct Hostile;
    impl logboom::Extra for Hostile {
        fn add_fields(&self, _: &mut FieldEncoder<'_>) {}

        fn process(&self, _: fmt::Arguments<'_>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("begun")?;
            Err(fmt::Error)
        }
    }
    log::info!(logger: LoggerAdapter::new(logboom::logger("a"), Hostile), "lost");
    log::info!("and on");
}

#[test]
fn an_extra_that_panics_or_logs_costs_only_its_fields() {
    let records = records("panicking extra", |command| {
        command.stderr(Stdio::null());
    });
    let said: Vec<_> = records.iter().map(|r| r["message"].as_str().unwrap()).collect();
    let expected = [
        "outside",
        "from inside",
        "still logged",
        "from inside",
        "no field",
        "begun…[formatting panicked]",
        "and on",
    ];
    assert_eq!(said, expected);
    assert_eq!(records[0]["fields"], json!({"inside": true}));
    let fields = json!({"inside": true, "before": 1, "own": 2, "omitted_fields": 1});
    assert_eq!(records[2]["fields"], fields);
    assert_eq!(records[4]["logger"], "panic");
}

fn scopes() {
    let _guard = logboom::init().unwrap();
    log::info!("none");
    let request = Context::new([("request", Value::from(7)), ("user", "anna".into())]).enter();
    log::info!("outer");
    let inner = Context::new([("user", "ben"), ("step", "two")]).enter();
    log::info!(user = "carl"; "call");
    logboom::log(Level::CRITICAL, "x", format_args!("inner"));
    std::thread::spawn(|| log::info!("other thread")).join().unwrap();
    drop(request);
    log::info!("inner alone");
    drop(inner);
    let panicked = std::panic::catch_unwind(|| {
        let _scope = Context::new([("doomed", true)]).enter();
        panic!("in scope");
    });
    assert!(panicked.is_err());
    log::info!("after the panic");
    let many = Context::new((0..2000).map(|n| (format!("key{n}"), n)));
    let _scope = many.enter();
    log::info!(own = 1; "crowded");
}

#[test]
fn open_scopes_go_with_each_record_of_their_thread() {
    for transport in ["ring", "channel"] {
        let records = records("scopes", |command| {
            command.env("LOGBOOM_TRANSPORT", transport).stderr(Stdio::null());
        });
        let fields = |message: &str| {
            &records.iter().find(|record| record["message"] == message).unwrap()["fields"]
        };
        for (message, expected) in [
            ("none", json!(null)),
            ("outer", json!({"request": 7, "user": "anna"})),
            ("call", json!({"request": 7, "user": "carl", "step": "two"})),
            ("inner", json!({"request": 7, "user": "ben", "step": "two"})),
            ("other thread", json!(null)),
            ("inner alone", json!({"user": "ben", "step": "two"})),
            ("in scope", json!({"doomed": true})),
            ("after the panic", json!(null)),
        ] {
            assert_eq!(fields(message), &expected, "{message} over {transport}");
        }
        let crowded = object(fields("crowded").clone());
        let omitted = crowded["omitted_fields"].as_u64().unwrap();
        assert_eq!(crowded["own"], 1);
        assert_eq!(crowded.len() as u64 + omitted, 2000 + 2);
    }
}

fn tracing_and_scopes() {
    use tracing_subscriber::layer::SubscriberExt;
    let (layer, _guard) = logboom::builder().layer().unwrap();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let _span = tracing::info_span!("request", id = 7).entered();
        let _scope = Context::new([("scope", "yes")]).enter();
        tracing::info!(status = 200, "event");
        log::info!(logger: logboom::logger("named"), "beside tracing");
    });
}

#[test]
fn scopes_and_loggers_work_beside_tracing() {
    let records = records("tracing", |_| {});
    let span = json!([{"name": "request", "fields": {"id": 7}}]);
    assert_eq!(records[0]["spans"], span);
    assert_eq!(records[0]["fields"], json!({"scope": "yes", "status": 200}));
    assert_eq!(
        (&records[1]["logger"], &records[1]["fields"]),
        (&json!("named"), &json!({"scope": "yes"}))
    );
    assert_eq!(records.len(), 2);
}

/// Logs when its thread has torn down other thread-locals.
struct LogsAtTheEnd(Option<Scope>);

impl Drop for LogsAtTheEnd {
    fn drop(&mut self) {
        let _scope = Context::new([("late", 1)]).enter();
        log::info!("at the end");
        drop(self.0.take());
        log::info!("at the very end");
    }
}

thread_local!(static LAST: Cell<LogsAtTheEnd> = const { Cell::new(LogsAtTheEnd(None)) });

fn destructor() {
    let _guard = logboom::init().unwrap();
    // Whatever the order is in which thread-locals are destroyed: both are tried.
    for is_last in [false, true] {
        let thread = std::thread::spawn(move || {
            if is_last {
                LAST.set(LogsAtTheEnd(None));
            }
            let scope = Context::new([("kept", 1)]).enter();
            LAST.set(LogsAtTheEnd(Some(scope)));
        });
        thread.join().unwrap();
    }
}

#[test]
fn a_scope_in_the_destructor_of_a_thread_local_does_no_harm() {
    let records = records("destructor", |_| {});
    let count = |message: &str| records.iter().filter(|r| r["message"] == message).count();
    // The first thread ends two, the second three: that which was there, and those it sets.
    assert_eq!((count("at the end"), count("at the very end")), (5, 5), "{records:?}");
}

fn parent() {
    let _guard = logboom::init().unwrap();
    println!("printed");
    let _scope = Context::new([("request", 7), ("secret", 1)]).enter();
    log::info!("parent");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(std::env::args_os().skip(1)).env(support::ROLE, "child").stdout(Stdio::null());
    logboom::inherit(&mut child, "child", &["request"]);
    assert!(child.status().unwrap().success());
    let mut script = Command::new(env!("CARGO_BIN_EXE_logboom"));
    assert!(script.args(["log", "from a script"]).status().unwrap().success());
}

/// Runs the worker `parent` under `logboom run ARGS`; the log.
fn run_parent(args: &[&str], change: impl FnOnce(&mut Command)) -> (Place, String) {
    let place = Place::new();
    let exe = std::env::current_exe().unwrap();
    let worker = format!("p=exec '{}' --exact worker_process --nocapture", exe.display());
    let mut command = place.logboom(&["run", "--format=json", "--log"]);
    command.arg(place.log()).args(args).args(["-c", &worker]).env(support::ROLE, "parent");
    change(&mut command);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    (place, stderr)
}

fn find(records: &[serde_json::Value], message: &str) -> serde_json::Value {
    let found = records.iter().find(|record| record["message"] == message);
    found.unwrap_or_else(|| panic!("no `{message}` in {records:?}")).clone()
}

#[test]
fn a_run_gives_its_context_to_all_its_processes() {
    for transport in ["ring", "channel"] {
        let args = ["--context", "build=17", "--context", "note=\"a, b\""];
        let (place, _) = run_parent(&args, |command| {
            command.env("LOGBOOM_TRANSPORT", transport);
        });
        let (p, child) = (records_of(&place, "p"), records_of(&place, "child"));
        let run_id = find(&p, "parent")["context"]["run_id"].clone();
        let digits = run_id.as_str().unwrap();
        assert!(digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{digits}");
        let context = json!({"run_id": run_id, "build": 17, "note": "a, b"});
        for message in ["parent", "printed", "from a script"] {
            assert_eq!(find(&p, message)["context"], context, "{message} over {transport}");
        }
        let of_run = records_of(&place, "run");
        assert_eq!(find(&of_run, "all workers ended")["context"], context);
        let mut inherited = context;
        inherited["request"] = json!(7);
        assert_eq!(find(&child, "child")["context"], inherited);
        assert_eq!(find(&child, "child")["fields"], json!(null));
        assert_eq!(find(&p, "parent")["fields"], json!({"request": 7, "secret": 1}));
    }
}

#[test]
fn a_run_within_a_run_keeps_its_name_and_a_given_name_counts() {
    let outer = |command: &mut Command| {
        command.env("LOGBOOM_CONTEXT", "run_id=outer,depth=1");
    };
    let (place, _) = run_parent(&[], outer);
    let parent = find(&records_of(&place, "p"), "parent");
    assert_eq!(parent["context"], json!({"run_id": "outer", "depth": 1}));
    let (place, _) = run_parent(&["--context=run_id=\"2\""], outer);
    let parent = find(&records_of(&place, "p"), "parent");
    assert_eq!(parent["context"], json!({"run_id": "2", "depth": 1}));
}

#[test]
fn a_context_that_cannot_be_read_is_told_and_not_used() {
    let expected = "LOGBOOM_CONTEXT is not used: the context cannot be read from byte 3 on, where an \
                    equals sign is expected: write it like `build=17,user=\"a, b\"`";
    let bad = |command: &mut Command| {
        command.env("LOGBOOM_CONTEXT", "bad");
    };
    let records = records("child", bad);
    let complaint = find(&records, expected);
    assert_eq!((&complaint["logger"], &complaint["level"]), (&json!("logboom"), &json!("WARNING")));
    assert_eq!(find(&records, "child")["context"], json!(null));

    let (place, stderr) = run_parent(&[], bad);
    assert!(stderr.contains(&format!("logboom: {expected}")), "{stderr}");
    assert!(find(&records_of(&place, "p"), "parent")["context"]["run_id"].is_string());
    find(&records_of(&place, "run"), expected);
}

fn too_much() {
    let long = Context::new([("long", "x".repeat(900)), ("longer", "x".repeat(100))]);
    let _guard = logboom::builder().context(&long).init().unwrap();
    log::info!("here");
    let _scope = Context::new([("short", "y".to_owned()), ("request", "y".repeat(100))]).enter();
    let mut command = Command::new("true");
    logboom::inherit(&mut command, "child", &["request", "short"]);
    let value = |name: &str| {
        let mut set = command.get_envs().filter(|(key, _)| *key == name);
        set.next().unwrap().1.unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(value("LOGBOOM_WORKER"), "child");
    assert_eq!(value("LOGBOOM_QUEUE"), std::env::var("LOGBOOM_QUEUE").unwrap());
    let inherited: Context = value("LOGBOOM_CONTEXT").parse().unwrap();
    let keys: Vec<_> = inherited.fields().iter().map(|field| &*field.key).collect();
    assert_eq!(keys, ["build", "long", "short"]);
}

#[test]
fn context_beyond_the_limits_is_left_out_and_told() {
    let records = records("too much", |command| {
        command.env("LOGBOOM_CONTEXT", "build=17");
    });
    let limits = "a process has at most 32 fields of 1000 bytes in all";
    find(&records, &format!("1 fields of the context are left out: {limits}"));
    find(&records, &format!("child does not inherit 1 fields: {limits}"));
    let context = json!({"build": 17, "long": "x".repeat(900)});
    assert_eq!(find(&records, "here")["context"], context);
}

#[test]
fn the_log_command_takes_context_that_the_next_listener_finds() {
    let place = Place::new();
    let log = |args: &[&str]| place.run(&[&["log", "--offline"], args].concat());
    assert!(log(&["--context=build=17", "--context=who=\"x=1\"", "first"]).status.success());
    assert!(log(&["second"]).status.success());
    let refused = log(&["--context", "build", "third"]);
    assert_eq!(refused.status.code(), Some(2));
    let listener = place.listen(&["--format", "%(message)s%(context)s."]);
    listener.stop();
    assert_eq!(place.lines(), ["first build=17 who=\"x=1\".", "second."]);
}

#[test]
fn without_a_queue_scopes_are_printed_on_standard_error() {
    let place = Place::new();
    let mut worker = place.start_worker("w", &["stderr"], |command| {
        command.env_remove("LOGBOOM_QUEUE").env("LOGBOOM_CONTEXT", "bad").stderr(Stdio::piped());
    });
    let stderr = worker.process.0.stderr.take().unwrap();
    let text = std::io::read_to_string(stderr).unwrap();
    worker.finish();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains("logboom WARNING  LOGBOOM_CONTEXT is not used: "), "{text}");
    assert!(lines[1].ends_with("INFO     on stderr request=7 n=1"), "{text}");
}
