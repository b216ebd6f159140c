//! Doors for the records of other programs: what comes in arrives, who may send, and what becomes of
//! sockets and records at the end.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value as Json;
use support::{Place, SmallDisk, wait_until};

const PATTERN: &str = "%(name)s %(levelname)s %(message)s%(fields)s";

fn example(name: &str) -> String {
    format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn python(place: &Place, args: &[&str]) -> Output {
    let mut command = Command::new("python3");
    command.args(args).current_dir(place.directory.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn objects(place: &Place) -> Vec<Json> {
    place.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn stream(place: &Place, socket: &str) -> UnixStream {
    UnixStream::connect(place.path(socket)).unwrap()
}

#[test]
fn json_lines_arrive_by_each_way() {
    let place = Place::new();
    let doors =
        ["--json-socket=j", "--json-datagram=d", "--json-tcp=[::1]:0", "--json-udp=127.0.0.1:0"];
    let listener = place.listen(&[&["--format", PATTERN], &doors[..]].concat());
    for (number, door) in ["socket", "tcp", "datagram", "udp"].iter().enumerate() {
        let name = format!("json {door}");
        let lines = format!(
            "{{\"level\":\"warn\",\"logger\":\"a\",\"msg\":\"by {door}\",\"n\":{number}}}\n\
             {{\"severity\":\"DEBUG\",\"target\":\"b\",\"message\":\"two\\nlines\"}}\n"
        );
        match *door {
            "socket" => stream(&place, "j").write_all(lines.as_bytes()).unwrap(),
            "tcp" => {
                let mut tcp = TcpStream::connect(place.address(&name)).unwrap();
                tcp.write_all(lines.as_bytes()).unwrap();
            }
            "datagram" => {
                let socket = UnixDatagram::unbound().unwrap();
                for line in lines.split_inclusive('\n') {
                    socket.send_to(line.as_bytes(), place.path("d")).unwrap();
                }
            }
            _ => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                for line in lines.split_inclusive('\n') {
                    socket.send_to(line.as_bytes(), place.address(&name)).unwrap();
                }
            }
        }
        place.wait_for_records(&name, 2);
        // What was received is asked for by a flush as well.
        assert!(place.run(&["ctl", "flush"]).status.success());
        let expected = [format!("a WARNING by {door} n={number}"), "b DEBUG two".to_owned()];
        let lines = place.lines();
        assert_eq!(lines[lines.len() - 3..lines.len() - 1], expected);
        assert_eq!(lines.last().unwrap(), "\tlines");
    }
    listener.stop();
}

#[test]
fn the_end_of_standard_input_stops_the_listener_behind_the_last_line() {
    let place = Place::new();
    let args = ["listen", "--log", "app.log", "--format", PATTERN, "--json-stdin"];
    let mut command = place.logboom(&args);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut listener = command.spawn().unwrap();
    let mut input = listener.stdin.take().unwrap();
    input.write_all(b"{\"msg\":\"one\",\"k\":1}\nTraceback (most recent call last):\n").unwrap();
    input.write_all(b"\n{\"msg\":\"the last").unwrap();
    input.write_all(b" one\"}").unwrap();
    drop(input);
    let ended = listener.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let report = String::from_utf8(ended.stderr).unwrap();
    assert!(report.contains("drained 3, dropped 0, missing 0"), "{report}");
    let expected =
        [" INFO one k=1", " INFO Traceback (most recent call last):", " INFO the last one"];
    assert_eq!(place.lines(), expected);
}

#[test]
fn a_file_is_standard_input_too() {
    let place = Place::new();
    let lines: String = (0..10_000).map(|number| format!("{{\"msg\":\"{number}\"}}\n")).collect();
    fs::write(place.path("in.json"), lines).unwrap();
    let mut command =
        place.logboom(&["listen", "--log", "app.log", "--format", "%(message)s", "--json-stdin"]);
    command.stdin(fs::File::open(place.path("in.json")).unwrap());
    assert!(command.output().unwrap().status.success());
    assert!(place.lines().into_iter().eq((0..10_000).map(|number| number.to_string())));
}

#[test]
fn what_logger_and_python_send_as_syslog_arrives_intact() {
    const SCRIPT: &str = "
import logging, logging.handlers, sys
logger = logging.getLogger('x')
for address in 'log.sock', ('127.0.0.1', int(sys.argv[1])):
    handler = logging.handlers.SysLogHandler(address, facility='local3')
    handler.ident = 'snake: '
    logger.addHandler(handler)
logger.error('two\\nlines, NUL \\0 and \\x1b[31m, naïve')
";
    let place = Place::new();
    let doors = ["--format", "json", "--syslog-socket=log.sock", "--syslog-udp=127.0.0.1:0"];
    let listener = place.listen(&doors);
    let port = place.address("syslog udp").port().to_string();
    python(&place, &["-c", SCRIPT, &port]);
    place.wait_for_records("syslog udp", 1);
    place.wait_for_records("syslog datagram", 1);
    let mut expected = 2;
    for args in [&["--rfc3164"][..], &["--rfc5424", "--msgid", "m1"]] {
        let mut logger = Command::new("logger");
        logger.args(["-u", "log.sock", "-t", "tag", "-p", "daemon.warning", "-i"]).args(args);
        logger.arg("hello from logger").current_dir(place.directory.path());
        match logger.output() {
            Ok(sent) => assert!(sent.status.success(), "{sent:?}"),
            Err(error) => {
                println!("skipped: there is no logger(1): {error}");
                continue;
            }
        }
        place.wait_for_records("syslog datagram", expected);
        expected += 1;
    }
    listener.stop();
    let objects = objects(&place);
    for line in &objects[..2] {
        assert_eq!(line["message"], "two\nlines, NUL \0 and \x1b[31m, naïve");
        assert_eq!((&line["logger"], &line["worker"]), (&"snake".into(), &"snake".into()));
        assert_eq!((&line["levelno"], &line["fields"]["facility"]), (&40.into(), &"local3".into()));
    }
    for line in &objects[2..] {
        assert_eq!(
            (&line["message"], &line["logger"]),
            (&"hello from logger".into(), &"tag".into())
        );
        assert_eq!((&line["levelno"], &line["fields"]["facility"]), (&30.into(), &"daemon".into()));
        // What it says, and what the kernel knows.
        assert_eq!(line["pid"], line["context"]["peer_pid"]);
        assert_eq!(line["context"]["peer_uid"], nix::unistd::geteuid().as_raw());
    }
    if expected == 4 {
        assert_eq!(objects[3]["fields"]["msgid"], "m1");
        assert_ne!(objects[2]["lane"], objects[3]["lane"], "two processes have one lane");
    }
}

#[test]
fn the_client_of_the_wire_in_another_language_works() {
    let place = Place::new();
    let listener = place.listen(&["--format", "json", "--wire-socket=w", "--wire-tcp=127.0.0.1:0"]);
    python(&place, &[&example("wire_client.py"), "w", "late", "later \u{1f980}"]);
    place.wait_for_records("wire socket", 2);
    listener.stop();
    let objects = objects(&place);
    for (number, (line, message)) in objects.iter().zip(["late", "later \u{1f980}"]).enumerate() {
        assert_eq!((&line["logger"], &line["message"]), (&"billing".into(), &message.into()));
        let fields =
            serde_json::json!({"number": number, "paid": null, "rate": 0.5, "urgent": true});
        assert_eq!((&line["levelno"], &line["fields"]), (&30.into(), &fields));
        assert_eq!((&line["pid"], &line["seq"]), (&line["context"]["peer_pid"], &number.into()));
    }
    assert_eq!(objects.len(), 2);
}

#[test]
fn the_network_recipe_of_the_cookbook_works_with_a_logger_of_the_receivers_choice() {
    let place = Place::new();
    let listener =
        place.listen(&["--format", PATTERN, "--python-tcp=127.0.0.1:0", "--door-logger=all"]);
    let port = place.address("python tcp").port().to_string();
    python(&place, &[&example("network_client.py"), &port]);
    place.wait_for_records("python tcp", 5);
    listener.stop();
    let expected = [
        "all INFO Jackdaws love my big sphinx of quartz. logger=root",
        "all DEBUG Quick zephyrs blow, vexing daft Jim. logger=myapp.area1",
        "all INFO How quickly daft jumping zebras vex. logger=myapp.area1",
        "all WARNING Jail zesty vixen who grabbed pay from quack. logger=myapp.area2",
        "all ERROR The five boxing wizards jump quickly. logger=myapp.area2",
    ];
    assert_eq!(place.lines(), expected);
}

#[test]
fn a_stop_takes_what_was_sent_before_it_and_removes_the_sockets() {
    const RECORDS: usize = 20_000;
    let place = Place::new();
    let doors = ["--json-socket=j", "--syslog-socket=s", "--format", "%(message)s"];
    let listener = place.listen(&doors);
    let mut client = stream(&place, "j");
    let lines: Vec<_> = (0..RECORDS).map(|number| format!("{{\"msg\":\"{number}\"}}\n")).collect();
    // It returns when all but what a socket holds is read.
    client.write_all(lines.concat().as_bytes()).unwrap();
    // Nobody has accepted this one yet, perhaps.
    stream(&place, "j").write_all(b"{\"msg\":\"late\"}\n").unwrap();
    UnixDatagram::unbound().unwrap().send_to(b"<13>datagram", place.path("s")).unwrap();
    let report = listener.stop();
    assert_eq!((report.drained, report.missing), (RECORDS as u64 + 2, 0));
    let mut logged = place.lines();
    logged.retain(|line| line != "late" && line != "datagram");
    assert!(logged.into_iter().eq((0..RECORDS).map(|number| number.to_string())));
    assert!(!place.path("j").exists() && !place.path("s").exists());
}

#[test]
fn a_killed_listener_loses_only_what_it_had_in_hand() {
    let place = Place::new();
    let args = ["--json-socket=j", "--format", "json", "--max-bytes=20kB", "--backup-count=9999"];
    let mut logged = 0;
    for life in 0..5 {
        let mut listener = place.listen(&args);
        let mut stream = stream(&place, "j");
        let mut sent = 0;
        let mut send = |records: usize| {
            let lines = (sent..sent + records).map(|n| format!("{{\"n\":{n},\"life\":{life}}}\n"));
            sent += records;
            stream.write_all(lines.collect::<String>().as_bytes())
        };
        send(300).unwrap();
        place.wait_for_records("json", 300);
        assert!(place.run(&["ctl", "flush"]).status.success());
        let is_killed = std::thread::scope(|scope| {
            let killed = scope.spawn(|| {
                listener.process.signal(Signal::SIGKILL);
                listener.process.wait()
            });
            // Until nobody reads.
            while send(100).is_ok() {}
            killed.join().unwrap()
        });
        assert_eq!(is_killed, 128 + 9);
        let next = place.listen(&args);
        assert_eq!(next.stop().missing, 0);
        let objects = objects(&place);
        let of_life = objects.iter().filter(|line| line["fields"]["life"] == life);
        let numbers: Vec<_> = of_life.map(|line| line["fields"]["n"].as_u64().unwrap()).collect();
        assert!(numbers.len() >= 300 && numbers.iter().copied().eq(0..numbers.len() as u64));
        assert!(objects.len() > logged);
        logged = objects.len();
    }
}

#[test]
fn one_peer_may_send_so_many_records_a_second() {
    let place = Place::new();
    let doors = ["--format", "json", "--json-socket=j", "--json-datagram=d", "--door-rate=20"];
    let listener = place.listen(&doors);
    let lines: String = (0..30).map(|number| format!("{{\"msg\":\"{number}\"}}\n")).collect();
    let mut slow = stream(&place, "j");
    slow.write_all(lines.as_bytes()).unwrap();
    place.wait_for_records("json socket", 30);
    slow.write_all(lines.as_bytes()).unwrap();
    place.wait_for_records("json socket", 60);
    assert!(place.door("json socket").pauses > 0);
    let sender = UnixDatagram::unbound().unwrap();
    for number in 0..100 {
        sender.send_to(format!("{{\"msg\":\"d{number}\"}}").as_bytes(), place.path("d")).unwrap();
    }
    let datagrams = || place.door("json datagram");
    wait_until("all datagrams", || datagrams().records + datagrams().dropped == 100);
    let status = place.run(&["ctl", "status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("door      json socket "), "{status}");
    assert!(status.contains(": 1 peers, 60 records, "), "{status}");
    let datagrams = datagrams();
    assert!(datagrams.dropped > 0 && datagrams.records >= 20, "{datagrams:?}");
    let report = listener.stop();
    assert_eq!(report.dropped, datagrams.dropped);
    let verified = place.run(&["verify", "app.log", "--format", "json"]);
    assert!(verified.status.success(), "{verified:?}");
    let lines = place.lines();
    assert!(lines.iter().any(|line| line.contains("\"message\":\"dropped ")), "{lines:?}");
}

#[test]
fn while_the_disk_is_full_streams_wait_and_datagrams_are_dropped_and_told() {
    const STREAMED: usize = 220;
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "64m") else {
        println!("skipped: nothing can be mounted here");
        return;
    };
    let mut command = place.logboom(&["listen", "--format", "json", "--log", "disk/app.log"]);
    command.args(["--max-bytes=0", "--json-socket=j", "--json-datagram=d"]);
    // There is much to write at the end.
    command.arg("--drain-timeout=60");
    let listener = place.serve(command);
    let filler = disk.fill(65 << 20);
    let long = "x".repeat(200_000);
    let socket = place.path("j");
    let client = std::thread::spawn(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        for number in 0..STREAMED {
            stream
                .write_all(format!("{{\"n\":{number},\"msg\":\"{long}\"}}\n").as_bytes())
                .unwrap();
        }
    });
    wait_until("a pause", || place.door("json socket").pauses > 0);
    let sender = UnixDatagram::unbound().unwrap();
    for number in 0..50 {
        sender.send_to(format!("{{\"d\":{number}}}").as_bytes(), place.path("d")).unwrap();
    }
    wait_until("drops", || place.door("json datagram").dropped == 50);
    assert!(!client.is_finished());
    fs::remove_file(filler).unwrap();
    client.join().unwrap();
    place.wait_for_records("json socket", STREAMED as u64);
    let report = listener.stop();
    assert_eq!((report.dropped, report.missing), (50, 0));
    let text = fs::read_to_string(place.path("disk/app.log")).unwrap();
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = lines.iter().filter_map(|line| line["fields"]["n"].as_u64()).collect();
    assert!(numbers.into_iter().eq(0..STREAMED as u64));
    let dropped = lines.iter().filter_map(|line| line["fields"]["dropped"].as_u64());
    assert_eq!(dropped.sum::<u64>(), 50);
}
