"""CPython's own tests of bytes pass with FrozenBytes in its place.

FrozenBytes cannot be called, so the tests get a stand-in that can be: it makes a bytes
object of its arguments, and freezes a GrowBuffer of it. EXPECTED lists the tests that
must fail, with reasons.
"""

import unittest

import cpython_suite
import pytest
from cpython_suite import Expected

from growbuf import FrozenBytes, GrowBuffer


class Standing(type):
    """The type of the stand-in. It has the attributes of FrozenBytes."""

    def __call__(cls, *args, **kwargs):
        frozen = GrowBuffer(bytes(*args, **kwargs)).freeze()
        assert type(frozen) is FrozenBytes
        return frozen

    def __getattr__(cls, name):
        return getattr(FrozenBytes, name)

    def __instancecheck__(cls, op):
        return isinstance(op, FrozenBytes)


class StandIn(metaclass=Standing):
    pass


PLAIN = "the result is plain bytes, as of every subclass of bytes"
NAMED = (
    "the test compares type() or the name with the stand-in, which makes FrozenBytes"
)

EXPECTED = [
    Expected("BytesTest.test__bytes__", PLAIN),
    Expected("BytesTest.test_basics", NAMED),
    Expected("BytesTest.test_check_encoding_errors", NAMED),
    Expected(
        "BytesTest.test_free_after_iterating", "FrozenBytes cannot have a subclass"
    ),
    Expected("BytesTest.test_fromhex", "fromhex() makes an object of its class"),
    Expected("BytesTest.test_imod", PLAIN),
    Expected("BytesTest.test_mod", PLAIN),
    Expected("BytesTest.test_translate", PLAIN),
    Expected("BytesAsStringTest.test_fixtype", NAMED),
]


def load():
    """Return the tests of classes whose type2test is bytes, by name, and None.

    If they are missing, return an empty dict and the reason.
    """
    try:
        module = cpython_suite.load_copy("test_bytes", StandIn)
    except unittest.SkipTest as reason:
        return {}, str(reason)
    found = {}
    for name, case in list(vars(module).items()):
        if getattr(case, "type2test", None) is bytes:
            case = type(name, (case,), {"type2test": StandIn})
            for method in unittest.defaultTestLoader.getTestCaseNames(case):
                found[f"{name}.{method}"] = case(method)
    return found, None


TESTS, MISSING = load()


def parameters():
    marks = {
        entry.test: pytest.mark.xfail(strict=True, reason=entry.reason)
        for entry in EXPECTED
        if entry.applies()
    }
    return [
        pytest.param(test, id=name, marks=marks.get(name, ()))
        for name, test in TESTS.items()
    ]


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
@pytest.mark.parametrize("test", parameters())
def test_cpython_test_of_bytes_passes_with_frozen_bytes(test):
    skipped, problems = cpython_suite.run(test)
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    if skipped:
        pytest.skip("; ".join(skipped))


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
@pytest.mark.parametrize("entry", EXPECTED, ids=lambda entry: entry.test)
def test_expected_failure_names_existing_test(entry):
    assert not entry.applies() or entry.test in TESTS


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_cpython_suite_has_many_tests_of_bytes():
    assert len(TESTS) > 80
