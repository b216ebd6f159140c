//! The supervisor itself: one thread that waits for events and deadlines and acts on them.

mod listening;
#[cfg(test)]
mod tests;

use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::children::{Children, Orphans};
use super::command::WorkerCommand;
use super::control::ControlServer;
use super::group::LiveGroups;
use super::listener::{Listener, READY_TIMEOUT};
use super::order::order;
use super::requests::Change;
use super::worker::Worker;
use super::{Event, Interrupter, MAX_TIMEOUT, Notice, Outcome, Reason, SuperviseError};
use crate::{Context, QueueDir, context};

/// How long workers may take to end after SIGTERM where nothing else is said.
pub const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Events that wait before their threads do.
const MAX_WAITING_EVENTS: usize = 64;

/// How often orphans that have ended are reaped while workers run.
const REAP_TICK: Duration = Duration::from_secs(10);

/// What the end of one worker is to the others. A worker that is started again has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExit {
    /// The first one that fails ends the others.
    #[default]
    FailFast,
    /// The first one that ends, in whichever way, ends the others.
    Any,
    /// The others go on.
    Keep,
}

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
    pub(super) queue: QueueDir,
    /// What the workers inherit, and what is wrong with it.
    pub(super) context: Context,
    pub(super) complaints: Vec<String>,
    pub(super) stop_timeout: Duration,
    pub(super) notify: Box<dyn FnMut(&Notice)>,
    pub(super) listener: Listener,
    pub(super) workers: Vec<Worker>,
    pub(super) on_exit: OnExit,
    pub(super) since: Instant,
    /// Where it can be asked to start and stop workers.
    control: Option<ControlServer>,
    /// What it was asked for and has not done yet.
    pub(super) changes: Vec<Change>,
    pub(super) groups: LiveGroups,
    pub(super) children: Children,
    pub(super) orphans: Option<Orphans>,
    pub(super) keeps_styles: bool,
    /// When orphans that have ended are reaped next.
    reap_at: Instant,
    /// The first failure, where the others went on.
    pub(super) first_failure: Option<Reason>,
    /// Why the workers are being stopped, as soon as they are.
    pub(super) reason: Option<Reason>,
    /// All workers have ended, and none is started any more.
    is_over: bool,
    pub(super) stopped: usize,
    /// Since when nobody gets time any more, but what is needed to leave nothing behind.
    pub(super) hurries_since: Option<Instant>,
    pub(super) sender: SyncSender<Event>,
    pub(super) events: Receiver<Event>,
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
        let children = Children::default();
        Supervisor {
            queue,
            context,
            complaints,
            stop_timeout: stop_timeout.min(MAX_TIMEOUT),
            notify: Box::new(notify),
            listener: Listener::new(listener, sender.clone(), children.clone()),
            workers: Vec::new(),
            on_exit: OnExit::default(),
            since: Instant::now(),
            control: None,
            changes: Vec::new(),
            groups: LiveGroups::default(),
            children,
            orphans: None,
            keeps_styles: false,
            reap_at: Instant::now() + REAP_TICK,
            first_failure: None,
            reason: None,
            is_over: false,
            stopped: 0,
            hurries_since: None,
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

    /// Says what the end of one worker is to the others. Default: [`OnExit::FailFast`].
    pub fn on_exit(&mut self, on_exit: OnExit) {
        self.on_exit = on_exit;
    }

    /// Says that this process does nothing else and has no other children: it then ends at last also
    /// what workers have left behind in process groups or sessions of their own. Such processes become
    /// its children when their parents end. Default: they go on, as children of init.
    pub fn adopt_orphans(&mut self) {
        match Orphans::adopt(self.children.clone()) {
            Ok(orphans) => self.orphans = Some(orphans),
            Err(source) => (self.notify)(&Notice::OrphansUnseen { source }),
        }
    }

    /// Keeps the colours of lines that workers print, beside the lines without, for handlers that show
    /// them: [`PatternFormatter::styled`](crate::formatter::PatternFormatter::styled). Default: they are
    /// left out.
    pub fn keep_styles(&mut self) {
        self.keeps_styles = true;
    }

    /// How to pass signals to this supervisor.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.sender.clone())
    }

    /// Starts the listener and the workers, each when those are ready that it is started
    /// [after](crate::worker_settings::Lifecycle::after), and waits until all of these have ended for good
    /// and what they printed is in the log. The first worker that fails, or an interrupt, ends the
    /// others, each when those have ended that were started after it. Meanwhile it serves `run.sock` in
    /// the queue directory: [`change_workers`](super::change_workers) starts and stops single workers,
    /// and those that it has stopped may be started again, so they have not ended for good.
    ///
    /// # Errors
    /// Workers wait for each other or for one that there is not, the listener did not start, or an
    /// interrupt came before it did; no worker was started then.
    pub fn run(&mut self, workers: Vec<WorkerCommand>) -> Result<Outcome, SuperviseError> {
        let after = order(&workers)?;
        for complaint in std::mem::take(&mut self.complaints) {
            (self.notify)(&Notice::Context { complaint });
        }
        let workers = workers.into_iter().zip(after);
        // An interrupt that comes while the listener starts is for them too.
        self.workers = workers.map(|(command, after)| Worker::new(command, after)).collect();
        self.start_listener()?;
        self.open_control();
        self.settle();
        while !self.workers.iter().all(Worker::is_over) {
            self.step();
        }
        self.is_over = true;
        self.end_orphans();
        // Whoever has a last word for the log needs a listener.
        let give_up_at = Instant::now() + READY_TIMEOUT;
        while !self.listener.is_ready()
            && self.hurries_since.is_none()
            && Instant::now() < give_up_at
        {
            self.step();
        }
        let written = self.workers.iter().all(Worker::is_written);
        let reason = self.reason.take().or(self.first_failure.take()).unwrap_or(Reason::AllEnded);
        Ok(Outcome { reason, stopped: self.stopped, written })
    }

    /// Waits for one event or deadline and does what is due.
    fn step(&mut self) {
        let now = Instant::now();
        let steps = self.workers.iter().filter_map(|worker| worker.next_step(now));
        let reap_at = self.orphans.as_ref().map(|_| self.reap_at);
        self.wait(steps.chain(self.listener.next_step()).chain(reap_at).min());
        self.settle();
        if let Some(orphans) = &mut self.orphans
            && Instant::now() >= self.reap_at
        {
            orphans.living();
            self.reap_at = Instant::now() + REAP_TICK;
        }
    }

    /// Does what is due.
    fn settle(&mut self) {
        loop {
            self.advance();
            let is_to_start = self.advance_changes();
            if !self.start_due() && !is_to_start {
                break;
            }
        }
        self.stop_due();
    }

    /// Serves the control socket, also in a queue directory that was made again.
    fn open_control(&mut self) {
        if self.control.as_ref().is_some_and(ControlServer::is_there) {
            return;
        }
        self.control = None;
        match ControlServer::start(&self.queue.run_socket(), self.sender.clone()) {
            Ok(server) => self.control = Some(server),
            Err(source) => (self.notify)(&Notice::ControlUnavailable { source }),
        }
    }

    fn advance(&mut self) {
        let now = Instant::now();
        let ending = self.workers.iter().filter(|worker| worker.is_ending());
        let ending: Vec<_> = ending.map(|worker| worker.name().to_owned()).collect();
        for number in 0..self.workers.len() {
            while let Some(news) = self.workers[number].advance(now, &mut self.groups) {
                self.heard(number, news);
            }
        }
        let children = self.groups.take_children();
        if let Some(orphans) = &mut self.orphans {
            // What has left the groups of these workers ends with them all the same.
            orphans.terminate_of(&ending, &children);
        }
        if let Some(notice) = self.listener.advance(now) {
            (self.notify)(&notice);
        }
    }

    /// Waits for an event, at most until then, and takes it.
    fn wait(&mut self, until: Option<Instant>) {
        let event = match until {
            Some(at) => self.events.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if let Ok(event) = event {
            self.take(event);
        }
    }

    /// Whether nothing is started any more.
    pub(super) fn is_ending(&self) -> bool {
        self.is_over || self.reason.is_some()
    }

    /// Kills all workers, and waits only for what leaves nothing behind. Asked again it changes nothing:
    /// all that is waited for has a short limit then.
    fn hurry(&mut self) {
        if self.hurries_since.is_none() {
            self.hurries_since = Some(Instant::now());
            self.workers.iter_mut().for_each(Worker::kill_in_a_hurry);
        }
    }

    pub(super) fn take(&mut self, event: Event) {
        match event {
            Event::Interrupt(_) if self.reason.is_some() => self.hurry(),
            Event::Interrupt(signal) => self.stop_workers(Reason::Interrupted { signal }),
            Event::Rotate => self.listener.rotate(),
            Event::Ended(id, exit) => {
                if let Some(news) = self.workers[id.worker].ended(id, exit) {
                    self.heard(id.worker, news);
                }
            }
            Event::Captured(id, captured) => self.workers[id.worker].captured(id, captured),
            Event::Ready(id) => self.workers[id.worker].ready(id),
            Event::Listener(news) => {
                if let Some(exit) = self.listener.take(news) {
                    let pause = self.listener.start_later();
                    (self.notify)(&Notice::ListenerEnded { exit, pause });
                } else if self.listener.is_ready() {
                    self.open_control();
                }
            }
            Event::Asked(asked) => self.asked(asked),
        }
    }
}
