"""Call each public operation while its system calls or allocations fail.

test_faults.py runs this script in a process with tests/c/failing.c preloaded:

    python faulted.py buffers|files|frozen|arrays calls|allocations [LEFT OUT]...

LEFT OUT are names of operations.

Each operation is called once for each fault: either the n-th call alone fails, or the
n-th call and all after it. The operation must raise MemoryError and change nothing, or
have the same result as without a fault. After MemoryError a second attempt without a
fault must succeed. No reference, span, or address space may leak.
"""

import ctypes
import errno
import gc
import os
import pickle
import sys
from collections import Counter

import operations
from operations import MIB, MUCH

import growbuf
from growbuf import FrozenBytes, GrowBuffer, GrowIO
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

# The subjects for each kind of fault. Most subjects on the heap make no system calls.
SUBJECTS = {
    ("buffers", "calls"): ["full heap", "span", "full span", "warm", "limit", "helped"],
    ("buffers", "allocations"): ["empty", "full heap", "full span"],
    ("files", "calls"): ["full heap", "full span", "limit", "much shared", "frozen"],
    ("files", "allocations"): ["new", "heap", "limit", "shared", "written", "frozen"]
    + ["nearly in a buffer", "full span"],
    ("frozen", "calls"): ["span", "limit"],
    ("frozen", "allocations"): ["block", "span"],
    ("arrays", "calls"): ["stable", "full heap", "full span"],
    ("arrays", "allocations"): ["stable", "maxlen", "heap"],
}


def has_first_rows(before, now, after):
    """Return whether the first rows of the source were appended. With maxlen, as many
    rows were removed."""
    is_windowed = len(before) == len(now) == len(after)
    return after.startswith(now) or (is_windowed and now in before + MUCH)


# Operations that may change the bytes although they fail, as documented. The function
# says whether the change is allowed. It gets the bytes before the call, the bytes now,
# and the bytes after a successful call.
PARTLY = {
    "buffers": {
        "readfrom": lambda before, now, after: after.startswith(now),
    },
    "files": {
        "writelines": lambda before, now, after: b"one" in now,
    },
    "frozen": {},
    "arrays": {
        "readfrom": has_first_rows,
    },
}

# Operations in which the interpreter itself leaks if an allocation fails: bytearray's
# formatting leaks if its result cannot be made, and __reduce_ex__ leaks a reference.
LOST_BY_PYTHON = {"__mod__", "__rmod__", "__deepcopy__", "__reduce_ex__"}


# ---------------------------------------------------------------------- observed state


def buffer_of(subject):
    """Return the buffer of any subject; an empty one for a closed file. A FrozenBytes
    stands for itself."""
    if isinstance(subject, (GrowBuffer, FrozenBytes)):
        return subject
    if isinstance(subject, GrowIO):
        return GrowBuffer() if subject.closed else subject.buffer
    return subject._buffer


def position_of(subject):
    """Return the position of an open file, else None."""
    is_open = isinstance(subject, GrowIO) and not subject.closed
    return subject.tell() if is_open else None


def pending_of(subject):
    """Return how many bytes of an array are pending, 0 for other subjects."""
    return getattr(subject, "pending_nbytes", 0)


def state_of(subject):
    """Return the bytes, the position and the number of pending bytes."""
    return bytes(buffer_of(subject)), position_of(subject), pending_of(subject)


def plain(result):
    """Return a result as bytes, which hold no memory of growbuf."""
    if isinstance(result, (tuple, list)):
        return [plain(item) for item in result]
    if hasattr(result, "tobytes"):
        return result.tobytes()
    return bytes(result) if isinstance(result, (GrowBuffer, FrozenBytes)) else result


def is_for_memory(error):
    """Return whether an error reports missing memory: MemoryError, NumPy's subclass of
    it, or the PicklingError that pickle raises instead. A SystemError that does not
    name growbuf counts too. It means that a MemoryError was lost by NumPy, or by Python
    3.11 while it made a traceback.
    """
    lost = isinstance(error, SystemError) and "growbuf" not in str(error)
    return lost or isinstance(error, (MemoryError, pickle.PicklingError))


def call(operation, subject, what="nothing", first=0, count=0):
    """Call with these faults; return the result, or the type of the exception."""
    arguments = WHAT[what], first, count, errno.ENOMEM
    try:
        return plain(LIBRARY.failing_call(operation, subject, *arguments))
    except Exception as error:
        return MemoryError if is_for_memory(error) else type(error)


def address_space():
    """Return the number of mapped bytes, without those that failed to be unmapped."""
    with open("/proc/self/statm") as statm:
        npages = int(statm.read().split()[0])
    return npages * os.sysconf("SC_PAGESIZE") - LIBRARY.failing_lost_nbytes()


# ------------------------------------------------------------------------ one operation


class Case:
    """One operation on one kind of subject."""

    def __init__(self, make, operation, partly):
        self.make, self.operation, self.partly = make, operation, partly
        self.counts, self.wrong, self.lost = Counter(), [], 0
        subject = make()
        self.before = state_of(subject)
        self.result = call(operation, subject)
        self.after = state_of(subject)
        self.references = sys.getrefcount(subject)

    def run(self, what):
        """Make each call fail, first alone, then with all calls after it."""
        for count in (1, ALL):
            first = 1
            while self.meets(what, first, count):
                first += 1

    def meets(self, what, first, count):
        """Call with the fault; return whether the failing call was reached."""
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

    def complaints(self, subject, result):
        """Yield what is wrong after a call; repeat a call that failed."""
        yield from filter(None, [check(buffer_of(subject))])
        if result is MemoryError and self.result is not MemoryError:
            if state_of(subject) == self.before:
                result = call(self.operation, subject)
            else:
                yield from self.broken_promises(bytes(buffer_of(subject)))
                return
        if result != self.result:
            yield f"its result is {result!r:.80}, without a fault {self.result!r:.80}"
        if state_of(subject) != self.after:
            yield "its state differs from that after a call without a fault"
        yield from filter(None, [check(buffer_of(subject))])

    def broken_promises(self, now):
        if not self.partly or not self.partly(self.before[0], now, self.after[0]):
            yield (
                f"it raised an error, but changed the bytes: {len(self.before[0])} "
                f"before, now {len(now)}"
            )


# --------------------------------------------------------------------- all operations


def losses(case, what):
    """Run the case, and yield a message for each resource that it leaked."""
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
        "bytes in the pool": now["pool_bytes"],
        "times 2 MiB of address space": (address_space() - mapped) // (2 * MIB),
    }
    yield from (
        f"{amount} {name} leaked" for name, amount in left.items() if amount > 0
    )


def cases(kind, what, left_out):
    makers, table = operations.TABLES[kind]
    assert table.keys() >= set(left_out)
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
