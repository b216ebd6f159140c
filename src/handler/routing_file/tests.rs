use std::fs;

use super::*;
use crate::Level;
use crate::formatter::PatternFormatter;
use crate::handler::RotatingFileHandler;

fn make() -> Result<Box<dyn Formatter>, HandlerError> {
    Ok(Box::new(PatternFormatter::new("%(message)s").map_err(HandlerError::other)?))
}

fn by_logger(directory: &tempfile::TempDir) -> RoutingFileHandler {
    let template = directory.path().join("{logger}.log");
    RotatingFileHandler::builder(template).open_routed(make).unwrap()
}

fn record(logger: &str, message: &str) -> Record<'static> {
    Record::new(0, Level::INFO, logger.to_owned(), message.to_owned())
}

#[test]
fn only_so_many_files_are_open_and_each_has_all_of_its_records() {
    let directory = tempfile::tempdir().unwrap();
    let mut handler = by_logger(&directory).max_open_files(3);
    for round in 0..4 {
        for number in 0..10 {
            handler.handle(&record(&format!("l{number}"), &round.to_string())).unwrap();
            assert!(handler.open_files() <= 3);
        }
    }
    handler.close().unwrap();
    drop(handler);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 10, "a lock was left");
    for number in 0..10 {
        let text = fs::read_to_string(directory.path().join(format!("l{number}.log"))).unwrap();
        assert_eq!(text, "0\n1\n2\n3\n");
    }
}

#[test]
fn the_file_that_was_not_used_for_the_longest_time_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let mut handler = by_logger(&directory).max_open_files(2);
    for logger in ["a", "b", "a", "c"] {
        handler.handle(&record(logger, "message")).unwrap();
    }
    let open: Vec<_> = handler.files().map(|file| &*file.name).collect();
    assert_eq!(open, ["a.log", "c.log"]);
    let mut oldest = handler.files.oldest().map(|file| file.name.clone());
    assert_eq!(oldest.as_deref(), Some("a.log"));
    handler.files.iter_mut().for_each(|file| file.is_in_batch = &*file.name == "a.log");
    oldest = handler.take_oldest().map(|file| file.name);
    assert_eq!(oldest.as_deref(), Some("c.log"));
    assert_eq!(handler.find(&record("a", "")), Some(0));
    assert!(handler.take_oldest().is_none());
}

#[test]
fn levels_have_the_names_that_were_given_last() {
    let directory = tempfile::tempdir().unwrap();
    let by_level = |name| {
        let template = directory.path().join("{level}.log");
        let handler = RotatingFileHandler::builder(template).open_routed(make).unwrap();
        handler.level_names(LevelNames::new().with(Level::new(25), name))
    };
    let notice = Record::new(0, Level::new(25), "a", "message");
    let mut handler = by_level("NOTICE");
    for name in ["NOTICE.log", "../x.log"] {
        handler.handle(&notice).unwrap();
        assert_eq!(handler.found_name(), name.replace("../", "%2E.%2F"));
        handler.adopt(by_level("../x"));
    }
    handler.handle(&record("a", "message")).unwrap();
    assert_eq!(handler.found_name(), "INFO.log");
}

#[test]
fn a_path_is_known_by_its_template_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut handler = by_logger(&directory);
    assert!(handler.find_path(&directory.path().join("a.log")));
    assert_eq!(
        (handler.found_name(), handler.found_path()),
        ("a.log", directory.path().join("a.log"))
    );
    for name in ["a.txt", "x/a.log", ".log"] {
        assert!(!handler.find_path(&directory.path().join(name)), "{name}");
    }
    assert!(!handler.find_path(Path::new("/elsewhere/a.log")));
}

#[test]
fn what_is_no_template_and_what_is_too_long_is_refused() {
    let refused = |path: String| {
        RotatingFileHandler::builder(path)
            .open_routed(make)
            .err()
            .map(|error| crate::causes::with_causes(&error))
    };
    let error = refused("logs/app.log".to_owned()).unwrap();
    assert!(error.contains("it names one file"), "{error}");
    let error = refused(format!("{}{{worker}}.log", "long/".repeat(800))).unwrap();
    assert!(error.contains("its paths would be too long"), "{error}");
}
