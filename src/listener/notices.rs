//! What the listener itself has to say in the log: dropped and missing records, handlers in trouble.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::hub::Loss;
use super::outlet::{Recipients, Told};
use crate::codec::Drops;
use crate::queue::QueueDir;
use crate::record::now_ns;
use crate::{Field, Level, Process, Record, Value};

/// The logger of all these records.
const LOGGER: &str = "logboom";

/// Most notices of one round; others are counted.
const MAX_WAITING: usize = 256;

/// Records of the listener's own, in a lane of its own.
pub(super) struct Notices {
    lane: u64,
    next_seq: u64,
    process: Arc<Process>,
    waiting: Vec<Told>,
    /// Notices of this round beyond [`MAX_WAITING`].
    omitted: u64,
}

impl Notices {
    pub(super) fn new(lane: u64) -> Notices {
        let process = Process {
            name: LOGGER.into(),
            id: std::process::id(),
            program: LOGGER.into(),
            started_ns: now_ns(),
            context: Arc::default(),
        };
        Notices { lane, next_seq: 0, process: Arc::new(process), waiting: Vec::new(), omitted: 0 }
    }

    /// The record that stands in a lane where calls were dropped; it has the sequence number of the
    /// first of them.
    pub(super) fn drops(drops: &Drops, process: &Process, lane: u64) -> Record<'static> {
        let total = drops.total();
        let counts: Vec<_> =
            drops.counts.iter().map(|(level, count)| format!("{level} {count}")).collect();
        let message = format!(
            "dropped {total} records ({}) from {} between {} and {}",
            counts.join(", "),
            process.name,
            clock(drops.first_ns),
            clock(drops.last_ns),
        );
        let mut record = Record::new(drops.last_ns, Level::WARNING, LOGGER, message);
        record.fields.push(Field { key: "dropped".into(), value: Value::U64(total) });
        record.process = Cow::Owned(process.clone());
        record.lane = lane;
        record.seq = drops.first_seq;
        record
    }

    pub(super) fn loss(&mut self, loss: &Loss) {
        let Loss { process, next_seq, records } = loss;
        let Process { name, id, .. } = &**process;
        self.say(format!(
            "{name} ({id}) goes on with record {next_seq}: {records} records before it were handed to a \
             listener that ended before it said they were written"
        ));
    }

    /// For a log that does not get every record.
    pub(super) fn filtered(&mut self) -> Record<'static> {
        let message = "filtered: records that a filter holds back are not in this log".to_owned();
        let mut record = self.record(Level::INFO, message);
        record.fields.push(Field { key: "filtered".into(), value: Value::Bool(true) });
        record
    }

    pub(super) fn missing(&mut self, process: &Process, first_seq: u64, count: u64) {
        let Process { name, id, .. } = process;
        self.say(format!(
            "{count} records of {name} ({id}) are missing, from record {first_seq} on"
        ));
    }

    pub(super) fn damage(&mut self, process: &Process) {
        let Process { name, id, .. } = process;
        self.say(format!("a damaged batch of {name} ({id}) was refused"));
    }

    pub(super) fn lost_queue(&mut self, queue: &QueueDir) {
        let path = queue.path().display();
        self.say(format!(
            "the queue directory {path} or its lock file was removed: this listener stops"
        ));
    }

    /// A log file or a lane in trouble.
    pub(super) fn trouble(&mut self, text: String) {
        self.say(text);
    }

    fn say(&mut self, message: String) {
        self.tell(message, Recipients::ALL);
    }

    /// For those that the recipients are, and the log files.
    pub(super) fn tell(&mut self, message: String, recipients: Recipients) {
        if self.waiting.len() >= MAX_WAITING {
            self.omitted += 1;
            return;
        }
        let record = self.record(Level::ERROR, message);
        self.waiting.push(Told { record, recipients });
    }

    fn record(&mut self, level: Level, message: String) -> Record<'static> {
        let mut record = Record::new(now_ns(), level, LOGGER, message);
        record.process = Cow::Owned((*self.process).clone());
        self.number(record)
    }

    /// Gives a record that the listener makes its place in the listener's lane.
    pub(super) fn number(&mut self, mut record: Record<'static>) -> Record<'static> {
        record.lane = self.lane;
        record.seq = self.next_seq;
        self.next_seq += 1;
        record
    }

    /// What there is to say, with how much was left out.
    pub(super) fn take(&mut self) -> Vec<Told> {
        let mut taken = std::mem::take(&mut self.waiting);
        let omitted = std::mem::take(&mut self.omitted);
        if omitted > 0 {
            let message = format!("{omitted} more notices like these were left out");
            taken.push(Told {
                record: self.record(Level::ERROR, message),
                recipients: Recipients::ALL,
            });
        }
        taken
    }
}

/// The time of day, local, with milliseconds.
fn clock(time_ns: i64) -> String {
    let time = Timestamp::from_nanosecond(time_ns.into()).unwrap_or_default();
    time.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_only_so_many_notices_and_says_how_many_it_has_left_out() {
        let mut notices = Notices::new(1);
        (0..MAX_WAITING + 5).for_each(|number| notices.trouble(number.to_string()));
        let taken = notices.take();
        assert_eq!(taken.len(), MAX_WAITING + 1);
        assert_eq!(taken[MAX_WAITING].record.message, "5 more notices like these were left out");
        assert!(taken.iter().map(|told| told.record.seq).eq(0..=MAX_WAITING as u64));
        assert!(notices.take().is_empty());
    }
}
