//! Fields that the program did not write.

use std::borrow::Cow;
use std::fmt;

use super::{Filter, Verdict};
use crate::{Field, Level, Record, Value};

/// Adds fields to each record, or changes those it has.
///
/// A field of the call with the same key is replaced; one of a span stays and is shadowed.
///
/// ```
/// use logboom::Value;
/// use logboom::filter::ContextFilter;
///
/// let filter = ContextFilter::new()
///     .field("host", Value::Str("db-7".into()))
///     .field_with("urgent", |record| Value::Bool(record.message.contains("urgent")));
/// # let _ = filter;
/// ```
#[derive(Default)]
pub struct ContextFilter {
    fields: Vec<(Box<str>, Compute)>,
}

type Compute = Box<dyn FnMut(&Record<'_>) -> Value<'static> + Send>;

impl ContextFilter {
    /// A filter that adds nothing yet, and lets every record pass.
    pub fn new() -> ContextFilter {
        ContextFilter::default()
    }

    /// Adds a field with the same value for each record.
    pub fn field(self, key: impl Into<Box<str>>, value: Value<'static>) -> ContextFilter {
        self.field_with(key, move |_| value.clone())
    }

    /// Adds a field whose value is computed for each record; it must not block.
    pub fn field_with(
        mut self,
        key: impl Into<Box<str>>,
        value: impl FnMut(&Record<'_>) -> Value<'static> + Send + 'static,
    ) -> ContextFilter {
        self.fields.push((key.into(), Box::new(value)));
        self
    }
}

impl fmt::Debug for ContextFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fields.iter().map(|(key, _)| key)).finish()
    }
}

impl Filter for ContextFilter {
    fn filter(&mut self, record: &mut Cow<'_, Record<'_>>) -> Verdict {
        for (key, compute) in &mut self.fields {
            let value = compute(record);
            let fields = &mut record.to_mut().fields;
            match fields.iter_mut().rfind(|field| *field.key == **key) {
                Some(field) => field.value = value,
                None => fields.push(Field { key: Cow::Owned(key.to_string()), value }),
            }
        }
        Verdict::Pass
    }

    fn lowest_level(&self) -> Option<Level> {
        Some(Level::NOTSET)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{filtered, passes, record};
    use super::*;

    #[test]
    fn fields_are_added_replaced_and_computed() {
        let mut given = record(0, "urgent");
        given.fields.push(Field { key: "user".into(), value: Value::Str("jim".into()) });
        let mut count = 0;
        let mut filter = ContextFilter::new()
            .field("user", Value::Str("fred".into()))
            .field("ip", Value::Str("192.168.0.1".into()))
            .field_with("length", |record| Value::U64(record.message.len() as u64))
            .field_with("count", move |_| {
                count += 1;
                Value::U64(count)
            });
        for count in 1..3 {
            let seen = filtered(&mut filter, &given).expect("it passes");
            assert_eq!(seen.fields.len(), 4);
            assert_eq!(seen.field("user"), Some(&Value::Str("fred".into())));
            assert_eq!(seen.field("length"), Some(&Value::U64(6)));
            assert_eq!(seen.field("count"), Some(&Value::U64(count)));
        }
        assert_eq!(given.fields.len(), 1);
    }

    #[test]
    fn without_fields_nothing_is_copied() {
        assert!(passes(&mut ContextFilter::new(), &record(0, "")));
    }
}
