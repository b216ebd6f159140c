//! When one log rotates, and how.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::CurrentFile;
use super::backups::{Backups, Written};
#[cfg(feature = "compression")]
use super::compressor::Compressor;
use super::outage::Outage;
use super::period::stamp_at;
use super::rule::{BackupNames, Rule};
use super::space::Space;
use super::timer::Timer;
use crate::backups::{Backup, StampForm};
use crate::fault;
use crate::record::now_ns;
use crate::regular_file::FileError;

#[derive(Debug)]
pub(crate) struct Rotation {
    rule: Rule,
    /// By which it is decided whether there is room, in place of `rule`.
    lent: Option<Rule>,
    backups: Backups,
    timer: Option<Timer>,
    /// Nothing has been written since the start, at which the log has to rotate.
    waits_for_start: bool,
    now_ns: fn() -> i64,
    deleting: Outage,
    space: Space,
    written: Arc<Mutex<Written>>,
    #[cfg(feature = "compression")]
    compressor: Option<Compressor>,
    /// The log was rotated, or nothing was written yet, since backups were looked at.
    has_new_backups: bool,
}

impl Rotation {
    /// How the log goes on with `file`, which was just opened. With compression, starts its thread.
    pub(crate) fn new(rule: Rule, file: &CurrentFile) -> Result<Rotation, FileError> {
        let written = Arc::<Mutex<Written>>::default();
        let mut rotation = Rotation {
            rule,
            lent: None,
            backups: Backups::new(file.path()),
            timer: None,
            waits_for_start: false,
            now_ns,
            deleting: Outage::default(),
            space: Space::default(),
            #[cfg(feature = "compression")]
            compressor: rule
                .compression
                .map(|compression| Compressor::start(file.path(), compression, &written))
                .transpose()?,
            written,
            has_new_backups: true,
        };
        rotation.tell_min_free();
        rotation.begin(file);
        rotation.waits_for_start = rule.rotates_on_start;
        Ok(rotation)
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

    /// Whether the log may have to be held back.
    pub(crate) fn has_disk_limit(&self) -> bool {
        self.rule.min_free_bytes.is_some() || self.rule.held_back_beyond().is_some()
    }

    /// Makes sure that `bytes` may be written to `file`, which is open: below the size at which the log is
    /// held back, and above what has to stay free; for that the oldest backups go where that is the rule.
    pub(crate) fn ensure_space(&mut self, file: &CurrentFile, bytes: u64) -> Result<(), FileError> {
        if !self.has_disk_limit() {
            return Ok(());
        }
        let written = Arc::clone(&self.written);
        let _written = written.lock().unwrap_or_else(PoisonError::into_inner);
        self.space.ensure(self.lent.unwrap_or(self.rule), &mut self.backups, file, bytes)
    }

    /// Whether [`ensure_space`](Self::ensure_space) would delete backups.
    pub(crate) fn lacks_space(&self, file: &CurrentFile, bytes: u64) -> Result<bool, FileError> {
        Space::lacks(self.rule, file, bytes)
    }

    /// Makes the current file a backup, leaves no current file, and deletes the backups that may not stay
    /// any longer. What cannot be deleted is for the next time.
    ///
    /// After an error, or a kill, calling it again goes on from there.
    pub(crate) fn rotate(&mut self) -> Result<(), FileError> {
        self.has_new_backups = true;
        let written = Arc::clone(&self.written);
        let written = written.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = match (self.rule.names, &self.timer) {
            (BackupNames::Number, _) => {
                self.backups.shift(self.rule)?;
                self.backups.list()
            }
            (BackupNames::Date, Some(timer)) => self.backups.date(timer.stamp(), written.inode),
            (BackupNames::Date, None) => self.date_now(StampForm::Day, written.inode),
            (BackupNames::Unique, _) => self.date_now(StampForm::Unique, written.inode),
        };
        self.delete_expired(listed?);
        Ok(())
    }

    fn date_now(&self, form: StampForm, inode: u64) -> Result<Vec<Backup>, FileError> {
        self.backups.date(stamp_at(form, self.now_s()), inode)
    }

    /// The log goes on with `file`, which was just opened.
    pub(crate) fn begin(&mut self, file: &CurrentFile) {
        self.waits_for_start = false;
        self.space.forget_backups();
        self.lock().inode = file.inode();
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
        #[cfg(feature = "compression")]
        if self.rule.compression != rule.compression {
            self.change_compression(rule, file);
        }
        self.rule = rule;
        self.space.forget();
        self.tell_min_free();
        if !is_same_schedule {
            self.timer = None;
            self.begin(file);
        }
    }

    /// Decides by another rule whether there is room, until it is taken back.
    #[cfg(feature = "listener")]
    pub(crate) fn set_lent(&mut self, rule: Option<Rule>) {
        self.lent = rule;
    }

    /// Lets the compressor know how much has to stay free.
    fn tell_min_free(&self) {
        #[cfg(feature = "compression")]
        {
            self.lock().min_free_bytes = self.rule.min_free_bytes;
        }
    }

    #[cfg(feature = "compression")]
    fn change_compression(&mut self, rule: Rule, file: &CurrentFile) {
        // Both would use one temporary file.
        self.compressor = None;
        self.written = Arc::default();
        self.lock().inode = file.inode();
        let start = |compression| Compressor::start(file.path(), compression, &self.written);
        let started = rule.compression.map(start).transpose();
        let started = started.map(|compressor| self.compressor = compressor);
        self.deleting.note(started, "backups are not compressed");
        self.has_new_backups = true;
    }

    /// Takes over the backups of whoever had the log before: brings to its end what a kill has left of a
    /// compression, and deletes what may not stay.
    pub(crate) fn take_over(&mut self) {
        let listed = self.backups.list();
        let ended = listed.and_then(|listed| {
            self.backups.end_compression(&listed)?;
            Ok(listed)
        });
        match ended {
            Ok(listed) => self.delete_expired(listed),
            Err(error) => self.deleting.note(Err(error), "backups stay as they are"),
        }
    }

    fn delete_expired(&mut self, listed: Vec<Backup>) {
        let (rule, now_s) = (self.rule, self.now_s());
        let outcome = self.backups.delete_expired(listed, rule, now_s);
        self.deleting.note(outcome, "backups stay beyond the limits of the log");
    }

    /// What was written is settled: nothing will be cut back in files that are backups by now, and so
    /// they may be compressed.
    pub(crate) fn settled(&mut self) {
        if std::mem::take(&mut self.has_new_backups) {
            #[cfg(feature = "compression")]
            self.compressor.iter().for_each(Compressor::wake);
        }
    }

    /// How often a backup could not be deleted or compressed.
    pub(crate) fn failures(&self) -> u64 {
        let mut failures = self.deleting.failures();
        self.of_compressor(|outage| failures += outage.failures());
        failures
    }

    /// What the log should say of its backups.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        let mut notices = Vec::from_iter(self.deleting.take_notice());
        notices.extend(self.space.take_notice(self.backups.current()));
        self.of_compressor(|outage| notices.extend(outage.take_notice()));
        notices
    }

    #[cfg(feature = "compression")]
    fn of_compressor(&self, ask: impl FnOnce(&mut Outage)) {
        if let Some(compressor) = &self.compressor {
            ask(&mut compressor.outage().lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    #[cfg(not(feature = "compression"))]
    fn of_compressor(&self, _ask: impl FnOnce(&mut Outage)) {}

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_s(&self) -> i64 {
        fault::clock_ns((self.now_ns)()).div_euclid(1_000_000_000)
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
