//! The sample of a configuration can be used, with and without its settings, and lacks none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use logboom::config::{Config, Form};
use support::Place;

fn sample() -> String {
    String::from_utf8(Place::new().run(&["config", "sample"]).stdout).unwrap()
}

/// The sample with all its settings.
fn uncommented() -> String {
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
        _ => format!("{line}\n"),
    };
    sample().lines().map(uncommented).collect()
}

#[test]
fn the_sample_can_be_used_as_it_is_and_with_all_its_settings() {
    let place = Place::new();
    for (name, text) in [("sample.toml", sample()), ("all.toml", uncommented())] {
        fs::write(place.path(name), text).unwrap();
        let checked = place.run(&["config", "check", name]);
        assert_eq!(checked.status.code(), Some(0), "{name}: {checked:?}");
    }
}

#[test]
fn as_it_is_the_sample_changes_nothing() {
    let values = |text: &str| {
        let config = Config::parse(text, Form::Toml, "c").unwrap();
        let settings = config.settings().into_iter().map(|setting| (setting.key, setting.value));
        settings.collect::<Vec<_>>()
    };
    assert_eq!(values(&sample()), values("version = 1"));
}

#[test]
fn what_the_sample_calls_a_default_is_one() {
    let all = uncommented();
    let config = Config::parse(&all, Form::Toml, "c").unwrap();
    let shown = |config: &Config| -> Vec<_> {
        let settings = config.settings().into_iter();
        settings.map(|setting| (setting.key, setting.value)).collect()
    };
    let shown_with_all = shown(&config);
    for (number, line) in all.lines().enumerate() {
        let is_setting = line.contains(" = ") && !line.starts_with('#');
        if !is_setting || line.contains("# none") || line.starts_with("class = ") {
            continue;
        }
        let others = all.lines().enumerate().filter(|(other, _)| *other != number);
        let others: String = others.map(|(_, line)| format!("{line}\n")).collect();
        let Ok(without) = Config::parse(&others, Form::Toml, "c") else { continue };
        // Some values are shown only where they are given.
        let other = shown(&without).into_iter().find(|setting| !shown_with_all.contains(setting));
        assert_eq!(other, None, "{line}");
    }
}

/// The lines between the header of a table and the next one; those before the first for none.
fn section<'s>(all: &'s str, header: &str) -> &'s str {
    let (_, behind) = all.split_once(header).unwrap();
    behind.split("\n[").next().unwrap()
}

#[test]
fn every_key_that_is_known_stands_in_the_sample() {
    let all = uncommented();
    let of_files = section(&all, "[handlers.file]\n");
    let headers = all.lines().filter(|line| line.starts_with('[')).map(|line| format!("{line}\n"));
    let mut sections_with_keys = 0;
    for header in headers.chain(["version = 1\n".to_owned()]) {
        let with_unknown = all.replacen(&header, &format!("{header}unknown = 1\n"), 1);
        // Of a table with names of one's own, as [levels], each is known.
        let Err(error) = Config::parse(&with_unknown, Form::Toml, "c") else { continue };
        let error = error.to_string();
        let Some((_, known)) = error.split_once("unknown key, expected one of ") else { continue };
        sections_with_keys += 1;
        let own = section(&all, &header);
        for key in known.split(", ").filter(|key| *key != "version") {
            let is_set = |section: &str| section.contains(&format!("{key} = "));
            let names = |header: &str| header.split(['[', ']', '.', '"']).any(|name| name == key);
            let is_table = all.lines().any(|line| line.starts_with('[') && names(line));
            let own = format!("\n{own}");
            let is_there =
                is_set(&own) || is_table || header.starts_with("[handlers") && is_set(of_files);
            assert!(is_there, "{header}{key} is missing");
        }
    }
    assert!(sections_with_keys > 25, "{sections_with_keys}");
}
