use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::*;

const PATH_VARIABLE: &str = "LOGBOOM_TEST_LOCK";

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".app.log.lock");
    (directory, path)
}

/// A second process that holds the lock; killed on drop.
struct Holder(Child);

impl Holder {
    fn start(path: &Path) -> Holder {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "lock::tests::hold_until_killed", "--nocapture"])
            .env(PATH_VARIABLE, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("held")), "no lock in the child");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn hold_until_killed() {
    let Some(path) = env::var_os(PATH_VARIABLE) else { return };
    let _lock = FileLock::acquire(Path::new(&path)).unwrap();
    println!("held");
    io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_held_lock_names_the_process_that_holds_it() {
    let (_directory, path) = place();
    let holder = Holder::start(&path);

    let error = FileLock::acquire(&path).unwrap_err();

    assert!(
        matches!(&error, LockError::Held { pid, .. } if *pid == Some(holder.0.id())),
        "{error}"
    );
    assert!(error.to_string().contains(&format!("by process {}:", holder.0.id())), "{error}");
}

#[test]
fn a_killed_holder_leaves_the_lock_free() {
    let (_directory, path) = place();
    drop(Holder::start(&path));
    assert!(path.exists());

    let _lock = FileLock::acquire(&path).unwrap();

    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n\n", process::id()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_note_is_kept_by_the_next_holder_and_renewed_with_the_lock() {
    let (_directory, path) = place();
    let mut lock = FileLock::acquire(&path).unwrap();
    lock.set_note(OsStr::new("/dev/shm/a-long-name-of-a-queue")).unwrap();
    lock.set_note(OsStr::new("/dev/shm/queue")).unwrap();
    lock.leave_file();
    drop(lock);

    let mut lock = FileLock::acquire(&path).unwrap();
    assert_eq!(lock.note(), "/dev/shm/queue");
    fs::remove_file(&path).unwrap();
    lock.renew().unwrap();

    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n/dev/shm/queue\n", process::id()));
}

#[test]
fn a_dropped_lock_takes_its_file_with_it() {
    let (_directory, path) = place();
    let lock = FileLock::acquire(&path).unwrap();
    assert!(path.exists());
    drop(lock);
    assert!(!path.exists());
}

#[test]
fn a_refused_lock_leaves_the_file_of_its_holder() {
    let (_directory, path) = place();
    let held = FileLock::acquire(&path).unwrap();
    FileLock::acquire(&path).unwrap_err();
    assert!(held.is_in_place().unwrap());
}

#[test]
fn dropping_a_lock_spares_the_file_of_its_successor() {
    let (_directory, path) = place();
    let ours = FileLock::acquire(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let theirs = FileLock::acquire(&path).unwrap();

    drop(ours);

    assert!(theirs.is_in_place().unwrap());
}

#[test]
fn a_deleted_lock_file_is_locked_anew_unless_another_was_faster() {
    let (_directory, path) = place();
    let mut lock = FileLock::acquire(&path).unwrap();
    fs::remove_file(&path).unwrap();
    lock.renew().unwrap();
    assert!(lock.is_in_place().unwrap());

    fs::remove_file(&path).unwrap();
    let _holder = Holder::start(&path);
    assert!(matches!(lock.renew(), Err(LockError::Held { .. })));
}

#[test]
fn a_lock_file_without_a_pid_is_held_by_somebody() {
    let (_directory, path) = place();
    let lock = FileLock::acquire(&path).unwrap();
    for text in ["", "12", "12x\n", "\u{fffd}\n", "99999999999999999999999\n"] {
        fs::write(&path, text).unwrap();
        let error = FileLock::acquire(&path).unwrap_err();
        assert!(matches!(error, LockError::Held { pid: None, .. }), "{text:?}: {error}");
    }
    drop(lock);
}

#[test]
fn a_lock_taken_while_others_remove_it_is_on_the_file_at_the_path() {
    let (_directory, path) = place();
    let hand_over = || match FileLock::acquire(&path) {
        Ok(lock) => {
            assert!(lock.is_in_place().unwrap(), "locked a removed file");
        }
        Err(LockError::Held { .. }) => {}
        Err(error) => panic!("{error:?}"),
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..2500).for_each(|_| hand_over()));
        }
    });
}

#[test]
fn a_file_system_without_locks_is_told_in_words() {
    let error = explain(Errno::ENOLCK.into());
    assert!(error.to_string().starts_with("its file system has no working locks"), "{error}");
    let other = explain(Errno::EIO.into());
    assert_eq!(other.raw_os_error(), Some(Errno::EIO as i32));
}

#[test]
fn who_has_the_lock_already_is_not_told_to_stop_itself() {
    let (_directory, path) = place();
    let _lock = FileLock::acquire(&path).unwrap();
    let told = FileLock::acquire(&path).unwrap_err().to_string();
    assert!(told.ends_with(" is locked by this process already: choose another path"), "{told}");
    let other = LockError::Held { path, pid: Some(1) }.to_string();
    assert!(
        other.ends_with(" is locked by process 1: stop it first, or choose another path"),
        "{other}"
    );
}
