//! How a worker takes the Ring transport, with a listener, before one, and where there is no room.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{
    AttachError, Builder, Certainty, Level, ListenerThread, QueueDir, QueueListener,
    TransportChoice,
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { directory: tempfile::Builder::new().prefix("lb").tempdir().unwrap() }
    }

    fn queue(&self) -> QueueDir {
        QueueDir::at(self.directory.path().join("q")).unwrap()
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("app.log")
    }

    fn worker(&self, transport: TransportChoice) -> Builder {
        logboom::builder().queue(self.queue()).transport(transport).default_filter("trace")
    }

    fn lanes(&self) -> usize {
        fs::read_dir(self.queue().path().join("lanes")).unwrap().count()
    }

    /// Takes the room that the lanes of one queue may have.
    fn fill(&self) {
        let lanes = self.queue().path().join("lanes");
        drop(self.worker(TransportChoice::Ring).attach().unwrap());
        File::create(lanes.join("ballast")).unwrap().set_len(1 << 30).unwrap();
    }

    fn listener(&self, level: Level) -> ListenerThread {
        let formatter = PatternFormatter::new("%(levelname)s %(message)s").unwrap();
        let file = RotatingFileHandler::builder(self.log()).open(formatter).unwrap();
        let builder = QueueListener::builder(self.queue()).file(file).level("root", level);
        builder.drain_timeout(Duration::ZERO).bind().unwrap().spawn().unwrap()
    }
}

#[test]
fn a_ring_worker_starts_without_a_listener_in_a_directory_of_its_own() {
    let place = Place::new();
    let worker = place.worker(TransportChoice::Auto).attach().unwrap();
    worker.log(Level::INFO, "test", format_args!("kept for a listener"));
    assert_eq!((worker.stats().records, worker.stats().dropped), (1, 0));
    assert_eq!(place.lanes(), 1);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.queue().path().to_owned()), 0o700);
    assert_eq!(mode(place.queue().path().join("lanes")), 0o700);
    assert_eq!(mode(place.queue().path().join("bell")), 0o600);
    assert_eq!(worker.flush(Certainty::Written, Duration::ZERO).pending_records, 1);
}

#[test]
fn a_ring_worker_takes_the_levels_of_a_listener_that_comes_later() {
    let place = Place::new();
    let worker = place.worker(TransportChoice::Ring).attach().unwrap();
    assert!(worker.enabled(Level::INFO, "test"));
    let listener = place.listener(Level::ERROR);
    let deadline = Instant::now() + PATIENCE;
    while worker.enabled(Level::INFO, "test") {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
    assert!(worker.enabled(Level::ERROR, "test"));
    listener.stop().unwrap();
}

#[test]
fn without_room_ring_is_an_error_that_names_the_way_out() {
    let place = Place::new();
    place.fill();
    let error = place.worker(TransportChoice::Ring).attach().err().unwrap();
    assert!(matches!(error, AttachError::Lane { .. }), "{error:?}");
    assert!(error.to_string().contains("use the Channel transport"), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("may take 268435456 bytes and no more"), "{cause}");
}

#[test]
fn without_room_auto_takes_the_channel_and_says_so_in_the_log() {
    let place = Place::new();
    place.fill();
    let error = place.worker(TransportChoice::Auto).attach().err().unwrap();
    assert!(matches!(error, AttachError::NoListener { .. }), "{error:?}");

    let listener = place.listener(Level::INFO);
    let worker = place.worker(TransportChoice::Auto).attach().unwrap();
    worker.log(Level::INFO, "test", format_args!("by channel"));
    assert!(worker.flush(Certainty::Written, PATIENCE).is_complete());
    listener.stop().unwrap();
    let text = fs::read_to_string(place.log()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("WARNING records take the Channel transport: the lanes in"));
    assert_eq!(lines[1], "INFO by channel");
}
