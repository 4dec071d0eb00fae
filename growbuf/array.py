"""GrowArray: a NumPy array that grows along its first axis, under views of it.

The only module of the package that imports NumPy.  Rows lie in a GrowBuffer, and what
the array is as an ndarray is a view of that.  Rows of the common kinds are written by
_growbuf.Rows; this module says how a row lies in memory, and has NumPy convert others.
"""

import functools
import itertools
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

from ._growbuf import GrowBuffer, Rows, stats

__all__ = ["GrowArray"]


# ----------------------------------------------------------------- address space

# An array that never moves reserves twice its limit.  (limit in bytes, the share of the
# process's address space that may be in use with it): the first arrays get more than
# any memory, thousands fit in all, and some space is always left for others.
_LIMITS = [
    (1 << 40, 0.25),
    (1 << 38, 0.45),
    (1 << 36, 0.60),
    (1 << 34, 0.75),
    (1 << 32, 0.90),
    (1 << 30, 0.95),
]
_LARGEST_SHARE = 1 / 64


@functools.cache
def _address_space():
    """Return about how many bytes of address space the process may have: 0, none.

    The largest limit that can be had is a quarter of it.  A resource limit shows here.
    """
    for exponent in range(50, 30, -1):
        try:
            GrowBuffer(limit=1 << exponent)
        except MemoryError:
            continue
        return 4 << exponent
    return 0


@functools.cache
def _address_space_of_others():
    """Return how many bytes of address space the process has beside our own, once: to
    ask costs as much as all else that an array is made with."""
    try:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    try:
        npages = int(os.read(descriptor, 32).split()[0])
    finally:
        os.close(descriptor)
    return npages * os.sysconf("SC_PAGESIZE") - stats()["reserved_bytes"]


def _address_space_used():
    return _address_space_of_others() + stats()["reserved_bytes"]


def _new_buffer(nbytes):
    """Return a GrowBuffer that is to hold `nbytes` and more, and to move if it must."""
    total = _address_space()
    used = _address_space_used() if total else 0
    for limit, share in _LIMITS:
        reserved = 2 * limit
        if limit < 2 * nbytes or reserved > total * _LARGEST_SHARE:
            continue
        if used + reserved <= total * share:
            try:
                return GrowBuffer(limit=limit)
            except MemoryError:
                continue
    return GrowBuffer()


# ------------------------------------------------------------------------ layout


def _nbytes(name, nrows, row_nbytes, least=0):
    """Return the bytes of rows, from an argument that says how many there are."""
    if not hasattr(nrows, "__index__"):
        raise TypeError(f"{name} must be an integer, got {type(nrows).__name__}")
    nrows = operator.index(nrows)
    if nrows < least:
        raise ValueError(f"{name} must be {least} or more, got {nrows}")
    most = sys.maxsize // row_nbytes
    if nrows > most:
        raise OverflowError(f"{name} must be {most} or less, got {nrows}")
    return nrows * row_nbytes


def _row_nbytes(dtype, row_shape):
    return dtype.itemsize * math.prod(row_shape)


def _layout(dtype, row_shape):
    """Return a dtype and a row shape whose rows can be bytes in a buffer."""
    dtype = np.dtype(dtype)
    try:
        row_shape = (operator.index(row_shape),)
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
    if _row_nbytes(dtype, row_shape) > sys.maxsize:
        raise ValueError(f"rows of {dtype!r} and shape {row_shape} are too big")
    np.empty((0, *row_shape), dtype)  # raises where these are too many axes
    return dtype, row_shape


_NONE, _ITEM, _SEQUENCE, _RECORD = range(4)  # enum cells_shape in cells.h
_MOST_CELLS = 64  # NumPy's own way costs less per item in longer rows


def _cell(dtype, offset):
    return dtype.kind, offset, dtype.itemsize, not dtype.isnative


def _cells(dtype, row_shape):
    """Describe a row to Rows, which leaves to NumPy what it does not know."""
    if dtype.names is None and not row_shape:
        return _ITEM, (_cell(dtype, 0),)
    if dtype.names is None and len(row_shape) == 1 and row_shape[0] <= _MOST_CELLS:
        offsets = range(0, row_shape[0] * dtype.itemsize, dtype.itemsize)
        return _SEQUENCE, tuple(map(_cell, itertools.repeat(dtype), offsets))
    fields = [dtype.fields[name][:2] for name in dtype.names or ()]
    plain = all(field.names is None and field.subdtype is None for field, _ in fields)
    if fields and plain and not row_shape:
        return _RECORD, tuple(_cell(field, offset) for field, offset in fields)
    return _NONE, ()


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


@functools.lru_cache
def _padding(dtype):
    return np.flatnonzero(~_used(dtype))


def _clean(array):
    """Zero what pads the items: NumPy leaves it to chance, in casts too."""
    padding = _padding(array.dtype)
    if padding.size:
        array[..., None].view(np.uint8)[..., padding] = 0
    return array


def _as_array(values, dtype):
    """As np.asarray, but a new array is clean."""
    array = np.asarray(values, dtype)
    is_new = array.flags.owndata and not hasattr(values, "__array__")
    return _clean(array) if is_new and not array.dtype.hasobject else array


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


def _restore(cls, rows, dtype, row_shape):
    """Return an array of these bytes, for pickle and copy."""
    dtype, row_shape = _layout(dtype, row_shape)
    array = cls._over(_new_buffer(memoryview(rows).nbytes), dtype, row_shape)
    array._append_bytes(rows)
    return array


# --------------------------------------------------------------------- the array


class GrowArray(Rows, np.lib.mixins.NDArrayOperatorsMixin):
    """GrowArray(data=None, *, dtype=None, row_shape=None, limit=None)

    A NumPy array that grows along its first axis, while views of it stay valid.

    >>> from growbuf import GrowArray
    >>> samples = GrowArray(row_shape=2)
    >>> samples.append((1, 2))
    >>> seen = samples.array
    >>> samples.extend([[3, 4], [5, 6]])
    >>> seen, len(samples)
    (array([[1., 2.]]), 3)
    >>> samples.mean(axis=0)
    array([3., 4.])

    data: an array-like, from which dtype and row shape are taken where they are not
    given; or an iterable of rows, from which they are not.
    dtype: of the items, else float64; anything but what refers to objects.
    row_shape: a length or a tuple, else (): what the shape is behind the first axis.
    limit: rows the array can hold at most. Address space for them is reserved (no
    memory), so that no row ever moves and rows can be appended under views. None: as
    much as the system gives, from 1 TiB down as more of it is in use; where that is
    none, `stable` is False, and under views the array has the length it has.

    What an ndarray has and is not named here is taken from the ndarray of all rows,
    `array`, as are indexing, iteration, comparison and arithmetic, whose results are
    ndarrays. An array that raises is what it was.
    """

    __slots__ = ("__weakref__",)
    __class_getitem__ = classmethod(types.GenericAlias)  # GrowArray[np.float64]

    def __new__(cls, data=None, *, dtype=None, row_shape=None, limit=None):
        rows = data
        if data is not None and not _yields_rows(data):
            rows = _as_array(data, dtype)
            dtype = rows.dtype if dtype is None or not rows.ndim else np.dtype(dtype)
            if dtype.itemsize == 0:
                dtype = rows.dtype
            if row_shape is None:
                if rows.ndim == len(dtype.shape):
                    raise TypeError(
                        f"data must be rows, got one item: {data!r}; give it as [item]"
                    )
                row_shape = rows.shape[1 : rows.ndim - len(dtype.shape)]
        dtype, row_shape = _layout(
            np.float64 if dtype is None else dtype,
            () if row_shape is None else row_shape,
        )
        if limit is None:
            buffer = _new_buffer(getattr(rows, "nbytes", 0))
        else:
            row_nbytes = _row_nbytes(dtype, row_shape)
            buffer = GrowBuffer(limit=_nbytes("limit", limit, row_nbytes, least=1))
        array = cls._over(buffer, dtype, row_shape)
        if rows is not None:
            array.extend(rows)
        return array

    @classmethod
    def _over(cls, buffer, dtype, row_shape, shared=False):
        return Rows.__new__(
            cls,
            buffer,
            dtype,
            row_shape,
            _row_nbytes(dtype, row_shape),
            np.frombuffer,
            shared,
            _cells(dtype, row_shape),
        )

    @classmethod
    def from_buffer(cls, buffer, dtype, row_shape=()):
        """Return the array whose rows are the bytes of a GrowBuffer, without a copy.

        Both see what is done to either. It is stable if the buffer has a limit. Raise
        ValueError if the bytes are not whole rows, TypeError for what is no GrowBuffer.
        """
        if not isinstance(buffer, GrowBuffer):
            raise TypeError(
                f"from_buffer() needs a GrowBuffer, got {type(buffer).__name__}"
            )
        array = cls._over(buffer, *_layout(dtype, row_shape), shared=True)
        array.__array__()  # raises unless the rows are whole
        return array

    # ----------------------------------------------------------------- measures

    @property
    def ndim(self):
        """The number of axes."""
        return 1 + len(self.row_shape)

    @property
    def size(self):
        """The number of items."""
        return math.prod(self.shape)

    @property
    def itemsize(self):
        """Bytes of one item."""
        return self.dtype.itemsize

    @property
    def nbytes(self):
        """Bytes of all rows."""
        return len(self) * self._row_nbytes

    @property
    def capacity(self):
        """Rows the array holds before it must grow: if it is stable, its limit."""
        return self._buffer.capacity // self._row_nbytes

    @property
    def limit(self):
        """Rows the array can hold at most, without ever moving; or None."""
        limit = self._buffer.limit
        return None if limit is None else limit // self._row_nbytes

    @property
    def stable(self):
        """Whether no row ever moves, so that rows can be appended under views."""
        return self._buffer.limit is not None

    # ------------------------------------------------------------------ growing

    def _cast(self, source, *shape):
        """Return one row, or as many as the shape says, cast to the dtype, and clean."""
        block = np.empty(shape + self.row_shape, self.dtype)
        np.copyto(block, source, casting="same_kind")
        return _clean(block)

    def _row(self, row):
        return self._cast(_array_of(row, self.dtype))

    def _rows(self, rows):
        source = _array_of(rows, self.dtype)
        if source.ndim == 0:
            raise TypeError(
                f"extend() needs rows, got one item: {rows!r}; append() takes it"
            )
        missing = len(self.row_shape) - (source.ndim - 1)
        if missing > 0:
            nrows, *rest = source.shape
            source = source.reshape(nrows, *(1,) * missing, *rest)
        return self._cast(source, len(source))

    def _append_slowly(self, row):
        self._append_bytes(self._row(row))

    def _extend_slowly(self, rows):
        if not _yields_rows(rows):
            self._append_bytes(self._rows(rows))
            return
        gathered = self._over(GrowBuffer(), self.dtype, self.row_shape)
        append = gathered.append
        for row in rows:
            append(row)
        self._append_bytes(gathered.array)

    def insert(self, index, row):
        """Insert one row before the index, which is clipped as list.insert does.

        Costs one move of the rows behind it, or of those in front where fewer and rows
        were deleted there before. Raise as append() does; BufferError under a view, but
        at the end.
        """
        self._insert_bytes(index, self._row(row).tobytes())

    def resize(self, nrows):
        """Have `nrows` rows: remove rows at the end, or append rows of zero bytes.

        Zeros on fresh pages cost nothing. Raise ValueError if `nrows` is negative,
        MemoryError past the limit, BufferError if rows would go under a view.
        """
        self._resize(_nbytes("nrows", nrows, self._row_nbytes))

    def reserve(self, nrows):
        """Have a capacity of at least `nrows` rows in all.

        Raise ValueError if `nrows` is negative, MemoryError past the limit or if the
        system refuses, BufferError if it would move rows under a view.
        """
        self._reserve(_nbytes("nrows", nrows, self._row_nbytes))

    # ---------------------------------------------------------------- shrinking

    def pop(self, index=-1):
        """Remove a row, the last one by default, and return it: a scalar or an array.

        Raise IndexError if there is none, BufferError under a view. Costs as del does.
        """
        index = operator.index(index)
        if not len(self):
            raise IndexError("pop from an empty GrowArray")
        row = np.empty(self.row_shape, self.dtype)
        item = self._pop_row(index, row.reshape(-1).view(np.uint8), row)
        return row if row.ndim else item

    def _delete(self, key):
        """Remove rows: an index, a slice, or whatever selects rows of an ndarray."""
        if isinstance(key, tuple) and len(key) == 1:
            (key,) = key
        is_bool = isinstance(key, bool | np.bool_)  # for NumPy a new axis, as None is
        if isinstance(key, slice) and key.step in (None, 1):
            self._remove_rows(key)
        elif hasattr(key, "__index__") and getattr(key, "ndim", 0) == 0 and not is_bool:
            self._remove_row(key)
        elif is_bool or key is None or isinstance(key, tuple):
            raise IndexError(f"what selects no rows cannot be deleted: {key!r}")
        else:
            self._delete_selected(key)

    def _delete_selected(self, key):
        gone = np.zeros(len(self), bool)
        gone[key] = True
        self._delete_where(gone)

    def copy(self):
        """Return a GrowArray of the same rows, copied once, with the default limit."""
        return _restore(type(self), self._buffer, self.dtype, self.row_shape)

    # ---------------------------------------------------------------- protocols

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
        rows = PickleBuffer(self._buffer) if protocol >= 5 else bytes(self._buffer)
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


def _lend_attributes():
    """Give a GrowArray what an ndarray has and it does not: its view's attributes.

    Names with an underscore in front are left out: they tell what an object is.
    """
    for name in dir(np.ndarray):
        if not name.startswith("_") and not hasattr(GrowArray, name):
            of_view = operator.attrgetter(f"array.{name}")
            setattr(GrowArray, name, property(of_view, doc=f"As ndarray.{name}."))


_lend_attributes()
