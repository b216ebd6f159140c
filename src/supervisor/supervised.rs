//! The listener's end of the link to its supervisor.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::MAX_TIMEOUT;
use super::group::{GROUP_TICK, Group};
use super::link::{self, Receiver, Sender, ToListener, ToSupervisor};
use crate::control::StopReport;
use crate::{Certainty, Level, QueueDir, QueueListener, Rotate, Stop};

/// How long the reason may take into the log.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a listener whose supervisor is in a hurry may take to write what it can. What is left in
/// shared memory stays there for the next one.
pub(super) const HURRY_TIMEOUT: Duration = Duration::from_secs(1);

/// The link of a listener process to the supervisor that has started it.
///
/// When the supervisor asks for it, the listener stops. When the supervisor vanishes without that,
/// its workers are ended first: SIGTERM to their process groups, and SIGKILL where that does not
/// help in time.
pub struct SupervisorLink {
    sender: Sender,
}

impl SupervisorLink {
    /// Takes standard input as the link, tells the supervisor that workers may attach to the queue of
    /// `listener`, and watches the link on a thread of its own from then on. Whoever asks the listener
    /// to stop through its queue, as `logboom ctl stop` does, asks the supervisor, which ends the
    /// workers first. Workers of a supervisor that vanishes get `stop_timeout` to end, at most a year.
    ///
    /// Call it before other threads are started: they inherit that a listener, which is no process
    /// of the terminal's foreground, is not stopped for printing there (SIGTTOU).
    ///
    /// # Errors
    /// Descriptors or threads have run out.
    pub fn from_stdin(
        listener: &QueueListener,
        stop_timeout: Duration,
    ) -> io::Result<SupervisorLink> {
        SigSet::from(Signal::SIGTTOU).thread_block()?;
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let (mut asking, _) = link::halves(stream.try_clone()?)?;
        let (mut sender, receiver) = link::halves(stream)?;
        let (stop, rotate) = (listener.stop_handle(), listener.rotate_handle());
        stop.defer_to(move || drop(asking.send([&ToSupervisor::Asked])));
        let watch = Watch {
            receiver,
            workers: Vec::new(),
            queue: listener.queue().clone(),
            stop,
            rotate,
            stop_timeout: stop_timeout.min(MAX_TIMEOUT),
        };
        thread::Builder::new().name("logboom-link".into()).spawn(move || watch.run())?;
        // A supervisor that is gone is noticed where the link is read.
        let _gone = sender.send([&ToSupervisor::Ready]);
        Ok(SupervisorLink { sender })
    }

    /// Tells the supervisor how the listener has stopped.
    pub fn report(mut self, report: StopReport) {
        let _gone = self.sender.send([&ToSupervisor::Stopped(report)]);
    }
}

struct Watch {
    receiver: Receiver,
    workers: Vec<(Group, String)>,
    queue: QueueDir,
    stop: Stop,
    rotate: Rotate,
    stop_timeout: Duration,
}

impl Watch {
    fn run(mut self) {
        loop {
            match self.receiver.receive() {
                Some(ToListener::Started { group, name }) => self.workers.push((group, name)),
                Some(ToListener::Ended { group }) => {
                    self.workers.retain(|(known, _)| *known != group);
                }
                Some(ToListener::Rotate) => self.rotate.request(),
                // It may be in a hurry later.
                Some(ToListener::Stop) => self.stop.request(),
                Some(ToListener::Hurry) => return self.stop.request_within(HURRY_TIMEOUT),
                None => break,
            }
        }
        self.end_workers();
        self.stop.request();
    }

    fn end_workers(&mut self) {
        self.workers.iter().for_each(|(group, _)| group.terminate(Signal::SIGTERM));
        if !self.workers.is_empty() {
            self.record();
        }
        let kill_at = Instant::now() + self.stop_timeout;
        loop {
            // A group that was seen empty is never signalled again: its number is free.
            self.workers.retain(|(group, _)| group.has_members());
            if self.workers.is_empty() {
                return;
            }
            if Instant::now() >= kill_at {
                break;
            }
            thread::sleep(GROUP_TICK);
        }
        self.workers.iter().for_each(|(group, _)| group.kill());
    }

    /// Says in the log why the workers end, if they can be told about at all.
    fn record(&self) {
        let builder = crate::builder().queue(self.queue.clone()).name("listen");
        if let Ok(handler) = builder.pinned_filter("trace").attach() {
            let names: Vec<_> = self.workers.iter().map(|(_, name)| name.as_str()).collect();
            let message = format!("the supervisor is gone; ending {}", names.join(", "));
            handler.relay(Level::ERROR, "logboom", &message);
            let _pending = handler.flush(Certainty::Written, RECORD_TIMEOUT);
        }
    }
}
