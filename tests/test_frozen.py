"""Test FrozenBytes: what freeze(), getvalue() and read() return without a copy."""

import copy
import ctypes
import gc
import hashlib
import io
import os
import pickle
import re
import subprocess
import sys
import sysconfig
import tracemalloc
import weakref

import pytest
from conftest import assert_holds, together
from test_growbuffer import MIB, ON_LINUX, RUNGS, difference, run
from test_owner import LARGE, LIMITS, MOVES_PARTS, RESERVES, begun, pattern

import growbuf
from growbuf import FrozenBytes, GrowBuffer, GrowIO
from growbuf._growbuf import check, facts, place

IN_SPANS = facts()["strategy"] != "heap" and not sysconfig.get_config_var(
    "Py_GIL_DISABLED"
)
NEEDS_SPANS = pytest.mark.skipif(
    not IN_SPANS, reason="here every FrozenBytes is a block of Python's allocator"
)

# Lengths for each way to make the object: empty; in a block; copied to a span; in the
# span of the buffer.
LENGTHS = [0, 1, 2, 1000, 32_767, 32_768, 71 * 1024, 72 * 1024, 300_000, LARGE]


def assert_is(frozen, data):
    """Assert that this is a FrozenBytes with these bytes, and that it is sound."""
    assert type(frozen) is FrozenBytes and check(frozen) is None
    assert len(frozen) == len(data) and frozen == data and data == frozen
    assert hash(frozen) == hash(data)
    assert id(frozen) % 16 == 0


# ------------------------------------------------------------------------------- freeze


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("headroom", [0, 1, 16, 5000])
@pytest.mark.parametrize("length", LENGTHS)
def test_freeze_all_returns_bytes_and_empties_buffer(length, headroom, limit):
    buf, data = begun(length, headroom, limit)
    frozen = buf.freeze()
    assert_is(frozen, data)
    assert_holds(buf, b"")
    assert buf.limit == limit
    buf += b"in use again"
    buf.resize(3 * MIB)
    assert_holds(buf, b"in use again" + bytes(3 * MIB - 12))
    assert_is(frozen, data)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("headroom", [0, 3, 2 * MIB - 64, 2 * MIB])
@pytest.mark.parametrize("nbytes", [0, 1, 1000, MIB - 1, MIB, 4 * MIB + 5, LARGE - 1])
def test_freeze_part_leaves_the_rest(nbytes, headroom, limit):
    buf, data = begun(LARGE, headroom, limit)
    frozen = buf.freeze(nbytes)
    assert_is(frozen, data[:nbytes])
    assert_holds(buf, data[nbytes:])
    assert buf.limit == limit
    buf += b"more"
    assert_holds(buf, data[nbytes:] + b"more")
    assert_is(buf.freeze(len(buf)), data[nbytes:] + b"more")
    assert_is(frozen, data[:nbytes])


@NEEDS_SPANS
@pytest.mark.parametrize("headroom", [0, 16, 4096, 2 * MIB + 16])
@pytest.mark.parametrize("length", [32_768, 80_000, LARGE])
def test_freeze_all_copies_nothing(length, headroom):
    buf, data = begun(LARGE, headroom)
    buf.resize(length)
    where, before = ctypes.addressof(ctypes.c_char.from_buffer(buf)), growbuf.stats()
    frozen = buf.freeze()
    changes = difference(before)
    assert changes["copied_bytes"] == changes["moves"] == changes["spans_live"] == 0
    assert address(frozen) == where and place(frozen)[0] == "span"
    assert_is(frozen, data[:length])


@NEEDS_SPANS
@MOVES_PARTS
@pytest.mark.parametrize("limit", [None, 32 * MIB])
def test_freeze_part_moves_pages_and_copies_at_most_2_mib(limit):
    buf, data = begun(LARGE, limit=limit)
    before = growbuf.stats()
    frozen = buf.freeze(4 * MIB + 5)
    changes = difference(before)
    assert changes["moves"] == 1 and changes["copied_bytes"] <= 2 * MIB
    assert_is(frozen, data[: 4 * MIB + 5])


@NEEDS_SPANS
def test_freeze_after_odd_deletion_moves_bytes_once():
    """The header of an object is aligned, and so are its bytes."""
    buf, data = begun(LARGE, headroom=13)
    before = growbuf.stats()
    frozen = buf.freeze()
    assert difference(before)["copied_bytes"] == len(data)
    assert address(frozen) % 64 == 0
    assert_is(frozen, data)


@NEEDS_SPANS
def test_freeze_with_limit_keeps_address_space_for_the_limit():
    for length in (1000, LARGE):
        buf, data = begun(length, limit=32 * MIB)
        frozen = buf.freeze()
        assert place(buf)[0] == "limited" and buf.limit == 32 * MIB
        with memoryview(buf):
            buf += bytes(32 * MIB)
        assert_is(frozen, data)


def test_freeze_wrong_number_raises_and_keeps_buffer():
    for length in (10, LARGE):
        buf, data = begun(length)
        with pytest.raises(ValueError, match=f"freeze {length + 1} bytes: .* {length}"):
            buf.freeze(length + 1)
        with pytest.raises(ValueError, match="nbytes"):
            buf.freeze(-1)
        with pytest.raises(TypeError):
            buf.freeze(b"1")
        with pytest.raises(TypeError):
            buf.freeze(1, 2)
        assert_holds(buf, data)
        assert_is(buf.freeze(nbytes=5), data[:5])
        assert_is(buf.freeze(None), data[5:])


class Index:
    def __init__(self, buf):
        self.buf = buf

    def __index__(self):
        self.buf.clear()
        return 5


def test_freeze_index_that_clears_buffer_raises_value_error():
    buf = GrowBuffer(b"x" * 100_000)
    with pytest.raises(ValueError, match="cannot freeze 5 bytes: the buffer holds 0"):
        buf.freeze(Index(buf))


@pytest.mark.parametrize("length", [10, 100_000, LARGE])
@pytest.mark.parametrize("nbytes", [None, 5])
def test_freeze_under_export_raises_and_keeps_buffer(length, nbytes):
    buf, data = begun(length)
    where = place(buf)
    with memoryview(buf), pytest.raises(BufferError):
        buf.freeze(nbytes)
    assert place(buf) == where
    assert_holds(buf, data)


@RESERVES
@pytest.mark.parametrize("length", [10, 100_000, LARGE])
@pytest.mark.parametrize("nbytes", [None, 5])
def test_freeze_under_view_of_buffer_with_limit_copies(length, nbytes):
    buf, data = begun(length, limit=32 * MIB)
    with memoryview(buf) as view:
        assert_is(buf.freeze(nbytes), data[:nbytes])
        assert view == data
        buf += b"more"
        assert view == data
    assert_holds(buf, (b"" if nbytes is None else data[nbytes:]) + b"more")


@RESERVES
@ON_LINUX
def test_freeze_without_address_space_keeps_buffer_and_limit():
    code = """
        from growbuf import GrowBuffer
        from growbuf._growbuf import check
        buf = GrowBuffer(300_000_000, limit=301_000_000)
        try:
            buf.freeze()
        except MemoryError:
            print(len(buf), buf.limit, check(buf))
    """
    environment = {"GROWBUF_STRATEGY": "copy"}
    assert run(code, limit=800 * MIB, env=environment) == "300000000 301000000 None"


ON_A_RUNG = """
    import random
    from growbuf import FrozenBytes, GrowBuffer, GrowIO
    from growbuf._growbuf import check
    chance, buf, expected, kept = random.Random(7), GrowBuffer(), bytearray(), []
    for _ in range(60):
        piece = chance.randbytes(997) * chance.choice([1, 100, 1000, 3000])
        buf += piece
        expected += piece
        if chance.random() < 0.3:
            headroom = min(len(buf), chance.choice([1, 16, 100_000]))
            del buf[:headroom], expected[:headroom]
        nbytes = chance.choice([0, 1, 50_000, 1 << 20, 3 << 20, len(buf)])
        nbytes = min(nbytes, len(buf))
        frozen = buf.freeze(nbytes)
        assert type(frozen) is FrozenBytes and check(frozen) is None
        assert frozen == expected[:nbytes]
        kept.append((frozen, bytes(expected[:nbytes])))
        del expected[:nbytes]
        assert buf == expected and check(buf) is None
        if chance.random() < 0.5:
            kept.pop(chance.randrange(len(kept)))
    file = GrowIO()
    for size in (10, 100_000, 3_000_000):
        file.write(bytes(size))
        kept.append((file.getvalue(), bytes(file.tell())))
    assert all(frozen == data for frozen, data in kept)
    print("fine")
"""


@ON_LINUX
@pytest.mark.parametrize("rung", RUNGS)
def test_freeze_on_each_rung_keeps_bytes(rung):
    assert run(ON_A_RUNG, env={"GROWBUF_STRATEGY": rung}) == "fine"


# --------------------------------------------------------------------- it is bytes


@pytest.fixture(params=[8, 100_000, LARGE], ids=["small", "100 kB", "large"])
def pair(request):
    """Return a FrozenBytes and the same bytes."""
    data = (b"spam and eggs, " * (request.param // 15 + 1))[: request.param]
    return GrowBuffer(data).freeze(), data


def address(frozen):
    """Return the address of the first byte."""
    pointer = ctypes.c_void_p()
    length = ctypes.c_ssize_t()
    function = ctypes.pythonapi.PyBytes_AsStringAndSize
    function.argtypes = [ctypes.py_object, *[ctypes.c_void_p] * 2]
    assert function(frozen, ctypes.byref(pointer), ctypes.byref(length)) == 0
    return pointer.value


SAME = {
    "hash": hash,
    "dict": lambda b: {b: 1}[bytes(b)],
    "set": lambda b: len({b, bytes(b)}),
    "repr": lambda b: repr(b[:100]) if len(b) > 100 else repr(b),
    "whole repr": lambda b: repr(b),
    "find": lambda b: (b.find(b"eggs"), b.rfind(b"eggs"), b.count(b"a"), b"x" in b),
    "split": lambda b: (b.split(b","), b.partition(b" "), b.splitlines()),
    "slices": lambda b: [b[1:5], b[:], b[::2], b[-3:], b[0]],
    "join": lambda b: (b.join([b, b"-"]), b"".join([b, b])),
    "percent": lambda b: (b"%b" % b, b"%s|%s" % (b, b)),
    "decode": lambda b: (b.decode(), str(b, "ascii")),
    "re": lambda b: (re.search(b"a+", b).span(), re.sub(b"a", b"", b)),
    "int": lambda b: int.from_bytes(b[:9], "big") + int.from_bytes(b, "little"),
    "compare": lambda b: (b == bytes(b), b < b + b"x", b > b"", b != b"spam"),
    "concatenate": lambda b: (b + b"x", b"x" + b, b * 2, bytearray(b) + b),
    "strip": lambda b: (b.strip(b" ,s"), b.upper(), b.replace(b"a", b"")),
    "hashlib": lambda b: hashlib.sha256(b).digest(),
    "bytes": lambda b: (bytes(b), bytearray(b), memoryview(b).tobytes(), list(b[:9])),
    "BytesIO": lambda b: io.BytesIO(b).read(),
    "os": lambda b: os.fsdecode(b),
    "hex": lambda b: b.hex(),
    "pickle": lambda b: [pickle.loads(pickle.dumps(b, p)) for p in range(6)],
}


@pytest.mark.parametrize("name", SAME)
def test_frozen_bytes_operation_gives_what_bytes_gives(name, pair):
    frozen, data = pair
    result, expected = SAME[name](frozen), SAME[name](data)
    assert result == expected and kinds(result) == kinds(expected)


def kinds(result):
    """Return the types of a result and of its items."""
    items = result if isinstance(result, (list, tuple)) else ()
    return type(result), [kinds(item) for item in items]


def test_frozen_bytes_memoryview_keeps_bytes(pair):
    frozen, data = pair
    live = growbuf.stats()["spans_live"]
    view = memoryview(frozen)
    assert view.readonly and view.obj is frozen
    del frozen
    part = view[3:7]
    view.release()
    assert part == data[3:7] and growbuf.stats()["spans_live"] == live
    with pytest.raises(TypeError):
        part[0] = 1


def test_frozen_bytes_buffers_cannot_be_written(pair):
    frozen, _ = pair
    with pytest.raises(TypeError, match="not writable|read-only"):
        ctypes.c_char.from_buffer(frozen)
    with pytest.raises(TypeError):
        io.BytesIO(b"x").readinto(frozen)


@pytest.mark.parametrize("protocol", range(6))
def test_frozen_bytes_pickle_contains_plain_bytes(pair, protocol):
    """So it can be read where growbuf is not installed."""
    frozen, data = pair
    pickled = pickle.dumps(frozen, protocol)
    assert b"growbuf" not in pickled
    restored = pickle.loads(pickled)
    assert type(restored) is bytes and restored == data
    assert pickle.loads(pickle.dumps([frozen, frozen], protocol)) == [data, data]


def test_frozen_bytes_pickle_out_of_band_shares_the_bytes(pair):
    frozen, data = pair
    buffers = []
    pickled = pickle.dumps(frozen, 5, buffer_callback=buffers.append)
    assert len(pickled) < 200 and buffers[0].raw().obj is frozen
    restored = pickle.loads(pickled, buffers=buffers)
    assert type(restored) is bytes and restored == data


def test_frozen_bytes_copies_are_the_object_itself(pair):
    frozen, data = pair
    assert copy.copy(frozen) is frozen and copy.deepcopy(frozen) is frozen
    assert frozen.__reduce__() == (bytes, (data,))
    assert type(bytes(frozen)) is bytes and type(frozen[:]) is bytes


RESULTS = {  # calls that find nothing to change or to split
    "strip": lambda b: b.strip(b"#"),
    "lstrip": lambda b: b.lstrip(b"#"),
    "rstrip": lambda b: b.rstrip(b"#"),
    "replace": lambda b: b.replace(b"#", b""),
    "translate": lambda b: b.translate(None, b"#"),
    "removeprefix": lambda b: b.removeprefix(b"#"),
    "removesuffix": lambda b: b.removesuffix(b"#"),
    "expandtabs": lambda b: b.expandtabs(),
    "ljust": lambda b: b.ljust(0),
    "rjust": lambda b: b.rjust(0),
    "center": lambda b: b.center(0),
    "zfill": lambda b: b.zfill(0),
    "lower": lambda b: b.lower(),
    "split": lambda b: b.split(b"#")[0],
    "rsplit": lambda b: b.rsplit(b"#")[0],
    "splitlines": lambda b: b.splitlines()[0],
    "partition": lambda b: b.partition(b"#")[0],
    "rpartition": lambda b: b.rpartition(b"#")[2],
    "join": lambda b: b"".join([b]),
    "plus nothing": lambda b: b + b"",
    "nothing plus": lambda b: b"" + b,
    "times one": lambda b: b * 1,
    "percent": lambda b: b"%b" % (b,),
    "slice": lambda b: b[:],
    "bytes": bytes,
}


@pytest.mark.parametrize("name", RESULTS)
def test_frozen_bytes_unchanged_result_is_plain_except_of_partition(name, pair):
    frozen, data = pair
    result = RESULTS[name](frozen)
    assert result == data
    if name in ("partition", "rpartition"):
        assert result is frozen
    else:
        assert type(result) is bytes


NOT_MADE = {
    "call": lambda: FrozenBytes(b"x"),
    "call without arguments": lambda: FrozenBytes(),
    "bytes.__new__": lambda: bytes.__new__(FrozenBytes, b"x"),
    "object.__new__": lambda: object.__new__(FrozenBytes),
    "fromhex": lambda: FrozenBytes.fromhex("00"),
    "subclass": lambda: type("Sub", (FrozenBytes,), {}),
    "attribute of the type": lambda: setattr(FrozenBytes, "x", 1),
    "class of bytes": lambda: setattr(
        type("B", (bytes,), {})(), "__class__", FrozenBytes
    ),
    "other class": lambda: setattr(GrowBuffer(b"x").freeze(), "__class__", bytes),
    "weak reference": lambda: weakref.ref(GrowBuffer(b"xyz").freeze()),
}


@pytest.mark.parametrize("name", NOT_MADE)
def test_frozen_bytes_other_construction_raises_type_error(name):
    with pytest.raises(TypeError):
        NOT_MADE[name]()


def test_frozen_bytes_has_no_attributes_and_is_not_tracked():
    frozen = GrowBuffer(b"spam").freeze()
    with pytest.raises(AttributeError):
        frozen.name = 1
    assert not gc.is_tracked(frozen) and not hasattr(frozen, "__dict__")
    assert FrozenBytes.__module__ == "growbuf" and FrozenBytes.__base__ is bytes
    assert FrozenBytes.__basicsize__ == bytes.__basicsize__
    assert FrozenBytes.__itemsize__ == bytes.__itemsize__


# ------------------------------------------------------------------------- its memory


@pytest.mark.parametrize("length", LENGTHS)
def test_getsizeof_frozen_bytes_counts_its_memory(length):
    frozen = GrowBuffer(bytes(length)).freeze()
    assert length < sys.getsizeof(frozen)
    assert sys.getsizeof(frozen) <= length + length // 8 + 100 * 1024


@NEEDS_SPANS
@pytest.mark.parametrize("limit", [None, 32 * MIB])
def test_frozen_bytes_last_reference_gives_span_back(limit):
    buf, _ = begun(LARGE, limit=limit)
    live = growbuf.stats()["spans_live"]
    frozen = buf.freeze()
    other = [frozen]
    assert growbuf.stats()["spans_live"] == live + (limit is not None)
    del frozen
    assert growbuf.stats()["spans_live"] == live + (limit is not None)
    other.clear()
    assert growbuf.stats()["spans_live"] == live - (limit is None)


@NEEDS_SPANS
def test_frozen_bytes_memory_is_used_by_the_next_buffer():
    growbuf.trim()
    frozen = GrowBuffer(bytes(200_000)).freeze()
    where = place(frozen)
    del frozen
    assert place(GrowBuffer(bytes(200_000))) == where


@NEEDS_SPANS
def test_frozen_bytes_in_a_span_is_reported_to_tracemalloc():
    tracemalloc.start()
    try:
        buf = GrowBuffer(bytes(LARGE))
        before = tracemalloc.get_traced_memory()[0]
        frozen = buf.freeze()
        assert abs(tracemalloc.get_traced_memory()[0] - before) < 10_000
        del frozen
        assert tracemalloc.get_traced_memory()[0] < before - LARGE
    finally:
        tracemalloc.stop()


@ON_LINUX
def test_frozen_bytes_after_fork_are_the_same_in_both_processes():
    code = """
        import os
        from growbuf import GrowBuffer
        data = bytes(range(256)) * 40_000
        kept, frozen = GrowBuffer(data).freeze(), GrowBuffer(data).freeze()
        child = os.fork()
        fine = frozen == data and hash(kept) == hash(data)
        del frozen
        fine = fine and GrowBuffer(data).freeze() == data == kept
        if child == 0:
            os._exit(not fine)
        assert fine and os.waitpid(child, 0)[1] == 0
        print("fine")
    """
    assert run(code) == "fine"


def test_frozen_bytes_of_another_interpreter_have_their_own_type():
    interpreters = pytest.importorskip(
        "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    )
    interpreter = interpreters.create()
    try:
        code = f"""if True:
            from growbuf import FrozenBytes, GrowBuffer, GrowIO
            assert id(FrozenBytes) != {id(FrozenBytes)}
            frozen = [GrowBuffer(b"spam" * n).freeze() for n in (1, 30_000, 3_000_000)]
            file = GrowIO()
            file.write(bytes(100_000))
            frozen.append(file.getvalue())
            assert all(type(each) is FrozenBytes for each in frozen[:3])
        """
        failed = interpreters.run_string(interpreter, code)
        assert failed is None
    finally:
        interpreters.destroy(interpreter)
    assert_is(GrowBuffer(b"spam").freeze(), b"spam")


def test_frozen_bytes_alive_at_exit_let_the_process_succeed():
    code = """
        import builtins
        from growbuf import GrowBuffer
        large, small = GrowBuffer(bytes(3_000_000)), GrowBuffer(b"x")
        builtins.frozen = large.freeze(), small.freeze()
        class Late:
            def __del__(self, frozen=builtins.frozen):
                print(len(frozen[0]))
        builtins.late = Late()
    """
    done = subprocess.run([sys.executable, "-c", code.replace("\n        ", "\n")])
    assert done.returncode == 0


@pytest.mark.parametrize("length", [100, 100_000, LARGE])
def test_threads_read_lists_and_dicts_that_lose_frozen_bytes(length):
    """Free-threaded lists and dicts read the reference count of an item without a lock,
    and another thread may have deallocated the item by then."""
    data = pattern(length)[:length]
    items, table, rounds = [None] * 4, {}, 40 if length == LARGE else 400
    finished = []

    def lose():
        for n in range(rounds):
            items[n % 4] = GrowBuffer(data).freeze()
            table[n % 4] = GrowBuffer(data).freeze()
            if n % 3 == 0:
                items[n % 4] = table.pop(n % 4, None)
        finished.append(True)

    def read():
        while len(finished) < 2:
            values = [items[n] for n in range(4)] + [table.get(n) for n in range(4)]
            for value in [*values, *items.copy(), *table.copy().values()]:
                assert value is None or (value[:9], value[-9:]) == (data[:9], data[-9:])

    together(lose, read, read, lose)
    for value in [*items, *table.values()]:
        assert_is(value, data)


# --------------------------------------------------------------------------- GrowIO


@pytest.fixture
def written():
    """Return a file in a buffer, and its bytes."""
    data = pattern(300_000)[:300_000]
    file = GrowIO()
    file.write(data)
    return file, data


@NEEDS_SPANS
@pytest.mark.parametrize("read", ["getvalue", "read", "read1", "readline"])
def test_growio_read_of_all_copies_nothing(written, read):
    file, data = written
    data = data.replace(b"\n", b"-")
    file.seek(0)
    file.write(data)
    file.seek(0)
    before = growbuf.stats()
    value = getattr(file, read)()
    assert difference(before)["copied_bytes"] == difference(before)["spans_live"] == 0
    assert_is(value, data)
    assert file.getvalue() is value


@NEEDS_SPANS
def test_growio_write_after_value_died_takes_pages_back(written):
    file, data = written
    before = growbuf.stats()
    for _ in range(10):
        value = file.getvalue()
        where = place(value)
        del value
        file.write(b"more")
        assert place(file.buffer)[1] == where[1]
    assert difference(before)["copied_bytes"] == 0
    assert_is(file.getvalue(), data + b"more" * 10)


@NEEDS_SPANS
def test_growio_value_after_each_write_copies_nothing():
    file, before = GrowIO(), growbuf.stats()
    for count in range(1, 300):
        file.write(b"x" * 100_000)
        assert len(file.getvalue()) == count * 100_000
    assert difference(before)["copied_bytes"] <= 4 * MIB  # while it was small


def writing(file):
    """Return calls that change a file, by name."""
    return {
        "write": lambda: file.write(b"WRITTEN"),
        "write at the start": lambda: [file.seek(0), file.write(b"WRITTEN")],
        "write far": lambda: [file.seek(400_000), file.write(b"WRITTEN")],
        "writelines": lambda: file.writelines([b"one", b"two"]),
        "truncate a little": lambda: [file.truncate(290_000), file.write(b"x")],
        "truncate much": lambda: [file.truncate(100), file.write(b"x")],
        "truncate all": lambda: [file.truncate(0), file.write(b"x")],
        "buffer": lambda: file.buffer.extend(b"EXTENDED"),
        "getbuffer": lambda: file.getbuffer().__setitem__(slice(0, 3), b"SET"),
        "close": lambda: file.close(),
        "init": lambda: file.__init__(b"other"),
        "setstate": lambda: file.__setstate__((b"other", 0, None)),
    }


@pytest.mark.parametrize("held", [False, True], ids=["value dead", "value held"])
@pytest.mark.parametrize("name", writing(None))
def test_growio_change_after_getvalue_leaves_value(written, name, held):
    file, data = written
    twin = io.BytesIO(data)
    value = file.getvalue()
    digest = hash(value)
    if not held:
        del value
    writing(file)[name]()
    if name == "buffer":
        twin.seek(0, 2)
        twin.write(b"EXTENDED")
    else:
        twin.seek(len(data))
        writing(twin)[name]()
    if name != "close":
        assert file.getvalue() == twin.getvalue() and file.tell() >= 0
        assert hash(file.getvalue()) == hash(twin.getvalue())
    if held:
        assert value == data and hash(bytes(value)) == digest


def test_growio_truncated_shared_value_is_not_seen(written):
    file, data = written
    value = file.getvalue()
    file.truncate(299_000)
    assert file.getvalue() == data[:299_000] and value == data
    file.seek(299_500)
    file.write(b"end")
    assert file.getvalue() == data[:299_000] + bytes(500) + b"end"
    assert value == data


@pytest.mark.parametrize("kept", ["buffer", "view", "spare"])
def test_growio_buffer_that_other_code_has_is_copied(written, kept):
    """The buffer stays the file's: a change of one is a change of the other."""
    file, data = written
    other = file.buffer
    view = None
    if kept == "view":
        view, other = memoryview(other), None
    if kept == "spare":
        view = other.spare(10)
        view[:4] = b"more"
        view.release()
        other = None
    value = file.getvalue()
    assert value == data
    if kept == "buffer":
        other += b"more"
        assert file.getvalue() == data + b"more" and file.buffer is other
    if kept == "view":
        view[:4] = b"MORE"
        assert file.getvalue()[:4] == b"MORE"
        view.release()
    if kept == "spare":
        file.buffer.commit(4)
        assert file.getvalue() == data + b"more"
    assert value == data


class Special(GrowBuffer):
    pass


def test_growio_value_of_subclass_buffer_keeps_the_buffer():
    file = GrowIO(buffer=Special(b"x" * 100_000))
    file.buffer.name = "mine"
    assert file.getvalue() == b"x" * 100_000
    assert type(file.buffer) is Special and file.buffer.name == "mine"


@RESERVES
def test_growio_value_with_limit_keeps_the_limit():
    file = GrowIO(limit=MIB)
    file.write(b"x" * 100_000)
    value = file.getvalue()
    file.write(b"y")
    assert file.buffer.limit == MIB and value == b"x" * 100_000
    assert file.getvalue() == b"x" * 100_000 + b"y"


@pytest.mark.parametrize("length", [1, 2, 1000, 100_000])
def test_growio_of_frozen_bytes_shares_them_until_written(length):
    frozen = GrowBuffer(b"x" * length).freeze()
    file = GrowIO(frozen)
    if length > 1:
        assert file.getvalue() is frozen and file.read() is frozen
    file.write(b"y")
    assert frozen == b"x" * length and file.getvalue().count(b"y") == 1
    other = GrowIO(GrowBuffer(b"x" * length).freeze())
    other.seek(0, 2)
    other.write(b"y")
    assert other.getvalue() == b"x" * length + b"y"


def test_growio_buffer_freeze_hands_the_bytes_over(written):
    file, data = written
    file.getvalue()
    before = growbuf.stats()
    frozen = file.buffer.freeze()
    assert_is(frozen, data)
    assert not IN_SPANS or difference(before)["copied_bytes"] == 0
    assert file.getvalue() == b""


FROM_STDIN = """
    import sys
    from growbuf import GrowBuffer, GrowIO
    for nbytes in (5, 200_000):
        line = b"x" * nbytes
        sys.stdin = GrowIO(GrowBuffer(line + b"\\n").freeze())
        assert input() == line
        sys.stdin = GrowIO()
        sys.stdin.write(line + b"\\n")
        sys.stdin.seek(0)
        assert input() == line and sys.stdin.getvalue() == line + b"\\n"
    print("fine")
"""


def test_input_reads_frozen_bytes_of_a_file():
    """input() resizes the bytes object that readline() returns, if it has the only
    reference. A FrozenBytes cannot be resized, and the file has another reference."""
    assert run(FROM_STDIN) == "fine"


def test_growio_write_of_its_own_value_writes_it(written):
    file, data = written
    file.write(file.getvalue())
    assert file.getvalue() == data * 2
    value = file.getvalue()
    file.seek(1)
    file.write(value)
    assert file.getvalue() == data[:1] + data * 2 and value == data * 2


FROM_A_LIMIT = """
    from growbuf import GrowBuffer, GrowIO
    from growbuf._growbuf import check
    limit = 4 << 20
    buf = GrowBuffer(limit=limit)
    buf.extend(b"a" * limit)
    del buf[:5]
    buf.extend(b"b" * 5)
    frozen = buf.freeze()
    assert check(frozen) is None, check(frozen)
    file = GrowIO(frozen)
    del frozen
    file.seek(0, 2)
    print(file.write(b"x" * 100), len(file.getvalue()) - limit)
"""


@ON_LINUX
@pytest.mark.parametrize("rung", ["copy", "maymove", "dontunmap"])
def test_write_to_file_of_bytes_from_buffer_with_limit_has_no_limit(rung):
    assert run(FROM_A_LIMIT, env={"GROWBUF_STRATEGY": rung}) == "100 100"
