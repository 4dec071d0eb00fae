"""Compare GrowBuffer with bytearray, under each allocator.

    python benchmarks/versus.py                      all cases, glibc's malloc
    python benchmarks/versus.py build --allocator glibc,jemalloc,mimalloc,tcmalloc
    python benchmarks/versus.py --memory             peak memory of building 1 GiB

Each case runs in a process of its own for each allocator. `ratio` is bytearray's time
divided by GrowBuffer's: the median over pairs of runs, taken in turn. Above 1,
GrowBuffer is faster. Each large job runs in a forked process, so that the allocator
does not reuse memory of the job before. Before a large job 2 GiB of memory are touched
and freed, because a virtual machine may have to wait until its host provides memory.
With --cold that wait is part of the time. `of_numpy` is GrowBuffer's time divided by
that of filling an array of NumPy that has the final length from the start. `growing` is
the share of the time that is spent in calls that change the capacity. Needs the extra
`cli`, and `numpy` for the column `of_numpy`.
"""

import importlib.util
import json
import statistics
import time
from functools import partial

from common import (
    PIECE,
    add_allocators,
    add_json,
    case_parser,
    parse,
    run_worker,
    show,
    write_json,
)

from growbuf import GrowBuffer
from growbuf.cli.measure import GIB, in_child, memory_nbytes, seconds


def build(kind, nbytes=GIB):
    """Extend by 64 KiB to 1 GiB."""
    buf = kind()
    for _ in range(nbytes // len(PIECE)):
        buf.extend(PIECE)
    return buf


def fill_numpy(nbytes=GIB):
    """Fill a preallocated array piece by piece: growing cannot cost less."""
    import numpy

    array = numpy.empty(nbytes, numpy.uint8)
    piece = numpy.frombuffer(PIECE, numpy.uint8)
    for start in range(0, nbytes, len(PIECE)):
        array[start : start + len(PIECE)] = piece
    return array


def small(length, piece):
    """Return a job that builds many buffers of `length` bytes from pieces."""

    def job(kind, total=8 << 20):
        for _ in range(total // length):
            buf = kind()
            for _ in range(length // len(piece)):
                buf.extend(piece)

    return job


def append(length, total):
    """Return a job that appends single bytes up to `length`, many times."""

    def job(kind):
        for _ in range(total // length):
            buf = kind()
            for _ in range(length):
                buf.append(7)

    return job


def extend_64m(kind, piece=PIECE[:64]):
    """Extend by 64 B to 64 MiB."""
    buf = kind()
    for _ in range((64 << 20) // len(piece)):
        buf += piece


def zeros(kind):
    """Make 1 GiB of zeros."""
    return kind(GIB)


def window(length):
    """Return a job that appends 64 KiB and deletes 64 KiB at the front, many times."""
    nbytes = max(4 * length, 256 << 20)

    def job(kind):
        buf = kind()
        for _ in range(nbytes // len(PIECE)):
            buf += PIECE
            if len(buf) > length:
                del buf[: len(PIECE)]

    return job


def interleaved(count, length=24 << 20):
    """Return a job that grows `count` buffers in turn."""

    def job(kind):
        bufs = [kind() for _ in range(count)]
        for _ in range(length // len(PIECE)):
            for buf in bufs:
                buf += PIECE

    return job


def result(name, count=500_000):
    """Return a job that calls a method which returns a small buffer, many times."""

    def job(kind):
        method = getattr(kind(b" a few words "), name)
        for _ in range(count):
            method()

    return job


def take_bytes(kind):
    """Build 1 GiB and take it as bytes, which Python 3.15's bytearray does not copy."""
    return build(kind).take_bytes()


CASES = {
    "build": build,
    "append-100": append(100, 1 << 20),
    "append-1m": append(1 << 20, 2 << 20),
    "append-16m": append(16 << 20, 16 << 20),
    "extend-64m": extend_64m,
    "zeros": zeros,
    "window-1m": window(1 << 20),
    "window-64m": window(64 << 20),
    "window-256m": window(256 << 20),
    "interleaved-2": interleaved(2),
    "interleaved-4": interleaved(4),
    "interleaved-64": interleaved(64),
    "small-1k-64": small(1 << 10, PIECE[:64]),
    "small-16k-64": small(16 << 10, PIECE[:64]),
    "small-64k-64": small(64 << 10, PIECE[:64]),
    "small-1k-1k": small(1 << 10, PIECE[:1024]),
    "small-16k-1k": small(16 << 10, PIECE[:1024]),
    "small-64k-4k": small(64 << 10, PIECE[:4096]),
    "small-250k-64": small(250 << 10, PIECE[:64]),
    "upper": result("upper"),
    "strip": result("strip"),
}
if hasattr(bytearray, "take_bytes"):
    CASES["take-bytes"] = take_bytes


LARGE = ("build", "take-bytes", "zeros", "window-256m", "interleaved-64")


def growth_share():
    """Build 1 GiB; return the share of the time in calls that change the capacity."""
    buf, moving, start = GrowBuffer(), 0.0, time.perf_counter()
    while len(buf) < GIB:
        capacity, before = buf.capacity, time.perf_counter()
        buf.extend(PIECE)
        if buf.capacity != capacity:
            moving += time.perf_counter() - before
    return moving / (time.perf_counter() - start)


def run_case(name, repeat, cold):
    """Time one case, both kinds in turn; return medians and ratios."""
    job = CASES[name]
    jobs = {"bytearray": (job, bytearray), "GrowBuffer": (job, GrowBuffer)}
    if name == "build" and importlib.util.find_spec("numpy"):
        importlib.import_module("numpy")  # so that the job's time excludes the import
        jobs["numpy"] = (fill_numpy,)
    large = name in LARGE
    measure = partial(seconds, warm=2 * GIB if large and not cold else 0)
    if large:
        measure = partial(in_child, measure)
    rows = [
        {peer: measure(*call) for peer, call in jobs.items()} for _ in range(repeat)
    ]
    ratios = [r["bytearray"] / r["GrowBuffer"] for r in rows]
    result = {
        "case": name,
        "ratio": statistics.median(ratios),
        "each": {"ratio": ratios},
        "seconds": statistics.median(r["GrowBuffer"] for r in rows),
    }
    if "numpy" in rows[0]:
        result["of_numpy"] = statistics.median(
            r["GrowBuffer"] / r["numpy"] for r in rows
        )
    if name == "build":
        result["growing"] = statistics.median(growth_share() for _ in range(repeat))
    return result


def peak_of(kind):
    """Build 1 GiB in this process and return its peak memory in units of 1 GiB."""
    buf = build({"bytearray": bytearray, "GrowBuffer": GrowBuffer}[kind])
    return {"case": f"peak {kind}", "peak": memory_nbytes("VmHWM") / len(buf)}


def work(options):
    """Measure, in a worker, the case or the peak memory that its arguments name."""
    if options.memory:
        return peak_of(options.memory)
    return run_case(options.cases[0], options.repeat, options.cold)


def measure(allocator, options):
    """Return the rows of one allocator, each measured by its own worker."""
    requests = [("--repeat", options.repeat, name) for name in options.cases]
    if options.cold:
        requests = [("--cold", *words) for words in requests]
    if options.memory:
        requests = [("--memory", kind) for kind in ("bytearray", "GrowBuffer")]
    rows = (run_worker(allocator, *words) for words in requests)
    return [{"allocator": allocator, **row} for row in rows if row]


FORMS = {
    "allocator": "{}",
    "case": "{}",
    "ratio": "{:.2f}",
    "seconds": "{:.3f}",
    "of_numpy": "{:.2f}",
    "growing": "{:.2%}",
    "peak": "{:.3f} GiB",
}


def main():
    parser = case_parser(__doc__, CASES, repeat=5)
    add_allocators(parser)
    add_json(parser)
    parser.add_argument("--memory", nargs="?", const="all", help="peak memory instead")
    parser.add_argument("--cold", action="store_true", help="do not touch memory first")
    options = parse(parser, CASES)
    if options.worker:
        print(json.dumps(work(options)))
        return
    rows = [row for name in options.allocator for row in measure(name, options)]
    show(rows, FORMS)
    write_json(options, {"rows": rows})


if __name__ == "__main__":
    main()
