//! The records of one log, one after the other.

use std::ops::Range;

use super::form::Forms;
use super::lines::BLOCK_BYTES;
use super::needle::Needles;
use super::query::Query;
use super::seek::{PROBE_BYTES, start_of_late_lines};
use super::{Progress, Tail, TailError};
use crate::log_files::LogFiles;

/// A longer record is judged by its beginning, so that memory stays bounded. A record is at most 1 MiB,
/// and no byte prints as more than six.
const MAX_RECORD_BYTES: usize = 8 << 20;

/// So much is read before records are looked for.
const CHUNK_BYTES: usize = 4 * BLOCK_BYTES;

/// How far from the order of time a record may stand that a range of time still finds.
pub(super) const DISORDER_NS: i64 = 60_000_000_000;

/// Reads the records of one log; one at a time is the head.
#[derive(Debug)]
pub(super) struct Source {
    tail: Tail,
    forms: Forms,
    needles: Option<Needles>,
    /// Text that was read. What lies before `at` is done with.
    chunk: Vec<u8>,
    at: usize,
    /// Records are whole up to here.
    whole_to: usize,
    /// A record is known to begin here.
    begins: Option<usize>,
    /// Whether the record before `at` was wanted, for what comes late of it shares its lot; none at the
    /// beginning of a log. Where reading begins in the middle, the rest of a record is not wanted.
    before: Option<bool>,
    /// Whether heads tell their time.
    tells_time: bool,
    /// Behind what is in the chunk, backups are missing.
    skipped: bool,
    /// All that is left is later than is wanted.
    is_past: bool,
    /// Whether there was any text.
    has_text: bool,
    is_checked: bool,
    last_ns: i64,
    head: Option<Head>,
    /// Everything was read, and what is added waits until the other logs are read too.
    pub(super) rests: bool,
}

/// A record, or a part that came late.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Where it is in the chunk, with its newline.
    pub(super) text: Range<usize>,
    /// Its time, or that of the last one before it that has one.
    pub(super) time_ns: i64,
    /// Whether the query wants it.
    pub(super) is_wanted: bool,
    /// Whether it is what comes late of the record before.
    pub(super) is_rest: bool,
}

/// How far a source came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is a head.
    Head,
    /// Backups were gone before they were read.
    Skipped,
    /// Everything was read.
    Idle,
}

/// Which records a source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Give {
    /// Those that are wanted.
    Wanted,
    /// All, with word of which are wanted.
    All,
}

impl Source {
    /// All of a log from where `tail` is.
    pub(super) fn new(tail: Tail, query: &Query) -> Result<Source, TailError> {
        Ok(Source {
            before: if tail.is_at_beginning() { None } else { Some(false) },
            tells_time: false,
            tail,
            forms: query.forms()?,
            needles: query.needles(),
            chunk: Vec::new(),
            at: 0,
            whole_to: 0,
            begins: None,
            skipped: false,
            is_past: false,
            has_text: false,
            is_checked: false,
            last_ns: i64::MIN,
            head: None,
            rests: false,
        })
    }

    /// Another one at the same place, before anything was read.
    pub(super) fn try_clone(&self) -> Result<Source, TailError> {
        Ok(Source {
            tail: self.tail.try_clone()?,
            forms: self.forms.clone(),
            needles: self.needles.clone(),
            chunk: self.chunk.clone(),
            head: self.head.clone(),
            ..*self
        })
    }

    /// Looks also at records that cannot be wanted.
    pub(super) fn look_at_all(&mut self) {
        self.needles = None;
    }

    /// Lets heads tell their time, by which several logs are merged.
    pub(super) fn tell_time(&mut self) {
        self.tells_time = true;
    }

    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    pub(super) fn text(&self, head: &Head) -> &[u8] {
        &self.chunk[head.text.clone()]
    }

    pub(super) fn forms(&mut self) -> &mut Forms {
        &mut self.forms
    }

    /// Text and forms of the head at once.
    pub(super) fn parts(&mut self) -> (&[u8], &mut Forms) {
        let text = self.head.as_ref().map_or(0..0, |head| head.text.clone());
        (&self.chunk[text], &mut self.forms)
    }

    /// Whether nothing will come any more, whatever is written.
    pub(super) fn is_past(&self) -> bool {
        self.is_past
    }

    /// Treats the head, and what comes late of it, as a record that is not wanted.
    pub(super) fn refuse(&mut self) {
        self.before = Some(false);
        self.head.iter_mut().for_each(|head| head.is_wanted = false);
    }

    /// Gives up the head.
    pub(super) fn release(&mut self) {
        self.head = None;
    }

    /// Gives up the head and looks for the next one.
    pub(super) fn advance(&mut self, query: &Query, give: Give) -> Result<Step, TailError> {
        self.release();
        loop {
            while self.at < self.whole_to {
                if let Some(head) = self.next_in_chunk(query, give) {
                    self.head = Some(head);
                    return Ok(Step::Head);
                }
            }
            if std::mem::take(&mut self.skipped) {
                return Ok(Step::Skipped);
            }
            if self.is_past || !self.fill(query)? {
                return Ok(Step::Idle);
            }
        }
    }

    /// Reads on; whether there is something new, or to be told.
    fn fill(&mut self, query: &Query) -> Result<bool, TailError> {
        self.chunk.drain(..self.at);
        (self.at, self.whole_to, self.begins) = (0, 0, None);
        self.needles.iter_mut().for_each(Needles::forget);
        let goal = (self.chunk.len() + 1).next_multiple_of(CHUNK_BYTES);
        let mut is_all = false;
        while self.chunk.len() < goal && !is_all && !self.skipped {
            match self.tail.read(&mut self.chunk)? {
                Progress::Advanced => {}
                Progress::Skipped => self.skipped = true,
                Progress::Idle => is_all = true,
            }
        }
        self.check_form(query, is_all)?;
        self.whole_to = if is_all || self.skipped || self.chunk.len() > MAX_RECORD_BYTES {
            self.chunk.len()
        } else {
            self.start_of_last_record()
        };
        self.check_end(query);
        Ok(!is_all || self.whole_to > 0)
    }

    /// Tells once, at the end of all lines, that none tells what is asked.
    fn check_form(&mut self, query: &Query, is_all: bool) -> Result<(), TailError> {
        self.forms.detect(&self.chunk);
        self.has_text |= !self.chunk.is_empty();
        if self.is_checked {
            return Ok(());
        }
        let lacks_form = query.needs_form() && !self.forms.is_known();
        let lacks_time =
            !lacks_form && query.has_range() && self.forms.first_moment(&self.chunk).is_none();
        let is_answered = !lacks_form && !lacks_time;
        self.is_checked = is_answered || (is_all && self.has_text);
        if is_answered || !self.is_checked {
            return Ok(());
        }
        let path = self.tail.path().to_owned();
        Err(match lacks_form {
            true if self.forms.is_named() => TailError::OtherForm { path },
            true => TailError::UnknownForm { path },
            false => TailError::NoTimes { path },
        })
    }

    /// Ends behind a chunk whose last record is later than what is wanted.
    fn check_end(&mut self, query: &Query) {
        let Some(until_ns) = query.until_ns().filter(|_| !self.chunk.is_empty()) else { return };
        let last = self.start_of_last_record();
        let line = last..end_of_line(&self.chunk, last, self.chunk.len());
        let moment = self.forms.moment(without_newline(&self.chunk[line]));
        let end_ns = until_ns.saturating_add(DISORDER_NS);
        self.is_past = moment.is_some_and(|moment| moment.first_ns > end_ns);
    }

    /// The beginning of the chunk if no other record begins in it.
    fn start_of_last_record(&mut self) -> usize {
        let mut end = self.chunk.len();
        loop {
            let start = start_of_line(&self.chunk, end.saturating_sub(1), 0);
            if start == 0 || self.begins_at(start, self.chunk.len()) {
                return start;
            }
            end = start;
        }
    }

    fn begins_at(&mut self, start: usize, end: usize) -> bool {
        if self.begins == Some(start) {
            return true;
        }
        self.forms.begins(without_newline(&self.chunk[start..end_of_line(&self.chunk, start, end)]))
    }

    /// The next record of the whole ones, or nothing if none of those looked at is to be given.
    fn next_in_chunk(&mut self, query: &Query, give: Give) -> Option<Head> {
        let end = self.whole_to;
        if let Some(is_wanted) = self.before.filter(|_| !self.begins_at(self.at, end)) {
            return self.rest_of_record(is_wanted);
        }
        if self.needles.is_some() && !self.go_to_candidate() {
            return None;
        }
        let text = self.at..self.end_of_record(self.at);
        self.at = text.end;
        let is_wanted = query.wants(without_newline(&self.chunk[text.clone()]), &mut self.forms);
        self.before = Some(is_wanted);
        if !is_wanted && give == Give::Wanted {
            return None;
        }
        if self.tells_time {
            let line = text.start..end_of_line(&self.chunk, text.start, text.end);
            let moment = self.forms.moment(without_newline(&self.chunk[line]));
            self.last_ns = moment.map_or(self.last_ns, |moment| moment.behind(self.last_ns));
        }
        Some(Head { text, time_ns: self.last_ns, is_wanted, is_rest: false })
    }

    /// Takes what belongs to the record before.
    fn rest_of_record(&mut self, is_wanted: bool) -> Option<Head> {
        let text = self.at..self.end_of_record(self.at);
        self.at = text.end;
        let head = Head { text, time_ns: self.last_ns, is_wanted, is_rest: true };
        is_wanted.then_some(head)
    }

    /// Goes to the next record that may be wanted; whether there is one. The one at hand begins one.
    fn go_to_candidate(&mut self) -> bool {
        let text = &self.chunk[..self.whole_to];
        let found = self.needles.as_mut().and_then(|needles| needles.find(text, self.at));
        let Some(found) = found else {
            (self.at, self.before) = (self.whole_to, Some(false));
            return false;
        };
        let first = self.at;
        let mut start = start_of_line(&self.chunk, found, first);
        while start > first && !self.begins_at(start, self.whole_to) {
            start = start_of_line(&self.chunk, start - 1, first);
        }
        self.at = start;
        true
    }

    fn end_of_record(&mut self, start: usize) -> usize {
        let end = self.whole_to;
        let mut at = end_of_line(&self.chunk, start, end);
        while at < end && !self.begins_at(at, end) {
            at = end_of_line(&self.chunk, at, end);
        }
        self.begins = Some(at).filter(|at| *at < end);
        at
    }
}

/// Opens the log at a place before all records that are `since` then or later.
pub(super) fn open_since(
    files: LogFiles,
    since_ns: i64,
    forms: &mut Forms,
) -> Result<Option<Tail>, TailError> {
    let since_ns = forms.clock().unambiguous_before(since_ns.saturating_sub(DISORDER_NS));
    let mut is_early =
        |text: &[u8]| forms.first_moment(text).map(|moment| moment.first_ns < since_ns);
    let file = files.newest_that(PROBE_BYTES as usize, |head| is_early(head) == Some(true))?;
    let Some(file) = file else { return Ok(None) };
    let mut text = file.open_text()?;
    let offset =
        start_of_late_lines(&mut text, is_early).map_err(|error| files.read_error(error))?;
    Tail::starting(files, file, text, offset).map(Some)
}

/// Where the line begins that `at` is in, at `first` at the earliest.
fn start_of_line(text: &[u8], at: usize, first: usize) -> usize {
    memchr::memrchr(b'\n', &text[first..at]).map_or(first, |newline| first + newline + 1)
}

/// Where the line at `start` ends, behind its newline.
fn end_of_line(text: &[u8], start: usize, end: usize) -> usize {
    memchr::memchr(b'\n', &text[start..end]).map_or(end, |newline| start + newline + 1)
}

fn without_newline(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}
