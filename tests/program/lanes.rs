//! Lanes that are damaged, unfinished, or read by one listener after another.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use logboom::Certainty;
use nix::sys::signal::Signal;
use support::{Listener, PATIENCE, Place, by_channel, hear, role, say, wait_until};

const PATTERN: &str = "%(processName)s %(threadName)s %(message)s";

/// Bytes in front of a lane's ring, and where its tail stands in them.
const PAGE_BYTES: u64 = 4096;
const TAIL_AT: u64 = 1024;

/// Logs a record each time it is told to, from a thread of a name; flushes when it is told to.
#[test]
fn worker_process() {
    if role().is_none() {
        return;
    }
    let thread = std::thread::Builder::new().name("speaker".into()).spawn(|| {
        let guard = logboom::init().unwrap();
        for number in 0.. {
            match hear().as_str() {
                "log" => log::info!("record {number}"),
                _ => break,
            }
            say("logged");
        }
        say(if guard.flush(Certainty::Written, PATIENCE).is_complete() {
            "written"
        } else {
            "lost"
        });
    });
    thread.unwrap().join().unwrap();
}

fn log(worker: &mut support::Worker) {
    worker.tell("log");
    assert_eq!(worker.heard(), "logged");
}

fn finish(mut worker: support::Worker) {
    worker.tell("end");
    assert_eq!(worker.heard(), "written");
    worker.finish();
}

fn kill(mut listener: Listener) {
    listener.process.signal(Signal::SIGKILL);
    listener.process.wait();
}

/// What it printed on standard error, which has to be one line.
fn one_line(listener: &mut Listener) -> String {
    let mut said = String::new();
    listener.process.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.lines().count(), 1, "{said:?}");
    said
}

/// Files in the folder of the lanes with this ending.
fn files(place: &Place, ending: &str) -> Vec<PathBuf> {
    let found = fs::read_dir(place.lanes()).into_iter().flatten();
    let mut found: Vec<_> = found
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    found.sort();
    found
}

fn open(path: &PathBuf) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn tail(lane: &File) -> u64 {
    let mut word = [0; 8];
    lane.read_exact_at(&mut word, TAIL_AT).unwrap();
    u64::from_le_bytes(word)
}

#[test]
fn what_stands_before_the_damage_is_written_and_the_worker_goes_on_in_another_lane() {
    let place = Place::new();
    let listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["paced"]);
    log(&mut worker);
    wait_until("the first record", || place.lines().len() == 1);
    kill(listener);
    log(&mut worker);
    let path = files(&place, "lane").pop().unwrap();
    let lane = open(&path);
    let damage_at = tail(&lane);
    log(&mut worker);
    lane.write_all_at(&[0xff; 8], PAGE_BYTES + damage_at).unwrap();

    let listener = place.listen(&["--format", PATTERN]);
    wait_until("the damage", || place.status().damaged_lanes == 1);
    log(&mut worker);
    finish(worker);
    listener.stop();

    let kept = path.with_extension("damaged");
    assert_eq!(files(&place, "damaged"), std::slice::from_ref(&kept));
    let messages = place.messages_of("w");
    assert_eq!(messages, ["speaker record 0", "speaker record 1", "speaker record 3"]);
    let told = place.messages_of("logboom");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("is damaged from record 2 on"), "{told:?}");
    assert!(told[0].contains(&kept.display().to_string()), "{told:?}");

    // It is nothing to the next listener.
    let listener = place.listen(&["--format", PATTERN]);
    assert_eq!(listener.stop().drained, 0);
    assert_eq!(place.messages_of("logboom").len(), 1);
}

#[test]
fn a_worker_goes_on_in_another_lane_after_the_queue_directory_was_removed() {
    let place = Place::new();
    let mut listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.worker("w", &["paced"]);
    log(&mut worker);
    wait_until("the first record", || place.lines().len() == 1);
    fs::remove_dir_all(place.queue().path()).unwrap();
    let mut logged = 1;
    wait_until("another lane", || {
        log(&mut worker);
        logged += 1;
        !files(&place, "lane").is_empty()
    });
    log(&mut worker);
    // Nobody has asked it to stop, and the next one gets its log.
    assert_eq!(listener.process.wait(), 74);
    let queue = place.queue().path().display().to_string();
    let said = one_line(&mut listener);
    assert!(said.contains(&queue) && said.ends_with("start it again\n"), "{said}");
    let next = place.listen(&["--format", PATTERN]);
    finish(worker);
    assert_eq!(next.stop().missing, 0);
    let told = place.messages_of("logboom");
    let stops = format!("{queue} or its lock file was removed: this listener stops");
    assert!(told.len() == 1 && told[0].ends_with(&stops), "{told:?}");
    let expected = (0..=logged).map(|number| format!("speaker record {number}"));
    assert!(place.messages_of("w").into_iter().eq(expected), "{:?}", place.lines());
}

#[test]
fn a_listener_stops_when_its_queue_belongs_to_another() {
    let place = Place::new();
    let mut listener = place.listen(&["--format", PATTERN]);
    let mut worker = place.start_worker("w", &["paced"], by_channel);
    log(&mut worker);
    wait_until("the first record", || place.lines().len() == 1);
    fs::rename(place.queue().path(), place.path("moved")).unwrap();
    let other = place.serve(place.logboom(&["listen", "--log", "other.log", "--format", PATTERN]));
    assert_eq!(listener.process.wait(), 74);
    wait_until("the worker at the other", || place.status().workers.len() == 1);
    log(&mut worker);
    finish(worker);
    assert_eq!(other.stop().drained, 1);
    let lines = support::lines_of(&place.path("other.log"));
    assert_eq!(lines, ["w speaker record 1"]);
}

#[test]
fn a_lane_that_says_nothing_of_itself_is_left_by_its_worker() {
    let place = Place::new();
    drop(place.listen(&[]));
    let mut worker = place.worker("w", &["paced"]);
    log(&mut worker);
    open(&files(&place, "lane")[0]).write_all_at(b"what is this", 0).unwrap();
    let listener = place.listen(&["--format", PATTERN]);
    wait_until("the damage", || place.status().damaged_lanes == 1);
    log(&mut worker);
    finish(worker);
    listener.stop();
    assert_eq!(place.messages_of("w"), ["speaker record 1"]);
    assert_eq!(files(&place, "damaged").len(), 1);
}

#[test]
fn a_lane_of_another_release_is_left_for_those_who_can_read_it() {
    const LAYOUT_AT: u64 = 8;
    let place = Place::new();
    drop(place.listen(&[]));
    let mut worker = place.worker("w", &["paced"]);
    log(&mut worker);
    let lane = open(&files(&place, "lane")[0]);
    let mut layout = [0];
    lane.read_exact_at(&mut layout, LAYOUT_AT).unwrap();
    lane.write_all_at(&[99], LAYOUT_AT).unwrap();
    let listener = place.listen(&["--format", PATTERN]);
    let told =
        || place.messages_of("logboom").iter().filter(|text| text.contains("release")).count();
    wait_until("the complaint", || told() == 1);
    lane.write_all_at(&layout, LAYOUT_AT).unwrap();
    log(&mut worker);
    finish(worker);
    assert_eq!(place.status().damaged_lanes, 0);
    listener.stop();
    assert_eq!(place.messages_of("w"), ["speaker record 0", "speaker record 1"]);
    assert_eq!(told(), 1);
}

#[test]
fn a_few_damaged_lanes_are_kept_and_no_more() {
    let place = Place::new();
    place.listen(&[]).stop();
    let folder = place.lanes();
    fs::create_dir(&folder).unwrap();
    for number in 0..20 {
        fs::write(folder.join(format!("{number:016x}.lane")), "garbage").unwrap();
    }
    let listener = place.listen(&["--format", PATTERN]);
    wait_until("the damage", || place.status().damaged_lanes == 20);
    listener.stop();
    assert_eq!(files(&place, "damaged").len(), 8);
    assert!(files(&place, "lane").is_empty());
}

#[test]
fn files_that_a_killed_worker_has_not_finished_are_removed() {
    let place = Place::new();
    place.listen(&[]).stop();
    let folder = place.lanes();
    fs::create_dir(&folder).unwrap();
    let unfinished = |name: &str, age_s: u64| {
        let file = File::create(folder.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).unwrap();
        file
    };
    unfinished("abandoned.new", 3600);
    unfinished("young.new", 0);
    let busy = unfinished("busy.new", 3600);
    fs2::FileExt::lock_exclusive(&busy).unwrap();
    // A clock that was set back.
    drop(unfinished("later.new", 0).set_modified(SystemTime::now() + Duration::from_secs(3600)));

    let bell = place.queue().path().join("bell.0123456789abcdef.new");
    let abandoned = File::create(&bell).unwrap();
    abandoned.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();

    let listener = place.listen(&[]);
    assert!(!bell.exists());
    let left = |names: &[&str]| {
        let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
        files(&place, "new") == paths
    };
    wait_until("two to be removed", || left(&["busy.new", "young.new"]));
    drop(busy);
    wait_until("the third to be removed", || left(&["young.new"]));
    listener.stop();
}

#[test]
fn the_next_listener_knows_which_thread_speaks() {
    let place = Place::new();
    let mut worker = place.worker("w", &["paced"]);
    for records in 1..=5 {
        let listener = place.listen(&["--format", PATTERN]);
        log(&mut worker);
        wait_until("the record", || place.lines().len() == records);
        kill(listener);
    }
    let listener = place.listen(&["--format", PATTERN]);
    finish(worker);
    listener.stop();
    let expected: Vec<_> = (0..5).map(|number| format!("speaker record {number}")).collect();
    assert_eq!(place.messages_of("w"), expected);
}
