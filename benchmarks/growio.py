"""GrowIO against io.BytesIO, in turn: files written piece by piece.

    python benchmarks/growio.py                 every case
    python benchmarks/growio.py write-64k --repeat 11

A ratio is BytesIO's time divided by GrowIO's, the median over the pairs: above 1,
GrowIO is faster. Each file has a forked process to itself. Needs the extra `cli`.
"""

import io
from functools import partial

from common import PIECE, case_parser, compare, parse, show

from growbuf import GrowIO
from growbuf.cli.measure import GIB, seconds

TOTAL = 256 << 20


def write(nbytes):
    """Make a writer of 256 MiB in pieces of `nbytes`."""
    piece = PIECE[:nbytes]

    def job(kind):
        file = kind()
        for _ in range(TOTAL // nbytes):
            file.write(piece)
        return file

    return job


CASES = {
    "write-64": write(64),
    "write-4k": write(4 << 10),
    "write-64k": write(64 << 10),
}


def run_case(name, repeat):
    """Time one case in turn; return the median ratio and GrowIO's seconds as a dict."""
    measure = partial(seconds, CASES[name], warm=GIB)
    theirs, ours = (partial(measure, kind) for kind in (io.BytesIO, GrowIO))
    return {"case": name, **compare(theirs, ours, repeat)}


def main():
    options = parse(case_parser(__doc__, CASES), CASES)
    forms = {"case": "{}", "ratio": "{:.2f}", "seconds": "{:.3f}"}
    show([run_case(name, options.repeat) for name in options.cases], forms)


if __name__ == "__main__":
    main()
