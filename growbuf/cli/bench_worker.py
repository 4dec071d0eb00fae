"""The benchmark's worker: it makes each measurement in a new child process.

    python -m growbuf.cli.bench_worker

reads requests from stdin, one line of JSON each, and replies to each with a line of
JSON. There is one worker for each allocator. It imports the libraries once, and its
child processes inherit them. Because it measures nothing in its own process, no
measurement influences the next one.

    python -m growbuf.cli.bench_worker --once REQUEST

runs one job in this process. Before and after the job it makes a system call with the
path MARK, so that the job can be found in a trace of the system calls.
"""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter_ns

from growbuf.cli.cases import BYTES, CASES, PATTERN
from growbuf.cli.measure import figures, in_child, warm_up

MARK = "/growbuf-bench-mark"


def measure_case(case: str, peer: str, nbytes: int, run: Callable = figures) -> dict:
    """Return the figures of one peer in one case.

    The job is first run with a single piece, because the first use of a library also
    imports modules and loads code. `run` then calls the job and measures it.
    """
    job = partial(CASES[case].run, CASES[case].peers[peer].begin)
    with CASES[case].make_argument(CASES[case].piece_nbytes) as argument:
        job(argument)
    with CASES[case].make_argument(nbytes) as argument:
        return run(partial(job, argument))


def measure_appends(peer: str, nbytes: int) -> dict:
    """Return how long each append of 64 KiB takes (``append_ns``)."""
    builder, taken = BYTES[peer].begin(nbytes), []
    for _ in range(nbytes // len(PATTERN)):
        start = perf_counter_ns()
        builder.add(PATTERN)
        taken.append(perf_counter_ns() - start)
    return {"seconds": sum(taken) / 1e9, "append_ns": taken}


def measure_builds(peer: str, nbytes: int, piece_nbytes: int, count: int) -> dict:
    """Return the mean figures of `count` builds.

    All results are kept until the end, so that every build uses new memory.
    """
    piece, begin = bytes(piece_nbytes), BYTES[peer].begin

    def build_all():
        kept = []
        for _ in range(count):
            builder = begin(nbytes)
            add = builder.add
            for _ in range(nbytes // piece_nbytes):
                add(piece)
            kept.append(builder.finish())
        return kept

    return {name: figure / count for name, figure in figures(build_all).items()}


MEASURES = {
    "case": measure_case,
    "appends": measure_appends,
    "builds": measure_builds,
}


def answer(request: dict) -> dict:
    """Warm up, measure in a child process, and return the figures or an ``error``."""
    module = request.pop("module", None)
    if module:
        with contextlib.suppress(ImportError):  # the child process will report it
            importlib.import_module(module)
    warm_up(request.pop("warm_nbytes", 0))
    measure = MEASURES[request.pop("measure")]
    try:
        return in_child(partial(measure, **request))
    except ChildProcessError as error:
        return {"error": str(error)}


def between_marks(job: Callable) -> dict:
    """Run the job between two marks in the trace. Its result is dropped after them."""
    os.access(MARK, os.F_OK)
    kept = job()
    os.access(MARK, os.F_OK)
    del kept
    return {}


def main(words: list[str]) -> None:
    if words[:1] == ["--once"]:
        measure_case(**json.loads(words[1]), run=between_marks)
        return
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
