"""The scripts in tools/, the Makefile, and the last line of a run of the tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
TOOLS = CHECKOUT / "tools"

pytestmark = pytest.mark.skipif(
    not TOOLS.exists(), reason="the tests run without their checkout"
)


@pytest.fixture
def matrix(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import matrix

    return matrix


RUNGS = ["retain", "dontunmap", "maymove", "copy", "heap"]


def rung_entries(matrix, **probed):
    return {
        entry.name: entry for entry in matrix.entries(probed) if entry.name in RUNGS
    }


def test_matrix_kernel_with_every_rung_runs_an_entry_for_each(matrix):
    entries = rung_entries(matrix, retain="ok", dontunmap="ok", maymove="ok", copy="ok")
    assert [*entries] == RUNGS
    for name, entry in entries.items():
        assert f"UNDER=env GROWBUF_STRATEGY={name}" in entry.command


@pytest.mark.parametrize(
    ("probed", "repeated"),
    [
        ({"retain": "EINVAL"}, "dontunmap"),
        ({"retain": "EINVAL", "dontunmap": "EINVAL"}, "maymove"),
    ],
)
def test_matrix_kernel_without_a_rung_names_the_entry_it_repeats(
    matrix, probed, repeated
):
    entry = rung_entries(matrix, **probed)["retain"]
    assert entry.command == []
    assert entry.outcome == "missing"
    assert "EINVAL" in entry.summary and repeated in entry.summary


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_without_compiler_says_so_in_one_line():
    done = subprocess.run(
        ["make", "--no-print-directory", "python", f"PYTHON={sys.executable}"],
        cwd=CHECKOUT,
        env={**os.environ, "CC": "no-such-cc"},
        capture_output=True,
        text=True,
    )
    first, *others = done.stderr.splitlines()
    assert done.returncode and "no-such-cc" in first and "install gcc" in first
    assert all(re.match(r"make(\[\d+\])?: ", line) for line in others)


def test_summary_of_skips_is_one_line_in_groups():
    import conftest

    reasons = [
        "bitarray is not installed",
        "could not import 'numpy': No module named 'numpy'",
        "tcmalloc: not found, install libtcmalloc-minimal4",
        "needs rich",
        "could not import 'numpy': No module named 'numpy'",
        "__buffer__ is of 3.12",
        "this kernel does not have it",
        "nothing to resize, so nothing to refuse",
    ]
    assert conftest.describe_skips(reasons) == (
        "8 skipped: 5 for what is not installed (bitarray, numpy, rich, tcmalloc); "
        "1 for this Python's version or build; 1 for this system or kernel; "
        "1 where the case does not arise (-rs lists them)"
    )


def test_summary_without_skips_is_empty():
    import conftest

    assert conftest.describe_skips([]) == ""
