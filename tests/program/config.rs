//! Configurations: what is told of them, and what a listener makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use support::Place;

const CONFIG: &str = r#"version = 1
[handlers.file]
class = "logging.handlers.RotatingFileHandler"
filename = "configured.log"
maxBytes = 1000000
[root]
level = "DEBUG"
handlers = ["file"]
[queue]
name = "configured"
"#;

#[test]
fn a_configuration_is_checked_before_it_is_used() {
    let place = Place::new();
    fs::write(place.path("good.toml"), CONFIG).unwrap();
    fs::write(place.path("bad.toml"), CONFIG.replace("\"DEBUG\"", "\"LOUD\"")).unwrap();
    let good = place.run(&["config", "check", "good.toml"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let bad = place.run(&["config", "check", "bad.toml"]);
    assert_eq!(bad.status.code(), Some(78), "{bad:?}");
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(
        said.starts_with("logboom: bad.toml:7: root.level: found \"LOUD\", expected "),
        "{said}"
    );
    let missing = place.run(&["config", "check", "missing.toml"]);
    assert_eq!(missing.status.code(), Some(78), "{missing:?}");
    assert!(!place.path("configured.log").exists());
}

#[test]
fn each_value_is_shown_with_its_source() {
    let place = Place::new();
    fs::write(place.path("logboom.toml"), CONFIG).unwrap();
    let shown = |environment: bool, args: &[&str]| {
        let mut command = place.logboom(&[&["config", "show"], args].concat());
        if !environment {
            command.env_remove("LOGBOOM_QUEUE");
        }
        let shown = command.output().unwrap();
        assert_eq!(shown.status.code(), Some(0), "{shown:?}");
        String::from_utf8(shown.stdout).unwrap()
    };
    let by_file = shown(false, &[]);
    for line in [
        "handlers.file.maxBytes = 1000000  # logboom.toml:5",
        "handlers.file.backupCount = 0  # default",
        "root.level = \"DEBUG\"  # logboom.toml:7",
    ] {
        assert!(by_file.lines().any(|shown| shown == line), "{by_file}");
    }
    let queue = |text: &str| text.lines().next().unwrap().to_owned();
    assert!(queue(&by_file).ends_with("/configured\"  # logboom.toml"), "{by_file}");
    assert!(queue(&shown(true, &[])).ends_with("/q\"  # environment"));
    assert!(queue(&shown(true, &["--queue", "flagged"])).ends_with("/flagged\"  # flag"));
}
