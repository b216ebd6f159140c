//! Finds the tracebacks of Python, Java and Rust among printed lines. Pure: gets lines and the time,
//! gives pieces.
//!
//! A line that may belong to a traceback is kept until a later one says so; it never waits for longer
//! than [`MAX_GAP`], or [`MAX_WAIT`] for the frames of Rust. What then belongs to none is a line again:
//! nothing is lost, and the order stays.
//! Not found are the further lines of an exception's message: they look like any other.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::record::now_ns;

/// A longer traceback is cut into several: the text of an exception in a record has no more.
pub(super) const MAX_TRACEBACK_BYTES: usize = 32 * 1024;

/// So is one of more lines.
const MAX_TRACEBACK_LINES: usize = 1000;

/// How long a line waits for the next one of its traceback.
const MAX_GAP: Duration = Duration::from_secs(1);

/// How long the first line waits for the last one.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// When a line was printed, as far as is known.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) time_ns: i64,
}

impl Moment {
    pub(super) fn now() -> Moment {
        Moment { instant: Instant::now(), time_ns: now_ns() }
    }
}

/// What has become of lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'p> {
    /// The line that was added is a line.
    Added,
    /// One that was kept is a line.
    Kept { line: &'p str, time_ns: i64 },
    /// Some that were kept are a traceback.
    Traceback { text: &'p str, time_ns: i64 },
}

/// The lines of one stream.
#[derive(Default)]
pub(super) struct Tracebacks {
    kept: Option<Kept>,
}

/// Lines in a row that may be a traceback.
struct Kept {
    state: State,
    text: String,
    lines: usize,
    /// So much of the text certainly is one.
    certain_bytes: usize,
    first: Moment,
    last: Instant,
}

/// What was seen last, and so what may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Something that Python says before a traceback.
    PythonPrologue,
    /// The head of a traceback of Python, or a frame.
    PythonFrames,
    /// The head or a line of an exception group.
    PythonGroup,
    /// The exception.
    PythonException,
    /// An empty line between two tracebacks, then how they are related, then another empty line.
    PythonGap,
    PythonRelation,
    PythonSecondGap,
    /// What may be an exception of Java, then a frame or a cause.
    JavaException,
    JavaFrames,
    /// The place of a panic of Rust, then its message, and frames.
    RustPlace,
    /// The head of a backtrace of Rust: its frames follow when the symbols are read.
    RustHead,
    RustFrames,
}

/// What a line is to a traceback.
enum Part {
    /// It may be of it.
    Possible(State),
    /// It is of it, and all before it.
    Certain(State),
    /// So it is, and nothing follows.
    Last,
}

use Part::{Certain, Possible};
use State::{
    JavaException, JavaFrames, PythonException, PythonFrames, PythonGap, PythonGroup,
    PythonPrologue, PythonRelation, PythonSecondGap, RustFrames, RustHead, RustPlace,
};

impl Tracebacks {
    /// Adds a line; pieces come in the order in which they were printed.
    pub(super) fn add(&mut self, line: &str, at: Moment, take: &mut dyn FnMut(Piece<'_>)) {
        let fits = line.len() < MAX_TRACEBACK_BYTES;
        let part_of = |kept: &Kept| follows(kept.state, line).filter(|_| fits);
        if let Some(part) = self.kept.as_ref().and_then(part_of) {
            return self.keep(part, line, at, take);
        }
        self.give_up(take);
        match begins(line).filter(|_| fits) {
            Some(part) => self.keep(part, line, at, take),
            None => take(Piece::Added),
        }
    }

    /// Nothing follows what was kept, or not in time.
    pub(super) fn give_up(&mut self, take: &mut dyn FnMut(Piece<'_>)) {
        if let Some(kept) = self.kept.take() {
            kept.give(take);
        }
    }

    /// When it is to be given up, unless more is added.
    pub(super) fn due(&self) -> Option<Instant> {
        let kept = self.kept.as_ref()?;
        let give_up_at = kept.first.instant + MAX_WAIT;
        match kept.state {
            RustHead => Some(give_up_at),
            _ => Some(give_up_at.min(kept.last + MAX_GAP)),
        }
    }

    fn keep(&mut self, part: Part, line: &str, at: Moment, take: &mut dyn FnMut(Piece<'_>)) {
        let is_full = |kept: &mut Kept| {
            kept.text.len() + line.len() >= MAX_TRACEBACK_BYTES || kept.lines == MAX_TRACEBACK_LINES
        };
        if let Some(full) = self.kept.take_if(is_full) {
            full.give(take);
        }
        let kept = self.kept.get_or_insert_with(|| Kept {
            state: PythonFrames,
            text: String::new(),
            lines: 0,
            certain_bytes: 0,
            first: at,
            last: at.instant,
        });
        kept.text.push_str(line);
        kept.text.push('\n');
        kept.lines += 1;
        kept.last = at.instant;
        if !matches!(part, Possible(_)) {
            kept.certain_bytes = kept.text.len();
        }
        match part {
            Possible(state) | Certain(state) => kept.state = state,
            Part::Last => self.give_up(take),
        }
    }
}

impl Kept {
    fn give(self, take: &mut dyn FnMut(Piece<'_>)) {
        let time_ns = self.first.time_ns;
        let (certain, rest) = self.text.split_at(self.certain_bytes);
        if let Some(text) = certain.strip_suffix('\n') {
            take(Piece::Traceback { text, time_ns });
        }
        // Not by `lines`, which would take a carriage return from the end of one.
        let lines = rest.split_terminator('\n');
        lines.for_each(|line| take(Piece::Kept { line, time_ns }));
    }
}

/// What a line begins.
fn begins(line: &str) -> Option<Part> {
    if is_python_head(line) || is_place_of_syntax_error(line) {
        return Some(Possible(PythonFrames));
    }
    if is_group_head(line) {
        return Some(Possible(PythonGroup));
    }
    if line.starts_with("thread '") && line.contains(" panicked at ") {
        // Before Rust 1.73 the message was in the same line.
        return Some(Certain(if line.ends_with(':') { RustPlace } else { RustFrames }));
    }
    if line == RUST_BACKTRACE {
        return Some(Possible(RustHead));
    }
    if is_java_part(line) {
        return Some(Possible(JavaFrames));
    }
    if line.starts_with("Exception in thread \"") || is_java_exception(line) {
        return Some(Possible(JavaException));
    }
    let is_prologue = line.starts_with("Exception in thread ") && line.ends_with(':')
        || line.starts_with("Exception ignored in");
    is_prologue.then_some(Possible(PythonPrologue))
}

/// What a line is to the traceback that was in this state before it.
fn follows(state: State, line: &str) -> Option<Part> {
    match state {
        PythonPrologue if is_python_head(line) => Some(Certain(PythonFrames)),
        PythonFrames if line.starts_with(' ') => Some(Certain(PythonFrames)),
        PythonFrames if is_exception(line) => Some(Certain(PythonException)),
        PythonGroup if line.starts_with(' ') => Some(Certain(PythonGroup)),
        PythonException | PythonGroup if line.is_empty() => Some(Possible(PythonGap)),
        PythonGap if PYTHON_RELATIONS.contains(&line) => Some(Possible(PythonRelation)),
        PythonRelation if line.is_empty() => Some(Possible(PythonSecondGap)),
        PythonSecondGap if is_python_head(line) => Some(Certain(PythonFrames)),
        PythonSecondGap if is_group_head(line) => Some(Certain(PythonGroup)),
        JavaException | JavaFrames if is_java_part(line) => Some(Certain(JavaFrames)),
        RustPlace => Some(Certain(RustFrames)),
        RustFrames if line == RUST_BACKTRACE => Some(Certain(RustHead)),
        RustHead | RustFrames if line.starts_with(' ') => Some(Certain(RustFrames)),
        RustHead | RustFrames if is_last_of_rust(line) => Some(Part::Last),
        _ => None,
    }
}

const PYTHON_HEAD: &str = "Traceback (most recent call last):";

const PYTHON_RELATIONS: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];

const RUST_BACKTRACE: &str = "stack backtrace:";

fn is_python_head(line: &str) -> bool {
    line == PYTHON_HEAD
}

/// An error of syntax in the program itself has no head.
fn is_place_of_syntax_error(line: &str) -> bool {
    line.starts_with("  File \"") && line.contains("\", line ")
}

fn is_group_head(line: &str) -> bool {
    line.strip_prefix("  + Exception Group ") == Some(PYTHON_HEAD)
}

/// Whether the line may be the last of a traceback of Python: a name, and mostly a message.
fn is_exception(line: &str) -> bool {
    let name = line.split_once(": ").map_or(line, |(name, _)| name);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '<' | '>');
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(is_part)
}

/// Whether the line may begin a traceback of Java: the name of a class in a package.
fn is_java_exception(line: &str) -> bool {
    let name = line.split_once(": ").map_or(line, |(name, _)| name);
    let is_name = |part: &str| part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
    let begins_with = |part: &str, is_wanted: fn(char) -> bool| part.starts_with(is_wanted);
    name.rsplit_once('.').is_some_and(|(package, class)| {
        begins_with(class, char::is_uppercase)
            && is_name(class)
            && package
                .split('.')
                .all(|part| begins_with(part, char::is_alphabetic) && is_name(part))
    })
}

fn is_java_part(line: &str) -> bool {
    const PARTS: [&str; 5] = ["at ", "... ", "Suppressed: ", "Caused by: ", "[CIRCULAR REFERENCE"];
    let part = line.trim_start_matches('\t');
    line.starts_with('\t') && PARTS.iter().any(|known| part.starts_with(known))
        || line.starts_with("Caused by: ")
}

fn is_last_of_rust(line: &str) -> bool {
    line.starts_with("note: ") && line.contains("run with `RUST_BACKTRACE=")
}

/// The line of a traceback that says most.
pub(super) fn message(text: &str) -> Cow<'_, str> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("thread '") {
        let more = text.lines().nth(1).filter(|_| first.ends_with(':'));
        return more.map_or(first.into(), |more| format!("{first} {more}").into());
    }
    let exception = text.lines().rev().find(|line| is_exception(line));
    let of_group = || {
        text.lines().filter_map(|line| line.strip_prefix("  | ")).find(|line| is_exception(line))
    };
    exception.or_else(of_group).unwrap_or(first).trim_start().into()
}

#[cfg(test)]
mod tests;
