//! What a syslog daemon receives, over both kinds of socket, and beside `logger(1)`.
#![allow(clippy::unwrap_used)]

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use logboom::formatter::{Multiline, PatternFormatter};
use logboom::handler::{Facility, Handler, SyslogAddress, SyslogFormat, SyslogHandler};
use logboom::{Field, Level, Record, Value};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that listens at a path.
struct Daemon {
    directory: TempDir,
    socket: UnixDatagram,
}

impl Daemon {
    fn start() -> Daemon {
        let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("log")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Daemon { directory, socket }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn address(&self) -> SyslogAddress {
        SyslogAddress::Path(self.path().join("log"))
    }

    fn receive(&self) -> String {
        let mut buffer = vec![0; 1 << 16];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }
}

fn message() -> PatternFormatter {
    PatternFormatter::new("%(message)s").unwrap().multiline(Multiline::Escape)
}

fn record(text: &str) -> Record<'_> {
    let mut record = Record::new(1_795_322_903_123_456_789, Level::WARNING, "web", text);
    let process = record.process.to_mut();
    (process.name, process.program, process.id) = ("api-1".into(), "api".into(), 4711);
    record.fields.push(Field { key: "user".into(), value: Value::U64(7) });
    record
}

/// What follows the time, which is local.
fn after_time(text: &str) -> &str {
    text.split_once('>').and_then(|(_, rest)| rest.get("Nov 22 04:48:23".len()..)).unwrap()
}

#[test]
fn each_record_is_one_datagram() {
    let daemon = Daemon::start();
    let builder = SyslogHandler::builder(daemon.address()).facility(Facility::LOCAL0);
    let mut handler = builder.open(message()).unwrap();
    handler.handle(&record("two\nlines")).unwrap();
    handler.handle(&record(&"é".repeat(2000))).unwrap();
    let first = daemon.receive();
    assert!(first.starts_with("<132>Nov 2"), "{first}");
    assert_eq!(after_time(&first), " api[4711]: two\\nlines");
    let second = daemon.receive();
    assert!(second.ends_with("éé") && (2047..=2048).contains(&second.len()), "{}", second.len());
}

#[test]
fn udp_carries_the_form_of_rfc_5424() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = SyslogAddress::Udp(daemon.local_addr().unwrap());
    let mut handler = SyslogHandler::builder(address).open(message()).unwrap();
    handler.handle(&record("served")).unwrap();
    let mut buffer = [0; 2048];
    let length = daemon.recv(&mut buffer).unwrap();
    let text = std::str::from_utf8(&buffer[..length]).unwrap();
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let expected = format!(
        "<12>1 2026-11-22T04:48:23.123456Z {host} api 4711 - \
         [fields@32473 logger=\"web\" worker=\"api-1\" user=\"7\"] served"
    );
    assert_eq!(text, expected);
}

#[test]
fn logger_writes_the_same_but_for_the_time() {
    let daemon = Daemon::start();
    for (format, option) in
        [(SyslogFormat::Rfc3164, "--rfc3164"), (SyslogFormat::Rfc5424, "--rfc5424=notq")]
    {
        let sent = Command::new("logger")
            .args(["--priority", "local0.warning", "--tag", "api", "--id=4711", option, "--socket"])
            .arg(daemon.path().join("log"))
            .args(["--", "served"])
            .status()
            .expect("logger(1) is part of every Debian");
        assert!(sent.success());
        let of_logger = daemon.receive();
        let builder = SyslogHandler::builder(daemon.address()).format(format);
        let mut handler = builder.facility(Facility::LOCAL0).open(message()).unwrap();
        let mut record = record("served");
        record.fields.clear();
        handler.handle(&record).unwrap();
        let of_ours = daemon.receive();
        let shape = |text: &str| shape(text, format);
        assert_eq!(shape(&of_ours), shape(&of_logger), "{of_ours} {of_logger}");
    }
}

/// The message without what differs: the time, the host's name, and our structured data.
fn shape(text: &str, format: SyslogFormat) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    match format {
        SyslogFormat::Rfc3164 => {
            let priority = text.split_once('>').unwrap().0;
            let tag = words.iter().position(|word| word.starts_with("api[")).unwrap();
            format!("{priority} {}", words[tag..].join(" "))
        }
        SyslogFormat::Rfc5424 => {
            assert!(words[1].starts_with("20") && words[1].contains("T"), "{text}");
            format!("{} {}", words[0], [&words[3..6], &words[words.len() - 1..]].concat().join(" "))
        }
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_advice() {
    let builder = SyslogHandler::builder(SyslogAddress::local());
    let refusal = |refused: Result<SyslogHandler, _>| match refused {
        Ok(_) => panic!("it is taken"),
        Err(error) => logboom::handler::HandlerError::to_string(&error),
    };
    let too_short = refusal(builder.clone().max_bytes(479).open(message()));
    assert_eq!(too_short, "a message of 479 bytes: use 480 to 65507");
    let unnamed = refusal(builder.sd_id("a]b").open(message()));
    assert!(unnamed.starts_with("`a]b` cannot name structured data"), "{unnamed}");
}
