//! When one log rotates, and how.

use super::CurrentFile;
use super::backups::Backups;
use super::outage::Outage;
use super::period::stamp_at;
use super::rule::{BackupNames, Rule};
use super::timer::Timer;
use crate::backups::StampForm;
use crate::record::now_ns;
use crate::regular_file::FileError;

#[derive(Debug)]
pub(crate) struct Rotation {
    rule: Rule,
    backups: Backups,
    timer: Option<Timer>,
    /// Nothing has been written since the start, at which the log has to rotate.
    waits_for_start: bool,
    now_ns: fn() -> i64,
    deleting: Outage,
}

impl Rotation {
    pub(crate) fn new(rule: Rule, file: &CurrentFile) -> Rotation {
        let backups = Backups::new(file.path());
        let mut rotation = Rotation {
            rule,
            backups,
            timer: None,
            waits_for_start: false,
            now_ns,
            deleting: Outage::default(),
        };
        rotation.begin(file);
        rotation.waits_for_start = rule.rotates_on_start;
        rotation
    }

    /// Whether the log has to rotate before a line of `line_bytes`, given the bytes that are there
    /// before it. An empty file never rotates.
    pub(crate) fn is_due(&mut self, line_bytes: u64, size_bytes: u64) -> bool {
        let now_s = self.timer.as_ref().map(|_| self.now_s());
        let is_time = self.timer.as_mut().zip(now_s).is_some_and(|(timer, now_s)| {
            let is_due = timer.is_due(now_s);
            if is_due && size_bytes == 0 {
                timer.rotated(now_s);
            }
            is_due
        });
        self.waits_for_start &= size_bytes > 0;
        self.may_rotate(size_bytes)
            && (is_time || self.waits_for_start || self.rule.fills(line_bytes, size_bytes))
    }

    /// Whether a file of this size can be rotated.
    pub(crate) fn may_rotate(&self, size_bytes: u64) -> bool {
        size_bytes > 0 && self.rule.rotates()
    }

    /// Makes the current file a backup and leaves no current file.
    ///
    /// After an error, or a kill, calling it again goes on from there.
    pub(crate) fn rotate(&self) -> Result<(), FileError> {
        match (self.rule.names, &self.timer) {
            (BackupNames::Number, _) => self.backups.shift(self.rule),
            (BackupNames::Date, Some(timer)) => self.backups.date(timer.stamp()),
            (BackupNames::Date, None) => self.backups.date(stamp_at(StampForm::Day, self.now_s())),
            (BackupNames::Unique, _) => {
                self.backups.date(stamp_at(StampForm::Unique, self.now_s()))
            }
        }
    }

    /// The log goes on with `file`, which was just opened.
    pub(crate) fn begin(&mut self, file: &CurrentFile) {
        self.waits_for_start = false;
        let Some(schedule) = self.rule.rotate_at else { return };
        let now_s = self.now_s();
        match &mut self.timer {
            Some(timer) if file.size_bytes() == 0 => timer.rotated(now_s),
            timer => *timer = Some(Timer::new(schedule, file.began_s(schedule).unwrap_or(now_s))),
        }
    }

    /// Goes on by another rule with `file`, which is open. That is no start of the log.
    pub(crate) fn adopt(&mut self, rule: Rule, file: &CurrentFile) {
        let is_same_schedule = self.rule.rotate_at == rule.rotate_at;
        self.rule = rule;
        if !is_same_schedule {
            self.timer = None;
            self.begin(file);
        }
    }

    /// Deletes the backups that may not stay any longer. What cannot be deleted is for the next time.
    pub(crate) fn delete_expired(&mut self) {
        let now_s = self.now_s();
        let outcome = self.backups.delete_expired(self.rule, now_s);
        self.deleting.note(outcome, "backups stay beyond the limits of the log");
    }

    /// How often a backup could not be deleted.
    pub(crate) fn failures(&self) -> u64 {
        self.deleting.failures()
    }

    /// What the log should say of its backups.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        self.deleting.take_notice().into_iter().collect()
    }

    fn now_s(&self) -> i64 {
        (self.now_ns)().div_euclid(1_000_000_000)
    }

    /// Takes another clock, as if `file` were just opened by it.
    #[cfg(test)]
    pub(crate) fn set_clock(&mut self, now_ns: fn() -> i64, file: &CurrentFile) {
        self.now_ns = now_ns;
        self.timer = None;
        self.begin(file);
        self.waits_for_start = self.rule.rotates_on_start;
    }

    #[cfg(test)]
    pub(crate) fn set_zone(&mut self, name: &str) {
        if let Some(timer) = &mut self.timer {
            timer.set_zone(jiff::tz::TimeZone::get(name).unwrap());
        }
    }
}
