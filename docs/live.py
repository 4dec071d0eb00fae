"""Acquire samples in one thread and plot what has come, from views that are held.

    python docs/live.py               a window, until it is closed
    python docs/live.py picture.png   two seconds of it, into a file

Needs matplotlib. The line looks at the array's own memory: nothing is copied for it.
"""

import sys
import threading
import time

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


def draw(line, samples):
    """Have the line show all rows there are now."""
    line.set_data(samples[:, 0], samples[:, 1])
    line.axes.set_xlim(0, max(1, len(samples) / RATE))
    line.axes.set_title(f"{len(samples)} samples")


def main():
    import matplotlib

    picture = sys.argv[1] if len(sys.argv) > 1 else None
    if picture:
        matplotlib.use("Agg")
    from matplotlib import pyplot

    samples, stop = GrowArray(row_shape=2), threading.Event()
    figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
    axes.set(ylim=(-1.5, 1.5), xlabel="seconds", ylabel="volts")
    (line,) = axes.plot([], [], linewidth=0.5)
    thread = threading.Thread(target=acquire, args=(samples, stop))
    thread.start()
    try:
        end = time.perf_counter() + 2
        while pyplot.fignum_exists(figure.number):
            draw(line, samples)
            figure.canvas.draw()
            if picture and time.perf_counter() > end:
                figure.savefig(picture)
                break
            if not picture:
                pyplot.pause(0.05)
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
