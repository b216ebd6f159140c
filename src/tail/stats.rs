//! What is in a log, in numbers.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::{Level, Record, Value};

/// The most names that are counted of one kind, and the most messages; what comes besides is counted together.
pub const MAX_NAMES: usize = 10_000;

/// The most lanes whose numbers are counted; more tell nothing of what is missing.
const MAX_LANES: usize = 1 << 20;

/// The most intervals of time.
pub const MAX_INTERVALS: usize = 60;

/// How long intervals may be, each a multiple of the one before.
const WIDTHS_S: [i64; 14] = [
    1,
    5,
    15,
    60,
    300,
    900,
    3600,
    10_800,
    21_600,
    86_400,
    604_800,
    6_048_000,
    60_480_000,
    604_800_000,
];

/// So much of a message is told.
const MESSAGE_CHARS: usize = 120;

/// The logger of the listener's own records.
const LISTENER_LOGGER: &str = "logboom";

/// Counts records. Memory is bounded whatever these are.
///
/// ```
/// use logboom::tail::Stats;
/// use logboom::{Level, Record};
///
/// let mut stats = Stats::new();
/// for number in 1..=3 {
///     stats.add(&Record::new(number, Level::INFO, "web", format!("served {number}")));
/// }
/// assert_eq!(stats.summary(10).messages[0].name, "served #");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stats {
    records: u64,
    unknown: u64,
    dropped: u64,
    times: Option<(i64, i64)>,
    levels: BTreeMap<Level, u64>,
    workers: Names,
    loggers: Names,
    messages: Names,
    lanes: HashMap<u64, Lane>,
    intervals: Intervals,
}

/// What was counted.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// All records.
    pub records: u64,
    /// Those whose lines have no known form: nothing is told of them but that they are there.
    pub unknown: u64,
    /// Calls that the listener says were dropped.
    pub dropped: u64,
    /// Sequence numbers that are in no record between the first and the last of their lane, where lines have
    /// them. `verify` says which.
    pub missing: u64,
    /// Lanes with sequence numbers.
    pub lanes: u64,
    /// The first time, in nanoseconds since the Unix epoch.
    pub first_ns: Option<i64>,
    /// The last time.
    pub last_ns: Option<i64>,
    /// Records of each level, the most severe first.
    pub levels: Vec<Counted>,
    /// Records of each worker, the most first.
    pub workers: Vec<Counted>,
    /// Records of each logger, the most first.
    pub loggers: Vec<Counted>,
    /// How often messages are there that are the same but for their numbers, the most first. Where there are more
    /// than [`MAX_NAMES`], rare ones are forgotten.
    pub messages: Vec<Counted>,
    /// How long each interval is, in seconds.
    pub interval_s: i64,
    /// Records by time, without intervals that have none.
    pub intervals: Vec<Interval>,
}

/// A name and how many records have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counted {
    /// The name.
    pub name: String,
    /// How many records.
    pub count: u64,
}

/// Records of an interval of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Interval {
    /// Its beginning, in seconds since the Unix epoch.
    pub start_s: i64,
    /// How many records.
    pub records: u64,
    /// How many of them are of level ERROR or above.
    pub errors: u64,
}

/// Counts by name; a fresh one has room.
#[derive(Clone, Debug, Default)]
struct Names {
    counts: HashMap<String, u64>,
    /// Names that came no more often were forgotten.
    forgotten_count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    first: u64,
    last: u64,
    count: u64,
}

#[derive(Clone, Debug, Default)]
struct Intervals {
    /// Index of the width.
    width: usize,
    counts: BTreeMap<i64, (u64, u64)>,
}

impl Stats {
    /// Nothing counted yet.
    pub fn new() -> Stats {
        Stats::default()
    }

    /// Counts a record of no known form.
    pub fn add_unknown(&mut self) {
        self.records += 1;
        self.unknown += 1;
    }

    /// Counts a record.
    pub fn add(&mut self, record: &Record<'_>) {
        self.records += 1;
        *self.levels.entry(record.level).or_default() += 1;
        self.workers.add(&record.process.name);
        self.loggers.add(&record.logger);
        self.messages.add(&pattern_of(&record.message));
        let dropped = dropped(record);
        self.dropped = self.dropped.saturating_add(dropped.unwrap_or(0));
        if record.lane != 0 {
            self.add_seq(record.lane, record.seq, dropped.unwrap_or(1));
        }
        if record.time_ns != 0 {
            let (first, last) = self.times.unwrap_or((record.time_ns, record.time_ns));
            self.times = Some((first.min(record.time_ns), last.max(record.time_ns)));
            self.intervals.add(record.time_ns.div_euclid(1_000_000_000), record.level);
        }
    }

    fn add_seq(&mut self, lane: u64, seq: u64, count: u64) {
        let end = seq.saturating_add(count.saturating_sub(1));
        let is_full = self.lanes.len() >= MAX_LANES;
        match self.lanes.get_mut(&lane) {
            Some(lane) => {
                lane.first = lane.first.min(seq);
                lane.last = lane.last.max(end);
                lane.count = lane.count.saturating_add(count);
            }
            None if is_full => {}
            None => {
                self.lanes.insert(lane, Lane { first: seq, last: end, count });
            }
        }
    }

    /// What was counted so far, with so many of each list at most.
    pub fn summary(&self, most: usize) -> Summary {
        let missing =
            |lane: &Lane| (lane.last - lane.first).saturating_add(1).saturating_sub(lane.count);
        let level =
            |(level, count): (&Level, &u64)| Counted { name: level.to_string(), count: *count };
        Summary {
            records: self.records,
            unknown: self.unknown,
            dropped: self.dropped,
            missing: self.lanes.values().map(missing).fold(0, u64::saturating_add),
            lanes: self.lanes.len() as u64,
            first_ns: self.times.map(|(first, _)| first),
            last_ns: self.times.map(|(_, last)| last),
            levels: self.levels.iter().rev().map(level).collect(),
            workers: self.workers.most_frequent(most),
            loggers: self.loggers.most_frequent(most),
            messages: self.messages.most_frequent(most),
            interval_s: self.intervals.width_s(),
            intervals: self.intervals.list(),
        }
    }
}

/// How many calls the record says were dropped.
fn dropped(record: &Record<'_>) -> Option<u64> {
    if record.logger != LISTENER_LOGGER {
        return None;
    }
    match record.field("dropped") {
        Some(Value::I64(count)) => u64::try_from(*count).ok(),
        Some(Value::U64(count)) => Some(*count),
        _ => record.message.strip_prefix("dropped ")?.split(' ').next()?.parse().ok(),
    }
}

/// The first line of a message with `#` for each number in it.
fn pattern_of(message: &str) -> String {
    let mut pattern = String::new();
    let line = message.lines().next().unwrap_or_default();
    for c in line.chars().take(MESSAGE_CHARS) {
        match c.is_ascii_digit() {
            true if pattern.ends_with('#') => {}
            true => pattern.push('#'),
            false => pattern.push(c),
        }
    }
    pattern
}

impl Names {
    fn add(&mut self, name: &str) {
        if let Some(count) = self.counts.get_mut(name) {
            *count += 1;
            return;
        }
        // As in lossy counting (Manku and Motwani, 2002): what is frequent stays.
        while self.counts.len() >= MAX_NAMES {
            self.forgotten_count += 1;
            let forgotten_count = self.forgotten_count;
            self.counts.retain(|_, count| *count > forgotten_count);
        }
        self.counts.insert(name.to_owned(), 1);
    }

    fn most_frequent(&self, most: usize) -> Vec<Counted> {
        let counted =
            |(name, count): (&String, &u64)| Counted { name: name.clone(), count: *count };
        let mut list: Vec<_> = self.counts.iter().map(counted).collect();
        list.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        list.truncate(most);
        list
    }
}

impl Intervals {
    fn width_s(&self) -> i64 {
        WIDTHS_S[self.width]
    }

    fn add(&mut self, time_s: i64, level: Level) {
        let at = time_s.div_euclid(self.width_s());
        let (records, errors) = self.counts.entry(at).or_default();
        *records += 1;
        *errors += u64::from(level >= Level::ERROR);
        while self.is_too_long() {
            self.widen();
        }
    }

    fn is_too_long(&self) -> bool {
        let ends = self.counts.first_key_value().zip(self.counts.last_key_value());
        let count = ends.map_or(0, |((first, _), (last, _))| last - first + 1);
        count > MAX_INTERVALS as i64 && self.width + 1 < WIDTHS_S.len()
    }

    fn widen(&mut self) {
        let narrow_s = self.width_s();
        self.width += 1;
        let factor = self.width_s() / narrow_s;
        for (at, (records, errors)) in std::mem::take(&mut self.counts) {
            let sum = self.counts.entry(at.div_euclid(factor)).or_default();
            *sum = (sum.0 + records, sum.1 + errors);
        }
    }

    fn list(&self) -> Vec<Interval> {
        let interval = |(at, (records, errors)): (&i64, &(u64, u64))| Interval {
            start_s: at * self.width_s(),
            records: *records,
            errors: *errors,
        };
        self.counts.iter().map(interval).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Field;

    fn record(time_s: i64, level: Level, message: &str) -> Record<'_> {
        Record::new(time_s * 1_000_000_000, level, "web", message)
    }

    #[test]
    fn records_are_counted_by_level_worker_logger_and_message() {
        let mut stats = Stats::new();
        for (level, message) in [
            (Level::INFO, "served 12 of 13"),
            (Level::ERROR, "failed"),
            (Level::INFO, "served 1 of 2\nmore"),
        ] {
            let mut record = record(5, level, message);
            record.process.to_mut().name = "api".into();
            stats.add(&record);
        }
        stats.add_unknown();
        let summary = stats.summary(1);
        let counted = |name: &str, count| Counted { name: name.to_owned(), count };
        assert_eq!((summary.records, summary.unknown), (4, 1));
        assert_eq!(summary.levels, [counted("ERROR", 1), counted("INFO", 2)]);
        assert_eq!(summary.workers, [counted("api", 3)]);
        assert_eq!(summary.loggers, [counted("web", 3)]);
        assert_eq!(summary.messages, [counted("served # of #", 2)]);
        assert_eq!(summary.intervals, [Interval { start_s: 5, records: 3, errors: 1 }]);
    }

    #[test]
    fn drops_and_gaps_are_told_apart() {
        let mut stats = Stats::new();
        for seq in [3, 4, 10, 12] {
            stats.add(&Record { lane: 7, seq, ..record(1, Level::INFO, "x") });
        }
        let mut drops =
            Record { lane: 7, seq: 5, ..record(1, Level::WARNING, "dropped 5 records") };
        drops.logger = LISTENER_LOGGER.into();
        stats.add(&drops);
        drops.fields = vec![Field { key: "dropped".into(), value: Value::U64(2) }];
        (drops.lane, drops.seq) = (8, 0);
        stats.add(&drops);
        let summary = stats.summary(10);
        assert_eq!((summary.dropped, summary.missing, summary.lanes), (7, 1, 2));
    }

    #[test]
    fn names_are_bounded_and_those_that_come_often_stay() {
        let mut stats = Stats::new();
        for number in 0..3 * MAX_NAMES {
            let name = |n: usize| -> String {
                n.to_string().bytes().map(|digit| char::from(digit + (b'a' - b'0'))).collect()
            };
            stats.add(&record(1, Level::INFO, &name(number)));
            stats.add(&record(1, Level::INFO, "often"));
        }
        assert!(stats.messages.counts.len() <= MAX_NAMES);
        assert_eq!(stats.summary(1).messages[0].name, "often");
    }

    proptest! {
        #[test]
        fn intervals_are_few_and_no_record_is_lost(times in prop::collection::vec(any::<i32>(), 1..300)) {
            let mut stats = Stats::new();
            for time in &times {
                stats.add(&record(i64::from(*time) | 1, Level::ERROR, "x"));
            }
            let summary = stats.summary(1);
            prop_assert!(summary.intervals.len() <= MAX_INTERVALS);
            let sum: u64 = summary.intervals.iter().map(|interval| interval.records).sum();
            prop_assert_eq!(sum, times.len() as u64);
            let is_whole = |interval: &Interval| {
                interval.records == interval.errors && interval.start_s % summary.interval_s == 0
            };
            prop_assert!(summary.intervals.iter().all(is_whole));
        }
    }
}
