//! A program whose logging is changed while it runs, as by the configuration server of Python's logging
//! cookbook: a configuration is sent with its length before it, and answered.
//!
//! `cargo run --example configuration_server --features config`

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use logboom::config::{Config, ConfigServer, Form};
use logboom::{Certainty, DEFAULT_DRAIN_TIMEOUT, QueueDir, QueueListener};

const CONFIG: &str = r#"{"version": 1,
    "formatters": {"short": {"format": "%(levelname)s %(message)s"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "FILE", "formatter": "short"}},
    "root": {"level": "LEVEL", "handlers": ["file"]}}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let at = |name: &str| directory.path().join(name);
    let config = |file: &str, level: &str| {
        let file = at(file).display().to_string();
        CONFIG.replace("FILE", &file).replace("LEVEL", level)
    };

    let initial = Config::parse(&config("first.log", "DEBUG"), Form::Json, "the initial one")?;
    let queue = QueueDir::at(at("queue"))?;
    let listener = QueueListener::builder(queue.clone()).config(&initial)?.bind()?;
    let socket = at("config.sock");
    let server = ConfigServer::unix(&socket, listener.reloader())?;
    let listener = listener.spawn()?;

    let guard = logboom::builder().queue(queue).init()?;
    let log = || {
        log::debug!("debug message");
        log::error!("error message");
        // So that they go by the configuration of now.
        assert!(guard.flush(Certainty::Written, DEFAULT_DRAIN_TIMEOUT).is_complete());
    };
    log();
    assert_eq!(send(&socket, &config("second.log", "ERROR"))?, "ok\n");
    log();
    // What cannot be used changes nothing.
    let refusal = send(&socket, &config("third.log", "LOUD"))?;
    assert!(refusal.starts_with("error: ") && refusal.contains("found \"LOUD\""), "{refusal}");
    log();

    drop((guard, server));
    println!("{}", listener.stop()?);
    let lines = |name: &str| -> io::Result<Vec<String>> {
        let text = fs::read_to_string(at(name))?;
        // Without what the listener says: that not all records are in this log.
        let own = text.lines().filter(|line| line.ends_with(" message"));
        Ok(own.map(str::to_owned).collect())
    };
    assert_eq!(lines("first.log")?, ["DEBUG debug message", "ERROR error message"]);
    assert_eq!(lines("second.log")?, ["ERROR error message", "ERROR error message"]);
    assert!(!at("third.log").exists());
    print!("{refusal}");
    Ok(())
}

/// Sends a configuration as the script of the cookbook does; the answer.
fn send(socket: &Path, config: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(&u32::try_from(config.len()).map_err(io::Error::other)?.to_be_bytes())?;
    stream.write_all(config.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
