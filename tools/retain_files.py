"""List what an archive needs so that the given files are found in it by their paths.

    python3 tools/retain_files.py <PATHS

It reads absolute paths, one a line, and prints names for cpio. These are the files, all
folders that lead to them, each symbolic link on the way, and what it leads to. No name
goes through a symbolic link. So no file has two names, even if it was given by two
paths. A path that leads to no file is left out.
"""

import os
import sys


def add(path, names):
    """Add a path, and the folders and links that lead to it, to a set."""
    parts, done = path.split("/")[1:], ""
    while parts:
        done += "/" + parts.pop(0)
        names.add(done)
        if os.path.islink(done):
            target = os.path.join(os.path.dirname(done), os.readlink(done), *parts)
            parts, done = os.path.normpath(target).split("/")[1:], ""


def find_names(paths):
    """Return the names in an order in which each folder is before its files."""
    names = set()
    for path in paths:
        if os.path.exists(path):
            add(os.path.normpath(path), names)
    return sorted(names)


if __name__ == "__main__":
    for name in find_names(sys.stdin.read().splitlines()):
        print(name.removeprefix("/"))
