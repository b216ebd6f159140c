//! The rules of handlers.

use std::thread;

use super::records::{odd, ordinary};
use super::{Report, Rule};
use crate::Record;
use crate::handler::Handler;

/// Records of each look.
const COUNT: usize = 20;

/// Checks a handler.
///
/// `make` makes one with an empty destination, and a way to read what is there: the text of each
/// record, in order, which has to contain its message. Records of every level have to arrive. The
/// handler is made several times and may block.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use logboom::handler::{Handler, HandlerError};
/// use logboom::{Record, conformance};
///
/// struct Keeping(Arc<Mutex<Vec<String>>>);
///
/// impl Handler for Keeping {
///     fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
///         self.0.lock().unwrap().push(record.message.to_string());
///         Ok(())
///     }
///
///     fn flush(&mut self) -> Result<(), HandlerError> {
///         Ok(())
///     }
/// }
///
/// let report = conformance::handler(|| {
///     let kept = Arc::new(Mutex::new(Vec::new()));
///     (Keeping(Arc::clone(&kept)), move || kept.lock().unwrap().clone())
/// });
/// report.into_result()?;
/// # Ok::<(), conformance::Violations>(())
/// ```
pub fn handler<H: Handler, R: FnMut() -> Vec<String>>(mut make: impl FnMut() -> (H, R)) -> Report {
    let mut report = Report::default();
    check_flush(&mut report, &mut make());
    check_close(&mut report, &mut make());
    check_odd(&mut report, &mut make());
    check_thread(&mut report, &mut make());
    report
}

type Made<H, R> = (H, R);

/// Messages no one of which contains another.
fn records(beginning: &str) -> Vec<Record<'static>> {
    let mut records = ordinary(COUNT);
    for (index, record) in records.iter_mut().enumerate() {
        record.message = format!("{beginning} <{index}>").into();
    }
    records
}

fn give(report: &mut Report, rule: Rule, handler: &mut impl Handler, records: &[Record<'_>]) {
    for record in records {
        if let Some(Err(error)) = report.unless_panic("a record", || handler.handle(record)) {
            report.expect(rule, false, || format!("it refused an ordinary record: {error}"));
        }
    }
}

fn flush(report: &mut Report, rule: Rule, handler: &mut impl Handler) {
    if let Some(Err(error)) = report.unless_panic("a flush", || handler.flush()) {
        report.expect(rule, false, || format!("flush failed: {error}"));
    }
}

fn close(report: &mut Report, rule: Rule, handler: &mut impl Handler) {
    if let Some(Err(error)) = report.unless_panic("a close", || handler.close()) {
        report.expect(rule, false, || format!("close failed: {error}"));
    }
}

/// Expects that of all texts those that are about `records` are them, in order.
fn expect_arrived(
    report: &mut Report,
    rule: Rule,
    when: &str,
    texts: &[String],
    records: &[Record<'_>],
) {
    let index_of =
        |text: &String| records.iter().position(|record| text.contains(&*record.message));
    let arrived: Vec<_> = texts.iter().filter_map(index_of).collect();
    let expected: Vec<_> = (0..records.len()).collect();
    report.expect(rule, arrived == expected, || {
        format!(
            "{} records were handled, and {when} these could be read, by their numbers: {arrived:?}",
            records.len()
        )
    });
}

fn check_flush<H: Handler, R: FnMut() -> Vec<String>>(
    report: &mut Report,
    (handler, read): &mut Made<H, R>,
) {
    flush(report, Rule::FlushOfNothing, handler);
    let records = records("flush");
    let (first, second) = records.split_at(COUNT / 2);
    give(report, Rule::FlushShows, handler, first);
    flush(report, Rule::FlushShows, handler);
    expect_arrived(report, Rule::FlushShows, "after a flush", &read(), first);
    flush(report, Rule::FlushTwice, handler);
    if !report.violations.iter().any(|violation| violation.rule == Rule::FlushShows) {
        expect_arrived(report, Rule::FlushTwice, "after a second flush", &read(), first);
    }
    give(report, Rule::FlushShows, handler, second);
    flush(report, Rule::FlushShows, handler);
    expect_arrived(report, Rule::FlushShows, "after the next flush", &read(), &records);
    close(report, Rule::CloseShows, handler);
}

fn check_close<H: Handler, R: FnMut() -> Vec<String>>(
    report: &mut Report,
    (handler, read): &mut Made<H, R>,
) {
    let records = records("close");
    give(report, Rule::CloseShows, handler, &records);
    close(report, Rule::CloseShows, handler);
    expect_arrived(report, Rule::CloseShows, "after it was closed", &read(), &records);
}

fn check_odd<H: Handler, R: FnMut() -> Vec<String>>(
    report: &mut Report,
    (handler, read): &mut Made<H, R>,
) {
    let records = records("after");
    for ((what, odd), ordinary) in odd().iter().zip(&records) {
        // What a handler refuses it may refuse.
        let _refused = report.unless_panic(what, || handler.handle(odd));
        let _told = report.unless_panic(what, || handler.flush());
        give(report, Rule::GoesOn, handler, std::slice::from_ref(ordinary));
    }
    close(report, Rule::GoesOn, handler);
    let given = &records[..odd().len()];
    expect_arrived(report, Rule::GoesOn, "between odd ones, after a close,", &read(), given);
}

fn check_thread<H: Handler, R: FnMut() -> Vec<String>>(
    report: &mut Report,
    (handler, read): &mut Made<H, R>,
) {
    let records = records("thread");
    let other = &mut *report;
    thread::scope(|scope| {
        scope.spawn(|| {
            give(other, Rule::AnyThread, handler, &records);
            close(other, Rule::AnyThread, handler);
        });
    });
    expect_arrived(report, Rule::AnyThread, "after a close there", &read(), &records);
}
