//! By the worker that made the record.

use std::borrow::Cow;

use super::{Filter, Verdict};
use crate::{Level, Record};

/// Lets the records of some workers pass, by their names.
///
/// A name that ends in `*` is the beginning of a name: `api-*`. Names are display names; several
/// workers may share one.
///
/// ```
/// use logboom::filter::WorkerFilter;
///
/// let filter = WorkerFilter::new(["web", "api-*"]);
/// # let _ = filter;
/// ```
#[derive(Clone, Debug)]
pub struct WorkerFilter {
    names: Vec<Box<str>>,
}

impl WorkerFilter {
    /// A filter for the workers of these names; without a name no record passes.
    pub fn new<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> WorkerFilter {
        WorkerFilter { names: names.into_iter().map(Into::into).collect() }
    }
}

impl Filter for WorkerFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        let worker = &*record.process.name;
        Verdict::pass_if(self.names.iter().any(|name| match name.strip_suffix('*') {
            Some(beginning) => worker.starts_with(beginning),
            None => worker == &**name,
        }))
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{passes, record};
    use super::*;

    #[test]
    fn a_worker_is_known_by_its_name_or_the_beginning_of_it() {
        let mut filter = WorkerFilter::new(["web", "api-*"]);
        for (name, expected) in
            [("web", true), ("web2", false), ("api-1", true), ("api-", true), ("api", false)]
        {
            let mut record = record(0, "");
            record.process.to_mut().name = name.into();
            assert_eq!(passes(&mut filter, &record), expected, "{name}");
        }
        assert!(!passes(&mut WorkerFilter::new(Vec::<String>::new()), &record(0, "")));
    }
}
