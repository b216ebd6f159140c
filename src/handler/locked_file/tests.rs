use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::{env, thread};

use tempfile::TempDir;

use super::*;
use crate::Level;
use crate::formatter::PatternFormatter;
use crate::handler::{RotatingFileBuilder, RotatingFileHandler};

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/app.log");
    (directory, path)
}

fn builder(path: &Path) -> RotatingFileBuilder {
    RotatingFileHandler::builder(path).max_bytes(20).backup_count(3)
}

fn open(builder: RotatingFileBuilder) -> LockedRotatingFileHandler {
    builder.open_locked(PatternFormatter::new("%(message)s").unwrap()).unwrap()
}

fn log(handler: &mut LockedRotatingFileHandler, text: &str) -> Result<(), HandlerError> {
    handler.handle(&Record::new(0, Level::INFO, "", text))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn two_write_in_turns_and_both_follow_a_rotation_of_either() {
    let (_directory, path) = place();
    let mut handlers = [open(builder(&path)), open(builder(&path))];
    for number in 0..8 {
        log(&mut handlers[number % 2], &format!("line {number}")).unwrap();
    }
    assert_eq!(read(&path), "line 6\nline 7\n");
    for (backup, lines) in
        [(1, "line 4\nline 5\n"), (2, "line 2\nline 3\n"), (3, "line 0\nline 1\n")]
    {
        assert_eq!(read(&path.with_file_name(format!("app.log.{backup}"))), lines);
    }
}

#[test]
fn a_torn_line_of_another_is_ended_by_the_next() {
    let (_directory, path) = place();
    let mut handler = open(RotatingFileHandler::builder(&path));
    log(&mut handler, "one").unwrap();
    fs::write(&path, "one\nto").unwrap();
    log(&mut handler, "two").unwrap();
    fs::write(&path, "one\nto\ntwo\nthree\n").unwrap();
    log(&mut handler, "four").unwrap();
    assert_eq!(read(&path), "one\nto\ntwo\nthree\nfour\n");
    assert_eq!(handler.mended_lines(), 1);
}

#[test]
fn those_whose_directory_was_removed_share_a_new_one() {
    let (_directory, path) = place();
    let mut handlers = [open(builder(&path)), open(builder(&path))];
    handlers.iter_mut().for_each(|handler| log(handler, "before").unwrap());
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    for number in 0..3 {
        log(&mut handlers[number % 2], &format!("line {number}")).unwrap();
    }
    assert_eq!(read(&path.with_file_name("app.log.1")), "line 0\nline 1\n");
    assert_eq!(read(&path), "line 2\n");
}

#[test]
fn a_listener_and_those_who_share_the_log_keep_each_other_out() {
    let (_directory, path) = place();
    let alone = || builder(&path).open(PatternFormatter::new("%(message)s").unwrap());
    let shared = || builder(&path).open_locked(PatternFormatter::new("%(message)s").unwrap());
    let is_held = |error| matches!(error, HandlerError::Lock(LockError::Held { .. }));
    let one = shared().unwrap();
    let other = shared().unwrap();
    drop(one);
    assert!(alone().is_err_and(is_held));
    drop(other);
    let alone = alone().unwrap();
    assert!(shared().is_err_and(is_held));
    drop(alone);
    shared().unwrap();
}

#[test]
fn a_log_that_was_moved_or_deleted_is_begun_anew_also_without_its_lock_files() {
    let (_directory, path) = place();
    let mut handlers = [open(builder(&path)), open(builder(&path))];
    for (number, lock) in
        [".app.log.lock", ".app.log.write.lock", "app.log.1"].into_iter().enumerate()
    {
        for handler in &mut handlers {
            log(handler, "x").unwrap();
        }
        fs::rename(&path, path.with_file_name(format!("moved.{number}"))).unwrap();
        let _missing = fs::remove_file(path.with_file_name(lock));
        for handler in &mut handlers {
            log(handler, "y").unwrap();
        }
        assert_eq!(read(&path), "y\ny\n");
        fs::remove_file(&path).unwrap();
    }
    let inode = |handler: &LockedRotatingFileHandler| {
        fs::metadata(handler.path().with_file_name(".app.log.write.lock")).unwrap().ino()
    };
    assert_eq!(inode(&handlers[0]), inode(&handlers[1]));
}

#[test]
fn one_that_does_not_let_go_holds_up_one_record_and_fails_the_next_at_once() {
    let (_directory, path) = place();
    let mut handler = open(builder(&path));
    let holder = open(builder(&path));
    let turn = holder.lock.turn(TURN_TIMEOUT).unwrap();
    handler.was_held_up = true;
    let error = log(&mut handler, "late").unwrap_err();
    assert!(matches!(error, HandlerError::Lock(LockError::Held { .. })), "{error}");
    drop(turn);
    log(&mut handler, "on").unwrap();
    assert!(!handler.was_held_up);
    assert_eq!(read(&path), "on\n");
}

#[test]
fn a_line_that_does_not_fit_on_the_disk_leaves_nothing_behind() {
    const VARIABLE: &str = "LOGBOOM_TEST_FULL";
    let Some(path) = env::var_os(VARIABLE).map(PathBuf::from) else {
        let (_directory, path) = place();
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, "before\n".repeat(145)).unwrap();
        let name = "handler::locked_file::tests::a_line_that_does_not_fit_on_the_disk_leaves_nothing_behind";
        // Files of this child end at 1024 bytes, and the signal that says so is ignored.
        let limited = format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" --exact {name}");
        let test = env::current_exe().unwrap();
        let child =
            Command::new("bash").arg("-c").arg(limited).arg(test).env(VARIABLE, &path).output();
        let child = child.unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert_eq!(read(&path), "before\n".repeat(145) + "short\n");
        return;
    };
    let mut handler = open(RotatingFileHandler::builder(&path));
    let error = log(&mut handler, "longer than what is left").unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
    log(&mut handler, "short").unwrap();
}

#[test]
fn threads_with_a_handler_each_lose_and_tear_nothing() {
    const THREADS: usize = 4;
    const LINES: usize = 500;
    let (_directory, path) = place();
    let begin = Arc::new(Barrier::new(THREADS));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let mut handler = open(builder(&path).max_bytes(500).backup_count(100));
            let begin = Arc::clone(&begin);
            scope.spawn(move || {
                begin.wait();
                for line in 0..LINES {
                    log(&mut handler, &format!("{thread} {line}")).unwrap();
                }
            });
        }
    });
    let files = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let logs = files.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    let mut lines: Vec<_> =
        logs.flat_map(|path| read(&path).lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.sort();
    let mut expected: Vec<_> = (0..THREADS)
        .flat_map(|thread| (0..LINES).map(move |line| format!("{thread} {line}")))
        .collect();
    expected.sort();
    assert!(lines == expected, "{} of {} lines", lines.len(), expected.len());
}
