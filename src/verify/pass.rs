//! One pass over the files of a log, oldest first.

use std::path::Path;

use super::entry::{Entry, Kind, Line};
use super::lanes::{Gap, Lanes};
use super::lines::{End, Lines, RawLine};
use super::report::{Beginning, Damage, Finding, MAX_BEGINNINGS, MAX_FINDINGS, Report};
use super::text::TextReader;
use super::{Form, VerifyError, json};
use crate::log_files::Text;

/// So much of the first file is searched for a line of JSON.
const DETECT_BYTES: usize = 64 * 1024;

/// How often it is told how much was read.
const TELL_LINES: u64 = 10_000;

/// So much of a damaged line is told, and of a worker's name.
const TOLD_BYTES: usize = 60;

pub(super) struct Pass {
    reader: LineReader,
    lanes: Lanes<Seen>,
    report: Report,
    /// The findings that are kept.
    found: Vec<(Place, Damage)>,
}

enum LineReader {
    Unknown,
    Json,
    Text(TextReader),
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Index of the file in the report.
    file: usize,
    /// Line in the file, from 1.
    line: u64,
}

/// Where a gap was seen, and in whose lane.
#[derive(Clone, Debug)]
struct Seen {
    place: Place,
    worker: Box<str>,
}

impl Pass {
    pub(super) fn new(form: &Form) -> Result<Pass, VerifyError> {
        let reader = match form {
            Form::Detect => LineReader::Unknown,
            Form::Json => LineReader::Json,
            Form::Pattern(pattern) => LineReader::Text(TextReader::new(pattern)?),
        };
        Ok(Pass { reader, lanes: Lanes::new(), report: Report::default(), found: Vec::new() })
    }

    /// Reads the next newer file; tells now and then how much of its text was read.
    pub(super) fn read_file(
        &mut self,
        path: &Path,
        mut text: Text,
        end: End,
        mut tell: impl FnMut(u64),
    ) -> Result<(), VerifyError> {
        let io = |source| VerifyError::Io { operation: "read", path: path.to_owned(), source };
        if matches!(self.reader, LineReader::Unknown) {
            self.reader = detect(&mut text).map_err(io)?;
        }
        let mut place = Place { file: self.report.files.len(), line: 0 };
        let mut read_bytes = 0;
        self.report.files.push(path.to_owned());
        let mut lines = Lines::of(text.into_reader());
        while let Some(line) = lines.next().map_err(io)? {
            if !line.ended && end == End::MayGrow {
                self.report.unfinished = true;
                break;
            }
            place.line += 1;
            read_bytes += line.text.len() as u64 + 1;
            self.read_line(place, line)?;
            if place.line.is_multiple_of(TELL_LINES) {
                tell(read_bytes);
            }
        }
        Ok(())
    }

    fn read_line(&mut self, place: Place, line: RawLine<'_>) -> Result<(), VerifyError> {
        self.report.lines += 1;
        if !line.ended {
            self.add(place, Damage::Unterminated { start: told(line.text) });
        }
        let read = match &self.reader {
            _ if !line.whole => Line::Unreadable,
            LineReader::Json => json::read(line.text),
            LineReader::Text(text) => text.read(line.text),
            LineReader::Unknown => {
                let path = self.report.files[place.file].clone();
                return Err(VerifyError::UnknownForm { path });
            }
        };
        match read {
            Line::Entry(entry) => self.account(place, &entry)?,
            // A record is in one file, so that none begins with the rest of another.
            Line::Further if place.line > 1 => {}
            // What is wrong with it was told above.
            _ if !line.ended => {}
            _ => self.add(place, Damage::Unreadable { start: told(line.text) }),
        }
        Ok(())
    }

    fn account(&mut self, place: Place, entry: &Entry<'_>) -> Result<(), VerifyError> {
        let path = || self.report.files[place.file].clone();
        let Entry { lane, seqs, worker, kind } = entry;
        let (lane, seq) = (*lane, seqs.start);
        let seen = || Seen { place, worker: told(worker.as_bytes()).into() };
        let accounted = self
            .lanes
            .account(lane, seqs.clone(), seen)
            .map_err(|_| VerifyError::TooManyLanes { path: path() })?;
        match kind {
            Kind::Record => self.report.records += 1,
            Kind::Drops => {
                let dropped = seqs.end - seqs.start - accounted.doubled;
                self.report.dropped = self.report.dropped.saturating_add(dropped);
            }
            Kind::Filtered => {
                return Err(VerifyError::Filtered { path: path(), line: place.line });
            }
        }
        let worker = || told(worker.as_bytes());
        if accounted.late > 0 {
            let count = accounted.late;
            self.add(place, Damage::OutOfOrder { lane, worker: worker(), seq, count });
        }
        if accounted.doubled > 0 {
            let count = accounted.doubled;
            self.add(place, Damage::Double { lane, worker: worker(), seq, count });
        }
        if let Some(gap) = accounted.given_up {
            self.add_gap(gap);
        }
        Ok(())
    }

    fn add_gap(&mut self, gap: Gap<Seen>) {
        let Gap { lane, seqs, seen: Seen { place, worker } } = gap;
        let (seq, count) = (seqs.start, seqs.end - seqs.start);
        self.add(place, Damage::Gap { lane, worker: worker.into_string(), seq, count });
    }

    fn add(&mut self, place: Place, damage: Damage) {
        self.report.counts.add(&damage);
        if self.found.len() < MAX_FINDINGS {
            self.found.push((place, damage));
        }
    }

    /// Ends the pass: what has not come by now is missing.
    pub(super) fn finish(mut self) -> Report {
        self.report.lanes = self.lanes.count() as u64;
        let open = self.lanes.take_gaps();
        let (beginnings, mut gaps): (Vec<_>, Vec<_>) = open.partition(|gap| gap.seqs.start == 0);
        self.set_beginnings(&beginnings);
        gaps.sort_unstable_by_key(|gap| (gap.seen.place, gap.seqs.start));
        gaps.into_iter().for_each(|gap| self.add_gap(gap));
        self.found.sort_by_key(|(place, _)| *place);
        let files = &self.report.files;
        let finding = |(Place { file, line }, damage): (Place, Damage)| Finding {
            file: files[file].clone(),
            line,
            damage,
        };
        self.report.findings = self.found.into_iter().map(finding).collect();
        self.report
    }

    fn set_beginnings(&mut self, missing: &[Gap<Seen>]) {
        self.report.lanes_begun_before = missing.len() as u64;
        let beginning = |gap: &Gap<Seen>| Beginning { lane: gap.lane, seq: gap.seqs.end };
        self.report.beginnings = missing.iter().map(beginning).collect();
        self.report.beginnings.sort_unstable();
        self.report.beginnings.truncate(MAX_BEGINNINGS);
    }
}

/// The form of a file's lines by its first ones; not known while it is empty.
fn detect(text: &mut Text) -> std::io::Result<LineReader> {
    let mut start = vec![0; DETECT_BYTES];
    let read = text.read_at(&mut start, 0)?;
    // Not the first line alone, because that may be the damaged one.
    let is_json = start[..read].split(|byte| *byte == b'\n').any(|line| line.starts_with(b"{"));
    Ok(if is_json { LineReader::Json } else { LineReader::Unknown })
}

/// The beginning of a text, safe to print.
fn told(text: &[u8]) -> String {
    let start = &text[..text.len().min(TOLD_BYTES)];
    String::from_utf8_lossy(start).replace(char::is_control, "\u{fffd}")
}
