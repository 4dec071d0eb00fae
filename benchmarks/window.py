"""Send bytes through a sliding window while a reader always holds a view of it.

    python benchmarks/window.py [--gib N]

The window is in a buffer with a limit, or in a default GrowArray. The reader makes each
view before it releases the previous one: in the thread that appends (`one thread`) or
in a thread of its own (`two threads`). `no view` has no reader.

`errors` counts the calls that raised. `windows` is the memory that the process gained
at its peak, divided by the length of the window. `ratio` is the time divided by the
time without a view: below 1, streaming under a view is faster.
"""

import argparse
import subprocess
import sys
import threading
import time

import numpy as np

from growbuf import GrowArray, GrowBuffer

MIB = 1 << 20
WINDOW, LIMIT, PIECE = 64 * MIB, 1 << 30, 1 * MIB


def peak():
    """Return the largest resident memory of this process so far, in bytes."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def make(kind):
    """Return the subject, the piece that is appended, and its length in items."""
    if kind == "GrowBuffer":
        return GrowBuffer(limit=LIMIT), bytes(range(256)) * (PIECE // 256), 1
    return GrowArray(dtype="f8"), np.arange(PIECE // 8, dtype="f8"), 8


def look(subject):
    return memoryview(subject) if isinstance(subject, GrowBuffer) else subject.array


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


def measure(kind, nbytes, how):
    """Return (errors, largest resident bytes, seconds per GiB)."""
    subject, piece, itemsize = make(kind)
    window, errors, view = WINDOW // itemsize, 0, None
    reader = Reader(subject) if how == "two threads" else None
    if reader is not None:
        reader.start()
    before, began = peak(), time.perf_counter()
    for _ in range(nbytes // PIECE):
        try:
            subject.extend(piece)
            if len(subject) > window:
                del subject[: len(subject) - window]
        except (BufferError, MemoryError):
            errors += 1
        if how == "one thread":
            view = look(subject)
    seconds = time.perf_counter() - began
    if reader is not None:
        reader.done = True
        reader.join()
    del view
    return errors, peak() - before, seconds / (nbytes / (1 << 30))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    nbytes = int(arguments.gib * (1 << 30))
    if arguments.one:
        print(*measure(arguments.one[0], nbytes, arguments.one[1]))
        return
    print(f"{'':12}{'':14}{'errors':>8}{'windows':>9}{'s/GiB':>8}{'ratio':>7}")
    for kind in "GrowBuffer", "GrowArray":
        plain = None
        for how in "no view", "one thread", "two threads":
            words = [sys.executable, __file__, "--gib", str(arguments.gib)]
            done = subprocess.run(
                [*words, "--one", kind, how], capture_output=True, text=True, check=True
            )
            errors, nbytes_most, seconds = map(float, done.stdout.split())
            plain = plain or seconds
            print(
                f"{kind:12}{how:14}{errors:8.0f}{nbytes_most / WINDOW:9.2f}"
                f"{seconds:8.3f}{seconds / plain:7.2f}"
            )


if __name__ == "__main__":
    main()
