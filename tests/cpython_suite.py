"""Run CPython's own tests with another type in the place of bytearray.

A test module of the running Python is loaded a second time, under a private
name, with its global ``bytearray`` already bound to the type under test.  So
``type2test = bytearray`` at class level and ``bytearray(b"abc")`` deep inside
a test both mean that type, and nothing else in the process is disturbed: the
builtin and ``test.test_bytes`` itself stay what they were.
"""

import importlib.util
import sys
import threading
import traceback
import types
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

OLDEST, NEWEST = (3, 11), (3, 15)
REPR = "the test spells the repr: bytearray(b'')"


class Expected(NamedTuple):
    """A test that GrowBuffer must fail, why, and on which Pythons."""

    test: str
    reason: str
    since: tuple = OLDEST
    until: tuple = NEWEST

    def applies(self) -> bool:
        version = sys.version_info[:3]
        return self.since <= version and version[: len(self.until)] <= self.until


def load(name: str, stand_in: type) -> types.ModuleType:
    """Load a private copy of ``test.<name>`` in which bytearray is stand_in."""
    module = load_copy(name, stand_in, bytearray=stand_in)
    adapt(module)
    return module


def load_copy(name: str, stand_in: type, **names: object) -> types.ModuleType:
    """Load a copy of ``test.<name>``, private to stand_in, that finds names bound.

    Raise unittest.SkipTest, with the reason, where the running Python cannot
    offer the module; modules raise it themselves when a helper is missing.
    """
    spec = find(name)
    if spec is None:
        raise unittest.SkipTest(
            f"this Python comes without test.{name} "
            "(Debian has CPython's tests in libpython3.x-testsuite)"
        )
    private = f"{stand_in.__name__}_{name.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(private, spec.origin)
    module = importlib.util.module_from_spec(spec)
    vars(module).update(names)
    sys.modules[private] = module  # pickle finds the module's classes by name
    spec.loader.exec_module(module)
    return module


def find(name: str):
    """Find where ``test.<name>`` lies, without loading it; None if nowhere."""
    try:
        return importlib.util.find_spec(f"test.{name}")
    except ModuleNotFoundError:  # not even the package around it
        return None


def adapt(module: types.ModuleType) -> None:
    """Mend what a test module takes for granted about its surroundings."""
    if hasattr(module, "assert_python_failure"):
        module.assert_python_failure = teach_the_child(module)
    # test_buffer also compares with numpy, where it finds one, by a method that
    # numpy 2.3 removed; without numpy the same tests run on.
    if hasattr(module, "numpy_array"):
        module.numpy_array = None


def teach_the_child(module: types.ModuleType):
    """Make code that a test hands to a new interpreter know the stand-in.

    Such code names the type by its __name__, as only a builtin can be named.
    """
    stand_in, original = module.bytearray, module.assert_python_failure
    lesson = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        f"from {stand_in.__module__} import {stand_in.__qualname__}\n"
    )

    def assert_python_failure(*args, **env):
        *options, code = args
        return original(*options, lesson + code, **env)

    return assert_python_failure


def tests_about(module: types.ModuleType) -> Iterator[unittest.TestCase]:
    """Yield the tests of a loaded module that touch the type under test."""
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            for method in unittest.defaultTestLoader.getTestCaseNames(value):
                if reaches(value, method, module):
                    yield value(method)


def reaches(case: type, method: str, module: types.ModuleType) -> bool:
    """Tell whether a test may use the type under test, itself or by a helper.

    Names are followed from code to code: a name means every attribute of that
    name in the test's classes and the module's global.  This can select a test
    too many, where a name means something else, but misses none in use.
    """
    seen, todo = set(), [method]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for value in meanings(name, case, module):
            if isinstance(value, type) and issubclass(value, module.bytearray):
                return True
            todo.extend(names_in(value, module))
    return False


def meanings(name: str, case: type, module: types.ModuleType) -> list:
    scopes = [vars(cls) for cls in case.__mro__] + [vars(module)]
    return [scope[name] for scope in scopes if name in scope]


def names_in(value: object, module: types.ModuleType) -> set[str]:
    """Collect the names that a function, property or class of tests uses.

    What a decorator returned leads on to the function that it holds or wraps.
    """
    if isinstance(value, type):
        own = value.__module__ == module.__name__
        parts = list(vars(value).values()) if own else []
        return set().union(*(names_in(part, module) for part in parts))
    value = getattr(value, "fget", value)
    value = getattr(value, "__func__", value)
    code = getattr(value, "__code__", None)
    if code is None:
        return set()
    held = [cell.cell_contents for cell in value.__closure__ or ()]
    held.append(getattr(value, "__wrapped__", None))
    inner = (names_in(each, module) for each in held if not isinstance(each, type))
    return names_in_code(code).union(*inner)


def names_in_code(code: types.CodeType) -> set[str]:
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*map(names_in_code, inner))


def run(test: unittest.TestCase) -> tuple[list[str], list[str]]:
    """Run one test with its fixtures; return why it skipped and how it failed.

    An exception that ends a thread is a failure too: CPython's threaded tests
    assert inside their threads, where unittest does not look.
    """
    result = unittest.TestResult()
    with uncaught_in_threads() as uncaught:
        unittest.TestSuite([test]).run(result)
    problems = [text for _, text in result.failures + result.errors]
    return [reason for _, reason in result.skipped], problems + uncaught


@contextmanager
def uncaught_in_threads() -> Iterator[list[str]]:
    uncaught: list[str] = []

    def note(args: threading.ExceptHookArgs) -> None:
        uncaught.append("".join(traceback.format_exception(args.exc_value)))

    with mock.patch.object(threading, "excepthook", note):
        yield uncaught
