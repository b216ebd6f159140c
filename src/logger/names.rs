//! Names of loggers.

use std::borrow::Cow;

use super::ROOT;

/// The name with dots between its parts; the root has the empty name.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    if name == ROOT {
        Cow::Borrowed("")
    } else if name.contains("::") {
        Cow::Owned(name.replace("::", "."))
    } else {
        Cow::Borrowed(name)
    }
}

/// The names above a canonical one, the nearest first, without the root. Python leaves out the name
/// before an empty part, because it looks for the next dot one place too far to the left; so is it
/// done here (CPython 3.13, `Manager._fixupParents`).
pub(super) fn parents(name: &str) -> impl Iterator<Item = &str> {
    let before = |end: usize| name.as_bytes()[..end].iter().rposition(|byte| *byte == b'.');
    let first = before(name.len()).filter(|dot| *dot > 0);
    std::iter::successors(first, move |dot| before(dot - 1).filter(|dot| *dot > 0))
        .map(|dot| &name[..dot])
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
