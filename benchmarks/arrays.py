"""GrowArray against the other ways to an array whose length is not known.

    python benchmarks/arrays.py                       every case
    python benchmarks/arrays.py floats rows --repeat 7

`ratio` is the other way's time divided by GrowArray's, the median over pairs taken in
turn, each job in a forked process of its own; both end with an ndarray of all rows.
`peak` is the most memory the job's process held meanwhile, in bytes for each byte of
the result. Under `overhead` stand nanoseconds a call costs more than on an ndarray: the
least of many. Ways that are not installed are left out. Needs the extras `cli` and
`numpy`.
"""

import array
import importlib
import statistics
import timeit
from functools import partial

import numpy as np
from versus import GIB, case_parser, in_child, parse, seconds, status_nbytes, touch

from growbuf import GrowArray

COUNT = 4_000_000
COUNT_IN_PYTHON = 400_000  # for what takes a microsecond an item
NROWS = 1_000_000
BLOCK = np.arange(1024.0)  # 8 KiB
RECORD = np.dtype([("t", "f8"), ("id", "i4"), ("ok", "?"), ("label", "S4")])


def optional(module, name):
    """Return a class of a package that may not be installed, or None."""
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        return None


DynamicArray = optional("dynarray", "DynamicArray")
NumpyDynamicArray = optional("numpy_da", "DynamicArray")  # numpy-dynamic-array
ArrayBuilder = optional("awkward", "ArrayBuilder")
BufferOutputStream = optional("pyarrow", "BufferOutputStream")
StringBuilder = optional("pyarrow.lib", "StringBuilder")  # there are none of numbers


# ----------------------------------------------------------------- item by item


def values(kind, count):
    """Return Python's own objects, made before the clock runs."""
    if kind == "floats":
        return [i / 2 for i in range(count)]
    if kind == "ints":
        return list(range(count))
    if kind == "strings":
        return [f"{i:08}" for i in range(count)]
    return [i % 3 == 0 for i in range(count)]


CODES = {
    "floats": ("f8", "d"),
    "ints": ("i8", "q"),
    "bools": ("?", "b"),
    "strings": ("U8", None),
}


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
    grown = ArrayBuilder()
    calls = {"floats": grown.real, "ints": grown.integer, "bools": grown.boolean}
    append_all(calls[kind], items)
    return np.asarray(grown.snapshot())


def items_dynarray(kind, items):
    grown = DynamicArray(dtype=CODES[kind][0])
    append_all(grown.append, items)
    return grown[:]


def items_numpy_da(kind, items):
    grown = NumpyDynamicArray(dtype=CODES[kind][0])
    append_all(grown.append, items)
    return grown.data


def strings_pyarrow(kind, items):
    """Build an Arrow array, whose strings have no fixed length; it is no ndarray."""
    grown = StringBuilder()
    append_all(grown.append, items)
    return grown.finish()


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


# --------------------------------------------------------------- block by block


def blocks(nbytes):
    return range(nbytes // BLOCK.nbytes)


def blocks_growarray(nbytes):
    grown = GrowArray()
    for _ in blocks(nbytes):
        grown.extend(BLOCK)
    return grown.array


def blocks_concatenate(nbytes):
    return np.concatenate([BLOCK.copy() for _ in blocks(nbytes)])


def blocks_bytearray(nbytes):
    grown = bytearray()
    for _ in blocks(nbytes):
        grown += BLOCK.data  # not BLOCK: an ndarray would add itself
    return np.frombuffer(grown)


def blocks_array(nbytes):
    grown = array.array("d")
    for _ in blocks(nbytes):
        grown.frombytes(BLOCK.data.cast("B"))
    return np.frombuffer(grown)


def blocks_preallocated(nbytes):
    filled, length = np.empty(nbytes // BLOCK.itemsize), len(BLOCK)
    for i in blocks(nbytes):
        filled[i * length : (i + 1) * length] = BLOCK
    return filled


def blocks_append(nbytes):
    grown = np.empty(0)
    for _ in blocks(nbytes):
        grown = np.append(grown, BLOCK)
    return grown


def blocks_dynarray(nbytes):
    grown = DynamicArray()
    for _ in blocks(nbytes):
        grown.extend(BLOCK)
    return grown[:]


def blocks_numpy_da(nbytes):
    grown = NumpyDynamicArray()
    for _ in blocks(nbytes):
        grown.append(BLOCK)
    return grown.data


def blocks_pyarrow(nbytes):
    grown = BufferOutputStream()
    for _ in blocks(nbytes):
        grown.write(BLOCK)
    return np.frombuffer(grown.getvalue())


# --------------------------------------------------------------------- measuring


def timed_with_values(job, kind, count):
    return seconds(job, kind, values(kind, count))


def timed_warm(job, nbytes):
    touch(2 * GIB)
    return seconds(job, nbytes)


def peak_of(job, nbytes):
    """Return the most memory a job holds, for each byte of its result."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # begin anew
    before = status_nbytes("VmRSS")
    kept = job(nbytes)
    return (status_nbytes("VmHWM") - before) / kept.nbytes


def compare(measure, ours, theirs, repeat):
    pairs = [
        (in_child(measure, theirs), in_child(measure, ours)) for _ in range(repeat)
    ]
    return {
        "ratio": statistics.median(their / our for their, our in pairs),
        "seconds": statistics.median(our for _, our in pairs),
    }


def items_case(kind, peers, repeat):
    for name, job, count in peers:
        measure = partial(with_job, timed_with_values, kind, count)
        yield name, compare(measure, items_growarray, job, repeat)


def with_job(measure, *args):
    """Call a measurement whose first argument comes last."""
    *args, job = args
    return measure(job, *args)


def rows_case(dtype, row_shape, last, repeat):
    measure = partial(with_job, seconds, dtype, row_shape, last)
    yield "list, np.array", compare(measure, rows_growarray, rows_list, repeat)


def blocks_case(nbytes, peers, repeat):
    for name, job in peers.items():
        measure = partial(with_job, timed_warm, nbytes)
        row = compare(measure, blocks_growarray, job, repeat)
        row["peak"] = in_child(peak_of, blocks_growarray, nbytes)
        row["its peak"] = in_child(peak_of, job, nbytes)
        yield name, row


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
        least = [float("inf")] * 2
        for _ in range(10 * repeat):
            for i, timer in enumerate(timers):
                least[i] = min(least[i], timer.timeit(2000) / 2000 * 1e9)
        yield code, {"overhead": least[1] - least[0], "of": least[0]}


LARGE = {
    "list, np.concatenate": blocks_concatenate,
    "bytearray, np.frombuffer": blocks_bytearray,
    "array.array, np.frombuffer": blocks_array,
    "np.empty of the length": blocks_preallocated,
}
SMALL = {"np.append": blocks_append}
ITEM_PEERS = [
    ("array.array", items_array, COUNT),
    ("list, np.array", items_list, COUNT),
]
STRING_PEERS = [("list, np.array", items_list, COUNT)]
if BufferOutputStream:
    LARGE["pyarrow.BufferOutputStream"] = blocks_pyarrow
    STRING_PEERS.append(("pyarrow's StringBuilder", strings_pyarrow, COUNT))
if DynamicArray:
    SMALL["dynarray"] = blocks_dynarray
    ITEM_PEERS.append(("dynarray", items_dynarray, COUNT_IN_PYTHON))
if NumpyDynamicArray:
    SMALL["numpy-dynamic-array"] = blocks_numpy_da
    ITEM_PEERS.append(("numpy-dynamic-array", items_numpy_da, COUNT_IN_PYTHON))
if ArrayBuilder:
    ITEM_PEERS.append(("awkward.ArrayBuilder", items_awkward, COUNT_IN_PYTHON))

CASES = {
    "floats": partial(items_case, "floats", ITEM_PEERS),
    "ints": partial(items_case, "ints", ITEM_PEERS),
    "bools": partial(items_case, "bools", ITEM_PEERS),
    "strings": partial(items_case, "strings", STRING_PEERS),
    "rows": partial(rows_case, np.dtype("f8"), 3, (2.5,)),
    "records": partial(rows_case, RECORD, (), (True, b"ab")),
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
    options = parse(case_parser(__doc__, CASES), CASES)

    from rich.console import Console
    from rich.table import Table

    for name in options.cases:
        rows = list(CASES[name](options.repeat))
        columns = {c: form for c, form in COLUMNS.items() if c in rows[0][1]}
        table = Table(name, *columns)
        for peer, row in rows:
            table.add_row(peer, *(form.format(row[c]) for c, form in columns.items()))
        Console().print(table)


if __name__ == "__main__":
    main()
