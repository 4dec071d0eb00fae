"""CPython's own tests of bytearray pass with GrowBuffer in its place.

Each test of the running Python that uses bytearray becomes one test here. The module
cpython_suite.py does this. EXPECTED lists the tests that must fail, with reasons.
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

ALLOC = "the test checks the private __alloc__: "

EXPECTED = [
    Expected("test_bytes.AssortedBytesTest.test_repr_str", REPR, until=(3, 13)),
    Expected("test_bytes.AssortedBytesTest.test_to_str", REPR, until=(3, 13)),
    Expected("test_bytes.AssortedBytesTest.test_bytearray_repr", REPR, since=(3, 14)),
    Expected("test_bytes.AssortedBytesTest.test_bytearray_str", REPR, since=(3, 14)),
    Expected(
        "test_bytes.AssortedBytesTest.test_doc",
        "the test contains the docstring: bytearray(iterable_of_ints)",
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_init_alloc",
        ALLOC + "its value during __init__, but GrowBuffer does not change anything "
        "before it has read the last item",
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_take_bytes_optimization",
        ALLOC + "its value after half is taken, but GrowBuffer moves nothing then",
        since=(3, 15),
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_take_bytes_error",
        "the test fails the second allocation of a call; GrowBuffer makes only one",
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
        "test_bytes.ByteArrayTest.test_reinit_error",
        "a second __init__ that fails empties a bytearray; it leaves a GrowBuffer "
        "unchanged",
        since=(3, 14, 10),
        until=(3, 14),
    ),
    Expected(
        "test_bytes.ByteArrayTest.test_reinit_error",
        "a second __init__ that fails empties a bytearray; it leaves a GrowBuffer "
        "unchanged",
        since=(3, 15, 1),
    ),
    Expected(
        "test_capi.test_bytearray.CAPITest.test_checkexact",
        "PyByteArray_CheckExact is false for every subclass",
        since=(3, 12),
    ),
    Expected(
        "test_capi.test_bytearray.CAPITest.test_resize",
        "PyByteArray_Resize is refused: it would realloc memory that is not Python's",
        since=(3, 12),
    ),
]


def load_all() -> tuple[dict, dict]:
    """Return the loaded modules, and the reason for each that is missing."""
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
def test_cpython_test_passes_with_growbuffer(test):
    skipped, problems = cpython_suite.run(test)
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    if skipped:
        pytest.skip("; ".join(skipped))


@pytest.mark.parametrize("entry", EXPECTED, ids=lambda entry: entry.test)
def test_expected_failure_names_existing_test(entry):
    """An entry for a test that no longer exists would stay in the list unnoticed."""
    assert OLDEST <= entry.since[:2] <= entry.until <= NEWEST
    module = entry.test.rsplit(".", 2)[0]
    assert MODULES[module] <= entry.since
    if entry.applies() and module in LOADED:
        assert entry.test in TESTS


@pytest.mark.skipif("test_bytes" not in LOADED, reason="no test.test_bytes")
def test_load_binds_growbuffer_only_in_private_copy():
    module = LOADED["test_bytes"]
    assert module.ByteArrayTest.type2test is GrowBuffer
    assert module.ByteArraySubclassTest.type2test.__base__ is GrowBuffer
    assert builtins.bytearray is not GrowBuffer
    assert sys.modules.get("test.test_bytes") is not module


# Classes that test bytearray, so that some of their tests must be selected.
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
def test_tests_about_class_testing_bytearray_is_selected(name):
    if name.split(".")[0] in MISSING:
        pytest.skip(MISSING[name.split(".")[0]])
    assert name in {test.rsplit(".", 1)[0] for test in TESTS}


class Failing(unittest.TestCase):
    """Three kinds of failure that cpython_suite.run() must report."""

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
def test_run_failing_test_returns_one_problem(method):
    skipped, problems = cpython_suite.run(Failing(method))
    assert skipped == []
    assert len(problems) == 1
    assert "noticed" in problems[0]
