"""Writes into a folder until it is told to stop: a log, record by record, and a file that is replaced as a whole."""

import hashlib
import os
import sys


def main(folder):
    log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    number = 0
    while not os.path.exists(os.path.join(folder, "stop")):
        number += 1
        digest = hashlib.sha256(b"%d" % number).hexdigest().encode()
        os.write(log, b"%d %s\n" % (number, digest))
        if number % 20 == 0:
            replace(folder, number)


def replace(folder, number):
    body = b"%d\n" % number * 5000
    with open(os.path.join(folder, "next"), "wb") as file:
        file.write(body + hashlib.sha256(body).hexdigest().encode())
        # As a program must that wants to find it after a power cut: a snapshot on btrfs is one.
        file.flush()
        os.fsync(file.fileno())
    os.rename(os.path.join(folder, "next"), os.path.join(folder, "whole"))


main(sys.argv[1])
