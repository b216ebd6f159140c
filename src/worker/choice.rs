//! Which transport a worker takes.

use std::str::FromStr;

use crate::queue::rendezvous::AttachError;

/// How records travel from a worker to the listener.
///
/// As text: `auto`, `ring`, `channel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportChoice {
    /// [`Ring`](Self::Ring), or [`Channel`](Self::Channel) with a record that says so where the queue
    /// directory has no room for shared memory.
    #[default]
    Auto,
    /// Shared memory in the queue directory: survives the kill of any process, needs no listener to
    /// begin with.
    Ring,
    /// A bounded queue in the worker and a thread that sends from it: needs a listener to attach to.
    Channel,
}

impl TransportChoice {
    /// The choice in `LOGBOOM_TRANSPORT`; the default where it is unset or empty.
    pub(super) fn from_env() -> Result<TransportChoice, AttachError> {
        match std::env::var_os("LOGBOOM_TRANSPORT").filter(|text| !text.is_empty()) {
            Some(text) => text.to_string_lossy().parse(),
            None => Ok(TransportChoice::default()),
        }
    }
}

impl FromStr for TransportChoice {
    type Err = AttachError;

    fn from_str(text: &str) -> Result<TransportChoice, AttachError> {
        match text {
            "auto" => Ok(TransportChoice::Auto),
            "ring" => Ok(TransportChoice::Ring),
            "channel" => Ok(TransportChoice::Channel),
            other => Err(AttachError::Transport { name: other.chars().take(32).collect() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_than_the_three_are_refused() {
        assert_eq!("ring".parse::<TransportChoice>().ok(), Some(TransportChoice::Ring));
        for text in ["", "Ring", "pipe"] {
            let error = text.parse::<TransportChoice>().expect_err("no transport").to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
