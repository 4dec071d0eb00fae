"""Measure and draw the memory of a process while it builds a large result.

    python benchmarks/memory.py --json FILE      measure, for glibc and mimalloc
    python benchmarks/memory.py --draw FILE      draw docs/memory.svg from such a file

Each way builds 256 MiB from pieces of 64 KiB, in a child process of its own. About
every half millisecond the parent reads the child's resident memory from
/proc/PID/statm. So it also sees memory that exists only during a call. Needs matplotlib
to draw.
"""

import argparse
import io
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from common import PIECE, add_json, write_json

from growbuf import GrowBuffer
from growbuf.cli.measure import MissingError, preload, warm_up

NBYTES = 256 << 20
ALLOCATORS = ("glibc", "mimalloc")
PAUSE_S = 0.0005
MAX_POINTS = 400
PAGE_NBYTES = os.sysconf("SC_PAGESIZE")


def extend(kind):
    buffer = kind()
    for _ in range(NBYTES // len(PIECE)):
        buffer += PIECE
    return buffer


def write(kind):
    file = kind()
    for _ in range(NBYTES // len(PIECE)):
        file.write(PIECE)
    return file


WAYS = {
    "GrowBuffer": (extend, GrowBuffer),
    "bytearray": (extend, bytearray),
    "io.BytesIO": (write, io.BytesIO),
}


def work(name):
    """Wait for a line on stdin, build, and keep the result until stdin is closed."""
    job, kind = WAYS[name]
    print("ready", flush=True)
    sys.stdin.readline()
    kept = job(kind)
    print("done", flush=True)
    sys.stdin.readline()
    del kept


def resident_nbytes(file):
    file.seek(0)
    return int(file.read().split()[1]) * PAGE_NBYTES


def sample(allocator, name):
    """Return [seconds, bytes] pairs of one build, from its start to its end."""
    warm_up(2 * NBYTES)
    with subprocess.Popen(
        [sys.executable, __file__, "--worker", name],
        env=preload(allocator),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        worker.stdout.readline()
        points, done = [], False
        with open(f"/proc/{worker.pid}/statm") as statm:
            before = resident_nbytes(statm)
            start = time.perf_counter()
            worker.stdin.write("\n")
            worker.stdin.flush()
            while not done:
                done = select.select([worker.stdout], [], [], PAUSE_S)[0]
                now = time.perf_counter() - start
                points.append((now, resident_nbytes(statm) - before))
        worker.stdout.readline()  # select() returns at the first byte of the line
        worker.stdin.close()
    return thin(points)


def thin(points):
    """Return at most MAX_POINTS points: of each group the one with the most memory."""
    each = -(-len(points) // MAX_POINTS)
    groups = [points[i : i + each] for i in range(0, len(points), each)]
    return [list(max(group, key=lambda point: point[1])) for group in groups]


def measure():
    for allocator in ALLOCATORS:
        try:
            preload(allocator)
        except MissingError as error:
            print(error, file=sys.stderr)
            continue
        for name in WAYS:
            points = sample(allocator, name)
            peak = max(nbytes for _, nbytes in points) / NBYTES
            print(f"{allocator} {name}: {points[-1][0]:.2f} s, peak {peak:.2f}")
            yield {"allocator": allocator, "peer": name, "points": points, "peak": peak}


def draw(rows, file):
    """Draw the memory of each way over the time, with a part for each allocator."""
    from growbuf.cli.measure import grouped
    from growbuf.cli.plot import OURS, THEIRS, picture

    colors = {"GrowBuffer": OURS, "bytearray": THEIRS, "io.BytesIO": "#4c9f45"}
    groups = grouped(rows, "allocator")
    grid = {"nrows": len(groups), "sharex": True, "sharey": True, "squeeze": False}
    with picture(file, 2.3 * len(groups) + 0.4, **grid) as axes:
        for (allocator, group), (ax,) in zip(groups, axes, strict=True):
            ax.set_title(allocator, loc="left", fontsize=10)
            for row in group:
                seconds, nbytes = zip(*row["points"], strict=True)
                mib = [n / (1 << 20) for n in nbytes]
                ax.plot(seconds, mib, color=colors[row["peer"]], label=row["peer"])
            ax.axhline(NBYTES >> 20, color="#7d8590", linewidth=0.8, linestyle=":")
            ax.set_ylabel("MiB resident")
            ax.grid(True)
            ax.legend(frameon=False, loc="lower right")
        axes[-1][0].set_xlabel("seconds of building; dotted: the result's length")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_json(parser)
    parser.add_argument(
        "--draw", metavar="FILE", type=Path, help="draw, do not measure"
    )
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
    elif options.draw:
        draw(json.loads(options.draw.read_text())["rows"], "docs/memory.svg")
    else:
        write_json(options, {"rows": list(measure())})


if __name__ == "__main__":
    main()
