//! A program that logs alone, by a configuration: everything to one file, errors to another, and
//! one noisy logger apart.
//!
//! `cargo run --example log_alone --features config`

use std::error::Error;
use std::fs;

use logboom::config::{Config, Form};

const CONFIG: &str = r#"
version = 1
[formatters.short]
format = "%(name)s %(levelname)s %(message)s"
[handlers.all]
class = "logging.FileHandler"
filename = "DIRECTORY/all.log"
formatter = "short"
[handlers.errors]
class = "logging.FileHandler"
filename = "DIRECTORY/errors.log"
formatter = "short"
level = "ERROR"
[handlers.noise]
class = "logging.FileHandler"
filename = "DIRECTORY/noise.log"
formatter = "short"
[loggers."shop.cache"]
level = "DEBUG"
propagate = false
handlers = ["noise"]
[root]
level = "INFO"
handlers = ["all", "errors"]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let text = CONFIG.replace("DIRECTORY", &directory.path().display().to_string());
    // A file would be read by `Config::read`.
    let config = Config::parse(&text, Form::Toml, "the text of this example")?;
    let guard = logboom::builder().config(&config)?.pinned_filter("debug").init()?;

    log::info!(target: "shop", "open");
    log::debug!(target: "shop", "nobody wants to know");
    log::debug!(target: "shop::cache", "miss");
    log::error!(target: "shop::till", "no paper");
    drop(guard);

    let lines = |name: &str| fs::read_to_string(directory.path().join(name));
    assert_eq!(lines("all.log")?, "shop INFO open\nshop::till ERROR no paper\n");
    assert_eq!(lines("errors.log")?, "shop::till ERROR no paper\n");
    assert_eq!(lines("noise.log")?, "shop::cache DEBUG miss\n");
    print!("{}", lines("all.log")?);
    Ok(())
}
