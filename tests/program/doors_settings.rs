//! Which doors there are, by flags and configuration, and who may use them; what stands in their way.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::sys::signal::Signal;
use support::{Place, Process, unprivileged, wait_until};

const PATTERN: &str = "%(name)s %(levelname)s %(message)s%(fields)s";

fn stream(place: &Place, socket: &str) -> UnixStream {
    UnixStream::connect(place.path(socket)).unwrap()
}

#[test]
fn a_socket_of_a_killed_listener_is_taken_over_and_nothing_else() {
    let place = Place::new();
    let doors = ["--json-socket=j", "--syslog-socket=s"];
    let mut listener = place.listen(&doors);
    for socket in ["j", "s"] {
        let mode = fs::metadata(place.path(socket)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let other = |door: &str| {
        let output = place.run(&["listen", "--queue-dir=o", "--log=o.log", door]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for door in doors {
        let (code, said) = other(door);
        assert!(code == Some(74) && said.contains("cannot open the door `"), "{said}");
    }
    listener.process.signal(Signal::SIGKILL);
    listener.process.wait();
    fs::write(place.path("file"), "foreign").unwrap();
    for door in ["--json-socket=file", "--syslog-socket=file"] {
        assert_eq!(other(door).0, Some(74));
    }
    assert_eq!(fs::read_to_string(place.path("file")).unwrap(), "foreign");
    let listener = place.listen(&doors);
    stream(&place, "j").write_all(b"{\"msg\":\"again\"}").unwrap();
    place.wait_for_records("json", 1);
    // What others have put there meanwhile stays.
    fs::remove_file(place.path("j")).unwrap();
    fs::write(place.path("j"), "foreign").unwrap();
    listener.stop();
    assert_eq!(fs::read_to_string(place.path("j")).unwrap(), "foreign");
}

#[test]
fn another_user_is_refused_unless_the_rights_let_him_send() {
    const SCRIPT: &str = "
import socket
stream = socket.socket(socket.AF_UNIX)
stream.connect('j')
stream.sendall(b'{\"msg\": \"stream\"}\\n')
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'<13>datagram', 's')
print(stream.recv(1) if stream.fileno() and %s else '')
";
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    let send = |waits: &str| {
        let mut client = Command::new("python3");
        client.args(["-c", &SCRIPT.replace("%s", waits)]).current_dir(place.directory.path());
        unprivileged(&mut client);
        client.output().unwrap()
    };
    let doors = ["--json-socket=j", "--syslog-socket=s", "--format", "%(message)s%(context)s"];
    let listener = place.listen(&doors);
    assert!(!send("False").status.success(), "the rights of the file");
    // Let in by mistake, by these rights.
    for socket in ["j", "s"] {
        fs::set_permissions(place.path(socket), fs::Permissions::from_mode(0o666)).unwrap();
    }
    let sent = send("True");
    // Closed, or refused while it was sending.
    assert!(!sent.stdout.starts_with(b"b'{"), "{sent:?}");
    place.wait_for_refused("json", "another user", 1);
    listener.stop();
    assert_eq!(place.lines(), [""; 0]);
    let listener = place.listen(&[&doors[..], &["--door-mode=666"]].concat());
    assert!(send("False").status.success());
    place.wait_for_records("json", 1);
    place.wait_for_records("syslog", 1);
    listener.stop();
    for line in place.lines() {
        assert!(line.ends_with(" peer_uid=65534"), "{line}");
    }
}

#[test]
fn addresses_that_others_reach_are_refused_with_the_reason() {
    let place = Place::new();
    for door in ["python-tcp", "python-udp", "json-tcp", "json-udp", "syslog-udp", "wire-tcp"] {
        let output = place.run(&["listen", "--log=app.log", &format!("--{door}=0.0.0.0:0")]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("0.0.0.0:0 is no loopback address, use 127.0.0.1"), "{said}");
    }
    let run = place.run(&["run", "--python-tcp=0.0.0.0:0", "--", "true"]);
    assert_eq!(run.status.code(), Some(78));
}

#[test]
fn what_stands_in_the_way_of_a_door_is_said_in_one_line() {
    let place = Place::new();
    fs::write(place.path("file"), "").unwrap();
    let long = "x".repeat(108);
    for (doors, code, reason) in [
        (["--json-socket=file", "--wire-socket=s"], 74, "something else than a socket is there: "),
        (
            ["--syslog-socket=s", "--json-datagram=file"],
            74,
            "something else than a socket is there",
        ),
        (["--json-socket=s", "--wire-socket=s"], 74, "`wire socket s`: a process serves this "),
        (["--json-socket=s", "--json-datagram=s"], 74, "`json datagram s`: a process serves this"),
        (["--json-socket=none/s", "--wire-socket=s"], 74, "its directory is not there: make it"),
        (["--json-socket=s", &format!("--wire-socket={long}")], 78, "has at most 107 bytes"),
        (["--json-socket=s", &format!("--logboom-socket={long}")], 78, "has at most 107 bytes"),
    ] {
        let output = place.run(&["listen", "--log=app.log", doors[0], doors[1]]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && said.contains(reason), "{doors:?}: {said}");
        assert_eq!((said.lines().count(), place.path("s").exists()), (1, false), "{said}");
    }
}

#[test]
fn a_configuration_has_doors_which_a_reload_does_not_change() {
    let place = Place::new();
    let config = |logger: &str| {
        format!(
            "version = 1\n[listener.doors.app]\nkind = 'json'\nsocket = 'j'\nlogger = '{logger}'\n\
             mode = '660'\nmax_frame_bytes = 100\n"
        )
    };
    fs::write(place.path("c.toml"), config("billing")).unwrap();
    let listener = place.listen(&["--format", PATTERN, "--config", "c.toml"]);
    let mode = fs::metadata(place.path("j")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    stream(&place, "j").write_all(b"{\"msg\":\"hi\"}\n").unwrap();
    stream(&place, "j").write_all(&[b'x'; 101]).unwrap();
    place.wait_for_refused("json", "longer than 100 bytes", 1);
    fs::write(place.path("c.toml"), "version = 1\n").unwrap();
    assert!(place.run(&["ctl", "config", "push", "c.toml"]).status.success());
    fs::write(place.path("c.toml"), config("other")).unwrap();
    let refused = place.run(&["ctl", "config", "push", "c.toml"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(
        said.contains("c.toml:2: listener.doors: a running listener keeps its doors"),
        "{said}"
    );
    stream(&place, "j").write_all(b"{\"msg\":\"still\"}\n").unwrap();
    place.wait_for_records("json", 2);
    listener.stop();
    assert_eq!(place.lines(), ["billing INFO hi", "billing INFO still"]);
    for (door, reason) in [
        ("kind = 'json'", "2: listener.doors.a: expected one of socket, datagram, tcp, udp"),
        (
            "kind = 'xml'\nsocket = 'j'",
            "3: listener.doors.a.kind: found \"xml\", expected python, ",
        ),
        (
            "kind = 'logboom'\nudp = '127.0.0.1:1'",
            "2: listener.doors.a: expected one of socket, tcp",
        ),
        ("kind = 'logboom'\ntcp = '0.0.0.0:1'", "2: listener.doors.a: records are taken from this"),
        (
            "kind = 'logboom'\nsocket = 'j'\nmode = '666'",
            "5: listener.doors.a.mode: unknown key, expected one of kind, socket, tcp",
        ),
        ("kind = 'json'\ntcp = '0.0.0.0:1'", "2: listener.doors.a: records are taken from this"),
        ("kind = 'syslog'\ntcp = '127.0.0.1:1'", "use udp"),
        ("kind = 'json'\nsocket = 'j'\nmode = '888'", "listener.doors.a.mode: found \"888\""),
        ("kind = 'json'\nsocket = 'j'\nmax_rate = 0", "listener.doors.a.max_rate: found 0"),
    ] {
        fs::write(place.path("bad.toml"), format!("version = 1\n[listener.doors.a]\n{door}\n"))
            .unwrap();
        let output = place.run(&["config", "check", "bad.toml"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(78) && said.contains(reason), "{said}");
    }
    let shown = place.run(&["config", "show", "c.toml"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("listener.doors.app.logger = \"other\"  # c.toml:5\n"), "{shown}");
}

#[test]
fn run_hands_doors_to_its_listener() {
    let place = Place::new();
    let mut command = place.logboom(&["run", "-q", "--log", "app.log", "--format", PATTERN]);
    command.args(["--json-socket=j", "--door-logger=l", "-c", "w=sleep 1000"]);
    let mut run = Process(command.spawn().unwrap());
    wait_until("the socket", || UnixStream::connect(place.path("j")).is_ok());
    stream(&place, "j").write_all(b"{\"msg\":\"hi\"}\n").unwrap();
    place.wait_for_records("json", 1);
    run.signal(Signal::SIGTERM);
    assert_eq!(run.wait(), 0);
    assert!(place.lines().contains(&"l INFO hi".to_owned()), "{:?}", place.lines());
}
