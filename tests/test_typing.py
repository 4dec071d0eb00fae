"""The types: the stubs say what there is at run time, and two checkers accept how it
is used in tests/typing, with the type of each result asserted there."""

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


def lent_by_ndarray():
    """Yield the attributes that GrowArray takes from ndarray, other ones with each
    NumPy: the stub says __getattr__."""
    from growbuf import GrowArray

    yield "__getattr__"
    for name, value in vars(GrowArray).items():
        if isinstance(value, property) and value.__doc__ == f"As ndarray.{name}.":
            yield name


@needs("mypy")
def test_the_stubs_say_what_there_is(tmp_path):
    allowed = tmp_path / "allowed"
    names = [f"growbuf.array.GrowArray.{name}\n" for name in lent_by_ndarray()]
    assert len(names) > 20
    allowed.write_text("".join(names))
    settings = ("--mypy-config-file", CHECKOUT / "pyproject.toml")
    run("mypy.stubtest", "growbuf", "--allowlist", allowed, *settings)


@needs("mypy")
@pytest.mark.parametrize("version", VERSIONS)
def test_mypy_accepts_the_uses(version, tmp_path):
    words = ("--strict", "--cache-dir", tmp_path, "--python-version", version)
    run("mypy", *words, USES)


@needs("basedpyright")
@pytest.mark.parametrize("version", VERSIONS)
def test_basedpyright_accepts_the_uses(version):
    run("basedpyright", "--pythonversion", version, USES)
