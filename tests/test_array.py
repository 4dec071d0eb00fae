"""Test that GrowArray behaves as the ndarray of its rows, for every dtype.

Views that exist while an array grows must remain valid. If a random test fails,
hypothesis prints the example and its seed. test_array_model.py tests random sequences
of calls.
"""

import array as array_array
import bisect
import copy
import ctypes
import datetime
import doctest
import functools
import gc
import hashlib
import io
import math
import operator
import pickle
import random
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
import warnings
import weakref
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from test_growbuffer import RESERVES

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check, place

np = pytest.importorskip("numpy")
hnp = pytest.importorskip("hypothesis.extra.numpy")
GrowArray = growbuf.GrowArray
array_module = sys.modules["growbuf.array"]

pytestmark = pytest.mark.filterwarnings("error")
QUICKLY = settings(deadline=None, suppress_health_check=list(HealthCheck))
TOO_BIG = (OverflowError, DeprecationWarning)
HAS_PAGES = growbuf.info()["strategy"] != "heap"
NUMPY_2 = int(np.__version__.split(".")[0]) >= 2

RECORD = np.dtype([("t", "<f8"), ("id", "<i4"), ("ok", "?"), ("name", "U4")])
PADDED = np.dtype([("a", "i1"), ("b", ">f8"), ("c", "S3")], align=True)
NESTED = np.dtype([("at", [("x", "f4"), ("y", ">i2")]), ("v", "u1", (2, 2))])


def unstable(dtype="f8", row_shape=(), rows=()):
    """Return an array that moves when it grows: it found no free address space."""
    with address_space(0):
        array = GrowArray(dtype=dtype, row_shape=row_shape)
        assert not array.stable
    array.extend(rows)
    return array


@contextmanager
def address_space(nbytes, others=0):
    """Simulate an address space of `nbytes`, of which `others` bytes are in use."""
    assert GrowArray().limit != 0  # this line makes the module read the real size
    numpy = array_module._numpy
    before = numpy.space_nbytes, numpy.others_nbytes
    numpy.space_nbytes, numpy.others_nbytes = nbytes, others
    try:
        yield
    finally:
        numpy.space_nbytes, numpy.others_nbytes = before


def address(array):
    """Return the address of the first row."""
    return array.__array_interface__["data"][0]


def text(array):
    """Return a text that is equal for arrays of the same dtype, shape and values.

    In it NaN equals NaN, and 1 differs from 1.0.
    """
    array = np.asarray(array)
    return repr((array.dtype, array.shape, array.tolist()))


def assert_rows(array, expected):
    """Assert that an array has exactly these rows and that its buffer is valid."""
    assert text(array.array) == text(expected)
    assert len(array) == len(expected)
    assert array.shape == expected.shape
    assert check(array._buffer) is None


class Unchanged:
    """Assert that a `with` block leaves every byte of an array unchanged."""

    def __init__(self, array):
        self.array = array

    def __enter__(self):
        self.before = text(self.array), bytes(self.array._buffer), self.array.stable

    def __exit__(self, *exception):
        array = self.array
        assert (text(array), bytes(array._buffer), array.stable) == self.before
        assert check(array._buffer) is None


# ------------------------------------------------------------------- every dtype

PLAIN = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    st.just(np.dtype("longdouble")),
    hnp.complex_number_dtypes(endianness="?"),
    hnp.datetime64_dtypes(endianness="?"),
    hnp.timedelta64_dtypes(endianness="?"),
    hnp.byte_string_dtypes(endianness="?", max_len=6),
    hnp.unicode_string_dtypes(endianness="?", max_len=6),
)
DTYPES = st.one_of(
    PLAIN,
    hnp.array_dtypes(PLAIN, allow_subarrays=True),
    st.sampled_from([RECORD, PADDED, NESTED, np.dtype("V5")]),
)
ROW_SHAPES = hnp.array_shapes(min_dims=0, max_dims=2, max_side=3)


def some_rows(data, dtype, row_shape, least=0):
    """Draw an array of rows with valid values.

    An unstructured void item may be any bytes. A bool is 0 or 1. Text consists of valid
    characters.
    """
    nrows = data.draw(st.integers(least, 6))
    elements = None
    if dtype.kind == "V" and dtype.names is None:
        elements = st.binary(max_size=dtype.itemsize)
    return data.draw(hnp.arrays(dtype, (nrows, *row_shape), elements=elements))


def has_dates(dtype):
    """Return whether a dtype, or a field of it, is a date or a duration."""
    fields = [dtype[name].base for name in dtype.names or ()]
    return dtype.kind in "Mm" or any(map(has_dates, fields))


def as_python(row):
    """Return a row as Python objects, from which NumPy makes the same row.

    A row with dates or durations is returned as it is, because NumPy may turn a Python
    object for a distant date into another value.
    """
    return row if has_dates(row.dtype) else row.tolist()


@RESERVES
@QUICKLY
@given(st.data(), DTYPES, ROW_SHAPES)
def test_growth_any_dtype_under_views_keeps_views_valid(data, dtype, row_shape):
    array, model, views = GrowArray(dtype=dtype, row_shape=row_shape), [], []
    dtype, row_shape = array.dtype, array.row_shape  # of a subarray dtype's items
    for _ in range(data.draw(st.integers(1, 5))):
        rows = some_rows(data, dtype, row_shape)
        how = data.draw(st.sampled_from(["append", "python", "extend", "list", "iter"]))
        if how == "append":
            for row in rows:
                array.append(row)
        elif how == "python":
            for row in rows:
                array.append(as_python(row))
        elif how == "extend":
            array.extend(rows)
        elif how == "list":
            array.extend([as_python(row) for row in rows])
        else:
            array.extend(iter(rows))
        model.extend(rows)
        views.append((array.array, len(model)))
    expected = np.zeros((len(model), *row_shape), dtype)
    for i, row in enumerate(model):
        expected[i] = row
    assert_rows(array, expected)
    for view, length in views:
        assert text(view) == text(expected[:length])


@QUICKLY
@given(st.data(), DTYPES, ROW_SHAPES)
def test_growarray_any_dtype_round_trip_keeps_rows(data, dtype, row_shape):
    rows = some_rows(data, dtype.base, row_shape + dtype.shape)
    array = GrowArray(rows)
    assert_rows(array, rows)
    for twin in (pickle.loads(pickle.dumps(array, 4)), copy.copy(array), array.copy()):
        assert type(twin) is GrowArray and twin.stable == array.stable
        assert_rows(twin, rows)
    if rows.dtype.kind in "biufcSU":
        with memoryview(array) as ours, memoryview(rows) as theirs:
            assert (ours.format, ours.shape) == (theirs.format, theirs.shape)
            if rows.dtype.char not in "gG":  # GrowArray zeroes their padding
                assert ours.tobytes() == theirs.tobytes()
    assert address(np.asarray(array)) == address(array.array)
    assert np.asarray(array).dtype == rows.dtype
    assert text(array.detach()) == text(rows)
    assert array.shape == (0, *rows.shape[1:])


EDGES = {
    "b": [True, False],
    "i": [0, 1, -1, True, 127, -128, 128, -129, 2**15, 2**31 - 1, 2**31, -(2**31) - 1]
    + [2**62, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**63) - 1],
    "f": [0.0, -0.0, 1.5, float("nan"), float("-inf"), 1e38, 5e-324, True, 3, -7]
    + [2**53, 2**53 + 1, 2**63, 2**64 - 1],
    "S": [b"", b"a", b"abcd", b"abcde", b"a\0b"],
    "U": ["", "a", "abcd", "abcde", "\xe9\u20ac\U0001f600"],
}
EDGES["u"] = EDGES["i"]
EDGES["c"] = [*EDGES["f"], 1j, complex("nan-infj")]
QUICK_TYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
QUICK_TYPES += ["f4", "f8", "c8", "c16", "S4", "U4"]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", QUICK_TYPES)
def test_append_edge_values_matches_numpy(code, order):
    dtype = np.dtype(order + code)
    record = np.dtype([("pad", "u1"), ("field", dtype)], align=True)
    item, row = GrowArray(dtype=dtype), GrowArray(dtype=dtype, row_shape=2)
    field = GrowArray(dtype=record)
    for value in EDGES[dtype.kind]:
        expected = np.zeros(1, dtype)
        try:
            with np.errstate(all="ignore"):
                expected[0] = value
        except TOO_BIG:
            for array in (item, row, field):
                wanted = value if array is item else (1, value)
                # For an out-of-range field NumPy 1 warns, and warnings are errors here.
                error = OverflowError if array is item else TOO_BIG
                with Unchanged(array), pytest.raises(error):
                    array.append(wanted)
            continue
        with np.errstate(all="ignore"):
            item.append(value)
            row.append((value, value))
            field.append((1, value))
        wanted = repr(expected.tolist()[0])
        assert repr(item.tolist()[-1]) == wanted
        assert repr(row.tolist()[-1]) == f"[{wanted}, {wanted}]"
        assert repr(field["field"].tolist()[-1]) == wanted
    assert bytes(field._buffer)[1 : dtype.alignment] == bytes(dtype.alignment - 1)


UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "25s", "3D"]
DAYS = datetime.timedelta(days=100_000_000)  # NumPy's arithmetic overflows past this
MOMENTS = {
    "M": st.dates() | st.datetimes(),
    "m": st.timedeltas(-DAYS, DAYS),
}


def set_item(dtype, value):
    """Assign a value to an item of an ndarray; return its bytes, or the exception."""
    plain = np.zeros(1, dtype)
    try:
        plain[0] = value
    except (TypeError, ValueError, OverflowError) as error:
        return error
    return plain.tobytes()


@QUICKLY
@given(st.data(), st.sampled_from("Mm"), st.sampled_from(UNITS), st.sampled_from("<>"))
def test_append_dates_and_durations_matches_ndarray_assignment(data, kind, unit, order):
    array = GrowArray(dtype=f"{order}{kind}8[{unit}]")
    value = data.draw(MOMENTS[kind])
    expected = set_item(array.dtype, value)
    if isinstance(expected, Exception):
        with Unchanged(array), pytest.raises(type(expected)):
            array.append(value)
    else:
        array.append(value)
        array.extend([value, array[0]])
        assert array.tobytes() == 3 * expected


def test_append_date_with_time_zone_matches_ndarray_assignment():
    moment = datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.UTC)
    array = GrowArray(dtype="M8[s]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array.append(moment)
    assert array[0] == np.datetime64("2020-01-02T03")


@QUICKLY
@given(st.data())
def test_append_numpy_scalar_follows_same_kind_casting(data):
    """Test scalars of any type with any dtype; an out-of-range integer is an error."""
    source, target = data.draw(PLAIN), data.draw(PLAIN)
    if source.kind in "SU" or target.kind in "SU":
        source = target = data.draw(st.sampled_from([source, target]))
    scalar = data.draw(hnp.from_dtype(source)) if source.char != "g" else None
    if scalar is None:
        scalar = np.longdouble(data.draw(st.floats(allow_nan=False)))
    scalar = np.asarray(scalar).astype(source.newbyteorder("="))[()]
    array = GrowArray(dtype=target)
    array.resize(1)
    with np.errstate(all="ignore"):
        if not np.can_cast(scalar.dtype, target, "same_kind"):
            expected = TypeError()
        elif target.kind in "iu" and not (
            np.iinfo(target).min <= int(scalar) <= np.iinfo(target).max
        ):
            expected = OverflowError()
        else:
            expected = set_item(target, scalar)
        for call in (
            lambda: array.append(scalar),
            lambda: array.extend([scalar]),
            lambda: array.insert(1, scalar),
        ):
            if isinstance(expected, Exception):
                with Unchanged(array), pytest.raises(type(expected)):
                    call()
            else:
                call()
    if not isinstance(expected, Exception):
        rows = array.array[1:]
        assert text(rows) == text(np.frombuffer(3 * expected, target))


@pytest.mark.parametrize("dtype", [object, "O", [("a", "f8"), ("b", "O")]], ids=str)
def test_growarray_object_dtype_raises_type_error(dtype):
    with pytest.raises(TypeError, match="cannot hold"):
        GrowArray(dtype=dtype)
    with pytest.raises(TypeError, match="cannot hold"):
        GrowArray.from_buffer(GrowBuffer(), dtype)


@pytest.mark.skipif(not NUMPY_2, reason="NumPy 1 has no StringDType")
def test_growarray_string_dtype_raises_type_error():
    with pytest.raises(TypeError, match="cannot hold"):
        GrowArray(dtype=np.dtypes.StringDType())
    with pytest.raises(TypeError, match="cannot hold"):
        GrowArray(np.array(["a"], np.dtypes.StringDType()))


def test_growarray_zero_size_items_raises_value_error():
    for dtype in ("S", "U", "V0"):
        with pytest.raises(ValueError, match="length"):
            GrowArray(dtype=dtype)
    for row_shape in (0, (2, 0), -1):
        with pytest.raises(ValueError, match="row_shape .* 1 or more"):
            GrowArray(row_shape=row_shape)


# -------------------------------------------------------------------- construction


def test_growarray_array_like_data_holds_same_rows():
    assert_rows(GrowArray(), np.zeros(0))
    assert_rows(GrowArray([1, 2]), np.array([1, 2]))
    assert_rows(GrowArray([1, 2], dtype="f4"), np.array([1, 2], "f4"))
    assert_rows(GrowArray(range(3)), np.arange(3))
    assert_rows(GrowArray(["a", "bcd"]), np.array(["a", "bcd"]))
    assert_rows(GrowArray(["a", "bcd"], dtype="U"), np.array(["a", "bcd"]))
    assert_rows(GrowArray([[1, 2], [3, 4]]), np.array([[1, 2], [3, 4]]))
    assert_rows(GrowArray([1, 2], row_shape=3), np.array([[1] * 3, [2] * 3]))
    assert_rows(GrowArray(x / 2 for x in range(3)), np.array([0, 0.5, 1]))
    assert_rows(GrowArray({1: 2}.values(), dtype="i2"), np.array([2], "i2"))
    assert_rows(GrowArray([(1, 2, 1, "n")], dtype=RECORD), GrowArray(RECORD_ROWS[:1]))
    assert_rows(GrowArray(bytearray(b"ab")), np.array([97, 98], "u1"))
    assert_rows(GrowArray(dtype=("f4", 2), row_shape=3), np.zeros((0, 3, 2), "f4"))
    pairs = np.dtype(("f4", 2))
    assert_rows(GrowArray([1, 2], dtype=pairs), np.array([1, 2], pairs))
    assert_rows(GrowArray(GrowArray([1.5])), np.array([1.5]))


RECORD_ROWS = np.array([(1, 2, True, "n"), (0.5, -1, False, "maxi")], RECORD)


def test_growarray_scalar_data_raises_type_error():
    for data in (3, "text", np.float64(1)):
        with pytest.raises(TypeError, match="item|iterable"):
            GrowArray(data)
        with pytest.raises(TypeError, match="item|iterable"):
            GrowArray(data, row_shape=())


def test_from_buffer_change_of_either_shows_in_both():
    buffer = GrowBuffer(np.arange(3.0).tobytes())
    array = GrowArray.from_buffer(buffer, "f8")
    assert array.buffer is buffer and not array.stable and array.limit is None
    assert address(array.array) == address(np.frombuffer(buffer, "u1"))
    array.append(3)
    assert len(buffer) == 32
    assert array[3] == 3  # no view remains, which would refuse the next line
    del buffer[:8]
    buffer += np.float64(4).tobytes()
    assert array.tolist() == [1, 2, 3, 4]


def test_from_buffer_exported_buffer_refuses_append():
    buffer = GrowBuffer(16)
    with memoryview(buffer):
        array = GrowArray.from_buffer(buffer, "f8")
        array[:] = 7
        with Unchanged(array), pytest.raises(BufferError):
            array.append(1)
    array.append(1)
    assert array.tolist() == [7, 7, 1]


def test_from_buffer_partial_row_raises_value_error():
    with pytest.raises(ValueError, match="not a multiple of the row size"):
        GrowArray.from_buffer(GrowBuffer(17), "f8")
    with pytest.raises(ValueError, match="not a multiple of the row size"):
        GrowArray.from_buffer(GrowBuffer(24), "f8", 2)
    for other in (bytearray(16), b"", np.zeros(2)):
        with pytest.raises(TypeError, match="needs a GrowBuffer"):
            GrowArray.from_buffer(other, "f8")
    array = GrowArray([1.0])
    array.buffer.append(0)
    for call in (lambda: array.append(1), lambda: array.extend([1, 2])):
        with Unbroken(array.buffer), pytest.raises(ValueError, match="9 bytes"):
            call()
    for call in (
        lambda: array.array,
        lambda: array[0],
        lambda: array + 1,
        lambda: array.insert(0, 1),
        lambda: array.pop(),
        lambda: array.detach(),
        lambda: array.__delitem__(0),
        lambda: array.__delitem__(slice(0, 1)),
        lambda: array.__delitem__([0]),
    ):
        with Unbroken(array.buffer), pytest.raises(ValueError, match="9 bytes"):
            call()
    array.buffer.pop()
    array.append(2)
    assert array.tolist() == [1, 2]


class Unbroken:
    """Assert that a `with` block leaves the bytes of a buffer unchanged."""

    def __init__(self, buffer):
        self.buffer = buffer

    def __enter__(self):
        self.before = bytes(self.buffer)

    def __exit__(self, *exception):
        assert bytes(self.buffer) == self.before and check(self.buffer) is None


# --------------------------------------------------------- views and address space


@RESERVES
def test_extend_under_views_keeps_address():
    array = GrowArray(np.arange(1000))
    assert array.stable
    view, part = array.array, array[10:20]
    first = address(view)
    array.extend(np.arange(1_000_000))
    assert address(array.array) == first == address(view)
    view[15] = -1
    assert array[15] == part[5] == -1
    assert len(view) == 1000


@pytest.fixture
def busy_threads():
    """Make the interpreter switch threads often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def counts_up(view, length):
    """Return whether a view has `length` rows, and the value of its last rows is their
    index.

    Only the last rows can be wrong: they may not have been written yet.
    """
    last = range(max(length - 100, 0), length)
    return len(view) == length and view[last.start :].tolist() == list(last)


def read_views(array):
    """Check new views and older ones; return those with wrong rows."""
    held, wrong = [], []
    for _ in range(300):
        view = array.array
        held = [*held[-4:], (view, len(view))]
        wrong += [each for each in held if not counts_up(*each)]
    return wrong


@RESERVES
@pytest.mark.parametrize("nrows", [1, 7, 100_000])
def test_append_while_threads_read_views_shows_right_rows(nrows, busy_threads):
    """Add one row at a time, or blocks; the largest takes long to copy."""
    array, most = GrowArray(), 30 * max(nrows, 1000)
    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read_views, array) for _ in range(2)]
        while len(array) < most and not all(reader.done() for reader in readers):
            first = len(array)
            if nrows == 1:
                array.append(float(first))
            else:
                array.extend(np.arange(first, first + nrows, dtype=float))
    assert [reader.result() for reader in readers] == [[], []]
    assert np.array_equal(array.array, np.arange(len(array)))


def test_append_from_several_threads_keeps_rows_whole(busy_threads):
    array, each, nthreads = GrowArray(row_shape=2), 1000, 4

    def work(number):
        for i in range(each):
            array.append((number, i))
            array.extend(np.array([(number, -i)], float))

    with ThreadPoolExecutor(nthreads) as pool:
        list(pool.map(work, range(nthreads)))
    assert len(array) == 2 * each * nthreads
    for number in range(nthreads):
        own = array[array[:, 0] == number, 1]
        assert np.array_equal(own[0::2], np.arange(each))
        assert np.array_equal(own[1::2], -np.arange(each))


def pairs(numbers):
    """Return rows (n, -n), so that a row that is not whole can be seen."""
    numbers = np.asarray(numbers, float)
    return np.column_stack((numbers, -numbers))


LARGE = pairs(np.arange(1 << 16))  # 1 MiB
THREAD_CALLS = {  # and by how many rows the length changes
    "append": (lambda a: a.append((7, -7)), 1),
    "extend by 1 MiB": (lambda a: a.extend(LARGE), len(LARGE)),
    "extend by a list": (lambda a: a.extend([(1, -1), (2, -2)]), 2),
    "insert": (lambda a: a.insert(5, (8, -8)), 1),
    "pop": (lambda a: a.pop(), -1),
    "pop the first": (lambda a: a.pop(0), -1),
    "del": (lambda a: operator.delitem(a, slice(3, 9)), -6),
    "del from the front": (lambda a: operator.delitem(a, slice(None, 50)), -50),
}


def repeat_call(array, name):
    """Make a call of THREAD_CALLS again and again. Return by how many rows the length
    changed. A call that is refused, because another thread has a view, changes nothing.
    """
    call, change = THREAD_CALLS[name]
    done = 0
    for _ in range(12 if abs(change) > 1000 else 300):
        try:
            call(array)
        except BufferError as error:
            assert "is held" in str(error)
        else:
            done += change
    return done


@pytest.mark.parametrize("nreaders", [0, 2])
def test_changes_by_threads_keep_rows_whole_and_counted(nreaders, busy_threads):
    """Each call is atomic, but other threads may shift the rows before it: an index
    then names another row. No row of a view changes."""
    array = GrowArray(pairs(np.arange(20_000)))
    before, done = len(array), threading.Event()

    def read():
        nbroken = 0
        while not done.is_set():
            for view in (array.array, array[-100:], array[:100]):
                nbroken += np.count_nonzero(view[:, 0] != -view[:, 1])
            del view
        return nbroken

    with ThreadPoolExecutor(len(THREAD_CALLS) + nreaders) as pool:
        readers = [pool.submit(read) for _ in range(nreaders)]
        calls = [pool.submit(repeat_call, array, name) for name in THREAD_CALLS]
        changes = {
            name: call.exception() or call.result()
            for name, call in zip(THREAD_CALLS, calls, strict=True)
        }
        done.set()
    assert [reader.result() for reader in readers] == [0] * nreaders
    if array.stable or not nreaders:  # else views refuse them
        assert changes["append"] == 300
        assert changes["extend by 1 MiB"] == 12 * len(LARGE)
    assert nreaders or changes["del"] == -1800
    assert len(array) == before + sum(changes.values())
    assert not np.count_nonzero(array[:, 0] != -array[:, 1])


FRONT_REMOVALS = [
    lambda a: a.pop(0),
    lambda a: a.clear(),
    lambda a: operator.delitem(a, 0),
    lambda a: a.detach(),
]
OTHER_REMOVALS = [
    lambda a: a.pop(),
    lambda a: a.trim(),
    lambda a: a.resize(1),
    lambda a: a.insert(0, 1),
    lambda a: operator.delitem(a, slice(1, None, 2)),
    lambda a: operator.delitem(a, [0, 2]),
]


@RESERVES
@pytest.mark.parametrize("remove", FRONT_REMOVALS)
def test_front_removal_under_view_leaves_view_unchanged(remove):
    array = GrowArray([1.0, 2, 3])
    held, part, exported = array.array, array[1:], memoryview(array)
    remove(array)
    left = len(array)
    array.extend([7, 8])
    assert held.tolist() == exported.tolist() == [1, 2, 3]
    assert part.tolist() == [2, 3] and array.tolist()[left:] == [7, 8]


def made_unstable(rows):
    return unstable("f8", (), rows)


@pytest.mark.parametrize(
    ("make", "shrink"),
    [(GrowArray, call) for call in OTHER_REMOVALS]
    + [(made_unstable, call) for call in FRONT_REMOVALS + OTHER_REMOVALS],
)
def test_row_moving_call_under_view_raises_error_with_hint(make, shrink):
    array = make([1.0, 2, 3])
    for look in (lambda: array.array, lambda: array[1:], iter, memoryview):
        held = look() if look not in (iter, memoryview) else look(array)
        is_buffer = look is memoryview
        hint = (
            r"a memoryview .* release\(\)" if is_buffer else r"an ndarray .* \.copy\(\)"
        )
        with Unchanged(array), pytest.raises(BufferError, match=hint):
            shrink(array)
        if is_buffer:
            held.release()
    del held
    shrink(array)


def test_from_buffer_under_buffer_view_error_names_view():
    buffer = GrowBuffer(16)
    array = GrowArray.from_buffer(buffer, "f8")
    with memoryview(buffer):
        for call in (array.pop, lambda: array.append(1)):
            with (
                Unchanged(array),
                pytest.raises(BufferError, match="array or of its buffer is held"),
            ):
                call()
    with buffer.spare(8), pytest.raises(BufferError, match="commit"):
        array.append(1)


def test_delitem_with_slice_copy_held_succeeds():
    array = GrowArray([1.0, 2, 3])
    kept = array[1:].copy()
    del array[0]
    assert kept.tolist() == array.tolist() == [2, 3]


def test_growth_unstable_array_under_view_raises_buffer_error():
    array = unstable(rows=[1.0, 2.0])
    assert not array.stable and array.limit is None
    for grow in (lambda: array.append(3), lambda: array.extend(np.ones(2))):
        assert array[0] == 1  # the array keeps an internal view, which is allowed
        grow()
        view = array[:1]
        with Unchanged(array), pytest.raises(BufferError, match="not stable.*ndarray"):
            grow()
        del view
        with memoryview(array), Unchanged(array), pytest.raises(BufferError):
            grow()
        with memoryview(array), Unchanged(array), pytest.raises(BufferError):
            array.extend(iter([1]))
    assert array.tolist() == [1, 2, 3, 1, 1]


@RESERVES
def test_growarray_three_thousand_arrays_coexist():
    gc.collect()  # a later collection would free address space
    arrays = [GrowArray([i]) for i in range(3000)]
    limits = [array.limit or 0 for array in arrays]
    assert limits == sorted(limits, reverse=True)
    if array_module._numpy.space_nbytes == 1 << 47:
        assert all(array.stable for array in arrays)
    assert GrowBuffer(limit=1 << 30).limit == 1 << 30  # address space remains
    assert [array[0] for array in arrays] == list(range(3000))


def largest_limit():
    """Return the largest limit that the processor's addresses allow a stable array."""
    limit = 1 << 40
    while True:
        try:
            return GrowBuffer(limit=limit).limit
        except MemoryError:
            limit >>= 2


def test_limit_less_free_address_space_is_smaller():
    assert GrowArray().limit != 0
    used = array_module._numpy.others_nbytes + growbuf.stats()["reserved_bytes"]
    assert used > 0 or not GrowArray().stable
    limits = []
    for share in (0.2, 0.4, 0.55, 0.7, 0.85, 0.94, 0.96):
        with address_space(1 << 47, others=int(share * (1 << 47))):
            limits.append(GrowArray(dtype="u1").limit)
    if HAS_PAGES:
        most = largest_limit()
        assert limits == [min(1 << n, most) for n in (40, 38, 36, 34, 32, 30)] + [None]
    else:
        assert limits == [None] * 7


def test_array_first_view_reserves_address_space():
    growbuf.trim()  # a new array takes a reservation that the pool has kept
    array = GrowArray(np.arange(100.0))
    array.append(1)
    before = growbuf.stats()["reserved_bytes"]
    assert place(array._buffer)[0] == "heap"
    assert array.pop() == 1 and len(array) == 100
    assert growbuf.stats()["reserved_bytes"] == before
    view = array.array
    assert (growbuf.stats()["reserved_bytes"] > before) is array.stable is HAS_PAGES
    assert view.tolist() == list(range(100))


@RESERVES
def test_growarray_new_takes_a_kept_reservation():
    """The new array has the memory of a deallocated one, and none of its rows. The pool
    keeps few reservations, so most small arrays are on the heap."""
    growbuf.trim()
    assert GrowArray(np.full(1000, 7.0)).array.sum() == 7000
    array = GrowArray()
    assert place(array._buffer)[0] == "limited" and len(array) == 0
    array.append(1)
    array.resize(500)
    assert array.array[:2].tolist() == [1, 0] and array.sum() == 1
    assert place(GrowArray()._buffer)[0] != "limited"  # there is no other
    del array


def test_array_views_of_one_length_share_memory():
    """The first view is of the buffer. The array keeps an internal view, of which the
    next ones are views."""
    array = GrowArray([[1, 2], [3, 4]])
    views = [array.array for _ in range(3)] + [array[:]]
    array[0] = 5, 6
    assert all(view.tolist() == [[5, 6], [3, 4]] for view in views)
    assert len({id(view) for view in views}) == 4
    with pytest.raises(BufferError):
        array.pop()
    del views
    array.clear()
    assert array.array.shape == (0, 2)


def test_growarray_small_uses_at_most_1_5_times_array_array_memory():
    """Small arrays must not reserve address space either.

    The number of mappings of a process is limited.
    """

    def ours():
        rows = GrowArray()
        for number in range(10):
            rows.append(number)
        return rows

    def theirs():
        numbers = array_array.array("d")
        for number in range(10):
            numbers.append(number)
        return numbers

    growbuf.trim()
    before, taken = growbuf.stats()["reserved_bytes"], {}
    for make in (ours, theirs):
        tracemalloc.start()
        kept = [make() for _ in range(1000)]
        taken[make] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(kept) == 1000
    assert taken[ours] <= 1.5 * taken[theirs]
    assert growbuf.stats()["reserved_bytes"] == before


LIVE_ARRAYS = """
import array, os, growbuf
from growbuf import GrowArray
GrowArray().limit

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

def nmappings():
    with open("/proc/self/maps") as file:
        return sum(1 for line in file)

def make():
    rows = {make}
    for number in range(10):
        rows.append(number)
    return rows

make()
growbuf.trim()
memory, mappings = resident(), nmappings()
kept = [make() for _ in range(10_000)]
memory = resident() - memory
{views}
print(memory, nmappings() - mappings)
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")
def test_ten_thousand_arrays_of_ten_rows_take_little_memory_and_few_mappings():
    def measure(make, views="pass"):
        code = LIVE_ARRAYS.replace("{make}", make).replace("{views}", views)
        return map(int, run(code).split())

    ours, few = measure("GrowArray()")
    theirs, _ = measure("array.array('d')")
    assert ours <= 1.5 * theirs and few < 100
    _, many = measure("GrowArray()", "views = [rows.array for rows in kept]")
    limit = int(Path("/proc/sys/vm/max_map_count").read_text())
    assert many <= limit / 2


@RESERVES
def test_growarray_without_address_space_is_unstable():
    assert GrowArray().stable
    with address_space(0):
        array = GrowArray([1.0])
        assert array.stable is False and array.limit is None
    array.extend(np.zeros(100_000))
    assert len(array) == 100_001 and not array.stable


@RESERVES
def test_limit_large_array_is_at_least_twice_length_or_none():
    growbuf.trim()
    array = GrowArray(dtype="u1")
    with address_space(1 << 47, others=int(0.94 * (1 << 47))):
        array.resize(1 << 29)
        assert array.limit == 1 << 30
        array = GrowArray(dtype="u1")
        array.resize((1 << 29) + 1)
        assert array.limit is None


@pytest.mark.parametrize(
    ("call", "name", "least"),
    [
        (lambda n: GrowArray(limit=n), "limit", 1),
        (lambda n: GrowArray().resize(n), "nrows", 0),
        (lambda n: GrowArray().reserve(n), "nrows", 0),
    ],
)
def test_row_count_invalid_error_names_argument(call, name, least):
    with pytest.raises(ValueError, match=f"^{name} .* {least} or more, got -3$"):
        call(-3)
    with pytest.raises(TypeError, match=f"^{name} must be an integer, got str$"):
        call("3")


@pytest.mark.parametrize("name", ["resize", "reserve", "spare"])
@pytest.mark.parametrize("maxlen", [None, 1 << 58])
def test_rows_without_limit_and_memory_error_states_rows(name, maxlen):
    with address_space(0):
        array = GrowArray([1.0, 2.0], maxlen=maxlen)
        assert not array.stable
    wanted = 1 << 58
    more = wanted if name == "spare" else wanted - 2
    message = f"^there is no memory for {more} more rows of 8 bytes$"
    with Unchanged(array), pytest.raises(MemoryError, match=message):
        getattr(array, name)(wanted)


@pytest.mark.parametrize("name", ["resize", "reserve", "spare"])
def test_small_array_without_memory_error_states_rows(name):
    growbuf.trim()  # else the array may reuse a reservation, and so have a limit
    array = GrowArray()
    message = f"^there is no memory for {1 << 58} more rows of 8 bytes$"
    with pytest.raises(MemoryError, match=message):  # Unchanged() would make a view
        getattr(array, name)(1 << 58)
    assert len(array) == 0


@pytest.mark.parametrize("number", [sys.maxsize // 8 + 1, 1 << 60, 1 << 100])
def test_row_count_beyond_any_array_raises_same_error_as_smaller_one(number):
    array = GrowArray([1.0, 2.0])
    for name in ("resize", "reserve", "spare"):
        with Unchanged(array), pytest.raises(MemoryError):
            getattr(array, name)(number)
    with (
        Unchanged(array),
        pytest.raises(
            ValueError, match=f"^cannot detach {number} rows: the array has 2$"
        ),
    ):
        array.detach(number)
    spare = array.spare(3)
    with pytest.raises(
        ValueError, match=rf"^cannot commit {number} rows: spare\(\) returned 3$"
    ):
        array.commit(number)
    del spare
    assert array.readfrom(io.BytesIO(bytes(8)), number) == 1
    with pytest.raises(MemoryError, match=f"limit={number} rows"):
        GrowArray(limit=number)


@pytest.mark.parametrize("number", [sys.maxsize // 8 + 1, 1 << 60, 1 << 100])
def test_maxlen_beyond_any_array_keeps_all_rows(number):
    array = GrowArray([1.0, 2.0], maxlen=number)
    array.append(3)
    assert array.array.tolist() == [1, 2, 3] and array.maxlen == sys.maxsize // 8
    array = GrowArray(maxlen=5)
    array.reserve(number)
    with pytest.raises(
        ValueError, match=f"^cannot resize to {number} rows: maxlen is 5$"
    ):
        array.resize(number)


@RESERVES
@pytest.mark.parametrize("name", ["resize", "reserve", "spare"])
def test_growth_that_fails_leaves_small_array_stable(name):
    array = GrowArray([1.0])
    for number in (1 << 50, 1 << 60):
        with pytest.raises(MemoryError):
            getattr(array, name)(number)
    assert array.stable


@RESERVES
def test_growth_past_limit_error_states_rows():
    array = GrowArray(row_shape=2, limit=3)
    array.resize(3)
    for call in (
        lambda: array.append((1, 2)),
        lambda: array.extend([(1, 2)]),
        lambda: array.extend(np.ones((1, 2))),
        lambda: array.insert(0, (1, 2)),
        lambda: array.resize(4),
        lambda: array.reserve(4),
    ):
        with Unchanged(array), pytest.raises(MemoryError, match="limit of 3 rows: "):
            call()
    array = GrowArray(dtype="u1")
    many = array.limit + 1
    with Unchanged(array), pytest.raises(MemoryError, match=f"of {many - 1} rows"):
        array.resize(many)
    with pytest.raises(MemoryError, match=f"limit={1 << 57} rows: try a smaller one"):
        GrowArray(limit=1 << 57)


@pytest.mark.parametrize("row_shape", [2.0, "2", (2, 2.5), {}, [None]])
def test_growarray_invalid_row_shape_error_names_argument(row_shape):
    if row_shape == {}:
        row_shape = {1.5}
    with pytest.raises(
        TypeError, match="^row_shape must be an integer or a tuple of int"
    ):
        GrowArray(row_shape=row_shape)


def test_growarray_oversized_row_raises_value_error():
    with pytest.raises(ValueError, match=r"^rows of dtype.* \(4611686018427387904,\)"):
        GrowArray(row_shape=1 << 62)


def test_growarray_and_extend_scalar_error_suggests_alternative():
    with pytest.raises(TypeError, match=r"got one item: 2.5; give it as \[2.5\]"):
        GrowArray(2.5)
    with pytest.raises(TypeError, match=r"got one item: 2.5; append\(\) takes it"):
        GrowArray().extend(2.5)


def test_growarray_subscripted_class_creates_array():
    named = GrowArray[np.float64]
    assert (named.__origin__, named.__args__) == (GrowArray, (np.float64,))
    assert type(named([1.5])) is GrowArray


@RESERVES
def test_limit_given_counts_rows():
    array = GrowArray(dtype="i4", row_shape=3, limit=2)
    assert (array.limit, array.capacity, array.stable) == (2, 2, True)
    array.append((1, 2, 3))
    for call in (
        lambda: array.extend([(1, 2, 3)] * 2),
        lambda: array.extend(np.zeros((2, 3), "i4")),
        lambda: array.extend(iter([(1, 2, 3)] * 2)),
        lambda: array.resize(3),
        lambda: array.reserve(3),
    ):
        with Unchanged(array), pytest.raises(MemoryError):
            call()
    array.append((4, 5, 6))
    with Unchanged(array), pytest.raises(MemoryError):
        array.append((7, 8, 9))
    with Unchanged(array), pytest.raises(MemoryError):
        array.insert(0, (7, 8, 9))
    for limit in (0, -1):
        with pytest.raises(ValueError, match="limit"):
            GrowArray(limit=limit)
    with pytest.raises(MemoryError):
        GrowArray(limit=1 << 59)


def test_reserve_row_count_sets_capacity_in_rows():
    array = unstable("i2", 3)
    array.reserve(1000)
    assert 1000 <= array.capacity < 1500
    for call in (array.reserve, array.resize):
        with Unchanged(array), pytest.raises(ValueError, match="0 or more"):
            call(-1)


def test_delitem_front_rows_copies_no_bytes():
    array = GrowArray(np.arange(1 << 20))
    before = growbuf.stats()["copied_bytes"]
    for _ in range(500):
        del array[:1000]
    assert growbuf.stats()["copied_bytes"] == before
    assert array[0] == 500_000 and len(array) == (1 << 20) - 500_000


@RESERVES
def test_detach_large_array_moves_pages():
    array = GrowArray(np.arange(4 << 20).reshape(-1, 4))
    before = growbuf.stats()["copied_bytes"]
    taken = array.detach()
    if growbuf.info()["strategy"] in ("retain", "dontunmap"):
        assert growbuf.stats()["copied_bytes"] - before <= 2 << 20
    assert taken.shape == (1 << 20, 4) and taken[-1, -1] == (4 << 20) - 1
    array.append(7)
    assert array.tolist() == [[7] * 4] and taken[0, 1] == 1
    assert array.stable


@pytest.mark.parametrize("length", [10, 400_000])
@pytest.mark.parametrize("viewed", [False, True])
@pytest.mark.parametrize("share", [0, 0.3, 0.9, 1])
def test_detach_first_rows_leaves_the_others(share, viewed, length):
    if viewed and growbuf.info()["strategy"] == "heap":
        pytest.skip("this system has no pages")
    rows = np.arange(2.0 * length).reshape(-1, 2)
    array, nrows = GrowArray(rows), int(share * length)
    view = array.array if viewed else None
    taken = array.detach(nrows)
    assert type(taken) is np.ndarray and taken.tolist() == rows[:nrows].tolist()
    assert array.tolist() == rows[nrows:].tolist()
    taken[:] = -1
    array.append([1, 2])
    assert array.tolist() == [*rows[nrows:].tolist(), [1, 2]]
    assert view is None or view.tolist() == rows.tolist()
    assert check(array._buffer) is None


def test_detach_of_wrong_number_of_rows_raises():
    array = GrowArray([1.0, 2.0])
    with pytest.raises(ValueError, match="cannot detach 3 rows: the array has 2"):
        array.detach(3)
    with pytest.raises(ValueError, match="0 or more"):
        array.detach(-1)
    with pytest.raises(TypeError):
        array.detach("1")
    with pytest.raises(TypeError):
        array.detach(1, 2)
    assert array.tolist() == [1, 2]
    assert array.detach(None).tolist() == [1, 2]


# Code that imports GrowArray while NumPy's C API seems to have an unknown ABI. Then
# np.frombuffer() makes the views.
UNKNOWN_ABI = """
import ctypes
import numpy as np
try:
    from numpy._core import _multiarray_umath as module
except ImportError:
    from numpy.core import _multiarray_umath as module
new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
version = ctypes.CFUNCTYPE(ctypes.c_uint)(lambda: 3)
table = (ctypes.c_void_p * 300)()
table[0] = ctypes.cast(version, ctypes.c_void_p)
before = module._ARRAY_API
module._ARRAY_API = new_capsule(ctypes.addressof(table), None, None)
from growbuf import GrowArray, GrowBuffer
module._ARRAY_API = before
"""

DETACH_FAILS = """
import numpy as np
real, failing = np.frombuffer, []
def frombuffer(*args):
    if failing:
        raise MemoryError
    return real(*args)
np.frombuffer = frombuffer
{unknown_abi}
from growbuf._growbuf import check

array = {make}
array.extend(np.arange({length}).astype("u1"))
view = array.array[:] if {viewed} else None
before, limit = bytes(array._buffer), array._buffer.limit
failing.append(True)
try:
    array.detach({nrows})
    print("detached")
except MemoryError:
    failing.clear()
assert check(array._buffer) is None
assert bytes(array._buffer) == before and array._buffer.limit == limit
assert view is None or bytes(view) == before
del view
assert bytes(array.detach()) == before and len(array) == 0
array.append(1)
print(len(array))
"""


@RESERVES
@pytest.mark.parametrize(
    "make, length, viewed",
    [
        ("GrowArray(dtype='u1', limit=1000)", 800, True),
        ("GrowArray(dtype='u1', limit=1000)", 800, False),
        ("GrowArray(dtype='u1', limit=4 << 20)", 3 << 20, True),
        ("GrowArray(dtype='u1', limit=4 << 20)", 3 << 20, False),
        ("GrowArray.from_buffer(GrowBuffer(), 'u1')", 800, False),
        ("GrowArray.from_buffer(GrowBuffer(), 'u1')", 3 << 20, False),
    ],
)
@pytest.mark.parametrize("part", [0.5, 1])
def test_detach_result_cannot_be_made_leaves_rows_in_array(make, length, viewed, part):
    code = DETACH_FAILS.format(
        make=make,
        length=length,
        viewed=viewed,
        nrows=int(length * part),
        unknown_abi=UNKNOWN_ABI,
    )
    assert run(code) == "1\n"


DETACH_FAILS_TWICE = """
import resource
import numpy as np
real = np.frombuffer
def frombuffer(*args):
    if len(args[0]) == {nrows}:
        resource.setrlimit(resource.RLIMIT_AS, (0, -1))
        raise MemoryError
    return real(*args)
np.frombuffer = frombuffer
{unknown_abi}
from growbuf._growbuf import check

array = GrowArray.from_buffer(GrowBuffer(), "u1")
array.extend(np.arange({length}).astype("u1"))
before = bytes(array.buffer)
try:
    array.detach({nrows})
except MemoryError:
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
assert check(array.buffer) is None and bytes(array.buffer) == before
print(len(array))
"""


@RESERVES
@pytest.mark.skipif(sys.platform != "linux", reason="sets RLIMIT_AS")
def test_detach_result_cannot_be_made_and_memory_runs_out_leaves_rows_in_array():
    """There is memory for the rows that stay, but not for those that were moved."""
    length, rest = (5 << 20) + 77_777, 1000
    code = DETACH_FAILS_TWICE.format(
        length=length, nrows=length - rest, unknown_abi=UNKNOWN_ABI
    )
    assert run(code) == f"{length}\n"


# ------------------------------------------------------------------- invalid input

BAD_ROWS = [
    ("i8", (), 1.5, TypeError, "same_kind"),
    ("i8", (), "1", TypeError, "same_kind"),
    ("i8", (), 1j, TypeError, "same_kind"),
    ("i8", (), None, TypeError, None),
    ("i8", (), np.float64(1), TypeError, "same_kind"),
    ("i1", (), 128, OverflowError, "out of bounds for int8"),
    ("u1", (), -1, OverflowError, "out of bounds for uint8"),
    ("u8", (), 1 << 64, OverflowError, "out of bounds for uint64"),
    ("i8", (), -(1 << 70), OverflowError, "out of bounds for int64"),
    ("u1", (), np.int64(-1), TypeError, "same_kind"),
    ("?", (), 1, TypeError, "same_kind"),
    ("f8", (), 1j, TypeError, "same_kind"),
    ("f8", (), "1.5", TypeError, "same_kind"),
    ("f8", (), [1, 2], ValueError, "broadcast"),
    ("f8", 3, [1, 2], ValueError, "broadcast"),
    ("f8", 3, np.zeros((2, 3)), ValueError, "broadcast"),
    ("f8", 3, (1, "x", 3), TypeError, "same_kind"),
    ("f8", 2, [1, [2, 3]], ValueError, None),
    ("M8[D]", (), "no date", ValueError, None),
    ("M8[D]", (), 1.5, TypeError, "same_kind"),
    (RECORD, (), (1, 2, 3), ValueError, None),
    (RECORD, (), (1, "x", True, ""), ValueError, None),
]


@pytest.mark.parametrize("dtype, row_shape, bad, error, words", BAD_ROWS, ids=str)
def test_append_invalid_row_leaves_array_unchanged(dtype, row_shape, bad, error, words):
    array = GrowArray(dtype=dtype, row_shape=row_shape)
    array.resize(2)
    good = array[0].copy()
    several = [good, bad]
    calls = [
        lambda: array.append(bad),
        lambda: array.extend(iter([good, good, bad])),
        lambda: array.insert(0, bad),
    ]
    if words == "broadcast" and np.ndim(bad) > array.ndim - 1:
        calls.pop()  # insert() takes several rows
    for call in calls:
        with Unchanged(array), pytest.raises(error, match=words):
            call()
    with Unchanged(array), pytest.raises((TypeError, ValueError, OverflowError)):
        array.extend(several)
    array.append(good)
    assert len(array) == 3


class Index5:
    """An integer-like object with only an __index__ method."""

    def __index__(self):
        return 5


DAY = datetime.date(2020, 1, 2)
DAY_S = np.datetime64("2020-01-02", "s")
WAYS_IN = {
    "append": lambda array, value: array.append(value),
    "insert": lambda array, value: array.insert(0, value),
    "extend a list": lambda array, value: array.extend([value]),
    "extend a tuple": lambda array, value: array.extend((value,)),
    "extend an iterator": lambda array, value: array.extend(iter([value])),
    "extend by a deque": lambda array, value: array.extend(deque([value])),
    "new": lambda array, value: array.extend(GrowArray([value], dtype=array.dtype)),
}
# (dtype, value, the result or error of ndarray[i] = value with casting same_kind)
ONE_RULE = [
    ("i4", np.int64(2**40), OverflowError),
    ("i4", np.int64(7), 7),
    ("i8", np.uint64(2**63), OverflowError),
    ("i8", np.uint64(7), 7),
    ("u1", np.int64(7), TypeError),
    ("u1", np.uint16(300), OverflowError),
    ("u1", np.array(7, "u1"), 7),
    ("u1", 7, 7),
    ("i8", np.array(1.9), TypeError),
    ("i8", np.float64(1.9), TypeError),
    ("i8", 1.9, TypeError),
    ("i8", np.ma.masked, TypeError),
    ("i8", Index5(), 5),
    ("u1", Index5(), 5),
    ("f8", Index5(), 5.0),
    ("i8", Decimal(5), TypeError),
    ("f8", Decimal("1.5"), 1.5),
    ("c16", Decimal("1.5"), 1.5 + 0j),
    ("f8", "1.5", TypeError),
    ("f8", b"1.5", TypeError),
    ("f8", np.str_("1.5"), TypeError),
    ("f8", np.complex128(1j), TypeError),
    ("f8", np.bool_(True), 1.0),
    ("?", np.int8(1), TypeError),
    ("?", np.bool_(True), True),
    ("M8[s]", np.float64(1.9), TypeError),
    ("M8[s]", 1.9, TypeError),
    ("M8[s]", np.int64(5), TypeError),
    ("M8[s]", np.str_("7"), TypeError),
    ("M8[s]", np.timedelta64(7, "s"), TypeError),
    ("M8[s]", DAY, DAY_S.item()),
    ("M8[s]", "2020-01-02", DAY_S.item()),
    ("M8[s]", np.datetime64("2020-01-02"), DAY_S.item()),
    ("m8[s]", np.datetime64("2020"), TypeError),
    ("m8[s]", DAY, TypeError),
    ("m8[s]", 1.5, TypeError),
    ("m8[s]", np.timedelta64(1, "h"), datetime.timedelta(hours=1)),
    ("m8[s]", datetime.timedelta(hours=1), datetime.timedelta(hours=1)),
    ("S3", DAY, TypeError),
    ("S3", np.datetime64("2020"), TypeError),
    ("S3", np.str_("abc"), TypeError),
    ("S3", None, TypeError),
    ("S3", b"abcd", b"abc"),
    ("S3", 5, b"5"),
    ("U3", DAY, TypeError),
    ("U3", np.timedelta64(5, "s"), TypeError),
    ("U3", object(), TypeError),
    ("U3", np.bytes_(b"abcd"), "abc"),
    ("U3", np.str_("abcd"), "abc"),
]


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize(
    "dtype, value, expected", ONE_RULE, ids=lambda value: repr(value)[:30]
)
def test_append_insert_extend_value_follows_casting_rule(way, dtype, value, expected):
    array = GrowArray(dtype=dtype)
    array.resize(1)
    if isinstance(expected, type):
        with Unchanged(array), pytest.raises(expected):
            WAYS_IN[way](array, value)
        return
    WAYS_IN[way](array, value)
    row = array[0 if way == "insert" else 1].item()
    assert (type(row), row) == (type(expected), expected)
    nested = GrowArray(dtype=dtype, row_shape=(1, 1))
    WAYS_IN[way](nested, [[value]])
    assert nested[0].item() == expected


@pytest.mark.parametrize(
    "dtype, value, expected", ONE_RULE, ids=lambda value: repr(value)[:30]
)
def test_append_extend_nested_value_follows_casting_rule(dtype, value, expected):
    if isinstance(expected, type):
        for make in (list, tuple, deque):
            array = GrowArray(dtype=dtype, row_shape=(2, 1))
            array.resize(1)
            zero = array[0, 0, 0]
            with Unchanged(array), pytest.raises(expected):
                array.extend([make([[zero], make([value])])])
            with Unchanged(array), pytest.raises(expected):
                array.append(make([[zero], make([value])]))


@pytest.mark.filterwarnings("default")
def test_append_masked_warns_and_stores_nan():
    array = GrowArray()
    with pytest.warns(UserWarning, match="masked"):
        array.append(np.ma.masked)
    with pytest.warns(UserWarning, match="masked"):
        array.extend([1.5, np.ma.masked])
    assert np.isnan(array[0]) and array[1] == 1.5 and np.isnan(array[2])


@pytest.mark.parametrize("dtype", ["M8", "m8", np.dtype("M8"), "S", "U", str, bytes])
def test_growarray_dtype_without_unit_or_length_uses_data(dtype):
    kind = np.dtype(dtype).kind
    data = {"M": [DAY], "m": [datetime.timedelta(1)], "S": [b"abc"], "U": ["abc"]}[kind]
    assert_rows(GrowArray(data, dtype=dtype), np.array(data, dtype))
    with pytest.raises(ValueError, match="give it one, as in '"):
        GrowArray(dtype=dtype)
    with pytest.raises(ValueError, match="of field 'x' has no .*: give it one"):
        GrowArray(dtype=[("y", "i4"), ("x", dtype)])
    with pytest.raises(ValueError, match="of field 'x' has no .*: give it one"):
        GrowArray(dtype=[("y", [("x", dtype)], 2)])


@pytest.mark.parametrize("data", [b"\1\2", "12"])
def test_extend_text_error_suggests_frombuffer(data):
    array = GrowArray(dtype="u1")
    with (
        Unchanged(array),
        pytest.raises(TypeError, match=r"np.frombuffer\(data, '.u1'\)"),
    ):
        array.extend(data)
    array.extend(bytearray(b"\1\2"))
    array.extend(np.frombuffer(b"\3", "u1"))
    assert array.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ("f8", "dtype='f8'"),
        (np.float64, "dtype=float64"),
        (np.dtype("i2"), "dtype="),
        (10, r"reserve\(10\)"),
        (2.5, r"\[2.5\]"),
        ("some text", r"\['some text'\]"),
    ],
)
def test_growarray_one_item_error_suggests_argument(data, hint):
    with pytest.raises(TypeError, match=f"data must be rows, .*{hint}"):
        GrowArray(data)


def test_extend_raising_iterable_leaves_array_unchanged():
    def rows():
        yield 1.0
        yield 2.0
        raise LookupError("third")

    array = GrowArray([0.0])
    with Unchanged(array), pytest.raises(LookupError, match="third"):
        array.extend(rows())


def test_append_floating_point_error_leaves_array_unchanged():
    array = GrowArray(dtype="f4")
    with np.errstate(over="raise"):
        for call in (
            lambda: array.append(1e300),
            lambda: array.extend([1.0, 1e300]),
            lambda: array.extend(np.array([1.0, 1e300])),
        ):
            with Unchanged(array), pytest.raises(FloatingPointError):
                call()


def test_extend_non_rows_raises_type_error():
    array = GrowArray()
    for bad in (5, 1.5, "text", b"bytes", np.float64(3), None, {1: 2}):
        with Unchanged(array), pytest.raises(TypeError):
            array.extend(bad)


def odd_buffer():
    array = GrowArray([1.0, 2.0])
    array.buffer.extend(b"odd")
    return array


class RemovesRows:
    """A key that removes rows while NumPy selects rows by it."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        self.array.resize(1)
        return np.ones(3, bool)


def delete_removed(array):
    del array[RemovesRows(array)]


MESSAGES = {
    "odd buffer": (
        lambda: odd_buffer().append(1),
        "the buffer of the array has 19 bytes, which is not a multiple of the row size, "
        "8 bytes: change the length of the buffer",
    ),
    "from_buffer": (
        lambda: GrowArray.from_buffer(GrowBuffer(b"abc"), "i2"),
        "the buffer of the array has 3 bytes, which is not a multiple of the row size, "
        "2 bytes: change the length of the buffer",
    ),
    "limit": (
        lambda: GrowArray(limit=3).extend([1, 2, 3, 4]),
        "the array would grow past its limit of 3 rows: make an array with a larger "
        "limit=",
    ),
    "selected": (
        lambda: delete_removed(GrowArray([1.0, 2.0, 3.0])),
        "cannot delete the selected rows: the length was 3 when they were selected, "
        "and other code has made it 1; select again",
    ),
    "index": (
        lambda: GrowArray([1.0, 2.0]).pop(5),
        "index 5 is out of bounds for axis 0 with size 2",
    ),
    "reserve": (
        lambda: GrowArray().reserve(-1),
        "nrows must be 0 or more, got -1",
    ),
    "huge": (
        lambda: GrowArray(limit=1 << 70),
        "cannot reserve address space for limit=1180591620717411303424 rows: try a "
        "smaller one",
    ),
    "setflags": (
        lambda: GrowArray().setflags(write=False),
        "the flags of a GrowArray cannot be set: set those of a view, as in "
        "view = array.array; view.setflags(write=False)",
    ),
}


@RESERVES
@pytest.mark.parametrize("name", MESSAGES)
def test_error_message_states_cause_and_remedy(name):
    call, message = MESSAGES[name]
    with pytest.raises(Exception, match=f"^{re.escape(message)}$"):
        call()


def test_buffer_request_in_fortran_order_says_how_to_copy():
    rows = GrowArray([[1.0, 2.0], [3.0, 4.0]])
    view = (ctypes.c_char * 256)()
    request = ctypes.pythonapi.PyObject_GetBuffer
    request.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
    with pytest.raises(BufferError, match="C order.*asfortranarray"):
        request(rows, ctypes.addressof(view), 0x58)  # PyBUF_F_CONTIGUOUS


def test_index_out_of_range_raises_index_error():
    array = GrowArray([1, 2, 3])
    for call in (
        lambda: array.pop(3),
        lambda: array.pop(-4),
        lambda: operator.delitem(array, 3),
        lambda: operator.delitem(array, [7]),
        lambda: operator.delitem(array, (0, 0)),
        lambda: array[3],
        lambda: GrowArray().pop(),
    ):
        with Unchanged(array), pytest.raises(IndexError):
            call()
    with Unchanged(array), pytest.raises(ValueError, match="step"):
        del array[::0]


# -------------------------------------------------- user code called during a method


def test_extend_iterable_changing_array_keeps_both_changes():
    array = GrowArray([0.0])

    def rows():
        yield 1.0
        array.append(9.0)
        yield 2.0
        array.clear()
        array.append(8.0)

    array.extend(rows())
    assert array.tolist() == [8, 1, 2]


class Meddler:
    """An array-like that resizes another array when NumPy reads its rows."""

    def __init__(self, array, rows):
        self.array, self.rows = array, rows

    def __array__(self, dtype=None, copy=None):
        self.array.resize(len(self.array) + 1000)
        return np.array(self.rows, dtype)


def test_append_array_like_resizing_array_keeps_both_changes():
    array = GrowArray([0.0])
    array.append(Meddler(array, 1.0))
    array.extend(Meddler(array, [2.0]))
    assert len(array) == 2003
    assert (array[1001], array[2002]) == (1, 2)
    array.insert(0, Meddler(array, 3.0))
    assert array[0] == 3 and len(array) == 3004


def watch(array, callback):
    """Call `callback` when the array's internal view is deallocated.

    Return a weak reference to the base of that view. The views that the array returns
    have the same base, except the first one.
    """
    assert len(array.array) == len(array)
    return weakref.ref(array.array.base, callback)


@RESERVES
def test_pop_view_callback_appending_sees_new_row():
    array = GrowArray([1.0, 2.0])
    weak = watch(array, lambda _: array.append(5.0))
    assert array.pop() == 5, "the last one by then"
    assert weak() is None and array.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("remove", "left"),
    [
        (lambda a: a.pop(), [1]),
        (lambda a: a.__delitem__(0), [2]),
        (lambda a: a.__delitem__(slice(0, 5)), []),
        (lambda a: a.__delitem__([0, 1]), []),
        (lambda a: a.insert(1, 7), [1, 7, 2]),
        (lambda a: a.resize(1), [1]),
        (lambda a: a.clear(), []),
        (lambda a: a.detach(), []),
    ],
)
@pytest.mark.parametrize("make", [GrowArray, lambda rows: unstable("f8", (), rows)])
@pytest.mark.parametrize("clears", [False, True])
def test_removal_view_callback_reading_keeps_array_valid(remove, left, make, clears):
    array, seen = make([1.0, 2.0]), []

    def look(_):
        seen.append(array[0])
        if clears:
            with suppress(BufferError):  # raised if the view is still an export
                array.clear()
                seen.clear()

    weak = watch(array, look)
    with suppress(IndexError) if clears else nullcontext():
        remove(array)
    assert weak() is None and check(array._buffer) is None
    if seen:
        assert seen == [1] and array.tolist() == left
    else:
        assert array.tolist() in ([], [7], [0])  # after an insert or a resize


def test_extend_view_callback_clearing_source_adds_no_rows():
    rows = [float(row) for row in range(1000)]
    array = unstable(rows=[0.5])
    weak = watch(array, lambda _: rows.clear())
    array.extend(rows)
    assert weak() is None and array.tolist() == [0.5]


@pytest.mark.parametrize("make", [GrowArray, lambda rows: unstable("f8", (), rows)])
def test_extend_by_itself_doubles_rows(make):
    array = make([1.0, 2.0])
    array.extend(array)
    array.extend(iter(array.tolist()))
    assert array.tolist() == [1, 2] * 4


@RESERVES
def test_extend_stable_array_by_own_view_appends_rows():
    array = GrowArray(np.arange(3.0))
    array.extend(array.array)
    array.extend(array[::2])
    array.append(array[1:2])
    assert array.tolist() == [0, 1, 2, 0, 1, 2, 0, 2, 1, 1]


def test_append_overlapping_fields_zeroes_padding():
    fields = {"names": ["a", "b"], "formats": ["<i4"] * 2, "offsets": [0, 0]}
    array = GrowArray(dtype=np.dtype(fields | {"itemsize": 8}))
    array.resize(1)
    array.array.view("u1")[:] = list(b"secret!!")
    array.resize(0)
    array.append((1, 2))
    assert bytes(array.buffer) == b"\2" + bytes(7)


def test_growarray_reference_cycle_is_collected():
    class Owner(GrowArray):
        pass

    owner = Owner([1.0])
    owner.itself, owner.seen = owner, owner.array
    weak = weakref.ref(owner)
    del owner
    gc.collect()
    assert weak() is None


def test_array_view_outlives_growarray():
    view = GrowArray(np.arange(100_000)).array
    gc.collect()
    assert view.sum() == 4999950000


# ------------------------------------------------------------------- as an ndarray

ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
BITWISE = ["and_", "or_", "xor", "lshift", "rshift"]
OPERATORS = [*ARITHMETIC, *BITWISE, "eq", "ne", "lt", "le", "gt", "ge", "matmul"]
IN_PLACE = [f"i{name.rstrip('_')}" for name in ARITHMETIC + BITWISE]


@pytest.mark.parametrize("name", OPERATORS)
def test_binary_operator_matches_ndarray(name):
    plain = np.array([1, 2, 3])
    array, apply = GrowArray(plain), getattr(operator, name)
    others = [plain + 1] if name == "matmul" else [2, plain + 1]
    for other in others:
        for got, expected in (
            (apply(array, other), apply(plain, other)),
            (apply(other, array), apply(other, plain)),
            (apply(array, array), apply(plain, plain)),
        ):
            assert type(got) is type(expected) and text(got) == text(expected)
    if name == "eq":
        assert (array == "x").tolist() == [False] * 3


def test_other_operators_match_ndarray():
    plain = np.array([1, -2, 3])
    array = GrowArray(plain)
    for apply in (operator.neg, operator.pos, operator.abs, operator.invert):
        assert text(apply(array)) == text(apply(plain))
    for got, expected in zip(divmod(array, 2), divmod(plain, 2), strict=True):
        assert text(got) == text(expected)
    assert text(divmod(7, array)[0]) == text(divmod(7, plain)[0])
    assert -2 in array and 5 not in array
    assert bool(GrowArray([1])) is True and bool(GrowArray([0])) is False
    with pytest.raises(ValueError, match="ambiguous"):
        bool(array)
    with pytest.raises(TypeError):
        hash(array)
    with pytest.raises(TypeError):
        pow(array, 2, 3)
    with pytest.raises(TypeError):
        array + object()


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_operator_changes_rows(name):
    plain = np.array([1, 2, 3])
    if name == "itruediv":
        plain = plain / 1
    array, view = GrowArray(plain), None
    view = array.array
    same, apply = array, getattr(operator, name)
    array = apply(array, 2)
    assert array is same
    assert text(array) == text(apply(plain, 2)) == text(view)


def test_in_place_operator_invalid_operand_raises_as_ndarray():
    array = GrowArray([1, 2])
    with Unchanged(array), pytest.raises(TypeError, match="same_kind"):
        array += 1.5
    with Unchanged(array), pytest.raises(ValueError, match="broadcast"):
        array += [1, 2, 3]


def test_ufunc_with_growarrays_matches_ndarray():
    plain = np.array([1.0, 4.0, 9.0])
    array, out = GrowArray(plain), GrowArray(np.zeros(3))
    assert np.sqrt(array).tolist() == [1, 2, 3]
    assert np.sqrt(array, out=out) is out and out.tolist() == [1, 2, 3]
    some = GrowArray([True, False, True])
    assert np.add(1, array, where=some, out=out).tolist() == [2, 2, 10]
    assert np.add.reduce(array) == 14
    assert np.add.accumulate(array, out=out) is out and out[-1] == 14
    assert np.multiply.outer(array, [1, 2]).shape == (3, 2)
    np.add.at(array, GrowArray([0, 0]), 1)
    assert array[0] == 3
    both = np.divmod(array, 2, out=(out, None))
    assert both[0] is out and type(both[1]) is np.ndarray
    assert np.frexp(array)[1].tolist() == [2, 3, 4]
    with pytest.raises(TypeError):
        np.add(array, "x")
    with pytest.raises(TypeError):
        array.__array_ufunc__()


class Deferring:
    """An operand whose own method handles an operation with an array."""

    __array_ufunc__ = None

    def __radd__(self, other):
        return type(other)


@pytest.mark.parametrize("number", [int, float, complex])
def test_number_constructor_growarray_raises_type_error(number):
    with pytest.raises(TypeError):
        number(GrowArray(np.frombuffer(b"12", "u1")))


def test_scalar_type_growarray_returns_ndarray():
    assert text(np.float64(GrowArray(np.frombuffer(b"12", "u1")))) == text([49.0, 50.0])


def test_sequence_functions_growarray_match_ndarray():
    array = GrowArray([1.0, 2.0, 5.0])
    assert list(reversed(array)) == [5, 2, 1]
    assert bisect.bisect(array, 3) == 2
    assert operator.indexOf(array, 5) == 2


def test_add_operand_without_array_ufunc_defers():
    assert GrowArray([1]) + Deferring() is np.ndarray


def test_ndarray_attributes_and_functions_match_ndarray():
    plain = np.arange(6.0).reshape(3, 2)
    array = GrowArray(plain)
    for name in ("ndim", "size", "nbytes", "itemsize", "dtype", "shape", "T"):
        assert text(getattr(array, name)) == text(getattr(plain, name))
    assert array.mean() == plain.mean() == np.mean(array)
    assert text(np.concatenate([array, array])) == text(np.concatenate([plain, plain]))
    assert text(array[:, 1]) == text(plain[:, 1])
    assert text(array[GrowArray([True, False, True])]) == text(plain[[0, 2]])
    assert [row.tolist() for row in array] == plain.tolist()
    array[0] = array[1:2]
    array[2] = GrowArray([7, 8])
    assert array.tolist() == [[2, 3], [2, 3], [7, 8]]
    assert "mean" in dir(array)
    assert not hasattr(array, "nothing")
    assert not hasattr(array, "__array_struct__")


@RESERVES
@pytest.mark.parametrize(
    "spoil",
    [
        lambda view: view.setflags(write=False),
        lambda view: setattr(view, "shape", (2, 2)),
        lambda view: setattr(view, "dtype", "i8"),
    ],
    ids=["read-only", "shape", "dtype"],
)
@pytest.mark.parametrize(
    "find",
    [
        lambda array: array.array,
        lambda array: array.__array__(),
        lambda array: np.asarray(array),
        lambda array: array[:],
        lambda array: array.view(),
    ],
    ids=["array", "__array__", "asarray", "slice", "view"],
)
def test_array_changed_view_attributes_leave_growarray_unchanged(find, spoil):
    array = GrowArray([1.0, 2, 3, 4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy 2.5 warns when a shape or dtype is set
        spoil(find(array))
    array[0] = 5
    array += 1
    assert array.pop() == 5 and array.tolist() == [6, 3, 4]
    assert array.array.dtype == "f8" and array.array.shape == (3,)


# ------------------------------------------------------------- NumPy's own functions

NUMBERS = np.arange(12.0).reshape(3, 4)
REDUCTIONS = ["mean", "var", "std", "sum", "prod", "max", "min", "any", "all"]


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_with_out_stores_and_returns_it(name):
    expected = getattr(NUMBERS, name)(axis=0)
    for call in (
        lambda out: getattr(np, name)(NUMBERS, axis=0, out=out),
        lambda out: getattr(np, name)(GrowArray(NUMBERS), axis=0, out=out),
        lambda out: getattr(GrowArray(NUMBERS), name)(axis=0, out=out),
    ):
        out = GrowArray(np.full(4, 9.0))
        assert call(out) is out and text(out) == text(expected.astype(float))
    out = GrowArray(np.full(4, 9.0))
    returned = getattr(NUMBERS, name)(axis=0, out=out)
    assert text(returned) == text(out) == text(expected.astype(float))


OUTS = {
    "nanmean": lambda out: np.nanmean(NUMBERS[:, :3], axis=0, out=out),
    "nanvar": lambda out: np.nanvar(NUMBERS[:, :3], axis=0, out=out),
    "nanstd": lambda out: np.nanstd(NUMBERS[:, :3], axis=0, out=out),
    "median": lambda out: np.median(NUMBERS[:, :3], axis=0, out=out),
    "percentile": lambda out: np.percentile(NUMBERS[:, :3], 40, axis=0, out=out),
    "ptp": lambda out: np.ptp(NUMBERS[:, :3], axis=0, out=out),
    "cumsum": lambda out: np.cumsum(NUMBERS[0, :3], out=out),
    "cumsum, method": lambda out: GrowArray(NUMBERS[0, :3]).cumsum(out=out),
    "cumprod": lambda out: np.cumprod(NUMBERS[0, :3], out=out),
    "dot": lambda out: np.dot(NUMBERS, NUMBERS[0], out=out),
    "dot, method": lambda out: GrowArray(NUMBERS).dot(NUMBERS[0], out=out),
    "take": lambda out: np.take(NUMBERS, [0, 2, 3], out=out),
    "round": lambda out: np.round(NUMBERS[1, :3] / 7, 2, out=out),
    "einsum": lambda out: np.einsum("ij->i", NUMBERS, out=out),
    "clip": lambda out: np.clip(NUMBERS[1, :3], 1, 5, out=out),
    "concatenate": lambda out: np.concatenate([NUMBERS[0, :1], [7, 8]], out=out),
    "stack": lambda out: np.stack([1.0, 2.0, 3.0], out=out),
    "choose": lambda out: np.choose([0, 1, 0], [[1, 2, 3], [4, 5, 6]], out=out),
    "compress": lambda out: np.compress([1, 1, 1, 0], NUMBERS[0], out=out),
    "add": lambda out: np.add(NUMBERS[0, :3], 1, out=out),
    "accumulate": lambda out: np.add.accumulate(NUMBERS[0, :3], out=out),
}


@pytest.mark.parametrize("name", OUTS)
def test_numpy_function_with_out_stores_and_returns_it(name):
    plain, out = np.full(3, 9.0), GrowArray(np.full(3, 9.0))
    kind = float if "choose" not in name else int
    plain, out = plain.astype(kind), GrowArray(out.array.astype(kind))
    OUTS[name](plain)
    assert OUTS[name](out) is out and text(out) == text(plain)


ROW, FOUR = NUMBERS[0, :3], np.full((4, 3), 1.0)
# Not here: the methods all() and any(), whose second argument is dtype although NumPy
# documents it as out, and choose(), whose positional arguments are all choices.
POSITIONAL_OUTS = {  # the arguments before out
    "max": (0,),
    "min": (0,),
    "argmax": (0,),
    "argmin": (0,),
    "sum": (0, None),
    "prod": (0, None),
    "mean": (0, None),
    "var": (0, None),
    "std": (0, None),
    "cumsum": (0, None),
    "cumprod": (0, None),
    "round": (1,),
    "clip": (2, 5),
    "take": ([0, 2], 0),
    "dot": (FOUR,),
}


@pytest.mark.parametrize("name", POSITIONAL_OUTS)
def test_positional_out_is_stored_and_returned(name):
    arguments = POSITIONAL_OUTS[name]
    expected = getattr(NUMBERS, name)(*arguments)
    for call in (
        getattr(GrowArray(NUMBERS), name),
        functools.partial(getattr(np, name), GrowArray(NUMBERS)),
        functools.partial(getattr(np, name), NUMBERS),
    ):
        out = GrowArray(np.zeros_like(expected))
        assert call(*arguments, out) is out and text(out) == text(expected)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda out: np.compress([1, 1, 1, 0], NUMBERS[0], None, out), [0, 1, 2]),
        (lambda out: GrowArray(NUMBERS[0]).compress([1, 1, 1, 0], 0, out), [0, 1, 2]),
        (lambda out: np.concatenate([ROW[:1], ROW[1:]], 0, out), [0, 1, 2]),
        (lambda out: np.nanmax(FOUR, 0, out), [1, 1, 1]),
        (lambda out: np.any(FOUR, 0, out), [1, 1, 1]),
        (lambda out: np.all(FOUR, 0, out), [1, 1, 1]),
        (lambda out: np.median(FOUR, 0, out), [1, 1, 1]),
        (lambda out: np.add(ROW, 1, out), [1, 2, 3]),
        (lambda out: np.add.accumulate(ROW, 0, None, out), [0, 1, 3]),
    ],
)
def test_positional_out_of_numpy_function_is_stored_and_returned(call, expected):
    out = GrowArray(np.full(3, 9.0))
    assert call(out) is out and out.tolist() == expected


def test_positional_out_of_choose_and_trace_is_stored_and_returned():
    out = GrowArray(np.zeros(3, int))
    choices = [[1, 2, 3], [4, 5, 6]]
    assert np.choose(GrowArray([0, 1, 0]), choices, out) is out
    assert out.tolist() == [1, 5, 3]
    traces = GrowArray(np.zeros(2))
    cube = np.arange(8.0).reshape(2, 2, 2)
    assert GrowArray(cube).trace(0, 0, 1, None, traces) is traces
    assert traces.tolist() == cube.trace().tolist()


def test_function_that_returns_its_first_argument_gives_ndarray():
    array = GrowArray([1.0, 2.0])
    assert type(np.atleast_1d(array)) is np.ndarray


def test_argmax_with_out_stores_and_returns_it():
    out = GrowArray(np.zeros(4, np.intp))
    assert np.argmax(NUMBERS, axis=0, out=out) is out and out.tolist() == [2] * 4
    assert GrowArray(-NUMBERS).argmax(axis=0, out=out) is out
    assert out.tolist() == [0] * 4


@pytest.mark.parametrize(
    "call",
    [
        lambda a: np.copyto(a, [7, 8, 9]),
        lambda a: np.place(a, [True, False, True], [7, 8]),
        lambda a: np.putmask(a, [True, False, True], [7, 8, 9]),
        lambda a: np.put(a, [0, 2], [7, 8]),
        lambda a: a.put([0, 2], [7, 8]),
        lambda a: a.fill(7),
        lambda a: a.sort(),
        lambda a: a.partition(1),
        lambda a: a.byteswap(inplace=True),
        lambda a: np.nan_to_num(a, copy=False),
        lambda a: np.add.at(a, [0, 0], 1),
    ],
)
def test_numpy_function_in_place_changes_rows(call):
    plain, array = np.array([3.0, 1.0, 2.0]), GrowArray([3.0, 1.0, 2.0])
    call(plain)
    call(array)
    assert text(array) == text(plain)


def test_numpy_function_nested_growarrays_are_converted():
    a, b = GrowArray([1, 2]), GrowArray([3])
    assert np.concatenate([a, b]).tolist() == [1, 2, 3]
    assert np.concatenate(deque([a, b])).tolist() == [1, 2, 3]
    assert np.concatenate([a, deque([5]), b]).tolist() == [1, 2, 5, 3]
    assert np.block([[a, b]]).tolist() == [[1, 2, 3]]
    assert type(np.zeros_like(a)) is np.ndarray
    assert np.asarray([1.5], like=a).tolist() == [1.5]
    assert type(np.atleast_1d(a)) is np.ndarray
    with pytest.raises(TypeError):
        a.__array_function__(np.sum, (), [a], {})
    with pytest.raises(ValueError, match="dimensions"):
        np.concatenate([a, a.array[None]])
    endless = [a]
    endless.append(endless)
    with pytest.raises(RecursionError):
        np.concatenate(endless)


def test_array_function_interrupt_in_attribute_of_function_is_raised():
    class Function:
        @property
        def _implementation(self):
            raise KeyboardInterrupt

        def __call__(self):
            raise AssertionError("the function must not be called")

    with pytest.raises(KeyboardInterrupt):
        GrowArray([1.0]).__array_function__(Function(), (), (), {})


def test_array_function_changed_view_leaves_growarray_unchanged():
    """Each call gets its own view."""
    array = GrowArray([1.0, 2.0])
    view = array.__array_function__(lambda x: x, (), (array,), {})
    view.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy 2.5 warns when a shape is set
        view.shape = (2, 1)
    array[0] = 5
    assert array.tolist() == [5, 2] and array.array.flags.writeable


RECFUNCTIONS = {
    "append_fields": lambda rf, a: rf.append_fields(a, "c", [7, 8], usemask=False),
    "append_fields, masked": lambda rf, a: rf.append_fields(a, "c", [7, 8]),
    "append_fields, data": lambda rf, a: rf.append_fields(RECORD_ROWS, "c", a["id"]),
    "apply_along_fields": lambda rf, a: rf.apply_along_fields(np.mean, a[["t", "id"]]),
    "assign_fields_by_name": lambda rf, a: rf.assign_fields_by_name(a, RECORD_ROWS),
    "drop_fields": lambda rf, a: rf.drop_fields(a, "id"),
    "find_duplicates": lambda rf, a: rf.find_duplicates(np.ma.asarray(a), "id"),
    "flatten_descr": lambda rf, a: rf.flatten_descr(a.dtype),
    "get_fieldstructure": lambda rf, a: rf.get_fieldstructure(a.dtype),
    "get_names": lambda rf, a: rf.get_names(a.dtype),
    "get_names_flat": lambda rf, a: rf.get_names_flat(a.dtype),
    "join_by": lambda rf, a: rf.join_by("id", a, a, usemask=False),
    "merge_arrays": lambda rf, a: rf.merge_arrays((a, np.array([1, 2])), flatten=True),
    "merge_arrays, one": lambda rf, a: rf.merge_arrays((a,)),
    "merge_arrays, list": lambda rf, a: rf.merge_arrays([a, a], asrecarray=True),
    "rec_append_fields": lambda rf, a: rf.rec_append_fields(a, "c", [7, 8]),
    "rec_drop_fields": lambda rf, a: rf.rec_drop_fields(a, "id"),
    "rec_join": lambda rf, a: rf.rec_join("id", a, a),
    "recursive_fill_fields": lambda rf, a: rf.recursive_fill_fields(
        a, np.zeros(len(a), a.dtype)
    ),
    "rename_fields": lambda rf, a: rf.rename_fields(a, {"id": "number"}),
    "repack_fields": lambda rf, a: rf.repack_fields(a),
    "require_fields": lambda rf, a: rf.require_fields(a, [("id", "f8")]),
    "stack_arrays": lambda rf, a: rf.stack_arrays((a, a), usemask=False),
    "stack_arrays, one": lambda rf, a: rf.stack_arrays((a,)),
    "structured_to_unstructured": lambda rf, a: rf.structured_to_unstructured(
        a[["t", "id"]]
    ),
    "unstructured_to_structured": lambda rf, a: rf.unstructured_to_structured(
        (GrowArray if isinstance(a, GrowArray) else np.array)([[1, 2], [3, 4]]),
        names=["a", "b"],
    ),
}


@pytest.mark.parametrize("name", RECFUNCTIONS)
def test_recfunction_growarray_matches_ndarray(name):
    from numpy.lib import recfunctions

    ours, theirs = (
        RECFUNCTIONS[name](recfunctions, rows)
        for rows in (GrowArray(RECORD_ROWS), RECORD_ROWS.copy())
    )
    if isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype and ours.tolist() == theirs.tolist()
        assert isinstance(ours, type(theirs))
    else:
        assert ours == theirs


def test_recfunctions_are_all_tested():
    from numpy.lib import recfunctions

    tested = {name.split(",")[0] for name in RECFUNCTIONS}
    assert set(recfunctions.__all__) <= tested


def test_merge_arrays_of_growarray_itself_takes_rows_for_arrays():
    """NumPy asks no argument for its __array_function__: it iterates over the sequence.

    docs/arrays.md says so.
    """
    from numpy.lib import recfunctions

    merged = recfunctions.merge_arrays(GrowArray(RECORD_ROWS))
    assert merged.shape == (1,) and len(merged.dtype.names) == len(RECORD_ROWS)


# ---------------------------------------------------------------------- numpy.testing

COMPARISONS = {
    "assert_allclose": {},
    "assert_array_almost_equal": {},
    "assert_array_equal": {},
    "assert_array_almost_equal_nulp": {},
    "assert_array_max_ulp": {},
    "assert_array_less": {},
    "assert_almost_equal": {"with": np.array},
    "assert_equal": {"with": np.array},
}


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("second", [[1.5, 2.5], [1.5, 2.75], [2.5, 3.5], [1.5]])
def test_numpy_testing_growarray_matches_ndarray(name, second):
    """assert_equal() and assert_almost_equal() know arrays by their type: one of the
    two must be an ndarray. docs/arrays.md says so."""
    compare = getattr(np.testing, name)
    other = COMPARISONS[name].get("with", GrowArray)
    pairs = [(np.array, np.array), (GrowArray, other), (other, GrowArray)]
    outcomes = []
    for make, make_other in pairs:
        try:
            compare(make([1.5, 2.5]), make_other(second))
        except (AssertionError, ValueError) as error:
            outcomes.append(type(error))
        else:
            outcomes.append(None)
    assert outcomes[0] is outcomes[1] is outcomes[2]
    assert outcomes[0] is None or second != [1.5, 2.5] or name == "assert_array_less"


def test_assert_equal_two_growarrays_raises_value_error_of_numpy():
    with pytest.raises(ValueError, match="truth value"):
        np.testing.assert_equal(GrowArray([1.5, 2.5]), GrowArray([1.5, 2.5]))


# ------------------------------------------------------------------- swapping rows


def rows_of(kind):
    """Return five different rows, each of which is a view of its array."""
    if kind == "records":
        return np.array([(i, i / 2) for i in range(5)], [("n", "i4"), ("x", "f8")])
    return np.arange(30.0 if kind == "two axes" else 60).reshape(
        (5, 6) if kind == "two axes" else (5, 3, 4)
    )


VIEW_ROWS = pytest.mark.parametrize("kind", ["two axes", "three axes", "records"])
SHUFFLES = {
    "Generator": lambda a: np.random.default_rng(1).shuffle(a),
    "RandomState": lambda a: np.random.RandomState(1).shuffle(a),
    "random": lambda a: random.Random(1).shuffle(a),
}


@VIEW_ROWS
@pytest.mark.parametrize("name", SHUFFLES)
def test_shuffle_rows_that_are_views_keeps_each_row(kind, name):
    array = GrowArray(rows_of(kind))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # NumPy's, of any such object
        SHUFFLES[name](array)
    assert array.tolist() != rows_of(kind).tolist()
    assert sorted(map(str, array.tolist())) == sorted(map(str, rows_of(kind).tolist()))


@VIEW_ROWS
@pytest.mark.parametrize("i, j", [(0, 3), (4, 1), (-1, 0), (2, 2), (np.int64(1), 3)])
def test_swap_rows_that_are_views_swaps_them(kind, i, j):
    array, rows = GrowArray(rows_of(kind)), rows_of(kind).tolist()
    for _ in range(3):
        array[i], array[j] = array[j], array[i]
        rows[i], rows[j] = rows[j], rows[i]
        assert array.tolist() == rows


@VIEW_ROWS
def test_setitem_row_view_without_swap_copies_it(kind):
    """An assignment that is not part of a swap copies the row, as in an ndarray."""
    array, rows = GrowArray(rows_of(kind)), rows_of(kind)
    for a in (array, rows):
        a[0] = a[1]
        a[1] = a[0]
        held, other = a[2], a[3]
        a[3] = held
        a[2] = a[4]  # a row was read meanwhile
        first, second = a[1], a[0]
        a[0] = first
        a[0] = a[4]  # row 0 changed meanwhile
        a[1] = second
        with pytest.raises(IndexError):
            a[5], a[1] = a[1], a[0]
        assert other is not None
    assert array.tolist() == rows.tolist()


WRITES_BETWEEN = {
    "fill": lambda a: a.fill(7),
    "+=": lambda a: a.__iadd__(1),
    "np.add": lambda a: np.add(a, 1, out=a),
    "view": lambda a: np.asarray(a).__iadd__(1),
}


@pytest.mark.parametrize("name", WRITES_BETWEEN)
def test_write_between_the_assignments_of_a_swap_is_kept(name):
    """Then the second assignment copies the row, as in an ndarray."""
    array, rows = GrowArray(rows_of("two axes")), rows_of("two axes")
    for a in (array, rows):
        first, second = a[1], a[0]
        a[0] = first
        WRITES_BETWEEN[name](a)
        a[1] = second
    assert array.tolist() == rows.tolist()


def test_setitem_row_view_of_another_array_is_no_swap():
    array, other = GrowArray(rows_of("two axes")), GrowArray(rows_of("two axes") + 100)
    array[0], array[1] = other[1], other[0]
    expected = rows_of("two axes")
    expected[:2] = [other[1], other[0]]
    assert array.tolist() == expected.tolist()


# ----------------------------------------------------------------- foreign operands


class Spoiler:
    """An operand that makes the other operand read-only, reshapes and returns it."""

    __array_ufunc__ = None

    def spoil(self, other, *_):
        other.flags.writeable = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy 2.5 warns when a shape is set
            other.shape = (3, 1)
        return other

    __radd__ = __rmul__ = __rpow__ = __rmatmul__ = __rdivmod__ = __rand__ = spoil
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = spoil
    __hash__ = None


class SpoilingUfunc(Spoiler):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        views = [each for each in inputs if isinstance(each, np.ndarray)]
        return self.spoil(*views) if views else NotImplemented


FOREIGN = {
    "+": lambda a, x: a + x,
    "*": lambda a, x: a * x,
    "**": lambda a, x: a**x,
    "@": lambda a, x: a @ x,
    "divmod": divmod,
    "&": lambda a, x: a & x,
    "==": lambda a, x: a == x,
    "!=": lambda a, x: a != x,
    "<": lambda a, x: a < x,
    ">=": lambda a, x: a >= x,
    "+=": operator.iadd,
    "in": lambda a, x: x in a,
    "a ufunc": lambda a, x: np.add(a, x),
    "an operand of a ufunc": lambda a, x: np.add(x, a),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("cls", [Spoiler, SpoilingUfunc])
def test_operator_operand_changing_view_leaves_growarray_unchanged(name, cls):
    array = GrowArray([1, 2, 3])
    assert array[0] == 1  # from now on the array keeps an internal view
    with suppress(TypeError, ValueError):
        FOREIGN[name](array, cls())
    array[0] = 7
    array += 1
    assert array.tolist() == [8, 3, 4] and array.array.shape == (3,)
    array.append(5)
    assert array.pop(0) == 8


# ----------------------------------------------------------- attribute assignment


def test_setflags_unsupported_raises_value_error():
    array = GrowArray([1.0, 2.0])
    for call in (
        lambda: array.setflags(write=False),
        lambda: array.setflags(False),
        lambda: array.setflags(align=False),
        lambda: setattr(array.flags, "writeable", False),
        lambda: array.flags.__setitem__("WRITEABLE", False),
    ):
        with Unchanged(array), pytest.raises(ValueError, match=r"view.setflags"):
            call()
    array.setflags(write=True)
    assert array.flags.writeable and array.flags["C_CONTIGUOUS"]
    assert repr(array.flags) == repr(array.array.flags)


def test_real_imag_flat_assignment_changes_rows():
    array, plain = GrowArray([1 + 2j, 3 + 4j]), np.array([1 + 2j, 3 + 4j])
    for each in (array, plain):
        each.real *= 2
        each.imag = 0
        each.flat[1] = 7
    assert text(array) == text(plain)
    array.flat = [5, 6]
    assert array.tolist() == [5, 6]


@pytest.mark.parametrize(
    "name, value, hint",
    [
        ("shape", (1, 2), "resize"),
        ("row_shape", 2, "resize"),
        ("dtype", "i8", "array.view"),
    ],
)
def test_shape_or_dtype_assignment_error_suggests_alternative(name, value, hint):
    array = GrowArray([1.0, 2.0])
    with Unchanged(array), pytest.raises(AttributeError, match=hint):
        setattr(array, name, value)


@pytest.mark.parametrize("nrows", [0, 3])
def test_sequence_getitem_negative_index_from_c_is_adjusted_once(nrows):
    """PySequence_GetItem adds the length to a negative index before the call.

    An index that is still negative must not be adjusted a second time.
    """
    get = ctypes.pythonapi.PySequence_GetItem
    get.restype, get.argtypes = ctypes.py_object, (ctypes.py_object, ctypes.c_ssize_t)
    array = GrowArray(range(nrows))
    assert [get(array, i) for i in range(-nrows, nrows)] == [*range(nrows)] * 2
    for index in (nrows, -nrows - 1, -2 * nrows - 1, -sys.maxsize):
        with pytest.raises(IndexError):
            get(array, index)


class Counting(GrowArray):
    """Override append() and extend(), and use an attribute that __init__ sets."""

    def __init__(self, *args, **kwargs):
        self.calls = []

    def append(self, row):
        self.calls.append(row)
        super().append(row)

    def extend(self, rows):
        self.calls.append("extend")
        super().extend(rows)


def test_growarray_subclass_overrides_are_called_by_user_only():
    array = Counting(x for x in (1.0, 2.0))
    assert array.tolist() == [1, 2] and array.calls == []
    array.extend(iter([3.0]))
    array.insert(0, 4.0)
    assert array.tolist() == [4, 1, 2, 3] and array.calls == ["extend"]
    twin = pickle.loads(pickle.dumps(array))
    assert type(twin) is Counting and twin.tolist() == array.tolist()
    assert Counting([5.0]).calls == array[:0].tolist()


def test_array_method_dtype_and_copy_are_honoured():
    array = GrowArray([1, 2])
    assert address(array.__array__()) == address(array.array)
    view = array.__array__(np.dtype(int), copy=False)
    assert address(view) == address(array.array)
    del view
    assert address(array.__array__(copy=True)) != address(array.array)
    assert array.__array__("f4").dtype == "f4"
    assert address(np.asarray(array)) == address(array.array)
    assert address(np.array(array)) != address(array.array)
    if NUMPY_2:
        assert address(np.asarray(array, copy=False)) == address(array.array)
        with pytest.raises(ValueError):
            array.__array__("f4", copy=False)


def test_buffer_without_format_matches_ndarray_bytes():
    array = GrowArray([(1.5, 2, True, "a")], dtype=RECORD)
    assert hashlib.sha256(array).digest() == hashlib.sha256(array.array).digest()


@QUICKLY
@given(st.data(), hnp.array_dtypes(PLAIN, allow_subarrays=True), st.booleans())
def test_buffer_structured_rows_exports_dtype(data, dtype, align):
    dtype = np.dtype(dtype.descr, align=align) if not dtype.hasobject else dtype
    rows = some_rows(data, dtype, ())
    array = GrowArray(rows)
    plain = array.array
    assert bytes(array) == plain.tobytes()
    assert np.asarray(array).dtype == dtype
    assert text(np.asarray(array).view(dtype)) == text(rows)
    inexpressible = any(
        len(dtype.fields[name]) > 2
        or dtype[name].base.kind in "mMV"
        or ":" in name
        or not name.isprintable()
        for name in dtype.names
    )
    has_long_double = any(dtype[name].base.char in "gG" for name in dtype.names)
    if not inexpressible and not has_long_double:
        with memoryview(array) as view:
            assert (view.nbytes, view.itemsize) == (plain.nbytes, dtype.itemsize)
        assert bytearray(array) == plain.tobytes()
        assert text(np.frombuffer(array, dtype).view(dtype)) == text(rows)


TITLED = np.dtype([(("title", "a"), "i4"), ("b", "f8")])
BACKWARD = np.dtype({"names": ["b", "a"], "formats": ["i1", "i4"], "offsets": [4, 0]})
DATED = np.dtype([("at", "M8[s]"), ("x", "f8")])


@pytest.mark.parametrize(
    "dtype", ["V5", TITLED, BACKWARD, DATED, "M8[s]", NESTED, PADDED]
)
def test_buffer_inexpressible_dtype_raises_or_keeps_dtype(dtype):
    dtype = np.dtype(dtype)
    array = GrowArray(dtype=dtype)
    array.resize(3)
    assert bytes(array) == bytes(3 * dtype.itemsize)
    assert np.asarray(array).dtype == dtype
    assert np.asarray(array).dtype.fields == dtype.fields
    assert np.array(array, copy=True).dtype == dtype
    if dtype in (NESTED, PADDED):
        assert np.frombuffer(array, dtype).shape == (3,)
        assert bytearray(array) == bytes(array)
        return
    with (
        Unchanged(array),
        pytest.raises(BufferError, match=r"array.array.view\('u1'\)"),
    ):
        memoryview(array)
    with memoryview(array.array.view("u1")) as view:
        assert view.nbytes == array.nbytes


def test_memoryview_bfloat16_error_suggests_view():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    array = GrowArray([1.5, 2.5], dtype=bfloat16)
    with (
        Unchanged(array),
        pytest.raises(BufferError, match=r"array.array.view\('u1'\)"),
    ):
        memoryview(array)
    assert memoryview(array.array.view("u1")).nbytes == 4
    assert np.asarray(array).dtype == bfloat16 and bytes(array) == array.tobytes()


def test_memoryview_of_array_has_shape_and_forbids_pop():
    array = GrowArray(np.arange(12, dtype="i2").reshape(2, 3, 2))
    with memoryview(array) as view:
        assert (view.shape, view.strides, view.format) == ((2, 3, 2), (12, 4, 2), "h")
        assert view.c_contiguous and not view.f_contiguous and not view.readonly
        assert view.obj is array and view.tolist() == array.tolist()
        if HAS_PAGES:
            array.append(7)
        else:
            with Unchanged(array), pytest.raises(BufferError):
                array.append(7)
        view[0, 0, 0] = -1
        assert view.shape == (2, 3, 2) and array[0, 0, 0] == -1
        with Unchanged(array), pytest.raises(BufferError):
            array.pop()
    array.append(7)
    assert array.pop().tolist() == [[7, 7]] * 3
    weak, view = weakref.ref(array), memoryview(array)
    del array
    assert weak() is view.obj
    view.release()
    assert weak() is None


def test_dlpack_export_shares_memory_and_forbids_pop():
    array = GrowArray([1.0, 2.0])
    shared = np.from_dlpack(array)
    assert address(shared) == address(array.array)
    assert array.__dlpack_device__() == array.array.__dlpack_device__()
    with pytest.raises(BufferError):
        array.pop()


def test_repr_various_arrays_matches_ndarray():
    for plain in (
        np.array([1.5, 2]),
        np.array([1, 2], "i2"),
        np.zeros((2, 2)),
        np.zeros(0),
        RECORD_ROWS["id"],
        np.arange(2000),
        np.arange(40) + 10**6,
    ):
        ours, theirs = repr(GrowArray(plain)), repr(plain)
        assert re.sub(r"\s+", " ", ours) == "Grow" + re.sub(
            r"\s+", " ", theirs
        ).replace("array", "Array", 1)
        assert max(map(len, ours.splitlines())) <= 75
        assert str(GrowArray(plain)) == str(plain)
    assert repr(GrowArray(np.eye(2))).splitlines() == [
        "GrowArray([[1., 0.],",
        "           [0., 1.]])",
    ]


@RESERVES
def test_pickle_out_of_band_round_trip_keeps_rows():
    array = GrowArray(np.arange(10).reshape(5, 2))
    parts = []
    data = pickle.dumps(array, 5, buffer_callback=parts.append)
    assert len(parts) == 1 and len(data) < 400
    assert parts[0].raw().tobytes() == array.tobytes()
    twin = pickle.loads(data, buffers=parts)
    assert text(twin) == text(array) and twin.stable
    assert address(twin.array) != address(array.array)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert text(pickle.loads(pickle.dumps(array, protocol))) == text(array)


class Named(GrowArray):
    """A subclass such as a user may write."""


def test_pickle_and_deepcopy_subclass_keep_attributes():
    array = Named([1.0])
    array.name = ["volts"]
    for twin in (copy.deepcopy(array), pickle.loads(pickle.dumps(array, 5))):
        assert type(twin) is Named and twin.name == ["volts"]
        assert twin.name is not array.name and twin.tolist() == [1]
    assert repr(array) == "Named([1.])"


# ----------------------------------------------------------------------- the package


def run(code):
    """Run code in a new interpreter and return its output."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_without_growarray_use_does_not_import_numpy():
    assert run("import growbuf, sys; print('numpy' in sys.modules)") == "False\n"
    code = "import growbuf; print(growbuf.GrowArray is growbuf.GrowArray)"
    assert run(code) == "True\n"
    assert "GrowArray" in dir(growbuf)
    assert not hasattr(growbuf, "nothing")


@pytest.mark.parametrize("is_known", [True, False])
def test_array_view_made_with_or_without_numpy_c_api_is_the_same(is_known):
    """If NumPy's ABI is unknown, np.frombuffer() makes the views."""
    begin = (
        "from growbuf import GrowArray\nimport numpy as np" if is_known else UNKNOWN_ABI
    )
    code = f"""
{begin}
POINT = np.dtype([("x", "f8"), ("n", "i4")])
for dtype, shape in ("f8", ()), ("i4", (2, 3)), (POINT, ()), (">u2", (2,)), ("U3", ()):
    array = GrowArray(dtype=dtype, row_shape=shape)
    assert array.array.shape == (0, *shape)
    array.resize(5)
    view = array.array
    view[1:3] = 1
    assert type(view) is np.ndarray and view.dtype == array.dtype
    assert view.shape == (5, *shape) and view.base is not None
    assert view.flags.c_contiguous and view.flags.writeable
    assert view.flags.aligned and not view.flags.owndata
    array.array[3:] = 2
    assert view.tolist() == array.tolist() != np.zeros_like(view).tolist()
    try:
        array.pop()
    except BufferError:
        del view
        array.pop()
    assert array.shape == (4, *shape)
    rows = array.detach(2)
    rows[:] = 3
    assert len(rows) == 2 and len(array) == 2
print(type(GrowArray([1.0]).array.base).__name__)
"""
    assert run(code) == ("Holder" if is_known else "memoryview") + "\n"


@RESERVES
def test_doctest_array_examples_pass():
    guide = Path(__file__).parent.parent / "docs" / "arrays.md"
    if not guide.exists():
        pytest.skip("there are no documents here")
    examples = doctest.testfile(
        str(guide), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert examples.attempted > 8 and examples.failed == 0
    examples = doctest.testmod(array_module)
    assert examples.attempted > 4 and examples.failed == 0


def test_growarray_without_numpy_error_says_what_to_install():
    code = "import sys; sys.modules['numpy'] = None; import growbuf\n"
    code += "try: growbuf.GrowArray\nexcept ImportError as error: print(error)"
    assert "needs NumPy: pip install numpy" in run(code)


# ------------------------------------------------------------------ other packages


def test_pandas_growarray_data_is_read_and_shared():
    pd = pytest.importorskip("pandas")
    array = GrowArray(np.arange(6.0).reshape(3, 2))
    frame = pd.DataFrame(array, columns=["x", "y"])
    assert frame["y"].tolist() == [1, 3, 5]
    shared = pd.DataFrame(array.array, copy=False)
    assert np.shares_memory(shared.to_numpy(), array.array)
    records = GrowArray(RECORD_ROWS)
    frame = pd.DataFrame(records.array)
    assert list(frame.columns) == list(RECORD.names)
    assert frame["name"].tolist() == ["n", "maxi"]
    assert pd.Series(GrowArray([1, 2])).sum() == 3


def test_scipy_growarray_data_matches_ndarray():
    signal = pytest.importorskip("scipy.signal")
    plain = np.sin(np.arange(100) / 5)
    array = GrowArray(plain)
    assert np.array_equal(signal.detrend(array), signal.detrend(plain))
    stats = pytest.importorskip("scipy.stats")
    assert stats.linregress(array, array).slope == pytest.approx(1)


def test_scikit_learn_partial_fit_on_growing_array_learns():
    linear = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(1)
    features, labels = GrowArray(row_shape=2), GrowArray(dtype="i8")
    model, seen = linear.SGDClassifier(random_state=1), 0
    for _ in range(10):
        points = random.normal(size=(50, 2))
        features.extend(points)
        labels.extend((points.sum(axis=1) > 0).astype("i8"))
        model.partial_fit(features[seen:], labels[seen:], classes=[0, 1])
        seen = len(features)
    assert model.score(features, labels) > 0.9


def test_matplotlib_growing_array_plots_held_view():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    array = GrowArray(row_shape=2)
    figure, axes = pyplot.subplots()
    (line,) = axes.plot([], [])
    for step in range(5):
        array.extend([(step + i / 10, i) for i in range(10)])
        line.set_data(array[:, 0], array[:, 1])
        figure.canvas.draw()
    assert len(line.get_xdata()) == 50
    assert line.get_ydata()[-1] == 9
    pyplot.close(figure)


def test_pyarrow_growarray_data_round_trip_shares_memory():
    pa = pytest.importorskip("pyarrow")
    array = GrowArray(np.arange(1000.0))
    arrow = pa.array(array)
    assert arrow.to_pylist() == array.tolist()
    shared = pa.array(array.array)
    assert shared.buffers()[1].address == address(array.array)
    back = GrowArray(shared)
    assert back.tolist() == array.tolist()
    back.extend(shared)
    assert len(back) == 2000


def test_torch_from_dlpack_shares_memory():
    torch = pytest.importorskip("torch")
    array = GrowArray([1.0, 2.0])
    assert torch.from_dlpack(array).data_ptr() == address(array.array)


# --------------------------------------------------------------------- edge cases


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers")
@pytest.mark.parametrize("key", [slice(None, None, 2), np.arange(4_000_000) % 2 == 0])
def test_delitem_interrupted_by_signal_deletes_all_or_nothing(key):
    class Alarm(Exception):
        pass

    def raise_alarm(*_):
        raise Alarm

    rows = np.arange(4_000_000)
    before = signal.signal(signal.SIGALRM, raise_alarm)
    try:
        for nth in range(40):
            array, raised = GrowArray(rows), False
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 * (nth + 1))
                del array[key]
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Alarm:
                raised = True
            assert len(array) in ((4_000_000, 2_000_000) if raised else (2_000_000,))
            assert np.array_equal(
                array, rows if len(array) == 4_000_000 else rows[1::2]
            )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Selection:
    """A selection of the first row that calls `meanwhile` when NumPy reads it."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    def __array__(self, dtype=None, copy=None):
        self.meanwhile()
        return np.array([0])


def test_delitem_rows_appended_by_selection_are_kept():
    array = GrowArray([1.0, 2.0, 3.0])
    del array[Selection(lambda: array.extend([4.0, 5.0]))]
    assert array.tolist() == [2, 3, 4, 5]


def test_delitem_rows_removed_by_selection_raises_index_error():
    array = GrowArray([1.0, 2.0, 3.0])
    with pytest.raises(IndexError, match="select again"):
        del array[Selection(array.pop)]
    assert array.tolist() == [1, 2]


class Index:
    """An index that calls `meanwhile` before it returns its value."""

    def __init__(self, meanwhile, index):
        self.meanwhile, self.index = meanwhile, index

    def __index__(self):
        self.meanwhile()
        return self.index


@pytest.mark.parametrize(
    "change",
    [
        lambda rows, meanwhile: rows.__delitem__(Index(meanwhile, -1)),
        lambda rows, meanwhile: rows.__delitem__(Index(meanwhile, 3)),
        lambda rows, meanwhile: rows.__delitem__(slice(Index(meanwhile, -2), None)),
        lambda rows, meanwhile: rows.pop(Index(meanwhile, -2)),
        lambda rows, meanwhile: rows.insert(Index(meanwhile, -1), 9),
        lambda rows, meanwhile: rows.insert(Index(meanwhile, 100), 9),
    ],
)
@pytest.mark.parametrize("more", [True, False])
def test_index_method_changing_length_matches_list(change, more):
    def changed(rows):
        change(rows, lambda: rows.extend([7, 8]) if more else rows.clear())

    array, model = GrowArray([0, 1, 2, 3]), [0, 1, 2, 3]
    try:
        changed(model)
    except IndexError:
        with pytest.raises(IndexError):
            changed(array)
    else:
        changed(array)
    assert array.tolist() == model


@pytest.mark.parametrize(
    "key",
    [None, True, np.True_, np.array(True), (), (0, 0), (..., 0), (None, 1), (1, None)],
)
def test_delitem_key_selecting_no_rows_raises(key):
    array = GrowArray(np.arange(8).reshape(2, 2, 2))
    for same in (key, (key,)):
        with pytest.raises((IndexError, TypeError)):
            del array[same]
    assert array.size == 8


@pytest.mark.parametrize("where", ["property", "bool"])
def test_delitem_interrupt_in_ndim_of_key_is_raised(where):
    class Ndim:
        def __bool__(self):
            raise KeyboardInterrupt

    class Key:
        @property
        def ndim(self):
            if where == "property":
                raise KeyboardInterrupt
            return Ndim()

        def __index__(self):
            return 0

    array = GrowArray([1.0, 2.0])
    with pytest.raises(KeyboardInterrupt):
        del array[Key()]
    assert array.tolist() == [1, 2]


def test_delitem_key_with_index_and_no_ndim_deletes_row():
    class Key:
        def __index__(self):
            return 0

    array = GrowArray([1.0, 2.0])
    del array[Key()]
    assert array.tolist() == [2]


def test_delitem_one_element_tuple_deletes_rows():
    array = GrowArray(range(10))
    for key in (0, slice(0, 2), [0], [True] + 5 * [False]):
        del array[key,]
    assert array.tolist() == [5, 6, 7, 8, 9]


def test_index_invalid_or_huge_matches_list():
    array = GrowArray([1, 2, 3])
    for call in (array.pop, array.__delitem__):
        for index in (3, -4, 10**30, -(10**30)):
            with pytest.raises(IndexError):
                call(index)
        with pytest.raises((TypeError, IndexError)):
            call("x")
    for index in ("x", 1.0):
        with pytest.raises(TypeError):
            array.insert(index, 5)
        with pytest.raises(TypeError):
            del array[index:]
        with pytest.raises(TypeError):
            GrowArray().pop(index)
    array.insert(10**30, 4)
    array.insert(-(10**30), 0)
    assert array.tolist() == [0, 1, 2, 3, 4]


def test_delitem_slice_calls_index_method_once():
    class Step:
        asked = 0

        def __eq__(self, other):
            return other == 1

        def __index__(self):
            self.asked += 1
            return 2

    array, step = GrowArray(range(6)), Step()
    del array[0:6:step]
    assert array.tolist() == [1, 3, 5] and step.asked == 1


def test_pop_row_owns_its_bytes():
    array = GrowArray(np.arange(6.0).reshape(2, 3))
    row = array.pop()
    array.append(row)
    row[:] = 0
    assert row.flags.owndata and array.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_delitem_empty_selection_under_view_succeeds():
    array = unstable(rows=[1.0, 2.0])
    view = array.array
    for key in ([], [False, False], slice(1, 1), slice(5, 9, 2)):
        del array[key]
    assert view.tolist() == array.tolist() == [1, 2]


def test_array_base_made_read_only_leaves_growarray_writable():
    array = GrowArray([1.0, 2.0])
    array[:].base.flags.writeable = False
    array[0:1].base.flags.writeable = False
    iter(array).__reduce__()[1][0].flags.writeable = False
    array[0] = 3
    assert array.tolist() == [3, 2] and array.array.flags.writeable


def test_clear_empty_reserved_array_frees_capacity():
    array = unstable()
    array.reserve(1 << 20)
    array.clear()
    assert array.capacity == 0


def drop_dirty_blocks():
    """Make NumPy reuse small blocks that are filled with the byte 0xA5."""
    _ = [np.full(nbytes, 0xA5, "u1") for nbytes in range(1, 128) for _ in range(3)]


GAPS = np.dtype({"names": ["a", "b"], "formats": ["i1", "i1"], "offsets": [3, 9]})
NAMELESS = np.dtype({"names": [], "formats": [], "itemsize": 8})


@pytest.mark.parametrize(
    ("dtype", "rows"),
    [
        (GAPS, [(1, 2)] * 3),
        (PADDED, [(1, 2, b"c")] * 3),
        (NAMELESS, [()] * 3),
        (
            np.dtype([("x", PADDED, 2), ("y", "i1"), ("z", "S0", 2)]),
            [([(1, 2, b"c")] * 2, 1, b"")] * 3,
        ),
        ("g", [1.5, 2.5, 3.5]),
        ("g", [Decimal("1.5")] * 3),
        ("G", [1.5j, 2.5, 3.5]),
        (np.dtype("g").newbyteorder(), [1.5, 2.5, 3.5]),
        (np.dtype([("x", "g", 2)]), [((1, 2),)] * 3),
    ],
    ids=[
        "gaps",
        "padded",
        "nameless",
        "nested",
        "long double",
        "of Decimals",
        "complex",
        "swapped",
        "in a structure",
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda rows, dtype: GrowArray(rows, dtype=dtype),
        lambda rows, dtype: filled(dtype, "extend", rows),
        lambda rows, dtype: filled(dtype, "extend", iter(rows)),
        lambda rows, dtype: [filled(dtype, "append", row) for row in rows][0],
        lambda rows, dtype: filled(dtype, "insert", 0, rows[0]),
    ],
    ids=["new", "extend", "iterable", "append", "insert"],
)
def test_growarray_padded_dtype_zeroes_padding(dtype, rows, make):
    for _ in range(5):
        drop_dirty_blocks()
        assert b"\xa5" not in bytes(make(rows, dtype).buffer)


def stale(dtype):
    """Return an array of three rows, in which every byte is 0xA5, padding too."""
    rows = np.empty(3, dtype)
    rows.view("u1")[:] = 0xA5
    return rows


def padding_of(dtype):
    """Return the offsets of the padding bytes of an item."""
    runs = array_module._paddings(np.dtype(dtype))
    return np.array(
        [at for start, nbytes in runs for at in range(start, start + nbytes)]
    )


def test_paddings_of_dtypes_are_bytes_of_no_value():
    nested = np.dtype([("a", "u1"), ("in", [("b", "u1"), ("c", "<u4")], 2)], align=True)
    overlapping = {"names": ["a", "b"], "formats": ["u4", "u1"], "offsets": [2, 3]}
    assert padding_of(GAPS).tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert padding_of(nested).tolist() == [1, 2, 3, 5, 6, 7, 13, 14, 15]
    assert padding_of({**overlapping, "itemsize": 7}).tolist() == [0, 1, 6]
    if np.finfo("g").nmant == 63:
        assert padding_of("<g").tolist() == [10, 11, 12, 13, 14, 15]
        assert padding_of(">G").tolist() == [*range(6), *range(16, 22)]


def test_growarray_equal_dtypes_keep_their_own_metadata():
    marked = np.dtype([("t", "f8"), ("n", "i4")], metadata={"unit": "s"})
    other = np.dtype([("t", "f8"), ("n", "i4")])
    assert GrowArray(dtype=marked).dtype.metadata == {"unit": "s"}
    assert GrowArray(dtype=other).dtype.metadata is None
    assert GrowArray(dtype=marked, row_shape=2).array.dtype is marked


@pytest.mark.parametrize("dtype", [GAPS, PADDED, "g", "G"], ids=str)
def test_extend_padded_arrays_zeroes_padding(dtype):
    rows = stale(dtype)
    zeroed = GrowArray(np.zeros(3, dtype))
    padding = padding_of(dtype)
    if not padding.size:
        pytest.skip("there is no padding here")
    for call in (
        lambda a: a.extend(rows),
        lambda a: a.extend(list(rows)),
        lambda a: [a.append(row) for row in rows],
        lambda a: [a.insert(len(a), row) for row in rows],
        lambda a: a.extend(GrowArray(rows)),
    ):
        array = zeroed.copy()
        call(array)
        items = np.frombuffer(array.buffer, "u1").reshape(6, -1)
        assert not items[:, padding].any()
        assert items[3:].any()


SETTERS = {
    "slice": lambda a, rows: a.__setitem__(slice(None), rows),
    "part": lambda a, rows: a.__setitem__(slice(-2, None), rows[:2]),
    "step": lambda a, rows: a.__setitem__(slice(None, None, -1), rows),
    "index": lambda a, rows: [a.__setitem__(i - 2, rows[i]) for i in range(3)],
    "NumPy's index": lambda a, rows: a.__setitem__(np.int64(1), rows[1]),
    "tuple": lambda a, rows: a.__setitem__((slice(None),), rows),
    "ellipsis": lambda a, rows: a.__setitem__(..., rows),
    "mask": lambda a, rows: a.__setitem__([True, False, True], rows[:2]),
    "a list": lambda a, rows: a.__setitem__(slice(None), rows.tolist()),
    "fill": lambda a, rows: a.fill(rows[0]),
    "put": lambda a, rows: a.put([0, 1], rows[:2]),
    "flat": lambda a, rows: setattr(a, "flat", rows),
    "copyto": lambda a, rows: np.copyto(a, rows),
    "put, a function": lambda a, rows: np.put(a, [0, 2], rows[:2]),
    "concatenate": lambda a, rows: np.concatenate([rows[:1], rows[1:]], out=a),
    "take": lambda a, rows: np.take(rows, [0, 1, 2], out=a),
}


@pytest.mark.parametrize("name", SETTERS)
@pytest.mark.parametrize("dtype", [GAPS, PADDED, "g", "G"], ids=str)
def test_setitem_padded_rows_zeroes_padding(dtype, name):
    padding = padding_of(dtype)
    if not padding.size:
        pytest.skip("there is no padding here")
    array = GrowArray(np.zeros(3, dtype))
    drop_dirty_blocks()
    SETTERS[name](array, stale(dtype))
    assert not np.frombuffer(array.buffer, "u1").reshape(3, -1)[:, padding].any()


@pytest.mark.parametrize("dtype", ["g", "G"])
def test_arithmetic_long_double_zeroes_padding(dtype):
    padding = padding_of(dtype)
    if not padding.size:
        pytest.skip("there is no padding here")
    array = GrowArray(np.ones(3, dtype))
    for call in (
        lambda: operator.iadd(array, stale(dtype)),
        lambda: operator.imul(array, np.ones(3)),
        lambda: np.add(stale(dtype), 1, out=array),
        lambda: np.sqrt(np.ones(3, "f4"), out=array),
        lambda: np.add.at(array, [0, 1], stale(dtype)[:2]),
        lambda: np.add.accumulate(np.ones(3), out=array),
        lambda: np.sum(stale(dtype).reshape(1, 3), axis=0, out=array),
        lambda: setattr(array, "real", stale(dtype).real),
    ):
        drop_dirty_blocks()
        with np.errstate(all="ignore"):
            call()
        items = np.frombuffer(array.array.view("u1"), "u1").reshape(3, -1)
        assert not items[:, padding].any()


@pytest.mark.parametrize("item", ["f8", "g", PADDED], ids=["f8", "g", "padded"])
@pytest.mark.parametrize(
    "rows", [[1, 2], [[1, 2], [3, 4]], [[1], [2], [3]], [(1, 2), (3, 4)]]
)
def test_growarray_subarray_dtype_broadcasts_as_numpy(item, rows):
    dtype = np.dtype((item, (2,)))
    if item is PADDED:
        rows = [(row if isinstance(row, int) else row[0], 2, b"c") for row in rows]
    expected = np.asarray(rows, dtype)
    array = GrowArray(rows, dtype=dtype)
    assert array.shape == expected.shape and array.tolist() == expected.tolist()


@pytest.mark.parametrize("item", [5, (1, 2)])
def test_growarray_one_subarray_item_raises_type_error(item):
    with pytest.raises(TypeError, match="one item"):
        GrowArray(item, dtype=("f8", (2,)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: GrowArray(memoryview(np.asfortranarray(np.ones((4, 2)))), dtype="g"),
        lambda: filled("g", "extend", [np.longdouble(1)] * 9),
        lambda: filled("G", "append", np.longdouble(1)),
        lambda: filled("G", "extend", [1.5j, 2.5]),
        lambda: filled("G", "insert", 0, 1.5j),
        lambda: GrowArray([1.5j, 2.5], dtype="G"),
        lambda: filled("G", "extend", np.ones(5)),
        lambda: filled(("g", 3), "append", [np.longdouble(1)] * 3),
    ],
)
def test_growarray_long_double_data_zeroes_padding(make):
    if np.finfo("g").nmant != 63:
        pytest.skip("a long double has no padding here")
    for _ in range(5):
        drop_dirty_blocks()
        numbers = np.frombuffer(make().buffer, "u1").reshape(-1, np.dtype("g").itemsize)
        assert not numbers[:, 10:].any()


def filled(dtype, method, *args):
    """Return a new array on which the method has been called once."""
    array = GrowArray(dtype=dtype)
    getattr(array, method)(*args)
    return array


@pytest.mark.parametrize(
    "item",
    [np.datetime64(5, "s"), np.timedelta64(5, "s"), np.bytes_(b"abc"), np.bytes_(b"a")],
)
def test_extend_one_numpy_scalar_raises_type_error(item):
    array = GrowArray(dtype=item.dtype)
    with pytest.raises(TypeError, match="one item"):
        array.extend(item)
    array.append(item)
    assert array.tolist() == [item.item()]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is of 3.12")
@pytest.mark.parametrize("method", ["append", "extend"])
def test_append_extend_interrupt_in_buffer_method_is_raised(method):
    class Row:
        dtype = np.dtype("f8")

        def __buffer__(self, flags):
            raise KeyboardInterrupt

    array = GrowArray([1.0])
    with pytest.raises(KeyboardInterrupt):
        getattr(array, method)(Row())
    assert array.tolist() == [1]


def test_reserve_resize_without_growth_under_view_succeeds():
    array = unstable(rows=[1.0, 2.0])
    view = array.array
    array.reserve(1)
    array.resize(2)
    assert view.tolist() == array.tolist() == [1, 2]


def test_growarray_too_many_axes_raises_value_error():
    with pytest.raises(ValueError, match="dimension"):
        GrowArray(row_shape=(1,) * 64)


def test_append_float_subclass_uses_float_method():
    class Other(float):
        def __float__(self):
            return 42.0

    array = GrowArray()
    array.append(Other(1))
    array.append(np.float64(1))
    assert array.tolist() == [np.array([Other(1)], "f8")[0], 1]


@pytest.mark.parametrize("value", [1e-50, 1e-40, -1e-50, 1e50])
@pytest.mark.parametrize("cls", [float, np.float64])
def test_append_floating_point_error_matches_ndarray_assignment(value, cls):
    array, plain = GrowArray(dtype="f4"), np.zeros(1, "f4")

    def outcome(call, *args):
        with np.errstate(all="raise"):
            try:
                call(*args)
            except FloatingPointError as error:
                return str(error)

    expected = outcome(plain.__setitem__, 0, cls(value))
    with Unchanged(array) if expected else nullcontext():
        assert outcome(array.append, cls(value)) == expected
    with np.errstate(all="ignore"):
        array.extend([cls(value), 0.0, -0.0, math.inf, math.nan])
        expected = np.array([value, 0.0, -0.0, math.inf, math.nan]).astype("f4")
    assert array.array[-5:].tobytes() == expected.tobytes()
