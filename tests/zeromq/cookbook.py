"""The recipes of Python's logging cookbook for ZeroMQ ("Subclassing QueueHandler", "Subclassing
QueueListener") with their sockets of choice; `send` and `recv` take and give bytes in Python 3.

  cookbook.py log push|publish bind|connect URI COUNT
  cookbook.py listen pull|subscribe bind|connect URI
  cookbook.py messages URI

`log` logs a record named `probe` until a line comes, then COUNT records, and prints the message of
each as JSON. `listen` prints what it gets as JSON. `messages` pushes what is no record, and one that is.
"""

import json
import logging
import random
import sys
import threading
from logging.handlers import QueueHandler, QueueListener

import zmq

KINDS = {"push": zmq.PUSH, "publish": zmq.PUB, "pull": zmq.PULL, "subscribe": zmq.SUB}
PIECES = ["a", " ", "\n", "\0", "\x1b[31m", "é", "🦀", "\ud800", '"', "\\", "{}", "%s", "\u2028", "x" * 300]


class ZeroMQSocketHandler(QueueHandler):
    def enqueue(self, record):
        data = json.dumps(record.__dict__)
        self.queue.send(data.encode())


class ZeroMQSocketListener(QueueListener):
    def __init__(self, socket, *handlers):
        QueueListener.__init__(self, socket, *handlers)

    def dequeue(self, block=True):
        msg = self.queue.recv()
        return logging.makeLogRecord(json.loads(msg))


class Print(logging.Handler):
    def emit(self, record):
        self.format(record)
        shown = ["name", "levelno", "levelname", "message", "exc_text", "lineno", "processName"]
        answer = {key: getattr(record, key) for key in shown}
        answer["extra"] = getattr(record, "extra", None)
        print(json.dumps(answer), flush=True)


def opened(kind, end, uri):
    socket = zmq.Socket(zmq.Context(), KINDS[kind])
    if kind == "subscribe":
        socket.setsockopt(zmq.SUBSCRIBE, b"")  # subscribe to everything
    getattr(socket, end)(uri)
    if end == "bind":
        print(socket.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
    return socket


def log(kind, end, uri, count):
    socket = opened(kind, end, uri)
    logger = logging.Logger("http.é")
    logger.addHandler(ZeroMQSocketHandler(socket))
    is_joined = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), is_joined.set()), daemon=True).start()
    while not is_joined.wait(0.05):
        logger.debug("probe")
    chance = random.Random(7)
    for number in range(count):
        text = "".join(chance.choices(PIECES, k=chance.randrange(12)))
        logger.warning("%d %s", number, text, extra={"extra": {"n": number}})
        print(json.dumps("%d %s" % (number, text)), flush=True)
    try:
        raise ValueError("the end")
    except ValueError:
        logger.exception("failed")
    print("done", flush=True)
    sys.stdin.read()
    socket.close(linger=-1)


def listen(kind, end, uri):
    listener = ZeroMQSocketListener(opened(kind, end, uri), Print())
    while True:
        listener.handle(listener.dequeue())


def messages(uri):
    socket = opened("push", "connect", uri)
    for message in [[b"garbage"], [b"[1]"], [b"{"], [b"a", b"b", b"c"], [b"topic", b'{"msg":"whole"}']]:
        socket.send_multipart(message)
    socket.close(linger=-1)
    socket.context.term()


if sys.argv[1] == "log":
    log(*sys.argv[2:5], int(sys.argv[5]))
elif sys.argv[1] == "listen":
    listen(*sys.argv[2:])
else:
    messages(sys.argv[2])
