//! The `levels` of a configuration: names of one's own, as Python's `addLevelName` gives them.

use super::error::Problem;
use super::item::Item;
use crate::{Level, LevelNames};

/// Longest name of a level, in bytes.
const MAX_NAME_BYTES: usize = 64;

pub(super) fn read(entries: Vec<(String, Item)>) -> Result<LevelNames, Problem> {
    let mut names = LevelNames::new();
    for (name, item) in entries {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
            return Err(item.refused(format_args!(
                "the name of a level has 1 to {MAX_NAME_BYTES} bytes and no control characters"
            )));
        }
        if name.parse::<u8>().is_ok() {
            return Err(item.refused("the name of a level is no number"));
        }
        let level = item.number(0..=u8::MAX.into(), "the number of a level")?;
        let level = Level::new(u8::try_from(level).unwrap_or(u8::MAX));
        if let Some((_, other)) = names.iter().find(|(known, _)| *known == level) {
            return Err(item.refused(format_args!("{} is called {other} already", level.number())));
        }
        if let Some((_, other)) = names.iter().find(|(_, known)| known.eq_ignore_ascii_case(&name))
        {
            return Err(
                item.refused(format_args!("{other} is the same name: case makes no difference"))
            );
        }
        names = names.with(level, name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Form, HandlerKind};
    use crate::{Level, Record, SyncPolicy};

    fn read(text: &str) -> Result<Config, String> {
        let text = format!("version = 1\n{text}");
        Config::parse(&text, Form::Toml, "c").map_err(|error| error.to_string())
    }

    #[test]
    fn own_names_stand_wherever_a_level_does() {
        let text = "levels = { NOTICE = 25, Verbose = 15 }
            root = { level = 'notice', handlers = ['file', 'memory'] }
            loggers.a.level = 'VERBOSE'
            loggers.b.level = 'INFO'
            filters.f = { class = 'LevelRangeFilter', min = 'NOTICE', max = 'WARN' }
            [handlers]
            file = { class = 'FileHandler', filename = 'f', level = 'NOTICE', formatter = 'text' }
            memory = { class = 'MemoryHandler', capacity = 1, flushLevel = 'NOTICE', target = 'n' }
            n = { class = 'NullHandler' }
            [listener]
            sync = 'Notice'";
        let config = read(text).expect("a configuration");
        let levels: Vec<_> = config.loggers.iter().map(|(_, logger)| logger.level).collect();
        assert_eq!(
            (config.root.level, &*levels),
            (Level::new(25), &[Level::new(15), Level::INFO][..])
        );
        assert_eq!(config.handlers[0].1.level, Level::new(25));
        assert_eq!(config.listener().sync, Some(SyncPolicy::AtLevel(Level::new(25))));
        let settings = config.settings().into_iter();
        let shown: Vec<_> =
            settings.map(|setting| format!("{}={}", setting.key, setting.value)).collect();
        for expected in [
            "levels.NOTICE=25",
            "levels.Verbose=15",
            "loggers.a.level=\"Verbose\"",
            "handlers.memory.flushLevel=\"NOTICE\"",
        ] {
            assert!(shown.iter().any(|line| line == expected), "{expected}: {shown:?}");
        }
    }

    #[test]
    fn a_level_is_shown_by_a_name_that_means_it() {
        let text = "levels.INFO = 7\nloggers = { a.level = 20, b.level = 7, c.level = 21 }";
        let config = read(text).expect("a configuration");
        let settings = config.settings();
        let shown = settings.iter().filter(|setting| setting.key.ends_with(".level"));
        let shown: Vec<_> = shown.map(|setting| &*setting.value).collect();
        assert_eq!(shown, ["\"WARNING\"", "20", "\"INFO\"", "21"]);
    }

    #[test]
    fn formatters_print_own_names() {
        let text = "levels.NOTICE = 25\nformatters.own.format = '%(levelname)s %(message)s'
            [handlers]
            own = { class = 'FileHandler', filename = 'f', formatter = 'own' }
            json = { class = 'FileHandler', filename = 'g', formatter = 'json' }
            logfmt = { class = 'FileHandler', filename = 'h', formatter = 'logfmt' }";
        let config = read(text).expect("a configuration");
        let record = Record::new(0, Level::new(25), "a", "fine");
        for (_, handler) in &config.handlers {
            let mut line = Vec::new();
            config.formatter_of(handler).expect("a formatter").format(&record, &mut line);
            let line = String::from_utf8(line).expect("UTF-8");
            assert!(line.contains("NOTICE") && !line.contains("Level 25"), "{line}");
        }
    }

    #[test]
    fn routes_call_their_files_by_own_names() {
        let text = "levels.NOTICE = 25
            [handlers.route]
            class = 'logboom.RoutingFileHandler'
            filename = 'l/{level}.log'";
        let config = read(text).expect("a configuration");
        let handler = &config.handlers[0].1;
        let HandlerKind::Routed(route) = &handler.kind else { panic!("{handler:?}") };
        let mut route = config.open_route(route, handler).expect("a route");
        assert_eq!(route.find(&Record::new(0, Level::new(25), "a", "fine")), None);
        assert_eq!(route.found_name(), "NOTICE.log");
    }

    #[test]
    fn what_is_no_name_or_no_level_is_refused() {
        let long = format!("levels.{} = 1", "x".repeat(65));
        let name = "the name of a level has 1 to 64 bytes and no control characters";
        for (text, expected) in [
            ("levels = 5", "c:2: levels: found 5, expected a table".to_owned()),
            ("levels.LOUD = 'INFO'", "c:2: levels.LOUD: found \"INFO\", expected the number of a level, 0 to 255".to_owned()),
            ("levels.LOUD = 256", "c:2: levels.LOUD: found 256, expected the number of a level, 0 to 255".to_owned()),
            ("levels.12 = 13", "c:2: levels.12: the name of a level is no number".to_owned()),
            ("levels = { A = 25, B = 25 }", "c:2: levels.B: 25 is called A already".to_owned()),
            (
                "levels = { Notice = 25, NOTICE = 26 }",
                "c:2: levels.Notice: NOTICE is the same name: case makes no difference".to_owned(),
            ),
            ("levels.\"\" = 1", format!("c:2: levels.\"\": {name}")),
            (&long, format!("c:2: {long}").replace(" = 1", &format!(": {name}"))),
            ("levels.A = 1\nroot.level = 'B'", "c:3: root.level: found \"B\", expected A, NOTSET, TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number from 0 to 255".to_owned()),
        ] {
            assert_eq!(read(text).expect_err(text), expected);
        }
    }
}
