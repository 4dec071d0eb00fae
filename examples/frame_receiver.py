"""Receive frames of numbers from a socket into an array that another thread reads.

    python examples/frame_receiver.py        4 MiB of frames
    python examples/frame_receiver.py 128    as many MiB

The bytes of each frame are received directly into the array's own memory. A frame
becomes part of the array when it is complete. The reader takes views of all frames
received so far, again and again, without a lock or a copy. It checks the frames that it
has not seen yet, and a few of the others again.
"""

import socket
import sys
import threading

import numpy as np

from growbuf import GrowArray

WIDTH = 1000  # numbers in a frame
LAST = 10  # frames that the reader has seen and checks again at each look
BATCH = 64  # frames that are sent together, in pieces that end within a frame


def frame_value(number):
    return number % 65_521


def send(peer, nframes):
    """Send frames. All numbers of a frame are equal."""
    with peer:
        for first in range(0, nframes, BATCH):
            numbers = np.arange(first, min(first + BATCH, nframes))
            batch = np.repeat(frame_value(numbers), WIDTH).astype("f4").tobytes()
            for start in range(0, len(batch), 50_001):
                peer.sendall(batch[start : start + 50_001])


def receive(sock, frames, done):
    """Append frames until the peer closes the connection."""
    try:
        with sock:
            frames.readfrom(sock)
    finally:
        done.set()


def watch(frames, done):
    """Check frames until all are received; return the number of looks and of errors."""
    looks = seen = wrong = 0
    finished = False
    while not finished:
        finished = done.is_set()
        rows = frames.array
        fresh = rows[max(0, seen - LAST) :]
        expected = frame_value(np.arange(len(rows) - len(fresh), len(rows)))
        wrong += int((fresh != expected[:, np.newaxis]).any(axis=1).sum())
        seen = len(rows)
        looks += 1
    return looks, wrong


def main():
    nbytes = int(sys.argv[1] if len(sys.argv) > 1 else 4) << 20
    nframes = nbytes // (4 * WIDTH)
    frames = GrowArray(dtype="f4", row_shape=WIDTH)
    ours, theirs = socket.socketpair()
    done = threading.Event()
    threads = [
        threading.Thread(target=send, args=(theirs, nframes)),
        threading.Thread(target=receive, args=(ours, frames, done)),
    ]
    for thread in threads:
        thread.start()
    looks, wrong = watch(frames, done)
    for thread in threads:
        thread.join()
    print(f"{len(frames)} of {nframes} frames, {looks} looks, {wrong} wrong frames")
    return len(frames) != nframes or wrong > 0


if __name__ == "__main__":
    sys.exit(main())
