//! A producer: a worker process that does nothing but log.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use logboom::{Certainty, Guard, Overflow};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::load::{Api, Load, Pace};
use super::start_line::{Link, Times, now_ns};

/// How long the log file may make no progress before a producer gives up.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How `bench` starts its producers.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Number of this producer
    pub(super) worker: u32,
    /// Socket of the start line
    pub(super) socket: PathBuf,
    /// Directory for the times of calls
    pub(super) calls: PathBuf,
    /// Directory for the times of nothing
    pub(super) idle: PathBuf,
}

/// The call times of a worker.
pub(super) fn calls_path(directory: &Path, worker: u32) -> PathBuf {
    directory.join(format!("lat.{worker}"))
}

/// The times that a worker took for nothing.
pub(super) fn idle_path(directory: &Path, worker: u32) -> PathBuf {
    directory.join(format!("idle.{worker}"))
}

/// What one thread has measured.
struct Measured {
    first_ns: u64,
    done_ns: u64,
    samples: Samples,
}

/// Nanoseconds between two readings of the clock.
#[derive(Default)]
struct Samples {
    /// With a call between them.
    calls: Vec<u64>,
    /// With nothing between them.
    idle: Vec<u64>,
}

pub(crate) fn work(args: Args) -> anyhow::Result<ExitCode> {
    let mut link = Link::connect(&args.socket)?;
    let load = link.load()?;
    let outcome = produce(&args, &load, &mut link);
    link.finish(&outcome)?;
    outcome.map(|_| ExitCode::SUCCESS)
}

fn produce(args: &Args, load: &Load, link: &mut Link) -> anyhow::Result<Times> {
    let guard = attach(load)?;
    let measured = run_threads(args.worker, load, link)?;
    let written_ns = flush(&guard)?;
    if let Pace::Bursts { .. } = load.pace {
        save(&calls_path(&args.calls, args.worker), &measured, |samples| &samples.calls)?;
        save(&idle_path(&args.idle, args.worker), &measured, |samples| &samples.idle)?;
    }
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("cannot read the CPU time")?;
    let cpu_us = (usage.user_time() + usage.system_time()).num_microseconds();
    Ok(Times {
        first_ns: measured.iter().map(|thread| thread.first_ns).min().unwrap_or_default(),
        calls_done_ns: measured.iter().map(|thread| thread.done_ns).max().unwrap_or_default(),
        written_ns,
        cpu_us: u64::try_from(cpu_us).unwrap_or_default(),
    })
}

fn attach(load: &Load) -> anyhow::Result<Guard> {
    // Whatever the environment says, no record may be left out.
    let builder = logboom::builder()
        .transport(load.transport.into())
        .overflow(Overflow::Block)
        .pinned_filter("trace");
    Ok(match load.api {
        Api::Log => builder.init()?,
        Api::Tracing => {
            let (layer, guard) = builder.layer()?;
            tracing_subscriber::registry().with(layer).try_init()?;
            guard
        }
    })
}

/// Lets all threads log, once all producers are ready.
fn run_threads(worker: u32, load: &Load, link: &mut Link) -> anyhow::Result<Vec<Measured>> {
    link.await_start()?;
    thread::scope(|scope| {
        let log = |thread| move || log_share(worker, load, thread);
        let spawn = |thread| thread::Builder::new().spawn_scoped(scope, log(thread));
        let threads = (0..load.threads).map(spawn).collect::<io::Result<Vec<_>>>();
        let threads = threads.context("cannot start a thread")?;
        let join = |thread: ScopedJoinHandle<'_, _>| {
            thread.join().map_err(|_| anyhow!("a logging thread panicked"))
        };
        threads.into_iter().map(join).collect()
    })
}

fn log_share(worker: u32, load: &Load, thread: u32) -> Measured {
    let mut samples = Samples::with_room(load.pace);
    let first_ns = now_ns();
    match load.pace {
        Pace::Full { .. } => load.share(thread).for_each(|index| load.log(worker, index)),
        Pace::Bursts { burst, interval, .. } => {
            let mut share = load.share(thread);
            let mut due = Instant::now();
            while !share.is_empty() {
                sleep_until(due);
                for index in share.by_ref().take(burst as usize) {
                    samples.calls.push(time(|| load.log(worker, index)));
                }
                // In the middle between two bursts, as rested as they are.
                sleep_until(due + interval / 2);
                samples.idle.extend((0..burst).map(|_| time(|| ())));
                due += interval;
            }
        }
    }
    Measured { first_ns, done_ns: now_ns(), samples }
}

impl Samples {
    /// Has room for all: growing would be part of what is measured.
    fn with_room(pace: Pace) -> Samples {
        match pace {
            Pace::Full { .. } => Samples::default(),
            Pace::Bursts { burst, ticks, .. } => {
                let count = burst as usize * ticks as usize;
                Samples { calls: Vec::with_capacity(count), idle: Vec::with_capacity(count) }
            }
        }
    }
}

fn time(act: impl FnOnce()) -> u64 {
    let start = Instant::now();
    act();
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn sleep_until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// Waits until everything is in the log file, and tells when it was.
fn flush(guard: &Guard) -> anyhow::Result<u64> {
    let mut least = u64::MAX;
    loop {
        let report = guard.flush(Certainty::Written, STALL_TIMEOUT);
        if report.is_complete() {
            return Ok(now_ns());
        }
        if report.pending_records >= least {
            bail!(
                "nothing was written for {STALL_TIMEOUT:?}, {} records are pending: is the disk full?",
                report.pending_records
            );
        }
        least = report.pending_records;
    }
}

/// Writes the samples of all threads, in raw little-endian words of 64 bits.
fn save(path: &Path, measured: &[Measured], part: fn(&Samples) -> &Vec<u64>) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for ns in measured.iter().flat_map(|thread| part(&thread.samples)) {
            file.write_all(&ns.to_le_bytes())?;
        }
        file.flush()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
