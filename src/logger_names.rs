//! Names of loggers, and which of those that are known is the nearest above a name.

use std::borrow::Cow;

/// The name under which the root of the tree is printed.
pub(crate) const ROOT: &str = "root";

/// Longest name of a logger that is configured or whose level is set, in bytes.
#[cfg(feature = "listener")]
pub(crate) const MAX_NAME_BYTES: usize = 1024;

/// Longest name that is brought into its canonical form without an allocation.
const MAX_BUFFERED_BYTES: usize = 256;

/// The name with dots between its parts; the root has the empty name.
pub(crate) fn canonical(name: &str) -> Cow<'_, str> {
    if name == ROOT {
        Cow::Borrowed("")
    } else if name.contains("::") {
        Cow::Owned(name.replace("::", "."))
    } else {
        Cow::Borrowed(name)
    }
}

/// Gives the canonical form of `name` to `act`; one of ordinary length costs no allocation.
pub(crate) fn with_canonical<T>(name: &str, act: impl FnOnce(&str) -> T) -> T {
    if name.len() > MAX_BUFFERED_BYTES || !name.contains("::") {
        return act(&canonical(name));
    }
    let (mut buffer, mut filled) = ([0; MAX_BUFFERED_BYTES], 0);
    for (number, part) in name.split("::").enumerate() {
        if number > 0 {
            buffer[filled] = b'.';
            filled += 1;
        }
        buffer[filled..filled + part.len()].copy_from_slice(part.as_bytes());
        filled += part.len();
    }
    act(std::str::from_utf8(&buffer[..filled]).expect("parts of a text and dots"))
}

/// The names above a canonical one, the nearest first, without the root. Python leaves out the name
/// before an empty part, because it looks for the next dot one place too far to the left; so is it
/// done here (CPython 3.13, `Manager._fixupParents`).
fn parents(name: &str) -> impl Iterator<Item = &str> {
    let before = |end: usize| name.as_bytes()[..end].iter().rposition(|byte| *byte == b'.');
    let first = before(name.len()).filter(|dot| *dot > 0);
    std::iter::successors(first, move |dot| before(dot - 1).filter(|dot| *dot > 0))
        .map(|dot| &name[..dot])
}

/// Names of loggers that are known, the root always among them. Each has a number, the root 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// Canonical, and in order: the root has the empty name.
    sorted: Vec<Box<str>>,
    longest_bytes: usize,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the known name of this number.
    Own(usize),
    /// The known name of this number is the nearest above it.
    Below(usize),
}

impl Default for Names {
    fn default() -> Names {
        Names::new([])
    }
}

impl Names {
    /// These canonical names, and the root.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Names {
        let mut sorted: Vec<Box<str>> = names.into_iter().chain([""]).map(Box::from).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let longest_bytes = sorted.iter().map(|name| name.len()).max().unwrap_or(0);
        Names { sorted, longest_bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// In the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.sorted.iter().map(|name| &**name)
    }

    /// The name of this number.
    #[cfg(feature = "listener")]
    pub(crate) fn name(&self, number: usize) -> &str {
        &self.sorted[number]
    }

    /// The number of a canonical name.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.sorted.binary_search_by(|known| (**known).cmp(name)).ok()
    }

    /// Where a canonical name is.
    pub(crate) fn find(&self, name: &str) -> Place {
        match self.number(name) {
            Some(number) => Place::Own(number),
            None => Place::Below(self.parent(name)),
        }
    }

    /// The nearest known name above a canonical one. What is longer than any of them is not looked up:
    /// a record's name of a hundred thousand dots costs one pass.
    pub(crate) fn parent(&self, name: &str) -> usize {
        let short = parents(name).filter(|parent| parent.len() <= self.longest_bytes);
        short.filter_map(|parent| self.number(parent)).next().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_colons_are_a_dot_and_root_has_no_name() {
        let names = [
            ("a.b", "a.b"),
            ("a::b.c::d", "a.b.c.d"),
            ("a:b", "a:b"),
            ("a:::b", "a.:b"),
            ("root", ""),
            ("", ""),
            ("root.a", "root.a"),
        ];
        for (name, expected) in names {
            assert_eq!(canonical(name), expected, "{name}");
            with_canonical(name, |name| assert_eq!(name, expected));
        }
    }

    #[test]
    fn the_form_of_a_name_does_not_depend_on_its_length() {
        for bytes in (0..8).chain(MAX_BUFFERED_BYTES - 4..MAX_BUFFERED_BYTES + 4) {
            for name in [":".repeat(bytes), "ä::".repeat(bytes / 4) + "b", "a".repeat(bytes)] {
                with_canonical(&name, |seen| assert_eq!(seen, canonical(&name)));
            }
        }
    }

    #[test]
    fn parents_are_those_of_python() {
        let cases: [(&str, &[&str]); 7] = [
            ("", &[]),
            ("a", &[]),
            ("a.b.c", &["a.b", "a"]),
            (".a", &[]),
            ("a.", &["a"]),
            ("a..b", &["a."]),
            ("ä.ö.ü", &["ä.ö", "ä"]),
        ];
        for (name, expected) in cases {
            assert_eq!(parents(name).collect::<Vec<_>>(), expected, "{name}");
        }
    }
}
