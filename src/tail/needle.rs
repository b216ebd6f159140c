//! Bytes that stand in each wanted record, so that most of a log need not be taken apart.

use memchr::memmem;
use regex::bytes::Regex;

use crate::Level;

/// Names of levels as lines have them.
const LEVEL_NAMES: [(u8, &str); 8] = [
    (5, "TRACE"),
    (10, "DEBUG"),
    (20, "INFO"),
    (30, "WARNING"),
    (30, "WARN"),
    (40, "ERROR"),
    (50, "CRITICAL"),
    (50, "FATAL"),
];

/// What levels without a name begin with.
const UNNAMED: &str = "Level ";

/// The key of a level's number.
const NUMBER_KEY: &str = "levelno";

/// What is looked for: one of them has to stand in a wanted record.
#[derive(Clone, Debug)]
pub(super) struct Needles(Vec<Needle>);

#[derive(Clone, Debug)]
struct Needle {
    kind: Kind,
    /// The next place at or behind the one that was asked for last, or the end of the text.
    next: Option<usize>,
}

#[derive(Clone, Debug)]
enum Kind {
    Regex(Regex),
    /// The number of a level, at least this one.
    Number(Box<memmem::Finder<'static>>, u8),
}

impl Needles {
    /// One of these texts.
    pub(super) fn of_texts(texts: &[String]) -> Option<Needles> {
        let texts: Vec<_> = texts.iter().map(|text| regex::escape(text)).collect();
        let regex = Regex::new(&texts.join("|")).ok()?;
        Some(Needles(vec![Needle { kind: Kind::Regex(regex), next: None }]))
    }

    /// What the line of a record of this level or above has: a name or a number. Names in small letters stand
    /// in JSON and logfmt only, so that they are quoted or have their key before them.
    pub(super) fn of_levels(level: Level) -> Option<Needles> {
        let names = LEVEL_NAMES.iter().filter(|(number, _)| *number >= level.number());
        let names: Vec<_> = names.map(|(_, name)| *name).collect();
        let quoted = names.iter().flat_map(|name| {
            let lower = name.to_ascii_lowercase();
            let capital = format!("{}{}", &name[..1], &lower[1..]);
            [format!("[\"=]{lower}"), format!("[\"=]{capital}")]
        });
        let upper = names.iter().map(|name| (*name).to_owned());
        let all: Vec<_> = upper.chain(quoted).chain([UNNAMED.to_owned()]).collect();
        let names = Kind::Regex(Regex::new(&all.join("|")).ok()?);
        let number = Kind::Number(Box::new(memmem::Finder::new(NUMBER_KEY)), level.number());
        Some(Needles([names, number].map(|kind| Needle { kind, next: None }).into()))
    }

    /// Where the next one is at `from` or behind it. The text has to be that of the call before, unless that is
    /// [forgotten](Self::forget).
    pub(super) fn find(&mut self, text: &[u8], from: usize) -> Option<usize> {
        let nexts = self.0.iter_mut().map(|needle| match needle.next {
            Some(next) if next >= from => next,
            _ => *needle.next.insert(needle.kind.find(text, from).unwrap_or(text.len())),
        });
        nexts.min().filter(|next| *next < text.len())
    }

    /// Another text follows.
    pub(super) fn forget(&mut self) {
        self.0.iter_mut().for_each(|needle| needle.next = None);
    }
}

impl Kind {
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        match self {
            Kind::Regex(regex) => regex.find_at(text, from).map(|found| found.start()),
            Kind::Number(key, least) => {
                let keys = key.find_iter(&text[from..]).map(|at| from + at);
                let mut keys = keys.filter(|at| is_number(&text[at + NUMBER_KEY.len()..], *least));
                keys.next()
            }
        }
    }
}

/// Whether this number or a larger one follows a key.
fn is_number(behind_key: &[u8], least: u8) -> bool {
    let behind = behind_key.strip_prefix(b"\"").unwrap_or(behind_key).trim_ascii_start();
    let Some([b'=' | b':', value @ ..]) = Some(behind) else { return false };
    let digits = value.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0u64, |number, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    number >= u64::from(least)
}

#[cfg(test)]
mod tests {
    use super::super::parts::level_of;
    use super::*;

    fn find(level: Level, line: &str) -> Option<usize> {
        Needles::of_levels(level).expect("needles").find(line.as_bytes(), 0)
    }

    /// Lines of all forms that tell a level, by number or by name.
    fn lines_of(number: u8) -> Vec<String> {
        let name = Level::new(number).name();
        let capital = name[..1].to_owned() + &name[1..].to_lowercase();
        let names = [name.to_string(), name.to_lowercase(), capital];
        let names: Vec<_> = names.iter().filter(|name| level_of(name).is_some()).collect();
        let mut lines = vec![format!("12 {name} web"), format!("{{\"levelno\":{number}}}")];
        lines.push(format!("levelno={number}"));
        lines.push(format!("{{ \"levelno\" : {number} }}"));
        for name in names {
            lines.push(format!("{{\"level\":\"{name}\"}}"));
            lines.push(format!("time=1 level={name} msg=x"));
            lines.push(format!("level=\"{name}\""));
        }
        lines
    }

    #[test]
    fn each_level_that_is_read_is_found_from_its_threshold_on() {
        for threshold in [30, 35, 40, 45, 50, 51, 255] {
            let mut needles = Needles::of_levels(Level::new(threshold)).expect("needles");
            for line in (threshold..=u8::MAX).flat_map(lines_of) {
                needles.forget();
                assert!(needles.find(line.as_bytes(), 0).is_some(), "{threshold}: {line}");
            }
        }
    }

    #[test]
    fn what_is_no_such_level_is_passed_over() {
        for line in [
            "12 INFO web after an error",
            "{\"level\":\"WARNING\",\"levelno\":30,\"message\":\"error\"}",
            "levelno levelno= levelno:x levelno=3",
        ] {
            let found = find(Level::ERROR, line);
            assert!(
                found.is_none_or(|at| line[at..].starts_with("\"error\"")),
                "{line}: {found:?}"
            );
        }
    }

    #[test]
    fn each_place_is_found_once_whatever_was_found_before() {
        let text = "ERROR levelno=50 x \"error\" ERROR levelno=10 levelno=40".as_bytes();
        let mut needles = Needles::of_levels(Level::ERROR).expect("needles");
        let (mut found, mut from) = (Vec::new(), 0);
        while let Some(at) = needles.find(text, from) {
            found.push(at);
            from = at + 1;
        }
        assert_eq!(found, [0, 6, 19, 27, 44]);
        needles.forget();
        assert_eq!(needles.find(text, 0), Some(0));
    }
}
