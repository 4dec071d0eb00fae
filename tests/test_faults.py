"""Each system call and each allocation of each public operation fails once.

operations.py lists the operations, and faulted.py checks the outcome of each. The
tests run faulted.py on every rung, with a preloaded library that makes calls fail
(c/failing.c).
"""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import types
from ast import literal_eval
from pathlib import Path

import operations
import pytest
from test_c import COMPILER, TESTS, compile_c
from test_growbuffer import ON_LINUX, RUNGS

from growbuf import FrozenBytes, GrowBuffer, GrowIO
from growbuf._growbuf import GrowArray, facts

SCRIPT = Path(__file__).parent / "faulted.py"
KINDS = list(operations.TABLES)
MOVING = [rung for rung in RUNGS if rung != "heap"]

# Operations in which the interpreter or NumPy crash if an allocation fails.
UNSOUND = {kind: [] for kind in KINDS}
if sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14):
    # If the allocation of a generator fails, other generators break; deepcopy uses one.
    UNSOUND["buffers"] += ["__deepcopy__"]
if hasattr(sys, "gettotalrefcount"):
    # A debug build aborts if a method of ndarray fails without an exception set, or
    # succeeds with one set: dtype.__reduce__, and indexing by an array.
    UNSOUND["arrays"] += ["__reduce_ex__", "__reduce_ex__: out of band"]
    UNSOUND["arrays"] += ["__delitem__: selected"]


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Compile the library that makes calls fail."""
    target = tmp_path_factory.mktemp("faults") / "failing.so"
    # A tail call would hide the calling function from the library.
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC", "-shared"]
    headers = ["-I", sysconfig.get_path("include")]
    try:
        compile_c([*flags, *headers], TESTS / "failing.c", "-o", target)
    except FileNotFoundError:
        pytest.skip(f"there is no compiler: {COMPILER[0]!r} is not found")
    return target


def run_with_faults(library, rung, kind, what, left_out=()):
    """Run faulted.py; return its counts, or fail with what it printed last."""
    if facts()["probe"].get(rung, "ok") != "ok":
        pytest.skip("this kernel does not have it")
    if kind == "arrays":
        pytest.importorskip("numpy")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", SCRIPT, kind, what, *left_out],
        env={
            **os.environ,
            "LD_PRELOAD": str(library),
            "GROWBUF_STRATEGY": rung,
            # malloc() maps large blocks separately, so that freeing one unmaps it: the
            # test counts address space.
            "MALLOC_MMAP_THRESHOLD_": "65536",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    counts = literal_eval(done.stdout.splitlines()[-1])
    print(f"{kind}, {what}, {rung}: {counts}")
    return counts


def run_with_allocation_faults(library, rung, kind):
    return run_with_faults(library, rung, kind, "allocations", UNSOUND[kind])


@ON_LINUX
@pytest.mark.parametrize("rung", MOVING)
@pytest.mark.parametrize("kind", KINDS)
def test_operation_with_failing_system_call_recovers_or_raises(library, kind, rung):
    counts = run_with_faults(library, rung, kind, "calls")
    # Few operations of a FrozenBytes call the system. A lower rung takes over after
    # most failures of other types, so that fewer than half raise.
    if kind == "frozen":
        assert counts["faults"] > 10
    else:
        assert counts["faults"] > 50 and counts["raised"] < counts["faults"] / 2


@ON_LINUX
@pytest.mark.parametrize("kind", KINDS)
def test_operation_with_failing_allocation_recovers_or_raises(library, kind):
    counts = run_with_allocation_faults(library, facts()["strategy"], kind)
    assert counts["faults"] > 200 and counts["raised"] > counts["faults"] / 2


@ON_LINUX
def test_operation_with_failing_allocation_on_heap_rung_recovers_or_raises(library):
    counts = run_with_allocation_faults(library, "heap", "buffers")
    assert counts["faults"] > 300


def test_module_made_with_failing_allocation_raises_memory_error():
    """A debug build aborts if a type is made while an exception is set."""
    _imp, _testcapi = pytest.importorskip("_imp"), pytest.importorskip("_testcapi")
    spec = importlib.util.find_spec("growbuf._growbuf")
    nraised, nmade = 0, 0
    for n in range(10_000):
        module = importlib.util.module_from_spec(spec)
        _testcapi.set_nomemory(n, n + 1)
        try:
            _imp.exec_dynamic(module)
            nmade += 1
        except MemoryError:
            nraised, nmade = nraised + 1, 0
        finally:
            _testcapi.remove_mem_hooks()
        if nmade == 30:  # in a row: there are no more allocations
            break
    assert nraised > 100 and nmade == 30


def public(cls):
    """Return the attributes that a class itself defines, without the usual ones."""
    usual = {"__doc__", "__hash__", "__module__", "__slots__", "__weakref__"}
    return set(vars(cls)) - usual


def test_operations_tables_of_all_types_cover_public_names():
    """The names in `exempt` call neither the system nor an allocator. Attributes that
    are written in Python are exempt, too: most only call NumPy."""
    of_buffers, of_files, of_frozen, of_arrays = (
        {name.partition(":")[0] for name in table}
        for _, table in operations.TABLES.values()
    )
    assert public(GrowBuffer) - {"__buffer__", "__release_buffer__"} <= of_buffers
    assert public(GrowIO) - {"__del__"} <= of_files
    assert public(FrozenBytes) <= of_frozen
    in_python = (property, types.FunctionType)
    own = {
        name
        for name, value in vars(GrowArray).items()
        if not name.startswith("_") and not isinstance(value, in_python)
    }
    exempt = {"dtype", "row_shape", "shape", "ndim", "size", "itemsize", "nbytes"}
    exempt |= {"capacity", "limit", "maxlen", "pending_nbytes"}
    assert own - exempt <= of_arrays
