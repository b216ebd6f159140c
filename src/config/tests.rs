mod refused;

use std::fs;

use super::*;
use crate::Level;

/// Dictionaries of Python projects, of the cookbook and the like.
const ACCEPTED: [&str; 4] = [
    // "Customizing handlers with dictConfig", without its factory.
    r#"{"version": 1, "disable_existing_loggers": 0,
        "formatters": {"default": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "formatter": "default",
            "filename": "chowntest.log", "encoding": "utf-8", "mode": "a", "delay": true}},
        "root": {"handlers": ["file"], "level": "DEBUG"}}"#,
    // Levels, filters, streams.
    r#"{"version": 1,
        "formatters": {"simple": {"format": "%(levelname)-8s - %(message)s"}, "empty": {},
            "brace": {"format": "{asctime} {message}", "style": "{", "validate": true},
            "dollar": {"format": "$ip $message", "style": "$", "defaults": {"ip": null},
                "datefmt": "%H:%M:%S"}},
        "filters": {"warnings": {"name": "a.b"}},
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "level": "INFO", "formatter": "simple",
                "stream": "ext://sys.stdout", "filters": ["warnings"]},
            "stderr": {"class": "logging.StreamHandler", "level": "ERROR", "formatter": null},
            "file": {"class": "logging.FileHandler", "filename": "app.log", "mode": "w"}},
        "loggers": {"a.b": {"propagate": 0, "level": 15, "handlers": ["stdout"], "filters": ["warnings"]}},
        "root": {"level": "DEBUG", "handlers": ["stderr", "file"]}}"#,
    // Handlers of logging.handlers.
    r#"{"version": 1, "incremental": false,
        "handlers": {
            "rotating": {"class": "logging.handlers.RotatingFileHandler", "filename": "logs/r.log",
                "maxBytes": 1024, "backupCount": 3},
            "timed": {"class": "logging.handlers.TimedRotatingFileHandler", "filename": "logs/t.log",
                "when": "midnight", "interval": 1, "backupCount": 7, "utc": true, "atTime": "04:30"},
            "watched": {"class": "logging.handlers.WatchedFileHandler", "filename": "logs/w.log"},
            "target": {"class": "logging.StreamHandler", "formatter": "json"},
            "memory": {"class": "logging.handlers.MemoryHandler", "capacity": 100, "target": "target",
                "flushLevel": "ERROR", "flushOnClose": false},
            "local": {"class": "logging.handlers.SysLogHandler", "address": "/dev/log", "facility": "local0"},
            "remote": {"class": "logging.handlers.SysLogHandler", "address": ["localhost", 514], "facility": 23,
                "socktype": "ext://socket.SOCK_DGRAM"},
            "null": {"class": "logging.NullHandler"}},
        "root": {"handlers": ["rotating", "watched", "memory", "local", "remote", "null"]}}"#,
    // Nothing but the version.
    r#"{"version": 1}"#,
];

#[test]
fn dictionaries_of_python_are_read_as_they_are() {
    for text in ACCEPTED {
        if let Err(error) = Config::parse(text, Form::Json, "dict.json") {
            panic!("{error} in {text}");
        }
    }
}

#[test]
fn times_and_limits_of_rotation_are_read() {
    let shown = |handler: &str| -> Vec<String> {
        let text = format!("version = 1\n[handlers.h]\nfilename = 'f'\n{handler}");
        let config =
            Config::parse(&text, Form::Toml, "c").unwrap_or_else(|error| panic!("{error}"));
        let settings = config.settings().into_iter();
        let rotation = settings.filter_map(|setting| {
            let name = setting.key.strip_prefix("handlers.h.")?.to_owned();
            let other = ["class", "level", "filters", "filename"].contains(&&*name);
            (!other).then(|| format!("{name} = {}", setting.value))
        });
        rotation.collect()
    };
    let timed = [
        "maxBytes = 0",
        "backupCount = 7",
        "rotateAt = \"04:30 utc\"",
        "rotateOnStart = false",
        "backupNames = \"date\"",
    ];
    let timed_text = "class = 'TimedRotatingFileHandler'\nwhen = 'midnight'\natTime = '4:30'\nutc = true\nbackupCount = 7";
    assert_eq!(shown(timed_text), timed);
    let all = [
        "maxBytes = 10",
        "backupCount = 0",
        "rotateAt = \"every 10m\"",
        "rotateOnStart = true",
        "backupNames = \"unique\"",
        "keepAge = \"30d\"",
        "keepBytes = 1000",
    ];
    let all_text = "class = 'RotatingFileHandler'\nmaxBytes = 10\nrotateAt = 'every 10m'\nrotateOnStart = true\nbackupNames = 'unique'\nkeepAge = '30d'\nkeepBytes = 1000";
    assert_eq!(shown(all_text), all);
    let hourly = shown("class = 'TimedRotatingFileHandler'");
    assert_eq!(hourly[2], "rotateAt = \"every 1h\"");
}

#[test]
fn both_forms_say_the_same() {
    let toml = r#"
version = 1
formatters.simple = { format = "%(message)s", datefmt = "%H" }
[filters.calm]
class = "RateLimitFilter"
records = 100
interval = 60
[handlers.file]
class = "RotatingFileHandler"
filename = "app.log"
maxBytes = 1_000
backupCount = 2
filters = ["calm"]
[loggers."a.b"]
level = "ERROR"
propagate = false
[root]
level = "NOTSET"
handlers = ["file"]
[queue]
name = "jobs"
[listener]
sync = "1s"
drain_timeout = 30
"#;
    let json = r#"{"version": 1, "formatters": {"simple": {"format": "%(message)s", "datefmt": "%H"}},
        "filters": {"calm": {"class": "RateLimitFilter", "records": 100, "interval": 60}},
        "handlers": {"file": {"class": "RotatingFileHandler", "filename": "app.log",
            "maxBytes": 1000, "backupCount": 2, "filters": ["calm"]}},
        "loggers": {"a.b": {"level": "ERROR", "propagate": false}},
        "root": {"level": "NOTSET", "handlers": ["file"]}, "queue": {"name": "jobs"},
        "listener": {"sync": "1s", "drain_timeout": 30}}"#;
    let values = |text, form| -> Vec<_> {
        let config = Config::parse(text, form, "c").expect("a configuration");
        assert_eq!(*config.queue(), QueueSetting::Name("jobs".to_owned()));
        assert_eq!(config.listener().drain_timeout, Some(std::time::Duration::from_secs(30)));
        let settings = config.settings().into_iter();
        settings.map(|Setting { key, value, .. }| (key, value)).collect()
    };
    assert_eq!(values(toml, Form::Toml), values(json, Form::Json));
}

#[test]
fn each_value_says_where_it_is_from() {
    let text = "version = 1\n[handlers.null]\nclass = 'NullHandler'\n[root]\nlevel = 'INFO'\n";
    let config = Config::parse(text, Form::Toml, "c.toml").expect("a configuration");
    let shown: Vec<_> = config
        .settings()
        .into_iter()
        .map(|Setting { key, value, source }| {
            format!("{key} = {value} # {}", source.unwrap_or_else(|| "default".to_owned()))
        })
        .collect();
    let expected = [
        "handlers.null.class = \"logging.NullHandler\" # c.toml:3",
        "handlers.null.level = \"NOTSET\" # default",
        "handlers.null.filters = [] # default",
        "root.level = \"INFO\" # c.toml:5",
        "root.handlers = [] # default",
        "root.filters = [] # default",
        "listener.sync = \"none\" # default",
        "listener.drain_timeout = 5 # default",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_root_that_says_nothing_is_that_of_python() {
    let config = Config::parse("version = 1", Form::Toml, "c").expect("a configuration");
    assert_eq!(config.root.level, Level::WARNING);
}

/// What is said of a configuration `c` that is refused.
pub(super) fn refusal(text: &str, form: Form) -> String {
    match Config::parse(text, form, "c") {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn json_has_lines_too() {
    for (text, expected) in [
        ("", "c:1: EOF while parsing a value"),
        ("{\n\"version\": 1,\n}", "c:3: key must be a string"),
        ("{\"version\": 2}", "c:1: version: found 2, expected 1"),
        ("[1]", "c:1: found a list, expected a table"),
        (
            "{\"version\": 1,\n\"root\": {\"level\": 1,\n\"level\": 2}}",
            "c:3: the key \"level\" is there twice",
        ),
        (
            "{\"version\": 1,\n\"root\": {\n\"level\":\n\"LOUD\"}}",
            "c:4: root.level: found \"LOUD\", expected NOTSET, TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number from 0 to 255",
        ),
        (
            "{\"version\": 1e99}",
            "c:1: version: found 1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000, expected 1",
        ),
    ] {
        assert_eq!(refusal(text, Form::Json), expected, "{text}");
    }
}

#[test]
fn what_the_parts_refuse_is_told_with_its_place() {
    for (text, expected) in [
        ("[formatters.f]\nformat = '%(nothing)s'", "c:2: formatters.f: "),
        ("[formatters.f]\nformat = 'plain'", "c:2: formatters.f: "),
        ("[formatters.f]\nzone = 'Middle/Earth'", "c:2: formatters.f: unknown time zone"),
        (
            "[filters.f]\nclass = 'LevelRangeFilter'\nmin = 'ERROR'\nmax = 'INFO'",
            "c:5: filters.f.max: below min: no record would pass",
        ),
        ("[filters.f]\nclass = 'RegexFilter'\npattern = '('", "c:2: filters.f: `(` is no regular"),
    ] {
        let said = refusal(&format!("version = 1\n{text}"), Form::Toml);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let said = refusal(&format!("version = 1\nroot = {deep}"), Form::Toml);
    assert!(said.contains("recursion") || said.contains("nested"), "{said}");
    let said = refusal(&format!("{{\"version\": 1, \"root\": {deep}}}"), Form::Json);
    assert!(said.contains("recursion") || said.contains("nested"), "{said}");
    let deep = format!("{}1{}", "[".repeat(20), "]".repeat(20));
    for (text, form) in [
        (format!("version = 1\nroot = {deep}"), Form::Toml),
        (format!("{{\"version\": 1,\n\"root\": {deep}}}"), Form::Json),
    ] {
        assert_eq!(refusal(&text, form), "c:2: tables and lists may be nested 16 deep");
    }
    let loggers: String = (0..5000).map(|number| format!("[loggers.l{number}]\n")).collect();
    assert_eq!(
        refusal(&format!("version = 1\n{loggers}"), Form::Toml),
        "c:2: loggers: more than 4096 entries"
    );
    let long = "x".repeat(MAX_FILE_BYTES + 1);
    assert!(refusal(&long, Form::Toml).contains("more than 1048576 bytes"));
    let name = "x".repeat(2000);
    assert!(
        refusal(&format!("version = 1\n[loggers.{name}]"), Form::Toml)
            .contains("at most 1024 bytes")
    );
}

#[test]
fn a_log_that_could_not_keep_its_sizes_is_refused_by_its_key() {
    let text = "version = 1\n[handlers.a]\nclass = 'RotatingFileHandler'\nfilename = 'a.log'\nkeepBytes = 10";
    let reason = "a log that keeps 10 bytes needs files of at most half of that: set max_bytes to 5 or less, \
                  not to 0, which is no limit";
    assert_eq!(refusal(text, Form::Toml), format!("c:5: handlers.a.keepBytes: {reason}"));
}

#[test]
fn a_template_is_read_by_a_class_of_our_own_and_by_no_other() {
    let routed = |class: &str, more: &str| {
        let text = format!(
            "version = 1\n[handlers.r]\nclass = '{class}'\nfilename = 'l/{{worker}}.log'\n{more}"
        );
        Config::parse(&text, Form::Toml, "c").map_err(|error| error.to_string())
    };
    let python = routed("RotatingFileHandler", "").expect("braces are a part of the name");
    assert!(matches!(python.handlers[0].1.kind, HandlerKind::LogFile { .. }));
    let config = routed("logboom.RoutingFileHandler", "maxBytes = 9\nmaxOpenFiles = 5");
    let config = config.expect("a route");
    let shown: Vec<_> =
        config.settings().into_iter().map(|setting| (setting.key, setting.value)).collect();
    for (key, value) in [
        ("class", "\"logboom.RoutingFileHandler\""),
        ("filename", "\"l/{worker}.log\""),
        ("maxBytes", "9"),
        ("maxOpenFiles", "5"),
    ] {
        let (key, value) = (format!("handlers.r.{key}"), value.to_owned());
        assert!(shown.contains(&(key, value)), "{shown:?}");
    }
    let ini = "[loggers]\nkeys=root\n[handlers]\nkeys=r\n[formatters]\nkeys=\n[logger_root]\nhandlers=r\n\
               [handler_r]\nclass=logboom.RoutingFileHandler\nargs=('l/{worker}.log', 9)";
    let ini = Config::parse(ini, Form::Ini, "c").expect("a route");
    assert!(matches!(ini.handlers[0].1.kind, HandlerKind::Routed(_)));
    assert!(routed("RoutingFileHandler", "").is_err());
    for (more, expected) in [
        ("maxOpenFiles = 0", "c:5: handlers.r.maxOpenFiles: found 0, expected 1 to 1024 files"),
        ("mode = 'w'", "c:5: handlers.r.mode: "),
    ] {
        let said = routed("logboom.RoutingFileHandler", more).expect_err(more);
        assert!(said.starts_with(expected), "{said}");
    }
    let text =
        "version = 1\n[handlers.r]\nclass = 'logboom.RoutingFileHandler'\nfilename = 'app.log'";
    let said = refusal(text, Form::Toml);
    assert!(said.starts_with("c:4: handlers.r.filename: `app.log`: it names one file: "), "{said}");
}

#[test]
fn files_are_read_by_their_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name| directory.path().join(name);
    fs::write(path("c.json"), "{\"version\": 1}").expect("written");
    fs::write(path("c.toml"), "version = 1").expect("written");
    fs::write(path("bad.toml"), b"version = 1\n# \xff").expect("written");
    fs::write(path("large.toml"), vec![b'#'; MAX_FILE_BYTES + 1]).expect("written");
    assert!(Config::read(&path("c.json")).is_ok());
    assert!(Config::read(&path("c.toml")).is_ok());
    let said = |name| Config::read(&path(name)).expect_err("refused").to_string();
    assert!(said("bad.toml").ends_with("bad.toml:2: this is no UTF-8"));
    assert!(said("large.toml").contains("more than 1048576 bytes"));
    assert!(said("missing.toml").starts_with("cannot read "));
}

#[test]
fn the_form_of_a_text_without_a_name_is_guessed() {
    for (text, form) in [
        (" \r\n\t{\"version\": 1}", Form::Json),
        ("# of a project\n\n ; as is this\n[loggers]\nkeys=root\n", Form::Ini),
        ("# of a project\nversion = 1\n[root]\n", Form::Toml),
        ("", Form::Toml),
    ] {
        assert_eq!(Form::guess(text.as_bytes()), form, "{text:?}");
    }
}
