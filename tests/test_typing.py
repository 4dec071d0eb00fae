"""The type stubs agree with the modules, and two type checkers accept tests/typing.

The files in tests/typing use the public interface and assert the type of each result.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import growbuf

CHECKOUT = Path(__file__).resolve().parent.parent
USES = CHECKOUT / "tests" / "typing"
VERSIONS = ["3.11", "3.15"]

pytest.importorskip("numpy")


def needs(name):
    return pytest.mark.skipif(
        importlib.util.find_spec(name) is None, reason=f"needs {name}: make typing"
    )


def run(module, *words):
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "MYPYPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# The stub declares GrowArray as a subclass of ndarray. These are ndarray's
# declarations, which are narrower than what GrowArray has: keyword-only or named
# arguments, a setter.
INHERITED = (
    "__array__",
    "__array_function__",
    "__array_ufunc__",
    "setflags",
    "strides",
)


@needs("mypy")
def test_stubtest_stubs_agree_with_modules(tmp_path):
    allowed = tmp_path / "allowed"
    allowed.write_text(
        "".join(f"growbuf.array.GrowArray.{name}\n" for name in INHERITED)
    )
    settings = ("--mypy-config-file", CHECKOUT / "pyproject.toml")
    run("mypy.stubtest", "growbuf", "--allowlist", allowed, *settings)


@needs("mypy")
@pytest.mark.parametrize("version", VERSIONS)
def test_mypy_strict_accepts_uses(version, tmp_path):
    words = ("--strict", "--cache-dir", tmp_path, "--python-version", version)
    run("mypy", *words, USES)


@needs("basedpyright")
@pytest.mark.parametrize("version", VERSIONS)
def test_basedpyright_strict_accepts_uses(version):
    run("basedpyright", "--pythonversion", version, USES)


@needs("jedi")
@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from growbuf import Gr", "GrowArray"),
        ("import growbuf\ngrowbuf.Gr", "GrowArray"),
        ("from growbuf import *\nGrowA", "GrowArray"),
        ("from growbuf import GrowArray\na = GrowArray([1.0])\na.me", "mean"),
        ("import growbuf\na = growbuf.GrowArray([1.0])\na.app", "append"),
    ],
)
def test_jedi_completes_from_source_without_running_it(code, name):
    import jedi

    found = jedi.Script(code, project=jedi.Project(CHECKOUT)).complete()
    assert name in [completion.name for completion in found]


@needs("jedi")
def test_jedi_completes_methods_of_ndarray_and_growarray():
    import jedi

    for written, name in (("a.me", "mean"), ("a.app", "append"), ("a.cap", "capacity")):
        code = f"from growbuf.array import GrowArray\na = GrowArray()\n{written}"
        for found in (
            jedi.Script(code).complete(),
            jedi.Interpreter(written, [{"a": growbuf.GrowArray()}]).complete(),
        ):
            assert name in [completion.name for completion in found]
