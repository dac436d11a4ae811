"""deep.py FOLDER LENGTH: nested folders and a file at their end, whose path from FOLDER is LENGTH bytes long."""

import os
import sys

NAME = 200

folder, length = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2])
while length > NAME + 2:
    os.mkdir("d" * NAME, dir_fd=folder)
    folder = os.open("d" * NAME, os.O_RDONLY, dir_fd=folder)
    length -= NAME + 1
os.close(os.open("f" * length, os.O_WRONLY | os.O_CREAT, dir_fd=folder))
