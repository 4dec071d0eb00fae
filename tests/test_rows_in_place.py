"""Test spare(), commit() and readfrom() of a GrowArray: rows filled in place."""

import gc
import io
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import assert_no_leak, held, together

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check

np = pytest.importorskip("numpy")
GrowArray = growbuf.GrowArray
HAS_PAGES = growbuf.info()["strategy"] != "heap"
needs_pages = pytest.mark.skipif(not HAS_PAGES, reason="this system has no pages")
PADDED = np.dtype([("a", "i1"), ("b", "f8")], align=True)


def assert_rows(array, expected):
    assert array.array.tolist() == np.asarray(expected).tolist()
    assert check(array._buffer) is None


def rows_of(count, row_shape=(3,), dtype="f4"):
    items = np.arange(count * int(np.prod(row_shape)))
    return items.astype(dtype).reshape(count, *row_shape)


# ------------------------------------------------------------------ spare, commit


@pytest.mark.parametrize("dtype, row_shape", [("f8", ()), ("f4", (3,)), (PADDED, ())])
@pytest.mark.parametrize("nrows", [0, 1, 100, 100_000])
def test_spare_is_a_writable_ndarray_of_exactly_these_rows(dtype, row_shape, nrows):
    array = GrowArray(dtype=dtype, row_shape=row_shape)
    array.extend(np.zeros((5, *row_shape), dtype))
    rows = array.spare(nrows)
    assert type(rows) is np.ndarray
    assert rows.shape == (nrows, *row_shape)
    assert rows.dtype == array.dtype
    assert rows.flags.writeable and rows.flags.c_contiguous
    assert len(array) == 5


def test_commit_appends_the_first_rows_of_the_spare():
    array = GrowArray([[1, 2]], dtype="f8")
    rows = array.spare(10)
    rows[:2] = [[3, 4], [5, 6]]
    array.commit(2)
    del rows
    assert_rows(array, [[1, 2], [3, 4], [5, 6]])
    array.spare(1)[:] = 7
    array.commit(1)
    assert_rows(array, [[1, 2], [3, 4], [5, 6], [7, 7]])


def test_commit_after_spare_was_dropped_appends_its_rows():
    array = GrowArray(dtype="u1")
    array.spare(4)[:2] = 65
    array.commit(2)
    assert_rows(array, [65, 65])


def test_commit_zeroes_the_padding_of_rows():
    array = GrowArray(dtype=PADDED)
    rows = array.spare(3)
    rows.view("u1")[:] = 255
    array.commit(2)
    del rows
    assert bytes(array).count(0) == 14


@needs_pages
def test_spare_in_a_loop_replaces_the_one_before():
    array, source = GrowArray(dtype="i4"), iter(range(100))
    for _ in range(25):
        rows = array.spare(10)
        for i in range(4):
            rows[i] = next(source)
        array.commit(4)
    rows = array.spare(5)
    rows = array.spare(6)
    assert len(rows) == 6
    array.commit(0)
    array.append(100)
    assert_rows(array, list(range(101)))


@needs_pages
def test_append_after_commit_is_allowed_while_the_rows_are_held():
    array = GrowArray(dtype="i4")
    rows = array.spare(3)
    rows[:] = [1, 2, 3]
    array.commit(1)
    array.append(9)
    assert_rows(array, [1, 9])
    assert rows[0] == 1
    assert rows.base is not None
    view = array.array
    del rows
    array.extend([10, 11])
    assert_rows(array, [1, 9, 10, 11])
    assert view.tolist() == [1, 9]


@needs_pages
def test_spare_rows_held_after_commit_survive_the_array():
    array = GrowArray(dtype="i4")
    rows = array.spare(100_000)
    rows[:] = 7
    array.commit(50_000)
    reference = weakref.ref(array)
    del array
    gc.collect()
    assert reference() is None
    rows[:] = 8
    assert (rows == 8).all()


def test_append_while_a_spare_is_outstanding_raises():
    array = GrowArray([1.0])
    rows = array.spare(2)
    for change in (
        lambda: array.append(2.0),
        lambda: array.extend([2.0]),
        lambda: array.resize(5),
        lambda: array.insert(0, 3.0),
        lambda: array.pop(),
    ):
        with pytest.raises(BufferError):
            change()
    assert_rows(array, [1.0])
    del rows
    array.append(2.0)
    assert_rows(array, [1.0, 2.0])
    with pytest.raises(ValueError, match="nothing to commit"):
        array.commit(1)


def test_commit_of_more_rows_than_spare_returned_raises():
    array = GrowArray([1.0])
    with pytest.raises(ValueError, match="nothing to commit"):
        array.commit(1)
    rows = array.spare(3)
    rows[:] = 5
    with pytest.raises(ValueError, match="4 rows.* 3"):
        array.commit(4)
    with pytest.raises(ValueError):
        array.commit(-1)
    with pytest.raises(TypeError):
        array.commit("1")
    array.commit(3)
    with pytest.raises(ValueError, match="nothing to commit"):
        array.commit(1)
    del rows
    assert_rows(array, [1, 5, 5, 5])


@pytest.mark.parametrize(
    "nrows, error", [(-1, ValueError), ("3", TypeError), (1 << 70, MemoryError)]
)
def test_spare_of_invalid_number_of_rows_raises(nrows, error):
    array = GrowArray([1.0])
    with pytest.raises(error):
        array.spare(nrows)
    array.append(2.0)
    assert_rows(array, [1.0, 2.0])


@needs_pages
def test_spare_past_the_limit_raises():
    array = GrowArray([1.0], limit=10)
    assert len(array.spare(9)) == 9
    with pytest.raises(MemoryError, match="limit of 10 rows"):
        array.spare(10)
    assert_rows(array, [1.0])


def test_spare_of_another_thread_is_refused():
    array = GrowArray(dtype="f8")
    rows = array.spare(3)
    rows[:] = 4
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(BufferError):
            pool.submit(array.spare, 2).result()
        pool.submit(array.commit, 3).result()
    del rows
    assert_rows(array, [4, 4, 4])


def test_spare_of_unstable_array_under_views_raises():
    array = GrowArray.from_buffer(GrowBuffer(), "f8")
    array.append(1.0)
    view = array.array
    with pytest.raises(BufferError):
        array.spare(100)
    assert_rows(array, view)
    del view
    rows = array.spare(2)
    rows[:] = 2
    array.commit(2)
    array.append(3.0)  # moves away from the rows that are held
    assert rows.tolist() == [2, 2]
    assert_rows(array, [1, 2, 2, 3])


@pytest.mark.parametrize("held", [False, True])
def test_commit_to_a_full_array_keeps_the_last_rows(held):
    if held and not HAS_PAGES:
        pytest.skip("this system has no pages")
    array = GrowArray([1.0, 2.0, 3.0], maxlen=3)
    for start in range(4, 400, 2):
        view = array.array if held else None
        rows = array.spare(5)
        rows[:2] = start, start + 1
        if not held:
            del rows
        array.commit(2)
        assert_rows(array, [start - 1, start, start + 1])
        assert view is None or view.tolist()[0] == max(1, start - 3)
    array.spare(50)[:] = np.arange(50)
    array.commit(50)
    assert_rows(array, [47, 48, 49])


def refuse_leaking_numpy():
    """Skip the test if NumPy itself leaks references (2.5 does, on Python 3.15)."""
    before = held()
    for _ in range(100):
        np.frombuffer(bytearray(8))[:] = 1
    if held() - before > 33:
        pytest.skip("this NumPy leaks references")


def test_spare_and_commit_leak_nothing():
    refuse_leaking_numpy()
    array = GrowArray(dtype="f8", maxlen=100)

    def turn():
        rows = array.spare(10)
        rows[:] = 1
        array.commit(5)
        array.append(2.0)

    assert_no_leak(turn)


@needs_pages
def test_spare_as_out_of_numpy_functions_is_filled():
    array = GrowArray()
    np.add(np.arange(5.0), 1, out=array.spare(5))
    array.commit(5)
    assert_rows(array, [1, 2, 3, 4, 5])


# --------------------------------------------------------------------- readfrom


class Pieces:
    """A source that gives pieces of the given lengths, None or an exception."""

    def __init__(self, data, steps):
        self.data, self.steps, self.seen = data, iter(steps), None

    def readinto(self, view):
        step = next(self.steps, len(view))
        if self.seen is not None:
            self.seen()
        if isinstance(step, BaseException):
            raise step
        if step is None:
            return None
        piece = self.data[: min(step, len(view))]
        view[: len(piece)] = piece
        self.data = self.data[len(piece) :]
        return len(piece)


@pytest.mark.parametrize("maxlen", [None, 7])
@pytest.mark.parametrize("step", [1, 5, 11, 12, 13, 100, 1 << 20])
def test_readfrom_reads_rows_in_pieces_of_any_length(step, maxlen):
    rows = rows_of(50)
    array = GrowArray(dtype="f4", row_shape=3, maxlen=maxlen)
    source = Pieces(rows.tobytes(), [step] * (600 // step + 1))
    source.seen = lambda: array.array  # whole rows only, else this raises
    assert array.readfrom(source) == 50
    assert_rows(array, rows if maxlen is None else rows[-maxlen:])
    assert array.pending_nbytes == 0


def test_readfrom_reads_at_most_nrows():
    rows = rows_of(10)
    array = GrowArray(dtype="f4", row_shape=3)
    file = io.BytesIO(rows.tobytes())
    assert array.readfrom(file, 4) == 4
    assert file.tell() == 48
    assert array.readfrom(file, nrows=0) == 0
    assert_rows(array, rows[:4])
    assert array.readfrom(file, nrows=100) == 6
    assert array.readfrom(file, -1) == 0
    assert_rows(array, rows)


@pytest.mark.parametrize("nbytes", range(40))
def test_readfrom_part_of_a_row_is_hidden_until_the_rest_comes(nbytes):
    rows = rows_of(5)
    data = rows.tobytes()
    array = GrowArray(dtype="f4", row_shape=3)
    assert array.readfrom(io.BytesIO(data[:nbytes])) == nbytes // 12
    assert array.pending_nbytes == nbytes % 12
    assert_rows(array, rows[: nbytes // 12])
    array.append([9, 9, 9])
    assert array.readfrom(io.BytesIO(data[nbytes:])) == 5 - nbytes // 12
    assert array.pending_nbytes == 0
    whole = nbytes // 12
    assert_rows(array, np.concatenate([rows[:whole], [[9, 9, 9]], rows[whole:]]))


def test_readfrom_nonblocking_source_without_a_row_returns_none():
    rows = rows_of(2)
    data = rows.tobytes()
    array = GrowArray(dtype="f4", row_shape=3)
    assert array.readfrom(Pieces(data, [None])) is None
    assert array.readfrom(Pieces(data[:5], [5, None])) is None
    assert array.pending_nbytes == 5
    assert_rows(array, rows[:0])
    assert array.readfrom(Pieces(data[5:], [8, None])) == 1
    assert array.pending_nbytes == 1
    assert_rows(array, rows[:1])


def test_readfrom_exception_keeps_rows_that_came_before():
    rows = rows_of(3)
    array = GrowArray(dtype="f4", row_shape=3)
    source = Pieces(rows.tobytes(), [30, OSError("lost")])
    with pytest.raises(OSError, match="lost"):
        array.readfrom(source)
    assert_rows(array, rows[:2])
    assert array.pending_nbytes == 6
    assert array.readfrom(source) == 1
    assert_rows(array, rows)


def test_readfrom_after_exception_within_a_row_keeps_its_bytes():
    rows = rows_of(1)
    array = GrowArray(dtype="f4", row_shape=3)
    source = Pieces(rows.tobytes(), [3, OSError(), 4, OSError()])
    for nbytes in (3, 7):
        with pytest.raises(OSError):
            array.readfrom(source)
        assert array.pending_nbytes == nbytes
    assert array.readfrom(source) == 1
    assert_rows(array, rows)


def test_readfrom_file_and_descriptor_and_socket():
    rows = rows_of(5000, (7,), "f8")
    with tempfile.TemporaryFile() as file:
        file.write(rows.tobytes())
        file.seek(0)
        array = GrowArray(row_shape=7)
        assert array.readfrom(file) == 5000
        assert_rows(array, rows)
        os.lseek(file.fileno(), 56, os.SEEK_SET)
        assert array.readfrom(file.fileno(), 10) == 10
        assert_rows(array, np.concatenate([rows, rows[1:11]]))
    ours, theirs = socket.socketpair()
    with ours, ThreadPoolExecutor(1) as pool:
        with theirs:
            sent = pool.submit(theirs.sendall, rows.tobytes())
            received = GrowArray(row_shape=7)
            assert received.readfrom(ours, 5000) == 5000
            sent.result()
        assert received.readfrom(ours) == 0
        assert_rows(received, rows)


def test_readfrom_of_object_that_is_no_source_raises():
    array = GrowArray([1.0])
    for source in (None, "file", object(), 2.5):
        with pytest.raises(TypeError, match="readfrom"):
            array.readfrom(source)
    with pytest.raises(ValueError):
        array.readfrom(io.BytesIO(), -2)
    with pytest.raises(TypeError):
        array.readfrom(io.BytesIO(), 1.5)
    assert_rows(array, [1.0])


@pytest.mark.parametrize("claimed", [-1, 1 << 40])
def test_readfrom_source_that_claims_a_wrong_number_raises(claimed):
    class Liar:
        def readinto(self, view):
            return claimed

    array = GrowArray([1.0])
    with pytest.raises(OSError, match="as the number of bytes read"):
        array.readfrom(Liar())
    assert_rows(array, [1.0])


@needs_pages
@pytest.mark.parametrize("extra", [0, 1, 12, 13])
def test_readfrom_past_the_limit_raises_and_keeps_the_rows(extra):
    rows = rows_of(12)
    array = GrowArray(dtype="f4", row_shape=3, limit=10)
    source = io.BytesIO(rows.tobytes()[: 120 + extra])
    if extra == 0:
        assert array.readfrom(source) == 10
    else:
        with pytest.raises(MemoryError, match="limit"):
            array.readfrom(source)
    assert_rows(array, rows[:10])
    if extra >= 12:
        del array[:5]
        assert array.readfrom(source) == 1  # no byte is lost
        assert_rows(array, rows[5:11])


def test_readfrom_source_that_changes_the_array_raises():
    rows = rows_of(4)
    array = GrowArray(dtype="f4", row_shape=3)

    class Meddler(Pieces):
        def readinto(self, view):
            for change in (
                lambda: array.append([1, 2, 3]),
                lambda: array.readfrom(io.BytesIO(bytes(12))),
                lambda: array.spare(1),
                lambda: array.commit(1),
                lambda: array.detach(),
            ):
                with pytest.raises((BufferError, ValueError)):
                    change()
            assert len(array) == len(array.array)
            return super().readinto(view)

    assert array.readfrom(Meddler(rows.tobytes(), [17, 31])) == 4
    assert_rows(array, rows)


@needs_pages
def test_readfrom_view_that_a_source_keeps_prevents_nothing():
    rows, kept = rows_of(40), []
    array = GrowArray(dtype="f4", row_shape=3)

    class Keeper(Pieces):
        def readinto(self, view):
            kept.append(np.frombuffer(view, "u1"))
            return super().readinto(view)

    assert array.readfrom(Keeper(rows.tobytes(), [17] * 40)) == 40
    assert_rows(array, rows)
    array.append([1, 2, 3])
    kept.clear()
    assert check(array._buffer) is None


def test_readfrom_of_subclass_and_of_shared_buffer_reads_rows():
    class Named(GrowArray):
        pass

    array = Named(dtype="f4", row_shape=3)
    assert array.readfrom(io.BytesIO(rows_of(5).tobytes())) == 5
    buffer = GrowBuffer()
    shared = GrowArray.from_buffer(buffer, "f4", 3)
    assert shared.readfrom(io.BytesIO(rows_of(5).tobytes())) == 5
    assert bytes(buffer) == rows_of(5).tobytes()
    buffer.append(1)
    with pytest.raises(ValueError, match="not a multiple of the row size"):
        shared.readfrom(io.BytesIO(bytes(100)))
    with pytest.raises(ValueError, match="not a multiple of the row size"):
        shared.spare(1)
    assert len(buffer) == 61


def test_readfrom_leaks_nothing():
    data = rows_of(10).tobytes()
    array = GrowArray(dtype="f4", row_shape=3, maxlen=5)
    assert_no_leak(lambda: array.readfrom(Pieces(data[:-3], [7, 9, 40])))
    assert_no_leak(lambda: GrowArray(dtype="f4").readfrom(io.BytesIO(data[:-3])))


def test_readfrom_random_pieces_equal_the_bytes():
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(40):
        row_nbytes = rng.choice([1, 3, 12, 1000, 70_000])
        maxlen = rng.choice([None, None, 1, 5])
        array = GrowArray(dtype="u1", row_shape=row_nbytes, maxlen=maxlen)
        data = rng.randbytes(rng.randrange(30 * row_nbytes))
        expected = np.frombuffer(data, "u1")[: len(data) // row_nbytes * row_nbytes]
        expected = expected.reshape(-1, row_nbytes)
        steps = [
            rng.choice([None, 1, row_nbytes, 3 * row_nbytes + 1]) for _ in range(60)
        ]
        source, total = Pieces(data, steps), 0
        while source.data or total < len(expected):
            total += array.readfrom(source, rng.choice([-1, 1, 4])) or 0
        assert total == len(expected)
        assert_rows(array, expected if maxlen is None else expected[-maxlen:])


@needs_pages
@pytest.mark.parametrize("maxlen", [None, 50])
def test_readfrom_in_thread_shows_whole_rows_only(maxlen):
    ours, theirs = socket.socketpair()
    # Under ThreadSanitizer, which takes most of the address space, an array is stable
    # only if it has a limit.
    array = GrowArray(dtype="i8", row_shape=100, maxlen=maxlen, limit=3000)
    assert array.stable
    done, looks = threading.Event(), []

    def send():
        rng = random.Random(3)
        with theirs:
            data = np.repeat(np.arange(3000), 100).astype("i8").tobytes()
            while data:
                n = rng.randrange(1, 5000)
                theirs.sendall(data[:n])
                data = data[n:]

    def receive():
        try:
            assert array.readfrom(ours) == 3000
        finally:
            done.set()
            ours.close()  # if the read has failed, send() would wait forever

    def look():
        while not done.is_set():
            rows = array.array
            if len(rows):
                assert (rows[-3:] == rows[-3:, :1]).all()
                assert (np.diff(rows[:, 0]) == 1).all()
            looks.append(len(rows))

    with ours:
        together(send, receive, look)
    assert looks == sorted(looks)
    assert array[-1, 0] == 2999
    assert len(array) == (maxlen or 3000)


def test_readfrom_source_that_releases_the_view_raises():
    array = GrowArray(dtype="S8")

    class Source:
        def readinto(self, view):
            view[:3] = b"abc"
            view.release()
            return 3

    with pytest.raises(BufferError):
        array.readfrom(Source())
    assert len(array) == 0
    array.append(b"x")


@pytest.mark.parametrize("piece", [9, 12, 29, 120])
@pytest.mark.parametrize("nrows", [-1, 1])
def test_readfrom_keeps_rows_that_a_view_does_not_let_it_append(piece, nrows):
    """A view that is made during a read prevents an array without a limit from growing."""
    rows = rows_of(10)
    array = GrowArray.from_buffer(GrowBuffer(), "f4", 3)
    source, views = Pieces(rows.tobytes(), [piece] * 20), []
    source.seen = lambda: views.append(array.array)
    with pytest.raises(BufferError):
        array.readfrom(source)
    assert len(array) == 0 and array.pending_nbytes == 120 - len(source.data)
    with pytest.raises(BufferError):
        array.readfrom(io.BytesIO(source.data))
    assert array.pending_nbytes == 120 - len(source.data)
    views.clear()
    source.seen, total = None, 0
    while total < 10:
        total += array.readfrom(source, nrows)
    assert array.pending_nbytes == 0
    assert_rows(array, rows)


def test_clear_drops_the_part_of_a_row():
    rows = rows_of(2)
    array = GrowArray(dtype="f4", row_shape=3)
    assert array.readfrom(io.BytesIO(rows.tobytes()[:17])) == 1
    assert array.pending_nbytes == 5
    array.clear()
    assert array.pending_nbytes == 0
    assert array.readfrom(io.BytesIO(rows.tobytes())) == 2
    assert_rows(array, rows)


def test_clear_that_raises_keeps_the_part_of_a_row():
    array = GrowArray.from_buffer(GrowBuffer(), "f4", 3)
    assert array.readfrom(io.BytesIO(rows_of(2).tobytes()[:17])) == 1
    view = array.array
    with pytest.raises(BufferError):
        array.clear()
    assert array.pending_nbytes == 5
    del view


@needs_pages
def test_readfrom_socket_while_thread_looks_shows_no_wrong_row():
    """A short run of looks.py; its own default is a million looks at 128 MiB."""
    script = Path(__file__).with_name("looks.py")
    arguments = [sys.executable, script, "--mib", "1", "--looks", "500"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert " 0 wrong, " in done.stdout


def test_extend_by_committed_spare_that_overlaps_the_tail_appends_its_rows():
    array = GrowArray(dtype="i8")
    rows = array.spare(100)
    rows[:] = range(100)
    array.commit(3)
    array.extend(rows)
    assert array.array[3:].tolist() == list(range(100))
