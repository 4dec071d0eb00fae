"""The behaviour is the same on every rung of the ladder, not only on the rung that this
machine selects."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from growbuf._growbuf import facts

ROOT = Path(__file__).parents[1]
SUITES = [
    f"tests/test_{name}.py" for name in ("traps", "growbuffer", "model", "array_model")
]


@pytest.mark.parametrize("rung", ["maymove", "copy", "heap"])
def test_suite_on_lower_rung_passes(rung):
    if os.environ.get("GROWBUF_STRATEGY"):
        pytest.skip("a rung is forced already")
    if facts()["probe"].get(rung, "ok") != "ok":
        pytest.skip("this kernel does not have it")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *SUITES],
        cwd=ROOT,
        env={**os.environ, "GROWBUF_STRATEGY": rung},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
