"""A pytest plugin for a debug build of CPython: run each test several times, and fail
it if each time has left references behind. `make refleak` uses it."""

import gc
import sys
from array import array

import pytest
from conftest import held

WARM_UP, COUNTED = 3, 4

# Built for release, it drops references that a debug build goes on counting.
sys.modules["numpy"] = None


def pytest_collection_finish():
    """Have no collection go through what was there before the tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Call the test instead of pytest, with the fixtures that there are."""
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    counts = array("q", bytes(8 * (WARM_UP + COUNTED)))  # holds no references
    for i in range(len(counts)):
        pyfuncitem.obj(**arguments)
        counts[i] = held()
    settled = counts[WARM_UP - 1 :].tolist()
    left = [after - before for before, after in zip(settled, settled[1:], strict=False)]
    if min(left) > 0:
        pytest.fail(f"references left by each run: {left}")
    return True
