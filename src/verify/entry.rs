//! What a line of a log says, whatever its form.

use std::borrow::Cow;
use std::ops::Range;

/// The logger of the listener's own records.
pub(super) const LISTENER_LOGGER: &str = "logboom";

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// It begins a record.
    Entry(Entry<'l>),
    /// It belongs to the record before it.
    Further,
    /// It is not what a formatter prints.
    Unreadable,
}

/// A record, or what stands in the place of records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry<'l> {
    pub(super) lane: u64,
    /// The sequence numbers it accounts for.
    pub(super) seqs: Range<u64>,
    /// Name of the worker; empty if the line does not tell.
    pub(super) worker: Cow<'l, str>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Record,
    /// Its sequence numbers are those of dropped calls.
    Drops,
    /// A record that says that others were filtered out.
    Filtered,
}

impl<'l> Line<'l> {
    /// An entry that accounts for `count` sequence numbers; unreadable if there are not so many.
    pub(super) fn entry(
        lane: u64,
        first_seq: u64,
        notice: Notice,
        worker: impl Into<Cow<'l, str>>,
    ) -> Line<'l> {
        let (kind, count) = match notice {
            Notice::None => (Kind::Record, 1),
            Notice::Filtered => (Kind::Filtered, 1),
            Notice::Dropped(count) => (Kind::Drops, count),
        };
        match first_seq.checked_add(count) {
            Some(end) => {
                let (seqs, worker) = (first_seq..end, worker.into());
                Line::Entry(Entry { lane, seqs, worker, kind })
            }
            None => Line::Unreadable,
        }
    }
}

/// What the listener itself says about the numbers of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    None,
    /// So many calls were dropped, from the number of the line on.
    Dropped(u64),
    Filtered,
}
