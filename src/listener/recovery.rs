//! What a killed listener has left: a batch, and the files that have all, some or nothing of it.

use std::path::Path;

use crate::handler::{HandlerError, LogLock};
use crate::journal::{Entry, LeftFile, Unresolved};
use crate::regular_file::is_same_name;
use crate::rotation::{Resolution, resolve_left};

/// The unresolved batch, with the locks of logs that this listener does not write, until it is
/// resolved.
pub(super) struct Recovery {
    unresolved: Unresolved,
    _locks: Vec<LogLock>,
}

impl Recovery {
    /// Takes over what was left by a listener that may have had other log files than those at `files`.
    pub(super) fn take(unresolved: Unresolved, files: &[&Path]) -> Result<Recovery, HandlerError> {
        let is_foreign = |left: &&LeftFile| {
            matches!(left.entry, Entry::Begun(_))
                && !files.iter().any(|path| is_same_name(path, &left.path))
                && left.path.parent().is_some_and(Path::is_dir)
        };
        let foreign = unresolved.files.iter().filter(is_foreign);
        let locks = foreign.map(|left| LogLock::acquire(&left.path)).collect::<Result<_, _>>()?;
        Ok(Recovery { unresolved, _locks: locks })
    }

    pub(super) fn batch(&self) -> u64 {
        self.unresolved.batch
    }

    /// Which of the old files have all of the batch. The others have nothing of it afterwards.
    pub(super) fn resolve(&self) -> Result<Vec<bool>, HandlerError> {
        let has_batch = |left: &LeftFile| match &left.entry {
            Entry::Untouched => Ok(false),
            Entry::Complete => Ok(true),
            Entry::Begun(segment) => Ok(resolve_left(&left.path, segment)? == Resolution::Complete),
        };
        self.unresolved.files.iter().map(has_batch).collect()
    }

    /// The number of the old file at `path`.
    pub(super) fn place_of(&self, path: &Path) -> Option<usize> {
        self.unresolved.files.iter().position(|left| is_same_name(&left.path, path))
    }

    /// The old file that each of the logs at `paths` continues: itself, or else the first one that is
    /// no log any more and that no other log continues. None continues one that records had chosen.
    pub(super) fn predecessors<'a>(
        &self,
        paths: impl Iterator<Item = &'a Path> + Clone,
    ) -> Vec<Option<usize>> {
        let old = &self.unresolved.files;
        let kept: Vec<_> = paths.map(|path| self.place_of(path)).collect();
        let mut ended =
            (0..old.len()).filter(|index| !old[*index].is_routed && !kept.contains(&Some(*index)));
        kept.iter().map(|place| place.or_else(|| ended.next())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_log_continues_one_that_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &&str| directory.path().join(name);
        let predecessors = |old: &[&str], new: &[&str]| {
            let left = |name: &&str| LeftFile {
                path: at(name),
                is_routed: name.starts_with('r'),
                entry: Entry::Untouched,
            };
            let unresolved = Unresolved { batch: 1, files: old.iter().map(left).collect() };
            let new: Vec<_> = new.iter().map(at).collect();
            let recovery = Recovery { unresolved, _locks: Vec::new() };
            recovery.predecessors(new.iter().map(|path| path.as_path()))
        };
        assert_eq!(predecessors(&["a"], &["a"]), [Some(0)]);
        assert_eq!(predecessors(&["a"], &["b"]), [Some(0)]);
        assert_eq!(predecessors(&["a", "b"], &["b", "a"]), [Some(1), Some(0)]);
        assert_eq!(predecessors(&["a", "b"], &["c", "b"]), [Some(0), Some(1)]);
        assert_eq!(predecessors(&["a"], &["b", "a", "c"]), [None, Some(0), None]);
        assert_eq!(predecessors(&["a", "r"], &["a", "b"]), [Some(0), None]);
        assert_eq!(predecessors(&["a", "r"], &["b", "r"]), [Some(0), Some(1)]);
    }
}
