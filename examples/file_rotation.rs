//! A log that stays small: "Using file rotation" of Python's logging cookbook. When a file would
//! grow to twenty bytes it becomes the first backup, and of backups five are kept.
//!
//! `cargo run --example file_rotation --features listener`

use std::error::Error;
use std::fs;

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{QueueDir, QueueListener};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let logs = directory.path().join("logs");
    let file = RotatingFileHandler::builder(logs.join("rotating_file.out"))
        .max_bytes(20)
        .backup_count(5)
        .open(PatternFormatter::new("%(message)s")?)?;
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let listener = QueueListener::builder(queue.clone()).file(file).bind()?.spawn()?;

    let guard = logboom::builder().queue(queue).default_filter("debug").init()?;
    for i in 0..20 {
        log::debug!("i = {i}");
    }
    drop(guard);
    listener.stop()?;

    let mut names = fs::read_dir(&logs)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    names.sort();
    println!("{}", names.join("\n"));
    let backups = (1..=5).map(|number| format!("rotating_file.out.{number}"));
    assert!(names.into_iter().eq(["rotating_file.out".to_owned()].into_iter().chain(backups)));
    assert_eq!(fs::read_to_string(logs.join("rotating_file.out"))?, "i = 19\n");
    assert_eq!(fs::read_to_string(logs.join("rotating_file.out.5"))?, "i = 9\ni = 10\n");
    Ok(())
}
