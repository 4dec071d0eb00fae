"""A pytest plugin for a debug build of CPython: run each test several times, and fail
it if each time has left references behind. `make refleak` uses it."""

import pytest
from conftest import held

WARM_UP, COUNTED = 3, 4


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Call the test instead of pytest, with the fixtures that there are."""
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    def left_by_a_run():
        before = held()
        pyfuncitem.obj(**arguments)
        return held() - before

    left = [left_by_a_run() for _ in range(WARM_UP + COUNTED)][WARM_UP:]
    if min(left) > 0:
        pytest.fail(f"references left by each run: {left}")
    return True
