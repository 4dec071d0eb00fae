"""The type stubs agree with the modules, and two type checkers accept tests/typing.

The files in tests/typing use the public interface and assert the type of each result.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def ndarray_attributes():
    """Yield the attributes that GrowArray passes on to ndarray.

    They differ between versions of NumPy, so the stub declares __getattr__ instead.
    """
    from growbuf import GrowArray

    yield "__getattr__"
    for name, value in vars(GrowArray).items():
        if isinstance(value, property) and value.__doc__ == f"As ndarray.{name}.":
            yield name


@needs("mypy")
def test_stubtest_stubs_agree_with_modules(tmp_path):
    allowed = tmp_path / "allowed"
    names = [f"growbuf.array.GrowArray.{name}\n" for name in ndarray_attributes()]
    assert len(names) > 20
    allowed.write_text("".join(names))
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
