//! One record, several destinations in forms of their own: a text file, JSON lines, logfmt, and
//! what the syslog daemon of this host would get.
//!
//! `cargo run --example multiple_destinations --features listener`

use std::error::Error;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use logboom::formatter::{JsonFormatter, LogfmtFormatter, PatternFormatter};
use logboom::handler::{
    Facility, FileHandler, RotatingFileHandler, SyslogAddress, SyslogFormat, SyslogHandler,
};
use logboom::{QueueDir, QueueListener};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let queue = QueueDir::at(at("queue"))?;
    let daemon = UnixDatagram::bind(at("syslog"))?;
    daemon.set_read_timeout(Some(Duration::from_secs(60)))?;
    let syslog = SyslogHandler::builder(SyslogAddress::Path(at("syslog")))
        .format(SyslogFormat::Rfc5424)
        .facility(Facility::DAEMON)
        .app_name("ships")
        .open(PatternFormatter::new("%(message)s")?)?;
    let text = PatternFormatter::new("%(levelname)-8s %(name)s %(message)s%(fields)s")?;
    let listener = QueueListener::builder(queue.clone())
        .file(RotatingFileHandler::builder(at("app.log")).open(text)?)
        .file(RotatingFileHandler::builder(at("app.json")).open(JsonFormatter::new())?)
        .handler("logfmt", FileHandler::builder(at("app.fmt")).open(LogfmtFormatter::new())?)
        .handler("syslog", syslog)
        .bind()?
        .spawn()?;

    let guard = logboom::builder().queue(queue).init()?;
    log::warn!(target: "harbour", depth = 3, ship = "Sea Cloud"; "it is shallow");
    drop(guard);
    listener.stop()?;

    let read = |name: &str| fs::read_to_string(at(name));
    let text = read("app.log")?;
    assert_eq!(text, "WARNING  harbour it is shallow depth=3 ship=\"Sea Cloud\"\n");
    let json = read("app.json")?;
    assert!(json.contains(r#""fields":{"depth":3,"ship":"Sea Cloud"}"#), "{json}");
    let logfmt = read("app.fmt")?;
    assert!(
        logfmt.contains(r#" level=WARNING logger=harbour message="it is shallow" "#),
        "{logfmt}"
    );
    let mut datagram = [0; 2048];
    let length = daemon.recv(&mut datagram)?;
    let sent = std::str::from_utf8(&datagram[..length])?;
    assert!(sent.starts_with("<28>1 ") && sent.ends_with("] it is shallow"), "{sent}");
    assert!(sent.contains(r#" depth="3" ship="Sea Cloud""#), "{sent}");
    println!("{text}{json}{logfmt}{sent}");
    Ok(())
}
