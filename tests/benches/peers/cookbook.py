#!/usr/bin/env python3
"""The recipe of Python's logging cookbook: QueueHandler in each worker, a QueueListener in a process of
its own over a multiprocessing.Queue, and a RotatingFileHandler. Or, with --locked, the way of the
package concurrent-log-handler: each worker writes the rotated file itself, in turns.

  cookbook.py --producers P --threads T --records N --out FILE [--locked]

Logs the records of `logboom bench`, checks that all are there, prints one line of JSON.
"""

import argparse
import fileinput
import glob
import json
import logging
import logging.handlers
import multiprocessing
import resource
import threading
import time

FORMAT = "%(asctime)s %(processName)s %(name)s %(levelname)s %(message)s"
MESSAGE = "worker %d handled request %d for /api/v1/items/%d status=%d bytes=%d in 1.234ms"
# Larger than any log of this program: it is asked at each record, as in the recipe.
MAX_BYTES = 1 << 40


def arguments(worker, index):
    return worker, index, index * 7919 % 1000003, 200, 1000 + index * 31 % 90000


def listen(queue, path, done, written):
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter(FORMAT))
    listener = logging.handlers.QueueListener(queue, handler)
    listener.start()
    done.wait()
    listener.stop()
    handler.close()
    written.put(time.time_ns())


def locked_handler(path):
    from concurrent_log_handler import ConcurrentRotatingFileHandler

    handler = ConcurrentRotatingFileHandler(path, maxBytes=1_000_000, backupCount=10_000)
    handler.setFormatter(logging.Formatter(FORMAT))
    return handler


def work(worker, args, queue, start, moments):
    root = logging.getLogger()
    handler = locked_handler(args.out) if args.locked else logging.handlers.QueueHandler(queue)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    shares = [args.records * t // args.threads for t in range(args.threads + 1)]
    threads = [
        threading.Thread(target=log, args=(worker, range(*share)))
        for share in zip(shares, shares[1:])
    ]
    start.wait()
    first = time.time_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments.put((first, time.time_ns()))


def log(worker, share):
    logger = logging.getLogger("bench.worker")
    for index in share:
        logger.info(MESSAGE, *arguments(worker, index))


def check(args):
    """Every record is in the file and its backups once."""
    expected = args.producers * args.records
    found, count = set(), 0
    for line in fileinput.input([args.out, *glob.glob(f"{args.out}.*")]):
        message = line.rstrip("\n").split(" INFO ", 1)[1]
        words = message.split(" ")
        worker, index = int(words[1]), int(words[4])
        assert message == MESSAGE % arguments(worker, index), line
        found.add((worker, index))
        count += 1
    assert count == len(found) == expected, f"{count} lines, {len(found)} records, not {expected}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--producers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--locked", action="store_true")
    args = parser.parse_args()
    context = multiprocessing.get_context("fork")
    queue, done, written = context.Queue(-1), context.Event(), context.SimpleQueue()
    start, moments = context.Barrier(args.producers), context.SimpleQueue()
    if not args.locked:
        listener = context.Process(target=listen, args=(queue, args.out, done, written))
        listener.start()
    workers = [
        context.Process(
            target=work, name=f"worker-{worker}", args=(worker, args, queue, start, moments)
        )
        for worker in range(args.producers)
    ]
    for worker in workers:
        worker.start()
    told = [moments.get() for _ in workers]
    for worker in workers:
        worker.join()
    written_ns = time.time_ns()
    if not args.locked:
        done.set()
        written_ns = written.get()
        listener.join()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    check(args)
    figures = {
        "sent": args.producers * args.records,
        "t_first_ns": min(first for first, _ in told),
        "t_calls_done_ns": max(last for _, last in told),
        "t_written_ns": written_ns,
        "cpu_us": round((usage.ru_utime + usage.ru_stime) * 1e6),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
