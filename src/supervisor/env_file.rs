//! Files of environment variables, as `.env` of Procfile projects.

use std::path::Path;

use super::procfile::{WorkerFileError, read};

const FORM: &str = "expected a line such as NAME=value";
const NAME: &str = "a name has letters, digits and `_`, and begins with no digit";
const QUOTE: &str =
    "a value that begins with a quote ends with the same one, and only a # remark follows it";
const ESCAPE: &str = "between double quotes \\n, \\r, \\t, \\\", \\\\ and \\$ are known";
const NUL: &str = "a value has no NUL";

/// Blanks within a line.
const BLANKS: [char; 2] = [' ', '\t'];

/// Reads variables: `NAME=value`, with `export ` before it or without, and with blanks around the `=`
/// or without. Empty lines, and those that begin with `#`, are passed over.
///
/// A value is taken as it is up to ` #` or the end of its line. One in quotes may have several lines:
/// between single quotes all signs stand for themselves; between double quotes `\n`, `\r`, `\t`, `\"`,
/// `\\` and `\$` are known. Nothing is expanded: a `$` is a `$`.
///
/// # Errors
/// The file cannot be read or is too large, or what a line begins is no variable.
pub fn read_env_file(path: &Path) -> Result<Vec<(String, String)>, WorkerFileError> {
    let text = read(path)?.replace("\r\n", "\n");
    variables(&text).map_err(|(line, reason)| WorkerFileError::Line {
        path: path.to_owned(),
        line,
        reason,
    })
}

/// All variables of a text; else the number of the line, from 1, that begins none, and what was expected.
fn variables(text: &str) -> Result<Vec<(String, String)>, (usize, &'static str)> {
    let mut variables = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('#') {
            rest = split_line(rest).1;
        } else {
            let read = variable(rest);
            let (variable, more) = read.map_err(|reason| {
                let before = &text[..text.len() - rest.len()];
                (1 + before.matches('\n').count(), reason)
            })?;
            variables.push(variable);
            rest = more;
        }
        rest = rest.trim_start();
    }
    Ok(variables)
}

/// The variable that a text begins with, and what follows its last line.
fn variable(text: &str) -> Result<((String, String), &str), &'static str> {
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with(BLANKS));
    let text = exported.map_or(text, |rest| rest.trim_start_matches(BLANKS));
    let (name, _) = split_line(text).0.split_once('=').ok_or(FORM)?;
    let behind = &text[name.len() + 1..];
    let value = behind.trim_start_matches(BLANKS);
    let name = name.trim_end_matches(BLANKS);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty()
        || !name.chars().all(is_plain)
        || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err(NAME);
    }
    let (value, rest) = match value.chars().next() {
        Some('\'') => single_quoted(&value[1..])?,
        Some('"') => double_quoted(&value[1..])?,
        _ => unquoted(behind),
    };
    if value.contains('\0') { Err(NUL) } else { Ok(((name.to_owned(), value), rest)) }
}

fn unquoted(text: &str) -> (String, &str) {
    let (line, rest) = split_line(text);
    let begins_remark = |at: &usize| line[..*at].ends_with(BLANKS);
    let remark = line.match_indices('#').map(|(at, _)| at).find(begins_remark);
    (line[..remark.unwrap_or(line.len())].trim().to_owned(), rest)
}

fn single_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let (value, rest) = text.split_once('\'').ok_or(QUOTE)?;
    Ok((value.to_owned(), behind_quote(rest)?))
}

fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '"' => return Ok((value, behind_quote(signs.as_str())?)),
            '\\' => value.push(match signs.next().ok_or(QUOTE)? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                same @ ('"' | '\\' | '$') => same,
                _ => return Err(ESCAPE),
            }),
            _ => value.push(sign),
        }
    }
    Err(QUOTE)
}

/// The lines behind that of a closing quote, in which only a remark may follow.
fn behind_quote(text: &str) -> Result<&str, &'static str> {
    let (line, rest) = split_line(text);
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') { Ok(rest) } else { Err(QUOTE) }
}

/// The first line, without its end, and what follows it.
fn split_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_it_says() {
        let cases = [
            ("A=1", "1"),
            ("export A=b c", "b c"),
            ("export\tA=1", "1"),
            ("  A = 1  ", "1"),
            ("A\t= 'b' ", "b"),
            ("A=", ""),
            ("A = # none", ""),
            ("A=a=b", "a=b"),
            ("A=b # why", "b"),
            ("A=ä\t# why # not", "ä"),
            ("A=#fff", "#fff"),
            ("A=b#c", "b#c"),
            ("A=it's", "it's"),
            ("A=$HOME", "$HOME"),
            ("A='a \"$b\\n\" # c' # why", "a \"$b\\n\" # c"),
            (r#"A="a\tb\r\n\"\\\$" # why"#, "a\tb\r\n\"\\$"),
            ("A=\"ä\"", "ä"),
            ("A=\" b\n\n # c\nD=1 \"", " b\n\n # c\nD=1 "),
            ("A='-----BEGIN\nMII=\n-----END\n' # key", "-----BEGIN\nMII=\n-----END\n"),
        ];
        for (text, expected) in cases {
            let expected = vec![("A".to_owned(), expected.to_owned())];
            assert_eq!(variables(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        let cases = [
            ("A", FORM),
            ("export A", FORM),
            ("A\n=1", FORM),
            ("=1", NAME),
            ("1A=1", NAME),
            ("A B=1", NAME),
            ("A='b", QUOTE),
            ("A='b'c'", QUOTE),
            ("A=\"b", QUOTE),
            ("A=\"b\\", QUOTE),
            ("A=\"b\"c", QUOTE),
            ("A=\"b\nC=\"d\"", QUOTE),
            ("A=\"\\x\"", ESCAPE),
            ("A=\0", NUL),
        ];
        for (text, reason) in cases {
            assert_eq!(variables(text), Err((1, reason)), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_line_where_its_variable_begins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        let before = "\u{feff}# all\r\nA=1\r\n\r\n  B = 'x\r\ny'\r\n";
        std::fs::write(&path, before).unwrap();
        let expected = [("A", "1"), ("B", "x\ny")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(read_env_file(&path).unwrap(), expected);
        std::fs::write(&path, format!("{before}C=\"\n\n\n")).unwrap();
        let error = read_env_file(&path).unwrap_err().to_string();
        assert_eq!(error, format!("{}:6: {QUOTE}", path.display()));
    }
}
