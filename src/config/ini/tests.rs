use crate::config::tests::refusal;
use crate::config::{Config, Form};

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
