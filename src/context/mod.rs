//! Context: fields that go with every record of a scope, of a task, or of a process and its children.

mod scope;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;

pub use scope::Scope;
pub(crate) use scope::{each_field, is_open};

use crate::{Field, Value};

/// Most fields of the context of a process.
pub(crate) const MAX_FIELDS: usize = 32;

/// Most bytes that the context of a process takes as text.
pub(crate) const MAX_BYTES: usize = 1000;

/// The field that all records of one run have in common.
#[cfg(feature = "supervisor")]
const RUN_ID: &str = "run_id";

/// Where a process finds the context that it inherits.
pub(crate) const VARIABLE: &str = "LOGBOOM_CONTEXT";

/// Fields that several records have in common. Cheap to clone.
///
/// - [`enter`](Self::enter) opens a scope: the fields go with each record that this thread logs
///   until the scope ends, in front of the fields of the call;
/// - [`instrument`](Self::instrument) does the same for a task, on whatever threads it runs;
/// - a [`LoggerAdapter`](crate::LoggerAdapter) adds them to what is logged through it;
/// - [`Builder::context`](crate::Builder::context) gives them to the whole process, once, and
///   [`inherit`](crate::inherit) to a child.
///
/// In the record the fields of a scope are fields, as what Python's `extra` adds: `%(fields)s`
/// prints them. Of those with the same key the innermost counts, and that of the call before all. All
/// scopes together take at most 8 KiB of a record; what finds no room is counted in its field
/// `omitted_fields`.
///
/// ```
/// use logboom::{Context, Value};
///
/// let request = Context::new([("request", Value::from(7)), ("user", "anna".into())]);
/// {
///     let _scope = request.enter();
///     log::info!(status = 200; "served"); // fields: request=7 user=anna status=200
/// }
/// log::info!("idle"); // none of them
/// ```
///
/// # As text
///
/// The context of a process is inherited through the variable `LOGBOOM_CONTEXT`, as
/// `run_id=5f3a,build=17,user="a, b"`: at most 32 fields and 1000 bytes. `null`, `true`, `false`, and
/// numbers that would be written in just this way have their types, everything else is text.
/// Quotes go round what is text although it looks like one of these, begins or ends with a space,
/// or has a comma, a quote, a backslash or a control character in it; escapes are `\"`, `\\`, `\n`
/// and `\u{…}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Arc<[Field<'static>]>);

/// The text is no context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// It is longer than a process may hand on.
    #[error("the context has {bytes} bytes: shorten it to {MAX_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It has more fields than a process may hand on.
    #[error("the context has more than {MAX_FIELDS} fields: leave some out")]
    TooMany,
    /// It cannot be read.
    #[error(
        "the context cannot be read from byte {at} on, where {expected} is expected: write it like \
         `build=17,user=\"a, b\"`"
    )]
    Syntax {
        /// Where, in bytes from the beginning.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
}

impl Context {
    /// A context of these fields, in their order. Where the values are of several types, say so at
    /// the first one: `[("request", Value::from(7)), ("user", "anna".into())]`.
    pub fn new<K, V>(fields: impl IntoIterator<Item = (K, V)>) -> Context
    where
        K: Into<Cow<'static, str>>,
        V: Into<Value<'static>>,
    {
        let field = |(key, value): (K, V)| Field { key: key.into(), value: value.into() };
        Context(fields.into_iter().map(field).collect())
    }

    /// The context that this process has inherited through `LOGBOOM_CONTEXT`; empty where there is
    /// none.
    ///
    /// # Errors
    /// The variable cannot be read.
    pub fn from_env() -> Result<Context, ContextError> {
        match std::env::var_os(VARIABLE) {
            Some(text) => match text.to_str() {
                Some(text) => text.parse(),
                None => Err(ContextError::Syntax { at: 0, expected: "UTF-8" }),
            },
            None => Ok(Context::default()),
        }
    }

    /// The fields.
    pub fn fields(&self) -> &[Field<'static>] {
        &self.0
    }

    /// Opens a scope on this thread: the fields go with each record that it logs until the guard is
    /// dropped, also by a panic. Scopes may be nested and end in any order.
    pub fn enter(&self) -> Scope {
        Scope::open(Arc::clone(&self.0))
    }

    /// Opens the scope whenever `future` is polled, on whatever thread that is. Needs no runtime of
    /// a certain kind.
    pub async fn instrument<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|task| {
            let _scope = self.enter();
            future.as_mut().poll(task)
        })
        .await
    }

    /// This context and the fields of `more`, which replace those with the same key; and how many
    /// found no room within the limits of a process.
    pub(crate) fn extended(&self, more: &[Field<'static>]) -> (Context, usize) {
        let mut kept: Vec<Field<'static>> = Vec::new();
        let mut omitted = 0;
        for field in self.0.iter().chain(more) {
            kept.retain(|before| before.key != field.key);
            let bytes: usize = kept.iter().chain([field]).map(text::field_bytes).sum();
            if kept.len() < MAX_FIELDS && bytes <= MAX_BYTES {
                kept.push(field.clone());
            } else {
                omitted += 1;
            }
        }
        (Context(kept.into()), omitted)
    }

    /// Whether there is a field of this key.
    #[cfg(feature = "supervisor")]
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|field| field.key == key)
    }
}

impl From<Arc<[Field<'static>]>> for Context {
    fn from(fields: Arc<[Field<'static>]>) -> Context {
        Context(fields)
    }
}

impl From<Context> for Arc<[Field<'static>]> {
    fn from(context: Context) -> Arc<[Field<'static>]> {
        context.0
    }
}

/// What this process has inherited, and was given besides; and what is wrong with it.
pub(crate) fn of_process(given: &[Field<'static>]) -> (Context, Vec<String>) {
    let mut complaints = Vec::new();
    let inherited = Context::from_env().unwrap_or_else(|error| {
        complaints.push(format!("LOGBOOM_CONTEXT is not used: {error}"));
        Context::default()
    });
    let (context, omitted) = inherited.extended(given);
    complaints.extend(complaint_of(omitted));
    (context, complaints)
}

/// What is wrong where so many fields found no room.
pub(crate) fn complaint_of(omitted: usize) -> Option<String> {
    (omitted > 0).then(|| format!("{omitted} fields of the context are left out: {}", limits()))
}

/// The limits of a process, as a complaint says them.
pub(crate) fn limits() -> String {
    format!("a process has at most {MAX_FIELDS} fields of {MAX_BYTES} bytes in all")
}

/// What the processes of a run inherit: what this one has, and a random name of the run unless it
/// is part of one; and what is wrong with it.
#[cfg(feature = "supervisor")]
pub(crate) fn of_run() -> (Context, Vec<String>) {
    let (context, mut complaints) = of_process(&[]);
    if context.has(RUN_ID) {
        return (context, complaints);
    }
    match getrandom::u64() {
        Ok(id) => {
            let run = Context::new([(RUN_ID, format!("{id:016x}"))]);
            let (context, omitted) = run.extended(context.fields());
            complaints.extend(complaint_of(omitted));
            (context, complaints)
        }
        Err(error) => {
            complaints.push(format!("the run has no {RUN_ID}: {error}"));
            (context, complaints)
        }
    }
}

/// What a process hands on of `fields`, as text: all that is within the limits.
pub(crate) fn to_text(fields: &[Field<'static>]) -> String {
    Context::default().extended(fields).0.to_string()
}

/// As `LOGBOOM_CONTEXT` holds it.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(&self.0, f)
    }
}

impl FromStr for Context {
    type Err = ContextError;

    fn from_str(text: &str) -> Result<Context, ContextError> {
        text::parse(text).map(|fields| Context(fields.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(context: &Context) -> Vec<&str> {
        context.fields().iter().map(|field| &*field.key).collect()
    }

    fn open() -> Vec<String> {
        let mut keys = Vec::new();
        each_field(|field| keys.push(field.key.to_string()));
        keys
    }

    #[test]
    fn later_fields_replace_earlier_ones() {
        let inherited = Context::new([("run_id", 1), ("build", 2)]);
        let own = Context::new([("run_id", 3), ("x", 4), ("x", 5)]);
        let (context, omitted) = inherited.extended(own.fields());
        assert_eq!((context.to_string(), omitted), ("build=2,run_id=3,x=5".to_owned(), 0));
    }

    #[test]
    fn what_exceeds_the_limits_is_left_out_and_counted() {
        let many = Context::new((0..MAX_FIELDS + 3).map(|n| (format!("k{n}"), n as u64)));
        let (context, omitted) = Context::default().extended(many.fields());
        assert_eq!((context.fields().len(), omitted), (MAX_FIELDS, 3));
        let long = Context::new([("a", "x".to_owned()), ("b", "x".repeat(MAX_BYTES))]);
        let (context, omitted) = Context::default().extended(long.fields());
        assert_eq!((keys(&context), omitted), (vec!["a"], 1));
        let fits = Context::new([("a", "x".repeat(MAX_BYTES - 3))]);
        let text = to_text(fits.fields());
        assert_eq!(text.parse(), Ok(fits));
    }

    #[test]
    fn a_task_has_its_scope_wherever_it_is_polled() {
        use std::task::{Context as Task, Poll, Waker};
        let task = Context::new([("task", 1)]).instrument(async {
            let before = open();
            let mut is_second = false;
            poll_fn(|_| match std::mem::replace(&mut is_second, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            (before, open())
        });
        let mut task = Box::pin(task);
        let mut noop = Task::from_waker(Waker::noop());
        assert!(task.as_mut().poll(&mut noop).is_pending());
        assert!(!is_open());
        let done =
            std::thread::spawn(move || task.as_mut().poll(&mut Task::from_waker(Waker::noop())));
        let expected = vec!["task".to_owned()];
        assert_eq!(done.join().expect("no panic"), Poll::Ready((expected.clone(), expected)));
    }
}
