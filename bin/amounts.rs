//! Amounts as people read them.

/// Bytes, as `12.3 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// Records a second, as `0.2/s` or `12k/s`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate < 0.05 => "0/s".to_owned(),
        rate if rate < 9.95 => format!("{rate:.1}/s"),
        rate if rate < 9_999.5 => format!("{rate:.0}/s"),
        rate if rate < 9_999_500.0 => format!("{:.0}k/s", rate / 1e3),
        rate => format!("{:.0}M/s", rate / 1e6),
    }
}

/// A time, as `45s`, `3m12s`, `2h05m` or `4d03h`.
pub(crate) fn time(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_unit_that_fits() {
        assert_eq!(
            [0, 512, 1_048_576, 5 << 30].map(bytes),
            ["0.0 KiB", "0.5 KiB", "1.0 MiB", "5.0 GiB"]
        );
        assert_eq!(
            [0.0, 0.21, 9.94, 9.96, 9_999.0, 12_345.0, 2e7].map(rate),
            ["0/s", "0.2/s", "9.9/s", "10/s", "9999/s", "12k/s", "20M/s"]
        );
        assert_eq!(
            [0, 59, 60, 192, 3600, 7500, 86_399, 86_400, 356_400].map(time),
            ["0s", "59s", "1m00s", "3m12s", "1h00m", "2h05m", "23h59m", "1d00h", "4d03h"]
        );
    }
}
