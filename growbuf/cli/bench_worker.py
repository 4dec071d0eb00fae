"""Measures what it is told to, each time in a child of its own.

``python -m growbuf.cli.bench_worker`` reads orders from its input, one a line, and answers
each with a line: both are JSON. One such process runs for each allocator. It does not
measure itself, so it can import for its children and nothing of one is left to the
next. ``--once ORDER`` runs one job in the process itself, between two marks that a trace
of its system calls shows.
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
    """Run a peer through a case and return its figures.

    It runs on one piece first: imports and the page tables of code are no part of it.
    """
    job = partial(CASES[case].run, CASES[case].peers[peer].begin)
    with CASES[case].give(CASES[case].piece_nbytes) as given:
        job(given)
    with CASES[case].give(nbytes) as given:
        return run(partial(job, given))


def measure_appends(peer: str, nbytes: int) -> dict:
    """Return how long each append of 64 KiB takes."""
    way, taken = BYTES[peer].begin(nbytes), []
    for _ in range(nbytes // len(PATTERN)):
        start = perf_counter_ns()
        way.add(PATTERN)
        taken.append(perf_counter_ns() - start)
    return {"seconds": sum(taken) / 1e9, "append_ns": taken}


def measure_builds(peer: str, nbytes: int, piece_nbytes: int, count: int) -> dict:
    """Return the figures of a first build, the mean of `count` that are all kept."""
    piece, begin = bytes(piece_nbytes), BYTES[peer].begin

    def build_all():
        kept = []
        for _ in range(count):
            way = begin(nbytes)
            add = way.add
            for _ in range(nbytes // piece_nbytes):
                add(piece)
            kept.append(way.finish())
        return kept

    return {name: figure / count for name, figure in figures(build_all).items()}


MEASURES = {
    "case": measure_case,
    "appends": measure_appends,
    "builds": measure_builds,
}


def obey(order: dict) -> dict:
    """Measure in a child, in a machine that has the memory at hand."""
    module = order.pop("module", None)
    if module:
        with contextlib.suppress(ImportError):  # in the child it is an error
            importlib.import_module(module)
    warm_up(order.pop("warm_nbytes", 0))
    measure = MEASURES[order.pop("measure")]
    try:
        return in_child(partial(measure, **order))
    except ChildProcessError as error:
        return {"error": str(error)}


def between_marks(job: Callable) -> dict:
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
        print(json.dumps(obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
