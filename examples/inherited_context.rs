//! Context that crosses processes: the fields of a run go with each record of the parent and of the
//! child it starts; the request that the child works for goes with the records of the child.
//!
//! `cargo run --example inherited_context --features listener`

use std::error::Error;
use std::process::Command;
use std::{env, fs};

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Context, Level, QueueDir, QueueListener, Value};

fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("resize") => resize(),
        _ => serve(),
    }
}

/// The child knows nothing of requests.
fn resize() -> Result<(), Box<dyn Error>> {
    let _guard = logboom::init()?;
    log::info!(width = 640; "resized");
    Ok(())
}

fn serve() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("app.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let pattern = "%(processName)s: %(message)s%(fields)s |%(context)s";
    let file = RotatingFileHandler::builder(&path).open(PatternFormatter::new(pattern)?)?;
    let listener = QueueListener::builder(queue.clone())
        .file(file)
        .level("root", Level::INFO)
        .bind()?
        .spawn()?;

    // `logboom run` makes a run_id by itself.
    let run = Context::new([("run_id", Value::from("5f3a")), ("build", 17.into())]);
    let guard = logboom::builder().queue(queue).name("server").context(&run).init()?;
    log::info!("ready");
    {
        let _request = Context::new([("request", 7), ("port", 8000)]).enter();
        log::info!("accepted");
        let mut child = Command::new(env::current_exe()?);
        child.arg("resize");
        logboom::inherit(&mut child, "resize", &["request"]);
        assert!(child.status()?.success());
    }
    log::info!("idle");
    drop(guard);
    listener.stop()?;

    let text = fs::read_to_string(&path)?;
    let expected = "\
server: ready | run_id=5f3a build=17
server: accepted request=7 port=8000 | run_id=5f3a build=17
resize: resized width=640 | run_id=5f3a build=17 request=7
server: idle | run_id=5f3a build=17
";
    assert_eq!(text, expected);
    print!("{text}");
    Ok(())
}
