"""GrowBuffer against bytearray, in turn, in one process for each allocator.

    python benchmarks/versus.py                      every case, glibc's malloc
    python benchmarks/versus.py build --allocator glibc,jemalloc,mimalloc,tcmalloc
    python benchmarks/versus.py --memory             peak memory of building 1 GiB

A ratio is bytearray's time divided by GrowBuffer's, the median over the pairs: above 1,
GrowBuffer is faster. Each large job has a forked process to itself, so that no allocator
starts with memory of the one before, and before it 2 GiB of memory are touched and freed:
a virtual machine may have to wait for its host to hand memory out, which --cold counts
and otherwise nobody pays. Needs the extra `cli`, and `numpy` for its column.
"""

import argparse
import ctypes.util
import importlib.util
import json
import mmap
import os
import statistics
import struct
import subprocess
import sys
import time
from functools import partial

from growbuf import GrowBuffer

GIB = 1 << 30
PIECE = bytes(range(256)) * 256  # 64 KiB
ALLOCATORS = {  # library to preload, and the Debian package that has it
    "glibc": (None, None),
    "jemalloc": ("jemalloc", "libjemalloc2"),
    "mimalloc": ("mimalloc", "libmimalloc2.0"),
    "tcmalloc": ("tcmalloc_minimal", "libtcmalloc-minimal4"),
}


def build(kind, nbytes=GIB):
    """Extend by 64 KiB to 1 GiB."""
    buf = kind()
    for _ in range(nbytes // len(PIECE)):
        buf.extend(PIECE)
    return buf


def fill_numpy(nbytes=GIB):
    """Fill a preallocated array piece by piece: what growing could cost at best."""
    import numpy

    array = numpy.empty(nbytes, numpy.uint8)
    piece = numpy.frombuffer(PIECE, numpy.uint8)
    for start in range(0, nbytes, len(PIECE)):
        array[start : start + len(PIECE)] = piece
    return array


def small(length, piece):
    """Make a builder of many buffers of `length` bytes out of pieces."""

    def job(kind, total=8 << 20):
        for _ in range(total // length):
            buf = kind()
            for _ in range(length // len(piece)):
                buf.extend(piece)

    job.__doc__ = f"Extend by {len(piece)} B to {length >> 10} KiB, many times."
    return job


def append(length, total):
    """Make a builder that appends single bytes to `length`, again and again."""

    def job(kind):
        for _ in range(total // length):
            buf = kind()
            for _ in range(length):
                buf.append(7)

    job.__doc__ = f"Append single bytes to {length} B."
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
    """Make a sliding window: 64 KiB in, 64 KiB out."""
    nbytes = max(4 * length, 256 << 20)

    def job(kind):
        buf = kind()
        for _ in range(nbytes // len(PIECE)):
            buf += PIECE
            if len(buf) > length:
                del buf[: len(PIECE)]

    job.__doc__ = f"Slide a window of {length >> 20} MiB over {nbytes >> 20} MiB."
    return job


def interleaved(count, length=24 << 20):
    """Grow `count` buffers to 24 MiB each, in turn."""

    def job(kind):
        bufs = [kind() for _ in range(count)]
        for _ in range(length // len(PIECE)):
            for buf in bufs:
                buf += PIECE

    job.__doc__ = f"Grow {count} buffers to {length >> 20} MiB in turn."
    return job


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
}


def touch(nbytes):
    """Have the host of a virtual machine hand out so much memory, and free it."""
    with mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.madvise(mmap.MADV_HUGEPAGE)
        memory[:: mmap.PAGESIZE] = bytes(nbytes // mmap.PAGESIZE)


LARGE = ("build", "zeros", "window-256m", "interleaved-64")


def in_child(measure, *args):
    """Run a measurement in a forked process and return the number it measured."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, struct.pack("d", measure(*args)))
        os._exit(0)
    result = os.read(reading, 8)
    os.close(reading)
    os.close(writing)
    os.waitpid(child, 0)
    return struct.unpack("d", result)[0]


def seconds(job, *args, warm=0):
    if warm:
        touch(warm)
    start = time.perf_counter()
    result = job(*args)
    taken = time.perf_counter() - start
    del result
    return taken


def growth_share():
    """Return the share of building 1 GiB that is spent in calls that moved pages."""
    buf, moving, start = GrowBuffer(), 0.0, time.perf_counter()
    while len(buf) < GIB:
        capacity, before = buf.capacity, time.perf_counter()
        buf.extend(PIECE)
        if buf.capacity != capacity:
            moving += time.perf_counter() - before
    return moving / (time.perf_counter() - start)


def run_case(name, repeat, cold):
    """Time one case in turn; return medians and ratios as a dict."""
    job = CASES[name]
    jobs = {"bytearray": (job, bytearray), "GrowBuffer": (job, GrowBuffer)}
    if name == "build" and importlib.util.find_spec("numpy"):
        importlib.import_module("numpy")  # not on the job's time
        jobs["numpy"] = (fill_numpy,)
    large = name in LARGE
    measure = partial(seconds, warm=2 * GIB if large and not cold else 0)
    if large:
        measure = partial(in_child, measure)
    rows = [
        {peer: measure(*call) for peer, call in jobs.items()} for _ in range(repeat)
    ]
    result = {
        "case": name,
        "ratio": statistics.median(r["bytearray"] / r["GrowBuffer"] for r in rows),
        "seconds": statistics.median(r["GrowBuffer"] for r in rows),
    }
    if "numpy" in rows[0]:
        result["of_numpy"] = statistics.median(
            r["GrowBuffer"] / r["numpy"] for r in rows
        )
    if name == "build":
        result["growing"] = statistics.median(growth_share() for _ in range(repeat))
    return result


def status_nbytes(name):
    """Return a size that /proc/self/status tells of this process."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) << 10


def peak_of(kind):
    """Build 1 GiB in this process and return its peak memory in units of 1 GiB."""
    buf = build({"bytearray": bytearray, "GrowBuffer": GrowBuffer}[kind])
    return {"case": f"peak {kind}", "peak": status_nbytes("VmHWM") / len(buf)}


def preload(allocator):
    """Return the environment with the allocator preloaded, or None if it is missing."""
    library, package = ALLOCATORS[allocator]
    if library is None:
        return dict(os.environ)
    path = ctypes.util.find_library(library)
    if path is None:
        print(f"{allocator}: not found, install {package}", file=sys.stderr)
        return None
    return {**os.environ, "LD_PRELOAD": path}


def child(env, *args):
    command = [sys.executable, __file__, "--worker", *args]
    done = subprocess.run(
        command, env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def measure(allocator, options):
    env = preload(allocator)
    if env is None:
        return
    if options.memory:
        for kind in ("bytearray", "GrowBuffer"):
            yield child(env, "--memory", kind)
        return
    for name in options.cases:
        cold = ["--cold"] if options.cold else []
        yield child(env, name, "--repeat", str(options.repeat), *cold)


def show(rows):
    from rich.console import Console
    from rich.table import Table

    columns = {
        "allocator": str,
        "case": str,
        "ratio": "{:.2f}".format,
        "seconds": "{:.3f}".format,
        "of_numpy": "{:.2f}".format,
        "growing": "{:.2%}".format,
        "peak": "{:.3f} GiB".format,
    }
    table = Table(*(c for c in columns if any(c in row for row in rows)))
    for row in rows:
        table.add_row(
            *(
                form(row[c]) if c in row else ""
                for c, form in columns.items()
                if any(c in other for other in rows)
            )
        )
    Console().print(table)


def case_parser(doc, cases, repeat=7):
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    parser.add_argument("--repeat", type=int, default=repeat)
    return parser


def parse(parser, cases):
    """Parse the command line, whose words are cases that there are: all, if none."""
    options = parser.parse_args()
    for name in options.cases:
        if name not in cases:
            parser.error(f"no such case: {name}; there are {', '.join(cases)}")
    options.cases = options.cases or list(cases)
    return options


def main():
    parser = case_parser(__doc__, CASES, repeat=5)
    parser.add_argument("--allocator", default="glibc", help=",".join(ALLOCATORS))
    parser.add_argument("--memory", nargs="?", const="all", help="peak memory instead")
    parser.add_argument("--cold", action="store_true", help="do not touch memory first")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parse(parser, CASES)
    if options.worker:
        if options.memory:
            row = peak_of(options.memory)
        else:
            row = run_case(options.cases[0], options.repeat, options.cold)
        print(json.dumps(row))
        return
    rows = []
    for allocator in options.allocator.split(","):
        if allocator not in ALLOCATORS:
            parser.error(
                f"no such allocator: {allocator}; there are {', '.join(ALLOCATORS)}"
            )
        for row in measure(allocator, options):
            rows.append({"allocator": allocator, **row})
    show(rows)


if __name__ == "__main__":
    main()
