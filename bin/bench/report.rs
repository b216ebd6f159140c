//! What was measured, for people and as JSON.

use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::check::Found;
use super::load::{Load, Message, Pace};
use super::producer;
use super::start_line::Times;

/// Longest bar of a percentile, in characters.
const BAR_WIDTH: f64 = 40.0;

/// Which percentiles are shown, in thousandths.
const PERCENTILES: [(&str, u64); 5] =
    [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999), ("max", 1000)];

/// One run.
pub(super) struct Run {
    pub(super) load: Load,
    pub(super) producers: u32,
    pub(super) times: Vec<Times>,
    /// User and system time of producers and listener together.
    pub(super) cpu_us: u64,
    /// The listener's largest resident set; `None` where the system does not tell.
    pub(super) listener_rss_kb: Option<u64>,
    pub(super) found: Found,
    pub(super) latency: Option<Latency>,
}

/// The times of all log calls, and of as many that did nothing.
pub(super) struct Latency {
    /// What reading the clock twice costs: the median of the idle times.
    clock_ns: u64,
    /// Without the clock's cost, sorted.
    calls: Vec<u64>,
    idle: Vec<u64>,
}

impl Latency {
    /// Reads what the producers have saved.
    pub(super) fn read(calls: &Path, idle: &Path, producers: u32) -> anyhow::Result<Latency> {
        let (mut all_calls, mut all_idle) = (Vec::new(), Vec::new());
        for worker in 0..producers {
            read_samples(&producer::calls_path(calls, worker), &mut all_calls)?;
            read_samples(&producer::idle_path(idle, worker), &mut all_idle)?;
        }
        all_calls.sort_unstable();
        all_idle.sort_unstable();
        let clock_ns = percentile(&all_idle, 500);
        let without_clock = |samples: Vec<u64>| {
            samples.into_iter().map(|ns: u64| ns.saturating_sub(clock_ns)).collect()
        };
        Ok(Latency { clock_ns, calls: without_clock(all_calls), idle: without_clock(all_idle) })
    }

    fn json(&self) -> Value {
        let all = |samples: &[u64]| -> Value {
            let percentile = |(name, thousandths): (&str, u64)| {
                (name.to_owned(), percentile(samples, thousandths).into())
            };
            PERCENTILES.into_iter().map(percentile).collect::<serde_json::Map<_, _>>().into()
        };
        json!({"clock_ns": self.clock_ns, "calls_ns": all(&self.calls), "idle_ns": all(&self.idle)})
    }
}

fn read_samples(path: &Path, to: &mut Vec<u64>) -> anyhow::Result<()> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    to.extend(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)));
    Ok(())
}

/// The smallest of `sorted` samples that so many thousandths of them do not exceed.
fn percentile(sorted: &[u64], thousandths: u64) -> u64 {
    let rank = (sorted.len() as u64 * thousandths).div_ceil(1000).max(1) - 1;
    sorted.get(rank as usize).copied().unwrap_or_default()
}

impl Run {
    fn sent(&self) -> u64 {
        self.load.records() * u64::from(self.producers)
    }

    fn first_ns(&self) -> u64 {
        self.times.iter().map(|times| times.first_ns).min().unwrap_or_default()
    }

    fn calls_done_ns(&self) -> u64 {
        self.times.iter().map(|times| times.calls_done_ns).max().unwrap_or_default()
    }

    fn written_ns(&self) -> u64 {
        self.times.iter().map(|times| times.written_ns).max().unwrap_or_default()
    }

    fn producers_cpu_us(&self) -> u64 {
        self.times.iter().map(|times| times.cpu_us).sum()
    }

    /// What scripts read.
    pub(super) fn json(&self) -> Value {
        let producers_cpu_us = self.producers_cpu_us();
        let mut all = json!({
            "sent": self.sent(),
            "written": self.found.records,
            "t_first_ns": self.first_ns(),
            "t_calls_done_ns": self.calls_done_ns(),
            "t_written_ns": self.written_ns(),
            "collector_rss_kb": self.listener_rss_kb,
            "producers_cpu_us": producers_cpu_us,
            "listener_cpu_us": self.cpu_us.saturating_sub(producers_cpu_us),
            "files": self.found.files,
            "bytes": self.found.bytes,
        });
        if let Some(latency) = &self.latency {
            all["latency"] = latency.json();
        }
        all
    }
}

/// `12.3 ms` and the like.
struct Span(u64);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 as f64 {
            ns if ns < 1e4 => format!("{ns} ns"),
            ns if ns < 1e7 => format!("{:.1} us", ns / 1e3),
            ns if ns < 1e10 => format!("{:.1} ms", ns / 1e6),
            ns => format!("{:.1} s", ns / 1e9),
        };
        f.pad(&text)
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_setting(f)?;
        for (name, value, detail) in self.rows() {
            writeln!(f, "{name:<18} {value:>14}   {detail}")?;
        }
        self.latency.as_ref().map_or(Ok(()), |latency| writeln!(f, "\n{latency}"))
    }
}

impl Run {
    /// Name, value, and what there is to say about it.
    fn rows(&self) -> Vec<(&'static str, String, String)> {
        let (sent, found) = (self.sent(), &self.found);
        let proof = match self.load.message {
            Message::Formatted => "each is in the log exactly once",
            Message::Constant | Message::Text(_) => "as many of each producer are in the log",
        };
        let until = |name, end_ns: u64| {
            let ns = end_ns.saturating_sub(self.first_ns()).max(1);
            let rate = sent as f64 * 1e9 / ns as f64;
            (name, Span(ns).to_string(), format!("{rate:.0} records/s"))
        };
        let per_record = |us: u64| us * 1000 / sent.max(1);
        let (all, producers) = (per_record(self.cpu_us), per_record(self.producers_cpu_us()));
        let listener = all.saturating_sub(producers);
        let parts = format!("producers {producers} ns, listener {listener} ns");
        let memory = self.listener_rss_kb.map_or("unknown".to_owned(), |kb| format!("{kb} kB"));
        let mut rows = vec![
            ("records", sent.to_string(), proof.to_owned()),
            ("log", found.bytes.to_string(), format!("bytes; files: {}", found.files)),
            until("all calls done", self.calls_done_ns()),
            until("all written", self.written_ns()),
            ("CPU per record", format!("{all} ns"), parts),
            ("listener's memory", memory, "at most, resident".to_owned()),
        ];
        if let Some(other) = &found.other {
            rows.push(("other lines", found.others.to_string(), format!("the first: {other}")));
        }
        rows
    }

    fn fmt_setting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { threads, pace, transport, api, .. } = &self.load;
        let value = |name: Option<clap::builder::PossibleValue>| {
            name.map_or(String::new(), |name| name.get_name().to_owned())
        };
        let (transport, api) =
            (value(transport.to_possible_value()), value(api.to_possible_value()));
        write!(f, "producers {}, threads of each {threads}, {transport}, {api}: ", self.producers)?;
        match pace {
            Pace::Full { records } => writeln!(f, "{records} records each at full speed\n"),
            Pace::Bursts { burst, interval, ticks } => {
                writeln!(f, "in each thread {burst} records every {interval:?}, {ticks} times\n")
            }
        }
    }
}

impl Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<6} {:>10} {:>10}   (bars are logarithmic)", "", "log call", "empty")?;
        let longest = bar_length(percentile(&self.calls, 1000)).max(1.0);
        for (name, thousandths) in PERCENTILES {
            let call = percentile(&self.calls, thousandths);
            let idle = percentile(&self.idle, thousandths);
            let bar = "█".repeat((bar_length(call) / longest * BAR_WIDTH).round() as usize);
            writeln!(f, "{name:<6} {:>10} {:>10}   {bar}", Span(call), Span(idle))?;
        }
        write!(
            f,
            "`empty` is the machine's own share: the same loop without a call. Two readings of the \
             clock cost\n{} ns, which both columns are without.",
            self.clock_ns
        )
    }
}

fn bar_length(ns: u64) -> f64 {
    (ns.max(1) as f64).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_so_many_do_not_exceed() {
        let sorted: Vec<u64> = (1..=1000).collect();
        let of = |thousandths| percentile(&sorted, thousandths);
        assert_eq!((of(500), of(990), of(999), of(1000)), (500, 990, 999, 1000));
        assert_eq!(
            (percentile(&[7], 500), percentile(&[7], 1000), percentile(&[], 500)),
            (7, 7, 0)
        );
    }

    #[test]
    fn spans_have_the_unit_that_fits() {
        let spans = [(999, "999 ns"), (12_345, "12.3 us"), (12_345_678, "12.3 ms")];
        for (ns, text) in spans {
            assert_eq!(Span(ns).to_string(), text);
        }
    }
}
