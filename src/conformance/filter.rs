//! The rules of filters.

use std::borrow::Cow;

use super::records::{odd, ordinary};
use super::{Report, Rule};
use crate::filter::{Filter, Verdict};
use crate::{Record, Value};

const COUNT: usize = 500;

/// Checks a filter; `make` makes one that has seen nothing yet, and is called several times.
///
/// ```
/// use std::time::Duration;
///
/// use logboom::conformance;
/// use logboom::filter::DuplicateFilter;
///
/// conformance::filter(|| DuplicateFilter::new(Duration::from_secs(5))).into_result()?;
/// # Ok::<(), conformance::Violations>(())
/// ```
pub fn filter<F: Filter>(mut make: impl FnMut() -> F) -> Report {
    let mut report = Report::default();
    let mut records = ordinary(COUNT);
    records.extend(odd().into_iter().map(|(_, record)| record));
    records.extend(ordinary(COUNT));
    let first = run(&mut report, &mut make(), &records);
    let second = run(&mut report, &mut make(), &records);
    let differs = first.seen.iter().zip(&second.seen).position(|(one, other)| one != other);
    report.expect(Rule::Deterministic, differs.is_none(), || {
        let differs = differs.unwrap_or_default();
        format!(
            "two of the same make saw the same {} records, and of number {differs} one made {:?}, \
             the other {:?}",
            records.len(),
            first.seen[differs],
            second.seen[differs]
        )
    });
    check_summaries(&mut report, &first);
    check_append(&mut report, &mut make(), &records);
    report
}

/// What a filter made of records.
struct Outcome {
    /// For each record what passed, as text: a field may be no number, which equals nothing.
    seen: Vec<Option<String>>,
    hidden: Vec<Record<'static>>,
    summaries: Vec<Record<'static>>,
    /// What it said when it was asked again.
    again: Vec<Record<'static>>,
}

fn run(report: &mut Report, filter: &mut impl Filter, records: &[Record<'static>]) -> Outcome {
    let (mut hidden, mut seen, mut summaries) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let mut cow = Cow::Borrowed(record);
        let what = format!("{:.200}", format!("{record:?}"));
        let verdict = report.unless_panic(&what, || filter.filter(&mut cow));
        if verdict == Some(Verdict::Hide) {
            hidden.push(record.clone());
        }
        let is_needless =
            matches!(&cow, Cow::Owned(copy) if format!("{copy:?}") == format!("{record:?}"));
        report.expect(Rule::NoNeedlessCopy, !is_needless, || {
            format!("it made a copy and changed nothing in it: {what}")
        });
        seen.push((verdict == Some(Verdict::Pass)).then(|| format!("{cow:?}")));
        filter.take_summaries(record.time_ns, &mut summaries);
    }
    let mut again = Vec::new();
    filter.take_summaries(i64::MAX, &mut summaries);
    filter.take_summaries(i64::MAX, &mut again);
    Outcome { seen, hidden, summaries, again }
}

fn filtered(record: &Record<'_>) -> Option<u64> {
    match record.field("filtered") {
        Some(Value::U64(count)) => Some(*count),
        Some(Value::I64(count)) => u64::try_from(*count).ok(),
        _ => None,
    }
}

fn check_summaries(report: &mut Report, outcome: &Outcome) {
    let Outcome { hidden, summaries, again, .. } = outcome;
    for summary in summaries {
        let is_known = |one: &Record<'_>| {
            let is_of_logger = one.logger == summary.logger && one.level == summary.level;
            is_of_logger && one.process == summary.process
        };
        let tells = filtered(summary).is_some_and(|count| count > 0) && hidden.iter().any(is_known);
        report.expect(Rule::SummaryTells, tells, || {
            format!(
                "this summary does not tell whose records were hidden, or how many: {summary:?}"
            )
        });
    }
    let told: u64 = summaries.iter().filter_map(filtered).sum();
    report.expect(Rule::SummaryCounts, told <= hidden.len() as u64 && again.is_empty(), || {
        format!(
            "{} records were hidden, {told} were told, and {} summaries came again at the end",
            hidden.len(),
            again.len()
        )
    });
}

fn check_append(report: &mut Report, filter: &mut impl Filter, records: &[Record<'static>]) {
    let known = records[0].clone();
    let mut summaries = vec![known.clone()];
    for record in records {
        let _verdict =
            report.unless_panic("a record", || filter.filter(&mut Cow::Borrowed(record)));
    }
    filter.take_summaries(i64::MAX, &mut summaries);
    report.expect(Rule::SummariesAppend, summaries.first() == Some(&known), || {
        "the summaries that were there are not those that were there before".to_owned()
    });
}
