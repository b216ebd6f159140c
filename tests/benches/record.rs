//! How fast a record goes: through its log call, through a formatter, into a file, and all the way
//! from the lanes to the log.
//!
//! `cargo bench --features listener`; everything is done on a tmpfs, where there is one.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::Permissions;
use std::hint::black_box;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logboom::formatter::{Formatter, JsonFormatter, PatternFormatter};
use logboom::handler::{Handler, RotatingFileHandler};
use logboom::{
    Certainty, Field, Level, Overflow, QueueDir, QueueHandler, QueueListener, Record,
    TransportChoice, Value,
};
use tempfile::TempDir;

const LOGGER: &str = "http.access";
const MESSAGE: &str = "request 4711 served with status 200 in some milliseconds";

/// Calls between two looks at the clock: what they write takes less than half a lane.
const CALLS: u64 = 500;

/// Records that a lane holds without a listener.
const LANE_RECORDS: u64 = 1500;

fn place() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let private = Permissions::from_mode(0o700);
    tempfile::Builder::new().permissions(private).tempdir_in(parent).unwrap()
}

fn queue(place: &TempDir) -> QueueDir {
    QueueDir::at(place.path().join("q")).unwrap()
}

fn log_file(place: &TempDir) -> RotatingFileHandler {
    let file = RotatingFileHandler::builder(place.path().join("log"));
    let file = file.max_bytes(64 << 20).backup_count(1);
    file.open(PatternFormatter::default()).unwrap()
}

fn worker(place: &TempDir) -> QueueHandler {
    let worker = logboom::builder().queue(queue(place)).transport(TransportChoice::Ring);
    worker.overflow(Overflow::DropNewest).attach().unwrap()
}

/// The mean time of `call`, which is given to a worker whose listener keeps up.
fn time_calls(worker: &QueueHandler, calls: u64, call: impl Fn(&QueueHandler)) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..calls.div_ceil(CALLS) {
        let begun = Instant::now();
        (0..CALLS).for_each(|_| call(worker));
        spent += begun.elapsed();
        let flushed = worker.flush(Certainty::Written, Duration::from_secs(10));
        assert!(flushed.is_complete() && worker.stats().dropped == 0);
    }
    spent.mul_f64(calls as f64 / (calls.div_ceil(CALLS) * CALLS) as f64)
}

fn log_call(criterion: &mut Criterion) {
    let place = place();
    let listener = QueueListener::builder(queue(&place)).file(log_file(&place));
    let listener = listener.bind().unwrap().spawn().unwrap();
    let worker = worker(&place);
    let mut group = criterion.benchmark_group("log call");
    group.bench_function("constant message", |bencher| {
        bencher.iter_custom(|calls| {
            time_calls(&worker, calls, |worker| {
                worker.log(Level::INFO, LOGGER, format_args!("served, and nothing else to say"));
            })
        });
    });
    group.bench_function("five arguments", |bencher| {
        bencher.iter_custom(|calls| {
            let arguments = black_box((1_u32, 22_u32, 333_u64, -4444_i32, 55_555_u64));
            time_calls(&worker, calls, |worker| {
                let (a, b, c, d, e) = arguments;
                worker.log(Level::INFO, LOGGER, format_args!("{a} of {b} with {c}, {d} in {e} us"));
            })
        });
    });
    group.bench_function("level that is off", |bencher| {
        bencher.iter(|| worker.log(Level::TRACE, LOGGER, format_args!("{}", black_box(1))));
    });
    group.finish();
    drop(worker);
    listener.stop().unwrap();
}

fn records() -> [(&'static str, Record<'static>); 3] {
    let record = |message| Record::new(1_795_322_903_123_456_789, Level::INFO, LOGGER, message);
    let field = |key: &'static str, value| Field { key: key.into(), value };
    let mut with_fields = record(MESSAGE);
    with_fields.fields =
        vec![field("path", Value::Str("/index".into())), field("status", Value::I64(200))];
    [
        ("plain", record(MESSAGE)),
        ("fields", with_fields),
        ("several lines", record("request failed\nbecause of this\nand that")),
    ]
}

fn format(criterion: &mut Criterion) {
    let mut line = Vec::new();
    for (name, record) in &records() {
        let mut group = criterion.benchmark_group(format!("format {name}"));
        let formatters: [(_, Box<dyn Formatter>); 2] = [
            ("pattern", Box::new(PatternFormatter::default())),
            ("json", Box::new(JsonFormatter::new())),
        ];
        for (name, mut formatter) in formatters {
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    line.clear();
                    formatter.format(black_box(record), &mut line);
                });
            });
        }
        group.finish();
    }
}

fn file(criterion: &mut Criterion) {
    let place = place();
    let mut file = log_file(&place);
    let [(_, record), ..] = records();
    criterion.bench_function("rotating file", |bencher| {
        bencher.iter(|| file.handle(black_box(&record)).unwrap());
    });
}

/// How long a listener takes, from its start to its stop, for full lanes that are there already.
fn time_drain(lanes: u64) -> Duration {
    let place = place();
    let (worker, ready) = (worker(&place), Barrier::new(lanes as usize + 1));
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                for number in 0..LANE_RECORDS {
                    worker.log(Level::INFO, LOGGER, format_args!("request {number} was served"));
                }
                ready.wait();
                // A lane goes to the next thread once its own has ended.
                ready.wait();
            });
        }
        ready.wait();
        let listener = QueueListener::builder(queue(&place)).file(log_file(&place));
        let listener = listener.bind().unwrap();
        listener.stop_handle().request();
        let begun = Instant::now();
        let report = listener.run().unwrap();
        let spent = begun.elapsed();
        assert_eq!((report.drained, report.dropped), (lanes * LANE_RECORDS, 0));
        ready.wait();
        spent
    })
}

fn drain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drain");
    group.sample_size(20);
    for lanes in [1, 4, 60] {
        group.throughput(Throughput::Elements(lanes * LANE_RECORDS));
        group.bench_function(format!("{lanes} lanes"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| time_drain(lanes)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, log_call, format, file, drain);
criterion_main!(benches);
