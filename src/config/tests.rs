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

/// Broken configurations in TOML, without the first line `version = 1`, and what is said of them.
const REFUSED: [(&str, &str); 48] = [
    (
        "root.handlers = ['h']\n[filters.f]\n[handlers.h]\nclass = 'MemoryHandler'\ncapacity = 1\ntarget = 'g'\n[handlers.g]\nclass = 'NullHandler'\nfilters = ['f']",
        "8: handlers.g.filters: what it gets has passed its MemoryHandler: give that one the filters",
    ),
    ("a = ", "2: string values must be quoted, expected literal string"),
    ("[root]\nlevel = 'INFO'\nlevel = 'INFO'", "4: duplicate key"),
    ("version = 1", "2: duplicate key"),
    (
        "handler = 1",
        "2: handler: unknown key, expected one of disable_existing_loggers, filters, formatters, handlers, incremental, levels, listener, loggers, queue, root, version",
    ),
    (
        "incremental = true",
        "2: incremental: a configuration is always taken as a whole: leave it out",
    ),
    (
        "disable_existing_loggers = 'no'",
        "2: disable_existing_loggers: found \"no\", expected true or false",
    ),
    ("root = 5", "2: root: found 5, expected a table"),
    (
        "root.level = 'LOUD'",
        "2: root.level: found \"LOUD\", expected NOTSET, TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number from 0 to 255",
    ),
    (
        "root.level = 256",
        "2: root.level: found 256, expected NOTSET, TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number from 0 to 255",
    ),
    (
        "root.level = 2026-01-01",
        "2: root.level: found a date, expected NOTSET, TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number from 0 to 255",
    ),
    ("root.handlers = 'file'", "2: root.handlers: found \"file\", expected a list of handlers"),
    ("root.handlers = ['file']", "2: root.handlers: there is no handler \"file\"; there are none"),
    ("root.handlers = [1]", "2: root.handlers[0]: found 1, expected a text"),
    (
        "[loggers.'a.b']\nfilters = ['f']\n[filters.g]",
        "2: loggers.\"a.b\".filters: there is no filter \"f\"; known are g",
    ),
    ("[loggers.a]\npropagate = 2", "3: loggers.a.propagate: found 2, expected true or false"),
    (
        "[loggers.a]\nqualname = 'a'",
        "3: loggers.a.qualname: unknown key, expected one of filters, handlers, level, propagate",
    ),
    (
        "[handlers.h]",
        "2: handlers.h.class: missing, expected logging.StreamHandler, logging.FileHandler, logging.NullHandler, logging.handlers.RotatingFileHandler, logging.handlers.TimedRotatingFileHandler, logging.handlers.WatchedFileHandler, logging.handlers.MemoryHandler, logging.handlers.SysLogHandler, logboom.LockedRotatingFileHandler or logboom.SocketHandler",
    ),
    (
        "[handlers.h]\n'()' = 'my.factory'\nclass = 'NullHandler'",
        "3: handlers.h.(): factories are not called: nothing in a configuration is executed",
    ),
    (
        "[handlers.h]\nmode = 'x'\n'()' = 'my.factory'",
        "4: handlers.h.(): factories are not called: nothing in a configuration is executed",
    ),
    (
        "[handlers.h]\nclass = 'my.Handler'",
        "3: handlers.h.class: found \"my.Handler\", expected logging.StreamHandler, logging.FileHandler, logging.NullHandler, logging.handlers.RotatingFileHandler, logging.handlers.TimedRotatingFileHandler, logging.handlers.WatchedFileHandler, logging.handlers.MemoryHandler, logging.handlers.SysLogHandler, logboom.LockedRotatingFileHandler or logboom.SocketHandler; no other code is run",
    ),
    (
        "[handlers.h]\nclass = 'logging.handlers.SMTPHandler'",
        "3: handlers.h.class: logging.handlers.SMTPHandler has no counterpart: mail is not sent: let a program that sends it read the log with `logboom tail`",
    ),
    (
        "[handlers.h]\nclass = 'TimedRotatingFileHandler'\nfilename = 'f'\nwhen = 'W7'",
        "5: handlers.h.when: found \"W7\", expected S, M, H, D, MIDNIGHT, or W0 (Monday) to W6",
    ),
    (
        "[handlers.h]\nclass = 'TimedRotatingFileHandler'\nfilename = 'f'\ninterval = 0",
        "5: handlers.h.interval: found 0, expected a number of intervals, 1 to 4294967295",
    ),
    (
        "[handlers.h]\nclass = 'TimedRotatingFileHandler'\nfilename = 'f'\nwhen = 'D'\ninterval = 40000",
        "6: handlers.h.interval: found 40000, expected a hundred years at most",
    ),
    (
        "[handlers.h]\nclass = 'TimedRotatingFileHandler'\nfilename = 'f'\natTime = '4 pm'",
        "5: handlers.h.atTime: found \"4 pm\", expected a time such as 04:30",
    ),
    (
        "[handlers.h]\nclass = 'RotatingFileHandler'\nfilename = 'f'\nbackupNames = 'dates'",
        "5: handlers.h.backupNames: found `dates`, expected `number`, `date` or `unique`",
    ),
    (
        "[handlers.h]\nclass = 'RotatingFileHandler'\nfilename = 'f'\nkeepAge = '1w'",
        "5: handlers.h.keepAge: found `1w`, expected an age such as 90s, 10m, 6h or 30d",
    ),
    (
        "[handlers.h]\nclass = 'StreamHandler'\nstream = 'ext://sys.stdin'",
        "4: handlers.h.stream: found \"ext://sys.stdin\", expected ext://sys.stdout or ext://sys.stderr",
    ),
    (
        "[handlers.h]\nclass = 'StreamHandler'\nstream = 'cfg://handlers.g.stream'",
        "4: handlers.h.stream: found \"cfg://handlers.g.stream\", expected ext://sys.stdout or ext://sys.stderr; references are not followed",
    ),
    ("[handlers.h]\nclass = 'FileHandler'", "2: handlers.h.filename: missing, expected a path"),
    (
        "[handlers.h]\nclass = 'FileHandler'\nfilename = 'f'\nencoding = 'latin-1'",
        "5: handlers.h.encoding: found \"latin-1\", expected utf-8, in which all logs are written",
    ),
    (
        "[handlers.h]\nclass = 'FileHandler'\nfilename = 'f'\nmode = 'x'",
        "5: handlers.h.mode: found \"x\", expected `a` or `w`",
    ),
    (
        "[handlers.h]\nclass = 'FileHandler'\nfilename = 'f'\nmaxBytes = 1",
        "5: handlers.h.maxBytes: unknown key, expected one of class, delay, encoding, errors, filename, filters, formatter, level, mode",
    ),
    (
        "[handlers.h]\nclass = 'RotatingFileHandler'\nfilename = 'f'\nmaxBytes = 'ten'",
        "5: handlers.h.maxBytes: found \"ten\", expected a number of bytes",
    ),
    (
        "[handlers.h]\nclass = 'RotatingFileHandler'\nfilename = 'f'\nbackupCount = -1",
        "5: handlers.h.backupCount: found -1, expected a number of files, 0 to 4294967295",
    ),
    (
        "[handlers.g]\nclass = 'FileHandler'\nfilename = 'f'\n[handlers.h]\nclass = 'FileHandler'\nfilename = './f'",
        "5: handlers.h.filename: ./f is the file of handler `g` already",
    ),
    (
        "[handlers.h]\nclass = 'NullHandler'\nformatter = 'f'",
        "2: handlers.h.formatter: there is no formatter \"f\"; known are text, json, logfmt",
    ),
    (
        "[handlers.h]\nclass = 'MemoryHandler'\ncapacity = 0\ntarget = 'h'",
        "4: handlers.h.capacity: found 0, expected a number of records, 1 to 4294967295",
    ),
    (
        "[handlers.h]\nclass = 'MemoryHandler'\ncapacity = 1\ntarget = 'g'",
        "2: handlers.h.target: there is no handler \"g\"; known are h",
    ),
    (
        "root.handlers = ['h', 'g']\n[handlers.h]\nclass = 'MemoryHandler'\ncapacity = 1\ntarget = 'g'\n[handlers.g]\nclass = 'NullHandler'",
        "3: handlers.h.target: handler `g` has other records as well: give this one a target of its own",
    ),
    (
        "[handlers.h]\nclass = 'SysLogHandler'\naddress = ['localhost', 99999]",
        "4: handlers.h.address: found the port 99999, expected 0 to 65535",
    ),
    (
        "[handlers.h]\nclass = 'SysLogHandler'\nfacility = 'local9'",
        "4: handlers.h.facility: found \"local9\", expected a facility: a name such as user or local0, or a number from 0 to 23",
    ),
    ("[formatters.f]\nstyle = '!'", "3: formatters.f.style: found \"!\", expected `%`, `{` or `$`"),
    (
        "[formatters.f]\nclass = 'json.Formatter'",
        "3: formatters.f.class: found \"json.Formatter\", expected logging.Formatter, JsonFormatter or LogfmtFormatter",
    ),
    (
        "[filters.f]\nclass = 'RegexFilter'",
        "2: filters.f.pattern: missing, expected a regular expression",
    ),
    (
        "[queue]\nname = 'a'\ndirectory = 'b'",
        "4: queue.directory: a queue has a name or a directory, not both",
    ),
    (
        "[listener]\nsync = 'sometimes'",
        "3: listener.sync: found \"sometimes\", expected none, an interval such as 1s, a level, or every-batch",
    ),
];

fn refusal(text: &str, form: Form) -> String {
    match Config::parse(text, form, "c") {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, expected) in REFUSED {
        let said = refusal(&format!("version = 1\n{text}"), Form::Toml);
        assert_eq!(said, format!("c:{expected}"), "{text}");
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

/// The example of "Configuration file format" in the cookbook's manner.
const INI: &str = "\
[loggers]
keys=root,simpleExample

[handlers]
keys=console,file,rest

[formatters]
keys=simple

# comments stand alone
[logger_root]
level=DEBUG
handlers=console

[logger_simpleExample]
level: INFO
handlers=file,
    rest
qualname=simple.example
propagate=0

[handler_console]
class=StreamHandler
level=DEBUG
formatter=simple
args=(sys.stdout,)

[handler_file]
class=FileHandler
formatter=
args=('python.log', 'a')

[handler_rest]
class=handlers.RotatingFileHandler
args=('logs/it\\'s.log', 'a', 300,)
kwargs={'backupCount': 2, \"delay\": True}

[formatter_simple]
format=%(asctime)s - %(name)s - %(levelname)s - %(message)s
datefmt=
";

#[test]
fn the_form_of_file_config_is_read() {
    let config = Config::parse(INI, Form::Ini, "c.ini").expect("a configuration");
    let settings = config.settings();
    let shown = |key: &str| {
        let setting = settings.iter().find(|setting| setting.key == key).expect(key);
        format!("{} {}", setting.value, setting.source.as_deref().unwrap_or("default"))
    };
    for (key, expected) in [
        ("handlers.console.stream", "\"ext://sys.stdout\" c.ini:26"),
        ("handlers.file.filename", "\"python.log\" c.ini:31"),
        ("handlers.rest.filename", "\"logs/it's.log\" c.ini:35"),
        ("handlers.rest.maxBytes", "300 c.ini:35"),
        ("handlers.rest.backupCount", "2 c.ini:36"),
        ("root.handlers", "[\"console\"] c.ini:13"),
        ("loggers.\"simple.example\".handlers", "[\"file\", \"rest\"] c.ini:17"),
        ("loggers.\"simple.example\".propagate", "false c.ini:20"),
    ] {
        assert_eq!(shown(key), expected, "{key}");
    }
}

#[test]
fn names_of_an_ini_file_are_those_of_its_lists() {
    let text = "[loggers]\nkeys=root,logger_a\n[handlers]\nkeys=handler_b\n[formatters]\nkeys=formatter_c\n\
                [logger_root]\nqualname=(root)\nhandlers=handler_b\n[logger_logger_a]\nhandlers=\n\
                [handler_handler_b]\nclass=NullHandler\nargs=(\n  )\nkwargs=\n  {}\nformatter=formatter_c\n\
                [formatter_formatter_c]\nformat=%(message)s\n  [and more]\n";
    let config = Config::parse(text, Form::Ini, "c").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.root.handlers, ["handler_b"]);
    assert_eq!((&*config.loggers[0].0, &*config.formatters[0].0), ("logger_a", "formatter_c"));
    let settings = config.settings();
    let format = settings.iter().find(|setting| setting.key == "formatters.formatter_c");
    assert_eq!(format.expect("a formatter").value, "\"%(message)s\\n[and more]\"");
}

#[test]
fn nothing_in_an_ini_file_is_executed() {
    for (from, to, expected) in [
        (
            "(sys.stdout,)",
            "(open('x'),)",
            "c:26: `open('x'),)` is no literal, and code is not executed",
        ),
        ("300,)", "300*2,)", "c:35: `300*2,)` is no literal, and code is not executed"),
        ("'a')", "'a'", "c:31: `` is no literal, and code is not executed"),
        ("'python.log', 'a'", "1, 2, 3, 4, 5, 6", "c:31: args: FileHandler takes at most 5"),
        ("'python.log'", "5", "c:31: handlers.file.filename: found 5, expected a path"),
        (
            "class=FileHandler",
            "class=my.Handler",
            "c:29: handlers.file.class: found \"my.Handler\", expected ",
        ),
        ("keys=simple\n", "keys=simple,other\n", "c:7: there is no section [formatter_other]"),
        ("keys=root,", "key=root,", "c:1: [loggers] has no keys, expected a list of names"),
        ("[handler_file]", "[handler_console]", "c:28: [handler_console] is there twice"),
        ("level=DEBUG\nh", "level=DEBUG\nlevel=INFO\nh", "c:13: the key \"level\" is there twice"),
        ("[loggers]\n", "", "c:1: expected a section such as [loggers]"),
        (
            "[formatters]",
            "[DEFAULT]",
            "c:7: [DEFAULT] is not read: write its keys where they count",
        ),
        ("level: INFO", "level", "c:16: expected a key, `=` and a value"),
    ] {
        assert!(INI.contains(from), "{from}");
        let said = refusal(&INI.replace(from, to), Form::Ini);
        assert!(said.starts_with(expected), "{said}");
    }
    let deep = format!("args={}{}", "(".repeat(100_000), ")".repeat(100_000));
    let said = refusal(&INI.replace("args=(sys.stdout,)", &deep), Form::Ini);
    assert_eq!(said, "c:26: tables and lists may be nested 16 deep");
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
