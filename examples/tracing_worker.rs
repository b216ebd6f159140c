//! A worker that uses `tracing`: each event becomes a record with its typed fields and the spans
//! around it, here printed as a line of JSON. The listener runs on a thread, to keep the example
//! in one process.
//!
//! `cargo run --example tracing_worker --features listener,tracing`

use std::error::Error;
use std::{fs, thread};

use logboom::formatter::JsonFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{Level, QueueDir, QueueListener};
use serde_json::json;
use tracing::{info, info_span, warn};
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("app.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let file = RotatingFileHandler::builder(&log).open(JsonFormatter::new())?;
    let listener =
        QueueListener::builder(queue.clone()).file(file).level("root", Level::INFO).bind()?;
    let stop = listener.stop_handle();
    let listening = thread::spawn(move || listener.run());

    let (layer, guard) = logboom::builder().queue(queue).layer()?;
    tracing_subscriber::registry().with(layer).init();
    serve();
    drop(guard);

    stop.request();
    listening.join().map_err(|_| "the listener panicked")??;
    let text = fs::read_to_string(&log)?;
    check(&text)?;
    print!("{text}");
    Ok(())
}

fn serve() {
    let _request = info_span!("request", id = 7, method = "GET").entered();
    info!("accepted");
    let _query = info_span!("query", table = "boats").entered();
    warn!(rows = 3, seconds = 1.5, cached = false, "slow");
}

fn check(text: &str) -> Result<(), Box<dyn Error>> {
    let lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<_>, _>>()?;
    let [accepted, slow]: [serde_json::Value; 2] = lines.try_into().map_err(|_| "not two lines")?;
    let request = json!({"name": "request", "fields": {"id": 7, "method": "GET"}});
    assert_eq!(accepted["message"], "accepted");
    assert_eq!(accepted["spans"], json!([request]));
    assert_eq!((&slow["level"], &slow["message"]), (&json!("WARNING"), &json!("slow")));
    assert_eq!(slow["fields"], json!({"rows": 3, "seconds": 1.5, "cached": false}));
    let query = json!({"name": "query", "fields": {"table": "boats"}});
    assert_eq!(slow["spans"], json!([request, query]), "not from root to leaf");
    Ok(())
}
