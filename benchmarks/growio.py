"""Compare GrowIO with io.BytesIO: write files piece by piece.

    python benchmarks/growio.py                 all cases
    python benchmarks/growio.py write-64k --repeat 11

`ratio` is BytesIO's time divided by GrowIO's: the median over pairs of runs, taken in
turn. Above 1, GrowIO is faster. Each file is written in a forked process. Needs the
extra `cli`.
"""

import io
from functools import partial

from common import PIECE, case_parser, compare, parse, show

from growbuf import GrowIO
from growbuf.cli.measure import GIB, seconds

TOTAL = 256 << 20


def write(nbytes):
    """Return a job that writes 256 MiB in pieces of `nbytes`."""
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
    """Time both kinds in turn; return the median ratio and GrowIO's seconds."""
    measure = partial(seconds, CASES[name], warm=GIB)
    theirs, ours = (partial(measure, kind) for kind in (io.BytesIO, GrowIO))
    return {"case": name, **compare(theirs, ours, repeat)}


def main():
    options = parse(case_parser(__doc__, CASES), CASES)
    forms = {"case": "{}", "ratio": "{:.2f}", "seconds": "{:.3f}"}
    show([run_case(name, options.repeat) for name in options.cases], forms)


if __name__ == "__main__":
    main()
