//! What the handlers of Python's logging send arrives as a receiver of Python's own would have it,
//! from every Python that is found here.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value as Json;
use support::{Place, Process, pythons, wait_until};

/// Times that went through a float differ by less than this.
const PRECISION_NS: u64 = 2000;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/program/doors_python.py");

const DOORS: [&str; 8] = [
    "--python-socket",
    "stream.sock",
    "--python-datagram",
    "datagram.sock",
    "--python-tcp",
    "127.0.0.1:0",
    "--python-udp",
    "127.0.0.1:0",
];

fn text<'j>(json: &'j Json, key: &str) -> Option<&'j str> {
    json[key].as_str().filter(|text| !text.is_empty())
}

/// The nanoseconds since the epoch of a time of the log.
fn time_ns(line: &Json) -> i64 {
    let time = line["time"].as_str().unwrap();
    let (seconds, fraction) = time.trim_end_matches('Z').split_once('.').unwrap();
    let date = Command::new("date").args(["-u", "-d", seconds, "+%s"]).output().unwrap();
    let seconds: i64 = String::from_utf8(date.stdout).unwrap().trim().parse().unwrap();
    seconds * 1_000_000_000 + fraction.parse::<i64>().unwrap()
}

fn compare_known(line: &Json, known: &Json) {
    let level = known["levelno"].as_u64().unwrap();
    assert_eq!(line["levelno"].as_u64().unwrap(), level.min(255));
    let level_name = text(&line["fields"], "levelname").or(text(line, "level"));
    assert_eq!(level_name, text(known, "levelname"));
    let fields = &line["fields"];
    for (ours, theirs) in [
        (line["logger"].as_str(), known["name"].as_str()),
        (line["message"].as_str(), known["msg"].as_str()),
        (text(line, "exception"), text(known, "exc_text")),
        (text(fields, "stack_info"), text(known, "stack_info")),
        (text(line, "file"), text(known, "pathname")),
        (text(line, "function"), text(known, "funcName")),
        (text(line, "thread"), text(known, "threadName")),
        (text(fields, "taskName"), text(known, "taskName")),
    ] {
        assert_eq!(ours, theirs);
    }
    assert_eq!(line["line"].as_u64(), known["lineno"].as_u64());
    assert_eq!(line["thread_id"].as_u64(), known["thread"].as_u64());
    if known["process"].is_null() {
        return;
    }
    assert_eq!(line["pid"].as_u64(), known["process"].as_u64());
    assert_eq!(text(line, "worker"), text(known, "processName"));
}

fn compare_fields(line: &Json, expected: &Json) {
    let empty = serde_json::Map::new();
    let mut ours = line["fields"].as_object().unwrap_or(&empty).clone();
    ["levelname", "stack_info", "taskName"].iter().for_each(|key| drop(ours.remove(*key)));
    // Of a key that comes twice the last is printed.
    let theirs = expected.as_array().unwrap().iter();
    let theirs: HashMap<_, _> =
        theirs.map(|field| (field[0].as_str().unwrap(), &field[1])).collect();
    assert_eq!(ours.len(), theirs.len(), "{ours:?} {theirs:?}");
    for (key, value) in &ours {
        compare_value(value, theirs[&**key]);
    }
}

fn compare_value(value: &Json, expected: &Json) {
    let float = |bits: &str| f64::from_bits(bits.parse().unwrap());
    let is_same = match (expected[0].as_str().unwrap(), &expected[1], value) {
        ("null", _, Json::Null) => true,
        ("bool", expected, Json::Bool(_)) => expected == value,
        ("int", Json::String(digits), Json::Number(number)) => *digits == number.to_string(),
        ("int", Json::String(digits), Json::String(text)) => {
            digits.parse::<i64>().is_err() && digits.parse::<u64>().is_err() && digits == text
        }
        ("float", Json::String(bits), Json::Number(number)) => {
            number.to_string().parse::<f64>().unwrap() == float(bits)
        }
        ("float", Json::String(bits), Json::String(text)) => *text == format!("{:?}", float(bits)),
        ("text", expected, Json::String(_)) => expected == value,
        ("json", Json::String(expected), Json::String(text)) => {
            let json = |text: &str| -> Json { serde_json::from_str(text).unwrap() };
            json(expected) == json(text)
        }
        ("object", Json::String(name), Json::String(text)) => {
            let rest = text.strip_prefix('<').and_then(|text| text.strip_prefix(name.as_str()));
            rest.is_some_and(|rest| rest.starts_with('(') && rest.ends_with(")>"))
        }
        _ => false,
    };
    assert!(is_same, "{value:?} is not {expected}");
}

/// Sends by one kind of handler; what Python itself has received.
fn send(place: &Place, python: &Path, kind: &str, before: u64) -> Vec<Json> {
    let (door, ours) = match kind {
        "socket" => (place.path("stream.sock").display().to_string(), "ours.sock"),
        "datagram" => (place.path("datagram.sock").display().to_string(), "ours.sock"),
        _ => (place.address(&format!("python {kind}")).port().to_string(), "-"),
    };
    let mut client = Command::new(python);
    client.args([SCRIPT, kind, &door, ours]).current_dir(place.directory.path());
    client.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Process(client.spawn().unwrap());
    let mut input = client.0.stdin.take().unwrap();
    let mut answers = Vec::new();
    for line in BufReader::new(client.0.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        match line.strip_prefix("sent ") {
            Some(sent) => {
                let sent: u64 = sent.parse().unwrap();
                place.wait_for_records(&format!("python {kind}"), before + sent);
                input.write_all(b"\n").unwrap();
            }
            None => answers.push(serde_json::from_str(&line).unwrap()),
        }
    }
    assert_eq!(client.wait(), 0, "{} failed, see above", python.display());
    let _none_was_made = std::fs::remove_file(place.path("ours.sock"));
    answers
}

#[test]
fn records_are_those_that_python_receives_itself() {
    const KINDS: [&str; 4] = ["socket", "datagram", "tcp", "udp"];
    let place = Place::new();
    let listener = place.listen(&[&["--format", "json", "--level", "NOTSET"], &DOORS[..]].concat());
    let mut expected = Vec::new();
    let mut sent = [0; KINDS.len()];
    for python in pythons() {
        for (kind, sent) in KINDS.iter().zip(&mut sent) {
            let answers = send(&place, &python, kind, *sent);
            assert!(answers.len() >= 200, "{} records of {}", answers.len(), python.display());
            *sent += answers.len() as u64;
            expected.extend(answers);
        }
    }
    for kind in KINDS {
        let door = place.door(&format!("python {kind}"));
        assert_eq!((door.refused, door.dropped, door.overflowed), (Vec::new(), 0, 0));
    }
    listener.stop();
    let lines = place.lines();
    assert_eq!(lines.len(), expected.len());
    let mut is_first = true;
    for (line, answer) in lines.iter().zip(&expected) {
        let line: Json = serde_json::from_str(line).unwrap();
        compare_known(&line, &answer["known"]);
        compare_fields(&line, &answer["fields"]);
        let peer = &line["context"];
        assert!(
            peer["peer_pid"].is_u64() && peer["peer_uid"].is_u64()
                || peer["peer_address"].is_string()
        );
        if std::mem::take(&mut is_first) {
            let created_ns = answer["known"]["created"].as_f64().unwrap() * 1e9;
            assert!(time_ns(&line).abs_diff(created_ns as i64) < PRECISION_NS);
        }
    }
    let verified = place.run(&["verify", "app.log", "--format", "json"]);
    assert!(verified.status.success(), "{verified:?}");
}

const CLIENT: &str = "
import logging, logging.handlers, os, sys
name, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3]) or None
logger = logging.getLogger(name)
logger.setLevel(logging.INFO)
handler = logging.handlers.SocketHandler(host, port)
logger.addHandler(handler)
for number in range(1000):
    logger.info('%s %d', name, number)
    os.write(1, b'.' if handler.sock else b'x')
sys.stdin.read()
";

/// A client that writes a sign behind each record: a dot when it has sent it. Python's handler gives up
/// a record, and says nothing, when it could not be sent within a second.
struct Client {
    process: Process,
    name: String,
    signs: ChildStdout,
    sent: Vec<u8>,
}

impl Client {
    fn start(place: &Place, number: usize, port: u16) -> Client {
        let name = format!("client-{number}");
        let socket = place.path("stream.sock").display().to_string();
        // By turns.
        let (host, port) =
            if number.is_multiple_of(2) { (socket, 0) } else { ("127.0.0.1".into(), port) };
        let mut command = Command::new("python3");
        command.args(["-c", CLIENT, &name, &host, &port.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child: Child = command.spawn().unwrap();
        let signs = child.stdout.take().unwrap();
        Client { process: Process(child), name, signs, sent: Vec::new() }
    }

    fn wait_for_signs(&mut self, count: usize) {
        let begin = self.sent.len();
        self.sent.resize(count, 0);
        self.signs.read_exact(&mut self.sent[begin..]).unwrap();
    }

    fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait();
        self.signs.read_to_end(&mut self.sent).unwrap();
    }

    /// The numbers of the records that it has sent, and the last of which it had no time to tell.
    fn numbers(&self) -> Vec<usize> {
        let told = self.sent.iter().enumerate().filter(|(_, sign)| **sign == b'.');
        told.map(|(number, _)| number).chain([self.sent.len()]).collect()
    }
}

#[test]
fn fifty_clients_of_which_some_are_killed_lose_and_double_nothing() {
    const CLIENTS: usize = 50;
    const RECORDS: usize = 1000;
    let place = Place::new();
    let listener = place.listen(&[&["--format", "%(name)s %(message)s"], &DOORS[..]].concat());
    let port = place.address("python tcp").port();
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|number| Client::start(&place, number, port)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 5 < 2 {
            client.wait_for_signs(1 + number * 7);
            client.kill();
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 5 >= 2 {
            client.wait_for_signs(RECORDS);
            drop(client.process.0.stdin.take());
            assert_eq!(client.process.wait(), 0);
        }
    }
    wait_until("the last connection", || {
        place.door("python tcp").peers + place.door("python socket").peers == 0
    });
    listener.stop();
    let mut logged: HashMap<String, Vec<usize>> = HashMap::new();
    for line in place.lines() {
        let (logger, message) = line.split_once(' ').unwrap();
        let (name, number) = message.split_once(' ').unwrap();
        assert_eq!(name, logger);
        logged.entry(name.to_owned()).or_default().push(number.parse().unwrap());
    }
    for client in &clients {
        let (numbers, logged) = (client.numbers(), &logged[&client.name]);
        let all = &numbers[..numbers.len() - 1];
        assert!(logged == all || *logged == numbers, "{}: {all:?} sent, {logged:?}", client.name);
    }
}
