"""GrowBuffer against bytearray at every size: one table, first builds and rebuilds.

    python benchmarks/sizes.py                            64 B to 64 MiB, glibc's malloc
    python benchmarks/sizes.py --most 4G --allocator jemalloc,mimalloc,tcmalloc
    python benchmarks/sizes.py --least 256M --most 4G     only the largest

A cell is bytearray's time divided by GrowBuffer's, the median over pairs taken in turn.
`first` builds from memory the process has not used, each time in a process forked for
it; `again` builds, drops and builds again. Small buffers are built many at a time.
"""

import argparse
import ctypes
import gc
import json
import statistics
import subprocess
import sys
import time

from versus import ALLOCATORS, in_child, preload, touch

import growbuf
from growbuf import GrowBuffer

KINDS = (bytearray, GrowBuffer)
PIECES = (64, 4 << 10, 64 << 10, 1 << 20)
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
RELEASE = (  # how glibc, jemalloc, mimalloc and TCMalloc are told to
    ("malloc_trim", 0),
    ("mallctl", b"arena.4096.purge", None, None, None, ctypes.c_size_t(0)),
    ("mi_collect", True),
    ("MallocExtension_ReleaseFreeMemory",),
)
MOST_PIECES = 1 << 24  # of a build: more takes minutes


def build(kind, length, piece):
    buf = kind()
    extend = buf.extend
    for _ in range(length // len(piece)):
        extend(piece)
    return buf


def first_ns(kind, length, piece):
    """Time builds whose results are kept, so that no memory is used twice."""
    count = max(1, (4 << 20) // length)
    kept = [None] * count
    start = time.perf_counter_ns()
    for i in range(count):
        kept[i] = build(kind, length, piece)
    return (time.perf_counter_ns() - start) / count


def again_ns(kind, length, piece):
    """Time builds that each drop the one before."""
    count = max(1, min(5000, (128 << 20) // length))
    buf = build(kind, length, piece)
    start = time.perf_counter_ns()
    for _ in range(count):
        buf = None
        buf = build(kind, length, piece)
    taken = time.perf_counter_ns() - start
    del buf
    return taken / count


def release():
    """Have GrowBuffer and the allocator give back what they keep."""
    gc.collect()
    growbuf.trim()
    library = ctypes.CDLL(None)
    for name, *args in RELEASE:
        if hasattr(library, name):
            getattr(library, name)(*args)


def fresh(measure, kind, length, piece):
    """Measure with the code in the caches and no memory in hand."""
    build(kind, 100 << 10, piece[: 4 << 10])
    release()
    if length >= 16 << 20:
        touch(min(2 * length, 4 << 30))
    return measure(kind, length, piece)


def ratio(measure, length, piece, repeat):
    pairs = (
        [in_child(fresh, measure, kind, length, piece) for kind in KINDS]
        for _ in range(repeat)
    )
    return statistics.median(theirs / ours for theirs, ours in pairs)


def cells(least, most, repeat):
    length = least
    while length <= most:
        for nbytes in PIECES:
            if nbytes <= length <= nbytes * MOST_PIECES:
                times = repeat if length <= 64 << 20 else 3
                yield (
                    length,
                    nbytes,
                    ratio(first_ns, length, bytes(nbytes), times),
                    ratio(again_ns, length, bytes(nbytes), times),
                )
        length *= 4


def readable(nbytes):
    for unit, scale in reversed(UNITS.items()):
        if nbytes >= scale:
            return f"{nbytes // scale} {unit}iB"
    return f"{nbytes} B"


def show(allocator, rows):
    from rich.console import Console
    from rich.table import Table

    table = Table("length", "piece", "first", "again", title=allocator)
    for length, piece, *ratios in rows:
        figures = (f"[{'red' if r < 0.95 else 'default'}]{r:.2f}[/]" for r in ratios)
        table.add_row(readable(length), readable(piece), *figures)
    Console().print(table)


def nbytes(text):
    return int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--least", type=nbytes, default=64, metavar="64")
    parser.add_argument("--most", type=nbytes, default=64 << 20, metavar="64M")
    parser.add_argument("--allocator", default="glibc", help=",".join(ALLOCATORS))
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(list(cells(options.least, options.most, options.repeat))))
        return
    for allocator in options.allocator.split(","):
        env = preload(allocator)
        if env is not None:
            limits = f"--least {options.least} --most {options.most}".split()
            command = [sys.executable, __file__, "--worker", *limits]
            command += ["--repeat", str(options.repeat)]
            done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE)
            show(allocator, json.loads(done.stdout))


if __name__ == "__main__":
    main()
