//! The path of a log file with places that each record fills in.

mod parse;
#[cfg(test)]
mod tests;
mod value;

use std::fmt::{self, Write};
use std::io;
use std::path::{self, Path, PathBuf};

pub use self::parse::ParsePathTemplateError;
use self::value::Place;
use crate::logger_names::with_canonical;
use crate::{LevelNames, Record, Value};

/// Most bytes of a path that one value takes.
pub const MAX_VALUE_BYTES: usize = 64;

/// A path such as `logs/{worker}.log`, which gives each record the path of its log file.
///
/// | placeholder | stands for |
/// |---|---|
/// | `{worker}` | the display name of the process (`LOGBOOM_WORKER`) |
/// | `{program}` | the file name of its program |
/// | `{logger}` | the name of the logger, with dots between its parts; `root` for the root |
/// | `{level}` | the name of the level, also one that the handler [was given](super::RoutingFileHandler::level_names); one without a name is `Level%2025` |
/// | `{field.KEY}` | the value of a field, as [`Record::field`] finds it |
///
/// `{{` and `}}` are braces. Placeholders may be in the file name and in directories. So that no file can
/// be taken for a backup of another, or for a directory, the file name has to end in an extension that
/// begins with a letter and is neither `gz` nor `zst`, and must not begin with a dot; directories from
/// the first placeholder on have no dots.
///
/// A record cannot choose another directory. Of its values letters, digits and `-_@+=:,` are taken as they
/// are, and dots in file names, but for the first; of anything else each byte becomes `%` and its two
/// hexadecimal digits. A value that is missing or empty is `-`, and one that is `-` is `%2D`. So different
/// values give different names. What would take more than 64 bytes is cut, and followed by `~` and a hash of
/// all of it (FNV-1a, 64 bits).
///
/// ```
/// use logboom::handler::PathTemplate;
///
/// assert!("logs/{logger}/{worker}.log".parse::<PathTemplate>().is_ok());
/// let error = "logs/{thread}.log".parse::<PathTemplate>().unwrap_err();
/// assert!(error.to_string().starts_with("`logs/{thread}.log`: there is no {thread}: "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    /// What stands before the first part with a placeholder.
    directory: PathBuf,
    /// The others; the last one is the file name.
    parts: Vec<Part>,
}

/// What stands between two slashes.
type Part = Vec<Piece>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Placeholder {
    Worker,
    Program,
    Logger,
    Level,
    Field(String),
}

impl PathTemplate {
    /// The directory that no record can leave.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a file may have some records of a thread and not others.
    pub(crate) fn splits_lanes(&self) -> bool {
        let splits = |piece: &Piece| {
            !matches!(
                piece,
                Piece::Text(_) | Piece::Placeholder(Placeholder::Worker | Placeholder::Program)
            )
        };
        self.parts.iter().flatten().any(splits)
    }

    /// Writes the path of the record's file below the directory into `name`, which is cleared.
    pub(crate) fn render(&self, record: &Record<'_>, levels: &LevelNames, name: &mut String) {
        name.clear();
        for (number, part) in self.parts.iter().enumerate() {
            let is_last = number + 1 == self.parts.len();
            let place = if is_last { Place::FileName } else { Place::Directory };
            for piece in part {
                match piece {
                    Piece::Text(text) => name.push_str(text),
                    Piece::Placeholder(placeholder) => {
                        placeholder.push(place, record, levels, name)
                    }
                }
            }
            if !is_last {
                name.push('/');
            }
        }
    }
}

/// The paths that a template gives, wherever the working directory is later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutedPaths {
    template: PathTemplate,
    /// Absolute.
    directory: PathBuf,
}

impl RoutedPaths {
    pub(super) fn new(template: PathTemplate) -> io::Result<RoutedPaths> {
        // An empty one is the working directory.
        let directory = path::absolute(Path::new(".").join(template.directory()))?;
        Ok(RoutedPaths { template, directory })
    }

    pub(crate) fn template(&self) -> &PathTemplate {
        &self.template
    }

    /// The directory that no record can leave.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of this name below the directory.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What follows the directory in this path, if some record gives it.
    pub(crate) fn name_of<'p>(&self, path: &'p Path) -> Option<&'p str> {
        let name = path.strip_prefix(&self.directory).ok()?.to_str()?;
        let mut parts = self.template.parts.iter();
        let may_be_given =
            name.split('/').all(|text| parts.next().is_some_and(|part| fits(part, text)))
                && parts.next().is_none();
        may_be_given.then_some(name)
    }

    /// How long the longest is.
    pub(super) fn max_bytes(&self) -> usize {
        let parts = self.template.parts.iter();
        self.directory.as_os_str().len() + parts.map(|part| 1 + max_bytes(part)).sum::<usize>()
    }

    /// Whether some path is among both. When in doubt, one is.
    pub(crate) fn may_meet(&self, other: &RoutedPaths) -> bool {
        let (one, other) = (self.all_parts(), other.all_parts());
        one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| meet(one, other))
    }

    fn all_parts(&self) -> Vec<Part> {
        let fixed = self.directory.components();
        let fixed = fixed.map(|part| vec![Piece::Text(part.as_os_str().to_string_lossy().into())]);
        fixed.chain(self.template.parts.iter().cloned()).collect()
    }
}

impl Placeholder {
    fn push(&self, place: Place, record: &Record<'_>, levels: &LevelNames, name: &mut String) {
        let mut push = |value: &str| value::push(value, place, name);
        match self {
            Placeholder::Worker => push(&record.process.name),
            Placeholder::Program => push(&record.process.program),
            Placeholder::Logger => with_canonical(&record.logger, |logger| {
                push(if logger.is_empty() { crate::logger_names::ROOT } else { logger });
            }),
            Placeholder::Level => push(&levels.name(record.level)),
            Placeholder::Field(key) => match record.field(key) {
                None => push(""),
                Some(Value::Str(text)) => push(text),
                Some(value) => {
                    let mut text = String::new();
                    // A text takes all.
                    let _written = write!(text, "{value}");
                    push(&text);
                }
            },
        }
    }
}

fn max_bytes(part: &Part) -> usize {
    let bytes = |piece: &Piece| match piece {
        Piece::Text(text) => text.len(),
        Piece::Placeholder(_) => MAX_VALUE_BYTES,
    };
    part.iter().map(bytes).sum()
}

/// Whether values make `text` of the pieces.
fn fits(pieces: &[Piece], text: &str) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Text(fixed), rest @ ..] => {
            text.strip_prefix(&**fixed).is_some_and(|text| fits(rest, text))
        }
        [Piece::Placeholder(_), rest @ ..] => text
            .char_indices()
            .skip(1)
            .map(|(at, _)| at)
            .chain((!text.is_empty()).then_some(text.len()))
            .any(|end| fits(rest, &text[end..])),
    }
}

/// Whether two parts may be the same text: their fixed beginnings and ends decide.
fn meet(one: &Part, other: &Part) -> bool {
    match (&one[..], &other[..]) {
        ([Piece::Text(text)], pieces) | (pieces, [Piece::Text(text)]) => fits(pieces, text),
        _ => {
            let begin = |part: &Part| fixed(part.first());
            let end = |part: &Part| fixed(part.last());
            let (begins, ends) = ([begin(one), begin(other)], [end(one), end(other)]);
            (begins[0].starts_with(&begins[1]) || begins[1].starts_with(&begins[0]))
                && (ends[0].ends_with(&ends[1]) || ends[1].ends_with(&ends[0]))
        }
    }
}

fn fixed(piece: Option<&Piece>) -> String {
    match piece {
        Some(Piece::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
