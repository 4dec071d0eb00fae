"""One run of the demo, in its own process, so that its peak memory can be measured.

    python -m growbuf.cli.demo_worker TYPE PATH LENGTH WARM_NBYTES

If LENGTH is 0, the data is that of the file at PATH. Otherwise that data is repeated up
to LENGTH bytes. During the run, each line of output is the number of bytes appended
since the last line. The final line is the result as JSON.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from time import perf_counter_ns

import growbuf
from growbuf.cli.measure import memory_nbytes, warm_up
from growbuf.cli.stream import InputError, Source, read_pieces

TYPES = {"bytearray": bytearray, "GrowBuffer": growbuf.GrowBuffer}
REPORT_NBYTES = 16 << 20


def measure(kind: str, source: Source, warm_nbytes: int) -> dict:
    """Build one buffer and return its figures, with stats() if it is a GrowBuffer."""
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


def build(buffer_type: type, pieces: Iterable[bytes]) -> tuple[bytearray, int]:
    """Build a buffer. Return it and the nanoseconds that all ``+=`` took."""
    append_ns = 0
    buffer = buffer_type()
    for piece in pieces:
        start = perf_counter_ns()
        buffer += piece
        append_ns += perf_counter_ns() - start
    return buffer, append_ns


def report(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces. After every 16 MiB or more, print how many bytes these were."""
    nbytes = 0
    for piece in pieces:
        yield piece
        nbytes += len(piece)
        if nbytes >= REPORT_NBYTES:
            print(nbytes, flush=True)
            nbytes = 0


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
