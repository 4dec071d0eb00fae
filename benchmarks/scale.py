"""Measure how GrowBuffer scales: with a helper thread, two writers, and the length.

    python benchmarks/scale.py                       all cases
    python benchmarks/scale.py prefault length

A row of the table is named "first / second". `ratio` is the first job's time divided by
the second's: the median over pairs of runs, taken in turn, each in its own process.
Needs the extras `cli` and `numpy`.
"""

import statistics
import threading
from functools import partial

from common import PIECE, case_parser, parse, ratio, show, take_pairs
from versus import build, fill_numpy

from growbuf import GrowBuffer
from growbuf.cli.measure import GIB, seconds

MIB = 1 << 20


def build_ahead():
    buf = GrowBuffer(prefault=True)
    for _ in range(GIB // len(PIECE)):
        buf.extend(PIECE)
    return buf


def build_in_pieces(piece, kept):
    buf = GrowBuffer()
    for _ in range(GIB // 2 // len(piece)):
        buf.extend(piece)
    kept.append(buf)


def one_thread(piece):
    kept = []
    build_in_pieces(piece, kept)
    build_in_pieces(piece, kept)
    return kept


def two_threads(piece):
    kept = []
    threads = [
        threading.Thread(target=build_in_pieces, args=(piece, kept)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return kept


def per_gib(nbytes):
    """Return the seconds for each GiB of a build, after a warm-up."""
    return seconds(build, GrowBuffer, nbytes, warm=nbytes + GIB) / (nbytes / GIB)


def warm(job, *args):
    return seconds(job, *args, warm=2 * GIB)


def prefault_case():
    yield (
        "numpy.empty filled / prefault",
        partial(warm, fill_numpy),
        partial(warm, build_ahead),
    )


def threads_case():
    for piece in (PIECE, bytes(MIB)):
        name = f"one thread / two threads, {len(piece) >> 10} KiB pieces"
        yield name, partial(warm, one_thread, piece), partial(warm, two_threads, piece)


def length_case():
    yield "8 GiB / 1 GiB, per GiB", partial(per_gib, 8 * GIB), partial(per_gib, GIB)


CASES = {"prefault": prefault_case, "threads": threads_case, "length": length_case}


def run_case(name, repeat):
    for case, first, second in CASES[name]():
        pairs = take_pairs(first, second, repeat)
        one, two = map(statistics.median, zip(*pairs, strict=True))
        yield {"case": case, "ratio": ratio(pairs), "first": one, "second": two}


def main():
    options = parse(case_parser(__doc__, CASES), CASES)
    rows = [row for name in options.cases for row in run_case(name, options.repeat)]
    seconds = "{:.3f} s"
    show(rows, {"case": "{}", "ratio": "{:.2f}", "first": seconds, "second": seconds})


if __name__ == "__main__":
    main()
