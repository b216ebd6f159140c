//! Writes each record to the file that its own values name.

mod open_files;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use self::open_files::OpenFiles;
pub(crate) use self::open_files::RoutedFile;
use super::path_template::{PathTemplate, RoutedPaths};
use super::rotating_file::RotatingFileBuilder;
use super::{Handler, HandlerError};
use crate::formatter::Formatter;
use crate::regular_file::refused;
use crate::{LevelNames, Record};

/// How many files of a route are open at once where nothing else is said.
pub const DEFAULT_MAX_OPEN_FILES: usize = 64;

/// Most files of a route that may be open at once. Each takes two descriptors, and with compression a
/// thread.
pub const MAX_OPEN_FILES: usize = 1024;

/// Longest path (`PATH_MAX`), less what locks, temporary files and backups need.
const MAX_PATH_BYTES: usize = 4096 - 64;

type MakeFormatter = Box<dyn Fn() -> Result<Box<dyn Formatter>, HandlerError> + Send + Sync>;

/// Writes each record to a log file of its own kind: by worker, program, logger, level or field.
///
/// The path of the settings is a [`PathTemplate`], such as `logs/{worker}.log`. Each file is a log file as
/// [`RotatingFileHandler`](super::RotatingFileHandler) has it: it has its lock, and rotates, keeps and
/// compresses its own backups by the settings. It is opened at its first record. At most
/// [`DEFAULT_MAX_OPEN_FILES`] are open unless [told otherwise](Self::max_open_files); where another is
/// needed, the one that was not written for the longest time is closed first, and opened again at its next
/// record.
///
/// A listener takes it by [`ListenerBuilder::route`](crate::ListenerBuilder::route), and then its files are
/// written exactly once. By itself it is a handler like any other; at most 64 KiB of records wait in memory for each
/// open file.
///
/// ```
/// use logboom::formatter::{Formatter, PatternFormatter};
/// use logboom::handler::{Handler, RotatingFileHandler};
/// use logboom::{Level, Record};
///
/// # let directory = tempfile::tempdir()?;
/// let template = directory.path().join("{level}.log");
/// let formatter = || Ok(Box::new(PatternFormatter::new("%(message)s").unwrap()) as Box<dyn Formatter>);
/// let mut handler = RotatingFileHandler::builder(&template)
///     .max_bytes(10_000_000)
///     .backup_count(5)
///     .open_routed(formatter)?;
/// handler.handle(&Record::new(0, Level::INFO, "app", "started"))?;
/// handler.handle(&Record::new(0, Level::ERROR, "app", "stopped"))?;
/// handler.close()?;
/// assert_eq!(std::fs::read_to_string(directory.path().join("INFO.log"))?, "started\n");
/// assert_eq!(std::fs::read_to_string(directory.path().join("ERROR.log"))?, "stopped\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RoutingFileHandler {
    paths: RoutedPaths,
    settings: RotatingFileBuilder,
    formatter: MakeFormatter,
    level_names: LevelNames,
    max_open_files: usize,
    files: OpenFiles,
    /// The path below the directory of the record that was looked at last.
    name: String,
}

impl RotatingFileBuilder {
    /// Writes each record to the file that it names, where the path of these settings is a
    /// [`PathTemplate`]. `formatter` makes the formatter of each file. Nothing is opened yet.
    ///
    /// # Errors
    /// [`HandlerError::Io`] if the path is no template, or the settings do not suit a log; that of
    /// `formatter`.
    pub fn open_routed(
        self,
        formatter: impl Fn() -> Result<Box<dyn Formatter>, HandlerError> + Send + Sync + 'static,
    ) -> Result<RoutingFileHandler, HandlerError> {
        let path = self.path().to_owned();
        let invalid = |problem: &dyn std::fmt::Display| {
            let problem = io::Error::new(io::ErrorKind::InvalidInput, problem.to_string());
            refused("route to", &path)(problem)
        };
        let text = path.to_str().ok_or_else(|| invalid(&"it is not UTF-8"))?;
        let template = text.parse::<PathTemplate>().map_err(|error| invalid(&error))?;
        let paths = RoutedPaths::new(template).map_err(refused("route to", &path))?;
        if paths.max_bytes() > MAX_PATH_BYTES {
            return Err(invalid(&"its paths would be too long").into());
        }
        self.check(&path)?;
        // That it can be made is known now, and not at the first record.
        drop(formatter()?);
        Ok(RoutingFileHandler {
            paths,
            settings: self,
            formatter: Box::new(formatter),
            level_names: LevelNames::new(),
            max_open_files: DEFAULT_MAX_OPEN_FILES,
            files: OpenFiles::default(),
            name: String::new(),
        })
    }
}

impl RoutingFileHandler {
    /// How many files are open at once at most, 1 to [`MAX_OPEN_FILES`]; what is beyond is taken as the
    /// nearest of these.
    pub fn max_open_files(mut self, files: usize) -> RoutingFileHandler {
        self.max_open_files = files.clamp(1, MAX_OPEN_FILES);
        self
    }

    /// Names of one's own for `{level}`. Default: the usual ones. The formatters have their own.
    pub fn level_names(mut self, names: LevelNames) -> RoutingFileHandler {
        self.level_names = names;
        self
    }

    /// The template.
    pub fn template(&self) -> &PathTemplate {
        self.paths.template()
    }

    /// How many files are open now.
    pub fn open_files(&self) -> usize {
        self.files.len()
    }

    #[cfg(feature = "listener")]
    pub(crate) fn settings(&self) -> &RotatingFileBuilder {
        &self.settings
    }

    pub(crate) fn paths(&self) -> &RoutedPaths {
        &self.paths
    }

    /// The open file that this record goes to. It counts as used; where it is not open,
    /// [`open_found`](Self::open_found) opens it.
    pub(crate) fn find(&mut self, record: &Record<'_>) -> Option<usize> {
        self.paths.template().render(record, &self.level_names, &mut self.name);
        self.files.find(&self.name)
    }

    /// Looks for the file at this path instead, if a record may give it.
    pub(crate) fn find_path(&mut self, path: &Path) -> bool {
        let name = self.paths.name_of(path);
        name.inspect(|name| self.name = (*name).to_owned()).is_some()
    }

    /// The path below the directory that was looked for last.
    pub(crate) fn found_name(&self) -> &str {
        &self.name
    }

    /// The same from the root on.
    pub(crate) fn found_path(&self) -> PathBuf {
        self.paths.path_of(&self.name)
    }

    /// Opens the file that was looked for last and is not open; `claim` has the last word.
    pub(crate) fn open_found(
        &mut self,
        claim: impl FnOnce(&mut super::RotatingFileHandler) -> Result<(), HandlerError>,
    ) -> Result<usize, HandlerError> {
        let settings = self.settings.clone().at(self.found_path());
        let mut handler = settings.open((self.formatter)()?)?;
        claim(&mut handler)?;
        Ok(self.files.add(&self.name, handler))
    }

    /// Whether more are open than may be, and one can be closed for another.
    pub(crate) fn has_too_many(&self) -> bool {
        self.files.len() > self.max_open_files && self.has_spare()
    }

    /// Whether one can be closed, and another one stays.
    pub(crate) fn has_spare(&self) -> bool {
        self.files.iter().filter(|file| !file.is_in_batch).nth(1).is_some()
    }

    /// Takes out the file that was not used for the longest time, of those that are in no batch.
    pub(crate) fn take_oldest(&mut self) -> Option<RoutedFile> {
        self.files.take_oldest()
    }

    /// Takes out files.
    pub(crate) fn take_where(
        &mut self,
        is_wanted: impl FnMut(&mut RoutedFile) -> bool,
    ) -> Vec<RoutedFile> {
        self.files.take_where(is_wanted)
    }

    pub(crate) fn file_mut(&mut self, index: usize) -> Option<&mut RoutedFile> {
        self.files.get_mut(index)
    }

    /// The open file with this path below the directory.
    pub(crate) fn file_named(&mut self, name: &str) -> Option<&mut RoutedFile> {
        self.files.named(name)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &RoutedFile> {
        self.files.iter()
    }

    pub(crate) fn files_mut(&mut self) -> impl Iterator<Item = &mut RoutedFile> {
        self.files.iter_mut()
    }

    /// Goes on under the settings of another one with the same template.
    pub(crate) fn adopt(&mut self, next: RoutingFileHandler) {
        let RoutingFileHandler { settings, formatter, level_names, max_open_files, .. } = next;
        for file in self.files.iter_mut() {
            // It could be made before.
            if let Ok(formatter) = formatter() {
                file.handler.adopt(&settings, formatter);
            }
        }
        (self.settings, self.formatter) = (settings, formatter);
        self.level_names = level_names;
        self.max_open_files = max_open_files;
    }

    /// Closes files until one more may be open.
    fn make_room(&mut self) -> Result<(), HandlerError> {
        while self.files.len() >= self.max_open_files {
            let Some(oldest) = self.files.oldest() else { break };
            oldest.handler.flush()?;
            self.files.take_oldest();
        }
        Ok(())
    }
}

impl Handler for RoutingFileHandler {
    fn handle(&mut self, record: &Record<'_>) -> Result<(), HandlerError> {
        let index = match self.find(record) {
            Some(index) => index,
            None => {
                self.make_room()?;
                self.open_found(|_| Ok(()))?
            }
        };
        match self.files.get_mut(index) {
            Some(file) => file.handler.handle(record),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), HandlerError> {
        let flushed: Vec<_> = self.files.iter_mut().map(|file| file.handler.flush()).collect();
        flushed.into_iter().collect()
    }
}
