//! The recipes of Python's logging cookbook at the other end.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use logboom::{Field, Value};

use super::*;

const RECORDS: usize = 1000;

/// The Python with pyzmq: that of `scripts/test`, or the one that is there.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let candidates = [target.join("python/bin/python3"), "python3".into()];
    let has_zmq = |python: &PathBuf| {
        let mut command = Command::new(python);
        let command = command.args(["-c", "import zmq"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = candidates.into_iter().find(has_zmq);
    found.expect("this test needs a python3 with pyzmq: scripts/test installs it")
}

/// A script at the other end, killed in the end.
struct Script {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Script {
    fn start(arguments: &[&str]) -> Script {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zeromq/cookbook.py");
        let mut command = Command::new(python());
        let command = command.arg(script).args(arguments).env("PYTHONUTF8", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Script { input: child.stdin.take(), child, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the script has ended: {line}");
        line.trim_end().to_owned()
    }

    fn record(&mut self) -> Json {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Lets it log, and gives the messages that it says it has logged.
    fn logged(&mut self, count: usize) -> Vec<String> {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        let messages = (0..count).map(|_| self.line()).collect::<Vec<_>>();
        assert_eq!(self.line(), "done");
        // Python has half surrogates, which no text of Rust has.
        messages
            .iter()
            .map(|line| serde_json::from_str(&line.replace("\\ud800", "\\ufffd")).unwrap())
            .collect()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Records with hostile text.
fn records(count: usize) -> Vec<Record<'static>> {
    let pieces = ["a", "\n", "\0", "\u{1b}[31m", "é", "🦀", "\"", "\\", "%s %d", "\u{2028}", "{}"];
    let record = |number: usize| {
        let text: String = (0..number % 13).map(|at| pieces[(number * 7 + at * at) % 11]).collect();
        let message = format!("{number} {text}{}", "x".repeat(number % 7 * 100));
        let mut record = Record::new(1_795_322_903_123_456_000, Level::WARNING, "http.é", message);
        record.line = Some(3);
        record.exception = number.is_multiple_of(5).then(|| "Traceback\n  ü".into());
        record.fields.push(Field { key: "extra".into(), value: Value::U64(number as u64) });
        record.process.to_mut().name = "api-1".into();
        record
    };
    (0..count).map(record).collect()
}

fn assert_is(got: &Json, sent: &Record<'_>) {
    assert_eq!(got["message"].as_str().unwrap(), sent.message);
    assert_eq!((&got["name"], &got["levelno"]), (&Json::from("http.é"), &Json::from(30)));
    assert_eq!(got["exc_text"].as_str(), sent.exception.as_deref());
    assert_eq!(
        got["extra"],
        Json::from(
            got["message"].as_str().unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()
        )
    );
    assert_eq!((&got["lineno"], &got["processName"]), (&Json::from(3), &Json::from("api-1")));
}

fn assert_logged_by_the_cookbook(place: &Place, messages: &[String]) {
    place.wait_for("the last record", |place| {
        place.messages().last().is_some_and(|last| last.starts_with("failed"))
    });
    let records = place.records();
    let (last, others) = records.split_last().unwrap();
    assert_eq!(place.messages()[..messages.len()], *messages);
    assert_eq!(others.len(), messages.len());
    for (number, record) in others.iter().enumerate() {
        assert_eq!((&record["level"], &record["logger"]), (&"WARNING".into(), &"http.é".into()));
        let extra = format!("{{\"n\": {number}}}");
        assert_eq!(record["fields"]["extra"], Json::from(extra));
        assert_eq!(record["worker"], "MainProcess");
    }
    // `prepare` of the cookbook's handler puts the traceback into the message.
    assert!(last["message"].as_str().unwrap().starts_with("failed"));
}

#[test]
fn a_subscriber_takes_what_the_handler_of_the_cookbook_publishes() {
    let mut script = Script::start(&["log", "publish", "bind", "tcp://127.0.0.1:*", "200"]);
    let mut place = Place::new();
    place.listen(ZeromqSource::subscribe(Endpoint::connect(&script.line()).unwrap()));
    place.wait_for("the subscription", |place| place.door().records > 0);
    let messages = script.logged(200);
    assert_logged_by_the_cookbook(&place, &messages);
    place.stop();
}

#[test]
fn what_is_pushed_is_complete_and_in_order() {
    let mut place = Place::new();
    place.listen(ZeromqSource::pull(Endpoint::bind(&place.ipc()).unwrap()));
    let count = RECORDS.to_string();
    let mut script = Script::start(&["log", "push", "connect", &place.ipc(), &count]);
    let messages = script.logged(RECORDS);
    assert_logged_by_the_cookbook(&place, &messages);
    assert_eq!(place.door().peers, 1);
    place.stop();
    assert!(!place.directory.path().join("z.sock").exists());
}

#[test]
fn the_listener_of_the_cookbook_takes_what_is_published() {
    let endpoint = Endpoint::bind("tcp://127.0.0.1:0").unwrap();
    let mut handler = ZeromqHandler::publish(endpoint).open(LogRecordFormatter::new()).unwrap();
    let address = handler.endpoint().to_string().replace("bind ", "");
    let mut script = Script::start(&["listen", "subscribe", "connect", &address]);
    let (joined, wait) = channel();
    let reader = thread::spawn(move || {
        let probe = script.record();
        joined.send(()).unwrap();
        std::iter::once(probe)
            .chain((0..).map(|_| script.record()))
            .filter(|record| record["message"] != PROBE)
            .take(RECORDS)
            .collect::<Vec<_>>()
    });
    while wait.recv_timeout(Duration::from_millis(20)).is_err() {
        assert!(!reader.is_finished(), "nothing came");
        handler.handle(&Record::new(0, Level::DEBUG, PROBE, PROBE)).unwrap();
    }
    let sent = records(RECORDS);
    sent.iter().for_each(|record| handler.handle(record).unwrap());
    handler.close().unwrap();
    let got = reader.join().unwrap();
    got.iter().zip(&sent).for_each(|(got, sent)| assert_is(got, sent));
}

#[test]
fn what_is_pushed_waits_for_a_peer_and_is_complete_and_in_order() {
    let place = Place::new();
    for end in ["connect", "bind"] {
        let ours = if end == "connect" { Endpoint::bind } else { Endpoint::connect };
        let endpoint = ours(&place.ipc()).unwrap();
        let mut handler = ZeromqHandler::push(endpoint).open(LogRecordFormatter::new()).unwrap();
        let sent = records(RECORDS);
        sent.iter().for_each(|record| handler.handle(record).unwrap());
        let mut script = Script::start(&["listen", "pull", end, &place.ipc()]);
        if end == "bind" {
            script.line();
        }
        sent.iter().for_each(|sent| assert_is(&script.record(), sent));
        handler.close().unwrap();
    }
}

#[test]
fn a_peer_that_is_started_again_is_found_again() {
    let mut place = Place::new();
    let uri = place.ipc();
    place.listen(ZeromqSource::pull(Endpoint::connect(&uri).unwrap()));
    for run in 1..=2 {
        let mut script = Script::start(&["log", "push", "bind", &uri, "20"]);
        script.line();
        script.logged(20);
        place.wait_for("all of a run", |place| place.records().len() == run * 21);
        script.kill();
    }
    place.stop();
}

#[test]
fn what_is_no_record_is_counted_and_stops_nobody() {
    let mut place = Place::new();
    place.listen(ZeromqSource::pull(Endpoint::bind(&place.ipc()).unwrap()));
    let mut stranger = UnixStream::connect(place.directory.path().join("z.sock")).unwrap();
    stranger.write_all(&[b'x'; 100]).unwrap();
    let mut script = Script::start(&["messages", &place.ipc()]);
    place.wait_for("the record", |place| place.messages() == ["whole"]);
    assert!(script.child.wait().unwrap().success());
    place.wait_for("the stranger", |place| place.door().refused.len() == 5);
    let door = place.door();
    assert_eq!(door.records, 1);
    for reason in ["damaged", "no dictionary", "cut short", "3 frames", "greeting"] {
        let known = door.refused.iter().filter(|(known, _)| known.contains(reason));
        assert_eq!(known.map(|(_, count)| *count).sum::<u64>(), 1, "{reason}: {:?}", door.refused);
    }
    place.stop();
}
