//! The listener as the supervisor sees it: a child that is started again when it dies.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::children::Children;
use super::exit::{Exit, wait_unreaped};
use super::group::Group;
use super::link::{self, Receiver, Sender, ToListener, ToSupervisor};
use super::{Event, Notice};
use crate::control::StopReport;

/// Shortest and longest pause before a listener that died is started again.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long a listener may take until workers can attach.
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// What comes from the listener of one start; news of an earlier one are old.
pub(super) struct News {
    start: u64,
    what: What,
}

enum What {
    Said(ToSupervisor),
    Ended(Exit),
}

pub(super) struct Listener {
    command: Command,
    events: SyncSender<Event>,
    children: Children,
    /// What a listener has to know that is started again.
    groups: Vec<(Group, String)>,
    starts: u64,
    back_off: Duration,
    state: State,
    report: Option<StopReport>,
    is_asked_to_stop: bool,
}

enum State {
    Up(Running),
    /// Not running, and when to start it.
    Down(Option<Instant>),
}

struct Running {
    child: Child,
    link: Sender,
    since: Instant,
    ready: bool,
}

impl Drop for Running {
    /// The thread that hears the listener holds the link open: a supervisor that is dropped has to
    /// end it, or the listener would never learn that it is gone.
    fn drop(&mut self) {
        self.link.end();
    }
}

impl Listener {
    pub(super) fn new(command: Command, events: SyncSender<Event>, children: Children) -> Listener {
        Listener {
            command,
            events,
            children,
            groups: Vec::new(),
            starts: 0,
            back_off: BACK_OFF.0,
            state: State::Down(None),
            report: None,
            is_asked_to_stop: false,
        }
    }

    /// Starts the process; it becomes ready, or ends, later.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let (ours, theirs) = UnixStream::pair()?;
        let (mut link, receiver) = link::halves(ours)?;
        let command = self.command.stdin(OwnedFd::from(theirs)).process_group(0);
        let spawned = self.children.spawn(command);
        // The command would keep its end of the link open.
        self.command.stdin(Stdio::null());
        let mut child = spawned?;
        self.starts += 1;
        if let Err(error) = self.hear(receiver, child.id()) {
            child.kill()?;
            child.wait()?;
            self.children.forget(child.id());
            return Err(error);
        }
        let groups = self.groups.iter().cloned();
        let groups: Vec<_> =
            groups.map(|(group, name)| ToListener::Started { group, name }).collect();
        if link.send(&groups).is_err() {
            // It has ended by itself, or is to be started again.
            let _ended = child.kill();
        }
        let since = Instant::now();
        self.state = State::Up(Running { child, link, since, ready: false });
        Ok(())
    }

    /// Makes events of what the listener says, to its end.
    fn hear(&self, mut from: Receiver, pid: u32) -> io::Result<()> {
        let (start, events) = (self.starts, self.events.clone());
        // A send fails only where the supervisor is gone and nobody cares.
        let tell = move |what| drop(events.send(Event::Listener(News { start, what })));
        let thread = thread::Builder::new().name("logboom-listener".into());
        thread.spawn(move || {
            while let Some(message) = from.receive() {
                tell(What::Said(message));
            }
            tell(What::Ended(wait_unreaped(Pid::from_raw(pid as i32))));
        })?;
        Ok(())
    }

    /// Takes news; tells how the listener ended, if it did.
    pub(super) fn take(&mut self, news: News) -> Option<Exit> {
        let State::Up(running) = &mut self.state else {
            return None;
        };
        match news.what {
            _ if news.start != self.starts => {}
            What::Said(ToSupervisor::Ready) => running.ready = true,
            What::Said(ToSupervisor::Asked) => self.is_asked_to_stop = true,
            What::Said(ToSupervisor::Stopped(report)) => self.report = Some(report),
            What::Ended(exit) => {
                // It has ended, so this does not wait.
                let _reaped = running.child.wait();
                self.children.forget(running.child.id());
                if running.since.elapsed() >= BACK_OFF.1 {
                    self.back_off = BACK_OFF.0;
                }
                self.state = State::Down(None);
                return Some(exit);
            }
        }
        None
    }

    /// Plans the next start and gives the pause until then.
    pub(super) fn start_later(&mut self) -> Duration {
        let pause = self.back_off;
        self.back_off = (pause * 2).min(BACK_OFF.1);
        self.state = State::Down(Some(Instant::now() + pause));
        pause
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Instant) -> Option<Notice> {
        match &mut self.state {
            State::Down(Some(at)) if now >= *at => {
                let source = self.start().err()?;
                Some(Notice::ListenerNotStarted { source, pause: self.start_later() })
            }
            State::Up(running) if !running.ready && now >= running.since + READY_TIMEOUT => {
                // It has ended by itself at this moment, or ends now.
                let _ended = running.child.kill();
                running.since = now;
                None
            }
            _ => None,
        }
    }

    /// When there may be something to do without any event.
    pub(super) fn next_step(&self) -> Option<Instant> {
        match &self.state {
            State::Down(at) => *at,
            State::Up(running) => (!running.ready).then(|| running.since + READY_TIMEOUT),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(&self.state, State::Up(running) if running.ready)
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Tells that a worker runs in this group.
    pub(super) fn started(&mut self, group: Group, name: &str) {
        self.groups.push((group, name.to_owned()));
        self.say(&ToListener::Started { group, name: name.to_owned() });
    }

    /// Tells that this group is about to be nobody's.
    pub(super) fn ended(&mut self, group: Group) {
        self.groups.retain(|(known, _)| *known != group);
        self.say(&ToListener::Ended { group });
    }

    /// Lets the log files rotate.
    pub(super) fn rotate(&mut self) {
        self.say(&ToListener::Rotate);
    }

    /// Whether somebody has asked a listener to stop.
    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.is_asked_to_stop
    }

    /// Asks for the sentinel and the report of this life.
    pub(super) fn ask_to_stop(&mut self) {
        self.report = None;
        self.say(&ToListener::Stop);
    }

    /// Asks it to stop soon, drained or not.
    pub(super) fn hurry(&mut self) {
        self.say(&ToListener::Hurry);
    }

    pub(super) fn kill(&mut self) {
        if let State::Up(running) = &mut self.state {
            let _ended = running.child.kill();
        }
    }

    /// What it did in its life, once it has said so.
    pub(super) fn report(&self) -> Option<StopReport> {
        self.report
    }

    fn say(&mut self, message: &ToListener) {
        if let State::Up(running) = &mut self.state
            && running.link.send([message]).is_err()
        {
            // It has ended by itself, or stands still and would never learn what it misses, such as which
            // group is a stranger's by now: the next one is told everything.
            let _ended = running.child.kill();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_listener_that_misses_what_it_is_told_is_killed() {
        let (sender, events) = sync_channel(8);
        let mut command = Command::new("/bin/sleep");
        command.arg("1000");
        let mut listener = Listener::new(command, sender, Children::default());
        listener.start().unwrap();
        let group = Group::new(i32::MAX).unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        let exit = loop {
            listener.started(group, "w");
            listener.ended(group);
            match events.try_recv() {
                Ok(Event::Listener(news)) => break listener.take(news),
                _ => assert!(Instant::now() < until, "it is not killed"),
            }
        };
        assert_eq!(exit, Some(Exit::Signal(9)));
    }

    #[test]
    fn a_dropped_listener_learns_that_the_supervisor_is_gone() {
        let (sender, events) = sync_channel(8);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "cat; exit 7"]);
        let mut listener = Listener::new(command, sender, Children::default());
        listener.start().unwrap();
        drop(listener);
        match events.recv_timeout(Duration::from_secs(30)) {
            Ok(Event::Listener(News { what: What::Ended(exit), .. })) => {
                assert_eq!(exit, Exit::Code(7));
            }
            _ => panic!("the listener does not end"),
        }
    }
}
