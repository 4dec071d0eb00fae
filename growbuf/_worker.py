"""One measurement of the demo, in a process of its own so that its peak is its own.

``python -m growbuf._worker TYPE PATH LENGTH WARM_NBYTES`` (LENGTH is 0 for the whole
of a file) prints now and then how many more bytes it has appended, and last its
figures as a line of JSON.
"""

import hashlib
import json
import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from time import perf_counter_ns

import growbuf
from growbuf._stream import InputError, Source, read_pieces

TYPES = {"bytearray": bytearray, "GrowBuffer": growbuf.GrowBuffer}
REPORT_NBYTES = 16 << 20


def measure(kind: str, source: Source, warm_nbytes: int) -> dict:
    """Build one buffer and return its figures; only a GrowBuffer counts its moves."""
    start = perf_counter_ns()
    pieces = read_pieces(source)
    read_ns = perf_counter_ns() - start
    warm_up(warm_nbytes)
    held_nbytes = memory_nbytes("VmRSS")
    start = perf_counter_ns()
    buffer, append_ns = build(TYPES[kind], report(pieces))
    job_ns = read_ns + perf_counter_ns() - start
    counts = growbuf.stats() if kind == "GrowBuffer" else {}
    return {
        **counts,
        "length": len(buffer),
        "append_ns": append_ns,
        "job_ns": job_ns,
        "peak_nbytes": memory_nbytes("VmHWM") - held_nbytes,
        "sha256": hashlib.sha256(buffer).hexdigest(),
    }


def warm_up(nbytes: int) -> None:
    """Touch and free `nbytes` of memory, so that its next owner finds it at hand.

    A host that takes back what its guest has free (virtio-balloon's free page
    reporting) takes whole huge pages only, within a second. Without this, who asks
    for those waits for the host, and who asks for small pages does not while
    fragments last. A child does it, or it would show in our own peak.
    """
    if nbytes == 0 or not hasattr(os, "fork"):
        return
    child = os.fork()
    if child == 0:
        try:
            touch(nbytes)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def touch(nbytes: int) -> None:
    with mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        memory[:: mmap.PAGESIZE] = bytes(-(-nbytes // mmap.PAGESIZE))


def build(buffer_type: type, pieces: Iterable[bytes]) -> tuple[bytearray, int]:
    """Return the buffer and the nanoseconds inside ``+=``."""
    append_ns = 0
    buffer = buffer_type()
    for piece in pieces:
        start = perf_counter_ns()
        buffer += piece
        append_ns += perf_counter_ns() - start
    return buffer, append_ns


def report(pieces: Iterable[bytes]) -> Iterator[bytes]:
    nbytes = 0
    for piece in pieces:
        yield piece
        nbytes += len(piece)
        if nbytes >= REPORT_NBYTES:
            print(nbytes, flush=True)
            nbytes = 0


def memory_nbytes(field: str) -> int:
    """Return the physical memory of this process: now (VmRSS) or at most (VmHWM).

    Linux's ru_maxrss will not do: it starts from the memory of the parent process.
    """
    try:
        with open("/proc/self/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields[field].split()[0]) << 10
    except (OSError, KeyError):
        return 0 if field == "VmRSS" else rusage_nbytes()


def rusage_nbytes() -> int:
    from resource import RUSAGE_SELF, getrusage

    unit = 1 if sys.platform == "darwin" else 1 << 10
    return getrusage(RUSAGE_SELF).ru_maxrss * unit


def main(kind: str, path: str, length: str, warm_nbytes: str) -> int:
    try:
        result = measure(kind, Source(path, int(length) or None), int(warm_nbytes))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except MemoryError:
        print(f"not enough memory for the {kind}", file=sys.stderr)
        return 2
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
