//! The last steps of the drain: from a merged record to the log files and handlers that get it.

use std::borrow::Cow;

use super::drain::Drain;
use super::outlet::{Recipients, Told};
use crate::Record;
use crate::logger::{Delivery, Destination, Summary};

impl Drain {
    pub(super) fn emit(&mut self, record: &Record<'_>) {
        if self.filters.is_empty() {
            return self.take_record(record);
        }
        let mut record = Cow::Borrowed(record);
        let passes = self.filters.pass(&mut record);
        self.summarize(record.time_ns);
        if passes {
            self.take_record(&record);
        }
    }

    fn take_record(&mut self, record: &Record<'_>) {
        self.route(record, Recipients::ALL);
        self.batch_records += 1;
        if self.routing.has_filters() {
            self.summarize_routes(record.time_ns);
        }
    }

    pub(super) fn emit_notice(&mut self, notice: Told) {
        let mut record = Cow::Owned(notice.record);
        if self.filters.pass(&mut record) {
            self.route(&record, notice.recipients);
        }
    }

    /// Takes what the filters say of records they have hidden.
    pub(super) fn summarize(&mut self, now_ns: i64) {
        for summary in self.filters.take_summaries(now_ns) {
            let record = self.notices.number(summary);
            self.route(&record, Recipients::ALL);
        }
        if self.routing.has_filters() {
            self.summarize_routes(now_ns);
        }
    }

    pub(super) fn summarize_routes(&mut self, now_ns: i64) {
        for Summary { record, deliveries } in self.routing.take_summaries(now_ns) {
            let record = self.notices.number(record);
            self.hand_out(&record, &deliveries, Recipients::ALL);
        }
    }

    /// Gives a record to those that its logger leads to, `audience` permitting.
    fn route(&mut self, record: &Record<'_>, audience: Recipients) {
        if self.routing.is_plain() {
            self.take(|_| Some(record));
            self.outlets.take(record, audience);
            return;
        }
        let mut deliveries = std::mem::take(&mut self.deliveries);
        let mut record = Cow::Borrowed(record);
        self.routing.route(&mut record, &mut deliveries);
        self.is_filtered |= deliveries.is_empty();
        self.hand_out(&record, &deliveries, audience);
        deliveries.clear();
        self.deliveries = deliveries;
    }

    fn hand_out(&mut self, record: &Record<'_>, deliveries: &[Delivery], audience: Recipients) {
        self.take(|destination| {
            let is_to = |delivery: &&Delivery| delivery.destination == destination;
            let delivery = deliveries.iter().find(is_to)?;
            Some(delivery.changed.as_ref().unwrap_or(record))
        });
        let mut unchanged = Recipients::NONE;
        for Delivery { destination, changed } in deliveries {
            let Destination::Handler(index) = destination else { continue };
            let recipient = Recipients::only(*index).among(audience);
            match changed {
                Some(record) => self.outlets.take(record, recipient),
                None => unchanged = unchanged.and(recipient),
            }
        }
        self.outlets.take(record, unchanged);
    }

    /// Says in the log that it does not get every record: its gaps prove nothing. Once, and again in each
    /// file that it goes on with, because the one before is deleted some day.
    pub(super) fn say_filtered(&mut self) {
        self.is_filtered |= !self.filters.is_empty() || self.routing.is_selective();
        self.files.set_filtered(self.is_filtered);
        if !self.is_filtered {
            return;
        }
        let says_first = !std::mem::replace(&mut self.says_filtered, true);
        let is_new = self.files.take_new();
        if says_first || is_new.contains(&true) {
            let notice = self.notices.filtered();
            // Files that records choose say it where they begin.
            let has_to_say =
                |to| matches!(to, Destination::File(index) if says_first || is_new[index]);
            self.take(|to| has_to_say(to).then_some(&notice));
            // For a notice that has made a log rotate there is no other.
            self.files.take_new();
        }
    }

    /// Takes a record into the batch of the log files; where it does not fit, it begins the next.
    pub(super) fn take<'r>(&mut self, record_for: impl Fn(Destination) -> Option<&'r Record<'r>>) {
        if !self.files.offer(&record_for) {
            self.commit();
            if self.files.open_routes(&record_for) {
                self.commit();
            }
            self.files.begin(&record_for);
        }
    }
}
