//! A closure that may change the records it sees.

use std::borrow::Cow;
use std::fmt;

use super::{Filter, Verdict};
use crate::Record;

/// Lets a closure decide, and change the record.
///
/// A closure that only decides, `FnMut(&Record) -> bool`, is a filter itself.
///
/// ```
/// use logboom::filter::{CallbackFilter, Verdict};
///
/// let shorten = CallbackFilter::new(|record| {
///     if let Some((first, _)) = record.message.split_once('\n') {
///         let first = first.to_owned();
///         record.to_mut().message = first.into();
///     }
///     Verdict::Pass
/// });
/// # let _ = shorten;
/// ```
pub struct CallbackFilter<F>(F);

impl<F: FnMut(&mut Cow<'_, Record<'_>>) -> Verdict + Send> CallbackFilter<F> {
    /// A filter that does what `callback` does.
    pub fn new(callback: F) -> CallbackFilter<F> {
        CallbackFilter(callback)
    }
}

impl<F> fmt::Debug for CallbackFilter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackFilter")
    }
}

impl<F: FnMut(&mut Cow<'_, Record<'_>>) -> Verdict + Send> Filter for CallbackFilter<F> {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        (self.0)(record)
    }
}
