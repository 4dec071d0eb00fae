"""Compare GrowBuffer with bytearray at every size.

    python benchmarks/sizes.py                            64 B to 64 MiB, glibc's malloc
    python benchmarks/sizes.py --most 4G --allocator jemalloc,mimalloc,tcmalloc
    python benchmarks/sizes.py --least 256M --most 4G     only large sizes

A cell of the table is bytearray's time divided by GrowBuffer's: the median over pairs
of runs, taken in turn, each in a forked process. `first` builds buffers from memory
that the process has not used. `again` builds a buffer, drops it and builds it again.
Small buffers are built many at a time.
"""

import json
import time
from functools import partial
from statistics import median

from common import (
    add_allocators,
    add_json,
    case_parser,
    parse,
    ratios,
    release,
    run_worker,
    take_pairs,
    touch,
    write_json,
)

from growbuf import GrowBuffer
from growbuf.cli.main import parse_nbytes
from growbuf.cli.output import format_nbytes

KINDS = (bytearray, GrowBuffer)
PIECES = (64, 4 << 10, 64 << 10, 1 << 20)
MAX_PIECES = 1 << 24  # a build of more pieces takes minutes


def build(kind, length, piece):
    buf = kind()
    extend = buf.extend
    for _ in range(length // len(piece)):
        extend(piece)
    return buf


def first_ns(kind, length, piece):
    """Return the time of one build; results are kept, so that no memory is reused."""
    count = max(1, (4 << 20) // length)
    kept = [None] * count
    start = time.perf_counter_ns()
    for i in range(count):
        kept[i] = build(kind, length, piece)
    return (time.perf_counter_ns() - start) / count


def again_ns(kind, length, piece):
    """Return the mean time of a build. Each result is dropped before the next build."""
    count = max(1, min(5000, (128 << 20) // length))
    buf = build(kind, length, piece)
    start = time.perf_counter_ns()
    for _ in range(count):
        buf = None
        buf = build(kind, length, piece)
    taken = time.perf_counter_ns() - start
    del buf
    return taken / count


MEASURES = {"first": first_ns, "again": again_ns}


def fresh(measure, kind, length, piece):
    """Measure in a process that has loaded the code and keeps no free memory."""
    build(kind, 100 << 10, piece[: 4 << 10])
    release()
    if length >= 16 << 20:
        touch(min(2 * length, 4 << 30))
    return measure(kind, length, piece)


def ratios_of(measure, length, piece, repeat):
    theirs, ours = (partial(fresh, measure, kind, length, piece) for kind in KINDS)
    return ratios(take_pairs(theirs, ours, repeat))


def cells(least, most, pieces, repeat):
    length = least
    while length <= most:
        for nbytes in pieces:
            if nbytes <= length <= nbytes * MAX_PIECES:
                times = repeat if length <= 64 << 20 else 3
                each = {
                    name: ratios_of(measure, length, bytes(nbytes), times)
                    for name, measure in MEASURES.items()
                }
                medians = {name: median(found) for name, found in each.items()}
                yield {"length": length, "piece": nbytes, **medians, "each": each}
        length *= 4


def show(allocator, rows):
    from rich.console import Console
    from rich.table import Table

    table = Table("length", "piece", *MEASURES, title=allocator)
    for row in rows:
        found = (row[name] for name in MEASURES)
        figures = (f"[{'red' if r < 0.95 else 'default'}]{r:.2f}[/]" for r in found)
        lengths = (format_nbytes(row[name]) for name in ("length", "piece"))
        table.add_row(*lengths, *figures)
    Console().print(table)


def main():
    parser = case_parser(__doc__)
    add_allocators(parser)
    add_json(parser)
    for name, default in (("--least", "64"), ("--most", "64M")):
        parser.add_argument(name, type=parse_nbytes, default=default, metavar=default)
    parser.add_argument("--piece", type=parse_nbytes, help="only pieces of this length")
    options = parse(parser)
    if options.worker:
        pieces = (options.piece,) if options.piece else PIECES
        found = cells(options.least, options.most, pieces, options.repeat)
        print(json.dumps(list(found)))
        return
    limits = ["--least", options.least, "--most", options.most]
    limits += ["--piece", options.piece] if options.piece else []
    report = []
    for allocator in options.allocator:
        rows = run_worker(allocator, *limits, "--repeat", options.repeat)
        if rows is not None:
            show(allocator, rows)
            report += [{"allocator": allocator, **row} for row in rows]
    write_json(options, {"rows": report})


if __name__ == "__main__":
    main()
