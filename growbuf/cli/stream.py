"""Real data of unknown length, in pieces: a file, or Python's standard library."""

import os
import stat
import sysconfig
import tarfile
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import cycle
from typing import IO, NamedTuple

try:
    from lzma import LZMAError
except ModuleNotFoundError:  # this Python reads no xz file, so nothing raises one
    LZMAError = OSError  # type: ignore[assignment, misc]

PIECE_NBYTES = 64 << 10

# First bytes, and the module whose open() undoes the compression.
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}

NOT_SOURCES = {"__pycache__", "site-packages", "dist-packages"}


class InputError(Exception):
    """The input cannot be used; the message is one line for the user."""


class Source(NamedTuple):
    """The data in `path`: once, or over and over up to `length` bytes."""

    path: str
    length: int | None = None


def read_pieces(source: Source) -> Iterator[bytes]:
    """Return the decompressed data of `source`, at most PIECE_NBYTES at a time.

    Data to be repeated is decompressed here, once; a file of unknown length as it is
    asked for.
    """
    pieces = read_file(source.path)
    return pieces if source.length is None else repeat(list(pieces), source.length)


def repeat(pieces: list[bytes], length: int) -> Iterator[bytes]:
    for piece in cycle(pieces):
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return


def read_file(path: str) -> Iterator[bytes]:
    try:
        with open_stream(path) as stream:
            while piece := stream.read(PIECE_NBYTES):
                yield piece
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (EOFError, LZMAError, zlib.error) as error:
        raise InputError(f"{path}: {error}") from error


def open_stream(path: str) -> IO[bytes]:
    """Open `path` for reading what is inside its compression, if it has any."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a directory")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: not a regular file, which can be read again")
    return find_open(path)(path, "rb")


def find_open(path: str) -> Callable[[str, str], IO[bytes]]:
    with open(path, "rb") as file:
        start = file.read(max(map(len, MAGIC)))
    module = next((MAGIC[magic] for magic in MAGIC if start.startswith(magic)), "io")
    try:
        return import_module(module).open
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: this Python was built without {module}") from error


def write_stdlib_tar(path: str) -> None:
    """Write the sources of Python's standard library to `path`, as a gzipped tar.

    Order and metadata are fixed: one Python always makes the same tar.
    """
    root = sysconfig.get_path("stdlib")
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name in list_stdlib(root):
            tar.add(os.path.join(root, name), name, recursive=False, filter=anonymize)


def list_stdlib(root: str) -> list[str]:
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = set(folders) - NOT_SOURCES
        names += [os.path.relpath(os.path.join(folder, file), root) for file in files]
    if not names:
        raise InputError(f"{root}: no standard library in files; give the demo a FILE")
    return sorted(names)


def anonymize(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
