"""Writes the cases read from stdin with Python's own RotatingFileHandler."""

import json
import logging
import sys
from logging.handlers import RotatingFileHandler

for case in json.load(sys.stdin):
    for session in case["sessions"]:
        handler = RotatingFileHandler(
            case["path"],
            maxBytes=session["max_bytes"],
            backupCount=session["backup_count"],
            encoding="ascii",
        )
        for line in session["lines"]:
            handler.emit(logging.makeLogRecord({"msg": line}))
        handler.close()
