"""Test `python -m growbuf bench` and the functions that it measures with.

The data is short. Every peer must return the bytes that it is timed for.
"""

import json
import mmap
import os
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

import growbuf
from growbuf.cli import cases, main, measure
from growbuf.cli.cases import CASES, PATTERN

CHECKOUT = Path(__file__).resolve().parent.parent
PAIRS = [(case, peer) for case in CASES for peer in CASES[case].peers]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
needs_rich = pytest.mark.skipif(not find_spec("rich"), reason="needs rich")


def run_bench(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "growbuf", "bench", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def content(result):
    """Return the bytes of a peer's result; spare capacity may follow them."""
    if isinstance(result, list):
        return b"".join(map(content, result))
    if hasattr(result, "getvalue"):
        return result.getvalue()
    if hasattr(result, "buffers"):  # the last buffer of an Arrow array has the values
        return result.buffers()[-1].to_pybytes()
    try:
        return memoryview(result).tobytes()
    except TypeError:
        return bytes(result)


def expected(case, nbytes):
    """Return the bytes that every peer must return in a case."""
    piece = PATTERN[: CASES[case].piece_nbytes]
    if case == "interleaved":
        nbytes = nbytes // cases.INTERLEAVED
        piece = PATTERN[: cases.PIECE_NBYTES]
        return piece * (nbytes // len(piece)) * cases.INTERLEAVED
    piece = {"by-byte": b"\7", "zeros": b"\0"}.get(case, piece)
    return piece * (nbytes // len(piece))


@pytest.mark.parametrize(("case", "peer"), PAIRS, ids=map("-".join, PAIRS))
class TestPeers:
    def test_case_run_returns_expected_result(self, case, peer):
        if not cases.is_installed(CASES[case].peers[peer]):
            pytest.skip(f"{peer} is not installed")
        nbytes = CASES[case].nbytes(peer, 1 << 20)
        with CASES[case].make_argument(nbytes) as argument:
            result = CASES[case].run(CASES[case].peers[peer].begin, argument)
        check(case, result, nbytes)


def check(case, result, nbytes):
    if case == "rebuild":
        assert result is None
    elif case == "window":
        assert content(result) == PATTERN * (nbytes // 2 // len(PATTERN))
    elif case in ("append", "extend"):
        import numpy as np

        items = np.arange(nbytes / 8)
        wanted = items / 2 if case == "append" else items % cases.BLOCK_ITEMS
        assert np.asarray(result).tobytes() == wanted.tobytes()
    else:
        assert content(result)[:nbytes] == expected(case, nbytes)


@needs_rich
class TestCommand:
    def test_bench_prints_ratios_and_machine(self, tmp_path):
        done = run_bench(
            "build-64k", "zeros", "--size", "64K", "--repeat", 1, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        facts = growbuf.info()
        for word in ("kernel", "strategy", "transparent_hugepage"):
            assert str(facts[word]) in done.stdout
        rows = [line.split() for line in done.stdout.splitlines()]
        assert ["GrowBuffer", "1.00"] in [row[:2] for row in rows]
        assert "bytearray" in done.stdout
        assert done.stderr == ""

    def test_bench_json_writes_every_figure(self, tmp_path):
        words = ("build-64k", "--size", "1M", "--repeat", 2, "--json", "bench.json")
        done = run_bench(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        report = json.loads((tmp_path / "bench.json").read_text())
        assert report["growbuf"] == growbuf.info()
        assert report["machine"]["cores"] == os.cpu_count()
        ours, *others = report["rows"]
        assert ours["peer"] == "GrowBuffer" and ours["ratio"] == 1
        assert {"bytearray", "io.BytesIO", "list + join"} <= {r["peer"] for r in others}
        for row in report["rows"]:
            assert len(row["seconds"]) == 2 and min(row["seconds"]) > 0, row
            assert {"peak_nbytes", "after_nbytes", "faults", "mappings"} <= set(row)

    @pytest.mark.skipif(not find_spec("matplotlib"), reason="needs matplotlib")
    @pytest.mark.parametrize("suffix", ["svg", "png"])
    def test_bench_plot_writes_picture(self, tmp_path, suffix):
        name = f"ratios.{suffix}"
        words = ("zeros", "--size", "64K", "--repeat", 1, "--plot", name)
        done = run_bench(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).stat().st_size > 1000

    @pytest.mark.skipif(not find_spec("matplotlib"), reason="needs matplotlib")
    def test_bench_plot_without_ratios_fails_in_one_line(self, monkeypatch, capsys):
        missing = ("no-such", "libno-such")
        monkeypatch.setitem(measure.ALLOCATORS, "other", missing)
        words = ["bench", "zeros", "--allocator", "other", "--plot", "ratios.svg"]
        assert main.main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("growbuf: ratios.svg was not written: ")

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("no-such",), "build-64k"),
            (("--allocator", "no-such"), "jemalloc"),
            (("--size", "none"), "not a size"),
            (("--repeat", "0"), "not a count"),
        ],
    )
    def test_bench_invalid_argument_exits_with_2(self, tmp_path, words, message):
        done = run_bench(*words, cwd=tmp_path)
        assert done.returncode == 2
        assert message in done.stderr and done.stdout == ""

    def test_bench_missing_packages_are_named_and_skipped(self, monkeypatch, capsys):
        monkeypatch.setitem(measure.ALLOCATORS, "other", ("no-such", "libno-such"))
        monkeypatch.setattr(cases, "find_spec", lambda module: None)
        words = ["bench", "build-64k", "append", "--size", "64K", "--repeat", "1"]
        assert main.main([*words, "--allocator", "other,glibc"]) == 0
        out = capsys.readouterr().out
        assert "other: not found, install libno-such" in out
        assert "numpy: not installed, pip install numpy" in out
        assert "bytearray" in out and "np.append" not in out
        assert "build-64k, 64 KiB" in out
        assert "append, " not in out, "every peer of this case needs numpy"


@needs_rich
class TestWorker:
    @pytest.mark.parametrize("allocator", measure.ALLOCATORS)
    def test_worker_loads_its_allocator(self, allocator):
        from growbuf.cli import bench

        try:
            worker = bench.Worker(allocator)
        except measure.MissingError as error:
            pytest.skip(str(error))
        with worker:
            assert "seconds" in worker.measure("build-64k", "bytearray", 1 << 16)
            loaded = Path(f"/proc/{worker._process.pid}/maps").read_text()
        library = measure.ALLOCATORS[allocator][0]
        assert library is None or f"lib{library}" in loaded

    def test_worker_ask_after_failed_job_still_measures(self):
        from growbuf.cli import bench

        with bench.Worker("glibc") as worker:
            answer = worker.ask(measure="builds", peer="bytearray", nbytes="many")
            assert answer == {"error": "exit code 1"}
            assert "seconds" in worker.measure("zeros", "bytearray", 1 << 16)


class TestMeasure:
    def test_in_child_long_result_is_complete(self):
        assert measure.in_child(list, range(100_000)) == list(range(100_000))

    def test_in_child_killed_child_raises_error_with_signal(self):
        with pytest.raises(ChildProcessError, match="SIGKILL"):
            measure.in_child(lambda: os.kill(os.getpid(), 9))

    def test_figures_exclude_memory_held_before(self):
        nbytes = 64 << 20
        kept = bytearray(nbytes)

        def job():
            """Map memory, since an allocator might keep it, or merge mappings."""
            memory = mmap.mmap(-1, nbytes)
            memory[:: mmap.PAGESIZE] = bytes(nbytes // mmap.PAGESIZE)
            return memory

        row = measure.in_child(measure.figures, job)
        # The bounds are not exact: the allocator may give back memory meanwhile.
        assert 0.95 * nbytes < row["peak_nbytes"] < 1.5 * nbytes
        assert row["after_nbytes"] < 0.5 * nbytes
        assert row["faults"] > 0 and row["mappings"] >= 1
        del kept

    def test_exponent_of_quadratic_points_is_2(self):
        points = [(n, 3 * n**2) for n in (1, 10, 1000)]
        assert measure.exponent(points) == pytest.approx(2)


@needs_rich
class TestReport:
    def test_add_ratios_with_different_lengths_compares_time_per_byte(self):
        from growbuf.cli import bench

        rows = [
            {"nbytes": 100, "seconds": [1.0, 2.0, 4.0]},
            {"nbytes": 10, "seconds": [1.0, 1.0, 1.0]},
            {"nbytes": 100, "error": "killed"},
        ]
        bench.add_ratios(rows)
        assert [row.get("ratio") for row in rows] == [1, 5, None]

    def test_make_tables_failed_peer_shows_error_in_row(self):
        from growbuf.cli import bench

        rows = [
            {"case": "zeros", "peer": "GrowBuffer", "nbytes": 1, "seconds": [1.0]},
            {"case": "zeros", "peer": "other", "nbytes": 1, "error": "killed"},
        ]
        bench.add_ratios(rows)
        (table,) = bench.make_tables(rows)
        assert table.row_count == 2
        assert "killed" in list(table.columns[1].cells)


@pytest.fixture
def pictures(monkeypatch):
    pytest.importorskip("matplotlib")
    if not (CHECKOUT / "benchmarks").exists():
        pytest.skip("the tests run without their checkout")
    monkeypatch.syspath_prepend(CHECKOUT / "benchmarks")
    import pictures

    return pictures


def suite_rows():
    """Yield rows as the suite writes them, for every case that is drawn."""
    for allocator in measure.ALLOCATORS:
        for peer in ("GrowBuffer", "bytearray"):
            for case in ("build-64k", "scaling", "appends", "windows"):
                for nbytes in (1 << 20, 128 << 20):
                    yield {
                        "allocator": allocator,
                        "case": case,
                        "peer": peer,
                        "nbytes": nbytes,
                        "seconds": [0.1, 0.2],
                        "peak_nbytes": 2 * nbytes,
                        "append_ns": [1000, 2000, 3000] * 1000,
                    }


def test_pictures_drawn_twice_are_small_and_equal(pictures, tmp_path, monkeypatch):
    report = {"benchmarks": [{"extra_info": row} for row in suite_rows()]}
    source = tmp_path / "bench.json"
    source.write_text(json.dumps(report))
    drawn = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        monkeypatch.setattr(sys, "argv", ["pictures.py", str(source), str(folder)])
        pictures.main()
        drawn.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == set(pictures.PICTURES)
    assert max(map(len, drawn[0].values())) < 100_000


def test_pictures_write_tables_replaces_only_the_table(pictures, tmp_path):
    ours = {"allocator": "glibc", "case": "zeros", "nbytes": 4, "seconds": [2.0]}
    theirs = {**ours, "peer": "bytearray", "nbytes": 2}
    other = {**theirs, "allocator": "mimalloc", "seconds": [7.0]}
    page = tmp_path / "performance.md"
    rows = [{**ours, "peer": "GrowBuffer"}, theirs, other, {**theirs, "case": "file"}]
    page.write_text("before\n\n<!-- ratios: zeros file -->\n\n| old |\n\nafter\n")
    make = partial(pictures.ratio_table, rows)
    pictures.write_tables(tmp_path, "ratios", make)
    assert page.read_text().splitlines() == [
        "before",
        "",
        "<!-- ratios: zeros file -->",
        "",
        "|  | `zeros` | `file` |",
        "| --- | --- | --- |",
        "| GrowBuffer | 1.00 |  |",
        "| bytearray | 2.00 | 1.00 |",
        "",
        "after",
    ]
