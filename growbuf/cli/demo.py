"""The demo: build the same data as a bytearray and as a GrowBuffer, and compare."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.progress import DownloadColumn
from rich.table import Table

import growbuf
from growbuf.cli.measure import GIB, available_nbytes, exit_reason
from growbuf.cli.output import Console, format_nbytes, show_progress
from growbuf.cli.stream import (
    PIECE_NBYTES,
    InputError,
    Source,
    misnamed,
    read_pieces,
    write_stdlib_tar,
)

KINDS = ("bytearray", "GrowBuffer")
DEFAULT_NBYTES = 1 << 30
WARM_MAX_NBYTES = 4 << 30
TELLING_NBYTES = 4 << 20  # building shorter data takes too little time to compare
SECONDS_PER_GIB = 5  # estimate for one run, its warm-up and its digest

NOTE = (
    "All figures are medians. Appending: the time spent in `buffer += piece`. Whole "
    "job: that, and the time to read and decompress the data, which is the same for "
    "both types; data that is repeated is decompressed once. Ratio: bytearray / "
    "GrowBuffer. Peak memory: of the process that made the run, minus what it used "
    "before the first piece. Moves: how often the kernel moved the pages of the "
    "buffer. Page tables moved: the total size of the pages that the kernel moved to "
    "other addresses; it does not copy them. Bytes copied: copied during growth, such "
    "as when a small buffer moves from the heap to pages."
)
WARM_NOTE = (
    "Before each run, memory for it was touched and freed, because a virtual machine "
    "may have to wait until its host provides memory. With --cold the times include "
    "that wait."
)


class DigestError(Exception):
    """A buffer does not contain the bytes of the data."""


class Reference(NamedTuple):
    """The length and digest that every buffer must have, computed without a buffer."""

    length: int
    sha256: str


def run(file: str | None, nbytes: int | None, repeat: int, cold: bool) -> None:
    """Measure both types `repeat` times and print a table.

    The data is that of `file`. If `file` is None, it is `nbytes` bytes of the standard
    library.
    """
    out = Console()
    if file is not None and (warning := misnamed(file)):
        Console(stderr=True).print(f"growbuf: warning: {warning}", soft_wrap=True)
    length = nbytes or default_nbytes() if file is None else length_of(file)
    if length is not None:
        check_fits(length)
        print_encoded(out, announcement(file, length, repeat))
    with open_source(file, nbytes) as source:
        reference = digest(source)
        check_fits(reference.length)
        print_encoded(out, describe(file, source, reference))
        tell = None if Console(stderr=True).is_terminal else out.print
        runs = measure_all(source, reference, repeat, cold, tell)
    checked = len(KINDS) * repeat
    out.print(f"SHA-256 of the buffers: the same, {checked} of {checked}")
    too_small = reference.length < TELLING_NBYTES
    out.print(make_table(runs, with_ratio=not too_small))
    out.print(NOTE if cold else f"{NOTE} {WARM_NOTE}")
    if too_small:
        out.print(
            f"{format_nbytes(reference.length)} of data are too little to tell which "
            "type is faster, since only a few calls are timed. Name a FILE of "
            f"{format_nbytes(TELLING_NBYTES)} or more, or none."
        )


def print_encoded(out: Console, text: str) -> None:
    """Print a text with a file's name, which the output may not be able to encode."""
    text = text.encode(out.encoding, "backslashreplace").decode(out.encoding)
    out.print(text, soft_wrap=True)


def length_of(file: str) -> int | None:
    """Return the length of a regular file, or None for what open_stream() refuses."""
    return os.path.getsize(file) if os.path.isfile(file) else None


def announcement(file: str | None, length: int, repeat: int) -> str:
    """Return a line that says what the demo will do, and roughly how long it takes."""
    what = (
        "data of Python's standard library" if file is None else f"the data of {file}"
    )
    seconds = 3 + length / GIB * (1 + len(KINDS) * repeat) * SECONDS_PER_GIB
    took = f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
    times = "once" if repeat == 1 else f"{repeat} times"
    if file is not None:
        took += ", and longer if it is compressed"
    return (
        f"Building {format_nbytes(length)} of {what}, in turn {times} as a bytearray "
        f"and {times} as a GrowBuffer: about {took}."
    )


@contextmanager
def open_source(file: str | None, nbytes: int | None) -> Iterator[Source]:
    """Provide the data of `file`, or of a temporary tar of the standard library."""
    if file is not None:
        yield Source(file)
        return
    length = nbytes or default_nbytes()
    with tempfile.TemporaryDirectory(prefix="growbuf-") as folder:
        path = os.path.join(folder, "stdlib.tar.gz")
        with show_progress(DownloadColumn(binary_units=True)) as progress:
            progress.add_task("packing the standard library", total=None)
            write_stdlib_tar(path)
        yield Source(path, length)


def default_nbytes() -> int:
    available = available_nbytes()
    return DEFAULT_NBYTES if available is None else min(DEFAULT_NBYTES, available // 4)


def check_fits(length: int) -> None:
    """Raise InputError if so many bytes do not fit in memory."""
    available = available_nbytes()
    if available is not None and length > available:
        raise InputError(
            f"{format_nbytes(length)} of data do not fit in the "
            f"{format_nbytes(available)} of memory available"
        )


def digest(source: Source) -> Reference:
    """Read `source` piece by piece and return its length and SHA-256."""
    sha256 = hashlib.sha256()
    length = 0
    with show_progress(DownloadColumn(binary_units=True)) as progress:
        task = progress.add_task("SHA-256 of the stream", total=source.length)
        for piece in read_pieces(source):
            sha256.update(piece)
            length += len(piece)
            progress.update(task, completed=length)
    return Reference(length, sha256.hexdigest())


def measure_all(
    source: Source,
    reference: Reference,
    repeat: int,
    cold: bool,
    tell: Callable[[str], object] | None = None,
) -> dict[str, list[dict]]:
    """Run the two types in turn, `repeat` times each, and return the results by type.

    After each run, check its digest, and call `tell` (if any) with a line of text.
    """
    runs: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    warm_nbytes = 0 if cold else warm_up_nbytes(reference.length)
    with show_progress(DownloadColumn(binary_units=True)) as progress:
        task = progress.add_task("", total=len(KINDS) * repeat * reference.length)
        for turn in range(len(KINDS) * repeat):
            kind = KINDS[turn % len(KINDS)]
            progress.update(task, description=f"building a {kind}")
            result = measure(kind, source, warm_nbytes, partial(progress.advance, task))
            check_digest(kind, result, reference)
            runs[kind].append(result)
            if tell:
                tell(
                    f"run {turn + 1} of {len(KINDS) * repeat}: {kind}, appending "
                    f"{format_ns(result['append_ns'])}"
                )
    return runs


def warm_up_nbytes(length: int) -> int:
    """Return how much memory to touch and free before a run that builds `length` bytes.

    It is twice the length, because other processes may take some of the freed memory.
    """
    return min(2 * length, WARM_MAX_NBYTES, (available_nbytes() or 2 * length) // 2)


def measure(
    kind: str, source: Source, warm_nbytes: int, advance: Callable[[int], None]
) -> dict:
    """Make one run in a new process and return its result.

    During the run, call `advance` several times, each time with the number of bytes
    that were appended since the last call.
    """
    words = (kind, source.path, source.length or 0, warm_nbytes)
    result = {}
    with subprocess.Popen(
        [sys.executable, "-m", "growbuf.cli.demo_worker", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            for line in process.stdout:
                message = json.loads(line)
                if isinstance(message, int):
                    advance(message)
                else:
                    result = message
            errors = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    check_exit(kind, process.returncode, errors)
    return result


def check_exit(kind: str, code: int, errors: str) -> None:
    """Raise an exception if the process of a run failed. `errors` is its stderr."""
    if code == 0:
        return
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    lines = errors.strip().splitlines() if code > 0 else []
    reason = lines[-1] if lines else exit_reason(code)
    raise InputError(f"building the {kind} failed: {reason}")


def check_digest(kind: str, result: dict, reference: Reference) -> None:
    """Raise DigestError if the buffer of a run has other bytes than the data."""
    if Reference(result["length"], result["sha256"]) != reference:
        raise DigestError(
            f"the {kind} does not hold the stream: "
            f"{result['length']} bytes with SHA-256 {result['sha256']}, "
            f"expected {reference.length} with {reference.sha256}"
        )


def describe(file: str | None, source: Source, reference: Reference) -> str:
    on_disk = format_nbytes(os.path.getsize(source.path))
    what = f"{file} ({on_disk})"
    if file is None:
        what = f"a tar of Python's standard library ({on_disk}), repeated"
    length = f"{reference.length:,} bytes ({format_nbytes(reference.length)})"
    return (
        f"Stream: {what}: {length} in pieces of {format_nbytes(PIECE_NBYTES)}"
        f"\nSHA-256 of the stream: {reference.sha256}"
        f"\nGrowBuffer grows by: {growbuf.info()['strategy']}"
    )


def make_table(runs: dict[str, list[dict]], with_ratio: bool = True) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column()
    for heading in COLUMNS:
        table.add_column(heading, justify="right")
    medians = {kind: take_medians(results) for kind, results in runs.items()}
    for kind, figures in medians.items():
        cells = zip(COLUMNS.values(), figures, strict=True)
        table.add_row(
            kind,
            *("-" if figure is None else form(figure) for (_, form), figure in cells),
        )
    if with_ratio:
        table.add_row("ratio", *map(format_ratio, *medians.values()), style="bold")
    return table


def take_medians(results: list[dict]) -> list[float | None]:
    """Return the median of each column, or None if the type has no such figure."""
    names = (name for name, _ in COLUMNS.values())
    columns: Iterator[list[Any]] = (
        [one.get(name) for one in results] for name in names
    )
    return [None if None in column else median(column) for column in columns]


def format_ratio(theirs: float | None, ours: float | None) -> str:
    return f"{theirs / ours:.2f}x" if theirs is not None and ours else ""


def format_count(count: float) -> str:
    return f"{count:,.0f}"


def format_ns(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e9:.3f} s"


# For each heading: the key of its figure in a result, and a function that formats it.
COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "appending": ("append_ns", format_ns),
    "whole job": ("job_ns", format_ns),
    "peak memory": ("peak_nbytes", format_nbytes),
    "moves": ("moves", format_count),
    "page tables moved": ("moved_bytes", format_nbytes),
    "bytes copied": ("copied_bytes", format_nbytes),
}
