"""Time every operation at every size, and compare with the types growbuf replaces.

    python benchmarks/operations.py                  all, some minutes on two cores
    python benchmarks/operations.py --quick          fewer sizes and rounds: two minutes
    python benchmarks/operations.py --only 'upper.* 13 B'     cells, by their names
    python benchmarks/operations.py --kind io --allocator glibc,jemalloc --json FILE
    python benchmarks/operations.py --quick --cpu    on a machine that is busy

A cell is one operation at one size: GrowBuffer beside bytearray, GrowIO beside
io.BytesIO, GrowArray beside other ways to an ndarray. Its ratio is the peer's time
divided by growbuf's: the median over rounds, in each of which the peer runs first.
Above 1, growbuf is faster. Before the time is taken, both ways run once on the same
bytes, and the cell fails unless their values are equal. operation_table.py lists the
operations, and `--list` prints them.

warm: a forked process runs the operation again and again. The time includes dropping
each result, so each run can use the memory that the run before it freed.
cold: each run has a forked process of its own, in which no buffer of this size has been
made. growbuf.trim() has emptied the pool, and the allocator has been told to give back
its free memory (malloc_trim with glibc). The code has run before, on 100 bytes, and
each process has freed a GrowBuffer: the first one that a forked process frees makes it
copy a page of growbuf's static data. The operation runs on one object, or on as many as
make 1 MiB. They are made before the time begins, and the results are kept until it
ends. Below 10,000 bytes there are no cold cells, because every process has free blocks
of that size.

--cpu counts the processor time of the thread instead of the time that passes, so that
ratios are of use on a busy machine too. Time that an operation spends in another
process (multiprocessing) or in a helper thread is then not counted.

Each of the two ways has compiled code of its own, so that neither runs code that the
interpreter has specialized for the other. In each round the sources begin at other
offsets in a page.
"""

import array
import ast
import gc
import io
import json
import math
import mmap
import platform
import re
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from statistics import geometric_mean, median

from common import (
    add_allocators,
    add_json,
    case_parser,
    in_child,
    parse,
    release,
    release_free_memory,
    run_worker,
    touch,
    write_json,
)
from operation_table import (
    BURSTS,
    COLD,
    MIB,
    NAMES,
    TEXT,
    WARM,
    Operation,
    from_array,
    operations,
    values_of,
)

import growbuf

KINDS = {
    "buffer": ("bytearray", bytearray, growbuf.GrowBuffer),
    "io": ("io.BytesIO", io.BytesIO, growbuf.GrowIO),
    "array": (None, None, None),  # the statements name them
}
LOSING = 0.95


# ----------------------------------------------------------------------- the code

WARM_FORM = """
def run(T, n, half, src, data, _count, _clock):
    {setup}
    {make}
    _start = _clock()
    for {item} in {items}:
        {statement}
        {drop}
    _taken = _clock() - _start
    {end}
    return _taken
"""

COLD_FORM = """
def run(T, n, half, src, data, _count, _clock):
    {setup}
    {make}
    _kept = [None] * _count
    _start = _clock()
    for _index in range(_count):
        {take}
        {statement}
        {keep}
    _taken = _clock() - _start
    {end}
    return _taken
"""

MAKE_EACH = "_xs = []\nfor _ in repeat(None, _count): _xs.append({})"

CHECK_FORM = """
def run(T, n, half, src, data):
    {setup}
    {make}
    {statement}
    {end}
    return locals()
"""


def fill_in(form, **parts):
    """Put source text into a form, each part with the indentation of its place."""

    def indented(found):
        return textwrap.indent(parts[found[2]] or "pass", found[1])

    return re.sub(r"^( *)\{(\w+)\}$", indented, form, flags=re.MULTILINE)


def bound_names(source):
    """Return the names that statements bind."""
    nodes = ast.walk(ast.parse(source))
    stores = (n for n in nodes if isinstance(n, ast.Name))
    return list(dict.fromkeys(n.id for n in stores if isinstance(n.ctx, ast.Store)))


def with_result(source):
    """Return the statements; if they do not bind y, bind it to the last one's value."""
    tree = ast.parse(source)
    if "y" not in bound_names(source) and isinstance(tree.body[-1], ast.Expr):
        value = ast.unparse(tree.body.pop())
        return f"{ast.unparse(tree)}\ny = {value}"
    return source


def compile_form(form, kind_name):
    """Return the function of a form, with code and globals of its own."""
    names = dict(NAMES)
    exec(compile(form, f"<{kind_name}>", "exec"), names)
    return names["run"]


class Way:
    """One of the two ways to do an operation: functions, each compiled when used."""

    def __init__(self, operation, is_ours):
        self.operation = operation.variant(is_ours)
        peer, theirs, ours = KINDS[operation.kind]
        self.kind = ours if is_ours else theirs
        self.name = "growbuf" if is_ours else operation.peer_name or peer

    def _compile(self, form, **parts):
        op = self.operation
        setup = op.setup
        if op.values:
            setup += f"\nvalues = own_values_of({op.values!r}, n)"
        parts = {"setup": setup, "end": op.end, "make": "", **parts}
        return compile_form(fill_in(form, **parts), self.name)

    @cached_property
    def _warm(self):
        op = self.operation
        names = [name for name in bound_names(op.statement) if name != "x"]
        parts = {
            "statement": op.statement,
            "drop": " = ".join([*names, "None"]) if names else "",
        }
        item, items = "_", "repeat(None, _count)"
        if op.each:
            parts["make"], item, items = MAKE_EACH.format(op.x), "x", "_xs"
        elif op.x is not None:
            parts["make"] = f"x = {op.x}"
        form = WARM_FORM.replace("{item}", item).replace("{items}", items)
        return self._compile(form, **parts)

    @cached_property
    def _cold(self):
        op = self.operation
        statement = with_result(op.statement)
        keeps = "y" in bound_names(statement)
        parts = {"statement": statement, "keep": "_kept[_index] = y" if keeps else ""}
        parts["take"] = ""
        if op.x is not None:
            parts["make"], parts["take"] = MAKE_EACH.format(op.x), "x = _xs[_index]"
        return self._compile(COLD_FORM, **parts)

    @cached_property
    def _check(self):
        op = self.operation
        make = f"x = {op.x}" if op.x is not None else ""
        return self._compile(CHECK_FORM, make=make, statement=with_result(op.statement))

    def warm_ns(self, cell, index, count, clock=time.perf_counter_ns):
        return self._warm(*self.arguments(cell, index), count, clock)

    def cold_ns(self, cell, index, count, clock=time.perf_counter_ns):
        return self._cold(*self.arguments(cell, index), count, clock)

    def values(self, cell):
        """Return the values of x and y at the end, if they exist."""
        names = self._check(*self.arguments(cell, 0))
        return {name: names[name] for name in ("x", "y") if name in names}

    def arguments(self, cell, index):
        """Return what the functions take, with the source of that index."""
        material = cell.material
        return self.kind, cell.n, cell.n // 2, material.source(index), material.data


# ---------------------------------------------------------------------- the bytes


class Material:
    """The bytes that operations of one size use: a text, and copies of it that begin at
    various offsets in a page."""

    COUNT = 7
    VIEWS_FROM = 100_000

    def __init__(self, length):
        self.data = (TEXT * (length // len(TEXT) + 1))[:length]
        if length < self.VIEWS_FROM:
            self.sources = self.small(length)
        else:
            self.sources = self.views(length)

    def small(self, length):
        """Return bytes objects, with blocks between them that shift their offsets."""
        sources, self.spacers = [], []
        for index in range(self.COUNT):
            self.spacers.append(bytes(592 * index + 16))
            sources.append(bytes(memoryview(self.data)))
        return sources

    def views(self, length):
        """Return views of the text that begin at different lines of it."""
        around = 4096 + 2 * len(TEXT)
        text = TEXT * ((length + around) // len(TEXT))
        self.memory = mmap.mmap(-1, len(text), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self.memory.madvise(mmap.MADV_HUGEPAGE)  # a fork copies few page tables
        self.memory[:] = text
        view = memoryview(self.memory).toreadonly()
        starts = (index * 9 % 64 * len(TEXT) for index in range(self.COUNT))
        return [view[start : start + length] for start in starts]

    def source(self, index):
        return self.sources[index % self.COUNT]


@lru_cache(maxsize=2)  # cells of one size follow each other
def material_of(length):
    return Material(length)


# ------------------------------------------------------------------------- values


def as_ndarray(value):
    """Return an ndarray for any kind of array; return anything else unchanged."""
    if isinstance(value, array.array):
        return from_array(value)
    return value.array if type(value).__name__ == "GrowArray" else value


def same(theirs, ours):
    """Return whether a value of growbuf's equals the peer's."""
    theirs, ours = as_ndarray(theirs), as_ndarray(ours)
    if hasattr(theirs, "dtype") and hasattr(ours, "dtype"):
        facts = [(v.dtype, v.shape, v.tobytes()) for v in (theirs, ours)]
        return facts[0] == facts[1]
    types = type(theirs), type(ours)
    if types == (io.BytesIO, growbuf.GrowIO) or types == (io.BytesIO, io.BytesIO):
        facts = [f.closed or (f.getvalue(), f.tell()) for f in (theirs, ours)]
        return facts[0] == facts[1]
    if types in ((bytearray, growbuf.GrowBuffer), (bytes, growbuf.FrozenBytes)):
        return theirs == ours
    if types[0] is not types[1]:
        return False
    if types[0] in (list, tuple):
        if len(theirs) != len(ours):
            return False
        if len(theirs) > 1000:  # it is enough to compare the types of some
            return theirs == ours and same(theirs[:100], ours[:100])
        return all(map(same, theirs, ours))
    return theirs == ours


def brief(values):
    text = repr(values)
    return text if len(text) < 200 else f"{text[:150]}... ({len(text):,} characters)"


def check(cell, theirs, ours):
    """Fail unless both ways give the same values."""
    values = theirs.values(cell), ours.values(cell)
    names = values[0].keys() & values[1].keys()
    if cell.n and not names:
        raise AssertionError(f"{cell.name}: nothing to compare")
    for name in sorted(names, reverse=True):
        if not same(*(value[name] for value in values)):
            differ = "".join(f"\n  {brief(value[name])}" for value in values)
            raise AssertionError(f"{cell.name}: {name} is not the same{differ}")


# ---------------------------------------------------------------------- measuring


@dataclass
class Effort:
    """How long a cell is measured: a run of one way repeats the operation, if it can,
    for target_ns or longer. Rounds go on until budget_ns are spent."""

    target_ns: int
    budget_ns: int
    min_rounds: int
    max_rounds: int
    slow_ns: int = 60_000_000  # if a round takes longer, two rounds are enough
    clock: Callable = time.perf_counter_ns

    def goes_on(self, rounds, spent_ns):
        needed = self.min_rounds
        if rounds and spent_ns / rounds > self.slow_ns:
            needed = min(2, needed)
        if rounds < needed:
            return True
        return rounds < self.max_rounds and spent_ns < self.budget_ns


FULL = Effort(1_500_000, 25_000_000, 3, 15)
QUICK = Effort(200_000, 8_000_000, 3, 7)
NOT_QUICK = {  # the sizes that --quick leaves out: bytes, or rows of an array
    "buffer": (60_000, 300_000, 16 * MIB, 64 * MIB),
    "io": (60_000, 300_000, 16 * MIB, 64 * MIB),
    "array": (5000, 100_000, 1_000_000, 1_600_000, 8_000_000),
}


@dataclass
class Cell:
    operation: Operation
    n: int
    state: str

    @property
    def name(self):
        op = self.operation
        return f"{op.kind}: {op.name} / {readable_size(op, self.n)} / {self.state}"

    @property
    def nbytes(self):
        rows = self.operation.kind == "array" and self.operation.sizes != BURSTS
        return 8 * self.n if rows else self.n

    @cached_property
    def material(self):
        return material_of(self.n if self.operation.kind != "array" else 0)

    def prepare(self):
        """Make in this process what its children need, so that they share it."""
        assert self.material
        if self.operation.values:
            values_of(self.operation.values, self.n)


def readable_size(op, n):
    """Return a size with its unit: rows of an array, else bytes."""
    if op.kind == "array" and op.sizes != BURSTS:
        return f"{n:,} rows"
    for scale, unit in ((MIB, "MiB"), (1 << 10, "KiB")):
        if n and n % scale == 0:
            return f"{n // scale} {unit}"
    return f"{n:,} B"


def most_runs(cell):
    """Return how many runs in a row are allowed: if each needs an object, few."""
    if cell.operation.each:
        return max(1, min(1000, 32 * MIB // (cell.n + 64)))
    return 1 << 20


def run_count(take, target_ns, most):
    """Return a number of runs in a row that take target_ns or longer in the slower way.

    The faster way then takes a tenth of target_ns or longer, unless the slower one
    takes 8 times target_ns. The number is at most `most`.
    """
    count = 1
    while True:
        taken = take(count)
        if count >= most or max(taken) >= target_ns and min(taken) >= target_ns / 10:
            return count
        if max(taken) >= 8 * target_ns:
            return count
        factor = min(10, max(2, 1.2 * target_ns / max(1, *taken)))
        count = min(most, math.ceil(count * factor))


def measure_warm(cell, effort):
    """Measure both ways in this process; return the figures of the row."""
    ways = theirs, ours = Way(cell.operation, False), Way(cell.operation, True)
    start = time.perf_counter_ns()
    check(cell, theirs, ours)
    checked_ns = time.perf_counter_ns() - start

    def timed(way, index, count):
        if cell.operation.each:
            # Otherwise one way begins with free memory, and the other without.
            growbuf.trim()
            release_free_memory()  # what the other way has freed
        return way.warm_ns(cell, index, count, effort.clock)

    def take(count, index=0):
        return [timed(way, index, count) for way in ways]

    count = 1
    if checked_ns < effort.slow_ns:
        count = run_count(take, effort.target_ns, most_runs(cell))
    pairs, start = [], time.perf_counter_ns()
    while effort.goes_on(len(pairs), time.perf_counter_ns() - start):
        pairs.append(take(count, len(pairs) + 1))
    return figures(pairs, count)


def first_ns(way, cell, index, count, clock):
    """Return the time of a cold run. Before, the code has only run on 100 bytes."""
    small = Cell(cell.operation, 100, COLD)
    for _ in range(20):
        way.cold_ns(small, 0, 1)
    growbuf.GrowBuffer(b"spam")
    release()
    touch(max(32 * MIB, 2 * cell.nbytes))
    return way.cold_ns(cell, index, count, clock)


def measure_cold(cell, effort):
    """Measure each run in a process of its own."""
    ways = theirs, ours = Way(cell.operation, False), Way(cell.operation, True)
    in_child(check, cell, theirs, ours)
    count = max(1, MIB // cell.n)
    pairs, start = [], time.perf_counter_ns()
    while effort.goes_on(len(pairs), time.perf_counter_ns() - start):
        facts = cell, len(pairs), count, effort.clock
        pairs.append([in_child(first_ns, way, *facts) for way in ways])
    return figures(pairs, count)


def figures(pairs, count):
    pairs = [(max(1, theirs), max(1, ours)) for theirs, ours in pairs]
    return {
        "ratio": median(theirs / ours for theirs, ours in pairs),
        "peer_ns": median(theirs for theirs, _ in pairs) / count,
        "ours_ns": median(ours for _, ours in pairs) / count,
        "rounds": len(pairs),
        "runs": count,
    }


def measure(cell, effort):
    """Return the row of a cell, with an error in it if the cell fails."""
    op = cell.operation
    row = {
        "cell": cell.name,
        "kind": op.kind,
        "group": op.group,
        "operation": op.name,
        "size": cell.n,
        "state": cell.state,
        "peer": op.peer_name or KINDS[op.kind][0],
    }
    cell.prepare()
    try:
        if cell.state == COLD:
            return {**row, **measure_cold(cell, effort)}
        return {**row, **in_child(measure_warm, cell, effort)}
    except ChildProcessError as error:
        print(f"{cell.name}: {error}", file=sys.stderr)
        return {**row, "error": str(error)}


def chosen_cells(options):
    """Return the cells that the options name, in the order of the table."""
    table = [op for op in operations() if options.kind in (None, op.kind)]
    cells = [Cell(op, n, WARM) for op in table for n in op.sizes]
    cells += [Cell(op, n, COLD) for op in table for n in op.cold_sizes()]
    if options.quick:
        cells = [c for c in cells if c.n not in NOT_QUICK[c.operation.kind]]
    wanted = re.compile(options.only or "")
    return [cell for cell in cells if wanted.search(cell.name)]


def measure_all(options):
    """Measure the cells; print the progress to stderr."""
    effort = QUICK if options.quick else FULL
    if options.cpu:
        effort = replace(effort, clock=time.thread_time_ns)
    gc.collect()
    gc.freeze()  # the collector then skips these objects in each child
    cells = chosen_cells(options)
    rows, start = [{}] * len(cells), time.monotonic()
    by_size = sorted(range(len(cells)), key=lambda index: cells[index].n)
    for count, index in enumerate(by_size, 1):
        before = time.monotonic()
        rows[index] = measure(cells[index], effort)
        now = time.monotonic()
        rows[index]["measured_s"] = now - before
        if count % 100 == 0:
            print(
                f"{now - start:4.0f} s: {count} of {len(cells)} cells", file=sys.stderr
            )
    return rows


# ---------------------------------------------------------------------- reporting


def summary(rows):
    """Return a row for each kind and state, and one for all."""
    good = [row for row in rows if "ratio" in row]
    groups = {}
    for row in good:
        groups.setdefault((row["allocator"], row["kind"], row["state"]), []).append(row)
    total = [(("", "all", ""), good)] if len(groups) > 1 else []
    return [
        {
            "allocator": allocator,
            "kind": kind,
            "state": state,
            "cells": len(group),
            "mean": geometric_mean(row["ratio"] for row in group),
            "losing": sum(row["ratio"] < LOSING for row in group),
            "lowest": min(row["ratio"] for row in group),
        }
        for (allocator, kind, state), group in [*groups.items(), *total]
    ]


def print_results(rows, all_cells):
    """Print all cells, or those with a ratio under LOSING, and the summary."""
    good = sorted((row for row in rows if "ratio" in row), key=lambda r: r["ratio"])
    told = good if all_cells else [row for row in good if row["ratio"] < LOSING]
    if told:
        print(f"{'ratio':>6} {'peer, ns':>13} {'growbuf, ns':>13}  cell")
    for row in told:
        print(
            f"{row['ratio']:6.2f} {row['peer_ns']:13,.0f} {row['ours_ns']:13,.0f}  "
            f"{row['cell']}, {row['allocator']}"
        )
    print(f"\n{'cells':>6} {'mean':>6} {'lowest':>6} {'losing':>6}")
    for row in summary(rows):
        print(
            f"{row['cells']:6} {row['mean']:6.3f} {row['lowest']:6.2f} "
            f"{row['losing']:6}  {row['kind']} {row['state']} {row['allocator']}"
        )
    print(f"mean: geometric; losing: under {LOSING}")
    for row in rows:
        if "error" in row:
            print(f"failed: {row['cell']}, {row['allocator']}: {row['error']}")


def facts():
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "growbuf": growbuf.info(),
    }


def list_operations():
    """Print the code of each operation: once, if both ways run the same code."""
    for op in operations():
        print(f"{op.kind}, {op.group}: {op.name}")
        ours, theirs = op.variant(True), op.variant(False)
        differ = (ours.x, ours.statement) != (theirs.x, theirs.statement)
        ways = {"growbuf: ": ours, f"{op.peer_name or 'peer'}: ": theirs}
        for prefix, way in ways.items() if differ else [("", ours)]:
            source = f"x = {way.x}\n{way.statement}" if way.x else way.statement
            print(textwrap.indent(source, f"    {prefix}"))


def parse_options():
    parser = case_parser(__doc__)
    add_allocators(parser)
    parser.add_argument("--quick", action="store_true", help="take two minutes")
    parser.add_argument("--cpu", action="store_true", help="count processor time")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument(
        "--only", metavar="PATTERN", help="only cells whose name matches"
    )
    add_json(parser)
    parser.add_argument("--list", action="store_true", help="print what is timed")
    return parse(parser)


def main():
    options = parse_options()
    if options.list:
        list_operations()
        return
    if options.worker:
        print(json.dumps(measure_all(options)))
        return
    words = ["--quick"] * options.quick + ["--cpu"] * options.cpu
    words += ["--kind", options.kind] if options.kind else []
    words += ["--only", options.only] if options.only else []
    rows = [
        {"allocator": allocator, **row}
        for allocator in options.allocator
        for row in run_worker(allocator, *words) or ()
    ]
    if not rows:
        sys.exit(
            f"no cell matches --only {options.only!r}, or the library of those that do "
            "is not installed: --list prints the operations"
            if options.only
            else "no cell can be measured: a library that they need is not installed"
        )
    report = {**facts(), "quick": options.quick, "cpu": options.cpu}
    write_json(options, report | {"summary": summary(rows), "cells": rows})
    print_results(rows, options.only)
    if any("error" in row for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
