//! Files of environment variables, as `.env` of Procfile projects.

use std::path::Path;

use super::procfile::{WorkerFileError, lines, read};

const FORM: &str = "expected a line such as NAME=value";
const NAME: &str = "a name has letters, digits and `_`, and begins with no digit";
const QUOTE: &str = "a quoted value ends with its quote, in the same line";
const ESCAPE: &str = "between double quotes \\n, \\t, \\\", \\\\ and \\$ are known";

/// Reads variables, one in each line: `NAME=value`, with `export ` before it or without. Empty lines,
/// and those that begin with `#`, are passed over.
///
/// A value is taken as it is up to ` #`. Between single quotes all signs stand for themselves; between
/// double quotes `\n`, `\t`, `\"`, `\\` and `\$` are known. Nothing is expanded: a `$` is a `$`.
///
/// # Errors
/// The file cannot be read or is too large, or a line is no variable.
pub fn read_env_file(path: &Path) -> Result<Vec<(String, String)>, WorkerFileError> {
    let text = read(path)?;
    let variables = lines(&text).map(|(number, line)| {
        variable(line).map_err(|reason| WorkerFileError::Line {
            path: path.to_owned(),
            line: number,
            reason,
        })
    });
    variables.collect()
}

fn variable(line: &str) -> Result<(String, String), &'static str> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=').ok_or(FORM)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || !name.chars().all(is_plain)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(NAME);
    }
    let value = match value.chars().next() {
        Some('\'') => {
            let (value, rest) = value[1..].split_once('\'').ok_or(QUOTE)?;
            nothing(rest)?;
            value.to_owned()
        }
        Some('"') => double_quoted(&value[1..])?,
        Some('#') => String::new(),
        _ => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
    };
    if value.contains('\0') { Err("a value has no NUL") } else { Ok((name.to_owned(), value)) }
}

fn double_quoted(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '"' => return nothing(signs.as_str()).map(|()| value),
            '\\' => value.push(match signs.next().ok_or(QUOTE)? {
                'n' => '\n',
                't' => '\t',
                same @ ('"' | '\\' | '$') => same,
                _ => return Err(ESCAPE),
            }),
            _ => value.push(sign),
        }
    }
    Err(QUOTE)
}

/// Behind a quoted value there may be a remark.
fn nothing(rest: &str) -> Result<(), &'static str> {
    if rest.is_empty() || rest.trim_start().starts_with('#') { Ok(()) } else { Err(QUOTE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_it_says() {
        let cases = [
            ("A=1", "1"),
            ("export A=b c", "b c"),
            ("A=", ""),
            ("A=a=b", "a=b"),
            ("A=b # why", "b"),
            ("A=#", ""),
            ("A=b#c", "b#c"),
            ("A=$HOME", "$HOME"),
            ("A='a \"$b\\n\" # c' # why", "a \"$b\\n\" # c"),
            (r#"A="a\tb\n\"\\\$" # why"#, "a\tb\n\"\\$"),
            ("A=\"ä\"", "ä"),
        ];
        for (line, expected) in cases {
            assert_eq!(variable(line), Ok(("A".into(), expected.into())), "{line}");
        }
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        let cases = [
            ("A", FORM),
            ("=1", NAME),
            ("1A=1", NAME),
            ("A B=1", NAME),
            ("A =1", NAME),
            ("A='b", QUOTE),
            ("A=\"b", QUOTE),
            ("A=\"b\\", QUOTE),
            ("A=\"b\"c", QUOTE),
            ("A=\"\\x\"", ESCAPE),
            ("A=\0", "a value has no NUL"),
        ];
        for (line, reason) in cases {
            assert_eq!(variable(line), Err(reason), "{line}");
        }
    }
}
