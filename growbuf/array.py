"""GrowArray: a NumPy array that grows along its first axis, under views of it.

The only module of the package that imports NumPy.  The type is _growbuf's: rows lie in a
GrowBuffer, and what the array is as an ndarray is a view of that.  This module tells it how
a row lies in memory, converts by NumPy what C cannot, and adds methods to the type.
"""

import functools
import math
import operator
import os
import sys
import types
from pickle import PickleBuffer

try:
    import numpy as np
except ImportError as error:
    raise ImportError(
        "growbuf.GrowArray needs NumPy: pip install 'growbuf[numpy]'"
    ) from error

from ._growbuf import GrowArray, GrowBuffer, Layout, stats, use_numpy

__all__ = ["GrowArray"]


# ----------------------------------------------------------------- address space


def _address_space():
    """Return the bytes of address space: all that there are, and those that others have.

    The first is about four times the largest limit that can be had, and 0 where there is
    none; a resource limit shows there.  Layouts ask once, when the first array reserves.
    """
    for exponent in range(50, 30, -1):
        try:
            GrowBuffer(limit=1 << exponent)
        except MemoryError:
            continue
        return 4 << exponent, _address_space_of_others()
    return 0, 0


def _address_space_of_others():
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
    """Describe a part of a row, as setitem.h says, at an offset from what is around it."""
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
    """Describe parts one after the other, in a shape of several axes."""
    for length in reversed(shape):
        part = "sequence", 0, length * part[2], length, part
    return part[:1] + (offset,) + part[2:]


def _used(dtype):
    """Return for each byte of an item whether a value is in it."""
    used = np.ones(dtype.itemsize, bool)
    if dtype.names is not None:
        used[:] = False
        for field, offset in (dtype.fields[name][:2] for name in dtype.names):
            used[offset : offset + field.itemsize] |= _used(field)
    elif dtype.subdtype is not None:
        used = np.tile(_used(dtype.base), math.prod(dtype.shape))
    elif dtype.char in "gG" and np.finfo(dtype).nmant == 63:  # ten bytes of x87
        numbers = used.reshape(-1, np.dtype("g").itemsize)
        numbers[:, 10:] = False
        if not dtype.isnative:
            numbers[:] = numbers[:, ::-1]
    return used


def _paddings(dtype):
    """Return (offset, nbytes) of each run of bytes of an item that hold no value."""
    if dtype.names is None and dtype.char not in "gG":
        return ()
    edges = np.flatnonzero(np.diff(np.r_[True, _used(dtype), True]))
    return tuple((int(a), int(b - a)) for a, b in edges.reshape(-1, 2))


def _make_layout(dtype, row_shape):
    """Return the Layout of rows that can be bytes in a buffer; None: the default."""
    dtype = np.dtype(np.float64 if dtype is None else dtype)
    try:
        row_shape = () if row_shape is None else (operator.index(row_shape),)
    except TypeError:
        row_shape = tuple(map(operator.index, row_shape))
    row_shape, dtype = row_shape + dtype.shape, dtype.base
    if dtype.hasobject or dtype.kind == "T":
        raise TypeError(
            f"a GrowArray cannot hold {dtype!r}: its items are references to objects, "
            "which bytes in pages do not count"
        )
    if dtype.itemsize == 0:
        raise ValueError(f"items of dtype {dtype!r} have no bytes: give it a length")
    if min(row_shape, default=1) <= 0:
        raise ValueError(f"row_shape must be of lengths of 1 or more, got {row_shape}")
    row_nbytes = dtype.itemsize * math.prod(row_shape)
    if row_nbytes > sys.maxsize:
        raise ValueError(f"rows of {dtype!r} and shape {row_shape} are too big")
    np.empty((0, *row_shape), dtype)  # raises where these are too many axes
    return Layout(
        dtype,
        dtype.itemsize,
        row_shape,
        row_nbytes,
        dtype.kind == "V",
        functools.partial(np.empty, row_shape, dtype),
        _sequence(_part(dtype, 0), row_shape),
        _paddings(dtype),
    )


# -------------------------------------------------------------------- conversion


def _integers_of(values, found):
    """Return Python's integers as an array, or None if there are other objects.

    `found` is what NumPy makes of them: float64, where some fit int64 and some uint64,
    and objects, where some fit neither.
    """
    if found.dtype.kind in "iu":
        return found
    if found.dtype.kind in "fO":
        objects = np.asarray(values, object)
        if all(hasattr(item, "__index__") for item in objects.flat):
            return objects
    return None


def _in_range(numbers, dtype):
    """Cast integers; OverflowError for one that the dtype cannot hold.

    NumPy 2 raises that itself, 1.26 warns.
    """
    limits = np.iinfo(dtype)
    for number in (numbers.min(), numbers.max()):
        if not limits.min <= number <= limits.max:
            raise OverflowError(f"Python integer {number} out of bounds for {dtype}")
    return numbers.astype(dtype)


def _array_of(values, dtype):
    """Return an ndarray of any array-like, to be cast by the rule same_kind.

    Python's own objects have no dtype: their integers fit where their values do, and
    what is no number to begin with is converted as NumPy converts it.
    """
    if hasattr(values, "dtype"):
        return np.asarray(values)
    if dtype.kind not in "biufc":
        return np.asarray(values, dtype)
    found = np.asarray(values)
    if found.size == 0 or (found.dtype.kind == "O" and dtype.kind in "fc"):
        return np.asarray(values, dtype)
    if dtype.kind in "iu":
        integers = _integers_of(values, found)
        if integers is not None:
            return _in_range(integers, dtype)
    return found


def _yields_rows(rows):
    """Tell what can only be iterated over from what NumPy can take as a whole."""
    whole = hasattr(rows, "__getitem__") or hasattr(rows, "__array__")
    return hasattr(rows, "__iter__") and not whole


def _cast(layout, source, *shape):
    """Return one row, or as many as the shape says, cast to the dtype."""
    block = np.empty(shape + layout.row_shape, layout.dtype)
    np.copyto(block, source, casting="same_kind")
    return block


def _row(layout, row):
    """Return an array of one row."""
    return _cast(layout, _array_of(row, layout.dtype))


def _rows(layout, rows):
    """Return an array of rows; None for what is only an iterable of them."""
    if _yields_rows(rows):
        return None
    source = _array_of(rows, layout.dtype)
    if source.ndim == 0:
        raise TypeError(
            f"extend() needs rows, got one item: {rows!r}; append() takes it"
        )
    missing = len(layout.row_shape) - (source.ndim - 1)
    if missing > 0:
        nrows, *rest = source.shape
        source = source.reshape(nrows, *(1,) * missing, *rest)
    return _cast(layout, source, len(source))


def _make_rows(data, dtype, row_shape):
    """Return dtype and row shape for GrowArray(data, ...), and what to extend it by."""
    if _yields_rows(data):
        return dtype, row_shape, data
    rows = np.asarray(data, dtype)
    dtype = rows.dtype if dtype is None or not rows.ndim else np.dtype(dtype)
    if dtype.itemsize == 0:
        dtype = rows.dtype
    if row_shape is None:
        if rows.ndim == len(dtype.shape):
            raise TypeError(
                f"data must be rows, got one item: {data!r}; give it as [item]"
            )
        row_shape = rows.shape[1 : rows.ndim - len(dtype.shape)]
    return dtype, row_shape, rows


def _selected(nrows, key):
    """Return for each of so many rows whether a key selects it, to delete it."""
    only = key
    while isinstance(only, tuple) and len(only) == 1:
        (only,) = only
    is_bool = isinstance(only, bool | np.bool_) or (
        isinstance(only, np.ndarray) and only.ndim == 0 and only.dtype == bool
    )
    if is_bool or only is None or isinstance(only, tuple):
        raise IndexError(f"invalid row index for deletion: {key!r}")
    selected = np.zeros(nrows, bool)
    selected[only] = True
    return selected


_SCALARS = "dfl?iqhbLIQHBeFDgG"

_numpy = use_numpy(
    (
        *((np.dtype(char).kind, np.dtype(char).type()) for char in _SCALARS),
        ("M", np.datetime64(0, "s")),
        ("m", np.timedelta64(0, "s")),
        ("U", np.str_()),
        ("S", np.bytes_()),
    ),
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
    address_space=_address_space,
)


# --------------------------------------------------------------------- the array


def _restore(cls, rows, dtype, row_shape):
    """Return an array of these bytes, for pickle and copy."""
    array = GrowArray.__new__(cls, dtype=dtype, row_shape=row_shape)
    GrowArray.extend(array, np.frombuffer(rows, dtype).reshape(-1, *array.row_shape))
    return array


class _Methods:
    """The methods of GrowArray that are written in Python."""

    def __array__(self, dtype=None, copy=None):
        array = self.array
        if not copy and (dtype is None or array.dtype == dtype):
            return array
        if copy is None:  # no word of NumPy 1's
            return array.astype(dtype)
        return np.array(array, dtype=dtype, copy=copy)

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __reduce_ex__(self, protocol):
        rows = self.array.reshape(-1).view(np.uint8)
        rows = PickleBuffer(rows) if protocol >= 5 else rows.tobytes()
        arguments = type(self), rows, self.dtype, self.row_shape
        return _restore, arguments, self.__getstate__()

    def __repr__(self):
        """Read as an array's repr does, with its lines below the first aligned."""
        name = type(self).__name__
        wider = len(name) - len("array")
        with np.printoptions(linewidth=np.get_printoptions()["linewidth"] - wider):
            text = repr(self.array).removeprefix("array")
        return name + text.replace("\n", "\n" + " " * wider)

    def __str__(self):
        return str(self.array)


def _add_methods():
    """Add those methods, and the attributes an ndarray has and a GrowArray does not: its
    view's.  Names that begin with an underscore are left out: they tell what an object is.
    """
    for name, value in vars(_Methods).items():
        if isinstance(value, types.FunctionType):
            setattr(GrowArray, name, value)
    for name in dir(np.ndarray):
        if not name.startswith("_") and not hasattr(GrowArray, name):
            of_view = operator.attrgetter(f"array.{name}")
            setattr(GrowArray, name, property(of_view, doc=f"As ndarray.{name}."))


_add_methods()
