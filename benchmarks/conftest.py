"""What the benchmark suite shares: workers, a clock, and the tables at the end.

The workers measure time in processes of their own. pytest-benchmark reads time from a
`Clock` that advances only by what they have measured. So the time to start a process is
not counted.
"""

import contextlib
import functools
from statistics import median

import pytest
from rich.box import SIMPLE_HEAD
from rich.table import Table
from syscalls import has_strace

import growbuf
from growbuf.cli.bench import (
    NOTE,
    Worker,
    add_ratios,
    machine,
    make_tables,
    missing_packages,
    print_machine,
    summary,
)
from growbuf.cli.cases import CASES
from growbuf.cli.measure import ALLOCATORS, MissingError, exponent, grouped
from growbuf.cli.output import Console

MIB = 1 << 20

ROWS = pytest.StashKey()


class Clock:
    """A clock that shows `now`, which the suite advances."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


CLOCK = Clock()


def pytest_addoption(parser):
    group = parser.getgroup("growbuf")
    group.addoption("--size", type=int, default=128, help="MiB of large results")
    group.addoption("--rounds", type=int, default=3)
    group.addoption("--allocator", default="glibc", help=",".join(ALLOCATORS))


def pytest_configure(config):
    config.stash[ROWS] = []


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.benchmark(timer=CLOCK))


@pytest.fixture(scope="session")
def size(request):
    """The length of large results in bytes; each case takes a share of it."""
    return request.config.getoption("size") << 20


@pytest.fixture(scope="session")
def worker_of():
    """Return a function that returns the worker of an allocator, the same each time."""
    with contextlib.ExitStack() as workers:

        @functools.cache
        def start(allocator):
            return workers.enter_context(Worker(allocator))

        def find(allocator):
            try:
                return start(allocator)
            except MissingError as error:
                pytest.skip(str(error))

        yield find


@pytest.fixture
def timed(benchmark, request):
    """Return a function that measures several times and records the median figures."""

    def run(measure, rounds=None, **facts):
        runs = []

        def once():
            answer = measure()
            if "error" in answer:
                pytest.fail(answer["error"])
            CLOCK.now += answer["seconds"]
            runs.append(answer)

        benchmark.pedantic(once, rounds=rounds or request.config.getoption("rounds"))
        row = {**facts, **summary(runs)}
        benchmark.group = f"{facts['case']} {facts['allocator']}"
        benchmark.extra_info.update(row)
        request.config.stash[ROWS].append(row)
        return row

    return run


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["growbuf"] = growbuf.info()
    machine_info["machine"] = machine()


def pytest_generate_tests(metafunc):
    if "allocator" in metafunc.fixturenames:
        names = metafunc.config.getoption("allocator").split(",")
        metafunc.parametrize("allocator", names, scope="session")


def pytest_terminal_summary(config):
    """Print the machine and all results."""
    out = Console()
    print_machine(out, {"machine": machine(), "growbuf": growbuf.info()})
    for line in missing_packages(CASES):
        out.print(line)
    if not has_strace():
        out.print("strace: not installed or not permitted: no system calls are counted")
    rows = config.stash[ROWS]
    print_cases(out, [row for row in rows if row["case"] in CASES])
    print_exponents(out, [row for row in rows if row["case"] == "scaling"])


def print_cases(out, rows):
    for allocator, group in grouped(rows, "allocator"):
        rows = list(group)
        for _, case in grouped(rows, "case"):
            add_ratios(list(case))
        out.print(f"\nallocator: {allocator}")
        out.print(*make_tables(rows))
    out.print(NOTE)


def print_exponents(out, rows):
    """Print the exponents with which time and peak memory grow with the length."""
    table = Table("allocator", "peer", "time ~ n^", "peak ~ n^", box=SIMPLE_HEAD)
    for (allocator, peer), group in grouped(rows, "allocator", "peer"):
        large = [row for row in group if row["nbytes"] >= MIB]
        if len(large) < 2:
            continue
        time = exponent((row["nbytes"], median(row["seconds"])) for row in large)
        peak = exponent((row["nbytes"], row["peak_nbytes"]) for row in large)
        table.add_row(allocator, peer, f"{time:.2f}", f"{peak:.2f}")
    out.print(table)
