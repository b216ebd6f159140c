//! How fast each part of the way of a record is alone.
//!
//! `cargo bench --features benches --bench parts`
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::Permissions;
use std::hint::black_box;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use logboom::QueueDir;
use logboom::benches::{Lane, Lanes, decode_again, encode, rotates_before};

/// Records between two looks at the clock: they take less than half a lane.
const RECORDS: u64 = 500;

fn codec(criterion: &mut Criterion) {
    let mut entry = Vec::new();
    let mut seq = 0;
    criterion.bench_function("encode", |bencher| {
        bencher.iter(|| {
            seq += 1;
            encode(black_box(seq), &mut entry);
        });
    });
    criterion.bench_function("decode", |bencher| {
        bencher.iter_custom(|times| {
            let begun = Instant::now();
            black_box(decode_again(black_box(&entry), times));
            begun.elapsed()
        });
    });
}

fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    for lanes in [1, 4, 60] {
        let input = Lanes::new(lanes, RECORDS);
        assert_eq!(input.merge() as u64, lanes * RECORDS);
        group.throughput(Throughput::Elements(lanes * RECORDS));
        group.bench_function(format!("{lanes} lanes"), |bencher| bencher.iter(|| input.merge()));
    }
    group.finish();
}

fn ring(criterion: &mut Criterion) {
    let private = Permissions::from_mode(0o700);
    let place = tempfile::Builder::new().permissions(private).tempdir_in("/dev/shm").unwrap();
    let mut lane = Lane::new(QueueDir::at(place.path().join("q")).unwrap());
    let mut time = |times: u64, of_publish: fn(Duration, Duration) -> Duration| {
        let mut spent = Duration::ZERO;
        let rounds = times.div_ceil(RECORDS);
        for _ in 0..rounds {
            let begun = Instant::now();
            lane.publish(RECORDS);
            let published = begun.elapsed();
            assert!(lane.read() as u64 >= RECORDS);
            spent += of_publish(published, begun.elapsed());
        }
        spent.mul_f64(times as f64 / (rounds * RECORDS) as f64)
    };
    criterion.bench_function("publish", |bencher| {
        bencher.iter_custom(|times| time(times, |published, _| published));
    });
    criterion.bench_function("read", |bencher| {
        bencher.iter_custom(|times| time(times, |published, both| both - published));
    });
}

fn rotation(criterion: &mut Criterion) {
    criterion.bench_function("rotation check", |bencher| {
        bencher.iter(|| rotates_before(black_box(120), black_box(5_000_000)));
    });
}

criterion_group!(benches, codec, merge, ring, rotation);
criterion_main!(benches);
