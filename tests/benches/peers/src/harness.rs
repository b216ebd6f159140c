//! What all ways share: producers that begin together, and the proof that all is there.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tempfile::TempDir;

use crate::check::{Expected, check, files_of};
use crate::line::now_ns;
use crate::{Producer, Run, Way, appender, limit, s6};

/// What is written at once where a way can choose.
pub(crate) const WRITE_BYTES: usize = 64 * 1024;

/// The largest pipe that an ordinary user gets.
const PIPE_BYTES: i32 = 1 << 20;

/// What each thread logs where calls are timed.
const BURST: usize = 10;
const BURST_INTERVAL: Duration = Duration::from_millis(1);

/// When producers logged, counted from the Unix epoch.
#[derive(Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) first_ns: u64,
    pub(crate) calls_done_ns: u64,
}

/// What stands behind the producers.
struct Behind {
    collector: Option<Child>,
    /// Where each producer goes.
    addresses: Vec<String>,
    /// The pipe, as long as producers have to find it.
    _pipe: Option<io::PipeWriter>,
    _rings: Option<TempDir>,
}

pub(crate) fn run(run: &Run) -> anyhow::Result<()> {
    ensure!(
        run.lat_dir.is_none() || run.way == Way::Naive,
        "only the naive way has its calls timed"
    );
    let mut behind = behind(run)?;
    let outcome = run_producers(run, &behind.addresses);
    drop(behind._pipe.take());
    if let Some(mut collector) = behind.collector.take() {
        if outcome.is_err() {
            collector.kill()?;
        }
        ensure!(collector.wait()?.success() || outcome.is_err(), "the collector failed");
    }
    let moments = outcome?;
    let written_ns = now_ns();
    let cpu_us = cpu_us(UsageWho::RUSAGE_CHILDREN)?;
    let files = if run.way == Way::S6 { s6::files(run)? } else { files_of(&run.out) };
    check(&files, run.producers, run.records, Expected::Indexed, || Ok(()))?;
    print(run, moments, written_ns, cpu_us);
    Ok(())
}

/// Prints the figures.
pub(crate) fn print(run: &Run, moments: Moments, written_ns: u64, cpu_us: u64) {
    let figures = serde_json::json!({
        "sent": run.records * u64::from(run.producers),
        "t_first_ns": moments.first_ns,
        "t_calls_done_ns": moments.calls_done_ns,
        "t_written_ns": written_ns,
        "cpu_us": cpu_us,
    });
    println!("{figures}");
}

/// CPU time of this process.
pub(crate) fn own_cpu_us() -> anyhow::Result<u64> {
    cpu_us(UsageWho::RUSAGE_SELF)
}

fn cpu_us(who: UsageWho) -> anyhow::Result<u64> {
    let usage = getrusage(who)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as u64)
}

fn behind(run: &Run) -> anyhow::Result<Behind> {
    let mut behind = Behind { collector: None, addresses: vec![], _pipe: None, _rings: None };
    let same = |address: String| vec![address; run.producers as usize];
    match run.way {
        Way::Naive => {
            let mut collector = collector(run, "").stdout(Stdio::piped()).spawn()?;
            let names = collector.stdout.take().context("a piped output")?;
            let names = BufReader::new(names).lines().take(run.producers as usize);
            behind.addresses = names.collect::<Result<_, _>>()?;
            behind.collector = Some(collector);
        }
        Way::Appender => {
            appender::prepare(run)?;
            behind.addresses = same(run.out.display().to_string());
        }
        Way::Locked => behind.addresses = same(run.out.display().to_string()),
        Way::S6 => {
            let (reader, writer) = io::pipe()?;
            fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES))?;
            behind.collector = Some(s6::start(run, reader)?);
            behind.addresses =
                same(format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd()));
            behind._pipe = Some(writer);
        }
        Way::Limit | Way::Numbers => {
            let rings = tempfile::Builder::new().prefix("peers-").tempdir_in("/dev/shm")?;
            let address = rings.path().join("ring").display().to_string();
            limit::prepare(run, &address)?;
            behind.collector = Some(collector(run, &address).spawn()?);
            behind.addresses = same(address);
            behind._rings = Some(rings);
        }
        Way::Ceiling => bail!("it has no producers"),
    }
    Ok(behind)
}

fn this_program() -> Command {
    Command::new("/proc/self/exe")
}

fn way_name(way: Way) -> String {
    use clap::ValueEnum;
    way.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}

fn collector(run: &Run, address: &str) -> Command {
    let mut command = this_program();
    command.arg("collect").arg(way_name(run.way)).arg("--out").arg(&run.out);
    command.arg(format!("--producers={}", run.producers));
    command.arg(format!("--threads={}", run.threads));
    command.arg(format!("--records={}", run.records)).arg(format!("--address={address}"));
    command
}

struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless another one has failed.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn run_producers(run: &Run, addresses: &[String]) -> anyhow::Result<Moments> {
    let start = |(worker, address): (_, &String)| start_producer(run, worker, address);
    let mut all = addresses.iter().enumerate().map(start).collect::<Result<Vec<_>, _>>()?;
    for producer in &mut all {
        producer.hear()?;
    }
    for producer in &mut all {
        producer.stdin.write_all(b"\n")?;
    }
    let (mut first_ns, mut calls_done_ns) = (u64::MAX, 0);
    for producer in &mut all {
        let moments = producer.hear()?;
        let (first, done) = moments.trim().split_once(' ').context("two moments")?;
        first_ns = first_ns.min(first.parse()?);
        calls_done_ns = calls_done_ns.max(done.parse()?);
    }
    for producer in &mut all {
        ensure!(producer.child.wait()?.success(), "a producer failed");
    }
    Ok(Moments { first_ns, calls_done_ns })
}

fn start_producer(run: &Run, worker: usize, address: &str) -> anyhow::Result<Running> {
    let mut command = this_program();
    command.arg("produce").arg(way_name(run.way)).arg(worker.to_string());
    command.arg(run.threads.to_string()).arg(run.records.to_string()).arg(address);
    if let Some(directory) = &run.lat_dir {
        command.arg("--lat-dir").arg(directory);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take().context("a piped input")?;
    let stdout = BufReader::new(child.stdout.take().context("a piped output")?);
    Ok(Running { child, stdin, stdout })
}

impl Running {
    fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        ensure!(!line.is_empty(), "a producer failed");
        Ok(line)
    }
}

/// The producer's side: `log` logs the records of one thread, once all producers are ready.
pub(crate) fn produce(
    producer: &Producer,
    log: impl Fn(u32, Range<u64>) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    println!("ready");
    io::stdin().read_exact(&mut [0])?;
    let first_ns = now_ns();
    thread::scope(|scope| {
        let log = &log;
        let spawn = |thread| scope.spawn(move || log(thread, share(producer, thread)));
        let threads: Vec<_> = (0..producer.threads).map(spawn).collect();
        let join = |thread: ScopedJoinHandle<'_, _>| {
            thread.join().map_err(|_| anyhow!("a logging thread panicked"))?
        };
        threads.into_iter().try_for_each(join)
    })?;
    println!("{first_ns} {}", now_ns());
    Ok(())
}

/// Logs the records of a share: as fast as they are taken, or in timed bursts as `logboom bench` does.
pub(crate) fn log_each(
    producer: &Producer,
    mut share: Range<u64>,
    mut log: impl FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some(directory) = &producer.lat_dir else {
        return share.try_for_each(log);
    };
    let mut calls = Vec::with_capacity((share.end - share.start) as usize);
    let mut due = Instant::now();
    while !share.is_empty() {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for index in share.by_ref().take(BURST) {
            let start = Instant::now();
            log(index)?;
            calls.push(start.elapsed().as_nanos() as u64);
        }
        due += BURST_INTERVAL;
    }
    let path = directory.join(format!("lat.{}", producer.worker));
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let bytes: Vec<_> = calls.iter().flat_map(|ns| ns.to_le_bytes()).collect();
    Ok(file.write_all(&bytes)?)
}

/// The records of one thread.
fn share(producer: &Producer, thread: u32) -> Range<u64> {
    let begin = |thread: u32| producer.records * u64::from(thread) / u64::from(producer.threads);
    begin(thread)..begin(thread + 1)
}
