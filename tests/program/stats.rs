//! `logboom stats` on a log whose every record is known.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::Place;

fn place_with_log() -> Place {
    let place = Place::new();
    let record = |number: u64| {
        let (level, worker) = (["INFO", "WARNING", "ERROR"][number as usize % 3], number % 2);
        format!(
            "2026-11-22 04:{number:02}:00,000 api-{worker}      web {level:8} served {number}\n"
        )
    };
    fs::write(place.path("app.log.1"), (0..20).map(record).collect::<String>()).unwrap();
    fs::write(place.path("app.log"), (20..30).map(record).collect::<String>()).unwrap();
    place
}

#[test]
fn records_are_counted_and_plotted() {
    let place = place_with_log();
    let output = place.logboom(&["stats", "app.log"]).env("TZ", "UTC").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for expected in [
        "records   30\n",
        "time      2026-11-22 04:00:00,000 to 2026-11-22 04:29:00,000\n",
        "levels    10 ERROR, 10 WARNING, 10 INFO\n",
        "        15  50.0 %  api-0\n",
        "        30 100.0 %  web\n",
        "        30 100.0 %  served #\n",
        "records in each 60 s",
        "2026-11-22 04:02:00         1 !!!!!",
        "2026-11-22 04:29:00         1 !!!!!",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
}

#[test]
fn numbers_are_given_as_json_and_only_of_what_is_asked() {
    let place = place_with_log();
    let args = ["stats", "--json", "-l", "error", "-w", "api-0", "app.log"];
    let output = place.run(&args);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["records"], 5);
    assert_eq!(json["levels"], serde_json::json!([{"name": "ERROR", "count": 5}]));
    assert_eq!(json["workers"][0]["name"], "api-0");
    let missing = place.run(&["stats", "none.log"]);
    assert_eq!(missing.status.code(), Some(74));
}
