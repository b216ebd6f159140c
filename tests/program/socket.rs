//! Records that a `SocketHandler` sends to a receiver are there once and in order, whatever breaks
//! between them.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use logboom::handler::Handler;
use logboom::{Certainty, Level, Overflow};
use nix::sys::signal::Signal;
use support::sender::{Proxy, Random, record, send_until, sender};
use support::{Listener, PATIENCE, Place, SmallDisk, role, wait_until};

const LANES: [u64; 3] = [1, 2, 3];

/// Logs so many records.
#[test]
fn worker_process() {
    let Some(role) = role() else { return };
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    for number in 0..role[0].parse::<u64>().unwrap() {
        log::info!(number; "record {number}");
        if number % 64 == 0 {
            // The handlers of a listener have queues that drop.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
}

fn socket(place: &Place) -> PathBuf {
    place.path("receive.sock")
}

fn receive(place: &Place) -> Listener {
    let socket = format!("--logboom-socket={}", socket(place).display());
    place.listen(&["--format", "json", "--max-bytes", "1MB", "--backup-count", "100000", &socket])
}

fn written_bytes(place: &Place) -> u64 {
    support::files_of(&place.log())
        .iter()
        .map(|file| fs::metadata(file).map_or(0, |file| file.len()))
        .sum()
}

/// The numbers of each worker, in the order of the log.
fn numbers(place: &Place) -> HashMap<String, Vec<u64>> {
    let mut numbers: HashMap<String, Vec<u64>> = HashMap::new();
    for line in place.lines() {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(number) = line["message"].as_str().unwrap().strip_prefix("record ") {
            let worker = line["worker"].as_str().unwrap().to_owned();
            numbers.entry(worker).or_default().push(number.parse().unwrap());
        }
    }
    numbers
}

fn assert_whole(place: &Place, workers: usize, count: u64) {
    let numbers = numbers(place);
    assert_eq!(numbers.len(), workers, "{:?}", numbers.keys());
    for (worker, numbers) in &numbers {
        let wrong = numbers.iter().zip(0..).find(|(number, expected)| **number != *expected);
        assert_eq!((wrong, numbers.len() as u64), (None, count), "{worker}");
    }
    let output = place.run(&["verify", "app.log"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Nothing is kept of senders that have said goodbye.
fn assert_nothing_left(place: &Place, listener: Listener) {
    wait_until("the goodbyes", || fs::read_dir(place.lanes()).map_or(0, Iterator::count) == 0);
    let report = listener.stop();
    assert_eq!((report.missing, report.dropped, report.left_lanes), (0, 0, 0));
    assert!(!place.lanes().exists() && !place.queue().path().join("senders").exists());
    assert!(!socket(place).exists());
}

#[test]
fn a_configuration_says_where_to_receive() {
    let place = Place::new();
    let config = |socket: &str| {
        format!("version = 1\n[listener.doors.others]\nkind = 'logboom'\nsocket = '{socket}'\n")
    };
    let path = socket(&place);
    fs::write(place.path("c.toml"), config(path.to_str().unwrap())).unwrap();
    let listener = place.listen(&["--format", "json", "--config", "c.toml"]);
    let mut handler = sender(&path).start().unwrap();
    handler.handle(&record(1, 0)).unwrap();
    handler.close().unwrap();
    fs::write(place.path("other.toml"), config("./other.sock")).unwrap();
    let refused = place.run(&["ctl", "config", "push", "other.toml"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("other.toml:2: listener.doors: a running listener keeps its"), "{said}");
    let shown = place.run(&["config", "show", "other.toml"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = "listener.doors.others.socket = \"./other.sock\"  # other.toml:4\n";
    assert!(shown.contains(line), "{shown}");
    assert_whole(&place, 1, 1);
    assert_nothing_left(&place, listener);
}

#[test]
fn fifty_cut_connections_lose_and_double_nothing() {
    const CUTS: u64 = 50;
    let place = Place::new();
    let listener = receive(&place);
    let proxy = Proxy::start(&place, &socket(&place), CUTS);
    let mut handler = sender(&proxy.path).start().unwrap();
    let count = send_until(&mut handler, &LANES, |seq| proxy.cut() >= CUTS && seq >= 10_000);
    handler.close().unwrap();
    assert_whole(&place, LANES.len(), count);
    assert_nothing_left(&place, listener);
}

#[test]
fn a_receiver_killed_twenty_times_loses_and_doubles_nothing() {
    killed(20, 0);
}

#[test]
fn cuts_and_kills_at_once_lose_and_double_nothing() {
    killed(20, 50);
}

fn killed(kills: u64, cuts: u64) {
    let place = Place::in_shared_memory();
    let mut listener = receive(&place);
    let proxy = Proxy::start(&place, &socket(&place), cuts);
    let path = if cuts > 0 { proxy.path.clone() } else { socket(&place) };
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let sending = std::thread::spawn(move || {
        let mut handler = sender(&path).start().unwrap();
        let is_over = || stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected);
        let count = send_until(&mut handler, &LANES, |seq| {
            // So that the log can be read in the time of a test.
            if seq % 16 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            is_over()
        });
        handler.close().unwrap();
        count
    });
    let mut random = Random(0x9e37_79b9);
    let mut kill = 0;
    while kill < kills || proxy.cut() < cuts {
        let before = written_bytes(&place);
        wait_until("records", || written_bytes(&place) > before + 10_000);
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        listener.process.signal(Signal::SIGKILL);
        assert_eq!(listener.process.wait(), 128 + 9);
        listener = receive(&place);
        kill += 1;
    }
    drop(stop);
    let count = sending.join().unwrap();
    assert_whole(&place, LANES.len(), count);
    assert_nothing_left(&place, listener);
}

/// A listener that writes a log of its own and sends all to the receiver at `socket`.
fn relay(place: &Place, socket: &Path) -> Listener {
    let socket = socket.display();
    let config = format!(
        "version = 1\n\
         [handlers.own]\nclass = 'logging.FileHandler'\nfilename = 'app.log'\nformatter = 'json'\n\
         [handlers.central]\nclass = 'logboom.SocketHandler'\naddress = '{socket}'\ncloseTimeout = 60\n\
         [root]\nlevel = 'INFO'\nhandlers = ['own', 'central']\n"
    );
    fs::write(place.path("relay.toml"), config).unwrap();
    place.serve(place.logboom(&["listen", "--config", "relay.toml", "--drain-timeout", "60"]))
}

#[test]
fn a_listener_relays_its_workers_under_their_own_names_and_numbers() {
    const RECORDS: u64 = 20_000;
    let (center, place) = (Place::in_shared_memory(), Place::in_shared_memory());
    let mut receiver = receive(&center);
    let proxy = Proxy::start(&center, &socket(&center), 10);
    let relaying = relay(&place, &proxy.path);
    let names = ["a", "b", "c"];
    let workers = names.map(|name| place.worker(name, &[&RECORDS.to_string()]));
    for number in 0..6 {
        let before = written_bytes(&center);
        wait_until("records", || {
            written_bytes(&center) > before || written_bytes(&place) > RECORDS * 300
        });
        if number % 2 == 0 {
            receiver.process.signal(Signal::SIGKILL);
            receiver.process.wait();
        } else {
            let report = receiver.stop();
            assert_eq!((report.missing, report.left_lanes), (0, 0));
        }
        receiver = receive(&center);
    }
    workers.into_iter().for_each(|worker| worker.finish());
    let report = relaying.stop();
    assert_eq!((report.missing, report.dropped), (0, 0));
    assert_whole(&place, names.len(), RECORDS);
    assert_whole(&center, names.len(), RECORDS);
    let lane = |place: &Place| {
        let line: serde_json::Value = serde_json::from_str(&place.lines()[0]).unwrap();
        (line["lane"].clone(), line["thread"].clone(), line["pid"].clone())
    };
    assert_eq!(lane(&place), lane(&center));
    assert_nothing_left(&center, receiver);
}

#[test]
fn what_is_kept_while_the_receiver_is_away_is_bounded_and_then_delivered() {
    let place = Place::new();
    let builder = sender(&socket(&place)).max_bytes(100_000);
    let mut handler = builder.full_timeout(Duration::from_millis(100)).start().unwrap();
    let mut taken = 0;
    let refused = loop {
        match handler.handle(&record(1, taken)) {
            Ok(()) => taken += 1,
            Err(error) => break error.to_string(),
        }
        assert!(taken < 2000, "{taken} records are kept");
    };
    assert!(taken > 200 && refused.contains("receive.sock was dropped: No such file"), "{refused}");
    // Who has waited once in an outage does not wait again.
    let begun = std::time::Instant::now();
    (0..10_000).for_each(|_| assert!(handler.handle(&record(1, taken)).is_err()));
    assert!(begun.elapsed() < PATIENCE);
    let listener = receive(&place);
    wait_until("room", || handler.handle(&record(1, taken)).is_ok());
    handler.close().unwrap();
    assert_whole(&place, 1, taken + 1);
    assert_nothing_left(&place, listener);
}

#[test]
fn a_relay_says_that_its_receiver_is_away() {
    let (center, place) = (Place::new(), Place::new());
    let relaying = relay(&place, &socket(&center));
    let worker = logboom::builder().queue(place.queue()).name("w").attach().unwrap();
    let mut count = 0;
    wait_until("a word in the status", || {
        worker.log(Level::INFO, "a", format_args!("record {count}"));
        count += 1;
        let central = place.status().handlers.into_iter().find(|handler| handler.name == "central");
        let said = central.unwrap().last_error.unwrap_or_default();
        said.contains("receive.sock wait: No such file")
    });
    let told = "handler central failed: ";
    wait_until("a line in its log", || place.lines().iter().any(|line| line.contains(told)));
    let receiver = receive(&center);
    drop(worker);
    relaying.stop();
    assert_whole(&center, 1, count);
    assert_nothing_left(&center, receiver);
}

#[test]
fn a_receiver_that_stands_still_acknowledges_nothing_and_then_goes_on() {
    let place = Place::new();
    let listener = receive(&place);
    let mut handler = sender(&socket(&place)).close_timeout(Duration::ZERO).start().unwrap();
    handler.handle(&record(1, 0)).unwrap();
    wait_until("the first record", || written_bytes(&place) > 0);
    listener.process.signal(Signal::SIGSTOP);
    (1..5000).for_each(|seq| handler.handle(&record(1, seq)).unwrap());
    let error = handler.close().unwrap_err().to_string();
    assert!(error.contains(" records for ") && error.contains("are not acknowledged"), "{error}");
    listener.process.signal(Signal::SIGCONT);
    drop(handler);
    let report = listener.stop();
    assert_eq!((report.missing, report.left_lanes), (0, 0));
    let numbers = &numbers(&place)["w1"];
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64));
}

#[test]
fn nothing_is_acknowledged_before_it_is_in_the_log() {
    let place = Place::in_shared_memory();
    let Some(disk) = SmallDisk::mount(&place.path("disk"), "256k") else {
        return eprintln!("skipped: nothing can be mounted here");
    };
    let args = ["listen", "--log", "disk/app.log", "--format", "json", "--logboom-socket"];
    let mut command = place.logboom(&args);
    command.arg(socket(&place));
    let listener = place.serve(command);
    let filler = disk.fill(300 * 1024);
    let mut handler =
        sender(&socket(&place)).close_timeout(Duration::from_millis(300)).start().unwrap();
    (0..100).for_each(|seq| handler.handle(&record(1, seq)).unwrap());
    wait_until("arrival", || place.status().doors[0].records == 100);
    wait_until("trouble", || place.status().trouble.is_some());
    let error = handler.close().unwrap_err().to_string();
    assert!(error.starts_with("100 records for ") && error.contains("is not written"), "{error}");
    fs::remove_file(filler).unwrap();
    wait_until("room", || place.status().trouble.is_none());
    let report = listener.stop();
    assert_eq!((report.missing, report.left_lanes), (0, 0));
    // They were in shared memory of the receiver, which had the time that the sender had not.
    let lines = support::lines_of(&place.path("disk/app.log"));
    assert_eq!(lines.iter().filter(|line| line.contains("\"record ")).count(), 100);
    drop(disk);
}

#[test]
fn a_sender_that_was_away_when_the_receiver_was_stopped_goes_on_where_it_was() {
    let place = Place::new();
    let mut handler = sender(&socket(&place)).start().unwrap();
    for round in 0..3 {
        let listener = receive(&place);
        (100 * round..100 * (round + 1)).for_each(|seq| handler.handle(&record(1, seq)).unwrap());
        wait_until("records", || records_written(&place) > 100 * round);
        let report = listener.stop();
        assert_eq!((report.missing, report.left_lanes), (0, 0));
        assert!(place.queue().path().join("senders").exists(), "the sender is not remembered");
    }
    let listener = receive(&place);
    handler.handle(&record(1, 300)).unwrap();
    handler.close().unwrap();
    assert_whole(&place, 1, 301);
    assert_nothing_left(&place, listener);
}

/// How many records are in the log as a whole. A line that is being written may be read in part.
fn records_written(place: &Place) -> u64 {
    let text = fs::read_to_string(place.log()).unwrap_or_default();
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).count() as u64
}

#[test]
fn a_killed_relay_keeps_its_own_log_whole_and_goes_on_sending() {
    const RECORDS: u64 = 5000;
    let (center, place) = (Place::in_shared_memory(), Place::in_shared_memory());
    let receiver = receive(&center);
    let mut relaying = relay(&place, &socket(&center));
    let worker = place.worker("early", &[&RECORDS.to_string()]);
    wait_until("records", || written_bytes(&center) > 10_000);
    relaying.process.signal(Signal::SIGKILL);
    relaying.process.wait();
    relaying = relay(&place, &socket(&center));
    worker.finish();
    place.worker("late", &["500"]).finish();
    relaying.stop();
    receiver.stop();
    for (place, count) in [(&place, RECORDS), (&center, 0)] {
        let mut numbers = numbers(place);
        assert!(numbers["late"].iter().copied().eq(0..500));
        let early = numbers.get_mut("early").unwrap();
        if count > 0 {
            assert!(early.iter().copied().eq(0..count));
        }
        // What was on its way is not there, and the last batch may be twice.
        early.sort_unstable();
        early.dedup();
        assert_eq!((early[0], early.last()), (0, Some(&(RECORDS - 1))));
    }
}
