//! Configurations by the wire form of Python's `logging.config.listen`.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use support::{Listener, Place, lines_of, unprivileged, wait_until};

const SECRET: &str = "a secret of this test";

/// As the cookbook has it, but for its address, which is in the arguments.
const COOKBOOK: &str = "
import socket, sys, struct

with open(sys.argv[1], 'rb') as f:
    data_to_send = f.read()

HOST = 'localhost'
PORT = int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
print('connecting...')
s.connect((HOST, PORT))
print('sending config...')
s.send(struct.pack('>L', len(data_to_send)))
s.send(data_to_send)
s.close()
print('complete')
";

fn json(log: &str) -> String {
    format!(
        r#"{{"version": 1, "handlers": {{"log": {{"class": "logging.FileHandler", "filename": "{log}"}}}},
            "root": {{"level": "INFO", "handlers": ["log"]}}}}"#
    )
}

fn ini(log: &str) -> String {
    format!(
        "# of a Python project\n[loggers]\nkeys=root\n[handlers]\nkeys=log\n[formatters]\nkeys=\n\
         [logger_root]\nlevel=INFO\nhandlers=log\n[handler_log]\nclass=FileHandler\nargs=('{log}',)\n"
    )
}

fn toml(log: &str) -> String {
    format!(
        "version = 1\n[handlers.log]\nclass = 'FileHandler'\nfilename = '{log}'\n\
         [root]\nlevel = 'INFO'\nhandlers = ['log']\n"
    )
}

fn frame(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

/// Sends these bytes; the answer.
fn answer(mut stream: impl Read + Write, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn by_socket(place: &Place) -> UnixStream {
    UnixStream::connect(place.path("config.sock")).unwrap()
}

fn listen_at_socket(place: &Place) -> Listener {
    place.listen(&["--config-socket", "config.sock"])
}

fn logs(place: &Place) -> Vec<String> {
    let logs = place.status().logs.into_iter();
    logs.map(|log| log.rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn all_forms_are_taken_and_answered() {
    let place = Place::new();
    let listener = listen_at_socket(&place);
    let mode = fs::metadata(place.path("config.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (text, log) in [(json("j.log"), "j.log"), (ini("i.log"), "i.log"), (toml("t.log"), "t.log")]
    {
        assert_eq!(answer(by_socket(&place), &frame(&text)), "ok\n");
        // The log of the flag stays.
        assert_eq!(logs(&place), ["app.log", log]);
        assert!(place.run(&["log", log]).status.success());
    }
    let source = place.status().config.source.unwrap();
    assert_eq!(source, format!("configuration from process {}", std::process::id()));
    listener.stop();
    for log in ["j.log", "i.log", "t.log"] {
        assert_eq!(lines_of(&place.path(log)).last().unwrap(), log);
    }
    assert!(!place.path("config.sock").exists());
}

#[test]
fn what_is_no_configuration_is_told_so_and_changes_nothing() {
    let place = Place::new();
    let listener = listen_at_socket(&place);
    let loud = json("j.log").replace("INFO", "LOUD");
    let said = answer(by_socket(&place), &frame(&loud));
    let line = format!(
        "error: configuration from process {}:2: root.level: found \"LOUD\", expected ",
        std::process::id()
    );
    assert!(said.starts_with(&line) && said.lines().count() == 1, "{said}");
    assert_eq!(place.status().config.refusal.unwrap().reason, said["error: ".len()..].trim_end());
    let factory = json("j.log").replace("\"filename\"", "\"()\": \"os.system\", \"filename\"");
    let said = answer(by_socket(&place), &frame(&factory));
    assert!(said.contains("factories are not called"), "{said}");
    let said = answer(by_socket(&place), &u32::MAX.to_be_bytes());
    assert_eq!(said, "error: it has 4294967295 bytes, expected at most 1048576\n");
    let half = by_socket(&place);
    half.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer_of(half), "error: it ended before its length\n");
    // Silent ones hold a place each, for some seconds.
    let silent: Vec<_> = (0..8).map(|_| by_socket(&place)).collect();
    wait_until("the limit", || {
        answer_of(by_socket(&place)) == "error: too many configurations at once, try again\n"
    });
    for silent in silent {
        assert_eq!(answer_of(silent), "error: it was not there within 5 s\n");
    }
    assert_eq!(answer(by_socket(&place), &frame(&json("j.log"))), "ok\n");
    listener.stop();
}

fn answer_of(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_socket_of_a_killed_listener_is_replaced_and_no_other_file() {
    let place = Place::new();
    let mut listener = listen_at_socket(&place);
    let other = ["listen", "--queue-dir", "o", "--log", "o.log", "--config-socket", "config.sock"];
    assert_eq!(place.run(&other).status.code(), Some(74), "in use");
    listener.process.signal(Signal::SIGKILL);
    listener.process.wait();
    let listener = listen_at_socket(&place);
    assert_eq!(answer(by_socket(&place), &frame(&json("j.log"))), "ok\n");
    listener.stop();
    fs::write(place.path("config.sock"), "a file").unwrap();
    assert_eq!(place.run(&other).status.code(), Some(74), "a file");
    assert_eq!(fs::read_to_string(place.path("config.sock")).unwrap(), "a file");
}

fn write_secret(place: &Place, mode: u32) {
    fs::write(place.path("secret"), format!("{SECRET}\n")).unwrap();
    fs::set_permissions(place.path("secret"), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_script_of_the_cookbook_configures_over_loopback_with_the_secret() {
    let place = Place::new();
    write_secret(&place, 0o600);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let listener = place.listen(&["--config-tcp", &address, "--config-secret-file", "secret"]);
    let connect = || TcpStream::connect(&address).unwrap();
    for wrong in [json("j.log"), SECRET[1..].to_owned() + &json("j.log"), String::new()] {
        let said = answer(connect(), &frame(&wrong));
        assert_eq!(said, "error: it does not begin with the secret\n");
    }
    assert_eq!(logs(&place), ["app.log"]);
    let refusal = place.status().config.refusal.unwrap();
    assert_eq!(refusal.reason, "it does not begin with the secret");
    assert_eq!(answer(connect(), &frame(&(SECRET.to_owned() + &json("j.log")))), "ok\n");
    assert_eq!(logs(&place), ["app.log", "j.log"]);
    // It does not wait for an answer.
    fs::write(place.path("new.ini"), SECRET.to_owned() + &ini("i.log")).unwrap();
    let python = Command::new("python3")
        .args(["-c", COOKBOOK])
        .arg(place.path("new.ini"))
        .arg(port.to_string())
        .stdout(Stdio::piped())
        .output();
    match python {
        Ok(sent) => {
            assert!(sent.status.success(), "{sent:?}");
            wait_until("the configuration", || logs(&place) == ["app.log", "i.log"]);
        }
        Err(_) => println!("skipped: there is no python3"),
    }
    listener.stop();
}

#[test]
fn an_address_that_others_reach_and_a_secret_that_others_know_are_refused() {
    let place = Place::new();
    write_secret(&place, 0o600);
    let ended = |address: &str| {
        let args = ["--config-tcp", address, "--config-secret-file", "secret"];
        let ended = place.run(&[&["listen", "--log", "app.log"], &args[..]].concat());
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    let (code, said) = ended("0.0.0.0:0");
    assert!(code == Some(78) && said.contains("0.0.0.0:0 is no loopback address"), "{said}");
    write_secret(&place, 0o644);
    let (code, said) = ended("127.0.0.1:0");
    assert!(code == Some(78) && said.contains("(chmod 600)"), "{said}");
    let without = place.run(&["listen", "--config-tcp", "127.0.0.1:0"]);
    assert_eq!(without.status.code(), Some(2));
}

#[test]
fn another_user_is_refused_at_the_socket() {
    let place = Place::new();
    let listener = listen_at_socket(&place);
    // Let in by mistake, by the rights of files.
    for (path, mode) in [(".", 0o755), ("config.sock", 0o666)] {
        fs::set_permissions(place.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let script = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('config.sock'); print(s.recv(99))";
    let mut python = Command::new("python3");
    python.args(["-c", script]).current_dir(place.directory.path());
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    unprivileged(&mut python);
    let said = python.output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(text.contains("from this user and from root only"), "{said:?}");
    listener.stop();
}

#[test]
fn run_hands_the_sockets_to_its_listener() {
    let place = Place::new();
    let mut command = place.logboom(&["run", "-q", "--log", "app.log"]);
    command.args(["--config-socket", "config.sock", "-c", "w=sleep 1000"]);
    let mut run = support::Process(command.spawn().unwrap());
    wait_until("the socket", || UnixStream::connect(place.path("config.sock")).is_ok());
    assert_eq!(answer(by_socket(&place), &frame(&json("j.log"))), "ok\n");
    assert_eq!(logs(&place), ["app.log", "j.log"]);
    run.signal(Signal::SIGTERM);
    assert_eq!(run.wait(), 0);
}
