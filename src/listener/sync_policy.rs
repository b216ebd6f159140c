//! When the listener brings its log files to the disk without being asked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Level;

/// When the log files of a listener are synced to the disk (fsync) without being asked.
///
/// A flush with [`Certainty::Synced`](crate::Certainty::Synced), `ctl flush --sync` and the end of
/// the listener sync under every policy. One sync covers all log files and all backups.
///
/// Read from text as `none`, `every-batch`, a time such as `500ms`, `1s` or `5m`, or the name of a
/// level.
///
/// A sync that fails holds nobody up: it is counted, told in the log and in the status, and tried
/// again after a growing pause of at most a second. What was written and not synced when it failed is
/// never claimed to be on the disk, by whatever sync that follows: the kernel may have dropped it and
/// report success next time ("PostgreSQL's fsync() surprise", LWN 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// When asked only. The kernel writes back in its own time, on most systems within half a
    /// minute.
    #[default]
    None,
    /// At most this long after a write; a log that nobody writes to is not synced.
    Interval(Duration),
    /// Every batch with a record of this level or above, before the next batch is written.
    AtLevel(Level),
    /// Every batch, before the next one is written. A batch is what the workers sent within some
    /// milliseconds, at most 64 KiB of text or one longer record.
    EveryBatch,
}

impl SyncPolicy {
    /// Longest interval that is read from text.
    const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
}

impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncPolicy::None => f.write_str("none"),
            SyncPolicy::Interval(interval) if interval.subsec_nanos() == 0 => {
                write!(f, "{}s", interval.as_secs())
            }
            SyncPolicy::Interval(interval) => write!(f, "{}ms", interval.as_millis()),
            SyncPolicy::AtLevel(level) => level.fmt(f),
            SyncPolicy::EveryBatch => f.write_str("every-batch"),
        }
    }
}

/// The text names no [`SyncPolicy`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` says no time to sync: use none, every-batch, an interval such as 500ms, 1s or 5m (at \
     most 24 hours), or a level such as WARNING"
)]
pub struct ParseSyncPolicyError(String);

impl FromStr for SyncPolicy {
    type Err = ParseSyncPolicyError;

    fn from_str(text: &str) -> Result<SyncPolicy, ParseSyncPolicyError> {
        let policy = match text {
            "none" => Some(SyncPolicy::None),
            "every-batch" => Some(SyncPolicy::EveryBatch),
            // A bare number could be taken for a level as well as for seconds.
            _ if text.starts_with(|first: char| first.is_ascii_digit()) => {
                interval(text).map(SyncPolicy::Interval)
            }
            _ => text.parse().ok().map(SyncPolicy::AtLevel),
        };
        policy.ok_or_else(|| ParseSyncPolicyError(text.to_owned()))
    }
}

fn interval(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return None,
    };
    let interval = Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit_ms)?);
    (Duration::from_millis(1)..=SyncPolicy::MAX_INTERVAL).contains(&interval).then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_round_trip() {
        let policies = [
            ("none", SyncPolicy::None),
            ("every-batch", SyncPolicy::EveryBatch),
            ("500ms", SyncPolicy::Interval(Duration::from_millis(500))),
            ("1s", SyncPolicy::Interval(Duration::from_secs(1))),
            ("86400s", SyncPolicy::Interval(SyncPolicy::MAX_INTERVAL)),
            ("WARNING", SyncPolicy::AtLevel(Level::WARNING)),
        ];
        for (text, policy) in policies {
            assert_eq!(text.parse(), Ok(policy));
            assert_eq!(policy.to_string(), text);
        }
        assert_eq!("5m".parse(), Ok(SyncPolicy::Interval(Duration::from_secs(300))));
        assert_eq!("error".parse(), Ok(SyncPolicy::AtLevel(Level::ERROR)));
    }

    #[test]
    fn what_could_mean_anything_else_is_refused() {
        for text in
            ["", "0s", "0ms", "30", "1 s", "1.5s", "-1s", "s", "25h", "1441m", "99999999999999999m"]
        {
            let error = text.parse::<SyncPolicy>().expect_err(text);
            assert!(error.to_string().starts_with(&format!("`{text}`")), "{error}");
        }
    }
}
