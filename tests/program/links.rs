//! Symbolic links planted where a listener and its workers expect files of their own.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use support::Place;

#[test]
fn links_are_not_followed() {
    let cases = [
        ("app.log", Refuses::Listener),
        (".app.log.lock", Refuses::Listener),
        ("q", Refuses::Listener),
        ("q/lock", Refuses::Listener),
        ("q/journal", Refuses::Listener),
        ("q/bell", Refuses::Listener),
        ("q/lanes", Refuses::Worker),
        ("q/control.sock", Refuses::Nobody),
        ("q/lanes/0000000000000007.lane", Refuses::Nobody),
    ];
    for (name, refuses) in cases {
        for target in [Target::File, Target::Folder, Target::Nothing] {
            link_is_not_followed(name, refuses, target);
        }
    }
}

/// Who does not start where there is a link.
#[derive(Clone, Copy)]
enum Refuses {
    Listener,
    Worker,
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    File,
    Folder,
    Nothing,
}

fn link_is_not_followed(name: &str, refuses: Refuses, target: Target) {
    let place = Place::new();
    let (link, precious) = (place.path(name), place.path("precious"));
    let private = |path: &Path| {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
    };
    match target {
        Target::File => fs::write(&precious, "precious\n").unwrap(),
        Target::Folder => private(&precious),
        Target::Nothing => {}
    }
    private(link.parent().unwrap());
    symlink(&precious, &link).unwrap();
    let said = format!("{name} -> {target:?}");
    if let Refuses::Listener = refuses {
        let output = place.run(&["listen", "--log", "app.log"]);
        let code = output.status.code();
        assert!([Some(73), Some(74), Some(78)].contains(&code), "{said}: {output:?}");
    } else {
        let listener = place.listen(&["--format", "%(processName)s %(message)s"]);
        let logged = place.run(&["log", "unaffected"]);
        let expected = u64::from(!matches!(refuses, Refuses::Worker));
        assert_eq!(u64::from(logged.status.success()), expected, "{said}: {logged:?}");
        assert_eq!(listener.stop().drained, expected, "{said}");
    }
    match target {
        Target::File => assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n", "{said}"),
        Target::Folder => assert_eq!(fs::read_dir(&precious).unwrap().count(), 0, "{said}"),
        Target::Nothing => assert!(!precious.exists(), "{said}"),
    }
}
