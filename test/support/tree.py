"""A tree of every kind of entry, made from a seed and described line by line. Python: Node reads no extended attributes.

  tree.py plant FOLDER SEED COUNT    fill an empty folder
  tree.py disturb FOLDER SEED        change, remove and add entries
  tree.py describe FOLDER            one JSON line per entry, the folder itself first
"""

import hashlib
import json
import os
import random
import stat
import struct
import sys

ODD_NAMES = [
    b"with space", b"new\nline", b"tab\there", b"-rf", b"--", b"'quote", b'"double"', b"back\\slash", b"$(id)", b"*",
    b"\xff\xfe\x80", "ünï😀".encode(), b"..hidden", b".dot", b"x" * 255, b": No such file or directory", b"\x01\x1b[2J",
]
TARGETS = [b"/etc/shadow", b"/", b"..", b"../../../../etc/passwd", b"nowhere", b".", b"\xff", b"/proc/self/root", b"/dst"]
ACCESS_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, bits, who)
    for tag, bits, who in [(1, 6, 2**32 - 1), (2, 4, 1234), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1), (32, 0, 2**32 - 1)]
)
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


def plant(folder, seed, count):
    rng = random.Random(seed)
    folders, files, paths = [folder], [], []
    for index in range(count):
        parent = rng.choice(folders[-40:])
        suffix = b"-%d" % index
        name = rng.choice(ODD_NAMES)[: 255 - len(suffix)] + suffix if rng.random() < 0.2 else b"entry" + suffix
        path = os.path.join(parent, name)
        kind = rng.choices(
            ["file", "big", "hole", "folder", "link", "hard", "fifo", "socket", "device"], [40, 3, 4, 14, 14, 14, 4, 3, 4]
        )[0]
        if kind == "folder" and parent.count(b"/") < folder.count(b"/") + 8:
            os.mkdir(path)
            folders.append(path)
        elif kind == "link":
            os.symlink(rng.choice(TARGETS), path)
        elif kind == "hard" and files:
            os.link(rng.choice(files), path, follow_symlinks=False)
            continue
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        elif kind == "device":
            os.mknod(path, rng.choice([stat.S_IFCHR, stat.S_IFBLK]) | 0o600, os.makedev(1, rng.randrange(9)))
        else:
            fill(rng, path, kind)
            files.append(path)
        paths.append(path)
    decorate(rng, [folder] + paths)


def fill(rng, path, kind):
    with open(path, "wb") as file:
        if kind == "hole":
            for _ in range(rng.randrange(4)):
                file.seek(rng.randrange(64) * 65536)
                file.write(rng.randbytes(4096))
            file.truncate(64 * 65536 + rng.randrange(5000))
        else:
            file.write(rng.randbytes(rng.randrange(65536, 400000) if kind == "big" else rng.choice([0, 1, 100, 5000])))


def decorate(rng, paths):
    """Deepest first, so that no folder's times change afterwards."""
    for path in sorted(paths, key=lambda path: -path.count(b"/")):
        mode = os.lstat(path).st_mode
        os.chown(path, rng.choice([0, 1001, 4000000]), rng.choice([0, 1002]), follow_symlinks=False)
        if not stat.S_ISLNK(mode):
            os.chmod(path, rng.choice([0o600, 0o644, 0o755, 0o000, 0o4711, 0o2750, 0o1777, 0o666]))
            if (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and rng.random() < 0.3:
                attributes(rng, path, stat.S_ISDIR(mode))
        times = rng.choice([0, 10**18 + 123456789, 1600000000 * 10**9 + rng.randrange(10**9)])
        os.utime(path, ns=(times, times), follow_symlinks=False)


def attributes(rng, path, is_folder):
    os.setxattr(path, "user.note", rng.randbytes(rng.randrange(1, 200)))
    os.setxattr(path, "trusted.note", b"root only")
    os.setxattr(path, "system.posix_acl_access", ACCESS_ACL)
    if is_folder:
        os.setxattr(path, "system.posix_acl_default", ACCESS_ACL)
    else:
        os.setxattr(path, "security.capability", CAPABILITY)


def disturb(folder, seed):
    rng = random.Random(seed)
    for path, status in entries(folder)[1:]:
        if stat.S_ISREG(status.st_mode) and rng.random() < 0.5:
            with open(path, "ab") as file:
                file.write(b"changed")
        elif not stat.S_ISDIR(status.st_mode) and rng.random() < 0.5:
            os.unlink(path)
        else:
            os.chown(path, 7, 7, follow_symlinks=False)


def describe(folder):
    first = {}
    for path, status in entries(folder):
        mode = status.st_mode
        name = os.path.relpath(path, folder)
        regular, is_folder = stat.S_ISREG(mode), stat.S_ISDIR(mode)
        line = {
            "name": name.decode("utf-8", "backslashreplace"),
            "mode": oct(mode),
            "owner": [status.st_uid, status.st_gid],
            "time": status.st_mtime_ns,
            "device": status.st_rdev,
            "links": None if is_folder else status.st_nlink,
            "same": None if is_folder else first.setdefault(status.st_ino, name.decode("utf-8", "backslashreplace")),
            "size": status.st_size if regular else None,
            "blocks": status.st_blocks if regular else None,
            "content": digest(path) if regular else None,
            "target": repr(os.readlink(path)) if stat.S_ISLNK(mode) else None,
            "attributes": {key: os.getxattr(path, key, follow_symlinks=False).hex() for key in names(path)},
        }
        print(json.dumps(line))


def names(path):
    return sorted(os.listxattr(path, follow_symlinks=False))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]


def entries(folder):
    found = [folder]
    for parent, folders, files in os.walk(folder):
        found += [os.path.join(parent, name) for name in folders + files]
    return [(path, os.lstat(path)) for path in sorted(found)]


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    target = os.fsencode(folder)
    if command == "describe":
        describe(target)
    elif command == "disturb":
        disturb(target, int(rest[0]))
    else:
        plant(target, int(rest[0]), int(rest[1]))
