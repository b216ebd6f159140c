//! From the INI form of Python's `fileConfig`.
//!
//! Python evaluates `args` as code; here they are literals. What is read is brought into the schema
//! of `dictConfig`, so that both forms are checked alike.

#[cfg(test)]
mod tests;

use super::error::Problem;
use super::literal;
use super::node::{Data, Node, unreadable};
use crate::logger_names::ROOT;

/// Parameters of the classes, in the order of `args`.
const PARAMETERS: [(&str, &[&str]); 11] = [
    ("StreamHandler", &["stream"]),
    ("FileHandler", &["filename", "mode", "encoding", "delay", "errors"]),
    ("WatchedFileHandler", &["filename", "mode", "encoding", "delay", "errors"]),
    (
        "RotatingFileHandler",
        &["filename", "mode", "maxBytes", "backupCount", "encoding", "delay", "errors"],
    ),
    (
        "TimedRotatingFileHandler",
        &[
            "filename",
            "when",
            "interval",
            "backupCount",
            "encoding",
            "delay",
            "utc",
            "atTime",
            "errors",
        ],
    ),
    (
        "ConcurrentRotatingFileHandler",
        &[
            "filename",
            "mode",
            "maxBytes",
            "backupCount",
            "encoding",
            "debug",
            "delay",
            "use_gzip",
            "owner",
            "chmod",
            "umask",
            "newline",
            "terminator",
            "unicode_error_policy",
            "lock_file_directory",
            "keep_file_open",
        ],
    ),
    (
        "ConcurrentTimedRotatingFileHandler",
        &[
            "filename",
            "when",
            "interval",
            "backupCount",
            "encoding",
            "delay",
            "utc",
            "atTime",
            "errors",
            "maxBytes",
            "use_gzip",
            "owner",
            "chmod",
            "umask",
            "newline",
            "terminator",
            "unicode_error_policy",
            "lock_file_directory",
            "keep_file_open",
        ],
    ),
    ("NullHandler", &[]),
    ("MemoryHandler", &["capacity", "flushLevel"]),
    ("SysLogHandler", &["address", "facility", "socktype"]),
    // In the order of the others, but for a mode.
    ("RoutingFileHandler", &["filename", "maxBytes", "backupCount"]),
];

struct Section {
    name: String,
    line: usize,
    options: Vec<(String, usize, String)>,
}

/// Reads one logger, handler or formatter of this key: its name, and its settings as a dictionary has
/// them.
type ReadSection = fn(&str, &Section) -> Result<(String, Node), Problem>;

pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let sections = sections(text)?;
    let list = |name: &str| -> Result<Vec<String>, Problem> {
        let section = find(&sections, name, 1)?;
        let keys = section.options.iter().find(|(key, ..)| key == "keys");
        let keys = keys.ok_or_else(|| {
            unreadable(section.line, format_args!("[{name}] has no keys, expected a list of names"))
        })?;
        Ok(names(&keys.2))
    };
    let each = |kind: &str, read: ReadSection| {
        let keys = list(&format!("{kind}s"))?;
        let line = find(&sections, &format!("{kind}s"), 1)?.line;
        let read = |key: &String| read(key, find(&sections, &format!("{kind}_{key}"), line)?);
        keys.iter().map(read).collect::<Result<Vec<_>, Problem>>()
    };
    let (roots, loggers): (Vec<_>, Vec<_>) =
        each("logger", logger)?.into_iter().partition(|(name, _)| name == ROOT);
    let mut entries = vec![("version".to_owned(), Node { line: 1, data: Data::Integer(1) })];
    entries.extend(roots);
    for (name, list) in [
        ("loggers", loggers),
        ("handlers", each("handler", handler)?),
        ("formatters", each("formatter", formatter)?),
    ] {
        entries.push((name.to_owned(), Node { line: 1, data: Data::Table(list) }));
    }
    Ok(Node { line: 1, data: Data::Table(entries) })
}

/// The sections of a text: `key = value` or `key: value`, values that go on in indented lines,
/// comments in lines of their own (Python docs, "Supported INI File Structure").
fn sections(text: &str) -> Result<Vec<Section>, Problem> {
    let mut sections: Vec<Section> = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let trimmed = content.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let option = sections.last_mut().and_then(|section| section.options.last_mut());
        if let Some((_, _, value)) = option.filter(|_| content.starts_with([' ', '\t'])) {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if name == "DEFAULT" {
                return Err(unreadable(
                    line,
                    "[DEFAULT] is not read: write its keys where they count",
                ));
            }
            if sections.iter().any(|section| section.name == name) {
                return Err(unreadable(line, format_args!("[{name}] is there twice")));
            }
            sections.push(Section { name: name.to_owned(), line, options: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else {
            return Err(unreadable(line, "expected a section such as [loggers]"));
        };
        let Some((key, value)) = trimmed.split_once(['=', ':']) else {
            return Err(unreadable(line, "expected a key, `=` and a value"));
        };
        let key = key.trim().to_ascii_lowercase();
        if section.options.iter().any(|(known, ..)| *known == key) {
            return Err(unreadable(line, format_args!("the key \"{key}\" is there twice")));
        }
        section.options.push((key, line, value.trim().to_owned()));
    }
    Ok(sections)
}

fn find<'s>(sections: &'s [Section], name: &str, line: usize) -> Result<&'s Section, Problem> {
    let section = sections.iter().find(|section| section.name == name);
    section.ok_or_else(|| unreadable(line, format_args!("there is no section [{name}]")))
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn logger(section_key: &str, section: &Section) -> Result<(String, Node), Problem> {
    let mut name = section_key.to_owned();
    let mut entries = Vec::new();
    for (key, line, value) in &section.options {
        let data = match &**key {
            // The root has none, whatever is written there, such as `(root)`.
            "qualname" => {
                if section_key != ROOT {
                    name.clone_from(value);
                }
                continue;
            }
            "handlers" => {
                let text = |name| Node { line: *line, data: Data::Text(name) };
                Data::List(names(value).into_iter().map(text).collect())
            }
            "propagate" => literal::read(value, *line)?,
            _ => Data::Text(value.clone()),
        };
        entries.push((key.clone(), Node { line: *line, data }));
    }
    Ok((name, Node { line: section.line, data: Data::Table(entries) }))
}

fn handler(name: &str, section: &Section) -> Result<(String, Node), Problem> {
    let class = section.options.iter().find(|(key, ..)| key == "class");
    let class = class.map_or("", |(_, _, value)| value.as_str());
    let mut entries = Vec::new();
    for (key, line, value) in &section.options {
        let (key, line) = (key.as_str(), *line);
        match key {
            "args" => entries.extend(arguments(class, literal::read(value, line)?, line)?),
            "kwargs" => match literal::read(value, line)? {
                Data::Table(named) => entries.extend(named),
                _ => {
                    return Err(unreadable(
                        line,
                        "kwargs: expected a dictionary such as {'mode': 'a'}",
                    ));
                }
            },
            "class" => {
                let full = if value.starts_with("handlers.") {
                    format!("logging.{value}")
                } else {
                    value.clone()
                };
                entries.push((key.to_owned(), Node { line, data: Data::Text(full) }));
            }
            // An empty one is none.
            "formatter" | "level" if value.is_empty() => {}
            _ => entries.push((key.to_owned(), Node { line, data: Data::Text(value.clone()) })),
        }
    }
    Ok((name.to_owned(), Node { line: section.line, data: Data::Table(entries) }))
}

/// Gives the arguments of a class their names.
fn arguments(class: &str, args: Data, line: usize) -> Result<Vec<(String, Node)>, Problem> {
    let Data::List(args) = args else {
        return Err(unreadable(line, "args: expected a tuple such as ('app.log', 'a')"));
    };
    let last = class.rsplit('.').next().unwrap_or(class);
    let Some((_, names)) = PARAMETERS.iter().find(|(known, _)| *known == last) else {
        // The class is refused by its name.
        return Ok(Vec::new());
    };
    if args.len() > names.len() {
        let limit = names.len();
        return Err(unreadable(line, format_args!("args: {last} takes at most {limit}")));
    }
    Ok(names.iter().map(|name| (*name).to_owned()).zip(args).collect())
}

fn formatter(name: &str, section: &Section) -> Result<(String, Node), Problem> {
    let mut entries = Vec::new();
    for (key, line, value) in &section.options {
        let data = match &**key {
            "validate" | "defaults" => literal::read(value, *line)?,
            // An empty one is none.
            _ if value.is_empty() => continue,
            _ => Data::Text(value.clone()),
        };
        entries.push((key.clone(), Node { line: *line, data }));
    }
    Ok((name.to_owned(), Node { line: section.line, data: Data::Table(entries) }))
}
