//! When to rotate and which files to rename. Pure: touches no disk.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{AtDiskLimit, Schedule};
#[cfg(feature = "compression")]
use crate::backups::Compression;

/// When one log rotates, and what becomes of its backups.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rule {
    /// The size that a file stays below; 0 means no limit.
    pub(crate) max_bytes: u64,
    pub(crate) rotate_at: Option<Schedule>,
    pub(crate) rotates_on_start: bool,
    pub(crate) names: BackupNames,
    /// How many backups there may be. 0 means that a log with numbers never rotates, and that one with
    /// dates keeps all.
    pub(crate) backup_count: u32,
    /// How long after their last write backups stay.
    pub(crate) keep_age: Option<Duration>,
    /// How large the log may be, with the file that is written.
    pub(crate) keep_bytes: Option<u64>,
    /// How much of its file system stays free.
    pub(crate) min_free_bytes: Option<u64>,
    pub(crate) at_disk_limit: Option<AtDiskLimit>,
    #[cfg(feature = "compression")]
    pub(crate) compression: Option<Compression>,
}

/// What a log calls its backups. The file that is written always keeps its name.
///
/// A dated name that exists is never overwritten: `.1`, `.2` and so on follow it. Names grow with
/// the age of what was written last, also when the clock is set back or an hour comes twice; then the
/// last date goes on with the next number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackupNames {
    /// `app.log.1` is the newest; each rotation renames all. Python's `RotatingFileHandler`.
    #[default]
    Number,
    /// `app.log.2026-11-22`, after the beginning of the time that the file is for, with as much of the
    /// time of day as intervals in hours, minutes or seconds need: `app.log.2026-11-22_04-48`. As
    /// Python's `TimedRotatingFileHandler`, which (3.13) does not rotate where the name exists.
    Date,
    /// `app.log.2026-11-22T04-48-23Z`, after the time of the rotation, in UTC.
    Unique,
}

/// The text names no way to call backups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{text}`, expected `number`, `date` or `unique`")]
pub struct ParseBackupNamesError {
    text: String,
}

impl BackupNames {
    const ALL: [(&str, BackupNames); 3] = [
        ("number", BackupNames::Number),
        ("date", BackupNames::Date),
        ("unique", BackupNames::Unique),
    ];
}

impl FromStr for BackupNames {
    type Err = ParseBackupNamesError;

    fn from_str(text: &str) -> Result<BackupNames, ParseBackupNamesError> {
        let found = BackupNames::ALL.iter().find(|(name, _)| *name == text);
        let unknown = || ParseBackupNamesError { text: text.to_owned() };
        found.map(|(_, names)| *names).ok_or_else(unknown)
    }
}

impl fmt::Display for BackupNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = BackupNames::ALL.iter().find(|(_, names)| names == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// One rename. Number 0 is the current file, others are backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) from: u32,
    pub(super) to: u32,
}

/// How the current file becomes a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The number of a backup that has to go first, or is replaced by the first rename.
    pub(super) replaced: Option<u32>,
    /// In the order in which they have to be done.
    pub(super) shifts: Vec<Shift>,
}

impl Rule {
    /// What is wrong with the settings.
    pub(crate) fn problem(self) -> Option<String> {
        let Rule { max_bytes, keep_bytes, min_free_bytes, at_disk_limit, .. } = self;
        if at_disk_limit.is_some() && keep_bytes.is_none() && min_free_bytes.is_none() {
            let problem =
                "at_disk_limit says what happens at keep_bytes and min_free: set one of them";
            return Some(problem.to_owned());
        }
        let keep_bytes = keep_bytes?;
        if keep_bytes < 2 {
            return Some(format!(
                "keep_bytes is {keep_bytes}: set it to twice max_bytes at least, or leave it out"
            ));
        }
        if self.held_back_beyond().is_some() {
            return None;
        }
        let half = keep_bytes / 2;
        if max_bytes == 0 || max_bytes > half {
            let unlimited = if max_bytes == 0 { ", which is no limit" } else { "" };
            return Some(format!(
                "a log that keeps {keep_bytes} bytes needs files of at most half of that: set max_bytes \
                 to {half} or less, not to {max_bytes}{unlimited}"
            ));
        }
        (!self.rotates()).then(|| {
            format!(
                "a log without backups has none to delete at keep_bytes, {keep_bytes}: set backup_count to 1 \
                 or more, or at_disk_limit to hold-back"
            )
        })
    }

    /// How large the log may be, where it is held back then.
    pub(super) fn held_back_beyond(self) -> Option<u64> {
        self.keep_bytes.filter(|_| self.at_disk_limit == Some(AtDiskLimit::HoldBack))
    }

    /// How large the log may be, where the oldest backups are deleted then.
    pub(super) fn deletes_beyond(self) -> Option<u64> {
        self.keep_bytes.filter(|_| self.at_disk_limit != Some(AtDiskLimit::HoldBack))
    }

    /// The same with the limits at which the log is held back, and none for which backups are deleted.
    #[cfg(feature = "listener")]
    pub(crate) fn without_deletion(self) -> Rule {
        Rule {
            keep_bytes: self.held_back_beyond(),
            min_free_bytes: self.min_free_bytes.filter(|_| !self.deletes_for_free_space()),
            ..self
        }
    }

    /// Whether the oldest backups are deleted where too little is free.
    pub(super) fn deletes_for_free_space(self) -> bool {
        self.at_disk_limit == Some(AtDiskLimit::DeleteOldest)
    }

    /// Whether backups are compressed.
    pub(crate) fn compresses(self) -> bool {
        #[cfg(feature = "compression")]
        return self.compression.is_some();
        #[cfg(not(feature = "compression"))]
        false
    }

    /// Whether the log rotates at all.
    pub(super) fn rotates(self) -> bool {
        self.backup_count > 0 || self.names != BackupNames::Number
    }

    /// Whether a file of `size_bytes` is full for a line of `line_bytes` with its newline.
    ///
    /// The rule of `RotatingFileHandler.shouldRollover` in CPython 3.13: a file that reaches the
    /// limit is full, and an empty file never is.
    pub(crate) fn fills(self, line_bytes: u64, size_bytes: u64) -> bool {
        self.rotates()
            && self.max_bytes > 0
            && size_bytes > 0
            && size_bytes.saturating_add(line_bytes) >= self.max_bytes
    }

    /// What makes number 0 free. `next_taken` is the first number above another that the log has, and
    /// `may_have` whether nobody else has the number that a backup is to get.
    ///
    /// Each moves to the next number that it may have, and none passes by another. Only those below the
    /// first free number move; if none is free the top one is replaced first. So whoever is stopped
    /// between two renames and plans anew loses no further backup.
    pub(super) fn plan(
        self,
        next_taken: impl Fn(u32) -> Option<u32>,
        may_have: impl Fn(Shift) -> bool,
    ) -> Plan {
        let (mut shifts, mut moving, mut lowest) = (Vec::new(), Some(0), 1);
        while let Some(from) = moving
            && shifts.len() < self.backup_count as usize
            && let Some(to) = (lowest..u32::MAX).find(|to| may_have(Shift { from, to: *to }))
        {
            shifts.push(Shift { from, to });
            moving = next_taken(from).filter(|next| *next <= to);
            lowest = to + 1;
        }
        shifts.reverse();
        Plan { replaced: moving.filter(|from| *from > 0), shifts }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What stands under each number; a larger age was written earlier.
    type Files = BTreeMap<u32, u32>;

    fn plan(backup_count: u32, files: &Files) -> Vec<Shift> {
        let rule = Rule { backup_count, ..Rule::default() };
        let next_taken = |number| files.range(number + 1..).next().map(|(number, _)| *number);
        rule.plan(next_taken, |_| true).shifts
    }

    fn rename(files: &mut Files, shift: Shift) {
        let moved = files.remove(&shift.from).expect("a rename of nothing");
        files.insert(shift.to, moved);
    }

    fn numbers(shifts: &[Shift]) -> Vec<(u32, u32)> {
        shifts.iter().map(|shift| (shift.from, shift.to)).collect()
    }

    fn taken(numbers: &[u32]) -> Files {
        numbers.iter().map(|number| (*number, *number)).collect()
    }

    #[test]
    fn a_file_is_full_when_the_line_would_reach_the_limit() {
        let rule = Rule { max_bytes: 100, backup_count: 1, ..Rule::default() };
        assert!(!rule.fills(49, 50));
        assert!(rule.fills(50, 50));
        assert!(rule.fills(u64::MAX, 50));
    }

    #[test]
    fn an_empty_file_takes_any_line() {
        let rule = Rule { max_bytes: 100, backup_count: 1, ..Rule::default() };
        assert!(!rule.fills(1_000_000, 0));
        assert!(rule.fills(1, 1_000_000));
    }

    #[test]
    fn a_limit_of_zero_never_rotates() {
        for (max_bytes, backup_count) in [(0, 5), (100, 0), (0, 0)] {
            assert!(!Rule { max_bytes, backup_count, ..Rule::default() }.fills(1000, 1000));
        }
    }

    #[test]
    fn backups_move_up_to_the_first_free_number() {
        assert_eq!(numbers(&plan(5, &taken(&[0]))), [(0, 1)]);
        assert_eq!(numbers(&plan(5, &taken(&[0, 1, 2]))), [(2, 3), (1, 2), (0, 1)]);
        assert_eq!(numbers(&plan(5, &taken(&[0, 1, 3, 4]))), [(1, 2), (0, 1)]);
    }

    #[test]
    fn what_is_wrong_with_the_sizes_says_which_are_right() {
        let problem = |max_bytes, keep_bytes| {
            let backup_count = 1;
            Rule { max_bytes, keep_bytes: Some(keep_bytes), backup_count, ..Rule::default() }
                .problem()
        };
        assert_eq!(problem(5, 11), None);
        let sentence = "a log that keeps 11 bytes needs files of at most half of that: set max_bytes to 5 or \
                        less, not to ";
        assert_eq!(problem(6, 11), Some(format!("{sentence}6")));
        assert_eq!(problem(0, 11), Some(format!("{sentence}0, which is no limit")));
        for keep_bytes in [0, 1] {
            let told = problem(0, keep_bytes).unwrap();
            assert!(told.starts_with(&format!("keep_bytes is {keep_bytes}: set it to")), "{told}");
        }
    }

    #[test]
    fn at_the_limit_the_top_backup_is_replaced_first() {
        assert_eq!(numbers(&plan(3, &taken(&[0, 1, 2, 3]))), [(2, 3), (1, 2), (0, 1)]);
        assert_eq!(numbers(&plan(1, &taken(&[0, 1]))), [(0, 1)]);
    }

    #[test]
    fn a_number_that_others_have_is_passed_by() {
        let plan = |backup_count, taken: &[u32], foreign: &[(u32, u32)]| {
            let rule = Rule { backup_count, ..Rule::default() };
            let next_taken = |number| taken.iter().copied().find(|taken| *taken > number);
            let may_have = |shift: Shift| !foreign.contains(&(shift.from, shift.to));
            let Plan { replaced, shifts } = rule.plan(next_taken, may_have);
            (replaced, numbers(&shifts))
        };
        assert_eq!(plan(5, &[], &[(0, 1), (0, 2)]), (None, vec![(0, 3)]));
        assert_eq!(plan(5, &[1, 2], &[(2, 3)]), (None, vec![(2, 4), (1, 2), (0, 1)]));
        // The one that stands between is older, and stays so.
        assert_eq!(plan(5, &[1, 2, 3], &[(1, 2)]), (None, vec![(3, 5), (2, 4), (1, 3), (0, 1)]));
        // As many as there may be, whatever their numbers.
        assert_eq!(plan(2, &[1, 3], &[(1, 2)]), (Some(3), vec![(1, 3), (0, 1)]));
        assert_eq!(plan(2, &[1, 2], &[(1, 2)]), (Some(2), vec![(1, 3), (0, 1)]));
    }

    #[test]
    fn backups_above_a_lowered_limit_stay() {
        assert_eq!(numbers(&plan(2, &taken(&[0, 1, 2, 3, 4]))), [(1, 2), (0, 1)]);
        assert_eq!(numbers(&plan(0, &taken(&[0, 1]))), []);
    }

    proptest! {
        #[test]
        fn kills_between_renames_cost_no_backup_but_the_one_at_the_limit(
            backup_count in 1..8_u32,
            backups in prop::collection::btree_set(1..10_u32, 0..10),
            kills in prop::collection::vec(0..8_usize, 0..4),
        ) {
            let before: Files = backups.into_iter().chain([0]).map(|number| (number, number)).collect();
            let mut files = before.clone();
            for done_before_the_kill in kills {
                // Whoever finds no current file opens a new one, which is empty and not rotated.
                if files.contains_key(&0) {
                    for shift in plan(backup_count, &files).into_iter().take(done_before_the_kill) {
                        rename(&mut files, shift);
                    }
                }
            }
            if files.contains_key(&0) {
                for shift in plan(backup_count, &files) {
                    rename(&mut files, shift);
                }
            }

            let is_full = (1..=backup_count).all(|number| before.contains_key(&number));
            let kept: Vec<u32> = files.values().copied().collect();
            let expected: Vec<u32> =
                before.values().copied().filter(|age| !(is_full && *age == backup_count)).collect();
            prop_assert_eq!(kept, expected, "lost or out of order");
            prop_assert!(!files.contains_key(&0));
        }
    }
}
