//! One log of several listeners: each sends its records to a central one, which acknowledges what is
//! written. They may be started in any order, and each may be started anew.
//!
//! `cargo run --example socket_handler --features listener`

use std::error::Error;
use std::fs;

use logboom::formatter::PatternFormatter;
use logboom::handler::{RotatingFileHandler, SocketAddress, SocketHandler};
use logboom::{QueueDir, QueueListener};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name);
    let address = SocketAddress::Path(path("central.sock"));

    // The listener of some workers. In a configuration: class = "logboom.SocketHandler".
    let handler = SocketHandler::builder(address.clone()).max_bytes(1 << 20).start()?;
    let queue = QueueDir::at(path("app"))?;
    let listener =
        QueueListener::builder(queue.clone()).handler("central", handler).bind()?.spawn()?;
    let guard = logboom::builder().queue(queue).name("worker").init()?;
    log::info!("before there was a central log");

    // `logboom listen --log central.log --logboom-socket central.sock` is the same.
    let log = path("central.log");
    let pattern = PatternFormatter::new("%(processName)s %(seq)s: %(message)s")?;
    let central = QueueListener::builder(QueueDir::at(path("central"))?)
        .file(RotatingFileHandler::builder(&log).open(pattern)?)
        .socket(address)
        .bind()?
        .spawn()?;
    log::info!("and now that there is one");
    drop(guard);

    // Returns when all is acknowledged, or the time for that is over.
    listener.stop()?;
    let report = central.stop()?;
    let text = fs::read_to_string(&log)?;
    assert_eq!(
        text,
        "worker 0: before there was a central log\nworker 1: and now that there is one\n"
    );
    println!("{text}{report}");
    Ok(())
}
