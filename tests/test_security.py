"""Test the promises of SECURITY.md: new buffers show no stale bytes, sizes do not
overflow, and results of user code are checked."""

import pickle
import sys

import pytest
from test_growbuffer import MIB, MOVES_PAGES, run
from test_traps import ON_312

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import _rebuild, check, facts

KIB = 1 << 10
SECRET = 0xA5
HAS_PAGES = facts()["strategy"] != "heap"


def array_module():
    pytest.importorskip("numpy")
    import growbuf.array

    return growbuf.array


# ------------------------------------------------------------------------ stale bytes


def drop_secrets():
    """Fill memory that the next allocations may reuse with SECRET, and free it."""
    dropped = [GrowBuffer(bytes([SECRET]) * n) for n in (100, 5000, 60 * KIB, 80 * KIB)]
    dropped += [GrowBuffer(bytes([SECRET]) * (3 * MIB)) for _ in range(2)]
    if HAS_PAGES:
        dropped.append(GrowBuffer(bytes([SECRET]) * MIB, limit=4 * MIB))
    shrunk = GrowBuffer(bytes([SECRET]) * (20 * MIB))
    del shrunk[10:]
    dropped.append(shrunk)


def resized(nbytes, **options):
    buf = GrowBuffer(b"x", **options)
    buf.resize(nbytes)
    return buf


def shrunk_and_resized(nbytes):
    buf = GrowBuffer(bytes([SECRET]) * nbytes)
    del buf[nbytes // 3 :]
    buf[:] = bytes(len(buf))
    buf.resize(nbytes)
    return buf


def moved_and_resized(nbytes):
    buf = GrowBuffer(b"x" * (2 * MIB - 10))
    buf += b"x" * nbytes
    buf.resize(5 * nbytes)
    return buf


def written_past_end(nbytes):
    file = GrowIO()
    file.seek(nbytes)
    file.write(b"x")
    return file.buffer


def rows_resized(nbytes):
    array = array_module().GrowArray(dtype="u1")
    array.resize(nbytes)
    return array.buffer


def padded_rows(nbytes):
    np = pytest.importorskip("numpy")
    dtype = np.dtype([("a", "u1"), ("b", "f8")], align=True)
    array = growbuf.GrowArray.from_buffer(GrowBuffer(), dtype)
    array.extend([(1, 2.0)] * (nbytes // 16))
    array.append((3, 4.0))
    return array.buffer


def taken(nbytes):
    buf = GrowBuffer(2 * nbytes)
    part = buf.take(nbytes)
    part.resize(3 * nbytes)
    return part


FRESH = {
    "GrowBuffer(n)": GrowBuffer,
    "resize": resized,
    "resize again": shrunk_and_resized,
    "resize after a move": moved_and_resized,
    "resize with a limit": lambda n: resized(n, limit=n if HAS_PAGES else None),
    "zeros repeated": lambda n: GrowBuffer(b"\0") * n,
    "ljust": lambda n: GrowBuffer(b"x").ljust(n, b"\0"),
    "write past the end": written_past_end,
    "rows": rows_resized,
    "padding of rows": padded_rows,
    "resize after take": taken,
}


@pytest.mark.parametrize("nbytes", [100, 5000, 60 * KIB, 80 * KIB, 3 * MIB, 20 * MIB])
@pytest.mark.parametrize("name", FRESH)
def test_new_buffer_after_drops_shows_no_dropped_bytes(name, nbytes):
    drop_secrets()
    buf = FRESH[name](nbytes)
    assert len(buf) >= nbytes
    assert buf.find(SECRET) == -1


@MOVES_PAGES
def test_spare_after_drop_shows_old_bytes_unless_pool_limit_is_zero():
    """spare() does not clear reused pages; with `pool_limit=0` none are reused."""
    code = """
        import growbuf
        from growbuf import GrowBuffer
        for limit in (64 << 20, 0):
            growbuf.configure(pool_limit=limit)
            dropped = GrowBuffer(b"s" * (3 << 20))
            del dropped
            tail = GrowBuffer().spare(3 << 20)
            print(bytes(tail).count(b"s") > 0)
    """
    assert run(code).split() == ["True", "False"]


def test_resize_after_partial_commit_zeroes_uncommitted_bytes():
    drop_secrets()
    buf = GrowBuffer()
    buf.spare(80 * KIB)[:3] = b"xyz"
    buf.commit(3)
    buf.resize(80 * KIB)
    assert buf == b"xyz" + bytes(80 * KIB - 3)


# ----------------------------------------------------------------------------- sizes

SIZES = [
    *[sys.maxsize, sys.maxsize - 1, sys.maxsize // 2, 1 << 62, 1 << 63, 1 << 64],
    *[-1, -sys.maxsize, -sys.maxsize - 1, -(1 << 64), 1 << 1000, -(1 << 1000)],
]


def short(number):
    return f"{number:#x}"[:20]


REFUSALS = MemoryError, OverflowError, ValueError, IndexError

SIZED = {
    "GrowBuffer": lambda b, n: GrowBuffer(n),
    "limit": lambda b, n: GrowBuffer(b"x", limit=n),
    "resize": lambda b, n: b.resize(n),
    "reserve": lambda b, n: b.reserve(n),
    "spare": lambda b, n: b.spare(n),
    "commit": lambda b, n: [b.spare(5), b.commit(n)],
    "readfrom": lambda b, n: b.readfrom(GrowIO(b"abc"), n),
    "take": lambda b, n: b.take(n),
    "take_bytes": lambda b, n: b.take_bytes(n),
    "insert": lambda b, n: b.insert(n, 65),
    "insert item": lambda b, n: b.insert(0, n),
    "append": lambda b, n: b.append(n),
    "remove": lambda b, n: b.remove(n),
    "pop": lambda b, n: b.pop(n),
    "item": lambda b, n: b[n],
    "slice": lambda b, n: b[n : -n : n or 1],
    "assign": lambda b, n: b.__setitem__(slice(n, None, -n), b"x"),
    "assign bytes": lambda b, n: b.__setitem__(slice(n, -n), b"x"),
    "delete": lambda b, n: b.__delitem__(slice(-n, n, 2)),
    "repeat": lambda b, n: b * n,
    "repeat in place": lambda b, n: b.__imul__(n),
    "center": lambda b, n: b.center(n),
    "ljust": lambda b, n: b.ljust(n),
    "rjust": lambda b, n: b.rjust(n),
    "zfill": lambda b, n: b.zfill(n),
    "expandtabs": lambda b, n: GrowBuffer(b"\t\t").expandtabs(n),
    "split": lambda b, n: b.split(b"c", n),
    "replace": lambda b, n: b.replace(b"c", b"", n),
    "pool_limit": lambda b, n: growbuf.configure(pool_limit=n),
    "seek and write": lambda b, n: [(f := GrowIO(buffer=b)).seek(n), f.write(b"x")],
    "seek on": lambda b, n: [(f := GrowIO(b"x")).seek(5), f.seek(n, 1), f.write(b"x")],
    "seek from the end": lambda b, n: [(f := GrowIO(b"x")).seek(n, 2), f.write(b"x")],
    "whence": lambda b, n: GrowIO(b"x").seek(0, n),
    "read": lambda b, n: GrowIO(buffer=b).read(n),
    "readline": lambda b, n: GrowIO(buffer=b).readline(n),
    "readlines": lambda b, n: GrowIO(buffer=b).readlines(n),
    "truncate": lambda b, n: GrowIO(buffer=b).truncate(n),
    "setstate": lambda b, n: GrowIO().__setstate__((b"x", n, None)),
}
SIZED_ROWS = {
    "resize": lambda a, n: a.resize(n),
    "reserve": lambda a, n: a.reserve(n),
    "limit": lambda a, n: type(a)(dtype="f8", limit=n),
    "row_shape": lambda a, n: type(a)(dtype="f8", row_shape=n),
    "row_shape of two": lambda a, n: type(a)(dtype="f8", row_shape=(n, 8)),
    "insert": lambda a, n: a.insert(n, 5.0),
    "pop": lambda a, n: a.pop(n),
    "delete": lambda a, n: a.__delitem__(slice(n, None)),
    "item": lambda a, n: a[n],
    "append": lambda a, n: a.append(n),
}


class Huge:
    """An index that changes the buffer, then returns its number."""

    def __init__(self, number, buf):
        self.number, self.buf = number, buf

    def __index__(self):
        self.buf[:2] = b""
        return self.number


def grown_to(length):
    """Return buffers of this length, with a limit and without."""
    limits = {None, 400_000 if HAS_PAGES else None}
    return [GrowBuffer(b"abcdefg" * (length // 7), limit=limit) for limit in limits]


@pytest.fixture
def usual_budget():
    yield
    growbuf.configure(pool_limit=64 * MIB)


@pytest.mark.usefixtures("usual_budget")
@pytest.mark.parametrize("number", SIZES, ids=short)
@pytest.mark.parametrize("name", SIZED)
def test_buffer_method_with_extreme_size_leaves_buffer_valid(name, number):
    for buf in grown_to(0) + grown_to(7) + grown_to(300_000):
        before = bytes(buf)
        try:
            SIZED[name](buf, number)
        except REFUSALS:
            assert buf == before
        assert check(buf) is None
        buf += b"!"
        assert buf[-1:] == b"!" and check(buf) is None


@pytest.mark.parametrize("number", SIZES, ids=short)
@pytest.mark.parametrize("name", sorted(SIZED.keys() - {"pool_limit"}))
def test_buffer_method_with_extreme_index_changing_buffer_stays_valid(name, number):
    buf = GrowBuffer(b"abcdefg")
    try:
        SIZED[name](buf, Huge(number, buf))
    except (*REFUSALS, TypeError, BufferError):
        pass
    assert check(buf) is None and len(buf) < 100
    buf += b"!"
    assert buf[-1:] == b"!"


@pytest.mark.parametrize("number", SIZES, ids=short)
@pytest.mark.parametrize("name", SIZED_ROWS)
def test_array_method_with_extreme_size_leaves_array_valid(name, number):
    make = array_module().GrowArray
    array = make([1.0, 2.0, 3.0], limit=1000 if HAS_PAGES else None)
    try:
        SIZED_ROWS[name](array, number)
    except REFUSALS:
        assert array.tolist() == [1.0, 2.0, 3.0]
    assert len(array) <= 4 and check(array.buffer) is None


# --------------------------------------------------------------------- hostile objects


def raise_it(*_):
    raise RuntimeError("hostile")


ANSWERS = {
    "no view": lambda buf: b"bytes",
    "None": lambda buf: None,
    "the buffer itself": memoryview,
    "a part of it": lambda buf: memoryview(buf)[1:3],
    "a released view": lambda buf: [view := memoryview(b"x"), view.release(), view][2],
    "strides": lambda buf: memoryview(b"abcdef")[::2],
    "an error": raise_it,
}
TAKERS = {
    "extend": lambda b, x: b.extend(x),
    "iadd": lambda b, x: b.__iadd__(x),
    "slice": lambda b, x: b.__setitem__(slice(1, 2), x),
    "init": lambda b, x: b.__init__(x),
    "add": lambda b, x: b + x,
    "join": lambda b, x: b.join([x, x]),
    "write": lambda b, x: GrowIO(buffer=b).write(x),
    "readinto": lambda b, x: GrowIO(buffer=b).readinto(x),
    "rebuild": lambda b, x: _rebuild(x),
}


@ON_312
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("taker", TAKERS)
def test_buffer_method_with_hostile_exporter_leaves_no_export(taker, answer):
    buf = GrowBuffer(b"abcdefg")
    released = []

    class Hostile:
        def __buffer__(self, flags):
            return ANSWERS[answer](buf)

        def __release_buffer__(self, view):
            released.append(view)

    try:
        TAKERS[taker](buf, Hostile())
    except (TypeError, ValueError, BufferError, RuntimeError):
        pass
    released.clear()
    assert check(buf) is None and len(buf) < 50
    buf += b"!"  # raises BufferError if an export remains
    assert buf[-1:] == b"!"


class Reader:
    def __init__(self, *answers):
        self.answers = list(answers)

    def readinto(self, view):
        view[:4] = b"true"
        return self.answers.pop(0)


class Evil:
    def __index__(self):
        raise RuntimeError("hostile")


@pytest.mark.parametrize(
    "answer", [-1, -(1 << 64), 1 << 70, sys.maxsize, 1.5, "4", Evil()], ids=repr
)
def test_readfrom_when_readinto_returns_bad_count_commits_nothing(answer):
    buf = GrowBuffer(b"abc")
    with pytest.raises((OSError, OverflowError, TypeError, RuntimeError)):
        buf.readfrom(Reader(4, answer))
    assert buf == b"abctrue" and check(buf) is None


# --------------------------------------------------------------------- hostile pickles


class Call:
    """Pickled as a call of the given function with the given arguments."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


PICKLES = {
    "rebuild of a number": Call(_rebuild, 1 << 62),
    "rebuild of nothing": Call(_rebuild),
    "rebuild of text": Call(_rebuild, "text"),
    "zeros": Call(GrowBuffer, 1 << 62),
    "limit": Call(GrowBuffer, b"", "utf-8", "strict", False, 1 << 62),
    "a bad state of a file": Call(GrowIO.__setstate__, GrowIO(), (b"x", -1, None)),
    "a short state": Call(GrowIO.__setstate__, GrowIO(), (b"x",)),
    "a state of another": Call(GrowIO.__setstate__, GrowBuffer(), (b"x", 1, None)),
}


@pytest.mark.parametrize("name", PICKLES)
def test_unpickle_buffer_with_bad_arguments_raises(name):
    with pytest.raises((TypeError, ValueError, MemoryError)):
        pickle.loads(pickle.dumps(PICKLES[name]))


ROWS = {
    "not whole": (b"abc", "f8", ()),
    "objects": (b"a" * 16, "O", ()),
    "negative": (b"a" * 16, "f8", (-1,)),
    "no bytes": (b"a" * 16, "f8", (0,)),
    "too many": (b"a" * 16, "f8", (1 << 62,)),
    "no rows": (5, "f8", ()),
}


@pytest.mark.parametrize("name", ROWS)
def test_unpickle_array_with_bad_arguments_raises(name):
    array = array_module()
    hostile = Call(array._restore, array.GrowArray, *ROWS[name])
    with pytest.raises((TypeError, ValueError, OverflowError)):
        pickle.loads(pickle.dumps(hostile))
