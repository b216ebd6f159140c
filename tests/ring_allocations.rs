//! A log call over the Ring transport allocates nothing.

#![allow(clippy::unwrap_used)]

use log::Log;
use logboom::{Context, FieldEncoder, Level, LoggerAdapter, Overflow, QueueDir, TransportChoice};

#[test]
fn a_log_call_over_the_ring_allocates_nothing() {
    let place = tempfile::tempdir().unwrap();
    let handler = logboom::builder()
        .queue(QueueDir::at(place.path().join("q")).unwrap())
        .transport(TransportChoice::Ring)
        .overflow(Overflow::DropNewest)
        // So that no level counts for all loggers, and names are looked up.
        .default_filter("info,other=debug")
        .attach()
        .unwrap();
    let call = |number: u32| {
        handler.log(Level::INFO, "a.b", format_args!("number {number} of {:?}", "many"));
        let pairs = [("user", number)];
        let mut record = log::Record::builder();
        record.level(log::Level::Error).target("a::b").file(Some("x.rs")).line(Some(7));
        record.key_values(&pairs);
        Log::log(&handler, &record.args(format_args!("and {number}")).build());
    };
    let first = allocation_counter::measure(|| call(0));
    let rest = allocation_counter::measure(|| (1..=300).for_each(call));
    assert!(first.count_total > 0, "the first call takes a lane");
    assert_eq!(rest.count_total, 0, "{rest:?}");
    let stats = handler.stats();
    assert_eq!((stats.records, stats.dropped), (602, 0));
}

#[test]
fn loggers_adapters_and_scopes_allocate_nothing_at_the_call() {
    let place = tempfile::tempdir().unwrap();
    let guard = logboom::builder()
        .queue(QueueDir::at(place.path().join("q")).unwrap())
        .transport(TransportChoice::Ring)
        .overflow(Overflow::DropNewest)
        .init()
        .unwrap();
    let logger = logboom::logger(format!("a.{}", 1));
    let user = Context::new([("ip", "127.0.0.1"), ("user", "sheila")]);
    let adapter = LoggerAdapter::new(logger.clone(), user);
    let number = |to: &mut FieldEncoder<'_>| to.add("number", 7);
    let adapter = LoggerAdapter::new(adapter, number);
    let request = Context::new([("request", 7)]);
    let call = |number: u32| {
        let _scope = request.enter();
        log::info!(logger: logger, number; "number {number}");
        logger.clone().critical(format_args!("number {number}"));
        log::info!(logger: adapter, number; "number {number}");
        adapter.error(format_args!("number {number}"));
        log::debug!(logger: adapter, "not wanted");
    };
    let first = allocation_counter::measure(|| call(0));
    let rest = allocation_counter::measure(|| (1..=200).for_each(call));
    assert!(first.count_total > 0, "the first call takes a lane");
    assert_eq!(rest.count_total, 0, "{rest:?}");
    let stats = guard.handler().stats();
    assert_eq!((stats.records, stats.dropped), (804, 0));
    // Its end would wait for a listener.
    std::mem::forget(guard);
}
