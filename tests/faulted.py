"""Every public operation, with each of its system calls or allocations failing.

test_faults.py runs this in a process that tests/c/failing.c is preloaded into:

    python faulted.py buffers|files|arrays calls|allocations [OPERATION LEFT OUT]...

Each operation is called once for each fault: the n-th call alone fails, or all from
the n-th on.  It must raise MemoryError and change nothing, or do what it does without
a fault; then it must work.  And nothing may be lost: no reference, no span, no address
space.
"""

import ctypes
import errno
import gc
import os
import pickle
import sys
from collections import Counter

import operations
from operations import MIB

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check

LIBRARY = ctypes.PyDLL(os.environ["LD_PRELOAD"])
LIBRARY.failing_call.restype = ctypes.py_object
LIBRARY.failing_call.argtypes = [
    *[ctypes.py_object] * 2,
    ctypes.c_int,
    *[ctypes.c_long] * 2,
    ctypes.c_int,
]
LIBRARY.failing_seen.restype = ctypes.c_long
LIBRARY.failing_lost_nbytes.restype = ctypes.c_size_t
WHAT = {"nothing": 0, "calls": 1, "allocations": 2}  # enum what in failing.c
ALL = 1 << 30

# Which subjects meet which faults: what is on the heap makes no system calls.
SUBJECTS = {
    ("buffers", "calls"): ["full heap", "span", "full span", "warm", "limit", "helped"],
    ("buffers", "allocations"): ["empty", "full heap", "full span"],
    ("files", "calls"): ["full heap", "full span", "limit", "much shared"],
    ("files", "allocations"): ["new", "heap", "limit", "shared", "written"]
    + ["nearly in a buffer"],
    ("arrays", "calls"): ["stable", "full heap", "full span"],
    ("arrays", "allocations"): ["stable", "heap"],
}

# What an operation that fails may have done, by its promise: told from the bytes
# before, now, and after a success.
PARTLY = {
    "buffers": {
        "__init__": lambda before, now, after: now == b"",
        "readfrom": lambda before, now, after: after.startswith(now),
    },
    "files": {
        "writelines": lambda before, now, after: b"one" in now,
        "__init__": lambda before, now, after: now == b"",
    },
    "arrays": {},
}

# Where the interpreter itself loses what it has no memory for: bytearray's formatting a
# result that was not made, its __reduce_ex__ a reference.
LOST_BY_PYTHON = {"__mod__", "__rmod__", "copy: deep", "__reduce_ex__"}


# ---------------------------------------------------------------- what there is to see


def buffer_of(subject):
    """Return the buffer of any subject, or an empty one of a closed file."""
    if isinstance(subject, GrowBuffer):
        return subject
    if isinstance(subject, GrowIO):
        return GrowBuffer() if subject.closed else subject.buffer
    return subject._buffer


def position_of(subject):
    """Return a file's position, None for a closed one and whatever is no file."""
    is_open = isinstance(subject, GrowIO) and not subject.closed
    return subject.tell() if is_open else None


def plain(result):
    """Return a result as bytes, which keep no memory of ours."""
    if isinstance(result, (tuple, list)):
        return [plain(item) for item in result]
    if hasattr(result, "tobytes"):
        return result.tobytes()
    return bytes(result) if isinstance(result, GrowBuffer) else result


def is_for_memory(error):
    """Tell whether it was a MemoryError, or NumPy's own kind, or what pickle makes of
    one; or one that the interpreter (3.11 making a traceback) or NumPy lost: no object
    of ours is named.
    """
    lost = isinstance(error, SystemError) and "growbuf" not in str(error)
    return lost or isinstance(error, (MemoryError, pickle.PicklingError))


def call(operation, subject, what="nothing", first=0, count=0):
    """Return the result, or the type of the exception."""
    arguments = WHAT[what], first, count, errno.ENOMEM
    try:
        return plain(LIBRARY.failing_call(operation, subject, *arguments))
    except Exception as error:
        return MemoryError if is_for_memory(error) else type(error)


def address_space():
    """Return the bytes that are mapped, less what could not be unmapped."""
    with open("/proc/self/statm") as statm:
        npages = int(statm.read().split()[0])
    return npages * os.sysconf("SC_PAGESIZE") - LIBRARY.failing_lost_nbytes()


# ------------------------------------------------------------------------ one operation


class Case:
    """One operation on one sort of subject."""

    def __init__(self, make, operation, partly):
        self.make, self.operation, self.partly = make, operation, partly
        self.counts, self.wrong, self.lost = Counter(), [], 0
        subject = make()
        self.before = bytes(buffer_of(subject)), position_of(subject)
        self.result = call(operation, subject)
        self.after = bytes(buffer_of(subject)), position_of(subject)
        self.references = sys.getrefcount(subject)

    def run(self, what):
        """Have each call fail, alone and with all behind it."""
        for count in (1, ALL):
            first = 1
            while self.meets(what, first, count):
                first += 1

    def meets(self, what, first, count):
        """Call with the fault; return whether there were so many calls."""
        growbuf.trim()
        subject = self.make()
        result = call(self.operation, subject, what, first, count)
        met = LIBRARY.failing_seen() >= first
        if sys.getrefcount(subject) > self.references:
            self.lost += 1
        where = f"fault {first}{' and all after' if count == ALL else ''}"
        self.wrong += [f"{where}: {why}" for why in self.complaints(subject, result)]
        self.counts["faults"] += met
        self.counts["raised"] += met and result is MemoryError
        return met

    def is_now(self, subject, state):
        return (buffer_of(subject), position_of(subject)) == state

    def complaints(self, subject, result):
        """Yield what is wrong after a call; a subject that failed is tried again."""
        yield from filter(None, [check(buffer_of(subject))])
        if result is MemoryError and self.result is not MemoryError:
            if self.is_now(subject, self.before):
                result = call(self.operation, subject)
            else:
                yield from self.broken_promises(bytes(buffer_of(subject)))
                return
        if result != self.result:
            yield f"its result is {result!r:.80}"
        if not self.is_now(subject, self.after):
            yield "it did another thing than without a fault"
        yield from filter(None, [check(buffer_of(subject))])

    def broken_promises(self, now):
        if not self.partly or not self.partly(self.before[0], now, self.after[0]):
            yield f"it raised, and left {len(now)} bytes of {len(self.before[0])}"


# -------------------------------------------------------------------------- all of them


def losses(case, what):
    """Run the case, and yield what is there after it that was not there before."""
    gc.collect()
    growbuf.trim()
    spans, mapped = growbuf.stats()["spans_live"], address_space()
    case.run(what)
    gc.collect()
    growbuf.trim()
    now = growbuf.stats()
    left = {
        "references to the subject": case.lost,
        "spans": now["spans_live"] - spans,
        "bytes retained": now["pool_bytes"],
        "times 2 MiB of address space": (address_space() - mapped) // (2 * MIB),
    }
    yield from (f"{amount} {name} left" for name, amount in left.items() if amount > 0)


def cases(kind, what, left_out):
    makers, table = operations.TABLES[kind]
    for name, operation in table.items():
        if name in left_out:
            continue
        partly = PARTLY[kind].get(name.split(":")[0])
        for subject in SUBJECTS[kind, what]:
            print(f"{name}, {subject}", flush=True)  # the last line if this crashes
            yield name, Case(makers[subject], operation, partly)


def main(kind, what, *left_out):
    totals = Counter(faults=0, raised=0, wrong=0)
    for name, case in cases(kind, what, left_out):
        lost = list(losses(case, what))
        wrong = case.wrong + ([] if name in LOST_BY_PYTHON else lost)
        totals += case.counts + Counter(wrong=len(wrong))
        print(*(f"    WRONG: {why}" for why in wrong[:9]), sep="\n")
    print(dict(totals))
    return totals["wrong"] > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
