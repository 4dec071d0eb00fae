"""Test how GrowIO shares bytes objects with its callers instead of copying them.

It shares an object that it is given until a write, and getvalue() returns its own. A
bytes object that a caller holds must never change. A file that is written to and asked
for its value in turn does no more work than a BytesIO.
"""

import io
import sys
import sysconfig
import tracemalloc
from functools import partial
from itertools import product

import pytest
from conftest import together
from test_growbuffer import RESERVES

from growbuf import FrozenBytes, GrowBuffer, GrowIO, info, stats
from growbuf._growbuf import check, place

KIB, MIB = 1 << 10, 1 << 20
# The file moves its bytes to a buffer as it reaches this length.
SMALL = 120 * KIB
LENGTHS = [0, 1, 2, 100, SMALL - 1, SMALL, SMALL + 1, 3 * MIB]
PAGES = info()["strategy"] != "heap"
GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
SHARES = PAGES and not sysconfig.get_config_var("Py_GIL_DISABLED")


def made(length):
    """Make a bytes object that nothing else in this process refers to."""
    return bytes(range(256)) * (length // 256) + bytes(range(length % 256))


def grow(file):
    file.seek(0, 2)
    file.write(b"more")


CHANGES = {
    "overwrite": lambda file: file.write(b"x"),
    "grow": grow,
    "grow much": lambda file: file.write(bytes(100_000)),
    "past the end": lambda file: (file.seek(5, 2), file.write(b"x")),
    "truncate": lambda file: file.truncate(len(file.getvalue()) // 3),
    "truncate a little": lambda file: file.truncate(max(len(file.getvalue()) - 1, 0)),
    "truncate and write": lambda file: (file.truncate(0), file.write(b"x")),
    "view": lambda file: fill(file.getbuffer()),
    "buffer": lambda file: file.buffer.extend(b"x"),
    "again": lambda file: file.__init__(b"other"),
    "state": lambda file: file.__setstate__((b"other", 1, None)),
    "close": lambda file: file.close(),
}


def fill(view):
    view[:] = b"x" * len(view)


# ---------------------------------------------------------------------------- sharing


@pytest.mark.parametrize("length", [n for n in LENGTHS if n > 1])
def test_getvalue_of_file_of_bytes_returns_that_object(length):
    data = made(length)
    file = GrowIO(data)
    assert file.getvalue() is data
    assert file.read() is data
    assert file.getvalue() is data
    file.seek(0)
    assert file.read(length) is data
    file.seek(0)
    assert file.read(length - 1) == data[:-1]
    assert file.__getstate__() == (data, length - 1, None)
    assert file.__getstate__()[0] is data
    file.__setstate__((data, 1, None))
    assert file.getvalue() is data
    assert GrowIO(initial_bytes=data).getvalue() is data


def test_file_of_bytes_takes_no_memory():
    data = made(3 * MIB)
    spans = stats()["spans_live"]
    files = [GrowIO(data) for _ in range(10)]
    assert [file.readline() for file in files] == [data[:11]] * 10
    assert stats()["spans_live"] == spans
    assert max(sys.getsizeof(file) for file in files) < 1000


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("length", LENGTHS)
def test_change_of_a_file_leaves_the_bytes_that_it_was_made_from(length, change):
    data, twin = made(length), io.BytesIO(made(length))
    file = GrowIO(data)
    CHANGES[change](file)
    assert data == made(length)
    if change not in ("buffer", "close"):
        CHANGES[change](twin)
        assert (file.getvalue(), file.tell()) == (twin.getvalue(), twin.tell())


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("take", ["getvalue", "read", "__getstate__"])
@pytest.mark.parametrize("length", LENGTHS)
def test_change_of_a_file_leaves_the_bytes_that_it_gave(length, take, change):
    file = GrowIO()
    file.write(made(length))
    file.seek(0)
    taken = getattr(file, take)()
    taken = taken[0] if take == "__getstate__" else taken
    file.seek(0)
    CHANGES[change](file)
    assert taken == made(length)


def test_growio_of_bytes_subclass_copies_it():
    class Bytes(bytes):
        pass

    data = Bytes(b"spam and eggs")
    assert type(GrowIO(data).getvalue()) is bytes
    assert GrowIO(data).read() == data


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", [bytearray, memoryview, GrowBuffer])
def test_growio_of_mutable_source_has_a_copy(kind, length):
    data = bytearray(made(length))
    source = kind(data)
    file = GrowIO(source)
    data[:1] = b"x"[:length]
    if kind is not memoryview:
        source[:1] = b"x"[:length]
    assert file.getvalue() == made(length)
    file.write(b"y")
    assert file.getvalue()[1:] == made(length)[1:]


# ------------------------------------------------------------------ value after value


@pytest.mark.parametrize("length", [2, 100, SMALL - 1])
def test_getvalue_of_unchanged_file_is_the_same_object(length):
    file = GrowIO()
    for start in range(0, length, 1000):
        file.write(made(length)[start : start + 1000])
    value = file.getvalue()
    assert value == made(length)
    assert file.getvalue() is value
    file.seek(0)
    assert file.read() is value
    file.seek(1)
    file.write(b"")
    assert file.getvalue() is value


@pytest.mark.skipif(
    not GIL and sys.version_info < (3, 14),
    reason="this Python does not tell if a value is held",
)
def test_write_after_a_dropped_value_copies_nothing():
    """The value has the address of the file's bytes until they outgrow it."""
    file = GrowIO()
    file.write(bytes(1000))
    addresses = set()
    for n in range(100):
        file.seek(n)
        file.write(b"x")
        addresses.add(id(file.getvalue()))
    assert len(addresses) == 1
    assert file.getvalue() == b"x" * 100 + bytes(900)


def test_write_after_a_held_value_copies_once():
    file = GrowIO()
    file.write(bytes(1000))
    values = []
    for n in range(100):
        file.seek(n)
        file.write(b"x")
        values.append(file.getvalue())
    assert values == [b"x" * (n + 1) + bytes(999 - n) for n in range(100)]


def test_getvalue_hash_is_that_of_its_bytes():
    """BytesIO keeps the hash of a value that was dropped."""
    file = GrowIO()
    file.write(b"spam and eggs")
    seen = {hash(file.getvalue())}
    for n in range(20):
        file.seek(n)
        file.write(b"X")
        value = file.getvalue()
        assert hash(value) == hash(bytes(bytearray(value)))
        assert value in {bytes(bytearray(value))}
        seen.add(hash(value))
        del value
    assert len(seen) == 21


def test_write_to_file_of_one_byte_or_none_leaves_shared_bytes():
    """Python has one object for each, which nothing may write to."""
    for data in b"", b"a":
        file = GrowIO(data)
        file.write(b"b")
        file.write(b"c")
        assert file.getvalue() == b"bc"
    file = GrowIO()
    file.write(b"a")
    assert file.getvalue() == b"a"
    file.seek(0)
    file.write(b"b")
    assert file.getvalue() == b"b" and bytes([97]) == b"a" and b"" == b""


def test_getvalue_ends_with_a_nul():
    """float() reads up to the NUL, so no old digits may follow the bytes."""
    file = GrowIO()
    file.write(b"1" * 1000)
    file.truncate(600)
    value = file.getvalue()
    assert float(value[-2:]) == 11 and value == b"1" * 600
    del value
    file.truncate(2)
    assert float(file.getvalue()) == 11.0


def test_getvalue_in_threads_returns_values_that_no_write_changes():
    """Two threads drop their values before the next write, and two keep them."""
    file = GrowIO()
    file.write(bytes(1000))

    def work(letter, keeps):
        kept = []
        for n in range(300):
            value = file.getvalue()
            twin = bytes(bytearray(value))
            file.seek(0)
            file.write(letter * 500)
            assert value == twin and len(value) <= SMALL
            if keeps:
                kept.append((value, twin))
            del value
            if n % 50 == 0:
                file.truncate(1000)
        assert all(value == twin for value, twin in kept)

    together(*(partial(work, b"%d" % n, n % 2) for n in range(4)))


# ------------------------------------------------------------- from bytes to a buffer


@pytest.mark.parametrize("length", [SMALL - 1, SMALL])
def test_file_of_120_kib_has_a_buffer(length):
    spans = stats()["spans_live"]
    file = GrowIO()
    file.write(bytes(length))
    has_buffer = length == SMALL
    assert stats()["spans_live"] == spans + (has_buffer and PAGES)
    assert type(file.getvalue()) is (FrozenBytes if has_buffer and SHARES else bytes)
    assert file.getvalue() == bytes(length)
    if SHARES or not has_buffer:
        assert file.getvalue() is file.getvalue()


def test_buffer_of_a_file_is_always_the_same():
    data = made(1000)
    file = GrowIO(data)
    buffer = file.buffer
    assert type(buffer) is GrowBuffer and buffer == data and check(buffer) is None
    file.write(b"x" * 100_000)
    assert file.buffer is buffer and buffer == b"x" * 100_000
    file.truncate(5)
    assert file.buffer is buffer and buffer == b"xxxxx"
    buffer += b"yy"
    assert file.getvalue() == b"xxxxxyy"
    assert data == made(1000)


def test_first_write_past_the_end_makes_zeros_by_pages():
    file = GrowIO(b"spam")
    file.seek(1 << 33)
    file.write(b"eggs")
    assert file.buffer[:10] == b"spam" + bytes(6) and len(file.buffer) == (1 << 33) + 4


def test_growio_buffer_limit_is_that_of_the_buffer():
    for data, limit in product((b"", b"spam", bytearray(b"spam")), (100, 1 << 30)):
        try:
            file = GrowIO(data, limit=limit)
        except MemoryError as error:
            assert "this system has none" in str(error)
            continue
        assert file.buffer.limit == limit and file.getvalue() == data
        assert place(file.buffer)[0] == "limited"


def test_truncate_gives_memory_back():
    file = GrowIO()
    file.write(bytes(60_000))
    assert sys.getsizeof(file) > 60_000
    file.truncate(100)
    assert sys.getsizeof(file) < 1000
    assert file.getvalue() == bytes(100)
    big = GrowIO(made(3 * MIB))
    big.truncate(2 * MIB)  # the file still uses most of the object, so it keeps it
    assert sys.getsizeof(big) < 1000
    big.truncate(100)
    assert big.getvalue() == made(100)


@pytest.mark.parametrize("nbytes", [0, 1, 100, MIB])
@pytest.mark.parametrize("held", [False, True], ids=["only the file", "held"])
def test_truncate_of_bytes_that_the_file_was_made_from_frees_the_rest(nbytes, held):
    data = made(3 * MIB)
    tracemalloc.start()
    try:
        file = GrowIO(bytes(bytearray(data)))
        value = file.getvalue() if held else None
        before = tracemalloc.get_traced_memory()[0]
        assert before > 3 * MIB
        file.truncate(nbytes)
        value = None
        left = tracemalloc.get_traced_memory()[0] - (before - 3 * MIB)
        assert nbytes <= left + 1000 and left < nbytes + 1000
    finally:
        tracemalloc.stop()
    assert value is None and file.getvalue() == data[:nbytes]
    file.seek(nbytes)
    file.write(b"more")
    assert file.getvalue() == data[:nbytes] + b"more"


def test_truncate_without_memory_for_a_copy_succeeds():
    testcapi = pytest.importorskip("_testcapi")
    for value in made(1000), GrowBuffer(made(300_000)).freeze():
        file = GrowIO(value)
        twin = made(len(value))
        testcapi.set_nomemory(0, 0)
        try:
            result = file.truncate(100)
        finally:
            testcapi.remove_mem_hooks()
        assert result == 100 and file.getvalue() == twin[:100] and value == twin
        file.seek(0, 2)
        file.write(b"more")
        assert file.getvalue() == twin[:100] + b"more"


@pytest.mark.parametrize("length", [2, 1000, SMALL - 1])
def test_read_of_all_bytes_returns_what_getvalue_returns(length):
    """The bytes object of a file that was written to has more bytes than the file."""
    file = GrowIO()
    for _ in range(length):
        file.write(b"x")
    file.seek(0)
    value = file.read()
    assert value == b"x" * length and file.getvalue() is value
    file.write(b"y")
    assert value == b"x" * length and file.getvalue() == value + b"y"


@RESERVES
def test_getsizeof_counts_bytes_that_a_view_holds():
    buf = GrowBuffer(bytes(MIB), limit=4 * MIB)
    file = GrowIO(buffer=buf)
    with memoryview(buf):
        del buf[: MIB // 2]
        assert file.__sizeof__() - GrowIO.__basicsize__ == buf.__sizeof__() > MIB


def test_iter_and_readlines_of_each_state_are_equal():
    lines = [b"%d\n" % n for n in range(30_000)]
    shared, viewed, written = GrowIO(b"".join(lines)), GrowIO(b"".join(lines)), GrowIO()
    viewed.getbuffer().release()
    written.writelines(lines)
    written.seek(0)
    for file in shared, viewed, written:
        assert list(file) == lines
        file.seek(0)
        assert file.readlines() == lines
        file.seek(0)
        assert [file.readline() for _ in lines] == lines


# --------------------------------------------------------------------------------- peek


def test_peek_returns_bytes_and_keeps_the_position():
    for file in GrowIO(b"spam and eggs"), GrowIO(buffer=GrowBuffer(b"spam and eggs")):
        file.seek(5)
        assert file.peek() == file.peek(0) == file.peek(-1) == b"and eggs"
        assert file.peek(3) == b"and" and file.peek(100) == b"and eggs"
        assert file.tell() == 5
        file.seek(100)
        assert file.peek() == b""
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.peek()


def test_peek_returns_8_kib_at_most():
    file = GrowIO(made(100_000))
    file.seek(1)
    for size in (), (0,), (8192,), (100_000,), (sys.maxsize,):
        assert file.peek(*size) == made(100_000)[1:8193]
