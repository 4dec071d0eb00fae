"""Test that GrowArray(maxlen=n) keeps the last n rows as collections.deque does."""

import copy
import pickle
import random
import sys
from collections import deque

import pytest
from conftest import together

import growbuf
from growbuf._growbuf import check

np = pytest.importorskip("numpy")
GrowArray = growbuf.GrowArray
HAS_PAGES = growbuf.info()["strategy"] != "heap"
needs_pages = pytest.mark.skipif(not HAS_PAGES, reason="this system has no pages")

PAIR = np.dtype([("t", "f8"), ("id", "i4")])


def assert_rows(array, expected):
    """Assert the rows, and that the buffer holds them and no others."""
    assert array.array.tolist() == list(expected)
    assert len(array) == len(expected)
    assert check(array._buffer) is None


# --------------------------------------------------------------- as deque does


@pytest.mark.parametrize("maxlen", [0, 1, 2, 7, 1000])
def test_append_to_full_array_keeps_the_last_rows(maxlen):
    array, model = GrowArray(maxlen=maxlen), deque(maxlen=maxlen)
    for i in range(3 * maxlen + 5):
        array.append(i / 2)
        model.append(i / 2)
        assert len(array) == len(model)
    assert_rows(array, model)


@pytest.mark.parametrize("maxlen", [0, 1, 3, 10])
@pytest.mark.parametrize("count", [0, 1, 3, 9, 10, 11, 40])
@pytest.mark.parametrize(
    "make", [list, tuple, np.array, iter, lambda rows: (row for row in rows)]
)
def test_extend_of_full_array_keeps_the_last_rows(maxlen, count, make):
    array, model = GrowArray(maxlen=maxlen), deque(maxlen=maxlen)
    for start in (0.0, 100.0, 200.0):
        rows = [start + i for i in range(count)]
        array.extend(make(rows))
        model.extend(rows)
        assert_rows(array, model)


@pytest.mark.parametrize("maxlen", [2, 5, 8])
def test_extend_by_itself_keeps_the_last_rows(maxlen):
    array, model = (kind([1.0, 2.0, 3.0], maxlen=maxlen) for kind in (GrowArray, deque))
    array.extend(array)
    model.extend(model)
    assert_rows(array, model)


@pytest.mark.parametrize(
    "dtype, row_shape",
    [("u1", ()), ("f8", (3,)), (PAIR, ()), ("S5", ()), ("i2", (2, 2))],
)
@pytest.mark.parametrize("maxlen", [1, 5, 300])
def test_append_with_maxlen_rows_of_any_layout_are_kept(dtype, row_shape, maxlen):
    rows = np.zeros((1000, *row_shape), dtype)
    flat = rows.reshape(-1).view("u1")
    flat[:] = np.arange(flat.size) % 60 + 1
    array = GrowArray(dtype=dtype, row_shape=row_shape, maxlen=maxlen)
    for i in range(0, 1000, 40):
        for row in rows[i : i + 20]:
            array.append(row)
        array.extend(rows[i + 20 : i + 40])
        assert array.array.tobytes() == rows[max(0, i + 40 - maxlen) : i + 40].tobytes()


def test_maxlen_random_calls_match_a_deque():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(30):
        maxlen = rng.choice([0, 1, 2, 5, 64, 3000])
        array, model = GrowArray(maxlen=maxlen), deque(maxlen=maxlen)
        for number in range(200):
            step(rng, array, model, number)
            assert len(array) == len(model)
            if rng.random() < 0.2:
                assert_rows(array, model)
        assert_rows(array, model)


def step(rng, array, model, number):
    name = rng.choice(
        ["append"] * 5 + ["extend"] * 3 + ["pop", "popleft", "del", "clear"]
    )
    if name == "append":
        array.append(number)
        model.append(number)
    elif name == "extend":
        rows = [number + i / 64 for i in range(rng.choice([0, 1, 3, 40, 2000]))]
        array.extend(rng.choice([list, np.array, iter])(rows))
        model.extend(rows)
    elif name == "clear":
        if rng.random() < 0.1:
            array.clear()
            model.clear()
    elif model:
        at = {"pop": -1, "popleft": 0}.get(name, rng.randrange(len(model)))
        if name == "del":
            del array[at]
        else:
            assert array.pop(at) == model[at]
        del model[at]


def test_insert_when_full_raises_index_error():
    array = GrowArray([1, 2], maxlen=3)
    array.insert(0, 0)
    for index in (0, 1, 3, 10):
        with pytest.raises(IndexError, match="maxlen"):
            array.insert(index, 9)
    with pytest.raises(IndexError):
        GrowArray(maxlen=0).insert(0, 1)
    assert_rows(array, [0, 1, 2])


def test_maxlen_of_arrays_is_read_only():
    assert GrowArray().maxlen is None
    array = GrowArray([1, 2, 3], maxlen=2)
    assert array.maxlen == 2
    with pytest.raises(AttributeError):
        array.maxlen = 3
    with pytest.raises(AttributeError):
        del array.maxlen
    assert GrowArray(row_shape=3, maxlen=np.int64(7)).maxlen == 7


@pytest.mark.parametrize(
    "maxlen, error",
    [(-1, ValueError), (2.0, TypeError), ("3", TypeError)],
)
def test_maxlen_of_invalid_value_raises(maxlen, error):
    with pytest.raises(error, match="maxlen"):
        GrowArray(maxlen=maxlen)


def test_repr_names_maxlen():
    assert repr(GrowArray([1, 2, 3], dtype="f8", maxlen=2)) == (
        "GrowArray([2., 3.], maxlen=2)"
    )
    assert repr(GrowArray([1, 2], dtype="u1", maxlen=9)) == (
        "GrowArray([1, 2], dtype=uint8, maxlen=9)"
    )


class Named(GrowArray):
    """A subclass with an attribute."""


@pytest.mark.parametrize("kind", [GrowArray, Named])
def test_copy_and_pickle_keep_maxlen(kind):
    array = kind([1.0, 2.0, 3.0], maxlen=3)
    copies = [array.copy(), copy.copy(array), copy.deepcopy(array)]
    copies += [pickle.loads(pickle.dumps(array, n)) for n in range(2, 6)]
    for made in copies:
        assert type(made) is kind
        assert made.maxlen == 3
        made.append(4.0)
        assert_rows(made, [2.0, 3.0, 4.0])
    assert_rows(array, [1.0, 2.0, 3.0])


def test_pickle_of_array_without_maxlen_has_four_arguments():
    """Versions without maxlen can load it."""
    assert len(GrowArray([1.0]).__reduce_ex__(4)[1]) == 4


def test_growarray_with_maxlen_and_data_keeps_the_last_rows():
    assert_rows(GrowArray(range(10), dtype="i8", maxlen=3), [7, 8, 9])
    assert_rows(GrowArray(np.arange(10), maxlen=3), [7, 8, 9])
    assert_rows(GrowArray(np.arange(10), maxlen=0), [])
    assert_rows(GrowArray(np.arange(3), maxlen=10), [0, 1, 2])


def test_slice_and_operator_with_maxlen_return_ndarrays():
    array = GrowArray([1.0, 2.0, 3.0], maxlen=3)
    assert type(array[1:]) is np.ndarray
    assert type(array + 1) is np.ndarray
    assert (array == [1.0, 2.0, 3.0]).all()


# ------------------------------------------------------ what else changes the length


def test_resize_past_maxlen_raises():
    array = GrowArray([1.0, 2.0], maxlen=3)
    with pytest.raises(ValueError, match="maxlen"):
        array.resize(4)
    assert_rows(array, [1.0, 2.0])
    array.resize(3)
    array.append(5.0)
    assert_rows(array, [2.0, 0.0, 5.0])


def test_reserve_past_maxlen_reserves_maxlen_rows():
    array = GrowArray([1.0], maxlen=3)
    array.reserve(1 << 40)
    assert_rows(array, [1.0])
    with pytest.raises(ValueError):
        array.reserve(-1)


def test_detach_leaves_an_array_with_the_same_maxlen():
    array = GrowArray(np.arange(5.0), maxlen=3)
    assert array.detach().tolist() == [2.0, 3.0, 4.0]
    assert array.maxlen == 3
    array.extend([1.0, 2.0, 3.0, 4.0])
    assert_rows(array, [2.0, 3.0, 4.0])


def test_append_and_extend_of_misfit_rows_leave_array_unchanged():
    array = GrowArray([1.0, 2.0, 3.0], maxlen=3)
    for rows in ([4.0, "x"], iter([4.0, 5.0, 6.0, 7.0, "x"]), ["x"] + [4.0] * 9):
        with pytest.raises((TypeError, ValueError)):
            array.extend(rows)
        assert_rows(array, [1.0, 2.0, 3.0])
    with pytest.raises((TypeError, ValueError)):
        array.append("x")
    assert_rows(array, [1.0, 2.0, 3.0])


def test_append_during_the_conversion_of_a_row_is_kept():
    array = GrowArray([1.0, 2.0], maxlen=2)

    class Value:
        def __float__(self):
            array.append(3.0)
            return 4.0

    array.append(Value())
    assert_rows(array, [3.0, 4.0])


def test_limit_below_maxlen_raises():
    if HAS_PAGES:
        with pytest.raises(ValueError, match="limit"):
            GrowArray(maxlen=10, limit=9)


@needs_pages
def test_limit_and_maxlen_too_large_for_any_object_raise():
    """A debug build aborted: twice maxlen was more than an object can have."""
    with pytest.raises(MemoryError, match="limit="):
        GrowArray(dtype="u1", maxlen=sys.maxsize, limit=sys.maxsize)


@needs_pages
@pytest.mark.parametrize("nrows", [1, 5, 9, 10, 11, 25])
def test_limit_of_maxlen_rows_leaves_space_to_append(nrows):
    array, model = GrowArray(maxlen=10, limit=10), deque(maxlen=10)
    assert array.stable
    for start in range(0, 3000, nrows):
        array.extend(np.arange(start, start + nrows, dtype="f8"))
        model.extend(range(start, start + nrows))
        assert_rows(array, model)


# ---------------------------------------------------------------------- views


@needs_pages
def test_view_of_a_full_array_is_of_the_rows_at_that_moment():
    array = GrowArray([1.0, 2.0, 3.0], maxlen=3)
    seen = []
    for i in range(4, 5000):
        array.append(i)
        seen = array.array.copy()
        assert seen.tolist() == [i - 2, i - 1, i]
        assert array[-1] == i
        assert array.sum() == 3 * i - 3


@needs_pages
def test_append_to_full_array_under_views_never_raises():
    array = GrowArray(np.arange(4.0), maxlen=4)
    held = deque(maxlen=3)
    for i in range(4, 20_000):
        array.append(i)
        held.append((array.array, i))
        for view, last in held:
            assert view[-1] == last and view[0] == last - 3
    array.extend(np.arange(100.0))
    assert held[0][0][-1] == held[0][1]
    assert_rows(array, [96.0, 97.0, 98.0, 99.0])


@needs_pages
def test_append_and_read_in_threads_show_whole_windows():
    # Under ThreadSanitizer, which takes most of the address space, an array is stable
    # only if it has a limit.
    array = GrowArray(np.full((8, 4), -1.0), maxlen=8, limit=1 << 16)
    assert array.stable
    done = []

    def write():
        try:
            for i in range(3000):
                array.append((i, i, i, i))
        finally:
            done.append(True)

    def read():
        while not done:
            rows = array.array
            assert len(rows) == 8
            assert (rows == rows[:, :1]).all()
            assert (np.diff(rows[:, 0]) >= 0).all()

    together(write, read)
    assert array[-1, 0] == 2999


# ---------------------------------------------------------------------- memory


@pytest.mark.parametrize("block", [1, 7, 1000, 40_000])
def test_append_with_maxlen_takes_memory_of_two_windows(block):
    nrows = 40_000
    array = GrowArray(maxlen=nrows)
    rows = np.arange(float(block))
    for _ in range(5 * nrows // block):
        array.append(1.0) if block == 1 else array.extend(rows)
    nbytes = 8 * nrows
    assert array.nbytes == nbytes
    assert array._buffer.__sizeof__() < 2.3 * nbytes + (128 << 10)


def test_extend_by_generator_with_maxlen_takes_little_memory():
    import tracemalloc

    array = GrowArray(maxlen=10)
    tracemalloc.start()
    try:
        array.extend(float(i) for i in range(300_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_rows(array, range(299_990, 300_000))
    assert peak < 300_000
