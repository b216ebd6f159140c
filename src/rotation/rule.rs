//! When to rotate and which files to rename. Pure: touches no disk.

/// The limits of one log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The size that a file stays below; 0 means no limit.
    pub(crate) max_bytes: u64,
    /// How many backups there may be; 0 means that the log never rotates.
    pub(crate) backup_count: u32,
}

/// One rename. Number 0 is the current file, others are backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Rule {
    /// Whether a file of `size_bytes` is full for a line of `line_bytes` with its newline.
    ///
    /// The rule of `RotatingFileHandler.shouldRollover` in CPython 3.13: a file that reaches the
    /// limit is full, and an empty file never is.
    pub(crate) fn rotates_before(self, line_bytes: u64, size_bytes: u64) -> bool {
        self.backup_count > 0
            && self.max_bytes > 0
            && size_bytes > 0
            && size_bytes.saturating_add(line_bytes) >= self.max_bytes
    }

    /// The renames that make number 0 free, in the order they have to be done.
    ///
    /// Only backups below the first free number move; if none is free the top one is replaced
    /// first. So whoever is stopped between two renames and plans anew loses no further backup.
    /// Backups above the limit, left from a higher one, are not touched, as in Python.
    pub(super) fn shifts<E>(
        self,
        mut is_taken: impl FnMut(u32) -> Result<bool, E>,
    ) -> Result<impl Iterator<Item = Shift>, E> {
        let mut top = self.backup_count.min(1);
        while top < self.backup_count && is_taken(top)? {
            top += 1;
        }
        Ok((1..=top).rev().map(|to| Shift { from: to - 1, to }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// What stands under each number; a larger age was written earlier.
    type Files = BTreeMap<u32, u32>;

    fn plan(backup_count: u32, files: &Files) -> Vec<Shift> {
        let is_taken = |number| Ok::<_, Infallible>(files.contains_key(&number));
        let Ok(shifts) = Rule { max_bytes: 1, backup_count }.shifts(is_taken);
        shifts.collect()
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
        let rule = Rule { max_bytes: 100, backup_count: 1 };
        assert!(!rule.rotates_before(49, 50));
        assert!(rule.rotates_before(50, 50));
        assert!(rule.rotates_before(u64::MAX, 50));
    }

    #[test]
    fn an_empty_file_takes_any_line() {
        let rule = Rule { max_bytes: 100, backup_count: 1 };
        assert!(!rule.rotates_before(1_000_000, 0));
        assert!(rule.rotates_before(1, 1_000_000));
    }

    #[test]
    fn a_limit_of_zero_never_rotates() {
        for (max_bytes, backup_count) in [(0, 5), (100, 0), (0, 0)] {
            assert!(!Rule { max_bytes, backup_count }.rotates_before(1000, 1000));
        }
    }

    #[test]
    fn backups_move_up_to_the_first_free_number() {
        assert_eq!(numbers(&plan(5, &taken(&[0]))), [(0, 1)]);
        assert_eq!(numbers(&plan(5, &taken(&[0, 1, 2]))), [(2, 3), (1, 2), (0, 1)]);
        assert_eq!(numbers(&plan(5, &taken(&[0, 1, 3, 4]))), [(1, 2), (0, 1)]);
    }

    #[test]
    fn at_the_limit_the_top_backup_is_replaced_first() {
        assert_eq!(numbers(&plan(3, &taken(&[0, 1, 2, 3]))), [(2, 3), (1, 2), (0, 1)]);
        assert_eq!(numbers(&plan(1, &taken(&[0, 1]))), [(0, 1)]);
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
