//! The start line: where producers wait until all are ready, and tell afterwards how it went.
//!
//! Messages are lines of JSON on a socket: the load, [`Said::Ready`], [`Go`], [`Said::Finished`].

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::load::Load;

/// Longest message: a load with the largest text.
const MAX_MESSAGE_BYTES: u64 = 1 << 20;

/// All are ready.
#[derive(Serialize, Deserialize)]
struct Go;

/// What a producer says.
#[derive(Serialize, Deserialize)]
enum Said {
    Ready,
    Finished(Times),
    /// It cannot go on, and why.
    Failed(String),
}

/// Moments and costs of one producer. Moments count from the Unix epoch.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Times {
    /// Before the first call of any thread.
    pub(super) first_ns: u64,
    /// After the last call of any thread.
    pub(super) calls_done_ns: u64,
    /// All records are in the log files.
    pub(super) written_ns: u64,
    /// User and system time of the process, from its start on.
    pub(super) cpu_us: u64,
}

/// Nanoseconds since the Unix epoch.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A socket that carries messages.
pub(super) struct Link(BufReader<UnixStream>);

impl Link {
    /// The side of a producer.
    pub(super) fn connect(socket: &Path) -> anyhow::Result<Link> {
        let stream = UnixStream::connect(socket);
        let stream = stream.with_context(|| format!("cannot reach {}", socket.display()))?;
        Ok(Link(BufReader::new(stream)))
    }

    fn tell(&mut self, message: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.get_mut().write_all(&line).context("the other end of the start line is gone")
    }

    fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = Vec::new();
        let mut limited = self.0.by_ref().take(MAX_MESSAGE_BYTES);
        limited.read_until(b'\n', &mut line).context("cannot read at the start line")?;
        if line.is_empty() {
            bail!("the other end of the start line is gone");
        }
        serde_json::from_slice(&line).context("a message at the start line makes no sense")
    }

    /// What to do.
    pub(super) fn load(&mut self) -> anyhow::Result<Load> {
        self.hear()
    }

    /// Waits at the start line.
    pub(super) fn await_start(&mut self) -> anyhow::Result<()> {
        self.tell(&Said::Ready)?;
        let Go = self.hear()?;
        Ok(())
    }

    /// Tells how it went.
    pub(super) fn finish(&mut self, outcome: &anyhow::Result<Times>) -> anyhow::Result<()> {
        self.tell(&match outcome {
            Ok(times) => Said::Finished(*times),
            Err(error) => Said::Failed(format!("{error:#}")),
        })
    }
}

/// Sees this many producers through: gives each the load, lets all begin when the last one is
/// ready, and gathers their times. Blocks until each has told its own or has ended.
pub(super) fn referee(
    door: &UnixListener,
    producers: u32,
    load: &Load,
) -> anyhow::Result<Vec<Times>> {
    let mut links = Vec::new();
    for _ in 0..producers {
        let (stream, _) = door.accept().context("cannot accept a producer")?;
        let mut link = Link(BufReader::new(stream));
        link.tell(load)?;
        links.push(link);
    }
    hear_all(&mut links)?;
    for link in &mut links {
        link.tell(&Go)?;
    }
    let finished = hear_all(&mut links)?;
    Ok(finished.into_iter().flatten().collect())
}

/// The times each producer tells, if it is time for them. A producer that fails ends the others:
/// its own words are the ones to pass on.
fn hear_all(links: &mut [Link]) -> anyhow::Result<Vec<Option<Times>>> {
    let said: Vec<_> = links.iter_mut().map(Link::hear).collect();
    if let Some(reason) = said.iter().find_map(|said| match said {
        Ok(Said::Failed(reason)) => Some(reason),
        _ => None,
    }) {
        bail!("a producer failed: {reason}");
    }
    let times = |said| match said {
        Said::Finished(times) => Some(times),
        Said::Ready | Said::Failed(_) => None,
    };
    said.into_iter().map(|said| said.map(times)).collect()
}
