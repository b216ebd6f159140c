//! Which worker begins and ends when: what a supervisor makes of order, readiness and failures.

use std::time::Instant;

use super::group::GROUP_TICK;
use super::life::{Birth, GIVE_UP_TIMEOUT, HURRY_TIMEOUT};
use super::worker::{News, Worker};
use super::{LifeId, Notice, OnExit, Reason, Supervisor};

impl Supervisor {
    /// Starts the workers whose time has come. Tells whether that, or events that were taken meanwhile,
    /// may have made something else due.
    pub(super) fn start_due(&mut self) -> bool {
        let mut has_changed = false;
        if self.listener.is_asked_to_stop() {
            self.stop_workers(Reason::Asked);
        }
        for number in 0..self.workers.len() {
            // Signals are obeyed also where many workers are started.
            while let Ok(event) = self.events.try_recv() {
                self.take(event);
                has_changed = true;
            }
            if self.is_ending() {
                return has_changed;
            }
            let worker = &self.workers[number];
            let others = || worker.after.iter().map(|other| &self.workers[*other]);
            if worker.is_waiting()
                && let Some(other) = others().find(|other| other.is_over() && !other.is_ready())
            {
                let (name, other) = (worker.name().to_owned(), other.name().to_owned());
                let notice = Notice::WaitsInVain { name, other };
                (self.notify)(&notice);
                self.workers[number].has_failed(notice.to_string());
                self.workers[number].give_up();
                has_changed = true;
            } else if worker.is_due(Instant::now())
                || worker.is_waiting() && others().all(Worker::is_ready)
            {
                self.start_worker(number);
                has_changed = true;
            }
        }
        has_changed
    }

    fn start_worker(&mut self, number: usize) {
        let birth = Birth {
            id: LifeId { worker: number, life: 0 },
            queue: &self.queue,
            context: &self.context,
            events: &self.sender,
            children: &self.children,
            stop_timeout: self.stop_timeout,
            keeps_styles: self.keeps_styles,
        };
        let worker = &mut self.workers[number];
        let name = worker.name().to_owned();
        match worker.start(birth).map(|life| life.group) {
            Ok(group) => {
                self.listener.started(group, &name);
                let pid = group.leader().as_raw() as u32;
                (self.notify)(&Notice::Started { name, pid });
            }
            Err(source) => {
                let news = worker.not_started(source);
                self.heard(number, news);
            }
        }
    }

    pub(super) fn heard(&mut self, number: usize, news: News) {
        let name = self.workers[number].name().to_owned();
        match news {
            News::Restarts(reason, pause) => (self.notify)(&Notice::Restarts { reason, pause }),
            News::Ended(reason) if self.on_exit == OnExit::Any => self.stop_workers(reason),
            News::Ended(_) => {}
            News::Failed(reason) => self.failed(reason),
            News::LifeOver { group, is_written, was_stopped } => {
                self.listener.ended(group);
                if was_stopped {
                    (self.notify)(&Notice::Stopped { name: name.clone() });
                }
                if !is_written {
                    (self.notify)(&Notice::OutputUncertain { name });
                }
            }
        }
    }

    fn failed(&mut self, reason: Reason) {
        if self.on_exit != OnExit::Keep {
            self.stop_workers(reason);
            return;
        }
        if self.workers.iter().any(|worker| !worker.is_at_rest() && !worker.is_ending()) {
            (self.notify)(&Notice::Failed { reason: reason.to_string() });
        }
        self.first_failure.get_or_insert(reason);
    }

    /// Ends all workers; what they exit with says nothing any more.
    pub(super) fn stop_workers(&mut self, reason: Reason) {
        if self.reason.is_some() {
            return;
        }
        self.reason = Some(reason);
        self.stopped = self.workers.iter().filter(|worker| worker.is_running()).count();
        self.workers.iter_mut().for_each(Worker::give_up);
        self.stop_due();
    }

    /// Asks those to end that nobody needs any more.
    pub(super) fn stop_due(&mut self) {
        if self.reason.is_some() {
            let all: Vec<_> = (0..self.workers.len()).collect();
            self.terminate_unneeded(&all);
        }
    }

    /// Asks those of these workers to end that are needed by no other of them.
    pub(super) fn terminate_unneeded(&mut self, numbers: &[usize]) {
        let of = |number: &usize| &self.workers[*number];
        let needed = numbers.iter().map(of).filter(|worker| !worker.is_at_rest());
        let needed: Vec<usize> = needed.flat_map(|worker| worker.after.clone()).collect();
        for number in numbers {
            if !needed.contains(number) {
                self.workers[*number].terminate();
            }
        }
    }

    /// Ends what workers have left behind outside their process groups.
    pub(super) fn end_orphans(&mut self) {
        let kill_at = Instant::now() + self.stop_timeout;
        while let Some(orphans) = &mut self.orphans {
            let is_late = self.hurries_since.is_some() || Instant::now() >= kill_at;
            if if is_late { orphans.kill() } else { orphans.terminate() } {
                return;
            }
            let hurry_until = self.hurries_since.map(|since| since + HURRY_TIMEOUT);
            if Instant::now() >= hurry_until.unwrap_or(kill_at + GIVE_UP_TIMEOUT) {
                let count = orphans.living().len();
                (self.notify)(&Notice::OrphansLeft { count });
                return;
            }
            if let Ok(event) = self.events.recv_timeout(GROUP_TICK) {
                self.take(event);
            }
        }
    }
}
