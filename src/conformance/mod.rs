//! Rules that every handler, filter and formatter keeps, to be checked in its own tests.
//!
//! A test gives [`handler`], [`filter`] or [`formatter`] a way to make the one under test, and gets
//! back which rules it breaks, each with a sentence that says how.
//!
//! ```
//! use logboom::conformance;
//! use logboom::formatter::JsonFormatter;
//!
//! conformance::formatter(JsonFormatter::new).into_result()?;
//! # Ok::<(), conformance::Violations>(())
//! ```

mod filter;
mod formatter;
mod handler;
mod records;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use filter::filter;
pub use formatter::formatter;
pub use handler::handler;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// Nothing panics, whatever is in a record: empty and long text, line breaks, control
    /// characters, the ends of time, any level, many fields.
    NeverPanics,
    /// A handler that has nothing to write flushes without an error.
    FlushOfNothing,
    /// What was handled can be read once a flush has returned: every record once, in order.
    FlushShows,
    /// A second flush changes nothing.
    FlushTwice,
    /// What was handled can be read once the handler is closed: every record once, in order.
    CloseShows,
    /// A record that is out of the ordinary, taken or refused, keeps no later one from arriving.
    GoesOn,
    /// A handler works on another thread than the one it was made on.
    AnyThread,
    /// Two filters of the same make decide alike about the same records: neither by chance nor by
    /// the clock.
    Deterministic,
    /// A filter that changes nothing makes no copy.
    NoNeedlessCopy,
    /// A summary has the logger, the level and the process of a record that was hidden, and the
    /// number of records in its field `filtered`.
    SummaryTells,
    /// Summaries stand for records that were hidden, and for none twice.
    SummaryCounts,
    /// Who asks for summaries keeps those he has.
    SummariesAppend,
    /// A formatter leaves what is there and appends to it.
    Appends,
    /// What a formatter appends is UTF-8.
    Utf8,
    /// What a formatter appends does not end in a newline: that is the handler's.
    NoNewline,
    /// What a formatter makes of a record does not depend on the records before.
    Independent,
}

/// A rule that is broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// A sentence that says what was done, what was expected and what was found.
    pub sentence: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it says which rules are broken"]
pub struct Report {
    violations: Vec<Violation>,
}

/// Rules that are broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Report {
    /// The same report without this rule, for one that breaks it on purpose.
    pub fn except(mut self, rule: Rule) -> Report {
        self.violations.retain(|violation| violation.rule != rule);
        self
    }

    /// All rules that are broken, in the order they were found.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Success where no rule is broken.
    ///
    /// # Errors
    /// All rules that are.
    pub fn into_result(self) -> Result<(), Violations> {
        if self.violations.is_empty() { Ok(()) } else { Err(Violations(self.violations)) }
    }

    fn expect(&mut self, rule: Rule, kept: bool, sentence: impl FnOnce() -> String) {
        // The first of a kind tells enough.
        let is_known = || self.violations.iter().any(|violation| violation.rule == rule);
        if !kept && !is_known() {
            self.violations.push(Violation { rule, sentence: sentence() });
        }
    }

    /// What `act` returns, unless it panics.
    fn unless_panic<T>(&mut self, what: &str, act: impl FnOnce() -> T) -> Option<T> {
        let outcome = catch_unwind(AssertUnwindSafe(act)).ok();
        self.expect(Rule::NeverPanics, outcome.is_some(), || format!("it panicked over {what}"));
        outcome
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Violation { rule, sentence }) in self.0.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{rule:?}: {sentence}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
