"""Acquire samples in one thread and plot them meanwhile, without a copy.

    python examples/live.py               plot in a window until it is closed
    python examples/live.py picture.png   plot for a second, then write a file

The plot keeps views of the array's memory, and the array can still grow. If no window
can be opened, the program writes live.png. It needs matplotlib.
"""

import math
import sys
import threading
import time
from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib import pyplot

from growbuf import GrowArray

RATE = 20_000  # samples per second
BLOCK = 200


def acquire(samples, stop):
    """Append rows (time, volts) at the rate of a measuring instrument."""
    random, start = np.random.default_rng(5), time.perf_counter()
    while not stop.is_set():
        times = (len(samples) + np.arange(BLOCK)) / RATE
        volts = np.sin(5 * times) + random.normal(scale=0.1, size=BLOCK)
        samples.extend(np.column_stack([times, volts]))
        ahead = len(samples) / RATE - (time.perf_counter() - start)
        time.sleep(max(0, ahead))


@contextmanager
def acquired():
    """Provide an array to which a thread appends."""
    samples, stop = GrowArray(row_shape=2), threading.Event()
    thread = threading.Thread(target=acquire, args=(samples, stop))
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def draw(line, samples):
    """Draw all rows that exist now. x and y are columns of one view."""
    rows = samples.array
    line.set_data(rows[:, 0], rows[:, 1])
    line.axes.set_xlim(0, max(1, len(rows) / RATE))
    line.axes.set_title(f"{len(rows)} samples")
    line.figure.canvas.draw()


def choose_picture():
    """Return the file to write, or None to plot in a window."""
    if len(sys.argv) > 1:
        matplotlib.use("agg")
        return sys.argv[1]
    pyplot.figure()  # chooses the backend
    pyplot.close()
    return "live.png" if matplotlib.get_backend().lower() == "agg" else None


def main():
    picture = choose_picture()
    figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
    axes.set(ylim=(-1.5, 1.5), xlabel="seconds", ylabel="volts")
    (line,) = axes.plot([], [], linewidth=0.5)
    end = time.perf_counter() + (1 if picture else math.inf)
    with acquired() as samples:
        while pyplot.fignum_exists(figure.number) and time.perf_counter() < end:
            draw(line, samples)
            if picture:
                time.sleep(0.05)
            else:
                pyplot.pause(0.05)
    if picture:
        figure.savefig(picture)
        print(f"written: {picture}")


if __name__ == "__main__":
    main()
