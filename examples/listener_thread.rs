//! A program that needs no process for its listener: it runs on a thread, and the program logs into
//! the same file as the two workers that it starts.
//!
//! `cargo run --example listener_thread --features listener`

use std::error::Error;
use std::process::Command;
use std::{env, fs, io};

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Level, QueueDir, QueueListener};

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1) {
        Some(part) => worker(&part),
        None => parent(),
    }
}

fn worker(part: &str) -> Result<(), Box<dyn Error>> {
    let _guard = logboom::init()?;
    log::info!(part, bytes = 512; "done");
    Ok(())
}

fn parent() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("app.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;

    let pattern = PatternFormatter::new("%(processName)s: %(message)s%(fields)s")?;
    let file = RotatingFileHandler::builder(&log).max_bytes(10_000_000).backup_count(5);
    let listener = QueueListener::builder(queue.clone())
        .file(file.open(pattern)?)
        .level("root", Level::INFO)
        .bind()?
        .spawn()?;

    let guard = logboom::builder().queue(queue.clone()).name("parent").init()?;
    log::info!(workers = 2; "starting");
    let start = |part: &str| {
        let mut worker = Command::new(env::current_exe()?);
        worker.arg(part).env("LOGBOOM_QUEUE", queue.path()).env("LOGBOOM_WORKER", part).spawn()
    };
    let workers = [start("left"), start("right")];
    let ended = workers.map(|worker| worker?.wait()).into_iter().collect::<io::Result<Vec<_>>>();
    log::info!("all have ended");
    drop(guard);

    let report = listener.stop()?;
    assert!(ended?.iter().all(|code| code.success()));
    let text = fs::read_to_string(&log)?;
    let mut lines: Vec<_> = text.lines().collect();
    // Records of several processes may be in any order when they are made at about the same time.
    lines.sort();
    let expected = [
        "left: done part=left bytes=512",
        "parent: all have ended",
        "parent: starting workers=2",
        "right: done part=right bytes=512",
    ];
    assert_eq!(lines, expected);
    println!("{text}{report}");
    Ok(())
}
