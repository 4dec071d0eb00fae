"""Test removing bytes and rows from the front while views exist.

The views are of a buffer with a limit, or of a stable array. The tests check what they
show, when memory is given back, and which calls are refused. After commit(), a view of
spare() that is still held must not prevent any call.
"""

import asyncio
import gc
import pickle
import threading
from collections import deque

import pytest
from conftest import assert_holds
from test_growbuffer import MIB, ON_LINUX, RESERVES, run
from test_memory import rss

import growbuf
from growbuf import GrowArray, GrowBuffer
from growbuf._growbuf import check, place

pytestmark = RESERVES
LIMIT = 8 * MIB
DATA = bytes(range(251)) * 20_000


def stable(length, limit=LIMIT):
    return GrowBuffer(DATA[:length], limit=limit)


# ------------------------------------------------------------------- what is removed


# Calls that remove bytes from the front of a buffer of at least 10 bytes: the call, how
# many bytes it removes (None: all), and what it returns, made from the bytes removed.
REMOVALS = {
    "del": (lambda b: b.__delitem__(slice(0, 7)), 7, None),
    "del item": (lambda b: b.__delitem__(0), 1, None),
    "del all": (lambda b: b.__delitem__(slice(None)), None, None),
    "assign nothing": (lambda b: b.__setitem__(slice(0, 7), b""), 7, None),
    "pop": (lambda b: b.pop(0), 1, lambda gone: gone[0]),
    "remove": (lambda b: b.remove(b[0]), 1, None),
    "take": (lambda b: b.take(7), 7, GrowBuffer),
    "take all": (lambda b: b.take(), None, GrowBuffer),
    "take_bytes": (lambda b: b.take_bytes(7), 7, bytes),
    "freeze": (lambda b: b.freeze(7), 7, bytes),
    "freeze all": (lambda b: b.freeze(), None, bytes),
    "clear": (lambda b: b.clear(), None, None),
    "times nothing": (lambda b: b.__imul__(0), None, GrowBuffer),
    "resize": (lambda b: b.resize(0), None, None),
}


@pytest.mark.parametrize("length", [10, 3 * MIB])
@pytest.mark.parametrize("name", REMOVALS)
def test_front_removal_under_view_keeps_view(name, length):
    call, count, result = REMOVALS[name]
    buf, data = stable(length), DATA[:length]
    count = length if count is None else count
    with memoryview(buf) as view:
        where = place(buf)
        made = call(buf)
        if name != "times nothing":
            assert made == (None if result is None else result(data[:count]))
        assert bytes(view) == data and place(buf) == where
        assert_holds(buf, data[count:])
        buf += b"more"
        view[count - 1] ^= 255
        if count < length:
            view[count] ^= 255
            assert buf[0] == data[count] ^ 255
            view[count] ^= 255
        assert_holds(buf, data[count:] + b"more")
        assert buf.limit == LIMIT and buf.capacity == LIMIT - count
    assert buf.limit == buf.capacity == LIMIT
    assert_holds(buf, data[count:] + b"more")


@pytest.mark.parametrize("name", REMOVALS)
def test_front_removal_without_limit_under_view_raises(name):
    buf = GrowBuffer(b"0123456789")
    with memoryview(buf) as view, pytest.raises(BufferError, match="release its views"):
        REMOVALS[name][0](buf)
    assert_holds(buf, b"0123456789")
    del view
    REMOVALS[name][0](buf)


def test_front_removal_error_without_limit_suggests_limit():
    buf = GrowBuffer(b"0123456789")
    with memoryview(buf):
        with pytest.raises(BufferError, match="or create the buffer with limit="):
            del buf[:3]
        with pytest.raises(BufferError, match="release its views$"):
            del buf[-3:]


def test_front_removal_in_code_that_a_method_calls_raises():
    """The method uses the bytes, so their number must not change."""
    buf, raised = stable(100), []

    class Index:
        def __index__(self):
            with pytest.raises(BufferError, match="one of its methods is running"):
                del buf[:10]
            raised.append(1)
            return 5

    with memoryview(buf):
        assert buf.find(b"\x05", Index()) == 5 and buf.startswith(b"\x05", Index())
    assert raised and len(buf) == 100


def test_front_removal_while_spare_is_outstanding_raises():
    buf = stable(100)
    with buf.spare(10) as view:
        view[:2] = b"xy"
        for name in REMOVALS:
            with pytest.raises(BufferError, match=r"commit\(\) it or release it"):
                REMOVALS[name][0](buf)
        buf.commit(2)
    del buf[:99]
    assert_holds(buf, DATA[99:100] + b"xy")


def test_growbuffer_object_has_no_field_for_views():
    # bytearray's fields, and a struct store and a pointer: 7 words
    assert GrowBuffer.__basicsize__ <= bytearray.__basicsize__ + 7 * 8


# ------------------------------------------------------------------ when memory goes


@ON_LINUX
def test_front_memory_goes_back_when_oldest_view_is_released():
    size = 64 * MIB
    buf = GrowBuffer(size, limit=2 * size)
    buf[:] = bytes(size)
    first = memoryview(buf)
    before = rss()
    del buf[: size // 2]
    second = memoryview(buf)
    del buf[: size // 4]
    second.release()
    assert rss() > before - 8 * MIB, "the first view sees all"
    assert buf.__sizeof__() >= size
    first.release()
    assert rss() < before - size // 2
    assert buf.__sizeof__() < size // 2
    assert_holds(buf, bytes(size // 4))


@pytest.mark.parametrize("order", [1, -1])
def test_front_views_of_many_starts_released_in_any_order_free_all(order):
    buf, data = stable(0), DATA * 2
    views = []
    for i in range(3000):
        buf += data[i * 1000 : i * 1000 + 1000]
        views.append((memoryview(buf), bytes(buf[:3])))
        del buf[:999]
    assert all(view[:3] == start for view, start in views)
    assert buf.capacity == LIMIT - 3000 * 999 and check(buf) is None
    for view, _ in views[::order]:
        view.release()
        assert check(buf) is None
    assert buf.capacity == LIMIT
    buf.resize(LIMIT)


# ------------------------------------------------------------------------- for ever


def stream(buf, nbytes, window, piece):
    """Send bytes through a window of `buf` while a view of it always exists. Return at
    how many addresses the bytes of the buffer have been."""
    places, views = set(), deque([memoryview(buf)], maxlen=1)
    for shift in range(nbytes // piece):
        start = shift % 199
        buf += DATA[start : start + piece]
        if len(buf) > window:
            del buf[: len(buf) - window]
        views.append(memoryview(buf))
        assert views[0][-1] == DATA[start + piece - 1]
        places.add(place(buf)[1])
    return len(places)


def test_front_stream_under_views_through_window_never_fails():
    buf = stable(0)
    before = growbuf.stats()
    places = stream(buf, 160 * MIB, 2 * MIB, 300_000)
    assert places >= 2, "the start has wrapped"
    after = growbuf.stats()
    assert after["spans_live"] == before["spans_live"]
    assert after["reserved_bytes"] == before["reserved_bytes"]
    assert after["copied_bytes"] - before["copied_bytes"] < 160 * MIB // 2
    assert check(buf) is None and buf.capacity == LIMIT


@ON_LINUX
def test_front_stream_under_views_keeps_memory_to_two_windows():
    window, piece = 16 * MIB, DATA[:MIB]
    buf, most = GrowBuffer(limit=64 * MIB), 0
    before = rss()
    view = memoryview(buf)
    for _ in range(300):
        buf += piece
        del buf[: max(0, len(buf) - window)]
        following = memoryview(buf)
        view.release()
        view = following
        most = max(most, rss())
    assert most - before < 2.5 * window


@ON_LINUX
@pytest.mark.parametrize("huge", [True, False])
def test_front_stream_under_view_of_earlier_bytes_peaks_at_two_windows(huge):
    """Each view is held while 5/8 of a window is appended, also when the bytes move."""
    run(
        f"""
        import ctypes
        PR_SET_THP_DISABLE = 41
        ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, {not huge:d}, 0, 0, 0)
        from growbuf import GrowBuffer
        from growbuf._growbuf import place
        MIB = 1 << 20
        window, piece = 32 * MIB, bytes(MIB)

        def peak():
            with open("/proc/self/status") as status:
                line = next(line for line in status if line.startswith("VmHWM"))
            return int(line.split()[1]) << 10

        buf, places = GrowBuffer(limit=4 * window), set()
        buf += bytes(window)
        before = peak() - window
        view = memoryview(buf)
        for i in range(601):
            buf += piece
            del buf[: len(piece)]
            places.add(place(buf)[1])
            if i % 20 == 19:
                following = memoryview(buf)
                view.release()
                view = following
        assert len(places) >= 2, "the bytes have not moved"
        assert peak() - before < 2.4 * window, (peak() - before) / window
        """
    )


def test_front_stream_while_thread_always_holds_view_shows_right_bytes():
    buf, wrong, done = stable(1000, 256 * MIB), [], threading.Event()
    piece, looks = DATA[: 251 * 400], [0]

    def look():
        held = memoryview(buf)
        while not done.is_set() or not looks[0]:
            following = memoryview(buf)
            held.release()
            held = following
            if len(held) > 600:
                start = bytes(held[:300])
                wrong.extend([start] if start not in piece * 2 else [])
            looks[0] += 1

    reader = threading.Thread(target=look)
    reader.start()
    buf.clear()
    try:
        for _ in range(6000):
            buf += piece
            if len(buf) > MIB:
                del buf[: len(piece)]
    finally:
        done.set()
        reader.join()
    assert wrong == [] and looks[0] > 0 and check(buf) is None


@pytest.mark.parametrize("skipped", [0, 3 * MIB, 12 * MIB])
def test_front_one_view_kept_for_ever_raises_memory_error_at_limit(skipped):
    buf = stable(MIB)
    stream(buf, skipped, MIB, MIB // 2)
    kept, shown = memoryview(buf), bytes(buf)
    total = len(buf)
    with pytest.raises(MemoryError, match=r"views .* still hold \d+ of them") as raised:
        while True:
            now = bytes(buf)
            buf += DATA[: MIB // 2]
            total += MIB // 2
            del buf[: MIB // 2]
    assert f"limit of {LIMIT} bytes" in str(raised.value)
    assert LIMIT - MIB < total <= LIMIT
    assert_holds(buf, now)
    assert kept == shown
    with pytest.raises(MemoryError):
        buf.spare(buf.capacity - len(buf) + 1)
    kept.release()
    buf += DATA[: MIB // 2]
    assert_holds(buf, now + DATA[: MIB // 2])


def test_front_view_made_before_wrap_keeps_bytes_and_later_writes_are_apart():
    buf = stable(MIB)
    where = place(buf)[1]
    view = memoryview(buf)
    while place(buf)[1] == where:
        buf += DATA[:MIB]
        following = memoryview(buf)
        view.release()
        view, shown = following, bytes(following)
        del buf[:MIB]
    assert view == shown
    buf[0] ^= 255
    view[-1] ^= 255
    assert view[MIB] == shown[MIB] and buf[-1] == shown[-1]


# -------------------------------------------------------------- unusual releases


def test_front_view_released_in_finalizer_gives_memory_back():
    class Holder:
        def __del__(self):
            self.view.release()
            del self.buf[:10]

    buf, holder = stable(MIB), Holder()
    holder.view, holder.buf, holder.cycle = memoryview(buf), buf, holder
    del buf[: MIB // 2]
    assert buf.capacity == LIMIT - MIB // 2
    del holder
    gc.collect()
    assert buf.capacity == LIMIT and len(buf) == MIB // 2 - 10
    assert check(buf) is None


@ON_LINUX
def test_front_views_at_exit_and_in_forked_child_are_released():
    run(
        """
        import os, sys
        from growbuf import GrowBuffer
        buf = GrowBuffer(bytes(8 << 20), limit=16 << 20)
        view = memoryview(buf)
        del buf[: 4 << 20]
        later = memoryview(buf)
        del buf[: 1 << 20]
        pid = os.fork()
        view.release()
        buf += b"x" * (5 << 20)
        assert later[:3] == bytes(3) and buf[-1:] == b"x"
        if pid:
            _, status = os.waitpid(pid, 0)
            assert status == 0
        class Late:
            def __del__(self, release=later.release, buf=buf):
                release()
                assert buf.capacity == 16 << 20
        late = Late()
        keep = memoryview(buf)
        sys.unraisablehook = lambda raised: os._exit(3)
        """
    )


# ------------------------------------------------------------------------- GrowArray


def test_array_front_removal_under_views_keeps_rows():
    np = pytest.importorskip("numpy")
    array = GrowArray(np.arange(1000.0))
    kept, plot = array[2:5], array.array
    del array[:10]
    assert array.pop(0) == 10.0
    del array[0]
    del array[array.array < 20]
    del array[np.arange(len(array)) < 5]
    assert array[0] == 25 and len(array) == 975
    assert kept.tolist() == [2, 3, 4] and plot.tolist() == list(range(1000))
    array.extend(np.arange(5.0))
    assert array.array[-1] == 4 and len(array) == 980
    for refused in (
        lambda: array.pop(),
        lambda: array.__delitem__(3),
        lambda: array.__delitem__(array.array > 100),
        lambda: array.insert(0, 1),
        lambda: array.resize(3),
    ):
        with pytest.raises(BufferError, match="only the first rows can be removed"):
            refused()
    first = array.detach(5)
    first[:] = 0
    assert plot[25:31].tolist() == [*range(25, 31)]
    assert array.detach().tolist() == [*range(30, 1000), *range(5)]
    assert len(array) == 0 and plot[-1] == 999
    array.append(1)
    assert array.tolist() == [1]


def test_array_own_view_does_not_hold_removed_rows():
    np = pytest.importorskip("numpy")
    array = GrowArray(np.arange(100_000.0), limit=200_000)
    assert array.sum() > 0  # the array keeps a view from now on
    reader = array[:]
    del array[:50_000]
    assert array.capacity == 150_000 and array.limit == 200_000
    assert array.mean() > 0
    following = array[:]
    del reader
    assert array.capacity == 200_000
    del following


def test_array_default_streams_under_view_that_is_always_held():
    np = pytest.importorskip("numpy")
    array, rows, views = GrowArray(), np.arange(100_000.0), deque(maxlen=1)
    for _ in range(100):
        array.extend(rows)
        views.append(array[-5:])
        if len(array) > 300_000:
            del array[: len(array) - 300_000]
        assert views[0].tolist() == rows[-5:].tolist()
    assert len(array) == 300_000


def test_array_view_held_for_ever_error_states_rows():
    np = pytest.importorskip("numpy")
    array = GrowArray(np.arange(100.0), limit=150)
    view = array[:3]
    del array[:80]
    array.extend(np.arange(50.0))
    with pytest.raises(
        MemoryError, match=r"limit of 150 rows: older views still hold 80 rows"
    ):
        array.append(1)
    assert view.tolist() == [0, 1, 2] and len(array) == 70
    del view
    array.append(1)


# --------------------------------------------------- a view that is held after commit()


class Transport:
    """Call the protocol as uvloop does: keep an export of what get_buffer() returned
    until buffer_updated() has returned."""

    def __init__(self, protocol, data, piece):
        for at in range(0, len(data), piece):
            part = data[at : at + piece]
            with memoryview(protocol.get_buffer(len(part))) as held:
                held[: len(part)] = part
                protocol.buffer_updated(len(part))
                held[len(part) :] = b"\xff" * (len(held) - len(part))


class Messages(asyncio.BufferedProtocol):
    """Receive messages of a length byte and that many bytes. `how` names the way to
    remove a message from the buffer."""

    def __init__(self, limit, how):
        self.received, self.messages = GrowBuffer(limit=limit), []
        self.how = how

    def get_buffer(self, sizehint):
        return self.received.spare(max(sizehint, 1000))

    def buffer_updated(self, nbytes):
        buf = self.received
        buf.commit(nbytes)
        while buf and len(buf) > buf[0]:
            length = buf[0]
            if self.how == "del":
                self.messages.append(bytes(buf[1 : length + 1]))
                del buf[: length + 1]
            elif self.how == "take":
                buf.pop(0)
                self.messages.append(bytes(buf.take(length)))
            elif self.how == "insert":
                del buf[0]
                buf.insert(1, 7)
                buf.append(9)
                assert buf.pop() == 9 and buf.pop(1) == 7
                self.messages.append(buf.take_bytes(length))
            elif self.how == "rest":
                rest = buf[length + 1 :]
                self.messages.append(bytes(buf[1 : length + 1]))
                buf.clear()
                buf += rest
        assert check(buf) is None


@pytest.mark.parametrize("limit", [None, 3000, MIB])
@pytest.mark.parametrize("piece", [7, 300, 999])
@pytest.mark.parametrize("how", ["del", "take", "insert", "rest"])
def test_commit_with_view_still_held_protocol_receives_all(how, piece, limit):
    messages = [DATA[i : i + 1 + i % 200] for i in range(400)]
    data = b"".join(bytes([len(m)]) + m for m in messages)
    protocol = Messages(limit, how)
    spans = growbuf.stats()["spans_live"]
    Transport(protocol, data, piece)
    assert protocol.messages == messages and not protocol.received
    assert protocol.received.limit == limit
    assert growbuf.stats()["spans_live"] == spans


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_commit_with_view_still_held_keeps_uncommitted_bytes_for_view(limit):
    buf = GrowBuffer(b"abc", limit=limit)
    view = memoryview(buf.spare(100_000))
    view[:5] = b"defgh"
    buf.commit(3)
    buf += b"XYZ"
    assert view[:5] == b"defgh", "what is past the committed bytes is the view's"
    view[:] = b"-" * len(view)
    assert_holds(buf, b"abcdefXYZ")
    with buf.spare(10) as second:
        second[:1] = b"!"
        buf.commit(1)
    del buf[:3]
    assert_holds(buf, b"defXYZ!")
    assert buf.limit == limit and view[-1:] == b"-"
    view.release()
    assert_holds(buf, b"defXYZ!")


@pytest.mark.parametrize("limit", [None, LIMIT])
@pytest.mark.parametrize("when", ["before commit", "after commit"])
def test_commit_with_view_still_held_append_changes_no_byte_of_rest(when, limit):
    buf = GrowBuffer(b"abc", limit=limit)
    view = memoryview(buf.spare(1000))
    view[:5] = b"defgh"
    if when == "before commit":
        view[3] = 0
    buf.commit(3)
    view[3] = 0
    buf += b"X"
    assert view[:5] == b"def\0h"
    view.release()
    assert_holds(buf, b"abcdefX")


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_readfrom_fails_and_view_is_held_append_changes_no_byte_of_view(limit):
    class Source:
        def readinto(self, view):
            held.append(memoryview(view))
            raise OSError

    buf, held = GrowBuffer(b"abc", limit=limit), []
    with buf.spare(10) as view:
        view[:1] = b"S"
    with pytest.raises(OSError):
        buf.readfrom(Source())
    before = bytes(held[0][:10])
    buf += b"X"
    assert bytes(held[0][:10]) == before
    held.clear()
    assert_holds(buf, b"abcX")


@pytest.mark.parametrize("limit", [None, LIMIT])
def test_commit_with_view_still_held_spare_gives_another(limit):
    buf = GrowBuffer(limit=limit)
    views = []
    for i in range(5):
        views.append(memoryview(buf.spare(1000)))
        views[-1][:2] = bytes([i, i])
        buf.commit(1)
    assert_holds(buf, bytes(range(5)))
    for i, view in enumerate(views[:-1]):
        assert view[1] == i
    del views, view
    assert_holds(buf, bytes(range(5)))


def test_commit_with_view_still_held_and_other_view_refuses_append():
    buf = GrowBuffer(b"abc", limit=LIMIT)
    other = memoryview(buf)
    view = memoryview(buf.spare(100))
    buf.commit(1)
    with pytest.raises(BufferError, match=r"view from spare\(\) that commit\(\) has"):
        buf += b"x"
    del buf[:2]
    assert len(buf) == 2 and len(other) == 3
    other.release()
    buf += b"x"
    assert len(buf) == 3 and check(buf) is None
    view.release()


def test_commit_with_view_still_held_through_wrap_allows_all_changes():
    """The view is in the former reservation then, and the buffer is not copied."""
    buf = stable(0)
    where = place(buf)[1]
    while place(buf)[1] == where:
        view = memoryview(buf.spare(MIB))
        view[:] = bytes(len(view))
        buf.commit(MIB)
        del buf[:MIB]
        assert check(buf) is None
    buf += b"abc"
    buf.insert(1, 66)
    assert_holds(buf, b"aBbc")
    assert view == bytes(len(view))
    view[:] = b"x" * len(view)
    view.release()
    assert_holds(buf, b"aBbc")


@pytest.mark.parametrize("rest", [0, 1000])
def test_commit_with_view_still_held_of_old_reservation_allows_all_changes(rest):
    """The removal moves the bytes to another reservation, and the view keeps the old
    one."""
    buf = stable(4 * MIB, limit=8 * MIB)
    buf += bytes(4 * MIB)
    del buf[: 4 * MIB - 100_000]
    where = place(buf)
    spared = 4 * MIB - 100_000
    view = memoryview(buf.spare(spared))
    view[:] = (DATA * 2)[:spared]
    buf.commit(spared - rest)
    assert place(buf) == where
    del buf[: 7 * MIB]
    assert place(buf) != where, "the bytes were not moved"
    expected = bytearray(buf)
    for changed in buf, expected:
        changed.insert(1, 66)
        changed += b"abc"
    assert_holds(buf, bytes(expected))
    assert view == (DATA * 2)[:spared]
    view[:] = b"x" * len(view)
    assert_holds(buf, bytes(expected))
    view.release()
    assert_holds(buf, bytes(expected))
    assert buf.limit == 8 * MIB


def test_frame_server_example_answers_under_uvloop():
    uvloop = pytest.importorskip("uvloop")
    from test_examples import EXAMPLES

    source = (EXAMPLES / "frame_server.py").read_text()
    code = source.replace("import asyncio\n", "import asyncio, uvloop\n", 1)
    code = code.replace("asyncio.run(main())", "uvloop.run(main())")
    assert uvloop.__name__ in code
    assert run(code) == run(source)


def test_loads_with_a_view_of_former_bytes_makes_a_buffer_of_these():
    buf = GrowBuffer(b"abcd", limit=1000)
    data = pickle.dumps(buf, 5, buffer_callback=lambda _: None)
    with memoryview(buf) as view:
        del buf[:2]
        buf += b"ef"
        loaded = pickle.loads(data, buffers=[view])
        assert loaded == b"abcd" and buf == b"cdef"
