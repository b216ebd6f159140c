//! Reads a log, live and across its rotation.
