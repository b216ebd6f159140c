//! Logs of every shape, whole and damaged.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::formatter::{DEFAULT_PATTERN, Formatter, JsonFormatter, PatternFormatter};
use crate::log_files::rotation::Rotation;
use crate::{Field, Level, Record, Value};

fn forms() -> [Form; 2] {
    [Form::Json, Form::Pattern(NUMBERED_PATTERN.to_owned())]
}

/// One line of a log, or several of one record.
#[derive(Clone, Debug)]
struct Row {
    lane: u64,
    seq: u64,
    count: u64,
    text: String,
}

fn print(record: &Record<'_>, form: &Form) -> String {
    let mut text = Vec::new();
    match form {
        Form::Pattern(pattern) => {
            PatternFormatter::new(pattern).expect("a pattern").format(record, &mut text);
        }
        _ => JsonFormatter::new().format(record, &mut text),
    }
    text.push(b'\n');
    String::from_utf8(text).expect("text")
}

fn row(form: &Form, lane: u64, seq: u64) -> Row {
    let message = if seq.is_multiple_of(3) { "first\nsecond" } else { "only" };
    let mut record = Record::new(0, Level::INFO, "web", message);
    (record.lane, record.seq) = (lane, seq);
    Row { lane, seq, count: 1, text: print(&record, form) }
}

/// A record of the listener's own about `worker`; in JSON its field tells the same as its message.
fn notice(
    worker: &str,
    message: &str,
    key: &'static str,
    value: Value<'static>,
) -> Record<'static> {
    let mut record = Record::new(0, Level::WARNING, "logboom", message.to_owned());
    record.process.to_mut().name = worker.into();
    record.fields.push(Field { key: key.into(), value });
    record
}

fn drops(form: &Form, lane: u64, seq: u64, count: u64) -> Row {
    let message = format!("dropped {count} records (INFO {count}) from api 3 between 1 and 2");
    let record = notice("api 3", &message, "dropped", Value::U64(count));
    Row { lane, seq, count, text: print(&Record { lane, seq, ..record }, form) }
}

/// Writes the rows, and rotates after those that are marked.
fn written(rows: &[Row], rotate: &[bool]) -> Rotation {
    let mut log = Rotation::new(100);
    for (at, row) in rows.iter().enumerate() {
        log.append(&row.text);
        if rotate[at % rotate.len()] && at + 1 < rows.len() {
            log.rotate();
        }
    }
    log
}

fn rows_of(form: &Form, seqs: impl IntoIterator<Item = u64>) -> Vec<Row> {
    seqs.into_iter().map(|seq| row(form, 7, seq)).collect()
}

#[track_caller]
fn verified(log: &Rotation, form: &Form) -> Report {
    verify(log.path(), form).expect("a log that can be verified")
}

/// Names the process that writes the log.
fn set_writer(path: &Path, pid: u32) {
    fs::write(path.with_file_name(".app.log.lock"), format!("{pid}\n")).expect("lock file");
}

/// A damage without what only people look at.
type Found = (&'static str, u64, u64, u64);

fn found(report: &Report) -> Vec<Found> {
    let found = report.findings.iter().map(|finding| match &finding.damage {
        Damage::Gap { lane, seq, count, .. } => ("gap", *lane, *seq, *count),
        Damage::Double { lane, seq, count, .. } => ("double", *lane, *seq, *count),
        Damage::OutOfOrder { lane, seq, count, .. } => ("late", *lane, *seq, *count),
        Damage::Unreadable { .. } => UNREADABLE,
        Damage::Unterminated { .. } => UNTERMINATED,
    });
    let mut found: Vec<_> = found.collect();
    found.sort_unstable();
    found
}

const UNREADABLE: Found = ("unreadable", 0, 0, 0);
const UNTERMINATED: Found = ("unterminated", 0, 0, 0);

/// What is done to a log.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Remove(Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    Tear(Index, Index),
    CutEnd(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        Just(Change::Nothing),
        index().prop_map(Change::Remove),
        (index(), index()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (index(), index()).prop_map(|(one, other)| Change::Swap(one, other)),
        (index(), index()).prop_map(|(row, at)| Change::Tear(row, at)),
        index().prop_map(Change::CutEnd),
    ]
}

/// Lanes with records and drops, mixed.
fn build(form: &Form, steps: &[(u64, u64)]) -> Vec<Row> {
    let mut next = [0; 4];
    let mut rows = Vec::new();
    for &(lane, dropped) in steps {
        let seq = next[lane as usize];
        let new = if dropped > 0 { drops(form, lane, seq, dropped) } else { row(form, lane, seq) };
        next[lane as usize] += new.count;
        rows.push(new);
    }
    rows
}

/// What must be found once the numbers of a row are nowhere: a gap, unless the row was the first or
/// the last of its lane.
fn found_without(rows: &[Row], at: usize) -> Vec<Found> {
    let Row { lane, seq, count, .. } = rows[at];
    let of_lane = |rows: &[Row]| rows.iter().any(|row| row.lane == lane);
    let is_between = of_lane(&rows[..at]) && of_lane(&rows[at + 1..]);
    if is_between { vec![("gap", lane, seq, count)] } else { vec![] }
}

/// Rows that come after later ones of their lane.
fn found_late(rows: &[Row]) -> Vec<Found> {
    let late = rows.iter().enumerate().filter(|(at, row)| {
        rows[..*at].iter().any(|before| before.lane == row.lane && before.seq > row.seq)
    });
    late.map(|(_, row)| ("late", row.lane, row.seq, row.count)).collect()
}

/// Changes the rows; tells what must be found.
fn damage(form: &Form, rows: &mut Vec<Row>, change: &Change) -> Vec<Found> {
    match change {
        Change::Nothing => vec![],
        Change::Remove(at) => {
            let at = at.index(rows.len());
            let expected = found_without(rows, at);
            rows.remove(at);
            expected
        }
        Change::Repeat(from, to) => {
            let from = from.index(rows.len());
            let to = from + 1 + to.index(rows.len() - from);
            let repeated = rows[from].clone();
            let expected = vec![("double", repeated.lane, repeated.seq, repeated.count)];
            rows.insert(to, repeated);
            expected
        }
        Change::Swap(one, other) => {
            let one = one.index(rows.len());
            let of_lane: Vec<_> =
                (0..rows.len()).filter(|at| rows[*at].lane == rows[one].lane).collect();
            rows.swap(one, *other.get(&of_lane));
            found_late(rows)
        }
        Change::Tear(at, cut) => {
            let at = at.index(rows.len());
            let expected = [found_without(rows, at), vec![UNREADABLE]].concat();
            let text = &mut rows[at].text;
            let first = text.find('\n').expect("a line");
            // A pattern tells nothing any more before it has told time and lane.
            let most = if *form == Form::Json { first } else { 40 };
            text.replace_range(cut.index(most)..first, "");
            expected
        }
        Change::CutEnd(cut) => {
            let text = &mut rows.last_mut().expect("a row").text;
            let last = text.lines().last().expect("a line").len();
            text.truncate(text.len() - 1 - cut.index(last));
            vec![UNTERMINATED]
        }
    }
}

proptest! {
    #[test]
    fn exactly_the_damage_that_was_done_is_found(
        steps in prop::collection::vec((0..4u64, prop_oneof![3 => Just(0), 1 => 1..9u64]), 1..30),
        rotate in prop::collection::vec(any::<bool>(), 1..30),
        change in change(),
        form in prop::sample::select(forms().to_vec()),
    ) {
        let mut rows = build(&form, &steps);
        let mut expected = damage(&form, &mut rows, &change);
        let report = verified(&written(&rows, &rotate), &form);
        expected.sort_unstable();
        prop_assert_eq!(found(&report), expected, "{}", report);
        prop_assert_eq!(report.counts.findings, report.findings.len() as u64);
        if let Change::Nothing | Change::Swap(..) = change {
            let dropped: u64 = steps.iter().map(|step| step.1).sum();
            let records = steps.iter().filter(|step| step.1 == 0).count();
            prop_assert_eq!((report.records, report.dropped), (records as u64, dropped));
            prop_assert_eq!(report.lanes_begun_before, 0);
        }
    }
}

#[test]
fn a_lane_whose_first_records_are_gone_with_their_backup_is_no_damage() {
    for form in forms() {
        let mut rows = rows_of(&form, 5..9);
        rows.push(row(&form, 8, 0));
        let report = verified(&written(&rows, &[false]), &form);
        assert!(report.is_whole(), "{report}");
        assert_eq!((report.lanes, report.lanes_begun_before), (2, 1));
        assert_eq!(report.beginnings, [Beginning { lane: 7, seq: 5 }]);
    }
}

#[test]
fn damage_is_told_with_file_and_line() {
    let form = Form::Json;
    let mut rows = rows_of(&form, [0, 1, 2, 4]);
    rows[1].text.insert_str(0, "\x1b[1m torn ");
    let log = written(&rows, &[false, false, true]);
    let report = verified(&log, &Form::Detect);

    let [torn, first, second] = &report.findings[..] else { panic!("{report}") };
    assert_eq!((&torn.file, torn.line), (&log.backup(1), 2));
    let Damage::Unreadable { start } = &torn.damage else { panic!("{torn}") };
    assert!(start.starts_with("\u{fffd}[1m torn {\"time\""), "{start}");
    assert_eq!((&first.file, first.line), (&log.backup(1), 3));
    assert_eq!((&second.file, second.line), (&log.backup(0), 1));
    assert_eq!(report.files, [log.backup(1), log.backup(0)]);
    assert_eq!(found(&report), [("gap", 7, 1, 1), ("gap", 7, 3, 1), UNREADABLE]);
}

#[test]
fn all_damage_is_counted_and_a_part_of_it_kept() {
    for (step, gaps) in [(1, 0), (2, 299)] {
        let rows = rows_of(&Form::Json, (0..300).map(|nth| nth * step));
        let report = verified(&written(&rows, &[false]), &Form::Json);
        assert_eq!((report.counts.missing, report.counts.findings), (gaps, gaps));
        assert_eq!(report.findings.len(), MAX_FINDINGS.min(gaps as usize));
    }
}

#[test]
fn a_backup_without_its_last_newline_is_damaged() {
    for form in forms() {
        let mut rows = rows_of(&form, 0..3);
        rows[0].text.pop();
        let log = written(&rows, &[true, false]);
        set_writer(log.path(), process::id());
        let report = verified(&log, &form);
        assert_eq!(found(&report), [UNTERMINATED], "{report}");
        assert_eq!(report.records, 3);
    }
}

#[test]
fn the_last_line_may_be_unfinished_while_its_writer_lives() {
    let mut ended = Command::new("true").spawn().expect("start");
    ended.wait().expect("end");
    for form in forms() {
        let mut rows = rows_of(&form, 0..3);
        let half = rows[2].text.len() / 2;
        rows[2].text.truncate(half);
        let log = written(&rows, &[false]);
        for (pid, damage) in [(process::id(), vec![]), (ended.id(), vec![UNTERMINATED])] {
            set_writer(log.path(), pid);
            let report = verified(&log, &form);
            assert_eq!(found(&report), damage, "{report}");
            assert_eq!(report.unfinished, damage.is_empty());
        }
    }
}

#[test]
fn a_filtered_log_proves_nothing() {
    for form in forms() {
        let said = notice("logboom", "filtered: by level", "filtered", Value::Bool(true));
        let mut log = written(&rows_of(&form, [0, 1, 5]), &[false, true]);
        log.append(&print(&said, &form));
        let error = verify(log.path(), &form).expect_err("filtered");
        assert!(matches!(error, VerifyError::Filtered { .. }), "{error:?}");
        assert!(error.to_string().starts_with("this log was filtered: gaps prove nothing ("));
    }
}

#[test]
fn lines_without_numbers_are_refused_with_advice() {
    let form = Form::Pattern(DEFAULT_PATTERN.to_owned());
    let log = written(&rows_of(&form, 0..3), &[false]);
    for (form, advice) in [
        (Form::Detect, "log with --format json or '%(asctime)s %(lane)s %(seq)s "),
        (form, "it needs `%(lane)s`, `%(seq)s` and `%(name)s` before `%(message)s`"),
    ] {
        let error = verify(log.path(), &form).expect_err("no numbers").to_string();
        assert!(error.contains(advice), "{error}");
    }
}

#[test]
fn json_is_detected_behind_empty_files_and_damaged_lines() {
    let mut log = Rotation::new(9);
    log.rotate();
    log.append("torn\n");
    rows_of(&Form::Json, 0..2).iter().for_each(|row| log.append(&row.text));
    assert_eq!(found(&verified(&log, &Form::Detect)), [UNREADABLE]);
}

#[test]
fn a_file_does_not_begin_with_the_rest_of_a_record() {
    let [_, form] = forms();
    let mut log = written(&rows_of(&form, 0..2), &[false]);
    log.rotate();
    log.append("\tthe rest\n");
    log.append(&row(&form, 7, 2).text);
    assert_eq!(found(&verified(&log, &form)), [UNREADABLE]);
}

#[test]
fn an_empty_log_is_whole_and_a_missing_one_an_error() {
    let log = Rotation::new(1);
    let report = verified(&log, &Form::Detect);
    assert_eq!((report.lines, report.is_whole()), (0, true));
    let missing = verify(log.path().with_extension("none"), &Form::Detect);
    assert!(matches!(missing, Err(VerifyError::Missing { .. })), "{missing:?}");
    let directory = verify(log.path().parent().expect("directory"), &Form::Detect);
    assert!(matches!(directory, Err(VerifyError::NotAFile { .. })), "{directory:?}");
}

/// Verifies while a thread writes and rotates; how often the log was whole, and how often overtaken.
fn verified_under_rotation(backup_count: u32) -> (u32, u32) {
    const ROTATIONS: u64 = 300;
    let mut log = Rotation::new(backup_count);
    let path = log.path().to_owned();
    set_writer(&path, process::id());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for seq in 0..ROTATIONS {
                log.append(&row(&Form::Json, 7, seq).text);
                log.rotate();
            }
            done.store(true, Ordering::Release);
        });
        let (mut whole, mut overtaken) = (0, 0);
        while whole == 0 || !done.load(Ordering::Acquire) {
            match verify(&path, &Form::Json) {
                Ok(report) => {
                    assert!(report.is_whole(), "{report}");
                    whole += 1;
                }
                Err(VerifyError::Overtaken { .. }) => overtaken += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        (whole, overtaken)
    })
}

#[test]
fn rotation_does_not_make_a_log_look_damaged() {
    let (_, overtaken) = verified_under_rotation(1000);
    assert_eq!(overtaken, 0);
    verified_under_rotation(2);
}
