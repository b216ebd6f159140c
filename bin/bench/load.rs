//! What the producers are to do.

use std::ops::Range;
use std::time::Duration;

use clap::ValueEnum;
use logboom::TransportChoice;
use serde::{Deserialize, Serialize};

use super::check::Expected;
use super::record::{LOGGER, Request, constant_message};

/// Everything a producer has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) threads: u32,
    pub(crate) pace: Pace,
    pub(crate) transport: Transport,
    pub(crate) api: Api,
    pub(crate) message: Message,
}

/// When to log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Pace {
    /// This many records, as fast as they are taken.
    Full { records: u64 },
    /// In each thread a burst of records at each of `ticks` moments, each call timed.
    Bursts { burst: u32, interval: Duration, ticks: u64 },
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Transport {
    /// Shared memory
    Ring,
    /// Batches over ipc-channel
    Channel,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Api {
    /// The macros of the crate `log`
    Log,
    /// The macros of the crate `tracing`
    Tracing,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// Made of five arguments.
    Formatted,
    /// About as long, without arguments.
    Constant,
    /// This text, as the only argument.
    Text(String),
}

impl From<Transport> for TransportChoice {
    fn from(transport: Transport) -> TransportChoice {
        match transport {
            Transport::Ring => TransportChoice::Ring,
            Transport::Channel => TransportChoice::Channel,
        }
    }
}

/// Logs one record by a macro that takes a target and a format.
macro_rules! emit {
    ($library:ident, $message:expr, $worker:ident, $index:ident) => {
        match $message {
            Message::Formatted => {
                let Request { item, status, bytes } = Request::new($index);
                $library::info!(
                    target: LOGGER,
                    "worker {} handled request {} for /api/v1/items/{} status={} bytes={} in 1.234ms",
                    $worker, $index, item, status, bytes
                )
            }
            Message::Constant => $library::info!(target: LOGGER, constant_message!()),
            Message::Text(text) => $library::info!(target: LOGGER, "{}", text),
        }
    };
}

impl Load {
    /// Records of one producer.
    pub(crate) fn records(&self) -> u64 {
        match self.pace {
            Pace::Full { records } => records,
            Pace::Bursts { burst, ticks, .. } => {
                ticks.saturating_mul(burst.into()).saturating_mul(self.threads.into())
            }
        }
    }

    /// The records of one thread of a producer: an equal share, the first threads one more.
    pub(crate) fn share(&self, thread: u32) -> Range<u64> {
        let (threads, thread) = (u64::from(self.threads), u64::from(thread));
        let (each, rest) = (self.records() / threads, self.records() % threads);
        let begin = |thread: u64| thread * each + thread.min(rest);
        begin(thread)..begin(thread + 1)
    }

    /// The messages that have to be in the log.
    pub(super) fn expected(&self) -> Expected<'_> {
        match &self.message {
            Message::Formatted => Expected::Indexed,
            Message::Constant => Expected::CONSTANT,
            Message::Text(text) => Expected::Same(text),
        }
    }

    /// Logs record `index` of `worker`.
    pub(crate) fn log(&self, worker: u32, index: u64) {
        match self.api {
            Api::Log => emit!(log, &self.message, worker, index),
            Api::Tracing => emit!(tracing, &self.message, worker, index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_of_a_producer_share_all_its_records() {
        for (records, threads) in [(10, 1), (10, 3), (2, 4), (1, 1)] {
            let load = Load {
                threads,
                pace: Pace::Full { records },
                transport: Transport::Ring,
                api: Api::Log,
                message: Message::Constant,
            };
            let shared: Vec<_> = (0..threads).flat_map(|thread| load.share(thread)).collect();
            assert_eq!(shared, (0..records).collect::<Vec<_>>());
        }
    }
}
