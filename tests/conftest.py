"""Fixtures and assertions that several test files use; the summary of skipped tests."""

import gc
import re
import sys
import threading
import warnings
from contextlib import contextmanager

import pytest

from growbuf import GrowBuffer
from growbuf._growbuf import check

# Why tests are skipped: the first pattern that matches a reason decides its group.
NOT_INSTALLED = re.compile(
    r"could not import '([\w.-]+)|([\w.-]+) is not installed|([\w.-]+): not found"
    r"|needs (rich|matplotlib|make|nm|numpy)\b|there is no (compiler)"
)
SKIP_GROUPS = {
    "for this Python's version or build": r"\b3\.\d\d|Python|GIL|free-threaded"
    r"|test\.test_",
    "for this system or kernel": r"kernel|/|fork|terminal|pages?\b|cgroup|space|root"
    r"|core file|rung|heap|memory|system|mapping|checkout|Linux|timers|filter",
    "where the case does not arise": r"",
}


def describe_skips(reasons):
    """Return one line on the skipped tests, in groups; "" if there are none."""
    if not reasons:
        return ""
    missing, counts = [], dict.fromkeys(SKIP_GROUPS, 0)
    for reason in reasons:
        if found := NOT_INSTALLED.search(reason):
            missing.append(next(filter(None, found.groups())))
        else:
            group = next(k for k, v in SKIP_GROUPS.items() if re.search(v, reason))
            counts[group] += 1
    parts = [f"{count} {group}" for group, count in counts.items() if count]
    if missing:
        names = ", ".join(sorted(set(missing)))
        parts.insert(0, f"{len(missing)} for what is not installed ({names})")
    return f"{len(reasons)} skipped: {'; '.join(parts)} (-rs lists them)"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    reports = terminalreporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[2]) for report in reports]
    if line := describe_skips([why.removeprefix("Skipped: ") for why in reasons]):
        terminalreporter.write_line(line)


@pytest.fixture(params=[bytearray, GrowBuffer], ids=lambda kind: kind.__name__)
def kind(request):
    """Run the test once with bytearray and once with GrowBuffer."""
    return request.param


def assert_holds(buf, expected):
    """Assert that a buffer has exactly these bytes and is consistent."""
    assert bytes(buf) == bytes(expected)
    assert len(buf) == len(expected)
    if isinstance(buf, GrowBuffer):
        assert check(buf) is None


def together(*works):
    """Call each function in its own thread, all at once; raise the first failure."""
    start, failures = threading.Barrier(len(works)), []

    def run(work):
        start.wait()
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # so that threads switch within short loops too
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
    """Make the garbage collector run and call `finalize` when the nth object is created
    in this context. Up to 3.11 it runs during the allocation, from 3.12 on between two
    bytecode instructions."""

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


def assert_no_leak(call, times=100, count=None):
    """Assert that repeated calls leak neither references nor memory. One of three
    rounds without a leak is enough, because the interpreter's free lists fill at first.
    `count` returns what must not rise, instead of held().
    """
    counts = []
    for _ in range(4):
        counts.append((count or held)())
        for _ in range(times):
            call()
    left = [after - before for before, after in zip(counts, counts[1:], strict=False)]
    assert min(left) < times // 3, left


def held():
    """Return the number of references in a debug build, else of memory blocks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # The cache of type attributes holds names; each call from C adds new ones.
        getattr(sys, "_clear_type_cache", int)()
    gc.collect()
    return getattr(sys, "gettotalrefcount", sys.getallocatedblocks)()
