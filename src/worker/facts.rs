//! What a process knows of itself: asked once, because some of it costs a system call.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::queue::ring::generation;
use crate::record::{now_ns, own_program};
use crate::{Context, Process};

/// This process, under `name` or `LOGBOOM_WORKER` or the name of its program, with `context`.
pub(super) fn this_process(name: Option<String>, context: Context) -> Process {
    let program = own_program();
    let given = |name: &String| !name.is_empty();
    let name = name.or_else(|| std::env::var("LOGBOOM_WORKER").ok()).filter(given);
    Process {
        name: name.map_or_else(|| Arc::clone(&program), Arc::from),
        id: std::process::id(),
        program,
        started_ns: now_ns(),
        context: context.into(),
    }
}

/// Number and name of the calling thread.
pub(super) fn current_thread() -> (u64, Rc<str>) {
    thread_local!(static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) });
    let current = CURRENT.try_with(|current| {
        let mut current = current.borrow_mut();
        if let Some(known) = &*current
            && known.generation == generation()
        {
            return (known.id, Rc::clone(&known.name));
        }
        let known = current.insert(Current::ask());
        (known.id, Rc::clone(&known.name))
    });
    // A log call in the destructor of another thread-local may come after this one is gone.
    current.unwrap_or_else(|_| (0, "".into()))
}

struct Current {
    /// The thread that forked has another number in the child.
    generation: u64,
    id: u64,
    name: Rc<str>,
}

impl Current {
    fn ask() -> Current {
        Current {
            generation: generation(),
            id: u64::try_from(nix::unistd::gettid().as_raw()).unwrap_or(0),
            name: std::thread::current().name().unwrap_or_default().into(),
        }
    }
}
