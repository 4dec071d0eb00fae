"""CPython's own tests of bytearray pass with GrowBuffer in its place.

Every test of the running Python that touches bytearray is one test here; how
that is done is in cpython_suite.py.  The few that must fail are listed below.
"""

import builtins
import sys
import threading
import unittest

import cpython_suite
import pytest
from cpython_suite import NEWEST, OLDEST, REPR, Expected

from growbuf import GrowBuffer

MODULES = {
    "test_bytes": (3, 11),
    "test_memoryview": (3, 11),
    "test_buffer": (3, 11),
    "test_capi.test_bytearray": (3, 12),
}

ALLOC = "the test counts with the private __alloc__: "

EXPECTED = [
    Expected("test_bytes.AssortedBytesTest.test_repr_str", REPR, until=(3, 13)),
    Expected("test_bytes.AssortedBytesTest.test_to_str", REPR, until=(3, 13)),
    Expected("test_bytes.AssortedBytesTest.test_bytearray_repr", REPR, since=(3, 14)),
    Expected("test_bytes.AssortedBytesTest.test_bytearray_str", REPR, since=(3, 14)),
    Expected(
        "test_bytes.AssortedBytesTest.test_doc",
        "the test spells the docstring: bytearray(iterable_of_ints)",
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_init_alloc",
        ALLOC + "how much a half-done __init__ holds, where GrowBuffer changes nothing "
        "before it has the last item",
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_take_bytes_optimization",
        ALLOC + "what is left after taking half, where GrowBuffer moves nothing",
        since=(3, 15),
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_take_bytes_error",
        "the test fails the second allocation of a call, where GrowBuffer makes one",
        since=(3, 15, 1),
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_resize_error",
        "the test fails the allocation that shrinking makes; GrowBuffer makes none",
        since=(3, 14, 9),
        until=(3, 14),
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_resize_error",
        "the test fails the allocation that shrinking makes; GrowBuffer makes none",
        since=(3, 15, 1),
    ),
    Expected(
        "test_capi.test_bytearray.CAPITest.test_checkexact",
        "PyByteArray_CheckExact is false for every subclass",
        since=(3, 12),
    ),
    Expected(
        "test_capi.test_bytearray.CAPITest.test_resize",
        "PyByteArray_Resize would realloc memory that is not Python's: it is refused",
        since=(3, 12),
    ),
]


def load_all() -> tuple[dict, dict]:
    """Load the modules; return them, and the reasons for those that are missing."""
    modules, missing = {}, {}
    for name, since in MODULES.items():
        if sys.version_info < since:
            continue
        try:
            modules[name] = cpython_suite.load(name, GrowBuffer)
        except unittest.SkipTest as reason:
            missing[name] = str(reason)
    return modules, missing


LOADED, MISSING = load_all()

TESTS = {
    f"{name}.{type(test).__name__}.{test._testMethodName}": test
    for name, module in LOADED.items()
    for test in cpython_suite.tests_about(module)
}


def parameters() -> list:
    marks = {
        entry.test: pytest.mark.xfail(strict=True, reason=entry.reason)
        for entry in EXPECTED
        if entry.applies()
    }
    return [
        pytest.param(test, id=name, marks=marks.get(name, ()))
        for name, test in TESTS.items()
    ] + [
        pytest.param(None, id=name, marks=pytest.mark.skip(reason=reason))
        for name, reason in MISSING.items()
    ]


@pytest.mark.parametrize("test", parameters())
def test_cpython(test):
    skipped, problems = cpython_suite.run(test)
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    if skipped:
        pytest.skip("; ".join(skipped))


@pytest.mark.parametrize("entry", EXPECTED, ids=lambda entry: entry.test)
def test_expected_failure_names_a_test(entry):
    """A failure that is expected of a test which is gone would never be missed."""
    assert OLDEST <= entry.since[:2] <= entry.until <= NEWEST
    module = entry.test.rsplit(".", 2)[0]
    assert MODULES[module] <= entry.since
    if entry.applies() and module in LOADED:
        assert entry.test in TESTS


@pytest.mark.skipif("test_bytes" not in LOADED, reason="no test.test_bytes")
def test_tests_see_growbuffer_and_nobody_else_does():
    module = LOADED["test_bytes"]
    assert module.ByteArrayTest.type2test is GrowBuffer
    assert module.ByteArraySubclassTest.type2test.__base__ is GrowBuffer
    assert builtins.bytearray is not GrowBuffer
    assert sys.modules.get("test.test_bytes") is not module


# The classes that test bytearray; others are chosen from test by test.
ABOUT_BYTEARRAY = [
    "test_bytes.AssortedBytesTest",
    "test_bytes.ByteArrayAsStringTest",
    "test_bytes.ByteArraySubclassTest",
    "test_bytes.ByteArraySubclassWithSlotsTest",
    "test_bytes.ByteArrayTest",
    "test_bytes.BytearrayPEP3137Test",
    "test_memoryview.BytesMemoryviewTest",
    "test_buffer.TestBufferProtocol",
]


@pytest.mark.parametrize("name", ABOUT_BYTEARRAY)
def test_no_class_about_bytearray_is_missed(name):
    if name.split(".")[0] in MISSING:
        pytest.skip(MISSING[name.split(".")[0]])
    assert name in {test.rsplit(".", 1)[0] for test in TESTS}


class Failing(unittest.TestCase):
    """What the adapter must notice, wherever it happens."""

    def outright(self):
        self.fail("noticed")

    def in_a_subtest(self):
        with self.subTest():
            self.fail("noticed")

    def in_a_thread(self):
        thread = threading.Thread(target=self.fail, args=["noticed"])
        thread.start()
        thread.join()


@pytest.mark.parametrize("method", ["outright", "in_a_subtest", "in_a_thread"])
def test_failure_is_noticed(method):
    skipped, problems = cpython_suite.run(Failing(method))
    assert skipped == []
    assert len(problems) == 1
    assert "noticed" in problems[0]
