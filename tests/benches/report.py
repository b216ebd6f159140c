"""The tables and the page of the measurements: what compare.py has measured, for people."""

import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import plots


def spread(figures, key):
    """Median, lowest, highest."""
    values = [figure[key] for figure in figures]
    return statistics.median(values), min(values), max(values)


def table(results):
    """Rows of text: way, setting, records/s, their spread, CPU per record, ratio to logboom."""
    yield ["way", "setting", "records/s", "lowest – highest", "CPU per record", "× logboom"]
    for (way, setting), figures in results.items():
        rate, low, high = spread(figures, "records/s")
        cpu, _, _ = spread(figures, "cpu_ns")
        ours, _, _ = spread(results["logboom", setting], "records/s")
        span = f"{low:,.0f} – {high:,.0f}"
        yield [way, setting, f"{rate:,.0f}", span, f"{cpu:,.0f} ns", f"{rate / ours:.2f}"]


def print_table(directory, results):
    """Prints how all ways did with their logs in a directory."""
    print(f"\nLogs in {directory}:\n")
    print_columns(table(results))


def progress(what):
    """Shows in one line what is being done, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


def print_columns(rows):
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths)]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:])]
        print("  ".join(left + right))


def markdown(rows, names=2):
    """A table whose first columns are names and whose others are numbers."""
    head, *rest = rows
    lines = [head, ["---"] * names + ["---:"] * (len(head) - names), *rest]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


PERCENTILES = ["p50", "p90", "p99", "p99.9", "max"]


def percentiles(samples):
    """Of sorted samples, each the least that so many do not exceed."""
    def rank(name):
        share = 100 if name == "max" else float(name[1:])
        return max(math.ceil(len(samples) * share / 100), 1) - 1
    return {name: samples[rank(name)] for name in PERCENTILES}


def latency_rows(latency):
    yield ["way", "producers", *PERCENTILES]
    for (way, producers), figures in latency.items():
        for kind, label in (("calls_ns", way), ("idle_ns", "(empty loop)")):
            if kind not in figures[0]["latency"]:
                continue
            medians = (
                statistics.median(figure["latency"][kind][name] for figure in figures)
                for name in PERCENTILES
            )
            yield [label, str(producers), *(f"{ns:,.0f} ns" for ns in medians)]


def print_latency(latency):
    """Prints how long the log calls took."""
    print("\nA log call, paced:\n")
    print_columns(latency_rows(latency))


def machine():
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.machine(),
    )
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}, load average {load}"


# What each way does, in the words of the report.
NOTES = """\
Each record is an INFO record of a message formatted from five arguments, a line of about 140 bytes:

```text
2026-11-22 04:48:23,123 worker-3 bench.worker INFO worker 3 handled request 17 for /api/v1/items/134623 status=200 bytes=1527 in 1.234ms
```

Time runs from before the first log call of any producer until all is written; CPU time is that of all
processes over their whole life. Nobody drops a record, and each way proves from its files that every
record is there exactly once. All are release builds. P is the number of producer
processes, T that of the threads of each where it is not 1.

- **logboom**: `logboom bench`: levels, time-ordered merge, journal, exactly once after any kill.
- **one message per record**: a serde struct sent by ipc-channel, one process that formats and writes
  through a `BufWriter`.
- **tracing-appender**: non-blocking, lossless, in each process; all append to one file, through a
  buffer of 64 KiB that is given out between lines only. Its guard waits about a second at most, so
  producers first wait until their lines are taken. Lines are in no common order.
- **Python's recipe**: `QueueHandler`, `QueueListener` in a process of its own over
  `multiprocessing.Queue`, `RotatingFileHandler`.
- **s6-log on a pipe**: producers format whole lines, time stamp included, and write as many at once as
  a pipe takes undivided (4096 bytes); `s6-log` writes them. Lines are in no common order.
- **logboom without a listener**: `LockedRotatingFileHandler` in each process, which takes a lock for each
  record and writes it, and rotates at 1 MB.
- **concurrent-log-handler**: the package of Python that does the same, with the same size.
- **the limit**: producers format the message, as a log call that takes any arguments has to, and put it
  with its time into a ring of shared memory, as large as a lane of logboom; one process makes the same
  line and writes blocks of 64 KiB. Nothing else: no levels, no order between producers, no journal.
- **the limit, numbers**: only the four numbers of a record and its time go through the ring, and one
  process writes this one line by hand. No log call can do that: it is what the machine could do.
- **64 KiB writes**: ready lines, written by one process: the ceiling of the file.
"""


# What the plots of the growth show.
AXES = {
    "producers": ("producer processes", "records/s"),
    "threads": ("threads of one process", "records/s"),
    "size": ("bytes of a message", "bytes/s"),
}


def write(directory, rounds, results, growth, latency):
    """Writes bench.md and its plots."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = ["# Measurements\n", f"Made by `scripts/bench` on {machine()}: medians of "
             f"{rounds[0]} rounds, of {rounds[1]} for call times and growth, all ways in turn.\n", NOTES]
    for number, (place, result) in enumerate(results.items()):
        name = f"bench-{number + 1}.svg"
        rows = [(", ".join(key), *spread(figures, "records/s")) for key, figures in result.items()]
        kind = file_system(place)
        plots.bars(directory / name, f"Logs on {kind}", "records/s", rows)
        parts += [f"## Logs on {kind}\n", markdown(table(result)), f"![records/s]({name})\n"]
    parts += ["## How long a log call takes\n",
              "Bursts of 10 records each millisecond. Beside each transport stands the machine's own "
              "share: the same\nloop without a call. Both are without the cost of reading the clock, "
              "which the other way includes;\neach figure is the median of the rounds.\n", markdown(latency_rows(latency)),
              "## Growth\n"]
    for axis, lines in growth.items():
        x_name, y_name = AXES[axis]
        series = {
            way: [(x, *spread(figures, y_name)) for x, figures in line.items()]
            for way, line in lines.items()
        }
        name = f"bench-{axis}.svg"
        plots.lines(directory / name, x_name, y_name, series)
        parts += [f"{y_name} by {x_name}:\n", markdown(growth_rows(lines, y_name), names=1),
                  f"![{y_name} by {x_name}]({name})\n"]
    (directory / "bench.md").write_text("\n".join(parts))


def growth_rows(lines, name):
    """Each way with its medians, and what the listener had in memory where that is known."""
    points = list(next(iter(lines.values())))
    rows = [("way", *(f"{x:,}" for x in points))]
    for way, line in lines.items():
        rows.append((way, *(f"{spread(line[x], name)[0]:,.0f}" for x in points)))
    for way, line in lines.items():
        if all("collector_rss_kb" in figures for x in points for figures in line[x]):
            sizes = (spread(line[x], "collector_rss_kb")[0] for x in points)
            rows.append((f"{way}, MB of the listener", *(f"{size / 1000:,.1f}" for size in sizes)))
    return rows


def file_system(directory):
    # More than one may be mounted there.
    command = ["findmnt", "--first-only", "--noheadings", "--output=FSTYPE", "--target", directory]
    kind = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return "tmpfs" if kind == "tmpfs" else f"disk ({kind})"
