//! Bytes that stand in each wanted record, so that most of a log need not be taken apart.

use regex::bytes::Regex;

use crate::Level;

/// Names of levels as lines have them, `Level` itself for those without a name.
const LEVEL_NAMES: [(u8, &str); 9] = [
    (5, "TRACE"),
    (10, "DEBUG"),
    (20, "INFO"),
    (30, "WARNING"),
    (30, "WARN"),
    (40, "ERROR"),
    (50, "CRITICAL"),
    (50, "FATAL"),
    (u8::MAX, "LEVEL "),
];

/// What is looked for.
#[derive(Clone, Debug)]
pub(super) struct Needles(Regex);

impl Needles {
    /// One of these texts.
    pub(super) fn of_texts(texts: &[String]) -> Option<Needles> {
        let texts: Vec<_> = texts.iter().map(|text| regex::escape(text)).collect();
        Regex::new(&texts.join("|")).ok().map(Needles)
    }

    /// What the line of a record of this level or above has: a name in one of three cases, or a number.
    pub(super) fn of_levels(level: Level) -> Option<Needles> {
        let names = LEVEL_NAMES.iter().filter(|(number, _)| *number >= level.number());
        let cases = names.flat_map(|(_, name)| {
            let lower = name.to_ascii_lowercase();
            let capital = format!("{}{}", &name[..1], &lower[1..]);
            [(*name).to_owned(), lower, capital]
        });
        let numbers: Vec<_> = (level.number()..=u8::MAX).map(|number| number.to_string()).collect();
        let number = format!("\"?levelno\"?[:=] ?(?:{})", numbers.join("|"));
        let all: Vec<_> = cases.chain([number]).collect();
        Regex::new(&all.join("|")).ok().map(Needles)
    }

    /// Where the next one is.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        self.0.find(text).map(|found| found.start())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::level_of;
    use super::*;

    #[test]
    fn each_level_that_is_read_is_found_from_its_threshold_on() {
        for number in 0..=u8::MAX {
            let name = Level::new(number).name();
            let capital = name[..1].to_owned() + &name[1..].to_lowercase();
            let names = [name.to_string(), name.to_lowercase(), capital];
            let names = names.iter().filter(|name| level_of(name).is_some());
            let mut lines: Vec<_> = names.map(|name| format!("12 {name} web")).collect();
            lines.push(format!("{{\"levelno\":{number}}}"));
            for threshold in [30, 35, 40, 45, 50, 51, 255] {
                let needles = Needles::of_levels(Level::new(threshold)).expect("needles");
                for line in lines.iter().filter(|_| number >= threshold) {
                    assert!(needles.find(line.as_bytes()).is_some(), "{threshold}: {line}");
                }
            }
        }
        let errors = Needles::of_levels(Level::ERROR).expect("needles");
        for line in ["12 INFO web", "{\"level\":\"WARNING\",\"levelno\":30}"] {
            assert_eq!(errors.find(line.as_bytes()), None, "{line}");
        }
    }
}
