"""The demo: one stream into a bytearray and into a GrowBuffer, side by side."""

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

import rich.console
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table

import growbuf
from growbuf.cli.measure import available_nbytes
from growbuf.cli.stream import (
    PIECE_NBYTES,
    InputError,
    Source,
    read_pieces,
    write_stdlib_tar,
)

KINDS = ("bytearray", "GrowBuffer")
DEFAULT_NBYTES = 1 << 30
WARM_MAX_NBYTES = 4 << 30

NOTE = (
    "Medians. Appending is the time inside `buffer += piece` alone; the whole job also "
    "reads and decompresses the data (once, if it is repeated), which costs both the "
    "same. Ratio: bytearray / GrowBuffer. Peak memory: of the process that each run "
    "has to itself, less what it held before the first piece."
)
WARM_NOTE = (
    "Before each run, memory for it was touched and freed: a virtual machine may have "
    "to wait for its host to hand memory out, which --cold counts and this does not."
)


class DigestError(Exception):
    """A buffer does not hold the bytes of the stream."""


class Reference(NamedTuple):
    """What every buffer must hold, found out without any buffer."""

    length: int
    sha256: str


class Console(rich.console.Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, whose exit code 1 means something else."""
        raise


def run(file: str | None, nbytes: int | None, repeat: int, cold: bool) -> None:
    """Measure both types `repeat` times on `file` or built-in data; print a table."""
    out = Console(highlight=False, markup=False, emoji=False)
    with open_source(file, nbytes) as source:
        reference = digest(source)
        check_fits(reference.length)
        text = describe(file, source, reference)
        text = text.encode(out.encoding, "backslashreplace").decode(out.encoding)
        out.print(text, soft_wrap=True)
        runs = measure_all(source, reference, repeat, cold)
    checked = len(KINDS) * repeat
    out.print(f"SHA-256 of the buffers: the same, {checked} of {checked}")
    out.print(make_table(runs))
    out.print(NOTE if cold else f"{NOTE} {WARM_NOTE}")


@contextmanager
def open_source(file: str | None, nbytes: int | None) -> Iterator[Source]:
    if file is not None:
        yield Source(file)
        return
    length = nbytes or default_nbytes()
    check_fits(length)
    with tempfile.TemporaryDirectory(prefix="growbuf-") as folder:
        path = os.path.join(folder, "stdlib.tar.gz")
        with show_progress() as progress:
            progress.add_task("packing the standard library", total=None)
            write_stdlib_tar(path)
        yield Source(path, length)


def default_nbytes() -> int:
    available = available_nbytes()
    return DEFAULT_NBYTES if available is None else min(DEFAULT_NBYTES, available // 4)


def check_fits(length: int) -> None:
    available = available_nbytes()
    if available is not None and length > available:
        raise InputError(
            f"{format_nbytes(length)} of data do not fit in the "
            f"{format_nbytes(available)} of memory available"
        )


def show_progress() -> Progress:
    """Return bars that vanish when done, so that an error is the only line left."""
    console = Console(stderr=True)
    return Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def digest(source: Source) -> Reference:
    """Read `source` once, piece by piece, and keep nothing but its SHA-256."""
    sha256 = hashlib.sha256()
    length = 0
    with show_progress() as progress:
        task = progress.add_task("SHA-256 of the stream", total=source.length)
        for piece in read_pieces(source):
            sha256.update(piece)
            length += len(piece)
            progress.update(task, completed=length)
    return Reference(length, sha256.hexdigest())


def measure_all(
    source: Source, reference: Reference, repeat: int, cold: bool
) -> dict[str, list[dict]]:
    """Return `repeat` measurements of each type, taken in turn, each one checked."""
    runs: dict[str, list[dict]] = {kind: [] for kind in KINDS}
    warm_nbytes = 0 if cold else enough_to_warm(reference.length)
    with show_progress() as progress:
        task = progress.add_task("", total=len(KINDS) * repeat * reference.length)
        for turn in range(len(KINDS) * repeat):
            kind = KINDS[turn % len(KINDS)]
            progress.update(task, description=f"building a {kind}")
            result = measure(kind, source, warm_nbytes, partial(progress.advance, task))
            check_digest(kind, result, reference)
            runs[kind].append(result)
    return runs


def enough_to_warm(length: int) -> int:
    """Return how much to touch before a run: twice the length, as others take some."""
    return min(2 * length, WARM_MAX_NBYTES, (available_nbytes() or 2 * length) // 2)


def measure(
    kind: str, source: Source, warm_nbytes: int, advance: Callable[[int], None]
) -> dict:
    """Return one measurement, taken in a fresh process that reports to `advance`."""
    result = {}
    with start_worker(kind, source, warm_nbytes) as process:
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


def start_worker(kind: str, source: Source, warm_nbytes: int) -> subprocess.Popen:
    words = (kind, source.path, source.length or 0, warm_nbytes)
    return subprocess.Popen(
        [sys.executable, "-m", "growbuf.cli.demo_worker", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
    )


def check_exit(kind: str, code: int, errors: str) -> None:
    if code == 0:
        return
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code < 0:
        reason = f"killed by {signal.Signals(-code).name}, perhaps for lack of memory"
    else:
        reason = (errors.strip() or f"exit code {code}").splitlines()[-1]
    raise InputError(f"building the {kind} failed: {reason}")


def check_digest(kind: str, result: dict, reference: Reference) -> None:
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


def make_table(runs: dict[str, list[dict]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column()
    for heading in COLUMNS:
        table.add_column(heading, justify="right")
    medians = {kind: take_medians(results) for kind, results in runs.items()}
    for kind, figures in medians.items():
        table.add_row(kind, *map(format_cell, COLUMNS.values(), figures))
    table.add_row("ratio", *map(format_ratio, *medians.values()), style="bold")
    return table


def take_medians(results: list[dict]) -> list[float | None]:
    """Return the median of each column, or None where a type has no such figure."""
    names = (name for name, _ in COLUMNS.values())
    columns: Iterator[list[Any]] = (
        [one.get(name) for one in results] for name in names
    )
    return [None if None in column else median(column) for column in columns]


def format_cell(column: tuple[str, Callable], figure: float | None) -> str:
    return "-" if figure is None else column[1](figure)


def format_ratio(theirs: float | None, ours: float | None) -> str:
    return f"{theirs / ours:.2f}x" if theirs is not None and ours else ""


def format_count(count: float) -> str:
    return f"{count:,.0f}"


def format_ns(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e9:.3f} s"


def format_nbytes(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if nbytes < 1024:
            return f"{nbytes:.4g} {unit}"
        nbytes /= 1024
    return f"{nbytes:.4g} GiB"


# Heading, the figure of a measurement under it, and how it reads.
COLUMNS = {
    "appending": ("append_ns", format_ns),
    "whole job": ("job_ns", format_ns),
    "peak memory": ("peak_nbytes", format_nbytes),
    "moves": ("moves", format_count),
    "bytes moved": ("moved_bytes", format_nbytes),
    "bytes copied": ("copied_bytes", format_nbytes),
}
