"""Measures logboom beside other ways to log from many processes into one file.

Each round runs every way once, one after the other, so that whatever else the machine does hits all of
them. Every way checks that each record is in its files exactly once. What is printed and written to
bench.md are medians over all rounds, with the lowest and the highest.
"""

import argparse
import array
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import report

ROOT = Path(__file__).resolve().parents[2]
COOKBOOK = ROOT / "tests/benches/peers/cookbook.py"

# A run that takes longer has hung.
RUN_TIMEOUT_S = 300
# So small runs measure the start of processes, but they show that everything works.
QUICK_SHARE = 50
LATENCY_SECONDS = 5
# Curves and call times are made of many runs or many calls each: fewer rounds do.
CURVE_ROUNDS = 3
# Records of a run that takes about a second on a machine of two processors.
MANY = 1_000_000


class Failed(Exception):
    pass


def main():
    args = parse()
    programs = {"logboom": args.logboom, "peers": args.peers}
    bench = Bench(programs, args)
    results = {}
    for directory in args.to:
        results[directory] = bench.compare(directory)
        report.progress("")
        report.print_table(directory, results[directory])
    growth, latency = bench.growth(args.to[0]), bench.latency(args.to[0])
    report.progress("")
    report.print_latency(latency)
    rounds = (args.rounds, bench.curve_rounds)
    report.write(args.write, rounds, results, growth, latency)
    print(f"\nWritten: {args.write}/bench.md and the plots beside it")


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--to", action="append", type=Path, metavar="DIR",
                        help="where the logs go; may be repeated [default: /dev/shm and /var/tmp]")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--quick", action="store_true",
                        help="few records, one round: shows that everything works, measures nothing")
    parser.add_argument("--write", type=Path, metavar="DIR",
                        help="where bench.md and the plots go [default: docs; quick: target/bench]")
    parser.add_argument("--logboom", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peers", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.to = args.to or [Path("/dev/shm"), Path("/var/tmp")]
    args.write = args.write or ROOT / ("target/bench" if args.quick else "docs")
    if args.quick:
        args.rounds = 1
    if args.rounds < 1:
        parser.error("take one round or more")
    for directory in args.to:
        if not directory.is_dir():
            parser.error(f"{directory} is no directory")
    return args


def ways(python):
    """(label, program, flags before the others, records of all producers) of each way.

    There are so many records that each run takes about a second.
    """
    yield "logboom", "logboom", ["bench", "--json", "--transport=ring"], MANY
    yield "logboom, channel", "logboom", ["bench", "--json", "--transport=channel"], MANY
    yield "one message per record", "peers", ["run", "naive"], 200_000
    yield "tracing-appender", "peers", ["run", "appender"], 400_000
    yield "Python's recipe", "cookbook", [], 20_000
    if shutil.which("s6-log"):
        yield "s6-log on a pipe", "peers", ["run", "s6"], MANY
    else:
        print("skipped: s6-log, because there is none (package s6)", file=sys.stderr)
    yield "logboom without a listener", "peers", ["run", "locked"], 200_000
    if subprocess.run([python, "-c", "import concurrent_log_handler"], stderr=subprocess.DEVNULL).returncode == 0:
        yield "concurrent-log-handler", "cookbook", ["--locked"], 20_000
    else:
        print("skipped: concurrent-log-handler, because there is none (pip install concurrent-log-handler)", file=sys.stderr)
    yield "the limit", "peers", ["run", "limit"], 2_000_000
    yield "the limit, numbers", "peers", ["run", "numbers"], 2_000_000
    yield "64 KiB writes", "peers", ["run", "ceiling"], 4_000_000


# Producer processes, and threads of each.
SETTINGS = [("P=1", 1, 1), ("P=4", 4, 1), ("P=1 T=4", 1, 4)]


class Bench:
    def __init__(self, programs, args):
        self.programs, self.args = programs, args
        self.ways = list(ways(args.python))
        self.curve_rounds = min(args.rounds, CURVE_ROUNDS)

    def compare(self, directory):
        """{(way, setting): [figures of each round]}"""
        runs = [
            ((label, setting), program, flags, producers, threads, records)
            for label, program, flags, records in self.ways
            for setting, producers, threads in SETTINGS
            if program != "peers" or flags[1] != "ceiling" or (producers, threads) == (1, 1)
        ]
        results = {key: [] for key, *_ in runs}
        for number in range(self.args.rounds):
            for key, *run in runs:
                report.progress(f"{directory}: round {number + 1} of {self.args.rounds}: {', '.join(key)}")
                results[key].append(self.run(directory, *run))
        return results

    def growth(self, directory):
        """{axis: {way: {x: [figures of each round]}}}"""
        ours = {name: ("logboom", ["bench", "--json", f"--transport={name}"])
                for name in ("ring", "channel")}
        all_ways = {**ours, "the limit": ("peers", ["run", "limit"])}
        # Large records are fewer: the bytes count.
        axes = [
            ("producers", all_ways, [(p, p, 1, MANY, []) for p in (1, 2, 4, 8, 16, 32, 64)]),
            ("threads", all_ways, [(t, 1, t, MANY, []) for t in (1, 2, 4, 8, 16)]),
            ("size", ours, [(size, 1, 1, 100_000_000 // (size + 100), [f"--message-bytes={size}"])
                            for size in (10, 100, 1000, 10_000, 64_000)]),
        ]
        results = {}
        for number in range(self.curve_rounds):
            for axis, measured, points in axes:
                for x, *setting, records, flags in points:
                    for way, (program, first_flags) in measured.items():
                        report.progress(f"growth, round {number + 1}: {axis} {x}, {way}")
                        run = self.run(directory, program, first_flags + flags, *setting, records)
                        line = results.setdefault(axis, {}).setdefault(way, {})
                        line.setdefault(x, []).append(run)
        return results

    def latency(self, directory):
        """{(way, producers): [figures]}"""
        seconds = 1 if self.args.quick else LATENCY_SECONDS
        flags = ["bench", "--json", "--mode=latency", f"--seconds={seconds}"]
        measured = {
            "ring": ("logboom", [*flags, "--transport=ring"]),
            "channel": ("logboom", [*flags, "--transport=channel"]),
            "one message per record": ("peers", ["run", "naive"]),
        }
        results = {}
        for _ in range(self.curve_rounds):
            for producers in (1, 4):
                for way, (program, flags) in measured.items():
                    report.progress(f"latency: {way}, {producers}")
                    run = self.paced if program == "peers" else self.run
                    figures = run(directory, program, flags, producers, 1, producers)
                    results.setdefault((way, producers), []).append(figures)
        return results

    def paced(self, directory, program, flags, producers, threads, _):
        """A run with ten records each millisecond, whose calls are timed."""
        seconds = 1 if self.args.quick else LATENCY_SECONDS
        records = seconds * 10_000 * producers * (QUICK_SHARE if self.args.quick else 1)
        with tempfile.TemporaryDirectory(prefix="logboom-calls-", dir=directory) as place:
            flags = [*flags, f"--lat-dir={place}"]
            figures = self.run(directory, program, flags, producers, threads, records)
            calls = array.array("Q")
            for path in Path(place).iterdir():
                calls.frombytes(path.read_bytes())
        figures["latency"] = {"calls_ns": report.percentiles(sorted(calls))}
        return figures

    def run(self, directory, program, flags, producers, threads, records):
        """One run of a way; the figures it prints."""
        records = max(records // producers // (QUICK_SHARE if self.args.quick else 1), threads)
        with tempfile.TemporaryDirectory(prefix="logboom-compare-", dir=directory) as place:
            command = [self.args.python, str(COOKBOOK)]
            if program != "cookbook":
                command = [str(self.programs[program])]
            command += [*flags, f"--producers={producers}", f"--threads={threads}"]
            command += [f"--records={records}", f"--out={place}/out.log"]
            figures = json.loads(output_of(command).splitlines()[-1])
        seconds = (figures["t_written_ns"] - figures["t_first_ns"]) / 1e9
        cpu_us = figures.get("cpu_us")
        if cpu_us is None:
            cpu_us = figures["producers_cpu_us"] + figures["listener_cpu_us"]
        figures["records/s"] = figures["sent"] / seconds
        figures["bytes/s"] = figures.get("bytes", 0) / seconds
        figures["cpu_ns"] = cpu_us * 1000 / figures["sent"]
        return figures


def output_of(command):
    """What a command prints. It has a process group of its own, which ends with it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        printed, _ = process.communicate(timeout=RUN_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        end(process)
        raise Failed(f"took more than {RUN_TIMEOUT_S} s: {' '.join(command)}") from None
    except BaseException:
        end(process)
        raise
    if process.returncode != 0:
        raise Failed(f"failed: {' '.join(command)}")
    return printed


def end(process):
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate()


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        sys.exit(f"scripts/bench: {failed}")
    except KeyboardInterrupt:
        sys.exit(130)
