"""Compare GrowArray with other libraries that build an array of unknown length.

    python benchmarks/arrays.py                       all cases
    python benchmarks/arrays.py floats rows --repeat 7

`ratio` is the other library's time divided by GrowArray's: the median over pairs of
runs, taken in turn, each in a forked process. Both jobs end with an ndarray of all
rows. `peak` is the peak memory of GrowArray's process during the job, for each byte of
the result, and `its peak` that of the other library's. `overhead` is how many
nanoseconds longer a call takes on a GrowArray than on an ndarray. In each round the
call is measured ten times on both, and the shortest times are compared; `overhead` is
the median over the rounds. `of` is the shortest time of all rounds on the ndarray. The
case `last` appends rows one by one to an array that keeps the last 10,000, and reads
the newest after every 100 rows.
Libraries that are not installed are left out. Needs the extras `cli` and `numpy`.
"""

import array
import timeit
from collections import deque
from functools import partial
from statistics import median

import numpy as np
from common import add_json, case_parser, compare, parse, write_json

from growbuf import GrowArray
from growbuf.cli.cases import BLOCKS, ITEMS, blocks, is_installed
from growbuf.cli.measure import GIB, in_child, memory_nbytes, seconds, touch

COUNT = 4_000_000
COUNT_IN_PYTHON = 400_000  # for libraries that take a microsecond for each item
NROWS = 1_000_000
RECORD = np.dtype([("t", "f8"), ("id", "i4"), ("ok", "?"), ("label", "S4")])


# ----------------------------------------------------------------- item by item


def values(kind, count):
    """Return a list of Python objects."""
    if kind == "floats":
        return [i / 2 for i in range(count)]
    if kind == "ints":
        return list(range(count))
    return [i % 3 == 0 for i in range(count)]


CODES = {"floats": ("f8", "d"), "ints": ("i8", "q"), "bools": ("?", "b")}


def append_all(append, items):
    for item in items:
        append(item)


def items_growarray(kind, items):
    grown = GrowArray(dtype=CODES[kind][0])
    append_all(grown.append, items)
    return grown.array


def items_array(kind, items):
    grown = array.array(CODES[kind][1])
    append_all(grown.append, items)
    return np.frombuffer(grown, CODES[kind][0])


def items_list(kind, items):
    grown = []
    append_all(grown.append, items)
    return np.array(grown)


def items_awkward(kind, items):
    from awkward import ArrayBuilder

    grown = ArrayBuilder()
    calls = {"floats": grown.real, "ints": grown.integer, "bools": grown.boolean}
    append_all(calls[kind], items)
    return np.asarray(grown.snapshot())


def items_dynarray(kind, items):
    from dynarray import DynamicArray

    grown = DynamicArray(dtype=CODES[kind][0])
    append_all(grown.append, items)
    return grown[:]


def items_numpy_da(kind, items):
    from numpy_da import DynamicArray

    grown = DynamicArray(dtype=CODES[kind][0])
    append_all(grown.append, items)
    return grown.data


# ------------------------------------------------------------------- row by row


def rows_growarray(dtype, row_shape, last):
    grown = GrowArray(dtype=dtype, row_shape=row_shape)
    append = grown.append
    for i in range(NROWS):
        append((1.5, i, *last))
    return grown.array


def rows_list(dtype, row_shape, last):
    grown = []
    append = grown.append
    for i in range(NROWS):
        append((1.5, i, *last))
    return np.array(grown, dtype)


# ------------------------------------------------------------ the last rows only


WINDOW = 10_000
LOOK_EVERY = 100  # rows


class Ring:
    """The last `nrows` rows, in an ndarray that has space for twice as many."""

    def __init__(self, nrows):
        self.rows, self.nrows, self.end = np.empty(2 * nrows), nrows, 0

    def append(self, row):
        if self.end == len(self.rows):
            self.rows[: self.nrows] = self.rows[self.nrows :]
            self.end = self.nrows
        self.rows[self.end] = row
        self.end += 1

    @property
    def array(self):
        return self.rows[max(0, self.end - self.nrows) : self.end]


def append_and_look(rows, look, items):
    """Append all items; after each LOOK_EVERY of them read the newest row."""
    append = rows.append
    for start in range(0, len(items), LOOK_EVERY):
        for item in items[start : start + LOOK_EVERY]:
            append(item)
        look(rows)[-1]


def last_growarray(_kind, items):
    append_and_look(GrowArray(maxlen=WINDOW), lambda rows: rows.array, items)


def last_deque(_kind, items):
    append_and_look(deque(maxlen=WINDOW), np.array, items)


def last_ring(_kind, items):
    append_and_look(Ring(WINDOW), lambda rows: rows.array, items)


def all_growarray(_kind, items):
    append_and_look(GrowArray(), lambda rows: rows.array, items)


# --------------------------------------------------------------------- measuring


def timed_with_values(job, kind, count):
    return seconds(job, kind, values(kind, count))


def timed_warm(job, nbytes):
    touch(2 * GIB)
    return seconds(job, nbytes)


def peak_of(job, nbytes):
    """Return the peak memory of a job, for each byte of its result."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # reset VmHWM
    before = memory_nbytes("VmRSS")
    kept = job(nbytes)
    return (memory_nbytes("VmHWM") - before) / kept.nbytes


def items_case(kind, repeat):
    for name, job, count in ITEM_PEERS:
        theirs, ours = (
            partial(timed_with_values, job, kind, count)
            for job in (job, items_growarray)
        )
        yield name, compare(theirs, ours, repeat)


def rows_case(dtype, row_shape, last, repeat):
    theirs, ours = (
        partial(seconds, job, dtype, row_shape, last)
        for job in (rows_list, rows_growarray)
    )
    yield "list, np.array", compare(theirs, ours, repeat)


def last_case(repeat):
    ours = partial(timed_with_values, last_growarray, "floats", COUNT_IN_PYTHON)
    for name, job in (
        ("deque, np.array", last_deque),
        ("two windows of NumPy", last_ring),
        ("without maxlen", all_growarray),
    ):
        theirs = partial(timed_with_values, job, "floats", COUNT_IN_PYTHON)
        yield name, compare(theirs, ours, repeat)


def blocks_case(nbytes, peers, repeat):
    ours = partial(blocks, BLOCKS["GrowArray"].begin)
    for label, name in peers.items():
        if not is_installed(BLOCKS[name]):
            continue
        theirs = partial(blocks, BLOCKS[name].begin)
        row = compare(
            partial(timed_warm, theirs, nbytes),
            partial(timed_warm, ours, nbytes),
            repeat,
        )
        row["peak"] = in_child(peak_of, ours, nbytes)
        row["its peak"] = in_child(peak_of, theirs, nbytes)
        yield label, row


def overhead_case(repeat):
    plain = np.arange(10.0)
    grown = GrowArray(plain)
    for code in (
        "x[3]",
        "x[2:5]",
        "x[3] = 1",
        "x + 1",
        "x == x",
        "np.sqrt(x)",
        "np.add(x, 1)",
        "np.add(x, 1, out=x)",
        "np.add.reduce(x)",
        "x.sum()",
        "np.asarray(x)",
    ):
        timers = [
            timeit.Timer(code, globals={"np": np, "x": x}) for x in (plain, grown)
        ]
        rounds = [fastest_of_each(timers) for _ in range(repeat)]
        each = {"overhead": [ours - plain for plain, ours in rounds]}
        best = min(plain for plain, _ in rounds)
        yield code, {"overhead": median(each["overhead"]), "of": best, "each": each}


def fastest_of_each(timers):
    """Return the nanoseconds of the fastest of ten runs of each timer, run in turn."""
    runs = [[timer.timeit(2000) / 2000 * 1e9 for timer in timers] for _ in range(10)]
    return [min(taken) for taken in zip(*runs, strict=True)]


LARGE = {
    "list, np.concatenate": "np.concatenate",
    "bytearray, np.frombuffer": "bytearray",
    "array.array, np.frombuffer": "array.array",
    "np.empty of the length": "np.empty",
    "pyarrow.concat_arrays": "pyarrow.concat",
}
SMALL = {name: name for name in ("np.append", "dynarray", "numpy-dynamic-array")}
ITEM_PEERS = [
    (name, job, count)
    for name, peer, job, count in (
        ("array.array", "array.array", items_array, COUNT),
        ("list, np.array", "list", items_list, COUNT),
        ("dynarray", "dynarray", items_dynarray, COUNT_IN_PYTHON),
        ("numpy-dynamic-array",) * 2 + (items_numpy_da, COUNT_IN_PYTHON),
        ("awkward.ArrayBuilder", "awkward", items_awkward, COUNT_IN_PYTHON),
    )
    if is_installed(ITEMS[peer])
]

CASES = {
    "floats": partial(items_case, "floats"),
    "ints": partial(items_case, "ints"),
    "bools": partial(items_case, "bools"),
    "rows": partial(rows_case, np.dtype("f8"), 3, (2.5,)),
    "records": partial(rows_case, RECORD, (), (True, b"ab")),
    "last": last_case,
    "blocks": partial(blocks_case, 512 << 20, LARGE),
    "blocks-16m": partial(blocks_case, 16 << 20, SMALL),
    "overhead": overhead_case,
}

COLUMNS = {
    "ratio": "{:.2f}",
    "seconds": "{:.4f}",
    "peak": "{:.3f}",
    "its peak": "{:.3f}",
    "overhead": "{:+.0f} ns",
    "of": "{:.0f} ns",
}


def main():
    parser = case_parser(__doc__, CASES)
    add_json(parser)
    options = parse(parser, CASES)

    from rich.console import Console
    from rich.table import Table

    report = []
    for name in options.cases:
        rows = list(CASES[name](options.repeat))
        report += [{"case": name, "peer": peer, **row} for peer, row in rows]
        columns = {c: form for c, form in COLUMNS.items() if c in rows[0][1]}
        table = Table(name, *columns)
        for peer, row in rows:
            table.add_row(peer, *(form.format(row[c]) for c, form in columns.items()))
        Console().print(table)
    write_json(options, {"rows": report})


if __name__ == "__main__":
    main()
