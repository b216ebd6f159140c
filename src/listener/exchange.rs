//! The drain's part of a reload: between two batches it goes on with other files and handlers.

use super::drain::Drain;
use super::files::NextSettings;
use super::reload::ReloadError;
use super::tasks::{Exchange, Gone, Task};
use crate::fault;
use crate::handler::HandlerError;
use crate::logger::{Destination, Routing};

impl Drain {
    /// Does what others want of the drain, if anything. Call it when nothing is in a batch.
    pub(super) fn attend(&mut self) {
        // Whoever asked may have gone.
        match self.tasks.take() {
            Some(Task::Exchange(exchange, answer)) => {
                let before: Vec<_> = self.files.paths().map(ToOwned::to_owned).collect();
                self.files.set_next(NextSettings::of(&exchange));
                let _gone = answer.send(self.exchange(*exchange));
                self.files.set_next(NextSettings::default());
                // Only now: a log file that cannot be written yet must not keep the answer back.
                let is_known = |path| before.iter().any(|known| known == path);
                if !self.files.paths().all(is_known) {
                    (self.is_filtered, self.says_filtered) = (false, false);
                }
                self.say_filtered();
                self.commit();
            }
            Some(Task::Reopen(answer)) => {
                let _gone = answer.send(self.files.reopen());
            }
            None => {}
        }
    }

    fn exchange(&mut self, exchange: Exchange) -> Result<Gone, ReloadError> {
        let Exchange { source, files, routes, handlers, mut plan, sync, drain_timeout, claim } =
            exchange;
        let outlets = self.outlets.start_next(handlers).map_err(|source| HandlerError::Io {
            operation: "start the thread of",
            path: "a handler".into(),
            source,
        })?;
        // What filters still have to say is about records before this.
        self.summarize_routes(i64::MAX);
        self.settle();
        if self.files.has_given_up() {
            return Err(ReloadError::Stopping);
        }
        if !claim.take() {
            return Err(ReloadError::Busy);
        }
        fault::point("before-exchange");
        let files = self.files.exchange(files, routes, sync)?;
        let gone = Gone { files, handlers: self.outlets.exchange(outlets) };
        plan.renumber(|destination| match destination {
            Destination::Handler(place) => Destination::Handler(self.outlets.index_of(place)),
            file @ (Destination::File(_) | Destination::Route(_)) => file,
        });
        self.past_panics += self.routing.panics();
        self.routing = Routing::new(plan);
        self.drain_timeout = drain_timeout;
        self.files.set_drain_timeout(drain_timeout);
        self.hub.set_logs(self.files.paths());
        self.hub.set_rules(self.routing.rules(&self.filters));
        self.hub.set_config(source);
        self.show_counts();
        fault::point("after-exchange");
        Ok(gone)
    }
}
