//! By the name of the logger.

use std::borrow::Cow;

use super::{Filter, Verdict};
use crate::{Level, Record};

/// The name under which the logger without a name is known.
const ROOT: &str = "root";

/// Lets the records of one logger and of those below it pass, as Python's `Filter(name)` does.
///
/// `a.b` lets `a.b` and `a.b.c` pass, not `a.bc`; `::` in a name counts as a dot. The empty name
/// lets all records pass, and `root` those of the logger without a name.
///
/// ```
/// use logboom::filter::LoggerFilter;
///
/// let only_http = LoggerFilter::new("web.http");
/// # let _ = only_http;
/// ```
#[derive(Clone, Debug)]
pub struct LoggerFilter {
    parts: Vec<Box<str>>,
}

impl LoggerFilter {
    /// A filter for the logger `name`.
    pub fn new(name: &str) -> LoggerFilter {
        let parts = if name.is_empty() { Vec::new() } else { parts(name).map(Box::from).collect() };
        LoggerFilter { parts }
    }
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    let name = if name.is_empty() { ROOT } else { name };
    name.split("::").flat_map(|part| part.split('.'))
}

impl Filter for LoggerFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        let mut of_record = parts(&record.logger);
        Verdict::pass_if(self.parts.iter().all(|part| of_record.next() == Some(part)))
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::passes;
    use super::*;
    use crate::Level;

    fn lets(name: &str, logger: &str) -> bool {
        passes(&mut LoggerFilter::new(name), &Record::new(0, Level::INFO, logger, ""))
    }

    #[test]
    fn a_name_lets_itself_and_what_is_below_pass() {
        for (name, logger) in [
            ("a.b", "a.b"),
            ("a.b", "a.b.c"),
            ("a.b", "a::b::c"),
            ("a::b", "a.b"),
            ("", ""),
            ("", "a"),
            ("root", ""),
            ("root", "root.x"),
        ] {
            assert!(lets(name, logger), "{name:?} {logger:?}");
        }
        for (name, logger) in [
            ("a.b", "a"),
            ("a.b", "a.bc"),
            ("a.b", ""),
            ("a.b", "b.a.b"),
            ("root", "a"),
            ("a", "A"),
        ] {
            assert!(!lets(name, logger), "{name:?} {logger:?}");
        }
    }
}
