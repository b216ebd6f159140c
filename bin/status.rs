//! The status of a listener, for people.

use std::fmt;
use std::io::{self, Write};

use logboom::control::{ConfigStatus, DoorStatus, LevelCount, Status, WorkerStatus};
use logboom::supervisor::RunStatus;

use crate::options::plain;
use crate::table::{self, Column};
use crate::{amounts, run_status};

/// What `--json` prints.
pub(crate) const KEYS: &str = "\
Examples:
  logboom ctl status
  logboom ctl --queue jobs status --json

Keys of --json:
  pid, queue, uptime_s, logs, stopping
  records            written to the log
  dropped            by the workers' overflow policy; dropped_by_level: [{level, records}], level as
                     its number (10 DEBUG, 20 INFO, 30 WARNING, 40 ERROR, 50 CRITICAL)
  missing            gaps in the sequence of a lane
  unconfirmed        handed by Channel workers to a listener that ended before it confirmed them
  refused            [[reason, peers or batches]]
  filter_panics      records that passed a filter because it panicked
  truncations        how often others have truncated a log file; the log says which
  routed_files       open log files that records chose, by --route
  unrouted           records that are not in the file that a route has for them; the log says why
  damaged_lanes      lanes that could not be read to their end; the log says where they are kept
  handlers           [{name, handled, failed, dropped, last_error}], those beside the log files
  doors              [{name, peers, records, dropped, overflowed, pauses, refused}]: those for records
                     of other programs; dropped by us, overflowed in the kernel, refused [[reason,
                     connections or datagrams]]
  sync               {policy, syncs, failed, last_sync_ns}
  config             {source, loaded_ns, refusal}; refusal is null, or {source, reason, time_ns}: the
                     last configuration that was refused
  trouble            null, or {operation, path, cause, since_ns, tries}: what the disk refuses now
  levels             [{logger, level, until_ns}]: what `ctl level` has set, and until when
  more_levels        how many are set and not in the list
  has_coarse_levels  whether so many loggers have levels that workers are told one for all
  workers            [{name, pid, program, lane, transport, overflow, records, records_per_s,
                     dropped, dropped_by_level, outages, waits, missing}]: records_per_s of the
                     last seconds, outages is how often it began to drop, waits how many calls
                     waited for room in its queue
  more_workers       how many are attached and not in the list
  run                null without `logboom run`, else {pid, uptime_s, stopping, workers}, these
                     [{name, state, pid, uptime_s, restarts, memory_bytes, failure, records,
                     records_per_s, dropped}]: state is waiting (for others), starting, ready,
                     running (nothing tells when it is ready), stopping, stopped (on request),
                     backing-off, ended or failed; failure says why; restarts are those by its
                     policy; memory_bytes is what its process group has resident; the records
                     are those of its processes that are attached now
Times ending in _ns are nanoseconds since 1970.";

/// Prints it as lines and a table.
pub(crate) fn print(
    status: &Status,
    run: Option<&RunStatus>,
    out: &mut impl Write,
) -> io::Result<()> {
    let stopping = if status.stopping { ", stopping" } else { "" };
    let uptime = amounts::time(status.uptime_s);
    line(out, format_args!("listener  {} (up {uptime}){stopping}", status.pid))?;
    line(out, format_args!("queue     {}", status.queue))?;
    for log in &status.logs {
        line(out, format_args!("log       {log}"))?;
    }
    print_config(&status.config, out)?;
    print_counts(status, out)?;
    if let Some(trouble) = &status.trouble {
        let lasted = trouble.lasted().as_secs();
        line(out, format_args!("trouble   {trouble} (for {lasted} s, {} tries)", trouble.tries))?;
    }
    for level in &status.levels {
        line(out, format_args!("level     {level}"))?;
    }
    if status.more_levels > 0 {
        line(out, format_args!("level     and {} more", status.more_levels))?;
    }
    if status.has_coarse_levels {
        line(
            out,
            format_args!("levels    too many for the workers: they send what any logger wants"),
        )?;
    }
    for handler in &status.handlers {
        let error = handler.last_error.as_ref();
        let error = error.map_or(String::new(), |error| format!(" ({error})"));
        line(
            out,
            format_args!(
                "handler   {}: {} handled, {} failed, {} dropped{error}",
                handler.name, handler.handled, handler.failed, handler.dropped
            ),
        )?;
    }
    status.doors.iter().try_for_each(|door| print_door(door, out))?;
    if let Some(run) = run {
        run_status::print(run, &status.workers, out)?;
    }
    print_workers(&status.workers, out)?;
    if status.more_workers > 0 {
        line(out, format_args!("and {} more", status.more_workers))?;
    }
    Ok(())
}

/// One line, whatever is in it.
fn line(out: &mut impl Write, text: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(out, "{}", plain(&text))
}

fn print_config(config: &ConfigStatus, out: &mut impl Write) -> io::Result<()> {
    if let (Some(source), Some(age)) = (&config.source, config.age()) {
        line(out, format_args!("config    {source} (loaded {} s ago)", age.as_secs()))?;
    }
    if let Some(refusal) = &config.refusal {
        let age = refusal.age().as_secs();
        line(
            out,
            format_args!(
                "config    {} was refused {age} s ago: {}",
                refusal.source, refusal.reason
            ),
        )?;
    }
    Ok(())
}

fn print_counts(status: &Status, out: &mut impl Write) -> io::Result<()> {
    let by_level = match levels(&status.dropped_by_level) {
        levels if levels.is_empty() => levels,
        levels => format!(" ({levels})"),
    };
    let Status { records, dropped, missing, unconfirmed, .. } = status;
    write!(out, "records   {records} written, {dropped} dropped{by_level}, {missing} missing")?;
    if *unconfirmed > 0 {
        write!(out, ", {unconfirmed} unconfirmed")?;
    }
    writeln!(out)?;
    line(out, format_args!("sync      {}", status.sync))?;
    if status.truncations > 0 {
        line(out, format_args!("truncated {} times by others: see the log", status.truncations))?;
    }
    if status.routed_files > 0 {
        line(out, format_args!("routed    {} files open", status.routed_files))?;
    }
    if status.unrouted > 0 {
        line(out, format_args!("unrouted  {} records: see the log", status.unrouted))?;
    }
    if status.damaged_lanes > 0 {
        line(out, format_args!("damaged   {} lanes: see the log", status.damaged_lanes))?;
    }
    if status.filter_panics > 0 {
        line(out, format_args!("filters   {} panics", status.filter_panics))?;
    }
    for (reason, count) in &status.refused {
        line(out, format_args!("refused   {count}: {reason}"))?;
    }
    Ok(())
}

fn print_door(door: &DoorStatus, out: &mut impl Write) -> io::Result<()> {
    let DoorStatus { name, peers, records, dropped, overflowed, pauses, refused, .. } = door;
    let mut text = format!("door      {name}: {peers} peers, {records} records");
    for (count, what) in
        [(dropped, "dropped"), (overflowed, "dropped by the kernel"), (pauses, "pauses")]
    {
        if *count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    line(out, format_args!("{text}"))?;
    for (reason, count) in refused {
        line(out, format_args!("  refused {count}: {reason}"))?;
    }
    Ok(())
}

fn print_workers(workers: &[WorkerStatus], out: &mut impl Write) -> io::Result<()> {
    if workers.is_empty() {
        return Ok(());
    }
    let columns = [
        Column::Text("ATTACHED"),
        Column::Number("PID"),
        Column::Text("PROGRAM"),
        Column::Text("QUEUE"),
        Column::Text("WHEN FULL"),
        Column::Number("RECORDS"),
        Column::Number("RATE"),
        Column::Number("MISSING"),
        Column::Number("WAITS"),
        Column::Number("OUTAGES"),
        Column::Number("DROPPED"),
        Column::Text("DROPPED BY LEVEL"),
    ];
    let cells = |worker: &WorkerStatus| {
        vec![
            plain(&worker.name),
            worker.pid.to_string(),
            plain(&worker.program),
            plain(&worker.transport),
            plain(&worker.overflow),
            worker.records.to_string(),
            amounts::rate(worker.records_per_s),
            worker.missing.to_string(),
            worker.waits.to_string(),
            worker.outages.to_string(),
            worker.dropped.to_string(),
            levels(&worker.dropped_by_level),
        ]
    };
    writeln!(out)?;
    table::print(&columns, &workers.iter().map(cells).collect::<Vec<_>>(), out)
}

/// `DEBUG 1200, INFO 34`
fn levels(counts: &[LevelCount]) -> String {
    let counts = counts.iter().map(|count| format!("{} {}", count.level, count.records));
    counts.collect::<Vec<_>>().join(", ")
}
