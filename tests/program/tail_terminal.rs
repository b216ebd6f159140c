//! `logboom tail` under a pseudo-terminal, which `script` of util-linux gives it.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use support::{PATIENCE, Place, Process, open_terminal, wait_until};

/// A program on a terminal of its own, with 10 rows of 40 characters.
struct Terminal {
    process: Process,
    shown: mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    /// None, and said, where there is no `script`.
    fn start(place: &Place, variables: &[(&str, &str)], args: &str) -> Option<Terminal> {
        let program = env!("CARGO_BIN_EXE_logboom");
        let script = format!("stty -echo rows 10 cols 40; exec '{program}' {args}");
        let mut command = Command::new("script");
        command.args(["-qefc", &script, "/dev/null"]).current_dir(place.directory.path());
        for name in ["NO_COLOR", "CLICOLOR_FORCE", "PAGER", "LESS"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm").env("SHELL", "/bin/sh").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(child) = command.spawn() else {
            eprintln!("skipped: install `script` of util-linux");
            return None;
        };
        let mut process = Process(child);
        let mut stdout = process.0.stdout.take().unwrap();
        let (sender, shown) = mpsc::channel();
        thread::spawn(move || {
            let mut block = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut block) {
                if sender.send(block[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Terminal { process, shown, text: String::new() })
    }

    /// Waits until it shows this.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !self.text.contains(text) {
            let shown = self.shown.recv_timeout(PATIENCE);
            let shown = shown.unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.text));
            self.text.push_str(&String::from_utf8_lossy(&shown));
        }
    }

    fn press(&mut self, keys: &str) {
        let stdin = self.process.0.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// What it has shown when the program has ended, and its exit code.
    fn finish(mut self) -> (String, i32) {
        while let Ok(shown) = self.shown.recv_timeout(PATIENCE) {
            self.text.push_str(&String::from_utf8_lossy(&shown));
        }
        let code = self.process.wait();
        (self.text.replace("\r\n", "\n"), code)
    }
}

fn place(records: usize) -> Place {
    let place = Place::new();
    let record = |number| format!("2026-11-22 04:00:{number:02},000 ERROR failed {number} again\n");
    fs::write(place.path("app.log"), (0..records).map(record).collect::<String>()).unwrap();
    let json = r#"{"time":"2026-11-22T04:00:00Z","level":"DEBUG","logger":"web","message":"up"}"#;
    fs::write(place.path("json.log"), format!("{json}\n")).unwrap();
    place
}

#[track_caller]
fn check(variables: &[(&str, &str)], args: &str, expected: &str) {
    let place = place(1);
    let Some(terminal) = Terminal::start(&place, variables, args) else { return };
    assert_eq!(terminal.finish(), (expected.to_owned(), 0), "{args}");
}

#[test]
fn a_terminal_gets_text_in_colours_unless_they_are_not_wanted() {
    let line = "2026-11-22 04:00:00,000 ERROR failed 0 again";
    check(&[], "tail app.log", &format!("\x1b[31m{line}\x1b[0m\n"));
    check(
        &[],
        "tail -g fail app.log",
        &format!("\x1b[31m{}\x1b[0m\n", { line.replace("fail", "\x1b[7mfail\x1b[27m") }),
    );
    check(&[("NO_COLOR", "1")], "tail app.log", &format!("{line}\n"));
    check(&[], "tail --color never app.log", &format!("{line}\n"));
    check(&[("TERM", "dumb")], "tail app.log", &format!("{line}\n"));
    check(&[], "tail -o raw app.log", &format!("{line}\n"));
    let text = "\x1b[2m2026-11-22 04:00:00,000            web DEBUG    up\x1b[0m\n";
    check(&[("TZ", "UTC")], "tail json.log", text);
}

#[test]
fn what_does_not_fit_on_the_screen_goes_to_the_pager() {
    let pager = [("PAGER", "sed 's/^/paged: /'"), ("NO_COLOR", "1")];
    for (records, args, is_paged) in [
        (3, "tail app.log", false),
        // Each takes two rows.
        (5, "tail app.log", true),
        (5, "tail --no-pager app.log", false),
        (9, "tail -n all app.log", true),
    ] {
        let place = place(records);
        let Some(terminal) = Terminal::start(&place, &pager, args) else { return };
        let (text, code) = terminal.finish();
        assert_eq!((text.lines().count(), code), (records, 0), "{args}: {text}");
        assert!(text.lines().all(|line| line.starts_with("paged: ") == is_paged), "{text}");
    }
}

#[test]
fn a_pager_that_is_left_ends_it_quietly() {
    if Command::new("less").arg("--version").output().is_err() {
        eprintln!("skipped: there is no less");
        return;
    }
    let place = place(60);
    let Some(mut terminal) = Terminal::start(&place, &[], "tail -n all app.log") else { return };
    terminal.wait_for("failed 1");
    terminal.press("q");
    let (text, code) = terminal.finish();
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains("failed 59") && !text.contains("logboom:"), "{text}");
}

#[test]
fn a_follower_ends_at_once_when_it_is_interrupted() {
    let place = place(1);
    let Some(mut terminal) = Terminal::start(&place, &[], "tail -f app.log") else { return };
    terminal.wait_for("failed 0");
    terminal.press("\x03");
    wait_until("the end", || terminal.process.0.try_wait().unwrap().is_some());
    let (text, code) = terminal.finish();
    assert_eq!(code, 128 + 2, "{text}");
}

/// The exit code of `tail -f`, leader of its session at a terminal that is hung up behind the first record, and
/// what it said on standard error.
fn code_after_hang_up(place: &Place, signal: &str) -> (i32, String) {
    let (keyboard, terminal) = open_terminal();
    let tail = place.logboom(&["tail", "-f", "app.log"]);
    let mut command = Command::new("setsid");
    command.args(["--ctty", "env", signal]).arg(tail.get_program()).args(tail.get_args());
    command.current_dir(place.directory.path()).env("TERM", "xterm");
    let said = place.path("said");
    command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap());
    command.stderr(fs::File::create(&said).unwrap());
    let mut process = Process(command.spawn().unwrap());
    drop((command, terminal));
    let (mut shown, mut block) = (String::new(), [0; 4096]);
    while !shown.contains("failed 0 again") {
        let read = (&keyboard).read(&mut block).unwrap();
        shown.push_str(&String::from_utf8_lossy(&block[..read]));
    }
    drop(keyboard);
    (process.wait(), fs::read_to_string(said).unwrap())
}

#[test]
fn a_follower_ends_quietly_when_its_terminal_hangs_up() {
    let hang_up = code_after_hang_up(&place(1), "--default-signal=HUP");
    assert_eq!(hang_up, (128 + 1, String::new()));
}

#[test]
fn a_follower_under_nohup_does_not_outlive_its_terminal() {
    let hang_up = code_after_hang_up(&place(1), "--ignore-signal=HUP");
    assert_eq!(hang_up, (0, String::new()));
}

#[test]
fn a_pager_that_is_not_there_loses_no_record() {
    for (pager, records) in [("no-such-pager -R", 30), ("/dev/null", 30), ("no-such-pager", 9000)] {
        let place = place(records);
        let variables = [("PAGER", pager), ("NO_COLOR", "1")];
        let terminal = Terminal::start(&place, &variables, "tail -n all app.log");
        let Some(terminal) = terminal else { return };
        let (text, code) = terminal.finish();
        let shown = text.lines().filter(|line| line.contains(" failed ")).count();
        assert_eq!((shown, code), (records, 0), "{pager}: {text}");
    }
}
