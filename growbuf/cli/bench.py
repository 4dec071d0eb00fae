"""The benchmark: compare the times of other libraries with growbuf's, in one run."""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

import growbuf
from growbuf.cli.cases import CASES, PACKAGES, SELECTION, Case, is_installed
from growbuf.cli.measure import (
    GIB,
    MissingError,
    grouped,
    machine_nbytes,
    preload,
)
from growbuf.cli.output import Console, format_nbytes, show_progress

CASE_NAMES = ("all", *CASES)
WARM_MIN_NBYTES = 16 << 20
MEMORY_MIN_NBYTES = 4 << 20

NOTE = (
    "Ratio: the library's time for each byte divided by growbuf's (the first row of a "
    "case), as the median over the runs. The libraries run in turn, and each run has a "
    "process of its own. Peak, after: the memory that the process gained for each byte "
    "of the result, at its peak and after the result was dropped. Faults: minor page "
    "faults, one at the first use of each page. Maps: memory mappings gained. Calls: "
    "system calls."
)


class Worker:
    """A process with one allocator. It makes each measurement in a child process."""

    def __init__(self, allocator: str) -> None:
        self.allocator = allocator
        # Keep OpenBLAS from starting threads, because the worker forks.
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

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return the reply: the figures, or an ``error``."""
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        if not reply:
            raise ChildProcessError(f"the worker for {self.allocator} ended")
        return json.loads(reply)

    def measure(self, case: str, peer: str, nbytes: int) -> dict[str, Any]:
        """Measure one peer in one case and return the figures.

        If the result has WARM_MIN_NBYTES or more, the worker first warms up (warm_up).
        """
        return self.ask(
            measure="case",
            case=case,
            peer=peer,
            nbytes=nbytes,
            module=CASES[case].peers[peer].module,
            warm_nbytes=2 * nbytes if nbytes >= WARM_MIN_NBYTES else 0,
        )


def run(
    cases: Sequence[str],
    size: int,
    repeat: int,
    allocators: Iterable[str],
    json_file: str | None,
    plot_file: str | None,
) -> None:
    """Measure the cases and print tables.

    Write the report to `json_file` and the plot to `plot_file`, if they are not None.
    Raise MissingError if there is nothing to plot.
    """
    cases = list(CASES) if "all" in cases else cases or SELECTION
    out = Console()
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
        if not any("ratio" in row for row in report["rows"]):
            raise MissingError(
                f"{plot_file} was not written: nothing was measured that has a ratio"
            )
        from growbuf.cli.plot import plot_ratios

        plot_ratios(report["rows"], plot_file)


# ---------------------------------------------------------------------- measuring


def installed_peers(case: Case) -> list[str]:
    """Return the names of the peers of a case whose library is installed."""
    return [name for name, peer in case.peers.items() if is_installed(peer)]


def missing_packages(cases: Iterable[str]) -> list[str]:
    """Return a line for each package that a peer needs and that is not installed."""
    peers = (peer for name in cases for peer in CASES[name].peers.values())
    modules = {peer.module for peer in peers if not is_installed(peer)}
    return [
        f"{module}: not installed, pip install {PACKAGES.get(module, module)}"
        for module in sorted(modules)
    ]


def measure_all(
    worker: Worker, cases: Iterable[str], size: int, repeat: int
) -> list[dict[str, Any]]:
    """Return a row for each peer of each case."""
    npeers = sum(len(installed_peers(CASES[name])) for name in cases)
    rows = []
    with show_progress() as progress:
        task = progress.add_task("", total=npeers * repeat)
        advance = partial(progress.advance, task)
        for name in cases:
            progress.update(task, description=f"{worker.allocator}: {CASES[name].doc}")
            rows += measure_case(worker, name, size, repeat, advance)
    return rows


def measure_case(
    worker: Worker, name: str, size: int, repeat: int, advance: Callable[[], None]
) -> list[dict[str, Any]]:
    """Measure the peers of a case in turn; call `advance` after each run."""
    case = CASES[name]
    nbytes = {peer: case.nbytes(peer, size) for peer in installed_peers(case)}
    runs: dict[str, list[dict]] = {peer: [] for peer in nbytes}
    for _ in range(repeat):
        for peer in nbytes:
            runs[peer].append(worker.measure(name, peer, nbytes[peer]))
            advance()
    rows = [
        {
            "allocator": worker.allocator,
            "case": name,
            "peer": peer,
            "nbytes": nbytes[peer],
            **summary(runs[peer]),
        }
        for peer in nbytes
    ]
    add_ratios(rows)
    return rows


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Combine the figures of all runs of one peer.

    The result has the median of each figure, except that ``seconds`` is the list of all
    runs. ``each`` has the list of all runs for every figure. If a run failed, the
    result has only its ``error``.
    """
    errors = [run["error"] for run in runs if "error" in run]
    if errors:
        return {"error": errors[0]}
    each = {
        name: [run[name] for run in runs]
        for name, figure in runs[0].items()
        if not isinstance(figure, list)
    }
    medians = {name: median(found) for name, found in each.items()}
    return {**runs[0], **medians, "seconds": each["seconds"], "each": each}


def add_ratios(rows: list[dict[str, Any]]) -> None:
    """Add ``ratio`` to the rows of a case: time for each byte / that of the first row.

    It is the median over pairs of runs that were made in the same turn.
    """
    for row in rows:
        first = rows[0]
        if "seconds" in row and "seconds" in first:
            scale = first["nbytes"] / row["nbytes"]
            pairs = zip(row["seconds"], first["seconds"], strict=True)
            row["ratio"] = median(scale * theirs / ours for theirs, ours in pairs)


# ------------------------------------------------------------------------ printing


def machine() -> dict[str, Any]:
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "memory_nbytes": machine_nbytes(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def processor_name() -> str:
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


def make_tables(rows: list[dict[str, Any]]) -> Iterator[Table]:
    """Yield a table for each case. Leave out columns for which no row has a figure."""
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
        if "error" in row:
            table.add_row(name, row["error"])
        else:
            cells = (form(row) if key in row else "" for key, form in columns.values())
            table.add_row(name, *cells)
    return table


def short(figure: float) -> str:
    """Return a figure as text, with about three digits."""
    digits = 2 if figure < 10 else 1 if figure < 100 else 0
    return f"{figure:,.{digits}f}"


def format_seconds(row: dict[str, Any]) -> str:
    """Return the median time as text, in seconds for each GiB."""
    return short(median(row["seconds"]) / row["nbytes"] * GIB)


def per_byte(key: str) -> Callable[[dict], str]:
    """Return a function that formats a row's figure of memory, for each byte of result.

    For a short result that function returns "-", because what the process uses for
    itself would dominate.
    """

    def form(row: dict[str, Any]) -> str:
        too_short = row["nbytes"] < MEMORY_MIN_NBYTES
        return "-" if too_short else f"{row[key] / row['nbytes']:.2f}"

    return form


def count(key: str) -> Callable[[dict], str]:
    """Return a function that formats a row's figure as a whole number."""
    return lambda row: f"{row[key]:,.0f}"


# For each heading: the key of its figure in a row, and a function that formats the
# figure of a row.
COLUMNS = {
    "ratio": ("ratio", lambda row: short(row["ratio"])),
    "s/GiB": ("seconds", format_seconds),
    "peak": ("peak_nbytes", per_byte("peak_nbytes")),
    "after": ("after_nbytes", per_byte("after_nbytes")),
    "faults": ("faults", count("faults")),
    "maps": ("mappings", count("mappings")),
    "calls": ("system_calls", count("system_calls")),
}
