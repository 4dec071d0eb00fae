"""A pytest plugin for a debug build of CPython: fail each test that leaks references.

It runs each test several times. A test fails if every run leaves references behind.
`make refleak` uses it.
"""

import gc
import sys
from array import array

import pytest
from conftest import held

WARM_UP, COUNTED = 3, 4

# Hide NumPy. Its wheels are release builds: a debug build of Python does not see the
# references that they drop, and would report leaks.
sys.modules["numpy"] = None


def pytest_collection_finish():
    """Exclude all objects that exist before the tests from garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Call the test function several times, with its fixtures, instead of pytest."""
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    counts = array("q", bytes(8 * (WARM_UP + COUNTED)))  # which holds no references
    for i in range(len(counts)):
        pyfuncitem.obj(**arguments)
        counts[i] = held()
    later = counts[WARM_UP - 1 :].tolist()
    left = [after - before for before, after in zip(later, later[1:], strict=False)]
    if min(left) > 0:
        pytest.fail(f"references left by each run: {left}")
    return True
