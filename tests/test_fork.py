"""A child forked during any call has its own consistent buffers. So has a process that
multiprocessing starts by any method."""

import multiprocessing
import os
import signal
import sys
import threading

import pytest
from test_growbuffer import ON_LINUX, run

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check

MIB = 1 << 20
pytestmark = [
    ON_LINUX,
    pytest.mark.filterwarnings("error"),
    # The tests fork with several threads on purpose.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
HAS_GIL = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="a thread may hold the lock of an object, and is not in the child",
)


def in_a_child(work):
    """Assert that work returns True in a forked child, within a minute."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            # The alarm ends a child that waits for a lock that is never released.
            signal.alarm(60)
            status = 0 if work() else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def builds():
    """Build buffers that take pages from the pool, move, and give them back. Return
    whether all are consistent and the pool is empty at the end."""
    for _ in range(5):
        buf = GrowBuffer(prefault=True)
        for value in range(40):
            buf += bytes([value]) * 100_000
        part = buf.take(2 * MIB)
        if check(buf) or check(part) or part.count(0) != 100_000:
            return False
    growbuf.trim()
    return growbuf.stats()["pool_spans"] == 0


def build_until(stop):
    while not stop.is_set():
        builds()


def copy_until(stop):
    """Copy until the event is set."""
    source = bytes(8 * MIB)
    while not stop.is_set():
        buf = GrowBuffer(b"abc")
        buf += source
        buf.copy()


def read_until(stop):
    """Read from a pipe: wait without the GIL while a spare is outstanding."""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as file:
        waker = threading.Thread(target=lambda: (stop.wait(), os.close(writer)))
        waker.start()
        GrowBuffer(b"abc").readfrom(file)
        waker.join()


WORKS = pytest.mark.parametrize("work", [build_until, copy_until, read_until])


@WORKS
@pytest.mark.parametrize("place", ["the main thread", "a thread"])
def test_fork_during_work_of_a_thread_leaves_child_usable(work, place):
    stop = threading.Event()
    worker = threading.Thread(target=work, args=[stop])
    mine = GrowBuffer(b"x" * (3 * MIB))

    def grows_and_builds():
        mine.extend(b"y" * (3 * MIB))
        return mine.count(b"y") == 3 * MIB and check(mine) is None and builds()

    def fork_some():
        try:
            for _ in range(8):
                in_a_child(grows_and_builds)
        except BaseException as error:
            failures.append(error)

    failures = []
    worker.start()
    try:
        if place == "a thread":
            forker = threading.Thread(target=fork_some)
            forker.start()
            forker.join()
        else:
            fork_some()
    finally:
        stop.set()
        worker.join()
    assert failures == []
    assert mine == b"x" * (3 * MIB) and check(mine) is None


@pytest.mark.filterwarnings("error::DeprecationWarning")
def test_fork_during_prefault_leaves_one_thread():
    """Since 3.12 os.fork() warns if the process has several threads."""
    code = """
        import os, warnings
        import growbuf
        warnings.simplefilter("error")
        buf = growbuf.GrowBuffer(prefault=True)
        for _ in range(20):
            for _ in range(20):
                buf += bytes(1 << 20)
            child = os.fork()
            if child == 0:
                buf += b"x"
                os._exit(buf.count(b"x") != 1)
            assert len(os.listdir("/proc/self/task")) == 1
            assert os.waitpid(child, 0)[1] == 0
            buf.clear()
        print("fine")
    """
    assert run(code) == "fine"


@HAS_GIL
@pytest.mark.parametrize("limit", [None, 64 * MIB])
def test_fork_during_appends_of_a_thread_keeps_buffer_consistent(limit):
    if limit and growbuf.info()["strategy"] == "heap":
        pytest.skip("no pages to reserve")
    stop, shared, piece = threading.Event(), GrowBuffer(limit=limit), bytes(8 * MIB)

    def append_until_stop():
        while not stop.is_set():
            shared.extend(piece)
            shared[:0] = piece
            shared[100:200] = piece
            shared.take(2 * MIB)
            shared.clear()

    def grows_and_shrinks():
        shared.append(1)
        shared.insert(0, 2)
        del shared[5:]
        return check(shared) is None

    worker = threading.Thread(target=append_until_stop)
    worker.start()
    try:
        for _ in range(20):
            in_a_child(grows_and_shrinks)
    finally:
        stop.set()
        worker.join()


def test_fork_during_readfrom_keeps_buffer_consistent():
    """In the child, which lacks the reading thread, the spare stays outstanding."""
    reader, writer = os.pipe()
    buf = GrowBuffer(b"abc")
    thread = threading.Thread(target=buf.readfrom, args=[reader])
    thread.start()
    while not refuses_to_grow(buf):
        pass
    in_a_child(lambda: buf == b"abc" and refuses_to_grow(buf) and check(buf) is None)
    os.write(writer, b"def")
    os.close(writer)
    thread.join()
    os.close(reader)
    assert buf == b"abcdef" and not refuses_to_grow(buf)


def refuses_to_grow(buf):
    try:
        buf.reserve(buf.capacity + 1)
    except BufferError:
        return True
    return False


def double(buf):
    """Double a buffer received from another process, and return it."""
    buf += bytes(buf)
    return buf if check(buf) is None else None


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing_pool_returns_equal_buffers(method):
    bufs = [GrowBuffer(bytes([n % 256]) * n) for n in (0, 100, 71 << 10, 3 * MIB)]
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        doubled = pool.map(double, bufs)
    assert [type(buf) for buf in doubled] == [GrowBuffer] * len(bufs)
    for buf, twice in zip(bufs, doubled, strict=True):
        assert twice == buf * 2 and check(twice) is None
