"""Test known failure modes of mutable C buffers, on bytearray and on GrowBuffer.

Where the two types differ on purpose, the test says why.
"""

import copy
import gc
import pickle
import sys
import threading
import weakref
from contextlib import suppress

import pytest
from conftest import assert_holds, collecting

from growbuf import GrowBuffer
from growbuf._growbuf import check, place

LARGE = 3 << 20  # bytes: stored in a span; pages move while it grows
SIZES = [0, 1, 5, 1000, 300_000, LARGE]
ON_312 = pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is of 3.12")


def pattern(length):
    return bytes(i * 7 % 256 for i in range(256)) * (length // 256 + 1)


def sample(kind, length):
    """Grow a buffer to `length` bytes by appending. Return it and its bytes."""
    data = pattern(length)[:length]
    buf = kind()
    for start in range(0, length, 60_000):
        buf += data[start : start + 60_000]
    return buf, data


# -------------------------------------------------------------- bytearray's own methods


UNBOUND = {
    "append": lambda b: bytearray.append(b, 1),
    "extend": lambda b: bytearray.extend(b, b"xyz"),
    "extend iterable": lambda b: bytearray.extend(b, [1, 2, 3]),
    "insert": lambda b: bytearray.insert(b, 0, 1),
    "iadd": lambda b: bytearray.__iadd__(b, b"xyz"),
    "init": lambda b: bytearray.__init__(b, b"xyz"),
    "init count": lambda b: bytearray.__init__(b, 10),
    "init iterable": lambda b: bytearray.__init__(b, iter([1, 2, 3])),
    "setitem slice": lambda b: bytearray.__setitem__(b, slice(0, 0), b"xyz"),
}
UNBOUND_ON_BYTES = {
    "pop": lambda b: bytearray.pop(b),
    "remove": lambda b: bytearray.remove(b, b[0]),
    "clear": lambda b: bytearray.clear(b),
    "imul": lambda b: bytearray.__imul__(b, 2),
    "delitem": lambda b: bytearray.__delitem__(b, 0),
    "delitem slice": lambda b: bytearray.__delitem__(b, slice(0, 1)),
    "init nothing": lambda b: bytearray.__init__(b),
    "setitem shorter": lambda b: bytearray.__setitem__(b, slice(0, 1), b""),
    **(
        {"resize": lambda b: bytearray.resize(b, 100)}
        if hasattr(bytearray, "resize")
        else {}
    ),
    **(
        {"take_bytes": lambda b: bytearray.take_bytes(b, 1)}
        if hasattr(bytearray, "take_bytes")
        else {}
    ),
}
DEBUG_BUILD = hasattr(sys, "gettotalrefcount")


@pytest.mark.parametrize("length", SIZES)
@pytest.mark.parametrize("name", UNBOUND | UNBOUND_ON_BYTES)
def test_bytearray_method_that_resizes_raises_buffer_error(name, length):
    """The pin keeps bytearray's code from passing our pages to its allocator."""
    if length == 0 and name in UNBOUND_ON_BYTES:
        pytest.skip("nothing to resize, so nothing to refuse")
    if length == 0 and name.startswith("init") and DEBUG_BUILD:
        pytest.skip("3.15's debug build asserts that __init__ finds no export")
    buf, data = sample(GrowBuffer, length)
    before = place(buf)
    with pytest.raises(BufferError, match="Existing exports of data"):
        (UNBOUND | UNBOUND_ON_BYTES)[name](buf)
    assert_holds(buf, data)
    assert place(buf) == before
    buf.append(33)
    assert_holds(buf, data + b"!")


def test_bytearray_init_with_reserved_capacity_raises_buffer_error():
    """bytearray.__init__ appends up to ob_alloc without checking for exports."""
    if DEBUG_BUILD:
        pytest.skip("3.15's debug build asserts that __init__ finds no export")
    buf = GrowBuffer()
    buf.reserve(1000)
    with pytest.raises(BufferError):
        bytearray.__init__(buf, iter([1, 2, 3]))
    assert_holds(buf, b"")


def test_bytearray_method_that_keeps_length_writes_in_place():
    buf, data = sample(GrowBuffer, 1000)
    bytearray.__setitem__(buf, 3, 200)
    bytearray.__setitem__(buf, slice(10, 13), b"abc")
    bytearray.reverse(buf)
    expected = bytearray(data)
    expected[3] = 200
    expected[10:13] = b"abc"
    expected.reverse()
    assert_holds(buf, expected)


# ------------------------------------------------------------ construction and __init__


def test_new_without_init_makes_empty_buffer(kind):
    buf = kind.__new__(kind)
    assert_holds(buf, b"")
    assert buf == b"" and bytes(buf) == b"" and buf.find(b"x") == -1
    buf += b"abc"
    assert_holds(buf, b"abc")


def test_new_of_subclass_works_and_bytearray_new_raises_type_error():
    with pytest.raises(TypeError, match="not safe"):
        bytearray.__new__(GrowBuffer)
    buf = GrowBuffer.__new__(type("Sub", (GrowBuffer,), {}))
    buf.extend(b"abc")
    assert_holds(buf, b"abc")


@pytest.mark.parametrize("length", SIZES)
def test_init_called_again_replaces_bytes(kind, length):
    buf, _ = sample(kind, length)
    buf.__init__(b"new")
    assert_holds(buf, b"new")
    buf.__init__("grün", "utf-8")
    assert_holds(buf, "grün".encode())
    buf.__init__(5)
    assert_holds(buf, bytes(5))
    buf.__init__()
    assert_holds(buf, b"")


def test_init_under_export_raises_buffer_error(kind):
    buf = kind(b"abc")
    with memoryview(buf):
        with pytest.raises(BufferError):
            buf.__init__(b"other")
        assert_holds(buf, b"abc")


def test_init_iterator_extends_buffer_keeps_it_valid(kind):
    buf = kind(b"abc")

    def items():
        yield 1
        buf.extend(b"in between")
        yield 2

    buf.__init__(items())
    assert buf[-1] == 2
    if kind is GrowBuffer:
        assert check(buf) is None


@pytest.mark.parametrize(
    "args",
    [
        ([1, 256],),
        ([1, "x"],),
        (-1,),
        ("text",),
        (b"abc", "ascii"),
        (object(),),
        (1 << 100,),
        ("grün", "ascii"),
        ("x", "no such codec"),
        ({1: 2, None: 3},),
    ],
    ids=repr,
)
def test_init_bad_source_raises_same_error_as_bytearray(args):
    with pytest.raises(Exception) as theirs:
        bytearray(*args)
    with pytest.raises(type(theirs.value)) as ours:
        GrowBuffer(*args)
    assert str(ours.value) == str(theirs.value)


def test_init_keywords_are_accepted_and_unknown_ones_raise(kind):
    assert_holds(kind(source="a", encoding="ascii", errors="strict"), b"a")
    with pytest.raises(TypeError):
        kind(nonsense=1)
    with pytest.raises(TypeError):
        kind(b"a", "b", "c", "d")


# -------------------------------------------------------------- user code during a call


def meddlers(buf):
    """Return changes that user code can make to a buffer during a call on it."""
    return [buf.clear, lambda: buf.extend(b"x" * LARGE), lambda: buf.__delitem__(0)]


class Index:
    def __init__(self, value, effect):
        self.value, self.effect = value, effect

    def __index__(self):
        self.effect()
        return self.value


MEDDLED_CALLS = {
    "append": lambda b, i: b.append(i(65)),
    "insert index": lambda b, i: b.insert(i(3), 65),
    "insert item": lambda b, i: b.insert(3, i(65)),
    "pop": lambda b, i: b.pop(i(3)),
    "remove": lambda b, i: b.remove(i(65)),
    "setitem index": lambda b, i: b.__setitem__(i(3), 65),
    "setitem value": lambda b, i: b.__setitem__(3, i(65)),
    "delitem": lambda b, i: b.__delitem__(i(3)),
    "getitem": lambda b, i: b[i(3)],
    "getitem slice": lambda b, i: b[i(1) : i(4)],
    "getitem step": lambda b, i: b[i(1) : i(4) : i(2)],
    "setitem slice": lambda b, i: b.__setitem__(slice(i(1), i(4)), b"abcdef"),
    "setitem step": lambda b, i: b.__setitem__(slice(i(0), i(4), i(2)), b"ab"),
    "delitem slice": lambda b, i: b.__delitem__(slice(i(1), i(4))),
    "delitem step": lambda b, i: b.__delitem__(slice(i(0), i(9), i(2))),
    "setitem items": lambda b, i: b.__setitem__(slice(0, 2), [i(65), i(66), i(67)]),
    "extend": lambda b, i: b.extend([i(65), i(66)]),
    "imul": lambda b, i: b.__imul__(i(2)),
    "mul": lambda b, i: b * i(2),
    "resize": lambda b, i: b.resize(i(5)),
    "take_bytes": lambda b, i: b.take_bytes(i(3)),
    "reserve": lambda b, i: b.reserve(i(5000)),
    "join": lambda b, i: b.join([b"x", i(3)]),
    "hex": lambda b, i: b.hex(":", i(2)),
    "center": lambda b, i: b.center(i(100)),
    "mod": lambda b, i: b"%d" % i(3),
}
# In older versions bytearray.find may read freed memory.
if sys.version_info >= (3, 15):
    MEDDLED_CALLS["find"] = lambda b, i: b.find(b"A", i(1), i(3))


@pytest.mark.parametrize("meddler", range(3), ids=["clear", "grow", "delete"])
@pytest.mark.parametrize("name", MEDDLED_CALLS)
@pytest.mark.parametrize("length", [10, LARGE])
def test_method_argument_changes_buffer_leaves_it_valid(name, meddler, length):
    """A method must not use a pointer or length that it read before user code ran.

    CPython gh-91153, gh-142557 to gh-142560, gh-143195.
    """
    buf = GrowBuffer(pattern(length)[:length])
    effect = meddlers(buf)[meddler]

    def quietly():
        try:
            effect()
        except (BufferError, IndexError):
            pass

    try:
        MEDDLED_CALLS[name](buf, lambda value: Index(value, quietly))
    except (IndexError, ValueError, BufferError, TypeError):
        pass
    assert check(buf) is None
    buf.append(1)
    assert buf[-1] == 1 and check(buf) is None


@pytest.mark.parametrize("meddler", range(3), ids=["clear", "grow", "delete"])
def test_method_iterator_changes_buffer_keeps_items(meddler):
    for call in ("extend", "__init__", "setslice"):
        buf = GrowBuffer(b"0123456789")

        def items(buf=buf):
            yield 65
            meddlers(buf)[meddler]() if len(buf) else None
            yield 66

        if call == "setslice":
            buf[2:4] = items()
        else:
            getattr(buf, call)(items())
        assert b"AB" in buf and check(buf) is None


@pytest.mark.parametrize("nth", range(3))
@pytest.mark.parametrize(
    "method", ["split", "rsplit", "splitlines", "partition", "rpartition"]
)
def test_split_finalizer_clears_buffer_returns_result_for_old_or_no_bytes(method, nth):
    """Up to 3.11, bytearray reads freed memory in this case."""
    data = (b"one\n" * (LARGE // 4))[:LARGE]
    buf = GrowBuffer(data)
    args = [] if method == "splitlines" else [b"\n"]

    def clear():
        with suppress(BufferError):
            buf.clear()

    with collecting(nth, clear):
        result = getattr(buf, method)(*args)
    assert result in (getattr(data, method)(*args), getattr(b"", method)(*args))
    assert check(buf) is None


@pytest.mark.parametrize("length", [500, LARGE])
@pytest.mark.parametrize("method", ["__bytes__", "__str__", "__index__"])
def test_mod_value_clears_format_formats_old_bytes(method, length):
    """Up to 3.14, bytearray reads freed memory in this case."""
    code = {"__bytes__": b"%b", "__str__": b"%a", "__index__": b"%x"}[method]
    buf = GrowBuffer(code + b"A" * length)

    def clear(self):
        with suppress(BufferError):
            buf.clear()
        return {"__bytes__": b"1", "__str__": "1", "__index__": 1}[method]

    value = type("Value", (), {method: clear, "__repr__": clear})
    if method == "__str__":
        value.__repr__ = clear
    result = buf % (value(),)
    assert result == b"1" + b"A" * length and check(buf) is None


@ON_312
@pytest.mark.parametrize("call", ["extend", "iadd", "setslice", "init", "add", "join"])
@pytest.mark.parametrize("meddler", range(3), ids=["clear", "grow", "delete"])
def test_method_exporter_changes_buffer_keeps_exported_bytes(call, meddler):
    """__buffer__ must run before sizes are read (CPython gh-153419, gh-153570)."""
    buf = GrowBuffer(b"0123456789")

    class Exporter:
        def __buffer__(self, flags):
            try:
                meddlers(buf)[meddler]()
            except (BufferError, IndexError):
                pass
            return memoryview(b"ABCDEFGH")

    exporter = Exporter()
    {
        "extend": lambda: buf.extend(exporter),
        "iadd": lambda: buf.__iadd__(exporter),
        "setslice": lambda: buf.__setitem__(slice(2, 4), exporter),
        "init": lambda: buf.__init__(exporter),
        "add": lambda: buf + exporter,
        "join": lambda: buf.join([b"x", exporter]),
    }[call]()
    assert check(buf) is None
    if call in ("extend", "iadd", "setslice", "init"):
        assert b"ABCDEFGH" in buf


def test_extend_wrong_length_hint_appends_all_items():
    """Not run on bytearray: with a hint of 0, 3.11 writes to a static string."""

    class Liar:
        def __init__(self, hint):
            self.hint = hint

        def __iter__(self):
            return iter(range(100))

        def __len__(self):
            return self.hint

    for hint in (0, 5, 100_000):
        buf = GrowBuffer()
        buf.extend(Liar(hint))
        assert_holds(buf, bytes(range(100)))


# ------------------------------------------------------- the buffer as its own argument


@pytest.mark.parametrize("length", SIZES)
def test_extend_with_itself_doubles_bytes(kind, length):
    buf, data = sample(kind, length)
    buf.extend(buf)
    assert_holds(buf, data * 2)


@pytest.mark.parametrize("length", SIZES)
def test_iadd_with_itself_doubles_bytes(length):
    """Not run on bytearray: its own export makes `b += b` raise BufferError."""
    buf, data = sample(GrowBuffer, length)
    buf += buf
    assert_holds(buf, data * 2)


@pytest.mark.parametrize("length", [5, 1000, 300_000, LARGE])
def test_setitem_slice_with_itself_inserts_old_bytes(kind, length):
    buf, data = sample(kind, length)
    buf[2:5] = buf
    assert_holds(buf, data[:2] + data + data[5:])
    buf[::1] = buf
    assert_holds(buf, data[:2] + data + data[5:])


def test_setitem_slice_of_same_length_with_own_view_copies(kind):
    buf = kind(b"0123456789")
    buf[2:6] = memoryview(buf)[0:4]
    assert_holds(buf, b"0101236789")
    buf[::-1] = bytes(buf)
    assert_holds(buf, b"9876321010")


def test_extend_with_own_view_raises_buffer_error(kind):
    buf = kind(b"0123456789")
    view = memoryview(buf)
    for call in (buf.extend, buf.__iadd__):
        with pytest.raises(BufferError):
            call(view[2:4])
    assert_holds(buf, b"0123456789")
    buf[3:3] = view[3:3]  # the length does not change
    assert_holds(buf, b"0123456789")


# --------------------------------------------------------------------------- exports


RESIZING = {
    "append": lambda b: b.append(1),
    "extend": lambda b: b.extend(b"xyz"),
    "extend iterable": lambda b: b.extend([1, 2, 3]),
    "iadd": lambda b: b.__iadd__(b"x"),
    "imul": lambda b: b.__imul__(2),
    "imul 0": lambda b: b.__imul__(0),
    "insert": lambda b: b.insert(0, 1),
    "pop": lambda b: b.pop(),
    "pop front": lambda b: b.pop(0),
    "remove": lambda b: b.remove(b[0]),
    "clear": lambda b: b.clear(),
    "delitem": lambda b: b.__delitem__(1),
    "del slice": lambda b: b.__delitem__(slice(1, 3)),
    "del front": lambda b: b.__delitem__(slice(0, 3)),
    "del step": lambda b: b.__delitem__(slice(0, None, 2)),
    "longer slice": lambda b: b.__setitem__(slice(1, 2), b"xyz"),
    "shorter slice": lambda b: b.__setitem__(slice(1, 4), b"x"),
    "init": lambda b: b.__init__(b"xyz"),
}
RESIZING_OF_3_15 = {
    "resize up": lambda b: b.resize(len(b) + 1),
    "resize down": lambda b: b.resize(1),
    "take_bytes": lambda b: b.take_bytes(2),
}


@pytest.mark.parametrize("length", [5, 1000, 300_000, LARGE])
@pytest.mark.parametrize("name", RESIZING | RESIZING_OF_3_15)
def test_resizing_method_under_export_raises_buffer_error(kind, name, length):
    if kind is bytearray and name in RESIZING_OF_3_15 and sys.version_info < (3, 15):
        pytest.skip("bytearray has it since 3.15")
    buf, data = sample(kind, length)
    with memoryview(buf) as view:
        with pytest.raises(BufferError, match="Existing exports of data"):
            (RESIZING | RESIZING_OF_3_15)[name](buf)
        assert_holds(buf, data)
        assert view == data
    (RESIZING | RESIZING_OF_3_15)[name](buf)
    assert bytes(buf) != data


def test_write_of_same_length_under_export_succeeds(kind):
    buf = kind(b"0123456789")
    with memoryview(buf) as view:
        buf[2] = 65
        buf[4:6] = b"BC"
        buf[::5] = b"XY"
        buf.reverse()
        buf.extend(b"")
        buf *= 1
        assert view == b"9876YB3A1X"
    assert_holds(buf, b"9876YB3A1X")


def test_append_after_one_of_two_exports_released_raises_buffer_error(kind):
    buf = kind(b"abc")
    one, two = memoryview(buf), memoryview(buf)
    one.release()
    with pytest.raises(BufferError):
        buf.append(1)
    two.release()
    buf.append(1)
    assert_holds(buf, b"abc\x01")


def test_view_after_buffer_dropped_keeps_bytes():
    buf, data = sample(GrowBuffer, LARGE)
    view = memoryview(buf)
    del buf
    gc.collect()
    assert view == data


# -------------------------------------------------------------------------- subclasses


def test_subclass_after_changes_keeps_type_and_attributes(kind):
    class Slotted(kind):
        __slots__ = ("name",)

    class Open(kind):
        pass

    class Overriding(Open):
        def append(self, item):
            super().append(item ^ 1)

    for cls in (Slotted, Open, Overriding):
        buf = cls(b"abc")
        buf.name = "x"
        buf.append(101)
        assert buf[-1] == (100 if cls is Overriding else 101)
        assert type(buf) is cls and type(buf[1:]) is kind
        buf += b"z" * 1000
        assert type(buf) is cls and buf.name == "x"
        assert weakref.ref(buf)() is buf if cls is not Slotted else True
    with pytest.raises(TypeError):
        weakref.ref(kind())


def test_subclass_with_second_base_returns_growbuffers():
    class Other:
        def shout(self):
            return self.upper()

    class Both(Other, GrowBuffer):
        pass

    buf = Both(b"abc")
    assert type(buf.shout()) is GrowBuffer and buf.shout() == b"ABC"
    assert type(buf * 2) is GrowBuffer and type(buf % ()) is GrowBuffer


def test_subclass_in_reference_cycle_is_collected(kind):
    class Node(kind):
        pass

    node = Node(b"abc")
    node.me = node
    died = weakref.ref(node)
    del node
    gc.collect()
    assert died() is None


def test_type_attribute_assignment_raises_type_error():
    with pytest.raises(TypeError):
        GrowBuffer.append = None


# ------------------------------------------------------------------ copies and pickles


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("length", SIZES)
def test_pickle_round_trip_restores_type_and_bytes(kind, protocol, length):
    buf, data = sample(kind, length)
    again = pickle.loads(pickle.dumps(buf, protocol))
    assert type(again) is kind
    assert_holds(again, data)


class Labelled(GrowBuffer):
    """A subclass with attributes, at module level so that pickle finds it."""


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_of_subclass_restores_attributes(protocol):
    buf = Labelled(b"abc")
    buf.label = ["x"]
    again = pickle.loads(pickle.dumps(buf, protocol))
    assert type(again) is Labelled and again.label == ["x"] and again == b"abc"


@pytest.mark.parametrize("length", SIZES)
def test_copy_after_append_leaves_original_unchanged(kind, length):
    buf, data = sample(kind, length)
    for again in (copy.copy(buf), copy.deepcopy(buf), buf.copy(), buf[:]):
        assert type(again) is kind
        again.append(1)
        assert_holds(again, data + b"\x01")
    assert_holds(buf, data)


# ------------------------------------------------------------------------ out of memory


TOO_LARGE = {
    "resize": lambda b, nbytes: b.resize(nbytes),
    "reserve": lambda b, nbytes: b.reserve(nbytes),
    "imul": lambda b, nbytes: b.__imul__(nbytes // len(b)),
    "mul": lambda b, nbytes: b * (nbytes // len(b)),
}


@pytest.mark.parametrize("length", SIZES[1:])
@pytest.mark.parametrize("nbytes", [sys.maxsize, sys.maxsize - 1, 1 << 60, 1 << 50])
@pytest.mark.parametrize("name", TOO_LARGE)
def test_growing_method_too_large_leaves_buffer_unchanged(name, length, nbytes):
    """After MemoryError the bytes, the length and the capacity are unchanged."""
    buf, data = sample(GrowBuffer, length)
    capacity = buf.capacity
    with pytest.raises(MemoryError):
        TOO_LARGE[name](buf, nbytes)
    assert_holds(buf, data)
    assert buf.capacity == capacity
    buf.append(1)
    assert_holds(buf, data + b"\x01")


def test_init_with_bad_length_raises():
    for nbytes in (sys.maxsize, 1 << 60):
        with pytest.raises(MemoryError):
            GrowBuffer(nbytes)
    with pytest.raises(OverflowError):
        GrowBuffer(1 << 64)
    with pytest.raises(ValueError, match="negative count"):
        GrowBuffer(-1)


# ------------------------------------------------------------------------------ threads


def test_append_from_four_threads_keeps_every_byte():
    buf, rounds = GrowBuffer(), 40_000
    start = threading.Barrier(4)

    def work(value):
        start.wait()
        for _ in range(rounds):
            buf.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert check(buf) is None
    assert [buf.count(value) for value in range(4)] == [rounds] * 4


def test_mixed_methods_from_threads_leave_buffer_valid():
    buf, failures = GrowBuffer(), []
    calls = [
        lambda: buf.extend(b"x" * 70_000),
        lambda: buf.__delitem__(slice(0, 50_000)),
        lambda: buf.take_bytes(min(10, len(buf))),
        lambda: bytes(buf[:100]),
        lambda: buf.insert(0, 1),
        lambda: buf.trim(),
        lambda: memoryview(buf).release(),
        lambda: buf.find(b"y"),
    ]

    def work(call):
        for _ in range(300):
            try:
                call()
            except (BufferError, IndexError):
                pass
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and check(buf) is None


@pytest.mark.parametrize("key", [slice("a", None), slice(None, None, 0), slice(1.0)])
@pytest.mark.parametrize("assign", [False, True], ids=["del", "set"])
def test_setitem_and_delitem_bad_slice_raise_same_error_as_bytearray(key, assign):
    messages = []
    for cls in bytearray, GrowBuffer:
        buf = cls(b"abc")
        with pytest.raises((TypeError, ValueError)) as raised:
            buf.__setitem__(key, b"x") if assign else buf.__delitem__(key)
        messages.append((raised.type, str(raised.value)))
        assert buf == b"abc"
    assert messages[0] == messages[1]
