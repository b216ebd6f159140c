//! Peers that claim, send or hold more than there are limits for. The listener is a process of its own,
//! so that its memory can be seen.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

use super::*;

/// Says to the process of a listener where it is.
const PLACE: &str = "LOGBOOM_TEST_PLACE";

/// What the listener may take beyond what it takes with one honest peer.
const MAX_GROWTH_KIB: u64 = 48 * 1024;

/// The limits of an endpoint.
const MAX_PEERS: u64 = 256;
const MAX_TOPICS: usize = 1000;

/// A listener that pulls and publishes until its standard input ends.
#[test]
fn listener_process() {
    let Some(place) = env::var_os(PLACE) else { return };
    let at = |name: &str| Endpoint::bind(&ipc(Path::new(&place), name)).unwrap();
    let path = Path::new(&place).join("app.log");
    let file = RotatingFileHandler::builder(path).open(JsonFormatter::new()).unwrap();
    let publisher = ZeromqHandler::publish(at("pub")).open(LogRecordFormatter::new()).unwrap();
    let queue = QueueDir::at(Path::new(&place).join("q")).unwrap();
    let builder = QueueListener::builder(queue).file(file).handler("zeromq", publisher);
    let thread = builder.source(ZeromqSource::pull(at("pull"))).bind().unwrap().spawn().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    thread.stop().unwrap();
}

fn ipc(place: &Path, name: &str) -> String {
    format!("ipc://{}", place.join(name).display())
}

struct Attacked {
    place: Place,
    process: Child,
    memory_kib: u64,
    honest: ZeromqHandler,
    sent: u64,
}

impl Attacked {
    fn new() -> Attacked {
        let place = Place::new();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "attacked::listener_process"]).env(PLACE, place.directory.path());
        let process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        wait_until("the listener", || control::status(&place.queue).is_ok());
        let endpoint = Endpoint::connect(&ipc(place.directory.path(), "pull")).unwrap();
        let honest = ZeromqHandler::push(endpoint).open(LogRecordFormatter::new()).unwrap();
        let mut attacked = Attacked { place, process, memory_kib: 0, honest, sent: 0 };
        attacked.expect_honest();
        attacked.memory_kib = attacked.memory_kib();
        attacked
    }

    /// Sends as somebody who keeps the protocol, and expects that it is written.
    fn expect_honest(&mut self) {
        for _ in 0..100 {
            let record = Record::new(0, Level::INFO, "honest", self.sent.to_string());
            self.honest.handle(&record).unwrap();
            self.sent += 1;
        }
        let sent = self.sent;
        self.place.wait_for("honest records", |place| {
            place.messages().iter().map(|message| message.parse::<u64>()).eq((0..sent).map(Ok))
        });
    }

    /// The most that it has taken since it was started.
    fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn connect(&self, name: &str) -> UnixStream {
        let stream = UnixStream::connect(self.place.directory.path().join(name)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// One that has greeted.
    fn greeted(&self, name: &str, kind: &str) -> UnixStream {
        let mut stream = self.connect(name);
        stream.write_all(&[greeting(), ready(kind)].concat()).unwrap();
        let answer_bytes = if name == "pub" { 64 + 27 } else { 64 + 28 };
        stream.read_exact(&mut vec![0; answer_bytes]).unwrap();
        stream
    }

    fn refused(&self, reason: &str) -> u64 {
        let refused = self.place.door().refused;
        refused.iter().filter(|(why, _)| why.contains(reason)).map(|(_, count)| count).sum()
    }

    /// Connections that it has closed: there were too many, or what they had begun was late.
    fn closed(&self) -> u64 {
        self.refused("too many peers") + self.refused("within 10 s")
    }

    /// Stops it, when it has harmed nobody.
    fn finish(mut self) {
        self.expect_honest();
        let grown_kib = self.memory_kib() - self.memory_kib;
        assert!(grown_kib < MAX_GROWTH_KIB, "{grown_kib} KiB more");
        self.honest.close().unwrap();
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Attacked {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn greeting() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    (bytes[0], bytes[9], bytes[10]) = (0xff, 0x7f, 3);
    bytes[12..16].copy_from_slice(b"NULL");
    bytes
}

fn ready(kind: &str) -> Vec<u8> {
    let length = kind.len() as u8;
    let text = [b"\x05READY\x0bSocket-Type\0\0\0", &[length][..], kind.as_bytes()].concat();
    [&[4, text.len() as u8], &text[..]].concat()
}

fn long_frame(length: u64) -> Vec<u8> {
    [&[2][..], &length.to_be_bytes()].concat()
}

/// Sends this again and again, until the other end has closed the connection.
fn send_until_closed(mut stream: UnixStream, bytes: &[u8]) {
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let error = (0..).find_map(|_| stream.write_all(bytes).err()).unwrap();
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

#[test]
fn a_length_that_is_claimed_costs_nothing_and_ends_its_connection_alone() {
    let attacked = Attacked::new();
    let lengths = [(4 << 20) + 1, 1 << 32, 1 << 46, 1 << 62, 1 << 63, u64::MAX];
    for (name, kind) in [("pull", "PUSH"), ("pub", "SUB")] {
        for length in lengths {
            let mut stream = attacked.greeted(name, kind);
            stream.write_all(&long_frame(length)).unwrap();
            assert!(
                matches!(stream.read(&mut [0]), Ok(0) | Err(_)),
                "{length} bytes are waited for"
            );
        }
        let mut stream = attacked.connect(name);
        let ready = [&[6][..], &(1_u64 << 46).to_be_bytes()].concat();
        stream.write_all(&[greeting(), ready].concat()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    attacked.place.wait_for("the reasons", |_| attacked.refused("more than 4 MiB") == 6);
    assert_eq!(attacked.refused("READY"), 1);
    attacked.finish();
}

#[test]
fn what_has_no_end_is_ended() {
    let attacked = Attacked::new();
    thread::scope(|scope| {
        let streams = [
            (attacked.greeted("pull", "PUSH"), ready("PUSH")),
            (attacked.greeted("pull", "PUSH"), b"\x01\0".repeat(100)),
            (
                attacked.greeted("pull", "PUSH"),
                [b"\x03\0\0\0\0\0\x10\0\0", &[7; 1 << 20][..]].concat(),
            ),
            (attacked.greeted("pub", "SUB"), b"\0\x01\x01".repeat(MAX_TOPICS)),
            (attacked.greeted("pub", "SUB"), ready("SUB")),
            (attacked.connect("pull"), vec![0xff; 1000]),
        ];
        for (stream, bytes) in streams {
            scope.spawn(move || send_until_closed(stream, &bytes));
        }
    });
    for reason in ["command", "64 frames", "4 MiB", "no greeting"] {
        attacked.place.wait_for(reason, |_| attacked.refused(reason) == 1);
    }
    attacked.finish();
}

#[test]
fn a_thousand_connections_cost_no_more_than_there_may_be() {
    let mut attacked = Attacked::new();
    let mut held = Vec::new();
    for _ in 0..500 {
        held.push(attacked.connect("pull"));
    }
    attacked.place.wait_for("room", |_| attacked.closed() >= 501 - MAX_PEERS);
    attacked.expect_honest();
    // Now such as have greeted, and begun what they never end.
    for _ in 0..500 {
        let mut stream = attacked.connect("pull");
        let begun = [greeting(), ready("PUSH"), long_frame(4 << 20), vec![0; 1000]].concat();
        // It may be closed by now.
        let _refused = stream.write_all(&begun);
        held.push(stream);
    }
    attacked.place.wait_for("all of them", |_| attacked.closed() >= 1001 - MAX_PEERS);
    assert!(attacked.place.door().peers <= MAX_PEERS);
    attacked.expect_honest();
    drop(held);
    attacked.place.wait_for("their end", |place| place.door().peers == 1);
    attacked.finish();
}
