"""Pickles records as Python's own handlers send them, and says what is in them.

Writes the frames into the file that is named, one after the other, and for each a line of JSON to
standard output: the dictionary that Python itself reads out of the frame.
"""

import asyncio
import collections
import datetime
import decimal
import enum
import json
import logging
import logging.handlers
import random
import struct
import sys
import threading
import uuid

CASES = 300
TEXTS = [
    "",
    "plain",
    "two\nlines\r\n",
    "NUL \0 and ESC \x1b[31m",
    "lone \udc80 and \ud800\udfff",
    "naïve 日本語 🦀",
    "100% of %s %(name)s",
    "\u2028\x85\x7f",
]
SCALARS = [None, True, False, 0, -1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**63 - 1]
SCALARS += [2**63, -(2**63), 2**64 - 1, 2**64, -(2**70), 10**300]
SCALARS += [0.0, -0.0, 1.5, 1e300, 5e-324, float("nan"), float("inf"), float("-inf")]
SCALARS += [b"", b"a\0'\xff", b"'\"\\\n", bytearray(b"x\x80"), bytearray()]
RESERVED = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"taskName"}


class Text(str):
    pass


class Table(dict):
    pass


class Severity(enum.IntEnum):
    HIGH = 45


class Plain:
    def __init__(self):
        self.a = 1


OBJECTS = [
    decimal.Decimal("1.5"),
    uuid.UUID(int=5),
    datetime.datetime(2026, 11, 22, 4, 48, 23, 123456),
    datetime.date(2026, 11, 22),
    datetime.timedelta(1),
    collections.OrderedDict(a=1, b=2),
    collections.defaultdict(list, a=[1]),
    collections.deque([1, 2]),
    Severity.HIGH,
    Plain(),
    ValueError("x"),
    1 + 2j,
]


class Catching(logging.Handler):
    """Gives each record to a handler that would send it."""

    def __init__(self, handlers, frames):
        super().__init__()
        self.handlers, self.frames = handlers, frames

    def emit(self, record):
        handler = self.handlers[len(self.frames) % len(self.handlers)]
        self.frames.append(handler.makePickle(record))


def container(chance, depth):
    def value():
        if depth < 4 and chance.random() < 0.4:
            return container(chance, depth + 1)
        return chance.choice([chance.choice(TEXTS), chance.choice(SCALARS), decimal.Decimal(7)])

    values = [value() for _ in range(chance.randrange(4))]
    kind = chance.randrange(6)
    if kind == 0:
        return values
    if kind == 1:
        return tuple(values)
    if kind == 2:
        # Small numbers have the same order in every set.
        return chance.choice([set, frozenset])(range(chance.randrange(4)))
    if kind == 3:
        return {chance.choice([3, -(2**70), None, (1, 2), b"\xff"]): value()}
    return chance.choice([dict, Table])((text, value()) for text in chance.sample(TEXTS, len(values)))


def extra(chance):
    fields = {}
    for number in range(chance.randrange(6)):
        key = chance.choice(["f%d", "é%d", "two\nlines%d", "\udc80%d", "level%d"]) % number
        kind = chance.randrange(5)
        if kind == 0:
            fields[key] = chance.choice(TEXTS)
        elif kind == 1:
            fields[key] = chance.choice(OBJECTS)
        elif kind == 2:
            fields[key] = container(chance, 0)
        else:
            fields[key] = chance.choice(SCALARS)
    # A name that Python leaves to everybody, and one text twice, which is sent once.
    if chance.random() < 0.2:
        fields["level"] = fields["time"] = chance.choice(TEXTS)
    return fields


def fail(text):
    raise ValueError(text)


def log(chance, logger):
    level = chance.choice([1, 5, 10, 20, 30, 35, 40, 50, 300, Severity.HIGH])
    arguments = {"extra": extra(chance), "stack_info": chance.random() < 0.2}
    text = chance.choice(TEXTS)
    if chance.random() < 0.3:
        try:
            fail(text)
        except ValueError:
            logger.log(level, "failed: %r", text, exc_info=True, **arguments)
    else:
        logger.log(level, chance.choice([text.replace("%", "%%") + " %d", "%s"]), 7, **arguments)


def log_special(logger):
    logger.warning({"not": "text"})
    logger.warning("é" * 250000)
    logger.warning("x", extra={"long": "x" * 500000})
    logger.warning("x", extra={"many": {str(number): number for number in range(3000)}})
    logger.warning("x", extra={str(n): n for n in range(300)})
    logger.warning("x", extra={1: 2, None: 3})
    cycle = [1]
    cycle.append((cycle,))
    logger.warning("x", extra={"cycle": cycle})
    deep = []
    for _ in range(200):
        deep = [deep]
    logger.warning("x", extra={"deep": deep})

    async def in_task():
        logger.warning("in a task")

    asyncio.new_event_loop().run_until_complete(in_task())
    thread = threading.Thread(target=logger.warning, args=("in a thread",), name="thread\n\udc80")
    thread.start()
    thread.join()
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logger.warning("of no process")


def clean(text):
    """Where Python has half a pair, there is the replacement character."""
    return "".join("\ufffd" if 0xD800 <= ord(char) < 0xE000 else char for char in text)


def key_text(key):
    if isinstance(key, str):
        return clean(key)
    if isinstance(key, tuple):
        return "<tuple>"
    return "null" if key is None else str(key)


def nested(value):
    """What a container is in JSON."""
    if isinstance(value, dict):
        return {key_text(key): nested(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [nested(inner) for inner in value]
    if isinstance(value, (bytes, bytearray)):
        return repr(bytes(value))
    if isinstance(value, decimal.Decimal):
        return {"<decimal.Decimal>": [str(value)]}
    if isinstance(value, float) and not abs(value) < float("inf"):
        return "NaN" if value != value else "inf" if value > 0 else "-inf"
    return clean(value) if isinstance(value, str) else value


def told(key, value):
    """The type of a value and what it is."""
    if any(type(value) is type(known) for known in OBJECTS):
        module = type(value).__module__
        name = type(value).__name__
        return ["object", name if module == "builtins" else module + "." + name]
    if key in ("cycle", "deep"):
        return ["text", '[1,["<cycle>"]]' if key == "cycle" else deep_text()]
    if value is None:
        return ["null", None]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", str(int(value))]
    if isinstance(value, float):
        return ["float", str(struct.unpack(">Q", struct.pack(">d", value))[0])]
    if isinstance(value, str):
        return ["text", clean(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["text", repr(bytes(value))]
    return ["json", json.dumps(nested(value))]


def deep_text():
    return "[" * 64 + '"<too deep>"' + "]" * 64


def answer(frame):
    """What the standard library reads out of a frame."""
    length, record = struct.unpack(">L", frame[:4])[0], frame[4:]
    assert length == len(record)
    record = logging.handlers.pickle.loads(record)
    fields = [[key_text(key), told(key, record[key])] for key in record if key not in RESERVED]
    known = {key: record.get(key) for key in sorted(RESERVED)}
    for key, value in known.items():
        known[key] = clean(value) if isinstance(value, str) else value
    return {"known": known, "fields": fields}


def main():
    chance = random.Random(5)
    frames = []
    sending = logging.handlers.SocketHandler("localhost", 1), logging.handlers.DatagramHandler("", 1)
    logger = logging.Logger("http.é")
    logger.addHandler(Catching(sending, frames))
    logging.addLevelName(35, "AUDIT")
    for _ in range(CASES):
        log(chance, logger)
    log_special(logger)
    with open(sys.argv[1], "wb") as file:
        file.write(b"".join(frames))
    for frame in frames:
        print(json.dumps(answer(frame)))


if __name__ == "__main__":
    main()
