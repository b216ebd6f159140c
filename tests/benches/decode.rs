//! How long a decoder takes for one record, that of Python beside `serde-pickle`, which builds any
//! value.
//!
//! `cargo bench --features receiver --bench decode`
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use logboom::receiver::{DecodeError, Received, json, pickle, syslog, wire};
use serde_pickle::DeOptions;

type Decode = for<'a> fn(&'a [u8], i64) -> Result<Received<'a>, DecodeError>;

/// What a real sender has sent.
fn sent(name: &str) -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    fs::read(corpus.join(name)).unwrap()
}

fn decoders(criterion: &mut Criterion) {
    let decoders: [(&str, Decode); 8] = [
        ("pickle/plain-3.13", pickle::decode),
        ("pickle/exception", pickle::decode),
        ("pickle/fields", pickle::decode),
        ("json/python", json::decode),
        ("json/logboom", json::decode),
        ("syslog/logger", syslog::decode),
        ("syslog/logger-5424", syslog::decode),
        ("wire/plain", wire::decode),
    ];
    for (name, decode) in decoders {
        let bytes = sent(name);
        decode(&bytes, 0).unwrap();
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| decode(black_box(&bytes), 0).unwrap().message.len());
        });
    }
}

fn serde_pickle(criterion: &mut Criterion) {
    let bytes = sent("pickle/plain-3.13");
    criterion.bench_function("serde-pickle", |bencher| {
        bencher
            .iter(|| serde_pickle::value_from_slice(black_box(&bytes), DeOptions::new()).unwrap());
    });
}

criterion_group!(benches, decoders, serde_pickle);
criterion_main!(benches);
