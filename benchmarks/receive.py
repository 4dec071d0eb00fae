"""Compare ways to read files and sockets: into a GrowBuffer, and without one.

    python benchmarks/receive.py                     all cases
    python benchmarks/receive.py file socket --repeat 7

`ratio` is the other way's time divided by GrowBuffer's: the median over pairs of runs,
taken in turn, each in its own process. `peak` is the peak memory of GrowBuffer's
process while it reads, for each byte read. The case `frames` receives float32 rows into
a GrowArray. The case `handing` measures `take` and `freeze`, which pass on bytes
without a copy. Needs the extras `cli` and `numpy`.
"""

import os
import socket
import statistics
import tempfile
import time
from functools import partial

import numpy as np
from common import case_parser, compare, parse, show

from growbuf import GrowArray, GrowBuffer
from growbuf.cli.measure import GIB, in_child, memory_nbytes, seconds, touch

PIECE_NBYTES = 64 << 10
RING_NBYTES = 256 << 10


# ------------------------------------------------------------------------- a file


def file_readfrom(path):
    buf = GrowBuffer()
    with open(path, "rb") as file:
        buf.readfrom(file)
    return buf


def file_read(path):
    with open(path, "rb") as file:
        return file.read()


def file_extend(path):
    buf = bytearray()
    with open(path, "rb") as file:
        while piece := file.read(PIECE_NBYTES):
            buf.extend(piece)
    return buf


# ----------------------------------------------------------------------- a socket


def serve(nbytes):
    """Start a child that sends `nbytes` to one client; return its pid and port."""
    server = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        piece = bytes(1 << 20)
        peer, _ = server.accept()
        for _ in range(nbytes // len(piece)):
            peer.sendall(piece)
        os._exit(0)
    port = server.getsockname()[1]
    server.close()
    return child, port


def from_socket(receive, nbytes):
    """Return how many seconds it takes to receive `nbytes`."""
    child, port = serve(nbytes)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        start = time.perf_counter()
        received = receive(sock, nbytes)
        taken = time.perf_counter() - start
    os.waitpid(child, 0)
    assert received == nbytes, f"received {received} of {nbytes} bytes"
    return taken


def socket_readfrom(sock, nbytes):
    buf = GrowBuffer()
    return buf.readfrom(sock)


def socket_window(sock, nbytes):
    """Receive bytes and delete them again, as a parser does."""
    buf, total = GrowBuffer(), 0
    while count := sock.recv_into(buf.spare(RING_NBYTES)):
        buf.commit(count)
        total += count
        del buf[:count]
    return total


def socket_ring(sock, nbytes):
    """Receive into a preallocated buffer, over and over."""
    ring, total = memoryview(bytearray(RING_NBYTES)), 0
    while count := sock.recv_into(ring):
        total += count
    return total


def socket_extend(sock, nbytes):
    buf = bytearray()
    while piece := sock.recv(65536):
        buf += piece
    return len(buf)


# --------------------------------------------------- frames of numbers, a socket

WIDTH = 1024  # numbers in a frame, f4


def frames_readfrom(sock, nbytes):
    frames = GrowArray(dtype="f4", row_shape=WIDTH)
    frames.readfrom(sock)
    return frames.array.nbytes


def frames_join(sock, nbytes):
    pieces = []
    while piece := sock.recv(PIECE_NBYTES):
        pieces.append(piece)
    return np.frombuffer(b"".join(pieces), "f4").reshape(-1, WIDTH).nbytes


def frames_bytearray(sock, nbytes):
    received = bytearray()
    while piece := sock.recv(PIECE_NBYTES):
        received += piece
    return np.frombuffer(received, "f4").reshape(-1, WIDTH).nbytes


def frames_doubling(sock, nbytes):
    """Receive into an array that is replaced by one twice as long when it is full."""
    received, length = np.empty(PIECE_NBYTES, "u1"), 0
    while count := sock.recv_into(memoryview(received)[length:]):
        length += count
        if length == len(received):
            longer = np.empty(2 * length, "u1")
            longer[:length] = received
            received = longer
    return received[:length].view("f4").reshape(-1, WIDTH).nbytes


# ----------------------------------------------------------------- handing on


def handing(name):
    buf = GrowBuffer(b"x") * GIB
    start = time.perf_counter()
    kept = getattr(buf, name)()
    taken = time.perf_counter() - start
    assert len(kept) == GIB and not buf
    return taken


# ------------------------------------------------------------------- measuring


def warm(measure, *args):
    touch(2 * GIB)
    return measure(*args)


def peak_of(path):
    """Return the peak memory of reading a file, for each byte of it."""
    before = memory_nbytes("VmHWM")
    buf = file_readfrom(path)
    return (memory_nbytes("VmHWM") - before) / len(buf)


def file_case(repeat):
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(GIB >> 20):
            file.write(os.urandom(1 << 20))
        file.flush()
        ours = partial(warm, seconds, file_readfrom, file.name)
        peak = in_child(peak_of, file.name)
        for name, job in (("read()", file_read), ("extend(read)", file_extend)):
            theirs = partial(warm, seconds, job, file.name)
            yield f"1 GiB file, {name}", {**compare(theirs, ours, repeat), "peak": peak}


def socket_case(repeat):
    pairs = {
        "through a ring": (socket_ring, socket_window),
        "b += recv()": (socket_extend, socket_readfrom),
    }
    for name, jobs in pairs.items():
        theirs, ours = (partial(warm, from_socket, job, 2 * GIB) for job in jobs)
        yield f"2 GiB socket, {name}", compare(theirs, ours, repeat)


def frames_case(repeat):
    nbytes = 128 << 20
    ours = partial(warm, from_socket, frames_readfrom, nbytes)
    for name, job in (
        ("list, join, frombuffer", frames_join),
        ("bytearray, frombuffer", frames_bytearray),
        ("doubling ndarray, recv_into", frames_doubling),
    ):
        theirs = partial(warm, from_socket, job, nbytes)
        yield f"128 MiB frames, {name}", compare(theirs, ours, repeat)


def handing_case(repeat):
    for name in ("take", "freeze"):
        seconds = statistics.median(in_child(handing, name) for _ in range(repeat))
        yield f"{name}() of 1 GiB", {"seconds": seconds}


CASES = {
    "file": file_case,
    "socket": socket_case,
    "frames": frames_case,
    "handing": handing_case,
}


FORMS = {
    "case": "{}",
    "ratio": "{:.2f}",
    "seconds": "{:.6f}",
    "peak": "{:.3f}",
}


def main():
    options = parse(case_parser(__doc__, CASES), CASES)
    rows = (row for name in options.cases for row in CASES[name](options.repeat))
    show([{"case": case, **row} for case, row in rows], FORMS)


if __name__ == "__main__":
    main()
