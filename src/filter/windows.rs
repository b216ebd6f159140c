//! Spans of time, one for each key, in which some records pass and the others are counted.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::{Field, Record, Value};

/// Most keys a filter remembers at a time; for another one the oldest is given up, and what it has
/// hidden is told.
pub const MAX_KEYS: usize = 1024;

/// The windows of all keys, by the times of records.
///
/// A window begins with the first record of its key. A record that is as far before the beginning
/// as the window is long, because a clock was set back, ends it too.
#[derive(Debug)]
pub(super) struct Windows {
    allowed: u32,
    length_ns: i64,
    windows: HashMap<Arc<str>, Window>,
    /// Keys with the beginnings of their windows, oldest first; one may have begun anew since.
    by_start: VecDeque<(i64, Arc<str>)>,
    /// Of windows that are over.
    summaries: VecDeque<Hidden>,
}

#[derive(Debug)]
struct Window {
    start_ns: i64,
    passed: u32,
    hidden: Option<Hidden>,
}

/// Records that a filter has hidden.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) count: u64,
    /// The first of them, with time and process of the last.
    pub(super) record: Record<'static>,
}

impl Windows {
    pub(super) fn new(allowed: u32, length: Duration) -> Windows {
        Windows {
            allowed,
            length_ns: i64::try_from(length.as_nanos()).unwrap_or(i64::MAX),
            windows: HashMap::new(),
            by_start: VecDeque::new(),
            summaries: VecDeque::new(),
        }
    }

    /// Whether `record` is among the first of its key in its window.
    pub(super) fn passes(&mut self, key: &str, record: &Record<'_>) -> bool {
        self.end_windows(record.time_ns);
        let length_ns = self.length_ns;
        let current = self.windows.get_mut(key);
        match current.filter(|window| !is_over(window.start_ns, length_ns, record.time_ns)) {
            Some(window) if window.passed < self.allowed => {
                window.passed += 1;
                true
            }
            Some(window) => {
                window.hide(record);
                false
            }
            None => {
                self.begin(key, record.time_ns);
                true
            }
        }
    }

    /// Ends the windows that are over at `now_ns` and takes the next of those that have hidden
    /// something.
    pub(super) fn next_hidden(&mut self, now_ns: i64) -> Option<Hidden> {
        self.end_windows(now_ns);
        self.summaries.pop_front()
    }

    fn begin(&mut self, key: &str, start_ns: i64) {
        self.end(key);
        while self.by_start.len() >= MAX_KEYS {
            self.end_oldest();
        }
        let key: Arc<str> = key.into();
        self.by_start.push_back((start_ns, Arc::clone(&key)));
        self.windows.insert(key, Window { start_ns, passed: 1, hidden: None });
    }

    fn end_windows(&mut self, now_ns: i64) {
        while let Some((start_ns, _)) = self.by_start.front()
            && is_over(*start_ns, self.length_ns, now_ns)
        {
            self.end_oldest();
        }
    }

    fn end_oldest(&mut self) {
        if let Some((start_ns, key)) = self.by_start.pop_front()
            && self.windows.get(&key).is_some_and(|window| window.start_ns == start_ns)
        {
            self.end(&key);
        }
    }

    fn end(&mut self, key: &str) {
        if let Some(hidden) = self.windows.remove(key).and_then(|window| window.hidden) {
            // Nobody asks for them: the oldest are given up.
            if self.summaries.len() >= MAX_KEYS {
                self.summaries.pop_front();
            }
            self.summaries.push_back(hidden);
        }
    }
}

impl Window {
    fn hide(&mut self, record: &Record<'_>) {
        let hidden = self.hidden.get_or_insert_with(|| {
            let (logger, message) = (record.logger.to_string(), record.message.to_string());
            Hidden { count: 0, record: Record::new(0, record.level, logger, message) }
        });
        hidden.count += 1;
        follow(&mut hidden.record, record);
    }
}

/// Gives `told` time and process of `record`, which was hidden after those that it tells of.
pub(super) fn follow(told: &mut Record<'static>, record: &Record<'_>) {
    told.time_ns = record.time_ns;
    if *told.process != *record.process {
        told.process = Cow::Owned(record.process.clone().into_owned());
    }
}

impl Hidden {
    /// The record that tells of them.
    pub(super) fn told(self, message: String) -> Record<'static> {
        let filtered = Field { key: "filtered".into(), value: Value::U64(self.count) };
        Record { message: message.into(), fields: vec![filtered], ..self.record }
    }
}

fn is_over(start_ns: i64, length_ns: i64, now_ns: i64) -> bool {
    now_ns >= start_ns.saturating_add(length_ns) || now_ns <= start_ns.saturating_sub(length_ns)
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::*;

    fn windows(allowed: u32) -> Windows {
        Windows::new(allowed, Duration::from_nanos(100))
    }

    fn passing(windows: &mut Windows, key: &str, times: &[i64]) -> Vec<i64> {
        times.iter().copied().filter(|time| windows.passes(key, &record(*time, ""))).collect()
    }

    fn hidden(windows: &mut Windows, now_ns: i64) -> Vec<(u64, i64)> {
        let next = || windows.next_hidden(now_ns);
        std::iter::from_fn(next).map(|hidden| (hidden.count, hidden.record.time_ns)).collect()
    }

    #[test]
    fn a_window_lasts_from_its_first_record_and_tells_when_it_is_over() {
        let mut windows = windows(2);
        assert_eq!(
            passing(&mut windows, "a", &[10, 20, 30, 109, 110, 111, 112]),
            [10, 20, 110, 111]
        );
        assert_eq!(hidden(&mut windows, 112), [(2, 109)]);
        assert_eq!(hidden(&mut windows, 209), []);
        assert_eq!(hidden(&mut windows, 210), [(1, 112)]);
        assert_eq!(hidden(&mut windows, i64::MAX), []);
        assert!(windows.windows.is_empty() && windows.by_start.is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_changes_nothing_and_a_lot_begins_anew() {
        let mut windows = windows(1);
        assert_eq!(
            passing(&mut windows, "a", &[1000, 950, 901, 900, 899, 1000]),
            [1000, 900, 1000]
        );
        assert_eq!(hidden(&mut windows, i64::MAX), [(2, 901), (1, 899)]);
    }

    #[test]
    fn the_ends_of_time_neither_overflow_nor_hide() {
        let mut windows = windows(1);
        let times = [i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX];
        assert_eq!(passing(&mut windows, "a", &times), times);
    }

    #[test]
    fn keys_are_bounded_and_the_oldest_is_given_up_and_told() {
        let mut windows = windows(1);
        for round in 0..2 {
            for number in 0..2 * MAX_KEYS {
                let key = number.to_string();
                assert_eq!(passing(&mut windows, &key, &[round, round]), [round], "{key}");
                assert!(windows.windows.len() <= MAX_KEYS && windows.by_start.len() <= MAX_KEYS);
            }
            assert_eq!(hidden(&mut windows, round).len(), MAX_KEYS);
        }
        // Nobody has asked in between: what is kept to be told is bounded too.
        assert!(hidden(&mut windows, i64::MAX).len() <= MAX_KEYS);
    }

    #[test]
    fn keys_that_begin_anew_out_of_order_leave_nothing_behind() {
        let mut windows = windows(1);
        for step in 0..10_000 {
            let _passed = windows.passes("late", &record(-1000 * step, ""));
            let _passed = windows.passes("steady", &record(step, ""));
            assert!(windows.by_start.len() <= MAX_KEYS);
        }
    }
}
