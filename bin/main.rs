//! The `logboom` program.

fn main() {}
