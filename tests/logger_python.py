"""Says for trees of loggers what CPython's logging does with records of each name.

Standard input has one JSON object per line: `root` and `loggers` (name -> settings), and `names`. For
each, a line with the effective level, whether the logger is enabled for each of LEVELS, and the
handlers that are called, in their order.
"""

import json
import logging
import sys

LEVELS = [5, 10, 15, 20, 30, 40, 50]


class Noting(logging.Handler):
    def __init__(self, number, calls):
        super().__init__()
        self.number, self.calls = number, calls

    def emit(self, record):
        self.calls.append(self.number)


def configure(logger, settings, calls):
    logger.setLevel(settings["level"])
    logger.propagate = settings["propagate"]
    logger.disabled = settings["disabled"]
    for number in settings["handlers"]:
        logger.addHandler(Noting(number, calls))


def tree(case, calls):
    root = logging.RootLogger(logging.NOTSET)
    manager = logging.Manager(root)
    configure(root, case["root"], calls)
    for name, settings in case["loggers"]:
        configure(manager.getLogger(name), settings, calls)
    return root, manager


def answer(case, name):
    # A tree of its own: a name that was asked for is a logger from then on.
    calls = []
    root, manager = tree(case, calls)
    loggers = logging.Logger.manager, logging.Logger.root
    logging.Logger.manager, logging.Logger.root = manager, root
    logging.lastResort = None
    logging.raiseExceptions = False
    try:
        logger = root if name in ("", "root") else manager.getLogger(name)
        enabled = [level for level in LEVELS if logger.isEnabledFor(level)]
        logger.handle(logging.LogRecord(name, logging.CRITICAL, "", 0, "", (), None))
        return [logger.getEffectiveLevel(), enabled, calls]
    finally:
        logging.Logger.manager, logging.Logger.root = loggers


for line in sys.stdin:
    case = json.loads(line)
    print(json.dumps([answer(case, name) for name in case["names"]]))
