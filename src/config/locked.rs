//! Files that several processes write in turns: the keys of our own class, and those of the classes of
//! Python's package `concurrent-log-handler` (its constructors, version 0.9.31).

use super::error::Problem;
use super::handlers::{FileSettings, HandlerKind};
use super::item::{Item, Table};
use super::node::Data;
use super::rotation::{Class, RotationSettings};

const LINE_END: &str = "lines end in a newline alone";

/// A key, whether a value of it asks for what is done anyway, and why nothing else is.
type Fixed = (&'static str, fn(&Data) -> bool, &'static str);

/// Of every log that several processes write.
const SHARED: [Fixed; 2] = [
    ("rotateOnStart", is_false, "a log of several processes cannot rotate when one of them starts"),
    ("compress", is_nothing, "backups are compressed by a process that has the log alone"),
];

/// Of Python's package.
const OF_PACKAGE: [Fixed; 10] = [
    ("debug", is_false, "nothing is printed for debugging: leave it out"),
    ("use_gzip", is_false, "backups are compressed by a process that has the log alone"),
    ("owner", is_nothing, "files belong to the user of the process: leave it out"),
    ("chmod", is_nothing, "the mode of files is 0640 less the umask: leave it out"),
    ("umask", is_nothing, "the umask is that of the process: set it before the program starts"),
    ("newline", is_line_end, LINE_END),
    ("terminator", is_line_end, LINE_END),
    // All text can be written in UTF-8.
    ("unicode_error_policy", is_text, "it is a text"),
    ("lock_file_directory", is_nothing, "lock files stand beside the log: leave it out"),
    ("keep_file_open", is_true, "files stay open between records: leave it out"),
];

/// Reads our own class.
pub(super) fn locked_file(item: &Item, table: &mut Table) -> Result<HandlerKind, Problem> {
    read(Class::Locked, item, table)
}

/// Reads a class of the package, of which `class` is the counterpart.
pub(super) fn concurrent_file(
    class: Class,
    item: &Item,
    table: &mut Table,
) -> Result<HandlerKind, Problem> {
    check(&OF_PACKAGE, table)?;
    let kind = read(class, item, table)?;
    if let HandlerKind::LockedFile { rotation, .. } = &kind
        && class == Class::Locked
        && rotation.max_bytes > 0
        && rotation.backup_count == 0
    {
        let reason = "with maxBytes and without backupCount it empties its file again and again: set \
                      backupCount to 1 or more";
        return Err(item.refused(reason));
    }
    Ok(kind)
}

fn read(class: Class, item: &Item, table: &mut Table) -> Result<HandlerKind, Problem> {
    let FileSettings { path, new, .. } = FileSettings::read(table)?;
    if let Some(mode) = new {
        return Err(mode.refused("processes would empty it for each other: take `a`"));
    }
    check(&SHARED, table)?;
    let rotation = RotationSettings::read(class, item, table)?;
    Ok(HandlerKind::LockedFile { path, rotation })
}

fn check(keys: &[Fixed], table: &mut Table) -> Result<(), Problem> {
    for (key, is_done, reason) in keys {
        if let Some(item) = table.take(key).filter(|item| !is_done(&item.node.data)) {
            return Err(item.refused(reason));
        }
    }
    Ok(())
}

fn is_nothing(_: &Data) -> bool {
    false
}

fn is_false(value: &Data) -> bool {
    *value == Data::Bool(false)
}

fn is_true(value: &Data) -> bool {
    *value == Data::Bool(true)
}

fn is_text(value: &Data) -> bool {
    matches!(value, Data::Text(_))
}

fn is_line_end(value: &Data) -> bool {
    matches!(value, Data::Text(text) if matches!(&**text, "" | "\n"))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Form};

    fn read(handler: &str) -> Result<Vec<String>, String> {
        let text = format!("version = 1\n[handlers.h]\nfilename = 'f'\n{handler}");
        let config = Config::parse(&text, Form::Toml, "c").map_err(|error| error.to_string())?;
        let settings = config.settings().into_iter();
        let of_handler = settings.filter_map(|setting| {
            let name = setting.key.strip_prefix("handlers.h.")?.to_owned();
            Some(format!("{name} = {}", setting.value))
        });
        Ok(of_handler.collect())
    }

    const BY_SIZE: [&str; 7] = [
        "class = \"logboom.LockedRotatingFileHandler\"",
        "level = \"NOTSET\"",
        "filters = []",
        "filename = \"f\"",
        "maxBytes = 1000",
        "backupCount = 3",
        "backupNames = \"number\"",
    ];

    #[test]
    fn each_class_is_our_own() {
        for class in [
            "logboom.LockedRotatingFileHandler",
            "LockedRotatingFileHandler",
            "concurrent_log_handler.ConcurrentRotatingFileHandler",
            "logging.handlers.ConcurrentRotatingFileHandler",
        ] {
            let shown = read(&format!("class = '{class}'\nmaxBytes = 1000\nbackupCount = 3"));
            assert_eq!(shown.unwrap(), BY_SIZE, "{class}");
        }
        let timed = "class = 'concurrent_log_handler.ConcurrentTimedRotatingFileHandler'\n\
                     when = 'midnight'\nutc = true\nbackupCount = 7\nminFree = 5\natDiskLimit = 'delete-oldest'";
        let mut expected = BY_SIZE.to_vec();
        expected.truncate(4);
        expected.extend([
            "maxBytes = 0",
            "backupCount = 7",
            "rotateAt = \"midnight utc\"",
            "backupNames = \"date\"",
            "minFree = 5",
            "atDiskLimit = \"delete-oldest\"",
        ]);
        assert_eq!(read(timed).unwrap(), expected);
        for class in ["concurrent_log_handler.FileHandler", "logboom.FileHandler"] {
            let said = read(&format!("class = '{class}'")).unwrap_err();
            assert!(
                said.starts_with(&format!("c:4: handlers.h.class: found \"{class}\"")),
                "{said}"
            );
        }
    }

    #[test]
    fn what_has_no_counterpart_is_refused_by_its_key() {
        let of_package = "class = 'concurrent_log_handler.ConcurrentRotatingFileHandler'\n";
        for (key, right, wrong, reason) in [
            ("mode", "'a'", "'w'", "processes would empty it"),
            ("debug", "false", "true", "nothing is printed"),
            ("use_gzip", "false", "true", "backups are compressed by a process"),
            ("owner", "", "['root', 'root']", "files belong to the user"),
            ("chmod", "", "0o660", "the mode of files is 0640"),
            ("umask", "", "0o02", "the umask is that of the process"),
            ("newline", "''", "\"\\r\\n\"", "lines end in a newline"),
            ("terminator", "\"\\n\"", "';'", "lines end in a newline"),
            ("unicode_error_policy", "'ignore'", "1", "it is a text"),
            ("lock_file_directory", "", "'/tmp'", "lock files stand beside the log"),
            ("keep_file_open", "true", "false", "files stay open"),
            ("delay", "1", "2", "found 2, expected true or false"),
            ("encoding", "'utf-8'", "'latin-1'", "found \"latin-1\", expected utf-8"),
            ("rotateOnStart", "false", "true", "a log of several processes"),
            ("compress", "", "'zstd'", "backups are compressed by a process"),
            ("maxBytes", "0", "10", "with maxBytes and without backupCount"),
        ] {
            if !right.is_empty() {
                read(&format!("{of_package}{key} = {right}")).unwrap();
            }
            let said = read(&format!("{of_package}{key} = {wrong}")).unwrap_err();
            assert!(said.contains(&format!(": {reason}")), "{key}: {said}");
            assert!(
                key == "maxBytes" || said.starts_with(&format!("c:5: handlers.h.{key}: ")),
                "{said}"
            );
        }
        // Our own class does as Python's: it never rotates.
        read("class = 'LockedRotatingFileHandler'\nmaxBytes = 10").unwrap();
        let said = read("class = 'LockedRotatingFileHandler'\nuse_gzip = false").unwrap_err();
        assert!(said.contains("use_gzip: unknown key"), "{said}");
    }

    #[test]
    fn the_ini_form_has_the_arguments_of_the_package() {
        let text = "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n\
                    [handler_h]\nclass=handlers.ConcurrentRotatingFileHandler\nargs=('f', 'a', 1000, 3)\n";
        let config = Config::parse(text, Form::Ini, "c").unwrap();
        let values: Vec<_> = config.settings().into_iter().map(|setting| setting.value).collect();
        assert!(
            values.contains(&"1000".to_owned()) && values.contains(&"3".to_owned()),
            "{values:?}"
        );
    }
}
