"""Formats records with Python's own logging.

Reads one JSON object per line, a pattern and a record; answers each with a JSON string.
"""

import json
import logging
import sys
import time


def make_record(case):
    """Lets LogRecord derive all it derives, at the time of the case."""
    time.time = lambda: case["created"]
    time.time_ns = lambda: case["time_ns"]
    # Seconds up to Python 3.12, nanoseconds since.
    in_seconds = isinstance(logging._startTime, float)
    logging._startTime = case["started"] if in_seconds else case["started_ns"]
    record = logging.LogRecord(
        case["name"], case["level"], case["pathname"], case["lineno"], case["message"], None, None
    )
    for attribute in ("created", "thread", "threadName", "process", "processName", "taskName"):
        setattr(record, attribute, case[attribute])
    # As `defaults` (Python 3.10) and `extra` put them there.
    for name, value in {**case["defaults"], **case["fields"]}.items():
        setattr(record, name, value)
    record.exc_text = case["exception"]
    return record


def format_case(case):
    formatter = logging.Formatter(case["pattern"], case["datefmt"], case["style"])
    formatter.converter = time.gmtime if case["utc"] else time.localtime
    return formatter.format(make_record(case))


logging.addLevelName(5, "TRACE")
for line in sys.stdin:
    print(json.dumps(format_case(json.loads(line))))
