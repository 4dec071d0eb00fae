"""Count the looks at a growing array that see a wrong row.

    python tests/looks.py [--mib 128] [--looks 1000000]

One thread receives frames from a socket into the array, and another looks at its rows.
A frame is a row of 1,000 float32 numbers, all of which are the frame's number. Frames
arrive in pieces of any length, and the array keeps the last ones, `--mib` MiB. A look
checks the newest row and one random row. Frames are sent until there were `--looks`
looks and the array was full once.
"""

import argparse
import random
import socket
import sys
import threading

import numpy as np

from growbuf import GrowArray

ITEMS, PERIOD = 1000, 1 << 20  # float32 numbers are exact up to 1 << 24


def send(there, nframes, stop):
    """Send frames until `stop` is set; pause for 1 ms after about each `nframes`."""
    rng, number = random.Random(1), 0
    with there:
        while not stop.is_set():
            frames = np.arange(number, number + 100, dtype="f4") % PERIOD
            data = memoryview(np.repeat(frames, ITEMS).tobytes())
            number = (number + 100) % PERIOD
            while data:
                nbytes = rng.randrange(1, 200_000)
                there.sendall(data[:nbytes])
                data = data[nbytes:]
            if number % nframes < 100:
                stop.wait(0.001)


def is_right(frames, rng):
    """Return whether the last row and a random row are whole and in their places."""
    if len(frames) == 0:
        return True
    last, at = frames[-1], rng.randrange(len(frames))
    before = (last[0] - (len(frames) - 1 - at)) % PERIOD
    return bool((last == last[0]).all() and (frames[at] == before).all())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--looks", type=int, default=1_000_000)
    arguments = parser.parse_args()
    nframes = arguments.mib * (1 << 20) // (4 * ITEMS)
    here, there = socket.socketpair()
    array, stop = (
        GrowArray(dtype="f4", row_shape=ITEMS, maxlen=nframes),
        threading.Event(),
    )
    received = [0]

    def receive():
        while nrows := array.readfrom(here, 64):
            received[0] += nrows

    threads = [
        threading.Thread(target=send, args=(there, nframes, stop)),
        threading.Thread(target=receive),
    ]
    for thread in threads:
        thread.start()
    rng, looks, wrong = random.Random(2), 0, 0
    while looks < arguments.looks or received[0] < nframes:
        wrong += not is_right(array.array, rng)
        looks += 1
    stop.set()
    for thread in threads:
        thread.join()
    here.close()
    mib = received[0] * 4 * ITEMS >> 20
    print(f"{looks:,} looks, {wrong} wrong, {mib:,} MiB received")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
