//! `logboom run` at a real pseudo-terminal, as the leader of its session.
#![allow(clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use support::{PATIENCE, Place, Process, is_alive, open_terminal, processes_with, wait_until};

/// A worker that shows its process and goes on.
const FOREVER: &str = "w=echo $$; echo oops >&2; while :; do sleep 0.02; done";

/// A program at a terminal.
struct Session {
    place: Place,
    process: Process,
    keyboard: Option<Arc<File>>,
    /// Lets the reader of the screen leave, when something is shown for the next time.
    is_hung_up: Arc<AtomicBool>,
    shown: Receiver<Vec<u8>>,
    screen: Vec<u8>,
}

impl Session {
    /// `logboom run ARGS` at a terminal, which it has as its controlling one.
    fn start(args: &[&str], environment: &[(&str, &str)]) -> Session {
        let place = Place::new();
        let (keyboard, terminal) = open_terminal();
        let run = place.logboom(&["run", "--format=%(processName)s %(message)s", "--log"]);
        // Where the tests themselves run under nohup, a hang-up would be nothing to `run` either.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "env", "--default-signal=HUP"]).arg(run.get_program());
        command.args(run.get_args()).arg(place.log()).args(args);
        command.current_dir(place.directory.path()).env("LOGBOOM_QUEUE", place.queue().path());
        command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.envs(environment.iter().copied());
        let descriptor = || terminal.try_clone().unwrap();
        command.stdin(descriptor()).stdout(descriptor()).stderr(descriptor());
        let process = Process(command.spawn().unwrap());
        // The command holds the terminal open, which would then never end for its reader.
        drop((command, terminal));
        let keyboard = Arc::new(keyboard);
        let is_hung_up = Arc::new(AtomicBool::new(false));
        let (reader, hung_up) = (Arc::clone(&keyboard), Arc::clone(&is_hung_up));
        let (sender, shown) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = (&*reader).read(&mut buffer) {
                let is_gone = sender.send(buffer[..count].to_vec()).is_err();
                if is_gone || hung_up.load(Ordering::Acquire) {
                    break;
                }
            }
        });
        let keyboard = Some(keyboard);
        Session { place, process, keyboard, is_hung_up, shown, screen: Vec::new() }
    }

    fn press(&mut self, key: u8) {
        self.keyboard.as_deref().unwrap().write_all(&[key]).unwrap();
    }

    /// Closes the terminal's other side, when the next line is shown.
    fn hang_up(&mut self) {
        self.keyboard = None;
        self.is_hung_up.store(true, Ordering::Release);
    }

    /// Waits until the screen has this text.
    fn wait_for(&mut self, text: &str) {
        self.wait_for_more(text, 0);
    }

    /// Waits until it is there behind the first `searched` bytes.
    fn wait_for_more(&mut self, text: &str, mut searched: usize) {
        while !String::from_utf8_lossy(&self.screen[searched..]).contains(text) {
            searched = self.screen.len().saturating_sub(text.len());
            let more = self.shown.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text()));
            self.screen.extend(more);
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen).into_owned()
    }

    /// Waits for the end; the exit code.
    fn end(&mut self) -> i32 {
        let code = self.process.wait();
        while let Ok(more) = self.shown.recv_timeout(PATIENCE) {
            self.screen.extend(more);
        }
        let directory = self.place.directory.path().to_str().unwrap();
        assert_eq!(processes_with(directory), Vec::<String>::new(), "left behind");
        code
    }
}

/// The number of the controlling terminal of a process (proc(5)).
fn controlling_terminal(pid: &str) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(4).unwrap().parse().unwrap()
}

const CTRL_C: u8 = 3;
const CTRL_Q: u8 = 17;
const CTRL_S: u8 = 19;

#[test]
fn ctrl_c_ends_all_and_the_last_words_are_shown() {
    let script = "w=trap 'echo last words; exit 0' TERM; echo up; while :; do sleep 0.02; done";
    let mut session = Session::start(&["-c", script], &[]);
    session.wait_for(" up\r\n");
    session.press(CTRL_C);
    session.wait_for(" last words\r\n");
    session.wait_for("interrupted by SIGINT; drained ");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_second_ctrl_c_kills_at_once() {
    let script = "w=trap 'echo asked' TERM; echo up; while :; do sleep 0.02; done";
    let mut session = Session::start(&["--stop-timeout", "100000", "-c", script], &[]);
    session.wait_for(" up\r\n");
    session.press(CTRL_C);
    session.wait_for(" asked\r\n");
    session.press(CTRL_C);
    assert_eq!(session.end(), 0);
}

#[test]
fn a_hang_up_of_the_terminal_ends_all_and_all_is_in_the_log() {
    let script = "w=(setsid sleep 1000 &); trap 'echo last words; exit 0' TERM; echo $$; \
                  while :; do sleep 0.02; echo tick; done";
    let mut session = Session::start(&["-c", script], &[]);
    wait_until("the worker", || {
        session.place.log().exists() && !session.place.messages_of("w").is_empty()
    });
    let pid: i32 = session.place.messages_of("w")[0].parse().unwrap();
    session.hang_up();
    assert_eq!(session.end(), 0);
    assert!(!is_alive(pid));
    assert!(session.place.messages_of("w").contains(&"last words".to_owned()));
    assert_eq!(session.place.messages_of("run"), ["interrupted by SIGHUP"]);
}

#[test]
fn a_worker_at_a_terminal_of_its_own_is_stopped_like_any() {
    let script = "w=trap 'echo asked; exit 0' TERM; (setsid sleep 1000 &); echo $PPID $$; \
                  while :; do sleep 0.02; done";
    let mut session = Session::start(&["--pty", "-c", script], &[]);
    session.wait_for("\r\n");
    let pids = session.place.messages_of("w")[0].clone();
    let terminals = pids.split(' ').map(controlling_terminal);
    let [of_run, of_worker] = terminals.collect::<Vec<_>>()[..] else { panic!("{pids:?}") };
    assert!(of_run == of_worker && of_run != 0, "the worker has {of_worker}, run {of_run}");
    session.press(CTRL_C);
    session.wait_for(" asked\r\n");
    session.wait_for("interrupted by SIGINT; drained ");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_terminal_gets_colour_and_a_log_none() {
    for (when, environment, is_coloured) in [
        ("auto", &[][..], true),
        ("auto", &[("NO_COLOR", "1")], false),
        ("auto", &[("TERM", "dumb")], false),
        ("never", &[], false),
        ("always", &[("NO_COLOR", "1")], true),
    ] {
        let mut session = Session::start(&["--color", when, "-c", FOREVER], environment);
        let line =
            if is_coloured { " w |\x1b[0m \x1b[33moops\x1b[0m\r\n" } else { " w | oops\r\n" };
        session.wait_for(line);
        session.press(CTRL_C);
        assert_eq!(session.end(), 0);
        assert_eq!(session.text().contains('\x1b'), is_coloured, "{:?}", session.text());
        assert!(session.place.lines().iter().all(|line| !line.contains('\x1b')));
    }
}

#[test]
fn colours_of_a_worker_are_shown_and_are_not_in_the_log() {
    let script = r"w=printf '\033[2J\033[35mpurple\033[m rain\n' >&2; while :; do sleep 0.02; done";
    for (environment, line) in [
        (&[][..], " w |\x1b[0m \x1b[35mpurple\x1b[0m rain\x1b[0m\r\n"),
        (&[("NO_COLOR", "1")], " w | purple rain\r\n"),
    ] {
        let mut session = Session::start(&["-c", script], environment);
        session.wait_for(line);
        session.press(CTRL_C);
        assert_eq!(session.end(), 0);
        assert_eq!(session.place.messages_of("w"), ["purple rain"]);
    }
}

#[test]
fn each_worker_has_its_colour_and_names_stand_in_one_column() {
    let until_end = "echo up; until [ -e end ]; do sleep 0.01; done";
    let (web, job) = (format!("web={until_end}"), format!("job={until_end}"));
    let mut session = Session::start(&["-m", "web=2", "-c", &web, "-c", &job], &[]);
    for (color, name) in [("36", "web-1"), ("32", "web-2"), ("35", "job  ")] {
        session.wait_for(&format!(" {name} |\x1b[0m up\r\n"));
        let text = session.text();
        let line = text.lines().find(|line| line.contains(name)).unwrap();
        // The time is that of the log, in hours, minutes, seconds.
        let head =
            line.strip_prefix(&format!("\x1b[{color}m")).unwrap_or_else(|| panic!("{text:?}"));
        let (time, _) = head.split_once(' ').unwrap();
        let form = time.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(form, "00:00:00", "{text:?}");
    }
    std::fs::write(session.place.path("end"), "").unwrap();
    assert_eq!(session.end(), 0);
    assert!(session.text().contains(" run   |\x1b[0m all workers ended\r\n"), "{}", session.text());
}

#[test]
fn a_terminal_that_stands_still_delays_no_record_and_learns_what_it_has_missed() {
    // More than waits for a screen.
    const LINES: usize = 2600;
    let long = "$(head -c 8000 /dev/zero | tr '\\0' x)";
    let script = format!(
        "w=echo up; until [ -e go ]; do sleep 0.01; done; yes {long} | head -n {LINES}; \
         while :; do echo tick; sleep 0.02; done"
    );
    let other = "v=while :; do sleep 0.02; done";
    let mut session = Session::start(&["-c", &script, "-c", other], &[("NO_COLOR", "1")]);
    session.wait_for(" up\r\n");
    session.press(CTRL_S);
    std::fs::write(session.place.path("go"), "").unwrap();
    wait_until("the log", || {
        session.place.log().metadata().is_ok_and(|log| log.len() > 8000 * LINES as u64)
    });
    assert!(session.place.status().handlers[0].dropped > 0);
    // The supervisor has something to say about that.
    assert!(session.place.run(&["ctl", "restart", "v"]).status.success());
    session.press(CTRL_Q);
    session.wait_for("logboom | handler screen goes on: ");
    session.wait_for(" records for it were dropped\r\n");
    session.wait_for("logboom: v was stopped on request\r\n");
    let seen = session.screen.len();
    session.wait_for_more(" tick\r\n", seen);
    // Nor does it hold up the end.
    session.press(CTRL_S);
    session.process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(session.end(), 0);
    let messages = session.place.messages_of("w");
    let long = messages.iter().filter(|message| message.len() == 8000).count();
    assert_eq!(long, LINES);
}
