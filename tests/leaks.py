"""Check that operations leak nothing.

    python tests/leaks.py [NAME ...]      check all operations, or only those named

Each operation is repeated in its own process. After some repetitions, resident memory,
memory blocks and spans in use must not rise any more. On a debug build of Python,
references are counted instead of memory blocks.
"""

import copy
import gc
import io
import os
import pickle
import subprocess
import sys
from array import array
from pathlib import Path

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check

sys.path.insert(0, str(Path(__file__).resolve().parent))

from conftest import held

KIB, MIB = 1 << 10, 1 << 20
SIZES = [10, 40 * KIB, 100 * KIB, 5 * MIB]
ROUNDS, REPEATS = 9, 15
# RSS varies this much without a leak: the allocator keeps arenas, and the kernel
# updates the figure in batches.
RSS_NOISE = MIB


def refused(call, *args):
    try:
        call(*args)
    except (BufferError, IndexError, OverflowError, TypeError, ValueError):
        return
    raise AssertionError(f"{call} was not refused")


def grow(nbytes):
    buf = GrowBuffer()
    while len(buf) < nbytes:
        buf += b"x" * (nbytes // 7 + 1)


def edit(nbytes):
    buf = GrowBuffer(b"x" * nbytes)
    buf.append(1)
    buf.extend(range(200))
    buf.extend(map(int, "123"))
    buf.insert(nbytes // 2, 3)
    buf.pop(0)
    buf.remove(3)
    buf[1:5] = b"abcdefgh"
    del buf[: nbytes // 3]
    del buf[::2]
    buf *= 2
    buf.reverse()
    buf.resize(nbytes // 2)
    buf.clear()


def results(nbytes):
    buf = GrowBuffer(b"ab,c" * (nbytes // 4))
    parts = [buf[1:], buf + b"x", buf * 2, buf.copy(), buf.upper(), buf % ()]
    parts += [buf.partition(b","), buf.rsplit(b",", 3), buf.strip(b"a")]
    assert all(parts)


def views(nbytes):
    buf = GrowBuffer(b"x" * nbytes)
    with memoryview(buf):
        refused(buf.append, 1)
        refused(buf.clear)
    refused(buf.append, 256)
    refused(buf.insert, 0, "x")
    refused(buf.extend, [1, 2, 300])
    refused(GrowBuffer, [1, None])


def limit(nbytes):
    buf = GrowBuffer(b"x" * nbytes, limit=64 * MIB)
    with memoryview(buf):
        buf += b"y" * nbytes
    del buf[:nbytes]
    buf.trim()


def tail(nbytes):
    buf = GrowBuffer()
    with buf.spare(nbytes) as tail:
        tail[:3] = b"abc"
    buf.commit(3)
    buf.readfrom(io.BytesIO(b"x" * nbytes))
    buf.reserve(2 * nbytes)
    buf.trim()


def owners(nbytes):
    buf = GrowBuffer(b"x" * nbytes)
    buf.take(nbytes // 2)
    buf.take_bytes(3)
    assert len(buf.freeze(nbytes // 4)) == nbytes // 4
    frozen = buf.freeze()
    assert pickle.loads(pickle.dumps(GrowBuffer(frozen), 5)) == frozen
    assert pickle.loads(pickle.dumps(frozen, 5)) == frozen
    refused(type(frozen), b"x")
    part = memoryview(frozen)[1:3]
    assert copy.copy(frozen) is frozen and sys.getsizeof(frozen) > len(part)
    subclass = type("Named", (GrowBuffer,), {})
    subclass(frozen).name = frozen


def prefault(nbytes):
    buf = GrowBuffer(prefault=True)
    buf += b"x" * nbytes


def files(nbytes):
    file = GrowIO(b"line\n" * (nbytes // 5))
    file.seek(0)
    file.readline()
    file.readlines(100)
    file.read(7)
    file.readinto(bytearray(9))
    file.write(b"x" * nbytes)
    with file.getbuffer():
        refused(file.truncate, 3)
    value = file.getvalue()
    file.write(b"copied, because value is in use")
    del value
    file.getvalue()
    file.write(b"taken back")
    file.truncate(3)
    GrowIO(GrowBuffer(b"x" * nbytes).freeze()).write(b"y")
    file.close()


def arrays(nbytes):
    rows = growbuf.GrowArray(dtype="f8")
    rows.append(1.5)
    rows.extend(range(min(nbytes // 8, 5000)))  # items take long on a debug build
    rows.resize(nbytes // 8 + 2)
    refused(rows.append, "x")
    view = rows[1:3]
    refused(rows.pop)
    del view
    rows.pop()
    rows.detach()


OPERATIONS = [grow, edit, results, views, limit, tail, owners, prefault, files, arrays]


def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def state(count):
    """Empty the pool; return (count of blocks or references, RSS in bytes, spans)."""
    gc.collect()
    growbuf.trim()
    return count(), rss(), growbuf.stats()["spans_live"]


def watch(operation):
    """Repeat an operation; return a line for each figure that keeps rising."""
    # NumPy's wheels are release builds. A debug build does not see the references that
    # they drop, so it would report leaks.
    use_blocks = operation is arrays and hasattr(sys, "gettotalrefcount")
    count = sys.getallocatedblocks if use_blocks else held
    seen = array("q", bytes(8 * 3 * ROUNDS))  # filling it allocates nothing
    for at in range(0, len(seen), 3):
        for _ in range(REPEATS):
            for nbytes in SIZES:
                operation(nbytes)
        seen[at : at + 3] = array("q", state(count))
    later = seen[len(seen) // 3 :].tolist()  # caches fill in the first third
    counts, resident, spans = later[::3], later[1::3], later[2::3]
    assert check(GrowBuffer()) is None
    problems = []
    # A leak adds at least one for each repetition. Python's caches add a few in all.
    rises = [after - before for before, after in zip(counts, counts[1:], strict=False)]
    if min(rises) >= REPEATS:
        problems.append(f"references or blocks: {counts}")
    if resident[-1] - resident[0] > RSS_NOISE:
        problems.append(f"resident bytes: {resident}")
    if spans[-1] > 0:
        problems.append(f"spans in use: {spans}")
    return problems


def main(names):
    if names[:1] == ["--watch"]:
        operation = next(each for each in OPERATIONS if each.__name__ == names[1])
        sys.exit("\n".join(watch(operation)) or None)
    failed = 0
    for name in names or [operation.__name__ for operation in OPERATIONS]:
        done = subprocess.run([sys.executable, __file__, "--watch", name])
        print(f"{name:10} {'leaks' if done.returncode else 'flat'}", flush=True)
        failed += done.returncode != 0
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(sys.argv[1:])
