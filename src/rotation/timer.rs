//! When the file that is written rotates next, given what the clock says.

use jiff::tz::TimeZone;

use super::Schedule;
use super::period::{DAY_S, Period};
use crate::backups::Stamp;

#[derive(Clone, Debug)]
pub(super) struct Timer {
    period: Period,
    zone: TimeZone,
    /// When the file was begun, or when the clock was found to be set back since.
    began_s: i64,
    /// The last boundary at which the log was rotated.
    passed_s: i64,
    boundary_s: i64,
}

impl Timer {
    pub(super) fn new(schedule: Schedule, began_s: i64) -> Timer {
        let zone = if schedule.is_utc { TimeZone::UTC } else { TimeZone::system() };
        Timer::in_zone(schedule.period, zone, began_s)
    }

    fn in_zone(period: Period, zone: TimeZone, began_s: i64) -> Timer {
        let boundary_s = period.next(began_s, &zone);
        Timer { period, zone, began_s, passed_s: i64::MIN, boundary_s }
    }

    /// Whether the boundary has passed. Where the clock was set back a day and a period behind the
    /// beginning of the file, because it was wrong then, the next boundary is sought anew, but not one
    /// at which the log was rotated already.
    pub(super) fn is_due(&mut self, now_s: i64) -> bool {
        if now_s < self.began_s - DAY_S - self.period.length_s() {
            self.begin(now_s);
        }
        now_s >= self.boundary_s
    }

    /// A new file has begun. The boundary that has passed by then is done with.
    pub(super) fn rotated(&mut self, now_s: i64) {
        if now_s >= self.boundary_s {
            self.passed_s = self.boundary_s;
        }
        self.begin(now_s);
    }

    /// The stamp for the file that is written.
    pub(super) fn stamp(&self) -> Stamp {
        self.period.stamp(self.boundary_s, &self.zone)
    }

    #[cfg(test)]
    pub(super) fn set_zone(&mut self, zone: TimeZone) {
        self.zone = zone;
    }

    fn begin(&mut self, now_s: i64) {
        self.began_s = now_s;
        self.boundary_s = self.period.next(now_s.max(self.passed_s), &self.zone);
    }
}

#[cfg(test)]
mod tests;
