"""What the tests share: the two kinds, and a GrowBuffer that is checked."""

import gc
import sys
import threading
import warnings
from contextlib import contextmanager

import pytest

from growbuf import GrowBuffer
from growbuf._growbuf import check


@pytest.fixture(params=[bytearray, GrowBuffer], ids=lambda kind: kind.__name__)
def kind(request):
    """Each of the two types: what a test shows of one it shows of the other."""
    return request.param


def assert_holds(buf, expected):
    """Assert that a buffer has just these bytes and nothing about it is broken."""
    assert bytes(buf) == bytes(expected)
    assert len(buf) == len(expected)
    if isinstance(buf, GrowBuffer):
        assert check(buf) is None


def together(*works):
    """Call each in a thread of its own, all at once, and raise the first failure."""
    start, failures = threading.Barrier(len(works)), []

    def run(work):
        start.wait()
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that a GIL changes hands within short loops too
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if failures:
        raise failures[0]


@contextmanager
def collecting(nth, finalize):
    """Have the collector run, and call that, as the nth object is made in here: up to
    3.11 in the midst of what makes it, since then between two steps."""

    class Node:
        def __del__(self):
            finalize()

    before = gc.get_threshold()
    gc.disable()
    try:
        gc.collect()
        node = Node()
        node.itself = node
        del node
        gc.set_threshold(nth + 1)
        gc.enable()
        yield
    finally:
        gc.set_threshold(*before)
        gc.enable()


def assert_no_leak(call, times=100):
    """Assert that calling leaves neither references nor memory, or not every time: the
    interpreter's free lists fill for a while."""
    counts = []
    for _ in range(4):
        counts.append(held())
        for _ in range(times):
            call()
    left = [after - before for before, after in zip(counts, counts[1:], strict=False)]
    assert min(left) < times // 3, left


def held():
    """Return how many references there are in a debug build, or else memory blocks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # The cache of attributes holds names, new ones with each call from C.
        getattr(sys, "_clear_type_cache", int)()
    gc.collect()
    return getattr(sys, "gettotalrefcount", sys.getallocatedblocks)()
