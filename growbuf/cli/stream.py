"""The demo's data, read piece by piece: a file, or Python's standard library."""

import os
import stat
import sysconfig
import tarfile
import zlib
from collections.abc import Iterator
from importlib import import_module
from itertools import cycle
from typing import IO, NamedTuple

try:
    from lzma import LZMAError
except ModuleNotFoundError:  # this Python cannot read xz files, so it is never raised
    LZMAError = OSError  # type: ignore[assignment, misc]

PIECE_NBYTES = 64 << 10

# The first bytes of a compressed file, and the module whose open() decompresses it.
# The last one is the legacy format .lzma, with the parameters that all programs write.
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "lzma",
    b"]\x00\x00": "lzma",
}

# The suffixes of the names of compressed files, and the names of the formats.
SUFFIXES = {
    ".gz": "gzip",
    ".tgz": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".lzma": "lzma",
}

NOT_SOURCES = {"__pycache__", "site-packages", "dist-packages"}


class InputError(Exception):
    """The input cannot be used. The message is one line for the user."""


class Source(NamedTuple):
    """The data of the file at `path`, repeated up to `length` bytes if that is set."""

    path: str
    length: int | None = None


def read_pieces(source: Source) -> Iterator[bytes]:
    """Return an iterator over the decompressed data, at most PIECE_NBYTES at a time.

    If the data is to be repeated, this call reads and decompresses the whole file,
    once. Otherwise the file is read as the iterator advances.
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


def misnamed(path: str) -> str | None:
    """Return a warning if a file is not compressed although its name says so."""
    kind = SUFFIXES.get(os.path.splitext(path)[1].lower())
    if kind is None or not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        start = file.read(max(map(len, MAGIC)))
    if start.startswith(tuple(MAGIC)):
        return None
    return (
        f"{path}: its suffix says {kind}, but the file does not begin like a gzip, "
        "bzip2 or xz file: its bytes are used as they are"
    )


def open_stream(path: str) -> IO[bytes]:
    """Open a regular file. It is decompressed if its first bytes say how."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a directory")
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: is not a regular file, and the demo reads its input more than "
            "once: save it to a file first"
        )
    with open(path, "rb") as file:
        start = file.read(max(map(len, MAGIC)))
    name = next((MAGIC[magic] for magic in MAGIC if start.startswith(magic)), "io")
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"{path}: this Python was built without {name}") from error
    return module.open(path, "rb")


def write_stdlib_tar(path: str) -> None:
    """Write the source files of Python's standard library to `path`, as a gzipped tar.

    Names are sorted and metadata is removed, so that the same Python always writes the
    same tar.
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
        raise InputError(
            f"{root}: the standard library is not installed as files; name a FILE"
        )
    return sorted(names)


def anonymize(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Remove the owner and the time of a member of the tar."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
