"""Test that a buffer with a limit never moves and can grow while views of it exist."""

import copy
import ctypes
import gc
import io
import mmap
import os
import pickle
import random
import struct
import sys
import threading

import pytest
from conftest import assert_holds
from test_growbuffer import MIB, ON_LINUX, RESERVES, RUNGS, difference, mappings, run
from test_memory import resident

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check, place

GIB = 1 << 30
pytestmark = RESERVES

LENGTHS = [1, 4096, 3 * MIB]  # the last length is made writable in two steps of 2 MiB
LIMIT = 64 * MIB


def pattern(length):
    """Return at least `length` bytes, in which no two pages are equal."""
    return random.Random(length).randbytes(min(length, 99_991)) * (length // 99_991 + 1)


def stable(length, limit=LIMIT):
    """Return a buffer with a limit, and its bytes."""
    data = pattern(length)[:length]
    return GrowBuffer(data, limit=limit), data


def address(buf):
    """Return the address of the first byte; no export remains afterwards."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buf))


# ------------------------------------------------------------------ growing under views


def of_numpy(buf):
    return pytest.importorskip("numpy").frombuffer(buf, "u1")


VIEWS = {
    "memoryview": memoryview,
    "memoryview of words": lambda buf: (
        memoryview(buf).cast("c").cast("H")
        if len(buf) % 2 == 0
        else memoryview(buf).cast("c")
    ),
    "numpy": of_numpy,
    "ctypes": lambda buf: (ctypes.c_char * len(buf)).from_buffer(buf),
}


def spare_and_commit(buf):
    buf.spare(100_000)[:5] = b"spare"
    buf.commit(5)


# For each way to grow: the call, and the bytes it adds after `data`.
GROWING = {
    "append": (lambda b: b.append(65), lambda data: b"A"),
    "extend": (lambda b: b.extend(b"x" * 70_000), lambda data: b"x" * 70_000),
    "extend iterable": (lambda b: b.extend(range(256)), lambda data: bytes(range(256))),
    "extend itself": (lambda b: b.extend(b), lambda data: data),
    "extend view": (lambda b: b.extend(memoryview(b)[:1]), lambda data: data[:1]),
    "iadd": (lambda b: b.__iadd__(b"y" * MIB), lambda data: b"y" * MIB),
    "iadd itself": (lambda b: b.__iadd__(b), lambda data: data),
    "imul": (lambda b: b.__imul__(3), lambda data: 2 * data),
    "resize": (lambda b: b.resize(len(b) + 99_999), lambda data: bytes(99_999)),
    "insert": (lambda b: b.insert(len(b), 66), lambda data: b"B"),
    "slice": (
        lambda b: b.__setitem__(slice(len(b), None), b"end"),
        lambda data: b"end",
    ),
    "spare": (spare_and_commit, lambda data: b"spare"),
    "readfrom": (
        lambda b: b.readfrom(io.BytesIO(b"z" * 70_000)),
        lambda _: b"z" * 70_000,
    ),
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", GROWING)
def test_growth_under_memoryview_keeps_view_valid(name, length):
    buf, data = stable(length)
    grow, more = GROWING[name]
    where = address(buf)
    with memoryview(buf) as view:
        grow(buf)
        assert view.nbytes == length and bytes(view) == data
        assert_holds(buf, data + more(data))
    assert address(buf) == where and buf.limit == LIMIT


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", VIEWS)
def test_growth_under_each_view_type_keeps_view_valid(name, length):
    buf, data = stable(length)
    view, where = VIEWS[name](buf), address(buf)
    for grow, _ in GROWING.values():
        grow(buf)
        assert bytes(view) == data
    assert address(buf) == where and check(buf) is None
    buf[0], buf[length - 1] = 1, 2
    assert bytes(view) == bytes(buf[:length]), "a later write in place is seen"
    with pytest.raises(BufferError):
        buf.pop()
    del view
    buf.pop()


@pytest.mark.parametrize("headroom", [1, 50_000, 99_999, 100_000])
def test_iadd_headroom_under_view_keeps_address(headroom):
    """Without a view, the bytes may move to the front of the block.

    They move if there are no more of them than bytes were deleted.
    """
    buf, data = stable(100_000 + headroom)
    del buf[:headroom]
    with memoryview(buf) as view:
        where = address(buf)
        buf += b"x" * MIB
        buf.resize(LIMIT)
        assert address(buf) == where and bytes(view) == data[headroom:]
    assert buf.startswith(data[headroom:] + b"x" * MIB + bytes(MIB))


def test_iadd_under_numpy_and_ctypes_shares_later_writes():
    numpy = pytest.importorskip("numpy")
    buf, data = stable(4096)
    array = numpy.frombuffer(buf, "<u4")
    word = ctypes.c_uint32.from_buffer(buf, 4)
    buf += b"x" * MIB
    array[0] = 0x04030201
    word.value = 0x08070605
    assert array[1] == 0x08070605
    del array, word
    assert_holds(buf, bytes(range(1, 9)) + data[8:] + b"x" * MIB)


def test_extend_under_struct_iterator_shares_later_writes():
    buf = GrowBuffer(struct.pack("<4I", 1, 2, 3, 4), limit=LIMIT)
    words = struct.iter_unpack("<I", buf)
    assert next(words) == (1,)
    buf.extend(bytes(3 * MIB))
    struct.pack_into("<I", buf, 4, 22)
    assert [word for (word,) in words] == [22, 3, 4]


def test_resize_under_views_of_many_lengths_keeps_each():
    buf, views = GrowBuffer(limit=LIMIT), []
    for length in range(0, 5 * MIB, 70_001):
        buf.resize(length)
        buf[length - 1 : length] = b"x" if length else b""
        views.append(memoryview(buf))
    whole = bytes(buf)
    assert all(whole.startswith(view) for view in views)
    assert [len(view) for view in views] == list(range(0, 5 * MIB, 70_001))


def test_append_100_000_under_numpy_view_keeps_address():
    numpy = pytest.importorskip("numpy")
    buf, data = stable(50_000, limit=MIB)
    array = numpy.frombuffer(buf, "u1")
    where = array.ctypes.data
    for i in range(100_000):
        buf.append(i & 255)
    assert array.ctypes.data == where == address(buf)
    assert array.tobytes() == data
    assert_holds(buf, data + bytes(i & 255 for i in range(100_000)))


def test_iadd_under_ten_thousand_views_keeps_every_byte():
    """Compare every byte of every view.

    A view that still referred to the retained source of a move would read zeros.
    """
    expected = pattern(3 * MIB)
    buf, views = GrowBuffer(limit=len(expected)), []
    for i in range(10_000):
        at = len(buf)
        buf += memoryview(expected)[at : at + 1 + i % 431]
        views.append(memoryview(buf))
    assert len(buf) > 2 * MIB, "so more of the reservation became writable"
    assert all(expected.startswith(view) for view in views)
    assert len({len(view) for view in views}) == len(views)


def test_iadd_while_threads_read_views_shows_right_bytes():
    expected = pattern(32 * MIB)
    buf, wrong, done = GrowBuffer(limit=len(expected)), [], threading.Event()
    pause = threading.Barrier(3)

    def look():
        held = []
        pause.wait()
        while not done.is_set():
            held = [*held[-3:], memoryview(buf)]
            wrong.extend(len(view) for view in held if not expected.startswith(view))
        wrong.extend(len(view) for view in held if not expected.startswith(view))

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    first = memoryview(buf)
    pause.wait()
    for at in range(0, 10_000 * 1000, 1000):
        buf += memoryview(expected)[at : at + 1000]
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == [] and len(first) == 0
    assert_holds(buf, expected[: 10_000 * 1000])


# ---------------------------------------------------------- changes refused under views


FORBIDDEN = {
    "pop": lambda b: b.pop(),
    "remove": lambda b: b.remove(b[3]),
    "delete item": lambda b: b.__delitem__(1),
    "delete slice": lambda b: b.__delitem__(slice(1, 3)),
    "delete end": lambda b: b.__delitem__(slice(-3, None)),
    "delete every other": lambda b: b.__delitem__(slice(0, None, 2)),
    "insert in front": lambda b: b.insert(0, 1),
    "insert before the last": lambda b: b.insert(-1, 1),
    "slice in front": lambda b: b.__setitem__(slice(0, 0), b"xyz"),
    "longer slice": lambda b: b.__setitem__(slice(1, 2), b"xyz"),
    "longer slice at the end": lambda b: b.__setitem__(slice(-2, None), b"xyz"),
    "shorter slice": lambda b: b.__setitem__(slice(1, 4), b"x"),
    "shorter slice in front": lambda b: b.__setitem__(slice(0, 4), b"x"),
    "shorter slice of items": lambda b: b.__setitem__(slice(1, 4), [1]),
    "resize": lambda b: b.resize(len(b) - 1),
    "init": lambda b: b.__init__(b"xyz"),
    "init with a limit": lambda b: b.__init__(b"xyz", limit=LIMIT),
    "init with nothing": lambda b: b.__init__(),
}


@pytest.mark.parametrize("length", [10, 3 * MIB])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_change_within_buffer_under_view_raises_buffer_error(name, length):
    buf, data = stable(length)
    with memoryview(buf) as view:
        before = place(buf), buf.capacity, buf.limit
        with pytest.raises(BufferError, match="re-sized: release its views"):
            FORBIDDEN[name](buf)
        assert_holds(buf, data)
        assert bytes(view) == data
        assert (place(buf), buf.capacity, buf.limit) == before
    FORBIDDEN[name](buf)
    assert bytes(buf) != data and check(buf) is None


def test_trim_under_view_raises_buffer_error():
    buf, data = stable(3 * MIB)
    with memoryview(buf), pytest.raises(BufferError):
        buf.trim()
    buf.trim()
    assert_holds(buf, data)
    assert buf.limit == LIMIT


@pytest.mark.parametrize("name", ["init", "init with nothing"])
def test_empty_buffer_replacement_under_view_raises_buffer_error(name):
    """The buffer must keep its store, which the view and later growth share."""
    buf = GrowBuffer(limit=LIMIT)
    with memoryview(buf), pytest.raises(BufferError):
        FORBIDDEN[name](buf)
    assert buf.limit == LIMIT


@pytest.mark.parametrize("name", GROWING)
def test_growth_unlimited_under_view_error_suggests_limit(name):
    buf = GrowBuffer(b"0123456789")
    if name == "extend view":
        pytest.skip("has an export of its own")
    with memoryview(buf), pytest.raises(BufferError, match="limit=nbytes"):
        GROWING[name][0](buf)
    assert_holds(buf, b"0123456789")


# --------------------------------------------------------------------------- the limit


# Calls that exceed a limit of 5000 bytes when 4000 bytes are in use.
TOO_MUCH = {
    "append": lambda b: [b.append(1) for _ in range(1001)],
    "extend": lambda b: b.extend(b"x" * 1001),
    "extend iterable": lambda b: b.extend([1] * 1001),
    "extend itself": lambda b: b.extend(b),
    "iadd": lambda b: b.__iadd__(b"x" * 1001),
    "imul": lambda b: b.__imul__(2),
    "imul far": lambda b: b.__imul__(1 << 40),
    "resize": lambda b: b.resize(5001),
    "resize far": lambda b: b.resize(sys.maxsize),
    "slice at the end": lambda b: b.__setitem__(slice(4000, None), b"x" * 1001),
    "reserve": lambda b: b.reserve(5001),
    "spare": lambda b: b.spare(1001),
    "readfrom": lambda b: b.readfrom(io.BytesIO(b"x" * 1001)),
}
KEEPS_WHAT_ARRIVED = {"append": b"\x01", "readfrom": b"x"}
TOO_MUCH_WITHIN = {
    "insert": lambda b: [b.insert(0, 1) for _ in range(1001)],
    "slice": lambda b: b.__setitem__(slice(5, 6), b"x" * 1002),
    "slice of items": lambda b: b.__setitem__(slice(5, 6), [1] * 1002),
}


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "unseen"])
@pytest.mark.parametrize("name", TOO_MUCH)
def test_growth_at_end_past_limit_raises_and_keeps_bytes(name, seen):
    buf, data = stable(4000, limit=5000)
    where = address(buf)
    view = memoryview(buf) if seen else data
    with pytest.raises(
        MemoryError, match=r"\b5000 bytes$" if "far" not in name else None
    ):
        TOO_MUCH[name](buf)
    kept = data + KEEPS_WHAT_ARRIVED.get(name, b"") * 1000
    assert_holds(buf, kept)
    assert bytes(view) == data and address(buf) == where
    buf.resize(5000)
    assert_holds(buf, kept + bytes(5000 - len(kept)))
    assert buf.limit == buf.capacity == 5000


@pytest.mark.parametrize("name", TOO_MUCH_WITHIN)
def test_insertion_past_limit_raises_and_keeps_bytes(name):
    buf, data = stable(4000, limit=5000)
    with pytest.raises(MemoryError, match="5000"):
        TOO_MUCH_WITHIN[name](buf)
    assert_holds(buf, (b"\x01" * 1000 if name == "insert" else b"") + data)


@pytest.mark.parametrize(
    "limit", [1, 2, 4095, 4096, 65_536, 2 * MIB - 1, 2 * MIB, 5 * MIB]
)
def test_growth_exactly_to_limit_succeeds_and_one_more_raises(limit):
    for fill in (
        lambda b: b.resize(limit),
        lambda b: b.extend(b"x" * limit),
        lambda b: [
            b.extend(b"x" * min(7001, limit - at)) for at in range(0, limit, 7001)
        ],
    ):
        buf = GrowBuffer(limit=limit)
        fill(buf)
        assert len(buf) == limit == buf.limit == buf.capacity and check(buf) is None
        with pytest.raises(MemoryError, match=f"limit of {limit} bytes$"):
            buf.append(1)
        assert len(buf) == limit and check(buf) is None


@pytest.mark.parametrize(
    "source", [b"x" * 101, 101, [1] * 101, bytearray(101)], ids=type
)
def test_growbuffer_source_longer_than_limit_raises_memory_error(source):
    before = growbuf.stats()
    with pytest.raises(MemoryError, match="limit of 100 bytes$"):
        GrowBuffer(source, limit=100)
    with pytest.raises(MemoryError, match="limit of 100 bytes$"):
        GrowBuffer("x" * 101, "ascii", limit=100)
    assert difference(before)["spans_live"] == 0, "the reservation is given back"
    assert len(GrowBuffer(b"x" * 100, limit=100)) == 100


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (-(1 << 40), ValueError),
        (1 << 64, OverflowError),
        (1.5, TypeError),
        (1e6, TypeError),
        ("100", TypeError),
        (b"1", TypeError),
        (sys.maxsize, MemoryError),
        (sys.maxsize // 2, MemoryError),
        (1 << 60, MemoryError),
    ],
)
def test_growbuffer_invalid_limit_raises(limit, error):
    with pytest.raises(error) as raised:
        GrowBuffer(b"abc", limit=limit)
    if error in (ValueError, MemoryError):
        assert str(limit) in str(raised.value)


def test_growbuffer_limit_with_index_method_is_accepted():
    class Index:
        def __index__(self):
            return 5000

    assert GrowBuffer(limit=Index()).limit == 5000
    assert GrowBuffer(limit=True).limit == 1
    assert GrowBuffer(b"abc", limit=None).limit is None
    assert GrowBuffer(b"abc").limit is None
    with pytest.raises(TypeError):
        GrowBuffer(b"abc", None, None, 5000)
    with pytest.raises(AttributeError):
        GrowBuffer(limit=5).limit = 6


def test_limit_sliding_window_stays_available():
    """Bytes that were deleted from the front do not count towards the limit."""
    buf, expected = GrowBuffer(limit=3 * MIB), bytearray()
    for i in range(300):
        piece = bytes([i % 251]) * 99_999
        buf += piece
        expected += piece
        if i % 3 == 2:
            del buf[: 99_999 * 2 + i], expected[: 99_999 * 2 + i]
        if len(buf) > 2 * MIB:
            del buf[:MIB], expected[:MIB]
        assert buf.capacity == 3 * MIB
    assert_holds(buf, expected)
    with memoryview(buf) as view:
        before = bytes(view)
        buf.resize(3 * MIB)
        assert bytes(view) == before
    assert_holds(buf, expected + bytes(3 * MIB - len(expected)))


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no mincore()")
@pytest.mark.parametrize("shrink", ["clear", "del", "resize"])
def test_shrink_limited_buffer_frees_memory_and_keeps_limit(shrink):
    buf, _ = stable(40 * MIB)
    assert resident(buf) >= 40 * MIB
    where = place(buf)
    if shrink == "clear":
        buf.clear()
    elif shrink == "del":
        del buf[:-1000]
    else:
        buf.resize(1000)
    growbuf.trim()
    # The page of the first bytes stays.
    assert resident(buf) <= growbuf.info()["huge_page_size"]
    assert place(buf) == where and buf.limit == LIMIT and check(buf) is None
    buf.resize(LIMIT)
    assert buf[-1000:] == bytes(1000)


# ------------------------------------------------------------------------ address space


def regions(buf):
    """Return a limited buffer's mappings as (first, last, permissions, VmFlags)."""
    _, start, length = place(buf)
    found = []
    with open("/proc/self/smaps") as smaps:
        for line in smaps:
            first, *rest = line.split()
            if not first.endswith(":"):
                low, high = (int(text, 16) for text in first.split("-"))
                permissions = rest[0]
            elif first == "VmFlags:" and low < start + length and start < high:
                found.append((low - start, high - start, permissions, set(rest)))
    return found


@ON_LINUX
@pytest.mark.parametrize("length", [0, 5 * MIB])
def test_limit_reserved_space_is_neither_charged_nor_dumped(length):
    """The kernel does not charge pages that are not writable.

    This also holds under strict accounting (vm.overcommit_memory is 2).
    """
    if os.environ.get("GROWBUF_PAGES") == "posix":
        pytest.skip("the operations of POSIX leave no memory out of core files")
    buf = GrowBuffer(limit=GIB)
    buf.resize(length)
    opened, reserved = regions(buf)
    assert opened[:3] == (0, length // (2 * MIB) * 2 * MIB + 2 * MIB, "rw-p")
    assert "dd" not in opened[3], "bytes in use belong in a core file"
    assert reserved[0] == opened[1] and reserved[1] >= GIB
    assert reserved[2] == "---p" and "dd" in reserved[3] and "ac" not in reserved[3]


def dumps_core_here():
    """Return whether a crash writes a core file to the current folder."""
    import resource

    with open("/proc/sys/kernel/core_pattern") as pattern:
        in_the_folder = pattern.read()[:1] not in "|/@"
    return in_the_folder and resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


@ON_LINUX
def test_limit_core_file_contains_bytes_without_reserved_space(tmp_path):
    if not dumps_core_here():
        pytest.skip("core files go elsewhere")
    code = f"""
        import os, resource
        from growbuf import GrowBuffer
        pid = os.fork()
        if pid:
            print(os.waitpid(pid, 0)[1] & 128)
            raise SystemExit
        os.chdir({str(tmp_path)!r})
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        buf = GrowBuffer(limit=1 << 40)
        with open("/dev/urandom", "rb", buffering=0) as noise:
            buf.readfrom(noise, 3 << 20)
        with open("seen", "wb", buffering=0) as seen:
            seen.write(memoryview(buf)[-64:])
        os.abort()
    """
    if run(code) != "128":
        pytest.skip("the system wrote no core file")
    (core,) = tmp_path.glob("core*")
    assert core.stat().st_size < 16 * GIB
    with core.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as m:
        assert m.find((tmp_path / "seen").read_bytes()) > 0


@ON_LINUX
def test_growbuffer_refused_reservation_raises_memory_error():
    code = """
        from growbuf import GrowBuffer, stats
        for limit in (16 << 30, 1 << 50):
            try:
                GrowBuffer(b"abc", limit=limit)
            except MemoryError as error:
                print(error)
        print(stats()["spans_live"])
        buf = GrowBuffer(b"abc", limit=64 << 20)
        with memoryview(buf):
            buf.resize(64 << 20)
    """
    reason = (
        "RLIMIT_AS (ulimit -v) has no room for twice the limit, try a smaller one or "
        "raise RLIMIT_AS"
    )
    assert run(code, limit=GIB).splitlines() == [
        f"cannot reserve address space for limit=17179869184: {reason}",
        f"cannot reserve address space for limit=1125899906842624: {reason}",
        "0",
    ]


@ON_LINUX
@pytest.mark.skipif(
    "libasan" in os.environ.get("LD_PRELOAD", ""),
    reason="the sanitizer maps memory of its own, and ends the process if it gets none",
)
def test_iadd_memory_refused_after_reservation_keeps_bytes():
    """RLIMIT_DATA counts writable pages, so making reserved pages writable can fail."""
    code = """
        import resource
        from growbuf import GrowBuffer
        from growbuf._growbuf import check
        buf = GrowBuffer(b"abc" * 100, limit=1 << 34)
        view = memoryview(buf)
        with open("/proc/self/status") as status:
            used = next(int(line.split()[1]) for line in status if "VmData" in line)
        most = (used << 10) + (200 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        try:
            while True:
                buf += bytes(100_000)
        except MemoryError as error:
            assert "limit" not in str(error)
        assert view == b"abc" * 100 and check(buf) is None
        assert len(buf) % 100_000 == 300 and buf.limit == 1 << 34
        assert buf.count(0) == len(buf) - 300
        print(len(buf) > 50 << 20)
    """
    assert run(code) == "True"


@ON_LINUX
def test_growbuffer_thousand_limits_of_16_gib_coexist():
    with open("/proc/self/maps") as maps:
        stack = next(line for line in maps if "[stack]" in line)
    # The stack is near the end of the address space.
    if int(stack.partition("-")[0], 16) < 32 << 40:
        pytest.skip("needs 32 TiB of address space; some kernels have 39 bits")
    growbuf.trim()
    mapped = mappings()
    bufs = [GrowBuffer(b"%d" % i, limit=16 * GIB) for i in range(1000)]
    for i, buf in enumerate(bufs):
        with memoryview(buf) as view:
            buf += b"x" * 10_000
            assert bytes(view) == b"%d" % i
    places = sorted(place(buf)[1] for buf in bufs)
    assert min(b - a for a, b in zip(places, places[1:], strict=False)) >= 16 * GIB
    assert all(buf == b"%d" % i + b"x" * 10_000 for i, buf in enumerate(bufs))
    assert {buf.limit for buf in bufs} == {16 * GIB}
    del bufs, buf
    gc.collect()
    growbuf.trim()
    assert mappings() <= mapped + 10


@ON_LINUX
def test_growbuffer_limit_reservation_uses_no_memory():
    buf = GrowBuffer(b"abc", limit=1 << 33)
    assert resident(buf) < MIB and sys.getsizeof(buf) < MIB
    assert buf.capacity == 1 << 33


# ------------------------------------------------- limits of copies, subclasses, forks


COPIES = {
    "copy": lambda b: b.copy(),
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "slice": lambda b: b[:],
    "step": lambda b: b[::1],
    "plus": lambda b: b + b"",
    "times": lambda b: b * 1,
    "method": lambda b: b.replace(b"nothing", b""),
    "constructor": GrowBuffer,
    "take": lambda b: b.take(),
    **{
        f"pickle {protocol}": lambda b, p=protocol: pickle.loads(pickle.dumps(b, p))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("length", [0, 10, 3 * MIB])
@pytest.mark.parametrize("name", COPIES)
def test_copy_of_limited_buffer_has_no_limit(name, length):
    buf, data = stable(length, limit=length + 1)
    again = COPIES[name](buf)
    assert type(again) is GrowBuffer and again.limit is None
    assert_holds(again, data)
    again += b"more than the limit"
    assert_holds(again, data + b"more than the limit")
    assert buf.limit == length + 1


def test_growbuffer_subclass_passing_limit_sets_it():
    class Log(GrowBuffer):
        def __init__(self, name):
            super().__init__(b"log ", limit=100)
            self.name = name

    log = Log("x")
    with memoryview(log):
        log += b"of x"
    assert_holds(log, b"log of x")
    assert log.limit == 100 and log.name == "x"


def test_init_called_again_replaces_bytes_and_limit():
    before = growbuf.stats()
    buf = GrowBuffer(b"abc", limit=100)
    buf.__init__(b"longer", limit=200)
    assert_holds(buf, b"longer")
    assert buf.limit == 200
    buf.__init__(b"x" * 300)
    assert_holds(buf, b"x" * 300)
    assert buf.limit is None
    buf.__init__(limit=50)
    assert_holds(buf, b"")
    assert buf.limit == 50
    buf += b"in use"
    with pytest.raises(MemoryError, match="50"):
        buf.__init__(b"x" * 51, limit=50)
    with pytest.raises(MemoryError, match="60"):
        buf.__init__(b"x" * 61, limit=60)
    with pytest.raises(ValueError):
        buf.__init__(b"x", limit=0)
    assert_holds(buf, b"in use")
    assert buf.limit == 50, "after an error the buffer is unchanged"
    del buf
    assert difference(before)["spans_live"] == 0


@ON_LINUX
def test_iadd_limited_in_forked_child_leaves_parent_unchanged():
    code = """
        import os
        from growbuf import GrowBuffer
        from growbuf._growbuf import check
        buf = GrowBuffer(b"x" * 5_000_000, limit=64 << 20)
        view = memoryview(buf)
        child = os.fork()
        if child == 0:
            buf += b"y" * 10_000_000
            view[0] = 122
            fine = buf[0] == 122 and buf.count(b"y") == 10_000_000
            os._exit(0 if fine and check(buf) is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert buf == b"x" * 5_000_000 == view and check(buf) is None
        buf += b"z"
        print(len(view), buf[-2:], buf.limit)
    """
    assert run(code) == "5000000 GrowBuffer(b'xz') 67108864"


# ---------------------------------------------------------------------------- the rungs


GROW_ON_A_RUNG = """
    from growbuf import GrowBuffer
    from growbuf._growbuf import check
    try:
        buf = GrowBuffer(b"abc", limit=50_000_000)
    except MemoryError as error:
        print(error)
        raise SystemExit
    view, expected = memoryview(buf), bytearray(b"abc")
    for i in range(200):
        piece = bytes([i]) * 200_000
        buf += piece
        expected += piece
        assert view == b"abc" and check(buf) is None
    assert buf == expected
    view.release()
    del buf[:30_000_000], expected[:30_000_000]
    taken = buf.take(5_000_000)
    assert taken == expected[:5_000_000] and buf == expected[5_000_000:]
    assert check(buf) is None is check(taken)
    buf.resize(50_000_000)
    print(buf.limit, taken.limit)
"""


@ON_LINUX
@pytest.mark.parametrize("rung", RUNGS)
def test_limit_on_each_rung_grows_or_is_refused(rung):
    printed = run(GROW_ON_A_RUNG, env={"GROWBUF_STRATEGY": rung})
    if rung == "heap":
        assert printed == (
            "cannot reserve address space for limit=50000000: "
            "this system cannot reserve any, leave out limit="
        )
    else:
        assert printed == "50000000 None"


def test_view_more_than_exports_can_count_raises_buffer_error():
    """A debug build counts views in 16 bits, as a 32-bit system does. Other builds can
    count more of them than memory holds."""
    buf, views = GrowBuffer(b"abcdef", limit=1000), []
    try:
        for _ in range(40_000):
            views.append(memoryview(buf))
    except BufferError as error:
        assert str(error) == "the buffer has 32767 views, and cannot have more"
        assert len(views) == 32767
        with pytest.raises(BufferError, match="cannot have more"):
            buf.spare(10)
    assert check(buf) is None
    with pytest.raises(BufferError):
        buf.insert(0, 1)
    buf += b"g"
    del buf[:2], views[100:]
    assert_holds(buf, b"cdefg")
    assert views[99] == b"abcdef"
    views.clear()
    buf.insert(0, 1)
    assert_holds(buf, b"\x01cdefg")
