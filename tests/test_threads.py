"""Several threads use one buffer, or one each. Buffers stay consistent, and their bytes
are the result of the threads' calls in some order. On a free-threaded Python only the
locks of growbuf protect the buffers."""

import io
import itertools
import mmap
import random
import signal
import struct
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import suppress

import pytest
from conftest import together
from test_growbuffer import run

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check

KIB, MIB = 1 << 10, 1 << 20
HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
pytestmark = pytest.mark.filterwarnings("error")
# The errors that the documentation names.
REFUSALS = BufferError, IndexError, ValueError
RECORD = struct.Struct("<II24x")  # number of the writer, number of the record
LIMITS = pytest.mark.parametrize("limit", [None, 64 * MIB])


def give_way():
    """Let another thread run: a thread that retries in a loop may keep the lock."""
    time.sleep(0)


def wait_for_more(sized, over):
    """Wait until another thread appends; repeated views would block it."""
    seen = len(sized)
    while len(sized) == seen and not over.is_set():
        give_way()


def insistently(call, *args):
    """Retry the call until it raises no BufferError; return its result."""
    while True:
        try:
            return call(*args)
        except BufferError:
            give_way()


def tolerantly(call, *args):
    try:
        call(*args)
    except REFUSALS:
        pass


def make(limit):
    if limit and growbuf.info()["strategy"] == "heap":
        pytest.skip("no pages to reserve")
    return GrowBuffer(limit=limit)


# --------------------------------------------------------- every method at once

# Arguments for each method and slot. UNTOUCHED lists the others.
CALLS = {
    "__add__": [b"x"],
    "__alloc__": [],
    "__contains__": [9],
    "__delitem__": [slice(0, 100)],
    "__eq__": [b"x"],
    "__ge__": [b"x"],
    "__getitem__": [slice(1, 70_000)],
    "__gt__": [b"x"],
    "__iadd__": [b"x" * 100],
    "__imul__": [1],
    "__iter__": [],
    "__le__": [b"x"],
    "__len__": [],
    "__lt__": [b"x"],
    "__mod__": [()],
    "__mul__": [2],
    "__ne__": [b"x"],
    "__copy__": [],
    "__deepcopy__": [{}],
    "__reduce__": [],
    "__reduce_ex__": [5],
    "__repr__": [],
    "__rmod__": [b"x"],
    "__rmul__": [2],
    "__setitem__": [slice(5, 10), b"xyz"],
    "__sizeof__": [],
    "__str__": [],
    "append": [1],
    "capitalize": [],
    "center": [80_000],
    "clear": [],
    "commit": [3],
    "copy": [],
    "count": [b"z"],
    "decode": ["latin-1"],
    "endswith": [b"z"],
    "expandtabs": [],
    "extend": [b"x" * 100],
    "find": [b"zz"],
    "freeze": [],
    "hex": [],
    "index": [b"zz"],
    "insert": [3, 5],
    "isalnum": [],
    "isalpha": [],
    "isascii": [],
    "isdigit": [],
    "islower": [],
    "isspace": [],
    "istitle": [],
    "isupper": [],
    "join": [[b"a", b"b"]],
    "ljust": [80_000],
    "lower": [],
    "lstrip": [b"x"],
    "partition": [b"z"],
    "pop": [],
    "readfrom": None,
    "remove": [120],
    "removeprefix": [b"x"],
    "removesuffix": [b"x"],
    "replace": [b"x", b"yz"],
    "reserve": [200_000],
    "resize": [75_000],
    "reverse": [],
    "rfind": [b"z"],
    "rindex": [b"z"],
    "rjust": [80_000],
    "rpartition": [b"z"],
    "rsplit": [b"z"],
    "rstrip": [b"x"],
    "spare": [100],
    "split": [b"z"],
    "splitlines": [],
    "startswith": [b"z"],
    "strip": [b"x"],
    "swapcase": [],
    "take": [10],
    "take_bytes": [10],
    "title": [],
    "translate": [bytes(range(256))],
    "trim": [],
    "upper": [],
    "zfill": [80_000],
}
# Not in CALLS: attributes of the type or of object, and those that other calls cover.
# CHANGES has __init__.
UNTOUCHED = {
    *("__class__", "__doc__", "__module__", "__new__", "__hash__", "__subclasshook__"),
    *("__init__", "__init_subclass__", "fromhex", "maketrans", "capacity"),
    *("limit", "__buffer__", "__release_buffer__", "_repr_pretty_"),
    *(name for name in dir(object)),
}
CHANGES = [
    lambda buf: buf.extend(b"x" * 90_000),
    lambda buf: buf.clear(),
    lambda buf: buf.trim(),
    lambda buf: buf.__init__(b"xyz" * 40_000),
    lambda buf: buf.__delitem__(slice(0, 50_000)),
    lambda buf: memoryview(buf).release(),
]


def test_calls_table_of_growbuffer_covers_every_method():
    assert set(dir(GrowBuffer)) - UNTOUCHED - set(CALLS) == set()


@pytest.mark.parametrize("name", [name for name in CALLS if hasattr(GrowBuffer, name)])
def test_method_during_changes_in_threads_keeps_buffer_consistent(name):
    buf = GrowBuffer(b"x" * 100_000)

    def call():
        args = CALLS[name] if name != "readfrom" else [io.BytesIO(b"x" * 100)]
        for _ in range(8):
            tolerantly(getattr(buf, name), *args)

    def change():
        for each in CHANGES:
            tolerantly(each, buf)
            tolerantly(buf.extend, b"x" * 10_000)

    together(call, call, change, change)
    assert check(buf) is None
    buf.append(1)
    assert buf[-1] == 1


def test_iter_during_clear_and_extend_yields_only_valid_bytes():
    buf = GrowBuffer(b"x" * 5 * MIB)

    def read():
        for _ in range(20):
            assert set(itertools.islice(buf, 1000)) <= {0, ord("x")}

    def change():
        for _ in range(200):
            buf.clear()
            growbuf.trim()
            buf.extend(b"x" * 5 * MIB)

    together(read, read, change)
    assert check(buf) is None and sum(1 for _ in buf) == len(buf) == 5 * MIB


# ------------------------------------------------------------- legal interleavings


def records(writer, count):
    return [RECORD.pack(writer, number) for number in range(count)]


def assert_interleaved(pieces, nwriters, count):
    """Assert that all records are whole and present, in order for each writer."""
    seen = [[] for _ in range(nwriters)]
    for writer, number in RECORD.iter_unpack(b"".join(pieces)):
        seen[writer].append(number)
    assert seen == [list(range(count))] * nwriters


def write_with_spare(buf, record):
    """Hold the view until the commit, so that no other thread can append meanwhile."""
    view = buf.spare(len(record))
    view[: len(record)] = record
    buf.commit(len(record))


WRITERS = [
    lambda buf, record: buf.extend(record),
    lambda buf, record: buf.extend(iter(record)),
    lambda buf, record: buf.__iadd__(record),
    lambda buf, record: buf.__setitem__(slice(sys.maxsize, None), record),
    lambda buf, record: buf.extend(memoryview(record)),
]
TAIL_WRITERS = [
    write_with_spare,
    lambda buf, record: buf.readfrom(io.BytesIO(record)),
]


@LIMITS
@pytest.mark.parametrize("tail_writer", TAIL_WRITERS, ids=["spare", "readfrom"])
def test_append_from_many_writers_keeps_records_whole(limit, tail_writer):
    buf, count = make(limit), 3000
    buf.reserve(256 * KIB)

    def work(writer, write):
        for record in records(writer, count):
            insistently(write, buf, record)

    writers = [*WRITERS, tail_writer]
    together(
        *(lambda i=i, write=write: work(i, write) for i, write in enumerate(writers))
    )
    assert check(buf) is None
    assert_interleaved([buf], len(writers), count)


@LIMITS
@pytest.mark.parametrize(
    "append", [GrowBuffer.extend, GrowBuffer.__iadd__], ids=["extend", "iadd"]
)
def test_append_of_2_mib_in_several_threads_never_raises(limit, append):
    """As with bytearray, the GIL or the object's lock makes other threads wait."""
    buf, pieces = make(limit), [bytes([value]) * 2 * MIB for value in range(4)]
    together(*(lambda piece=piece: append(buf, piece) for piece in pieces * 3))
    assert check(buf) is None and len(buf) == 24 * MIB
    found = [bytes(buf[at : at + 2 * MIB]) for at in range(0, 24 * MIB, 2 * MIB)]
    assert sorted(found) == sorted(pieces * 3)


def test_append_beside_slices_of_8_mib_never_raises():
    buf, rounds = GrowBuffer(bytes(8 * MIB)), 30

    def copy():
        for _ in range(rounds):
            assert len(buf[:]) >= 8 * MIB

    def append():
        for _ in range(rounds):
            buf.append(1)
            give_way()

    together(copy, append, append)
    assert check(buf) is None and buf == bytes(8 * MIB) + b"\1" * 2 * rounds


@LIMITS
def test_extend_with_48_mib_publishes_all_bytes_at_once(limit):
    """The source is a mapped file, so that each page of the copy takes a page fault."""
    buf, nbytes, seen = make(limit), 48 * MIB, []
    buf.extend(b"dropped before" * 3 * MIB)
    del buf[1:]
    with tempfile.TemporaryFile() as file:
        file.truncate(nbytes)
        source = mmap.mmap(file.fileno(), nbytes, access=mmap.ACCESS_READ)

    def look():
        while not seen or seen[-1] == (1, ord("d")):
            with memoryview(buf) as view:
                seen.append((len(view), view[-1]))
            give_way()

    together(lambda: insistently(buf.extend, source), look)
    assert set(seen) <= {(1, ord("d")), (1 + nbytes, 0)}
    assert check(buf) is None and buf == b"d" + bytes(nbytes)


@pytest.mark.skipif(
    not HAS_GIL, reason="without a GIL a reader waits for the end of the insertion"
)
def test_getitem_during_large_insert_shows_no_deleted_bytes():
    seen, over = set(), threading.Event()
    buf = GrowBuffer(b"DROPPED" * 3 * MIB + b"kept" * 8 * MIB)
    del buf[: 7 * 3 * MIB]

    def insert():
        while not seen:
            give_way()
        buf[:0] = b"new!" * 4 * MIB
        over.set()

    def look():
        while not over.is_set():
            seen.add(buf[15 * MIB])

    together(insert, look, look)
    assert seen <= {*b"kept", *b"new!"} and check(buf) is None
    assert buf == b"new!" * 4 * MIB + b"kept" * 8 * MIB


TAKERS = [
    lambda buf: buf.freeze(),
    lambda buf: buf.freeze(len(buf) // RECORD.size // 2 * RECORD.size),
    lambda buf: bytes(buf.take()),
    lambda buf: bytes(buf.take(len(buf) // RECORD.size // 2 * RECORD.size)),
    lambda buf: buf.take_bytes(),
    lambda buf: buf.take_bytes(RECORD.size),
]


@LIMITS
def test_take_during_appends_loses_no_record(limit):
    buf, count, pieces = make(limit), 3000, []
    over = threading.Event()

    def write(writer):
        for record in records(writer, count):
            insistently(WRITERS[writer], buf, record)

    def write_all():
        together(*(lambda i=i: write(i) for i in range(3)))
        over.set()

    def take():
        chance = random.Random(7)
        while not over.is_set() or buf:
            tolerantly(lambda: pieces.append(chance.choice(TAKERS)(buf)))
            give_way()

    together(write_all, take)
    assert buf == b"" and check(buf) is None
    assert_interleaved(pieces, 3, count)


@LIMITS
def test_view_during_appends_shows_whole_records(limit):
    buf, count, over = make(limit), 3000, threading.Event()
    torn, looked = [], []

    def write(writer):
        for record in records(writer, count):
            insistently(WRITERS[writer], buf, record)

    def look():
        while not over.is_set():
            with memoryview(buf) as view:
                tail = bytes(view[-4 * RECORD.size :])
            looked.append(len(tail))
            torn.extend(
                pair
                for pair in RECORD.iter_unpack(tail)
                if pair[0] > 1 or pair[1] > count
            )
            wait_for_more(buf, over)

    def write_all():
        together(lambda: write(0), lambda: write(1))
        over.set()

    together(look, look, write_all)
    assert looked and torn == []
    assert_interleaved([buf], 2, count)


def test_spare_view_obj_in_other_threads_refuses_memoryview():
    buf, over = GrowBuffer(b"x" * 100), threading.Event()
    exporters = [buf.spare(10).obj]
    got = []

    def write():
        for _ in range(3000):
            view = buf.spare(10)
            exporters[0] = view.obj
            view[:3] = b"abc"
            buf.commit(3)
        over.set()

    def ask():
        while not over.is_set():
            try:
                got.append(memoryview(exporters[0]))
            except BufferError:
                give_way()

    together(write, ask, ask)
    assert got == [] and check(buf) is None
    assert buf == b"x" * 100 + b"abc" * 3000
    buf.clear()


def test_readfrom_in_several_threads_keeps_records_whole():
    buf, count = GrowBuffer(), 500

    def read(writer):
        for record in records(writer, count):
            source = io.BytesIO(record)
            while source.tell() == 0:
                tolerantly(buf.readfrom, source)

    together(lambda: read(0), lambda: read(1), lambda: read(2))
    assert check(buf) is None
    assert_interleaved([buf], 3, count)
    buf.clear()


# ------------------------------------------------------------------- many buffers


def test_pool_shared_by_buffers_of_several_threads_keeps_bytes():
    live = growbuf.stats()["spans_live"]

    def work(value):
        chance = random.Random(value)
        for _ in range(30):
            buf, piece = GrowBuffer(prefault=value == 1), bytes([value]) * 100_000
            for _ in range(chance.randrange(30)):
                buf += piece
                if chance.random() < 0.3:
                    del buf[: chance.randrange(150_000)]
            part = buf.take(len(buf) // 2)
            assert buf.count(value) == len(buf) and part.count(value) == len(part)
            assert check(buf) is None is check(part)

    def tend():
        for number in range(200):
            growbuf.configure(pool_limit=number % 3 * 4 * MIB)
            growbuf.trim()
            growbuf.stats()

    try:
        together(*(lambda value=value: work(value) for value in range(1, 5)), tend)
    finally:
        growbuf.configure(pool_limit=64 * MIB)
    assert growbuf.stats()["spans_live"] <= live


# -------------------------------------------------------------------------- files

# As CALLS, for GrowIO. NOT_CALLED has what file objects inherit, and the attributes of
# object.
FILE_CALLS = {
    "__getstate__": [],
    "__init__": [b"again" * 100],
    "__iter__": [],
    "__next__": [],
    "__reduce_ex__": [2],
    "__setstate__": [(b"state" * 30_000, 5, {"name": "other"})],
    "__sizeof__": [],
    "flush": [],
    "getbuffer": [],
    "getvalue": [],
    "isatty": [],
    "peek": [10],
    "read": [50_000],
    "read1": [],
    "readable": [],
    "readinto": None,
    "readline": [],
    "readlines": [100_000],
    "seek": [-5, 2],
    "seekable": [],
    "tell": [],
    "truncate": [90_000],
    "writable": [],
    "write": [b"spam\n" * 20_000],
    "writelines": [[b"spam\n" * 5000, b"eggs"]],
}
NOT_CALLED = {
    *("__enter__", "__exit__", "__del__", "_checkClosed", "_checkReadable"),
    *("_checkSeekable", "_checkWritable", "close", "detach", "fileno", "readall"),
    *("readinto1", "buffer", "closed", "__dict__", "__module__", "__class__"),
    *(name for name in dir(object)),
}
FILE_CHANGES = [
    lambda file: file.write(b"x" * 9000),
    lambda file: file.write(b"y" * 150_000),
    lambda file: file.truncate(1000),
    lambda file: file.seek(0),
    lambda file: file.__init__(b"z" * 200),
    lambda file: file.buffer.extend(b"x" * 100_000),
    lambda file: file.buffer.clear(),
    lambda file: file.getbuffer().release(),
]


def test_calls_table_of_growio_covers_every_method():
    assert set(dir(GrowIO)) - NOT_CALLED - set(FILE_CALLS) == set()


@pytest.mark.parametrize("name", [name for name in FILE_CALLS if hasattr(GrowIO, name)])
def test_growio_method_during_changes_in_threads_keeps_file_consistent(name):
    file = GrowIO(b"spam\n" * 10_000)

    def call():
        args = FILE_CALLS[name] if name != "readinto" else [bytearray(70_000)]
        for _ in range(20):
            with suppress(StopIteration):
                tolerantly(getattr(file, name), *args)
            assert file.closed is False

    def change():
        for _ in range(3):
            for each in FILE_CHANGES:
                tolerantly(each, file)

    together(call, call, change, change)
    assert check(file.buffer) is None
    file.seek(0, 2)
    file.write(b"end")
    assert file.getvalue()[-3:] == b"end"


@pytest.mark.parametrize("length", [1000, 200_000])
def test_growio_value_in_threads_is_not_changed_by_writes(length):
    """Two threads drop their values before the next write, and two keep them."""
    file = GrowIO(bytes(length))

    def work(letter, keeps):
        kept = []
        for n in range(100):
            value = file.getvalue()
            twin = bytes(bytearray(value))
            file.seek(n)
            file.write(letter * (length // 2))
            assert value == twin and hash(value) == hash(twin)
            if keeps:
                kept = [*kept[-5:], (value, twin)]
            del value
        assert all(value == twin for value, twin in kept)

    together(*(lambda n=n: work(b"%d" % n, n % 2) for n in range(4)))
    assert len(file.getvalue()) == file.seek(0, 2) >= length


# ------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("stable", [True, False], ids=["stable", "moving"])
def test_array_append_in_threads_under_views_keeps_all_rows(stable):
    np = pytest.importorskip("numpy")
    array = growbuf.GrowArray(dtype="i8", row_shape=2)
    if not stable:
        array = growbuf.GrowArray.from_buffer(GrowBuffer(), "i8", 2)
    count, over = 2000, threading.Event()
    array.append((0, -1))
    held, wrong = array.array if array.stable else None, []
    writers = [
        lambda row: array.append(row),
        lambda row: array.append(np.array(row)),
        lambda row: array.extend([row]),
        lambda row: array.extend(np.array([row])),
        lambda row: array.extend(iter([row])),
        lambda row: array.insert(sys.maxsize, row),
    ]

    def write(writer):
        for number in range(count):
            insistently(writers[writer], (writer, number))

    def look():
        while not over.is_set():
            last = array[-1]
            if not 0 <= last[0] < len(writers) or last[1] >= count:
                wrong.append(last)
            del last
            wrong.extend(() if array.shape[1] == 2 and len(array.array) else [None])
            wait_for_more(array, over)

    def write_all():
        together(*(lambda i=i: write(i) for i in range(len(writers))))
        over.set()

    together(look, look, write_all)
    assert wrong == [] and check(array._buffer) is None
    for writer in range(len(writers)):
        numbers = array.array[1:, 1][array.array[1:, 0] == writer]
        assert numbers.tolist() == list(range(count))
    assert held is None or held.tolist() == [[0, -1]]


@pytest.mark.parametrize("appends", [True, False])
def test_array_pop_in_two_threads_returns_each_row_once(appends):
    np = pytest.importorskip("numpy")
    count = 5000
    array = growbuf.GrowArray(np.arange(0 if appends else count))
    popped = [[], []]

    def fill():
        for row in range(count if appends else 0):
            array.append(row)

    def pop(rows):
        while sum(map(len, popped)) < count:
            with suppress(IndexError):
                rows.append(int(array.pop()))

    together(fill, lambda: pop(popped[0]), lambda: pop(popped[1]))
    assert sorted(itertools.chain(*popped)) == list(range(count)) and len(array) == 0


def test_array_getitem_during_changes_blocks_no_change():
    pytest.importorskip("numpy")
    array, over = growbuf.GrowArray([1.0, 2.0]), threading.Event()

    def look():
        while not over.is_set():
            with suppress(IndexError):
                assert array[0] in (0, 1)

    def change():
        for nrows in range(3000):
            array.resize(nrows % 7)
            array.reserve(nrows)
            array.trim()
            array.clear()
        over.set()

    if HAS_GIL:  # without a GIL the reader may hold a view during a change
        together(change, look)
    else:
        change()
    assert len(array) == 0


def test_array_methods_in_threads_keep_array_consistent():
    pytest.importorskip("numpy")
    array = growbuf.GrowArray(dtype="i8")
    calls = [
        lambda: array.append(7),
        lambda: array.extend([7] * 10_000),
        lambda: array.pop(),
        lambda: array.__delitem__(slice(0, 5000)),
        lambda: array.__delitem__(slice(0, 50, 2)),
        lambda: array.array.sum(),
        lambda: array.detach(),
        lambda: array.clear(),
        lambda: array.resize(3),
        lambda: len(array.buffer),
        lambda: list(array[:10]),
    ]

    def work(call):
        for _ in range(100):
            tolerantly(call)

    together(*(lambda call=call: work(call) for call in calls))
    assert check(array._buffer) is None
    assert set(array.tolist()) <= {0, 7}


# ------------------------------------------------------------------- interpreters


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a GIL of one's own is of 3.12")
def test_pool_shared_by_interpreters_keeps_bytes():
    """Each interpreter runs in its own thread, with its own types and its own GIL."""
    work = """
        import sys; sys.path[:] = {path!r}
        import growbuf
        from growbuf._growbuf import check
        for number in range(40):
            buf = growbuf.GrowBuffer()
            for _ in range(1 + number % 20):
                buf += bytes([{value}]) * 100_000
            part = buf.take(len(buf) // 2)
            assert buf.count({value}) == len(buf) and part.count({value}) == len(part)
            assert check(buf) is None is check(part)
            try:
                growbuf.GrowIO(buf).buffer.readfrom(5.0)
            except TypeError:
                pass
            if number % 10 == 9:
                growbuf.trim()
    """
    code = f"""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import sys, threading
        import growbuf
        work, failures = {textwrap.dedent(work)!r}, []
        def interpret(one, value):
            code = work.format(path=sys.path, value=value)
            failed = interpreters.run_string(one, code)
            failures.extend([failed] if failed else [])
        # One after another: CPython has races of its own between making and running.
        those = [interpreters.create() for _ in range(3)]
        threads = [
            threading.Thread(target=interpret, args=[one, value])
            for value, one in enumerate(those)
        ]
        for thread in threads:
            thread.start()
        exec(work.format(path=sys.path, value=4))
        del buf, part
        for thread in threads:
            thread.join()
        for one in those:
            interpreters.destroy(one)
        print(failures, growbuf.stats()["spans_live"])
    """
    assert run(code) == "[] 0"


# ------------------------------------------------------------------------ signals


class Alarm(Exception):
    pass


def raise_alarm(*_):
    raise Alarm


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_call_interrupted_by_signal_changes_all_or_nothing():
    buf, model, met = GrowBuffer(), bytearray(), 0
    piece = bytes(range(200)) * 500
    steps = [
        (lambda b: b.extend(iter(piece))),
        (lambda b: b.extend(piece)),
        (lambda b: b.__setitem__(slice(5, 10), list(piece[:5000]))),
        (lambda b: b.__delitem__(slice(0, len(b) // 2))),
    ]
    before = signal.signal(signal.SIGALRM, raise_alarm)
    try:
        for number in range(300):
            step = steps[number % len(steps)]
            after = model.copy()
            step(after)
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 * (number % 50 + 1))
                step(buf)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Alarm:
                met += 1
            assert buf in (model, after)
            assert check(buf) is None
            model[:] = buf
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert met > 0
