//! Which backups stay. Pure: touches no disk.

use super::rule::Rule;

/// What is asked of a backup, by its place from the newest on.
pub(super) trait Facts {
    /// How large it is.
    fn size_bytes(&mut self, index: usize) -> u64;

    /// When it was written last, in seconds since the Unix epoch.
    fn written_s(&mut self, index: usize) -> i64;
}

/// How many of `count` backups stay: the newest, as many as all limits of `rule` allow.
///
/// Asks for sizes only where bytes are limited, and for times only where age is, of the oldest until one
/// is young enough.
pub(super) fn kept(rule: Rule, count: usize, now_s: i64, facts: &mut impl Facts) -> usize {
    let mut kept = count;
    if rule.backup_count > 0 {
        kept = kept.min(usize::try_from(rule.backup_count).unwrap_or(usize::MAX));
    }
    if let Some(keep_bytes) = rule.deletes_beyond() {
        // The file that is written may grow so far.
        let mut room = keep_bytes.saturating_sub(rule.max_bytes);
        let fits = |index: &usize| match room.checked_sub(facts.size_bytes(*index)) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        kept = (0..kept).take_while(fits).count();
    }
    if let Some(keep_age) = rule.keep_age {
        let age_s = i64::try_from(keep_age.as_secs()).unwrap_or(i64::MAX);
        let oldest_s = now_s.saturating_sub(age_s);
        while kept > 0 && facts.written_s(kept - 1) < oldest_s {
            kept -= 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sizes, and times of the last write, of the newest first.
    struct Known(Vec<(u64, i64)>);

    impl Facts for Known {
        fn size_bytes(&mut self, index: usize) -> u64 {
            self.0[index].0
        }

        fn written_s(&mut self, index: usize) -> i64 {
            self.0[index].1
        }
    }

    fn kept_of(rule: Rule) -> usize {
        let mut backups = Known(vec![(10, 90), (20, 80), (30, 70), (40, 60), (50, 50)]);
        kept(rule, 5, 100, &mut backups)
    }

    #[test]
    fn without_a_limit_all_stay() {
        assert_eq!(kept_of(Rule::default()), 5);
    }

    #[test]
    fn each_limit_holds_alone() {
        for (backup_count, expected) in [(1, 1), (4, 4), (5, 5), (6, 5)] {
            assert_eq!(kept_of(Rule { backup_count, ..Rule::default() }), expected);
        }
        for (bytes, expected) in [(0, 0), (9, 0), (10, 1), (29, 1), (30, 2), (150, 5)] {
            let rule = Rule { keep_bytes: Some(bytes + 7), max_bytes: 7, ..Rule::default() };
            assert_eq!(kept_of(rule), expected, "{bytes}");
        }
        for (age_s, expected) in [(0, 0), (9, 0), (10, 1), (40, 4), (49, 4), (50, 5), (1000, 5)] {
            let keep_age = Some(Duration::from_secs(age_s));
            assert_eq!(kept_of(Rule { keep_age, ..Rule::default() }), expected, "{age_s}");
        }
    }

    #[test]
    fn the_first_limit_that_is_met_counts() {
        let all = Rule {
            backup_count: 4,
            keep_bytes: Some(60),
            keep_age: Some(Duration::from_secs(40)),
            ..Rule::default()
        };
        assert_eq!(kept_of(all), 3);
        assert_eq!(kept_of(Rule { backup_count: 2, ..all }), 2);
        assert_eq!(kept_of(Rule { keep_age: Some(Duration::from_secs(10)), ..all }), 1);
    }

    #[test]
    fn what_was_written_in_the_future_stays() {
        let keep_age = Some(Duration::from_secs(10));
        let rule = Rule { keep_age, ..Rule::default() };
        assert_eq!(kept(rule, 2, 100, &mut Known(vec![(1, 5000), (1, 4000)])), 2);
    }
}
