//! A receiver that is killed at each step by which it takes the records of a sender, or gives up what it
//! knows of one: the next one goes on there, and each record is in the log once.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use logboom::handler::Handler;
use nix::sys::signal::Signal;
use support::sender::{record, sender};
use support::{Place, Process, wait_until};

fn socket(place: &Place) -> PathBuf {
    place.path("receive.sock")
}

fn args(place: &Place) -> Vec<String> {
    let socket = format!("--logboom-socket={}", socket(place).display());
    ["listen", "--log=app.log", "--format=json"]
        .map(str::to_owned)
        .into_iter()
        .chain([socket])
        .collect()
}

/// A receiver that kills itself at `point`.
fn receive_until(place: &Place, point: &str) -> Process {
    let args = args(place);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    Process(place.logboom(&args).env("LOGBOOM_FAULT", point).spawn().unwrap())
}

/// Sends all the while that receivers are killed at these points. Each is asked to stop, where it has
/// to be for that.
fn killed_at(points: &[&str], is_stopped: bool) {
    let place = Place::new();
    let (stop, stopped) = channel::<()>();
    let mut handler = sender(&socket(&place)).start().unwrap();
    let sending = thread::spawn(move || {
        let mut count = 0;
        while stopped.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            handler.handle(&record(1, count)).unwrap();
            count += 1;
        }
        handler.close().unwrap();
        count
    });
    for point in points {
        let before = lines(&place);
        let mut receiver = receive_until(&place, point);
        if is_stopped {
            wait_until("records", || lines(&place) > before + 5);
            receiver.signal(Signal::SIGTERM);
        }
        assert_eq!(receiver.wait(), 128 + 9, "not killed at {point}");
    }
    let args = args(&place);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let listener = place.serve(place.logboom(&args));
    let before = lines(&place);
    wait_until("records of the last receiver", || lines(&place) > before);
    drop(stop);
    let count = sending.join().unwrap();
    let report = listener.stop();
    assert_eq!((report.missing, report.dropped, report.left_lanes), (0, 0, 0));
    let expected = (0..count).map(|number| format!("record {number}"));
    assert!(messages(&place).eq(expected), "{:?}", messages(&place).collect::<Vec<_>>());
    let output = place.run(&["verify", "app.log"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn lines(place: &Place) -> usize {
    std::fs::read(place.log()).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
}

/// The messages of the sender.
fn messages(place: &Place) -> impl Iterator<Item = String> {
    place.lines().into_iter().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        Some(line["message"].as_str()?.to_owned()).filter(|text| text.starts_with("record "))
    })
}

#[test]
fn when_records_have_been_taken() {
    killed_at(&["after-receive", "after-receive:2", "after-receive:9", "after-receive:40"], false);
}

#[test]
fn when_it_is_kept_how_far_senders_are_and_their_lanes_are_there() {
    killed_at(&["after-senders", "after-senders", "after-senders"], true);
}
