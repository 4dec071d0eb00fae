"""Run CPython's own tests with another type in place of bytearray.

A test module of the running Python is loaded a second time under a private name, with
its global ``bytearray`` already bound to the type under test. So ``type2test =
bytearray`` in a class and ``bytearray(b"abc")`` in a test both use that type. The
builtin and the original module, such as ``test.test_bytes``, are unchanged.
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
REPR = "the test contains the repr of a bytearray, bytearray(b'')"


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
    """Load a private copy of ``test.<name>`` in which bytearray means stand_in."""
    module = load_copy(name, stand_in, bytearray=stand_in)
    adapt(module)
    return module


def load_copy(name: str, stand_in: type, **names: object) -> types.ModuleType:
    """Load a copy of ``test.<name>``, one for each stand_in, with these global names.

    Raise unittest.SkipTest with the reason if the running Python does not have the
    module. The module itself raises it if something that it needs is missing.
    """
    spec = find(name)
    if spec is None:
        raise unittest.SkipTest(
            f"this Python is installed without test.{name} "
            "(Debian's package libpython3.x-testsuite contains CPython's tests)"
        )
    private = f"{stand_in.__name__}_{name.replace('.', '_')}"
    spec = importlib.util.spec_from_file_location(private, spec.origin)
    module = importlib.util.module_from_spec(spec)
    vars(module).update(names)
    sys.modules[private] = module  # where pickle looks for the module's classes
    spec.loader.exec_module(module)
    return module


def find(name: str):
    """Return the spec of ``test.<name>`` without loading it, None if there is none."""
    try:
        return importlib.util.find_spec(f"test.{name}")
    except ModuleNotFoundError:  # the package that would contain it is missing
        return None


def adapt(module: types.ModuleType) -> None:
    """Change what a test module assumes about its environment."""
    if hasattr(module, "assert_python_failure"):
        module.assert_python_failure = import_in_child(module)
    # test_buffer compares with numpy if it is installed, by a method that numpy 2.3
    # removed. Without numpy it runs the same tests.
    if hasattr(module, "numpy_array"):
        module.numpy_array = None


def import_in_child(module: types.ModuleType):
    """Return assert_python_failure with an import of the stand-in before the code.

    A test passes it code for a new interpreter. The code uses the __name__ of the type
    under test, which works for a builtin without an import.
    """
    stand_in, original = module.bytearray, module.assert_python_failure
    imports = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        f"from {stand_in.__module__} import {stand_in.__qualname__}\n"
    )

    def assert_python_failure(*args, **env):
        *options, code = args
        return original(*options, imports + code, **env)

    return assert_python_failure


def tests_about(module: types.ModuleType) -> Iterator[unittest.TestCase]:
    """Yield the tests of a loaded module that use the type under test."""
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, unittest.TestCase):
            for method in unittest.defaultTestLoader.getTestCaseNames(value):
                if reaches(value, method, module):
                    yield value(method)


def reaches(case: type, method: str, module: types.ModuleType) -> bool:
    """Return whether a test may use the type under test, directly or through a helper.

    The search follows every name that the test's code uses. A name can mean an
    attribute of the test's classes or a global of the module, so it follows all of
    them. It may select a test that does not use the type, but misses none that does.
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
    """Return the names that a function, a property or a class of tests uses.

    For a decorated function this includes the names that the original function uses.
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
    """Run one test with its fixtures; return the reasons for skips, and the failures.

    An exception that ends a thread counts as a failure: some of CPython's tests assert
    inside their threads, where unittest does not notice.
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
