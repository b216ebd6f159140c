//! Peers of a receiver that do not keep the protocol are refused and counted; senders do not notice.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use logboom::handler::{Handler, SocketAddress, SocketHandler};
use support::sender::{record, send_until, sender};
use support::{Listener, PATIENCE, Place, wait_until};

/// Magic, version and schema; then sender 7, whose first record is number 0.
const GREETING: [u8; 32] = *b"LBsend\r\n\x01\0\x02\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn socket(place: &Place) -> PathBuf {
    place.path("receive.sock")
}

fn receive(place: &Place) -> Listener {
    let socket = format!("--logboom-socket={}", socket(place).display());
    place.listen(&["--format", "json", &socket])
}

fn refused(place: &Place, reason: &str) -> u64 {
    let refused = &place.status().doors[0].refused;
    refused.iter().find(|(why, _)| why == reason).map_or(0, |(_, count)| *count)
}

fn wait_refused(place: &Place, reason: &str, count: u64) {
    wait_until(reason, || refused(place, reason) >= count);
    assert_eq!(refused(place, reason), count, "{reason}");
}

fn connect(place: &Place) -> UnixStream {
    UnixStream::connect(socket(place)).unwrap()
}

/// A sender gets through, and nothing but its records is in the log.
fn finish(place: &Place, listener: Listener) {
    let mut handler = sender(&socket(place)).start().unwrap();
    let count = send_until(&mut handler, &[1], |seq| seq == 100);
    handler.close().unwrap();
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (count, 0, 0));
}

#[test]
fn garbage_half_a_greeting_and_another_version_are_refused_each_by_its_reason() {
    let place = Place::new();
    let listener = receive(&place);
    connect(&place).write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    wait_refused(&place, "no greeting of logboom", 1);
    drop(connect(&place));
    let mut half = connect(&place);
    half.write_all(&GREETING[..20]).unwrap();
    let silent = connect(&place);
    wait_refused(&place, "silent for too long", 2);
    drop((half, silent));
    let mut other = GREETING;
    other[8] += 1;
    let mut stream = connect(&place);
    stream.write_all(&other).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "it is told");
    wait_refused(&place, "another protocol version", 1);
    finish(&place, listener);
}

/// A frame with its length and kind.
fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&length[..], &[kind], content].concat()
}

/// Lane 1, thread 2 `t`, worker `w`, process 3 `p` that began at 4, without a context.
const ORIGIN: &[u8] = b"\x98\x01\x02\xa1t\xa1w\x03\xa1p\x04\xa0";

/// Greeted, with a frame of its process.
fn greeted(place: &Place) -> UnixStream {
    let mut stream = connect(place);
    stream.write_all(&[&GREETING[..], &frame(1, ORIGIN)].concat()).unwrap();
    let mut welcome = [0; 16];
    stream.read_exact(&mut welcome).unwrap();
    assert_eq!(welcome[0], 1);
    stream
}

#[test]
fn frames_that_no_sender_sends_end_their_connection_alone() {
    let place = Place::new();
    let listener = receive(&place);
    let mut honest = sender(&socket(&place)).start().unwrap();
    honest.handle(&record(1, 0)).unwrap();
    let mut stream = connect(&place);
    stream.write_all(&[&GREETING[..], &frame(1, b"no origin")].concat()).unwrap();
    wait_refused(&place, "no valid hello", 1);
    let item = |kind: u8, number: u16, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[kind][..], &number.to_le_bytes(), &length, bytes].concat()
    };
    let records = |first: u64, items: &[Vec<u8>]| {
        frame(2, &[&first.to_le_bytes()[..], &items.concat()].concat())
    };
    let origin = item(0, 0, ORIGIN);
    let damaged: [Vec<u8>; 9] = [
        vec![0xff; 5],
        frame(9, b""),
        frame(1, ORIGIN),
        frame(2, b"short"),
        records(0, &[item(7, 0, b"")]),
        records(0, &[item(0, 1, ORIGIN)]),
        records(0, &[item(0, 0, b"no origin")]),
        records(0, &[item(1, 0, b"no origin is known")]),
        records(0, &[origin, item(1, 0, b"no record")]),
    ];
    for (number, bytes) in (1..).zip(&damaged) {
        let mut stream = greeted(&place);
        stream.write_all(bytes).unwrap();
        wait_refused(&place, "damaged batch", number);
        assert!(stream.read_to_end(&mut Vec::new()).is_ok());
    }
    (1..100).for_each(|seq| honest.handle(&record(1, seq)).unwrap());
    honest.close().unwrap();
    // Sender 7 has a lane, with nothing in it, that its listener gives up when it stops.
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (100, 0, 0));
}

#[test]
fn a_thousand_connections_keep_no_sender_out() {
    let place = Place::new();
    let listener = receive(&place);
    let mut honest = sender(&socket(&place)).start().unwrap();
    honest.handle(&record(2, 0)).unwrap();
    wait_until("the first record", || place.status().records == 1);
    let mut silent = Vec::new();
    for number in 0..1000 {
        silent.push(connect(&place));
        if number % 100 == 0 {
            honest.handle(&record(2, 1 + number / 100)).unwrap();
        }
    }
    let mut late = sender(&socket(&place)).start().unwrap();
    late.handle(&record(1, 0)).unwrap();
    late.close().unwrap();
    honest.close().unwrap();
    assert!(refused(&place, "too many attach at once, try again") > 800);
    drop(silent);
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (12, 0, 0));
}

#[test]
fn more_senders_than_there_may_be_wait_until_others_have_gone() {
    let place = Place::in_shared_memory();
    let listener = receive(&place);
    let mut handlers: Vec<_> = (0..70)
        .map(|lane| {
            let mut handler = sender(&socket(&place)).start().unwrap();
            handler.handle(&record(lane, 0)).unwrap();
            handler
        })
        .collect();
    wait_until("as many as there may be", || place.status().records == 64);
    // Those that were refused come in when others leave.
    std::thread::scope(|scope| {
        handlers.iter_mut().for_each(|handler| drop(scope.spawn(|| handler.close().unwrap())));
    });
    let report = listener.stop();
    assert_eq!((report.drained, report.missing), (70, 0));
}

#[test]
fn tcp_is_received_at_loopback_addresses_only() {
    let place = Place::new();
    for address in ["0.0.0.0:0", "192.0.2.1:9021", "[::]:0"] {
        let output = place.run(&["listen", "--logboom-tcp", address]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        let why = format!("between machines: {address} is no loopback address, use 127.0.0.1");
        assert!(error.contains(&why) && error.lines().count() == 1, "{error}");
    }
    let listener = place.listen(&["--format", "json", "--logboom-tcp=127.0.0.1:0"]);
    // The status knows the port that it got.
    let free = place.address("logboom tcp");
    let address = SocketAddress::Tcp(free);
    let mut handler = SocketHandler::builder(address).close_timeout(PATIENCE).start().unwrap();
    send_until(&mut handler, &[1], |seq| seq == 1000);
    handler.close().unwrap();
    TcpStream::connect_timeout(&free, Duration::from_secs(5)).unwrap().write_all(b"GET /").unwrap();
    wait_refused(&place, "no greeting of logboom", 1);
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (1000, 0, 0));
}

#[test]
fn a_socket_of_a_living_receiver_is_not_taken() {
    let place = Place::new();
    let listener = receive(&place);
    let other = Place::new();
    let output = other.run(&["listen", "--logboom-socket", socket(&place).to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{error}");
    assert!(
        error.contains("cannot receive records at ") && error.contains("serves this"),
        "{error}"
    );
    finish(&place, listener);
}
