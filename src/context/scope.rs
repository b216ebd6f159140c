//! The scopes that are open on each thread.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::Field;

thread_local! {
    static SCOPES: RefCell<Scopes> = const { RefCell::new(Scopes { next: 0, open: Vec::new() }) };
}

struct Scopes {
    next: u64,
    /// Outermost first.
    open: Vec<OpenScope>,
}

struct OpenScope {
    number: u64,
    fields: Arc<[Field<'static>]>,
}

/// An open scope of a thread; see [`Context::enter`](super::Context::enter). It ends when it is dropped.
#[must_use = "bind it to a name such as `_scope`: dropped at once it ends at once"]
#[derive(Debug)]
pub struct Scope {
    /// None where the thread is ending and has no scopes any more.
    number: Option<u64>,
    /// It belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl Scope {
    pub(super) fn open(fields: Arc<[Field<'static>]>) -> Scope {
        let number = change(|scopes| {
            let number = scopes.next;
            scopes.next += 1;
            scopes.open.push(OpenScope { number, fields });
            number
        });
        Scope { number, not_send: PhantomData }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        change(|scopes| {
            let ours = |scope: &OpenScope| Some(scope.number) == self.number;
            scopes.open.iter().rposition(ours).map(|at| scopes.open.remove(at))
        });
    }
}

/// Whether this thread has a scope.
pub(crate) fn is_open() -> bool {
    look(|scopes| !scopes.open.is_empty()).unwrap_or(false)
}

/// Hands over the fields of all open scopes of this thread, outermost first.
pub(crate) fn each_field(mut take: impl FnMut(&Field<'static>)) {
    look(|scopes| scopes.open.iter().flat_map(|scope| &*scope.fields).for_each(&mut take));
}

/// Does nothing where the thread is ending, or where an allocator logs in the middle of a change.
fn look<R>(act: impl FnOnce(&Scopes) -> R) -> Option<R> {
    SCOPES.try_with(|scopes| scopes.try_borrow().ok().map(|scopes| act(&scopes))).ok().flatten()
}

fn change<R>(act: impl FnOnce(&mut Scopes) -> R) -> Option<R> {
    let changed = SCOPES.try_with(|scopes| Some(act(&mut *scopes.try_borrow_mut().ok()?)));
    changed.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Context;

    fn open() -> Vec<String> {
        let mut open = Vec::new();
        each_field(|field| open.push(field.key.to_string()));
        open
    }

    #[test]
    fn scopes_end_in_any_order_and_by_a_panic() {
        let enter = |key: &'static str| Context::new([(key, 1)]).enter();
        let outer = enter("outer");
        let inner = enter("inner");
        assert_eq!(open(), ["outer", "inner"]);
        drop(outer);
        assert_eq!(open(), ["inner"]);
        let panicked = std::panic::catch_unwind(|| {
            let _scope = Context::new([("doomed", 1)]).enter();
            std::panic::resume_unwind(Box::new("end"));
        });
        assert!(panicked.is_err());
        assert_eq!(open(), ["inner"]);
        assert!(std::thread::spawn(|| !is_open()).join().expect("no panic"));
        drop(inner);
        assert!(!is_open());
    }
}
