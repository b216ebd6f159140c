//! The Pythons of this machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Versions that may be there besides `python3`.
const MINOR_VERSIONS: std::ops::RangeInclusive<u32> = 6..=14;

/// The programs that run and have the standard library: those of the path, and of pyenv.
pub fn pythons() -> Vec<PathBuf> {
    let named = MINOR_VERSIONS.map(|minor| format!("python3.{minor}").into());
    let of_path = ["python3".into()].into_iter().chain(named);
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(std::env::home_dir()?.join(".pyenv")));
    let versions = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    let of_pyenv = versions.into_iter().flatten().flatten();
    let of_pyenv = of_pyenv.map(|version| version.path().join("bin/python3"));
    let mut pythons: Vec<PathBuf> = of_path.chain(of_pyenv).collect();
    let mut known = Vec::new();
    pythons.retain(|python| {
        let version = version_of(python);
        let is_new = version.is_some() && !known.contains(&version);
        known.push(version);
        is_new
    });
    assert!(!pythons.is_empty(), "this test needs python3: scripts/test installs it");
    pythons
}

fn version_of(python: &PathBuf) -> Option<Vec<u8>> {
    let mut command = Command::new(python);
    command.args(["-c", "import logging.handlers, sys; print(sys.version)"]);
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then_some(output.stdout)
}
