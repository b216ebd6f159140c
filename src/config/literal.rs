//! Literals of Python, and nothing else of it: texts, whole numbers, `True`, `False`, `None`, tuples,
//! lists and dictionaries of them, and the names of levels and of the standard streams.

use super::error::Problem;
use super::node::{Data, MAX_DEPTH, Node, escaped, too_deep, unreadable};
use crate::Level;

/// Names that mean what `ext://` means in a dictionary.
const NAMES: [(&str, &str); 4] = [
    ("sys.stdout", "ext://sys.stdout"),
    ("sys.stderr", "ext://sys.stderr"),
    ("socket.SOCK_DGRAM", "ext://socket.SOCK_DGRAM"),
    ("socket.SOCK_STREAM", "ext://socket.SOCK_STREAM"),
];

/// The names of levels, which are numbers where Python evaluates arguments.
const LEVELS: [&str; 8] =
    ["NOTSET", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"];

/// Reads one literal.
pub(super) fn read(text: &str, line: usize) -> Result<Data, Problem> {
    let mut reader = Reader { rest: text, line };
    let data = reader.value(1)?;
    reader.space();
    if reader.rest.is_empty() { Ok(data) } else { Err(reader.no_literal()) }
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
}

impl Reader<'_> {
    fn no_literal(&self) -> Problem {
        let shown: String = self.rest.chars().take(40).collect();
        let shown = escaped(&shown);
        unreadable(self.line, format_args!("`{shown}` is no literal, and code is not executed"))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, sign: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Data, Problem> {
        if depth > MAX_DEPTH {
            return Err(too_deep(self.line));
        }
        if self.eat('(') {
            return self.list(')', depth);
        }
        if self.eat('[') {
            return self.list(']', depth);
        }
        if self.eat('{') {
            return self.dictionary(depth);
        }
        if self.rest.starts_with(['\'', '"']) { self.text().map(Data::Text) } else { self.word() }
    }

    fn list(&mut self, end: char, depth: usize) -> Result<Data, Problem> {
        let mut nodes = Vec::new();
        while !self.eat(end) {
            nodes.push(Node { line: self.line, data: self.value(depth + 1)? });
            if !self.eat(',') && !self.rest.starts_with(end) {
                return Err(self.no_literal());
            }
        }
        Ok(Data::List(nodes))
    }

    fn dictionary(&mut self, depth: usize) -> Result<Data, Problem> {
        let mut entries = Vec::new();
        while !self.eat('}') {
            self.space();
            let key = self.text()?;
            if !self.eat(':') {
                return Err(self.no_literal());
            }
            entries.push((key, Node { line: self.line, data: self.value(depth + 1)? }));
            if !self.eat(',') && !self.rest.starts_with('}') {
                return Err(self.no_literal());
            }
        }
        Ok(Data::Table(entries))
    }

    /// A text in quotes. Of the escapes only those that need no table are read.
    fn text(&mut self) -> Result<String, Problem> {
        let Some(quote) = self.rest.chars().next().filter(|sign| matches!(sign, '\'' | '"')) else {
            return Err(self.no_literal());
        };
        let (mut text, mut signs) = (String::new(), self.rest[1..].char_indices());
        while let Some((place, sign)) = signs.next() {
            match sign {
                _ if sign == quote => {
                    self.rest = &self.rest[1 + place + sign.len_utf8()..];
                    return Ok(text);
                }
                '\\' => match signs.next() {
                    Some((_, sign @ ('\\' | '\'' | '"'))) => text.push(sign),
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    _ => return Err(self.no_literal()),
                },
                _ => text.push(sign),
            }
        }
        Err(self.no_literal())
    }

    fn word(&mut self) -> Result<Data, Problem> {
        let end = self.rest.find([',', ')', ']', '}', ':', ' ', '\n']).unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        let data = match word {
            "None" => Data::Null,
            "True" => Data::Bool(true),
            "False" => Data::Bool(false),
            _ if LEVELS.contains(&word) => {
                let level: Level = word.parse().map_err(|_| self.no_literal())?;
                Data::Integer(level.number().into())
            }
            _ => match NAMES.iter().find(|(name, _)| *name == word) {
                Some((_, text)) => Data::Text((*text).to_owned()),
                None => Data::Integer(word.parse().map_err(|_| self.no_literal())?),
            },
        };
        self.rest = &self.rest[end..];
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(data: &Data) -> String {
        match data {
            Data::List(nodes) => {
                let items: Vec<_> = nodes.iter().map(|node| shown(&node.data)).collect();
                format!("[{}]", items.join(" "))
            }
            Data::Table(entries) => {
                let entry = |(key, node): &(String, Node)| format!("{key}={}", shown(&node.data));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
            data => data.to_string(),
        }
    }

    #[test]
    fn literals_mean_what_they_mean_in_python() {
        for (text, expected) in [
            ("()", "[]"),
            (" ( 'a', 'a' , -5,)", r#"["a" "a" -5]"#),
            ("[None, True, False]", "[null true false]"),
            (r#"{'a': 1, "b" : (2,)}"#, "{a=1 b=[2]}"),
            (r#"('it\'s', "\"\\\n\t")"#, r#"["it's" "\"\\\n\t"]"#),
            ("(10, ERROR, WARN, FATAL, NOTSET)", "[10 40 30 50 0]"),
            ("(sys.stderr,)", r#"["ext://sys.stderr"]"#),
            ("socket.SOCK_STREAM", r#""ext://socket.SOCK_STREAM""#),
        ] {
            let data = read(text, 1).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(shown(&data), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_is_not_evaluated() {
        for text in [
            "",
            "(",
            "(1",
            "1 2",
            "(1 2)",
            "(,)",
            "{1: 2}",
            "{'a'}",
            "'a",
            r"'\x41'",
            "'a' 'b'",
            "f()",
            "1+1",
            "1.5",
            "b'a'",
            "TRACE",
            "error",
            "sys.stdin",
            "true",
        ] {
            let problem = read(text, 7).expect_err(text);
            assert_eq!(problem.line, 7);
            assert!(
                problem.reason.ends_with("is no literal, and code is not executed"),
                "{problem}"
            );
        }
    }
}
