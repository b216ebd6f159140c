//! Starts worker processes and watches them until they end.
