"""Logs by a configuration file until there are so many backups; then says how many lines it has logged."""

import glob
import json
import logging
import logging.config
import sys
import time

with open(sys.argv[1]) as file:
    logging.config.dictConfig(json.load(file))
backups, pause, number = int(sys.argv[2]), float(sys.argv[3]), 0
while len(glob.glob("app.log.*")) < backups:
    logging.getLogger("shop").info("%05d", number)
    number += 1
    time.sleep(pause)
logging.shutdown()
print(number)
