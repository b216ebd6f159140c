"""Measures `logboom tail` beside grep and jq, on histories of records that are written for it.

Each round asks every way once, one after the other. Every way has to find as many records as there are. What is
printed and written to bench-tail.md are medians over all rounds, with the lowest and the highest.
"""

import argparse
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

ROOT = Path(__file__).resolve().parents[2]

SEARCHED_BYTES = 1_000_000_000
SEEKED_BYTES = 5_000_000_000
QUICK_SHARE = 100
# What the histories take at their most, and the answers beside them.
ROOM = 1.5
# A way that takes longer has hung.
TIMEOUT_S = 600
BLOCK = 1 << 16


class Failed(Exception):
    pass


def main():
    args = parse()
    share = QUICK_SHARE if args.quick else 1
    needed = int((2 * SEARCHED_BYTES + SEEKED_BYTES) * ROOM / share)
    free = shutil.disk_usage(args.to).free
    if free < needed:
        raise Failed(f"{args.to} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are needed")
    with tempfile.TemporaryDirectory(prefix="logboom-search-", dir=args.to) as place:
        bench = Bench(args, Path(place), share)
        searched, seeked = bench.search(), bench.seek()
    report.progress("")
    for rows in (search_rows(searched), seek_rows(seeked)):
        print()
        report.print_columns(rows)
    write(args, share, searched, seeked)
    print(f"\nWritten: {args.write}/bench-tail.md")


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench tail", description=__doc__)
    parser.add_argument("--to", type=Path, metavar="DIR", default=Path("/var/tmp"),
                        help="where the histories go [default: /var/tmp]")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true",
                        help="small histories, one round: shows that everything works, measures nothing")
    parser.add_argument("--write", type=Path, metavar="DIR",
                        help="where bench-tail.md goes [default: docs; quick: target/bench]")
    parser.add_argument("--logboom", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peers", type=Path, required=True, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.write = args.write or ROOT / ("target/bench" if args.quick else "docs")
    args.rounds = 1 if args.quick else args.rounds
    if args.rounds < 1:
        parser.error("take one round or more")
    if not args.to.is_dir():
        parser.error(f"{args.to} is no directory")
    return args


class Bench:
    def __init__(self, args, place, share):
        self.args, self.place, self.share = args, place, share

    def search(self):
        """{(history, way): [seconds of each round]}, and the bytes of each history."""
        results, sizes = {}, {}
        for form in ("text", "JSON"):
            for compress in (False, True):
                label = f"{form}, zstd" if compress else form
                history = self.write_history(form, SEARCHED_BYTES, compress)
                sizes[label] = history.bytes
                for number in range(self.args.rounds):
                    for way, command in self.searches(form, history):
                        report.progress(f"{label}: round {number + 1} of {self.args.rounds}: {way}")
                        seconds = self.answer(command, history, way)
                        results.setdefault((label, way), []).append(seconds)
                history.remove()
        return results, sizes

    def searches(self, form, history):
        """(way, shell command) for all errors of a history; each prints them to standard output."""
        files = " ".join(str(path) for path in history.files)
        text = f"zstd -dcq {files} | " if history.compressed else f"cat {files} | "
        yield "logboom tail", f"{self.args.logboom} tail -l error -o raw {history.log}"
        if form == "text":
            greps = [("grep -E", "grep -E ' (ERROR|CRITICAL) '"),
                     ("grep -F", "grep -F -e ' ERROR ' -e ' CRITICAL '")]
        else:
            greps = [("grep -E", """grep -E '"levelno":[45][0-9]'"""),
                     ("grep -F", """grep -F -e '"level":"ERROR"' -e '"level":"CRITICAL"'""")]
        if history.compressed and not shutil.which("zstd"):
            return
        for way, grep in greps:
            # By itself it reads faster than from a pipe.
            command = f"{text}{grep}" if history.compressed else f"{grep} -h {files}"
            yield way, f"LC_ALL=C; export LC_ALL; {command}"
        if form == "JSON" and shutil.which("jq"):
            yield "jq", f"{text}jq -c 'select(.levelno >= 40)'"

    def answer(self, command, history, way):
        """How long a way takes until all is printed; it has to find every error."""
        answer = self.place / "answer"
        with answer.open("wb") as out:
            start = time.monotonic()
            subprocess.run(["sh", "-c", command], stdout=out, check=True, timeout=TIMEOUT_S)
            seconds = time.monotonic() - start
        with answer.open("rb") as lines:
            # Further lines of a record, which grep does not find, begin with a TAB.
            found = sum(1 for line in lines if not line.startswith(b"\t"))
        answer.unlink()
        if found != history.errors:
            raise Failed(f"{way} found {found} of {history.errors} errors: {command}")
        return seconds

    def seek(self):
        """{(history, question, cache): [seconds to the first line]}"""
        results = {}
        for form, compress in (("text", False), ("text", True), ("JSON", False), ("JSON", True)):
            label = f"{form}, zstd" if compress else form
            history = self.write_history(form, SEEKED_BYTES, compress)
            questions = [("the last minute", history.ago(60)), ("the last hour", history.ago(3600)),
                         ("the last 12 hours", history.ago(43200))]
            for number in range(self.args.rounds):
                for question, since in questions:
                    for cache in ("warm", "cold"):
                        report.progress(f"{label}: round {number + 1} of {self.args.rounds}: {question}, {cache}")
                        seconds = self.first_line(history, since, cache)
                        results.setdefault((label, question, cache), []).append(seconds)
            history.remove()
        return results

    def first_line(self, history, since, cache):
        """How long it takes from the start of the program to the first line of what is asked."""
        if cache == "cold":
            history.forget()
        command = [self.args.logboom, "tail", "-o", "raw", "--since", since, history.log]
        start = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            line = process.stdout.read(BLOCK)
            seconds = time.monotonic() - start
            process.terminate()
        if not line:
            raise Failed(f"nothing is found since {since} in {history.log}")
        return seconds

    def write_history(self, form, size, compress):
        report.progress(f"writing {size // self.share / 1e9:.2f} GB of {form}{', compressed' if compress else ''}")
        directory = Path(tempfile.mkdtemp(prefix="history-", dir=self.place))
        log = directory / "app.log"
        command = [self.args.peers, "history", form.lower(), f"--bytes={size // self.share}", f"--out={log}"]
        command += ["--compress"] if compress else []
        written = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
        return History(log, compress, json.loads(written))


class History:
    def __init__(self, log, compressed, written):
        self.log, self.compressed, self.errors = log, compressed, written["errors"]
        self.last_s = written["last_ns"] / 1e9
        ending = ".zst" if compressed else ""
        count = len(list(log.parent.iterdir())) - 1
        # Oldest first; the current file is empty.
        self.files = [Path(f"{log}.{number}{ending}") for number in range(count, 0, -1)]
        self.files = [path for path in self.files if path.exists()]
        self.bytes = sum(path.stat().st_size for path in self.files)

    def ago(self, seconds):
        """The time so long before the last record, as people write it."""
        return datetime.datetime.fromtimestamp(self.last_s - seconds).strftime("%Y-%m-%d %H:%M:%S")

    def forget(self):
        """Takes the files out of the memory of the system."""
        for path in self.files:
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def remove(self):
        shutil.rmtree(self.log.parent)


def spread(seconds, unit=1.0):
    return [f"{value / unit:,.3g}" for value in (statistics.median(seconds), min(seconds), max(seconds))]


def search_rows(searched):
    results, sizes = searched
    yield ["history", "way", "seconds", "lowest – highest", "MB/s of the files", "× logboom"]
    for (label, way), seconds in results.items():
        median, low, high = spread(seconds)
        middle = statistics.median(seconds)
        ours = statistics.median(results[label, "logboom tail"])
        rate = sizes[label] / middle / 1e6
        yield [label, way, median, f"{low} – {high}", f"{rate:,.0f}", f"{middle / ours:.2f}"]


def seek_rows(seeked):
    yield ["history", "asked", "cache", "ms to the first line", "lowest – highest"]
    for (label, question, cache), seconds in seeked.items():
        median, low, high = spread(seconds, 1e-3)
        yield [label, question, cache, median, f"{low} – {high}"]


NOTES = """\
The histories are access logs of a day, in files of 100 MB, written by `RotatingFileHandler`: the text of `--format
text` or JSON, plain or with `--compress zstd`. One record in 150 is an error; half of these go on for three more
lines. All that a way prints goes to a file, and is counted.

- **logboom tail**: `tail -l error -o raw LOG`.
- **grep -E**, **grep -F**: in the locale `C`, for the level between its spaces or its key in JSON, of the same files;
  further lines of records are not found. Compressed files come from `zstd -dc` through a pipe.
- **jq**: `select(.levelno >= 40)`, from `cat` or `zstd -dc` through a pipe.
"""

SEEK_NOTES = """\
`tail --since TIME -o raw LOG`, until the first bytes are printed, start of the program included. Where the cache is
cold, the system has been told to forget the files of the log before.
"""


def write(args, share, searched, seeked):
    args.write.mkdir(parents=True, exist_ok=True)
    (searched_gb, seeked_gb) = (size / share / 1e9 for size in (SEARCHED_BYTES, SEEKED_BYTES))
    parts = ["# Measurements of `logboom tail`\n",
             f"Made by `scripts/bench tail` on {report.machine()}, files on {report.file_system(args.to)}: "
             f"medians of {args.rounds} rounds.\n",
             NOTES, f"## All errors of {searched_gb:g} GB\n", report.markdown(search_rows(searched)),
             f"## The first line of a range of time in {seeked_gb:g} GB\n", SEEK_NOTES,
             report.markdown(seek_rows(seeked), names=3)]
    (args.write / "bench-tail.md").write_text("\n".join(parts))


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(f"scripts/bench tail: {failed}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"scripts/bench tail: failed: {failed.cmd}")
    except KeyboardInterrupt:
        sys.exit(130)
