//! Log files that others touch while a listener writes them.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use logboom::{Certainty, Overflow};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use support::{Listener, PATIENCE, Place, Process, Worker, hear, role, say, wait_for, wait_until};

const FORM: [&str; 2] = ["--format", "%(processName)s %(message)s"];

/// Logs each line it is told, and says when that is written; or numbers, until it is told to end.
#[test]
fn worker_process() {
    match role() {
        Some(role) if role[0] == "numbers" => log_numbers(),
        Some(_) => log_lines(),
        None => {}
    }
}

fn log_lines() {
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

/// Logs numbered lines until it is told to end; how many.
fn log_numbers() {
    let guard = logboom::builder().overflow(Overflow::Block).init().unwrap();
    let is_told = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let is_told = Arc::clone(&is_told);
        move || {
            hear();
            is_told.store(true, Ordering::Relaxed);
        }
    });
    let mut count = 0;
    while !is_told.load(Ordering::Relaxed) {
        log::info!("{count} {:60}|", "");
        count += 1;
        if count % 20 == 0 {
            // A load that leaves the disk some room.
            thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(guard.flush(Certainty::Written, PATIENCE).is_complete());
    say(&count.to_string());
}

/// Where Debian has it, which is not in the path of all users.
const LOGROTATE: &str = "/usr/sbin/logrotate";

/// Debian's logrotate on the log of a place.
struct Logrotate<'p> {
    place: &'p Place,
}

impl Logrotate<'_> {
    /// `None`, and said, where it is not installed.
    fn new<'p>(place: &'p Place, directives: &str) -> Option<Logrotate<'p>> {
        if !Path::new(LOGROTATE).exists() {
            eprintln!("skipped: install logrotate to let it rotate a log");
            return None;
        }
        let log = place.log();
        let config = format!("{} {{\n{directives}\nrotate 1000\n}}\n", log.display());
        let path = place.path("logrotate.conf");
        fs::write(&path, config).unwrap();
        // It reads nothing that others could have written.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Some(Logrotate { place })
    }

    /// Rotates now.
    fn rotate(&self) {
        let mut command = Command::new(LOGROTATE);
        command.arg("--force").arg("--state").arg(self.place.path("logrotate.state"));
        let output = command.arg(self.place.path("logrotate.conf")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The text of the log and of what logrotate has made of it, the oldest first.
fn rotated_texts(place: &Place) -> Vec<String> {
    let mut texts = vec![fs::read_to_string(place.log()).unwrap()];
    for number in 1.. {
        let plain = place.path(&format!("app.log.{number}"));
        let compressed = place.path(&format!("app.log.{number}.gz"));
        assert!(!(plain.exists() && compressed.exists()), "{number} is there twice");
        texts.push(if plain.exists() {
            fs::read_to_string(plain).unwrap()
        } else if compressed.exists() {
            let output = Command::new("gzip").arg("-dc").arg(compressed).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        } else {
            break;
        });
    }
    texts.reverse();
    texts
}

const WORKERS: usize = 4;
const ROTATIONS: usize = 8;

/// Lets logrotate rotate the log under load; how many lines each worker has logged.
fn rotate_under_load(place: &Place, logrotate: &Logrotate<'_>) -> Vec<u64> {
    let mut workers: Vec<_> =
        (0..WORKERS).map(|number| place.worker(&format!("w{number}"), &["numbers"])).collect();
    for _ in 0..ROTATIONS {
        let before = place.status().records;
        wait_until("records", || place.status().records > before + 2000);
        logrotate.rotate();
    }
    workers.iter_mut().for_each(|worker| worker.tell("end"));
    let counts = workers.iter_mut().map(|worker| worker.heard().parse().unwrap()).collect();
    workers.into_iter().for_each(Worker::finish);
    counts
}

/// The numbers of each worker in these lines, in their order; nothing is torn.
fn numbers_in<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<Vec<u64>> {
    let mut numbers = vec![Vec::new(); WORKERS];
    for line in lines.filter(|line| !line.starts_with("logboom ")) {
        let words: Vec<_> = line.split_whitespace().collect();
        let &[worker, number, "|"] = &*words else { panic!("torn: {line:?}") };
        let worker: usize = worker.strip_prefix('w').unwrap().parse().unwrap();
        numbers[worker].push(number.parse().unwrap());
    }
    numbers
}

/// Whether each line is there once when logrotate renames the log under load and then does `postrotate`
/// with the process id of the listener.
fn assert_renaming_loses_nothing(postrotate: impl Fn(u32) -> String) {
    let place = Place::new();
    let listener =
        place.listen(&[&FORM[..], &["--max-bytes", "0", "--backup-count", "0"]].concat());
    let directives =
        format!("nocreate\ncompress\ndelaycompress\n{}", postrotate(listener.process.pid()));
    let Some(logrotate) = Logrotate::new(&place, &directives) else { return };
    let followed = place.path("followed");
    let mut follow = place.logboom(&["tail", "-f", "-n", "all", "app.log"]);
    let follow = follow.stdin(Stdio::null()).stdout(File::create(&followed).unwrap());
    let follower = Process(follow.spawn().unwrap());
    let counts = rotate_under_load(&place, &logrotate);
    assert_eq!(place.status().truncations, 0);
    assert!(listener.stop().is_complete());
    let texts = rotated_texts(&place);
    assert_eq!(texts.len(), ROTATIONS + 1);
    assert!(texts.iter().all(|text| text.is_empty() || text.ends_with('\n')));
    let text = texts.concat();
    for (numbers, count) in numbers_in(text.lines()).iter().zip(counts) {
        assert!(numbers.iter().copied().eq(0..count), "not each of {count} once, in order");
    }
    let read = place.run(&["tail", "-n", "all", "app.log"]);
    assert!(read.stdout == text.as_bytes(), "tail reads {} bytes", read.stdout.len());
    let all = text.len() as u64;
    wait_until("the follower", || fs::metadata(&followed).unwrap().len() >= all);
    drop(follower);
    assert!(fs::read(followed).unwrap() == text.as_bytes(), "tail -f gave something else");
}

#[test]
fn logrotate_renames_and_hangs_up_under_load_and_each_line_is_there_once() {
    assert_renaming_loses_nothing(|pid| format!("postrotate\nkill -HUP {pid}\nendscript"));
}

#[test]
fn logrotate_renames_under_load_and_says_nothing_and_each_line_is_there_once() {
    assert_renaming_loses_nothing(|_| String::new());
}

#[test]
fn logrotate_copies_and_truncates_under_load_and_it_is_told_and_nothing_is_doubled() {
    let place = Place::new();
    let listener =
        place.listen(&[&FORM[..], &["--max-bytes", "0", "--backup-count", "0"]].concat());
    let Some(logrotate) = Logrotate::new(&place, "copytruncate") else { return };
    rotate_under_load(&place, &logrotate);
    wait_until("the count", || place.status().truncations == ROTATIONS as u64);
    // Notices before the last may be among the lines that a copy has missed.
    wait_until("the last notice", || {
        fs::read_to_string(place.log()).unwrap().contains(" by somebody else: ")
    });
    assert!(listener.stop().is_complete());
    let texts = rotated_texts(&place);
    assert_eq!(texts.len(), ROTATIONS + 1);
    // A copy may end amid a line that was being written; the rest is what a copy loses.
    let whole = |text: &str| text[..text.rfind('\n').map_or(0, |end| end + 1)].to_owned();
    let texts: Vec<_> = texts.iter().map(|text| whole(text)).collect();
    let numbers = numbers_in(texts.iter().flat_map(|text| text.lines()));
    for numbers in numbers {
        assert!(numbers.is_sorted_by(|one, next| one < next), "doubled, or out of order");
    }
}

/// A listener under a system that refuses the lock at `lock` with this error; what it says.
fn refused_lock(place: &Place, lock: &str, error: &str) -> Option<String> {
    let listen = place.logboom(&["listen", "--log", "app.log"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(place.path(lock));
    command.arg(format!("--inject=flock:error={error}"));
    command.arg(listen.get_program()).args(listen.get_args());
    command.current_dir(place.directory.path()).env("LOGBOOM_QUEUE", place.queue().path());
    let Ok(output) = command.output() else {
        eprintln!("skipped: install strace to let system calls fail");
        return None;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    if said.contains("Operation not permitted") {
        eprintln!("skipped: processes cannot be traced here");
        return None;
    }
    assert_eq!(output.status.code(), Some(74), "{said}");
    Some(said)
}

#[test]
fn a_file_system_without_locks_is_an_error_that_says_so() {
    for lock in [".app.log.lock", "q/lock"] {
        for error in ["ENOLCK", "ENOSYS", "EOPNOTSUPP"] {
            let place = Place::new();
            let Some(said) = refused_lock(&place, lock, error) else { return };
            let path = place.path(lock);
            let reason = "its file system has no working locks, choose a local one: ";
            let expected = format!("cannot lock {}: {reason}", path.display());
            assert!(said.contains(&expected) && said.lines().count() == 1, "{said}");
        }
    }
}
