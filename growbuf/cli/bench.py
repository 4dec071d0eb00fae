"""The benchmark: ratios against peers, taken in turn in the same run."""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, Progress, TimeRemainingColumn
from rich.table import Table

import growbuf
from growbuf.cli.cases import CASES, PACKAGES, Case, is_there
from growbuf.cli.demo import Console, format_nbytes
from growbuf.cli.measure import (
    GIB,
    MissingError,
    grouped,
    memory_of_machine,
    preload,
)

# What a user has a minute for. The suite in benchmarks/ runs all cases.
SELECTION = (
    *("build-64", "build-64k", "by-byte", "rebuild", "window", "zeros"),
    *("append", "extend"),
)
CASE_NAMES = ("all", *CASES)
WARM_LEAST_NBYTES = 16 << 20
MEMORY_LEAST_NBYTES = 4 << 20

NOTE = (
    "Ratio: the peer's time divided by ours (the first of each case) for as many bytes, "
    "the median over runs in turn, each in a process of its own. Peak, after: memory "
    "beyond what the process held before, while the result is there and when it is "
    "gone, for each byte of it. Faults: minor page faults, each the first touch of a "
    "page. Maps: mappings made. Calls: to the system."
)


class Worker:
    """A process that uses one allocator and measures in children of its own."""

    def __init__(self, allocator: str) -> None:
        self.allocator = allocator
        # Threads of a linear algebra library would be there when it forks.
        environment = {**preload(allocator), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "growbuf.cli.bench_worker"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def ask(self, **order: Any) -> dict[str, Any]:
        """Return the answer to an order: what was measured, or an ``error``."""
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ChildProcessError(f"the worker for {self.allocator} ended")
        return json.loads(answer)

    def measure(self, case: str, peer: str, nbytes: int) -> dict[str, Any]:
        """Return the figures of one job, in a machine that has memory at hand."""
        return self.ask(
            measure="case",
            case=case,
            peer=peer,
            nbytes=nbytes,
            module=CASES[case].peers[peer].module,
            warm_nbytes=2 * nbytes if nbytes >= WARM_LEAST_NBYTES else 0,
        )


def run(
    cases: Sequence[str],
    size: int,
    repeat: int,
    allocators: Iterable[str],
    json_file: str | None,
    plot_file: str | None,
) -> None:
    """Measure the cases and print tables; write what was measured where it is asked."""
    cases = list(CASES) if "all" in cases else cases or SELECTION
    out = Console(highlight=False, markup=False, emoji=False)
    report = {"machine": machine(), "growbuf": growbuf.info(), "rows": []}
    print_machine(out, report)
    for line in missing_packages(cases):
        out.print(line)
    for allocator in allocators:
        try:
            with Worker(allocator) as worker:
                rows = measure_all(worker, cases, size, repeat)
        except MissingError as error:
            out.print(str(error))
            continue
        out.print(f"\nallocator: {allocator}")
        out.print(*make_tables(rows))
        report["rows"] += rows
    out.print(NOTE)
    if json_file:
        with open(json_file, "w") as file:
            json.dump(report, file, indent=1)
    if plot_file:
        from growbuf.cli.plot import plot_ratios

        plot_ratios(report["rows"], plot_file)


# ---------------------------------------------------------------------- measuring


def peers_of(case: Case) -> list[str]:
    """Return which peers of a case are installed."""
    return [name for name, peer in case.peers.items() if is_there(peer)]


def missing_packages(cases: Iterable[str]) -> list[str]:
    """Return a line for each package that a peer in these cases needs."""
    peers = (peer for name in cases for peer in CASES[name].peers.values())
    modules = {peer.module for peer in peers if not is_there(peer)}
    return [
        f"{module}: not installed, pip install {PACKAGES.get(module, module)}"
        for module in sorted(modules)
    ]


def measure_all(
    worker: Worker, cases: Iterable[str], size: int, repeat: int
) -> list[dict[str, Any]]:
    plan = [(name, peer) for name in cases for peer in peers_of(CASES[name])]
    rows = []
    with show_progress() as progress:
        task = progress.add_task("", total=len(plan) * repeat)
        for name in cases:
            progress.update(task, description=f"{worker.allocator}: {CASES[name].doc}")
            for _ in measure_case(worker, name, size, repeat, rows):
                progress.advance(task)
    return rows


def measure_case(
    worker: Worker, name: str, size: int, repeat: int, rows: list[dict[str, Any]]
) -> Iterator[None]:
    """Measure the peers of a case in turn, and add a row for each."""
    case = CASES[name]
    nbytes = {peer: case.nbytes(peer, size) for peer in peers_of(case)}
    runs: dict[str, list[dict]] = {peer: [] for peer in nbytes}
    for _ in range(repeat):
        for peer in nbytes:
            runs[peer].append(worker.measure(name, peer, nbytes[peer]))
            yield
    new = [
        {
            "allocator": worker.allocator,
            "case": name,
            "peer": peer,
            "nbytes": nbytes[peer],
            **summary(runs[peer]),
        }
        for peer in nbytes
    ]
    add_ratios(new)
    rows += new


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of what was measured, and the seconds of all runs."""
    errors = [run["error"] for run in runs if "error" in run]
    if errors:
        return {"error": errors[0]}
    medians = {
        name: median(run[name] for run in runs)
        for name, figure in runs[0].items()
        if not isinstance(figure, list)
    }
    return {**runs[0], **medians, "seconds": [run["seconds"] for run in runs]}


def add_ratios(rows: list[dict[str, Any]]) -> None:
    """Say in each row of a case how much longer than the first it takes for a byte."""
    first = rows[0]
    for row in rows:
        if "seconds" in row and "seconds" in first:
            scale = first["nbytes"] / row["nbytes"]
            pairs = zip(row["seconds"], first["seconds"], strict=True)
            row["ratio"] = median(scale * theirs / ours for theirs, ours in pairs)


# ------------------------------------------------------------------------ printing


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_nbytes": memory_of_machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def processor() -> str:
    with contextlib.suppress(OSError, StopIteration), open("/proc/cpuinfo") as cpuinfo:
        line = next(line for line in cpuinfo if line.startswith("model name"))
        return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_machine(out: Console, report: dict[str, Any]) -> None:
    here, facts = report["machine"], report["growbuf"]
    out.print(
        f"{here['processor']}, {here['cores']} cores, "
        f"{format_nbytes(here['memory_nbytes'])}, {facts['kernel']}, {here['python']}\n"
        f"growbuf {facts['version']} grows by: {facts['strategy']}; "
        f"transparent huge pages: {facts['transparent_hugepage']}",
        soft_wrap=True,
    )


def show_progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        "{task.description}",
        BarColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def make_tables(rows: list[dict[str, Any]]) -> Iterator[Table]:
    """Return a table for each case, in which a figure that no row has is no column."""
    columns = {
        heading: column
        for heading, column in COLUMNS.items()
        if any(column[0] in row for row in rows)
    }
    for case, group in grouped(rows, "case"):
        yield make_table(case, group, columns)


def make_table(case: str, rows: list[dict[str, Any]], columns: dict[str, Any]) -> Table:
    nbytes = rows[0]["nbytes"]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column(f"{case}, {format_nbytes(nbytes)}", min_width=24, no_wrap=True)
    for heading in columns:
        table.add_column(heading, justify="right", min_width=5, no_wrap=True)
    for row in rows:
        name = row["peer"]
        if row["nbytes"] != nbytes:
            name += f" ({format_nbytes(row['nbytes'])})"
        table.add_row(name, *cells(row, columns))
    return table


def cells(row: dict[str, Any], columns: dict[str, Any]) -> list[str]:
    if "error" in row:
        return [row["error"]]
    return [form(row) if name in row else "" for name, form in columns.values()]


def short(figure: float) -> str:
    """Return about three digits of a figure."""
    digits = 2 if figure < 10 else 1 if figure < 100 else 0
    return f"{figure:,.{digits}f}"


def format_seconds(row: dict[str, Any]) -> str:
    return short(median(row["seconds"]) / row["nbytes"] * GIB)


def per_byte(name: str) -> Callable[[dict], str]:
    """Make a format that says a memory figure where it is not lost in a process's."""

    def form(row: dict[str, Any]) -> str:
        least = row["nbytes"] < MEMORY_LEAST_NBYTES
        return "-" if least else f"{row[name] / row['nbytes']:.2f}"

    return form


def count(name: str) -> Callable[[dict], str]:
    return lambda row: f"{row[name]:,.0f}"


# Heading, the figure of a row that is needed for it, and how it reads.
COLUMNS = {
    "ratio": ("ratio", lambda row: short(row["ratio"])),
    "s/GiB": ("seconds", format_seconds),
    "peak": ("peak_nbytes", per_byte("peak_nbytes")),
    "after": ("after_nbytes", per_byte("after_nbytes")),
    "faults": ("faults", count("faults")),
    "maps": ("mappings", count("mappings")),
    "calls": ("system_calls", count("system_calls")),
}
