//! The supervisor itself: one thread that waits for events and deadlines and acts on them.

use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::listener::{Listener, READY_TIMEOUT};
use super::worker::{Worker, WorkerCommand};
use super::{Event, Exit, Interrupter, MAX_STOP_TIMEOUT, Notice, Outcome, Reason, SuperviseError};
use crate::control::StopReport;
use crate::{Context, QueueDir, context};

/// How long workers may take to end after SIGTERM where nothing else is said.
pub const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the listener may take to drain and stop: twice and more what it gives itself.
const LISTENER_STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Events that wait before their threads do.
const MAX_WAITING_EVENTS: usize = 64;

/// Starts a listener and workers, and sees them through to their end.
///
/// SIGCHLD must not be ignored in its process. Dropped before [`stop`](Self::stop), it leaves it to
/// the listener to end the workers.
///
/// ```no_run
/// use std::process::Command;
/// use logboom::QueueDir;
/// use logboom::supervisor::{DEFAULT_STOP_TIMEOUT, Supervisor, WorkerCommand};
///
/// let mut listener = Command::new("logboom");
/// listener.args(["listen", "--queue", "jobs", "--supervised", "10"]);
/// let workers = vec![WorkerCommand::new("job", Command::new("./job"))?];
/// let mut supervisor =
///     Supervisor::new(QueueDir::named("jobs")?, listener, DEFAULT_STOP_TIMEOUT, |notice| {
///         eprintln!("{notice}");
///     });
/// let outcome = supervisor.run(workers)?;
/// println!("{outcome}; {}", supervisor.stop()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Supervisor {
    queue: QueueDir,
    /// What the workers inherit, and what is wrong with it.
    context: Context,
    complaints: Vec<String>,
    stop_timeout: Duration,
    notify: Box<dyn FnMut(&Notice)>,
    listener: Listener,
    workers: Vec<Worker>,
    /// Why the workers are being stopped, as soon as they are.
    reason: Option<Reason>,
    stopped: usize,
    sender: SyncSender<Event>,
    events: Receiver<Event>,
}

impl Supervisor {
    /// A supervisor that starts nothing yet.
    ///
    /// `listener` has to serve `queue` and to hold the other end of the link that it is given as
    /// its standard input; see [`SupervisorLink`](super::SupervisorLink). Workers get `stop_timeout`,
    /// at most a year, to end before they are killed. They inherit the [context](Self::context) of this
    /// process, with a random `run_id` unless it has one. `notify` is called on the thread of
    /// [`run`](Self::run).
    pub fn new(
        queue: QueueDir,
        listener: Command,
        stop_timeout: Duration,
        notify: impl FnMut(&Notice) + 'static,
    ) -> Supervisor {
        let (sender, events) = sync_channel(MAX_WAITING_EVENTS);
        let (context, complaints) = context::of_run();
        Supervisor {
            queue,
            context,
            complaints,
            stop_timeout: stop_timeout.min(MAX_STOP_TIMEOUT),
            notify: Box::new(notify),
            listener: Listener::new(listener, sender.clone()),
            workers: Vec::new(),
            reason: None,
            stopped: 0,
            sender,
            events,
        }
    }

    /// Adds fields to the context that the workers inherit: they go with every record that these and
    /// their children make, and with what they print.
    pub fn add_context(&mut self, context: &Context) {
        let omitted;
        (self.context, omitted) = self.context.extended(context.fields());
        self.complaints.extend(context::complaint_of(omitted));
    }

    /// The context that the workers inherit.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// How to pass signals to this supervisor.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.sender.clone())
    }

    /// Starts the listener and the workers and waits until all of these have ended and what they
    /// printed is in the log. The first worker that fails, or an interrupt, ends the others.
    ///
    /// # Errors
    /// The listener did not start; no worker was started then.
    pub fn run(&mut self, workers: Vec<WorkerCommand>) -> Result<Outcome, SuperviseError> {
        for complaint in std::mem::take(&mut self.complaints) {
            (self.notify)(&Notice::Context { complaint });
        }
        self.start_listener()?;
        for command in workers {
            while let Ok(event) = self.events.try_recv() {
                self.take(event);
            }
            if self.reason.is_some() {
                break;
            }
            self.start_worker(command);
        }
        while !self.workers.iter().all(Worker::is_over) {
            self.step();
        }
        // Whoever has a last word for the log needs a listener.
        let give_up_at = Instant::now() + READY_TIMEOUT;
        while !self.listener.is_ready() && Instant::now() < give_up_at {
            self.step();
        }
        let written = self.workers.iter().all(Worker::is_written);
        let reason = self.reason.take().unwrap_or(Reason::AllEnded);
        Ok(Outcome { reason, stopped: self.stopped, written })
    }

    /// Stops the listener, which drains first. Blocks for at most some seconds.
    ///
    /// # Errors
    /// It died, or had to be killed.
    pub fn stop(mut self) -> Result<StopReport, SuperviseError> {
        self.listener.ask_to_stop();
        let deadline = Instant::now() + LISTENER_STOP_TIMEOUT;
        while self.listener.is_up() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Listener(news)) => {
                    if let Some(exit) = self.listener.take(news) {
                        let report = self.listener.report();
                        return report.ok_or(SuperviseError::ListenerDied { exit });
                    }
                }
                Ok(_) => {}
                Err(_) => {
                    self.listener.kill();
                    return Err(SuperviseError::ListenerStuck);
                }
            }
        }
        Err(SuperviseError::ListenerDown)
    }

    fn start_listener(&mut self) -> Result<(), SuperviseError> {
        self.listener.start().map_err(|source| SuperviseError::Spawn { source })?;
        let deadline = Instant::now() + READY_TIMEOUT;
        while !self.listener.is_ready() {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(Event::Listener(news)) => {
                    if let Some(exit) = self.listener.take(news) {
                        return Err(SuperviseError::ListenerDied { exit });
                    }
                }
                Ok(event) => self.take(event),
                Err(_) => {
                    self.listener.kill();
                    return Err(SuperviseError::ListenerStuck);
                }
            }
        }
        Ok(())
    }

    fn start_worker(&mut self, command: WorkerCommand) {
        let name = command.name.clone();
        match Worker::start(command, self.workers.len(), &self.queue, &self.context, &self.sender) {
            Ok(worker) => {
                self.listener.started(worker.group, &name);
                (self.notify)(&Notice::Started {
                    name,
                    pid: worker.group.leader().as_raw() as u32,
                });
                self.workers.push(worker);
            }
            Err(source) => self.stop_workers(Reason::NotStarted { name, source }),
        }
    }

    /// Waits for one event or deadline and acts on it.
    fn step(&mut self) {
        let now = Instant::now();
        let steps = self.workers.iter().filter_map(|worker| worker.next_step(now));
        let event = match steps.chain(self.listener.next_step()).min() {
            Some(at) => self.events.recv_timeout(at.saturating_duration_since(now)),
            None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if let Ok(event) = event {
            self.take(event);
        }
        let now = Instant::now();
        for worker in self.workers.iter_mut().filter(|worker| !worker.is_over()) {
            if worker.advance(now) {
                self.listener.ended(worker.group);
                if !worker.is_written() {
                    (self.notify)(&Notice::OutputUncertain { name: worker.name.clone() });
                }
            }
        }
        if let Some(notice) = self.listener.advance(now) {
            (self.notify)(&notice);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Interrupt(_) if self.reason.is_some() => {
                self.workers.iter_mut().for_each(Worker::kill);
            }
            Event::Interrupt(signal) => self.stop_workers(Reason::Interrupted { signal }),
            Event::Ended { number, exit } => self.worker_ended(number, exit),
            Event::Captured { number, captured } => self.workers[number].captured(captured),
            Event::Listener(news) => {
                if let Some(exit) = self.listener.take(news) {
                    let pause = self.listener.start_later();
                    (self.notify)(&Notice::ListenerEnded { exit, pause });
                }
            }
        }
    }

    fn worker_ended(&mut self, number: usize, exit: Exit) {
        let worker = &mut self.workers[number];
        worker.ended(exit, self.stop_timeout);
        if self.reason.is_none() && !exit.is_success() {
            let name = worker.name.clone();
            self.stop_workers(Reason::Failed { name, exit });
        }
    }

    /// Ends all workers; what they exit with says nothing any more.
    fn stop_workers(&mut self, reason: Reason) {
        self.reason = Some(reason);
        for worker in self.workers.iter_mut().filter(|worker| worker.is_running()) {
            worker.terminate(self.stop_timeout);
            self.stopped += 1;
        }
    }
}
