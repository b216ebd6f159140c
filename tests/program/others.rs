//! Log files that others touch while a listener writes them.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use logboom::{Certainty, Overflow};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use support::{Listener, PATIENCE, Place, Worker, hear, role, say, wait_for, wait_until};

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

fn listen_in_logs(place: &Place) -> Listener {
    place.serve(place.logboom(&[&["listen", "--log", "logs/app.log"][..], &FORM].concat()))
}

#[test]
fn a_log_that_is_moved_or_deleted_is_there_again_without_a_record() {
    let place = Place::new();
    let listener = listen_in_logs(&place);
    let (path, moved) = (place.path("logs/app.log"), place.path("logs/app.log-old"));
    let is_back = || wait_until("the log", || path.exists());
    // Without a worker, and then with one that is silent.
    let mut worker = None;
    for line in ["one", "two"] {
        fs::rename(&path, &moved).unwrap();
        is_back();
        fs::remove_file(&path).unwrap();
        is_back();
        // In one step, lest the listener makes it again meanwhile.
        fs::rename(place.path("logs"), place.path("gone")).unwrap();
        is_back();
        fs::remove_dir_all(place.path("gone")).unwrap();
        let worker = worker.get_or_insert_with(|| place.worker("w", &["lines"]));
        log(worker, line);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("w {line}\n"));
    }
    assert!(place.path("logs/.app.log.lock").exists());
    worker.unwrap().finish();
    assert!(listener.stop().is_complete());
}

/// Whether what `put` puts in the place of a log is told until it is gone.
fn assert_told_while_there(what: &str, put: fn(&Path)) {
    let place = Place::new();
    let listener = listen_in_logs(&place);
    let (path, other) = (place.path("logs/app.log"), place.path("other"));
    put(&other);
    renameat2(AT_FDCWD, &path, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE).unwrap();
    let trouble = wait_for("the trouble", || place.status().trouble);
    assert_eq!((&*trouble.operation, &*trouble.path), ("open", path.to_str().unwrap()));
    let cause = format!("it is {what}: choose the path of a regular file");
    assert_eq!(trouble.cause, cause);
    wait_until("another try", || place.status().trouble.unwrap().tries > 1);
    fs::rename(&path, place.path("away")).unwrap();
    wait_until("the notice", || fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
    let text = fs::read_to_string(&path).unwrap();
    let told = format!("logboom cannot open {}: {cause}: after ", path.display());
    assert!(text.starts_with(&told) && text.lines().count() == 1, "{text}");
    assert_eq!(place.status().trouble, None);
    assert!(!place.path("target").exists(), "the link was followed");
    assert!(listener.stop().is_complete());
}

#[test]
fn a_symbolic_link_in_the_place_of_a_log_is_told_until_it_is_gone() {
    assert_told_while_there("a symbolic link", |path| symlink("../target", path).unwrap());
}

#[test]
fn a_directory_in_the_place_of_a_log_is_told_until_it_is_gone() {
    assert_told_while_there("a directory", |path| fs::create_dir(path).unwrap());
}
