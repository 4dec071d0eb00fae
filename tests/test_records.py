"""Test rows that are given as dicts or lists of fields, and many rows in insert()."""

import ctypes
import gc
import sys

import pytest
from conftest import assert_no_leak

import growbuf
from growbuf._growbuf import check

np = pytest.importorskip("numpy")
GrowArray = growbuf.GrowArray
POINT = np.dtype([("x", "f8"), ("y", "i4")])
NESTED = np.dtype([("at", POINT), ("name", "S3")])


def assert_rows(array, expected):
    assert array.array.tolist() == expected
    assert check(array._buffer) is None


@pytest.mark.parametrize(
    "row", [(1.5, 2), [1.5, 2], {"x": 1.5, "y": 2}, {"y": 2, "x": 1.5}]
)
def test_append_takes_a_record_as_tuple_list_or_dict(row):
    array = GrowArray(dtype=POINT)
    array.append(row)
    array.extend([row, row])
    array.extend(iter([row]))
    array.insert(0, row)
    assert_rows(array, [(1.5, 2)] * 5)


def test_append_takes_nested_dicts_and_lists():
    array = GrowArray(dtype=NESTED)
    array.append({"name": b"ab", "at": {"x": 1, "y": 2}})
    array.append([[3, 4], b"c"])
    array.append(((5, 6), b"d"))
    assert_rows(array, [((1, 2), b"ab"), ((3, 4), b"c"), ((5, 6), b"d")])


@pytest.mark.parametrize(
    "row", [{}, {"x": 1}, {"x": 1, "y": 2, "z": 3}, {"x": 1, "z": 2}, [1], [1, 2, 3]]
)
def test_append_of_record_with_other_fields_raises(row):
    array = GrowArray(dtype=POINT)
    with pytest.raises((ValueError, TypeError)):
        array.append(row)
    with pytest.raises((ValueError, TypeError)):
        array.extend([(1, 2), row])
    assert_rows(array, [])


def test_append_of_dict_to_rows_without_fields_raises():
    array = GrowArray()
    with pytest.raises(TypeError):
        array.append({"x": 1})


@pytest.mark.parametrize("index", [0, 1, 3, -1, 99])
@pytest.mark.parametrize("make", [list, tuple, np.array, GrowArray])
@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_insert_takes_many_rows(index, make, count):
    values = [10.5 + i for i in range(count)]
    array, model = GrowArray([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]
    if make is tuple and not count:
        pytest.skip("an empty tuple is no rows")
    array.insert(index, make(values))
    model[index:index] = values
    assert_rows(array, model)


def test_insert_takes_many_rows_of_any_shape():
    array = GrowArray([[1, 2], [3, 4]], dtype="i4")
    array.insert(1, [[5, 6], [7, 8]])
    array.insert(0, [9, 9])
    array.insert(0, np.array([[0, 0]]))
    assert_rows(array, [[0, 0], [9, 9], [1, 2], [5, 6], [7, 8], [3, 4]])
    records = GrowArray([(1, 2)], dtype=POINT)
    records.insert(0, [(3, 4), (5, 6)])
    records.insert(1, np.array([(7, 8)], POINT))
    assert_rows(records, [(3, 4), (7, 8), (5, 6), (1, 2)])


def test_insert_of_many_rows_past_maxlen_raises():
    array = GrowArray([1.0, 2.0], maxlen=4)
    with pytest.raises(IndexError, match="maxlen"):
        array.insert(1, [5.0, 6.0, 7.0])
    array.insert(1, [5.0, 6.0])
    assert_rows(array, [1.0, 5.0, 6.0, 2.0])


def test_insert_of_rows_that_do_not_fit_raises():
    array = GrowArray([[1, 2]], dtype="i4")
    for rows in ([[1, 2, 3], [4, 5, 6]], [[1], [2, 3]], "ab"):
        with pytest.raises((ValueError, TypeError)):
            array.insert(0, rows)
    assert_rows(array, [[1, 2]])


# ------------------------------------------------------------- __array_interface__


def test_array_interface_describes_the_rows():
    array = GrowArray([[1, 2, 3], [4, 5, 6]], dtype="f4")
    found = array.__array_interface__
    assert found["shape"] == (2, 3) and found["typestr"] == "<f4"
    assert found["strides"] is None and found["version"] == 3
    with pytest.raises(KeyError):
        found["mask"]
    del found
    assert array.pop().tolist() == [4, 5, 6]  # nothing is pinned


def test_address_of_array_interface_stays_valid():
    array = GrowArray([1.0, 2.0, 3.0])
    if not array.stable:
        pytest.skip("this system has no pages")
    address, read_only = array.__array_interface__["data"]
    assert not read_only
    array.extend(np.zeros(100_000))
    assert ctypes.c_double.from_address(address + 8).value == 2.0
    with pytest.raises(BufferError):
        array.pop()
    del array[:50_000]
    gc.collect()
    assert ctypes.c_double.from_address(address + 8).value == 2.0


def test_address_of_array_interface_takes_memory_once():
    """On a debug build of Python 3.15 NumPy loses four references in each call of its
    own __array_interface__. So memory blocks are counted instead."""
    array = GrowArray([1.0, 2.0, 3.0])
    count = sys.getallocatedblocks
    assert_no_leak(lambda: array.__array_interface__["data"], count=count)


def test_as_ctypes_of_array_shares_the_rows():
    array = GrowArray([1.0, 2.0, 3.0])
    shared = np.ctypeslib.as_ctypes(array)
    shared[1] = 7.0
    assert array.tolist() == [1.0, 7.0, 3.0]
    del array
    gc.collect()
    assert list(shared) == [1.0, 7.0, 3.0]


@pytest.mark.parametrize("dtype", ["f8", "M8[s]", POINT, ">U2"])
def test_asarray_holds_an_export(dtype):
    array = GrowArray(dtype=dtype)
    array.resize(3)
    shown = np.asarray(array)
    assert shown.dtype == array.dtype
    with pytest.raises(BufferError):
        array.pop()
    del shown
    array.pop()


def test_array_interface_of_dtype_without_format_is_missing():
    assert not hasattr(GrowArray(dtype="M8[s]"), "__array_interface__")


def test_rec_array_takes_records():
    array = GrowArray([(1.5, 2)], dtype=POINT)
    assert np.rec.array(array).y.tolist() == [2]


def test_addresses_of_array_interface_stay_valid_in_any_order():
    array = GrowArray(np.arange(100_000.0), limit=300_000)
    first = array.__array_interface__
    del array[:50_000]
    second = array.__array_interface__
    assert second["data"] != first["data"]
    address = first["data"][0]
    del first, second
    assert ctypes.c_double.from_address(address + 80).value == 10.0


def test_ndarray_of_rows_can_be_made_writeable_again():
    array = GrowArray([1.0, 2.0])
    for view in array.array, array.array, GrowArray([1.0]).detach():
        view.flags.writeable = False
        view.flags.writeable = True
        view[0] = 7.0
    assert array.tolist() == [7.0, 2.0]


def test_copy_of_rows_with_part_of_a_row_raises():
    buf = growbuf.GrowBuffer(bytes(16))
    array = GrowArray.from_buffer(buf, "f8")
    buf.append(0)
    with pytest.raises(ValueError, match="17 bytes"):
        array.copy()
