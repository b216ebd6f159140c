//! What was found in a log.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// The most findings a [`Report`] keeps; all are counted.
pub const MAX_FINDINGS: usize = 100;

/// The most beginnings a [`Report`] keeps; all are counted.
pub const MAX_BEGINNINGS: usize = 1000;

/// What was found in a log. It prints as a summary of several lines, without a newline at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The files by the names they had when they were read, oldest first.
    #[serde(serialize_with = "paths")]
    pub files: Vec<PathBuf>,
    /// Lines of all files.
    pub lines: u64,
    /// Records, those of the listener's own included, lines that stand for dropped ones not.
    pub records: u64,
    /// Lanes with a record or dropped calls.
    pub lanes: u64,
    /// Calls that were dropped, and accounted for.
    pub dropped: u64,
    /// Whether the last line was left out because it is still being written.
    pub unfinished: bool,
    /// How many lanes do not begin at 0: backups that held their beginning were deleted.
    pub lanes_begun_before: u64,
    /// Where they begin, by lane, the first [`MAX_BEGINNINGS`].
    pub beginnings: Vec<Beginning>,
    /// How much of each kind of damage there is.
    pub counts: Counts,
    /// The damage in order of place, at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// A lane whose first records are not in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Beginning {
    /// The lane.
    #[serde(serialize_with = "hexadecimal")]
    pub lane: u64,
    /// The first sequence number that is in the log.
    pub seq: u64,
}

/// How much damage there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Findings of all kinds.
    pub findings: u64,
    /// Records missing in gaps.
    pub missing: u64,
    /// Records that were seen before.
    pub doubled: u64,
    /// Records that came after later ones of their lane.
    pub out_of_order: u64,
    /// Lines that are no record, nor part of one.
    pub unreadable: u64,
    /// Files whose last line lacks its newline.
    pub unterminated: u64,
}

/// One piece of damage and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The file by the name it had when it was read.
    #[serde(serialize_with = "path")]
    pub file: PathBuf,
    /// Line in the file, from 1.
    pub line: u64,
    /// What is wrong there.
    #[serde(flatten)]
    pub damage: Damage,
}

/// What is wrong at a place.
///
/// `worker` is the display name of the lane's process, empty where the line does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Damage {
    /// Sequence numbers were passed over and never came.
    Gap {
        /// The lane.
        #[serde(serialize_with = "hexadecimal")]
        lane: u64,
        /// Its process.
        worker: String,
        /// The first that is missing.
        seq: u64,
        /// How many are missing.
        count: u64,
    },
    /// Sequence numbers were seen before.
    Double {
        /// The lane.
        #[serde(serialize_with = "hexadecimal")]
        lane: u64,
        /// Its process.
        worker: String,
        /// The first number of the line.
        seq: u64,
        /// How many numbers of the line were seen before.
        count: u64,
    },
    /// Sequence numbers came after later ones.
    OutOfOrder {
        /// The lane.
        #[serde(serialize_with = "hexadecimal")]
        lane: u64,
        /// Its process.
        worker: String,
        /// The first number of the line.
        seq: u64,
        /// How many numbers of the line came late.
        count: u64,
    },
    /// The line is torn or no record at all.
    Unreadable {
        /// Its first bytes as far as they are text, without control characters.
        start: String,
    },
    /// The last line of the file has no newline.
    Unterminated {
        /// Its first bytes as far as they are text, without control characters.
        start: String,
    },
}

impl Report {
    /// Whether nothing is missing, doubled, out of order or torn.
    pub fn is_whole(&self) -> bool {
        self.counts.findings == 0
    }
}

impl Counts {
    pub(super) fn add(&mut self, damage: &Damage) {
        self.findings += 1;
        let (kind, count) = match damage {
            Damage::Gap { count, .. } => (&mut self.missing, *count),
            Damage::Double { count, .. } => (&mut self.doubled, *count),
            Damage::OutOfOrder { count, .. } => (&mut self.out_of_order, *count),
            Damage::Unreadable { .. } => (&mut self.unreadable, 1),
            Damage::Unterminated { .. } => (&mut self.unterminated, 1),
        };
        *kind = kind.saturating_add(count);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.files[..] {
            [first, .., last] => {
                let (count, first) = (self.files.len(), first.display());
                writeln!(f, "files     {count}, {first} to {}", last.display())?;
            }
            files => {
                files.iter().try_for_each(|file| writeln!(f, "file      {}", file.display()))?
            }
        }
        writeln!(f, "lines     {}", self.lines)?;
        writeln!(f, "records   {}, {} dropped", self.records, self.dropped)?;
        write!(f, "lanes     {}", self.lanes)?;
        if self.lanes_begun_before > 0 {
            write!(f, ", {} begin in deleted backups", self.lanes_begun_before)?;
        }
        if self.unfinished {
            write!(f, "\nwriting   the last line is left out, it is not finished")?;
        }
        write!(f, "\ndamage    {}", self.counts)?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))?;
        match self.counts.findings - self.findings.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.missing, "missing"),
            (self.doubled, "doubled"),
            (self.out_of_order, "out of order"),
            (self.unreadable, "unreadable"),
            (self.unterminated, "unterminated"),
        ];
        let found: Vec<_> = kinds
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, kind)| format!("{count} {kind}"))
            .collect();
        f.write_str(if found.is_empty() { "none" } else { "" })?;
        f.write_str(&found.join(", "))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.damage)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, lane, worker, seq, count) = match self {
            Damage::Gap { lane, worker, seq, count } => {
                ("missing before this line", lane, worker, seq, count)
            }
            Damage::Double { lane, worker, seq, count } => ("doubled", lane, worker, seq, count),
            Damage::OutOfOrder { lane, worker, seq, count } => {
                ("out of order", lane, worker, seq, count)
            }
            Damage::Unreadable { start } => return write!(f, "no whole record: {start}"),
            Damage::Unterminated { start } => return write!(f, "no newline at the end: {start}"),
        };
        write!(f, "{count} {what}, from record {seq} on, in lane {lane:016x}")?;
        if worker.is_empty() { Ok(()) } else { write!(f, " of {worker}") }
    }
}

fn hexadecimal<S: Serializer>(lane: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{lane:016x}"))
}

/// Names that are not UTF-8 are printed as far as they are.
fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn paths<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: u64) -> Report {
        let mut report = Report { lines: 7, records: 6, lanes: 1, dropped: 2, ..Report::default() };
        report.files = vec!["app.log.1".into(), "app.log".into()];
        for line in 1..=findings {
            let damage = Damage::Gap { lane: 0xbeef, worker: "api-3".into(), seq: 3, count: 2 };
            report.counts.add(&damage);
            report.findings.push(Finding { file: "app.log".into(), line, damage });
        }
        report
    }

    #[test]
    fn a_whole_log_is_told_in_a_few_lines() {
        let expected = "files     2, app.log.1 to app.log\nlines     7\n\
                        records   6, 2 dropped\nlanes     1\ndamage    none";
        assert_eq!(report(0).to_string(), expected);
        assert!(report(0).is_whole());
    }

    #[test]
    fn findings_are_told_with_their_place_and_those_not_kept_are_counted() {
        let mut report = report(3);
        report.findings.truncate(1);
        assert!(!report.is_whole());
        let expected = "\ndamage    6 missing\napp.log:1: 2 missing before this line, from record 3 \
                        on, in lane 000000000000beef of api-3\n… and 2 more";
        assert!(report.to_string().ends_with(expected), "{report}");
    }

    #[test]
    fn json_has_lanes_as_logged_and_findings_flat() {
        let json = serde_json::to_value(report(1)).expect("JSON");
        assert_eq!(json["counts"]["missing"], 2);
        let finding = serde_json::json!({
            "file": "app.log", "line": 1, "kind": "gap",
            "lane": "000000000000beef", "worker": "api-3", "seq": 3, "count": 2,
        });
        assert_eq!(json["findings"], serde_json::json!([finding]));
    }
}
