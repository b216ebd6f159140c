//! Several log files of one listener, by a configuration or by routes.

use logboom::control;
use nix::sys::signal::Signal;

use super::*;

/// A log and a route, which have these settings.
fn config(settings: &str) -> String {
    let handler = |name: &str, class: &str, file: &str| {
        format!(
            "[handlers.{name}]\nclass = '{class}'\nfilename = '{file}'\nmaxBytes = 4000\n\
             backupCount = 100\nformatter = 'f'\n{settings}\n"
        )
    };
    format!(
        "version = 1\nformatters.f.format = '{}'\n{}{}\
         [root]\nlevel = 'INFO'\nhandlers = ['all', 'own']\n[listener]\ndrain_timeout = 1\n",
        FORM[1],
        handler("all", "RotatingFileHandler", "app.log"),
        handler("own", "logboom.RoutingFileHandler", "by/{worker}.log"),
    )
}

fn push(place: &Place, config: &str) {
    control::push_config(&place.queue(), "next.toml", config.as_bytes(), PATIENCE).unwrap();
}

/// Held back is a batch, and a configuration comes between two: it would wait for ever.
#[test]
fn a_reload_sets_limits_and_lets_go_on_what_was_held_back() {
    for (what, limit, next) in [
        ("min_free", "minFree = 9000000000000000000", "minFree = 1"),
        ("min_free", "minFree = 9000000000000000000", ""),
        ("min_free", "minFree = 9000000000000000000", "minFree = 1\natDiskLimit = 'delete-oldest'"),
        (
            "keep_bytes",
            "keepBytes = 30000\natDiskLimit = 'hold-back'",
            "keepBytes = 90000\natDiskLimit = 'hold-back'",
        ),
    ] {
        let place = Place::new();
        fs::write(place.path("logboom.toml"), config("minFree = 1")).unwrap();
        let listener = place.serve(place.logboom(&["listen"]));
        let mut worker = start_worker(&place);
        burst(&mut worker, 100);
        wait_until("the records", || place.status().records >= 100);
        push(&place, &config(limit));
        burst(&mut worker, 300);
        wait_for_trouble(&place, what);
        push(&place, &config(next));
        worker.tell("end");
        worker.finish();
        assert!(place.status().trouble.is_none());
        assert!(listener.stop().is_complete());
        for log in ["app.log", "by/w.log"] {
            let (numbers, others) = read(&place, log);
            assert!(numbers.iter().copied().eq(0..400), "{log}, {next}: {numbers:?}");
            assert_eq!(others.matches("held back, because").count(), usize::from(log == "app.log"));
        }
    }
}

#[test]
fn all_files_of_a_listener_leave_room_for_others_together() {
    const RECORDS: u64 = 1000;
    let place = Place::new();
    let Some(_disk) = mount(&place) else { return };
    let args = ["listen", "--log", "disk/app.log", "--max-bytes", "20KiB", "--min-free", FLOOR];
    let routes = ["--route", "disk/{worker}/own.log", "--route", "disk/{level}.log"];
    let listener = place.serve(place.logboom(&[&args[..], &routes, &FORM].concat()));
    let mut worker = start_worker(&place);
    let filler = leave(&place, FLOOR_BYTES + 100 * KIB);
    burst(&mut worker, RECORDS as u32);
    wait_for_trouble(&place, "min_free");
    // What is in hand may be in one file, and held back in another.
    let counts = ["app.log", "w/own.log", "INFO.log"].map(|log| {
        let (numbers, _) = read(&place, &format!("disk/{log}"));
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{log}: {numbers:?}");
        numbers.len()
    });
    assert!(counts.iter().all(|count| (100..900).contains(count)), "{counts:?}");
    // A batch of all files comes on top: 64 KiB in each at most.
    let free = free_bytes(&place);
    assert!(free + 3 * 64 * KIB >= FLOOR_BYTES, "{free}");
    fs::remove_file(filler).unwrap();
    worker.tell("end");
    worker.finish();
    wait_until("the end of the trouble", || place.status().trouble.is_none());
    assert!(listener.stop().is_complete());
    for log in ["app.log", "w/own.log", "INFO.log"] {
        let (numbers, _) = read(&place, &format!("disk/{log}"));
        assert!(numbers.iter().copied().eq(0..RECORDS), "{log}: {numbers:?}");
    }
}

/// One log lacks room and has no backups, the other has some and room enough for itself.
#[test]
fn a_log_without_backups_is_given_the_room_of_those_of_others() {
    let place = Place::new();
    let Some(_disk) = mount(&place) else { return };
    let handler = |name: &str, more: &str| {
        format!(
            "[handlers.{name}]\nclass = 'RotatingFileHandler'\nfilename = 'disk/{name}.log'\n\
             formatter = '{name}'\nminFree = {FLOOR_BYTES}\natDiskLimit = 'delete-oldest'\n{more}\n"
        )
    };
    let config = format!(
        "version = 1\nformatters.short.format = '{form}'\nformatters.long.format = '{form} {long}'\n{}{}\
         [root]\nlevel = 'INFO'\nhandlers = ['short', 'long']\n",
        handler("short", "maxBytes = 20000\nbackupCount = 100"),
        handler("long", ""),
        form = FORM[1],
        long = "x".repeat(300),
    );
    fs::write(place.path("logboom.toml"), config).unwrap();
    let listener = place.serve(place.logboom(&["listen"]));
    let mut worker = start_worker(&place);
    for written in [100, 200, 300, 400] {
        burst(&mut worker, 100);
        wait_until("the records", || place.status().records >= written);
    }
    let _filler = leave(&place, FLOOR_BYTES + 8 * KIB);
    // In one batch.
    listener.process.signal(Signal::SIGSTOP);
    burst(&mut worker, 40);
    listener.process.signal(Signal::SIGCONT);
    wait_until("the records", || place.status().records >= 440);
    worker.tell("end");
    worker.finish();
    assert!(listener.stop().is_complete());
    let (numbers, others) = read(&place, "disk/long.log");
    assert!(numbers.iter().copied().eq(0..440), "{numbers:?}");
    assert!(others.contains("oldest backups of ") && others.contains("short.log"), "{others}");
    assert!(free_bytes(&place) + 16 * KIB >= FLOOR_BYTES);
}
