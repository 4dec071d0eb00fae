"""Acquire samples in one thread and plot what has come, from views that are held.

    python examples/live.py               a window, until it is closed
    python examples/live.py picture.png   a second of it, into a file

Needs matplotlib. The line looks at the array's own memory: nothing is copied for it.
"""

import math
import sys
import threading
import time
from contextlib import contextmanager

import matplotlib
import numpy as np

from growbuf import GrowArray

RATE = 20_000  # samples a second
BLOCK = 200


def acquire(samples, stop):
    """Append (time, volts) rows as an instrument would deliver them."""
    random, start = np.random.default_rng(5), time.perf_counter()
    while not stop.is_set():
        times = (len(samples) + np.arange(BLOCK)) / RATE
        volts = np.sin(5 * times) + random.normal(scale=0.1, size=BLOCK)
        samples.extend(np.column_stack([times, volts]))
        behind = len(samples) / RATE - (time.perf_counter() - start)
        time.sleep(max(0, behind))


@contextmanager
def acquired():
    """Give an array that a thread appends to."""
    samples, stop = GrowArray(row_shape=2), threading.Event()
    thread = threading.Thread(target=acquire, args=(samples, stop))
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def draw(line, samples):
    """Have the line show all rows there are now: both columns of one view of them."""
    rows = samples.array
    line.set_data(rows[:, 0], rows[:, 1])
    line.axes.set_xlim(0, max(1, len(rows) / RATE))
    line.axes.set_title(f"{len(rows)} samples")
    line.figure.canvas.draw()


def main():
    picture = sys.argv[1] if len(sys.argv) > 1 else None
    if picture:
        matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
    axes.set(ylim=(-1.5, 1.5), xlabel="seconds", ylabel="volts")
    (line,) = axes.plot([], [], linewidth=0.5)
    end = time.perf_counter() + (1 if picture else math.inf)
    with acquired() as samples:
        while pyplot.fignum_exists(figure.number) and time.perf_counter() < end:
            draw(line, samples)
            pyplot.pause(0.05)
    if picture:
        figure.savefig(picture)


if __name__ == "__main__":
    main()
