//! Doors under attack: honest peers notice nothing, memory and threads stay bounded, and the reasons
//! are counted.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::{Listener, Load, PATIENCE, Place, wait_until, with_hard_descriptor_limit};

const DOORS: [&str; 6] = [
    "--python-socket=python.sock",
    "--json-socket=json.sock",
    "--wire-socket=wire.sock",
    "--syslog-socket=syslog.sock",
    "--python-datagram=datagram.sock",
    "--json-tcp=127.0.0.1:0",
];

fn listen(place: &Place, args: &[&str]) -> Listener {
    place.listen(&[&["--format", "%(message)s"], &DOORS[..], args].concat())
}

fn connect(place: &Place, socket: &str) -> UnixStream {
    let stream = UnixStream::connect(place.path(socket)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether the listener has closed the connection.
fn is_closed(stream: &mut UnixStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// Set when it is dropped.
struct End<'f>(&'f AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Lets `attack` happen while an honest peer logs through the door for JSON: all its records have to be
/// in the log, one each, and the listener has to be as before.
fn attacked(args: &[&str], attack: impl FnOnce(&Place, &Listener)) {
    attacked_keeping(32, args, attack);
}

/// The same where so many MiB may stay with the allocator.
fn attacked_keeping(kept_mib: usize, args: &[&str], attack: impl FnOnce(&Place, &Listener)) {
    let place = Place::new();
    let listener = listen(&place, args);
    let is_over = AtomicBool::new(false);
    let count = std::thread::scope(|scope| {
        let mut stream = connect(&place, "json.sock");
        let mut send = move |number: u64| {
            stream.write_all(format!("{{\"msg\":\"honest {number}\"}}\n").as_bytes()).unwrap();
        };
        send(0);
        place.wait_for_records("json socket", 1);
        let load = Load::of(&listener);
        let is_over = &is_over;
        let honest = scope.spawn(move || {
            let mut count = 1;
            while !is_over.load(Ordering::Acquire) {
                send(count);
                count += 1;
                std::thread::sleep(Duration::from_micros(200));
            }
            count
        });
        // Also a failure ends the honest one.
        let end = End(is_over);
        attack(&place, &listener);
        load.wait_for_return_but(&listener, kept_mib << 10);
        drop(end);
        honest.join().unwrap()
    });
    wait_until("the end of the honest one", || place.door("json socket").peers == 0);
    assert_eq!(listener.stop().missing, 0);
    let mut lines = place.lines();
    lines.retain(|line| line.starts_with("honest "));
    assert!(lines.into_iter().eq((0..count).map(|number| format!("honest {number}"))));
}

#[test]
fn garbage_closes_its_own_connection_by_its_reason() {
    attacked(&[], |place, _| {
        let os_system = b"\0\0\0\x1ccposix\nsystem\n(X\x05\0\0\0touchtR.";
        let cases: [(&str, &[u8], &str); 8] = [
            ("python", os_system, "no dictionary"),
            ("python", b"\0\0\0\x02Px", "pickle opcode 0x50 is refused"),
            ("python", b"\0\xff\xff\xff", "longer than 4194304 bytes"),
            ("python", b"\0\0\0\x10half", "cut short"),
            (
                "json",
                b"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n{\"msg\":\"forged\"}\n",
                "damaged",
            ),
            ("json", b"[1]\n", "no dictionary"),
            ("wire", b"\0\0\0\x01\x90", "no dictionary"),
            ("wire", b"GET / HTTP/1.1", "no frame"),
        ];
        for (form, bytes, reason) in cases {
            let mut stream = connect(place, &format!("{form}.sock"));
            stream.write_all(bytes).unwrap();
            if reason == "cut short" {
                stream.shutdown(std::net::Shutdown::Write).unwrap();
            }
            assert!(is_closed(&mut stream), "{form} {reason}");
            place.wait_for_refused(&format!("{form} socket"), reason, 1);
        }
        let sender = UnixDatagram::unbound().unwrap();
        for bytes in [&b"\0\0\0\x05(."[..], b"\0\0\0\x02}.x", b""] {
            sender.send_to(bytes, place.path("datagram.sock")).unwrap();
        }
        place.wait_for_refused("python datagram", "cut short", 2);
        place.wait_for_refused("python datagram", "bytes follow its end", 1);
        // The next one is read.
        sender.send_to(b"\0\0\0\x02}.", place.path("datagram.sock")).unwrap();
        place.wait_for_records("python datagram", 1);
    });
}

#[test]
fn what_is_too_long_is_refused_before_it_is_kept() {
    attacked(&["--door-frame=100000"], |place, _| {
        let mut stream = connect(place, "json.sock");
        let line = vec![b' '; 1 << 20];
        // It may be closed before all is written.
        let _closed = stream.write_all(&line);
        assert!(is_closed(&mut stream));
        place.wait_for_refused("json socket", "longer than 100000 bytes", 1);
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(&line[..150_000], place.path("syslog.sock")).unwrap();
        place.wait_for_refused("syslog", "longer than 100000 bytes", 1);
    });
}

#[test]
fn a_record_that_drips_is_given_up_and_so_is_silence_where_that_is_asked_for() {
    attacked(&[], |place, _| {
        let mut dripping = connect(place, "python.sock");
        let mut silent = connect(place, "python.sock");
        let begin = Instant::now();
        dripping.write_all(b"\0\0\x03\xe8").unwrap();
        dripping.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        while dripping.write_all(b"x").is_ok() && !is_closed(&mut dripping) {
            assert!(begin.elapsed() < PATIENCE);
        }
        place.wait_for_refused("python socket", "a record was not whole within 10 s", 1);
        // One that has not begun may wait for ever.
        assert_eq!(place.door("python socket").peers, 1);
        silent.write_all(b"\0\0\0\x02}.").unwrap();
        place.wait_for_records("python socket", 1);
    });
    let place = Place::new();
    let listener = listen(&place, &["--door-idle=1s"]);
    let mut silent = connect(&place, "wire.sock");
    assert!(is_closed(&mut silent));
    place.wait_for_refused("wire socket", "nothing came for the idle time", 1);
    listener.stop();
}

fn heard(place: &Place) -> usize {
    place.lines().iter().filter(|line| *line == "heard").count()
}

#[test]
fn who_sends_nothing_makes_room_for_others() {
    attacked(&["--door-connections=10"], |place, _| {
        let mut first = connect(place, "json.sock");
        first.write_all(b"{\"msg\":\"heard\"}\n").unwrap();
        wait_until("the first", || place.door("json socket").peers == 2);
        let mut silent: Vec<_> = (0..20).map(|_| connect(place, "json.sock")).collect();
        place.wait_for_refused("json socket", "too many connections: one that had sent no", 12);
        for (number, silent) in silent.iter_mut().take(12).enumerate() {
            assert!(is_closed(silent), "{number}");
        }
        // All that are left are heard: now one more is refused.
        for stream in &mut silent[12..] {
            stream.write_all(b"{\"msg\":\"heard\"}\n").unwrap();
        }
        wait_until("all", || heard(place) >= 9);
        let mut last = connect(place, "json.sock");
        assert!(is_closed(&mut last));
        place.wait_for_refused("json socket", "too many connections: raise", 1);
        first.write_all(b"{\"msg\":\"heard again\"}\n").unwrap();
    });
}

#[test]
fn records_that_never_end_are_given_up_before_they_take_too_much_memory() {
    // More than a door keeps, on connections that each keep within the limit of one.
    const CONNECTIONS: usize = 40;
    const BYTES: usize = 3 << 20;
    attacked_keeping(80, &[], |place, listener| {
        let before_kb = Load::of(listener).resident_kb;
        let mut head = (BYTES as u32 + 1).to_be_bytes().to_vec();
        head.resize(4 + BYTES, b'x');
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = connect(place, "wire.sock");
            // It may be the oldest by then.
            let _closed = stream.write_all(&head);
            open.push(stream);
        }
        place.wait_for_refused("wire socket", "records that have begun took more than 64 MiB", 1);
        let taken_kb = Load::of(listener).resident_kb.saturating_sub(before_kb);
        assert!(taken_kb < 80 << 10, "{taken_kb} kB");
    });
}

/// As many as descriptors allow, of 10 000.
#[test]
fn ten_thousand_connections_cost_no_threads_and_harm_nobody() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let most = usize::try_from(hard).unwrap().saturating_sub(500);
    attacked(&["--door-connections=20000"], |place, listener| {
        let address = place.address("json tcp");
        let threads = Load::of(listener).threads;
        let mut open = VecDeque::new();
        for number in 0..10_000 {
            let mut stream = TcpStream::connect(address).unwrap();
            match number % 4 {
                0 => stream.write_all(b"{\"msg\":\"of many\"}\n").unwrap(),
                1 => stream.write_all(b"{\"msg\":").unwrap(),
                _ => {}
            }
            open.push_back(stream);
            if open.len() > most {
                open.pop_front();
            }
        }
        place.wait_for_records("json tcp", 2500);
        let now = Load::of(listener);
        assert!(now.threads <= threads, "{} threads", now.threads);
        let door = place.door("json tcp");
        println!("{} connections at once", door.peers);
        assert!(door.peers as usize >= most.min(10_000) / 5, "{door:?}");
    });
}

#[test]
fn doors_leave_descriptors_to_workers() {
    let place = Place::new();
    let mut command = place.logboom(&["listen", "--log", "app.log", "--json-socket=json.sock"]);
    command.arg("--format=%(message)s");
    let listener = place.serve(with_hard_descriptor_limit(&command, 256));
    let open: Vec<_> = (0..200).map(|_| connect(&place, "json.sock")).collect();
    place.wait_for_refused("json socket", "too many connections", 136);
    assert_eq!(place.door("json socket").peers, 64);
    assert!(place.run(&["log", "a worker"]).status.success());
    drop(open);
    wait_until("an empty door", || place.door("json socket").peers == 0);
    listener.stop();
    assert_eq!(fs::read_to_string(place.log()).unwrap(), "a worker\n");
}
