//! What a worker hands on to a child process that it starts.

use std::process::Command;

use super::GLOBAL;
use crate::{Context, Field, Level, QueueDir, context};

/// Lets a child log as this worker does: into the same queue, under the name `worker`, with the same
/// context, which the fields with these `keys` of the scopes that are open on this thread are added
/// to. Sets `LOGBOOM_QUEUE`, `LOGBOOM_WORKER` and `LOGBOOM_CONTEXT` of `command`.
///
/// Does nothing before [`init`](crate::init): then the child inherits what this process has
/// inherited. Fields beyond the limits of a [context](crate::Context) are left out, which a record
/// says.
///
/// ```no_run
/// use std::process::Command;
///
/// let _scope = logboom::Context::new([("request", 7), ("attempt", 2)]).enter();
/// let mut resize = Command::new("./resize");
/// logboom::inherit(&mut resize, "resize", &["request"]);
/// resize.spawn()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn inherit(command: &mut Command, worker: &str, keys: &[&str]) {
    let Some(handler) = GLOBAL.get() else {
        return;
    };
    let mut chosen: Vec<Field<'static>> = Vec::new();
    context::each_field(|field| {
        if keys.contains(&&*field.key) {
            chosen.push(field.clone());
        }
    });
    let (context, omitted) = handler.worker.origin.context.extended(&chosen);
    if omitted > 0 {
        handler.log(
            Level::WARNING,
            "logboom",
            format_args!("{worker} does not inherit {omitted} fields: {}", context::limits()),
        );
    }
    hand_on(command, handler.worker.origin.queue.as_ref(), worker, &context);
}

/// Sets what a child finds its queue, its name and its context by.
pub(crate) fn hand_on(
    command: &mut Command,
    queue: Option<&QueueDir>,
    worker: &str,
    context: &Context,
) {
    if let Some(queue) = queue {
        command.env("LOGBOOM_QUEUE", queue.path());
    }
    command.env("LOGBOOM_WORKER", worker).env(context::VARIABLE, context.to_string());
}
