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
        assert f"UNDER=env {matrix.FEW} GROWBUF_STRATEGY={name}" in entry.command


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
    assert entry.outcome == "not run"
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


def test_setup_without_compiler_says_so_in_its_last_line(tmp_path):
    words = ["--quiet", "build_ext", "--build-temp", tmp_path, "--build-lib", tmp_path]
    done = subprocess.run(
        [sys.executable, "setup.py", *words],
        cwd=CHECKOUT,
        env={**os.environ, "CC": "no-such-cc"},
        capture_output=True,
        text=True,
    )
    last = done.stderr.splitlines()[-1]
    assert done.returncode and "no-such-cc" in last and "install gcc" in last


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


# ------------------------------------------------------------- make retain: the kernel


@pytest.fixture
def retain_kernel(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import retain_kernel

    return retain_kernel


def test_retain_kernel_changes_a_condition_in_its_function_only(retain_kernel):
    change = retain_kernel.Change("a rule", "grow(", r"\bold != new\b", "old > new")
    text = "int shrink(int old)\n{\n  old != new;\n}\n"
    text += "int grow(\n  int old)\n{\n  old != new;\n}\n"
    text += "int last(void)\n{\n  old != new;\n}\n"
    changed = retain_kernel.apply(change, text)
    assert changed.count("old != new") == 2
    assert changed == text.replace(
        "grow(\n  int old)\n{\n  old !=", "grow(\n  int old)\n{\n  old >"
    )


@pytest.mark.parametrize("body", ["", "  old != new;\n  old != new;\n"])
def test_retain_kernel_condition_not_found_once_is_an_error(retain_kernel, body):
    change = retain_kernel.Change("a rule", "grow(", r"\bold != new\b", "old > new")
    with pytest.raises(ValueError, match=rf"has {body.count('!=')} conditions"):
        retain_kernel.apply(change, f"int grow(int old)\n{{\n{body}}}\n")
    with pytest.raises(ValueError, match="no function grow"):
        retain_kernel.apply(change, "int grow(int old);\n")


def test_retain_kernel_source_that_differs_is_named_and_unchanged(
    retain_kernel, tmp_path
):
    (tmp_path / "mm").mkdir()
    source = tmp_path / "mm" / "mremap.c"
    source.write_text("int other(void)\n{\n}\n")
    with pytest.raises(SystemExit, match=retain_kernel.CHANGES[0].rule):
        retain_kernel.main(tmp_path)
    assert source.read_text() == "int other(void)\n{\n}\n"
    with pytest.raises(SystemExit, match="is not a Linux source tree"):
        retain_kernel.main(tmp_path / "mm")


def test_retain_kernel_without_source_prints_all_of_each_change(retain_kernel, capsys):
    retain_kernel.main()
    printed = capsys.readouterr().out
    for change in retain_kernel.CHANGES:
        assert "\n    ".join(change) + "\n" in printed


# ------------------------------------------------------------- make retain: the files


def test_retain_files_two_paths_of_a_file_are_one_name_and_the_links(
    monkeypatch, tmp_path
):
    """A file with two names would be empty in the guest, if it is a hard link."""
    monkeypatch.syspath_prepend(TOOLS)
    import retain_files

    folder = tmp_path / "usr" / "lib"
    folder.mkdir(parents=True)
    (folder / "libz.so.1.2").write_text("z")
    (folder / "libz.so").symlink_to("libz.so.1.2")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "gone").symlink_to("nowhere")
    given = ["usr/lib/libz.so.1.2", "lib/libz.so", "usr/../lib/libz.so", "gone"]
    names = retain_files.find_names(f"{tmp_path}/{name}" for name in given)
    inside = [name for name in names if name.startswith(f"{tmp_path}/")]
    assert inside == [
        f"{tmp_path}/{name}"
        for name in ("lib", "usr", "usr/lib", "usr/lib/libz.so", "usr/lib/libz.so.1.2")
    ]
    assert {str(parent) for parent in tmp_path.parents} - {"/"} <= {*names}


# ------------------------------------------------------------- make retain: the table


@pytest.fixture
def retain_table(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import retain_table

    return retain_table


def test_retain_table_replaces_what_is_between_the_marks(retain_table):
    log = 'a line\ncounts: {"rung": "copy", "vectors": 2, "moves": 0,'
    log += ' "copied": 1072758784, "remap": 0, "map": 11, "unmap": 10,'
    log += ' "advise": 14, "mappings": 1, "faults": 2937}\n'
    rows = retain_table.read_counts(log)
    page = "before\n<!--retain counts-->\nold\n<!--/retain counts-->\nafter\n"
    filled = retain_table.fill(page, rows)
    assert (
        "| `copy`, 2 | 0 | 1,072,758,784 | 0 | 11 | 10 | 14 | 1 | 2,937 |\n" in filled
    )
    assert filled.startswith("before\n") and filled.endswith("\nafter\n")
    assert "old" not in filled
    assert retain_table.fill(filled, rows) == filled
    with pytest.raises(ValueError, match="no place"):
        retain_table.fill("no marks", rows)


def test_uncovered_list_names_functions_that_exist(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    import uncovered

    listed = uncovered.read_list()
    assert listed
    for file, _, function in (name.partition(":") for name in listed):
        code = (CHECKOUT / file).read_text()
        assert re.search(rf"^{function}\(", code, re.MULTILINE), (file, function)


@pytest.mark.parametrize("target", ["lint", "docs", "matrix", None])
def test_ci_run_target_that_fails_fails_the_run(tmp_path, target):
    # make and apt-get are replaced: nothing is built or installed.
    for name, line in {"make": f'[ "$1" != "{target}" ]', "apt-get": "true"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [CHECKOUT / ".ci" / "run"], env=os.environ | {"PATH": path}, capture_output=True
    )
    assert (done.returncode == 0) == (target is None), done.stderr.decode()
