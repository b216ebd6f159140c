//! Peers that do not keep the protocol are refused and counted; nobody else notices.
#![allow(clippy::unwrap_used)]

#[path = "support/peer.rs"]
mod peer;
mod support;

use std::io::{Read, Write};

use ipc_channel::ipc::IpcSender;
use peer::{Facts, GREETING, attach, connect, facts, greet, wait_refused};
use support::{Listener, Place, role, wait_until};

/// Logs one record and waits until it is written.
#[test]
fn worker_process() {
    if role().is_some() {
        let _guard = logboom::init().unwrap();
        log::info!("unaffected");
    }
}

/// A worker logs and leaves; nothing but its record is in the log.
fn finish(place: &Place, listener: Listener, records: u64) {
    place.worker("honest", &["log"]).finish();
    let report = listener.stop();
    assert_eq!((report.drained, report.missing, report.left_lanes), (records, 0, 0));
    assert!(place.lines().last().unwrap().ends_with("unaffected"));
}

#[test]
fn garbage_half_a_greeting_silence_and_another_version_are_refused_each_by_its_reason() {
    let place = Place::new();
    let listener = place.listen(&[]);
    connect(&place).write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    wait_refused(&place, "no greeting of logboom", 1);
    connect(&place).write_all(&GREETING[..7]).unwrap();
    wait_refused(&place, "no greeting of logboom", 2);
    let silent: Vec<_> = (0..3).map(|_| connect(&place)).collect();
    let mut half = connect(&place);
    half.write_all(&GREETING[..7]).unwrap();
    wait_refused(&place, "silent for too long", 4);
    drop((silent, half));

    let mut other = connect(&place);
    other.write_all(b"logboom\n\x01\0\x01\0").unwrap();
    let mut answer = Vec::new();
    other.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [3, 4, 0, 0, 0], "the answer names the version");
    wait_refused(&place, "another protocol version", 1);
    finish(&place, listener, 1);
}

#[test]
fn hundreds_of_silent_peers_keep_nobody_out() {
    let place = Place::new();
    let listener = place.listen(&[]);
    let silent: Vec<_> = (0..600).map(|_| connect(&place)).collect();
    finish(&place, listener, 1);
    drop(silent);
}

#[test]
fn a_greeted_peer_that_lies_or_vanishes_is_refused() {
    let place = Place::new();
    let listener = place.listen(&[]);

    let mut vanishes = connect(&place);
    greet(&mut vanishes);
    drop(vanishes);
    wait_refused(&place, "no valid hello", 1);

    let mut never_connects = connect(&place);
    greet(&mut never_connects);
    never_connects.write_all(&[1]).unwrap();
    wait_refused(&place, "no valid hello", 2);

    let mut says_nothing_valid = connect(&place);
    let name = greet(&mut says_nothing_valid);
    let sender: IpcSender<Vec<u64>> = IpcSender::connect(name).unwrap();
    sender.send((0..1000).collect()).unwrap();
    says_nothing_valid.write_all(&[1]).unwrap();
    wait_refused(&place, "no valid hello", 3);

    // Decodes as far as the channel, which is not there: ipc-channel panics on this one.
    let mut points_nowhere = connect(&place);
    let name = greet(&mut points_nowhere);
    let sender: IpcSender<([u8; 8], u16, u32, Facts, u64)> = IpcSender::connect(name).unwrap();
    sender.send((*b"logboom\n", 2, 0, facts(), 5)).unwrap();
    points_nowhere.write_all(&[1]).unwrap();
    wait_refused(&place, "no valid hello", 4);

    let mut waits = connect(&place);
    greet(&mut waits);
    wait_refused(&place, "silent for too long", 1);
    finish(&place, listener, 1);
}

#[test]
fn well_formed_messages_with_a_garbage_payload_are_refused_and_counted() {
    let place = Place::new();
    let listener = place.listen(&["--format", "%(processName)s %(message)s"]);
    let (stream, data, updates) = attach(&place);
    let header =
        |lane: u64| [b"LBB\x02\0\0\0\0".as_slice(), &lane.to_le_bytes(), &[0; 16]].concat();

    for garbage in [&b""[..], b"x", &[0; 32], &[0xff; 4096], &vec![b'L'; 190_000]] {
        data.send(garbage).unwrap();
    }
    wait_refused(&place, "damaged batch", 5);
    data.send(&header(8)).unwrap();
    wait_refused(&place, "batch of an unknown lane", 1);
    let entries: [&[u8]; 6] = [
        &[0xff, 0xff, 0xff, 0xff],
        &[3, 0, 0, 0, 0x9b, 0],
        &[2, 0, 0, 0, 0xc1, 0xc1],
        &[5, 0, 0, 0, 0xdd, 0xff, 0xff, 0xff, 0xff],
        &[1, 0, 0, 0, 0x90],
        &[2, 0, 0, 0, 0x91, 0x63],
    ];
    for entry in entries {
        data.send(&[&header(7)[..], entry].concat()).unwrap();
    }
    wait_refused(&place, "damaged batch", 5 + entries.len() as u64);
    let notices = || {
        place.lines().iter().filter(|line| line.contains("a damaged batch of hostile (1)")).count()
    };
    wait_until("the notices", || notices() == entries.len());
    drop((stream, data, updates));
    finish(&place, listener, 1);
}
