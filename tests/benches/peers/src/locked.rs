//! logboom without a listener: each process writes the rotated file itself, in turns.

use std::path::Path;

use logboom::formatter::PatternFormatter;
use logboom::handler::{Handler, RotatingFileHandler};
use logboom::{Level, Record};

use crate::Producer;
use crate::harness;
use crate::line::now_ns;
use crate::record::{LOGGER, Request, worker_name};

const PATTERN: &str = "%(asctime)s %(processName)s %(name)s %(levelname)s %(message)s";

/// As often as a small log would rotate; all backups stay.
const MAX_BYTES: u64 = 1_000_000;
const BACKUP_COUNT: u32 = 10_000;

pub(crate) fn produce(producer: &Producer) -> anyhow::Result<()> {
    let (worker, path) = (producer.worker, Path::new(&producer.address));
    harness::produce(producer, |_, share| {
        let builder =
            RotatingFileHandler::builder(path).max_bytes(MAX_BYTES).backup_count(BACKUP_COUNT);
        let mut handler = builder.open_locked(PatternFormatter::new(PATTERN)?)?;
        let mut record = Record::new(0, Level::INFO, LOGGER, "");
        record.process.to_mut().name = worker_name(worker).into();
        for index in share {
            let Request { item, status, bytes } = Request::new(index);
            record.time_ns = now_ns() as i64;
            record.message = format!(
                "worker {worker} handled request {index} for /api/v1/items/{item} \
                 status={status} bytes={bytes} in 1.234ms"
            )
            .into();
            handler.handle(&record)?;
        }
        Ok(())
    })
}
