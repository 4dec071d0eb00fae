"""Test Arrow's C data interface of a GrowArray, read with ctypes and with pyarrow."""

import ctypes
import gc
import threading
import weakref

import pytest
from conftest import assert_no_leak

import growbuf
from growbuf import GrowBuffer

np = pytest.importorskip("numpy")
GrowArray = growbuf.GrowArray


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.POINTER(Schema)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))),
    ("private", ctypes.c_void_p),
]
Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))),
    ("dictionary", ctypes.POINTER(Array)),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))),
    ("private", ctypes.c_void_p),
]

pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
pointer_of.restype = ctypes.c_void_p
pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


def structs(array):
    """Return the two structs, and the capsules, which must stay alive."""
    capsules = schema, data = array.__arrow_c_array__()
    return (
        Schema.from_address(pointer_of(schema, b"arrow_schema")),
        Array.from_address(pointer_of(data, b"arrow_array")),
        capsules,
    )


def formats(schema):
    children = [formats(schema.children[i].contents) for i in range(schema.n_children)]
    return (schema.format.decode(), schema.name.decode(), *children)


def values(array, dtype):
    """Return the values of an array without children."""
    nbytes = array.length * np.dtype(dtype).itemsize
    return np.frombuffer(ctypes.string_at(array.buffers[1], nbytes), dtype)


def address(array):
    return array.array.__array_interface__["data"][0]


NUMBERS = {
    "i1": "c",
    "i2": "s",
    "i4": "i",
    "i8": "l",
    "u1": "C",
    "u2": "S",
    "u4": "I",
    "u8": "L",
    "f2": "e",
    "f4": "f",
    "f8": "g",
    "S5": "w:5",
    "V3": "w:3",
    "M8[s]": "tss:",
    "M8[ms]": "tsm:",
    "M8[us]": "tsu:",
    "M8[ns]": "tsn:",
    "m8[s]": "tDs",
    "m8[ms]": "tDm",
    "m8[us]": "tDu",
    "m8[ns]": "tDn",
}


def rows_of(dtype, *shape):
    rows = np.zeros(shape, dtype)
    flat = rows.reshape(-1).view("u1")
    flat[:] = np.arange(flat.size) % 100
    return rows


@pytest.mark.parametrize("dtype, format", NUMBERS.items())
@pytest.mark.parametrize("nrows", [0, 1, 5000])
def test_arrow_export_of_items_copies_nothing(dtype, format, nrows):
    rows = rows_of(dtype, nrows)
    array = GrowArray(rows)
    schema, data, _capsules = structs(array)
    assert formats(schema) == (format, "")
    assert (data.length, data.null_count, data.offset) == (nrows, 0, 0)
    assert data.n_buffers == 2 and data.buffers[0] is None
    assert data.buffers[1] == address(array)
    assert values(data, dtype).tobytes() == rows.tobytes()


def test_arrow_export_of_rows_with_shape_is_lists_without_a_copy():
    array = GrowArray(rows_of("f4", 10, 3, 2))
    schema, data, _capsules = structs(array)
    assert formats(schema) == ("+w:3", "", ("+w:2", "item", ("f", "item")))
    assert data.length == 10 and data.n_buffers == 1
    inner = data.children[0].contents
    items = inner.children[0].contents
    assert (inner.length, items.length) == (30, 60)
    assert items.buffers[1] == address(array)


@pytest.mark.parametrize("nrows", [0, 1, 8, 9, 1000])
def test_arrow_export_of_bools_is_bits(nrows):
    rows = np.arange(nrows) % 3 == 0
    schema, data, _capsules = structs(GrowArray(rows))
    assert formats(schema) == ("b", "")
    bits = np.frombuffer(ctypes.string_at(data.buffers[1], (nrows + 7) // 8), "u1")
    assert np.unpackbits(bits, bitorder="little")[:nrows].tolist() == rows.tolist()


def test_arrow_export_of_records_is_structs_of_copied_fields():
    dtype = np.dtype(
        [
            ("t", "f8"),
            ("at", [("x", "i2"), ("ok", "?")]),
            ("v", ">u4", (2,)),
            ("s", "S3"),
        ]
    )
    rows = rows_of(dtype, 9)
    rows["at"]["ok"] = np.arange(9) % 2
    array = GrowArray(rows)
    schema, data, _capsules = structs(array)
    assert formats(schema) == (
        "+s",
        "",
        ("g", "t"),
        ("+s", "at", ("s", "x"), ("b", "ok")),
        ("+w:2", "v", ("I", "item")),
        ("w:3", "s"),
    )
    t, at, v, s = (data.children[i].contents for i in range(4))
    assert values(t, "f8").tolist() == rows["t"].tolist()
    assert values(at.children[0].contents, "i2").tolist() == rows["at"]["x"].tolist()
    assert values(v.children[0].contents, "u4").tolist() == rows["v"].ravel().tolist()
    assert values(s, "S3").tolist() == rows["s"].tolist()
    assert ctypes.string_at(at.children[1].contents.buffers[1], 2) == b"\xaa\x00"


@pytest.mark.parametrize("dtype", ["M8[ns]", ">M8[s]", "m8[us]", "M8[D]"])
def test_arrow_export_of_nat_is_null(dtype):
    rows = np.array([1, "NaT", 3, "NaT"], dtype)
    schema, data, _capsules = structs(GrowArray(rows))
    assert data.null_count == 2
    assert ctypes.string_at(data.buffers[0], 1) == b"\x05"
    found = values(data, "i4" if "D" in dtype else "i8")
    assert found[::2].tolist() == [1, 3]


def test_arrow_export_of_days_has_32_bits():
    schema, data, _capsules = structs(GrowArray(np.array(["1969-12-30"], "M8[D]")))
    assert formats(schema) == ("tdD", "")
    assert values(data, "i4").tolist() == [-2]
    with pytest.raises(OverflowError):
        GrowArray(np.array([1 << 40], "M8[D]")).__arrow_c_array__()


@pytest.mark.parametrize("dtype", [">i4", ">f8", ">M8[s]", ">f2"])
def test_arrow_export_of_other_byte_order_is_swapped(dtype):
    rows = rows_of(dtype, 7)
    _schema, data, _capsules = structs(GrowArray(rows))
    native = np.dtype(dtype).newbyteorder("=")
    assert values(data, native).tolist() == rows.tolist()


def test_arrow_export_of_unaligned_items_is_copied():
    buffer = GrowBuffer(b"x" * 81)
    del buffer[:1]
    array = GrowArray.from_buffer(buffer, "f8")
    _schema, data, _capsules = structs(array)
    assert data.buffers[1] % 8 == 0
    assert values(data, "f8").tobytes() == b"x" * 80


@pytest.mark.parametrize("dtype", ["c16", "g", "U3", "M8[h]", "M8[10s]", "m8[D]"])
def test_arrow_export_of_dtype_without_arrow_type_raises(dtype):
    array = GrowArray(dtype=dtype)
    with pytest.raises(TypeError, match="Arrow"):
        array.__arrow_c_array__()
    with pytest.raises(TypeError, match="Arrow"):
        array.__arrow_c_schema__()


def test_arrow_schema_alone_equals_that_of_the_array():
    array = GrowArray(dtype=[("a", "i4"), ("b", "?")], row_shape=2)
    capsule = array.__arrow_c_schema__()
    alone = Schema.from_address(pointer_of(capsule, b"arrow_schema"))
    schema, _data, _capsules = structs(array)
    assert formats(alone) == formats(schema)
    assert formats(alone) == ("+w:2", "", ("+s", "item", ("i", "a"), ("b", "b")))


class Buffer(GrowBuffer):
    """A buffer to which there can be weak references."""


@pytest.mark.skipif(growbuf.info()["strategy"] == "heap", reason="needs pages")
def test_append_under_arrow_export_keeps_exported_rows():
    array = GrowArray.from_buffer(Buffer(limit=1000), "f8")
    array.extend(np.arange(10.0))
    _schema, data, capsules = structs(array)
    array.append(10.0)
    assert data.length == 10 and data.buffers[1] == address(array)
    with pytest.raises(BufferError):
        array.pop()
    buffer = weakref.ref(array._buffer)
    del array
    gc.collect()
    assert values(data, "f8").tolist() == list(range(10))
    assert buffer() is not None
    del capsules, _schema
    gc.collect()
    assert buffer() is None


def move(struct):
    """Move a struct to other memory, as a consumer does."""
    moved = type(struct)()
    ctypes.memmove(ctypes.byref(moved), ctypes.byref(struct), ctypes.sizeof(struct))
    struct.release = type(struct.release)()
    return moved


def test_arrow_children_released_in_any_thread_free_the_export():
    array = GrowArray.from_buffer(Buffer(rows_of("f4", 10, 3).tobytes()), "f4", 3)
    buffer = weakref.ref(array._buffer)
    _schema, data, capsules = structs(array)
    moved = move(data)
    child = move(moved.children[0].contents)
    moved.release(ctypes.byref(moved))
    assert not moved.release
    del array, capsules, data
    gc.collect()
    assert child.length == 30
    assert values(child, "f4").tobytes() == rows_of("f4", 10, 3).tobytes()
    assert buffer() is not None
    release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
        ctypes.cast(child.release, ctypes.c_void_p).value
    )  # CFUNCTYPE releases the GIL during the call
    thread = threading.Thread(target=release, args=(ctypes.addressof(child),))
    thread.start()
    thread.join()
    assert not child.release
    gc.collect()
    assert buffer() is None


def test_arrow_exports_repeated_leak_nothing():
    nested = np.dtype([("a", "f8"), ("b", ">i2", (2,)), ("c", "?"), ("d", "M8[D]")])
    for rows in (np.arange(5.0), rows_of("f4", 5, 2), np.zeros(5, nested)):
        array = GrowArray(rows)
        assert_no_leak(array.__arrow_c_array__)
        assert_no_leak(array.__arrow_c_schema__)
    bad = GrowArray(dtype=[("a", "f8"), ("b", "c16")])

    def refused():
        with pytest.raises(TypeError):
            bad.__arrow_c_array__()

    assert_no_leak(refused)


def test_arrow_export_of_a_field_of_no_items_raises():
    array = GrowArray([((), 1)], dtype=[("a", "f8", (0,)), ("b", "i4")])
    with pytest.raises(TypeError, match="empty lists"):
        array.__arrow_c_array__()


def test_arrow_export_of_days_is_copied_and_holds_no_rows():
    array = GrowArray(np.arange(5).astype("M8[D]"))
    schema, data, capsules = structs(array)
    array.pop()
    assert data.length == 5 and len(array) == 4
    assert capsules is not None


set_name = ctypes.pythonapi.PyCapsule_SetName
set_name.argtypes = [ctypes.py_object, ctypes.c_char_p]


def test_arrow_capsules_that_were_renamed_are_freed():
    array = GrowArray([1.0, 2.0])
    capsules = array.__arrow_c_array__()
    for capsule in capsules:
        set_name(capsule, b"used")
    with pytest.raises(BufferError):
        array.pop()
    del capsules, capsule
    array.pop()
