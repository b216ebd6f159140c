"""Sends records by the frames of docs/wire.md, with nothing but the standard library.

logboom listen --wire-socket wire.sock &
python3 examples/wire_client.py wire.sock "out of paper" "out of ink"
"""

import os
import socket
import struct
import sys
import time


def pack(value):
    """The value in MessagePack."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, dict):
        pairs = b"".join(pack(key) + pack(item) for key, item in value.items())
        return b"\xdf" + struct.pack(">I", len(value)) + pairs
    text = str(value).encode(errors="replace")
    return b"\xdb" + struct.pack(">I", len(text)) + text


def log(stream, level, logger, message, **fields):
    record = {"time": time.time_ns(), "level": level, "logger": logger, "message": message}
    record.update(pid=os.getpid(), worker=sys.argv[0], fields=fields)
    frame = pack(record)
    stream.sendall(struct.pack(">I", len(frame)) + frame)


with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(sys.argv[1])
    for number, text in enumerate(sys.argv[2:]):
        log(stream, "WARNING", "billing", text, number=number, paid=None, rate=0.5, urgent=True)
