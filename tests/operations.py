"""Tables of the public operations that may call the system or an allocator, and of the
objects to call them on. Tests iterate over these tables.

A key is the name of the attribute; a colon and a remark may follow.
"""

import copy
import io
import pickle

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import _rebuild

KIB, MIB = 1 << 10, 1 << 20
PAGES = growbuf.info()["strategy"] != "heap"
LIMIT = 8 * MIB if PAGES else None
BYTES = bytes(range(1, 252)) * (4 * MIB // 251 + 1)
MUCH = BYTES[: 400 * KIB]


class Printer:
    """What IPython passes to _repr_pretty_()."""

    def text(self, text):
        pass


# ------------------------------------------------------------------------- subjects


def grown(length, headroom=0, **options):
    """Append piece by piece, delete the first `headroom` bytes, return the buffer."""
    buf = GrowBuffer(**options)
    for start in range(0, length + headroom, 64 * KIB):
        buf += BYTES[start : min(start + 64 * KIB, length + headroom)]
    del buf[:headroom]
    return buf


def on_dirty_pages():
    """Return a buffer whose pages come from the pool and hold old data."""
    dropped = grown(3 * MIB)
    del dropped
    return grown(300 * KIB)


BUFFERS = {
    "empty": GrowBuffer,
    "heap": lambda: grown(1000, headroom=10),
    "full heap": lambda: grown(70 * KIB),
    "span": lambda: grown(300 * KIB, headroom=5000),
    "full span": lambda: grown(2 * MIB - 1),
    "warm": on_dirty_pages,
    "limit": lambda: grown(2 * MIB - 10, headroom=KIB, limit=LIMIT),
    "helped": lambda: grown(2 * MIB - 10, prefault=True),
}


def over(name):
    """Return a function that makes a file over this buffer, at its middle."""

    def file():
        made = GrowIO(buffer=BUFFERS[name]())
        made.seek(len(made.buffer) // 2)
        return made

    return file


def written(nbytes):
    """Return a file that was written piece by piece, positioned in its middle."""
    file = GrowIO()
    for start in range(0, nbytes, 4 * KIB):
        file.write(BYTES[start : min(start + 4 * KIB, nbytes)])
    file.seek(nbytes // 2)
    return file


FROZEN = {
    "block": lambda: grown(1000).freeze(),
    "span": lambda: grown(2 * MIB - 1, headroom=5000).freeze(),
    "limit": lambda: grown(2 * MIB - 10, limit=LIMIT).freeze(),
}

FILES = {name: over(name) for name in BUFFERS} | {
    "new": GrowIO,
    "shared": lambda: GrowIO(BYTES[:1000]),
    "much shared": lambda: GrowIO(MUCH),
    "frozen": lambda: GrowIO(grown(300 * KIB).freeze()),
    "written": lambda: written(1000),
    "nearly in a buffer": lambda: written(120 * KIB - 5),
}


def rows(length, limit):
    from growbuf import GrowArray

    array = GrowArray(dtype="u2", row_shape=3, limit=limit)
    array.extend([(1, 2, 3)] * 100)
    array.resize(length)
    return array


def unstable(length):
    from growbuf import GrowArray

    buf = grown(length)
    return GrowArray.from_buffer(buf, "u2", 3)


def small():
    from growbuf import GrowArray

    return GrowArray([(1, 2, 3)] * 100, dtype="u2")


def windowed(maxlen):
    from growbuf import GrowArray

    return GrowArray(
        [(1, 2, 3)] * maxlen, dtype="u2", limit=LIMIT and 100_000, maxlen=maxlen
    )


ARRAYS = {
    "small": small,
    "stable": lambda: rows(100_000, LIMIT and LIMIT // 6),
    "maxlen": lambda: windowed(50),
    "heap": lambda: unstable(600),
    "full heap": lambda: unstable(70_000 // 6 * 6),
    "full span": lambda: unstable((2 * MIB - 1) // 6 * 6),
}


# ----------------------------------------------------------------------- operations


def fill_the_tail(buf):
    buf.spare(100 * KIB)[:3] = b"xyz"
    buf.commit(3)


def out_of_band(obj):
    buffers = []
    pickled = pickle.dumps(obj, 5, buffer_callback=buffers.append)
    return pickle.loads(pickled, buffers=map(bytes, buffers))


def iadd(obj, other):
    obj += other


def imul(obj, count):
    obj *= count


def delete(obj, key):
    del obj[key]


def assign(obj, key, value):
    obj[key] = value


class Unsized:
    """A source that does not report how many bytes are left."""

    def __init__(self, nbytes):
        self.file = io.BytesIO(BYTES[:nbytes])

    def recv_into(self, view):
        return self.file.readinto(view)


ON_BUFFERS = {
    "append": lambda b: b.append(65),
    "extend": lambda b: b.extend(b"xyz"),
    "extend: more": lambda b: b.extend(BYTES[: 100 * KIB]),
    "extend: much": lambda b: b.extend(MUCH),
    "extend: iterable": lambda b: b.extend(iter(range(200))),
    "extend: itself": lambda b: b.extend(b),
    "__iadd__": lambda b: iadd(b, MUCH),
    "__imul__": lambda b: imul(b, 3),
    "__imul__: 0": lambda b: imul(b, 0),
    "insert": lambda b: b.insert(len(b) // 2, 65),
    "insert: front": lambda b: b.insert(0, 65),
    "pop": lambda b: b.pop(),
    "pop: front": lambda b: b.pop(0),
    "remove": lambda b: b.remove(3),
    "clear": lambda b: b.clear(),
    "resize": lambda b: b.resize(3 * MIB),
    "resize: down": lambda b: b.resize(len(b) // 50),
    "__setitem__: longer": lambda b: assign(b, slice(5, 9), MUCH),
    "__setitem__: shorter": lambda b: assign(b, slice(5, -9), b"xyz"),
    "__setitem__: itself": lambda b: assign(b, slice(5, 9), b),
    "__setitem__: iterable": lambda b: assign(b, slice(5, 9), iter(range(200))),
    "__setitem__: steps": lambda b: assign(b, slice(0, 6, 2), b"xyz"),
    "__delitem__": lambda b: delete(b, 3),
    "__delitem__: front": lambda b: delete(b, slice(0, len(b) * 2 // 3)),
    "__delitem__: back": lambda b: delete(b, slice(len(b) // 3, None)),
    "__delitem__: steps": lambda b: delete(b, slice(None, None, 2)),
    "__getitem__": lambda b: b[10:],
    "__add__": lambda b: b + MUCH,
    "__mul__": lambda b: b * 3,
    "__rmul__": lambda b: 3 * b,
    "__mod__": lambda b: GrowBuffer(b"%b") % bytes(b),
    "__rmod__": lambda b: b.__rmod__(b"%b"),
    "__init__": lambda b: b.__init__(MUCH),
    "__init__: nothing": lambda b: b.__init__(),
    "__init__: zeros": lambda b: b.__init__(3 * MIB),
    "__init__: str": lambda b: b.__init__("text " * 20_000, "utf-8"),
    "__init__: iterable": lambda b: b.__init__(iter(range(200))),
    "__init__: limit": lambda b: b.__init__(MUCH, limit=LIMIT),
    "__new__": lambda b: GrowBuffer(b),
    "__new__: limit": lambda b: GrowBuffer(b, limit=LIMIT),
    "__new__: prefault": lambda b: GrowBuffer(b, prefault=True),
    "reserve": lambda b: b.reserve(4 * MIB),
    "reserve: little": lambda b: b.reserve(2000),
    "trim": lambda b: b.trim(),
    "spare": lambda b: b.spare(100 * KIB) and None,
    "spare: much": lambda b: b.spare(3 * MIB) and None,
    "commit": fill_the_tail,
    "readfrom": lambda b: b.readfrom(io.BytesIO(MUCH)),
    "readfrom: unsized": lambda b: b.readfrom(Unsized(500 * KIB)),
    "readfrom: some": lambda b: b.readfrom(io.BytesIO(MUCH), 100),
    "take": lambda b: b.take(),
    "take: some": lambda b: b.take(len(b) * 2 // 3),
    "take_bytes": lambda b: b.take_bytes(),
    "take_bytes: some": lambda b: b.take_bytes(len(b) // 2),
    "freeze": lambda b: b.freeze(),
    "freeze: some": lambda b: b.freeze(len(b) * 2 // 3),
    "__reduce_ex__": lambda b: pickle.loads(pickle.dumps(b, 2)),
    "__reduce_ex__: out of band": out_of_band,
    "_rebuild": lambda b: _rebuild(bytes(b)),
    "copy": lambda b: b.copy(),
    "__copy__": copy.copy,
    "__deepcopy__": copy.deepcopy,
    "__reduce__": lambda b: len(b.__reduce__()),
    "__contains__": lambda b: b"\x00\x01" in b,
    "__eq__": lambda b: b == bytearray(BYTES),
    "__ne__": lambda b: b != bytes(BYTES),
    "__lt__": lambda b: b < memoryview(BYTES),
    "__le__": lambda b: b <= bytearray(BYTES),
    "__gt__": lambda b: b > bytearray(BYTES),
    "__ge__": lambda b: b >= bytearray(BYTES),
    "count": lambda b: b.count(b"a"),
    "decode": lambda b: b.decode("latin-1"),
    "endswith": lambda b: b.endswith(b"z"),
    "find": lambda b: b.find(b"\xff\xfe"),
    "hex": lambda b: b.hex(),
    "index": lambda b: b.index(65),
    "isalnum": lambda b: b.isalnum(),
    "isalpha": lambda b: b.isalpha(),
    "isascii": lambda b: b.isascii(),
    "isdigit": lambda b: b.isdigit(),
    "islower": lambda b: b.islower(),
    "isspace": lambda b: b.isspace(),
    "istitle": lambda b: b.istitle(),
    "isupper": lambda b: b.isupper(),
    "reverse": lambda b: b.reverse(),
    "rfind": lambda b: b.rfind(b"\xff\xfe"),
    "rindex": lambda b: b.rindex(65),
    "startswith": lambda b: b.startswith(b"a"),
    "capitalize": lambda b: b.capitalize(),
    "center": lambda b: b.center(2 * MIB + 50),
    "expandtabs": lambda b: b.expandtabs(),
    "fromhex": lambda b: b.fromhex(BYTES.hex()),
    "fromhex: spaced": lambda b: b.fromhex(BYTES[:40_000].hex(" ")),
    "join": lambda b: b.join([b"x", BYTES[:1000], b"y"]),
    "ljust": lambda b: b.ljust(2 * MIB + 50),
    "lower": lambda b: b.lower(),
    "lstrip": lambda b: b.lstrip(),
    "partition": lambda b: b.partition(b"A"),
    "removeprefix": lambda b: b.removeprefix(b"\x01"),
    "removesuffix": lambda b: b.removesuffix(b"\x01"),
    "replace": lambda b: b.replace(b"A", b"longer"),
    "rjust": lambda b: b.rjust(2 * MIB + 50),
    "rpartition": lambda b: b.rpartition(b"A"),
    "rsplit": lambda b: b.rsplit(b"A", 3),
    "_repr_pretty_": lambda b: b._repr_pretty_(Printer(), False),
    "rstrip": lambda b: b.rstrip(),
    "split": lambda b: b.split(b"A", 3),
    "splitlines": lambda b: b[:1000].splitlines(),
    "strip": lambda b: b.strip(),
    "swapcase": lambda b: b.swapcase(),
    "title": lambda b: b.title(),
    "translate": lambda b: b.translate(None, b"A"),
    "upper": lambda b: b.upper(),
    "zfill": lambda b: b.zfill(2 * MIB + 50),
    "__sizeof__": lambda b: b.__sizeof__() and None,
    "__alloc__": lambda b: b.__alloc__() and None,
    "capacity": lambda b: b.capacity and None,
    "limit": lambda b: b.limit,
}


def write_with_value_held(file):
    value = file.getvalue()  # noqa: F841
    return file.write(b"xyz")


ON_FILES = {
    "write": lambda f: f.write(b"xyz"),
    "write: more": lambda f: f.write(BYTES[: 100 * KIB]),
    "write: much": lambda f: f.write(MUCH),
    "write: its own": lambda f: f.write(f.buffer),
    "write: value held": write_with_value_held,
    "write: value dead": lambda f: (f.getvalue() is None) or f.write(b"xyz"),
    "writelines": lambda f: f.writelines([b"one", MUCH, b"three"]),
    "truncate": lambda f: f.truncate(),
    "truncate: all": lambda f: f.truncate(0),
    "read": lambda f: f.read(),
    "read1": lambda f: f.read1(100),
    "peek": lambda f: f.peek(100),
    "readinto": lambda f: f.readinto(bytearray(100)),
    "readline": lambda f: f.readline(),
    "readlines": lambda f: f.readlines(1000),
    "__next__": lambda f: next(f),
    "__iter__": lambda f: iter(f) and None,
    "seek": lambda f: f.seek(-5, 2),
    "tell": lambda f: f.tell(),
    "getvalue": lambda f: f.getvalue(),
    "getbuffer": lambda f: f.getbuffer(),
    "buffer": lambda f: f.buffer,
    "close": lambda f: f.close(),
    "closed": lambda f: f.closed,
    "__init__": lambda f: f.__init__(MUCH),
    "__init__: limit": lambda f: f.__init__(MUCH, limit=LIMIT),
    "__init__: buffer": lambda f: f.__init__(buffer=GrowBuffer(MUCH)),
    "__getstate__": lambda f: f.__getstate__(),
    "__setstate__": lambda f: f.__setstate__((MUCH, 3, None)),
    "__new__": lambda f: GrowIO(MUCH).getvalue(),
    "__sizeof__": lambda f: f.__sizeof__() and None,
    "flush": lambda f: f.flush(),
    "isatty": lambda f: f.isatty(),
    "readable": lambda f: f.readable(),
    "seekable": lambda f: f.seekable(),
    "writable": lambda f: f.writable(),
}


def append_in_a_file(frozen):
    file = GrowIO(frozen)
    file.seek(0, 2)
    file.write(b"xyz")
    return file.getvalue()


def grow_a_copy(frozen):
    buf = GrowBuffer(frozen)
    for _ in range(8):
        buf += MUCH
    return buf.freeze()


ON_FROZEN = {
    "__copy__": copy.copy,
    "__deepcopy__": copy.deepcopy,
    "__reduce__": lambda f: f.__reduce__()[1],
    "__reduce_ex__": lambda f: pickle.loads(pickle.dumps(f, 2)),
    "__reduce_ex__: 5": lambda f: pickle.loads(pickle.dumps(f, 5)),
    "__reduce_ex__: out of band": out_of_band,
    "__sizeof__": lambda f: f.__sizeof__() and None,
    "memoryview": lambda f: memoryview(f)[5:90],
    "GrowBuffer": GrowBuffer,
    "GrowBuffer: append": grow_a_copy,
    "GrowIO": lambda f: GrowIO(f).getvalue(),
    "GrowIO: append": append_in_a_file,
}


def fill_free_rows(array):
    array.spare(20_000)[:3] = 7
    array.commit(3)


def commit_under_view(array):
    view = array.array  # noqa: F841
    spare = array.spare(50)
    spare[:] = 7
    try:
        array.commit(20)
    except MemoryError:
        assert (spare == 7).all()
        array.commit(20)


def block(length, dtype="u2"):
    import numpy

    return numpy.full((length, 3), 7, dtype)


def detach_under_view(a):
    view = a.array  # noqa: F841
    return a.detach(len(a) // 2)


ON_ARRAYS = {
    "append": lambda a: a.append((4, 5, 6)),
    "append: ndarray": lambda a: a.append(block(1)[0]),
    "append: cast": lambda a: a.append(block(1, "u1")[0]),
    "extend": lambda a: a.extend([(4, 5, 6)] * 50),
    "extend: ndarray": lambda a: a.extend(block(100_000)),
    "extend: cast": lambda a: a.extend(block(100_000, "u1")),
    "extend: iterable": lambda a: a.extend(zip(*[range(100)] * 3, strict=True)),
    "extend: itself": lambda a: a.extend(a),
    "insert": lambda a: a.insert(5, (4, 5, 6)),
    "insert: end": lambda a: a.insert(len(a), (4, 5, 6)),
    "pop": lambda a: a.pop(),
    "pop: front": lambda a: a.pop(0),
    "__delitem__": lambda a: delete(a, 3),
    "__delitem__: front": lambda a: delete(a, slice(0, len(a) * 2 // 3)),
    "__delitem__: selected": lambda a: delete(a, slice(None, None, 2)),
    "resize": lambda a: a.resize(600_000),
    "resize: down": lambda a: a.resize(20),
    "reserve": lambda a: a.reserve(600_000),
    "trim": lambda a: a.trim(),
    "clear": lambda a: a.clear(),
    "detach": lambda a: a.detach(),
    "detach: part": lambda a: a.detach(len(a) // 3),
    "detach: under view": detach_under_view,
    "spare": lambda a: a.spare(20_000).shape,
    "commit": fill_free_rows,
    "commit: under view": commit_under_view,
    "readfrom": lambda a: a.readfrom(io.BytesIO(MUCH)),
    "readfrom: some": lambda a: a.readfrom(io.BytesIO(MUCH), 100),
    "copy": lambda a: a.copy().array,
    "array": lambda a: a.array,
    "stable": lambda a: a.stable,
    "buffer": lambda a: len(a.buffer),
    "from_buffer": lambda a: len(type(a).from_buffer(GrowBuffer(MUCH), "u1", 3)),
    "__new__": lambda a: type(a)(block(100_000)).array,
    "__new__: limit": lambda a: type(a)(limit=1000).array,
    "__reduce_ex__": lambda a: pickle.loads(pickle.dumps(a, 2)).array,
    "__reduce_ex__: out of band": lambda a: out_of_band(a).array,
    "__getitem__": lambda a: a[5:],
    "__setitem__": lambda a: assign(a, 5, (4, 5, 6)),
    "__iadd__": lambda a: iadd(a, 1),
    "__add__": lambda a: a + 1,
}

# For each kind: the functions that make objects, and the operations to call on them.
TABLES = {
    "buffers": (BUFFERS, ON_BUFFERS),
    "files": (FILES, ON_FILES),
    "frozen": (FROZEN, ON_FROZEN),
    "arrays": (ARRAYS, ON_ARRAYS),
}
