"""Logs generated records through a handler of Python's own, at once to a door of a listener and to a
receiver as the logging cookbook has it ("Sending and receiving logging events across a network").

  doors_python.py socket|datagram PATH OF_DOOR PATH_OF_OURS
  doors_python.py tcp|udp PORT_OF_DOOR -

Prints `sent N` now and then and waits for a line; in the end a line of JSON for each record that the
receiver has got.
"""

import json
import logging
import logging.handlers
import os
import random
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import receiver_python as cases

RECORDS = 210
# Datagrams that may wait in the kernel.
AT_ONCE = 8

kind, door, ours = sys.argv[1:]
frames = []
arrived = threading.Semaphore(0)


def receive_stream(server):
    connection = server.accept()[0]
    while True:
        chunk = connection.recv(4)
        if len(chunk) < 4:
            return arrived.release()
        length = struct.unpack(">L", chunk)[0]
        content = connection.recv(length)
        while len(content) < length:
            content = content + connection.recv(length - len(content))
        frames.append(chunk + content)


def receive_datagrams(server):
    while True:
        frames.append(server.recv(1 << 20))
        arrived.release()


def handlers():
    """The handler that sends to the door, and the one that sends to the receiver here."""
    family = socket.AF_INET if kind in ("tcp", "udp") else socket.AF_UNIX
    is_stream = kind in ("socket", "tcp")
    server = socket.socket(family, socket.SOCK_STREAM if is_stream else socket.SOCK_DGRAM)
    server.bind(ours if family == socket.AF_UNIX else ("127.0.0.1", 0))
    if is_stream:
        server.listen(1)
    receive = receive_stream if is_stream else receive_datagrams
    threading.Thread(target=receive, args=(server,), daemon=True).start()
    handler = logging.handlers.SocketHandler if is_stream else logging.handlers.DatagramHandler
    if family == socket.AF_UNIX:
        return [handler(door, None), handler(ours, None)]
    return [handler("127.0.0.1", int(door)), handler("127.0.0.1", server.getsockname()[1])]


def wait(expected):
    print("sent", expected, flush=True)
    sys.stdin.readline()


class Paced(logging.Handler):
    """Lets no more datagrams be under way than the kernel keeps."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def emit(self, record):
        # Also what the handlers do not send because no datagram is so large.
        fits = len(self.target[0].makePickle(record)) < 60000
        if fits or kind in ("socket", "tcp"):
            for handler in self.target:
                handler.handle(record)
            if kind in ("datagram", "udp"):
                arrived.acquire()
                if len(frames) % AT_ONCE == 0:
                    wait(len(frames))


def main():
    logging.addLevelName(35, "AUDIT")
    # The standard handlers would print what they could not send.
    logging.raiseExceptions = False
    target = handlers()
    logger = logging.Logger("http.é")
    logger.addHandler(Paced(target))
    chance = random.Random(7)
    for _ in range(RECORDS):
        cases.log(chance, logger)
    cases.log_special(logger)
    for handler in target:
        handler.close()
    if kind in ("socket", "tcp"):
        arrived.acquire()
    wait(len(frames))
    for frame in frames:
        print(json.dumps(cases.answer(frame)))


main()
