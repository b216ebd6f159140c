"""Measures how many records of other programs a listener takes in a second, beside the receiver of Python's
logging cookbook. Each client is a process of its own, and all begin at once; the time ends when the receiver
has ended, which then has all in its file: that is checked.

  doors.py --logboom target/release/logboom [--clients P] [--records N] [--rounds R]
"""

import argparse
import json
import logging
import logging.handlers
import os
import pickle
import signal
import socket
import socketserver
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMAT = "%(asctime)s %(processName)s %(name)s %(levelname)s %(message)s"
MESSAGE = "worker %d handled request %d for /api/v1/items/%d status=%d bytes=%d in 1.234ms"
WAIT_S = 120


def main():
    if len(sys.argv) > 1 and sys.argv[1] in ROLES:
        return ROLES[sys.argv[1]](*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logboom", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--records", type=int, default=100_000, help="of all clients together")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    results = {}
    for _ in range(args.rounds):
        for label, receiver, client in WAYS:
            results.setdefault(label, []).append(measure(args, receiver, client))
    for label, figures in results.items():
        print(f"{label:45} {statistics.median(figures):9.0f} /s  ({min(figures):.0f} to {max(figures):.0f})")


# Label, arguments of the receiver, and the client.
WAYS = [
    ("Python's SocketHandler to a door", ["--python-socket=s"], "python"),
    ("Python's SocketHandler to the cookbook's", None, "python"),
    ("JSON lines", ["--json-socket=s"], "json"),
    ("JSON lines, many in a write", ["--json-socket=s"], "json-batch"),
    ("JSON lines, made before", ["--json-socket=s"], "json-made"),
    ("records of SocketHandler, made before", ["--python-socket=s"], "python-made"),
    ("syslog datagrams", ["--syslog-socket=s"], "syslog"),
    ("logboom's SocketHandler", ["--logboom-socket=s"], "logboom"),
]


def measure(args, receiver, client):
    """Records a second of one run."""
    clients = 1 if client == "logboom" else args.clients
    records = args.records // clients
    with tempfile.TemporaryDirectory(prefix="logboom-doors-", dir="/dev/shm") as place:
        logboom = str(args.logboom.resolve())
        if receiver is None:
            command = [sys.executable, __file__, "receive"]
        else:
            command = [logboom, "-q", "listen", "--log=out.log", "--max-bytes=0", "--drain-timeout=60", *receiver]
        environment = {**os.environ, "LOGBOOM_QUEUE": f"{place}/q"}
        receiving = subprocess.Popen(command, cwd=place, env=environment)
        wait_for(Path(place, "s"))
        # The relay is told what to start, the others which of the clients they are.
        last_arguments = [logboom] if client == "logboom" else map(str, range(clients))
        senders = [
            subprocess.Popen([sys.executable, __file__, client, str(records), last], cwd=place,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for last in last_arguments
        ]
        for sender in senders:
            sender.stdout.readline()
        began = time.monotonic()
        for sender in senders:
            sender.stdin.close()
        for sender in senders:
            if sender.wait(WAIT_S) != 0:
                sys.exit(f"a client of {client} failed")
        receiving.send_signal(signal.SIGTERM)
        receiving.wait(WAIT_S)
        seconds = time.monotonic() - began
        written = Path(place, "out.log").read_bytes().count(b" handled request ")
        if written != clients * records:
            sys.exit(f"{client}: {written} of {clients * records} records are there")
    return written / seconds


def wait_for(path):
    deadline = time.monotonic() + WAIT_S
    while not path.exists():
        if time.monotonic() > deadline:
            sys.exit(f"{path} is not there")
        time.sleep(0.01)


def messages(records, number):
    """Begins when the other clients are there too."""
    begin()
    yield from made_messages(records, number)


def begin():
    print(flush=True)
    sys.stdin.read()


def made_messages(records, number):
    for index in range(int(records)):
        yield MESSAGE % (int(number), index, index * 7919 % 1000003, 200, 1000 + index * 31 % 90000)


def python_client(records, number):
    logger = logging.getLogger("web.access")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.handlers.SocketHandler("s", None))
    for message in messages(records, number):
        logger.info(message)
    logging.shutdown()


def json_lines(messages):
    for message in messages:
        yield json.dumps({"ts": time.time(), "level": "info", "logger": "web.access", "msg": message}).encode() + b"\n"


def json_client(records, number, lines_in_a_write=1):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect("s")
        waiting = []
        for line in json_lines(messages(records, number)):
            waiting.append(line)
            if len(waiting) == lines_in_a_write:
                stream.sendall(b"".join(waiting))
                waiting.clear()
        stream.sendall(b"".join(waiting))


def json_batch_client(records, number):
    json_client(records, number, 100)


def json_made_client(records, number):
    send_made(json_lines(made_messages(records, number)))


def python_made_client(records, number):
    handler = logging.handlers.SocketHandler("s", None)
    logger = logging.getLogger("web.access")
    arguments = logging.INFO, __file__, 1
    made = (logger.makeRecord(logger.name, *arguments, message, (), None)
            for message in made_messages(records, number))
    send_made(map(handler.makePickle, made))


def send_made(pieces):
    """What the receiver takes when no client costs anything."""
    content = b"".join(pieces)
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect("s")
        begin()
        stream.sendall(content)


def syslog_client(records, number):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.connect("s")
        for message in messages(records, number):
            datagrams.send(b"<14>web.access: " + message.encode())


def logboom_client(records, logboom):
    """A listener that relays what it reads from its standard input."""
    config = ("version = 1\n[handlers.central]\nclass = 'logboom.SocketHandler'\naddress = './s'\n"
              "closeTimeout = 60\nmaxBytes = 1_000_000_000\n[root]\nlevel = 'INFO'\nhandlers = ['central']\n")
    Path("relay.toml").write_text(config)
    environment = {**os.environ, "LOGBOOM_QUEUE": str(Path("relay").resolve())}
    command = [logboom, "-q", "listen", "--config=relay.toml", "--json-stdin", "--drain-timeout=60"]
    relaying = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)
    for line in json_lines(messages(records, 0)):
        relaying.stdin.write(line)
    relaying.stdin.close()
    sys.exit(relaying.wait())


class Receiver(socketserver.StreamRequestHandler):
    """As in the cookbook."""

    def handle(self):
        while len(head := self.rfile.read(4)) == 4:
            content = self.rfile.read(struct.unpack(">L", head)[0])
            record = logging.makeLogRecord(pickle.loads(content))
            logging.getLogger(record.name).handle(record)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = False
    request_queue_size = 128


def receive():
    handler = logging.handlers.RotatingFileHandler("out.log", maxBytes=1 << 40, backupCount=1)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.getLogger().addHandler(handler)
    with Server("s", Receiver) as server:
        def stop(*_):
            raise SystemExit

        signal.signal(signal.SIGTERM, stop)
        try:
            server.serve_forever(poll_interval=0.01)
        except SystemExit:
            # Those who are connected are heard to their end when the server is closed.
            pass


ROLES = {
    "python": python_client,
    "json": json_client,
    "json-batch": json_batch_client,
    "json-made": json_made_client,
    "python-made": python_made_client,
    "syslog": syslog_client,
    "logboom": logboom_client,
    "receive": receive,
}

if __name__ == "__main__":
    main()
