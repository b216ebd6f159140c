//! Supervisor, listener and ten workers, all processes of this one program, and one rotated file:
//! "Logging to a single file from multiple processes" of Python's logging cookbook.
//!
//! `cargo run --example hello_workers --features listener`

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, process, thread};

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Level, QueueDir, QueueListener, control};

const PATTERN: &str = "%(asctime)s %(processName)-10s %(name)s %(levelname)-8s %(message)s";
const LEVELS: [Level; 5] =
    [Level::DEBUG, Level::INFO, Level::WARNING, Level::ERROR, Level::CRITICAL];
const LOGGERS: [&str; 2] = ["a.b.c", "d.e.f"];

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("listener") => listener(),
        Some("worker") => worker(),
        _ => supervisor(),
    }
}

fn listener() -> Result<(), Box<dyn Error>> {
    let file = RotatingFileHandler::builder("logs/mptest.log").max_bytes(2000).backup_count(10);
    let listener = QueueListener::builder(QueueDir::from_env()?.ok_or("no queue")?)
        .file(file.open(PatternFormatter::new(PATTERN)?)?)
        .level("root", Level::DEBUG)
        .own_process()
        .bind()?;
    println!("workers may attach");
    listener.run()?;
    Ok(())
}

fn worker() -> Result<(), Box<dyn Error>> {
    let _guard = logboom::init()?;
    for number in 0..10 {
        let chance = process::id() as usize + number;
        thread::sleep(Duration::from_millis(chance as u64 % 7));
        let (level, logger) = (LEVELS[chance % 5], LOGGERS[chance % 2]);
        logboom::log(level, logger, format_args!("Random message #{}", 1 + chance % 3));
    }
    Ok(())
}

fn supervisor() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let program = env::current_exe()?;
    let start = |role: &str, name: &str| {
        let mut command = Command::new(&program);
        command.arg(role).env("LOGBOOM_QUEUE", queue.path()).env("LOGBOOM_WORKER", name);
        command.current_dir(&directory).stdout(Stdio::piped()).spawn()
    };
    let mut listener = start("listener", "listener")?;
    // Workers find the listener only once it has the queue, which is when it prints its line.
    BufReader::new(listener.stdout.as_mut().ok_or("no pipe")?).read_line(&mut String::new())?;
    let workers: Vec<_> = (1..=10).map(|n| start("worker", &format!("Worker-{n}"))).collect();
    for worker in workers {
        assert!(worker?.wait()?.success());
    }
    let report = control::stop(&queue, Duration::from_secs(10))?;
    assert!(listener.wait()?.success());
    let logs = fs::read_dir(directory.path().join("logs"))?;
    let files = logs.map(|file| fs::read_to_string(file?.path())).collect::<Result<Vec<_>, _>>()?;
    let lines: Vec<_> = files.iter().flat_map(|file| file.lines()).collect();
    for n in 1..=10 {
        let worker = format!(" Worker-{n} ");
        assert_eq!(lines.iter().filter(|line| line.contains(&worker)).count(), 10, "{worker}");
    }
    assert!(lines.len() == 100 && files.len() > 1, "{} in {}", lines.len(), files.len());
    println!("{report}; 10 lines of each of 10 workers in {} files", files.len());
    Ok(())
}
