//! The rules of formatters.

use super::records::{odd, ordinary};
use super::{Report, Rule};
use crate::Record;
use crate::formatter::Formatter;

const COUNT: usize = 20;

/// What stands there before.
const BEFORE: &[u8] = b"what was there\n";

/// Checks a formatter; `make` makes one that has seen nothing yet, and is called several times.
///
/// ```
/// use logboom::conformance;
/// use logboom::formatter::Formatter;
/// use logboom::Record;
///
/// struct Shouting;
///
/// impl Formatter for Shouting {
///     fn format(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
///         out.extend_from_slice(record.message.trim_end().to_uppercase().as_bytes());
///     }
/// }
///
/// conformance::formatter(|| Shouting).into_result()?;
/// # Ok::<(), conformance::Violations>(())
/// ```
pub fn formatter<F: Formatter>(mut make: impl FnMut() -> F) -> Report {
    let mut report = Report::default();
    let mut records = odd();
    records.extend(ordinary(COUNT).into_iter().map(|record| ("an ordinary record", record)));
    let mut used = make();
    for (what, record) in &records {
        let fresh = text(&mut report, &mut make(), what, record);
        let after_others = text(&mut report, &mut used, what, record);
        let again = text(&mut report, &mut used, what, record);
        report.expect(Rule::Independent, fresh == after_others && fresh == again, || {
            format!(
                "{what} is {:?} as the first record, and {:?} after others",
                shown(&fresh),
                shown(if fresh == again { &after_others } else { &again })
            )
        });
    }
    report
}

fn text(
    report: &mut Report,
    formatter: &mut impl Formatter,
    what: &str,
    record: &Record<'_>,
) -> Vec<u8> {
    let mut out = BEFORE.to_vec();
    if report.unless_panic(what, || formatter.format(record, &mut out)).is_none() {
        return Vec::new();
    }
    let Some(text) = out.strip_prefix(BEFORE) else {
        report.expect(Rule::Appends, false, || {
            format!("what was there has become {:?}, over {what}", shown(&out))
        });
        return out;
    };
    let is_utf8 = std::str::from_utf8(text).is_ok();
    report.expect(Rule::Utf8, is_utf8, || format!("{what} is no UTF-8: {:?}", shown(text)));
    report.expect(Rule::NoNewline, !text.ends_with(b"\n"), || {
        format!("{what} ends in a newline: {:?}", shown(text))
    });
    text.to_vec()
}

/// The beginning of a text.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(100)]).into_owned()
}
