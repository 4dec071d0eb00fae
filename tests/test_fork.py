"""A child that is forked in the middle of something has whole buffers of its own, and
so has a process that multiprocessing starts in any way."""

import multiprocessing
import os
import signal
import threading

import pytest
from test_growbuffer import ON_LINUX

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check

MIB = 1 << 20
pytestmark = [
    ON_LINUX,
    pytest.mark.filterwarnings("error"),
    # Forking with threads is what is tested.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def in_a_child(work):
    """Assert that work returns True in a forked child, within a minute."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(60)  # a lock that nobody gives back would be waited for
            status = 0 if work() else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def builds():
    """Build buffers that take from the pool, move, and give back; tell if all is well."""
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
    """Copy, mostly without the GIL."""
    source = bytes(8 * MIB)
    while not stop.is_set():
        buf = GrowBuffer(b"abc")
        buf += source
        buf.copy()


def read_until(stop):
    """Wait for a pipe, without the GIL and with the tail lent."""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as file:
        waker = threading.Thread(target=lambda: (stop.wait(), os.close(writer)))
        waker.start()
        GrowBuffer(b"abc").readfrom(file)
        waker.join()


WORKS = pytest.mark.parametrize("work", [build_until, copy_until, read_until])


@WORKS
@pytest.mark.parametrize("place", ["the main thread", "a thread"])
def test_fork_while_a_thread_works(work, place):
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


def test_a_buffer_that_is_being_read_into_is_whole_in_the_child():
    """Its tail stays lent there, to a thread that the child does not have."""
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
    """Grow what came from another process, and send it back."""
    buf += bytes(buf)
    return buf if check(buf) is None else None


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_pool_of_processes(method):
    bufs = [GrowBuffer(bytes([n % 256]) * n) for n in (0, 100, 71 << 10, 3 * MIB)]
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        doubled = pool.map(double, bufs)
    assert [type(buf) for buf in doubled] == [GrowBuffer] * len(bufs)
    for buf, twice in zip(bufs, doubled, strict=True):
        assert twice == buf * 2 and check(twice) is None
