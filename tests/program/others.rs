//! Log files that others touch while a listener writes them.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};

use logboom::{Certainty, Overflow};
use support::{PATIENCE, Place, Worker, hear, role, say, wait_until};

const FORM: [&str; 2] = ["--format", "%(processName)s %(message)s"];

/// Logs each line it is told, and says when that is written.
#[test]
fn worker_process() {
    if role().is_none() {
        return;
    }
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    loop {
        match &*hear() {
            "" => break,
            line => log::info!("{line}"),
        }
        assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
        say("written");
    }
}

fn log(worker: &mut Worker, line: &str) {
    worker.tell(line);
    assert_eq!(worker.heard(), "written");
}

fn cut(place: &Place, size_bytes: u64) {
    File::options().write(true).open(place.log()).unwrap().set_len(size_bytes).unwrap();
}

#[test]
fn a_log_that_others_cut_is_continued_and_told_once_each_time() {
    let place = Place::new();
    let listener = place.listen(&FORM);
    let mut worker = place.worker("w", &["lines"]);
    log(&mut worker, "one");
    log(&mut worker, "two");
    cut(&place, 0);
    log(&mut worker, "three");
    wait_until("the notice", || place.lines().len() == 2);
    let told = |from: usize, to: usize| {
        format!(
            "logboom {} was cut from {from} to {to} bytes by somebody else: its lines before that \
             are gone from here",
            place.log().display()
        )
    };
    assert_eq!(place.lines(), ["w three".to_owned(), told(12, 0)]);
    // In the middle of the last line.
    let size_bytes = fs::metadata(place.log()).unwrap().len();
    cut(&place, 9);
    log(&mut worker, "four");
    wait_until("the notice", || place.lines().len() == 4);
    let expected = ["w three", "l", "w four"].map(str::to_owned);
    assert_eq!(place.lines()[..3], expected);
    assert_eq!(place.lines()[3], told(size_bytes as usize, 9));
    assert_eq!(place.status().truncations, 2);
    let shown = String::from_utf8(place.run(&["ctl", "status"]).stdout).unwrap();
    assert!(shown.contains("truncated 2 times by others: see the log"), "{shown}");
    worker.finish();
    assert!(listener.stop().is_complete());
}
