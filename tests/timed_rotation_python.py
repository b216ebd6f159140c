"""Writes the cases read from stdin with Python's own TimedRotatingFileHandler.

Its clock, and the times of its files, are those of the case.
"""

import json
import logging
import os
import sys
import time
from datetime import time as time_of_day
from logging.handlers import TimedRotatingFileHandler

for case in json.load(sys.stdin):
    path = case["path"]
    for session in case["sessions"]:
        now = session["start"]
        time.time = lambda: now
        at = session["at"]
        if not os.path.exists(path):
            # Opened by the handler, it would be of another time.
            open(path, "x").close()
            os.utime(path, (now, now))
        handler = TimedRotatingFileHandler(
            path,
            when=session["when"],
            interval=session["interval"],
            backupCount=session["backup_count"],
            utc=True,
            atTime=None if at is None else time_of_day(*at),
            encoding="ascii",
        )
        for step, line in session["lines"]:
            now += step
            handler.emit(logging.makeLogRecord({"msg": line}))
        handler.close()
        os.utime(path, (now, now))
