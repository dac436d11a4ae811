"""What a pod can do to files while they are copied: it exchanges each of them with a named pipe that nobody serves.

  pipes.py plant FOLDER COUNT    files 0, 1, … and a pipe for each of them
  pipes.py swap FOLDER COUNT     exchanges them as fast as it can, without any privilege, until it is killed
"""

import ctypes
import os
import sys

USER = 1000
AT_FDCWD = -100
RENAME_EXCHANGE = 2


def plant(folder, count):
    for number in range(count):
        with open(os.path.join(folder, str(number)), "w") as file:
            file.write("data")
        os.mkfifo(os.path.join(folder, f"pipe-{number}"))
    for name in os.listdir(folder):
        os.chown(os.path.join(folder, name), USER, USER)
    os.chown(folder, USER, USER)


def swap(folder, count):
    os.chdir(folder)
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    rename = ctypes.CDLL(None, use_errno=True).renameat2
    pairs = [(str(number).encode(), f"pipe-{number}".encode()) for number in range(count)]
    while True:
        for file, pipe in pairs:
            rename(AT_FDCWD, file, AT_FDCWD, pipe, RENAME_EXCHANGE)


{"plant": plant, "swap": swap}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
