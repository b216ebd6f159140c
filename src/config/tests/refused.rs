use super::refusal;
use crate::config::Form;

/// Broken configurations in TOML, without the first line `version = 1`, and what is said of them.
const REFUSED: [(&str, &str); 49] = [
    (
        "root.handlers = ['h']\n[filters.f]\n[handlers.h]\nclass = 'MemoryHandler'\ncapacity = 1\ntarget = 'g'\n[handlers.g]\nclass = 'NullHandler'\nfilters = ['f']",
        "8: handlers.g.filters: what it gets has passed its MemoryHandler: give that one the filters",
    ),
    ("a = ", "2: string values must be quoted, expected literal string"),
    ("[root]\nlevel = 'INFO'\nlevel = 'INFO'", "4: duplicate key"),
    ("version = 1", "2: duplicate key"),
    (
        "handler = 1",
        "2: handler: unknown key, expected one of disable_existing_loggers, filters, formatters, handlers, incremental, levels, listener, loggers, queue, root, version, workers",
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
        "2: handlers.h.class: missing, expected logging.StreamHandler, logging.FileHandler, logging.NullHandler, logging.handlers.RotatingFileHandler, logging.handlers.TimedRotatingFileHandler, logging.handlers.WatchedFileHandler, logging.handlers.MemoryHandler, logging.handlers.SysLogHandler, logboom.RoutingFileHandler, logboom.LockedRotatingFileHandler or logboom.SocketHandler",
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
        "3: handlers.h.class: found \"my.Handler\", expected logging.StreamHandler, logging.FileHandler, logging.NullHandler, logging.handlers.RotatingFileHandler, logging.handlers.TimedRotatingFileHandler, logging.handlers.WatchedFileHandler, logging.handlers.MemoryHandler, logging.handlers.SysLogHandler, logboom.RoutingFileHandler, logboom.LockedRotatingFileHandler or logboom.SocketHandler; no other code is run",
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
        "[filters.f]\nclass = 'WorkerFilter'\nworkers = []",
        "4: filters.f.workers: found a list, expected one worker at least: without, no record passes",
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

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, expected) in REFUSED {
        let said = refusal(&format!("version = 1\n{text}"), Form::Toml);
        assert_eq!(said, format!("c:{expected}"), "{text}");
    }
}
