"""Compare ways to get a result as bytes: FrozenBytes, and copies of other types.

    python benchmarks/ends.py                     all cases
    python benchmarks/ends.py build uses --repeat 7

The other types are bytearray and io.BytesIO. `ratio` is the other way's time divided by
growbuf's: the median over pairs of runs, taken in turn, each in its own process. Above
1, growbuf is faster. `peak` is the peak memory of growbuf's process and `their_peak`
that of the other, for each byte of the result. The cases: `build` makes 1 GiB from
pieces of 64 KiB; `sizes` takes all bytes of a short buffer; `reading` reads the result;
`uses` are programs with results of 64 MiB. On Python 3.15 `build` also compares with
bytearray.take_bytes. Needs the extra `cli`; pyarrow is used if it is installed.

Two of the uses spend most of their time in code that is the same on both sides: json
decodes the body, and sqlite copies the archive twice. If growbuf's part took no time at
all, the ratio of `zip, sqlite` would still be below 1.5.
"""

import hashlib
import http.client
import importlib.util
import io
import json
import os
import pickle
import socket
import sqlite3
import time
import zipfile
from functools import partial

from common import (
    PIECE,
    case_parser,
    compare,
    in_child,
    memory_nbytes,
    parse,
    show,
    touch,
)

from growbuf import GrowBuffer, GrowIO
from growbuf.cli.measure import GIB, seconds

NBYTES = 64 << 20
SIZES = [1 << shift for shift in range(10, 20)]


def warm(measure, *args):
    touch(2 * GIB)
    return measure(*args)


# ------------------------------------------------------------------------------ build


def build(kind, end, nbytes=GIB):
    """Extend by 64 KiB up to `nbytes`; return what `end` makes of the result."""
    buf = kind()
    for _ in range(nbytes // len(PIECE)):
        buf.extend(PIECE)
    return end(buf)


def peak_of(kind, end):
    before = memory_nbytes("VmHWM")
    value = build(kind, end)
    return (memory_nbytes("VmHWM") - before) / len(value)


def build_case(repeat):
    ends = {"bytes(bytearray)": bytes}
    if hasattr(bytearray, "take_bytes"):
        ends["bytearray.take_bytes"] = bytearray.take_bytes
    ours = partial(warm, seconds, build, GrowBuffer, GrowBuffer.freeze)
    peak = in_child(peak_of, GrowBuffer, GrowBuffer.freeze)
    for name, end in ends.items():
        theirs = partial(warm, seconds, build, bytearray, end)
        peaks = {"peak": peak, "their_peak": in_child(peak_of, bytearray, end)}
        yield f"1 GiB, {name}", {**compare(theirs, ours, repeat), **peaks}


# ------------------------------------------------------------------------------ sizes


def copy_and_clear(buf):
    value = bytes(buf)
    buf.clear()
    return value


def take_all(kind, end, nbytes, total):
    """Return how many seconds the calls of `end` take, without the appends before."""
    buf, data, taken = kind(), PIECE * 8, 0.0
    piece = memoryview(data)[:nbytes]
    for _ in range(total // nbytes):
        buf += piece
        start = time.perf_counter()
        end(buf)
        taken += time.perf_counter() - start
    return taken


def sizes_case(repeat, total=256 << 20):
    for nbytes in SIZES:
        theirs = partial(take_all, bytearray, copy_and_clear, nbytes, total)
        ours = partial(take_all, GrowBuffer, GrowBuffer.freeze, nbytes, total)
        yield f"{nbytes >> 10} KiB", compare(theirs, ours, repeat)


# ---------------------------------------------------------------------------- reading

READS = {
    "hash": hash,
    "find": lambda value: value.find(b"absent"),
    "count": lambda value: value.count(b"\x07"),
    "slice": lambda value: value[1:-1],
    "decode": lambda value: value.decode("latin-1"),
    "sha256": lambda value: hashlib.sha256(value).digest(),
}


def read(name, kind, end, nbytes):
    value = build(kind, end, nbytes)
    return seconds(READS[name], value)


def reading_case(repeat, nbytes=NBYTES):
    for name in READS:
        theirs = partial(read, name, bytearray, bytes, nbytes)
        ours = partial(read, name, GrowBuffer, GrowBuffer.freeze, nbytes)
        yield f"{name} of {nbytes >> 20} MiB", compare(theirs, ours, repeat)


# ------------------------------------------------------------------------------- uses


def serve(body):
    """Start a child that serves one HTTP request; return its pid and port."""
    server = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        peer, _ = server.accept()
        peer.recv(65536)
        peer.sendall(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n")
        peer.sendall(body)
        peer.close()
        os._exit(0)
    port = server.getsockname()[1]
    server.close()
    return child, port


def body_with_bytearray(response):
    body = bytearray()
    while piece := response.read(65536):
        body += piece
    return bytes(body)


def body_with_growbuf(response):
    body = GrowBuffer()
    body.readfrom(response)
    return body.freeze()


def http_seconds(receive, use, body):
    child, port = serve(body)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    start = time.perf_counter()
    connection.request("GET", "/")
    received = receive(connection.getresponse())
    use(received)
    taken = time.perf_counter() - start
    os.waitpid(child, 0)
    assert len(received) == len(body)
    return taken


def sha256(body):
    return hashlib.sha256(body).digest()


def http_case(nbytes, use):
    text = json.dumps(["x" * (1 << 20)] * max(nbytes >> 20, 1)).encode()
    return (
        partial(http_seconds, body_with_bytearray, use, text),
        partial(http_seconds, body_with_growbuf, use, text),
    )


def pickled(kind, pieces):
    """Pickle a list of bytes objects into a file; take the bytes of the file."""
    file = kind()
    pickle.dump(pieces, file, 4)
    return file.getvalue()


def archived(kind, nbytes):
    """Write an archive in memory and store it in a database; return the archive."""
    file = kind()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(16):
            with archive.open(f"{number}", "w") as entry:
                for _ in range(nbytes // 16 // len(PIECE)):
                    entry.write(PIECE)
    content = file.getvalue()
    database = sqlite3.connect(":memory:")
    database.execute("create table archives (content blob)")
    database.execute("insert into archives values (?)", (content,))
    return content


def as_arrow(kind, end, nbytes):
    import pyarrow

    return pyarrow.py_buffer(build(kind, end, nbytes))


def in_file(job, argument):
    kinds = io.BytesIO, GrowIO
    return tuple(partial(seconds, job, kind, argument) for kind in kinds)


def distinct(nbytes):
    """Return pieces of 64 KiB that are different objects.

    If an object occurs again, pickle stores only a reference to it.
    """
    return [bytes(bytearray(PIECE)) for _ in range(nbytes // len(PIECE))]


def uses(nbytes):
    """Return pairs of jobs by name: the other way's and growbuf's."""
    pairs = {
        "HTTP body, json": http_case(nbytes, json.loads),
        "HTTP body, sha256": http_case(nbytes, sha256),
        "pickle": in_file(pickled, distinct(nbytes)),
        "zip, sqlite": in_file(archived, nbytes),
    }
    if importlib.util.find_spec("pyarrow"):
        import pyarrow  # noqa: F401, so that the jobs do not import it

        pairs["pyarrow.py_buffer"] = (
            partial(seconds, as_arrow, bytearray, bytes, nbytes),
            partial(seconds, as_arrow, GrowBuffer, GrowBuffer.freeze, nbytes),
        )
    return pairs


def uses_case(repeat, nbytes=NBYTES):
    for name, (theirs, ours) in uses(nbytes).items():
        jobs = partial(warm, theirs), partial(warm, ours)
        yield f"{name}, {nbytes >> 20} MiB", compare(*jobs, repeat)


CASES = {
    "build": build_case,
    "sizes": sizes_case,
    "reading": reading_case,
    "uses": uses_case,
}

FORMS = {
    "case": "{}",
    "ratio": "{:.2f}",
    "seconds": "{:.6f}",
    "peak": "{:.3f}",
    "their_peak": "{:.3f}",
}


def main():
    options = parse(case_parser(__doc__, CASES), CASES)
    rows = (row for name in options.cases for row in CASES[name](options.repeat))
    show([{"case": case, **row} for case, row in rows], FORMS)


if __name__ == "__main__":
    main()
