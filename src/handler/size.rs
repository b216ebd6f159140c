//! How much memory a record takes.

use std::mem::size_of;

use crate::{Field, Record, Span, Value};

/// Bytes of a record that owns its text, without what the allocator adds.
pub(super) fn record_bytes(record: &Record<'_>) -> usize {
    let spans: usize = record.spans.iter().map(span_bytes).sum();
    size_of::<Record<'_>>()
        + record.logger.len()
        + record.message.len()
        + record.file.as_ref().map_or(0, |file| file.len())
        + record.exception.as_ref().map_or(0, |exception| exception.len())
        + record.thread.name.len()
        + fields_bytes(&record.fields)
        + spans
}

fn span_bytes(span: &Span<'_>) -> usize {
    size_of::<Span<'_>>() + span.name.len() + fields_bytes(&span.fields)
}

fn fields_bytes(fields: &[Field<'_>]) -> usize {
    let text = |field: &Field<'_>| match &field.value {
        Value::Str(value) => field.key.len() + value.len(),
        _ => field.key.len(),
    };
    fields.iter().map(|field| size_of::<Field<'_>>() + text(field)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn every_text_counts() {
        let text = || "x".repeat(100);
        let field = || Field { key: text().into(), value: Value::Str(text().into()) };
        let mut record = Record::new(0, Level::INFO, text(), text());
        record.file = Some(text().into());
        record.exception = Some(text().into());
        record.thread.name = text().into();
        record.fields.push(field());
        record.spans.push(Span { name: text().into(), fields: vec![field()] });
        let headers = size_of::<Record<'_>>() + size_of::<Span<'_>>() + 2 * size_of::<Field<'_>>();
        assert_eq!(record_bytes(&record), headers + 10 * 100);
    }
}
