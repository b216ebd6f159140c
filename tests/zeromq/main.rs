//! ZeroMQ: handler and source between listeners here, and between them and the recipes of Python's
//! logging cookbook.

#![allow(clippy::unwrap_used)]

mod attacked;
mod of_pyzmq;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use logboom::control::{self, DoorStatus};
use logboom::formatter::{JsonFormatter, LogRecordFormatter};
use logboom::handler::{Handler, RotatingFileHandler};
use logboom::zeromq::{Endpoint, ZeromqHandler, ZeromqSource};
use logboom::{Level, ListenerThread, QueueDir, QueueListener, Record};
use serde_json::Value as Json;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const PROBE: &str = "probe";

/// A listener with one source, whose log is JSON.
struct Place {
    directory: TempDir,
    queue: QueueDir,
    thread: Option<ListenerThread>,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        let queue = QueueDir::at(directory.path().join("q")).unwrap();
        Place { directory, queue, thread: None }
    }

    fn ipc(&self) -> String {
        format!("ipc://{}", self.directory.path().join("z.sock").display())
    }

    fn listen(&mut self, source: ZeromqSource) {
        let file = RotatingFileHandler::builder(self.log()).open(JsonFormatter::new()).unwrap();
        let builder = QueueListener::builder(self.queue.clone()).file(file).source(source);
        self.thread = Some(builder.bind().unwrap().spawn().unwrap());
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("app.log")
    }

    fn door(&self) -> DoorStatus {
        control::status(&self.queue).unwrap().doors.remove(0)
    }

    /// The records of the log that others have sent, without probes.
    fn records(&self) -> Vec<Json> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        // The listener may be amid the write of the last line.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let whole = whole.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let is_sent = |record: &Json| record["logger"] != "logboom" && record["message"] != PROBE;
        whole.filter(is_sent).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.records().iter().map(|record| record["message"].as_str().unwrap().to_owned()).collect()
    }

    fn wait_for(&self, what: &str, mut is_there: impl FnMut(&Place) -> bool) {
        wait_until(what, || is_there(self));
    }

    fn stop(&mut self) {
        self.thread.take().unwrap().stop().unwrap();
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_subscriber_gets_its_topics_only() {
    let mut place = Place::new();
    let endpoint = |end: fn(&str) -> Result<Endpoint, _>| end(&place.ipc()).unwrap();
    let open = |topic: &str| {
        let handler = ZeromqHandler::publish(endpoint(Endpoint::connect)).topic(topic);
        handler.open(LogRecordFormatter::new()).unwrap()
    };
    let mut handlers = [open("db"), open("web.access")];
    place.listen(ZeromqSource::subscribe(Endpoint::bind(&place.ipc()).unwrap()).topic("web"));
    place.wait_for("what is subscribed", |place| {
        for (handler, name) in handlers.iter_mut().zip(["db", "web"]) {
            handler.handle(&Record::new(0, Level::INFO, name, "x")).unwrap();
        }
        // The crate may have taken both publishers by now, or the second alone.
        !place.messages().is_empty() && place.door().peers == 2
    });
    handlers.iter_mut().for_each(|handler| handler.close().unwrap());
    place.stop();
    assert!(place.records().iter().all(|record| record["logger"] == "web"));
}

#[test]
fn a_handler_without_a_peer_has_a_bound_and_says_what_it_did_not_send() {
    let place = Place::new();
    for endpoint in [Endpoint::bind(&place.ipc()), Endpoint::connect("ipc:///nowhere")] {
        let handler = ZeromqHandler::push(endpoint.unwrap()).max_records(2);
        let handler = handler.close_timeout(Duration::from_millis(50));
        let mut handler = handler.open(LogRecordFormatter::new()).unwrap();
        let record = Record::new(0, Level::INFO, "a", "b");
        let taken = [0; 3].map(|_| handler.handle(&record).is_ok());
        assert_eq!(taken, [true, true, false]);
        let unsent = handler.close().unwrap_err().to_string();
        assert!(unsent.starts_with("2 records were not sent"), "{unsent}");
        assert!(handler.handle(&record).is_err());
    }
    // What PUB has no subscriber for is gone at once.
    let publisher = ZeromqHandler::publish(Endpoint::bind(&place.ipc()).unwrap());
    let mut publisher = publisher.open(LogRecordFormatter::new()).unwrap();
    publisher.handle(&Record::new(0, Level::INFO, "a", "b")).unwrap();
    publisher.close().unwrap();
}

#[test]
fn an_address_that_is_taken_is_said() {
    let place = Place::new();
    let open = || {
        ZeromqHandler::push(Endpoint::bind(&place.ipc()).unwrap()).open(LogRecordFormatter::new())
    };
    let _first = open().unwrap();
    let refused = open().err().unwrap().to_string();
    assert_eq!(refused, format!("cannot bind {}", place.ipc()));
}
