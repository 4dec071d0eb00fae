"""GrowArray: a NumPy array that grows along its first axis while views stay valid.

This is the only module of the package that imports NumPy.  The type itself is written
in C, in _growbuf: its rows are the bytes of a GrowBuffer, and an ndarray shows them.
This module describes to C how a row lies in memory, converts the values that C code
cannot convert, and adds methods to the type.
"""

import contextlib
import datetime
import functools
import importlib
import inspect
import math
import operator
import os
import re
import sys
import types
from pickle import PickleBuffer

try:
    import numpy as np
except ImportError as error:
    raise ImportError("growbuf.GrowArray needs NumPy: pip install numpy") from error

from ._growbuf import GrowArray, GrowBuffer, Layout, stats, use_numpy

__all__ = ["GrowArray"]


# ----------------------------------------------------------------- address space


def _address_space():
    """Return how many bytes of address space exist, and how many other code uses.

    The first number is an estimate: four times the largest power of two that works as a
    limit, or 0 if none works.  So it is smaller under a resource limit.  C calls this
    once, when an array first reserves address space.
    """
    for exponent in range(50, 30, -1):
        try:
            GrowBuffer(limit=1 << exponent)
        except MemoryError:
            continue
        return 4 << exponent, _address_space_of_others()
    return 0, 0


def _address_space_of_others():
    """Return the bytes of address space in use, without those that growbuf reserved.

    Return 0 if the system does not report them.
    """
    try:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    try:
        npages = int(os.read(descriptor, 32).split()[0])
    finally:
        os.close(descriptor)
    return npages * os.sysconf("SC_PAGESIZE") - stats()["reserved_bytes"]


# ------------------------------------------------------------------------ layout


def _part(dtype, offset):
    """Return the description of a part of a row, in the form that setitem.h defines.

    The offset is counted from the start of the part that contains it.
    """
    if dtype.subdtype is not None:
        item, shape = dtype.subdtype
        return _sequence(_part(item, 0), shape, offset)
    if dtype.names is not None:
        fields = [dtype.fields[name][:2] for name in dtype.names]
        return (
            "record",
            offset,
            dtype.itemsize,
            tuple(_part(*field) for field in fields),
        )
    item = dtype.kind, offset, dtype.itemsize, not dtype.isnative
    if dtype.kind not in "mM":
        return item
    unit, count = np.datetime_data(dtype)
    scalar = dtype.type(0, (unit, count))
    other = dtype.type(0, "D" if unit != "D" else "s")
    return *item, unit if count == 1 else "", scalar, other


def _sequence(part, shape, offset=0):
    """Return the description of an array of this shape; `part` describes an item."""
    for length in reversed(shape):
        part = "sequence", 0, length * part[2], length, part
    return part[:1] + (offset,) + part[2:]


def _used(dtype, start=0):
    """Yield (start, end) of each run of bytes of an item that hold a value.

    The others are padding: bytes between fields, and unused bytes of a long double.
    """
    if dtype.names is not None:
        for field, offset in (dtype.fields[name][:2] for name in dtype.names):
            yield from _used(field, start + offset)
    elif dtype.base.names is None and dtype.base.char not in "gG":
        yield start, start + dtype.itemsize
    elif dtype.subdtype is not None:
        for at in range(start, start + dtype.itemsize, dtype.base.itemsize):
            yield from _used(dtype.base, at)
    else:
        number = np.dtype("g").itemsize
        used = 10 if np.finfo(dtype).nmant == 63 else number  # x87 uses ten bytes
        skipped = 0 if dtype.isnative else number - used
        for at in range(start + skipped, start + dtype.itemsize, number):
            yield at, at + used


def _paddings(dtype):
    """Return (offset, nbytes) of each run of padding bytes of an item."""
    paddings, end = [], 0
    for start, stop in [*sorted(_used(dtype)), (dtype.itemsize, dtype.itemsize)]:
        if start > end:
            paddings.append((end, start - end))
        end = max(end, stop)
    return tuple(paddings)


@functools.lru_cache(maxsize=128)
def _description(dtype):
    """Return the description of an item, and its paddings.

    Equal dtypes share a description.  They do not share a Layout, because their
    metadata may differ.
    """
    _check_lengths(dtype)
    return _part(dtype, 0), _paddings(dtype)


def _check_lengths(dtype, name=""):
    """Raise ValueError for items or fields without a length or dates without a unit."""
    for field in dtype.names or ():
        _check_lengths(dtype.fields[field][0].base, f" of field {field!r}")
    if dtype.itemsize == 0:
        raise ValueError(f"{dtype!r}{name} has no length: give it one, as in 'S8'")
    if dtype.kind in "mM" and np.datetime_data(dtype)[0] == "generic":
        raise ValueError(f"{dtype!r}{name} has no unit: give it one, as in 'M8[s]'")


def _lengths(row_shape):
    """Return a row shape as a tuple; None stands for (), a length n for (n,)."""
    if row_shape is None:
        return ()
    try:
        if hasattr(row_shape, "__iter__"):
            return tuple(map(operator.index, row_shape))
        return (operator.index(row_shape),)
    except TypeError:
        raise TypeError(
            f"row_shape must be an integer or a tuple of integers, got {row_shape!r}"
        ) from None


def _make_layout(dtype, row_shape):
    """Return the Layout for two arguments of GrowArray; None stands for the default."""
    dtype = np.dtype(np.float64 if dtype is None else dtype)
    row_shape = _lengths(row_shape)
    row_shape, dtype = row_shape + dtype.shape, dtype.base
    if dtype.hasobject or dtype.kind == "T":
        raise TypeError(
            f"a GrowArray cannot hold {dtype!r}: its items are references to objects, "
            "and a GrowArray moves bytes without counting references"
        )
    part, paddings = _description(dtype)
    if min(row_shape, default=1) <= 0:
        raise ValueError(f"each length of row_shape must be 1 or more, got {row_shape}")
    row_nbytes = dtype.itemsize * math.prod(row_shape)
    if row_nbytes > sys.maxsize:
        raise ValueError(f"rows of {dtype!r} and shape {row_shape} are too big")
    if row_shape:
        np.empty((0, *row_shape), dtype)  # raises if there are too many axes
    return Layout(
        dtype,
        dtype.itemsize,
        row_shape,
        row_nbytes,
        dtype.kind == "V",
        np.dtype((dtype, row_shape)) if row_shape else dtype,
        functools.partial(np.empty, row_shape, dtype),
        _sequence(part, row_shape),
        paddings,
    )


# -------------------------------------------------------------- the buffer protocol

_CODES = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "f2": "e", "f4": "f"}
_CODES |= {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "f8": "d", "c8": "Zf"}
_CODES |= {"c16": "Zd"}


class _NoFormat(Exception):
    """Raised if no format of the buffer protocol describes a dtype completely."""


def _item_format(dtype):
    if dtype.kind == "S":
        return f"{dtype.itemsize}s"
    order = "^" if dtype.isnative else dtype.byteorder  # ^: native, not aligned
    if dtype.kind == "U":
        return f"{order}{dtype.itemsize // 4}w"
    if dtype.char in "gG" and dtype.isnative:
        return order + {"g": "g", "G": "Zg"}[dtype.char]
    if dtype.str[1:] not in _CODES or dtype.char in "gG":
        raise _NoFormat
    return order + _CODES[dtype.str[1:]]


def _record_format(dtype):
    """Return the format of a record. NumPy's own leaves out the padding at the end."""
    parts, end = [], 0
    for name in dtype.names:
        field, offset, *title = dtype.fields[name]
        if title or offset < end or ":" in name or not name.isprintable():
            raise _NoFormat
        parts.append("x" * (offset - end) + f"{_format(field)}:{name}:")
        end = offset + field.itemsize
    return f"T{{{''.join(parts)}{'x' * (dtype.itemsize - end)}}}"


def _format(dtype):
    if dtype.subdtype is not None:
        return f"({','.join(map(str, dtype.shape))}){_format(dtype.base)}"
    return _item_format(dtype) if dtype.names is None else _record_format(dtype)


def _buffer_format(dtype):
    """Return a format that NumPy reads back as the same dtype, or None."""
    try:
        if dtype.names is not None:
            return _format(dtype)
        return memoryview(np.empty(0, dtype)).format if dtype.kind != "V" else None
    except (_NoFormat, ValueError, BufferError):
        return None


# ----------------------------------------------------------------- Arrow's types

_ARROW = {"i1": "c", "i2": "s", "i4": "i", "i8": "l", "f2": "e", "f4": "f", "f8": "g"}
_ARROW |= {"u1": "C", "u2": "S", "u4": "I", "u8": "L", "b1": "b"}
_ARROW_TIMES = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
_ARROW_BITS, _ARROW_DAYS, _ARROW_SWAPPED, _ARROW_NULLS = 1, 2, 4, 8  # as in arrow.c


def _arrow_part(dtype, name="", offset=0):
    """Return the description of a part of a row, in the form that arrow.c defines."""
    if dtype.subdtype is not None:
        item, shape = dtype.subdtype
        return _arrow_lists(_arrow_part(item), shape, name, offset)
    if dtype.names is not None:
        parts = tuple(
            _arrow_part(dtype.fields[field][0], field, dtype.fields[field][1])
            for field in dtype.names
        )
        if parts:
            return "+s", name, offset, dtype.itemsize, 0, 1, parts
    format, flags = _arrow_item(dtype)
    return format, name, offset, dtype.itemsize, flags, 1, ()


def _arrow_item(dtype):
    """Return Arrow's format of an item, and flags: how NumPy's item differs."""
    swapped = 0 if dtype.isnative else _ARROW_SWAPPED
    if dtype.kind in "mM":
        unit, count = np.datetime_data(dtype)
        if count == 1 and unit in _ARROW_TIMES:
            letter = _ARROW_TIMES[unit]
            format = f"ts{letter}:" if dtype.kind == "M" else f"tD{letter}"
            return format, swapped | _ARROW_NULLS
        if count == 1 and unit == "D" and dtype.kind == "M":
            return "tdD", swapped | _ARROW_NULLS | _ARROW_DAYS
    elif dtype.kind in "SV" and dtype.names is None:
        return f"w:{dtype.itemsize}", 0
    elif dtype.str[1:] in _ARROW and dtype.char not in "gG":
        bits = _ARROW_BITS if dtype.kind == "b" else 0
        return _ARROW[dtype.str[1:]], swapped | bits
    raise TypeError(
        f"Arrow has no type for {dtype!r}: convert first, as with array.astype(...)"
    )


def _arrow_lists(part, shape, name="", offset=0):
    """Return the description of nested lists; `part` describes an innermost item."""
    if 0 in shape:
        raise TypeError(
            f"cannot pass empty lists to Arrow, got shape {shape}: leave the field out"
        )
    for length in reversed(shape):
        part = part[:1] + ("item",) + part[2:]
        part = f"+w:{length}", "", 0, length * part[3], 0, length, (part,)
    return part[:1] + (name, offset) + part[3:]


def _arrow(layout, _):
    """Return the description of a row, in the form that arrow.c defines."""
    return _arrow_lists(_arrow_part(layout.dtype), layout.row_shape)


# -------------------------------------------------------------------- conversion
#
# One rule holds for every value that becomes a row: NumPy's rule same_kind must allow
# the cast.  Then the value is converted as `ndarray[i] = value` does it.  Arrays,
# NumPy's scalars and other objects with a dtype are checked by their dtype.  Python's
# own objects have no dtype: _TAKES lists the types that each dtype.kind accepts.  The
# value of an integer must fit.

_TAKES = {
    "b": (bool,),
    "i": (int,),
    "u": (int,),
    "f": (int, float, type(None)),
    "c": (int, float, complex, type(None)),
    "M": (int, str, bytes, datetime.date, type(None)),
    "m": (int, str, bytes, datetime.timedelta, type(None)),
    "S": (int, float, complex, str, bytes),
    "U": (int, float, complex, str, bytes),
}
_CONVERTERS = {  # the methods by which NumPy converts objects of other types
    "i": ("__index__",),
    "u": ("__index__",),
    "f": ("__float__", "__index__"),
    "c": ("__complex__", "__float__", "__index__"),
}
_ARRAY_LIKE = ("dtype", "__array__", "__array_interface__", "__array_struct__")


def _is_array_like(value):
    """Return whether NumPy treats an object as an array, with a dtype of its own."""
    if isinstance(value, list | tuple | str | bytes | int | float):
        return isinstance(value, np.generic)
    for name in _ARRAY_LIKE:  # not any(): its generator would leak if memory runs out
        if hasattr(value, name):
            return True
    try:
        memoryview(value).release()
    except (TypeError, BufferError):
        return False
    return True


def _is_sequence(value):
    return isinstance(value, list | tuple) or (
        hasattr(value, "__len__")
        and hasattr(value, "__getitem__")
        and not isinstance(value, str | bytes | dict)
    )


def _leaves(values):
    """Yield the innermost objects of nested sequences; arrays are yielded whole."""
    for value in values:
        if _is_array_like(value) or not _is_sequence(value):
            yield value
        else:
            yield from _leaves(value)


def _refuse(name, dtype):
    raise TypeError(
        f"cannot cast {name} to {dtype!r} by NumPy's rule 'same_kind': convert it first"
    )


def _check_dtype(found, dtype):
    if not np.can_cast(found, dtype, "same_kind"):
        _refuse(f"from {found!r}", dtype)


def _check_type(cls, dtype):
    methods = _CONVERTERS.get(dtype.kind, ())
    if not issubclass(cls, _TAKES[dtype.kind]) and not any(
        hasattr(cls, name) for name in methods
    ):
        _refuse(cls.__name__, dtype)


def _check_leaves(leaves, dtype):
    """Raise TypeError for the first object whose cast the rule does not allow."""
    seen = set()
    for leaf in leaves:
        if _is_array_like(leaf):
            found = np.asarray(leaf).dtype
            if found not in seen:
                _check_dtype(found, dtype)
                seen.add(found)
        elif type(leaf) not in seen:
            _check_type(type(leaf), dtype)
            seen.add(type(leaf))


def _integers(values, dtype):
    """Return integers as an array of the dtype; OverflowError if one does not fit.

    NumPy 2 raises OverflowError itself; NumPy 1.26 warns or does nothing.
    """
    numbers = np.asarray(values)
    if numbers.dtype.kind not in "biu":
        numbers = np.frompyfunc(operator.index, 1, 1)(np.asarray(values, object))
        numbers = np.asarray(numbers, object)
    limits = np.iinfo(dtype)
    for number in (numbers.min(), numbers.max()) if numbers.size else ():
        if not limits.min <= number <= limits.max:
            raise OverflowError(f"Python integer {number} out of bounds for {dtype}")
    return numbers.astype(dtype)


def _item(value, dtype):
    """Return the value as an array of the dtype with one item and no axes."""
    if dtype.kind in "iu":
        return _integers(value, dtype)
    item = np.empty(1, dtype)
    item[0] = value
    return item[0:1].reshape(())


def _source(values, dtype):
    """Return the values as an array of any shape, if the rule allows the cast."""
    if _is_array_like(values):
        # np.asarray(a GrowArray) would hide a MemoryError from making the view.
        own = isinstance(values, GrowArray)
        array = values.array if own else np.asarray(values)
        _check_dtype(array.dtype, dtype.base)
        is_item = array.ndim == 0 and dtype.names is None and dtype.subdtype is None
        if is_item and isinstance(values, np.generic | np.ndarray):
            return _item(values, dtype)  # np.asarray() dropped the mask, if any
        return _item(array, dtype) if is_item else array
    kind = dtype.base.kind
    if kind in _TAKES:
        is_sequence = _is_sequence(values)
        _check_leaves(_leaves(values) if is_sequence else (values,), dtype.base)
        if kind in "iu" and dtype.subdtype is None:
            return _integers(values, dtype)
    return np.asarray(values, dtype)


def _cast(layout, source, *shape):
    """Return an array of one row, or of `shape` rows if given, cast from `source`."""
    block = np.empty(shape + layout.row_shape, layout.dtype)
    np.copyto(block, source, casting="same_kind")
    return block


def _yields_rows(rows):
    """Return whether rows can only be iterated over, as those of a generator."""
    whole = hasattr(rows, "__getitem__") or hasattr(rows, "__array__")
    return hasattr(rows, "__iter__") and not whole


def _fields(record, dtype):
    """Convert a record from a dict or a list to a tuple of its values.

    A dict must have all fields and no others. Return other records as they are.
    """
    if dtype.names is None:
        return record
    if isinstance(record, dict):
        if record.keys() != set(dtype.names):
            raise ValueError(
                f"a dict for a row must have the fields "
                f"{', '.join(map(repr, dtype.names))} and no others, got "
                f"{', '.join(map(repr, record)) or 'none'}"
            )
        record = [record[name] for name in dtype.names]
    if isinstance(record, list) and len(record) != len(dtype.names):
        if len(record) == 1 and isinstance(record[0], tuple | np.void):
            return record  # NumPy converts the record in the list
        raise ValueError(
            f"a list for a row must have a value for each of the {len(dtype.names)} "
            f"fields of {dtype!r}, got {len(record)}"
        )
    if isinstance(record, list | tuple) and len(record) == len(dtype.names):
        parts = (dtype.fields[name][0] for name in dtype.names)
        return tuple(map(_fields, record, parts))
    return record


def _row(layout, row):
    """Return an array of one row."""
    if layout.row_shape == ():
        row = _fields(row, layout.dtype)
    return _cast(layout, _source(row, layout.dtype))


def _inserted(layout, value):
    """Return an array of the rows that insert() adds, or None.

    None means that the value is one row, which C converts as append() does.  A value
    with one axis more than a row is many rows.  An array of another library is
    converted here, once, because finding out its shape runs that library's code.
    """
    is_foreign = _is_array_like(value) and not isinstance(
        value, np.ndarray | np.generic
    )
    if is_foreign:
        value = np.asarray(value)
    if _is_many(layout, value):
        return _rows(layout, value)
    return _row(layout, value)[np.newaxis] if is_foreign else None


def _is_many(layout, value):
    """Return whether a value for insert() is many rows, not one row."""
    if isinstance(value, list) and not value:
        return True
    is_record = layout.dtype.names is not None and layout.row_shape == ()
    if is_record and not hasattr(value, "dtype"):
        first = value[0] if isinstance(value, list) else None
        return isinstance(first, tuple | list | dict | np.void)
    try:
        return np.ndim(value) == len(layout.row_shape) + 1
    except ValueError:  # the rows have different lengths
        return False


def _all_fields(records, dtype):
    # Not a comprehension: Python 3.11 leaks if it cannot allocate the cell of dtype.
    tuples = []
    for record in records:
        tuples.append(_fields(record, dtype))
    return tuples


def _rows(layout, rows):
    """Return an array of rows, or None if the rows can only be iterated over."""
    if _yields_rows(rows):
        return None
    if isinstance(rows, str | bytes) and layout.dtype.kind in "biufc":
        raise TypeError(
            f"extend() needs rows, got {type(rows).__name__}, which NumPy takes as one "
            "item: if these are the bytes of rows, pass "
            f"np.frombuffer(data, {layout.dtype.str!r})"
        )
    is_record = layout.dtype.names is not None and layout.row_shape == ()
    if is_record and isinstance(rows, list | tuple):
        rows = _all_fields(rows, layout.dtype)
    source = _source(rows, layout.dtype)
    if source.ndim == 0:
        raise TypeError(
            f"extend() needs rows, got one item: {rows!r}; append() takes it"
        )
    missing = len(layout.row_shape) - (source.ndim - 1)
    if missing > 0:
        nrows, *rest = source.shape
        source = source.reshape(nrows, *(1,) * missing, *rest)
    return _cast(layout, source, len(source))


def _refuse_one_item(data):
    """Raise TypeError for GrowArray(data) where data is a single item."""
    hint = f"give it as [{data!r}]"
    if isinstance(data, type | np.dtype) or _names_dtype(data):
        hint = f"give a dtype as dtype={getattr(data, '__name__', repr(data))}"
    elif isinstance(data, int):
        hint += f", or reserve memory for rows with reserve({data})"
    raise TypeError(f"data must be rows, got one item: {data!r}; {hint}")


def _names_dtype(data):
    try:
        return isinstance(data, str) and np.dtype(data) is not None
    except TypeError:
        return False


def _is_open(dtype):
    """Return whether a dtype lacks the length of its items or the unit of its dates."""
    return dtype.itemsize == 0 or (
        dtype.kind in "mM" and np.datetime_data(dtype)[0] == "generic"
    )


def _make_rows(data, dtype, row_shape):
    """Return the dtype, the row shape and the rows for the arguments of GrowArray."""
    if _yields_rows(data):
        return dtype, row_shape, data
    if dtype is None:
        rows = np.asarray(data)
        dtype = rows.dtype
    else:
        dtype = np.dtype(dtype)
        if _is_open(dtype):
            dtype = np.asarray(data, dtype).dtype
        rows = _source(data, dtype)
    if rows.ndim == len(dtype.shape):
        _refuse_one_item(data)
    if row_shape is None:
        row_shape = rows.shape[1 : rows.ndim - len(dtype.shape)]
    return dtype, row_shape, rows


def _selected(nrows, key):
    """Return an array of `nrows` bools: whether `del array[key]` removes that row."""
    index = key
    while isinstance(index, tuple) and len(index) == 1:
        (index,) = index
    is_bool = isinstance(index, bool | np.bool_) or (
        isinstance(index, np.ndarray) and index.ndim == 0 and index.dtype == bool
    )
    if is_bool or index is None or isinstance(index, tuple):
        raise IndexError(f"invalid row index for deletion: {key!r}")
    selected = np.zeros(nrows, bool)
    selected[index] = True
    return selected


_SCALARS = "dfl?iqhbLIQHBeFDgG"


def _api():
    """Return the capsule with the functions of NumPy's C API, or None if NumPy has it
    elsewhere."""
    for core in "numpy._core", "numpy.core":  # NumPy 2 and 1
        with contextlib.suppress(ImportError, AttributeError):
            return importlib.import_module(f"{core}._multiarray_umath")._ARRAY_API
    return None


_numpy = use_numpy(
    (
        *((np.dtype(char).kind, np.dtype(char).type()) for char in _SCALARS),
        ("M", np.datetime64(0, "s")),
        ("m", np.timedelta64(0, "s")),
        ("U", np.str_()),
        ("S", np.bytes_()),
    ),
    _api(),
    ndarray=np.ndarray,
    dtype=np.dtype,
    generic=np.generic,
    ufunc=np.ufunc,
    frombuffer=np.frombuffer,
    make_layout=_make_layout,
    make_rows=_make_rows,
    row=_row,
    rows=_rows,
    selected=_selected,
    inserted=_inserted,
    arrow=_arrow,
    buffer_format=_buffer_format,
    address_space=_address_space,
)


# --------------------------------------------------------------------- the array


def _restore(cls, rows, dtype, row_shape, maxlen=None):
    """Return a new array with a copy of the rows; pickle and copy call this."""
    array = GrowArray.__new__(cls, dtype=dtype, row_shape=row_shape, maxlen=maxlen)
    GrowArray.extend(array, np.frombuffer(rows, dtype).reshape(-1, *array.row_shape))
    return array


class _Interface(dict):
    """An __array_interface__ that notices when a consumer reads the address.

    Such a consumer keeps the GrowArray, and no view. So from then on the array itself
    keeps a view. Then the rows do not move, and only the first rows can be removed.
    """

    def __init__(self, array):
        view = array.array
        super().__init__(view.__array_interface__)
        del self["data"]  # if "data" is missing, NumPy uses the buffer protocol
        self._array, self._view = array, view

    def __missing__(self, key):
        if key != "data":
            raise KeyError(key)
        data = self._view.__array_interface__["data"]
        self._array._pin(data[0], self._view)
        return data


class _Methods:
    """The methods of GrowArray that are written in Python."""

    @property
    def __array_interface__(self):
        """The interface of the ndarray, if the buffer protocol has a format for it.

        Without a format, NumPy would use the address in the interface, and hold no
        export of the memory.
        """
        if _buffer_format(self.dtype) is None:
            raise AttributeError(
                f"the buffer protocol has no format for {self.dtype!r}: use .array"
            )
        return _Interface(self)

    def __array__(self, dtype=None, copy=None):
        array = self.array
        if not copy and (dtype is None or array.dtype == dtype):
            return array
        if copy is None:  # np.array() of NumPy 1 does not accept copy=None
            return array.astype(dtype)
        return np.array(array, dtype=dtype, copy=copy)

    def to_numpy(self):
        """Return the ndarray of all rows; some libraries call this method.

        The ndarray is a view: nothing is copied.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.0, 2.0]).to_numpy()
        array([1., 2.])
        """
        return self.array

    def __bytes__(self):
        """Return the bytes of all rows, even if the buffer protocol has no format."""
        return self.array.tobytes()

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __reduce_ex__(self, protocol):
        rows = self.array.reshape(-1).view(np.uint8)
        rows = PickleBuffer(rows) if protocol >= 5 else rows.tobytes()
        arguments = type(self), rows, self.dtype, self.row_shape
        if self.maxlen is not None:
            arguments += (self.maxlen,)
        return _restore, arguments, self.__getstate__()

    def setflags(self, write=None, align=None, uic=None):
        """Raise ValueError if a flag would change: see numpy.ndarray.setflags."""
        if write is not None and not write or align is not None and not align or uic:
            _refuse_flags()

    @property
    def flags(self):
        """The flags of the ndarray of all rows, read-only.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.0]).flags.writeable
        True
        """
        return _Flags(self.array.flags)

    def __arrow_array__(self, type=None):
        """Return a pyarrow array for pyarrow.array(), without a copy if possible.

        Rows that Arrow's C data interface cannot describe, such as texts, are converted
        by pyarrow from the ndarray.
        """
        import pyarrow

        try:
            array = pyarrow.array(_ArrowArray(self.__arrow_c_array__()))
        except TypeError:
            return pyarrow.array(self.array, type=type)
        return array if type is None or array.type == type else array.cast(type)

    def __repr__(self):
        """Return the repr of the ndarray, with this type's name and aligned lines."""
        name = type(self).__name__
        wider = len(name) - len("array")
        with np.printoptions(linewidth=np.get_printoptions()["linewidth"] - wider):
            text = repr(self.array).removeprefix("array")
        if self.maxlen is not None:
            text = f"{text.removesuffix(')')}, maxlen={self.maxlen})"
        return name + text.replace("\n", "\n" + " " * wider)

    def __str__(self):
        return str(self.array)


class _ArrowArray:
    """An object that only exports the two capsules of an array."""

    def __init__(self, capsules):
        self._capsules = capsules

    def __arrow_c_array__(self, requested_schema=None):
        return self._capsules


class _Flags:
    """The flags of the ndarray of all rows, read-only."""

    __slots__ = ("_flags",)

    def __init__(self, flags):
        object.__setattr__(self, "_flags", flags)

    def __getattr__(self, name):
        return getattr(self._flags, name)

    def __getitem__(self, name):
        return self._flags[name]

    def __repr__(self):
        return repr(self._flags)

    def __setattr__(self, name, value):
        _refuse_flags()

    def __setitem__(self, name, value):
        _refuse_flags()


def _refuse_flags():
    raise ValueError(
        "the flags of a GrowArray cannot be set: set those of a view, as in "
        "view = array.array; view.setflags(write=False)"
    )


# ------------------------------------------- methods and attributes of an ndarray

_WRITES = {"fill", "put", "sort", "partition", "setfield", "byteswap"}


def _numpy_doc(name, value):
    """Return the arguments and the first sentence of NumPy's docstring.

    The arguments are None if the docstring does not begin with them.
    """
    head, _, rest = (value.__doc__ or "").strip().partition("\n\n")
    call = re.fullmatch(rf"a\.{name}\((.*)\)", " ".join(head.split()))
    text = " ".join((rest.partition("\n\n")[0] if call else head).split())
    sentence, dot, _ = (text + " ").partition(". ")
    return call[1] if call else None, sentence.strip() + dot.strip()


def _signature(name, method):
    """Return the signature of an ndarray's method, or None if NumPy has none.

    NumPy 2.3 and older have signatures only in the docstrings.
    """
    try:
        return inspect.signature(method)
    except ValueError:
        call = _numpy_doc(name, method)[0]
    if call is None:
        return None
    call = call.replace("<no value>", "_no_value")
    try:
        made = eval(f"lambda self, {call}: None", {"_no_value": np._NoValue})
    except (SyntaxError, NameError):
        return None
    return inspect.signature(made)


def _ndarray_doc(name, value):
    sentence = _numpy_doc(name, value)[1] or f"The `{name}` of an ndarray."
    return f"{sentence}\n\nUses the ndarray of all rows: see numpy.ndarray.{name}."


def _ndarray_method(name, method):
    """Return a method that calls an ndarray's method on the ndarray of all rows."""

    def call(self, *args, **kwargs):
        view, out = self.array, kwargs.get("out")
        if isinstance(out, GrowArray):
            method(view, *args, **kwargs | {"out": out.array})
            out._clean()
            return out
        arrays = [arg.array if isinstance(arg, GrowArray) else arg for arg in args]
        result = method(view, *arrays, **kwargs)
        for arg, array in zip(args, arrays, strict=True):
            if arg is not array and result is array:  # arg is the argument out
                arg._clean()
                return arg
        if name not in _WRITES:
            return result
        self._clean()
        return self if result is view else result

    call.__name__, call.__qualname__ = name, f"GrowArray.{name}"
    call.__doc__ = _ndarray_doc(name, method)
    if (signature := _signature(name, method)) is not None:
        call.__signature__ = signature
    return call


def _ndarray_attribute(name, is_settable):
    """Return a property that reads this attribute of the ndarray of all rows."""

    def setter(self, value):
        setattr(self.array, name, value)
        self._clean()

    getter = operator.attrgetter(f"array.{name}")
    doc = _ndarray_doc(name, getattr(np.ndarray, name))
    return property(getter, setter if is_settable else None, None, doc)


def _add_methods():
    """Add the methods of _Methods, then all attributes of an ndarray that are missing.

    Names that begin with an underscore are not added: NumPy and other libraries
    recognize an ndarray by some of them.
    """
    for name, value in vars(_Methods).items():
        if isinstance(value, types.FunctionType | property):
            setattr(GrowArray, name, value)
    for name in dir(np.ndarray):
        if not name.startswith("_") and not hasattr(GrowArray, name):
            value = getattr(np.ndarray, name)
            ours = (
                _ndarray_method(name, value)
                if callable(value)
                else _ndarray_attribute(name, name in {"real", "imag", "flat"})
            )
            setattr(GrowArray, name, ours)


_add_methods()
