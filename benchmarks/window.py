"""Send bytes through a sliding window while a reader always holds a view of it.

    python benchmarks/window.py [--gib N] [--repeat N]

The window is in a buffer with a limit, or in a default GrowArray. The reader makes each
view before it releases the previous one: in the thread that appends (`one thread`) or
in a thread of its own (`two threads`). In the runs `no view` no view of the window
exists: in one thread nothing reads, and in two threads the reader makes views of a
bytes object or an ndarray of its own instead. So both runs with two threads include the
time that the threads lose to each other.

`errors` counts the calls that raised. `windows` is the memory that the process gained
at its peak, divided by the length of the window. `s/GiB` and `CPU s/GiB` are the time
and the processor time of the thread that appends. After each of them, `ratio` is that
time divided by the one of the run `no view` with the same number of threads. Below 1,
streaming under a view is faster.
Runs alternate; the times are medians of `--repeat` rounds, the memory is the largest of
them.

`held` is the largest amount of memory that the writer had removed and a view still
showed, divided by the length of the window. A reader in a thread of its own waits for
the interpreter's lock, for its switch interval of 5 ms or longer. Meanwhile its view
keeps what the writer removes. That memory is part of `windows`.
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time

import numpy as np

from growbuf import GrowArray, GrowBuffer

MIB = 1 << 20
WINDOW, LIMIT, PIECE = 64 * MIB, 1 << 30, 1 * MIB
RUNS = [
    ("one thread", "no view"),
    ("one thread", "view"),
    ("two threads", "no view"),
    ("two threads", "view"),
]


def peak():
    """Return the largest resident memory of this process so far, in bytes."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


class Rows:
    """An ndarray with an attribute `array`, so that look() treats it as a GrowArray."""

    def __init__(self, nrows):
        self.rows = np.zeros(nrows)

    @property
    def array(self):
        return self.rows[:]


def make(kind):
    """Return the subject, what else a reader can look at, the piece that is appended,
    and the length of an item."""
    if kind == "GrowBuffer":
        subject, other = GrowBuffer(limit=LIMIT), bytes(PIECE)
        return subject, other, bytes(range(256)) * (PIECE // 256), 1
    return GrowArray(dtype="f8"), Rows(PIECE // 8), np.arange(PIECE // 8, dtype="f8"), 8


def look(subject):
    return subject.array if hasattr(subject, "array") else memoryview(subject)


class Reader(threading.Thread):
    """Hold a view of the subject; replace it with a new one again and again."""

    def __init__(self, subject):
        super().__init__(daemon=True)
        self.subject, self.done, self.looks = subject, False, 0

    def run(self):
        view = look(self.subject)
        while not self.done:
            view = look(self.subject)  # `view` holds the previous one until this exists
            self.looks += len(view) >= 0
            time.sleep(0.0005)


def measure(kind, nbytes, threads, what):
    """Return errors, the largest resident bytes, the most bytes held by views, seconds
    per GiB, and CPU seconds of this thread per GiB."""
    subject, other, piece, itemsize = make(kind)
    window, errors, view = WINDOW // itemsize, 0, None
    reader, held, limit = None, 0, subject.limit
    looks = threads == "one thread" and what == "view"
    if threads == "two threads":
        reader = Reader(subject if what == "view" else other)
        reader.start()
    before, began, began_cpu = peak(), time.perf_counter(), time.thread_time()
    for _ in range(nbytes // PIECE):
        try:
            subject.extend(piece)
            if len(subject) > window:
                del subject[: len(subject) - window]
        except (BufferError, MemoryError):
            errors += 1
        if limit is not None:
            held = max(held, limit - subject.capacity)
        if looks:
            view = look(subject)
    gib = nbytes / (1 << 30)
    cpu = (time.thread_time() - began_cpu) / gib
    seconds = (time.perf_counter() - began) / gib
    if reader is not None:
        reader.done = True
        reader.join()
    del view
    return errors, peak() - before, held * itemsize, seconds, cpu


def run(arguments, kind, threads, what):
    """Return what measure() returns in a process of its own."""
    words = [sys.executable, __file__, "--gib", str(arguments.gib)]
    done = subprocess.run(
        [*words, "--one", kind, threads, what],
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, threads, what = arguments.one
        print(*measure(kind, int(arguments.gib * (1 << 30)), threads, what))
        return
    print(
        f"{'':32}{'errors':>7}{'windows':>9}{'held':>6}"
        f"{'s/GiB':>8}{'ratio':>7}{'CPU s/GiB':>11}{'ratio':>7}"
    )
    for kind in "GrowBuffer", "GrowArray":
        rounds = [
            [run(arguments, kind, *names) for names in RUNS]
            for _ in range(arguments.repeat)
        ]
        for index, names in enumerate(RUNS):
            errors, most, held = (
                max(results[index][field] for results in rounds) for field in range(3)
            )
            base = index - index % 2  # the run without a view
            figures = ""
            for field, width in (3, 8), (4, 11):
                seconds = statistics.median(r[index][field] for r in rounds)
                ratio = statistics.median(
                    r[index][field] / r[base][field] for r in rounds
                )
                figures += f"{seconds:{width}.3f}{ratio:7.2f}"
            print(
                f"{kind:12}{names[0]:12}{names[1]:8}{errors:7.0f}"
                f"{most / WINDOW:9.2f}{held / WINDOW:6.2f}{figures}"
            )


if __name__ == "__main__":
    main()
