//! A main module and an auxiliary one, each with loggers of its own name, and one log: "Using logging
//! in multiple modules" of Python's logging cookbook.
//!
//! `cargo run --example multiple_modules --features listener`

use std::error::Error;
use std::fs;

use logboom::formatter::PatternFormatter;
use logboom::handler::RotatingFileHandler;
use logboom::{QueueDir, QueueListener};

mod auxiliary_module {
    use logboom::Logger;

    pub(crate) struct Auxiliary {
        logger: Logger,
    }

    impl Auxiliary {
        pub(crate) fn new() -> Auxiliary {
            let logger = logboom::logger("spam_application.auxiliary.Auxiliary");
            log::info!(logger: logger, "creating an instance of Auxiliary");
            Auxiliary { logger }
        }

        pub(crate) fn do_something(&self) {
            log::info!(logger: self.logger, "doing something");
            log::info!(logger: self.logger, "done doing something");
        }
    }

    pub(crate) fn some_function() {
        let logger = logboom::logger("spam_application.auxiliary");
        log::info!(logger: logger, "received a call to \"some_function\"");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("spam.log");
    let queue = QueueDir::at(directory.path().join("queue"))?;
    let formatter = PatternFormatter::new("%(asctime)s - %(name)s - %(levelname)s - %(message)s")?;
    let file = RotatingFileHandler::builder(&path).open(formatter)?;
    let listener = QueueListener::builder(queue.clone()).file(file).bind()?.spawn()?;
    let guard = logboom::builder().queue(queue).default_filter("spam_application=debug").init()?;

    let logger = logboom::logger("spam_application");
    log::info!(logger: logger, "creating an instance of auxiliary_module::Auxiliary");
    let auxiliary = auxiliary_module::Auxiliary::new();
    log::info!(logger: logger, "created an instance of auxiliary_module::Auxiliary");
    auxiliary.do_something();
    log::info!(logger: logger, "calling auxiliary_module::some_function");
    auxiliary_module::some_function();
    logger.debug(format_args!("done with {}", "auxiliary_module::some_function"));
    drop(guard);
    listener.stop()?;

    let text = fs::read_to_string(&path)?;
    // 2026-11-22 04:48:23,123 - and then what is known beforehand.
    let lines: Vec<_> =
        text.lines().filter_map(|line| line.get("YYYY-MM-DD hh:mm:ss,mmm - ".len()..)).collect();
    let expected = [
        "spam_application - INFO - creating an instance of auxiliary_module::Auxiliary",
        "spam_application.auxiliary.Auxiliary - INFO - creating an instance of Auxiliary",
        "spam_application - INFO - created an instance of auxiliary_module::Auxiliary",
        "spam_application.auxiliary.Auxiliary - INFO - doing something",
        "spam_application.auxiliary.Auxiliary - INFO - done doing something",
        "spam_application - INFO - calling auxiliary_module::some_function",
        "spam_application.auxiliary - INFO - received a call to \"some_function\"",
        "spam_application - DEBUG - done with auxiliary_module::some_function",
    ];
    assert_eq!(lines, expected);
    print!("{text}");
    Ok(())
}
