//! Lines of a pattern.

use super::entry::{LISTENER_LOGGER, Line, Notice};
use crate::formatter::{PatternReader, ReadBackError};

/// Reads lines of one pattern.
#[derive(Debug)]
pub(super) struct TextReader {
    pattern: PatternReader,
}

impl TextReader {
    pub(super) fn new(pattern: &str) -> Result<TextReader, ReadBackError> {
        Ok(TextReader { pattern: PatternReader::new(pattern, LISTENER_LOGGER)? })
    }

    /// Reads one line without its newline.
    pub(super) fn read<'l>(&self, line: &'l [u8]) -> Line<'l> {
        if line.starts_with(b"\t") {
            return Line::Further;
        }
        let Ok(line) = str::from_utf8(line) else { return Line::Unreadable };
        // Nearly no line is of the listener's own, and searching one word is cheap.
        if line.contains(LISTENER_LOGGER)
            && let Some(read) = self.pattern.read_of_logger(line)
        {
            let notice = notice(read.message, read.worker);
            return Line::entry(read.lane, read.seq, notice, read.worker);
        }
        match self.pattern.read(line) {
            Some(read) => Line::entry(read.lane, read.seq, Notice::None, read.worker),
            None => Line::Unreadable,
        }
    }
}

/// Reads the message of a record of the listener's own.
///
/// The name of the process has to fit, because another record may quote such a line: then what was
/// taken for the name reaches into its message. A pattern may print a part of the name, or nothing.
fn notice(message: &str, worker: &str) -> Notice {
    if message.starts_with("filtered: ") && LISTENER_LOGGER.starts_with(worker) {
        return Notice::Filtered;
    }
    dropped(message, worker).map_or(Notice::None, Notice::Dropped)
}

fn dropped(message: &str, worker: &str) -> Option<u64> {
    let (count, levels) = message.strip_prefix("dropped ")?.split_once(" records (")?;
    let (_, from) = levels.split_once(") from ")?;
    count.parse().ok().filter(|_| from.starts_with(worker))
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Entry, Kind};
    use super::*;

    const DROPS: &str = "dropped 5 records (INFO 5) from api 3 between 1 and 2";

    #[track_caller]
    fn check(line: &str, kind: Kind, end: u64) {
        let pattern = "%(lane)s %(seq)s %(processName)s %(name)s %(message)s";
        let reader = TextReader::new(pattern).expect("a pattern");
        let line = format!("000000000000beef 42 {line}");
        let Line::Entry(entry) = reader.read(line.as_bytes()) else { panic!("unreadable: {line}") };
        let Entry { lane, seqs, kind: found, .. } = entry;
        assert_eq!((lane, seqs, found), (0xbeef, 42..end, kind), "{line}");
    }

    #[test]
    fn the_listener_tells_of_drops_and_filters() {
        check(&format!("api 3 logboom {DROPS}"), Kind::Drops, 47);
        check("logboom logboom filtered: levels below INFO are left out", Kind::Filtered, 43);
    }

    #[test]
    fn messages_of_other_loggers_or_forms_mean_nothing() {
        check(&format!("api web {DROPS}"), Kind::Record, 43);
        check("api web filtered: 7 bad requests", Kind::Record, 43);
        check("api logboom dropped many records (INFO 5)", Kind::Record, 43);
        check("api logboom dropped 5 records", Kind::Record, 43);
        check("api 3 logboom filtered: 7 bad requests", Kind::Record, 43);
        check("api logboom filtered", Kind::Record, 43);
    }

    #[test]
    fn a_line_that_is_quoted_in_a_message_means_nothing() {
        check(&format!("web http seen: api 3 logboom {DROPS}"), Kind::Record, 43);
        check("web http seen: logboom logboom filtered: by level", Kind::Record, 43);
    }

    #[test]
    fn a_line_is_a_record_or_belongs_to_one_or_is_unreadable() {
        let reader = TextReader::new("%(lane)s %(seq)s %(name)s %(message)s").expect("a pattern");
        assert_eq!(reader.read(b"\tat main"), Line::Further);
        assert_eq!(reader.read(b""), Line::Unreadable);
        assert_eq!(reader.read(b"000000000000beef 4"), Line::Unreadable);
        assert_eq!(reader.read(b"000000000000beef 4 web \xff"), Line::Unreadable);
        let last = format!("000000000000beef {} web x", u64::MAX);
        assert_eq!(reader.read(last.as_bytes()), Line::Unreadable);
    }
}
